//! How the datasets `spans`, `traces` and `prompts` lie in SQLite and in Postgres.
//!
//! The tables have the same names and columns in both; Postgres' are found by the `search_path` of its sessions.

use std::collections::BTreeMap;

use offtake_model::dataset::ColumnType;

use super::datasets::{COMPLETION_COLUMNS, Described, SPAN_COLUMNS, TRACE_COLUMNS};
use super::traces::{self, span_cutoff};
use crate::relation::{Dialect, Relation, Stored};

/// Columns of `prompts` that are not the span's own; `k` is its completion.
const OF_COMPLETION: &[(&str, &str)] = &[
    ("provider", "coalesce(s.provider, k.provider)"),
    ("model", "coalesce(s.model, k.model)"),
    ("prompt_tokens", "coalesce(s.prompt_tokens, k.prompt_tokens)"),
    ("completion_tokens", "coalesce(k.completion_tokens, s.completion_tokens)"),
    ("total_tokens", "coalesce(k.total_tokens, s.total_tokens)"),
    ("cost_usd", "coalesce(k.cost_usd, s.cost_usd)"),
    ("completion_span_id", "k.span_id"),
    ("completion", "coalesce(k.output, s.output)"),
    ("completion_status_code", "coalesce(k.status_code, s.status_code)"),
    ("completion_ended_at", "coalesce(k.ended_at, s.ended_at)"),
    ("completion_attributes", "k.attributes"),
];

/// Texts that Offtake makes itself: no need to escape them.
const PLAIN: [&str; 8] = [
    "trace_id",
    "span_id",
    "parent_span_id",
    "org_id",
    "type",
    "status_code",
    "completion_span_id",
    "completion_status_code",
];

/// Chosen spans, found by their identities. Postgres finds its own way to them.
fn chosen_spans(dialect: Dialect, completion: &str) -> Option<String> {
    let chosen = "temp.chosen c CROSS JOIN spans s ON s.trace_id = c.c0 AND s.span_id = c.c1 AND s.org_id = :org";
    (dialect == Dialect::Sqlite).then(|| format!("{chosen} {completion}"))
}

/// How the datasets lie in the store, by name.
pub(super) fn relations(dialect: Dialect) -> BTreeMap<String, Relation> {
    let of_prompts = [SPAN_COLUMNS, COMPLETION_COLUMNS].concat();
    let all: [(&str, Relation, &[Described]); 3] = [
        ("spans", spans(dialect), SPAN_COLUMNS),
        ("traces", traces(dialect), TRACE_COLUMNS),
        ("prompts", prompts(dialect), &of_prompts),
    ];
    all.into_iter().map(|(name, relation, columns)| (name.to_owned(), typed(relation, dialect, columns))).collect()
}

/// Says for Postgres what the columns are.
fn typed(relation: Relation, dialect: Dialect, columns: &[Described]) -> Relation {
    if dialect == Dialect::Sqlite {
        return relation;
    }
    let ty = |ty: &ColumnType| match ty {
        ColumnType::Text => "text",
        ColumnType::Json => "json",
        ColumnType::Int64 => "bigint",
        ColumnType::Float64 => "double precision",
        ColumnType::Bool => "boolean",
        ColumnType::Decimal { .. } => "numeric",
        ColumnType::Timestamp => "timestamp with time zone",
        ColumnType::Date => "date",
    };
    let escaped = columns.iter().filter(|(name, ty, _)| *ty == ColumnType::Text && !PLAIN.contains(name));
    Relation {
        dialect,
        types: columns.iter().map(|(name, column, _)| ((*name).to_owned(), ty(column).to_owned())).collect(),
        stored: escaped.map(|(name, ..)| ((*name).to_owned(), Stored::Escaped)).collect(),
        ..relation
    }
}

/// The highest sequence that readers may name.
fn sequence(dialect: Dialect) -> Option<String> {
    Some(match dialect {
        // The highest that was ever given, though the newest rows may be deleted.
        Dialect::Sqlite => format!("SELECT {}", super::sqlite::LAST_SEQUENCE),
        // What was given to a transaction that has not ended does not count.
        // Of all organizations: this session sees the rows of one.
        Dialect::Postgres => "SELECT last_settled_span()".to_owned(),
    })
}

