//! Files behind our own signed links: whole or in part, streamed, with everything a client needs to go on
//! after an interruption and to check what it has.

use axum::body::Body;
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use futures::TryStreamExt;
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use offtake_model::audit::Via;
use offtake_model::{Error, ErrorKind, Result};
use offtake_store::{Artifact, ArtifactState, JobScope};

use crate::acting::Acting;
use crate::auth::refusals::Attempt;
use crate::error::Problem;
use crate::extract::Name;
use crate::jobs::matches_etag;
use crate::range::{Wanted, wanted};
use crate::state::App;
use crate::watch::Watch;

/// The file behind a link.
#[utoipa::path(get, path = "/files/{artifact}", tag = "files", operation_id = "get_file",
    params(
        ("artifact" = String, Path, description = "As in the link"),
        ("for" = String, Query, description = "As in the link"),
        ("expires" = i64, Query, description = "As in the link"),
        ("signature" = String, Query, description = "As in the link"),
        ("Range" = Option<String>, Header, description = "One range of bytes"),
        ("If-Range" = Option<String>, Header, description = "The ETag the range is meant for"),
        ("If-Match" = Option<String>, Header, description = "The ETag the file must have, else 412"),
        ("If-None-Match" = Option<String>, Header, description = "The ETag of what is there already, else 304"),
    ),
    responses(
        (status = 200, description = "The whole file", content_type = "application/octet-stream", body = Vec<u8>),
        (status = 206, description = "A part of it", content_type = "application/octet-stream", body = Vec<u8>),
        (status = 304, description = "It is as it was"),
    ))]
pub(crate) async fn get(
    State(app): State<App>,
    Acting(act): Acting,
    name: Name,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let (artifact, subject) = behind_link(&app, name.as_str(), &uri).await?;
    let act = act.named(&subject, Via::Link);
    let watch = watch(&app, &artifact, subject).await?;
    watch.look().await.inspect_err(|error| {
        app.refusals.note(&artifact.org, Attempt::at("GET /files/{artifact}", act.clone()), error);
    })?;
    let broken =
        || Error::new(ErrorKind::Internal, format!("the ready artifact {} has no size or digest", artifact.id));
    let size = artifact.bytes.ok_or_else(broken)?;
    let sha256 = artifact.sha256.as_deref().ok_or_else(broken)?;
    let etag = format!("\"{sha256}\"");
    let condition = |name| headers.get(name).and_then(|value| value.to_str().ok());
    if condition(header::IF_MATCH).is_some_and(|wanted| !matches_strongly(wanted, &etag)) {
        return Err(Error::new(ErrorKind::PreconditionFailed, "the file is not the one of If-Match").into());
    }
    let mut response = if condition(header::IF_NONE_MATCH).is_some_and(|known| matches_etag(known, &etag)) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        // Ranges are defined for GET alone (RFC 9110 §14.2).
        let in_part = method == Method::GET && range_is_meant(&headers, &etag);
        let wanted = if in_part { wanted(&headers, size) } else { Wanted::Whole };
        if method == Method::GET && wanted != Wanted::Nothing {
            app.uses.note(&app, &act, &uri, &artifact).await?;
        }
        content(&app, &artifact, size, wanted, &method, watch).await?
    };
    describe(&mut response, &artifact, sha256, &etag);
    Ok(response)
}

/// The file a link leads to, and whom it was made for.
async fn behind_link(app: &App, name: &str, uri: &Uri) -> Result<(Artifact, String)> {
    let Query(pairs): Query<Vec<(String, String)>> = Query::try_from_uri(uri).unwrap_or_default();
    let one = |wanted: &str| {
        let mut values = pairs.iter().filter(|(key, _)| key == wanted).map(|(_, value)| value.as_str());
        // Given twice it could be read in two ways.
        values.next().filter(|_| values.next().is_none()).unwrap_or_default()
    };
    let parts = [one("for"), one("expires"), one("signature")];
    let (id, subject) = app.links.verify(name, parts, app.clock.now())?;
    let artifact = app.store.artifacts.by_id(id).await.map_err(gone)?;
    if artifact.state != ArtifactState::Ready {
        return Err(is_gone());
    }
    Ok((artifact, subject))
}

/// The right of a link's subject to the file, which is that of the job's owner or of who may see everybody's.
async fn watch(app: &App, artifact: &Artifact, subject: String) -> Result<Watch> {
    let scope = JobScope { org: artifact.org.clone(), owner: None };
    let job = app.store.jobs.get(&scope, artifact.job).await.map_err(gone)?;
    Ok(Watch::over(app, artifact, &job.owner, subject))
}

fn gone(error: Error) -> Error {
    if error.kind() == ErrorKind::NotFound { is_gone() } else { error }
}

fn is_gone() -> Error {
    Error::new(ErrorKind::Gone, "the file is no longer there")
}

