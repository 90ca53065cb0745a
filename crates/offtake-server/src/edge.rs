//! The edge of every request: its id, its line in the log, its numbers, its time limit, and the one place
//! where errors and panics become bodies.

use std::panic::AssertUnwindSafe;
use std::time::Instant;

use axum::extract::{FromRequestParts, MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures::FutureExt;
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use offtake_model::ErrorKind;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use crate::auth::CalledBy;
use crate::error::{Problem, Wire, render, status};
use crate::extract::{is_plain, media_type};
use crate::grpc;
use crate::limits::tell;
use crate::protections::Protections;
use crate::state::App;

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Where OTLP requests arrive: their errors have another form.
pub(crate) const OTLP_PATH: &str = "/v1/traces";

/// The id of a request: the caller's, or a new one.
#[derive(Debug, Clone)]
pub(crate) struct RequestId {
    pub(crate) id: String,
}

impl RequestId {
    const MAX_BYTES: usize = 128;

    fn of(headers: &HeaderMap) -> Self {
        let given = headers.get(X_REQUEST_ID).and_then(|value| value.to_str().ok());
        match given.filter(|text| is_plain(text, Self::MAX_BYTES)) {
            Some(text) => Self { id: text.to_owned() },
            None => Self { id: format!("req_{}", hex::encode(rand::random::<[u8; 16]>())) },
        }
    }
}

impl<S: Sync> FromRequestParts<S> for RequestId {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        let id = parts.extensions.get::<Self>().cloned();
        id.ok_or_else(|| Problem::new(ErrorKind::Internal, "the request went past the edge"))
    }
}

/// Told when the server shuts down, so that nobody waits for long then.
#[derive(Debug, Clone, Default)]
pub(crate) struct Draining(pub(crate) CancellationToken);

impl<S: Sync> FromRequestParts<S> for Draining {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        Ok(parts.extensions.get::<Self>().cloned().unwrap_or_default())
    }
}

/// The outermost layer.
pub(crate) async fn edge(State(app): State<App>, mut request: Request, next: Next) -> Response {
    let started = Instant::now();
    let id = RequestId::of(request.headers());
    let method = request.method().clone();
    let wire = wire(&request);
    let route = request.extensions().get::<MatchedPath>().map_or("unmatched", MatchedPath::as_str).to_owned();
    request.extensions_mut().insert(id.clone());
    let span = tracing::info_span!("request", request_id = id.id);
    let mut response = guarded(&app, request, next).instrument(span.clone()).await;
    // A call of gRPC is answered 200 whatever comes of it; what is counted and logged is what HTTP would say.
    let status = if let Some(problem) = response.extensions_mut().remove::<Problem>() {
        span.in_scope(|| log_problem(&problem));
        render(&problem, wire, &id.id, &mut response);
        tell(&mut response, problem.error().refused());
        status(problem.error(), wire).as_u16()
    } else {
        tell(&mut response, None);
        response.status().as_u16()
    };
    name_request(&mut response, &id);
    let org_id = response.extensions().get::<CalledBy>().map(|by| by.0.as_str());
    let elapsed = started.elapsed();
    let ms = elapsed.as_millis() as u64;
    tracing::info!(method = %method, route, status, ms, request_id = id.id, org_id, "request");
    app.metrics.observe(&route, &method, status, elapsed);
    response
}

async fn guarded(app: &App, request: Request, next: Next) -> Response {
    let run = AssertUnwindSafe(next.run(request)).catch_unwind();
    match tokio::time::timeout(app.settings.request_timeout, run).await {
        Ok(Ok(response)) => response,
        Ok(Err(panic)) => {
            let words = panic.downcast_ref::<&str>().copied().map(str::to_owned);
            let words = words.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default();
            Problem::new(ErrorKind::Internal, format!("a handler panicked: {words}")).into_response()
        }
        Err(_) => Problem::new(ErrorKind::Timeout, "the handler took too long").into_response(),
    }
}

fn wire(request: &Request) -> Wire {
    if grpc::is_call(request) {
        return Wire::Grpc;
    }
    if request.uri().path() != OTLP_PATH {
        return Wire::Problem;
    }
    match media_type(request.headers()).as_deref() {
        Some("application/x-protobuf") => Wire::OtlpProtobuf,
        Some("application/json") => Wire::OtlpJson,
        Some(_) | None => Wire::Problem,
    }
}

fn log_problem(problem: &Problem) {
    let error = problem.error();
    let cause = std::error::Error::source(error).map(ToString::to_string);
    if error.kind().is_clients() {
        tracing::debug!(code = error.kind().code(), detail = error.detail(), cause, "refused");
    } else {
        tracing::error!(code = error.kind().code(), detail = error.detail(), cause, "failed");
    }
}

fn name_request(response: &mut Response, id: &RequestId) {
    let value = HeaderValue::from_str(&id.id).ok();
    response.headers_mut().extend(value.map(|value| (X_REQUEST_ID, value)));
}

/// Refuses new work while the server shuts down; what is under way goes on.
pub(crate) async fn refuse_when_draining(
    State(draining): State<Draining>,
    mut request: Request,
    next: Next,
) -> Response {
    if draining.0.is_cancelled() {
        let id = RequestId::of(request.headers());
        let wire = wire(&request);
        let mut response = StatusCode::SERVICE_UNAVAILABLE.into_response();
        let problem = Problem::new(ErrorKind::Unavailable, "the server shuts down");
        render(&problem, wire, &id.id, &mut response);
        name_request(&mut response, &id);
        Protections::plain().protect(response.headers_mut());
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        return response;
    }
    request.extensions_mut().insert(draining);
    next.run(request).await
}

/// The methods that have a name of their own in metrics.
pub(crate) fn method_label(method: &Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "HEAD" => "HEAD",
        "POST" => "POST",
        "DELETE" => "DELETE",
        "OPTIONS" => "OPTIONS",
        "PUT" => "PUT",
        "PATCH" => "PATCH",
        _ => "OTHER",
    }
}
