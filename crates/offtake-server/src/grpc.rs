//! gRPC as HTTP/2 carries it, as far as unary calls need it: a message behind five bytes, and the outcome in trailers.
//!
//! Bodies are read by the same code as those of HTTP, so that a call takes of the memory for bodies as it comes, and is
//! unpacked and decoded under the same limits. Not responsible for what messages mean, nor for HTTP/2 (hyper's).

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, HttpBody};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use bytes::{BufMut, Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, Request, StatusCode, Version, header};
use hyper::body::Frame;
use offtake_model::{Error, ErrorKind, Result};
use prost::Message;

use crate::error::{Problem, RpcStatus, rpc_code};
use crate::extract::{COME_BACK, media_type};

/// Before each message: whether it is compressed, and how long it is.
pub(crate) const PREFIX_BYTES: usize = 5;

const MEDIA_TYPE: &str = "application/grpc";
const STATUS: HeaderName = HeaderName::from_static("grpc-status");
const MESSAGE: HeaderName = HeaderName::from_static("grpc-message");
const DETAILS: HeaderName = HeaderName::from_static("grpc-status-details-bin");
const ACCEPT_ENCODING: HeaderName = HeaderName::from_static("grpc-accept-encoding");
/// What is unpacked here.
const ENCODINGS: HeaderValue = HeaderValue::from_static("identity,gzip,deflate,zstd");
/// Where OpenTelemetry's exporter for Python looks for a [`RetryInfo`].
const RETRY_INFO: HeaderName = HeaderName::from_static("google.rpc.retryinfo-bin");
const RETRY_INFO_TYPE: &str = "type.googleapis.com/google.rpc.RetryInfo";

const UNIMPLEMENTED: i32 = 12;
const RESOURCE_EXHAUSTED: i32 = 8;
const UNAVAILABLE: i32 = 14;
const DEADLINE_EXCEEDED: i32 = 4;

/// Whether a request is a call.
pub(crate) fn is_call<B>(request: &Request<B>) -> bool {
    request.version() == Version::HTTP_2 && require_call(request.headers()).is_ok()
}

/// # Errors
/// `unsupported_media_type` if these are not the headers of a call.
pub(crate) fn require_call(headers: &HeaderMap) -> Result<()> {
    let media = media_type(headers).unwrap_or_default();
    match media.strip_prefix(MEDIA_TYPE) {
        Some("" | "+proto") => Ok(()),
        Some(_) | None => Err(Error::new(ErrorKind::UnsupportedMediaType, "this port takes calls of gRPC")),
    }
}

/// A message as it came.
#[derive(Debug)]
pub(crate) struct Came {
    pub(crate) compressed: bool,
    pub(crate) bytes: Bytes,
}

/// The one message of a unary call.
///
/// # Errors
/// `malformed` if there is none, or more than one, or half of one.
pub(crate) fn only_message(mut body: Bytes) -> Result<Came> {
    let malformed = |what: &str| Error::new(ErrorKind::Malformed, what);
    if body.len() < PREFIX_BYTES {
        return Err(malformed("the call has no message"));
    }
    let prefix = body.split_to(PREFIX_BYTES);
    let announced = u32::from_be_bytes([prefix[1], prefix[2], prefix[3], prefix[4]]) as usize;
    match (prefix[0], body.len()) {
        (flag @ (0 | 1), length) if length == announced => Ok(Came { compressed: flag == 1, bytes: body }),
        (0 | 1, length) if length < announced => Err(malformed("the message broke off")),
        (0 | 1, _) => Err(malformed("the call takes one message")),
        _ => Err(malformed("the message is neither compressed nor not")),
    }
}

