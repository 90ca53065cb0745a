//! A live socket as a client has it.

use std::collections::VecDeque;
use std::time::Duration;

use futures::{SinkExt as _, StreamExt as _};
use serde_json::{Value as Json, json};
use tokio::net::{TcpSocket, TcpStream};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::http::{HeaderName, HeaderValue};
use tokio_tungstenite::tungstenite::{Error, Message};

use crate::client::Client;
use crate::wait::within;

/// How long an answer may take.
const LIMIT: Duration = Duration::from_secs(10);

/// A live socket. What is for a later question is kept until then.
#[derive(Debug)]
pub struct LiveSocket {
    socket: WebSocketStream<TcpStream>,
    waiting: VecDeque<Json>,
}

/// An upgrade that was refused: its status and body.
#[derive(Debug)]
pub struct Refused {
    /// The status.
    pub status: u16,
    /// The body.
    pub body: Json,
}

impl Client {
    /// Opens a live socket at this path, with these headers.
    ///
    /// # Errors
    /// What was answered instead.
    ///
    /// # Panics
    /// If nobody listens.
    pub async fn try_socket(&self, path: &str, headers: &[(&str, &str)]) -> Result<LiveSocket, Refused> {
        self.narrow_socket(path, headers, None).await
    }

    /// The same with so small a receive buffer.
    ///
    /// # Errors
    /// What was answered instead.
    ///
    /// # Panics
    /// If nobody listens.
    pub async fn narrow_socket(
        &self,
        path: &str,
        headers: &[(&str, &str)],
        buffer: Option<u32>,
    ) -> Result<LiveSocket, Refused> {
        let address = self.address();
        let socket = TcpSocket::new_v4().expect("a socket");
        if let Some(bytes) = buffer {
            socket.set_recv_buffer_size(bytes).expect("a size");
        }
        let stream = socket.connect(address.parse().expect("an address")).await.expect("somebody listens");
        let mut request = format!("ws://{address}{path}").into_client_request().expect("a URL");
        let mut add = |name: &str, value: &str| {
            let name = HeaderName::from_bytes(name.as_bytes()).expect("a header's name");
            request.headers_mut().insert(name, HeaderValue::from_str(value).expect("a header's value"));
        };
        if let Some(token) = self.token() {
            add("authorization", &format!("Bearer {token}"));
        }
        headers.iter().for_each(|(name, value)| add(name, value));
        match tokio_tungstenite::client_async(request, stream).await {
            Ok((socket, _)) => Ok(LiveSocket { socket, waiting: VecDeque::new() }),
            Err(Error::Http(response)) => {
                let body = response.body().as_deref().unwrap_or_default();
                Err(Refused {
                    status: response.status().as_u16(),
                    body: serde_json::from_slice(body).unwrap_or_default(),
                })
            }
            Err(error) => panic!("no upgrade: {error}"),
        }
    }

    /// Opens a live socket.
    ///
    /// # Panics
    /// If it is refused.
    pub async fn socket(&self) -> LiveSocket {
        self.try_socket("/api/v1/ws", &[]).await.unwrap_or_else(|refused| panic!("no live socket: {refused:?}"))
    }
}

impl LiveSocket {
    /// Sends a message as it is.
    ///
    /// # Panics
    /// If the connection is gone.
    pub async fn send(&mut self, message: Message) {
        self.socket.send(message).await.expect("it can be written");
    }

    /// Says something.
    ///
    /// # Panics
    /// If the connection is gone.
    pub async fn say(&mut self, message: &Json) {
        self.send(Message::text(message.to_string())).await;
    }

    /// Subscribes; the name of the subscription.
    ///
    /// # Panics
    /// If it is refused.
    pub async fn subscribe(&mut self, events: &[&str], filters: Json) -> String {
        self.say(&json!({"type": "subscribe", "events": events, "filters": filters})).await;
        let subscribed = self.of_type("subscribed").await;
        assert_eq!(subscribed["events"], json!(events));
        subscribed["subscription_id"].as_str().expect("a name").to_owned()
    }

    /// The code of the error that this is answered with.
    ///
    /// # Panics
    /// If it is answered with something else.
    pub async fn refused(&mut self, message: &str) -> (String, Json) {
        self.send(Message::text(message)).await;
        let error = self.of_type("error").await;
        (error["code"].as_str().expect("a code").to_owned(), error)
    }

    /// The next message of this type; others are kept.
    ///
    /// # Panics
    /// If none comes.
    pub async fn of_type(&mut self, kind: &str) -> Json {
        if let Some(place) = self.waiting.iter().position(|message| message["type"] == kind) {
            return self.waiting.remove(place).expect("it is there");
        }
        loop {
            let message = within(kind, LIMIT, self.heard()).await;
            let message = message.unwrap_or_else(|end| panic!("it ended ({end:?}) before {kind}"));
            if message["type"] == kind {
                return message;
            }
            self.waiting.push_back(message);
        }
    }

    /// The data of the next event.
    ///
    /// # Panics
    /// If none comes.
    pub async fn event(&mut self) -> Json {
        self.of_type("event").await
    }

    /// Everything that was sent before a question that is asked now is answered.
    ///
    /// # Panics
    /// If no answer comes.
    pub async fn so_far(&mut self) -> Vec<Json> {
        self.say(&json!({"type": "ping"})).await;
        self.of_type("pong").await;
        self.waiting.drain(..).collect()
    }

    /// The next message, however long it takes; how it ended if it did.
    ///
    /// # Errors
    /// Code and reason of the close frame; `None` if the connection broke.
    pub async fn heard(&mut self) -> Result<Json, Option<(u16, String)>> {
        loop {
            match self.socket.next().await {
                Some(Ok(Message::Text(text))) => return Ok(serde_json::from_str(&text).expect("JSON")),
                Some(Ok(Message::Close(frame))) => {
                    return Err(frame.map(|frame| (frame.code.into(), frame.reason.to_string())));
                }
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Err(None),
            }
        }
    }

    /// How it ends: the code of the close frame.
    ///
    /// # Panics
    /// If it does not within `limit`, or without one.
    pub async fn end(&mut self, limit: Duration) -> u16 {
        let ended = async {
            loop {
                if let Err(end) = self.heard().await {
                    return end;
                }
            }
        };
        within("the end of a live socket", limit, ended).await.expect("a close frame").0
    }
}
