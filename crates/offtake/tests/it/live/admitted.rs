//! Who may open a socket, what may be said on it, and what is answered.

use futures::future::join_all;
use offtake_testkit::{AppBuilder, Client, TestApp};
use reqwest::Method;
use serde_json::{Value as Json, json};
use tokio_tungstenite::tungstenite::Message;

use super::SOON;
use crate::support::OFFTAKE;

/// A fresh ticket, as a path.
async fn ticket(client: &Client) -> String {
    let answer = client.send(Method::POST, "/api/v1/ws/ticket", &[], Vec::new()).await.expect(201).json();
    format!("/api/v1/ws?ticket={}", answer["ticket"].as_str().expect("a ticket"))
}

#[tokio::test(flavor = "multi_thread")]
async fn who_shows_nothing_that_holds_is_refused() {
    let app = TestApp::start(OFFTAKE).await;
    let anonymous = app.anonymous();
    for path in ["/api/v1/ws", "/api/v1/ws?ticket=", "/api/v1/ws?ticket=abc", "/api/v1/ws?token=abc"] {
        let refused = anonymous.try_socket(path, &[]).await.expect_err(path);
        assert_eq!((refused.status, &refused.body["code"]), (401, &json!("unauthenticated")), "{path}");
    }
    let forged = app.client_with_token("not.a.token").try_socket("/api/v1/ws", &[]).await;
    assert_eq!(forged.expect_err("a forged token").status, 401);
    anonymous.send(Method::POST, "/api/v1/ws/ticket", &[], Vec::new()).await.expect(401);
    let plain = app.client("acme").await.get("/api/v1/ws").await.expect(422);
    assert_eq!(plain.problem().0, "invalid_request");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_fifty_who_use_a_ticket_at_once_one_gets_in() {
    let app = TestApp::start(OFFTAKE).await;
    let client = app.client("acme").await;
    let anonymous = app.anonymous();
    for _ in 0..3 {
        let path = ticket(&client).await;
        let tries = join_all((0..50).map(|_| anonymous.try_socket(&path, &[]))).await;
        let (opened, refused): (Vec<_>, Vec<_>) = tries.into_iter().partition(Result::is_ok);
        assert_eq!(opened.len(), 1);
        assert!(refused.into_iter().all(|refused| refused.expect_err("refused").status == 401));
        let mut socket = opened.into_iter().flatten().next().expect("one");
        // It may do what its maker may.
        socket.subscribe(&["trace_created", "export_job_status"], json!({})).await;
    }
    let log = app.folder().join("serve-1.log");
    let log = std::fs::read_to_string(log).unwrap_or_default();
    assert!(!log.contains("ticket="), "tickets are in no log");
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_of_other_origins_open_no_socket() {
    let app = AppBuilder::new(OFFTAKE).set("server.allowed_origins", "[\"https://app.example.org\"]").start().await;
    let client = app.client("acme").await;
    for (origin, site, allowed) in [
        (app.url(), "", true),
        (app.url(), "same-origin", true),
        ("https://app.example.org".to_owned(), "cross-site", true),
        ("https://evil.example".to_owned(), "", false),
        ("https://app.example.org.evil.example".to_owned(), "cross-site", false),
        ("http://app.example.org".to_owned(), "", false),
        ("null".to_owned(), "", false),
    ] {
        let mut headers = vec![("origin", origin.as_str())];
        headers.extend((!site.is_empty()).then_some(("sec-fetch-site", site)));
        let opened = client.try_socket("/api/v1/ws", &headers).await;
        assert_eq!(opened.is_ok(), allowed, "{origin} {site}");
        if let Err(refused) = opened {
            assert_eq!(refused.status, 403);
        }
    }
    // What another page tries does not spend the ticket.
    let path = ticket(&client).await;
    let anonymous = app.anonymous();
    let evil = anonymous.try_socket(&path, &[("origin", "https://evil.example")]).await;
    assert_eq!(evil.expect_err("another page").status, 403);
    anonymous.try_socket(&path, &[("origin", "https://app.example.org")]).await.expect("it is still good");
}

#[tokio::test(flavor = "multi_thread")]
async fn sockets_of_one_caller_are_limited() {
    let app = AppBuilder::new(OFFTAKE).set("live.connections_per_principal", "3").start().await;
    let (mine, theirs) = (app.client("acme").await, app.client("globex").await);
    let mut open = Vec::new();
    for _ in 0..3 {
        open.push(mine.socket().await);
    }
    let refused = mine.try_socket("/api/v1/ws", &[]).await.expect_err("one too many");
    assert_eq!((refused.status, &refused.body["code"]), (429, &json!("too_many_requests")));
    theirs.socket().await.so_far().await;
    drop(open.pop());
    offtake_testkit::eventually("its place is free again", SOON, || async {
        mine.try_socket("/api/v1/ws", &[]).await.ok()
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_may_not_be_heard_is_refused_by_name() {
    let app = TestApp::start(OFFTAKE).await;
    let all = [
        ("trace_created", "traces:read"),
        ("trace_updated", "traces:read"),
        ("metric_threshold", "metrics:read"),
        ("cost_threshold", "costs:read"),
        ("export_job_status", "exports:read"),
        ("system_alert", "alerts:read"),
    ];
    for (event, permission) in all {
        let client = app.client_of("acme", permission, permission).await;
        let mut socket = client.socket().await;
        for (asked, needed) in all {
            if needed == permission {
                socket.subscribe(&[asked], json!({})).await;
                continue;
            }
            let both = json!({"type": "subscribe", "events": [event, asked]});
            let (code, error) = socket.refused(&both.to_string()).await;
            let detail = error["detail"].as_str().expect("words");
            assert!(code == "forbidden" && detail.contains(asked) && detail.contains(needed), "{error}");
        }
    }
    let mut nobody = app.client_of("acme", "nobody", "spans:write").await.socket().await;
    assert_eq!(nobody.refused(r#"{"type":"subscribe","events":["trace_created"]}"#).await.0, "forbidden");
    let mut everybodys = app.client_of("acme", "boss", "exports:read_all").await.socket().await;
    everybodys.subscribe(&["export_job_status"], json!({})).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_message_is_answered_and_ends_nothing() {
    let app = TestApp::start(OFFTAKE).await;
    let mut socket = app.client("acme").await.socket().await;
    for (message, code, pointers) in [
        ("", "malformed", vec![]),
        ("ping", "malformed", vec![]),
        ("[1]", "malformed", vec![]),
        (r#"{"type":"shout"}"#, "invalid_request", vec!["/type"]),
        (r#"{"type":"subscribe"}"#, "invalid_request", vec!["/events"]),
        (r#"{"type":"subscribe","events":["trace_deleted"]}"#, "invalid_request", vec!["/events/0"]),
        (
            r#"{"type":"subscribe","events":["trace_created"],"filters":{"colour":"red","min_cost":"x"}}"#,
            "invalid_request",
            vec!["/filters/colour", "/filters/min_cost"],
        ),
        (r#"{"type":"subscribe","events":["trace_created"],"org_id":"globex"}"#, "invalid_request", vec!["/org_id"]),
    ] {
        let (said, error) = socket.refused(message).await;
        let wrong: Vec<&str> =
            error["errors"].as_array().expect("errors").iter().filter_map(|one| one["pointer"].as_str()).collect();
        assert_eq!((said.as_str(), wrong), (code, pointers), "{message}");
    }
    socket.send(Message::binary(vec![1, 2, 3])).await;
    assert_eq!(socket.of_type("error").await["code"], "malformed");
    for number in 0..100 {
        socket.subscribe(&["trace_created"], json!({"user_id": format!("user {number}")})).await;
    }
    assert_eq!(socket.refused(r#"{"type":"subscribe","events":["trace_created"]}"#).await.0, "too_many_requests");
    socket.say(&json!({"type": "unsubscribe", "events": ["trace_created"]})).await;
    assert_eq!(socket.of_type("unsubscribed").await["events"], json!(["trace_created"]));
    socket.subscribe(&["trace_created"], json!({})).await;
    let at_most = json!({"type": "ping", "padding": "x".repeat((64 << 10) - 30)}).to_string();
    assert!(at_most.len() <= 64 << 10);
    socket.send(Message::text(at_most)).await;
    socket.of_type("pong").await;
    socket.send(Message::text("x".repeat((64 << 10) + 1))).await;
    assert_eq!(socket.end(SOON).await, 1009);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_unsubscribes_hears_no_more() {
    let app = TestApp::start(OFFTAKE).await;
    let client = app.client("acme").await;
    let (mut leaving, mut staying) = (client.socket().await, client.socket().await);
    for socket in [&mut leaving, &mut staying] {
        socket.subscribe(&["trace_created"], json!({"provider": "openai"})).await;
        socket.subscribe(&["trace_created"], json!({})).await;
    }
    crate::support::send(&client, &[offtake_testkit::SpanSketch::new(1)]).await;
    let first: Vec<Json> = vec![leaving.event().await, staying.event().await];
    assert_eq!(first[0]["data"], first[1]["data"]);
    leaving.say(&json!({"type": "unsubscribe", "events": ["trace_created", "system_alert"]})).await;
    leaving.of_type("unsubscribed").await;
    crate::support::send(&client, &[offtake_testkit::SpanSketch::new(2)]).await;
    staying.event().await;
    assert!(leaving.so_far().await.is_empty());
    assert!(staying.so_far().await.is_empty(), "what two subscriptions take comes once");
}