/// The answer to a call that went well.
pub(crate) fn answer(message: &[u8]) -> Response {
    let mut framed = BytesMut::with_capacity(PREFIX_BYTES + message.len());
    framed.put_u8(0);
    // What is answered is short.
    framed.put_u32(u32::try_from(message.len()).unwrap_or(u32::MAX));
    framed.put_slice(message);
    let trailers = HeaderMap::from_iter([(STATUS, HeaderValue::from_static("0"))]);
    let body = Body::new(Unary { message: Some(framed.freeze()), trailers: Some(trailers) });
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
    headers.insert(ACCEPT_ENCODING, ENCODINGS);
    response
}

/// What is said to calls of what is not there.
pub(crate) fn unknown<B>(request: &Request<B>) -> Response {
    if !is_call(request) {
        return Problem::new(ErrorKind::UnsupportedMediaType, "this port takes calls of gRPC").into_response();
    }
    let mut response = StatusCode::OK.into_response();
    let status = RpcStatus {
        code: UNIMPLEMENTED,
        message: "traces are taken here, and nothing else".to_owned(),
        details: Vec::new(),
    };
    refuse(&mut response, &status, None);
    response
}

/// Writes a problem into the response: status, words, and where another try may help, when.
pub(crate) fn render(error: &Error, message: String, response: &mut Response) {
    let code = code(error.kind());
    let retryable = matches!(code, RESOURCE_EXHAUSTED | UNAVAILABLE | DEADLINE_EXCEEDED);
    let wait = error.refused().map_or(COME_BACK, |refused| refused.wait);
    let retry = retryable.then(|| RetryInfo::after(wait).encode_to_vec());
    let detail = |value: &Vec<u8>| Detail { type_url: RETRY_INFO_TYPE.to_owned(), value: value.clone() };
    let status = RpcStatus { code, message, details: retry.iter().map(detail).collect() };
    refuse(response, &status, retry.as_deref());
}

/// All of it in the head, which is the end as well.
fn refuse(response: &mut Response, status: &RpcStatus, retry: Option<&[u8]>) {
    *response.status_mut() = StatusCode::OK;
    *response.body_mut() = Body::empty();
    let headers = response.headers_mut();
    headers.remove(header::CONTENT_LENGTH);
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
    headers.insert(ACCEPT_ENCODING, ENCODINGS);
    headers.insert(STATUS, HeaderValue::from(status.code));
    let binary = |bytes: &[u8]| HeaderValue::from_str(&STANDARD_NO_PAD.encode(bytes)).ok();
    headers.extend(HeaderValue::from_str(&escaped(&status.message)).ok().map(|value| (MESSAGE, value)));
    if let Some(retry) = retry {
        headers.extend(binary(&status.encode_to_vec()).map(|value| (DETAILS, value)));
        headers.extend(binary(retry).map(|value| (RETRY_INFO, value)));
    }
}

/// The code that goes with a kind: as over HTTP, so that exporters keep what they keep there and drop what they drop.
fn code(kind: ErrorKind) -> i32 {
    match kind.status() {
        415 => UNIMPLEMENTED,
        // A full disk may be emptied.
        507 => UNAVAILABLE,
        _ => rpc_code(kind),
    }
}

/// Printable ASCII but `%` as it is, the rest as `%XX`.
fn escaped(message: &str) -> String {
    let mut escaped = String::with_capacity(message.len());
    for byte in message.bytes() {
        match byte {
            b'%' => escaped.push_str("%25"),
            b' '..=b'~' => escaped.push(char::from(byte)),
            _ => escaped.push_str(&format!("%{byte:02X}")),
        }
    }
    escaped
}

/// `google.rpc.RetryInfo`.
#[derive(Clone, PartialEq, Message)]
struct RetryInfo {
    #[prost(message, optional, tag = "1")]
    delay: Option<Delay>,
}

/// `google.protobuf.Duration`.
#[derive(Clone, PartialEq, Message)]
struct Delay {
    #[prost(int64, tag = "1")]
    seconds: i64,
    #[prost(int32, tag = "2")]
    nanos: i32,
}

/// `google.protobuf.Any`.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Detail {
    #[prost(string, tag = "1")]
    pub(crate) type_url: String,
    #[prost(bytes = "vec", tag = "2")]
    pub(crate) value: Vec<u8>,
}

