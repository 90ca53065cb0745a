//! The few requests that the library lacks: signed by it, sent from here. Listing uploads and parts, ending an upload
//! on a condition, copying into one, the bucket's life-cycle rules; and deleting, which the library does for many at
//! once alone.

use std::ops::Range;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use object_store::aws::AmazonS3;
use object_store::path::Path;
use object_store::signer::{SignedUrlOptions, Signer};
use offtake_model::{Error, ErrorKind, Result};
use quick_xml::events::Event;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::fault::{fault, lost, refused};
use super::settings::S3Settings;

/// How often a request is tried again.
pub(super) const RETRIES: usize = 6;
/// How many times longer than any other answer the store may take to copy, or to put an object together.
const COPY: u32 = 10;
/// How long a signature holds: as long as the request it is made for may take to be tried.
const SIGNED_FOR: Duration = Duration::from_secs(900);

/// Requests of our own making.
#[derive(Debug)]
pub(super) struct Signed {
    store: AmazonS3,
    http: reqwest::Client,
    bucket: String,
    timeout: Duration,
    retry_for: Duration,
    conditional: bool,
}

/// A request.
struct Ask<'a> {
    what: &'a str,
    method: Method,
    path: &'a Path,
    query: Vec<(&'static str, String)>,
    signed: Vec<(HeaderName, String)>,
    plain: Vec<(HeaderName, &'static str)>,
    body: Bytes,
    timeout: Duration,
}

/// An answer that trying again would not change.
struct Answer {
    status: u16,
    code: Option<String>,
    body: Bytes,
}

impl Answer {
    fn is_success(&self) -> bool {
        (200..300).contains(&self.status) && self.code.is_none()
    }
}

/// An upload that has not ended.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct OpenUpload {
    pub(super) key: String,
    pub(super) upload_id: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Uploads {
    #[serde(default)]
    is_truncated: bool,
    #[serde(default)]
    next_key_marker: String,
    #[serde(default)]
    next_upload_id_marker: String,
    #[serde(default, rename = "Upload")]
    uploads: Vec<OpenUpload>,
}

/// A part that lies in an upload.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct StoredPart {
    pub(super) part_number: usize,
    #[serde(rename = "ETag")]
    pub(super) etag: String,
    pub(super) size: u64,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Parts {
    #[serde(default)]
    is_truncated: bool,
    #[serde(default)]
    next_part_number_marker: String,
    #[serde(default, rename = "Part")]
    parts: Vec<StoredPart>,
}

#[derive(Debug, Deserialize)]
struct Copied {
    #[serde(rename = "ETag")]
    etag: String,
}

#[derive(Debug, Deserialize)]
struct Refusal {
    #[serde(rename = "Code", default)]
    code: String,
}

/// How ending an upload went.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Completed {
    /// The object is there.
    Yes,
    /// Another object has the key.
    Taken,
    /// There is no such upload, or not with these parts.
    NoSuchUpload,
}

impl Signed {
    pub(super) fn new(store: AmazonS3, settings: &S3Settings) -> Result<Self> {
        let http = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(settings.timeout.min(Duration::from_secs(10)))
            .build()
            .map_err(|error| Error::new(ErrorKind::Internal, "no HTTP client can be made").caused_by(error))?;
        Ok(Self {
            store,
            http,
            bucket: settings.bucket.clone(),
            timeout: settings.timeout,
            retry_for: settings.retry_for,
            conditional: settings.conditional_writes,
        })
    }

    /// Uploads whose key begins with `prefix` and that have not ended.
    pub(super) async fn uploads(&self, prefix: &str) -> Result<Vec<OpenUpload>> {
        let mut found = Vec::new();
        let (mut key_marker, mut upload_marker) = (String::new(), String::new());
        loop {
            let mut query = vec![("uploads", String::new()), ("prefix", prefix.to_owned())];
            if !key_marker.is_empty() {
                query.push(("key-marker", key_marker.clone()));
                query.push(("upload-id-marker", upload_marker));
            }
            let answer = self.ask(self.bucket_wide("listed", Method::GET, query)).await?;
            let page: Uploads = self.document("listed", &self.bucket, &answer)?;
            found.extend(page.uploads.into_iter().filter(|upload| upload.key.starts_with(prefix)));
            // A store that says so without telling from where would be asked for ever.
            if !page.is_truncated || page.next_key_marker.is_empty() || page.next_key_marker == key_marker {
                return Ok(found);
            }
            (key_marker, upload_marker) = (page.next_key_marker, page.next_upload_id_marker);
        }
    }

