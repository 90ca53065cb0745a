//! Each hears what it asked for and may hear: nothing foreign, nothing twice, nothing missing.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use offtake_testkit::{
    AppBuilder, Client, GrpcClient, Role, SpanSketch, TestApp, amplified, request_of, requests, switch, text, within,
};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use prost::Message as _;
use serde_json::{Value as Json, json};

use super::{Listener, trace_of};
use crate::support::{OFFTAKE, send};

const ORGS: [&str; 3] = ["acme", "globex", "initech"];

/// Whose calls these are, those with the most first.
fn users(sent: &[ExportTraceServiceRequest]) -> Vec<String> {
    let scopes = sent.iter().flat_map(|request| &request.resource_spans).flat_map(|of| &of.scope_spans);
    let attributes = scopes.flat_map(|scope| &scope.spans).flat_map(|span| &span.attributes);
    let mut counted: HashMap<&str, u64> = HashMap::new();
    for attribute in attributes.filter(|attribute| attribute.key == "user.id") {
        if let Some(Value::StringValue(user)) = attribute.value.as_ref().and_then(|value| value.value.as_ref()) {
            *counted.entry(user).or_default() += 1;
        }
    }
    let mut users: Vec<(u64, &str)> = counted.into_iter().map(|(user, count)| (count, user)).collect();
    users.sort_unstable_by(|one, next| next.cmp(one));
    users.into_iter().map(|(_, user)| user.to_owned()).collect()
}

/// Filters of every kind, many of each.
fn filters(users: &[String]) -> Vec<Json> {
    let mut all = vec![json!({}), json!({"min_cost": 0.001}), json!({"min_duration_ms": 900.5})];
    for provider in ["openai", "anthropic", "azure.ai.openai", "nobody"] {
        all.push(json!({"provider": provider}));
        for environment in ["production", "staging"] {
            all.push(json!({"provider": [provider, "nowhere"], "environment": environment}));
            all.push(json!({"environment": environment, "min_duration_ms": 500, "provider": provider}));
        }
    }
    for model in ["gpt-4o-mini", "gpt-4", "text-embedding-3-small", "claude-3-opus-20240229", "gpt-3.5-turbo"] {
        all.push(json!({"model": model}));
        all.push(json!({"model": [model, "gpt-4o"], "min_cost": 0.000_01}));
    }
    for user in users.iter().take(3) {
        all.push(json!({"user_id": user}));
        all.push(
            json!({"user_id": [user, "nobody"], "environment": ["production", "staging"], "min_duration_ms": 100}),
        );
    }
    all
}

/// Whether a row of `traces` passes a filter, as the page about it says.
pub(super) fn passes(row: &Json, filter: &Json) -> bool {
    let number = |value: &Json| value.as_f64().or_else(|| value.as_str()?.parse().ok());
    filter.as_object().expect("filters").iter().all(|(name, wanted)| match name.as_str() {
        "min_cost" => number(&row["cost_usd"]).is_some_and(|cost| cost >= wanted.as_f64().expect("a number")),
        "min_duration_ms" => number(&row["duration_ms"]).is_some_and(|ms| ms >= wanted.as_f64().expect("a number")),
        column => wanted.as_array().map_or_else(|| row[column] == *wanted, |several| several.contains(&row[column])),
    })
}

/// Every row of `traces` of an organization.
pub(super) async fn traces(client: &Client) -> Vec<Json> {
    let (mut rows, mut cursor) = (Vec::new(), Json::Null);
    loop {
        let page = json!({"limit": 500, "cursor": cursor});
        let page = client.post("/api/v1/datasets/traces/rows", &page).await.expect(200).json();
        rows.extend(page["rows"].as_array().expect("rows").iter().cloned());
        cursor = page["next_cursor"].clone();
        if cursor.is_null() {
            return rows;
        }
    }
}

/// 67 subscriptions: five to a socket, but for one that wants everything.
async fn listeners(client: &Client, place: usize, users: &[String]) -> Vec<(Vec<Json>, Listener)> {
    let filters = filters(users);
    let mut listeners = Vec::new();
    for number in 0..14 {
        let mut socket = client.socket().await;
        let own: Vec<Json> = (0..5).map(|of| filters[(place * 7 + number * 5 + of) % filters.len()].clone()).collect();
        let own = if number == 0 { vec![json!({}), json!({"min_cost": 1_000_000})] } else { own };
        for filter in &own {
            socket.subscribe(&["trace_created", "trace_updated"], filter.clone()).await;
        }
        listeners.push((own, Listener::of(socket)));
    }
    listeners
}