fn span_expressions() -> BTreeMap<String, String> {
    SPAN_COLUMNS.iter().map(|(name, ..)| ((*name).to_owned(), format!("s.{name}"))).collect()
}

fn spans(dialect: Dialect) -> Relation {
    Relation {
        from: "spans s".to_owned(),
        newer: Some("s.ingest_seq > :after".to_owned()),
        columns: span_expressions(),
        tenant: Some("s.org_id = :org".to_owned()),
        cutoff: Some(span_cutoff(dialect).to_owned()),
        sequence: sequence(dialect),
        lookup: chosen_spans(dialect, ""),
        ..Relation::default()
    }
}

/// Prompts, each with its first completion: a probe of an index that holds completions alone. Both databases leave the
/// join out where no column of the completion is asked for.
fn prompts(dialect: Dialect) -> Relation {
    const COMPLETION: &str = "LEFT JOIN spans k ON k.ingest_seq = (SELECT x.ingest_seq FROM spans x \
        WHERE x.org_id = s.org_id AND x.trace_id = s.trace_id AND x.parent_span_id = s.span_id \
        AND x.type = 'completion' AND x.ingest_seq <= :cutoff ORDER BY x.started_at, x.span_id LIMIT 1)";
    let mut columns = span_expressions();
    columns.extend(OF_COMPLETION.iter().map(|(name, sql)| ((*name).to_owned(), (*sql).to_owned())));
    Relation {
        from: format!("spans s {COMPLETION}"),
        // A completion that comes later changes the row: it is new again.
        newer: Some("s.ingest_seq > :after OR k.ingest_seq > :after".to_owned()),
        columns,
        // The type stands here as a constant, so that the planner knows what it knows.
        tenant: Some("s.type = 'prompt' AND s.org_id = :org".to_owned()),
        cutoff: Some(span_cutoff(dialect).to_owned()),
        sequence: sequence(dialect),
        lookup: chosen_spans(dialect, COMPLETION),
        ..Relation::default()
    }
}

fn traces(dialect: Dialect) -> Relation {
    let [tenant, cutoff] = traces::scope(dialect);
    Relation {
        from: traces::at_cutoff(dialect, false),
        // A trace that has grown is new again.
        newer: Some("t.last_seq > :after".to_owned()),
        tenant,
        cutoff,
        columns: TRACE_COLUMNS.iter().map(|(name, ..)| ((*name).to_owned(), of_trace(dialect, name))).collect(),
        sequence: sequence(dialect),
        lookup: Some(traces::at_cutoff(dialect, true)),
        ..Relation::default()
    }
}

/// A column of the dataset `traces`, read from a row `t` of the table.
pub(super) fn of_trace(dialect: Dialect, name: &str) -> String {
    let text = |column: &str| traces::text_of(dialect, column);
    match name {
        "project_id" => text("first_project"),
        "document_uuid" => text("first_document"),
        "commit_uuid" => text("first_commit"),
        "experiment_uuid" => text("first_experiment"),
        "test_deployment_id" => text("first_deployment"),
        "type" => text("first_type"),
        "name" => text("first_name"),
        "service" => text("first_service"),
        "provider" => text("first_provider"),
        "model" => text("first_model"),
        "environment" => text("first_environment"),
        "user_id" => text("first_user"),
        "session_id" => text("first_session"),
        "status_code" => status(&text("first_status")),
        "duration_ms" => duration(dialect),
        "cost_usd" => cost(dialect),
        "input" => traces::held_by(dialect, "first_input", "input"),
        "output" => traces::held_by(dialect, "last_output", "output"),
        own => format!("t.{own}"),
    }
}

fn status(root: &str) -> String {
    format!("(CASE WHEN t.error_count > 0 THEN 'ERROR' WHEN {root} = 'OK' THEN 'OK' ELSE 'UNSET' END)")
}

/// Milliseconds, from whole microseconds.
fn duration(dialect: Dialect) -> String {
    match dialect {
        Dialect::Sqlite => "((t.ended_at - t.started_at) / 1000.0)",
        Dialect::Postgres => {
            "(CAST(extract(epoch FROM t.ended_at - t.started_at) * 1000000 AS bigint) / CAST(1000 AS double precision))"
        }
    }
    .to_owned()
}