    /// The parts of an upload; `None` if there is no such upload.
    pub(super) async fn parts(&self, path: &Path, upload: &str) -> Result<Option<Vec<StoredPart>>> {
        let mut found = Vec::new();
        let mut marker = String::new();
        loop {
            let mut query = vec![("uploadId", upload.to_owned())];
            if !marker.is_empty() {
                query.push(("part-number-marker", marker.clone()));
            }
            let answer = self.ask(self.about("read", Method::GET, path, query)).await?;
            if answer.status == 404 {
                return Ok(None);
            }
            let page: Parts = self.document("read", path, &answer)?;
            found.extend(page.parts);
            if !page.is_truncated || page.next_part_number_marker.is_empty() || page.next_part_number_marker == marker {
                return Ok(Some(found));
            }
            marker = page.next_part_number_marker;
        }
    }

    /// Ends an upload with exactly these parts. `create`: unless something has its key.
    pub(super) async fn complete(
        &self,
        path: &Path,
        upload: &str,
        etags: &[String],
        create: bool,
    ) -> Result<Completed> {
        let mut body = String::from("<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">");
        for (at, etag) in etags.iter().enumerate() {
            let etag = quick_xml::escape::escape(etag.as_str());
            body.push_str(&format!("<Part><PartNumber>{}</PartNumber><ETag>{etag}</ETag></Part>", at + 1));
        }
        body.push_str("</CompleteMultipartUpload>");
        let mut ask = self.about("finished", Method::POST, path, vec![("uploadId", upload.to_owned())]);
        ask.body = Bytes::from(body);
        ask.plain.push((http::header::CONTENT_TYPE, "application/xml"));
        // Putting a large object together takes the store its time.
        ask.timeout = self.timeout * COPY;
        if create && self.conditional {
            ask.plain.push((http::header::IF_NONE_MATCH, "*"));
        }
        let answer = self.ask(ask).await?;
        match answer.status {
            _ if answer.is_success() => Ok(Completed::Yes),
            409 | 412 => Ok(Completed::Taken),
            404 => Ok(Completed::NoSuchUpload),
            400 if answer.code.as_deref() == Some("InvalidPart") => Ok(Completed::NoSuchUpload),
            status => Err(refused("finished", path, status, answer.code.as_deref())),
        }
    }

    /// Copies bytes of an object into an upload, inside of the store. The part's tag.
    pub(super) async fn copy_part(
        &self,
        path: &Path,
        upload: &str,
        number: usize,
        from: &Path,
        range: Range<u64>,
    ) -> Result<String> {
        let query = vec![("partNumber", number.to_string()), ("uploadId", upload.to_owned())];
        let mut ask = self.about("copied", Method::PUT, path, query);
        let source = format!("/{}/{}", self.bucket, escaped(from.as_ref()));
        ask.signed = vec![
            (HeaderName::from_static("x-amz-copy-source"), source),
            (
                HeaderName::from_static("x-amz-copy-source-range"),
                format!("bytes={}-{}", range.start, range.end.saturating_sub(1)),
            ),
        ];
        ask.timeout = self.timeout * COPY;
        let answer = self.ask(ask).await?;
        if answer.status == 404 {
            return Err(lost(path));
        }
        let copied: Copied = self.document("copied", from, &answer)?;
        Ok(copied.etag)
    }

    /// Deletes an object. Not an error if there is none. One by one: not every store answers to the deletion of many
    /// as it should, or knows that at all.
    pub(super) async fn delete(&self, path: &Path) -> Result<()> {
        let answer = self.ask(self.about("deleted", Method::DELETE, path, vec![])).await?;
        match answer.status {
            404 => Ok(()),
            _ if answer.is_success() => Ok(()),
            status => Err(refused("deleted", path, status, answer.code.as_deref())),
        }
    }

    /// The bucket's life-cycle rules, as the store writes them; `None` if it has none.
    pub(super) async fn lifecycle(&self) -> Result<Option<String>> {
        let answer = self.ask(self.bucket_wide("read", Method::GET, vec![("lifecycle", String::new())])).await?;
        match answer.status {
            404 => Ok(None),
            _ if answer.is_success() => Ok(Some(String::from_utf8_lossy(&answer.body).into_owned())),
            status => Err(refused("read", &self.bucket, status, answer.code.as_deref())),
        }
    }

    /// Replaces the bucket's life-cycle rules.
    pub(super) async fn put_lifecycle(&self, rules: String, sha256_base64: String) -> Result<()> {
        let mut ask = self.bucket_wide("changed", Method::PUT, vec![("lifecycle", String::new())]);
        ask.body = Bytes::from(rules);
        ask.plain.push((http::header::CONTENT_TYPE, "application/xml"));
        ask.signed = vec![
            (HeaderName::from_static("x-amz-sdk-checksum-algorithm"), "SHA256".to_owned()),
            (HeaderName::from_static("x-amz-checksum-sha256"), sha256_base64),
        ];
        let answer = self.ask(ask).await?;
        if answer.is_success() { Ok(()) } else { Err(self.refusal("changed", &self.bucket, &answer)) }
    }

    /// The moment the store says it is, as it writes it.
    pub(super) async fn date(&self) -> Result<Option<String>> {
        let url = self
            .url(&self.bucket_wide("read", Method::GET, vec![("list-type", "2".into()), ("max-keys", "1".into())]))
            .await?;
        let request = self.http.get(url).timeout(self.timeout);
        let response = request.send().await.map_err(|error| unreachable("read", &self.bucket, error))?;
        let date = response.headers().get(http::header::DATE).and_then(|date| date.to_str().ok());
        Ok(date.map(str::to_owned))
    }

    fn about<'a>(&self, what: &'a str, method: Method, path: &'a Path, query: Vec<(&'static str, String)>) -> Ask<'a> {
        Ask { what, method, path, query, signed: vec![], plain: vec![], body: Bytes::new(), timeout: self.timeout }
    }

    fn bucket_wide<'a>(&self, what: &'a str, method: Method, query: Vec<(&'static str, String)>) -> Ask<'a> {
        static ROOT: std::sync::LazyLock<Path> = std::sync::LazyLock::new(Path::default);
        self.about(what, method, &ROOT, query)
    }

    fn document<T: DeserializeOwned>(&self, what: &str, about: impl std::fmt::Display, answer: &Answer) -> Result<T> {
        if !answer.is_success() {
            return Err(self.refusal(what, about, answer));
        }
        quick_xml::de::from_reader(answer.body.as_ref()).map_err(|error| {
            let detail = format!("{about} cannot be {what}: the store's answer cannot be understood");
            Error::new(ErrorKind::StorageUnavailable, detail).caused_by(error)
        })
    }

    fn refusal(&self, what: &str, about: impl std::fmt::Display, answer: &Answer) -> Error {
        refused(what, about, answer.status, answer.code.as_deref())
    }

    /// Asks, again while that may help, for a bounded time.
    async fn ask(&self, ask: Ask<'_>) -> Result<Answer> {
        let began = Instant::now();
        let mut pause = Duration::from_millis(100);
        for tries in 1.. {
            let met = match self.once(&ask).await {
                Ok(answer) if !passing(&answer) => return Ok(answer),
                Ok(answer) => refused(ask.what, ask.path, answer.status, answer.code.as_deref()),
                Err(error) => error,
            };
            if tries > RETRIES || began.elapsed() + pause > self.retry_for {
                return Err(Error::new(ErrorKind::StorageUnavailable, met.detail().to_owned()).caused_by(met));
            }
            tracing::info!(tries, error = %met, "the object store is asked again");
            tokio::time::sleep(pause.mul_f64(0.5 + rand::random::<f64>() / 2.0)).await;
            pause = (pause * 2).min(Duration::from_secs(5));
        }
        Err(Error::new(ErrorKind::Internal, "counting tries came to an end"))
    }

    async fn once(&self, ask: &Ask<'_>) -> Result<Answer> {
        let url = self.url(ask).await?;
        let mut headers = HeaderMap::new();
        for (name, value) in &ask.signed {
            headers.insert(name.clone(), header(value)?);
        }
        for (name, value) in &ask.plain {
            headers.insert(name.clone(), HeaderValue::from_static(value));
        }
        headers.insert(http::header::CONTENT_LENGTH, HeaderValue::from(ask.body.len()));
        let request = self.http.request(ask.method.clone(), url).headers(headers).timeout(ask.timeout);
        let sent = request.body(ask.body.clone()).send().await;
        let response = sent.map_err(|error| unreachable(ask.what, ask.path, error))?;
        let status = response.status().as_u16();
        let body = response.bytes().await.map_err(|error| unreachable(ask.what, ask.path, error))?;
        let code = refusal_in(&body);
        Ok(Answer { status, code, body })
    }

    async fn url(&self, ask: &Ask<'_>) -> Result<reqwest::Url> {
        let mut options =
            SignedUrlOptions::new().with_query(ask.query.iter().map(|(name, value)| (*name, value.clone())));
        for (name, value) in &ask.signed {
            options = options.with_signed_header(name.clone(), header(value)?);
        }
        let signed = self.store.signed_url_opts(ask.method.clone(), ask.path, SIGNED_FOR, &options).await;
        signed.map_err(|error| fault(ask.what, ask.path, error))
    }
}

