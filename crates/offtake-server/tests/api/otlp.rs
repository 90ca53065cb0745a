//! OpenTelemetry's receiver.

use std::io::Write as _;

use http::Method;
use offtake_server::ServerSettings;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use prost::Message;
use serde_json::json;

use crate::house::{Answer, Ask, House, request_of, span};

const PROTOBUF: &str = "application/x-protobuf";

fn send<'a>(house: &'a House, media_type: &str, body: Vec<u8>) -> Ask<'a> {
    let ask = house.ask(Method::POST, "/v1/traces").by("acme", "sdk", "spans:write");
    ask.header("content-type", media_type).body(body)
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(bytes).expect("memory");
    encoder.finish().expect("memory")
}

fn zlib(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).expect("memory");
    encoder.finish().expect("memory")
}

fn json_span(number: u8) -> serde_json::Value {
    let span = span(number);
    json!({"traceId": hex::encode(&span.trace_id), "spanId": hex::encode(&span.span_id), "name": span.name,
        "startTimeUnixNano": span.start_time_unix_nano.to_string(), "endTimeUnixNano": span.end_time_unix_nano.to_string()})
}

fn json_request(spans: &[serde_json::Value]) -> Vec<u8> {
    json!({"resourceSpans": [{"scopeSpans": [{"spans": spans}]}]}).to_string().into_bytes()
}

/// `google.rpc.Status`, as a client that knows no Rust would read it.
#[derive(Clone, PartialEq, Message)]
struct Status {
    #[prost(int32, tag = "1")]
    code: i32,
    #[prost(string, tag = "2")]
    message: String,
}

#[track_caller]
fn status(answer: &Answer) -> Status {
    assert_eq!(answer.header("content-type"), PROTOBUF);
    Status::decode(answer.body.clone()).expect("a status")
}

async fn count(house: &House) -> u64 {
    let answer = house.post("/api/v1/datasets/spans/count", &json!({})).answer().await.expect(200);
    answer.json()["count"].as_u64().expect("a number")
}

#[tokio::test]
async fn spans_arrive_in_every_encoding_and_once() {
    let house = House::new();
    let answer = send(&house, PROTOBUF, request_of(vec![span(1)])).answer().await.expect(200);
    assert_eq!(answer.header("content-type"), PROTOBUF);
    let response = ExportTraceServiceResponse::decode(answer.body).expect("a response");
    assert_eq!(response.partial_success, None);
    let answer = send(&house, "application/json; charset=utf-8", json_request(&[json_span(2)])).answer().await;
    assert_eq!(answer.expect(200).json(), json!({}));
    for (encoding, number, pack) in [
        ("gzip", 3, gzip as fn(&[u8]) -> Vec<u8>),
        ("deflate", 4, zlib),
        ("zstd", 5, |bytes| zstd::encode_all(bytes, 3).expect("memory")),
        ("identity", 6, <[u8]>::to_vec),
    ] {
        let body = pack(&request_of(vec![span(number)]));
        send(&house, PROTOBUF, body).header("content-encoding", encoding).answer().await.expect(200);
    }
    assert_eq!(count(&house).await, 6);
    send(&house, PROTOBUF, request_of(vec![span(1), span(7)])).answer().await.expect(200);
    assert_eq!(count(&house).await, 7, "a span sent again is the same span");
    send(&house, PROTOBUF, Vec::new()).answer().await.expect(200);
    send(&house, "application/json", b"{}".to_vec()).answer().await.expect(200);
    let metrics = house.ask(Method::GET, "/metrics").by("acme", "op", "operator").answer().await;
    let text = String::from_utf8(metrics.body.to_vec()).expect("UTF-8");
    assert!(text.contains("offtake_ingest_spans_total{result=\"stored\"} 7"), "{text}");
    assert!(text.contains("offtake_ingest_spans_total{result=\"duplicate\"} 1"), "{text}");
}

#[tokio::test]
async fn spans_belong_to_the_organization_of_the_token() {
    let house = House::new();
    house.send_spans("acme", 3).await;
    house.send_spans("other", 1).await;
    assert_eq!(count(&house).await, 3);
}