/// NULL where the sum does not fit the column: a wrong number would be worse.
fn cost(dialect: Dialect) -> String {
    match dialect {
        Dialect::Sqlite => {
            "(CASE WHEN t.cost_dollars + t.cost_nanos / 1000000000 < 1000000000 \
             THEN t.cost_dollars * 1000000000 + t.cost_nanos END)"
        }
        Dialect::Postgres => "(CASE WHEN t.cost_usd < 1000000000 THEN t.cost_usd END)",
    }
    .to_owned()
}

#[cfg(test)]
mod tests {
    use offtake_model::as_of::AsOf;
    use offtake_model::id::OrgId;
    use offtake_model::query::{Chosen, RowQuery};
    use offtake_model::selection::Scope;
    use offtake_model::value::Value;
    use offtake_testkit::{Database, PgVersion, Postgres};
    use rusqlite::Connection;
    use rusqlite::types::Value as SqlValue;

    use super::*;
    use crate::sql::{Bounds, Sql, Statements};

    fn plan(relation: &Relation, from: &str, columns: &[&str], more: &str) -> Vec<String> {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch(include_str!("../../migrations/spans/sqlite/0001_spans.sql")).unwrap();
        connection.execute_batch(include_str!("../../migrations/spans/sqlite/0002_the_key_covers.sql")).unwrap();
        connection.execute_batch("CREATE TEMP TABLE chosen (c0, c1)").unwrap();
        let columns: Vec<&str> = columns.iter().map(|column| relation.columns[*column].as_str()).collect();
        let scope = [&relation.tenant, &relation.cutoff].into_iter().flatten().map(|scope| format!(" AND {scope}"));
        let sql = format!("SELECT {} FROM {from} WHERE 1{}{more}", columns.join(", "), scope.collect::<String>());
        let mut statement = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
        // The parameters stay NULL: a plan does not depend on them.
        let steps: Vec<String> =
            statement.raw_query().mapped(|row| row.get(3)).collect::<rusqlite::Result<_>>().unwrap();
        for step in &steps {
            let scans_a_table =
                step.starts_with("SCAN") && !["SCAN a", "SCAN t", "SCAN c", "SCAN p"].contains(&step.as_str());
            assert!(!scans_a_table, "{step}\nin {steps:#?}\nof {sql}");
        }
        steps
    }

    fn has(steps: &[String], part: &str) -> bool {
        steps.iter().any(|step| step.contains(part))
    }

    const SPAN_RANGE: &str = " AND (s.started_at, s.trace_id, s.span_id) > (1, 'a', 'b') \
        AND (s.started_at, s.trace_id, s.span_id) <= (2, 'a', 'b') ORDER BY s.started_at, s.trace_id, s.span_id";
    const TRACE_RANGE: &str = " AND (t.started_at, t.trace_id) > (1, 'a') AND (t.started_at, t.trace_id) <= (2, 'b') ORDER BY t.started_at, t.trace_id";

    #[test]
    fn a_range_of_the_key_is_read_by_its_index_in_order() {
        let spans = spans(Dialect::Sqlite);
        let steps = plan(&spans, &spans.from, &["started_at", "trace_id", "span_id", "input"], SPAN_RANGE);
        assert!(
            has(&steps, "USING INDEX spans_key (org_id=? AND (started_at") && !has(&steps, "TEMP B-TREE"),
            "{steps:#?}"
        );
        let keys = plan(&spans, &spans.from, &["started_at", "trace_id", "span_id"], SPAN_RANGE);
        assert!(has(&keys, "USING COVERING INDEX spans_key"), "{keys:#?}");

        let prompts = prompts(Dialect::Sqlite);
        let steps = plan(&prompts, &prompts.from, &["started_at", "trace_id", "span_id", "completion"], SPAN_RANGE);
        assert!(
            has(&steps, "USING INDEX spans_key (org_id=? AND (started_at") && !has(&steps, "TEMP B-TREE"),
            "{steps:#?}"
        );
        assert!(has(&steps, "INDEX completions (org_id=? AND trace_id=? AND parent_span_id=?)"), "{steps:#?}");
        let keys = plan(&prompts, &prompts.from, &["started_at", "trace_id", "span_id"], SPAN_RANGE);
        assert!(has(&keys, "USING COVERING INDEX spans_key") && !has(&keys, "completions"), "{keys:#?}");

        let traces = traces(Dialect::Sqlite);
        let steps = plan(&traces, &traces.from, &["started_at", "trace_id", "name", "input"], TRACE_RANGE);
        assert!(has(&steps, "USING INDEX traces_key (org_id=? AND (started_at"), "{steps:#?}");
        assert!(has(&steps, "traces_grown (org_id=? AND last_seq>?") && has(&steps, "MERGE (UNION ALL)"), "{steps:#?}");
        let keys = plan(&traces, &traces.from, &["started_at", "trace_id"], TRACE_RANGE);
        assert!(has(&keys, "USING COVERING INDEX traces_key"), "{keys:#?}");
    }

