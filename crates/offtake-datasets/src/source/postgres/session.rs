//! One connection with an open transaction, and running statements in it.
//!
//! Every question is answered in a transaction of its own, read-only and with one snapshot. A session that is dropped
//! in its middle has its statement cancelled and its connection closed; only one that was ended goes back to the pool.

use std::sync::Arc;
use std::task::Poll;

use futures::TryStreamExt as _;
use offtake_model::budget::MemoryBudget;
use offtake_model::dataset::Column;
use offtake_model::id::OrgId;
use offtake_model::{Error, ErrorKind, Result};
use offtake_postgres::{Canceller, Connection, Pool, Reach, Trouble, Walls};
use rusqlite::types::Value as SqlValue;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_postgres::CopyOutStream;
use tokio_postgres::types::{Format, IsNull, ToSql, Type, to_sql_checked};
use tokio_util::task::TaskTracker;

use super::copy::{Tuple, Tuples};
use super::decode::Decoder;
use super::line::Line;
use crate::sql::Sql;

/// Where connections come from, and who waits for what is cancelled.
///
/// Jobs take turns: they wait as long as it takes, while a page or a count gives up after a moment. Those that hold a
/// snapshot have turns of their own, so that never all connections hold one and none is left to read over; and where
/// there are more than two, one is left to pages and counts.
#[derive(Debug, Clone)]
pub(super) struct Sessions {
    pub(super) pool: Pool,
    /// In Offtake's own database: how sessions come to see the rows of one organization alone.
    walls: Option<Walls>,
    cancelling: TaskTracker,
    keeping: Arc<Semaphore>,
    reading: Arc<Semaphore>,
}

/// An open transaction.
#[derive(Debug)]
pub(super) struct Session {
    connection: Option<Connection>,
    canceller: Option<Canceller>,
    sessions: Sessions,
    line: Line,
    // Given back after the connection.
    _turn: Option<OwnedSemaphorePermit>,
}

/// Every statement sees the same rows, and changes none.
const BEGIN: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY";

/// How many bytes the server may send of one row: its own limit for a field, in hex.
const LONGEST_ROW: usize = 1 << 31;

impl Sessions {
    pub(super) fn new(pool: Pool, walls: Option<Walls>) -> Self {
        let connections = pool.connections();
        let keeping = (connections.saturating_sub(1) / 2).max(1);
        let spare = usize::from(connections > 2);
        let reading = connections.saturating_sub(keeping + spare).max(1);
        Self {
            pool,
            walls,
            cancelling: TaskTracker::new(),
            keeping: Arc::new(Semaphore::new(keeping)),
            reading: Arc::new(Semaphore::new(reading)),
        }
    }

    /// Waits for its turn and begins a transaction that holds a snapshot.
    ///
    /// # Errors
    /// Those of [`begin`](Self::begin).
    pub(super) async fn keep(&self, org: &OrgId) -> Result<Session> {
        let turn = Arc::clone(&self.keeping).acquire_owned().await.map_err(closed)?;
        self.begin_in(org, Some(turn), None).await
    }

    /// Whether nobody else can hold a snapshot at the moment.
    pub(super) fn all_keep(&self) -> bool {
        self.keeping.available_permits() == 0
    }

    /// The next turn to read; handed out in the order in which they were first asked for.
    pub(super) async fn turn(&self) -> Result<OwnedSemaphorePermit> {
        Arc::clone(&self.reading).acquire_owned().await.map_err(closed)
    }

    /// Begins a transaction in which every statement sees the same rows.
    ///
    /// # Errors
    /// `source_unavailable`, `source_denied`; and what the server says of the snapshot.
    pub(super) async fn begin(&self, org: &OrgId) -> Result<Session> {
        self.begin_in(org, None, None).await
    }

    /// The same, without a word about whose rows are read: of an own database none.
    ///
    /// # Errors
    /// Those of [`begin`](Self::begin).
    pub(super) async fn look(&self) -> Result<Session> {
        self.begin_by(BEGIN, None, None).await
    }

    /// The same, for whoever has waited for a turn.
    ///
    /// # Errors
    /// Those of [`begin`](Self::begin).
    pub(super) async fn begin_in(
        &self,
        org: &OrgId,
        turn: Option<OwnedSemaphorePermit>,
        snapshot: Option<&str>,
    ) -> Result<Session> {
        match self.walls {
            Some(walls) => {
                let begin = format!("{BEGIN}; {}", walls.enter(Reach::Org(org.as_str())));
                self.begin_by(&begin, turn, snapshot).await
            }
            None => self.begin_by(BEGIN, turn, snapshot).await,
        }
    }

