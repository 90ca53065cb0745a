//! A stream of server-sent events, message by message.

use std::time::Duration;

use reqwest::Response;
use serde_json::Value as Json;

use crate::wait::within;

/// A message of a stream.
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    /// By which one says what one has.
    pub id: Option<String>,
    /// Its type.
    pub event: String,
    /// What it says.
    pub data: Json,
}

/// An open stream of server-sent events. Dropping it closes the connection.
#[derive(Debug)]
pub struct Messages {
    response: Response,
    buffer: Vec<u8>,
    /// Comments that came between the messages.
    pub comments: usize,
}

impl Messages {
    pub(crate) const fn of(response: Response) -> Self {
        Self { response, buffer: Vec::new(), comments: 0 }
    }

    /// The next message; `None` if the stream ended, or broke off.
    ///
    /// # Panics
    /// If neither happens within `limit`.
    pub async fn next(&mut self, limit: Duration) -> Option<Message> {
        within("a message", limit, async {
            loop {
                while let Some(end) = self.buffer.windows(2).position(|pair| pair == b"\n\n") {
                    let block: Vec<u8> = self.buffer.drain(..end + 2).collect();
                    match read(&String::from_utf8_lossy(&block)) {
                        Some(message) => return Some(message),
                        None => self.comments += 1,
                    }
                }
                match self.response.chunk().await {
                    Ok(Some(piece)) => self.buffer.extend_from_slice(&piece),
                    Ok(None) | Err(_) => return None,
                }
            }
        })
        .await
    }

    /// Everything until the end.
    ///
    /// # Panics
    /// If there is nothing for `limit`.
    pub async fn rest(mut self, limit: Duration) -> Vec<Message> {
        let mut all = Vec::new();
        while let Some(message) = self.next(limit).await {
            all.push(message);
        }
        all
    }
}

fn read(block: &str) -> Option<Message> {
    let field = |name: &str| {
        let lines = block.lines().filter_map(move |line| line.strip_prefix(name)?.strip_prefix(':'));
        lines.map(|value| value.strip_prefix(' ').unwrap_or(value).to_owned()).reduce(|one, next| one + "\n" + &next)
    };
    let data = field("data")?;
    let data = serde_json::from_str(&data).unwrap_or_else(|error| panic!("{error}: {data:.200}"));
    Some(Message { id: field("id"), event: field("event").unwrap_or_else(|| "message".to_owned()), data })
}