    /// A million rows of some kilobytes each are gigabytes: what is counted of them is in the index.
    #[test]
    fn what_is_filtered_counted_and_sorted_by_is_in_the_index() {
        let relation = spans(Dialect::Sqlite);
        let facets = ["provider", "model", "environment", "status_code", "type", "service", "project_id"];
        let filtered = " AND s.provider IN ('a') AND s.cost_usd >= 5 AND s.started_at >= 7";
        for (columns, more) in [
            (&facets[..], filtered),
            (&["span_id"], " AND s.model IN ('a')"),
            (
                &["started_at", "trace_id", "span_id"],
                " ORDER BY s.duration_ms DESC, s.started_at, s.trace_id, s.span_id",
            ),
            (&["started_at", "trace_id", "span_id"], " ORDER BY s.cost_usd, s.started_at, s.trace_id, s.span_id"),
        ] {
            let steps = plan(&relation, &relation.from, columns, more);
            assert!(has(&steps, "USING COVERING INDEX spans_key"), "{more}: {steps:#?}");
        }
    }

    #[test]
    fn chosen_rows_are_looked_up_by_their_identity() {
        for (relation, columns) in
            [(spans(Dialect::Sqlite), ["trace_id", "input"]), (prompts(Dialect::Sqlite), ["trace_id", "completion"])]
        {
            let steps = plan(&relation, relation.lookup.as_deref().unwrap(), &columns, "");
            assert!(has(&steps, "USING INDEX spans_identity (org_id=? AND trace_id=? AND span_id=?"), "{steps:#?}");
        }
        let relation = traces(Dialect::Sqlite);
        let steps = plan(&relation, relation.lookup.as_deref().unwrap(), &["trace_id", "name"], "");
        let lookups = steps.iter().filter(|step| step.contains("traces_identity (org_id=? AND trace_id=?)")).count();
        assert_eq!(lookups, 2, "{steps:#?}");
    }

    /// The steps of a statement in a database.
    fn steps(database: &Database, sql: &Sql) -> Vec<String> {
        let text = sql.written(|text, _, value| {
            let SqlValue::Text(value) = value else { panic!("{value:?} is no text") };
            text.push_str(&format!("'{}'", value.replace('\'', "''")));
        });
        let rows =
            database.rows(&format!("SET search_path = offtake; SET TimeZone = 'UTC'; EXPLAIN (COSTS off) {text}"));
        rows.into_iter().flatten().flatten().collect()
    }

    /// A database with 60,000 spans in some 20,000 traces.
    fn filled() -> (Database, Postgres) {
        let server = Postgres::shared(PgVersion::V15);
        let database = server.database();
        let tables = include_str!("../../migrations/spans/postgres/0001_spans.sql");
        database.execute(&format!("CREATE SCHEMA offtake; SET search_path = offtake; {tables}"));
        database.execute(&format!(
            "SET search_path = offtake; INSERT INTO spans SELECT i, CASE i % 4 WHEN 0 THEN 'other' ELSE 'acme' END, \
             lpad(to_hex(i / 3 * 7919), 32, '0'), lpad(to_hex(i), 16, '0'), \
             CASE WHEN i % 3 > 0 THEN lpad(to_hex(i / 3 * 3), 16, '0') END, NULL, NULL, NULL, NULL, NULL, \
             CASE i % 3 WHEN 2 THEN 'completion' ELSE 'prompt' END, 'name', NULL, NULL, NULL, NULL, NULL, NULL, 'OK', NULL, \
             timestamptz '2026-01-01 UTC' + i * interval '1 second', NULL, NULL, NULL, NULL, NULL, NULL, 0, NULL, \
             repeat('x', 200), NULL, '{{}}', '{{}}', '[]' FROM generate_series(1, 60000) i; {}; ANALYZE",
            traces::merge_statement(Dialect::Postgres).replace("$1", "0")
        ));
        (database, server)
    }