impl RetryInfo {
    fn after(wait: Duration) -> Self {
        let seconds = i64::try_from(wait.as_secs()).unwrap_or(i64::MAX);
        // Below a thousand million.
        let nanos = i32::try_from(wait.subsec_nanos()).unwrap_or(0);
        Self { delay: Some(Delay { seconds, nanos }) }
    }
}

/// The body of an answer: one message, then trailers.
#[derive(Debug)]
struct Unary {
    message: Option<Bytes>,
    trailers: Option<HeaderMap>,
}

impl HttpBody for Unary {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let message = self.message.take().map(Frame::data);
        let next = message.or_else(|| self.trailers.take().map(Frame::trailers));
        Poll::Ready(next.map(Ok))
    }

    fn is_end_stream(&self) -> bool {
        self.message.is_none() && self.trailers.is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unary_call_has_one_whole_message() {
        let of = |bytes: &[u8]| only_message(Bytes::copy_from_slice(bytes));
        let came = of(&[1, 0, 0, 0, 2, b'a', b'b']).expect("a message");
        assert!(came.compressed);
        assert_eq!(came.bytes.as_ref(), b"ab");
        assert!(of(&[0, 0, 0, 0, 0]).expect("an empty message").bytes.is_empty());
        for (bytes, told) in [
            (&b""[..], "the call has no message"),
            (&[0, 0, 0][..], "the call has no message"),
            (&[0, 0, 0, 0, 2, b'a'][..], "the message broke off"),
            (&[0, 255, 255, 255, 255, b'a'][..], "the message broke off"),
            (&[0, 0, 0, 0, 1, b'a', 0, 0, 0, 0, 0][..], "the call takes one message"),
            (&[2, 0, 0, 0, 1, b'a'][..], "the message is neither compressed nor not"),
        ] {
            let error = of(bytes).expect_err("refused");
            assert_eq!((error.kind(), error.detail()), (ErrorKind::Malformed, told));
        }
    }

    #[test]
    fn words_are_escaped_as_the_protocol_says() {
        assert_eq!(escaped("50 % of \u{fc}\n"), "50 %25 of %C3%BC%0A");
    }

    #[test]
    fn what_another_try_may_help_says_when() {
        for (kind, code, retry) in [
            (ErrorKind::Unauthenticated, 16, false),
            (ErrorKind::Forbidden, 7, false),
            (ErrorKind::Malformed, 3, false),
            (ErrorKind::TooLarge, 3, false),
            (ErrorKind::UnsupportedMediaType, 12, false),
            (ErrorKind::TooManyRequests, 8, true),
            (ErrorKind::StoreUnavailable, 14, true),
            (ErrorKind::StorageFull, 14, true),
            (ErrorKind::Timeout, 4, true),
            (ErrorKind::Internal, 13, false),
        ] {
            let mut response = StatusCode::OK.into_response();
            render(&Error::new(kind, "words"), "words".to_owned(), &mut response);
            let headers = response.headers();
            assert_eq!(headers["grpc-status"], code.to_string(), "{kind:?}");
            assert_eq!(headers.contains_key("grpc-status-details-bin"), retry, "{kind:?}");
        }
    }

    #[test]
    fn the_details_are_a_status_with_retry_info() {
        let mut response = StatusCode::OK.into_response();
        render(&Error::new(ErrorKind::TooManyRequests, "later"), "later".to_owned(), &mut response);
        let bytes = STANDARD_NO_PAD.decode(response.headers()["grpc-status-details-bin"].as_bytes()).expect("base64");
        // 08 08: code 8; 12 05: the message; 1a: one detail, whose value is 0a 02 08 01: a delay of one second.
        assert_eq!(&bytes[..9], b"\x08\x08\x12\x05later");
        assert!(bytes.ends_with(b"\x12\x04\x0a\x02\x08\x01"), "{bytes:02x?}");
    }
}
