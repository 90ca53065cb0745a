//! Redis Pub/Sub, and what speaks the same protocol, such as Valkey. Two connections: one that listens can do nothing else.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt;
use offtake_model::{Error, ErrorKind, Result};
use redis::aio::{MultiplexedConnection, PubSubSink, PubSubStream};
use redis::{AsyncConnectionConfig, Client, ConnectionAddr, ConnectionInfo, IntoConnectionInfo, RedisError};

use super::lines::{Ear, Line, Mouth};
use super::settings::{BusSettings, Credentials};

/// How long the server may take to do what it is told.
const PATIENCE: Duration = Duration::from_secs(4);

/// How a Redis server is reached.
#[derive(Debug)]
pub(super) struct RedisLine(BusSettings);

impl RedisLine {
    pub(super) const fn new(settings: BusSettings) -> Self {
        Self(settings)
    }

    fn info(&self) -> Result<ConnectionInfo> {
        let (host, port, encrypted) = self.0.address();
        let address = match encrypted {
            true => ConnectionAddr::TcpTls { host: host.to_owned(), port, insecure: false, tls_params: None },
            false => ConnectionAddr::Tcp(host.to_owned(), port),
        };
        let info = address.into_connection_info().map_err(away)?;
        let redis = match self.0.credentials() {
            Credentials::None => return Ok(info),
            Credentials::Token(password) => info.redis_settings().clone().set_password(password),
            Credentials::User(user, password) => {
                info.redis_settings().clone().set_username(user).set_password(password)
            }
        };
        Ok(info.set_redis_settings(redis))
    }
}

#[async_trait]
impl Line for RedisLine {
    async fn open(&self, subjects: [String; 2]) -> Result<(Box<dyn Mouth>, Box<dyn Ear>)> {
        let client = Client::open(self.info()?).map_err(away)?;
        let mut heard = client.get_async_pubsub().await.map_err(away)?;
        heard.subscribe(&subjects).await.map_err(away)?;
        let config =
            AsyncConnectionConfig::new().set_connection_timeout(Some(PATIENCE)).set_response_timeout(Some(PATIENCE));
        let speaker = client.get_multiplexed_async_connection_with_config(&config).await.map_err(away)?;
        let (sink, stream) = heard.split();
        Ok((Box::new(Speaker(speaker)), Box::new(Listener { stream, _sink: sink })))
    }

    fn subject(&self) -> &str {
        self.0.subject()
    }

    fn place(&self) -> &str {
        self.0.place()
    }
}

/// Of a server's own words only the kind: they may quote what was sent.
fn away(cause: RedisError) -> Error {
    Error::new(ErrorKind::Unavailable, format!("Redis: {}", cause.category())).caused_by(cause)
}

struct Speaker(MultiplexedConnection);

#[async_trait]
impl Mouth for Speaker {
    async fn say(&mut self, subject: &str, words: Bytes) -> Result<()> {
        let mut command = redis::cmd("PUBLISH");
        command.arg(subject).arg(words.as_ref());
        command.exec_async(&mut self.0).await.map_err(away)
    }
}

struct Listener {
    stream: PubSubStream,
    /// Keeps the connection open.
    _sink: PubSubSink,
}

#[async_trait]
impl Ear for Listener {
    async fn hear(&mut self) -> Result<Bytes> {
        let message = self.stream.next().await;
        let message = message.ok_or_else(|| Error::new(ErrorKind::Unavailable, "Redis: the connection is gone"))?;
        Ok(Bytes::copy_from_slice(message.get_payload_bytes()))
    }
}
