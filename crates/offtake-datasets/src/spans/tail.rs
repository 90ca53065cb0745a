//! Spans in the order of their commits, as far as whoever counts for alert rules and budgets needs them.
//!
//! Which span stands for its trace is decided here: the first root. `docs/api.md` says so to people.

use std::sync::LazyLock;

use async_trait::async_trait;
use offtake_model::alert::Usd;
use offtake_model::id::OrgId;
use offtake_model::{Error, ErrorKind, Result};

use super::events::bound;
use super::relations::of_trace;
use crate::relation::Dialect;

/// Reads spans by number. Its reader keeps the position.
#[async_trait]
pub trait SpanTail: Send + Sync + std::fmt::Debug {
    /// The number of the newest span that is settled, whoever's it is; 0 if there is none.
    async fn last(&self) -> Result<u64>;

    /// The spans of these organizations after one number, up to another, in order.
    async fn between(&self, orgs: &[OrgId], after: u64, upto: u64) -> Result<Vec<TailSpan>>;

    /// What an organization spent in a time.
    async fn spent(&self, asked: &SpentIn<'_>) -> Result<Usd>;
}

/// What is asked of [`SpanTail::spent`].
#[derive(Debug, Clone, Copy)]
pub struct SpentIn<'a> {
    /// Whose money.
    pub org: &'a OrgId,
    /// Only with this provider.
    pub provider: Option<&'a str>,
    /// Spans that began at this moment or later,
    pub from: i64,
    /// and before this one; microseconds since the epoch.
    pub to: i64,
    /// Spans up to this number.
    pub upto: u64,
}

/// A span, as far as it counts.
#[derive(Debug, Clone, PartialEq)]
pub struct TailSpan {
    /// Its number.
    pub seq: u64,
    /// Whose it is.
    pub org: OrgId,
    /// Its own provider, model, environment, user, service and project, or else its trace's.
    pub texts: [Option<String>; 6],
    /// When it began, in microseconds since the epoch.
    pub started_at: i64,
    /// When it ended.
    pub ended_at: Option<i64>,
    /// Tokens; none for what only repeats those of the calls within it.
    pub tokens: i64,
    /// Cost, likewise.
    pub cost: Usd,
    /// What it says of its trace, if it stands for it.
    pub trace: Option<Root>,
}

/// A trace whose root is in.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Root {
    /// Whether the root, or anything below it that is in as well, failed.
    pub failed: bool,
    /// How long the root took.
    pub duration_ms: Option<f64>,
}

/// A row of [`statement`], as a backend reads it.
pub(super) struct Row {
    pub(super) seq: i64,
    pub(super) org: String,
    pub(super) texts: [Option<String>; 6],
    pub(super) started_at: i64,
    pub(super) ended_at: Option<i64>,
    pub(super) tokens: Option<i64>,
    pub(super) cost_nanos: Option<i64>,
    /// Whether its trace failed; `None` if it does not stand for it.
    pub(super) failed: Option<i64>,
    pub(super) duration_ms: Option<f64>,
}

impl Row {
    pub(super) fn span(self) -> Result<TailSpan> {
        let unreadable = || Error::new(ErrorKind::Internal, "a span in the span store cannot be read");
        let root = |failed: i64| Root { failed: failed != 0, duration_ms: self.duration_ms };
        Ok(TailSpan {
            seq: self.seq.unsigned_abs(),
            org: OrgId::new(self.org).map_err(|_| unreadable())?,
            texts: self.texts,
            started_at: self.started_at,
            ended_at: self.ended_at,
            tokens: self.tokens.unwrap_or(0),
            cost: Usd::from_nanos(self.cost_nanos.unwrap_or(0).into()),
            trace: self.failed.map(root),
        })
    }
}

/// Agents and other wrappers repeat what the calls within them used.
const COUNTED: &str = "s.type NOT IN ('agent', 'other')";

