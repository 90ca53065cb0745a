//! Spans from anywhere: no body panics, none takes many times its size, and what was taken can be stored and read.

use std::sync::LazyLock;

use offtake_datasets::spans::otlp::{ExportTraceServiceRequest, Incoming, decode_json, decode_protobuf, to_spans};
use offtake_datasets::spans::{Conventions, ConventionsConfig, Span};
use offtake_model::ErrorKind;
use prost::Message as _;
use serde_json::Value as Json;

/// The largest body, as the rows of one request are bounded by it.
const LARGEST: usize = 1 << 20;
/// Bytes of rows that any body may become: see `Room` in `offtake-datasets`.
const MOST: usize = (16 << 20) + 4 * LARGEST;

static CONVENTIONS: LazyLock<Conventions> = LazyLock::new(|| match Conventions::new(&ConventionsConfig::default()) {
    Ok(conventions) => conventions,
    Err(error) => panic!("the defaults are wrong: {error}"),
});

/// Sends the bytes to ingest: as JSON where they begin like it, else as protobuf.
pub fn otlp(data: &[u8]) {
    let is_json = data.trim_ascii_start().first() == Some(&b'{');
    let decoded = if is_json { decode_json(data) } else { decode_protobuf(data) };
    let request = match decoded {
        Ok(request) => request,
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::Malformed);
            return;
        }
    };
    let sent: usize = spans_in(&request);
    // What was taken in means the same sent on in protobuf.
    let again = request.encode_to_vec();
    let rows = rows_of(request);
    if let (Some(rows), Ok(request)) = (&rows, decode_protobuf(&again)) {
        let Some(again) = rows_of(request) else { panic!("refused when it is sent again") };
        assert!(same(rows, &again), "{rows:?}\n{again:?}");
    }
    let Some(Incoming { spans, rejected }) = rows else { return };
    assert_eq!(spans.len() + rejected.len(), sent, "spans vanished");
    let bytes: usize = spans.iter().map(weight).sum::<usize>() + rejected.iter().map(String::len).sum::<usize>();
    assert!(bytes <= MOST + MOST / 8, "{bytes} bytes of {}", data.len());
    spans.iter().for_each(is_sound);
}

fn spans_in(request: &ExportTraceServiceRequest) -> usize {
    request.resource_spans.iter().flat_map(|group| &group.scope_spans).map(|scoped| scoped.spans.len()).sum()
}

fn rows_of(request: ExportTraceServiceRequest) -> Option<Incoming> {
    match to_spans(request, &CONVENTIONS, LARGEST) {
        Ok(incoming) => Some(incoming),
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::TooLarge);
            None
        }
    }
}

/// Equal, where NaN is taken to be itself.
fn same(one: &Incoming, other: &Incoming) -> bool {
    one == other || format!("{one:?}") == format!("{other:?}")
}

fn weight(span: &Span) -> usize {
    span.name.len() + span.attributes.len() + span.events.len() + span.resource.len()
}

/// What everything after it relies on.
fn is_sound(span: &Span) {
    for (id, digits) in [(Some(&span.trace_id), 32), (Some(&span.span_id), 16), (span.parent_span_id.as_ref(), 16)] {
        let Some(id) = id else { continue };
        assert!(id.len() == digits && id.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b)), "{id}");
    }
    for (what, text) in [("attributes", &*span.attributes), ("resource", &*span.resource)] {
        assert!(matches!(serde_json::from_str(text), Ok(Json::Object(_))), "{what}: {text}");
    }
    assert!(matches!(serde_json::from_str(&span.events), Ok(Json::Array(_))), "events: {}", span.events);
}