#[tokio::test]
async fn one_bad_span_is_named_and_the_others_are_kept() {
    let house = House::new();
    let mut bad = span(9);
    bad.trace_id = vec![0; 16];
    let answer = send(&house, PROTOBUF, request_of(vec![span(1), bad, span(2)])).answer().await.expect(200);
    let told = ExportTraceServiceResponse::decode(answer.body).expect("a response").partial_success.expect("partial");
    assert_eq!(told.rejected_spans, 1);
    assert!(!told.error_message.is_empty());
    let mut bad = json_span(9);
    bad["spanId"] = json!("");
    let answer = send(&house, "application/json", json_request(&[json_span(3), bad])).answer().await.expect(200);
    assert_eq!(answer.json()["partialSuccess"]["rejectedSpans"], "1");
    assert_eq!(count(&house).await, 3);
    let many = (0..=255)
        .map(|_| {
            let mut bad = span(1);
            bad.span_id = vec![];
            bad
        })
        .collect();
    let answer = send(&house, PROTOBUF, request_of(many)).answer().await.expect(200);
    let told = ExportTraceServiceResponse::decode(answer.body).expect("a response").partial_success.expect("partial");
    assert_eq!(told.rejected_spans, 256);
    assert!(told.error_message.len() <= 1000, "{}", told.error_message.len());
}

#[tokio::test]
async fn what_cannot_be_read_is_refused_in_its_own_encoding() {
    let house = House::new();
    let good = request_of(vec![span(1)]);
    let noise = send(&house, PROTOBUF, vec![0xde, 0xad, 0xbe, 0xef]).answer().await.expect(400);
    assert_eq!(status(&noise).code, 3);
    let half = send(&house, PROTOBUF, gzip(&good)[..20].to_vec()).header("content-encoding", "gzip").answer().await;
    assert_eq!(status(&half.expect(400)).code, 3);
    let json = send(&house, "application/json", b"{\"resourceSpans\": 7}".to_vec()).answer().await.expect(400);
    assert_eq!(json.header("content-type"), "application/json");
    assert_eq!(json.json()["code"], 3);
    let br = send(&house, PROTOBUF, good.clone()).header("content-encoding", "br").answer().await.expect(415);
    assert_eq!(status(&br).code, 3);
    let twice =
        send(&house, PROTOBUF, good.clone()).header("content-encoding", "gzip").header("content-encoding", "gzip");
    twice.answer().await.expect(415);
    assert_eq!(send(&house, "text/plain", good.clone()).answer().await.problem(415).0, "unsupported_media_type");
    let ask = house.ask(Method::POST, "/v1/traces").header("content-type", PROTOBUF).body(good.clone());
    let anonymous = ask.answer().await.expect(401);
    assert_eq!(status(&anonymous).code, 16);
    assert!(!anonymous.header("www-authenticate").is_empty());
    let ask = house.ask(Method::POST, "/v1/traces").by("acme", "x", "traces:read");
    assert_eq!(status(&ask.header("content-type", PROTOBUF).body(good).answer().await.expect(403)).code, 7);
    house.get("/v1/traces").answer().await.problem(405);
    assert_eq!(count(&house).await, 0);
}

#[tokio::test]
async fn bombs_burst_outside() {
    let settings =
        ServerSettings { otlp_body_bytes: 10_000, otlp_decompressed_bytes: 100_000, ..ServerSettings::default() };
    let house = House::with(settings);
    let zeros = vec![0_u8; 4 << 20];
    for (encoding, bomb) in [
        ("gzip", gzip(&zeros)),
        ("deflate", zlib(&zeros)),
        ("zstd", zstd::encode_all(zeros.as_slice(), 19).expect("memory")),
    ] {
        let answer = send(&house, PROTOBUF, bomb.clone()).header("content-encoding", encoding).answer().await;
        let refused = if bomb.len() > 10_000 { "too_large: a body here" } else { "too_large: decompressed" };
        assert!(status(&answer.expect(413)).message.starts_with(refused), "{encoding}");
    }
    send(&house, PROTOBUF, vec![0; 10_001]).answer().await.expect(413);
    // Many small members are one bomb.
    let members = gzip(&vec![b'x'; 50_000]).repeat(100);
    assert!(members.len() < 10_000);
    send(&house, PROTOBUF, members).header("content-encoding", "gzip").answer().await.expect(413);
    let fits = gzip(&request_of(vec![span(1)]));
    send(&house, PROTOBUF, fits).header("content-encoding", "gzip").answer().await.expect(200);
}
