//! What nobody sane sends: refused with a reason or kept exactly, and never a panic.

use crate::common::{Backend, Kept, all, mapped, org};
use offtake_datasets::spans::otlp::{ExportTraceServiceRequest, decode_json, decode_protobuf, to_spans};
use offtake_datasets::spans::{Conventions, Span};
use offtake_model::ErrorKind;
use offtake_testkit::PgVersion;
use opentelemetry_proto::tonic::common::v1::{
    AnyValue, ArrayValue, InstrumentationScope, KeyValue, KeyValueList, any_value::Value,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span as Sent};
use prost::Message as _;
use serde_json::json;

fn sent() -> Sent {
    Sent {
        trace_id: vec![1; 16],
        span_id: vec![2; 8],
        name: "n".to_owned(),
        start_time_unix_nano: 1,
        ..Sent::default()
    }
}

fn request(spans: Vec<Sent>) -> ExportTraceServiceRequest {
    let scope_spans = vec![ScopeSpans { spans, ..ScopeSpans::default() }];
    ExportTraceServiceRequest { resource_spans: vec![ResourceSpans { scope_spans, ..ResourceSpans::default() }] }
}

fn any(value: Value) -> AnyValue {
    AnyValue { value: Some(value) }
}

fn attribute(key: &str, value: Value) -> KeyValue {
    KeyValue { key: key.to_owned(), value: Some(any(value)), ..KeyValue::default() }
}

fn row(span: Sent) -> Span {
    let incoming = mapped(request(vec![span]));
    assert_eq!(incoming.rejected, Vec::<String>::new());
    incoming.spans.into_iter().next().expect("one span")
}

fn nested(depth: usize) -> AnyValue {
    (0..depth).fold(any(Value::BoolValue(true)), |inner, _| any(Value::ArrayValue(ArrayValue { values: vec![inner] })))
}

#[test]
fn spans_that_cannot_be_named_or_placed_are_refused_one_by_one() {
    let twice = vec![attribute("k", Value::IntValue(1)), attribute("k", Value::IntValue(2))];
    let inner = Value::KvlistValue(KeyValueList { values: twice.clone() });
    let cases = [
        (Sent { trace_id: vec![1; 15], ..sent() }, "trace id has 15 bytes"),
        (Sent { trace_id: vec![0; 16], ..sent() }, "trace id is all zeros"),
        (Sent { span_id: Vec::new(), ..sent() }, "span id has 0 bytes"),
        (Sent { span_id: vec![0; 8], ..sent() }, "span id is all zeros"),
        (Sent { parent_span_id: vec![1; 7], ..sent() }, "parent span id has 7 bytes"),
        (Sent { start_time_unix_nano: 0, ..sent() }, "no start time"),
        (Sent { attributes: twice.clone(), ..sent() }, "\"k\" is there twice"),
        (Sent { attributes: vec![attribute("a", inner)], ..sent() }, "\"k\" is there twice"),
        (Sent { attributes: vec![attribute("otel.span", Value::IntValue(1))], ..sent() }, "reserved"),
        (
            Sent {
                attributes: vec![KeyValue { key: "a".to_owned(), value: Some(nested(25)), ..KeyValue::default() }],
                ..sent()
            },
            "nested deeper",
        ),
    ];
    for (bad, reason) in cases {
        let incoming = mapped(request(vec![sent(), bad]));
        assert_eq!(incoming.spans.len(), 1, "{reason}");
        assert!(incoming.rejected[0].contains(reason), "{:?} lacks {reason}", incoming.rejected);
    }
}