/// `If-Match`: any of these very bytes, or any file at all. A weak tag matches nothing (RFC 9110 §13.1.1).
fn matches_strongly(wanted: &str, etag: &str) -> bool {
    wanted.trim() == "*" || wanted.split(',').any(|tag| tag.trim() == etag)
}

/// `If-Range`: the range counts only for the very bytes the client has already. We name bytes by strong
/// ETags alone, so a date never matches.
fn range_is_meant(headers: &HeaderMap, etag: &str) -> bool {
    headers.get(header::IF_RANGE).is_none_or(|value| value.as_bytes() == etag.as_bytes())
}

async fn content(
    app: &App,
    artifact: &Artifact,
    size: u64,
    wanted: Wanted,
    method: &Method,
    watch: Watch,
) -> Result<Response> {
    let (status, range) = match wanted {
        Wanted::Whole => (StatusCode::OK, 0..size),
        Wanted::Part(range) => (StatusCode::PARTIAL_CONTENT, range),
        Wanted::Nothing => {
            let detail = format!("the file has {size} bytes");
            let mut response = Problem::new(ErrorKind::RangeNotSatisfiable, detail).into_response();
            response.headers_mut().extend(text(&format!("bytes */{size}")).map(|value| (header::CONTENT_RANGE, value)));
            return Ok(response);
        }
    };
    let body = if *method == Method::HEAD || range.is_empty() {
        Body::empty()
    } else {
        let bytes =
            app.store.objects.read(&artifact.key, range.clone()).await.map_err(|error| vanished(artifact, error))?;
        // The head is out by then: the client sees a connection that ends too early, we see why.
        Body::from_stream(
            watch.over_stream(bytes).inspect_err(|error| tracing::error!(%error, "a file broke off while it was sent")),
        )
    };
    let mut response = (status, body).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(range.end - range.start));
    if status == StatusCode::PARTIAL_CONTENT {
        let part = format!("bytes {}-{}/{size}", range.start, range.end - 1);
        headers.extend(text(&part).map(|value| (header::CONTENT_RANGE, value)));
    }
    Ok(response)
}

/// That bytes are missing is the client's to know, where they should lie is not.
fn vanished(artifact: &Artifact, error: Error) -> Error {
    if error.kind() != ErrorKind::Gone {
        return error;
    }
    tracing::error!(%error, job_id = %artifact.job, org_id = %artifact.org, "the bytes of a ready file are gone");
    is_gone()
}

fn describe(response: &mut Response, artifact: &Artifact, sha256: &str, etag: &str) {
    let digest = hex::decode(sha256).map(|bytes| format!("sha-256=:{}:", BASE64_STANDARD.encode(bytes)));
    let is_file = !response.status().is_client_error();
    let headers = response.headers_mut();
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-store"));
    headers.extend(text(etag).map(|value| (header::ETAG, value)));
    if is_file {
        headers.extend(text(&artifact.media_type).map(|value| (header::CONTENT_TYPE, value)));
        headers.extend(text(&disposition(&artifact.file_name)).map(|value| (header::CONTENT_DISPOSITION, value)));
        headers.extend(digest.ok().as_deref().and_then(text).map(|value| (REPR_DIGEST, value)));
    }
}

const REPR_DIGEST: http::HeaderName = http::HeaderName::from_static("repr-digest");

fn text(value: &str) -> Option<HeaderValue> {
    HeaderValue::from_str(value).ok()
}

/// Marks that turn the direction of text around: with them a name is read as another than it is.
const fn turns(c: char) -> bool {
    matches!(c, '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// RFC 6266: a plain name for everybody, and the exact one (RFC 8187) for those who can read it.
pub(crate) fn disposition(file_name: &str) -> String {
    let leaves = |c: char| c.is_control() || matches!(c, '/' | '\\') || turns(c);
    let safe: String = file_name.chars().filter(|c| !leaves(*c)).collect();
    let plain: String =
        safe.chars().map(|c| if c.is_ascii_graphic() && !matches!(c, '"' | '%') { c } else { '_' }).collect();
    if plain == safe {
        return format!("attachment; filename=\"{plain}\"");
    }
    let mut exact = String::new();
    for byte in safe.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            exact.push(char::from(byte));
        } else {
            exact.push_str(&format!("%{byte:02X}"));
        }
    }
    format!("attachment; filename=\"{plain}\"; filename*=UTF-8''{exact}")
}

#[cfg(test)]
mod names;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_leave_their_header_or_folder() {
        assert_eq!(disposition("Spans.csv"), "attachment; filename=\"Spans.csv\"");
        assert_eq!(
            disposition("a\r\nX: \"y\"/\\\0.csv"),
            "attachment; filename=\"aX:__y_.csv\"; filename*=UTF-8''aX%3A%20%22y%22.csv"
        );
        assert_eq!(disposition("日.csv"), "attachment; filename=\"_.csv\"; filename*=UTF-8''%E6%97%A5.csv");
    }
}
