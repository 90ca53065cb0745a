//! What the spans of a trace add up to: one aggregate, used to keep the table and to look back.
//!
//! The aggregate is a monoid: every column of two sets of spans taken together follows from the two sets' columns
//! (sums add, the better placed text is a minimum). So the table is kept by merging in what a transaction brought,
//! at a cost that does not depend on how long the trace already is, and a trace at an older cut-off is the same
//! aggregate over its spans up to there.

/// The spans that an aggregate reads, one row each, with what several of its columns need computed once. `first`
/// says how well placed a span is, as 34 characters: roots first, then the earliest; `last` says it for the latest,
/// where the maximum is the best. Long texts are left out: the rows are sorted by trace.
///
/// Agents and other wrappers repeat what the calls within them used; their numbers would count twice.
const PLACED: &str = "SELECT s.org_id, s.trace_id, s.ingest_seq, s.started_at, s.ended_at, s.status_code, \
    s.status_code = 'ERROR' AS failed, s.type, s.name, s.service, s.provider, s.model, s.environment, s.user_id, \
    s.session_id, s.project_id, s.document_uuid, s.commit_uuid, s.experiment_uuid, s.test_deployment_id, \
    CASE WHEN s.type NOT IN ('agent', 'other') THEN s.prompt_tokens END AS prompt_tokens, \
    CASE WHEN s.type NOT IN ('agent', 'other') THEN s.completion_tokens END AS completion_tokens, \
    CASE WHEN s.type NOT IN ('agent', 'other') THEN s.total_tokens END AS total_tokens, \
    CASE WHEN s.type NOT IN ('agent', 'other') THEN s.cost_usd END AS cost_usd, \
    CASE WHEN s.input IS NOT NULL THEN s.ingest_seq END AS input_seq, \
    CASE WHEN s.output IS NOT NULL THEN s.ingest_seq END AS output_seq, \
    (s.parent_span_id IS NOT NULL) || printf('%017d', s.started_at) || s.span_id AS first, \
    (s.parent_span_id IS NULL) || printf('%017d', s.started_at) || s.span_id AS last \
    FROM spans s";

/// Characters of `first` and `last`, and one: where the text itself begins.
const TEXT_AT: u8 = 35;

/// How a column of two parts follows from the parts.
#[derive(Clone, Copy)]
enum Merge {
    Add,
    Least,
    Greatest,
}

