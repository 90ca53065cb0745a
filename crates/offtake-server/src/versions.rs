//! Versions of what can be changed, as `ETag` and `If-Match` say them.

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, header};
use offtake_model::{Error, ErrorKind, Result};
use serde::Serialize;

/// The version that `If-Match` asks for; `None` for any.
pub(crate) fn expected(headers: &HeaderMap) -> Result<Option<u64>> {
    let Some(value) = headers.get(header::IF_MATCH) else { return Ok(None) };
    let text = value.to_str().unwrap_or_default().trim();
    if text == "*" {
        return Ok(None);
    }
    let version = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).and_then(|text| text.parse().ok());
    // A tag that was never handed out is no present one.
    version.map(Some).ok_or_else(|| Error::new(ErrorKind::PreconditionFailed, "this is no ETag that was handed out"))
}

/// An answer with the version it shows.
pub(crate) fn answered(body: impl Serialize, version: u64) -> Response {
    let etag = HeaderValue::from_str(&format!("\"{version}\"")).ok();
    let mut response = Json(body).into_response();
    response.headers_mut().extend(etag.map(|etag| (header::ETAG, etag)));
    response
}