#[tokio::test(flavor = "multi_thread")]
async fn the_right_subscribers_hear_of_each_trace_once_and_no_others_do() {
    let app = TestApp::start(OFFTAKE).await;
    let spans = switch("OFFTAKE_TEST_EVENTS", 3_000_u64) / 3;
    let (mut clients, mut subscribed) = (Vec::new(), 0);
    for (place, org) in ORGS.into_iter().enumerate() {
        let client = app.client(org).await;
        let sent = requests(&amplified(spans, place as u64 + 40).await);
        let listeners = listeners(&client, place, &users(&sent)).await;
        subscribed += listeners.iter().map(|(filters, _)| filters.len()).sum::<usize>();
        let token = app.token(org, "sender", "spans:write").await;
        clients.push((org, client, listeners, sent, GrpcClient::connect(&app.grpc_address(Role::Serve), &token).await));
    }
    assert!(subscribed >= 200, "{subscribed}");
    let sending = clients.iter().map(|(_, _, _, sent, grpc)| async move {
        for request in sent {
            grpc.export(&request.encode_to_vec()).await.expect(0);
        }
    });
    futures::future::join_all(sending).await;
    let mut met = BTreeMap::new();
    for (org, client, listeners, ..) in clients {
        let rows = traces(&client).await;
        assert!(rows.len() as u64 > spans / 5, "{}", rows.len());
        let last = told_of_last(&client).await;
        for (filters, listener) in listeners {
            let heard = within_order(listener.heard().await, org);
            let mut wanted = BTreeSet::new();
            for filter in &filters {
                let passing = rows.iter().filter(|row| passes(row, filter));
                let passing: BTreeSet<&str> = passing.map(|row| row["trace_id"].as_str().expect("an id")).collect();
                for name in filter.as_object().expect("filters").keys() {
                    *met.entry(name.clone()).or_insert(false) |= !passing.is_empty() && passing.len() < rows.len();
                }
                wanted.extend(passing);
            }
            let heard: BTreeSet<&str> = heard.iter().map(String::as_str).filter(|id| *id != last).collect();
            assert_eq!(heard, wanted, "{org} {filters:?}");
        }
    }
    let kinds = ["environment", "min_cost", "min_duration_ms", "model", "provider", "user_id"];
    assert_eq!(met, kinds.map(|kind| (kind.to_owned(), true)).into(), "each kind of filter keeps some out and not all");
}

/// Sends one more trace, and waits until it is told of: behind everything that was there before. Its id.
async fn told_of_last(client: &Client) -> String {
    let mut probe = client.socket().await;
    // What was there before is told to all at one time: not to this one beforehand, because it missed it.
    probe.subscribe(&["trace_created"], json!({})).await;
    let last = SpanSketch::new(1);
    send(client, std::slice::from_ref(&last)).await;
    let heard = async { while trace_of(&probe.event().await) != last.trace_id() {} };
    within("the last trace is told of", Duration::from_secs(60), heard).await;
    last.trace_id()
}

