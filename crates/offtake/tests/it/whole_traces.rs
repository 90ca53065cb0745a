//! `"scope": "trace"`: some spans are chosen, and every span of their traces comes.

use std::collections::BTreeSet;

use offtake_testkit::{SpanSketch, TestApp, text};
use serde_json::{Value as Json, json};

use crate::support::{OFFTAKE, id_of, identities, json_rows, send};

/// Trace `trace`, span `span`, of model `model`.
fn span(trace: u8, span: u64, model: &str) -> SpanSketch {
    SpanSketch::new(u64::from(trace) * 10 + span).in_trace(&[trace; 16]).with("gen_ai.request.model", text(model))
}

fn ids(spans: &[&SpanSketch]) -> BTreeSet<(String, String)> {
    spans.iter().map(|span| (span.trace_id(), span.span_id())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn page_count_preview_and_export_hold_the_same_traces() {
    let app = TestApp::start(OFFTAKE).await;
    let (client, other) = (app.client("acme").await, app.client("other").await);
    let spans = [span(1, 1, "a"), span(1, 2, "b"), span(2, 1, "a"), span(3, 1, "b"), span(1, 3, "a")];
    let [a1, a2, b1, c1, a3] = &spans;
    send(&client, &spans).await;
    // The same trace elsewhere is another trace.
    send(&other, &[span(1, 9, "b")]).await;

    let partial =
        |ids: &[&SpanSketch]| json!({"mode": "partial", "ids": ids.iter().map(|s| s.identity()).collect::<Vec<_>>()});
    let except = |ids: &[&SpanSketch]| json!({"mode": "all_except", "ids": ids.iter().map(|s| s.identity()).collect::<Vec<_>>()});
    let cases: [(Json, BTreeSet<_>); 6] = [
        (json!({"model": "b"}), ids(&[a1, a2, a3, c1])),
        (json!({"model": "b", "selection": except(&[a2])}), ids(&[c1])),
        (json!({"selection": except(&[a2, b1])}), ids(&[a1, a2, a3, c1])),
        (json!({"selection": partial(&[a3, b1])}), ids(&[a1, a2, a3, b1])),
        (json!({"model": "b", "selection": partial(&[a3, c1])}), ids(&[c1])),
        (json!({"model": "none"}), ids(&[])),
    ];
    for (mut body, expected) in cases {
        body["scope"] = json!("trace");
        let count = client.post("/api/v1/datasets/spans/count", &body).await.expect(200).json();
        assert_eq!(count["count"], json!(expected.len()), "{body}");
        let page = client.post("/api/v1/datasets/spans/rows", &body).await.expect(200).json();
        assert_eq!(page["rows"].as_array().map(Vec::len), Some(expected.len()), "{body}");
        body["format"] = json!("csv");
        let preview = client.post("/api/v1/export/spans/preview", &body).await.expect(200).json();
        assert_eq!(
            (&preview["count"], preview["rows"].as_array().map(Vec::len)),
            (&json!(expected.len()), Some(expected.len()))
        );
        assert_eq!(identities(&client, body.clone()).await, expected, "{body}");
    }

    let job = client.export("spans", &json!({"format": "jsonl", "scope": "trace", "model": "b", "limit": 2})).await;
    let rows = json_rows(&client, &job).await;
    let first: Vec<String> = rows.iter().map(|row| row["span_id"].as_str().expect("an id").to_owned()).collect();
    assert_eq!(first, [a1.span_id(), a2.span_id()], "the first in key order, whatever chose them");
    assert_eq!(client.receipt(id_of(&job)).await["rows_matching"], 4);
    assert_eq!(client.receipt(id_of(&job)).await["spec"]["scope"], "trace");
    assert!(job["name"].as_str().is_some_and(|name| name.contains("whole traces")), "{job}");
}

#[tokio::test(flavor = "multi_thread")]
async fn prompts_have_whole_traces_and_traces_need_none() {
    let app = TestApp::start(OFFTAKE).await;
    let client = app.client("acme").await;
    send(&client, &[span(1, 1, "a"), span(1, 2, "b"), span(2, 1, "a")]).await;
    let body = json!({"model": "b", "scope": "trace"});
    let count = client.post("/api/v1/datasets/prompts/count", &body).await.expect(200).json();
    assert_eq!(count["count"], 2);
    let refused = client.create("traces", &json!({"format": "csv", "scope": "trace"})).await.expect(422);
    assert_eq!(refused.problem().1, ["/scope"]);
    let refused = client.create("spans", &json!({"format": "csv", "scope": "session"})).await.expect(422);
    assert_eq!(refused.problem().1, ["/scope"]);
    client.create("traces", &json!({"format": "csv", "scope": "row"})).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn traces_that_are_named_are_exported() {
    let app = TestApp::start(OFFTAKE).await;
    let client = app.client("acme").await;
    let spans = [span(1, 1, "a"), span(2, 1, "a"), span(3, 1, "b"), span(1, 2, "b")];
    send(&client, &spans).await;
    let named = |sketch: &SpanSketch| json!({"trace_id": sketch.trace_id()});
    let ids = json!([named(&spans[2]), named(&spans[0])]);
    for (mode, expected) in [("partial", vec![1, 3]), ("all_except", vec![2])] {
        let body = json!({"format": "jsonl", "fields": ["trace_id"], "selection": {"mode": mode, "ids": ids}});
        let job = client.export("traces", &body).await;
        let rows: Vec<String> =
            json_rows(&client, &job).await.iter().map(|row| crate::support::text(row, "trace_id")).collect();
        assert_eq!(rows, expected.iter().map(|trace| format!("{trace:02x}").repeat(16)).collect::<Vec<_>>(), "{mode}");
    }
}
