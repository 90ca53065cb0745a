//! Requests that are wrong are told so, where and before any job exists.

use offtake_testkit::{SpanSketch, TestApp};
use reqwest::Method;
use serde_json::{Value as Json, json};

use crate::support::{OFFTAKE, identities, send};

struct Case {
    what: &'static str,
    dataset: &'static str,
    body: Json,
    status: u16,
    code: &'static str,
    pointer: &'static str,
}

const fn case(what: &'static str, body: Json, pointer: &'static str) -> Case {
    Case { what, dataset: "spans", body, status: 422, code: "invalid_request", pointer }
}

fn identity() -> Json {
    json!({"trace_id": "ab".repeat(16), "span_id": "cd".repeat(8)})
}

fn selection(mode: &str, ids: Json) -> Json {
    json!({"format": "csv", "selection": {"mode": mode, "ids": ids}})
}

fn of(key: &str, value: Json) -> Json {
    let mut body = json!({"format": "csv"});
    body[key] = value;
    body
}

fn cases() -> Vec<Case> {
    let many: Vec<Json> =
        (0..10_001).map(|n| json!({"trace_id": format!("{n:032x}"), "span_id": format!("{n:016x}")})).collect();
    vec![
        Case {
            what: "unknown dataset",
            dataset: "nothing",
            body: json!({"format": "csv"}),
            status: 404,
            code: "not_found",
            pointer: "",
        },
        Case {
            what: "reserved name",
            dataset: "statistics",
            body: json!({"format": "csv"}),
            status: 405,
            code: "method_not_allowed",
            pointer: "",
        },
        case("unknown filter", of("colour", json!("red")), "/colour"),
        case("filter like a prototype", of("__proto__", json!({"format": "csv"})), "/__proto__"),
        case("unknown format", json!({"format": "docx"}), "/format"),
        case("no format", json!({}), "/format"),
        case("format of the wrong type", json!({"format": 7}), "/format"),
        case("unknown compression", of("compression", json!("rar")), "/compression"),
        case("parquet is compressed inside", json!({"format": "parquet", "compression": "gzip"}), "/compression"),
        case("unknown dialect", of("dialect", json!("lotus")), "/dialect"),
        case("dialect without csv", json!({"format": "jsonl", "dialect": "excel"}), "/dialect"),
        case("unknown field", of("fields", json!(["trace_id", "nope"])), "/fields/1"),
        case("a field twice", of("fields", json!(["trace_id", "trace_id"])), "/fields/1"),
        case(
            "two fields of one name",
            of("fields", json!(["trace_id", {"name": "span_id", "as": "trace_id"}])),
            "/fields/1",
        ),
        case("an empty alias", of("fields", json!([{"name": "span_id", "as": ""}])), "/fields/0"),
        case("no fields", of("fields", json!([])), "/fields"),
        case("fields of the wrong type", of("fields", json!("trace_id")), "/fields"),
        case("a filter of the wrong type", of("min_tokens", json!("many")), "/min_tokens"),
        case("a fraction of a token", of("min_tokens", json!(1.5)), "/min_tokens"),
        case("a filter with an object", of("provider", json!({"is": "openai"})), "/provider"),
        case("a list with a number", of("provider", json!(["openai", 7])), "/provider/1"),
        case("a cost that is no number", of("min_cost", json!("a lot")), "/min_cost"),
        case(
            "a range with an unknown end",
            of("created_at", json!({"until": "2026-11-01T00:00:00Z"})),
            "/created_at/until",
        ),
        case("a time that is none", of("start_time", json!("yesterday")), "/start_time"),
        case("a time without a zone", of("start_time", json!("2026-11-01T00:00:00")), "/start_time"),
        case("a time as a number", of("end_time", json!(1_793_707_200)), "/end_time"),
        case(
            "a window reversed",
            json!({"format": "csv", "start_time": "2026-11-02T00:00:00Z", "end_time": "2026-11-01T00:00:00Z"}),
            "/end_time",
        ),
        case(
            "an empty window",
            json!({"format": "csv", "start_time": "2026-11-02T00:00:00Z", "end_time": "2026-11-02T00:00:00Z"}),
            "/end_time",
        ),
        case(
            "a window too long",
            json!({"format": "csv", "start_time": "2025-01-01T00:00:00Z", "end_time": "2026-11-01T00:00:00Z"}),
            "/end_time",
        ),
        case("limit 0", of("limit", json!(0)), "/limit"),
        case("limit -1", of("limit", json!(-1)), "/limit"),
        case("limit 1.5", of("limit", json!(1.5)), "/limit"),
        case("limit huge", of("limit", json!(1e30)), "/limit"),
        case("limit as text", of("limit", json!("ten")), "/limit"),
        case("an unknown mode", selection("some", json!([])), "/selection/mode"),
        case("no mode", of("selection", json!({"ids": []})), "/selection/mode"),
        case("a selection of the wrong type", of("selection", json!("all")), "/selection"),
        case("all, but with ids", selection("all", json!([identity()])), "/selection/ids"),
        case("partial without ids", of("selection", json!({"mode": "partial"})), "/selection/ids"),
        case("partial of nothing", selection("partial", json!([])), "/selection/ids"),
        case("an id as text", selection("partial", json!(["ab"])), "/selection/ids/0"),
        case("half an identity", selection("all_except", json!([{"trace_id": "ab".repeat(16)}])), "/selection/ids/0"),
        case(
            "an identity with more",
            selection("all_except", json!([{"trace_id": "ab".repeat(16), "span_id": "cd".repeat(8), "x": 1}])),
            "/selection/ids/0/x",
        ),
        case(
            "an id that is a number",
            selection("partial", json!([{"trace_id": 7, "span_id": "cd".repeat(8)}])),
            "/selection/ids/0/trace_id",
        ),
        case(
            "a trace id that is no hex",
            selection("all_except", json!([{"trace_id": "zz".repeat(16), "span_id": "cd".repeat(8)}])),
            "/selection/ids/0/trace_id",
        ),
        case(
            "a span id that is too short",
            selection("partial", json!([identity(), {"trace_id": "ab".repeat(16), "span_id": "1"}])),
            "/selection/ids/1/span_id",
        ),
        Case {
            dataset: "traces",
            ..case(
                "a trace named like a span",
                selection("partial", json!(["cd".repeat(8)])),
                "/selection/ids/0/trace_id",
            )
        },
        case("a filter by half an id", of("trace_id", json!("ab")), "/trace_id"),
        case("a list with a dashed id", of("span_ids", json!(["cd".repeat(8), "cd-cdcdcdcdcdcdcd"])), "/span_ids/1"),
        case("a parent that is a trace", of("parent_span_ids", json!(["ab".repeat(16)])), "/parent_span_ids/0"),
        case("10,001 exclusions", selection("all_except", Json::Array(many)), "/selection/ids"),
        case("an as_of of one's own making", of("as_of", json!("now")), "/as_of"),
        case("an unknown notification", of("notify", json!({"pigeon": true})), "/notify"),
        case("a name that is too long", of("name", json!("n".repeat(10_000))), "/name"),
        case("a delimiter of two characters", of("delimiter", json!("||")), "/delimiter"),
        case("a delimiter that breaks CSV", of("delimiter", json!("\"")), "/delimiter"),
        case("an unknown locale", of("formats", json!({"locale": "tlh"})), "/formats/locale"),
        case("a locale that is none", of("formats", json!({"locale": 7})), "/formats/locale"),
        case("an unknown time zone", of("formats", json!({"time_zone": "../etc/passwd"})), "/formats/time_zone"),
        case("an unknown directive", of("formats", json!({"date": "%Q"})), "/formats/date"),
        case("a time in a date", of("formats", json!({"date": "%d %H"})), "/formats/date"),
        case("a pattern without end", of("formats", json!({"timestamp": "%d".repeat(1_000)})), "/formats/timestamp"),
        case(
            "two separators alike",
            of("formats", json!({"locale": "de", "group_separator": ","})),
            "/formats/group_separator",
        ),
        case(
            "a separator that is a digit",
            of("formats", json!({"decimal_separator": "1"})),
            "/formats/decimal_separator",
        ),
        case("an unknown form", of("formats", json!({"currency": "EUR"})), "/formats/currency"),
        case("a form that is a text", of("formats", json!("de-DE")), "/formats"),
        case("a form for programs", json!({"format": "jsonl", "formats": {"time_zone": "UTC"}}), "/formats"),
        case(
            "a form no spreadsheet has",
            json!({"format": "xlsx", "formats": {"timestamp": "%H:%M %z"}}),
            "/formats/timestamp",
        ),
        case("a body that is a list", json!([]), ""),
        case("a body that is a text", json!("csv"), ""),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn each_is_told_by_code_and_pointer_and_makes_no_job() {
    let app = TestApp::start(OFFTAKE).await;
    let client = app.client("acme").await;
    send(&client, &[SpanSketch::new(1)]).await;
    let mut wrong = Vec::new();
    for case in cases() {
        let answer = client.create(case.dataset, &case.body).await;
        if answer.status != case.status {
            wrong.push(format!("{}: expected {}, got {answer}", case.what, case.status));
            continue;
        }
        let (code, pointers) = answer.problem();
        let points = case.status != 422 || pointers.iter().any(|pointer| pointer == case.pointer);
        if code != case.code || !points {
            wrong.push(format!(
                "{}: expected {} at {:?}, got {code} at {pointers:?}",
                case.what, case.code, case.pointer
            ));
        }
    }
    assert!(wrong.is_empty(), "{} of {} cases:\n{}", wrong.len(), cases().len(), wrong.join("\n"));
    assert_eq!(client.jobs().await, 0, "no job was made");
}

/// Hex knows no case: who excludes a row by its id in capitals does not get it.
#[tokio::test(flavor = "multi_thread")]
async fn ids_in_capitals_name_the_same_rows() {
    let app = TestApp::start(OFFTAKE).await;
    let client = app.client("acme").await;
    send(&client, &[SpanSketch::new(0xab), SpanSketch::new(0xcd)]).await;
    let all: Vec<_> = identities(&client, json!({})).await.into_iter().collect();
    let (trace, span) = (all[0].0.to_uppercase(), all[0].1.to_uppercase());
    assert_ne!((&trace, &span), (&all[0].0, &all[0].1), "the ids have letters");
    let id = json!([{"trace_id": trace, "span_id": span}]);
    let left = identities(&client, json!({"selection": {"mode": "all_except", "ids": id}})).await;
    assert_eq!(left.into_iter().collect::<Vec<_>>(), all[1..]);
    for body in [
        json!({"selection": {"mode": "partial", "ids": id}}),
        json!({"trace_ids": [trace]}),
        json!({"trace_id": trace}),
    ] {
        assert_eq!(identities(&client, body).await.into_iter().collect::<Vec<_>>(), all[..1]);
    }
    let document = client.get("/openapi.json").await.expect(200).json();
    let rows = &document["components"]["schemas"]["ExportRequest.spans"]["properties"];
    assert_eq!(rows["trace_id"]["oneOf"][0]["pattern"], "^[0-9a-fA-F]{32}$", "{rows}");
    assert_eq!(rows["parent_span_ids"]["oneOf"][1]["items"]["pattern"], "^[0-9a-fA-F]{16}$", "{rows}");
}

#[tokio::test(flavor = "multi_thread")]
async fn all_that_is_wrong_is_told_at_once() {
    let app = TestApp::start(OFFTAKE).await;
    let client = app.client("acme").await;
    let body = json!({"format": "docx", "limit": 0, "colour": "red", "fields": ["nope"], "start_time": "?"});
    let (_, mut pointers) = client.create("spans", &body).await.expect(422).problem();
    pointers.sort();
    assert_eq!(pointers, ["/colour", "/fields/0", "/format", "/limit", "/start_time"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn preview_count_and_page_refuse_the_same() {
    let app = TestApp::start(OFFTAKE).await;
    let client = app.client("acme").await;
    for path in ["/api/v1/export/spans/preview", "/api/v1/datasets/spans/count", "/api/v1/datasets/spans/rows"] {
        let mut body = json!({"colour": "red", "min_tokens": "x"});
        if path.ends_with("preview") {
            body["format"] = json!("csv");
        }
        let (code, mut pointers) = client.post(path, &body).await.expect(422).problem();
        pointers.sort();
        assert_eq!(
            (code.as_str(), pointers.as_slice()),
            ("invalid_request", ["/colour".to_owned(), "/min_tokens".to_owned()].as_slice()),
            "{path}"
        );
    }
    for (body, pointer) in [
        (json!({"cursor": "nonsense"}), "/cursor"),
        (json!({"limit": 0}), "/limit"),
        (json!({"limit": 1_000_000_000}), "/limit"),
        (json!({"sort": "nope"}), "/sort"),
    ] {
        let (_, pointers) = client.post("/api/v1/datasets/spans/rows", &body).await.expect(422).problem();
        assert!(pointers.iter().any(|found| found.starts_with(pointer)), "{body}: {pointers:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_at_all() {
    let app = TestApp::start(OFFTAKE).await;
    let client = app.client("acme").await;
    let json_type = [("content-type", "application/json")];
    let post = |headers: &'static [(&'static str, &'static str)], body: Vec<u8>| {
        client.send(Method::POST, "/api/v1/export/spans", headers, body)
    };
    const JSON: &[(&str, &str)] = &[("content-type", "application/json")];
    for body in
        [&b"{"[..], b"", b"{\"format\": \"csv\"} x", b"\xff\xfe", b"{\"format\": \"\xff\"}", b"{\"format\": NaN}"]
    {
        let (code, _) = post(JSON, body.to_vec()).await.expect(400).problem();
        assert_eq!(code, "malformed", "{:?}", String::from_utf8_lossy(body));
    }
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let answer = post(JSON, deep.into_bytes()).await;
    assert!(matches!(answer.status, 400 | 422), "{answer}");
    let (code, _) =
        post(&[("content-type", "text/plain")], b"{\"format\": \"csv\"}".to_vec()).await.expect(415).problem();
    assert_eq!(code, "unsupported_media_type");
    let large = format!("{{\"format\": \"csv\", \"name\": \"{}\"}}", "n".repeat(9 << 20));
    let (code, _) =
        client.send(Method::POST, "/api/v1/export/spans", &json_type, large.into_bytes()).await.expect(413).problem();
    assert_eq!(code, "too_large");
    for (method, path, status) in [
        (Method::PUT, "/api/v1/export/jobs", 405),
        (Method::GET, "/api/v1/nothing", 404),
        (Method::GET, "/api/v1/export/jobs/not-an-id", 404),
        (Method::GET, "/api/v1/export/jobs?limit=0", 422),
        (Method::GET, "/api/v1/export/jobs?limit=101", 422),
        (Method::GET, "/api/v1/export/jobs?status=asleep", 422),
        (Method::GET, "/api/v1/export/jobs?colour=red", 422),
        (Method::GET, "/api/v1/export/jobs?offset=-1", 422),
        (Method::GET, "/api/v1/export/jobs?cursor=x", 422),
    ] {
        client.send(method, path, &[], Vec::new()).await.expect(status).problem();
    }
    assert_eq!(client.jobs().await, 0);
}
