//! A client of the API that hides nothing: every answer keeps its status, headers and bytes.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::told::Messages;
use crate::wait::eventually;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, StatusCode};
use serde_json::{Value as Json, json};

/// Where the product listens at the moment, shared by all clients of an app across restarts.
#[derive(Debug)]
pub(crate) struct Door {
    http: reqwest::Client,
    address: Mutex<Option<String>>,
}

impl Default for Door {
    fn default() -> Self {
        let http = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(Duration::from_secs(120))
            .build()
            .expect("an HTTP client can be made");
        Self { http, address: Mutex::default() }
    }
}

impl Door {
    pub(crate) fn open(&self, address: &str) {
        *self.address.lock().expect("no panic while locked") = Some(address.to_owned());
    }

    pub(crate) fn address(&self) -> Option<String> {
        self.address.lock().expect("no panic while locked").clone()
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address().expect("something listens"))
    }
}

/// An answer.
#[derive(Debug, Clone)]
pub struct Answer {
    /// What was asked, for messages.
    pub asked: String,
    /// The status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Vec<u8>,
}

impl Answer {
    /// The body as JSON.
    ///
    /// # Panics
    /// If it is none.
    #[track_caller]
    pub fn json(&self) -> Json {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self}"))
    }

    /// A header, empty if it is not there.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// Itself, if the status is this.
    ///
    /// # Panics
    /// Otherwise, with the body.
    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{self}");
        self
    }

    /// The code of a problem document, and where it points.
    ///
    /// # Panics
    /// If it is none.
    #[track_caller]
    pub fn problem(&self) -> (String, Vec<String>) {
        assert!(self.header("content-type").starts_with("application/problem+json"), "no problem document: {self}");
        let problem = self.json();
        assert_eq!(problem["status"], json!(self.status), "{self}");
        let pointers = problem["errors"].as_array().cloned().unwrap_or_default();
        let pointers = pointers.iter().filter_map(|one| one["pointer"].as_str().map(str::to_owned)).collect();
        (problem["code"].as_str().unwrap_or_else(|| panic!("a problem without code: {self}")).to_owned(), pointers)
    }
}

impl std::fmt::Display for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let body = String::from_utf8_lossy(&self.body);
        let body: String = body.chars().take(2000).collect();
        write!(f, "{} -> {}: {body}", self.asked, self.status)
    }
}

/// A user of the API.
#[derive(Debug, Clone)]
pub struct Client {
    door: Arc<Door>,
    token: Option<String>,
}

/// The id in the answer to a new export.
///
/// # Panics
/// If there is none.
#[track_caller]
pub fn job_id(answer: &Answer) -> String {
    answer.json()["job_id"].as_str().unwrap_or_else(|| panic!("no job_id: {answer}")).to_owned()
}

impl Client {
    pub(crate) const fn new(door: Arc<Door>, token: Option<String>) -> Self {
        Self { door, token }
    }