/// Parameters: after, up to, organizations (a JSON array in SQLite, an array in Postgres).
fn statement(dialect: Dialect) -> String {
    let (after, upto, of_orgs) = match dialect {
        Dialect::Sqlite => ("?1", "?2", "s.org_id IN (SELECT value FROM json_each(?3))"),
        Dialect::Postgres => ("$1::bigint", "$2::bigint", "s.org_id = ANY($3::text[])"),
    };
    let (micros, cost) = match dialect {
        Dialect::Sqlite => (["s.started_at", "s.ended_at"].map(str::to_owned), "s.cost_usd"),
        Dialect::Postgres => (
            ["s.started_at", "s.ended_at"]
                .map(|column| format!("CAST(extract(epoch FROM {column}) * 1000000 AS bigint)")),
            "CAST(s.cost_usd * 1000000000 AS bigint)",
        ),
    };
    let texts = ["provider", "model", "environment", "user_id", "service", "project_id"]
        .map(|name| format!("coalesce(s.{name}, {})", of_trace(dialect, name)))
        .join(", ");
    let [started, ended] = micros;
    // An earlier root of the same trace is found by the trace's index, and only roots look for one.
    format!(
        "SELECT s.ingest_seq, s.org_id, {texts}, {started}, {ended}, \
         CASE WHEN {COUNTED} THEN s.total_tokens END, CASE WHEN {COUNTED} THEN {cost} END, \
         CASE WHEN s.parent_span_id IS NULL AND NOT EXISTS (SELECT 1 FROM spans o WHERE o.org_id = s.org_id \
             AND o.trace_id = s.trace_id AND o.parent_span_id IS NULL AND o.ingest_seq < s.ingest_seq) \
         THEN CAST(CASE WHEN t.error_count > 0 THEN 1 ELSE 0 END AS bigint) END, s.duration_ms \
         FROM spans s JOIN traces t ON t.org_id = s.org_id AND t.trace_id = s.trace_id \
         WHERE s.ingest_seq > {after} AND s.ingest_seq <= {upto} AND {of_orgs} ORDER BY s.ingest_seq"
    )
}

/// Parameters: organization, from, to, up to, provider or NULL. In two parts, so that neither sum can overflow.
pub(super) const SPENT_SQLITE: &str = "SELECT coalesce(sum(s.cost_usd / 1000000000), 0), \
    coalesce(sum(s.cost_usd % 1000000000), 0) FROM spans s \
    WHERE s.org_id = ?1 AND s.started_at >= ?2 AND s.started_at < ?3 AND s.ingest_seq <= ?4 \
    AND (?5 IS NULL OR s.provider = ?5 OR s.provider IS NULL AND EXISTS (SELECT 1 FROM traces t WHERE t.org_id = s.org_id \
    AND t.trace_id = s.trace_id AND CAST(substr(CAST(t.first_provider AS BLOB), 35) AS TEXT) = ?5)) \
    AND s.type NOT IN ('agent', 'other')";

/// The same; moments in microseconds.
pub(super) const SPENT_POSTGRES: &str = "SELECT CAST(coalesce(trunc(sum(s.cost_usd)), 0) AS bigint), \
    CAST(coalesce((sum(s.cost_usd) - trunc(sum(s.cost_usd))) * 1000000000, 0) AS bigint) FROM spans s \
    WHERE s.org_id = $1 AND s.started_at >= to_timestamp(0) + $2::bigint * interval '1 microsecond' \
    AND s.started_at < to_timestamp(0) + $3::bigint * interval '1 microsecond' AND s.ingest_seq + 0 <= $4::bigint \
    AND ($5::text IS NULL OR s.provider = $5::text OR s.provider IS NULL AND EXISTS (SELECT 1 FROM traces t \
    WHERE t.org_id = s.org_id AND t.trace_id = s.trace_id AND substr(t.first_provider, 38) = $5::text)) \
    AND s.type NOT IN ('agent', 'other')";

pub(super) static SQLITE: LazyLock<String> = LazyLock::new(|| statement(Dialect::Sqlite));
pub(super) static POSTGRES: LazyLock<String> = LazyLock::new(|| statement(Dialect::Postgres));

/// Dollars and what is left of them.
pub(super) fn usd(dollars: i64, nanos: i64) -> Usd {
    Usd::from_nanos(i128::from(dollars) * 1_000_000_000 + i128::from(nanos))
}

/// The limits of a piece, as a database takes them.
pub(super) fn bounds(after: u64, upto: u64) -> (i64, i64) {
    (bound(after), bound(upto))
}
