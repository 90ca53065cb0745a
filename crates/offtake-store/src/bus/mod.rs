//! The bus: how one node tells the others that there is something to look at.
//!
//! What travels are hints: ids and numbers, never what they stand for. The truth is in the tables, and whoever hears a hint
//! looks there; whoever hears none looks from time to time. So a bus may lose hints, double them or be away altogether, and
//! costs nothing but time. Where something may have been lost ([`Heard::Missed`]), everybody looks at everything.
//!
//! Responsible for carrying hints within a process and between processes, and for coming back after an outage. Not
//! responsible for what hints are about, nor for Postgres, which carries them in the transactions they are about
//! (`postgres::wake`).

mod hint;
mod lines;
mod local;
mod nats;
mod outbound;
mod redis;
mod remote;
mod settings;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

pub use hint::{Hint, HintKind};
pub use local::LocalBus;
pub use remote::RemoteBus;
use remote::Pace;
pub use settings::{BusKind, BusSettings};

/// Hints that a slow listener may be behind before it is told to look at everything instead.
const BEHIND: usize = 1024;

/// Carries hints to everybody who listens, in this process and in others.
pub trait Bus: Send + Sync + std::fmt::Debug {
    /// Tells everybody, this process too. Returns at once, whatever the bus is doing.
    fn publish(&self, hint: Hint);

    /// Hears everything from now on, beginning with [`Heard::Missed`].
    fn subscribe(&self) -> Hearing;

    /// How it stands.
    fn health(&self) -> BusHealth;
}

/// How a bus stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BusHealth {
    /// What carries the hints.
    pub kind: BusKind,
    /// Whether it is there. While it is not, others are heard of when somebody looks.
    pub connected: bool,
    /// Hints that were not sent, because too many waited for it.
    pub dropped: u64,
}

/// What a listener hears.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    /// There is something to look at.
    Hint(Hint),
    /// Something may have been missed: look at everything.
    Missed,
}

/// A listener.
#[derive(Debug)]
pub struct Hearing {
    /// Whether it was told yet that it missed what was before it.
    begun: bool,
    heard: broadcast::Receiver<Heard>,
}

impl Hearing {
    fn of(heard: broadcast::Receiver<Heard>) -> Self {
        Self { begun: false, heard }
    }

    /// What comes next; `None` when the bus is gone. Nothing is lost if this is dropped while it waits.
    pub async fn next(&mut self) -> Option<Heard> {
        if !self.begun {
            self.begun = true;
            return Some(Heard::Missed);
        }
        match self.heard.recv().await {
            Ok(heard) => Some(heard),
            Err(RecvError::Lagged(_)) => Some(Heard::Missed),
            Err(RecvError::Closed) => None,
        }
    }
}

/// The bus of `settings`, which begins to connect in the background; without any, one that ends with the process.
pub fn open(settings: Option<&BusSettings>) -> Arc<dyn Bus> {
    match settings {
        Some(settings) => Arc::new(RemoteBus::start(lines::line(settings), settings.kind(), Pace::default())),
        None => Arc::new(LocalBus::default()),
    }
}
