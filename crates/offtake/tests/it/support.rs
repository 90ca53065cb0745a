//! What several topics need.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use offtake_testkit::{
    Cells, Client, Reader, SpanSketch, TestApp, exported_rows, genuine, request_of, requests, switch,
};
use prost::Message;
use serde_json::{Value as Json, json};

/// The binary under test.
pub(crate) const OFFTAKE: &str = env!("CARGO_BIN_EXE_offtake");

/// How long an outage lasts.
pub(crate) fn outage() -> Duration {
    Duration::from_secs(switch("OFFTAKE_TEST_OUTAGE", 1))
}

/// Every genuine span.
pub(crate) const GENUINE: u64 = 413;

/// Every column of `spans`.
pub(crate) const SPAN_COLUMNS: [&str; 31] = [
    "trace_id",
    "span_id",
    "parent_span_id",
    "org_id",
    "project_id",
    "document_uuid",
    "commit_uuid",
    "experiment_uuid",
    "test_deployment_id",
    "type",
    "name",
    "service",
    "provider",
    "model",
    "environment",
    "user_id",
    "session_id",
    "status_code",
    "status_message",
    "started_at",
    "ended_at",
    "duration_ms",
    "prompt_tokens",
    "completion_tokens",
    "total_tokens",
    "cost_usd",
    "input",
    "output",
    "attributes",
    "resource",
    "events",
];

/// Sends every genuine span as protobuf.
pub(crate) async fn send_genuine(client: &Client) {
    for file in genuine("pb") {
        for request in requests(&file) {
            client.otlp(request.encode_to_vec()).await.expect(200);
        }
    }
}

/// Sends these spans in one request, and expects all of them to be taken.
pub(crate) async fn send(client: &Client, spans: &[SpanSketch]) {
    let answer = client.otlp(request_of(spans).encode_to_vec()).await.expect(200);
    assert!(answer.body.is_empty(), "not all spans were taken: {answer}");
}

/// The file of a job, saved.
pub(crate) async fn saved(app: &TestApp, client: &Client, job: &Json) -> PathBuf {
    let id = job["job_id"].as_str().expect("a job id");
    let path = app.folder().join(format!("{id}.file"));
    std::fs::write(&path, client.download(id).await).expect("the file can be saved");
    path
}

/// The id of a job.
pub(crate) fn id_of(job: &Json) -> &str {
    job["job_id"].as_str().unwrap_or_else(|| panic!("no job: {job}"))
}

/// The rows of a completed job's file, as `reader` sees them, with the names of their columns.
pub(crate) async fn read(app: &TestApp, client: &Client, reader: Reader, job: &Json) -> (Vec<String>, Cells) {
    let receipt = client.receipt(id_of(job)).await;
    let file = saved(app, client, job).await;
    (column_names(&receipt), exported_rows(reader, &file, &receipt).await)
}

/// The headers that a receipt lists.
pub(crate) fn column_names(receipt: &Json) -> Vec<String> {
    let columns = receipt["columns"].as_array().unwrap_or_else(|| panic!("no columns: {receipt}"));
    columns.iter().map(|column| column["name"].as_str().expect("a name").to_owned()).collect()
}

/// The rows of a completed jsonl export, as JSON.
pub(crate) async fn json_rows(client: &Client, job: &Json) -> Vec<Json> {
    let file = client.download(id_of(job)).await;
    let text = String::from_utf8(file).expect("UTF-8");
    text.split_terminator('\n')
        .map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line:.200}")))
        .collect()
}

/// Exports `spans` as jsonl with just the identity, and returns the identities.
pub(crate) async fn identities(client: &Client, mut body: Json) -> BTreeSet<(String, String)> {
    body["format"] = json!("jsonl");
    body["fields"] = json!(["trace_id", "span_id"]);
    let job = client.export("spans", &body).await;
    let rows = json_rows(client, &job).await;
    let set: BTreeSet<_> = rows.iter().map(|row| (text(row, "trace_id"), text(row, "span_id"))).collect();
    assert_eq!(set.len(), rows.len(), "a row is in the file twice");
    assert_eq!(job["row_count"], json!(rows.len()), "{job}");
    set
}

/// A text cell of a JSON row.
#[track_caller]
pub(crate) fn text(row: &Json, column: &str) -> String {
    row[column].as_str().unwrap_or_else(|| panic!("{column} is no text: {row}")).to_owned()
}