    /// Sends anything. `None` if nobody answers (any more).
    pub async fn try_send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Vec<u8>,
    ) -> Option<Answer> {
        let url = if path.starts_with("http") { path.to_owned() } else { format!("{}{path}", self.door.url()) };
        let asked = format!("{method} {path}");
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            let name = HeaderName::from_bytes(name.as_bytes()).expect("a header's name");
            map.append(name, HeaderValue::from_bytes(value.as_bytes()).expect("a header's value"));
        }
        let mut request = self.door.http.request(method, url).headers(map).body(body);
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        let mut response = request.send().await.ok()?;
        let (status, headers) = (response.status(), response.headers().clone());
        // A stream may have no end; its beginning is what is answered.
        let body = match headers.get("content-type").is_some_and(|media| media == "text/event-stream") {
            true => response.chunk().await.ok()?.unwrap_or_default().to_vec(),
            false => response.bytes().await.ok()?.to_vec(),
        };
        Some(Answer { asked, status: status.as_u16(), headers, body })
    }

    /// Opens a stream of server-sent events, for somebody who has everything up to the message `last`.
    ///
    /// # Panics
    /// If nobody answers, or by something else.
    pub async fn messages(&self, path: &str, last: Option<&str>) -> Messages {
        let mut request =
            self.door.http.get(format!("{}{path}", self.door.url())).header("accept", "text/event-stream");
        if let Some(last) = last {
            request = request.header("last-event-id", last);
        }
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        let response = request.send().await.unwrap_or_else(|error| panic!("GET {path}: {error}"));
        assert_eq!(response.status(), StatusCode::OK, "GET {path}");
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Messages::of(response)
    }

    /// Sends anything.
    ///
    /// # Panics
    /// If nobody answers.
    pub async fn send(&self, method: Method, path: &str, headers: &[(&str, &str)], body: Vec<u8>) -> Answer {
        let asked = format!("{method} {path}");
        self.try_send(method, path, headers, body).await.unwrap_or_else(|| panic!("{asked}: no answer"))
    }

    /// GET.
    pub async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, &[], Vec::new()).await
    }

    /// POST of JSON.
    pub async fn post(&self, path: &str, body: &Json) -> Answer {
        self.send(Method::POST, path, &[("content-type", "application/json")], body.to_string().into_bytes()).await
    }

    /// PATCH of JSON.
    pub async fn patch(&self, path: &str, body: &Json) -> Answer {
        self.send(Method::PATCH, path, &[("content-type", "application/json")], body.to_string().into_bytes()).await
    }

    /// DELETE.
    pub async fn delete(&self, path: &str) -> Answer {
        self.send(Method::DELETE, path, &[], Vec::new()).await
    }

    /// Asks for an export. Whatever comes.
    pub async fn create(&self, dataset: &str, body: &Json) -> Answer {
        self.post(&format!("/api/v1/export/{dataset}"), body).await
    }

    /// Asks for an export and gets its id.
    ///
    /// # Panics
    /// If it is not taken on.
    pub async fn begin(&self, dataset: &str, body: &Json) -> String {
        let answer = self.create(dataset, body).await;
        assert!(matches!(answer.status, 200 | 202), "{answer}");
        job_id(&answer)
    }

    /// The job.
    pub async fn job(&self, id: &str) -> Json {
        self.get(&format!("/api/v1/export/jobs/{id}")).await.expect(200).json()
    }

    /// The job, `None` while nobody answers.
    pub async fn try_job(&self, id: &str) -> Option<Json> {
        let answer = self.try_send(Method::GET, &format!("/api/v1/export/jobs/{id}"), &[], Vec::new()).await?;
        (answer.status == 200).then(|| answer.json())
    }

    /// The job once it has come to rest.
    ///
    /// # Panics
    /// If it still runs after `limit`.
    pub async fn rested(&self, id: &str, limit: Duration) -> Json {
        let began = Instant::now();
        loop {
            let job = self.get(&format!("/api/v1/export/jobs/{id}?wait=5")).await.expect(200).json();
            if !matches!(job["status"].as_str(), Some("pending" | "processing")) {
                return job;
            }
            assert!(began.elapsed() < limit, "still active after {limit:?}: {job}");
        }
    }

    /// The job once it has come to rest, also if it cannot be asked for in between.
    ///
    /// # Panics
    /// If it still runs after `limit`.
    pub async fn rested_through(&self, id: &str, limit: Duration) -> Json {
        eventually(&format!("{id} comes to rest"), limit, || async {
            let job = self.try_job(id).await?;
            (!matches!(job["status"].as_str(), Some("pending" | "processing"))).then_some(job)
        })
        .await
    }

    /// Exports and waits. The completed job.
    ///
    /// # Panics
    /// If it does not complete within five minutes.
    pub async fn export(&self, dataset: &str, body: &Json) -> Json {
        let id = self.begin(dataset, body).await;
        let job = self.rested(&id, Duration::from_secs(300)).await;
        assert_eq!(job["status"], "completed", "{job}");
        job
    }

    /// A fresh link to the file of a job.
    pub async fn link(&self, id: &str) -> String {
        let answer = self.get(&format!("/api/v1/export/jobs/{id}/download")).await.expect(302);
        answer.header("location").to_owned()
    }

    /// The file of a job, whole, by its link and without a token.
    pub async fn download(&self, id: &str) -> Vec<u8> {
        let link = self.link(id).await;
        self.without_token().get(&link).await.expect(200).body
    }

    /// The receipt of a job.
    pub async fn receipt(&self, id: &str) -> Json {
        self.get(&format!("/api/v1/export/jobs/{id}/receipt")).await.expect(200).json()
    }

    /// How many jobs the organization has, as far as this client sees.
    pub async fn jobs(&self) -> u64 {
        let page = self.get("/api/v1/export/jobs").await.expect(200).json();
        page["pagination"]["total"].as_u64().unwrap_or_else(|| panic!("no total: {page}"))
    }

    /// Sends OTLP as protobuf.
    pub async fn otlp(&self, body: Vec<u8>) -> Answer {
        self.send(Method::POST, "/v1/traces", &[("content-type", "application/x-protobuf")], body).await
    }

    /// Sends OTLP as JSON.
    pub async fn otlp_json(&self, body: Vec<u8>) -> Answer {
        self.send(Method::POST, "/v1/traces", &[("content-type", "application/json")], body).await
    }

    /// The same client, of whoever listens at `address` (`127.0.0.1:PORT`).
    #[must_use]
    pub fn at(&self, address: &str) -> Self {
        let door = Door::default();
        door.open(address);
        Self { door: Arc::new(door), token: self.token.clone() }
    }

    /// The same client without its token.
    #[must_use]
    pub fn without_token(&self) -> Self {
        Self { door: Arc::clone(&self.door), token: None }
    }

    /// Whether an answer is one of ours that must not be: a 5xx.
    pub fn is_server_fault(answer: &Answer) -> bool {
        StatusCode::from_u16(answer.status).is_ok_and(|status| status.is_server_error())
    }
}
