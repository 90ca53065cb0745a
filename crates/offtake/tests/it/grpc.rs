//! OTLP over gRPC: the same way in as HTTP's, and the same way out for those who find no room.

use std::io::Write as _;
use std::time::{Duration, Instant};

use offtake_testkit::{
    AppBuilder, Called, GrpcClient, Reader, Role, SpanSketch, TestApp, assert_same_rows, eventually, framed, genuine,
    python, request_of, requests, switch, text,
};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use prost::Message;
use serde_json::json;

use crate::support::{OFFTAKE, SPAN_COLUMNS, identities, read, send_genuine};

const UNAUTHENTICATED: i32 = 16;
const PERMISSION_DENIED: i32 = 7;
const INVALID_ARGUMENT: i32 = 3;
const UNIMPLEMENTED: i32 = 12;
const RESOURCE_EXHAUSTED: i32 = 8;

async fn connected(app: &TestApp, org: &str) -> GrpcClient {
    let token = app.token(org, "sender", "spans:write").await;
    GrpcClient::connect(&app.grpc_address(Role::Serve), &token).await
}

fn body(number: u64) -> Vec<u8> {
    request_of(&[SpanSketch::new(number)]).encode_to_vec()
}

/// One span of so many bytes.
fn large(number: u64, bytes: usize) -> Vec<u8> {
    request_of(&[SpanSketch::new(number).with("notes", text(&"x".repeat(bytes)))]).encode_to_vec()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).expect("memory can be written to");
    encoder.finish().expect("memory can be written to")
}

/// What a partial success says.
fn rejected(called: &Called) -> i64 {
    let response = ExportTraceServiceResponse::decode(&called.body[5..]).expect("an OTLP response");
    response.partial_success.map_or(0, |told| told.rejected_spans)
}

