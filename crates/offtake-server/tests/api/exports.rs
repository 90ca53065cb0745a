//! Asking for exports.

use std::time::Duration;

use http::Method;
use jiff::SignedDuration;
use offtake_server::{LimitSettings, ServerSettings};
use offtake_store::JobLimits;
use serde_json::{Value as Json, json};

use crate::house::{House, identity};

const SPANS: &str = "/api/v1/export/spans";

async fn jobs(house: &House) -> Json {
    house.get("/api/v1/export/jobs").answer().await.expect(200).json()["pagination"]["total"].clone()
}

#[tokio::test]
async fn a_request_becomes_a_job_at_once() {
    let house = House::new();
    let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let ask = house.post(SPANS, &json!({"format": "csv", "compression": "gzip", "environment": "production"}));
    let answer = ask.header("x-request-id", "req-1").header("traceparent", trace).answer().await.expect(202);
    let body = answer.json();
    let id = body["job_id"].as_str().expect("an id");
    assert_eq!(answer.header("location"), format!("/api/v1/export/jobs/{id}"));
    assert_eq!(body["status_url"], answer.header("location"));
    assert_eq!(answer.header("retry-after"), "1");
    assert_eq!(answer.header("x-request-id"), "req-1");
    assert_eq!(body["status"], "pending");
    assert_eq!(body["created_at"], "2026-11-20T12:00:00Z");
    assert_eq!(body["estimated_completion_at"], Json::Null, "nothing is known yet");
    let job = house.get(answer.header("location")).answer().await.expect(200).json();
    assert_eq!(job["request_id"], "req-1");
    assert_eq!(job["name"], "Spans – production – 2026-11-20");
    assert_eq!(job["spec"]["environment"], "production");
    assert_eq!((&job["format"], &job["compression"]), (&json!("csv"), &json!("gzip")));
    let org = offtake_model::id::OrgId::new("acme").expect("a name");
    let scope = offtake_store::JobScope { org, owner: None };
    let filter = offtake_store::JobFilter { limit: 1, ..Default::default() };
    let stored = house.store.jobs.list(&scope, &filter);
    assert_eq!(stored.await.expect("a page").jobs[0].traceparent.as_deref(), Some(trace));
}

#[tokio::test]
async fn request_ids_that_could_do_harm_are_replaced() {
    let house = House::new();
    for id in ["a b", "", &"x".repeat(129), "\t"] {
        let answer = house.get("/api/v1/export/jobs").header("x-request-id", id).answer().await;
        let ours = answer.header("x-request-id");
        assert!(ours.starts_with("req_") && ours.len() == 36, "{ours}");
    }
    let longest = "x".repeat(128);
    let answer = house.get("/api/v1/export/jobs").header("x-request-id", &longest).answer().await;
    assert_eq!(answer.header("x-request-id"), longest);
}

#[tokio::test]
async fn what_is_wrong_is_told_before_there_is_a_job() {
    let house = House::new();
    let (code, pointers) = house.post(SPANS, &json!({"format": "docx", "colour": "red"})).answer().await.problem(422);
    assert_eq!(code, "invalid_request");
    assert!(pointers.contains(&"/format".to_owned()) && pointers.contains(&"/colour".to_owned()), "{pointers:?}");
    assert_eq!(house.post(SPANS, &json!([])).answer().await.problem(422).1, [""]);
    let raw = |body: &str| {
        let ask = house.ask(Method::POST, SPANS).by("acme", "alice", "all");
        ask.header("content-type", "application/json").body(body.to_owned()).answer()
    };
    for body in ["", "{", "{\"format\": \"csv\"} x", "{\"format\": NaN}"] {
        assert_eq!(raw(body).await.problem(400).0, "malformed", "{body}");
    }
    let deep = format!("{{\"x\":{}1{}}}", "[".repeat(100_000), "]".repeat(100_000));
    assert_eq!(raw(&deep).await.problem(400).0, "malformed");
    assert_eq!(raw(&format!("{{\"name\": \"{}\"}}", "n".repeat(3 << 20))).await.problem(413).0, "too_large");
    let text = house.ask(Method::POST, SPANS).by("acme", "alice", "all").header("content-type", "text/plain");
    assert_eq!(text.body("{}").answer().await.problem(415).0, "unsupported_media_type");
    let packed = house.post(SPANS, &json!({"format": "csv"})).header("content-encoding", "gzip");
    assert_eq!(packed.answer().await.problem(415).0, "unsupported_media_type");
    assert_eq!(house.post("/api/v1/export/jobs", &json!({})).answer().await.problem(405).0, "method_not_allowed");
    let bad_key = house.post(SPANS, &json!({"format": "csv"})).header("idempotency-key", "a b");
    assert_eq!(bad_key.answer().await.problem(400).0, "malformed");
    assert_eq!(jobs(&house).await, 0);
}

