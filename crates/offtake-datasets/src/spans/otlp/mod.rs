//! OTLP: bytes into requests, requests into spans.
//!
//! Decoding refuses a body as a whole (`malformed`); [`to_spans`] refuses spans one by one, as OTLP's partial success
//! wants it. Neither panics, whatever it is given.

mod json;
pub(crate) mod render;
mod rows;
mod weigh;

use offtake_model::{Error, ErrorKind, Result};
use prost::Message as _;

pub use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
pub use rows::{Incoming, to_spans};

/// Reads a binary protobuf body.
///
/// # Errors
/// `malformed` if it is not an `ExportTraceServiceRequest`, is nested too deep, or is made of empty elements that
/// would take many times its size in memory.
pub fn decode_protobuf(body: &[u8]) -> Result<ExportTraceServiceRequest> {
    weigh::check_protobuf(body)?;
    ExportTraceServiceRequest::decode(body).map_err(|error| {
        Error::new(ErrorKind::Malformed, format!("the body is not an OTLP trace request in protobuf: {error}"))
    })
}

/// Reads an OTLP/JSON body: ids in hex, 64-bit integers as strings or numbers, enums as numbers or names.
///
/// # Errors
/// `malformed` if it is not JSON, not an `ExportTraceServiceRequest`, is nested too deep, or is made of
/// empty elements.
pub fn decode_json(body: &[u8]) -> Result<ExportTraceServiceRequest> {
    weigh::check_json(body)?;
    json::decode(body).map_err(|error| {
        Error::new(ErrorKind::Malformed, format!("the body is not an OTLP trace request in JSON: {error}"))
    })
}
