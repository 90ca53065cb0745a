//! A client of gRPC that hides nothing: frames and headers are the test's to choose.

use std::time::Duration;

use bytes::Bytes;
use h2::client::SendRequest;
use http::{HeaderMap, Request};
use tokio::net::TcpStream;

use crate::wait::within;

const EXPORT: &str = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";
const PATIENCE: Duration = Duration::from_secs(60);

/// What came of a call.
#[derive(Debug, Clone)]
pub struct Called {
    /// The status of HTTP.
    pub http: u16,
    /// `grpc-status`, from wherever it stood.
    pub status: Option<i32>,
    /// Headers, and trailers after them.
    pub headers: HeaderMap,
    /// What was answered, with its frame.
    pub body: Vec<u8>,
}

impl Called {
    /// A header or trailer, empty if it is not there.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// Itself, if the status is this.
    ///
    /// # Panics
    /// Otherwise.
    #[track_caller]
    pub fn expect(self, status: i32) -> Self {
        assert_eq!((self.http, self.status), (200, Some(status)), "{self:?}");
        self
    }
}

/// A message behind the five bytes that gRPC puts before it.
pub fn framed(compressed: bool, message: &[u8]) -> Vec<u8> {
    let length = u32::try_from(message.len()).expect("a message of less than 4 GiB").to_be_bytes();
    [&[u8::from(compressed)][..], &length, message].concat()
}

/// A connection to a server of gRPC.
#[derive(Debug, Clone)]
pub struct GrpcClient {
    sender: SendRequest<Bytes>,
    token: Option<String>,
}

/// A call of which more is to come.
#[derive(Debug)]
pub struct Begun {
    answer: h2::client::ResponseFuture,
    body: h2::SendStream<Bytes>,
}

impl GrpcClient {
    /// Connects to `127.0.0.1:PORT`; `None` if nobody is there.
    pub async fn try_connect(address: &str, token: Option<&str>) -> Option<Self> {
        let stream = TcpStream::connect(address).await.ok()?;
        let (sender, connection) = h2::client::handshake(stream).await.ok()?;
        tokio::spawn(async move {
            // How it ends is seen by its calls.
            let _ended = connection.await;
        });
        Some(Self { sender, token: token.map(str::to_owned) })
    }

    /// Connects to `127.0.0.1:PORT`.
    ///
    /// # Panics
    /// If nobody is there.
    pub async fn connect(address: &str, token: &str) -> Self {
        Self::try_connect(address, Some(token)).await.expect("somebody listens")
    }

    /// The same connection with no token.
    #[must_use]
    pub fn without_token(&self) -> Self {
        Self { sender: self.sender.clone(), token: None }
    }

    /// The same connection with another token.
    #[must_use]
    pub fn with_token(&self, token: &str) -> Self {
        Self { sender: self.sender.clone(), token: Some(token.to_owned()) }
    }

    /// Begins a call with these headers; `None` if the connection is gone.
    pub async fn begin(&self, path: &str, headers: &[(&str, &str)]) -> Option<Begun> {
        let mut request = Request::post(format!("http://localhost{path}"));
        if !headers.iter().any(|(name, _)| *name == "content-type") {
            request = request.header("content-type", "application/grpc");
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(token) = &self.token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let request = request.header("te", "trailers").body(()).expect("a request");
        let mut sender = self.sender.clone().ready().await.ok()?;
        let (answer, body) = sender.send_request(request, false).ok()?;
        Some(Begun { answer, body })
    }

    /// Calls anything with any body; `None` if nobody answers (any more).
    pub async fn try_call(&self, path: &str, headers: &[(&str, &str)], body: Vec<u8>) -> Option<Called> {
        self.begin(path, headers).await?.end(body).await
    }

    /// Sends spans with these headers and whatever frame.
    ///
    /// # Panics
    /// If nobody answers.
    pub async fn export_framed(&self, headers: &[(&str, &str)], body: Vec<u8>) -> Called {
        self.try_call(EXPORT, headers, body).await.expect("an answer")
    }

    /// Sends spans; `None` if nobody answers (any more).
    pub async fn try_export(&self, message: &[u8]) -> Option<Called> {
        self.try_call(EXPORT, &[], framed(false, message)).await
    }

    /// Sends spans.
    ///
    /// # Panics
    /// If nobody answers.
    pub async fn export(&self, message: &[u8]) -> Called {
        self.try_export(message).await.expect("an answer")
    }

    /// Begins to send spans.
    ///
    /// # Panics
    /// If the connection is gone.
    pub async fn begin_export(&self) -> Begun {
        self.begin(EXPORT, &[]).await.expect("a connection")
    }
}

impl Begun {
    /// Sends a piece of the body.
    ///
    /// # Panics
    /// If the call is over.
    pub fn send(&mut self, piece: Vec<u8>) {
        self.body.send_data(piece.into(), false).expect("the call is under way");
    }

    /// Sends the rest of the body and waits for the answer; `None` if there is none.
    ///
    /// # Panics
    /// If nothing at all comes for a minute.
    pub async fn end(mut self, rest: Vec<u8>) -> Option<Called> {
        // A server may answer, and stop to read, before all is sent.
        let _sent = self.body.send_data(rest.into(), true);
        within("an answer to a call", PATIENCE, self.answered()).await
    }

    async fn answered(self) -> Option<Called> {
        let response = self.answer.await.ok()?;
        let http = response.status().as_u16();
        let (head, mut stream) = response.into_parts();
        let (mut headers, mut body) = (head.headers, Vec::new());
        while let Some(piece) = stream.data().await {
            let piece = piece.ok()?;
            stream.flow_control().release_capacity(piece.len()).ok()?;
            body.extend_from_slice(&piece);
        }
        headers.extend(stream.trailers().await.ok()?.unwrap_or_default());
        let status = headers.get("grpc-status").and_then(|value| value.to_str().ok()?.parse().ok());
        Some(Called { http, status, headers, body })
    }
}