/// Whether asking again may help: the store is busy or broke off, with whatever status it says so.
fn passing(answer: &Answer) -> bool {
    match answer.status {
        408 | 429 => true,
        501 => false,
        500.. => true,
        // The head was sent before the store knew better.
        200..300 => answer.code.is_some(),
        _ => false,
    }
}

/// The code of the error that a body tells, whatever the status was.
fn refusal_in(body: &[u8]) -> Option<String> {
    let mut reader = quick_xml::Reader::from_reader(body);
    let mut buffer = Vec::new();
    loop {
        let event = reader.read_event_into(&mut buffer).ok()?;
        if let Event::Start(root) = &event {
            if root.local_name().as_ref() == b"Error" {
                break;
            }
            return None;
        }
        if matches!(event, Event::Empty(_) | Event::Eof) {
            return None;
        }
        buffer.clear();
    }
    let refusal: Option<Refusal> = quick_xml::de::from_reader(body).ok();
    Some(refusal.map(|refusal| refusal.code).unwrap_or_default())
}

fn header(value: &str) -> Result<HeaderValue> {
    HeaderValue::from_str(value)
        .map_err(|error| Error::new(ErrorKind::Internal, "a header of a storage request is no text").caused_by(error))
}

fn unreachable(what: &str, about: impl std::fmt::Display, error: reqwest::Error) -> Error {
    // The URL is a right: it stays out of messages.
    Error::new(ErrorKind::StorageUnavailable, format!("{about} cannot be {what}: the store does not answer"))
        .caused_by(error.without_url())
}

/// A key in a header: everything but what needs no escape, and slashes.
fn escaped(key: &str) -> String {
    let mut out = String::with_capacity(key.len());
    for byte in key.bytes() {
        let plain = byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~' | b'/');
        if plain { out.push(char::from(byte)) } else { out.push_str(&format!("%{byte:02X}")) }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_found_whatever_the_status() {
        let body = b"<?xml version=\"1.0\"?>\n <Error><Code>SlowDown</Code><Message>x</Message></Error>";
        assert_eq!(refusal_in(body).as_deref(), Some("SlowDown"));
        assert_eq!(
            refusal_in(b"<CompleteMultipartUploadResult><ETag>\"a\"</ETag></CompleteMultipartUploadResult>"),
            None
        );
        assert_eq!(refusal_in(b""), None);
        assert_eq!(refusal_in(b"<Error>"), Some(String::new()));
        let answer = |status, code: Option<&str>| Answer { status, code: code.map(str::to_owned), body: Bytes::new() };
        assert!(
            passing(&answer(200, Some("InternalError"))) && passing(&answer(503, None)) && passing(&answer(429, None))
        );
        assert!(!passing(&answer(200, None)) && !passing(&answer(412, Some("x"))) && !passing(&answer(501, None)));
    }
}
