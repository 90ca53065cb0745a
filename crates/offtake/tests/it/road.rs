//! The main road: spans in over OpenTelemetry, a selection of them out, whole.

use std::collections::BTreeSet;

use offtake_testkit::{Reader, SpanSketch, TestApp, assert_same_rows, genuine, python, sha256, text};
use serde_json::{Value as Json, json};

use crate::support::{GENUINE, OFFTAKE, SPAN_COLUMNS, id_of, identities, json_rows, read, saved, send, send_genuine};

/// The columns that `sent.py` computes from what was sent.
const SENT: [&str; 10] = [
    "trace_id",
    "span_id",
    "parent_span_id",
    "name",
    "service",
    "environment",
    "status_code",
    "status_message",
    "started_at",
    "ended_at",
];

#[tokio::test(flavor = "multi_thread")]
async fn protobuf_and_json_give_the_same_rows_and_every_span_sent_is_in_the_file() {
    let app = TestApp::start(OFFTAKE).await;
    let (protobuf, json) = (app.client("protobuf").await, app.client("json").await);
    send_genuine(&protobuf).await;
    for file in genuine("jsonl") {
        for line in std::fs::read_to_string(file).expect("the genuine spans").lines() {
            json.otlp_json(line.as_bytes().to_vec()).await.expect(200);
        }
    }
    let without_org: Vec<&str> = SPAN_COLUMNS.into_iter().filter(|&column| column != "org_id").collect();
    let wanted = json!({"format": "jsonl", "fields": without_org});
    let (one, other) = (protobuf.export("spans", &wanted).await, json.export("spans", &wanted).await);
    let (rows, others) = (json_rows(&protobuf, &one).await, json_rows(&json, &other).await);
    for (row, other) in rows.iter().zip(&others) {
        assert_eq!(row, other);
    }
    assert_eq!(rows.len() as u64, GENUINE);
    assert_eq!(others.len() as u64, GENUINE);

    let files: Vec<String> = genuine("jsonl").iter().map(|path| path.to_string_lossy().into_owned()).collect();
    let ran = python("sent.py", &files.iter().map(String::as_str).collect::<Vec<_>>()).await;
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let job = protobuf.export("spans", &json!({"format": "csv", "fields": SENT})).await;
    let (columns, found) = read(&app, &protobuf, Reader::Arrow, &job).await;
    let sent: Vec<Vec<Option<String>>> =
        ran.stdout.lines().map(|line| serde_json::from_str(line).expect("cells")).collect();
    assert_same_rows("what was sent", &columns, &sent, &found);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_span_sent_again_changes_nothing() {
    let app = TestApp::start(OFFTAKE).await;
    let client = app.client("acme").await;
    let first = SpanSketch::new(1).with("tests.n", text("first"));
    send(&client, &[first.clone(), first.clone(), SpanSketch::new(2)]).await;
    send(&client, &[SpanSketch::new(1).with("tests.n", text("second")), SpanSketch::new(3)]).await;
    let job = client.export("spans", &json!({"format": "jsonl"})).await;
    let rows = json_rows(&client, &job).await;
    assert_eq!(rows.len(), 3);
    assert_eq!(rows[0]["attributes"]["tests.n"], "first");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_receipt_is_true() {
    let app = TestApp::start(OFFTAKE).await;
    let client = app.client("acme").await;
    send_genuine(&client).await;
    let body =
        json!({"format": "csv", "compression": "gzip", "environment": "production", "name": "July", "limit": 100});
    let job = client.export("spans", &body).await;
    let receipt = client.receipt(id_of(&job)).await;
    let file = saved(&app, &client, &job).await;
    assert_eq!(receipt["sha256"], json!(sha256(&file).await), "{receipt}");
    assert_eq!(receipt["bytes"], json!(std::fs::metadata(&file).expect("the file").len()));
    assert_eq!(receipt["job_id"], job["job_id"]);
    assert_eq!(receipt["organization"], "acme");
    assert_eq!(receipt["dataset"], "spans");
    for (key, value) in body.as_object().expect("an object") {
        assert_eq!(&receipt["spec"][key], value, "the spec as asked: {receipt}");
    }
    let all =
        client.post("/api/v1/datasets/spans/count", &json!({"environment": "production"})).await.expect(200).json();
    assert_eq!(receipt["rows_matching"], all["count"], "{receipt} {all}");
    assert_eq!(receipt["rows_expected"], 100);
    assert_eq!(receipt["rows_written"], 100);
    assert_eq!(receipt["limited"], true);
    assert_eq!(receipt["mode"], "cutoff");
    assert_eq!(receipt["media_type"], "application/gzip");
    assert!(receipt["file_name"].as_str().is_some_and(|name| name.ends_with(".csv.gz")), "{receipt}");
    assert_eq!(job["row_count"], 100);
    assert_eq!(job["file_size_bytes"], receipt["bytes"]);
    assert_eq!(job["progress_percent"].as_f64(), Some(100.0), "{job}");
}

#[tokio::test(flavor = "multi_thread")]
async fn all_except_leaves_out_exactly_the_rows_named() {
    let app = TestApp::start(OFFTAKE).await;
    let client = app.client("acme").await;
    send_genuine(&client).await;
    let shared = [7; 8];
    let (here, there) = (SpanSketch::new(900).as_span(&shared), SpanSketch::new(901).as_span(&shared));
    let (second, third) = (SpanSketch::new(902), SpanSketch::new(903));
    send(&client, &[here.clone(), there.clone(), second.clone(), third.clone()]).await;

    let all = identities(&client, json!({})).await;
    assert_eq!(all.len() as u64, GENUINE + 4);
    let ids = [here.identity(), second.identity(), third.identity()];
    let rest = identities(&client, json!({"selection": {"mode": "all_except", "ids": ids}})).await;
    let gone: BTreeSet<_> = all.difference(&rest).cloned().collect();
    let named = |span: &SpanSketch| (span.trace_id(), span.span_id());
    assert_eq!(gone, BTreeSet::from([named(&here), named(&second), named(&third)]));
    assert!(rest.contains(&named(&there)), "the same span id in another trace stays");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_few_rows_come_at_once_and_many_as_a_job() {
    let app = TestApp::start(OFFTAKE).await;
    let client = app.client("acme").await;
    send_genuine(&client).await;
    let all: Vec<(String, String)> = identities(&client, json!({})).await.into_iter().collect();
    let partial = |some: &[(String, String)]| {
        let ids: Vec<Json> = some.iter().map(|(trace, span)| json!({"trace_id": trace, "span_id": span})).collect();
        json!({"format": "jsonl", "selection": {"mode": "partial", "ids": ids}})
    };

    let answer = client.create("spans", &partial(&all[10..12])).await.expect(200);
    let job = answer.json();
    assert_eq!(job["status"], "completed", "{job}");
    assert_eq!(job["row_count"], 2);
    let link = job["link"].as_str().unwrap_or_else(|| panic!("no link: {job}"));
    let file = app.anonymous().get(link).await.expect(200);
    assert_eq!(file.body.iter().filter(|&&byte| byte == b'\n').count(), 2);

    let answer = client.create("spans", &partial(&all[..200])).await.expect(202);
    let id = offtake_testkit::job_id(&answer);
    assert!(answer.header("location").ends_with(&format!("/api/v1/export/jobs/{id}")), "{:?}", answer.headers);
    assert!(!answer.header("retry-after").is_empty(), "{:?}", answer.headers);
    assert_eq!(answer.json()["status"], "pending");
    let job = client.rested(&id, std::time::Duration::from_secs(60)).await;
    assert_eq!(job["status"], "completed", "{job}");
    let rows = json_rows(&client, &job).await;
    let found: BTreeSet<_> =
        rows.iter().map(|row| (crate::support::text(row, "trace_id"), crate::support::text(row, "span_id"))).collect();
    assert_eq!(found, all[..200].iter().cloned().collect());
    assert_eq!(rows.len(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partial_selection_takes_what_is_there_once_and_nothing_of_others() {
    let app = TestApp::start(OFFTAKE).await;
    let (client, other) = (app.client("acme").await, app.client("other").await);
    let spans = [SpanSketch::new(1), SpanSketch::new(2)];
    send(&client, &spans).await;
    send(&other, &[SpanSketch::new(3)]).await;
    let ids = [spans[0].identity(), spans[0].identity(), SpanSketch::new(3).identity(), SpanSketch::new(4).identity()];
    let body = json!({"format": "jsonl", "selection": {"mode": "partial", "ids": ids}});
    let job = client.export("spans", &body).await;
    let rows = json_rows(&client, &job).await;
    assert_eq!(rows.len(), 1, "{rows:?}");
    assert_eq!(rows[0]["span_id"], spans[0].span_id());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_screen_the_count_and_the_file_agree_for_every_filter() {
    let app = TestApp::start(OFFTAKE).await;
    let client = app.client("acme").await;
    send_genuine(&client).await;
    let own = SpanSketch::new(5)
        .with("offtake.project_id", text("p-1"))
        .with("offtake.document_uuid", text("d-1"))
        .with("offtake.commit_uuid", text("c-1"))
        .with("offtake.experiment_uuid", text("e-1"))
        .with("offtake.test_deployment_id", text("t-1"))
        .with("input.value", text("Needle in a HAYSTACK"))
        .with("session.id", text("s-1"));
    send(&client, &[own.clone(), SpanSketch::new(6)]).await;
    let at = "2026-11-05T00:00:00Z";
    let filters = [
        (json!({}), None),
        (json!({"provider": "openai"}), None),
        (json!({"provider": ["openai", "anthropic"]}), None),
        (json!({"model": ["gpt-4o-mini", "gpt-4"]}), None),
        (json!({"environment": "production", "status_code": "ERROR"}), None),
        (json!({"status_code": ["ERROR", "OK"]}), None),
        (json!({"type": ["embedding"]}), None),
        (json!({"min_tokens": 100, "max_tokens": 500}), None),
        (json!({"min_duration_ms": 100.5, "max_duration_ms": 2000}), None),
        (json!({"max_cost": "0.01"}), None),
        (json!({"start_time": at}), None),
        (json!({"end_time": at}), None),
        (json!({"created_at": {"from": "2026-11-02T00:00:00Z", "to": at}}), None),
        (json!({"trace_ids": [own.trace_id()]}), Some(1)),
        (json!({"project_id": "p-1"}), Some(1)),
        (json!({"document_uuid": "d-1"}), Some(1)),
        (json!({"commit_uuids": ["c-1", "c-2"]}), Some(1)),
        (json!({"experiment_uuids": ["e-1"]}), Some(1)),
        (json!({"test_deployment_ids": ["t-1"]}), Some(1)),
        (json!({"session_id": "s-1"}), Some(1)),
        (json!({"text": "needle in a haystack"}), Some(1)),
        (json!({"span_name": "chat 6"}), Some(1)),
        (json!({"provider": "nobody"}), Some(0)),
    ];
    for (filter, expected) in filters {
        let count = client.post("/api/v1/datasets/spans/count", &filter).await.expect(200).json();
        let count = count["count"].as_u64().unwrap_or_else(|| panic!("{count}"));
        if let Some(expected) = expected {
            assert_eq!(count, expected, "{filter}");
        }
        let file = identities(&client, filter.clone()).await;
        assert_eq!(file.len() as u64, count, "{filter}");
        assert_eq!(pages(&client, &filter).await, file, "{filter}");
    }
}

/// Every row that paging shows.
async fn pages(client: &offtake_testkit::Client, filter: &Json) -> BTreeSet<(String, String)> {
    let mut seen = BTreeSet::new();
    let mut cursor = Json::Null;
    loop {
        let mut body = filter.clone();
        body["limit"] = json!(50);
        if !cursor.is_null() {
            body["cursor"] = cursor;
        }
        let page = client.post("/api/v1/datasets/spans/rows", &body).await.expect(200).json();
        for row in page["rows"].as_array().unwrap_or_else(|| panic!("{page}")) {
            assert!(
                seen.insert((crate::support::text(row, "trace_id"), crate::support::text(row, "span_id"))),
                "twice: {row}"
            );
        }
        cursor = page["next_cursor"].clone();
        if cursor.is_null() {
            return seen;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_come_after_the_count_stay_out_where_that_moment_is_asked_for() {
    let app = TestApp::start(OFFTAKE).await;
    let client = app.client("acme").await;
    send(&client, &[SpanSketch::new(1), SpanSketch::new(2)]).await;
    let count = client.post("/api/v1/datasets/spans/count", &json!({})).await.expect(200).json();
    send(&client, &[SpanSketch::new(0), SpanSketch::new(3)]).await;
    assert_eq!(identities(&client, json!({"as_of": count["as_of"]})).await.len() as u64, 2, "{count}");
    assert_eq!(identities(&client, json!({})).await.len() as u64, 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn fields_come_in_the_order_asked_under_the_names_asked() {
    let app = TestApp::start(OFFTAKE).await;
    let client = app.client("acme").await;
    send(&client, &[SpanSketch::new(1)]).await;
    let fields = json!(["span_id", {"name": "cost_usd", "as": "Cost (USD)"}, "trace_id", {"name": "name", "as": "name, \"quoted\""}]);
    let job = client.export("spans", &json!({"format": "csv", "fields": fields})).await;
    let (columns, rows) = read(&app, &client, Reader::PythonCsv, &job).await;
    assert_eq!(columns, ["span_id", "Cost (USD)", "trace_id", "name, \"quoted\""]);
    assert_eq!(rows[0][0].as_deref(), Some(SpanSketch::new(1).span_id().as_str()));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_request_on_the_same_rows_gives_the_same_bytes() {
    let app = TestApp::start(OFFTAKE).await;
    let client = app.client("acme").await;
    send_genuine(&client).await;
    for (format, compression) in [("csv", "gzip"), ("jsonl", "zstd"), ("json", "none"), ("parquet", "none")] {
        let body = json!({"format": format, "compression": compression});
        let (one, other) = (client.export("spans", &body).await, client.export("spans", &body).await);
        let (one, other) = (client.receipt(id_of(&one)).await, client.receipt(id_of(&other)).await);
        assert_eq!(one["sha256"], other["sha256"], "{format} {compression}");
        assert_eq!(one["spec_sha256"], other["spec_sha256"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn traces_and_prompts_add_up_to_the_spans() {
    let app = TestApp::start(OFFTAKE).await;
    let client = app.client("acme").await;
    send_genuine(&client).await;
    let spans = client.export("spans", &json!({"format": "jsonl"})).await;
    let traces = client.export("traces", &json!({"format": "jsonl"})).await;
    let prompts = client.export("prompts", &json!({"format": "jsonl"})).await;
    let (spans, traces, prompts) =
        (json_rows(&client, &spans).await, json_rows(&client, &traces).await, json_rows(&client, &prompts).await);
    let ids: BTreeSet<String> = spans.iter().map(|row| crate::support::text(row, "trace_id")).collect();
    assert_eq!(traces.iter().map(|row| crate::support::text(row, "trace_id")).collect::<BTreeSet<_>>(), ids);
    assert_eq!(traces.len(), ids.len());
    for trace in &traces {
        let own: Vec<&Json> = spans.iter().filter(|span| span["trace_id"] == trace["trace_id"]).collect();
        assert_eq!(trace["span_count"], json!(own.len()), "{trace}");
        assert_eq!(
            trace["error_count"],
            json!(own.iter().filter(|span| span["status_code"] == "ERROR").count()),
            "{trace}"
        );
        let first = own.iter().map(|span| crate::support::text(span, "started_at")).min();
        assert_eq!(trace["started_at"].as_str(), first.as_deref(), "{trace}");
    }
    let named =
        |rows: &[Json]| -> BTreeSet<String> { rows.iter().map(|row| crate::support::text(row, "span_id")).collect() };
    let prompt_spans: Vec<Json> = spans.iter().filter(|span| span["type"] == "prompt").cloned().collect();
    assert!(!prompt_spans.is_empty());
    assert_eq!(named(&prompts), named(&prompt_spans));
    assert_eq!(prompts.len(), prompt_spans.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_matching_is_an_empty_file_and_not_an_error() {
    let app = TestApp::start(OFFTAKE).await;
    let client = app.client("acme").await;
    for (format, expected) in [("csv", "trace_id\n"), ("jsonl", ""), ("json", "[]")] {
        let job = client.export("spans", &json!({"format": format, "fields": ["trace_id"]})).await;
        assert_eq!(job["row_count"], 0);
        let file = client.download(id_of(&job)).await;
        assert_eq!(String::from_utf8_lossy(&file).trim_end(), expected.trim_end(), "{format}");
    }
    let job = client.export("spans", &json!({"format": "parquet"})).await;
    let (_, rows) = read(&app, &client, Reader::Arrow, &job).await;
    assert_eq!(rows.len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idempotency_key_makes_one_job_of_two_requests() {
    let app = TestApp::start(OFFTAKE).await;
    let client = app.client("acme").await;
    let headers = [("content-type", "application/json"), ("idempotency-key", "one"), ("x-request-id", "req-77")];
    let ask = |body: Json| {
        client.send(reqwest::Method::POST, "/api/v1/export/spans", &headers, body.to_string().into_bytes())
    };
    let first = ask(json!({"format": "csv"})).await.expect(202);
    let again = ask(json!({"format": "csv"})).await;
    assert_eq!(offtake_testkit::job_id(&first), offtake_testkit::job_id(&again));
    let (code, _) = ask(json!({"format": "jsonl"})).await.expect(422).problem();
    assert_eq!(code, "idempotency_mismatch");
    assert_eq!(client.jobs().await, 1);
    let page = client.get("/api/v1/export/jobs?request_id=req-77").await.expect(200).json();
    assert_eq!(page["pagination"]["total"], 1, "{page}");
    assert_eq!(first.header("x-request-id"), "req-77");
    client.rested(&offtake_testkit::job_id(&first), std::time::Duration::from_secs(60)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_preview_shows_the_first_rows_of_the_file_and_makes_no_job() {
    let app = TestApp::start(OFFTAKE).await;
    let client = app.client("acme").await;
    send_genuine(&client).await;
    let body = json!({"format": "jsonl", "environment": "production"});
    let preview = client.post("/api/v1/export/spans/preview", &body).await.expect(200).json();
    assert_eq!(client.jobs().await, 0);
    let job = client.export("spans", &body).await;
    let rows = json_rows(&client, &job).await;
    let shown = preview["rows"].as_array().unwrap_or_else(|| panic!("{preview}"));
    assert_eq!(shown.len(), 20);
    assert_eq!(shown.as_slice(), &rows[..20]);
    assert_eq!(preview["count"], json!(rows.len()), "{preview:.300}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_store_is_what_the_file_says() {
    let app = TestApp::start(OFFTAKE).await;
    let client = app.client("acme").await;
    send_genuine(&client).await;
    let job = client.export("spans", &json!({"format": "csv", "fields": SPAN_COLUMNS})).await;
    let receipt = client.receipt(id_of(&job)).await;
    let (columns, found) = read(&app, &client, Reader::DuckDb, &job).await;
    assert_same_rows("csv", &columns, &app.span_rows("acme", &receipt).await, &found);
}
