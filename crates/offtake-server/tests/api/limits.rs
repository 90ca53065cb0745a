//! What is refused for being too much, and what clients are told of it.

use http::Method;
use jiff::SignedDuration;
use offtake_model::ErrorKind;
use offtake_model::job::JobError;
use offtake_server::{ConnectionSettings, LimitSettings, ServerSettings, serve};
use offtake_store::{JobLimits, Take, WorkerName};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

use crate::house::{Answer, House};

fn limited(limits: LimitSettings) -> House {
    House::with(ServerSettings { sync_wait: std::time::Duration::ZERO, limits, ..ServerSettings::default() })
}

async fn ask(house: &House) -> Answer {
    house.post("/api/v1/export/spans", &json!({"format": "csv"})).answer().await
}

#[tokio::test]
async fn the_sixth_active_export_is_refused_and_told_so() {
    let house = limited(LimitSettings::default());
    for left in (0..5).rev() {
        let answer = ask(&house).await.expect(202);
        let told = answer.header("ratelimit");
        assert!(told.starts_with(&format!("\"active-exports\";r={left}, \"exports-user\";r=")), "{told}");
        assert!(told.contains(", \"requests\";r="), "{told}");
        let policy = answer.header("ratelimit-policy");
        assert_eq!(
            policy,
            "\"active-exports\";q=5;qu=\"concurrent-requests\", \"exports-user\";q=1000;w=3600, \
             \"exports-organization\";q=10000;w=3600, \"requests\";q=1000;w=10"
        );
    }
    let refused = ask(&house).await;
    assert_eq!(refused.header("retry-after"), "15");
    assert!(refused.header("ratelimit").starts_with("\"active-exports\";r=0"), "{refused:?}");
    let detail = refused.json()["detail"].as_str().expect("a detail").to_owned();
    assert!(detail.starts_with("5 exports of this user wait or run"), "{detail}");
    assert_eq!(refused.problem(429).0, "too_many_requests");
    // Somebody else is not concerned.
    let bobs = house.ask(Method::POST, "/api/v1/export/spans").by("acme", "bob", "all").json(&json!({"format": "csv"}));
    bobs.answer().await.expect(202);
}

#[tokio::test]
async fn a_known_key_is_answered_at_the_limit() {
    let house = limited(LimitSettings { jobs: JobLimits { active: 1, ..JobLimits::NONE }, ..LimitSettings::NONE });
    let ask = async |key: &str| {
        let ask = house.post("/api/v1/export/spans", &json!({"format": "csv"}));
        ask.header("idempotency-key", key).answer().await
    };
    let first = ask("a").await.expect(202).json();
    assert_eq!(ask("a").await.expect(202).json()["job_id"], first["job_id"]);
    assert_eq!(ask("b").await.problem(429).0, "too_many_requests");
}

#[tokio::test]
async fn a_retry_counts_as_becoming_active() {
    let house = limited(LimitSettings { jobs: JobLimits { active: 1, ..JobLimits::NONE }, ..LimitSettings::NONE });
    let failed = ask(&house).await.expect(202).json();
    let worker = WorkerName("tests".to_owned());
    let claimed = house.store.jobs.claim(&worker, Take::Any, SignedDuration::from_secs(30)).await.expect("a claim");
    let error = JobError { code: ErrorKind::Internal, message: "a test".to_owned() };
    let lease = claimed.expect("a job").lease;
    house.store.jobs.fail(lease, &error, SignedDuration::from_hours(1)).await.expect("failed");
    let other = ask(&house).await.expect(202).json();
    let path = |job: &serde_json::Value| format!("/api/v1/export/jobs/{}", job["job_id"].as_str().expect("an id"));
    let retry = || house.post(format!("{}/retry", path(&failed)), &json!({})).answer();
    assert_eq!(retry().await.problem(429).0, "too_many_requests");
    house.delete(path(&other)).answer().await.expect(204);
    let retried = retry().await.expect(202);
    assert_eq!(retried.header("ratelimit"), "\"active-exports\";r=0");
}