#[test]
fn odd_values_are_kept_exactly() {
    let key = "k".repeat(65_536);
    let attributes = vec![
        attribute(&key, Value::StringValue("v".to_owned())),
        attribute("__proto__", Value::StringValue("\0 \u{1f980} \u{2028} \" \\".to_owned())),
        attribute("nan", Value::DoubleValue(f64::NAN)),
        attribute("inf", Value::DoubleValue(f64::NEG_INFINITY)),
        attribute("big", Value::DoubleValue(1e308)),
        attribute("whole", Value::DoubleValue(5.0)),
        attribute("tenth", Value::DoubleValue(0.1)),
        attribute("min", Value::IntValue(i64::MIN)),
        attribute("bytes", Value::BytesValue(vec![0, 255])),
        KeyValue { key: "none".to_owned(), value: None, ..KeyValue::default() },
        KeyValue { key: "deep".to_owned(), value: Some(nested(24)), ..KeyValue::default() },
        attribute(
            "",
            Value::KvlistValue(KeyValueList {
                values: vec![attribute("b", Value::IntValue(1)), attribute("a", Value::IntValue(2))],
            }),
        ),
    ];
    let row = row(Sent { attributes, ..sent() });
    let text = &row.attributes;
    assert!(
        text.starts_with(&format!("{{\"{key}\":\"v\",\"__proto__\":\"\\u0000 \u{1f980}")),
        "{}",
        &text[65_536..65_600]
    );
    for part in [
        "\"nan\":{\"doubleValue\":\"NaN\"}",
        "\"inf\":{\"doubleValue\":\"-Infinity\"}",
        "\"big\":1e+308",
        "\"whole\":5.0",
        "\"tenth\":0.1",
        "\"min\":-9223372036854775808",
        "\"bytes\":{\"bytesValue\":\"AP8=\"}",
        "\"none\":null",
        "\"\":{\"b\":1,\"a\":2}",
    ] {
        assert!(text.contains(part), "{part} is not in {}", &text[65_536..]);
    }
    let value: serde_json::Value = serde_json::from_str(text).expect("JSON");
    assert_eq!(value["__proto__"], "\0 \u{1f980} \u{2028} \" \\");
}

#[test]
fn times_reach_to_the_end_of_what_can_be_sent() {
    let far = row(Sent { start_time_unix_nano: 1_999, end_time_unix_nano: u64::MAX, ..sent() });
    assert_eq!((far.started_at, far.started_ns), (1, 999));
    assert_eq!((far.ended_at, far.ended_ns), (Some(18_446_744_073_709_551), Some(615)));
    assert_eq!(far.duration_ms, "18446744073709.549616".parse().ok());
    let back = row(Sent { start_time_unix_nano: 2_500_000, end_time_unix_nano: 1, ..sent() });
    assert_eq!(back.duration_ms, Some(-2.499_999));
    let open = row(sent());
    assert_eq!((open.ended_at, open.duration_ms), (None, None));
}