#[tokio::test]
async fn one_key_makes_one_job() {
    let house = House::new();
    let ask = |user: &str, body: Json| {
        let ask = house.ask(Method::POST, SPANS).by("acme", user, "all").json(&body);
        ask.header("idempotency-key", "k-1").answer()
    };
    let csv = json!({"format": "csv", "environment": "production"});
    let first = ask("alice", csv.clone()).await.expect(202).json();
    let again = ask("alice", json!({"environment": "production", "format": "csv"})).await.expect(202).json();
    assert_eq!(first["job_id"], again["job_id"], "the order of members means nothing");
    for other in [json!({"format": "jsonl", "environment": "production"}), json!({"format": "csv", "name": "x"})] {
        assert_eq!(ask("alice", other).await.problem(422).0, "idempotency_mismatch");
    }
    assert_eq!(jobs(&house).await, 1);
    let bobs = ask("bob", csv).await.expect(202).json();
    assert_ne!(first["job_id"], bobs["job_id"], "keys are one's own");
}

#[tokio::test]
async fn the_job_of_a_key_stays_whatever_becomes_of_the_preset() {
    let house = House::new();
    let preset = json!({"name": "finance", "dataset": "spans", "format": "csv"});
    house.post("/api/v1/presets", &preset).answer().await.expect(201);
    let ask = |body: Json| house.post(SPANS, &body).header("idempotency-key", "k-1").answer();
    let body = json!({"preset": "finance", "environment": "production"});
    let first = ask(body.clone()).await.expect(202).json()["job_id"].clone();
    let change = house.ask(Method::PATCH, "/api/v1/presets/finance").by("acme", "alice", "all");
    change.json(&json!({"format": "jsonl"})).answer().await.expect(200);
    assert_eq!(ask(body.clone()).await.expect(202).json()["job_id"], first, "it says something else now");
    house.delete("/api/v1/presets/finance").answer().await.expect(204);
    assert_eq!(ask(body).await.expect(202).json()["job_id"], first, "it is gone");
    assert_eq!(ask(json!({"preset": "finance"})).await.problem(422).0, "idempotency_mismatch");
    assert_eq!(jobs(&house).await, 1);
}

#[tokio::test]
async fn a_wait_ends_before_the_request_would() {
    let settings = ServerSettings { request_timeout: std::time::Duration::from_secs(1), ..ServerSettings::default() };
    let house = House::with(settings);
    let asked = house.post(SPANS, &json!({"format": "csv"})).header("prefer", "wait=60").answer();
    let job = house.create(&json!({"format": "csv"})).await;
    let looked = house.get(format!("/api/v1/export/jobs/{job}?wait=60")).answer();
    let (asked, looked) = tokio::join!(asked, looked);
    assert_eq!(asked.expect(202).json()["status"], "pending");
    assert_eq!(looked.expect(200).json()["status"], "pending");
}

#[tokio::test]
async fn few_rows_are_waited_for_and_come_with_their_link() {
    let house =
        House::with(ServerSettings { sync_wait: std::time::Duration::from_secs(30), ..ServerSettings::default() });
    let partial = json!({"format": "csv", "selection": {"mode": "partial", "ids": [identity(1), identity(2)]}});
    let ask = house.post(SPANS, &partial).answer();
    let work = async {
        house.store.jobs.due().notified().await;
        house.complete_next(b"a\nb\n").await
    };
    let (answer, (job, _)) = tokio::join!(ask, work);
    let body = answer.expect(200).json();
    assert_eq!(body["job_id"], job.to_string());
    assert_eq!((&body["status"], &body["row_count"]), (&json!("completed"), &json!(2)));
    let link = body["link"].as_str().expect("a link");
    assert_eq!(house.ask(Method::GET, link).answer().await.expect(200).body, "a\nb\n");
    let seen = house.get(format!("/api/v1/export/jobs/{job}")).answer().await.json();
    assert!(seen.get("link").is_none(), "links are made when asked for");
    assert!(!seen.to_string().contains("signature"));
}

#[tokio::test]
async fn waiting_ends_with_the_job_or_with_patience() {
    let house = House::new();
    let body = json!({"format": "csv"});
    let ask = |permissions: &str| {
        house
            .ask(Method::POST, SPANS)
            .by("acme", "alice", permissions)
            .json(&body)
            .header("prefer", "respond-async, wait=0")
    };
    let answer = ask("all").answer().await.expect(202);
    assert_eq!(answer.header("preference-applied"), "wait=0");
    house.complete_next(b"a\n").await;
    let ask = ask("exports:create,traces:read").header("prefer", "wait=45");
    let work = async {
        house.store.jobs.due().notified().await;
        house.complete_next(b"a\n").await
    };
    // The first preference counts, so this one does not wait at all.
    let (answer, _) = tokio::join!(ask.answer(), work);
    answer.expect(202);
    let ask = house.ask(Method::POST, SPANS).by("acme", "alice", "exports:create,traces:read").json(&body);
    let work = async {
        house.store.jobs.due().notified().await;
        house.complete_next(b"a\n").await
    };
    let (answer, _) = tokio::join!(ask.header("prefer", "wait=\"45\"").answer(), work);
    let answer = answer.expect(200);
    assert_eq!(answer.header("preference-applied"), "wait=45");
    assert!(answer.json().get("link").is_none(), "who may not download gets no link");
}

