//! Bodies that no exporter should send: refused or stored exactly, and never a fault of ours.

use std::io::Write as _;
use std::time::{Duration, Instant};

use futures::FutureExt as _;
use offtake_testkit::{
    AppBuilder, Client, Reader, Rng, Role, SpanSketch, TestApp, assert_same_rows, eventually, exported_rows, genuine,
    hostile_spans, json_of, nulls_as_empty, python, request_of, requests, text,
};
use opentelemetry_proto::tonic::collector::trace::v1::{ExportTracePartialSuccess, ExportTraceServiceResponse};
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue};
use opentelemetry_proto::tonic::trace::v1::ScopeSpans;
use prost::Message;
use reqwest::Method;
use serde_json::{Value as Json, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::{OFFTAKE, SPAN_COLUMNS, column_names, id_of, identities, json_rows, saved, send};

const PROTOBUF: &str = "application/x-protobuf";

async fn post(client: &Client, headers: &[(&str, &str)], body: Vec<u8>) -> offtake_testkit::Answer {
    let answer = client.send(Method::POST, "/v1/traces", headers, body).await;
    assert!(answer.status < 500, "a fault of ours: {answer}");
    answer
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(bytes).expect("memory can be written to");
    encoder.finish().expect("memory can be written to")
}

fn partial(answer: &offtake_testkit::Answer) -> ExportTracePartialSuccess {
    let response = ExportTraceServiceResponse::decode(answer.body.as_slice()).expect("an OTLP response");
    response.partial_success.unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_is_refused_and_stores_nothing() {
    let app = TestApp::start(OFFTAKE).await;
    let client = app.client("acme").await;
    let good = request_of(&[SpanSketch::new(1)]).encode_to_vec();
    let json_good = json_of(&request_of(&[SpanSketch::new(1)]));
    let mut not_utf8 = request_of(&[SpanSketch::new(1).with("k", text("AAAA"))]).encode_to_vec();
    let at = not_utf8.windows(4).position(|window| window == b"AAAA").expect("the text");
    not_utf8[at..at + 4].copy_from_slice(b"\xff\xfe\xc3\x28");
    let half_gzip = {
        let whole = gzip(&good);
        whole[..whole.len() / 2].to_vec()
    };
    type Case<'a> = (&'a str, Vec<(&'a str, &'a str)>, Vec<u8>, u16);
    let cases: Vec<Case<'_>> = vec![
        ("noise as protobuf", vec![("content-type", PROTOBUF)], vec![0xde, 0xad, 0xbe, 0xef, 0x99], 400),
        ("half a message", vec![("content-type", PROTOBUF)], good[..good.len() / 2].to_vec(), 400),
        ("invalid UTF-8", vec![("content-type", PROTOBUF)], not_utf8, 400),
        ("JSON as protobuf", vec![("content-type", PROTOBUF)], json_good.clone(), 400),
        ("protobuf as JSON", vec![("content-type", "application/json")], good.clone(), 400),
        ("half of JSON", vec![("content-type", "application/json")], json_good[..json_good.len() / 2].to_vec(), 400),
        ("nothing as JSON", vec![("content-type", "application/json")], vec![], 400),
        ("a list as JSON", vec![("content-type", "application/json")], b"[]".to_vec(), 400),
        ("wrong types in JSON", vec![("content-type", "application/json")], b"{\"resourceSpans\": 7}".to_vec(), 400),
        ("an unknown type", vec![("content-type", "text/plain")], good.clone(), 415),
        ("no type", vec![], good.clone(), 415),
        ("an unknown encoding", vec![("content-type", PROTOBUF), ("content-encoding", "br")], good.clone(), 415),
        ("no gzip", vec![("content-type", PROTOBUF), ("content-encoding", "gzip")], good.clone(), 400),
        ("half of gzip", vec![("content-type", PROTOBUF), ("content-encoding", "gzip")], half_gzip, 400),
    ];
    for (what, headers, body, status) in cases {
        let answer = post(&client, &headers, body).await;
        assert_eq!(answer.status, status, "{what}: {answer}");
    }
    client.get("/v1/traces").await.expect(405);
    assert_eq!(identities(&client, json!({})).await.len(), 0);
    post(&client, &[("content-type", PROTOBUF)], vec![]).await.expect(200);
    post(&client, &[("content-type", "application/json")], b"{}".to_vec()).await.expect(200);
    post(&client, &[("content-type", "application/json; charset=utf-8")], json_good).await.expect(200);
    post(
        &client,
        &[("content-type", PROTOBUF), ("content-encoding", "gzip")],
        gzip(&request_of(&[SpanSketch::new(2)]).encode_to_vec()),
    )
    .await
    .expect(200);
    assert_eq!(identities(&client, json!({})).await.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn too_large_is_refused_before_it_is_held() {
    let mut app = AppBuilder::new(OFFTAKE)
        .set("server.max_otlp_body", "\"2MiB\"")
        .set("server.max_otlp_decompressed", "\"2MiB\"")
        .start()
        .await;
    let client = app.client("acme").await;
    let before = app.process(Role::Serve).peak_rss_kib();
    let large = request_of(&[SpanSketch::new(1).with("k", text(&"x".repeat(3 << 20)))]).encode_to_vec();
    post(&client, &[("content-type", PROTOBUF)], large.clone()).await.expect(413);
    let bomb = gzip(&vec![b'x'; 512 << 20]);
    assert!(bomb.len() < 2 << 20, "it passes any limit on what is sent");
    post(&client, &[("content-type", PROTOBUF), ("content-encoding", "gzip")], bomb).await.expect(413);
    post(&client, &[("content-type", PROTOBUF), ("content-encoding", "gzip")], gzip(&large)).await.expect(413);
    let grown = app.process(Role::Serve).peak_rss_kib() - before;
    assert!(grown < 64 * 1024, "{grown} KiB for requests of at most 2 MiB, one of which would be 512 MiB");
    send(&client, &[SpanSketch::new(1)]).await;
}

/// Every row repeats the resource it came from: a small body must not become terabytes of rows.
#[tokio::test(flavor = "multi_thread")]
async fn a_resource_is_not_multiplied_by_its_spans() {
    let mut app = TestApp::start(OFFTAKE).await;
    let client = app.client("acme").await;
    let body = |kilobytes: usize, spans: u64, scopes: bool| {
        let sketches: Vec<SpanSketch> = (0..spans).map(SpanSketch::new).collect();
        let mut request = request_of(&sketches);
        let group = &mut request.resource_spans[0];
        let attribute = SpanSketch::new(0).with("notes", text(&"x".repeat(kilobytes << 10))).0.attributes.pop();
        group.resource.get_or_insert_default().attributes.extend(attribute);
        if scopes {
            let spans = std::mem::take(&mut group.scope_spans[0].spans);
            group.scope_spans =
                spans.into_iter().map(|span| ScopeSpans { spans: vec![span], ..ScopeSpans::default() }).collect();
        }
        gzip(&request.encode_to_vec())
    };
    let packed = [("content-type", PROTOBUF), ("content-encoding", "gzip")];
    let before = app.process(Role::Serve).peak_rss_kib();
    for scopes in [false, true] {
        let answer = post(&client, &packed, body(4096, 20_000, scopes)).await.expect(413);
        assert!(String::from_utf8_lossy(&answer.body).contains("send fewer spans a request"), "{answer}");
    }
    let grown = app.process(Role::Serve).peak_rss_kib() - before;
    assert!(grown < 512 * 1024, "{grown} KiB for a body of some MiB");
    assert_eq!(identities(&client, json!({})).await.len(), 0);
    post(&client, &packed, body(1, 5_000, false)).await.expect(200);
    assert_eq!(identities(&client, json!({})).await.len(), 5_000, "what exporters send is taken");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_of_empty_elements_is_refused_before_it_is_held() {
    let mut app = TestApp::start(OFFTAKE).await;
    let client = app.client("acme").await;
    let field = |tag: u8, body: Vec<u8>| {
        let mut outer = vec![tag << 3 | 2];
        prost::encoding::encode_varint(body.len() as u64, &mut outer);
        [outer, body].concat()
    };
    let before = app.process(Role::Serve).peak_rss_kib();
    // Entities of a resource; then the same behind a field of a kind that nobody uses any more.
    let entities = [0x1a, 0].repeat(1 << 20);
    let group = vec![0xfb, 0x07, 0xfc, 0x07];
    for elements in [entities.clone(), [group, entities].concat()] {
        let body = field(1, field(1, elements));
        let answer = post(&client, &[("content-type", PROTOBUF), ("content-encoding", "gzip")], gzip(&body)).await;
        assert_eq!(answer.status, 400, "{answer}");
    }
    let grown = app.process(Role::Serve).peak_rss_kib() - before;
    assert!(grown < 64 * 1024, "{grown} KiB for a body of 2 MiB");
    send(&client, &[SpanSketch::new(1)]).await;
}

/// The head of a request for OTLP, and a connection that takes what follows.
async fn raw(app: &TestApp, headers: &str, length: usize) -> TcpStream {
    let token = app.token("acme", "tester", "all").await;
    let address = app.url().replace("http://", "");
    let mut connection = TcpStream::connect(&address).await.expect("somebody listens");
    let head = format!(
        "POST /v1/traces HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {token}\r\ncontent-type: {PROTOBUF}\r\n\
         content-length: {length}\r\n{headers}\r\n"
    );
    connection.write_all(head.as_bytes()).await.expect("it is read");
    connection
}

/// How often the thread that writes spans has gone to sleep: while it waits for another process it does so all the time.
fn naps_of_the_writer(pid: u32) -> u64 {
    let threads = std::fs::read_dir(format!("/proc/{pid}/task")).expect("the process runs").flatten();
    let status = threads
        .map(|thread| std::fs::read_to_string(thread.path().join("status")).unwrap_or_default())
        .find(|status| status.starts_with("Name:\tspan-writer\n"))
        .expect("a thread writes spans");
    let count = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
    count.and_then(|count| count.trim().parse().ok()).expect("a number")
}

/// Work that nobody waits for any more is still work: its turn lasts until it is done.
#[tokio::test(flavor = "multi_thread")]
async fn who_leaves_early_does_not_get_more_done_at_once() {
    // The one writer of SQLite can be kept waiting from outside.
    let mut app = AppBuilder::new(OFFTAKE).embedded().set("server.otlp_concurrency", "1").start().await;
    let client = app.client("acme").await;
    let body = |number| request_of(&[SpanSketch::new(number)]).encode_to_vec();
    client.otlp(body(0)).await.expect(200);
    let writing = rusqlite::Connection::open(app.data_dir().join("spans.db")).expect("the spans");
    writing.execute_batch("BEGIN IMMEDIATE").expect("nobody else writes");
    let pid = app.process(Role::Serve).pid();
    let before = naps_of_the_writer(pid);
    let mut leaves = raw(&app, "", body(1).len()).await;
    leaves.write_all(&body(1)).await.expect("it is read");
    eventually("the writer waits", Duration::from_secs(30), || async {
        (naps_of_the_writer(pid) > before + 3).then_some(())
    })
    .await;
    drop(leaves);
    let answer = client.otlp(body(2)).await;
    assert_eq!(answer.status, 429, "the turn is not free yet: {answer}");
    writing.execute_batch("ROLLBACK").expect("a rollback");
    client.otlp(body(2)).await.expect(200);
    assert_eq!(identities(&client, json!({})).await.len(), 3, "what was begun was done");
}

/// A body of a mebibyte of which the last byte never comes.
async fn endless(app: &TestApp) -> TcpStream {
    let mut connection = raw(app, "", 1 << 20).await;
    connection.write_all(&vec![b'x'; (1 << 20) - 1]).await.expect("it is read");
    connection
}

/// Bodies that are on their way take memory too; together no more than some of the largest.
#[tokio::test(flavor = "multi_thread")]
async fn bodies_that_do_not_end_take_a_bounded_room_for_a_bounded_time() {
    let app = AppBuilder::new(OFFTAKE)
        .set("server.max_otlp_body", "\"1MiB\"")
        .set("server.max_otlp_in_flight", "\"2MiB\"")
        .start()
        .await;
    let client = app.client("acme").await;
    let mut waiting = [endless(&app).await, endless(&app).await];
    let good = || request_of(&[SpanSketch::new(1)]).encode_to_vec();
    let deadline = Instant::now() + Duration::from_secs(30);
    let busy = loop {
        assert!(Instant::now() < deadline, "all room is taken at some time");
        let answer = client.otlp(good()).await;
        if answer.status != 200 {
            break answer;
        }
        // A small body in between may have taken the last of the room from the second large one, which is refused then.
        for connection in &mut waiting {
            if connection.peek(&mut [0]).now_or_never().is_some() {
                *connection = endless(&app).await;
            }
        }
    };
    assert_eq!(busy.status, 429, "{busy}");
    assert!(busy.header("retry-after").parse::<u32>().is_ok(), "{busy}");
    eventually("there is room again", Duration::from_secs(30), || async {
        (client.otlp(good()).await.status == 200).then_some(())
    })
    .await;
    for mut connection in waiting {
        let mut answer = [0; 12];
        connection.read_exact(&mut answer).await.expect("an answer");
        assert_eq!(&answer, b"HTTP/1.1 504", "who sends no more is told");
    }
}

/// A client that sends its whole body before it looks for an answer, as most do, must still find the answer: an
/// exporter that sees a broken connection sends the same again for ever.
#[tokio::test(flavor = "multi_thread")]
async fn who_sends_too_much_hears_of_it() {
    let app = TestApp::start(OFFTAKE).await;
    let token = app.token("acme", "tester", "all").await;
    for (path, media_type, mebibytes) in
        [("/v1/traces", PROTOBUF, "24"), ("/api/v1/export/spans", "application/json", "12")]
    {
        let ran = python("send_large.py", &[&app.url(), path, &token, media_type, mebibytes]).await;
        assert_eq!((ran.code, ran.stdout.trim()), (Some(0), "413"), "{path}: {}", ran.stderr);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_bad_span_does_not_take_the_others_with_it() {
    let app = TestApp::start(OFFTAKE).await;
    let client = app.client("acme").await;
    let with = |change: fn(&mut opentelemetry_proto::tonic::trace::v1::Span)| {
        let mut span = SpanSketch::new(9);
        change(&mut span.0);
        span
    };
    let bad = [
        with(|span| span.trace_id = vec![]),
        with(|span| span.trace_id = vec![1; 15]),
        with(|span| span.trace_id = vec![1; 17]),
        with(|span| span.trace_id = vec![0; 16]),
        with(|span| span.span_id = vec![]),
        with(|span| span.span_id = vec![1; 9]),
        with(|span| span.span_id = vec![0; 8]),
    ];
    let mut spans = vec![SpanSketch::new(1)];
    spans.extend(bad.iter().cloned());
    spans.push(SpanSketch::new(2));
    let answer = post(&client, &[("content-type", PROTOBUF)], request_of(&spans).encode_to_vec()).await.expect(200);
    let told = partial(&answer);
    assert_eq!(told.rejected_spans, bad.len() as i64, "{told:?}");
    assert!(!told.error_message.is_empty());
    assert_eq!(identities(&client, json!({})).await.len(), 2);

    let answer = client.otlp_json(json_of(&request_of(&spans))).await.expect(200);
    let rejected = &answer.json()["partialSuccess"]["rejectedSpans"];
    assert!(*rejected == json!(bad.len()) || *rejected == json!(bad.len().to_string()), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn odd_spans_are_stored_as_they_are() {
    let app = TestApp::start(OFFTAKE).await;
    let client = app.client("acme").await;
    let mut backwards = SpanSketch::new(1);
    std::mem::swap(&mut backwards.0.start_time_unix_nano, &mut backwards.0.end_time_unix_nano);
    let mut timeless = SpanSketch::new(2);
    (timeless.0.start_time_unix_nano, timeless.0.end_time_unix_nano) = (0, 0);
    let mut last = SpanSketch::new(3);
    (last.0.start_time_unix_nano, last.0.end_time_unix_nano) = (u64::MAX, u64::MAX);
    let mut strange = SpanSketch::new(4).ending(99, "no such status");
    strange.0.kind = -7;
    strange.0.parent_span_id = vec![1; 5];
    let negative = SpanSketch::new(5)
        .with("gen_ai.usage.input_tokens", offtake_testkit::value(Value::IntValue(i64::MIN)))
        .with("gen_ai.usage.output_tokens", text("many"))
        .with("gen_ai.request.model", offtake_testkit::value(Value::BoolValue(true)))
        .with("gen_ai.usage.cost", offtake_testkit::value(Value::DoubleValue(f64::NAN)));
    let deep = (0..60)
        .fold(text("deep"), |inner, _| AnyValue { value: Some(Value::ArrayValue(ArrayValue { values: vec![inner] })) });
    let spans = [backwards, timeless, last, strange, negative, SpanSketch::new(6).with("deep", deep)];
    let mut taken = 0;
    for span in &spans {
        let body = request_of(std::slice::from_ref(span)).encode_to_vec();
        let answer = post(&client, &[("content-type", PROTOBUF)], body).await;
        // Nested too deep for a decoder is no request at all; anything else is taken or told of.
        let refused = answer.status == 400 || partial(&answer).rejected_spans == 1;
        assert!(refused || partial(&answer.clone().expect(200)).error_message.is_empty(), "{answer}");
        taken += usize::from(!refused);
    }
    assert_eq!(identities(&client, json!({})).await.len(), taken, "what was not refused is stored");
    for depth in [80, 200, 5_000, 100_000] {
        let nested = format!(
            "{{\"resourceSpans\":[{{\"scopeSpans\":[{{\"spans\":[{{\"traceId\":\"{}\",\"spanId\":\"{}\",\"name\":\"n\",\"startTimeUnixNano\":\"1\",\
             \"endTimeUnixNano\":\"2\",\"attributes\":[{{\"key\":\"deep\",\"value\":{}{}{}}}]}}]}}]}}]}}",
            "ef".repeat(16),
            "ef".repeat(8),
            "{\"arrayValue\":{\"values\":[".repeat(depth),
            "{\"intValue\":\"1\"}",
            "]}}".repeat(depth)
        );
        post(&client, &[("content-type", "application/json")], nested.into_bytes()).await;
    }
    let rows = all_formats_hold_what_is_stored(&app, &client).await;
    assert!(rows >= taken && taken >= 2, "{rows} rows, {taken} spans taken");
}

/// Exports every text format and parquet, and compares each with the store. Returns the rows there are.
async fn all_formats_hold_what_is_stored(app: &TestApp, client: &Client) -> usize {
    let mut rows = 0;
    for (format, readers) in [
        ("csv", &[Reader::PythonCsv, Reader::DuckDb][..]),
        ("jsonl", &[Reader::PythonJson, Reader::DuckDb]),
        ("json", &[Reader::PythonJson]),
        ("parquet", &[Reader::Arrow]),
    ] {
        let job = client.export("spans", &json!({"format": format, "fields": SPAN_COLUMNS})).await;
        let receipt = client.receipt(id_of(&job)).await;
        let file = saved(app, client, &job).await;
        let stored = app.span_rows("acme", &receipt).await;
        rows = stored.len();
        for &reader in readers {
            let found = exported_rows(reader, &file, &receipt).await;
            let (want, have) = if reader.knows_null() {
                (stored.clone(), found)
            } else {
                (nulls_as_empty(&stored), nulls_as_empty(&found))
            };
            assert_same_rows(&format!("{format}, {reader:?}"), &column_names(&receipt), &want, &have);
        }
    }
    rows
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_json_is_stored_as_it_is() {
    let app = TestApp::start(OFFTAKE).await;
    let client = app.client("acme").await;
    let spans: Vec<SpanSketch> = hostile_spans(0).into_iter().filter(is_json).collect();
    for spans in spans.chunks(10) {
        let answer = client.otlp_json(json_of(&request_of(spans))).await.expect(200);
        assert_eq!(answer.json().get("partialSuccess").and_then(|told| told.get("rejectedSpans")), None, "{answer}");
    }
    let job = client.export("spans", &json!({"format": "jsonl"})).await;
    let rows = json_rows(&client, &job).await;
    assert_eq!(rows.len(), spans.len());
    for (span, row) in spans.iter().zip(&rows) {
        assert_eq!(row["name"].as_str(), Some(span.0.name.as_str()));
        for attribute in &span.0.attributes {
            if let ("tests.text", Some(Value::StringValue(sent))) =
                (attribute.key.as_str(), attribute.value.as_ref().and_then(|value| value.value.as_ref()))
            {
                assert_eq!(row["attributes"]["tests.text"].as_str(), Some(sent.as_str()));
            }
        }
    }
    all_formats_hold_what_is_stored(&app, &client).await;
}

/// OTLP/JSON writes NaN as text, which the Rust types do not do: the span with doubles of that kind stays out.
fn is_json(span: &SpanSketch) -> bool {
    !span.0.attributes.iter().any(|attribute| attribute.key == "nan")
}

/// OTLP/JSON names what JSON has no number for.
#[tokio::test(flavor = "multi_thread")]
async fn numbers_beyond_json_come_by_their_names() {
    let app = TestApp::start(OFFTAKE).await;
    let client = app.client("acme").await;
    let attribute = |key: &str, value: Json| json!({"key": key, "value": value});
    let body = json!({"resourceSpans": [{"scopeSpans": [{"spans": [{
        "traceId": "AB".repeat(16), "spanId": "CD".repeat(8), "name": "n", "kind": "SPAN_KIND_CLIENT",
        "startTimeUnixNano": "1793707200000000123", "endTimeUnixNano": 1_793_707_201_000_000_000_u64,
        "attributes": [
            attribute("nan", json!({"doubleValue": "NaN"})),
            attribute("inf", json!({"doubleValue": "-Infinity"})),
            attribute("number", json!({"intValue": 7})),
            attribute("text", json!({"intValue": "9007199254740993"})),
            attribute("bytes", json!({"bytesValue": "AP8="})),
            attribute("unknown", json!({"someValue": 1})),
        ],
        "status": {"code": "STATUS_CODE_ERROR"}, "unknownField": {"x": 1},
    }]}]}]});
    client.otlp_json(body.to_string().into_bytes()).await.expect(200);
    let job = client.export("spans", &json!({"format": "jsonl"})).await;
    let rows = json_rows(&client, &job).await;
    assert_eq!(rows[0]["trace_id"], "ab".repeat(16), "ids are lower case");
    assert_eq!(rows[0]["attributes"]["nan"], json!({"doubleValue": "NaN"}));
    assert_eq!(rows[0]["attributes"]["inf"], json!({"doubleValue": "-Infinity"}));
    assert_eq!(rows[0]["attributes"]["number"], 7);
    assert_eq!(rows[0]["attributes"]["text"], json!(9_007_199_254_740_993_i64));
    assert_eq!(rows[0]["status_code"], "ERROR");
}

/// Genuine requests with bytes turned over, cut off and doubled: any answer, but none of ours is a fault.
#[tokio::test(flavor = "multi_thread")]
async fn damaged_requests_are_never_a_fault_of_ours() {
    let app = TestApp::start(OFFTAKE).await;
    let client = app.client("acme").await;
    let mut chance = Rng::seeded("damage");
    let originals: Vec<Vec<u8>> =
        genuine("pb").iter().flat_map(|file| requests(file)).map(|request| request.encode_to_vec()).collect();
    let texts: Vec<Vec<u8>> = genuine("jsonl")
        .iter()
        .flat_map(|file| {
            std::fs::read(file)
                .expect("the genuine spans")
                .split(|&byte| byte == b'\n')
                .map(<[u8]>::to_vec)
                .collect::<Vec<_>>()
        })
        .filter(|line| !line.is_empty())
        .collect();
    for round in 0..400 {
        let (of, media_type) = if round % 2 == 0 { (&originals, PROTOBUF) } else { (&texts, "application/json") };
        let mut body = of[usize::try_from(chance.below(of.len() as u64)).expect("small")].clone();
        for _ in 0..=chance.below(6) {
            if body.is_empty() {
                break;
            }
            let at = usize::try_from(chance.below(body.len() as u64)).expect("small");
            match chance.below(4) {
                0 => body[at] = u8::try_from(chance.below(256)).expect("a byte"),
                1 => body.truncate(at),
                2 => body.insert(at, u8::try_from(chance.below(256)).expect("a byte")),
                _ => {
                    let piece = body[at..(at + 40).min(body.len())].to_vec();
                    body.splice(at..at, piece);
                }
            }
        }
        post(&client, &[("content-type", media_type)], body).await;
    }
    let rows = all_formats_hold_what_is_stored(&app, &client).await;
    println!("{rows} spans were stored");
}
