//! What operators see: metrics, logs, health.

use std::time::Duration;

use offtake_testkit::{AppBuilder, Role, SpanSketch, TestApp, eventually};
use reqwest::Method;
use serde_json::{Value as Json, json};

use crate::support::{OFFTAKE, id_of, send, send_genuine};

#[tokio::test(flavor = "multi_thread")]
async fn metrics_are_for_the_operator_and_count_what_happened() {
    let app = TestApp::start(OFFTAKE).await;
    let client = app.client("acme").await;
    send_genuine(&client).await;
    client.export("spans", &json!({"format": "csv"})).await;
    app.anonymous().get("/metrics").await.expect(401);
    client.get("/metrics").await.expect(403);
    let operator = app.client_of("acme", "op", "operator").await;
    let answer = operator.get("/metrics").await.expect(200);
    let text = String::from_utf8(answer.body).expect("UTF-8");
    let samples: Vec<(&str, f64)> = text
        .lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty())
        .map(|line| line.rsplit_once(' ').unwrap_or_else(|| panic!("no sample: {line}")))
        .map(|(name, value)| (name, value.parse().unwrap_or_else(|_| panic!("no number: {name} {value}"))))
        .collect();
    assert!(samples.iter().all(|(name, _)| name.starts_with("offtake_")), "{samples:?}");
    let some =
        |part: &str, value: f64| samples.iter().any(|(name, have)| name.contains(part) && (*have - value).abs() < 0.5);
    assert!(some("rows", 413.0), "rows that were written: {text}");
    assert!(some("completed", 1.0), "jobs that completed: {text}");
    assert!(some("spans", 413.0), "spans that came in: {text}");
    assert!(!text.contains("acme"), "no organization in a label: {text}");
    let app = AppBuilder::new(OFFTAKE).set("metrics.open", "true").start().await;
    app.anonymous().get("/metrics").await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn live_sockets_are_measured() {
    let app = AppBuilder::new(OFFTAKE).set("metrics.open", "true").start().await;
    let client = app.client("acme").await;
    let (mut both, mut one) = (client.socket().await, client.socket().await);
    both.subscribe(&["trace_created"], json!({})).await;
    both.subscribe(&["trace_created", "system_alert"], json!({"provider": "openai"})).await;
    one.subscribe(&["trace_created"], json!({"provider": "anthropic"})).await;
    send(&client, &[SpanSketch::new(1), SpanSketch::new(2)]).await;
    let first = both.event().await;
    both.event().await;
    let anybody = app.anonymous();
    let shown = async || String::from_utf8(anybody.get("/metrics").await.expect(200).body).expect("UTF-8");
    // By then whoever writes knows that they were taken.
    both.so_far().await;
    let text = shown().await;
    for (name, value) in [
        ("offtake_live_sockets", 2.0),
        ("offtake_live_subscriptions", 3.0),
        ("offtake_live_events_total{result=\"told\"}", 2.0),
        ("offtake_live_events_total{result=\"replayed\"}", 0.0),
        ("offtake_live_events_total{result=\"dropped\"}", 0.0),
        ("offtake_live_lagged_total", 0.0),
        ("offtake_live_delivery_seconds_count", 2.0),
    ] {
        assert!((sample(&text, name) - value).abs() < 0.5, "{name} is not {value}: {text}");
    }
    assert!(sample(&text, "offtake_live_matching_seconds_total") > 0.0, "{text}");
    let after = json!({"traces": first["seq"]});
    one.say(&json!({"type": "subscribe", "events": ["trace_created"], "after": after})).await;
    one.event().await;
    both.say(&json!({"type": "unsubscribe", "events": ["trace_created"]})).await;
    both.of_type("unsubscribed").await;
    let text = shown().await;
    assert!((sample(&text, "offtake_live_events_total{result=\"replayed\"}") - 1.0).abs() < 0.5, "{text}");
    assert!(
        (sample(&text, "offtake_live_subscriptions") - 3.0).abs() < 0.5,
        "of two one is gone, and one came: {text}"
    );
    drop((both, one));
    eventually("nobody listens", Duration::from_secs(20), async || {
        let text = shown().await;
        let left = ["offtake_live_sockets", "offtake_live_subscriptions", "offtake_live_queued_bytes"];
        left.iter().all(|name| sample(&text, name).abs() < 0.5).then_some(())
    })
    .await;
}

