//! One read-only connection, and running statements on it.
//!
//! A [`Session`] is used by one blocking call at a time. It knows how to be interrupted, how a selection gets into
//! its temporary tables, and which kind of error a failure is.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use offtake_model::query::Chosen;
use offtake_model::value::Value;
use offtake_model::{Error, ErrorKind, Result};
use rusqlite::limits::Limit;
use rusqlite::types::Value as SqlValue;
use rusqlite::{Connection, ErrorCode, OpenFlags, Row, Rows, Statement, TransactionBehavior};

use super::drift::Drift;
use super::functions;
use crate::sql::{Bound, Encoded, Sql, Statements};

/// Pages of this connection's cache, in KiB: enough for the inner pages of an index, small enough to have several.
const CACHE_KIB: i64 = 2_000;
/// So many steps of SQLite's machine between two looks at whether somebody still waits.
pub(crate) const STEPS_BETWEEN_LOOKS: i32 = 4_096;
/// SQLite's own default for the longest text or row, in bytes.
const LONGEST: i32 = 1_000_000_000;

/// What the named parameters stand for.
#[derive(Debug, Clone)]
pub(crate) struct Scope {
    pub(crate) org: String,
    pub(crate) cutoff: Option<i64>,
}

/// A connection with what it needs to read datasets.
#[derive(Debug)]
pub(crate) struct Session {
    conn: Connection,
    drift: Drift,
    tables: bool,
    loaded: bool,
}

