//! Spans in a SQLite file, written by one thread.
//!
//! Any number of processes may open the same file: SQLite lets one of them write at a time.

mod events;
mod tail;
mod writer;

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use offtake_model::clock::SharedClock;
use offtake_model::{Error, ErrorKind, Result};
use rusqlite::{Connection, TransactionBehavior};
use rusqlite_migration::{M, Migrations};

use super::relations;
use super::store::{SpanStore, Writer};
use crate::relation::Dialect;
use crate::source::sqlite::SqliteSource;

pub(super) use writer::LAST_SEQUENCE;

/// How long a statement waits for another process that writes.
const BUSY: Duration = Duration::from_secs(10);

/// KiB of cached pages before the first append.
const IDLE_CACHE_KIB: i64 = 512;

const MIGRATIONS: &[M<'static>] = &[
    M::up(include_str!("../../../migrations/spans/sqlite/0001_spans.sql")),
    M::up(include_str!("../../../migrations/spans/sqlite/0002_the_key_covers.sql")),
];

impl SpanStore {
    /// Opens the store in a SQLite file, creating and migrating what is not there, and starts its writer. Blocks.
    ///
    /// # Errors
    /// `store_unavailable` if the file cannot be opened or another process keeps it busy; `storage_full`;
    /// `internal` if it is no span store.
    pub fn open(path: &Path, clock: SharedClock) -> Result<Arc<Self>> {
        let connection = connect(path)?;
        let source = SqliteSource::new(path, clock, relations::relations(Dialect::Sqlite))?;
        let events = Arc::new(events::SqliteTraceEvents::of(path));
        Self::new(source, events, |appends| {
            let thread = std::thread::Builder::new().name("span-writer".to_owned());
            let started = thread.spawn(move || writer::run(connection, appends));
            started.map(Writer::Thread).map_err(|error| {
                Error::new(ErrorKind::Internal, "the span store's writer thread cannot be started").caused_by(error)
            })
        })
    }
}

fn connect(path: &Path) -> Result<Connection> {
    let cannot = |what: &str| format!("the span store {} {what}", path.display());
    // Created here and not by SQLite, so that nobody else may read it; its journal files take over the mode.
    OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(path)
        .map_err(|error| Error::new(ErrorKind::StoreUnavailable, cannot("cannot be opened")).caused_by(error))?;
    let mut connection = Connection::open(path).map_err(|error| failed(&cannot("cannot be opened"), error))?;
    configure(&connection).map_err(|error| failed(&cannot("cannot be set up"), error))?;
    migrate(&mut connection).map_err(|error| {
        if let rusqlite_migration::Error::RusqliteError { err, .. } = error {
            return failed(&cannot("cannot be migrated"), err);
        }
        Error::new(ErrorKind::Internal, cannot("cannot be migrated; is it of a newer version?")).caused_by(error)
    })?;
    Ok(connection)
}

fn configure(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(BUSY)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "cache_size", -IDLE_CACHE_KIB)?;
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    // A checkpoint every 64 MiB rather than every 4: trace ids are random, so pages of their indexes are written again
    // and again, and a checkpoint writes each once.
    connection.pragma_update(None, "wal_autocheckpoint", 16_000)?;
    connection.pragma_update(None, "journal_size_limit", 64 * 1024 * 1024)?;
    connection.set_prepared_statement_cache_capacity(16);
    Ok(())
}

/// Several processes may start at once: each takes the right to write before it looks which version is there. Whoever
/// looked too early finds the tables made by another, and looks again.
fn migrate(connection: &mut Connection) -> rusqlite_migration::Result<()> {
    connection.set_transaction_behavior(TransactionBehavior::Immediate);
    let migrations = Migrations::from_slice(MIGRATIONS);
    migrations.to_latest(connection).or_else(|_| migrations.to_latest(connection))
}

/// An error of SQLite, by kind.
fn failed(doing: &str, error: rusqlite::Error) -> Error {
    use rusqlite::ErrorCode as Code;
    let (kind, todo) = match error.sqlite_error_code() {
        Some(Code::DiskFull) => (ErrorKind::StorageFull, "no space is left; free some and send again"),
        Some(
            Code::DatabaseBusy
            | Code::DatabaseLocked
            | Code::CannotOpen
            | Code::PermissionDenied
            | Code::ReadOnly
            | Code::SystemIoFailure
            | Code::OutOfMemory
            | Code::FileLockingProtocolFailed,
        ) => (ErrorKind::StoreUnavailable, "try again; if it stays so, see whether another process holds the file"),
        _ => (ErrorKind::Internal, "see the log"),
    };
    Error::new(kind, format!("{doing}: {todo}")).caused_by(error)
}
