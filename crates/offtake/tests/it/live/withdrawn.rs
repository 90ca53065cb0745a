//! What was taken away ends open sockets, and so does the end of the server.

use std::time::{Duration, Instant};

use offtake_testkit::{AppBuilder, Role, TestApp, eventually};
use reqwest::Method;
use serde_json::json;

use super::SOON;
use crate::support::OFFTAKE;

#[tokio::test(flavor = "multi_thread")]
async fn a_socket_ends_with_the_right_to_it() {
    let app = TestApp::start(OFFTAKE).await;
    let admin = app.client("acme").await;
    let alice = app.client_of("acme", "alice", "traces:read,exports:read").await;
    let bob = app.client_of("acme", "bob", "traces:read,exports:read").await;
    let mut unharmed = bob.socket().await;
    // A permission that is withheld.
    let mut socket = alice.socket().await;
    socket.subscribe(&["trace_created"], json!({})).await;
    let withhold = |withheld: serde_json::Value| json!({"withheld": withheld});
    admin.patch("/api/v1/principals/alice", &withhold(json!(["traces:read"]))).await.expect(200);
    assert_eq!(socket.end(SOON).await, 4403);
    let mut socket = alice.socket().await;
    socket.subscribe(&["export_job_status"], json!({})).await;
    assert_eq!(socket.refused(r#"{"type":"subscribe","events":["trace_created"]}"#).await.0, "forbidden");
    // The account, also where it came by a ticket.
    let ticket = alice.send(Method::POST, "/api/v1/ws/ticket", &[], Vec::new()).await.expect(201).json();
    let path = format!("/api/v1/ws?ticket={}", ticket["ticket"].as_str().expect("a ticket"));
    let mut by_ticket = app.anonymous().try_socket(&path, &[]).await.expect("it is good");
    admin.patch("/api/v1/principals/alice", &json!({"disabled": true})).await.expect(200);
    let ends = tokio::join!(socket.end(SOON), by_ticket.end(SOON));
    assert_eq!(ends, (4403, 4403));
    assert_eq!(alice.try_socket("/api/v1/ws", &[]).await.expect_err("disabled").status, 403);
    // A key that is revoked.
    let body = json!({"name": "live", "permissions": ["traces:read"]});
    let key = admin.post("/api/v1/api-keys", &body).await.expect(201).json();
    let mut by_key = app.client_with_token(key["key"].as_str().expect("a key")).socket().await;
    by_key.subscribe(&["trace_created"], json!({})).await;
    admin.delete(&format!("/api/v1/api-keys/{}", key["id"].as_str().expect("an id"))).await.expect(204);
    assert_eq!(by_key.end(SOON).await, 4403);
    unharmed.so_far().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_socket_ends_with_its_token() {
    let app = TestApp::start(OFFTAKE).await;
    let ran = app.cli(&["token", "--org", "acme", "--sub", "ada", "--permissions", "all", "--ttl", "3s"]).await;
    let made = Instant::now();
    let client = app.client_with_token(ran.stdout.trim());
    let mut socket = client.socket().await;
    let ticket = client.send(Method::POST, "/api/v1/ws/ticket", &[], Vec::new()).await.expect(201).json();
    let path = format!("/api/v1/ws?ticket={}", ticket["ticket"].as_str().expect("a ticket"));
    let mut by_ticket = app.anonymous().try_socket(&path, &[]).await.expect("it is good");
    let ends = tokio::join!(socket.end(SOON * 2), by_ticket.end(SOON * 2));
    assert_eq!(ends, (4401, 4401));
    assert!(made.elapsed() < Duration::from_secs(3) + SOON);
    assert_eq!(client.try_socket("/api/v1/ws", &[]).await.expect_err("expired").status, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn sockets_are_told_that_the_server_shuts_down() {
    let mut app = TestApp::start(OFFTAKE).await;
    let client = app.client("acme").await;
    let mut sockets = Vec::new();
    for _ in 0..5 {
        let mut socket = client.socket().await;
        socket.subscribe(&["trace_created", "export_job_status"], json!({})).await;
        sockets.push(socket);
    }
    let ended = tokio::spawn(async move {
        let mut codes = Vec::new();
        for mut socket in sockets {
            codes.push(socket.end(SOON * 2).await);
        }
        codes
    });
    let (status, took) = app.terminate(Role::Serve, Duration::from_secs(20)).await;
    assert!(status.success() && took < Duration::from_secs(15), "{status} {took:?}");
    assert_eq!(ended.await.expect("they end"), [1001; 5]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_peer_is_closed_and_a_live_one_is_not() {
    let app = AppBuilder::new(OFFTAKE)
        .set("live.heartbeat", "\"300ms\"")
        .set("live.connections_per_principal", "1")
        .start()
        .await;
    let (dead, live) = (app.client_of("acme", "dead", "all").await, app.client_of("acme", "live", "all").await);
    // Nobody reads it, so nobody answers its pings.
    let silent = dead.socket().await;
    let lively = super::Listener::of(live.socket().await);
    eventually("the place of the dead one is free", SOON, || async { dead.try_socket("/api/v1/ws", &[]).await.ok() })
        .await;
    drop(silent);
    assert!(lively.heard().await.is_empty());
}
