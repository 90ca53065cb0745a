//! The bus: a server beside the database that carries hints between the nodes of an installation.
//!
//! What travels are hints ([`crate::hints`]): ids and numbers, never what they stand for. The truth is in the tables, and
//! whoever hears no hint looks there from time to time. So a bus may lose hints, double them or be away altogether, and
//! costs nothing but time: while it is away, the database carries what it can, and when it is back, everybody looks at
//! everything.
//!
//! Responsible for carrying hints between processes over NATS or Redis, and for coming back after an outage. Not responsible
//! for what hints are about, for telling them within a process (`hints`), nor for Postgres, which carries them in the
//! transactions they are about (`postgres::wake`).

mod carry;
mod lines;
mod nats;
mod redis;
mod settings;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use tokio_util::task::AbortOnDropHandle;

use crate::hints::{Carrier, Hints};
use carry::{Node, Pace};
use lines::Line;

pub use settings::{BusKind, BusSettings};

/// A connection to a bus, or the tries to get one. It ends with this.
#[derive(Debug)]
pub struct Bus {
    carrier: Arc<Carrier>,
    _carrying: AbortOnDropHandle<()>,
}

impl Bus {
    /// Begins to connect, and to carry the hints of this process to others and theirs to this one.
    pub fn start(settings: &BusSettings, hints: Arc<Hints>) -> Self {
        Self::over(lines::line(settings), settings.kind(), hints, Pace::default())
    }

    fn over(line: Box<dyn Line>, kind: BusKind, hints: Arc<Hints>, pace: Pace) -> Self {
        let carrier = Arc::new(Carrier::new(kind.name(), line.place()));
        hints.are_carried_by(&carrier);
        // From now on, not from when the task comes to it.
        let own = hints.own();
        let node = Node::new(Arc::clone(&carrier), hints, pace);
        let carrying = tokio::spawn(carry::carry(line, node, own));
        Self { carrier, _carrying: AbortOnDropHandle::new(carrying) }
    }

    /// What carries, and whether it is there.
    pub fn carrier(&self) -> &Carrier {
        &self.carrier
    }
}