impl Session {
    /// Opens the file for reading only; it must be there.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let unavailable = |cause: rusqlite::Error| {
            Error::new(ErrorKind::SourceUnavailable, format!("the database {} cannot be opened", path.display()))
                .caused_by(cause)
        };
        let conn = Connection::open_with_flags(path, flags).map_err(unavailable)?;
        conn.busy_timeout(Duration::from_secs(10)).map_err(unavailable)?;
        conn.pragma_update(None, "cache_size", -CACHE_KIB).map_err(unavailable)?;
        conn.pragma_update(None, "mmap_size", 0).map_err(unavailable)?;
        conn.set_prepared_statement_cache_capacity(16);
        let drift = Drift::default();
        functions::register(&conn, &drift).map_err(unavailable)?;
        Ok(Self { conn, drift, tables: false, loaded: false })
    }

    /// The connection itself, for looking at the schema.
    pub(crate) fn connection(&self) -> &Connection {
        &self.conn
    }

    /// From now on statements stop soon after `cancelled` is set.
    pub(super) fn watch(&self, cancelled: Arc<AtomicBool>) -> Result<()> {
        self.checked(self.conn.progress_handler(STEPS_BETWEEN_LOOKS, Some(move || cancelled.load(Ordering::Relaxed))))
    }

    /// Nobody watches any more.
    pub(super) fn unwatch(&self) -> Result<()> {
        self.checked(self.conn.progress_handler(0, None::<fn() -> bool>))
    }

    /// Refuses cells and rows longer than `bytes`, before they are loaded.
    pub(super) fn refuse_longer(&self, bytes: u64) -> Result<()> {
        let bytes = i32::try_from(bytes).unwrap_or(LONGEST).clamp(1_000_000, LONGEST);
        self.checked(self.conn.set_limit(Limit::SQLITE_LIMIT_LENGTH, bytes)).map(drop)
    }

    /// Begins a transaction in which every statement sees the same rows.
    pub(super) fn begin(&self) -> Result<()> {
        self.execute("BEGIN DEFERRED")?;
        // The snapshot is taken by the first read, not by BEGIN.
        self.number("SELECT count(*) FROM sqlite_schema").map(drop)
    }

    /// Ends it. Nothing was written, so how it ends makes no difference.
    pub(super) fn end(&self) -> Result<()> {
        if self.conn.is_autocommit() { Ok(()) } else { self.execute("ROLLBACK") }
    }

    /// Whether a transaction is open.
    pub(super) fn in_transaction(&self) -> bool {
        !self.conn.is_autocommit()
    }

    /// Runs a statement that yields one number.
    pub(crate) fn number(&self, sql: &str) -> Result<i64> {
        self.checked(self.conn.query_row(sql, [], |row| row.get::<_, i64>(0)))
    }

    fn execute(&self, sql: &str) -> Result<()> {
        self.checked(self.conn.execute_batch(sql))
    }

    /// Whether a selection was loaded, or looked for, since the last [`clear`](Self::clear).
    pub(super) fn is_loaded(&self) -> bool {
        self.loaded
    }

    /// Puts the identities of the query's selection where its statements look for them.
    pub(crate) fn load(&mut self, statements: &Statements<'_>) -> Result<()> {
        self.loaded = true;
        let (table, ids) = match &statements.query.chosen {
            Chosen::All => return Ok(()),
            Chosen::AllExcept(ids) => ("excluded", ids),
            Chosen::Only(ids) => ("chosen", ids),
        };
        let operands = statements.schema.identity.iter().map(|column| statements.operand(column));
        let operands = operands.collect::<Result<Vec<_>>>()?;
        let rows = ids.iter().map(|id| {
            let cells = operands.iter().zip(id).map(|(operand, value)| operand.encode(value, Bound::Exact));
            let cells = cells.collect::<Result<Vec<_>>>()?;
            // A value the column cannot hold names no row.
            Ok(cells.into_iter().map(stored).collect::<Option<Vec<_>>>())
        });
        let affinities: Vec<&str> = operands.iter().map(crate::sql::Operand::affinity).collect();
        self.fill(table, 'c', &affinities, rows)
    }

    /// Puts these identities, in stored form, where those of a partial selection are looked for.
    pub(super) fn load_chosen(&mut self, statements: &Statements<'_>, ids: &[Vec<SqlValue>]) -> Result<()> {
        let affinities = statements.schema.identity.iter().map(|column| Ok(statements.operand(column)?.affinity()));
        let affinities = affinities.collect::<Result<Vec<_>>>()?;
        self.fill("chosen", 'c', &affinities, ids.iter().map(|id| Ok(Some(id.clone()))))
    }

    /// Puts keys where [`Statements::sizes`] looks for them.
    pub(super) fn load_sampled(&mut self, statements: &Statements<'_>, keys: &[Vec<Value>]) -> Result<()> {
        let operands = statements.schema.key.iter().map(|column| statements.operand(column));
        let affinities = operands.map(|operand| Ok(operand?.key_affinity())).collect::<Result<Vec<_>>>()?;
        let rows = keys.iter().map(|key| key.iter().map(crate::sql::key_value).collect::<Result<Vec<_>>>().map(Some));
        self.fill("sampled", 'k', &affinities, rows)
    }

    fn fill(
        &mut self,
        table: &str,
        prefix: char,
        affinities: &[&str],
        rows: impl Iterator<Item = Result<Option<Vec<SqlValue>>>>,
    ) -> Result<()> {
        let names: Vec<String> = (0..affinities.len()).map(|index| format!("{prefix}{index}")).collect();
        let columns: Vec<String> =
            names.iter().zip(affinities).map(|(name, affinity)| format!("{name} {affinity} NOT NULL")).collect();
        self.tables = true;
        // Emptied, not dropped: another schema would have every statement prepared anew.
        self.execute(&format!(
            "CREATE TEMP TABLE IF NOT EXISTS {table} ({}, PRIMARY KEY ({})) WITHOUT ROWID; DELETE FROM temp.{table}",
            columns.join(", "),
            names.join(", "),
        ))?;
        let marks = vec!["?"; names.len()].join(", ");
        let insert = format!("INSERT OR IGNORE INTO temp.{table} VALUES ({marks})");
        // One transaction, unless one is open already: a statement each would be a transaction each.
        let own = if self.in_transaction() {
            None
        } else {
            Some(self.checked(rusqlite::Transaction::new_unchecked(&self.conn, TransactionBehavior::Deferred))?)
        };
        let mut statement = self.checked(self.conn.prepare(&insert))?;
        for row in rows {
            if let Some(row) = row? {
                self.checked(statement.execute(rusqlite::params_from_iter(row)))?;
            }
        }
        drop(statement);
        own.map_or(Ok(()), |own| self.checked(own.commit()))
    }

    /// Forgets selections, so that the connection can serve somebody else.
    pub(crate) fn clear(&mut self) -> Result<()> {
        self.end()?;
        self.unwatch()?;
        self.loaded = false;
        if self.tables {
            self.conn.flush_prepared_statement_cache();
            self.execute(
                "DROP TABLE IF EXISTS temp.excluded; DROP TABLE IF EXISTS temp.chosen; DROP TABLE IF EXISTS temp.sampled",
            )?;
            self.tables = false;
        }
        Ok(())
    }

    /// Runs `sql` and hands its rows to `read`.
    pub(super) fn query<T>(
        &self,
        sql: &Sql,
        scope: &Scope,
        read: impl FnOnce(&mut RowStream<'_, '_>) -> Result<T>,
    ) -> Result<T> {
        let mut statement = self.checked(self.conn.prepare_cached(&sql.anonymous()))?;
        self.bind(&mut statement, sql, scope)?;
        read(&mut RowStream { session: self, rows: statement.raw_query() })
    }

    /// Runs `sql` and reads its only row.
    pub(super) fn one<T>(
        &self,
        sql: &Sql,
        scope: &Scope,
        read: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<T> {
        self.query(sql, scope, |rows| match rows.next()? {
            Some(row) => self.checked(read(row)),
            None => Err(Error::new(ErrorKind::Internal, "a statement that yields one row yielded none")),
        })
    }

    /// SQLite gives an anonymous parameter the next number when it meets it, and a name one the first time it is
    /// met: so the anonymous ones have, in order, the numbers that the names left.
    fn bind(&self, statement: &mut Statement<'_>, sql: &Sql, scope: &Scope) -> Result<()> {
        let org = self.checked(statement.parameter_index(":org"))?;
        let cutoff = self.checked(statement.parameter_index(":cutoff"))?;
        if let Some(index) = org {
            self.checked(statement.raw_bind_parameter(index, &scope.org))?;
        }
        if let Some(index) = cutoff {
            self.checked(statement.raw_bind_parameter(index, scope.cutoff))?;
        }
        let free = (1..=statement.parameter_count()).filter(|index| Some(*index) != org && Some(*index) != cutoff);
        let free: Vec<usize> = free.collect();
        if free.len() != sql.params.len() {
            return Err(Error::new(
                ErrorKind::Internal,
                format!("a statement has other parameters than bound: {}", sql.anonymous()),
            ));
        }
        for (index, value) in free.into_iter().zip(&sql.params) {
            self.checked(statement.raw_bind_parameter(index, value))?;
        }
        Ok(())
    }

    /// The lines of EXPLAIN QUERY PLAN.
    pub(crate) fn explain(&self, sql: &Sql, scope: &Scope) -> Result<Vec<String>> {
        let explained = sql.clone().preceded_by("EXPLAIN QUERY PLAN ");
        self.query(&explained, scope, |rows| {
            let mut lines = Vec::new();
            while let Some(row) = rows.next()? {
                lines.push(self.checked(row.get::<_, String>(3))?);
            }
            Ok(lines)
        })
    }

    /// Says which kind of error a failure is.
    pub(super) fn checked<T>(&self, result: rusqlite::Result<T>) -> Result<T> {
        result.map_err(|cause| match self.drift.take() {
            Some(detail) => Error::new(ErrorKind::SchemaDrift, detail).caused_by(cause),
            None => failure(cause),
        })
    }
}