/// The traces that were told of as created, each once, of this organization alone, before anything else of them.
fn within_order(heard: Vec<Json>, org: &str) -> BTreeSet<String> {
    let (mut created, mut seqs) = (BTreeSet::new(), BTreeMap::new());
    for event in heard {
        assert_eq!((&event["type"], &event["data"]["org_id"]), (&json!("event"), &json!(org)), "{event}");
        let (id, seq) = (trace_of(&event).to_owned(), event["seq"].as_u64().expect("a number"));
        if event["event_type"] == "trace_created" {
            assert!(created.insert(id.clone()), "twice: {event}");
        }
        let before = seqs.insert(id, seq);
        assert!(before.is_none_or(|before| before < seq), "out of order: {event}");
    }
    created
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_says_what_the_trace_says() {
    let app = TestApp::start(OFFTAKE).await;
    let client = app.client("acme").await;
    let mut socket = client.socket().await;
    let early = SpanSketch::new(0);
    send(&client, &[early]).await;
    socket.subscribe(&["trace_created", "trace_updated"], json!(null)).await;
    let first = SpanSketch::new(1)
        .with("gen_ai.request.model", text("gpt-4o"))
        .with("user.id", text("ada \u{1F980}"))
        .with("gen_ai.usage.cost", text("x"))
        .ending(2, "no");
    send(&client, std::slice::from_ref(&first)).await;
    let created = socket.event().await;
    assert_eq!(created["event_type"], "trace_created");
    let row = traces(&client).await.into_iter().find(|row| row["trace_id"] == first.trace_id()).expect("a row");
    for name in ["trace_id", "provider", "model", "environment", "user_id", "duration_ms", "status_code"] {
        assert_eq!(created["data"][name], row[name], "{name}: {created}");
    }
    assert_eq!((&created["data"]["org_id"], &created["data"]["status_code"]), (&json!("acme"), &json!("ERROR")));
    assert!(created["timestamp"].is_string() && created["data"]["timestamp"].is_string(), "{created}");
    // It grows: told of at once, then at most once a second, and the last state is not lost.
    for number in 2..6_u64 {
        let more = SpanSketch::new(number).in_trace(&first.0.trace_id);
        send(&client, &[more]).await;
    }
    let (mut last, mut updates) = (created, 0);
    while last["data"]["duration_ms"] != 5_000.004 {
        last = socket.event().await;
        assert_eq!((&last["event_type"], trace_of(&last)), (&json!("trace_updated"), &*first.trace_id()));
        updates += 1;
    }
    assert!(updates <= 3, "{updates} of four in about a second");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_was_away_is_told_what_it_missed() {
    let app = TestApp::start(OFFTAKE).await;
    let client = app.client("acme").await;
    let other = app.client("globex").await;
    let mut socket = client.socket().await;
    socket.subscribe(&["trace_created"], json!({})).await;
    send(&client, &[SpanSketch::new(1)]).await;
    let known = socket.event().await["seq"].clone();
    drop(socket);
    for number in 2..40 {
        send(&client, &[SpanSketch::new(number)]).await;
        send(&other, &[SpanSketch::new(number)]).await;
    }
    let mut socket = client.socket().await;
    let again = json!({"type": "subscribe", "events": ["trace_created"], "after": {"traces": known}});
    socket.say(&again).await;
    socket.of_type("subscribed").await;
    send(&client, &[SpanSketch::new(40)]).await;
    let mut heard = Vec::new();
    while heard.len() < 39 {
        heard.push(socket.event().await);
    }
    let ids: Vec<&str> = heard.iter().map(trace_of).collect();
    let wanted: Vec<String> = (2..41).map(|number| SpanSketch::new(number).trace_id()).collect();
    assert_eq!(ids, wanted);
    assert!(socket.so_far().await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn who_was_told_of_nothing_yet_knows_from_where_to_go_on() {
    let app = TestApp::start(OFFTAKE).await;
    let client = app.client("acme").await;
    send(&client, &[SpanSketch::new(1)]).await;
    let mut asked = json!({"type": "subscribe", "events": ["trace_created", "system_alert"]});
    let mut socket = client.socket().await;
    socket.say(&asked).await;
    let after = socket.of_type("subscribed").await["after"].clone();
    assert!(after["traces"].is_u64() && after["organization"].is_u64(), "{after}");
    drop(socket);
    send(&client, &[SpanSketch::new(2)]).await;
    let mut socket = client.socket().await;
    asked["after"] = after.clone();
    socket.say(&asked).await;
    assert_eq!(socket.of_type("subscribed").await["after"], after);
    assert_eq!(trace_of(&socket.event().await), SpanSketch::new(2).trace_id());
    // Of a stream that is not subscribed to nothing is said.
    socket.say(&json!({"type": "subscribe", "events": ["system_alert"]})).await;
    assert!(socket.of_type("subscribed").await["after"].get("traces").is_none());
    assert!(socket.so_far().await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn sensitive_columns_are_veiled_and_not_filtered_by() {
    let app = AppBuilder::new(OFFTAKE)
        .with_tables(
            "[spans.sensitive]\nuser_id = \"mask\"\nattributes = true\nevents = true\ncompletion_attributes = true\n",
        )
        .start()
        .await;
    let all = app.client("acme").await;
    let viewer = app.client_of("acme", "viewer", "traces:read").await;
    let (mut clear, mut veiled) = (all.socket().await, viewer.socket().await);
    clear.subscribe(&["trace_created"], json!({"user_id": "ada"})).await;
    let asked = json!({"type": "subscribe", "events": ["trace_created"], "filters": {"user_id": "ada"}});
    let (code, error) = veiled.refused(&asked.to_string()).await;
    assert!(code == "forbidden" && error["detail"].as_str().expect("words").contains("user_id"), "{error}");
    veiled.subscribe(&["trace_created"], json!({})).await;
    let spans = [SpanSketch::new(1).with("user.id", text("ada"))];
    all.otlp(request_of(&spans).encode_to_vec()).await.expect(200);
    assert_eq!(clear.event().await["data"]["user_id"], "ada");
    assert_eq!(veiled.event().await["data"]["user_id"], "***");
}
