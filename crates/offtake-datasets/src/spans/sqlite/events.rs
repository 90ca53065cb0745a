//! What happens to traces, from a SQLite file.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use offtake_model::id::OrgId;
use offtake_model::{Error, ErrorKind, Result};
use rusqlite::{Connection, OpenFlags, params};
use tokio_util::sync::CancellationToken;

use super::{BUSY, LAST_SEQUENCE, failed};
use crate::source::sqlite::STEPS_BETWEEN_LOOKS;
use crate::spans::events::{Row, RowOfTrace, SQLITE, TraceBatch, TraceEvents, batch, bound, number};

const CACHE_KIB: i64 = 2_048;

/// Reads by a connection of its own, opened when it is needed first.
#[derive(Debug)]
pub(super) struct SqliteTraceEvents {
    path: PathBuf,
    connection: Arc<Mutex<Option<Connection>>>,
}

impl SqliteTraceEvents {
    pub(super) fn of(path: &Path) -> Self {
        Self { path: path.to_owned(), connection: Arc::default() }
    }

    pub(super) async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T> {
        let (path, connection) = (self.path.clone(), Arc::clone(&self.connection));
        let run = move || {
            let mut connection = connection.lock().unwrap_or_else(PoisonError::into_inner);
            let open = match &mut *connection {
                Some(open) => open,
                closed => closed.insert(connect(&path)?),
            };
            read(open)
        };
        blocking(run).await
    }

    /// Reads what may take long: by a connection for it alone, so that nobody waits behind it. It stops soon after the future
    /// is dropped.
    pub(super) async fn read_apart<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T> {
        let (path, left) = (self.path.clone(), CancellationToken::new());
        let _waiting = left.clone().drop_guard();
        let run = move || {
            let connection = connect(&path)?;
            connection.progress_handler(STEPS_BETWEEN_LOOKS, Some(move || left.is_cancelled()))?;
            read(&connection)
        };
        blocking(run).await
    }
}

async fn blocking<T: Send + 'static>(run: impl FnOnce() -> rusqlite::Result<T> + Send + 'static) -> Result<T> {
    let ended = |cause| Error::new(ErrorKind::Internal, "a thread ended").caused_by(cause);
    let done = tokio::task::spawn_blocking(run).await.map_err(ended)?;
    done.map_err(|error| failed("what happened to traces cannot be read", error))
}

fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    connection.busy_timeout(BUSY)?;
    connection.pragma_update(None, "query_only", true)?;
    connection.pragma_update(None, "cache_size", -CACHE_KIB)?;
    Ok(connection)
}

#[async_trait]
impl TraceEvents for SqliteTraceEvents {
    async fn newest(&self) -> Result<u64> {
        let sql = format!("SELECT {LAST_SEQUENCE}");
        self.read(move |connection| connection.prepare_cached(&sql)?.query_row([], |row| row.get(0))).await.map(number)
    }

    async fn after(&self, orgs: Option<&[OrgId]>, seq: u64, spans: u32) -> Result<TraceBatch> {
        let orgs = orgs.map(|orgs| {
            let names: Vec<&str> = orgs.iter().map(OrgId::as_str).collect();
            serde_json::json!(names).to_string()
        });
        let rows = self.read(move |connection| {
            let mut statement = connection.prepare_cached(&SQLITE)?;
            let rows = statement.query_map(params![bound(seq), spans, orgs], row)?;
            rows.collect::<rusqlite::Result<Vec<_>>>()
        });
        batch(rows.await?, seq, spans)
    }
}

fn row(row: &rusqlite::Row<'_>) -> rusqlite::Result<Row> {
    let (upto, read) = (row.get(0)?, row.get(1)?);
    let Some(org) = row.get(2)? else { return Ok(Row { upto, read, trace: None }) };
    let trace = RowOfTrace {
        org,
        trace_id: row.get(3)?,
        settled: row.get(4)?,
        newest: row.get(5)?,
        texts: [row.get(6)?, row.get(7)?, row.get(8)?, row.get(9)?],
        cost_nanos: row.get(10)?,
        duration_ms: row.get(11)?,
        status_code: row.get(12)?,
        started_micros: row.get(13)?,
    };
    Ok(Row { upto, read, trace: Some(trace) })
}
