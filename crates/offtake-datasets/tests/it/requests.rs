//! Requests: everything wrong is found at once, each thing where it is.

use std::sync::Arc;

use offtake_datasets::Dataset;
use offtake_model::dataset::{DatasetSchema, Limits, RowsMode};
use offtake_model::export::ExportSpec;
use offtake_model::query::{Chosen, Predicate, Test};
use offtake_model::value::Value;
use offtake_model::{Error, ErrorKind, Result};
use serde_json::{Value as Json, json};

use crate::fixture::{Bench, org};

fn dataset(rows: RowsMode) -> (Bench, Dataset) {
    let bench = Bench::new(&[], rows, false);
    let schema = DatasetSchema {
        limits: Limits { rows: Some(1_000), days: 31, identities: 3 },
        ..DatasetSchema::clone(&bench.schema)
    };
    let dataset = Dataset::new(schema, bench.source.clone());
    (bench, dataset)
}

fn parse(body: Json) -> Result<ExportSpec> {
    dataset(RowsMode::AppendOnly).1.parse_export(&body)
}

/// The pointers of what is wrong, in order.
fn pointers(result: Result<ExportSpec>) -> Vec<String> {
    let error: Error = result.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidRequest);
    let mut pointers: Vec<String> = error.violations().iter().map(|violation| violation.pointer.clone()).collect();
    pointers.sort();
    pointers
}

fn with(member: &str, value: Json) -> Json {
    let mut body = json!({"format": "csv"});
    body[member] = value;
    body
}

#[test]
fn a_spec_keeps_what_was_asked() {
    let body = json!({
        "format": "csv", "compression": "gzip", "dialect": "excel", "delimiter": ";",
        "start_time": "2026-10-01T00:00:00+02:00", "end_time": "2026-10-31T00:00:00Z",
        "trace_ids": ["a", "b"], "min_cost": "0.25", "limit": 1000, "name": "Mine", "notify": {"email": true},
        "as_of": "c0.17", "fields": ["trace_id", {"name": "cost", "as": "Cost (USD)"}],
        "selection": {"mode": "all_except", "ids": [{"trace_id": "a", "span": "1"}]}
    });
    let spec = parse(body.clone()).unwrap();
    let mut stored = serde_json::to_value(&spec).unwrap();
    assert_eq!(stored.as_object_mut().unwrap().remove("dataset"), Some(json!("items")));
    assert_eq!(stored, body);
    assert_eq!(serde_json::from_value::<ExportSpec>(serde_json::to_value(&spec).unwrap()).unwrap(), spec);
}

#[test]
fn everything_wrong_is_found_at_once() {
    let body = json!({
        "format": "cvs", "compression": 3, "delimiter": "::", "limit": 0, "name": "", "notify": {"sms": true},
        "fields": ["trace_id", "trace_id", "nope", 7, {"name": "span", "as": "a\nb"}], "sort": "at", "tracee_ids": [],
        "a/b~c": 1, "trace_ids": ["a", 1, null], "seen": {"from": "2026-10-02", "till": 1}, "ok": "yes",
        "min_tokens": 1.5, "max_score": "1", "cost": {}, "text": "",
        "start_time": "yesterday", "end_time": "2026-10-01T00:00:00",
        "selection": {"mode": "some", "ids": [{"trace_id": "a"}, {"trace_id": 1, "span": "1", "x": 1}, "a"], "y": 1}
    });
    assert_eq!(
        pointers(parse(body)),
        [
            "/a~1b~0c",
            "/compression",
            "/cost",
            "/delimiter",
            "/end_time",
            "/fields/1",
            "/fields/2",
            "/fields/3",
            "/fields/4",
            "/format",
            "/limit",
            "/max_score",
            "/min_tokens",
            "/name",
            "/notify",
            "/ok",
            "/seen/from",
            "/seen/till",
            "/selection/ids/2",
            "/selection/mode",
            "/selection/y",
            "/sort",
            "/start_time",
            "/text",
            "/trace_ids/1",
            "/trace_ids/2",
            "/tracee_ids",
        ]
    );
}

#[test]
fn an_unknown_name_is_told_what_there_is() {
    let error = parse(with("trace_id", json!("a"))).unwrap_err();
    let detail = &error.violations()[0].detail;
    assert!(detail.contains("did you mean trace_ids?") && detail.contains("min_tokens"), "{detail}");
    assert!(error.detail().contains("trace_ids"), "{error}");
    assert_eq!(pointers(parse(json!({}))), ["/format"]);
    assert_eq!(pointers(parse(json!([]))), [""]);
    let compressed = json!({"format": "parquet", "compression": "zstd", "dialect": "excel"});
    assert_eq!(pointers(parse(compressed)), ["/compression", "/dialect"]);
    assert!(parse(json!({"format": "parquet", "compression": "none"})).is_ok());
}

#[test]
fn windows_are_checked_against_each_other() {
    let window = |start: &str, end: &str| json!({"format": "csv", "start_time": start, "end_time": end});
    let (first, last) = ("2026-10-01T00:00:00Z", "2026-11-01T00:00:00Z");
    assert!(parse(window(first, last)).is_ok());
    assert_eq!(pointers(parse(window(last, first))), ["/end_time"]);
    assert_eq!(pointers(parse(window(first, first))), ["/end_time"]);
    assert_eq!(pointers(parse(window(first, "2026-11-01T00:00:00.000001Z"))), ["/end_time"]);
    assert_eq!(pointers(parse(with("limit", json!(1_001)))), ["/limit"]);
    assert_eq!(pointers(parse(with("limit", json!(-1)))), ["/limit"]);
    assert_eq!(pointers(parse(with("seen", json!({})))), ["/seen"]);
    let reversed = json!({"from": "2026-10-01T00:00:00Z", "to": "2026-10-01T00:00:00Z"});
    assert_eq!(pointers(parse(with("seen", reversed))), ["/seen"]);
}

