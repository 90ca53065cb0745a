//! Errors on their way out: one of the two places where an `ErrorKind` is mapped (the other is the worker).
//!
//! Handlers return a [`Problem`]; it travels as an extension of an empty response, and the edge writes the
//! body once the request's id is known: an RFC 9457 problem, for OTLP a `google.rpc.Status`, for gRPC a status in trailers.

use std::sync::Arc;

use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::{HeaderValue, StatusCode, header};
use offtake_model::{Error, ErrorKind, Violation};
use prost::Message;
use serde::Serialize;

use crate::grpc;

/// How long to wait before another try when nobody knows better, in seconds.
const RETRY_AFTER_SECONDS: &str = "5";

/// An error that is to be answered.
#[derive(Debug, Clone)]
pub struct Problem(Arc<Error>);

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        Self(Arc::new(error))
    }
}

impl Problem {
    pub(crate) fn new(kind: ErrorKind, detail: impl Into<String>) -> Self {
        Error::new(kind, detail).into()
    }

    pub(crate) fn error(&self) -> &Error {
        &self.0
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = status(&self.0, Wire::Problem).into_response();
        response.extensions_mut().insert(self);
        response
    }
}

/// In which form a request wants its errors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wire {
    /// `application/problem+json`
    Problem,
    /// `google.rpc.Status` in protobuf.
    OtlpProtobuf,
    /// `google.rpc.Status` in JSON.
    OtlpJson,
    /// A status of gRPC, in the head of the answer.
    Grpc,
}

#[derive(Serialize)]
struct ProblemBody<'a> {
    r#type: String,
    title: &'a str,
    status: u16,
    code: &'a str,
    detail: &'a str,
    errors: &'a [Violation],
    request_id: &'a str,
}

/// `google.rpc.Status`.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct RpcStatus {
    #[prost(int32, tag = "1")]
    pub(crate) code: i32,
    #[prost(string, tag = "2")]
    pub(crate) message: String,
    #[prost(message, repeated, tag = "3")]
    pub(crate) details: Vec<grpc::Detail>,
}

/// Writes the body and headers of `problem` into `response`, keeping headers the handler set.
pub(crate) fn render(problem: &Problem, wire: Wire, request_id: &str, response: &mut Response) {
    let error = problem.error();
    let kind = error.kind();
    let status = status(error, wire);
    // What broke inside is in the log, under the request id; the client is told nothing else.
    let detail = if error.is_open() { error.detail() } else { "the log has more, under the request id" };
    let said = || format!("{}: {detail} (request {request_id})", kind.code());
    let (media_type, body) = match wire {
        Wire::Problem => ("application/problem+json", problem_body(error, detail, request_id)),
        Wire::OtlpProtobuf | Wire::OtlpJson => otlp_body(wire, rpc_code(kind), said()),
        Wire::Grpc => return grpc::render(error, said(), response),
    };
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    headers.remove(header::CONTENT_LENGTH);
    if matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) {
        headers.entry(header::RETRY_AFTER).or_insert(HeaderValue::from_static(RETRY_AFTER_SECONDS));
    }
    if status == StatusCode::UNAUTHORIZED {
        let challenge = HeaderValue::from_static("Bearer realm=\"offtake\"");
        headers.entry(header::WWW_AUTHENTICATE).or_insert(challenge);
    }
    *response.body_mut() = body.into();
}

fn problem_body(error: &Error, detail: &str, request_id: &str) -> Bytes {
    let kind = error.kind();
    let body = ProblemBody {
        r#type: format!("urn:offtake:error:{}", kind.code()),
        title: kind.title(),
        status: kind.status(),
        code: kind.code(),
        detail,
        errors: error.violations(),
        request_id,
    };
    serde_json::to_vec(&body).unwrap_or_default().into()
}

fn otlp_body(wire: Wire, code: i32, message: String) -> (&'static str, Bytes) {
    if wire == Wire::OtlpProtobuf {
        return ("application/x-protobuf", RpcStatus { code, message, details: Vec::new() }.encode_to_vec().into());
    }
    ("application/json", serde_json::json!({"code": code, "message": message}).to_string().into())
}

pub(crate) fn status(error: &Error, wire: Wire) -> StatusCode {
    // Exporters throw away what is answered with anything but 429, 502, 503 or 504, and a full disk may be
    // emptied; a body that does not fit the schema is "bad data" to them, which is 400.
    let code = match (wire, error.kind()) {
        (Wire::OtlpProtobuf | Wire::OtlpJson | Wire::Grpc, ErrorKind::StorageFull) => 503,
        (Wire::OtlpProtobuf | Wire::OtlpJson | Wire::Grpc, ErrorKind::InvalidRequest) => 400,
        (_, kind) => kind.status(),
    };
    StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

/// The gRPC code that goes with a kind's HTTP status.
pub(crate) fn rpc_code(kind: ErrorKind) -> i32 {
    match kind.status() {
        401 => 16,
        403 => 7,
        404 | 410 => 5,
        405 => 12,
        409 => 9,
        429 | 507 => 8,
        503 => 14,
        504 => 4,
        status if status < 500 => 3,
        _ => 13,
    }
}
