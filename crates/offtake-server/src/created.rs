//! Answers to requests that made something.

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};

/// 201, with where the thing is.
pub(crate) fn created(location: &str, answer: impl IntoResponse) -> Response {
    let location = HeaderValue::from_str(location).ok();
    let mut response = (StatusCode::CREATED, answer).into_response();
    response.headers_mut().extend(location.map(|location| (header::LOCATION, location)));
    response
}
