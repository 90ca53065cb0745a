//! A piece of work on one connection: a transaction or single statements, with a deadline over all of it.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use deadpool_postgres::Object;
use futures::SinkExt as _;
use offtake_model::{Error, ErrorKind, Result};
use tokio::time::{Instant, timeout_at};
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use crate::pool::Pool;
use crate::trouble::{Faults, Trouble};

/// Parameters of a statement.
pub type Params<'a> = &'a [&'a (dyn ToSql + Sync)];

/// Statements on one connection, all of them done by one deadline, so that a server that stands still keeps nobody.
///
/// A connection on which something hung, or whose transaction nobody ended, is closed instead of given back.
pub struct Work {
    connection: Option<Object>,
    deadline: Instant,
    limit: Duration,
    faults: Faults,
    in_transaction: bool,
    broken: AtomicBool,
}

impl fmt::Debug for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Work").field("in_transaction", &self.in_transaction).finish_non_exhaustive()
    }
}

impl Pool {
    /// Begins work without a transaction, to be done within `limit`, waiting for a connection included.
    ///
    /// # Errors
    /// The kinds of [`Faults`].
    pub async fn work(&self, limit: Duration) -> Result<Work> {
        let deadline = Instant::now() + limit;
        let connection = match timeout_at(deadline, self.get()).await {
            Ok(connection) => connection?,
            Err(_) => return Err(self.faults().silent(limit)),
        };
        Ok(Work {
            connection: Some(connection),
            deadline,
            limit,
            faults: self.faults().clone(),
            in_transaction: false,
            broken: AtomicBool::new(false),
        })
    }

    /// Begins a transaction (READ COMMITTED), to be done within `limit`; [`Work::end`] ends it.
    ///
    /// # Errors
    /// The kinds of [`Faults`].
    pub async fn transaction(&self, limit: Duration) -> Result<Work> {
        let mut work = self.work(limit).await?;
        work.in_transaction = true;
        work.command("BEGIN").await?;
        Ok(work)
    }
}

impl Work {
    /// Runs a statement; returns how many rows it changed.
    ///
    /// # Errors
    /// The kinds of [`Faults`].
    pub async fn execute(&self, sql: &str, params: Params<'_>) -> Result<u64> {
        let connection = self.connection()?;
        self.timely(async {
            let statement = connection.prepare_cached(sql).await?;
            connection.execute(&statement, params).await
        })
        .await
    }

    /// The rows of a statement.
    ///
    /// # Errors
    /// The kinds of [`Faults`].
    pub async fn rows(&self, sql: &str, params: Params<'_>) -> Result<Vec<Row>> {
        let connection = self.connection()?;
        self.timely(async {
            let statement = connection.prepare_cached(sql).await?;
            connection.query(&statement, params).await
        })
        .await
    }

    /// The first row of a statement.
    ///
    /// # Errors
    /// The kinds of [`Faults`].
    pub async fn first(&self, sql: &str, params: Params<'_>) -> Result<Option<Row>> {
        Ok(self.rows(sql, params).await?.into_iter().next())
    }

    /// Runs a `COPY … FROM STDIN` and sends it these bytes; returns how many rows it added.
    ///
    /// # Errors
    /// The kinds of [`Faults`].
    pub async fn copy_in(&self, sql: &str, pieces: impl Iterator<Item = Bytes>) -> Result<u64> {
        let connection = self.connection()?;
        self.timely(async {
            let statement = connection.prepare_cached(sql).await?;
            let mut sink = Box::pin(connection.copy_in::<_, Bytes>(&statement).await?);
            for piece in pieces {
                sink.send(piece).await?;
            }
            sink.as_mut().finish().await
        })
        .await
    }

    /// Ends the work: commits if `outcome` is a success, and rolls back otherwise.
    ///
    /// # Errors
    /// Those of `outcome`; the kinds of [`Faults`] if it could not be committed. It may have been, if the
    /// connection broke at that very moment.
    pub async fn end<T>(mut self, outcome: Result<T>) -> Result<T> {
        if !self.in_transaction {
            return outcome;
        }
        let ended = match &outcome {
            Ok(_) => self.command("COMMIT").await,
            Err(_) if self.broken.load(Ordering::Relaxed) => return outcome,
            Err(_) => self.command("ROLLBACK").await,
        };
        self.in_transaction = ended.is_err();
        let value = outcome?;
        ended.map(|()| value)
    }

    /// What an error on this connection comes to.
    pub fn error(&self, cause: tokio_postgres::Error) -> Error {
        self.faults.of(cause)
    }

    async fn command(&self, sql: &str) -> Result<()> {
        let connection = self.connection()?;
        self.timely(connection.batch_execute(sql)).await
    }

    fn connection(&self) -> Result<&Object> {
        self.connection.as_ref().ok_or_else(|| Error::new(ErrorKind::Internal, "the connection was given away"))
    }

    async fn timely<T>(&self, run: impl Future<Output = Result<T, tokio_postgres::Error>>) -> Result<T> {
        match timeout_at(self.deadline, run).await {
            Ok(Ok(done)) => Ok(done),
            Ok(Err(cause)) => {
                if Trouble::of(&cause).ends_session() {
                    self.broken.store(true, Ordering::Relaxed);
                }
                Err(self.faults.of(cause))
            }
            Err(_) => {
                self.broken.store(true, Ordering::Relaxed);
                Err(self.faults.silent(self.limit))
            }
        }
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take()
            && (self.in_transaction || self.broken.load(Ordering::Relaxed))
        {
            drop(Object::take(connection));
        }
    }
}