#[tokio::test(flavor = "multi_thread")]
async fn spans_by_grpc_are_the_spans_by_http() {
    let app = TestApp::start(OFFTAKE).await;
    send_genuine(&app.client("http").await).await;
    let grpc = connected(&app, "grpc").await;
    for (number, request) in genuine("pb").iter().flat_map(|file| requests(file)).enumerate() {
        let message = request.encode_to_vec();
        let called = match number % 2 {
            0 => grpc.export(&message).await,
            _ => grpc.export_framed(&[("grpc-encoding", "gzip")], framed(true, &gzip(&message))).await,
        };
        assert_eq!(rejected(&called.expect(0)), 0);
    }
    let columns: Vec<&str> = SPAN_COLUMNS.into_iter().filter(|column| *column != "org_id").collect();
    let mut rows = Vec::new();
    for org in ["http", "grpc"] {
        let client = app.client(org).await;
        let job = client.export("spans", &json!({"format": "csv", "fields": columns})).await;
        rows.push(read(&app, &client, Reader::DuckDb, &job).await);
    }
    assert_eq!(rows[0].1.len(), 413);
    assert_same_rows("by gRPC", &rows[0].0, &rows[0].1, &rows[1].1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_http_refuses_grpc_refuses() {
    let app = AppBuilder::new(OFFTAKE)
        .set("server.max_otlp_body", "\"1MiB\"")
        .set("server.max_otlp_decompressed", "\"1MiB\"")
        .start()
        .await;
    let grpc = connected(&app, "acme").await;
    let good = || framed(false, &body(1));
    let plain: &[(&str, &str)] = &[];
    let packed: &[(&str, &str)] = &[("grpc-encoding", "gzip")];
    let bomb = gzip(&vec![0; 64 << 20]);
    for (what, headers, body, status) in [
        ("no message", plain, vec![], INVALID_ARGUMENT),
        ("half a message", plain, good()[..20].to_vec(), INVALID_ARGUMENT),
        ("two messages", plain, [good(), good()].concat(), INVALID_ARGUMENT),
        ("noise", plain, framed(false, &[0xde, 0xad, 0xbe, 0xef, 0x99]), INVALID_ARGUMENT),
        ("compressed, and no word how", plain, framed(true, &gzip(&body(1))), INVALID_ARGUMENT),
        ("no gzip", packed, framed(true, &body(1)), INVALID_ARGUMENT),
        ("too large", plain, framed(false, &large(1, 2 << 20)), INVALID_ARGUMENT),
        ("a bomb", packed, framed(true, &bomb), INVALID_ARGUMENT),
        ("an unknown encoding", &[("grpc-encoding", "snappy")], good(), UNIMPLEMENTED),
    ] {
        let called = grpc.export_framed(headers, body).await.expect(status);
        assert!(!called.header("grpc-message").is_empty(), "{what}: {called:?}");
        assert_eq!(called.header("grpc-status-details-bin"), "", "{what}: trying again cannot help");
    }
    grpc.without_token().export(&body(1)).await.expect(UNAUTHENTICATED);
    grpc.with_token("not.a.token").export(&body(1)).await.expect(UNAUTHENTICATED);
    let reader = app.token("acme", "reader", "exports:read").await;
    grpc.with_token(&reader).export(&body(1)).await.expect(PERMISSION_DENIED);
    let elsewhere = grpc.try_call("/opentelemetry.proto.collector.logs.v1.LogsService/Export", &[], good()).await;
    elsewhere.expect("an answer").expect(UNIMPLEMENTED);
    let other = grpc.export_framed(&[("content-type", "application/x-protobuf")], good()).await;
    assert_eq!((other.http, other.status), (415, None), "what is no gRPC is answered as HTTP: {other:?}");
    let client = app.client("acme").await;
    assert_eq!(identities(&client, json!({})).await.len(), 0);

    let mut bad = SpanSketch::new(7);
    bad.0.trace_id = vec![0; 16];
    let called = grpc.export(&request_of(&[SpanSketch::new(1), bad]).encode_to_vec()).await.expect(0);
    assert_eq!(rejected(&called), 1);
    // A message that is not compressed may come in a call whose messages can be.
    grpc.export_framed(packed, framed(false, &body(2))).await.expect(0);
    let zstd = [("grpc-encoding", "deflate")];
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(&body(3)).expect("memory can be written to");
    grpc.export_framed(&zstd, framed(true, &encoder.finish().expect("memory"))).await.expect(0);
    let key = client.post("/api/v1/api-keys", &json!({"name": "collector", "permissions": ["spans:write"]})).await;
    let key = key.expect(201).json()["key"].as_str().expect("a key").to_owned();
    grpc.with_token(&key).export(&body(4)).await.expect(0);
    assert_eq!(identities(&client, json!({})).await.len(), 4);
    let operator = app.client_of("acme", "operator", "operator").await;
    let metrics = String::from_utf8(operator.get("/metrics").await.expect(200).body).expect("text");
    let line = metrics.lines().find(|line| line.contains("TraceService/Export") && line.contains("status=\"401\""));
    assert!(line.is_some_and(|line| line.ends_with(" 2")), "refusals are counted as over HTTP: {line:?}");
}

/// Calls that hold all the room there is, until they are given up on.
async fn full(grpc: &GrpcClient) -> Vec<offtake_testkit::Begun> {
    let mut held = Vec::new();
    for _ in 0..2 {
        let mut call = grpc.begin_export().await;
        let mut piece = framed(false, &vec![0; (1 << 20) - 8]);
        piece.truncate((1 << 20) - 100);
        call.send(piece);
        held.push(call);
    }
    held
}

async fn crowded() -> TestApp {
    AppBuilder::new(OFFTAKE)
        .set("server.max_otlp_body", "\"1MiB\"")
        .set("server.max_otlp_in_flight", "\"2MiB\"")
        .start()
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn who_finds_no_room_is_told_when_to_come_back() {
    let app = crowded().await;
    let (grpc, client) = (connected(&app, "acme").await, app.client("acme").await);
    let (held, refused) = eventually("all room is taken", Duration::from_secs(60), || async {
        let held = full(&grpc).await;
        // Who comes while room is being taken may get some of it, and one of those that would hold it is sent away.
        for _ in 0..20 {
            let called = grpc.export(&large(1, 200_000)).await;
            if called.status != Some(0) {
                return Some((held, called));
            }
        }
        None
    })
    .await;
    let refused = refused.expect(RESOURCE_EXHAUSTED);
    assert!(!refused.header("grpc-status-details-bin").is_empty(), "{refused:?}");
    // A RetryInfo whose delay has one second: base64 of 0a 02 08 01.
    assert_eq!(refused.header("google.rpc.retryinfo-bin"), "CgIIAQ", "{refused:?}");
    let answer = client.otlp(large(2, 200_000)).await.expect(429);
    assert_eq!(answer.header("retry-after"), "1", "the room is the same for both: {answer}");
    for call in held {
        let called = call.end(vec![0; 10]).await.expect("an answer");
        assert!(matches!(called.status, Some(3 | 4)), "half a message, or given up on: {called:?}");
    }
    grpc.export(&large(3, 200_000)).await.expect(0);
}

/// OpenTelemetry's exporters try again by themselves, in the time they have.
#[tokio::test(flavor = "multi_thread")]
async fn exporters_come_back_by_themselves() {
    let mut app = crowded().await;
    let grpc = connected(&app, "holder").await;
    for protocol in ["grpc", "http"] {
        let held = full(&grpc).await;
        let address = app.grpc_address(Role::Serve);
        let url = if protocol == "grpc" { format!("http://{address}") } else { app.url() };
        let token = app.token(protocol, "sender", "spans:write").await;
        let arguments = [url.as_str(), &token, "none", protocol];
        let sending = python("send_otlp.py", &arguments);
        let freeing = async {
            // Not before it was sent away at least once.
            let operator = app.client_of("acme", "operator", "operator").await;
            let route = if protocol == "grpc" { "TraceService/Export" } else { "route=\"/v1/traces\"" };
            eventually("it was sent away", Duration::from_secs(20), || async {
                let metrics = String::from_utf8(operator.get("/metrics").await.body).ok()?;
                let refused = |line: &str| {
                    line.starts_with("offtake_http_requests_total") && line.contains(route) && line.contains("\"429\"")
                };
                metrics.lines().any(refused).then_some(())
            })
            .await;
            drop(held);
        };
        let (ran, ()) = tokio::join!(sending, freeing);
        assert_eq!(ran.code, Some(0), "{protocol}: {}", ran.stderr);
        let client = app.client(protocol).await;
        assert_eq!(identities(&client, json!({})).await.len(), 60, "{protocol}");
    }
    app.terminate(Role::Serve, Duration::from_secs(30)).await;
}

/// Many large requests at once take the memory of a few, and all of them arrive in the end.
#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_large_senders_take_bounded_memory() {
    const MEBIBYTES: usize = 3;
    let senders: u64 = switch("OFFTAKE_TEST_SENDERS", 100);
    let mut app = AppBuilder::new(OFFTAKE)
        .set("server.max_otlp_body", "\"4MiB\"")
        .set("server.max_otlp_in_flight", "\"16MiB\"")
        .set("server.otlp_concurrency", "2")
        .start()
        .await;
    let address = app.grpc_address(Role::Serve);
    let token = app.token("acme", "sender", "spans:write").await;
    GrpcClient::connect(&address, &token).await.export(&body(1_000_000)).await.expect(0);
    let before = app.process(Role::Serve).peak_rss_kib();
    let client = app.client("acme").await;
    let mut sending = tokio::task::JoinSet::new();
    for number in 0..senders {
        let (address, token, client) = (address.clone(), token.clone(), client.clone());
        sending.spawn(async move {
            let message = large(number, MEBIBYTES << 20);
            let grpc = GrpcClient::connect(&address, &token).await;
            let (began, mut sent_away) = (Instant::now(), 0);
            loop {
                let status = match number % 2 {
                    0 => grpc.export(&message).await.status,
                    _ => Some(i32::from(client.otlp(message.clone()).await.status)),
                };
                match status {
                    Some(0 | 200) => return sent_away,
                    Some(RESOURCE_EXHAUSTED | 429) => sent_away += 1,
                    other => panic!("{number} was answered {other:?}"),
                }
                assert!(began.elapsed() < Duration::from_secs(120), "{number} was never let in");
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        });
    }
    let mut sent_away = 0;
    while let Some(done) = sending.join_next().await {
        sent_away += done.expect("a sender got through");
    }
    let grown = app.process(Role::Serve).peak_rss_kib() - before;
    println!("{senders} senders of {MEBIBYTES} MiB: {grown} KiB more, {sent_away} times sent away");
    assert!(grown < 160 << 10, "{grown} KiB for {} MiB sent at once", senders as usize * MEBIBYTES);
    assert_eq!(identities(&client, json!({})).await.len() as u64, senders + 1, "what was answered is there");
}

/// What was answered with success is there, however the server ended.
#[tokio::test(flavor = "multi_thread")]
async fn kill_9_after_the_answer_loses_nothing() {
    let mut app = TestApp::start(OFFTAKE).await;
    let mut acknowledged = Vec::new();
    for round in 0..3_u64 {
        let token = app.token("acme", "sender", "spans:write").await;
        let address = app.grpc_address(Role::Serve);
        let mut sending = tokio::task::JoinSet::new();
        for sender in 0..4_u64 {
            let grpc = GrpcClient::connect(&address, &token).await;
            sending.spawn(async move {
                let mut answered = Vec::new();
                for number in (round * 4 + sender) * 10_000.. {
                    match grpc.try_export(&body(number)).await {
                        Some(called) if called.status == Some(0) => answered.push(SpanSketch::new(number).span_id()),
                        Some(_) | None => break,
                    }
                }
                answered
            });
        }
        tokio::time::sleep(Duration::from_millis(300)).await;
        app.kill9(Role::Serve);
        while let Some(done) = sending.join_next().await {
            acknowledged.extend(done.expect("a sender ended"));
        }
        app.start_role(Role::Serve).await;
        assert_eq!(app.grpc_address(Role::Serve), address, "it comes back where it was");
    }
    assert!(acknowledged.len() > 30, "{} spans in three rounds", acknowledged.len());
    let there: std::collections::BTreeSet<String> =
        identities(&app.client("acme").await, json!({})).await.into_iter().map(|(_, span)| span).collect();
    let lost: Vec<&String> = acknowledged.iter().filter(|id| !there.contains(*id)).collect();
    assert!(lost.is_empty(), "of {} acknowledged: {lost:?}", acknowledged.len());
}

/// A call that is under way when the server is told to end is answered first.
#[tokio::test(flavor = "multi_thread")]
async fn a_call_under_way_is_answered_before_the_end() {
    let mut app = TestApp::start(OFFTAKE).await;
    let grpc = connected(&app, "acme").await;
    grpc.export(&body(1)).await.expect(0);
    let mut call = grpc.begin_export().await;
    let whole = framed(false, &body(2));
    call.send(whole[..10].to_vec());
    // It has arrived when one that was begun later is answered.
    grpc.export(&body(3)).await.expect(0);
    let address = app.grpc_address(Role::Serve);
    let ending = app.terminate(Role::Serve, Duration::from_secs(30));
    let sending = async {
        eventually("nobody new is let in", Duration::from_secs(20), || async {
            GrpcClient::try_connect(&address, None).await.is_none().then_some(())
        })
        .await;
        call.end(whole[10..].to_vec()).await.expect("an answer").expect(0);
    };
    let ((status, _), ()) = tokio::join!(ending, sending);
    assert!(status.success(), "{status}");
    app.start_role(Role::Serve).await;
    assert_eq!(identities(&app.client("acme").await, json!({})).await.len(), 3);
}

/// Connections that bring nothing keep nobody out.
#[tokio::test(flavor = "multi_thread")]
async fn idle_connections_make_room() {
    let app = AppBuilder::new(OFFTAKE).set("server.max_connections", "8").start().await;
    let mut idle = Vec::new();
    for _ in 0..8 {
        let grpc = connected(&app, "acme").await;
        grpc.export(&body(1)).await.expect(0);
        idle.push(grpc);
    }
    // Those that say nothing at all count as well.
    let address = app.grpc_address(Role::Serve);
    let mut silent = Vec::new();
    for _ in 0..12 {
        silent.push(tokio::net::TcpStream::connect(&address).await.expect("it is accepted, or waits"));
    }
    let grpc = connected(&app, "acme").await;
    grpc.export(&body(2)).await.expect(0);
    drop((idle, silent));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_that_is_taken_is_named_with_its_setting() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = taken.local_addr().expect("an address").to_string();
    let app = TestApp::start(OFFTAKE).await;
    let folder = app.folder().join("second").to_string_lossy().into_owned();
    let arguments = ["serve", "--data-dir", &folder, "--listen", "127.0.0.1:0", "--otlp-grpc", &address];
    let ran = app.bare_cli(&arguments).await;
    assert_ne!(ran.code, Some(0), "{ran:?}");
    for word in [address.as_str(), "--otlp-grpc", "server.otlp_grpc_listen"] {
        assert!(ran.stderr.contains(word), "{word}: {}", ran.stderr);
    }
}