#[tokio::test]
async fn estimates_come_from_what_was() {
    let house = House::new();
    house.a_file(b"a\n").await;
    let body = house.post(SPANS, &json!({"format": "csv"})).answer().await.expect(202).json();
    let created: jiff::Timestamp = body["created_at"].as_str().expect("a moment").parse().expect("a moment");
    let expected = created + SignedDuration::from_secs(2);
    assert_eq!(body["estimated_completion_at"], expected.to_string());
    let perf = house.get("/api/v1/export/jobs/perf").answer().await.expect(200).json();
    assert_eq!(perf["jobs"][0]["duration_ms"], 2000);
    assert_eq!(perf["jobs"][0]["format"], "csv");
    assert_eq!(perf["percentiles"]["duration_ms"], json!({"p50": 2000.0, "p95": 2000.0, "max": 2000.0}));
    let statistics = house.get("/api/v1/export/statistics?days=30").answer().await.expect(200).json();
    assert_eq!(statistics["totals"]["jobs"], 2);
    assert_eq!(statistics["days"], 30);
    assert_eq!(statistics["since"], "2026-10-21T00:00:00Z", "thirty days before, from midnight on");
    let completed = statistics["datasets"].as_array().expect("rows").iter().find(|row| row["status"] == "completed");
    assert_eq!(completed.expect("a row")["row_count"], 1, "{statistics}");
    let other = house.ask(Method::GET, "/api/v1/export/statistics").by("other", "x", "exports:read");
    assert_eq!(other.answer().await.json()["totals"]["jobs"], 0);
    house.get("/api/v1/export/statistics?days=0").answer().await.expect(422);
}

#[tokio::test]
async fn a_preview_shows_rows_count_and_size_and_makes_no_job() {
    let house = House::new();
    house.send_spans("acme", 30).await;
    house.send_spans("other", 3).await;
    let body = json!({"format": "jsonl", "limit": 25, "fields": ["span_id", {"name": "name", "as": "What"}]});
    let answer = house.post(format!("{SPANS}/preview"), &body).answer().await.expect(200).json();
    let rows = answer["rows"].as_array().expect("rows");
    assert_eq!(rows.len(), 20);
    assert_eq!(rows[0], json!({"span_id": "01".repeat(8), "name": "span 1"}));
    assert_eq!(answer["columns"][1]["header"], "What");
    assert_eq!(answer["columns"][1]["type"], "text");
    assert_eq!((&answer["count"], &answer["expected_rows"]), (&json!(30), &json!(25)));
    assert_eq!((&answer["exact"], &answer["limited"]), (&json!(true), &json!(true)));
    assert!(answer["estimated_bytes"].as_u64().expect("a number") > 25 * 20, "{answer}");
    assert_eq!(answer["estimated_seconds"], Json::Null);
    let few = house.post(format!("{SPANS}/preview"), &json!({"format": "csv", "limit": 2})).answer().await.json();
    assert_eq!(few["rows"].as_array().expect("rows").len(), 2);
    house.post(format!("{SPANS}/preview"), &json!({"format": "csv", "nope": 1})).answer().await.problem(422);
    assert_eq!(jobs(&house).await, 0);
}

#[tokio::test]
async fn a_preview_says_what_would_be_refused_and_how_long_a_file_is_kept() {
    let jobs = JobLimits { active: 1, ..JobLimits::NONE };
    let limits = LimitSettings { jobs, ..LimitSettings::NONE };
    let house = House::with(ServerSettings { limits, keep: Duration::from_secs(3600), ..ServerSettings::default() });
    house.send_spans("acme", 3).await;
    let look =
        async || house.post(format!("{SPANS}/preview"), &json!({"format": "csv"})).answer().await.expect(200).json();
    let free = look().await;
    assert_eq!((&free["refusal"], &free["kept_seconds"]), (&Json::Null, &json!(3600)));
    house.post(SPANS, &json!({"format": "csv"})).answer().await.expect(202);
    let full = look().await;
    assert_eq!(full["rows"].as_array().expect("rows").len(), 3, "the rest is answered as ever");
    let refused = house.post(SPANS, &json!({"format": "csv"})).answer().await.expect(429).json();
    assert_eq!(refused["detail"], full["refusal"]["detail"]);
    assert!(full["refusal"]["retry_after"].as_u64().expect("when") >= 1);
}
