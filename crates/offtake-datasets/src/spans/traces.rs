//! What the spans of a trace add up to: one aggregate, used to keep the table and to look back.
//!
//! The aggregate is a monoid: every column of two sets of spans taken together follows from the two sets' columns
//! (sums add, the better placed text is a minimum). So the table is kept by merging in what a transaction brought,
//! at a cost that does not depend on how long the trace already is, and a trace at an older cut-off is the same
//! aggregate over its spans up to there.

use crate::relation::Dialect;

/// The spans that an aggregate reads, one row each, with what several of its columns need computed once. `first`
/// says how well placed a span is, in a fixed number of characters: roots first, then the earliest; `last` says it for
/// the latest, where the maximum is the best. Long texts are left out: the rows are sorted by trace.
///
/// Agents and other wrappers repeat what the calls within them used; their numbers would count twice.
fn placed(dialect: Dialect) -> String {
    let counted = ["prompt_tokens", "completion_tokens", "total_tokens", "cost_usd"]
        .map(|column| format!("CASE WHEN s.type NOT IN ('agent', 'other') THEN s.{column} END AS {column}"));
    let place = |root: u8| {
        let child = 1 - root;
        let start = match dialect {
            Dialect::Sqlite => "printf('%017d', s.started_at)",
            Dialect::Postgres => "to_char(s.started_at AT TIME ZONE 'UTC', 'YYYYMMDDHH24MISSUS')",
        };
        format!("CASE WHEN s.parent_span_id IS NULL THEN '{root}' ELSE '{child}' END || {start} || s.span_id")
    };
    format!(
        "SELECT s.org_id, s.trace_id, s.ingest_seq, s.started_at, s.ended_at, s.status_code, s.type, s.name, \
         s.service, s.provider, s.model, s.environment, s.user_id, s.session_id, s.project_id, s.document_uuid, \
         s.commit_uuid, s.experiment_uuid, s.test_deployment_id, {counted}, \
         CASE WHEN s.input IS NOT NULL THEN s.ingest_seq END AS input_seq, \
         CASE WHEN s.output IS NOT NULL THEN s.ingest_seq END AS output_seq, \
         {first} AS first, {last} AS last FROM spans s",
        counted = counted.join(", "),
        first = place(0),
        last = place(1),
    )
}

/// Where the text itself begins in a column that begins with how well placed it is, counted from 1.
const fn text_at(dialect: Dialect) -> u8 {
    match dialect {
        // The microseconds in 17 digits.
        Dialect::Sqlite => 1 + 17 + 16 + 1,
        // Date and time in 20.
        Dialect::Postgres => 1 + 20 + 16 + 1,
    }
}

/// How a column of two parts follows from the parts.
#[derive(Clone, Copy)]
enum Merge {
    Add,
    Least,
    Greatest,
}

