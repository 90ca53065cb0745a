//! The datasets `spans`, `traces` and `prompts`: their schemas, whichever database they lie in.
//!
//! All three are cut off by the same `ingest_seq`, so what they say at one moment agrees. `docs/datasets.md`
//! describes the columns for people.

use offtake_model::dataset::{Column, ColumnType, DatasetSchema, Filter, FilterOp, Limits, RowsMode};
use offtake_model::permission::Permission;

use ColumnType::{Float64, Int64, Json, Text, Timestamp};

/// Dollars, to the nano-dollar.
const USD: ColumnType = ColumnType::Decimal { precision: 18, scale: 9 };

/// A column: name, type, label.
pub(super) type Described = (&'static str, ColumnType, &'static str);

/// Columns of `spans`; those of `prompts` begin with them.
pub(super) const SPAN_COLUMNS: &[Described] = &[
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

/// What `prompts` adds.
pub(super) const COMPLETION_COLUMNS: &[Described] = &[
    ("completion_span_id", Text, "Completion span"),
    ("completion", Text, "Completion"),
    ("completion_status_code", Text, "Completion status"),
    ("completion_ended_at", Timestamp, "Completion ended"),
    ("completion_attributes", Json, "Completion attributes"),
];

/// Columns of `traces`.
pub(super) const TRACE_COLUMNS: &[Described] = &[
    ("trace_id", Text, "Trace"),
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
    ("started_at", Timestamp, "Started"),
    ("ended_at", Timestamp, "Ended"),
    ("duration_ms", Float64, "Duration (ms)"),
    ("span_count", Int64, "Spans"),
    ("error_count", Int64, "Errors"),
    ("prompt_tokens", Int64, "Prompt tokens"),
    ("completion_tokens", Int64, "Completion tokens"),
    ("total_tokens", Int64, "Total tokens"),
    ("cost_usd", USD, "Cost (USD)"),
    ("input", Text, "Input"),
    ("output", Text, "Output"),
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
pub(crate) fn schemas() -> Vec<DatasetSchema> {
    let columns = |described: &[Described]| described.iter().map(column).collect::<Vec<_>>();
    let (spans, traces) = (columns(SPAN_COLUMNS), columns(TRACE_COLUMNS));
    let prompts = columns(&[SPAN_COLUMNS, COMPLETION_COLUMNS].concat());
    vec![
        schema("spans", "Spans", spans, &["started_at", "trace_id", "span_id"]),
        schema("traces", "Traces", traces, &["started_at", "trace_id"]),
        schema("prompts", "Prompts", prompts, &["started_at", "trace_id", "span_id"]),
    ]
}

/// The ids of OpenTelemetry, as spans hold them.
const HEX_DIGITS: &[(&str, u8)] =
    &[("trace_id", 32), ("span_id", 16), ("parent_span_id", 16), ("completion_span_id", 16)];

fn column((name, ty, label): &Described) -> Column {
    let hex_digits = HEX_DIGITS.iter().find(|(column, _)| column == name).map(|(_, digits)| *digits);
    Column {
        name: (*name).to_owned(),
        ty: *ty,
        label: (*label).to_owned(),
        sensitive: None,
        elements: None,
        hex_digits,
    }
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
