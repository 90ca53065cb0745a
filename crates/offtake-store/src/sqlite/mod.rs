//! The job store in one SQLite file, shared by any number of processes on one machine.
//!
//! Responsible for making each verb of the ports one transaction. Not responsible for deciding which state
//! follows which (`offtake_model::job`) or for bytes at rest (`objects`). One connection writes, with
//! `BEGIN IMMEDIATE` and a long wait for other processes; a few others read.

mod alerts;
mod api_keys;
mod artifacts;
mod audit;
mod destinations;
mod events;
mod fault;
mod leases;
mod open;
mod outbox;
mod pool;
mod ports;
mod presets;
mod principals;
mod requests;
mod rows;
mod schedules;
mod sessions;
mod tickets;
mod tokens;
mod upkeep;
mod webhooks;

#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use offtake_model::Result;
use offtake_model::clock::SharedClock;
use rusqlite::{Connection, TransactionBehavior};
use tokio::sync::{Notify, watch};

use crate::events::Fact;
use crate::hints::Hints;
use fault::Sql;
use pool::Pool;

/// How long a process waits for another one's transaction.
const BUSY: Duration = Duration::from_secs(10);
/// Connections that read.
const READERS: usize = 4;

/// Jobs and artifacts in a SQLite file.
#[derive(Debug)]
pub struct SqliteStore {
    writer: Pool,
    readers: Pool,
    clock: Option<SharedClock>,
    due: Arc<Notify>,
    changes: watch::Sender<u64>,
    hints: Arc<Hints>,
}

impl SqliteStore {
    /// Opens the file at `path`, creating and migrating what is not there. `clock` replaces the database's
    /// clock, in tests.
    ///
    /// # Errors
    /// `store_unavailable` if the file cannot be created, opened or locked; `internal` if it is no job store of
    /// this version or an earlier one.
    pub fn open(path: &Path, clock: Option<SharedClock>) -> Result<Arc<Self>> {
        Self::open_patiently(path, clock, BUSY)
    }

    fn open_patiently(path: &Path, clock: Option<SharedClock>, busy: Duration) -> Result<Arc<Self>> {
        let connections = open::open(path, busy, READERS)?;
        Ok(Arc::new(Self {
            writer: Pool::new(vec![connections.writer]),
            readers: Pool::new(connections.readers),
            clock,
            due: Arc::new(Notify::new()),
            changes: watch::Sender::new(0),
            hints: Arc::new(Hints::default()),
        }))
    }

    /// One transaction that writes. It is given the moment by the database's clock, read once the write lock
    /// is held.
    async fn write<T, F>(&self, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&Connection, i64) -> Sql<T> + Send + 'static,
    {
        let clock = self.clock.clone();
        let run = self.writer.run(move |connection| {
            let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let now = moment(&tx, clock.as_ref())?;
            let out = work(&tx, now)?;
            tx.commit()?;
            Ok(out)
        });
        run.await
    }

    /// One transaction that writes, and at its end what happened; whoever listens is told after the commit.
    async fn write_facts<T, F>(&self, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&Connection, i64) -> Sql<(T, Vec<Fact>)> + Send + 'static,
    {
        let write = self.write(move |tx, now| {
            let (done, facts) = work(tx, now)?;
            Ok((done, events::write(tx, now, facts)?))
        });
        let (done, hints) = write.await?;
        hints.into_iter().for_each(|hint| self.hints.tell(hint));
        Ok(done)
    }

    /// One transaction that reads.
    async fn read<T, F>(&self, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&Connection, i64) -> Sql<T> + Send + 'static,
    {
        let clock = self.clock.clone();
        let run = self.readers.run(move |connection| {
            let tx = connection.transaction()?;
            let now = moment(&tx, clock.as_ref())?;
            work(&tx, now)
        });
        run.await
    }

    /// Tells whoever watches that a job changed.
    fn changed(&self) {
        self.changes.send_modify(|version| *version = version.wrapping_add(1));
    }

    /// A job changed and may be due.
    fn wake(&self) {
        self.changed();
        self.due.notify_waiters();
    }
}

/// The database's clock, in microseconds since the epoch.
fn moment(connection: &Connection, clock: Option<&SharedClock>) -> Sql<i64> {
    match clock {
        Some(clock) => Ok(clock.now().as_microsecond()),
        None => Ok(connection
            .prepare_cached("SELECT CAST(round(unixepoch('subsec') * 1000000) AS INTEGER)")?
            .query_row([], |row| row.get(0))?),
    }
}