#[tokio::test]
async fn an_hours_limit_says_until_when() {
    let jobs = JobLimits { active: 0, per_hour: 2, org_per_hour: 3 };
    let house = limited(LimitSettings { jobs, ..LimitSettings::NONE });
    ask(&house).await.expect(202);
    house.clock.advance(SignedDuration::from_mins(20));
    ask(&house).await.expect(202);
    let refused = ask(&house).await;
    assert_eq!(refused.header("retry-after"), "2400");
    let detail = refused.json()["detail"].as_str().expect("a detail").to_owned();
    assert!(detail.ends_with("the next one is taken at 2026-11-20T13:00:00Z"), "{detail}");
    let by = |user: &'static str| {
        house.ask(Method::POST, "/api/v1/export/spans").by("acme", user, "all").json(&json!({"format": "csv"})).answer()
    };
    by("bob").await.expect(202);
    let detail = by("eve").await.json()["detail"].as_str().expect("a detail").to_owned();
    assert!(detail.starts_with("this organization asked for 3 exports"), "{detail}");
}

#[tokio::test]
async fn requests_are_counted_per_caller() {
    // Ten seconds' worth; some come back while the test runs, but not forty.
    let house = limited(LimitSettings { requests_per_second: 1, ..LimitSettings::NONE });
    let mut answers = Vec::new();
    for _ in 0..60 {
        answers.push(house.get("/api/v1/datasets").answer().await);
    }
    assert_eq!(answers[0].header("ratelimit"), "\"requests\";r=9");
    assert_eq!(answers[0].header("ratelimit-policy"), "\"requests\";q=10;w=10");
    let refused = answers.into_iter().find(|answer| answer.status == 429).expect("one of sixty is refused");
    assert!(refused.header("retry-after").parse::<u64>().is_ok_and(|seconds| (1..=10).contains(&seconds)));
    assert_eq!(refused.problem(429).0, "too_many_requests");
    house.ask(Method::GET, "/api/v1/datasets").by("acme", "bob", "all").answer().await.expect(200);
    house.ask(Method::GET, "/api/v1/datasets").by("globex", "alice", "all").answer().await.expect(200);
    house.ask(Method::GET, "/livez").answer().await.expect(200);
    // Spans have their own.
    house.send_spans("acme", 1).await;
}

#[tokio::test]
async fn ingest_is_counted_per_organization_and_answered_in_its_own_form() {
    let house = limited(LimitSettings { ingest_per_second: 1, ..LimitSettings::NONE });
    let send = async |org: &str, user: &str| {
        let ask = house.ask(Method::POST, "/v1/traces").by(org, user, "spans:write");
        ask.header("content-type", "application/json").body("{\"resourceSpans\":[]}").answer().await
    };
    let mut refused = None;
    for number in 0..60 {
        let answer = send("acme", if number % 2 == 0 { "one" } else { "two" }).await;
        if answer.status == 429 {
            refused = Some(answer);
            break;
        }
        assert_eq!(answer.status, 200);
    }
    let refused = refused.expect("one of sixty is refused");
    assert_eq!(refused.json()["code"], 8);
    assert!(!refused.header("retry-after").is_empty());
    send("globex", "one").await.expect(200);
    house.get("/api/v1/datasets").answer().await.expect(200);
}

#[tokio::test]
async fn tokens_that_do_not_hold_are_counted_by_address_and_lock_nobody_out() {
    let house = limited(LimitSettings { failed_per_minute: 5, ..LimitSettings::NONE });
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let shutdown = CancellationToken::new();
    let served = serve(listener, house.router.clone(), ConnectionSettings::default(), shutdown.clone());
    let served = tokio::spawn(served);
    let ask = async |authorization: &str| {
        let mut stream = TcpStream::connect(address).await.expect("connected");
        let request = format!("GET /api/v1/datasets HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{authorization}\r\n");
        stream.write_all(request.as_bytes()).await.expect("written");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.expect("an answer");
        answer.to_lowercase()
    };
    let mut answers = Vec::new();
    for number in 0..40 {
        answers.push(ask(&format!("Authorization: Bearer nonsense{number}\r\n")).await);
    }
    assert!(answers[0].starts_with("http/1.1 401") && answers[0].contains("www-authenticate"), "{}", answers[0]);
    let refused = answers.iter().find(|answer| answer.starts_with("http/1.1 429")).expect("one of forty is refused");
    assert!(refused.contains("retry-after") && refused.contains("\"failed-authentication\";r=0"), "{refused}");
    // Who has a token gets in all the same, and who shows none is told to show one.
    let token = house.token("acme", "alice", "all");
    assert!(ask(&format!("Authorization: Bearer {token}\r\n")).await.starts_with("http/1.1 200"));
    assert!(ask("").await.starts_with("http/1.1 401"));
    shutdown.cancel();
    served.await.expect("no panic").expect("served");
}
