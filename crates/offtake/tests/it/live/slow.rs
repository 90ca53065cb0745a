//! A reader that is too slow holds a bounded amount, is told what it missed, and keeps nobody else waiting.

use std::time::{Duration, Instant};

use offtake_testkit::{AppBuilder, Client, SpanSketch, eventually, request_of, text};
use prost::Message as _;
use serde_json::json;

use super::{SOON, trace_of};
use crate::support::OFFTAKE;

/// Events of 20 kB each: far more than sockets and queue hold.
const EVENTS: u64 = 600;

async fn send_long(client: &Client, numbers: std::ops::Range<u64>) {
    let spans: Vec<SpanSketch> =
        numbers.map(|number| SpanSketch::new(number).with("user.id", text(&"u".repeat(20_000)))).collect();
    client.otlp(request_of(&spans).encode_to_vec()).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_stops_is_told_that_it_lagged_and_can_read_on() {
    let app =
        AppBuilder::new(OFFTAKE).set("live.heartbeat", "\"5m\"").set("live.reader_timeout", "\"5m\"").start().await;
    let client = app.client("acme").await;
    let mut slow = client.narrow_socket("/api/v1/ws", &[], Some(4 << 10)).await.expect("a socket");
    let mut fast = client.socket().await;
    for socket in [&mut slow, &mut fast] {
        socket.subscribe(&["trace_created"], json!({})).await;
    }
    let (began, mut heard) = (Instant::now(), Vec::new());
    for from in (0..EVENTS).step_by(10) {
        send_long(&client, from..from + 10).await;
        for _ in 0..10 {
            heard.push(fast.event().await);
        }
    }
    println!("{EVENTS} events beside a reader that does not read: {:?}", began.elapsed());
    assert!(fast.so_far().await.is_empty(), "the others miss nothing and are told of nothing else");
    // It reads again: what was kept for it, then how much was not.
    let (mut known, mut lagged) = (Vec::new(), None);
    while lagged.is_none() {
        let message = slow.heard().await.expect("it is open");
        match message["type"].as_str() {
            Some("event") => known.push(trace_of(&message).to_owned()),
            Some("lagged") => lagged = Some(message),
            other => panic!("{other:?}"),
        }
    }
    let lagged = lagged.expect("it was told");
    assert_eq!(known.len() as u64 + lagged["missed"].as_u64().expect("a number"), EVENTS, "{lagged}");
    let missed = json!({"type": "subscribe", "events": ["trace_created"], "after": lagged["after"]});
    slow.say(&missed).await;
    while (known.len() as u64) < EVENTS {
        known.push(trace_of(&slow.event().await).to_owned());
    }
    let all: Vec<&str> = heard.iter().map(trace_of).collect();
    assert_eq!(known, all, "everything, once, in order");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_never_reads_is_disconnected() {
    let app = AppBuilder::new(OFFTAKE)
        .set("live.heartbeat", "\"5m\"")
        .set("live.reader_timeout", "\"1s\"")
        .set("live.connections_per_principal", "1")
        .start()
        .await;
    let (sender, reader) = (app.client("acme").await, app.client_of("acme", "reader", "traces:read").await);
    let mut socket = reader.narrow_socket("/api/v1/ws", &[], Some(4 << 10)).await.expect("a socket");
    socket.subscribe(&["trace_created"], json!({})).await;
    for from in (0..EVENTS).step_by(50) {
        send_long(&sender, from..from + 50).await;
    }
    eventually("its place is free", SOON + Duration::from_secs(5), || async {
        reader.try_socket("/api/v1/ws", &[]).await.ok()
    })
    .await;
}
