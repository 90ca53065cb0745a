//! What happens to traces, read from the spans in the order of their commits.
//!
//! No row is written for it: a trace is created by the transaction that brings its first spans (`settled_seq`), and grows
//! with every later one. So what happened after any number is the same, whoever reads it and how often.

use std::sync::LazyLock;

use async_trait::async_trait;
use jiff::Timestamp;
use offtake_model::id::OrgId;
use offtake_model::{Error, ErrorKind, Result};

use super::relations::of_trace;
use crate::relation::Dialect;

/// Reads what happens to traces. Its reader keeps the position: the number up to which it has been told.
#[async_trait]
pub trait TraceEvents: Send + Sync + std::fmt::Debug {
    /// The number of the newest span that is settled, whoever's it is; 0 if there is none.
    async fn newest(&self) -> Result<u64>;

    /// What the spans after this number did to traces of these organizations (`None`: of all). At most `spans` are looked
    /// at, those of other organizations among them, by one statement.
    async fn after(&self, orgs: Option<&[OrgId]>, seq: u64, spans: u32) -> Result<TraceBatch>;
}

/// A piece of what happened.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct TraceBatch {
    /// The number up to which everything is in here or was before; that of the question if there is nothing new.
    pub upto: u64,
    /// Whether there may be more.
    pub more: bool,
    /// The traces that something happened to, in the order in which it did last.
    pub traces: Vec<TraceState>,
}

/// A trace that something happened to, as it is by now.
#[derive(Debug, Clone, PartialEq)]
pub struct TraceState {
    /// Whose it is.
    pub org: OrgId,
    /// Its id.
    pub trace_id: String,
    /// The number at which it was created, if that is in the piece.
    pub created: Option<u64>,
    /// The number at which it grew last, if it did in the piece.
    pub updated: Option<u64>,
    /// Of its root, or its first span that says one.
    pub provider: Option<String>,
    /// Of its root, or its first span that says one.
    pub model: Option<String>,
    /// Of its root, or its first span that says one.
    pub environment: Option<String>,
    /// Of its root, or its first span that says one.
    pub user_id: Option<String>,
    /// What its calls cost together, in nano-dollars.
    pub cost_nanos: Option<i64>,
    /// From its first beginning to its last end.
    pub duration_ms: Option<f64>,
    /// `OK`, `ERROR` or `UNSET`.
    pub status_code: String,
    /// When it began.
    pub started_at: Timestamp,
}

/// A row of [`statement`], as a backend reads it.
pub(super) struct Row {
    pub(super) upto: Option<i64>,
    pub(super) read: i64,
    /// `None`: the row says only how far was read.
    pub(super) trace: Option<RowOfTrace>,
}

pub(super) struct RowOfTrace {
    pub(super) org: String,
    pub(super) trace_id: String,
    pub(super) settled: i64,
    pub(super) newest: i64,
    /// Provider, model, environment, user.
    pub(super) texts: [Option<String>; 4],
    pub(super) cost_nanos: Option<i64>,
    pub(super) duration_ms: Option<f64>,
    pub(super) status_code: String,
    pub(super) started_micros: i64,
}

/// What [`statement`] yields for a trace, behind `upto` and `read`.
fn columns(dialect: Dialect) -> String {
    let text = |name: &str| of_trace(dialect, name);
    let (cost, started) = match dialect {
        Dialect::Sqlite => (text("cost_usd"), "t.started_at".to_owned()),
        Dialect::Postgres => (
            format!("CAST({} * 1000000000 AS bigint)", text("cost_usd")),
            "CAST(extract(epoch FROM t.started_at) * 1000000 AS bigint)".to_owned(),
        ),
    };
    let names = ["provider", "model", "environment", "user_id"].map(text).join(", ");
    let (duration, status) = (text("duration_ms"), text("status_code"));
    format!("t.org_id, t.trace_id, t.settled_seq, told.newest, {names}, {cost}, {duration}, {status}, {started}")
}

/// One statement for all organizations: the spans after a number (parameter 1), at most so many (2), of these organizations
/// (3: a JSON array in SQLite, an array in Postgres; NULL: all). One row at least.
fn statement(dialect: Dialect) -> String {
    let (after, most, of_orgs) = match dialect {
        Dialect::Sqlite => ("?1", "?2", "(?3 IS NULL OR org_id IN (SELECT value FROM json_each(?3)))"),
        Dialect::Postgres => ("$1::bigint", "$2::bigint", "($3::text[] IS NULL OR org_id = ANY($3::text[]))"),
    };
    format!(
        "WITH read AS MATERIALIZED (SELECT ingest_seq, org_id, trace_id FROM spans WHERE ingest_seq > {after} \
             ORDER BY ingest_seq LIMIT {most}), \
         told AS MATERIALIZED (SELECT org_id, trace_id, max(ingest_seq) AS newest FROM read WHERE {of_orgs} \
             GROUP BY org_id, trace_id) \
         SELECT reach.upto, reach.spans, {} \
         FROM (SELECT max(ingest_seq) AS upto, count(*) AS spans FROM read) reach \
         LEFT JOIN told ON true \
         LEFT JOIN traces t ON t.org_id = told.org_id AND t.trace_id = told.trace_id \
         ORDER BY told.newest",
        columns(dialect)
    )
}

pub(super) static SQLITE: LazyLock<String> = LazyLock::new(|| statement(Dialect::Sqlite));
pub(super) static POSTGRES: LazyLock<String> = LazyLock::new(|| statement(Dialect::Postgres));

/// Rows of [`statement`] as a batch; `after` and `most` are what was asked.
pub(super) fn batch(rows: impl IntoIterator<Item = Row>, after: u64, most: u32) -> Result<TraceBatch> {
    let mut batch = TraceBatch { upto: after, ..TraceBatch::default() };
    for row in rows {
        batch.upto = row.upto.map_or(after, number);
        batch.more = row.read >= i64::from(most);
        if let Some(trace) = row.trace {
            batch.traces.extend(state(trace, after, batch.upto)?);
        }
    }
    Ok(batch)
}

/// What happened to a trace; `None` if the transaction that created it goes on behind the piece.
fn state(row: RowOfTrace, after: u64, upto: u64) -> Result<Option<TraceState>> {
    let (settled, newest) = (number(row.settled), number(row.newest));
    if settled > upto {
        return Ok(None);
    }
    let unreadable = || Error::new(ErrorKind::Internal, "a trace in the span store cannot be read");
    let [provider, model, environment, user_id] = row.texts;
    Ok(Some(TraceState {
        org: OrgId::new(row.org).map_err(|_| unreadable())?,
        trace_id: row.trace_id,
        created: (settled > after).then_some(settled),
        updated: (newest > settled).then_some(newest),
        provider,
        model,
        environment,
        user_id,
        cost_nanos: row.cost_nanos,
        duration_ms: row.duration_ms,
        status_code: row.status_code,
        started_at: Timestamp::from_microsecond(row.started_micros).map_err(|_| unreadable())?,
    }))
}

pub(super) fn number(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(0)
}

/// A number as a database takes it.
pub(super) fn bound(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
