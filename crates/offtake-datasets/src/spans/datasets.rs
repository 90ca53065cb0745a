//! The datasets `spans`, `traces` and `prompts`: their schemas, and how they lie in the store.
//!
//! All three are cut off by the same `ingest_seq`, so what they say at one moment agrees. `docs/datasets.md`
//! describes the columns for people.

use std::collections::BTreeMap;

use offtake_model::dataset::{Column, ColumnType, DatasetSchema, Filter, FilterOp, Limits, RowsMode};
use offtake_model::permission::Permission;

use super::traces;
use super::writer::LAST_SEQUENCE;
use crate::relation::Relation;

use ColumnType::{Float64, Int64, Json, Text, Timestamp};

/// Dollars, to the nano-dollar.
const USD: ColumnType = ColumnType::Decimal { precision: 18, scale: 9 };

/// A column: name, type, label, SQL.
type Row = (&'static str, ColumnType, &'static str, &'static str);

/// Columns of `spans`; those of `prompts` begin with them.
const SPAN_COLUMNS: &[(&str, ColumnType, &str)] = &[
    ("trace_id", Text, "Trace"),
    ("span_id", Text, "Span"),
    ("parent_span_id", Text, "Parent span"),
    ("org_id", Text, "Organization"),
    ("project_id", Text, "Project"),
    ("document_uuid", Text, "Document"),
    ("commit_uuid", Text, "Commit"),
    ("experiment_uuid", Text, "Experiment"),
    ("test_deployment_id", Text, "Test deployment"),
    ("type", Text, "Type"),
    ("name", Text, "Name"),
    ("service", Text, "Service"),
    ("provider", Text, "Provider"),
    ("model", Text, "Model"),
    ("environment", Text, "Environment"),
    ("user_id", Text, "User"),
    ("session_id", Text, "Session"),
    ("status_code", Text, "Status"),
    ("status_message", Text, "Status message"),
    ("started_at", Timestamp, "Started"),
    ("ended_at", Timestamp, "Ended"),
    ("duration_ms", Float64, "Duration (ms)"),
    ("prompt_tokens", Int64, "Prompt tokens"),
    ("completion_tokens", Int64, "Completion tokens"),
    ("total_tokens", Int64, "Total tokens"),
    ("cost_usd", USD, "Cost (USD)"),
    ("input", Text, "Input"),
    ("output", Text, "Output"),
    ("attributes", Json, "Attributes"),
    ("resource", Json, "Resource"),
    ("events", Json, "Events"),
];

/// What `prompts` adds, and what of a span it takes from the completion where there is one. `k` is the completion.
const COMPLETION_COLUMNS: &[Row] = &[
    ("completion_span_id", Text, "Completion span", "k.span_id"),
    ("completion", Text, "Completion", "coalesce(k.output, s.output)"),
    ("completion_status_code", Text, "Completion status", "coalesce(k.status_code, s.status_code)"),
    ("completion_ended_at", Timestamp, "Completion ended", "coalesce(k.ended_at, s.ended_at)"),
    ("completion_attributes", Json, "Completion attributes", "k.attributes"),
];
const FROM_COMPLETION: &[(&str, &str)] = &[
    ("provider", "coalesce(s.provider, k.provider)"),
    ("model", "coalesce(s.model, k.model)"),
    ("prompt_tokens", "coalesce(s.prompt_tokens, k.prompt_tokens)"),
    ("completion_tokens", "coalesce(k.completion_tokens, s.completion_tokens)"),
    ("total_tokens", "coalesce(k.total_tokens, s.total_tokens)"),
    ("cost_usd", "coalesce(k.cost_usd, s.cost_usd)"),
];

/// Filters by value: singular, plural, column. Both take one value or a list.
const VALUE_FILTERS: &[(&str, &str, &str)] = &[
    ("trace_id", "trace_ids", "trace_id"),
    ("span_id", "span_ids", "span_id"),
    ("parent_span_id", "parent_span_ids", "parent_span_id"),
    ("project_id", "project_ids", "project_id"),
    ("document_uuid", "document_uuids", "document_uuid"),
    ("commit_uuid", "commit_uuids", "commit_uuid"),
    ("experiment_uuid", "experiment_uuids", "experiment_uuid"),
    ("test_deployment_id", "test_deployment_ids", "test_deployment_id"),
    ("type", "types", "type"),
    // `name` alone would say how the export is to be called.
    ("span_name", "span_names", "name"),
    ("service", "services", "service"),
    ("provider", "providers", "provider"),
    ("model", "models", "model"),
    ("environment", "environments", "environment"),
    ("user_id", "user_ids", "user_id"),
    ("session_id", "session_ids", "session_id"),
    ("status_code", "status_codes", "status_code"),
];

/// The other filters: name, columns, operator.
const OTHER_FILTERS: &[(&str, &[&str], FilterOp)] = &[
    ("created_at", &["started_at"], FilterOp::Range),
    ("min_cost", &["cost_usd"], FilterOp::Min),
    ("max_cost", &["cost_usd"], FilterOp::Max),
    ("min_duration_ms", &["duration_ms"], FilterOp::Min),
    ("max_duration_ms", &["duration_ms"], FilterOp::Max),
    ("min_tokens", &["total_tokens"], FilterOp::Min),
    ("max_tokens", &["total_tokens"], FilterOp::Max),
    ("text", &["input", "output", "name"], FilterOp::Contains),
];

/// The schemas, in the order `spans`, `traces`, `prompts`.
pub(super) fn schemas() -> Vec<DatasetSchema> {
    let span = |(name, ty, label): &(&str, ColumnType, &str)| column(name, *ty, label);
    let spans: Vec<Column> = SPAN_COLUMNS.iter().map(span).collect();
    let traces = trace_columns().iter().map(|(name, ty, label, _)| column(name, *ty, label)).collect();
    let completion = COMPLETION_COLUMNS.iter().map(|(name, ty, label, _)| column(name, *ty, label));
    let prompts = spans.iter().cloned().chain(completion).collect();
    vec![
        schema("spans", "Spans", spans, &["started_at", "trace_id", "span_id"]),
        schema("traces", "Traces", traces, &["started_at", "trace_id"]),
        schema("prompts", "Prompts", prompts, &["started_at", "trace_id", "span_id"]),
    ]
}

/// The ids of OpenTelemetry, as spans hold them.
const HEX_DIGITS: &[(&str, u8)] =
    &[("trace_id", 32), ("span_id", 16), ("parent_span_id", 16), ("completion_span_id", 16)];

fn column(name: &str, ty: ColumnType, label: &str) -> Column {
    let hex_digits = HEX_DIGITS.iter().find(|(column, _)| *column == name).map(|(_, digits)| *digits);
    Column { name: name.to_owned(), ty, label: label.to_owned(), sensitive: false, elements: None, hex_digits }
}

fn schema(name: &str, title: &str, columns: Vec<Column>, key: &[&str]) -> DatasetSchema {
    let key: Vec<String> = key.iter().map(|&column| column.to_owned()).collect();
    DatasetSchema {
        name: name.to_owned(),
        title: title.to_owned(),
        permission: Permission::TracesRead,
        filters: filters(&columns),
        default_columns: columns.iter().map(|column| column.name.clone()).collect(),
        columns,
        identity: key[1..].to_vec(),
        key,
        time: Some("started_at".to_owned()),
        rows: RowsMode::AppendOnly,
        limits: Limits { rows: None, days: 365, identities: 10_000 },
    }
}

/// Every filter whose columns the dataset has.
fn filters(columns: &[Column]) -> Vec<Filter> {
    let has = |name: &&str| columns.iter().any(|column| column.name == *name);
    let filter = |name: &str, columns: &[&str], op| Filter {
        name: name.to_owned(),
        columns: columns.iter().map(|&column| column.to_owned()).collect(),
        op,
    };
    let by_value = VALUE_FILTERS
        .iter()
        .filter(|(.., column)| has(column))
        .flat_map(|(one, many, column)| [filter(one, &[column], FilterOp::In), filter(many, &[column], FilterOp::In)]);
    let others = OTHER_FILTERS.iter().map(|(name, columns, op)| filter(name, columns, *op));
    by_value.chain(others).collect()
}

/// How the datasets lie in the store, by name.
pub(super) fn relations() -> BTreeMap<String, Relation> {
    [("spans", spans()), ("traces", traces()), ("prompts", prompts())]
        .into_iter()
        .map(|(name, relation)| (name.to_owned(), relation))
        .collect()
}

fn spans() -> Relation {
    Relation {
        from: "spans s".to_owned(),
        columns: span_expressions(),
        tenant: Some("s.org_id = :org".to_owned()),
        cutoff: Some("s.ingest_seq <= :cutoff".to_owned()),
        sequence: Some(format!("SELECT {LAST_SEQUENCE}")),
        lookup: Some(format!("{CHOSEN_SPANS} AND s.org_id = :org")),
        ..Relation::default()
    }
}

const CHOSEN_SPANS: &str = "temp.chosen c CROSS JOIN spans s ON s.trace_id = c.c0 AND s.span_id = c.c1";

fn span_expressions() -> BTreeMap<String, String> {
    SPAN_COLUMNS.iter().map(|(name, ..)| ((*name).to_owned(), format!("s.{name}"))).collect()
}

/// Prompts, each with its first completion: a probe of an index that holds completions alone. SQLite leaves the join
/// out where no column of the completion is asked for.
fn prompts() -> Relation {
    const COMPLETION: &str = "LEFT JOIN spans k ON k.ingest_seq = (SELECT x.ingest_seq FROM spans x \
        WHERE x.org_id = s.org_id AND x.trace_id = s.trace_id AND x.parent_span_id = s.span_id \
        AND x.type = 'completion' AND x.ingest_seq <= :cutoff ORDER BY x.started_at, x.span_id LIMIT 1)";
    let mut columns = span_expressions();
    let own = |(name, sql): &(&str, &str)| ((*name).to_owned(), (*sql).to_owned());
    columns.extend(FROM_COMPLETION.iter().map(own));
    columns.extend(COMPLETION_COLUMNS.iter().map(|(name, _, _, sql)| own(&(name, sql))));
    Relation {
        from: format!("spans s {COMPLETION}"),
        columns,
        // The type stands here as a constant, so that the planner knows what it knows.
        tenant: Some("s.type = 'prompt' AND s.org_id = :org".to_owned()),
        cutoff: Some("s.ingest_seq <= :cutoff".to_owned()),
        sequence: Some(format!("SELECT {LAST_SEQUENCE}")),
        lookup: Some(format!("{CHOSEN_SPANS} AND s.org_id = :org {COMPLETION}")),
        ..Relation::default()
    }
}

fn trace_columns() -> Vec<(&'static str, ColumnType, &'static str, String)> {
    let own = |name: &str| format!("t.{name}");
    let text = traces::text_of;
    vec![
        ("trace_id", Text, "Trace", own("trace_id")),
        ("org_id", Text, "Organization", own("org_id")),
        ("project_id", Text, "Project", text("first_project")),
        ("document_uuid", Text, "Document", text("first_document")),
        ("commit_uuid", Text, "Commit", text("first_commit")),
        ("experiment_uuid", Text, "Experiment", text("first_experiment")),
        ("test_deployment_id", Text, "Test deployment", text("first_deployment")),
        ("type", Text, "Type", text("first_type")),
        ("name", Text, "Name", text("first_name")),
        ("service", Text, "Service", text("first_service")),
        ("provider", Text, "Provider", text("first_provider")),
        ("model", Text, "Model", text("first_model")),
        ("environment", Text, "Environment", text("first_environment")),
        ("user_id", Text, "User", text("first_user")),
        ("session_id", Text, "Session", text("first_session")),
        ("status_code", Text, "Status", status()),
        ("started_at", Timestamp, "Started", own("started_at")),
        ("ended_at", Timestamp, "Ended", own("ended_at")),
        ("duration_ms", Float64, "Duration (ms)", "((t.ended_at - t.started_at) / 1000.0)".to_owned()),
        ("span_count", Int64, "Spans", own("span_count")),
        ("error_count", Int64, "Errors", own("error_count")),
        ("prompt_tokens", Int64, "Prompt tokens", own("prompt_tokens")),
        ("completion_tokens", Int64, "Completion tokens", own("completion_tokens")),
        ("total_tokens", Int64, "Total tokens", own("total_tokens")),
        ("cost_usd", USD, "Cost (USD)", cost()),
        ("input", Text, "Input", traces::held_by("first_input", "input")),
        ("output", Text, "Output", traces::held_by("last_output", "output")),
    ]
}

fn status() -> String {
    let root = traces::text_of("first_status");
    format!("(CASE WHEN t.error_count > 0 THEN 'ERROR' WHEN {root} = 'OK' THEN 'OK' ELSE 'UNSET' END)")
}

/// NULL where the sum does not fit the column: a wrong number would be worse.
fn cost() -> String {
    "(CASE WHEN t.cost_dollars + t.cost_nanos / 1000000000 < 1000000000 \
      THEN t.cost_dollars * 1000000000 + t.cost_nanos END)"
        .to_owned()
}

fn traces() -> Relation {
    let columns = trace_columns().into_iter().map(|(name, _, _, sql)| (name.to_owned(), sql)).collect();
    Relation {
        from: traces::at_cutoff(false),
        columns,
        sequence: Some(format!("SELECT {LAST_SEQUENCE}")),
        lookup: Some(traces::at_cutoff(true)),
        ..Relation::default()
    }
}

#[cfg(test)]
mod tests {
    use rusqlite::Connection;

    use super::*;

    fn plan(relation: &Relation, from: &str, columns: &[&str], more: &str) -> Vec<String> {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch(include_str!("../../migrations/spans/01-spans.sql")).unwrap();
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
        let spans = spans();
        let steps = plan(&spans, &spans.from, &["started_at", "trace_id", "span_id", "input"], SPAN_RANGE);
        assert!(
            has(&steps, "USING INDEX spans_key (org_id=? AND (started_at") && !has(&steps, "TEMP B-TREE"),
            "{steps:#?}"
        );
        let keys = plan(&spans, &spans.from, &["started_at", "trace_id", "span_id"], SPAN_RANGE);
        assert!(has(&keys, "USING COVERING INDEX spans_key"), "{keys:#?}");

        let prompts = prompts();
        let steps = plan(&prompts, &prompts.from, &["started_at", "trace_id", "span_id", "completion"], SPAN_RANGE);
        assert!(
            has(&steps, "USING INDEX spans_key (org_id=? AND (started_at") && !has(&steps, "TEMP B-TREE"),
            "{steps:#?}"
        );
        assert!(has(&steps, "INDEX completions (org_id=? AND trace_id=? AND parent_span_id=?)"), "{steps:#?}");
        let keys = plan(&prompts, &prompts.from, &["started_at", "trace_id", "span_id"], SPAN_RANGE);
        assert!(has(&keys, "USING COVERING INDEX spans_key") && !has(&keys, "completions"), "{keys:#?}");

        let traces = traces();
        let steps = plan(&traces, &traces.from, &["started_at", "trace_id", "name", "input"], TRACE_RANGE);
        assert!(has(&steps, "USING INDEX traces_key (org_id=? AND (started_at"), "{steps:#?}");
        assert!(has(&steps, "traces_grown (org_id=? AND last_seq>?") && has(&steps, "MERGE (UNION ALL)"), "{steps:#?}");
        let keys = plan(&traces, &traces.from, &["started_at", "trace_id"], TRACE_RANGE);
        assert!(has(&keys, "USING COVERING INDEX traces_key"), "{keys:#?}");
    }

    #[test]
    fn chosen_rows_are_looked_up_by_their_identity() {
        for (relation, columns) in [(spans(), ["trace_id", "input"]), (prompts(), ["trace_id", "completion"])] {
            let steps = plan(&relation, relation.lookup.as_deref().unwrap(), &columns, "");
            assert!(has(&steps, "USING INDEX spans_identity (org_id=? AND trace_id=? AND span_id=?"), "{steps:#?}");
        }
        let relation = traces();
        let steps = plan(&relation, relation.lookup.as_deref().unwrap(), &["trace_id", "name"], "");
        let lookups = steps.iter().filter(|step| step.contains("traces_identity (org_id=? AND trace_id=?)")).count();
        assert_eq!(lookups, 2, "{steps:#?}");
    }

    #[test]
    fn every_column_and_filter_is_described_completely() {
        let relations = relations();
        for schema in schemas() {
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
