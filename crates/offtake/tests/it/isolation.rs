//! Another organization's things are as absent as what never was.

use offtake_testkit::{Client, SpanSketch, TestApp};
use reqwest::Method;
use serde_json::{Value as Json, json};

use crate::support::{OFFTAKE, id_of, identities, send};

const NEVER: &str = "019a0000-0000-7000-8000-000000000000";

/// Every call that names a job.
fn calls(job: &str) -> Vec<(Method, String)> {
    let path = format!("/api/v1/export/jobs/{job}");
    vec![
        (Method::GET, path.clone()),
        (Method::DELETE, path.clone()),
        (Method::POST, format!("{path}/retry")),
        (Method::DELETE, format!("{path}/file")),
        (Method::GET, format!("{path}/download")),
        (Method::GET, format!("{path}/receipt")),
        (Method::POST, format!("{path}/token")),
    ]
}

/// Status and body of an answer, without what differs between any two requests.
async fn seen(client: &Client, method: Method, path: &str) -> (u16, Json) {
    let answer = client.send(method, path, &[("content-type", "application/json")], Vec::new()).await;
    let mut body = answer.json();
    body["request_id"] = Json::Null;
    (answer.status, body)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_foreign_job_cannot_be_told_from_none() {
    let app = TestApp::start(OFFTAKE).await;
    let (mine, theirs) = (app.client("mine").await, app.client("theirs").await);
    send(&mine, &[SpanSketch::new(1)]).await;
    let job = mine.export("spans", &json!({"format": "csv"})).await;
    for ((method, path), (_, absent)) in calls(id_of(&job)).into_iter().zip(calls(NEVER)) {
        let foreign = seen(&theirs, method.clone(), &path).await;
        let never = seen(&theirs, method.clone(), &absent).await;
        assert_eq!(foreign, never, "{method} {path}");
        assert_eq!(foreign.0, 404, "{method} {path}");
    }
    assert_eq!(theirs.jobs().await, 0);
    assert_eq!(mine.job(id_of(&job)).await["status"], "completed", "nobody touched it");
    for path in ["/api/v1/export/statistics", "/api/v1/export/jobs/perf"] {
        let answer = theirs.get(path).await;
        assert!(!answer.to_string().contains(id_of(&job)), "{answer}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_are_the_organizations_own() {
    let app = TestApp::start(OFFTAKE).await;
    let (mine, theirs) = (app.client("mine").await, app.client("theirs").await);
    let (one, both) = (SpanSketch::new(1), SpanSketch::new(2));
    send(&mine, &[one.clone(), both.clone()]).await;
    send(&theirs, std::slice::from_ref(&both)).await;
    let ids = identities(&theirs, json!({})).await;
    assert_eq!(
        ids.into_iter().collect::<Vec<_>>(),
        [(both.trace_id(), both.span_id())],
        "the same span may be in both"
    );
    for (dataset, expected) in [("spans", 1), ("traces", 1), ("prompts", 1)] {
        let count = theirs.post(&format!("/api/v1/datasets/{dataset}/count"), &json!({})).await.expect(200).json();
        assert_eq!(count["count"], expected, "{dataset}");
    }
    let stolen = theirs
        .post("/api/v1/datasets/spans/count", &json!({"selection": {"mode": "partial", "ids": [one.identity()]}}))
        .await;
    assert_eq!(stolen.expect(200).json()["count"], 0);
    let answer = theirs.create("spans", &json!({"format": "csv", "org_id": "mine"})).await;
    assert_eq!(answer.status, 422, "the organization is the token's: {answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_call_needs_a_token_and_its_permission() {
    let app = TestApp::start(OFFTAKE).await;
    let mine = app.client("mine").await;
    send(&mine, &[SpanSketch::new(1)]).await;
    let job = mine.export("spans", &json!({"format": "csv"})).await;
    let mut all = calls(id_of(&job));
    all.extend([
        (Method::POST, "/api/v1/export/spans".to_owned()),
        (Method::POST, "/api/v1/export/spans/preview".to_owned()),
        (Method::GET, "/api/v1/export/jobs".to_owned()),
        (Method::GET, "/api/v1/export/jobs/perf".to_owned()),
        (Method::GET, "/api/v1/export/statistics".to_owned()),
        (Method::GET, "/api/v1/datasets".to_owned()),
        (Method::GET, "/api/v1/datasets/spans".to_owned()),
        (Method::POST, "/api/v1/datasets/spans/rows".to_owned()),
        (Method::POST, "/api/v1/datasets/spans/count".to_owned()),
        (Method::GET, "/metrics".to_owned()),
        (Method::POST, "/v1/traces".to_owned()),
    ]);
    let body = json!({"format": "csv"}).to_string().into_bytes();
    let json_type = [("content-type", "application/json")];
    let token = app.token("mine", "tester", "all").await;
    let (head, signature) = token.rsplit_once('.').expect("a signature");
    let unsigned = format!("eyJhbGciOiJub25lIn0.{}.", head.split('.').nth(1).expect("claims"));
    let reversed: String = signature.chars().rev().collect();
    let strangers = [
        app.anonymous(),
        app.client_with_token("nonsense"),
        app.client_with_token(&format!("{head}.{reversed}")),
        app.client_with_token(&unsigned),
    ];
    let powerless = app.client_of("mine", "tester", "metrics:read").await;
    for (method, path) in &all {
        for stranger in &strangers {
            let answer = stranger.send(method.clone(), path, &json_type, body.clone()).await.expect(401);
            assert!(answer.header("www-authenticate").starts_with("Bearer"), "{answer}");
        }
        let answer = powerless.send(method.clone(), path, &json_type, body.clone()).await;
        // What one may not read is not there: the list of datasets is empty, each of them is absent.
        let absent = path.contains("/datasets") && matches!(answer.status, 200 | 404);
        assert!(answer.status == 403 || absent, "{answer}");
        assert!(!answer.to_string().contains("started_at"), "{answer}");
    }
    for open in ["/livez", "/readyz", "/openapi.json", "/docs"] {
        let answer = app.anonymous().get(open).await;
        assert!(matches!(answer.status, 200 | 303 | 307 | 308), "{answer}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ones_own_jobs_are_not_the_whole_organizations() {
    let app = TestApp::start(OFFTAKE).await;
    let own = "exports:create,exports:read,exports:cancel,exports:download,traces:read,spans:write";
    let (alice, bob) = (app.client_of("acme", "alice", own).await, app.client_of("acme", "bob", own).await);
    let boss = app.client_of("acme", "boss", "exports:read,exports:read_all").await;
    send(&alice, &[SpanSketch::new(1)]).await;
    let job = alice.export("spans", &json!({"format": "csv"})).await;
    let path = format!("/api/v1/export/jobs/{}", id_of(&job));
    for (method, path) in
        [(Method::GET, path.clone()), (Method::DELETE, path.clone()), (Method::GET, format!("{path}/download"))]
    {
        bob.send(method, &path, &[], Vec::new()).await.expect(404);
    }
    assert_eq!((alice.jobs().await, bob.jobs().await, boss.jobs().await), (1, 0, 1));
    boss.get(&path).await.expect(200);
    boss.get(&format!("{path}/download")).await.expect(403);
    let reader = app.client_of("acme", "alice", "exports:create,exports:read,exports:download").await;
    reader.get(&format!("{path}/download")).await.expect(403);
}