    #[test]
    fn postgres_reads_ranges_and_chosen_rows_by_their_indexes() {
        let (database, _server) = filled();
        for schema in crate::spans::datasets::schemas() {
            let relation = relations(Dialect::Postgres).remove(&schema.name).unwrap();
            let at = |second: i64| {
                let micros = Value::Timestamp(1_767_225_600_000_000 + second * 1_000_000);
                let ids = schema.key[1..].iter().map(|_| Value::Text("5".into()));
                std::iter::once(micros).chain(ids).collect::<Vec<_>>()
            };
            let as_of = Some(AsOf::Cutoff { sequence: 59_000, at: jiff::Timestamp::UNIX_EPOCH });
            let id = |at: u32| schema.identity.iter().map(|_| Value::Text(format!("{at:032x}"))).collect();
            let query = |chosen| {
                let org = OrgId::new("acme").unwrap();
                RowQuery { org, predicates: Vec::new(), chosen, scope: Scope::Row, as_of, newer_than: None }
            };
            let all = query(Chosen::All);
            let statements = Statements { schema: &schema, relation: &relation, query: &all };
            let (above, upto) = (at(40_000), at(48_000));
            let bounds = Bounds { above: Some(&above), upto: Some(&upto), by_key: true };
            let range = steps(&database, &statements.range(&schema.default_columns, bounds, 8_193).unwrap());
            let index = if schema.name == "traces" { "traces_key" } else { "spans_key" };
            assert!(range.iter().any(|step| step.contains(index)), "{range:#?}");
            assert!(!range.iter().any(|step| step.contains("Seq Scan")), "{range:#?}");
            let order = statements.order(None).unwrap();
            let page = steps(&database, &statements.page(&schema.default_columns, &order, None, 101).unwrap());
            assert!(page.iter().any(|step| step.contains(index)), "{page:#?}");
            match schema.name.as_str() {
                // The few traces that have grown are sorted, and merged into the others.
                "traces" => assert!(page.iter().any(|step| step.contains("Merge Append")), "{page:#?}"),
                _ => assert!(!page.iter().any(|step| step.contains("Sort")), "{page:#?}"),
            }
            let counted = steps(&database, &statements.count().unwrap());
            assert!(!counted.iter().any(|step| step.contains("completions")), "the join is left out: {counted:#?}");
            if schema.name == "prompts" {
                assert!(range.iter().any(|step| step.contains("spans_completions")), "{range:#?}");
            }
            let some = query(Chosen::Only((0..20).map(id).collect()));
            let statements = Statements { schema: &schema, relation: &relation, query: &some };
            let bounds = Bounds::default();
            let chosen = steps(&database, &statements.range(&schema.default_columns, bounds, 21).unwrap());
            let identity = if schema.name == "traces" { "traces_pkey" } else { "spans_identity" };
            assert!(chosen.iter().any(|step| step.contains(identity)), "{chosen:#?}");
            assert!(!chosen.iter().any(|step| step.contains("Seq Scan")), "{chosen:#?}");
        }
    }

    #[test]
    fn every_column_and_filter_is_described_completely() {
        for (dialect, schema) in [Dialect::Sqlite, Dialect::Postgres]
            .into_iter()
            .flat_map(|dialect| crate::spans::datasets::schemas().into_iter().map(move |schema| (dialect, schema)))
        {
            let relations = relations(dialect);
            let described: Vec<&String> = relations[&schema.name].columns.keys().collect();
            let mut columns: Vec<&String> = schema.columns.iter().map(|column| &column.name).collect();
            columns.sort();
            assert_eq!(described, columns);
            for filter in &schema.filters {
                assert!(filter.columns.iter().all(|column| schema.column(column).is_some()), "{filter:?}");
            }
            for name in schema.key.iter().chain(&schema.identity).chain(&schema.time).chain(&schema.default_columns) {
                assert!(schema.column(name).is_some(), "{name}");
            }
        }
    }
}
