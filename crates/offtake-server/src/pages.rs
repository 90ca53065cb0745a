//! Pages for people: what runs here, and the API's documentation. Nothing is loaded from elsewhere.

use std::sync::{Arc, LazyLock};

use axum::extract::State;
use axum::response::{Html, IntoResponse, Redirect, Response};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use offtake_model::{Error, ErrorKind};
use sha2::{Digest, Sha256};
use utoipa_swagger_ui::Config;

use crate::console;
use crate::error::Problem;
use crate::extract::Name;
use crate::jobs::matches_etag;
use crate::state::App;

/// Swagger UI consists of files of its own and draws its icons from data. It styles elements by script, which needs no
/// leave, but for the one style sheet that is named by its hash: with another version of it a test says which it wants.
const DOCS_POLICY: &str = "default-src 'none'; script-src 'self'; \
    style-src 'self' 'sha256-RL3ie0nH+Lzz2YNqQN83mnU0J1ot4QL7b99vMdIX99w='; img-src 'self' data:; \
    connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

macro_rules! style {
    () => {
        ":root{color-scheme:light dark}body{font:16px/1.5 system-ui,sans-serif;max-width:40rem;margin:3rem auto;padding:0 1rem}"
    };
}

/// The page's one style is named by its hash.
static ROOT_POLICY: LazyLock<HeaderValue> = LazyLock::new(|| {
    let hash = BASE64_STANDARD.encode(Sha256::digest(style!()));
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{hash}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    );
    HeaderValue::from_str(&policy).unwrap_or(HeaderValue::from_static("default-src 'none'"))
});

const ROOT: &str = concat!(
    "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>Offtake</title>",
    "<meta name=\"viewport\" content=\"width=device-width\"><style>",
    style!(),
    "</style></head><body><main><h1>Offtake ",
    env!("CARGO_PKG_VERSION"),
    "</h1><p>Gets your data out of your application, whole, and proves it.</p><ul>",
    "<li><a href=\"/docs\">The API, to read and to try</a></li>",
    "<li><a href=\"/openapi.json\">Its OpenAPI document</a></li>",
    "<li><a href=\"/readyz\">Whether everything is ready</a></li>",
    "</ul><p>Spans arrive at <code>POST /v1/traces</code> (OpenTelemetry). A token is printed by <code>offtake token</code>, a link to sign in by <code>offtake sign-in</code>.</p>",
    "</main></body></html>\n"
);

/// The console; in a binary that was made without it, what runs here.
#[utoipa::path(get, path = "/", tag = "pages", responses((status = 200, description = "A page")))]
pub(crate) async fn root() -> Response {
    let plain = || ([(header::CONTENT_SECURITY_POLICY, ROOT_POLICY.clone())], Html(ROOT)).into_response();
    console::page().unwrap_or_else(plain)
}

/// The OpenAPI document.
#[utoipa::path(get, path = "/openapi.json", tag = "pages", responses((status = 200, description = "The document")))]
pub(crate) async fn openapi(State(app): State<App>, headers: HeaderMap) -> Result<Response, Problem> {
    let missing = || Error::new(ErrorKind::Internal, "the document is made with the router");
    let document = app.documents.get().ok_or_else(missing)?.current(&app.catalog);
    let known = headers.get(header::IF_NONE_MATCH).and_then(|value| value.to_str().ok());
    let is_known = document.etag.to_str().is_ok_and(|etag| known.is_some_and(|known| matches_etag(known, etag)));
    let about = [(header::ETAG, document.etag), (header::CACHE_CONTROL, http::HeaderValue::from_static("no-cache"))];
    if is_known {
        return Ok((StatusCode::NOT_MODIFIED, about).into_response());
    }
    Ok((about, [(header::CONTENT_TYPE, "application/json")], document.json).into_response())
}

/// To the documentation.
#[utoipa::path(get, path = "/docs", tag = "pages", responses((status = 308, description = "To /docs/")))]
pub(crate) async fn docs() -> Redirect {
    Redirect::permanent("/docs/")
}

/// The documentation.
#[utoipa::path(get, path = "/docs/", tag = "pages", responses((status = 200, description = "A page")))]
pub(crate) async fn docs_index() -> Result<Response, Problem> {
    swagger("index.html")
}

/// What the documentation consists of.
#[utoipa::path(get, path = "/docs/{file}", tag = "pages", responses((status = 200, description = "A file")))]
pub(crate) async fn docs_file(name: Name) -> Result<Response, Problem> {
    swagger(name.as_str())
}

fn swagger(file: &str) -> Result<Response, Problem> {
    let config = Config::from("/openapi.json").try_it_out_enabled(true).persist_authorization(false);
    let found = utoipa_swagger_ui::serve(file, Arc::new(config))
        .map_err(|error| Error::new(ErrorKind::Internal, format!("the documentation is broken: {error}")))?;
    let found = found.ok_or_else(|| Error::new(ErrorKind::NotFound, "there is nothing of this name"))?;
    let headers = [
        (header::CONTENT_TYPE, found.content_type),
        (header::CONTENT_SECURITY_POLICY, DOCS_POLICY.to_owned()),
        (header::CACHE_CONTROL, "no-cache".to_owned()),
    ];
    Ok((headers, found.bytes.into_owned()).into_response())
}
