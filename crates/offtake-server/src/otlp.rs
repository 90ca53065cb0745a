//! OpenTelemetry's HTTP receiver for traces. What is answered with success is durable.

use std::io::Read;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::{HeaderMap, header};
use offtake_datasets::spans::Conventions;
use offtake_datasets::spans::otlp::{Incoming, decode_json, decode_protobuf, to_spans};
use offtake_model::{Error, ErrorKind, Result};
use opentelemetry_proto::tonic::collector::trace::v1::{ExportTracePartialSuccess, ExportTraceServiceResponse};
use prost::Message;
use tokio::runtime::Handle;

use crate::auth::Caller;
use crate::error::Problem;
use crate::exports::blocking;
use crate::extract::{Held, media_type, read_body};
use crate::state::App;

/// How long a request waits for its turn before it is sent away to come back.
const TURN: Duration = Duration::from_secs(5);
/// 8 MiB: what every zstd encoder may use without asking (RFC 8878), and what a decoder here may hold.
const ZSTD_WINDOW_LOG: u32 = 23;
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

#[derive(Debug, Clone, Copy)]
enum Packing {
    None,
    Gzip,
    Deflate,
    Zstd,
}

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
    let Some(spans) = app.spans.clone() else {
        return Err(Problem::new(ErrorKind::NotFound, "this installation does not take in spans"));
    };
    let body = read_body(&headers, body, app.settings.otlp_body_bytes, &app.otlp_room).await?;
    // A turn is taken with the whole body in hand: a slow sender keeps nobody else waiting.
    let turn = tokio::time::timeout(TURN, Arc::clone(&app.ingest).acquire_owned()).await;
    let turn = turn.map_err(|_| Error::new(ErrorKind::TooManyRequests, BUSY))?;
    let runtime = Handle::current();
    // From here on the work is done to its end, whether or not somebody still waits for the answer. The turn goes with
    // it: senders who leave early would otherwise have more done at once than there are turns.
    let refused = blocking(move || {
        let incoming = decode(body, packing, encoding, app.settings.otlp_decompressed_bytes, &app.conventions)?;
        let appended = runtime.block_on(spans.append(&caller.0.org, incoming.spans))?;
        app.metrics.ingested(appended.stored, appended.duplicates, incoming.rejected.len() as u64);
        drop(turn);
        Ok(incoming.rejected)
    })
    .await?;
    Ok(answer(encoding, &refused))
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
    let name = match (given.next(), given.next()) {
        (None, _) => return Ok(Packing::None),
        (Some(value), None) => value.to_str().unwrap_or_default().trim().to_ascii_lowercase(),
        (Some(_), Some(_)) => String::new(),
    };
    match name.as_str() {
        "identity" => Ok(Packing::None),
        "gzip" | "x-gzip" => Ok(Packing::Gzip),
        "deflate" => Ok(Packing::Deflate),
        "zstd" => Ok(Packing::Zstd),
        _ => Err(Error::new(
            ErrorKind::UnsupportedMediaType,
            "Content-Encoding is one of gzip, deflate, zstd and identity",
        )),
    }
}

/// Unpacks a body into at most `most` bytes, whatever it claims.
fn unpack(body: &Bytes, packing: Packing, most: usize) -> Result<Bytes> {
    let broken = |error: std::io::Error| {
        Error::new(ErrorKind::Malformed, "the body is not what its Content-Encoding says").caused_by(error)
    };
    let packed = body.as_ref();
    let reader: Box<dyn Read + '_> = match packing {
        Packing::None => return if body.len() > most { Err(too_large(most)) } else { Ok(body.clone()) },
        Packing::Gzip => Box::new(flate2::read::MultiGzDecoder::new(packed)),
        Packing::Deflate => Box::new(flate2::read::ZlibDecoder::new(packed)),
        Packing::Zstd => {
            let mut decoder = zstd::stream::read::Decoder::new(packed).map_err(broken)?;
            decoder.window_log_max(ZSTD_WINDOW_LOG).map_err(broken)?;
            Box::new(decoder)
        }
    };
    let mut plain = Vec::with_capacity(packed.len().saturating_mul(4).min(most));
    reader.take(most as u64 + 1).read_to_end(&mut plain).map_err(broken)?;
    if plain.len() > most { Err(too_large(most)) } else { Ok(plain.into()) }
}

fn too_large(most: usize) -> Error {
    Error::new(ErrorKind::TooLarge, format!("decompressed, a body here has at most {most} bytes"))
}

fn answer(encoding: Encoding, refused: &[String]) -> Response {
    let message = explain(refused);
    match encoding {
        Encoding::Protobuf => {
            let partial_success = (!refused.is_empty()).then(|| ExportTracePartialSuccess {
                rejected_spans: i64::try_from(refused.len()).unwrap_or(i64::MAX),
                error_message: message,
            });
            let body = ExportTraceServiceResponse { partial_success }.encode_to_vec();
            ([(header::CONTENT_TYPE, "application/x-protobuf")], body).into_response()
        }
        Encoding::Json => {
            // 64-bit numbers are strings in protobuf's JSON.
            let count = refused.len().to_string();
            let body = match refused {
                [] => serde_json::json!({}),
                _ => serde_json::json!({"partialSuccess": {"rejectedSpans": count, "errorMessage": message}}),
            };
            axum::Json(body).into_response()
        }
    }
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
