//! The console, and the elements for other pages: what `web/` was built to, out of the binary. Not responsible for what
//! it does.

use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, header};
use offtake_model::{Error, ErrorKind};
use rust_embed::{EmbeddedFile, RustEmbed};

use crate::error::Problem;
use crate::extract::Name;

/// Everything the console loads is its own; its styles are made by script, which needs no leave.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
    base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Names of assets hold a hash of what is in them.
const FOR_EVER: &str = "public, max-age=31536000, immutable";
/// The script for other pages keeps its name.
const FOR_AN_HOUR: &str = "public, max-age=3600";

/// A binary that was made without the console has none of these files (`scripts/web.sh` builds them).
#[derive(RustEmbed)]
#[folder = "../../web/dist"]
#[allow_missing = true]
struct Built;

/// The page of the console, if this binary has it.
pub(crate) fn page() -> Option<Response> {
    let page = Built::get("index.html")?;
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8")),
        (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY)),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
    ];
    Some((headers, page.data.into_owned()).into_response())
}

/// What the console consists of.
#[utoipa::path(get, path = "/assets/{file}", tag = "pages",
    params(("file" = String, Path, description = "Its name")),
    responses((status = 200, description = "A file")))]
pub(crate) async fn asset(name: Name, headers: HeaderMap) -> Result<Response, Problem> {
    file(&format!("assets/{}", name.as_str()), &headers, FOR_EVER)
}

/// The elements for other pages, as one script.
#[utoipa::path(get, path = "/embed/{file}", tag = "pages",
    params(("file" = String, Path, description = "Its name")),
    responses((status = 200, description = "A script")))]
pub(crate) async fn embed(name: Name, headers: HeaderMap) -> Result<Response, Problem> {
    file(&format!("embed/{}", name.as_str()), &headers, FOR_AN_HOUR)
}

fn file(path: &str, headers: &HeaderMap, cache: &'static str) -> Result<Response, Problem> {
    let missing = || Error::new(ErrorKind::NotFound, "there is nothing of this name");
    let media_type = media_type(path).ok_or_else(missing)?;
    let (encoding, file) = smallest(path, headers).ok_or_else(missing)?;
    let about = [
        (header::CONTENT_TYPE, HeaderValue::from_static(media_type)),
        (header::CACHE_CONTROL, HeaderValue::from_static(cache)),
        (header::VARY, HeaderValue::from_static("accept-encoding")),
    ];
    let encoding = encoding.map(|encoding| [(header::CONTENT_ENCODING, HeaderValue::from_static(encoding))]);
    Ok((about, encoding, file.data.into_owned()).into_response())
}

/// The file as it was compressed beforehand, in the best way the browser understands.
fn smallest(path: &str, headers: &HeaderMap) -> Option<(Option<&'static str>, EmbeddedFile)> {
    let accepted = headers.get(header::ACCEPT_ENCODING).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let packed = [("br", "br"), ("gzip", "gz")].into_iter().find_map(|(encoding, ending)| {
        accepts(accepted, encoding)
            .then(|| Built::get(&format!("{path}.{ending}")))
            .flatten()
            .map(|file| (Some(encoding), file))
    });
    packed.or_else(|| Built::get(path).map(|file| (None, file)))
}

fn accepts(accepted: &str, encoding: &str) -> bool {
    accepted.split(',').any(|one| {
        let mut parts = one.split(';').map(str::trim);
        let is_named = parts.next().is_some_and(|name| name.eq_ignore_ascii_case(encoding));
        let is_refused =
            |weight: &str| weight.strip_prefix("q=").and_then(|q| q.parse::<f32>().ok()).is_some_and(|q| q <= 0.0);
        is_named && !parts.any(is_refused)
    })
}

fn media_type(path: &str) -> Option<&'static str> {
    match path.rsplit_once('.')?.1 {
        "js" => Some("text/javascript; charset=utf-8"),
        "css" => Some("text/css; charset=utf-8"),
        "svg" => Some("image/svg+xml"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_encoding_that_weighs_nothing_is_refused() {
        assert!(accepts("gzip, deflate, br", "br"));
        assert!(accepts("BR;q=0.5", "br"));
        assert!(!accepts("gzip, br;q=0", "br"));
        assert!(!accepts("identity", "gzip"));
        assert!(!accepts("", "gzip"));
    }

    #[test]
    fn only_what_a_browser_loads_has_a_type() {
        assert_eq!(media_type("assets/a.js"), Some("text/javascript; charset=utf-8"));
        assert_eq!(media_type("assets/a.js.br"), None);
        assert_eq!(media_type("assets/a"), None);
    }
}