#[test]
fn bodies_that_are_no_requests_are_malformed() {
    // What nobody knows is passed over, however deep it is.
    let unknown = format!("{}{}", "{\"resourceSpans\":[".repeat(10_000), "]}".repeat(10_000));
    assert_eq!(decode_json(unknown.as_bytes()).unwrap().resource_spans.len(), 1);
    let deep_value = format!(
        r#"{{"resourceSpans":[{{"scopeSpans":[{{"spans":[{{"attributes":[{{"key":"a","value":{}{}}}]}}]}}]}}]}}"#,
        r#"{"arrayValue":{"values":["#.repeat(10_000),
        "]}}".repeat(10_000)
    );
    let empty_spans =
        format!(r#"{{"resourceSpans":[{{"scopeSpans":[{{"spans":[{}{{}}]}}]}}]}}"#, "{},".repeat(1_000_000));
    let json: [&[u8]; 14] = [
        b"",
        b"[]",
        br#"{"resourceSpans":[{"scopeSpans":[{"spans":[{"attributes":[["key",{"intValue":1}]]}]}]}]}"#,
        b"null",
        b"{} {}",
        b"{\"resourceSpans\":5}",
        b"{\"resourceSpans\":[null,7]}",
        b"\xff\xfe",
        br#"{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"xyz"}]}]}]}"#,
        br#"{"resourceSpans":[{"scopeSpans":[{"spans":[{"startTimeUnixNano":"-1"}]}]}]}"#,
        br#"{"resourceSpans":[{"scopeSpans":[{"spans":[{"startTimeUnixNano":18446744073709551616}]}]}]}"#,
        br#"{"resourceSpans":[{"scopeSpans":[{"spans":[{"name":"\ud800"}]}]}]}"#,
        deep_value.as_bytes(),
        empty_spans.as_bytes(),
    ];
    for body in json {
        let error = decode_json(body).expect_err(&String::from_utf8_lossy(&body[..body.len().min(80)]));
        assert_eq!(error.kind(), ErrorKind::Malformed);
    }

    let mut invalid = request(vec![Sent { name: "MARKED".to_owned(), ..sent() }]).encode_to_vec();
    let at = invalid.windows(6).position(|window| window == b"MARKED").unwrap();
    invalid[at] = 0xff;
    let whole = request(vec![sent()]).encode_to_vec();
    let deep = {
        // Each level of nesting: AnyValue { array_value: ArrayValue { values: [ … ] } }.
        let mut body = Vec::new();
        for _ in 0..10_000 {
            for tag in [0x0a_u8, 0x2a] {
                let mut outer = vec![tag];
                prost::encoding::encode_varint(body.len() as u64, &mut outer);
                outer.append(&mut body);
                body = outer;
            }
        }
        let value = [&[0x12_u8][..], &varint(body.len()), &body].concat();
        let attribute = [&[0x4a_u8][..], &varint(value.len()), &value].concat();
        [0x12_u8, 0x12, 0x0a].iter().fold(attribute, |inner, tag| [&[*tag][..], &varint(inner.len()), &inner].concat())
    };
    let empties = {
        let spans = [0x12_u8, 0].repeat(1_000_000);
        [0x12_u8, 0x0a].iter().fold(spans, |inner, tag| [&[*tag][..], &varint(inner.len()), &inner].concat())
    };
    for body in [&invalid[..], &whole[..whole.len() - 1], b"{\"resourceSpans\":[]}", b"\xff\xff", &deep, &empties] {
        let error = decode_protobuf(body).expect_err("not a request");
        assert_eq!(error.kind(), ErrorKind::Malformed);
    }
}

/// Two or three bytes each on the wire, and up to some hundred in memory: whatever can be repeated is weighed.
#[test]
fn a_body_of_empty_elements_is_refused_wherever_they_are() {
    const MANY: usize = 100_000;
    let field = |tag: u8, body: &[u8]| [&[tag << 3 | 2][..], &varint(body.len()), body].concat();
    let within = |path: &[u8], body: Vec<u8>| path.iter().rev().fold(body, |body, tag| field(*tag, &body));
    for (what, path, element) in [
        ("resources", &[][..], &[0x0a, 0][..]),
        ("scopes", &[1], &[0x12, 0]),
        ("spans", &[1, 2], &[0x12, 0]),
        ("attributes of a resource", &[1, 1], &[0x0a, 0]),
        ("entities of a resource", &[1, 1], &[0x1a, 0]),
        ("attributes of a scope", &[1, 2, 1], &[0x1a, 0]),
        ("attributes of a span", &[1, 2, 2], &[0x4a, 0]),
        ("events", &[1, 2, 2], &[0x5a, 0]),
        ("attributes of an event", &[1, 2, 2, 11], &[0x1a, 0]),
        ("links", &[1, 2, 2], &[0x6a, 0]),
        ("attributes of a link", &[1, 2, 2, 13], &[0x22, 0]),
        ("members of a list", &[1, 1, 1, 2, 6], &[0x0a, 0]),
    ] {
        let elements = element.repeat(MANY);
        let body = within(path, elements.clone());
        let error = decode_protobuf(&body).expect_err(what);
        assert!(error.detail().contains("empty elements"), "{what}: {error}");
        // Behind a group, which nobody uses any more but every decoder passes over.
        let group = [0xfb, 0x07, 0x0a, 1, 0, 0xfc, 0x07];
        let body = within(path, [&group[..], &elements].concat());
        let error = decode_protobuf(&body).expect_err(what);
        assert!(error.detail().contains("empty elements"), "{what} behind a group: {error}");
    }
    // Each level is a vector of its own, with room for four.
    let nested = (0..40).fold(Vec::new(), |inner, _| within(&[5, 1], inner));
    let body = within(&[1, 1, 1, 2, 5], field(1, &nested).repeat(2_000));
    let error = decode_protobuf(&body).expect_err("arrays of one");
    assert!(error.detail().contains("empty elements"), "arrays of one: {error}");
}

/// A resource stands in every row of its spans: a few bytes a span must not become megabytes a row.
#[test]
fn what_every_row_would_repeat_is_bounded_before_it_is_repeated() {
    const LARGEST: usize = 1 << 20;
    let text = |bytes: usize| Value::StringValue("x".repeat(bytes));
    let scopes = |scopes: usize, spans: usize, attributes: Vec<KeyValue>| ExportTraceServiceRequest {
        resource_spans: vec![ResourceSpans {
            resource: Some(Resource { attributes, ..Resource::default() }),
            scope_spans: vec![ScopeSpans { spans: vec![sent(); spans], ..ScopeSpans::default() }; scopes],
            ..ResourceSpans::default()
        }],
    };
    let mut heavy_scope = scopes(1, 10_000, Vec::new());
    heavy_scope.resource_spans[0].scope_spans[0].scope =
        Some(InstrumentationScope { name: "x".repeat(1 << 19), ..InstrumentationScope::default() });
    let resources = ExportTraceServiceRequest {
        resource_spans: vec![scopes(1, 1, vec![attribute("k", text(1 << 19))]).resource_spans.remove(0); 100],
    };
    for (what, request) in [
        ("many spans", scopes(1, 10_000, vec![attribute("k", text(1 << 19))])),
        ("many scopes of one span", scopes(10_000, 1, vec![attribute("k", text(1 << 19))])),
        ("a column that the resource says", scopes(1, 10_000, vec![attribute("service.name", text(1 << 19))])),
        ("a heavy scope", heavy_scope),
        ("as much in many resources", resources),
    ] {
        let error = to_spans(request, &Conventions::default(), LARGEST).expect_err(what);
        assert_eq!(error.kind(), ErrorKind::TooLarge, "{what}");
        assert!(error.detail().contains("send fewer spans a request"), "{error}");
    }
    let genuine = scopes(20, 400, vec![attribute("k", text(1_500)), attribute("service.name", text(20))]);
    assert_eq!(to_spans(genuine, &Conventions::default(), LARGEST).unwrap().spans.len(), 8_000);
    let without_spans = scopes(10_000, 0, vec![attribute("k", text(1 << 19))]);
    assert_eq!(to_spans(without_spans, &Conventions::default(), LARGEST).unwrap().spans, []);
}

fn varint(value: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    prost::encoding::encode_varint(value as u64, &mut bytes);
    bytes
}

#[test]
fn json_is_read_as_the_specification_allows_it_to_be_written() {
    let span = |more: serde_json::Value| {
        let mut span = json!({"traceId": "0102030405060708090A0b0c0d0e0f10", "spanId": "0102030405060708", "startTimeUnixNano": "5000"});
        span.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let body = json!({"resourceSpans": [{"scopeSpans": [{"spans": [span], "unknown": {"a": [1]}}], "resource": null}], "more": 1});
        row_of(&body)
    };
    let plain = span(json!({}));
    assert_eq!(plain.trace_id, "0102030405060708090a0b0c0d0e0f10");
    assert_eq!(plain.started_at, 5);
    let numbers = span(
        json!({"startTimeUnixNano": 5000, "endTimeUnixNano": 5e3, "droppedEventsCount": "2", "parentSpanId": "", "events": null}),
    );
    assert_eq!((numbers.started_at, numbers.ended_at), (5, Some(5)));
    assert!(numbers.attributes.contains("\"dropped_events_count\":2"));
    assert_eq!(numbers.parent_span_id, None);
    let named = span(json!({"kind": "SPAN_KIND_CLIENT", "status": {"code": "STATUS_CODE_ERROR", "message": "m"}}));
    let numbered = span(json!({"kind": 3, "status": {"code": 2, "message": "m"}}));
    assert_eq!(named, numbered);
    let values = json!([
        {"key": "nan", "value": {"doubleValue": "NaN"}}, {"key": "int", "value": {"intValue": 9007199254740993_i64}},
        {"key": "text", "value": {"intValue": "-9223372036854775808"}}, {"key": "double", "value": {"doubleValue": 2}},
        {"key": "bytes", "value": {"bytesValue": "_-8"}}, {"key": "empty", "value": {}}, {"key": "none"},
        {"key": "array", "value": {"arrayValue": {}}}, {"key": "list", "value": {"kvlistValue": {"values": null}}},
        {"key": "new", "value": {"futureValue": {"a": 1}}},
    ]);
    assert_eq!(
        span(json!({"attributes": values})).attributes,
        r#"{"nan":{"doubleValue":"NaN"},"int":9007199254740993,"text":-9223372036854775808,"double":2.0,"bytes":{"bytesValue":"/+8="},"empty":null,"none":null,"array":[],"list":{},"new":null}"#
    );
}

fn row_of(body: &serde_json::Value) -> Span {
    let incoming = mapped(decode_json(body.to_string().as_bytes()).expect("OTLP/JSON"));
    assert_eq!(incoming.rejected, Vec::<String>::new());
    incoming.spans.into_iter().next().expect("one span")
}

#[tokio::test]
async fn sums_of_absurd_numbers_do_not_stop_the_writer() {
    for backend in [Backend::Sqlite, Backend::Postgres(PgVersion::V15)] {
        sums_of_absurd_numbers(backend).await;
    }
}

async fn sums_of_absurd_numbers(backend: Backend) {
    let kept = Kept::new(backend).await;
    let acme = org("acme");
    let most = |at: u16| Span { cost_usd: Some(999_999_999_999_999_999), ..crate::common::span(1, at, 1) };
    kept.store.append(&acme, (0..20).map(most).collect()).await.unwrap();
    kept.store.append(&acme, (20..40).map(most).collect()).await.unwrap();
    let (rows, _) = kept.rows("traces", &["span_count", "cost_usd"], &all(&acme)).await;
    assert_eq!(rows, [["40".to_owned(), "NULL".to_owned()]]);

    let absurd = vec![
        attribute("gen_ai.usage.input_tokens", Value::IntValue(i64::MAX)),
        attribute("gen_ai.usage.output_tokens", Value::IntValue(-1)),
        attribute("gen_ai.usage.cost", Value::DoubleValue(1e300)),
    ];
    let row = row(Sent { attributes: absurd, ..sent() });
    assert_eq!((row.prompt_tokens, row.completion_tokens, row.total_tokens, row.cost_usd), (None, None, None, None));
    assert!(row.attributes.contains("9223372036854775807"));
}

proptest::proptest! {
    #[test]
    fn no_bytes_make_it_panic(body in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..400)) {
        drop(decode_json(&body));
        if let Ok(request) = decode_protobuf(&body) {
            mapped(request);
        }
    }

    #[test]
    fn no_change_of_a_genuine_request_makes_it_panic(line in 0..74_usize, at in 0..4000_usize, byte: u8) {
        let suite = crate::common::Suite::read("anthropic");
        let mut body = suite.protobuf[line].clone();
        let at = at % body.len();
        body[at] = byte;
        if let Ok(request) = decode_protobuf(&body) {
            mapped(request);
        }
    }
}