    async fn begin_by(
        &self,
        begin: &str,
        turn: Option<OwnedSemaphorePermit>,
        snapshot: Option<&str>,
    ) -> Result<Session> {
        let (connection, process) = self.pool.begin(begin).await?;
        let session = Session {
            canceller: Some(self.pool.canceller(&connection)),
            connection: Some(connection),
            sessions: self.clone(),
            line: Line { pool: self.pool.clone(), process },
            _turn: turn,
        };
        if let Some(snapshot) = snapshot {
            let quoted = snapshot.replace('\'', "''");
            session.execute(&format!("SET TRANSACTION SNAPSHOT '{quoted}'")).await?;
        }
        Ok(session)
    }
}

fn closed(_: tokio::sync::AcquireError) -> Error {
    Error::new(ErrorKind::Unavailable, "the source is shutting down")
}

impl Session {
    fn connection(&self) -> Result<&Connection> {
        let gone = || Error::new(ErrorKind::Internal, "a session was used after its end");
        self.connection.as_ref().ok_or_else(gone)
    }

    /// Runs statements without parameters and answers.
    pub(super) async fn execute(&self, sql: &str) -> Result<()> {
        self.line.heard(self.connection()?.batch_execute(sql)).await
    }

    /// Lets other sessions see the snapshot of this one, by the name returned.
    pub(super) async fn export(&self) -> Result<String> {
        let row = self.line.heard(self.connection()?.query_one("SELECT pg_export_snapshot()", &[])).await?;
        row.try_get(0).map_err(|cause| self.line.error(cause))
    }

    /// Whether its server is a standby.
    pub(super) async fn in_recovery(&self) -> Result<bool> {
        let mut sql = Sql::default();
        sql.push("SELECT pg_is_in_recovery()::int::bigint");
        let [recovers] = self.numbers(&sql).await?;
        Ok(recovers != Some(0))
    }

    /// Ends the transaction and gives the connection back.
    pub(super) async fn end(mut self) -> Result<()> {
        self.execute("COMMIT").await?;
        self.canceller = None;
        drop(self.connection.take());
        Ok(())
    }

    /// Runs a statement that yields one row of numbers, each of which may be NULL.
    pub(super) async fn numbers<const N: usize>(&self, sql: &Sql) -> Result<[Option<i64>; N]> {
        let text = numbered(sql);
        let params: Vec<Text> = sql.params.iter().map(Text::new).collect::<Result<_>>()?;
        let params: Vec<&(dyn ToSql + Sync)> = params.iter().map(|param| param as &(dyn ToSql + Sync)).collect();
        let row = self.line.heard(self.connection()?.query_one(&text, &params)).await?;
        let mut numbers = [None; N];
        for (index, number) in numbers.iter_mut().enumerate() {
            *number = row.try_get(index).map_err(|cause| self.line.error(cause))?;
        }
        Ok(numbers)
    }

    /// Runs a statement whose rows have these columns, then columns of text; rows longer than the budget are refused.
    ///
    /// # Errors
    /// `schema_drift` if the columns are of other types now.
    pub(super) async fn rows(&self, sql: &Sql, columns: &[Column], budget: Option<&MemoryBudget>) -> Result<Rows> {
        let connection = self.connection()?;
        // In this order, within one transaction: what was described cannot change until it is read. Values are not
        // looked at for a description, and there may be many.
        let described = self.line.heard(connection.prepare(&numbered(sql))).await?;
        let fields = described.columns().len();
        let decoders = columns.iter().zip(described.columns());
        let decoders = decoders.map(|(column, described)| Decoder::new(column, described.type_()));
        let decoders = decoders.collect::<Result<Vec<_>>>()?;
        if fields < columns.len() {
            return Err(Error::new(ErrorKind::Internal, "a statement yields fewer columns than were asked for"));
        }
        let copy = format!("COPY ({}) TO STDOUT (FORMAT binary)", inlined(sql)?);
        let stream = self.line.heard(connection.copy_out(&copy)).await?;
        let longest = budget.map_or(LONGEST_ROW, |budget| usize::try_from(budget.limit()).unwrap_or(LONGEST_ROW));
        Ok(Rows { stream: Box::pin(stream), tuples: Tuples::new(fields, longest), decoders, line: self.line.clone() })
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let (Some(connection), Some(canceller)) = (self.connection.take(), self.canceller.take()) else { return };
        // Out of the pool: nobody knows in which state it is.
        let client = Connection::take(connection);
        if client.is_closed() {
            return;
        }
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            self.sessions.cancelling.spawn_on(
                async move {
                    canceller.cancel().await;
                    drop(client);
                },
                &runtime,
            );
        }
    }
}

