//! Spans in a Postgres database, shared by any number of servers and workers on any number of machines.
//!
//! One connection of each process writes (one transaction at a time among all of them, see the migration), others read.

mod events;
mod rows;
mod tail;
mod writer;

use std::sync::Arc;
use std::time::Duration;

use offtake_model::clock::SharedClock;
use offtake_model::{Error, ErrorKind, Result};
use offtake_postgres::{Limits, Migrations, Pool, Role, Session, Settings, Walls};
use tokio_util::task::AbortOnDropHandle;

use super::relations;
use super::store::{SpanStore, Writer};
use crate::relation::Dialect;
use crate::source::postgres::{PostgresSettings, PostgresSource};

/// How long an append may take in all, and waits for another process that writes.
const LIMIT: Duration = Duration::from_secs(10);
/// How long making a connection may take, and a reader waits for one.
const CONNECT: Duration = Duration::from_secs(5);
/// The schema of Offtake's own tables.
const SCHEMA: &str = "offtake";

/// Statements that were planned when the tables were empty are still right when they are not.
const WRITING: Session = Session {
    statement_timeout: Some(LIMIT),
    // Nobody adds spans while a process stands still in the middle of it.
    idle_in_transaction_timeout: Some(Duration::from_secs(5)),
    lock_timeout: Some(LIMIT),
    search_path: Some(SCHEMA),
    read_only: false,
    more: &[
        ("jit", "off"),
        ("enable_seqscan", "off"),
        ("enable_hashjoin", "off"),
        ("enable_mergejoin", "off"),
        ("work_mem", "'32MB'"),
    ],
};

/// A range is read in less time than compiling its statement takes.
const READING: Session = Session {
    statement_timeout: None,
    idle_in_transaction_timeout: None,
    lock_timeout: None,
    search_path: Some(SCHEMA),
    read_only: true,
    more: &[("jit", "off")],
};

/// Whoever tells of traces finds each by its key, however many there are and whatever was known when it was planned.
const TELLING: Session = Session { read_only: true, idle_in_transaction_timeout: None, ..WRITING };

const MIGRATIONS: Migrations = Migrations {
    component: "spans",
    schema: SCHEMA,
    steps: &[
        include_str!("../../../migrations/spans/postgres/0001_spans.sql"),
        include_str!("../../../migrations/spans/postgres/0002_walls.sql"),
    ],
};

impl SpanStore {
    /// Opens the store in the database of `settings`, with at most `connections` connections that read and one that
    /// writes, migrates what is not there, and starts its writer.
    ///
    /// # Errors
    /// `store_unavailable` if it cannot be reached or refuses; `invalid_request` if a root certificate cannot be
    /// read or the database is not in UTF-8; `internal` if a newer Offtake has been here.
    pub async fn open_postgres(settings: Settings, connections: usize, clock: SharedClock) -> Result<Arc<Self>> {
        let (writing, reading, telling) = pools(settings, connections).await?;
        check_encoding(&writing).await?;
        MIGRATIONS.apply(&writing).await?;
        let walls = Walls::raise(&writing, SCHEMA).await?;
        // Snapshots are for mutable rows, which spans are not: nothing is held for any time.
        let named = PostgresSettings { name: "spans".to_owned(), max_snapshot_age: Duration::ZERO };
        let relations = relations::relations(Dialect::Postgres);
        let source = PostgresSource::walled(Some(walls), reading, named, clock, relations);
        let events = Arc::new(events::PgTraceEvents::of(telling));
        Self::new(source, events, |appends| {
            Ok(Writer::Task(AbortOnDropHandle::new(tokio::spawn(writer::run(writing, appends)))))
        })
    }
}

/// Makes the pools where certificate files may be read.
async fn pools(settings: Settings, connections: usize) -> Result<(Pool, Pool, Pool)> {
    let make = move || {
        let limits = |connections| Limits { connections, acquire: CONNECT, connect: CONNECT };
        let writing = Pool::new(settings.clone().for_writing(), WRITING, Role::Store, limits(1))?;
        let reading =
            Pool::new(settings.clone().for_writing(), READING, Role::Source("spans".to_owned()), limits(connections))?;
        // Two: while one adds up what was spent, which may take long, the other goes on telling.
        let telling = Pool::new(settings.for_writing(), TELLING, Role::Store, limits(2))?;
        Ok((writing, reading, telling))
    };
    let ended = |cause| Error::new(ErrorKind::Internal, "a thread ended").caused_by(cause);
    tokio::task::spawn_blocking(make).await.map_err(ended)?
}

/// Texts of spans are of any character there is.
async fn check_encoding(pool: &Pool) -> Result<()> {
    let work = pool.work(CONNECT).await?;
    let row = work.first("SELECT current_setting('server_encoding')", &[]).await?;
    let encoding: Option<String> = row.map(|row| row.try_get(0)).transpose().map_err(|cause| work.error(cause))?;
    match encoding.as_deref() {
        Some("UTF8") | None => Ok(()),
        Some(other) => {
            let detail = format!(
                "the database at {} is encoded in {other}, which cannot hold every text; \
                 make it with: CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0",
                pool.settings()
            );
            Err(Error::new(ErrorKind::InvalidRequest, detail))
        }
    }
}
