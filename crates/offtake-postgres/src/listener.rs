//! A connection that hears what others `NOTIFY`.

use std::fmt;
use std::pin::Pin;
use std::task::Poll;

use futures::{Stream, StreamExt, stream};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_postgres::{AsyncMessage, Client, Connection, Error};

/// What was notified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// On which channel.
    pub channel: String,
    /// With what.
    pub payload: String,
}

type Messages = Pin<Box<dyn Stream<Item = Result<AsyncMessage, Error>> + Send>>;

/// A connection that listens. It stands and falls with one session: whoever holds it makes a new one when it ends,
/// and looks for what was missed meanwhile.
pub struct Listener {
    // Held because the session ends when its client is dropped.
    client: Client,
    messages: Messages,
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Listener")
    }
}

impl Listener {
    pub(crate) fn new<S, T>(client: Client, mut connection: Connection<S, T>) -> Self
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
        T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let messages = stream::poll_fn(move |context| connection.poll_message(context)).boxed();
        Self { client, messages }
    }

    /// Sets the session and listens; the connection moves only while it is polled, so both are driven together.
    pub(crate) async fn begin(&mut self, session: &str, channels: &[&str]) -> Result<(), Error> {
        let listen: String = channels.iter().map(|channel| format!("; LISTEN \"{channel}\"")).collect();
        let sql = format!("{session}{listen}");
        let messages = &mut self.messages;
        let mut execute = std::pin::pin!(self.client.batch_execute(&sql));
        std::future::poll_fn(|context| {
            if let Poll::Ready(done) = execute.as_mut().poll(context) {
                return Poll::Ready(done);
            }
            // What arrives before the answer was sent before anybody listened, or will be looked for anyway.
            while let Poll::Ready(Some(message)) = messages.poll_next_unpin(context) {
                message?;
            }
            execute.as_mut().poll(context)
        })
        .await
    }

    /// The next note; `Err` or `None` when the session is over.
    pub async fn next(&mut self) -> Option<Result<Note, Error>> {
        loop {
            match self.messages.next().await? {
                Ok(AsyncMessage::Notification(note)) => {
                    let note = Note { channel: note.channel().to_owned(), payload: note.payload().to_owned() };
                    return Some(Ok(note));
                }
                Ok(_) => {}
                Err(error) => return Some(Err(error)),
            }
        }
    }
}