/// The rows of a running statement.
pub(super) struct Rows {
    stream: std::pin::Pin<Box<CopyOutStream>>,
    tuples: Tuples,
    pub(super) decoders: Vec<Decoder>,
    line: Line,
}

impl Rows {
    /// The next row.
    pub(super) async fn next(&mut self) -> Result<Option<Tuple>> {
        loop {
            if let Some(tuple) = self.tuples.next()? {
                return Ok(Some(tuple));
            }
            let mut next = self.stream.try_next();
            // Most pieces are there already, and need nobody's patience.
            let piece = match futures::poll!(&mut next) {
                Poll::Ready(piece) => piece.map_err(|cause| self.line.error(cause))?,
                Poll::Pending => self.line.heard(next).await?,
            };
            match piece {
                Some(piece) => self.tuples.feed(piece),
                None => return self.tuples.finish().map(|()| None),
            }
        }
    }
}

/// Whether an error says that the session is of no more use.
pub(super) fn ends_session(error: &Error) -> bool {
    std::error::Error::source(error)
        .and_then(|cause| cause.downcast_ref::<tokio_postgres::Error>())
        .is_some_and(|cause| Trouble::of(cause).ends_session())
}

/// The statement with its values as numbered parameters.
fn numbered(sql: &Sql) -> String {
    sql.written(|text, index, _| text.push_str(&format!("${}", index + 1)))
}

/// The statement with its values as quoted literals: COPY takes no parameters.
fn inlined(sql: &Sql) -> Result<String> {
    let nul = || Error::new(ErrorKind::Internal, "a parameter holds the character NUL, which no value here has");
    let texts: Option<Vec<&str>> = sql.params.iter().map(text_of).collect();
    let sound = texts.is_some_and(|texts| texts.iter().all(|text| !text.contains('\0')));
    if !sound {
        return Err(nul());
    }
    Ok(sql.written(|text, _, value| match text_of(value) {
        Some(value) => quote(text, value),
        None => text.push_str("NULL"),
    }))
}

fn text_of(value: &SqlValue) -> Option<&str> {
    match value {
        SqlValue::Text(text) => Some(text),
        SqlValue::Null | SqlValue::Integer(_) | SqlValue::Real(_) | SqlValue::Blob(_) => None,
    }
}

/// A string that means the same whatever `standard_conforming_strings` is.
fn quote(out: &mut String, value: &str) {
    // The space keeps a word before it from becoming part of the mark.
    out.push_str(if value.contains('\\') { " E'" } else { "'" });
    for character in value.chars() {
        if matches!(character, '\'' | '\\') {
            out.push(character);
        }
        out.push(character);
    }
    out.push('\'');
}

/// A parameter in the syntax of its type's input.
#[derive(Debug)]
struct Text(Arc<str>);

impl Text {
    fn new(value: &SqlValue) -> Result<Self> {
        let text = text_of(value).ok_or_else(|| Error::new(ErrorKind::Internal, "a parameter is no text"))?;
        Ok(Self(text.into()))
    }
}

impl ToSql for Text {
    fn to_sql(
        &self,
        _ty: &Type,
        out: &mut bytes::BytesMut,
    ) -> std::result::Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        out.extend_from_slice(self.0.as_bytes());
        Ok(IsNull::No)
    }

    fn accepts(_ty: &Type) -> bool {
        true
    }

    fn encode_format(&self, _ty: &Type) -> Format {
        Format::Text
    }

    to_sql_checked!();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_end_where_they_end() {
        let written = |value: &str| {
            let mut sql = Sql::default();
            sql.push("= ");
            sql.bind_as(SqlValue::Text(value.to_owned()), "::text");
            inlined(&sql)
        };
        assert_eq!(written("it's; --").unwrap(), "= 'it''s; --'::text");
        assert_eq!(written("\\'").unwrap(), "=  E'\\\\'''::text");
        assert!(written("a\0").is_err());
    }
}
