//! Where an issuer's public keys come from: a file, or a URL that is asked with bounds on everything.

use std::path::{Path, PathBuf};
use std::time::Duration;

use http::{StatusCode, header};
use offtake_model::{Error, ErrorKind, Result};
use reqwest::redirect::Policy;
use tokio::io::AsyncReadExt;

use super::cache_control;

/// The largest set of keys, in bytes.
pub(super) const MAX_BYTES: usize = 256 * 1024;

/// Where a set of keys is.
#[derive(Debug)]
pub(super) enum Origin {
    /// In this file.
    File(PathBuf),
    /// At this URL.
    Url { http: reqwest::Client, url: String },
}

/// A set of keys as it came.
#[derive(Debug)]
pub(super) struct Fetched {
    pub(super) text: Vec<u8>,
    /// For how long its origin says it is good.
    pub(super) fresh_for: Option<Duration>,
}

impl Origin {
    /// Keys at `url`. Redirects are not followed, proxies are not asked, and what is https stays so.
    ///
    /// # Errors
    /// `invalid_request` if the URL is none; `internal` if there can be no client.
    pub(super) fn url(url: &str) -> Result<Self> {
        let parsed = reqwest::Url::parse(url).map_err(|error| {
            Error::new(ErrorKind::InvalidRequest, "the address of the keys is no URL").caused_by(error)
        })?;
        let http = reqwest::Client::builder()
            .user_agent(concat!("offtake/", env!("CARGO_PKG_VERSION")))
            .redirect(Policy::none())
            .no_proxy()
            .https_only(parsed.scheme() == "https")
            .build()
            .map_err(|error| Error::new(ErrorKind::Internal, "no HTTP client can be made").caused_by(error))?;
        Ok(Self::Url { http, url: url.to_owned() })
    }

    /// Gets the set, within `limit`.
    ///
    /// # Errors
    /// Why there is none, for people.
    pub(super) async fn fetch(&self, limit: Duration) -> Result<Fetched, String> {
        let fetched = tokio::time::timeout(limit, async {
            match self {
                Self::File(path) => from_file(path).await,
                Self::Url { http, url } => from_url(http, url).await,
            }
        });
        fetched.await.unwrap_or_else(|_| Err(format!("no whole answer within {} ms", limit.as_millis())))
    }
}

async fn from_file(path: &Path) -> Result<Fetched, String> {
    let read = async {
        let mut text = Vec::new();
        let file = tokio::fs::File::open(path).await?;
        file.take(MAX_BYTES as u64 + 1).read_to_end(&mut text).await?;
        Ok::<_, std::io::Error>(text)
    };
    let text = read.await.map_err(|error| format!("{} cannot be read: {error}", path.display()))?;
    if text.len() > MAX_BYTES {
        return Err(too_large());
    }
    Ok(Fetched { text, fresh_for: None })
}

async fn from_url(http: &reqwest::Client, url: &str) -> Result<Fetched, String> {
    let request = http.get(url).header(header::ACCEPT, "application/jwk-set+json, application/json");
    let mut response = request.send().await.map_err(|error| told(&error))?;
    let status = response.status();
    if status.is_redirection() {
        return Err(format!("it answers {status}, and redirects are not followed"));
    }
    if status != StatusCode::OK {
        return Err(format!("it answers {status}"));
    }
    let fresh_for = cache_control::freshness(response.headers());
    let mut text = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| told(&error))? {
        if text.len() + chunk.len() > MAX_BYTES {
            return Err(too_large());
        }
        text.extend_from_slice(&chunk);
    }
    Ok(Fetched { text, fresh_for })
}

fn too_large() -> String {
    format!("it is larger than {} KiB", MAX_BYTES / 1024)
}

/// An error with what is behind it.
fn told(error: &reqwest::Error) -> String {
    let mut text = "it cannot be reached".to_owned();
    let mut cause = std::error::Error::source(error);
    while let Some(at) = cause {
        text.push_str(&format!(": {at}"));
        cause = at.source();
    }
    text
}