/// A column of the table: its name, the aggregate over placed spans `p`, its affinity in SQLite, how parts merge.
type Column = (&'static str, &'static str, &'static str, Merge);

const NUMBERS: &[Column] = &[
    ("last_seq", "max(p.ingest_seq)", "INTEGER", Merge::Greatest),
    ("started_at", "min(p.started_at)", "INTEGER", Merge::Least),
    ("ended_at", "max(p.ended_at)", "INTEGER", Merge::Greatest),
    ("span_count", "count(*)", "INTEGER", Merge::Add),
    ("error_count", "count(*) FILTER (WHERE p.status_code = 'ERROR')", "INTEGER", Merge::Add),
    ("prompt_tokens", "CAST(sum(p.prompt_tokens) AS bigint)", "INTEGER", Merge::Add),
    ("completion_tokens", "CAST(sum(p.completion_tokens) AS bigint)", "INTEGER", Merge::Add),
    ("total_tokens", "CAST(sum(p.total_tokens) AS bigint)", "INTEGER", Merge::Add),
];

const TEXTS: &[Column] = &[
    ("first_name", "min(p.first || p.name)", "TEXT", Merge::Least),
    ("first_type", "min(p.first || p.type)", "TEXT", Merge::Least),
    ("first_status", "min(p.first || p.status_code)", "TEXT", Merge::Least),
    ("first_project", "min(p.first || p.project_id)", "TEXT", Merge::Least),
    ("first_document", "min(p.first || p.document_uuid)", "TEXT", Merge::Least),
    ("first_commit", "min(p.first || p.commit_uuid)", "TEXT", Merge::Least),
    ("first_experiment", "min(p.first || p.experiment_uuid)", "TEXT", Merge::Least),
    ("first_deployment", "min(p.first || p.test_deployment_id)", "TEXT", Merge::Least),
    ("first_service", "min(p.first || p.service)", "TEXT", Merge::Least),
    ("first_provider", "min(p.first || p.provider)", "TEXT", Merge::Least),
    ("first_model", "min(p.first || p.model)", "TEXT", Merge::Least),
    ("first_environment", "min(p.first || p.environment)", "TEXT", Merge::Least),
    ("first_user", "min(p.first || p.user_id)", "TEXT", Merge::Least),
    ("first_session", "min(p.first || p.session_id)", "TEXT", Merge::Least),
    ("first_input", "min(p.first || p.input_seq)", "TEXT", Merge::Least),
    ("last_output", "max(p.last || p.output_seq)", "TEXT", Merge::Greatest),
];

fn columns(dialect: Dialect) -> impl Iterator<Item = Column> {
    let costs: &[Column] = match dialect {
        // In two, so that neither sum can overflow.
        Dialect::Sqlite => &[
            ("cost_dollars", "sum(p.cost_usd / 1000000000)", "INTEGER", Merge::Add),
            ("cost_nanos", "sum(p.cost_usd % 1000000000)", "INTEGER", Merge::Add),
        ],
        Dialect::Postgres => &[("cost_usd", "sum(p.cost_usd)", "", Merge::Add)],
    };
    NUMBERS.iter().chain(costs).chain(TEXTS).copied()
}

/// The aggregate of the spans that pass `filter`, one row per trace.
///
/// The limit that limits nothing keeps the inner statement from being folded into the outer one, where it would be
/// computed once for each column.
fn aggregate(dialect: Dialect, filter: &str) -> String {
    let columns: Vec<String> = columns(dialect).map(|(name, sql, ..)| format!("{sql} AS {name}")).collect();
    let apart = match dialect {
        Dialect::Sqlite => "LIMIT -1",
        Dialect::Postgres => "OFFSET 0",
    };
    format!(
        "SELECT p.org_id AS org_id, p.trace_id AS trace_id, {} FROM ({} WHERE {filter} {apart}) p \
         GROUP BY p.org_id, p.trace_id",
        columns.join(", "),
        placed(dialect),
    )
}

/// The statement that merges spans with a sequence above its parameter into the table. Runs in the transaction that
/// added them.
pub(super) fn merge_statement(dialect: Dialect) -> String {
    let names: Vec<&str> = columns(dialect).map(|(name, ..)| name).collect();
    let extreme = |name: &str, sqlite: &str, postgres: &str| match dialect {
        // Of NULL and a value SQLite's is NULL, that of Postgres the value.
        Dialect::Sqlite => {
            format!("{name} = coalesce({sqlite}(traces.{name}, excluded.{name}), traces.{name}, excluded.{name})")
        }
        Dialect::Postgres => format!("{name} = {postgres}(traces.{name}, excluded.{name})"),
    };
    let merges: Vec<String> = columns(dialect)
        .map(|(name, _, _, merge)| match merge {
            Merge::Add => {
                format!("{name} = coalesce(traces.{name} + excluded.{name}, traces.{name}, excluded.{name})")
            }
            Merge::Least => extreme(name, "min", "least"),
            Merge::Greatest => extreme(name, "max", "greatest"),
        })
        .collect();
    let parameter = match dialect {
        Dialect::Sqlite => "?1",
        Dialect::Postgres => "$1",
    };
    format!(
        "INSERT INTO traces (org_id, trace_id, {names}, settled_seq) \
         SELECT a.org_id, a.trace_id, {from}, a.last_seq FROM ({aggregate}) a WHERE true \
         ON CONFLICT (org_id, trace_id) DO UPDATE SET {merges}",
        names = names.join(", "),
        from = names.iter().map(|name| format!("a.{name}")).collect::<Vec<_>>().join(", "),
        aggregate = aggregate(dialect, &format!("s.ingest_seq > {parameter}")),
        merges = merges.join(", "),
    )
}

/// Whether a span `s` is there at `:cutoff`. In Postgres in a form that no index serves: half of all spans may be older,
/// and the planner would rather walk through them than find the few that are asked for.
pub(super) const fn span_cutoff(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Sqlite => "s.ingest_seq <= :cutoff",
        Dialect::Postgres => "s.ingest_seq + 0 <= :cutoff",
    }
}

