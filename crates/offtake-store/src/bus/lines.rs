//! What a bus between processes has to be able to do, and which there are.

use async_trait::async_trait;
use bytes::Bytes;
use offtake_model::Result;

use super::settings::{BusKind, BusSettings};
use super::{nats, redis};

/// A server that passes words on.
#[async_trait]
pub(super) trait Line: Send + Sync + std::fmt::Debug {
    /// Connects, and hears what is said on `subjects`. Whoever drops both ends hangs up.
    async fn open(&self, subjects: [String; 2]) -> Result<(Box<dyn Mouth>, Box<dyn Ear>)>;

    /// What everybody listens to.
    fn subject(&self) -> &str;

    /// Where it is, without secrets.
    fn place(&self) -> &str;
}

/// The end that speaks.
#[async_trait]
pub(super) trait Mouth: Send {
    /// Says something.
    async fn say(&mut self, subject: &str, words: Bytes) -> Result<()>;
}

/// The end that hears.
#[async_trait]
pub(super) trait Ear: Send {
    /// What was said; an error when the line is dead. Nothing is lost if this is dropped while it waits.
    async fn hear(&mut self) -> Result<Bytes>;
}

pub(super) fn line(settings: &BusSettings) -> Box<dyn Line> {
    match settings.kind() {
        BusKind::Redis => Box::new(redis::RedisLine::new(settings.clone())),
        BusKind::Nats => Box::new(nats::NatsLine::new(settings.clone())),
    }
}
