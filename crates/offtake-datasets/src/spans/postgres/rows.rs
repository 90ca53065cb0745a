//! Spans → the bytes that `COPY spans FROM STDIN (FORMAT binary)` reads.

use std::ops::RangeFrom;
use std::{iter, vec};

use bytes::{BufMut, Bytes, BytesMut};

use crate::escape::escaped;
use crate::spans::span::Span;

/// The statement, with the columns in the order in which [`pieces`] writes them.
pub(super) const COPY: &str = "COPY spans (ingest_seq, org_id, trace_id, span_id, parent_span_id, project_id, \
    document_uuid, commit_uuid, experiment_uuid, test_deployment_id, type, name, service, provider, model, environment, \
    user_id, session_id, status_code, status_message, started_at, ended_at, duration_ms, prompt_tokens, \
    completion_tokens, total_tokens, cost_usd, started_ns, ended_ns, input, output, attributes, resource, events) \
    FROM STDIN (FORMAT binary)";

const FIELDS: i16 = 34;

/// Signature, no flags, no extension.
const HEADER: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";

/// So many bytes are sent in one go, and what is left of the row that reaches them.
const PIECE: usize = 128 << 10;

/// From 1970 to 2000, where Postgres begins to count, in microseconds.
const TO_2000: i64 = 946_684_800_000_000;

/// A span that is stored.
#[derive(Debug, Clone, Copy)]
pub(super) struct Row<'a> {
    pub(super) org: &'a str,
    pub(super) span: &'a Span,
}

/// The stream of rows, in pieces.
#[derive(Debug)]
pub(super) struct Pieces<'a> {
    rows: iter::Zip<vec::IntoIter<Row<'a>>, RangeFrom<i64>>,
    begun: bool,
    ended: bool,
}

/// The stream of these rows, numbered from `first`.
pub(super) fn pieces(rows: Vec<Row<'_>>, first: i64) -> Pieces<'_> {
    Pieces { rows: rows.into_iter().zip(first..), begun: false, ended: false }
}

impl Iterator for Pieces<'_> {
    type Item = Bytes;

    fn next(&mut self) -> Option<Bytes> {
        if self.ended {
            return None;
        }
        let mut out = BytesMut::with_capacity(PIECE + PIECE / 4);
        if !self.begun {
            out.put_slice(HEADER);
            self.begun = true;
        }
        while out.len() < PIECE {
            let Some((row, number)) = self.rows.next() else {
                out.put_i16(-1);
                self.ended = true;
                break;
            };
            write(&mut out, row, number);
        }
        Some(out.freeze())
    }
}

fn write(out: &mut BytesMut, Row { org, span }: Row<'_>, number: i64) {
    out.put_i16(FIELDS);
    int(out, Some(number));
    plain(out, org);
    plain(out, &span.trace_id);
    plain(out, &span.span_id);
    match &span.parent_span_id {
        Some(parent) => plain(out, parent),
        None => null(out),
    }
    text(out, span.project_id.as_deref());
    text(out, span.document_uuid.as_deref());
    text(out, span.commit_uuid.as_deref());
    text(out, span.experiment_uuid.as_deref());
    text(out, span.test_deployment_id.as_deref());
    plain(out, span.span_type.as_str());
    text(out, Some(&span.name));
    text(out, span.service.as_deref());
    text(out, span.provider.as_deref());
    text(out, span.model.as_deref());
    text(out, span.environment.as_deref());
    text(out, span.user_id.as_deref());
    text(out, span.session_id.as_deref());
    plain(out, span.status_code.as_str());
    text(out, span.status_message.as_deref());
    int(out, Some(span.started_at - TO_2000));
    int(out, span.ended_at.map(|micros| micros - TO_2000));
    match span.duration_ms {
        Some(duration) => field(out, &duration.to_be_bytes()),
        None => null(out),
    }
    int(out, span.prompt_tokens);
    int(out, span.completion_tokens);
    int(out, span.total_tokens);
    match span.cost_usd {
        Some(nanos) => numeric(out, nanos),
        None => null(out),
    }
    field(out, &span.started_ns.to_be_bytes());
    match span.ended_ns {
        Some(nanos) => field(out, &nanos.to_be_bytes()),
        None => null(out),
    }
    text(out, span.input.as_deref());
    text(out, span.output.as_deref());
    // JSON escapes control characters itself.
    plain(out, &span.attributes);
    plain(out, &span.resource);
    plain(out, &span.events);
}

fn field(out: &mut BytesMut, bytes: &[u8]) {
    // Longer than any body that is let in.
    out.put_i32(i32::try_from(bytes.len()).unwrap_or(i32::MAX));
    out.put_slice(bytes);
}

fn null(out: &mut BytesMut) {
    out.put_i32(-1);
}

fn plain(out: &mut BytesMut, text: &str) {
    field(out, text.as_bytes());
}

fn text(out: &mut BytesMut, text: Option<&str>) {
    match text {
        Some(text) => plain(out, &escaped(text)),
        None => null(out),
    }
}

fn int(out: &mut BytesMut, value: Option<i64>) {
    match value {
        Some(value) => field(out, &value.to_be_bytes()),
        None => null(out),
    }
}

/// Nano-dollars as a numeric of nine decimals: three digits of base 10,000 before the point and three after it.
fn numeric(out: &mut BytesMut, nanos: i64) {
    const BASE: u64 = 10_000;
    let (whole, rest) = (nanos.unsigned_abs() / 1_000_000_000, nanos.unsigned_abs() % 1_000_000_000 * 1_000);
    // The server takes zeros off by itself. Larger amounts than fit it refuses.
    let digits =
        [whole / BASE / BASE, whole / BASE % BASE, whole % BASE, rest / BASE / BASE, rest / BASE % BASE, rest % BASE];
    let mut bytes = [0_u8; 20];
    bytes[1] = 6;
    bytes[3] = 2;
    bytes[4] = if nanos < 0 { 0x40 } else { 0 };
    bytes[7] = 9;
    for (place, digit) in bytes[8..].chunks_exact_mut(2).zip(digits) {
        place.copy_from_slice(&u16::try_from(digit).unwrap_or(u16::MAX).to_be_bytes());
    }
    field(out, &bytes);
}
