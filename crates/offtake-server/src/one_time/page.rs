//! The page behind the link of a mail: what there is to fetch, and a button. No script, nothing from elsewhere, and
//! nothing that tells whose file it is.

use std::fmt::Write as _;
use std::sync::LazyLock;

use axum::response::{Html, IntoResponse, Response};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri, header};
use jiff::Timestamp;
use offtake_model::{Error, ErrorKind};
use sha2::{Digest, Sha256};

use super::Offer;
use crate::links::Link;

const STYLE: &str = ":root{color-scheme:light dark}body{font:16px/1.5 system-ui,sans-serif;max-width:36rem;\
    margin:3rem auto;padding:0 1rem}dt{float:left;clear:left;width:7rem;opacity:.7}dd{margin:0 0 .3rem 7rem;\
    overflow-wrap:anywhere}button{font:inherit;font-weight:600;padding:.6rem 1.6rem;margin:1rem 0;cursor:pointer}";

/// Where to go on from a token that is over.
const GONE: &str =
    "<p><a href=\"../#/exports\">Look at your exports</a> for a fresh link. You may have to sign in.</p>";

/// How the style is known to the policy, so that no other counts.
static STYLE_HASH: LazyLock<String> = LazyLock::new(|| BASE64_STANDARD.encode(Sha256::digest(STYLE)));

const ROBOTS: HeaderName = HeaderName::from_static("x-robots-tag");
const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// What can be fetched. `link` is one that the button might lead to.
pub(super) fn offer(offer: &Offer, link: &Link) -> Response {
    let artifact = &offer.artifact;
    let mut facts = String::new();
    let mut fact = |name: &str, value: &str| {
        let _infallible = write!(facts, "<dt>{name}</dt><dd>{}</dd>", escaped(value));
    };
    fact("File", &artifact.file_name);
    if let Some(bytes) = artifact.bytes {
        fact("Size", &size(bytes));
    }
    if let Some(receipt) = &artifact.receipt {
        fact("Rows", &grouped(receipt.rows_written));
    }
    fact("Until", &moment(offer.token.expires_at));
    // Without an action a form is sent to where the page came from, whatever stands before us.
    let body = format!(
        "<h1>Your file is ready</h1><dl>{facts}</dl><form method=\"post\"><button type=\"submit\">Download</button></form>\
         <p>This works once. A download that breaks off can be resumed within ten minutes; later, ask for a fresh link \
         where you asked for the file.</p>"
    );
    // Browsers hold a form to this along redirects as well.
    let elsewhere = origin(&link.url).map(|origin| format!(" {origin}")).unwrap_or_default();
    page(StatusCode::OK, "Download", &body, &format!("'self'{elsewhere}"))
}

/// Why there is nothing to fetch.
pub(super) fn refusal(error: &Error) -> Response {
    let status = StatusCode::from_u16(error.kind().status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    if !error.kind().is_clients() {
        tracing::error!(%error, cause = ?std::error::Error::source(error), "failed");
    }
    let (title, detail) = if error.kind() == ErrorKind::NotFound {
        ("This link is not valid", "Check that it is whole, or ask for a fresh one.")
    } else if error.is_open() {
        ("This link does not work", error.detail())
    } else {
        let detail = "Try again in a minute. If the link then says that it was used, ask for a fresh one.";
        ("Not possible at the moment", detail)
    };
    let more = if error.kind() == ErrorKind::Gone { GONE } else { "" };
    let body = format!("<h1>{title}</h1><p>{}</p>{more}", escaped(&sentence(detail)));
    let mut response = page(status, title, &body, "'none'");
    if status == StatusCode::SERVICE_UNAVAILABLE {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
    }
    response
}

fn page(status: StatusCode, title: &str, body: &str, forms: &str) -> Response {
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{}'; form-action {forms}; base-uri 'none'; frame-ancestors 'none'",
        *STYLE_HASH
    );
    let html = format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>{title}</title>\
         <meta name=\"viewport\" content=\"width=device-width\"><meta name=\"robots\" content=\"noindex, nofollow\">\
         <style>{STYLE}</style></head><body><main>{body}</main></body></html>\n"
    );
    let mut response = (status, Html(html)).into_response();
    let headers = response.headers_mut();
    headers.insert(ROBOTS, HeaderValue::from_static("noindex, nofollow"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Ok(policy) = HeaderValue::from_str(&policy) {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    response
}

/// Whether a browser says that this form was on another site's page. What is no browser says nothing.
pub(super) fn is_sent_from_elsewhere(headers: &HeaderMap) -> bool {
    let site = headers.get(FETCH_SITE).map(HeaderValue::as_bytes);
    site.is_some_and(|site| site != b"same-origin" && site != b"none")
}

/// Scheme and host of a URL, as a policy names them. `None` for a path.
fn origin(url: &str) -> Option<String> {
    let uri: Uri = url.parse().ok()?;
    Some(format!("{}://{}", uri.scheme_str()?, uri.authority()?.as_str()))
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

/// `this is so` → `This is so.`
fn sentence(text: &str) -> String {
    let mut rest = text.chars();
    let first = rest.next().map(|c| c.to_uppercase().to_string()).unwrap_or_default();
    format!("{first}{}.", rest.as_str().trim_end_matches('.'))
}

fn size(bytes: u64) -> String {
    const UNITS: [(u64, &str); 3] = [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    match UNITS.into_iter().find(|(unit, _)| bytes >= *unit) {
        Some((unit, name)) => format!("{:.1} {name}", bytes as f64 / unit as f64),
        None => format!("{bytes} bytes"),
    }
}

/// `1284512` → `1,284,512`
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

fn moment(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M UTC").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_are_written_for_people() {
        assert_eq!([0, 999, 1000, 1_284_512].map(grouped), ["0", "999", "1,000", "1,284,512"]);
        assert_eq!([7, 1024, 1_500_000, 5 << 30].map(size), ["7 bytes", "1.0 KiB", "1.4 MiB", "5.0 GiB"]);
        assert_eq!(escaped("<a href='x'>&\"</a>"), "&lt;a href=&#39;x&#39;&gt;&amp;&quot;&lt;/a&gt;");
        assert_eq!(sentence("it is over; ask"), "It is over; ask.");
    }

    #[test]
    fn an_origin_is_scheme_and_host() {
        assert_eq!(origin("https://b.s3.example.org/k?X-Amz-Signature=a").as_deref(), Some("https://b.s3.example.org"));
        assert_eq!(origin("http://127.0.0.1:9000/b/k").as_deref(), Some("http://127.0.0.1:9000"));
        assert_eq!(origin("/files/art_1?expires=1"), None);
    }
}
