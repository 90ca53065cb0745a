//! One socket: what is for it is written, what it says is heard, and it ends when it must.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket};
use futures::stream::{SplitSink, SplitStream};
use futures::{SinkExt, StreamExt};
use offtake_model::{Error, ErrorKind};
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::hub::Subscriber;
use super::protocol::broken;
use super::queue::Queue;
use super::right::Right;
use super::subscribing::Subscriptions;
use super::{LiveSettings, Seat};
use crate::serve::Staying;
use crate::state::App;

/// How long the other side may take to hear that the socket ends.
const FAREWELL: Duration = Duration::from_secs(1);

/// Why a socket ends: a code, and words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct End {
    code: u16,
    words: Utf8Bytes,
}

impl End {
    fn new(code: u16, words: &str) -> Self {
        // A control frame has room for 123 bytes of words.
        let end = (0..=words.len().min(123)).rev().find(|end| words.is_char_boundary(*end)).unwrap_or(0);
        Self { code, words: words[..end].into() }
    }

    /// What it was opened with holds no more.
    pub(super) fn expired(words: &str) -> Self {
        Self::new(4401, words)
    }

    /// Whoever opened it may not have it any more.
    pub(super) fn withdrawn(words: &str) -> Self {
        Self::new(4403, words)
    }
}

/// What a socket has beside itself.
pub(super) struct Circumstances {
    pub(super) app: App,
    pub(super) right: Right,
    pub(super) shutdown: CancellationToken,
    pub(super) _seat: Seat,
    pub(super) _staying: Option<Staying>,
}

/// Serves a socket to its end.
pub(super) async fn serve(socket: WebSocket, with: Circumstances) {
    let (mut sink, mut stream) = socket.split();
    let settings = with.app.settings.live;
    let may = with.right.may();
    let principal = with.right.principal();
    let subscriber = Arc::new(Subscriber {
        org: principal.org.clone(),
        sub: principal.sub.clone(),
        sees_all: may.sees_all,
        sight: may.sight,
        queue: Queue::new(with.app.metrics.live.clone()),
    });
    let mut subscriptions = Subscriptions::of(Arc::clone(&with.app), may, Arc::clone(&subscriber));
    let end = tokio::select! {
        end = write(&mut sink, &subscriber.queue, settings) => end,
        end = hear(&mut stream, &mut subscriptions, settings) => end,
        end = with.right.end(&with.app) => Some(end),
        () = with.shutdown.cancelled() => Some(End::new(1001, "the server shuts down")),
    };
    // Nothing more is for it.
    drop(subscriptions);
    if let Some(end) = end {
        tracing::debug!(org_id = subscriber.org.as_str(), code = end.code, "a live socket is closed");
        farewell(sink, stream, end).await;
    }
}

/// Writes what is there, and asks for signs of life. Why it ended; `None` if the connection is gone.
async fn write(sink: &mut SplitSink<WebSocket, Message>, queue: &Queue, settings: LiveSettings) -> Option<End> {
    let mut beats = interval_at(Instant::now() + settings.heartbeat, settings.heartbeat);
    beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let write = async {
            tokio::select! {
                piece = queue.next() => piece.into_iter().map(Message::Text).collect(),
                _ = beats.tick() => vec![Message::Ping(bytes::Bytes::new())],
            }
        };
        let messages: Vec<Message> = write.await;
        let send = async {
            for message in messages {
                sink.feed(message).await?;
            }
            sink.flush().await
        };
        match timeout(settings.reader_timeout, send).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) => return None,
            // Nothing can be told to who takes nothing.
            Err(_) => {
                tracing::debug!("a live socket is closed: nothing of what was there was taken");
                return None;
            }
        }
    }
}

/// Hears what the client says. Why it ended; `None` if the connection is gone.
async fn hear(
    stream: &mut SplitStream<WebSocket>,
    subscriptions: &mut Subscriptions,
    settings: LiveSettings,
) -> Option<End> {
    loop {
        let heard = match timeout(settings.heartbeat * 2, stream.next()).await {
            Err(_) => return Some(End::new(1011, "no sign of life")),
            Ok(heard) => heard?,
        };
        match heard {
            Ok(Message::Text(text)) => subscriptions.hear(&text).await,
            Ok(Message::Binary(_)) => {
                let error = Error::new(ErrorKind::Malformed, "a message is a JSON object in a text frame");
                subscriptions.refuse(&error).await;
            }
            Ok(Message::Ping(_) | Message::Pong(_)) => {}
            // It is answered when the stream is read on, to its end.
            Ok(Message::Close(_)) => while let Some(Ok(_)) = stream.next().await {},
            Err(error) => return broken(error).map(|(code, words)| End::new(code, &words)),
        }
    }
}

/// Says why it ends, and waits a moment for the other side to have heard it.
async fn farewell(mut sink: SplitSink<WebSocket, Message>, mut stream: SplitStream<WebSocket>, end: End) {
    let frame = CloseFrame { code: end.code, reason: end.words };
    let until = Instant::now() + FAREWELL;
    let said = timeout(FAREWELL, sink.send(Message::Close(Some(frame)))).await;
    if !matches!(said, Ok(Ok(()))) {
        return;
    }
    let heard = timeout(FAREWELL, async { while let Some(Ok(_)) = stream.next().await {} }).await;
    // Where what it says cannot be read on, it is given time to read: bytes that nobody reads make the end abrupt.
    if heard.is_ok() && end.code == 1009 {
        sleep(until.saturating_duration_since(Instant::now())).await;
    }
}