fn stored(encoded: Encoded) -> Option<SqlValue> {
    match encoded {
        Encoded::Stored(value) => Some(value),
        Encoded::Below | Encoded::Above | Encoded::Nothing => None,
    }
}

/// The rows of a running statement.
pub(super) struct RowStream<'s, 'q> {
    session: &'s Session,
    rows: Rows<'q>,
}

impl<'q> RowStream<'_, 'q> {
    /// The next row.
    pub(super) fn next(&mut self) -> Result<Option<&Row<'q>>> {
        let next = self.rows.next();
        // `checked` would borrow the row with the error's road.
        match next {
            Ok(row) => Ok(row),
            Err(cause) => self.session.checked(Err(cause)),
        }
    }
}

/// The kind of a failure nobody else has explained.
pub(super) fn failure(cause: rusqlite::Error) -> Error {
    let (kind, detail) = match cause.sqlite_error_code() {
        Some(ErrorCode::OperationInterrupted) => (ErrorKind::Cancelled, "the reading was stopped"),
        Some(ErrorCode::TooBig | ErrorCode::OutOfMemory) => {
            (ErrorKind::MemoryLimit, "a row is larger than the job's memory; raise worker.memory_budget")
        }
        Some(ErrorCode::DiskFull) => (ErrorKind::StorageFull, "no space is left for SQLite's temporary files"),
        Some(ErrorCode::Unknown | ErrorCode::SchemaChanged) => {
            (ErrorKind::SchemaDrift, "the database does not have the tables and columns the dataset names")
        }
        Some(
            ErrorCode::DatabaseBusy
            | ErrorCode::DatabaseLocked
            | ErrorCode::CannotOpen
            | ErrorCode::SystemIoFailure
            | ErrorCode::DatabaseCorrupt
            | ErrorCode::NotADatabase
            | ErrorCode::PermissionDenied
            | ErrorCode::FileLockingProtocolFailed
            | ErrorCode::ReadOnly,
        ) => (ErrorKind::SourceUnavailable, "the database cannot be read"),
        _ => (ErrorKind::Internal, "SQLite refused a statement"),
    };
    Error::new(kind, detail).caused_by(cause)
}
