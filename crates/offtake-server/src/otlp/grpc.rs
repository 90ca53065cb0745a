//! The receiver over gRPC: `TraceService/Export`.

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use http::HeaderMap;
use offtake_model::{Error, ErrorKind, Result};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use prost::Message;

use super::packing::Packing;
use super::{Encoding, ingest, partial_success, require_open};
use crate::auth::Caller;
use crate::error::Problem;
use crate::extract::{Held, read_body};
use crate::grpc::{self, PREFIX_BYTES};
use crate::state::App;

/// Where its calls arrive.
pub(crate) const EXPORT_PATH: &str = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";

/// Takes in spans.
pub(crate) async fn export(
    State(app): State<App>,
    caller: Caller,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    grpc::require_call(&headers)?;
    let named = packing(&headers)?;
    require_open(&app)?;
    let most = app.settings.otlp_body_bytes.saturating_add(PREFIX_BYTES);
    let Held { bytes, room } = read_body(&headers, body, most, &app.otlp_room).await?;
    let message = grpc::only_message(bytes)?;
    let packing = match (message.compressed, named) {
        (false, _) => Packing::None,
        (true, Packing::None) => {
            return Err(Problem::new(ErrorKind::Malformed, "a compressed message needs grpc-encoding to say how"));
        }
        (true, packing) => packing,
    };
    let body = Held { bytes: message.bytes, room };
    let refused = ingest(app, caller.0.org, body, packing, Encoding::Protobuf).await?;
    let answer = ExportTraceServiceResponse { partial_success: partial_success(&refused) };
    Ok(grpc::answer(&answer.encode_to_vec()))
}

fn packing(headers: &HeaderMap) -> Result<Packing> {
    let Some(value) = headers.get("grpc-encoding") else { return Ok(Packing::None) };
    value.to_str().ok().and_then(Packing::named).ok_or_else(|| {
        Error::new(ErrorKind::UnsupportedMediaType, "grpc-encoding is one of gzip, deflate, zstd and identity")
    })
}
