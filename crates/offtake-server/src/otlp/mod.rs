//! OpenTelemetry's receiver for traces: one way in, and two front ends before it, HTTP and gRPC.
//!
//! Responsible for what becomes of a body once it is in memory: it is unpacked, decoded, mapped and stored, and what is
//! answered with success is durable. How much of that goes on at once is bounded in two places that both front ends share:
//! bytes of bodies in flight (`App::otlp_room`), and turns at decoding and storing (`App::ingest`). Whoever finds neither in
//! time is sent away to come back; nothing of theirs was taken. Not responsible for how a request says what it is (the front
//! ends), nor for who may send (`auth`).

pub(crate) mod grpc;
pub(crate) mod http;
mod packing;

use std::sync::Arc;
use std::time::Duration;

use offtake_datasets::spans::Conventions;
use offtake_datasets::spans::otlp::{Incoming, decode_json, decode_protobuf, to_spans};
use offtake_model::id::OrgId;
use offtake_model::limit::Refused;
use offtake_model::{Error, ErrorKind, Result};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTracePartialSuccess;
use tokio::runtime::Handle;

use crate::exports::blocking;
use crate::extract::{COME_BACK, Held};
use crate::state::App;
use packing::{Packing, unpack};

/// How long a request waits for its turn before it is sent away to come back. Exporters give up on a request after ten
/// seconds: they have to hear of it, and have time to try again.
const TURN: Duration = Duration::from_secs(2);
const BUSY: &str = "too many spans arrive at once; send these again later";
/// Reasons named in a partial success.
const REASONS: usize = 5;
/// The longest message of a partial success, in bytes.
const MAX_MESSAGE: usize = 1000;

#[derive(Debug, Clone, Copy)]
enum Encoding {
    Protobuf,
    Json,
}

/// # Errors
/// `not_found` where no spans are taken in.
fn require_open(app: &App) -> Result<()> {
    match app.spans {
        Some(_) => Ok(()),
        None => Err(Error::new(ErrorKind::NotFound, "this installation does not take in spans")),
    }
}

/// Stores the spans of a body; what of them was refused, and why. They are durable when this returns.
///
/// # Errors
/// `malformed`, `too_large`; `too_many_requests` if there is no turn in time; what the span store says.
async fn ingest(app: App, org: OrgId, body: Held, packing: Packing, encoding: Encoding) -> Result<Vec<String>> {
    require_open(&app)?;
    // A turn is taken with the whole body in hand: a slow sender keeps nobody else waiting.
    let turn = tokio::time::timeout(TURN, Arc::clone(&app.ingest).acquire_owned()).await;
    let turn = turn.map_err(|_| {
        let refused = Refused { wait: COME_BACK, allowances: Vec::new() };
        Error::new(ErrorKind::TooManyRequests, BUSY).refused_by(refused)
    })?;
    let runtime = Handle::current();
    // From here on the work is done to its end, whether or not somebody still waits for the answer. The turn goes with
    // it: senders who leave early would otherwise have more done at once than there are turns.
    blocking(move || {
        let Some(spans) = &app.spans else { return Ok(Vec::new()) };
        let incoming = decode(body, packing, encoding, app.settings.otlp_decompressed_bytes, &app.conventions)?;
        let appended = runtime.block_on(spans.append(&org, incoming.spans))?;
        app.metrics.ingested(appended.stored, appended.duplicates, incoming.rejected.len() as u64);
        drop(turn);
        Ok(incoming.rejected)
    })
    .await
}

/// A body into rows. Its room is free once it is decoded.
fn decode(
    body: Held,
    packing: Packing,
    encoding: Encoding,
    most: usize,
    conventions: &Conventions,
) -> Result<Incoming> {
    let plain = unpack(&body.bytes, packing, most)?;
    let request = match encoding {
        Encoding::Protobuf => decode_protobuf(&plain)?,
        Encoding::Json => decode_json(&plain)?,
    };
    drop((plain, body));
    to_spans(request, conventions, most)
}

/// What is told of spans that were refused while others were stored.
fn partial_success(refused: &[String]) -> Option<ExportTracePartialSuccess> {
    let rejected_spans = i64::try_from(refused.len()).unwrap_or(i64::MAX);
    (!refused.is_empty()).then(|| ExportTracePartialSuccess { rejected_spans, error_message: explain(refused) })
}

fn explain(refused: &[String]) -> String {
    let mut message = refused.iter().take(REASONS).map(String::as_str).collect::<Vec<_>>().join("; ");
    if refused.len() > REASONS {
        message.push_str(&format!("; and {} more", refused.len() - REASONS));
    }
    let mut end = message.len().min(MAX_MESSAGE);
    while !message.is_char_boundary(end) {
        end -= 1;
    }
    message.truncate(end);
    message
}
