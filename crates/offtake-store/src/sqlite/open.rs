//! Opening the file: permissions, settings, migrations. Safe while other processes do the same.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use offtake_model::{Error, ErrorKind, Result};
use rusqlite::{Connection, OpenFlags};
use rusqlite_migration::{M, MigrationDefinitionError, Migrations};

use super::fault::{Fault, Sql};

/// KiB of cached pages of each connection. The job tables are small; SQLite's default of 2,000 would be kept full with
/// pages of the span store, since all caches of a process are one pool in this build.
const CACHE_KIB: i64 = 512;

const STEPS: &[M<'static>] = &[
    M::up(include_str!("../../migrations/sqlite/0001_jobs.sql")),
    M::up(include_str!("../../migrations/sqlite/0002_presets.sql")),
    M::up(include_str!("../../migrations/sqlite/0003_pruned_jobs.sql")),
    M::up(include_str!("../../migrations/sqlite/0004_principals.sql")),
    M::up(include_str!("../../migrations/sqlite/0005_tokens.sql")),
    M::up(include_str!("../../migrations/sqlite/0006_audit.sql")),
    M::up(include_str!("../../migrations/sqlite/0007_limits.sql")),
    M::up(include_str!("../../migrations/sqlite/0009_events.sql")),
    M::up(include_str!("../../migrations/sqlite/0010_tickets.sql")),
    M::up(include_str!("../../migrations/sqlite/0011_webhooks.sql")),
    M::up(include_str!("../../migrations/sqlite/0012_alerts.sql")),
    M::up(include_str!("../../migrations/sqlite/0013_schedules.sql")),
    M::up(include_str!("../../migrations/sqlite/0014_deliveries_go_on.sql")),
];
const MIGRATIONS: Migrations<'static> = Migrations::from_slice(STEPS);

/// The connections of one store.
pub(super) struct Connections {
    pub(super) writer: Connection,
    pub(super) readers: Vec<Connection>,
}

/// Opens the file at `path`, creating and migrating what is not there.
pub(super) fn open(path: &Path, busy: Duration, readers: usize) -> Result<Connections> {
    // Two processes that open an empty data dir at once would both migrate it, and SQLite does not wait when
    // the journal mode is being changed.
    let _lock = create_and_lock(path).map_err(|cause| cannot_create(path, cause))?;
    let mut writer = connect(path, busy)?;
    migrate(&mut writer, path)?;
    let readers = (0..readers).map(|_| Ok(connect(path, busy)?)).collect::<Result<Vec<_>>>()?;
    for reader in &readers {
        reader.pragma_update(None, "query_only", true).map_err(Fault::from)?;
    }
    Ok(Connections { writer, readers })
}

/// Creates folder and file for this user alone; SQLite gives its other files the permissions of the first.
/// The lock is on a file of its own, because closing any handle on the database drops SQLite's locks on it.
fn create_and_lock(path: &Path) -> io::Result<File> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    }
    let mut name = path.as_os_str().to_owned();
    name.push("-open");
    let private = |path: &Path| OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path);
    let lock = private(&PathBuf::from(name))?;
    lock.lock()?;
    if !path.exists() {
        private(path)?;
    }
    Ok(lock)
}

fn cannot_create(path: &Path, cause: io::Error) -> Error {
    let detail = format!("{} cannot be created: {cause}; check that this user may write there", path.display());
    Error::new(ErrorKind::StoreUnavailable, detail).caused_by(cause)
}

fn connect(path: &Path, busy: Duration) -> Sql<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(busy)?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    let mode: String = connection.pragma_query_value(None, "journal_mode", |row| row.get(0))?;
    if mode != "wal" {
        connection.pragma_update_and_check(None, "journal_mode", "wal", |_| Ok(()))?;
    }
    // What a burst of writes left is given back to the disk.
    connection.pragma_update_and_check(None, "journal_size_limit", 64 << 20, |_| Ok(()))?;
    connection.pragma_update(None, "cache_size", -CACHE_KIB)?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(connection)
}

fn migrate(connection: &mut Connection, path: &Path) -> Result<()> {
    let Err(cause) = MIGRATIONS.to_latest(connection) else { return Ok(()) };
    if let rusqlite_migration::Error::RusqliteError { err, .. } = cause {
        return Err(Error::from(Fault::from(err)));
    }
    let newer = rusqlite_migration::Error::MigrationDefinition(MigrationDefinitionError::DatabaseTooFarAhead);
    let detail = if cause == newer {
        format!("{} was written by a newer Offtake; use that version or a later one", path.display())
    } else {
        format!("{} cannot be migrated", path.display())
    };
    Err(Error::new(ErrorKind::Internal, detail).caused_by(cause))
}
