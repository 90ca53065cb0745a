//! A piece of work on one connection: a transaction or single statements, with a deadline over all of it.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
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
/// A connection on which something hung or nobody waited for the answer, or whose transaction nobody ended, is closed
/// instead of given back.
pub struct Work {
    connection: Option<Object>,
    deadline: Instant,
    limit: Duration,
    faults: Faults,
    in_transaction: bool,
    /// What begins the transaction that each statement is, where the work is none itself.
    each: Option<String>,
    broken: AtomicBool,
    /// Statements that were sent and not answered. What is dropped meanwhile stays among them.
    unanswered: AtomicUsize,
    #[cfg(feature = "unscoped")]
    changed: Option<fn(&str) -> String>,
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
            each: None,
            broken: AtomicBool::new(false),
            unanswered: AtomicUsize::new(0),
            #[cfg(feature = "unscoped")]
            changed: self.changed,
        })
    }

    /// Begins work whose every statement is a transaction of its own that `enter` begins. It takes no more time than
    /// without: what begins and ends the transaction is sent together with the statement.
    ///
    /// # Errors
    /// The kinds of [`Faults`].
    pub async fn work_within(&self, limit: Duration, enter: &str) -> Result<Work> {
        let mut work = self.work(limit).await?;
        work.each = Some(format!("BEGIN; {enter}"));
        Ok(work)
    }

    /// Begins a transaction (READ COMMITTED), to be done within `limit`; [`Work::end`] ends it.
    ///
    /// # Errors
    /// The kinds of [`Faults`].
    pub async fn transaction(&self, limit: Duration) -> Result<Work> {
        self.begin_with(limit, "BEGIN").await
    }

    /// The same, with these statements at its beginning.
    ///
    /// # Errors
    /// The kinds of [`Faults`].
    pub async fn transaction_within(&self, limit: Duration, enter: &str) -> Result<Work> {
        self.begin_with(limit, &format!("BEGIN; {enter}")).await
    }

    async fn begin_with(&self, limit: Duration, begin: &str) -> Result<Work> {
        let mut work = self.work(limit).await?;
        work.in_transaction = true;
        work.command(begin).await?;
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
        #[cfg(feature = "unscoped")]
        let sql = &*self.changed.map_or_else(|| sql.to_owned(), |change| change(sql));
        self.timely(async {
            let statement = connection.prepare_cached(sql).await?;
            self.in_its_own(connection, connection.execute(&statement, params)).await
        })
        .await
    }

    /// The rows of a statement.
    ///
    /// # Errors
    /// The kinds of [`Faults`].
    pub async fn rows(&self, sql: &str, params: Params<'_>) -> Result<Vec<Row>> {
        let connection = self.connection()?;
        #[cfg(feature = "unscoped")]
        let sql = &*self.changed.map_or_else(|| sql.to_owned(), |change| change(sql));
        self.timely(async {
            let statement = connection.prepare_cached(sql).await?;
            self.in_its_own(connection, connection.query(&statement, params)).await
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
            Err(_) if self.is_unusable() => return outcome,
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

    /// Runs a prepared statement as a transaction of its own, where that is how the work is done.
    async fn in_its_own<T>(
        &self,
        connection: &Object,
        statement: impl Future<Output = Result<T, tokio_postgres::Error>>,
    ) -> Result<T, tokio_postgres::Error> {
        let Some(begin) = &self.each else { return statement.await };
        // Each is sent when it is first polled, which is in this order; answers come in the same. COMMIT after an error
        // rolls back.
        let (begun, done, ended) =
            futures::join!(connection.batch_execute(begin), statement, connection.batch_execute("COMMIT"));
        begun?;
        let done = done?;
        ended.map(|()| done)
    }

    async fn command(&self, sql: &str) -> Result<()> {
        let connection = self.connection()?;
        self.timely(connection.batch_execute(sql)).await
    }

    fn connection(&self) -> Result<&Object> {
        self.connection.as_ref().ok_or_else(|| Error::new(ErrorKind::Internal, "the connection was given away"))
    }

    async fn timely<T>(&self, run: impl Future<Output = Result<T, tokio_postgres::Error>>) -> Result<T> {
        self.unanswered.fetch_add(1, Ordering::Relaxed);
        let Ok(answer) = timeout_at(self.deadline, run).await else { return Err(self.faults.silent(self.limit)) };
        self.unanswered.fetch_sub(1, Ordering::Relaxed);
        answer.map_err(|cause| {
            if Trouble::of(&cause).ends_session() {
                self.broken.store(true, Ordering::Relaxed);
            }
            self.faults.of(cause)
        })
    }

    /// Whether nobody else can use the connection: it broke, or the server is still busy on it.
    fn is_unusable(&self) -> bool {
        self.broken.load(Ordering::Relaxed) || self.unanswered.load(Ordering::Relaxed) > 0
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take()
            && (self.in_transaction || self.is_unusable())
        {
            drop(Object::take(connection));
        }
    }
}
