//! Header fields by which browsers are told what answers may not be used for, and whose pages may read them.

use std::time::Duration;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use tower_http::cors::{AllowOrigin, CorsLayer};

use crate::limits::{RATELIMIT, RATELIMIT_POLICY};
use crate::state::ServerSettings;

/// What an answer that says nothing else may load: nothing.
const NOTHING: &str = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const ALWAYS: [(HeaderName, &str); 6] = [
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "no-referrer"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (
        HeaderName::from_static("permissions-policy"),
        "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()",
    ),
];

/// A year, as browsers' lists ask for; this host alone.
const HSTS: &str = "max-age=31536000";

/// What protects every answer of a server.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Protections {
    encrypted: bool,
}

impl Protections {
    pub(crate) fn new(settings: &ServerSettings) -> Self {
        Self { encrypted: settings.public_url.as_deref().is_some_and(|url| url.starts_with("https://")) }
    }

    /// Where nobody knows how clients come.
    pub(crate) const fn plain() -> Self {
        Self { encrypted: false }
    }

    pub(crate) fn protect(self, headers: &mut HeaderMap) {
        for (name, value) in ALWAYS {
            headers.insert(name, HeaderValue::from_static(value));
        }
        headers.entry(header::CONTENT_SECURITY_POLICY).or_insert(HeaderValue::from_static(NOTHING));
        headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
        if self.encrypted {
            headers.insert(header::STRICT_TRANSPORT_SECURITY, HeaderValue::from_static(HSTS));
        }
    }
}

/// The layer around everything.
pub(crate) async fn protected(State(protections): State<Protections>, request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    protections.protect(response.headers_mut());
    response
}

/// How long browsers may remember an answer to a preflight.
const REMEMBERED: Duration = Duration::from_secs(600);

/// Lets pages of just these origins read answers. They send a token: the cookie of a session is for our own pages, and is not
/// allowed along.
pub(crate) fn cors(settings: &ServerSettings) -> Option<CorsLayer> {
    let origins: Vec<HeaderValue> =
        settings.allowed_origins.iter().filter_map(|origin| HeaderValue::from_str(origin).ok()).collect();
    if origins.is_empty() {
        return None;
    }
    let layer = CorsLayer::new()
        .allow_origin(AllowOrigin::list(origins))
        .allow_methods([Method::GET, Method::HEAD, Method::POST, Method::PATCH, Method::DELETE])
        .allow_headers([
            header::AUTHORIZATION,
            header::CONTENT_TYPE,
            header::CONTENT_ENCODING,
            header::IF_MATCH,
            header::IF_NONE_MATCH,
            header::IF_RANGE,
            header::RANGE,
            HeaderName::from_static("idempotency-key"),
            HeaderName::from_static("prefer"),
            HeaderName::from_static("traceparent"),
            HeaderName::from_static("x-request-id"),
        ])
        .expose_headers([
            header::ACCEPT_RANGES,
            header::CONTENT_DISPOSITION,
            header::CONTENT_LENGTH,
            header::CONTENT_RANGE,
            header::ETAG,
            header::LOCATION,
            header::RETRY_AFTER,
            header::WWW_AUTHENTICATE,
            HeaderName::from_static("preference-applied"),
            RATELIMIT,
            RATELIMIT_POLICY,
            HeaderName::from_static("repr-digest"),
            HeaderName::from_static("x-request-id"),
        ])
        .max_age(REMEMBERED);
    Some(layer)
}
