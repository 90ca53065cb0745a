//! A reader that is too slow holds a bounded amount, is told what it missed, and keeps nobody else waiting.

use std::time::{Duration, Instant};

use offtake_testkit::{AppBuilder, Client, LiveSocket, Role, SpanSketch, eventually, request_of, text, within};
use prost::Message as _;
use serde_json::json;

use super::{SOON, trace_of};
use crate::metrics_logs::sample;
use crate::support::OFFTAKE;

/// Events of 20 kB each: far more than sockets and queue hold.
const EVENTS: u64 = 600;
const LIMIT: Duration = Duration::from_secs(30);
/// Twice as much as memory may grow, if all of them waited for somebody.
const MANY: u64 = 1_500;
const GROWTH_KIB: u64 = 15 << 10;

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
        let message = within("what was kept for it", LIMIT, slow.heard()).await.expect("it is open");
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

/// Sends so many, ten at a time, and reads each of them. How long each ten took, sorted, and the most bytes that waited.
async fn read_along(
    sender: &Client,
    operator: &Client,
    fast: &mut LiveSocket,
    numbers: std::ops::Range<u64>,
) -> (Vec<Duration>, f64) {
    let (mut times, mut most) = (Vec::new(), 0.0_f64);
    for from in numbers.step_by(10) {
        let began = Instant::now();
        send_long(sender, from..from + 10).await;
        for _ in 0..10 {
            fast.event().await;
        }
        times.push(began.elapsed());
        let text = String::from_utf8(operator.get("/metrics").await.expect(200).body).expect("UTF-8");
        most = most.max(sample(&text, "offtake_live_queued_bytes"));
    }
    times.sort_unstable();
    (times, most)
}

/// What a reader that never reads costs the others: a mebibyte, and no time.
#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_does_not_read_holds_a_mebibyte_and_keeps_nobody_waiting() {
    let mut app =
        AppBuilder::new(OFFTAKE).set("live.heartbeat", "\"5m\"").set("live.reader_timeout", "\"5m\"").start().await;
    let client = app.client("acme").await;
    let operator = app.client_of("acme", "op", "operator").await;
    let mut fast = client.socket().await;
    fast.subscribe(&["trace_created"], json!({})).await;
    let (alone, _) = read_along(&client, &operator, &mut fast, 0..MANY).await;
    let server = app.process(Role::Serve);
    let before = server.peak_rss_kib();
    server.reset_peak_rss();
    let mut slow = client.narrow_socket("/api/v1/ws", &[], Some(4 << 10)).await.expect("a socket");
    slow.subscribe(&["trace_created"], json!({})).await;
    let (beside, most) = read_along(&client, &operator, &mut fast, MANY..2 * MANY).await;
    let after = app.process(Role::Serve).peak_rss_kib();
    let middle = |times: &[Duration]| times[times.len() / 2];
    println!(
        "{MANY} events: {before} KiB alone, {after} KiB beside, {most} bytes waited; {:?}, {:?}",
        middle(&alone),
        middle(&beside)
    );
    // Of the queue and of what the others have not read yet.
    assert!((900_000.0..1_400_000.0).contains(&most), "{most} bytes waited");
    assert!(after < before + GROWTH_KIB, "{before} KiB without it, {after} KiB beside it");
    assert!(middle(&beside) < middle(&alone) * 3 + Duration::from_millis(50), "{alone:?} {beside:?}");
    let metrics = async || String::from_utf8(operator.get("/metrics").await.expect(200).body).expect("UTF-8");
    let dropped = sample(&metrics().await, "offtake_live_events_total{result=\"dropped\"}");
    assert!(dropped > 0.0, "{dropped}");
    let lagged = slow.of_type("lagged").await;
    assert_eq!(lagged["missed"].as_f64(), Some(dropped), "{lagged}");
}
