//! NATS: subjects of a server or a cluster, without JetStream.

use std::sync::Arc;

use async_nats::{Client, ConnectOptions, Event, Message};
use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt;
use futures::stream::{SelectAll, select_all};
use offtake_model::{Error, ErrorKind, Result};
use tokio::sync::Notify;

use super::lines::{Ear, Line, Mouth};
use super::settings::{BusSettings, Credentials};

/// Words that wait in the client, in either direction. What is more is dropped: silence is noticed.
const WAITING: usize = 1024;

/// How a NATS server is reached.
#[derive(Debug)]
pub(super) struct NatsLine(BusSettings);

impl NatsLine {
    pub(super) const fn new(settings: BusSettings) -> Self {
        Self(settings)
    }

    fn options(&self, lost: Arc<Lost>) -> ConnectOptions {
        let options = ConnectOptions::new()
            .name("offtake")
            .client_capacity(WAITING)
            .subscription_capacity(WAITING)
            // It is told of what it says itself, which is how it knows that the line is alive.
            // Coming back is up to whoever holds the line: it has to know when.
            .max_reconnects(1)
            .event_callback(move |event| {
                let lost = Arc::clone(&lost);
                async move {
                    if matches!(event, Event::Disconnected | Event::Closed | Event::SlowConsumer(_)) {
                        lost.0.notify_one();
                    }
                }
            });
        match self.0.credentials() {
            Credentials::None => options,
            Credentials::Token(token) => options.token(token.clone()),
            Credentials::User(user, password) => options.user_and_password(user.clone(), password.clone()),
        }
    }
}

/// Told when the connection is gone, or dropped something.
#[derive(Debug, Default)]
struct Lost(Notify);

#[async_trait]
impl Line for NatsLine {
    async fn open(&self, subjects: [String; 2]) -> Result<(Box<dyn Mouth>, Box<dyn Ear>)> {
        let lost = Arc::new(Lost::default());
        let client = self.options(Arc::clone(&lost)).connect(self.0.place()).await.map_err(away)?;
        let mut heard = Vec::new();
        for subject in subjects {
            heard.push(client.subscribe(subject).await.map_err(away)?);
        }
        Ok((Box::new(Speaker(client)), Box::new(Listener { heard: select_all(heard), lost })))
    }

    fn subject(&self) -> &str {
        self.0.subject()
    }

    fn place(&self) -> &str {
        self.0.place()
    }
}

fn away(cause: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::new(ErrorKind::Unavailable, format!("NATS: {cause}")).caused_by(cause)
}

struct Speaker(Client);

#[async_trait]
impl Mouth for Speaker {
    async fn say(&mut self, subject: &str, words: Bytes) -> Result<()> {
        self.0.publish(subject.to_owned(), words).await.map_err(away)
    }
}

struct Listener {
    heard: SelectAll<async_nats::Subscriber>,
    lost: Arc<Lost>,
}

#[async_trait]
impl Ear for Listener {
    async fn hear(&mut self) -> Result<Bytes> {
        let gone = || Error::new(ErrorKind::Unavailable, "NATS: the connection is gone");
        tokio::select! {
            biased;
            () = self.lost.0.notified() => Err(gone()),
            message = self.heard.next() => message.map(|Message { payload, .. }| payload).ok_or_else(gone),
        }
    }
}
