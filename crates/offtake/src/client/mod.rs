//! The HTTP client of the command line: what `export --server` and `jobs --server` say to a server.
//!
//! Responsible for requests, their retries and the mapping of problems back to errors. Bodies stay JSON here:
//! a newer server may say more than this program knows.

mod download;
mod problem;
mod sink;

use std::time::Duration;

use offtake_model::{Error, ErrorKind, Result};
use reqwest::{Method, Response, StatusCode, Url, header};
use serde_json::Value as Json;

use crate::config::{Environment, Redacted};

pub(crate) use download::download;
pub(crate) use sink::{Sink, storing};

/// How long a server may be away before the command gives up.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long one long poll waits.
const LONG_POLL_SECONDS: u64 = 20;

/// A server, and the right to talk to it.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    http: reqwest::Client,
    base: Url,
    token: Redacted,
}

impl Client {
    /// A client for the server named by flag or environment; `None` if neither names one.
    ///
    /// # Errors
    /// `invalid_request` if the URL is none or no token is given.
    pub(crate) fn new(server: Option<&str>, token: Option<&str>, environment: &Environment) -> Result<Option<Self>> {
        let Some(server) = server.or(environment.server.as_deref()) else { return Ok(None) };
        let wrong = |detail: String| Error::new(ErrorKind::InvalidRequest, detail);
        let mut base = Url::parse(server)
            .ok()
            .filter(|url| matches!(url.scheme(), "http" | "https"))
            .ok_or_else(|| wrong(format!("\"{server}\" is no http or https URL; write http://127.0.0.1:8080")))?;
        if !base.path().ends_with('/') {
            base.set_path(&format!("{}/", base.path()));
        }
        let token = token.or(environment.token.as_deref()).ok_or_else(|| {
            wrong("a server needs a bearer token: --token or OFFTAKE_TOKEN; `offtake token` makes one".to_owned())
        })?;
        let http = reqwest::Client::builder()
            .user_agent(concat!("offtake/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(Duration::from_secs(10))
            .read_timeout(Duration::from_secs(60))
            .build()
            .map_err(|error| Error::new(ErrorKind::Internal, "no HTTP client can be made").caused_by(error))?;
        Ok(Some(Self { http, base, token: Redacted::new(token.trim()) }))
    }

    /// Asks for an export. Repeating it after a lost answer creates no second job.
    ///
    /// # Errors
    /// The problem the server answers; `unavailable` if it cannot be reached.
    pub(crate) async fn create(&self, dataset: &str, body: &Json) -> Result<Json> {
        let key = crate::wire::random_hex();
        let path = format!("export/{}", segment(dataset));
        let send = || async {
            let request = self.request(Method::POST, &path)?.header("idempotency-key", &key).json(body);
            json(self.send(request).await?).await
        };
        patiently(send).await
    }

    /// One job.
    ///
    /// # Errors
    /// As [`create`](Self::create).
    pub(crate) async fn job(&self, id: &str) -> Result<Json> {
        self.get(&format!("export/jobs/{}", segment(id))).await
    }

    /// One job, once it differs from what `seen` stands for (an `ETag`, kept up to date); `None` if it does not
    /// for some seconds.
    ///
    /// # Errors
    /// As [`create`](Self::create).
    pub(crate) async fn job_changed(&self, id: &str, seen: &mut Option<String>) -> Result<Option<Json>> {
        let path = format!("export/jobs/{}?wait={LONG_POLL_SECONDS}", segment(id));
        let known = seen.clone();
        let ask = || async {
            let mut request = self.request(Method::GET, &path)?;
            if let Some(known) = &known {
                request = request.header(header::IF_NONE_MATCH, known.as_str());
            }
            let response = request.send().await.map_err(|error| self.unreachable(error))?;
            match response.status() {
                StatusCode::NOT_MODIFIED => Ok(None),
                status if status.is_success() => {
                    let etag = response.headers().get(header::ETAG).and_then(|value| value.to_str().ok());
                    let etag = etag.map(str::to_owned);
                    Ok(Some((json(response).await?, etag)))
                }
                _ => Err(problem::read(response).await),
            }
        };
        let changed: Option<(Json, Option<String>)> = patiently(ask).await?;
        Ok(changed.map(|(job, etag)| {
            *seen = etag;
            job
        }))
    }

    /// Any document.
    ///
    /// # Errors
    /// As [`create`](Self::create).
    pub(crate) async fn get(&self, path: &str) -> Result<Json> {
        patiently(|| async { json(self.send(self.request(Method::GET, path)?).await?).await }).await
    }

    /// A verb on a job: `POST …/retry`, or `DELETE` to cancel.
    ///
    /// # Errors
    /// As [`create`](Self::create).
    pub(crate) async fn change(&self, method: Method, path: &str) -> Result<()> {
        self.send(self.request(method, path)?).await.map(drop)
    }

    fn request(&self, method: Method, path: &str) -> Result<reqwest::RequestBuilder> {
        let url = self
            .base
            .join(&format!("api/v1/{path}"))
            .map_err(|error| Error::new(ErrorKind::InvalidRequest, format!("{path} makes no URL")).caused_by(error))?;
        Ok(self.http.request(method, url).bearer_auth(self.token.expose()))
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> Result<Response> {
        let response = request.send().await.map_err(|error| self.unreachable(error))?;
        if response.status().is_success() { Ok(response) } else { Err(problem::read(response).await) }
    }

    fn unreachable(&self, error: reqwest::Error) -> Error {
        let detail = format!("the server {} does not answer", self.base);
        // The URL of a link is a right to fetch the file: it stays out of messages.
        Error::new(ErrorKind::Unavailable, detail).caused_by(error.without_url())
    }
}

async fn json(response: Response) -> Result<Json> {
    response.json().await.map_err(|error| {
        Error::new(ErrorKind::Unavailable, "the server's answer broke off or is not JSON")
            .caused_by(error.without_url())
    })
}

/// Repeats what fails because the server is away for a moment (a deploy), until patience ends.
///
/// # Errors
/// The last error.
async fn patiently<T, F: Future<Output = Result<T>>>(mut attempt: impl FnMut() -> F) -> Result<T> {
    let started = std::time::Instant::now();
    let mut pause = Duration::from_millis(200);
    loop {
        match attempt().await {
            Err(error) if is_passing(error.kind()) && started.elapsed() + pause < PATIENCE => {
                tracing::debug!(%error, "trying again");
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(Duration::from_secs(5));
            }
            outcome => return outcome,
        }
    }
}

/// Whether waiting may help.
const fn is_passing(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::Unavailable | ErrorKind::StoreUnavailable | ErrorKind::TooManyRequests)
}

/// Text as one segment of a path.
pub(crate) fn segment(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        let plain = byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~');
        if plain { out.push(char::from(byte)) } else { out.push_str(&format!("%{byte:02X}")) }
    }
    // `.` and `..` would be taken for steps in the path.
    if out.bytes().all(|byte| byte == b'.') { out.replace('.', "%2E") } else { out }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_user_types_stays_one_segment() {
        assert_eq!(segment("job_0199"), "job_0199");
        assert_eq!(segment("../x?y#z"), "..%2Fx%3Fy%23z");
        assert_eq!(segment(".."), "%2E%2E");
    }

    #[test]
    fn a_server_without_a_token_is_refused_and_no_server_is_none() {
        let environment = Environment::of(&[("OFFTAKE_SERVER", "http://127.0.0.1:1")]);
        let error = Client::new(None, None, &environment).unwrap_err();
        assert!(error.detail().contains("OFFTAKE_TOKEN"));
        assert!(Client::new(None, None, &Environment::default()).unwrap().is_none());
        assert!(Client::new(Some("localhost"), Some("t"), &environment).is_err());
    }
}
