//! Alert rules and budgets: told once, to those who may hear of it, also across a restart; what is history raises none.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use offtake_testkit::{AppBuilder, Client, Role, SpanSketch, TestApp, eventually, text, value};
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use serde_json::{Value as Json, json};

use crate::support::{OFFTAKE, send, send_genuine};

/// A model call that has just ended, of a tenth of a second and 25 cents.
#[expect(clippy::disallowed_methods, reason = "what arrives is judged by real time")]
fn call(number: u64, model: &str) -> SpanSketch {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_nanos();
    let now = u64::try_from(now).expect("before 2554");
    let mut call = SpanSketch::new(number)
        .with("gen_ai.request.model", text(model))
        .with("gen_ai.usage.cost", value(Value::DoubleValue(0.25)));
    (call.0.start_time_unix_nano, call.0.end_time_unix_nano) = (now - 100_000_000, now);
    call
}

async fn app() -> TestApp {
    AppBuilder::new(OFFTAKE).set("worker.alerts", "\"100ms\"").start().await
}

async fn made(client: &Client, rule: Json) -> String {
    let made = client.post("/api/v1/alerts", &rule).await.expect(201).json();
    made["id"].as_str().expect("an id").to_owned()
}

/// Waits until how things stand with a rule is as `wanted` says.
async fn until(what: &str, client: &Client, id: &str, wanted: impl Fn(&Json) -> bool) -> Json {
    eventually(what, Duration::from_secs(20), || async {
        let state = stands(client, id).await;
        wanted(&state).then_some(state)
    })
    .await
}