/// A column of the table: its name, the aggregate over placed spans `p`, its affinity, how parts merge.
type Column = (&'static str, &'static str, &'static str, Merge);

const COLUMNS: &[Column] = &[
    ("last_seq", "max(p.ingest_seq)", "INTEGER", Merge::Greatest),
    ("started_at", "min(p.started_at)", "INTEGER", Merge::Least),
    ("ended_at", "max(p.ended_at)", "INTEGER", Merge::Greatest),
    ("span_count", "count(*)", "INTEGER", Merge::Add),
    ("error_count", "sum(p.failed)", "INTEGER", Merge::Add),
    ("prompt_tokens", "sum(p.prompt_tokens)", "INTEGER", Merge::Add),
    ("completion_tokens", "sum(p.completion_tokens)", "INTEGER", Merge::Add),
    ("total_tokens", "sum(p.total_tokens)", "INTEGER", Merge::Add),
    ("cost_dollars", "sum(p.cost_usd / 1000000000)", "INTEGER", Merge::Add),
    ("cost_nanos", "sum(p.cost_usd % 1000000000)", "INTEGER", Merge::Add),
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

/// The aggregate of the spans that pass `filter`, one row per trace.
///
/// `LIMIT -1` limits nothing: it keeps SQLite from folding the inner statement into the outer one.
fn aggregate(filter: &str) -> String {
    let columns: Vec<String> = COLUMNS.iter().map(|(name, sql, ..)| format!("{sql} AS {name}")).collect();
    format!(
        "SELECT p.org_id AS org_id, p.trace_id AS trace_id, {} FROM ({PLACED} WHERE {filter} LIMIT -1) p \
         GROUP BY p.org_id, p.trace_id",
        columns.join(", ")
    )
}

/// The statement that merges spans with a sequence above `?1` into the table. Runs in the transaction that added them.
pub(super) fn merge_statement() -> String {
    let names: Vec<&str> = COLUMNS.iter().map(|(name, ..)| *name).collect();
    let merges: Vec<String> = COLUMNS
        .iter()
        .map(|(name, _, _, merge)| match merge {
            Merge::Add => format!("{name} = coalesce({name} + excluded.{name}, {name}, excluded.{name})"),
            Merge::Least => format!("{name} = coalesce(min({name}, excluded.{name}), {name}, excluded.{name})"),
            Merge::Greatest => format!("{name} = coalesce(max({name}, excluded.{name}), {name}, excluded.{name})"),
        })
        .collect();
    format!(
        "INSERT INTO traces (org_id, trace_id, {names}, settled_seq) \
         SELECT a.org_id, a.trace_id, {from}, a.last_seq FROM ({aggregate}) a WHERE true \
         ON CONFLICT (org_id, trace_id) DO UPDATE SET {merges}",
        names = names.join(", "),
        from = names.iter().map(|name| format!("a.{name}")).collect::<Vec<_>>().join(", "),
        aggregate = aggregate("s.ingest_seq > ?1"),
        merges = merges.join(", "),
    )
}

/// The FROM clause, alias `t`, of traces at `:cutoff`: the rows that are settled there as they stand, and those that
/// have grown since recomputed. `chosen` joins a table of trace ids (`c.c0`) in front of both.
///
/// Both arms are scoped by `:org` within, so that each can use its index; a range of the key is pushed into both.
pub(super) fn at_cutoff(chosen: bool) -> String {
    let names = |alias: &str, cast: bool| {
        let column = |name: &str, affinity: &str| match cast {
            // Without the cast the arms differ in affinity and the two cannot be merged in key order.
            true => format!("CAST({alias}.{name} AS {affinity}) AS {name}"),
            false => format!("{alias}.{name} AS {name}"),
        };
        let own = [column("org_id", "TEXT"), column("trace_id", "TEXT")];
        let rest = COLUMNS.iter().map(|(name, _, affinity, _)| column(name, affinity));
        own.into_iter().chain(rest).collect::<Vec<_>>().join(", ")
    };
    let settled_from = if chosen { "temp.chosen c CROSS JOIN traces r" } else { "traces r" };
    let grown_from = if chosen { "temp.chosen c CROSS JOIN traces g" } else { "traces g" };
    let settled_join = if chosen { "r.trace_id = c.c0 AND " } else { "" };
    // The unary plus keeps the planner from the index of grown traces where trace ids are given.
    let grown_join = if chosen { "g.trace_id = c.c0 AND +" } else { "" };
    let recomputed = aggregate(&format!(
        "s.ingest_seq <= :cutoff AND s.org_id = :org AND s.trace_id IN (SELECT g.trace_id FROM {grown_from} \
         WHERE {grown_join}g.last_seq > :cutoff AND g.settled_seq <= :cutoff AND g.last_seq > g.settled_seq \
         AND g.org_id = :org)"
    ));
    format!(
        "(SELECT {settled} FROM {settled_from} WHERE {settled_join}r.org_id = :org AND r.last_seq <= :cutoff \
         UNION ALL SELECT {grown} FROM ({recomputed}) a) t",
        settled = names("r", false),
        grown = names("a", true),
    )
}

/// The text itself of a column of [`at_cutoff`] that begins with how well placed it is. By way of bytes, because
/// SQLite ends a text at its first NUL when it counts characters.
pub(super) fn text_of(column: &str) -> String {
    format!("CAST(substr(CAST(t.{column} AS BLOB), {TEXT_AT}) AS TEXT)")
}

/// The value of `of` in the span that a column of [`at_cutoff`] names.
pub(super) fn held_by(column: &str, of: &str) -> String {
    format!("(SELECT h.{of} FROM spans h WHERE h.ingest_seq = CAST(substr(t.{column}, {TEXT_AT}) AS INTEGER))")
}