/// The FROM clause, alias `t`, of traces at `:cutoff`: the rows that are settled there as they stand, and those that
/// have grown since recomputed. `chosen` joins a table of trace ids (`c.c0`) in front of both.
///
/// Both arms are scoped by `:org` within, so that each can use its index; a range of the key is pushed into both.
/// Postgres reads the first arm in the order of its index only if there are no conditions in it: they are those of
/// [`scope`], outside, which hold for the second arm by themselves.
pub(super) fn at_cutoff(dialect: Dialect, chosen: bool) -> String {
    let names = |alias: &str, cast: bool| {
        let column = |name: &str, affinity: &str| match (cast, dialect) {
            // Without the cast the arms differ in affinity and the two cannot be merged in key order.
            (true, Dialect::Sqlite) => format!("CAST({alias}.{name} AS {affinity}) AS {name}"),
            (false, _) | (_, Dialect::Postgres) => format!("{alias}.{name} AS {name}"),
        };
        let own = [column("org_id", "TEXT"), column("trace_id", "TEXT")];
        let rest = columns(dialect).map(|(name, _, affinity, _)| column(name, affinity));
        own.into_iter().chain(rest).collect::<Vec<_>>().join(", ")
    };
    let first = match (chosen, dialect) {
        (false, _) => "",
        (true, Dialect::Sqlite) => "temp.chosen c CROSS JOIN ",
        (true, Dialect::Postgres) => ":chosen c CROSS JOIN ",
    };
    let settled = match (chosen, dialect) {
        (false, Dialect::Postgres) => "",
        (false, Dialect::Sqlite) => " WHERE r.org_id = :org AND r.last_seq <= :cutoff",
        (true, _) => " WHERE r.trace_id = c.c0 AND r.org_id = :org AND r.last_seq <= :cutoff",
    };
    // The unary plus keeps the planner from the index of grown traces where trace ids are given.
    let grown_join = if chosen { "g.trace_id = c.c0 AND +" } else { "" };
    let recomputed = aggregate(
        dialect,
        &format!(
            "{cutoff} AND s.org_id = :org AND s.trace_id IN (SELECT g.trace_id FROM {first}traces g \
             WHERE {grown_join}g.last_seq > :cutoff AND g.settled_seq <= :cutoff AND g.last_seq > g.settled_seq \
             AND g.org_id = :org)",
            cutoff = span_cutoff(dialect),
        ),
    );
    format!(
        "(SELECT {as_they_stand} FROM {first}traces r{settled} UNION ALL SELECT {grown} FROM ({recomputed}) a) t",
        as_they_stand = names("r", false),
        grown = names("a", true),
    )
}

/// The conditions on the organization and the cut-off that [`at_cutoff`] leaves to whoever reads it.
pub(super) fn scope(dialect: Dialect) -> [Option<String>; 2] {
    match dialect {
        Dialect::Sqlite => [None, None],
        Dialect::Postgres => [Some("t.org_id = :org".to_owned()), Some("t.last_seq <= :cutoff".to_owned())],
    }
}

/// The text itself of a column of [`at_cutoff`] that begins with how well placed it is. In SQLite by way of bytes,
/// because it ends a text at its first NUL when it counts characters.
pub(super) fn text_of(dialect: Dialect, column: &str) -> String {
    let at = text_at(dialect);
    match dialect {
        Dialect::Sqlite => format!("CAST(substr(CAST(t.{column} AS BLOB), {at}) AS TEXT)"),
        Dialect::Postgres => format!("substr(t.{column}, {at})"),
    }
}

/// The value of `of` in the span that a column of [`at_cutoff`] names.
pub(super) fn held_by(dialect: Dialect, column: &str, of: &str) -> String {
    let at = text_at(dialect);
    format!("(SELECT h.{of} FROM spans h WHERE h.ingest_seq = CAST(substr(t.{column}, {at}) AS bigint))")
}
