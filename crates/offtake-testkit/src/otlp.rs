//! OTLP requests, built by hand.

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status};
use prost::Message;

/// 2026-11-03T12:00:00Z in nanoseconds.
const NOON: u64 = 1_793_707_200_000_000_000;

/// A span in the making.
#[derive(Debug, Clone)]
pub struct SpanSketch(pub Span);

impl SpanSketch {
    /// A model call of one second; `number` decides ids and time.
    pub fn new(number: u64) -> Self {
        let mut trace_id = vec![0xab; 8];
        trace_id.extend((number + 1).to_be_bytes());
        let start = NOON + number * 1_000_000_000 + number * 1_001;
        let span = Span {
            trace_id,
            span_id: (number + 1).to_be_bytes().to_vec(),
            name: format!("chat {number}"),
            kind: 3,
            start_time_unix_nano: start,
            end_time_unix_nano: start + 1_000_000_000,
            ..Span::default()
        };
        Self(span).with("gen_ai.operation.name", text("chat")).with("gen_ai.provider.name", text("openai"))
    }

    /// With another trace id.
    #[must_use]
    pub fn in_trace(mut self, id: &[u8]) -> Self {
        id.clone_into(&mut self.0.trace_id);
        self
    }

    /// With another span id.
    #[must_use]
    pub fn as_span(mut self, id: &[u8]) -> Self {
        id.clone_into(&mut self.0.span_id);
        self
    }

    /// With one more attribute.
    #[must_use]
    pub fn with(mut self, key: &str, value: AnyValue) -> Self {
        self.0.attributes.push(KeyValue { key: key.to_owned(), value: Some(value), ..KeyValue::default() });
        self
    }

    /// With a status: 1 is OK, 2 is ERROR.
    #[must_use]
    pub fn ending(mut self, code: i32, message: &str) -> Self {
        self.0.status = Some(Status { code, message: message.to_owned() });
        self
    }

    /// Its trace id in hex.
    pub fn trace_id(&self) -> String {
        hex(&self.0.trace_id)
    }

    /// Its span id in hex.
    pub fn span_id(&self) -> String {
        hex(&self.0.span_id)
    }

    /// How a request names it.
    pub fn identity(&self) -> serde_json::Value {
        serde_json::json!({ "trace_id": self.trace_id(), "span_id": self.span_id() })
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// An attribute's value.
pub const fn value(value: Value) -> AnyValue {
    AnyValue { value: Some(value) }
}

/// A text as an attribute's value.
pub fn text(text: &str) -> AnyValue {
    value(Value::StringValue(text.to_owned()))
}

/// One request with these spans, as a service would send it.
pub fn request_of(spans: &[SpanSketch]) -> ExportTraceServiceRequest {
    let attribute =
        |key: &str, of: &str| KeyValue { key: key.to_owned(), value: Some(text(of)), ..KeyValue::default() };
    let resource = Resource {
        attributes: vec![attribute("service.name", "tests"), attribute("deployment.environment.name", "staging")],
        ..Resource::default()
    };
    let scope =
        InstrumentationScope { name: "tests".to_owned(), version: "1".to_owned(), ..InstrumentationScope::default() };
    let spans = spans.iter().map(|sketch| sketch.0.clone()).collect();
    let scope_spans = vec![ScopeSpans { scope: Some(scope), spans, ..ScopeSpans::default() }];
    ExportTraceServiceRequest {
        resource_spans: vec![ResourceSpans { resource: Some(resource), scope_spans, ..ResourceSpans::default() }],
    }
}

/// A request as OTLP/JSON.
///
/// # Panics
/// If it cannot be written as JSON.
pub fn json_of(request: &ExportTraceServiceRequest) -> Vec<u8> {
    serde_json::to_vec(request).expect("a request is JSON")
}

/// Each request of a file of length-prefixed protobuf.
///
/// # Panics
/// If the file is something else.
pub fn requests(file: &std::path::Path) -> Vec<ExportTraceServiceRequest> {
    let bytes = std::fs::read(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    records(&bytes)
        .iter()
        .map(|record| ExportTraceServiceRequest::decode(record.as_slice()).expect("a request"))
        .collect()
}

/// The records of a length-prefixed file.
fn records(mut bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    while let Some((length, rest)) = bytes.split_first_chunk::<4>() {
        let (record, rest) = rest.split_at(u32::from_be_bytes(*length) as usize);
        found.push(record.to_vec());
        bytes = rest;
    }
    assert!(bytes.is_empty(), "a torn record");
    found
}

/// Requests as a file of length-prefixed protobuf.
///
/// # Panics
/// If a request has 4 GiB.
pub fn length_prefixed(requests: &[ExportTraceServiceRequest]) -> Vec<u8> {
    let mut out = Vec::new();
    for request in requests {
        let record = request.encode_to_vec();
        out.extend(u32::try_from(record.len()).expect("a record below 4 GiB").to_be_bytes());
        out.extend(record);
    }
    out
}