/// The value of a metric, named with its labels if it has any.
#[track_caller]
pub(crate) fn sample(text: &str, name: &str) -> f64 {
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.and_then(|value| value.parse().ok()).unwrap_or_else(|| panic!("no {name}: {text}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn server_and_worker_apart_are_measured_apart() {
    let mut app = AppBuilder::new(OFFTAKE).set("worker.metrics_listen", "\"127.0.0.1:0\"").apart().start().await;
    let client = app.client("acme").await;
    send_genuine(&client).await;
    client.export("spans", &json!({"format": "csv"})).await;
    let said = eventually("the worker says where", Duration::from_secs(60), || {
        let log = app.process(Role::Worker).log();
        let said =
            log.lines().find_map(|line| line.split_once("metrics at ")?.1.strip_suffix("/metrics").map(str::to_owned));
        async move { said }
    })
    .await;
    let anybody = app.anonymous();
    let text = String::from_utf8(anybody.get(&format!("{said}/metrics")).await.expect(200).body).expect("UTF-8");
    assert!((sample(&text, "offtake_exported_rows_total") - 413.0).abs() < 0.5);
    assert!(sample(&text, "offtake_queue_pending").abs() < 0.5);
    anybody.get(&format!("{said}/livez")).await.expect(200);
    anybody.get(&format!("{said}/readyz")).await.expect(200);
    anybody.get(&format!("{said}/api/v1/datasets")).await.expect(404);

    // The server knows what waits though nobody works.
    app.kill9(Role::Worker);
    client.begin("spans", &json!({"format": "csv"})).await;
    let operator = app.client_of("acme", "op", "operator").await;
    let text = String::from_utf8(operator.get("/metrics").await.expect(200).body).expect("UTF-8");
    assert!((sample(&text, "offtake_queue_pending") - 1.0).abs() < 0.5, "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn logs_are_json_with_the_request_id_and_without_secrets() {
    let mut app = TestApp::start(OFFTAKE).await;
    let client = app.client("acme").await;
    send(&client, &[SpanSketch::new(1)]).await;
    let headers = [("content-type", "application/json"), ("x-request-id", "from-the-caller-1")];
    let body = json!({"format": "csv"}).to_string().into_bytes();
    let answer = client.send(Method::POST, "/api/v1/export/spans", &headers, body).await.expect(202);
    assert_eq!(answer.header("x-request-id"), "from-the-caller-1");
    let id = offtake_testkit::job_id(&answer);
    let job = client.rested(&id, std::time::Duration::from_secs(60)).await;
    assert_eq!(job["request_id"], "from-the-caller-1");
    client.download(&id).await;
    let link = client.link(&id).await;
    app.anonymous().get(&link).await.expect(200);
    let (status, _) = app.terminate(offtake_testkit::Role::Serve, std::time::Duration::from_secs(30)).await;
    assert!(status.success(), "{status}");
    let log = app.log();
    let mut structured = 0;
    let (mut asked, mut worked) = (false, false);
    for line in log.lines() {
        if let Ok(Json::Object(entry)) = serde_json::from_str::<Json>(line) {
            structured += 1;
            for key in ["timestamp", "level"] {
                assert!(entry.contains_key(key), "{line}");
            }
            asked |= line.contains("from-the-caller-1");
            worked |= line.contains(id_of(&job)) && line.contains("from-the-caller-1");
        }
    }
    assert!(structured > 0 && asked, "the request is in the log by its id:\n{log}");
    assert!(worked, "so is the work on its job:\n{log}");
    let token = app.token("acme", "tester", "all").await;
    let secret = token.rsplit_once('.').expect("a signature").1;
    assert!(!log.contains(secret), "a token is in the log");
    let signature = link.rsplit_once('=').expect("a signature").1;
    assert!(!log.contains(signature), "a link is in the log");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_cannot_write_into_the_log_by_his_request_id() {
    let mut app = TestApp::start(OFFTAKE).await;
    let client = app.client("acme").await;
    let long = "x".repeat(5_000);
    for id in [long.as_str(), "a b", "é"] {
        let answer =
            client.send(Method::GET, "/api/v1/export/jobs", &[("x-request-id", id)], Vec::new()).await.expect(200);
        assert_ne!(answer.header("x-request-id"), id, "it gets one of ours");
    }
    assert!(!app.log().contains(&long));
    let hostile = "\"}{\"level\":\"ERROR";
    client.send(Method::GET, "/api/v1/export/jobs", &[("x-request-id", hostile)], Vec::new()).await.expect(200);
    for line in app.log().lines().filter(|line| line.starts_with('{')) {
        let entry: Json = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        assert_ne!(entry["level"], "ERROR", "{line}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_service_says_how_it_is_and_what_it_offers() {
    let app = TestApp::start(OFFTAKE).await;
    let anybody = app.anonymous();
    anybody.get("/livez").await.expect(200);
    anybody.get("/readyz").await.expect(200);
    let document = anybody.get("/openapi.json").await.expect(200).json();
    assert!(document["openapi"].as_str().is_some_and(|version| version.starts_with("3.1")), "{}", document["openapi"]);
    let paths = document["paths"].as_object().expect("paths");
    for path in ["/api/v1/export/spans", "/api/v1/export/jobs/{id}", "/v1/traces"] {
        assert!(paths.contains_key(path), "{path} is not among {:?}", paths.keys());
    }
    let text = document.to_string();
    for filter in ["commit_uuids", "min_cost", "test_deployment_ids"] {
        assert!(text.contains(filter), "the document is typed per dataset: {filter}");
    }
    let docs = anybody.get("/docs").await;
    assert!(matches!(docs.status, 200 | 303 | 307 | 308), "{docs}");
}
