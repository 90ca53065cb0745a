//! One request with its redirects, within one deadline.

use std::error::Error as _;

use http::{HeaderMap, StatusCode, header};
use reqwest::{Response, Url};
use tokio::time::{Instant, timeout_at};

use super::{Outbound, Refused};

/// Redirects that are followed.
const MOST_HOPS: usize = 3;
/// The most bytes of an answer that are read, and how many are kept.
const READ_BYTES: usize = 64 * 1024;
const KEPT_BYTES: usize = 1024;

/// What a request came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Somebody answered.
    Answered(Answer),
    /// Nobody was asked: where it leads is not gone to. For people.
    Refused(String),
    /// Nobody answered. For people.
    Silent(String),
}

/// An answer, as far as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// `Retry-After`, as it came.
    pub retry_after: Option<String>,
    /// How the body begins, without control characters.
    pub body: String,
}

impl Outbound {
    /// Posts `body`. A redirect that keeps method and body (307, 308) is followed, each time after where it leads was
    /// judged; other redirects are answers.
    pub async fn post(&self, url: &str, headers: &HeaderMap, body: &[u8]) -> Outcome {
        let deadline = Instant::now() + self.guard.settings.timeout;
        let mut next = match self.judge(url) {
            Ok(url) => url,
            Err(why) => return Outcome::Refused(format!("the URL is not gone to: {why}")),
        };
        for hop in 0..=MOST_HOPS {
            let request = self.http.post(next.clone()).headers(headers.clone()).body(body.to_vec());
            let response = match timeout_at(deadline, request.send()).await {
                Ok(Ok(response)) => response,
                Ok(Err(error)) => return failed(&error),
                Err(_) => return self.too_slow(),
            };
            let Some(location) = redirect(&response).filter(|_| hop < MOST_HOPS) else {
                return Outcome::Answered(answer(response, deadline).await);
            };
            next = match self.hop(&next, &location) {
                Ok(url) => url,
                Err(why) => return Outcome::Refused(format!("a redirect is not followed: {why}")),
            };
        }
        Outcome::Silent("too many redirects".to_owned())
    }

    fn hop(&self, from: &Url, location: &str) -> Result<Url, String> {
        let to = from.join(location).map_err(|error| format!("it leads nowhere: {error}"))?;
        if from.scheme() == "https" && to.scheme() != "https" {
            return Err("it leads from https to something else".to_owned());
        }
        self.judge(to.as_str())
    }

    fn too_slow(&self) -> Outcome {
        Outcome::Silent(format!("no answer within {} s", self.guard.settings.timeout.as_secs_f64()))
    }
}

fn redirect(response: &Response) -> Option<String> {
    let keeps = matches!(response.status(), StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT);
    let location = response.headers().get(header::LOCATION).filter(|_| keeps)?;
    location.to_str().ok().map(str::to_owned)
}

async fn answer(mut response: Response, deadline: Instant) -> Answer {
    let status = response.status().as_u16();
    let retry_after = response.headers().get(header::RETRY_AFTER).and_then(|value| value.to_str().ok());
    let retry_after = retry_after.map(|text| text.chars().take(64).collect());
    let (mut read, mut kept) = (0, Vec::new());
    // The status has said it all: a body that breaks off, or takes too long, is kept as far as it came.
    while let Ok(Ok(Some(chunk))) = timeout_at(deadline, response.chunk()).await {
        let room = KEPT_BYTES - kept.len();
        kept.extend_from_slice(&chunk[..chunk.len().min(room)]);
        read += chunk.len();
        if read >= READ_BYTES {
            break;
        }
    }
    let body = String::from_utf8_lossy(&kept).chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    Answer { status, retry_after, body }
}

/// Why there is no answer. The causes are told, as far as they tell nothing of what is inside.
fn failed(error: &reqwest::Error) -> Outcome {
    let mut cause = error.source();
    let mut text = "it cannot be reached".to_owned();
    while let Some(at) = cause {
        if at.is::<Refused>() {
            return Outcome::Refused(format!("the URL is not gone to: {at}"));
        }
        text.push_str(&format!(": {at}"));
        cause = at.source();
    }
    Outcome::Silent(text)
}