async fn stands(client: &Client, id: &str) -> Json {
    client.get(&format!("/api/v1/alerts/{id}")).await.expect(200).json()["state"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_metric_beyond_its_threshold_is_told_once_and_to_its_organization_alone() {
    let mut app = app().await;
    let (acme, globex) = (app.client("acme").await, app.client("globex").await);
    let blind = app.client_of("acme", "ada", "traces:read,alerts:read").await;
    let rule = |model: &str| {
        json!({"kind": "metric", "name": format!("errors of {model}"), "metric": "error_rate", "window_seconds": 3600,
               "direction": "above", "threshold": 0.4, "filters": {"model": model}})
    };
    let (fires, quiet) = (made(&acme, rule("gpt-4o")).await, made(&acme, rule("gpt-4.1")).await);
    let foreign = made(&globex, rule("gpt-4o")).await;
    let mut heard = acme.socket().await;
    heard.subscribe(&["metric_threshold"], json!({})).await;
    let mut elsewhere = globex.socket().await;
    elsewhere.subscribe(&["metric_threshold"], json!({})).await;
    // The watch is over what comes from its first look on.
    until("the rules are judged", &acme, &fires, |state| state["judged_at"].is_string()).await;

    send(&acme, &[call(1, "gpt-4o"), call(2, "gpt-4o").ending(2, "broke"), call(3, "gpt-4.1")]).await;
    let event = heard.event().await;
    let data = &event["data"];
    assert_eq!(event["event_type"], "metric_threshold");
    assert_eq!(
        [&data["metric_name"], &data["threshold_value"], &data["current_value"], &data["model"], &data["org_id"]],
        [&json!("error_rate"), &json!(0.4), &json!(0.5), &json!("gpt-4o"), &json!("acme")]
    );
    assert_eq!([&data["rule_id"], &data["state"]], [&json!(fires), &json!("firing")]);
    assert_eq!(stands(&acme, &fires).await["status"], "firing");

    // Neither more of the same nor a restart tells it again.
    app.terminate(Role::Serve, Duration::from_secs(30)).await;
    app.start_role(Role::Serve).await;
    let mut heard = acme.socket().await;
    let after = json!({"organization": 0});
    heard.say(&json!({"type": "subscribe", "events": ["metric_threshold"], "after": after})).await;
    assert_eq!(heard.event().await["data"]["rule_id"], json!(fires));
    send(&acme, &[call(4, "gpt-4o").ending(2, "broke")]).await;
    until("the fourth is counted", &acme, &fires, |state| state["value"] != json!(0.5)).await;
    assert!(heard.so_far().await.iter().all(|message| message["type"] == "subscribed"));
    assert_eq!(stands(&acme, &quiet).await["status"], "ok");
    assert_eq!(stands(&globex, &foreign).await["status"], "ok");
    // Who may not read metrics sees the rule, and hears nothing.
    blind.get(&format!("/api/v1/alerts/{fires}")).await.expect(200);
    let mut deaf = blind.socket().await;
    let (code, _) = deaf.refused(&json!({"type": "subscribe", "events": ["metric_threshold"]}).to_string()).await;
    assert_eq!(code, "forbidden");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_budget_is_told_at_each_percentage_once() {
    let app = app().await;
    let acme = app.client("acme").await;
    let budget = json!({"kind": "budget", "name": "all of it", "amount_usd": "1.00", "period": "month", "percentages": [50, 100]});
    let id = made(&acme, budget).await;
    let mut heard = acme.socket().await;
    heard.subscribe(&["cost_threshold"], json!({})).await;
    send(&acme, &[call(1, "a"), call(2, "a")]).await;
    let half = heard.event().await["data"].clone();
    assert_eq!(
        [&half["percent"], &half["threshold_value"], &half["current_value"], &half["period"]],
        [&json!(50), &json!(0.5), &json!(0.5), &json!("month")]
    );
    send(&acme, &[call(3, "a"), call(4, "a"), call(5, "a")]).await;
    assert_eq!(heard.event().await["data"]["percent"], 100);
    send(&acme, &[call(6, "a")]).await;
    until("the sixth is counted", &acme, &id, |state| state["spending"]["spent_usd"] == "1.5").await;
    assert!(heard.so_far().await.is_empty());
    assert_eq!(stands(&acme, &id).await["spending"]["told"], json!([50, 100]));

    // A larger amount arms it again: three quarters of it are spent.
    acme.patch(&format!("/api/v1/alerts/{id}"), &json!({"amount_usd": "2.00"})).await.expect(200);
    until("it is armed again", &acme, &id, |state| state["spending"]["told"] == json!([50])).await;
    send(&acme, &[call(7, "a"), call(8, "a")]).await;
    let whole = heard.event().await["data"].clone();
    assert_eq!([&whole["percent"], &whole["threshold_value"]], [&json!(100), &json!(2.0)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_history_raises_no_alert() {
    let app = app().await;
    let acme = app.client("acme").await;
    let rule = json!({"kind": "metric", "name": "any", "metric": "traces_per_minute", "window_seconds": 60, "direction": "above",
                      "threshold": 0.01});
    let id = made(&acme, rule).await;
    until("the rule is judged", &acme, &id, |state| state["judged_at"].is_string()).await;
    // They ended weeks ago.
    send_genuine(&acme).await;
    send(&acme, &[call(1, "a")]).await;
    until("the new one is counted", &acme, &id, |state| state["status"] == "firing").await;
    let value = stands(&acme, &id).await["value"].as_f64().expect("a value");
    assert!(value <= 1.0, "only what is new counts: {value}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_a_rule_is_said_at_once() {
    let app = app().await;
    let acme = app.client("acme").await;
    let wrong = json!({"kind": "metric", "name": "", "metric": "beauty", "window_seconds": 5, "direction": "sideways",
                       "threshold": "much", "filters": {"colour": "red"}, "amount_usd": "1"});
    let problem = acme.post("/api/v1/alerts", &wrong).await.expect(422).json();
    let mut pointers: Vec<&str> =
        problem["errors"].as_array().expect("errors").iter().filter_map(|error| error["pointer"].as_str()).collect();
    pointers.sort_unstable();
    assert_eq!(
        pointers,
        ["/amount_usd", "/direction", "/filters/colour", "/metric", "/name", "/threshold", "/window_seconds"]
    );
    let ada = app.client_of("acme", "ada", "alerts:read").await;
    ada.post("/api/v1/alerts", &json!({})).await.expect(403);
    assert_eq!(ada.get("/api/v1/alerts").await.expect(200).json()["alerts"], json!([]));
}