#[test]
fn selections_name_whole_identities() {
    let select = |mode: &str, ids: Json| parse(with("selection", json!({"mode": mode, "ids": ids})));
    let id = |trace: &str| json!({"trace_id": trace, "span": "1"});
    assert!(select("partial", json!([id("a"), id("a")])).is_ok());
    assert!(select("all_except", json!([])).is_ok());
    assert_eq!(pointers(select("partial", json!([]))), ["/selection/ids"]);
    assert_eq!(pointers(select("all", json!([id("a")]))), ["/selection/ids"]);
    assert_eq!(pointers(select("partial", json!(vec![id("a"); 4]))), ["/selection/ids"]);
    assert_eq!(pointers(select("partial", json!("a"))), ["/selection/ids"]);
    assert_eq!(pointers(select("partial", json!(["a"]))), ["/selection/ids/0"]);
    let wrong = json!([{"trace_id": "a", "span": 1}, {"trace_id": "a"}]);
    assert_eq!(pointers(select("partial", wrong)), ["/selection/ids/0/span", "/selection/ids/1"]);
    let (_bench, dataset) = dataset(RowsMode::AppendOnly);
    let rows = select("all_except", json!([])).unwrap().rows;
    assert_eq!(dataset.query(&org("acme"), &rows).unwrap().chosen, Chosen::All);
}

#[test]
fn a_bare_value_is_an_identity_of_one_column() {
    let (_bench, mut dataset) = dataset(RowsMode::AppendOnly);
    let schema = DatasetSchema { identity: vec!["seq".to_owned()], ..DatasetSchema::clone(&dataset.schema) };
    dataset.schema = Arc::new(schema);
    let body = json!({"selection": {"mode": "partial", "ids": [7, {"seq": 8}]}});
    let rows = dataset.parse_rows(body.as_object().unwrap()).unwrap();
    let chosen = dataset.query(&org("acme"), &rows).unwrap().chosen;
    assert_eq!(chosen, Chosen::Only(vec![vec![Value::Int(7)], vec![Value::Int(8)]].into()));
}

#[test]
fn a_snapshot_cannot_be_asked_for_again() {
    let (_bench, mutable) = dataset(RowsMode::Mutable);
    assert_eq!(pointers(mutable.parse_export(&with("as_of", json!("s.17")))), ["/as_of"]);
    assert_eq!(pointers(mutable.parse_export(&with("as_of", json!("c1.17")))), ["/as_of"]);
    assert_eq!(pointers(parse(with("as_of", json!("s.17")))), ["/as_of"]);
    assert_eq!(pointers(parse(with("as_of", json!("c-1.17")))), ["/as_of"]);
}

#[test]
fn values_are_exact() {
    let (_bench, dataset) = dataset(RowsMode::AppendOnly);
    let tests = |body: Json| -> Result<Vec<Test>> {
        let rows = dataset.parse_rows(body.as_object().unwrap())?;
        let query = dataset.query(&org("acme"), &rows)?;
        Ok(query.predicates.into_iter().map(|Predicate { test, .. }| test).collect())
    };
    let decimal = |unscaled, scale| Value::Decimal { unscaled, scale };
    let body = json!({"cost": [0.1, "0.10", 12, "-1e-3", 18446744073709551615_u64, "0.1234567890123456789"]});
    let expected = vec![
        decimal(1, 1),
        decimal(1, 1),
        decimal(12, 0),
        decimal(-1, 3),
        decimal(18_446_744_073_709_551_615, 0),
        decimal(1_234_567_890_123_456_789, 19),
    ];
    assert_eq!(tests(body).unwrap(), [Test::OneOf(expected)]);
    assert!(tests(json!({"cost": 0.123_456_789_012_345_67})).is_err(), "more digits than a double is sure of");
    assert!(tests(json!({"cost": "1e99"})).is_err());
    assert!(tests(json!({"cost": "twelve"})).is_err());
    // Finer digits of a bound are cut off, so that windows that meet in a moment still meet.
    let moment = |text: &str| json!({"seen": {"from": text}});
    assert_eq!(tests(moment("1970-01-01T00:00:00.0000019Z")).unwrap(), [Test::AtLeast(Value::Timestamp(1))]);
    assert_eq!(tests(moment("1969-12-31T23:59:59.9999999Z")).unwrap(), [Test::AtLeast(Value::Timestamp(-1))]);
    assert_eq!(tests(moment("1970-01-01T02:00:00+02:00")).unwrap(), [Test::AtLeast(Value::Timestamp(0))]);
    assert!(tests(json!({"min_tokens": 9_223_372_036_854_775_808_u64})).is_err());
    assert!(tests(json!({"text": "x".repeat(65_537)})).is_err());
    assert!(tests(json!({"trace_ids": vec!["a"; 10_001]})).is_err());
    assert_eq!(tests(json!({"trace_ids": "a"})).unwrap(), tests(json!({"trace_ids": ["a"]})).unwrap());
}
