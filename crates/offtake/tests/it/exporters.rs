//! Real exporters just work: OpenTelemetry's own for Python and Node, as people install them.

use std::collections::BTreeMap;

use offtake_testkit::{Reader, Role, TestApp, node, python};
use serde_json::{Value as Json, json};

use crate::support::{OFFTAKE, json_rows, read};

/// What a sender says it sent, by span id.
fn told(stdout: &str) -> BTreeMap<String, Json> {
    let spans = stdout.lines().map(|line| serde_json::from_str::<Json>(line).unwrap_or_else(|e| panic!("{e}: {line}")));
    spans.map(|span| (span["span_id"].as_str().expect("an id").to_owned(), span)).collect()
}

/// Every span that was told of is in the store, with what was told.
async fn check(app: &TestApp, org: &str, stdout: &str) {
    let client = app.client(org).await;
    let told = told(stdout);
    assert_eq!(told.len(), 60);
    let fields = json!([
        "span_id",
        "trace_id",
        "parent_span_id",
        "name",
        "service",
        "started_at",
        "ended_at",
        "status_code",
        "prompt_tokens"
    ]);
    let job = client.export("spans", &json!({"format": "csv", "fields": fields})).await;
    let (columns, rows) = read(app, &client, Reader::DuckDb, &job).await;
    assert_eq!(rows.len(), 60);
    for row in &rows {
        let sent = &told[row[0].as_deref().expect("a span id")];
        for (column, cell) in columns.iter().zip(row) {
            let want = match &sent[column] {
                Json::Null => None,
                Json::String(text) => Some(text.clone()),
                number @ (Json::Number(_) | Json::Bool(_) | Json::Array(_) | Json::Object(_)) => {
                    Some(number.to_string())
                }
            };
            assert_eq!(cell, &want, "{column} of {sent}");
        }
    }
    let job = client.export("spans", &json!({"format": "jsonl", "type": "prompt", "span_name": "chat 5"})).await;
    let rows = json_rows(&client, &job).await;
    let call = rows.first().expect("a prompt");
    assert_eq!(call["provider"], "openai");
    assert!(call["model"].as_str().is_some_and(|model| model.starts_with("gpt-4o")), "{call}");
    assert_eq!(call["environment"], "staging");
    assert_eq!(call["user_id"], "user-2");
    assert_eq!(call["completion_tokens"], 15);
    assert_eq!(call["status_message"], "failed \"5\"");
    assert_eq!(call["attributes"]["tests.list"], json!(["a", "🙂", "line\nbreak"]));
    assert_eq!(call["attributes"]["tests.flag"], true);
    assert_eq!(call["events"][0]["name"], "first token", "{call}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_exporter_of_python() {
    let app = TestApp::start(OFFTAKE).await;
    for compression in ["none", "gzip"] {
        let token = app.token(compression, "sender", "spans:write").await;
        let ran = python("send_otlp.py", &[&app.url(), &token, compression]).await;
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
        check(&app, compression, &ran.stdout).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_exporters_of_node() {
    let app = TestApp::start(OFFTAKE).await;
    for encoding in ["proto", "json"] {
        let token = app.token(encoding, "sender", "spans:write").await;
        let ran = node("send.mjs", &[&app.url(), &token, encoding]).await;
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
        check(&app, encoding, &ran.stdout).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_grpc_exporter_of_python() {
    let app = TestApp::start(OFFTAKE).await;
    let url = format!("http://{}", app.grpc_address(Role::Serve));
    for compression in ["none", "gzip"] {
        let token = app.token(compression, "sender", "spans:write").await;
        let ran = python("send_otlp.py", &[&url, &token, compression, "grpc"]).await;
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
        check(&app, compression, &ran.stdout).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_grpc_exporter_of_node() {
    let app = TestApp::start(OFFTAKE).await;
    let url = format!("http://{}", app.grpc_address(Role::Serve));
    for protocol in ["grpc", "grpc-gzip"] {
        let token = app.token(protocol, "sender", "spans:write").await;
        let ran = node("send.mjs", &[&url, &token, protocol]).await;
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
        check(&app, protocol, &ran.stdout).await;
    }
}
