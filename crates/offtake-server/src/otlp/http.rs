//! The receiver over HTTP: `POST /v1/traces`, in protobuf or JSON.

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, header};
use offtake_model::{Error, ErrorKind, Result};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use prost::Message;

use super::packing::Packing;
use super::{Encoding, ingest, partial_success, require_open};
use crate::auth::Caller;
use crate::error::Problem;
use crate::extract::{media_type, read_body};
use crate::state::App;

/// Takes in spans.
#[utoipa::path(post, path = "/v1/traces", tag = "ingest", operation_id = "ingest_traces",
    request_body(content(
        (Vec<u8> = "application/x-protobuf"),
        (Object = "application/json"),
    ), description = "An OTLP ExportTraceServiceRequest; Content-Encoding gzip, deflate or zstd is understood"),
    responses((status = 200, description = "Stored; partial_success names what was refused",
        content((Vec<u8> = "application/x-protobuf"), (Object = "application/json")))))]
pub(crate) async fn traces(
    State(app): State<App>,
    caller: Caller,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let encoding = encoding(&headers)?;
    let packing = packing(&headers)?;
    require_open(&app)?;
    let body = read_body(&headers, body, app.settings.otlp_body_bytes, &app.otlp_room).await?;
    let refused = ingest(app, caller.0.org, body, packing, encoding).await?;
    Ok(answer(encoding, &refused))
}

fn encoding(headers: &HeaderMap) -> Result<Encoding> {
    match media_type(headers).as_deref() {
        Some("application/x-protobuf") => Ok(Encoding::Protobuf),
        Some("application/json") => Ok(Encoding::Json),
        Some(_) | None => {
            Err(Error::new(ErrorKind::UnsupportedMediaType, "send OTLP as application/x-protobuf or application/json"))
        }
    }
}

fn packing(headers: &HeaderMap) -> Result<Packing> {
    let mut given = headers.get_all(header::CONTENT_ENCODING).iter();
    let packing = match (given.next(), given.next()) {
        (None, _) => return Ok(Packing::None),
        (Some(value), None) => value.to_str().ok().and_then(Packing::named),
        (Some(_), Some(_)) => None,
    };
    packing.ok_or_else(|| {
        Error::new(ErrorKind::UnsupportedMediaType, "Content-Encoding is one of gzip, deflate, zstd and identity")
    })
}

fn answer(encoding: Encoding, refused: &[String]) -> Response {
    let partial_success = partial_success(refused);
    match encoding {
        Encoding::Protobuf => {
            let body = ExportTraceServiceResponse { partial_success }.encode_to_vec();
            ([(header::CONTENT_TYPE, "application/x-protobuf")], body).into_response()
        }
        Encoding::Json => {
            // 64-bit numbers are strings in protobuf's JSON.
            let told = partial_success.map(|told| {
                serde_json::json!({"partialSuccess":
                    {"rejectedSpans": told.rejected_spans.to_string(), "errorMessage": told.error_message}})
            });
            axum::Json(told.unwrap_or_else(|| serde_json::json!({}))).into_response()
        }
    }
}
