//! Looking at jobs, and what can be done with them.

use jiff::SignedDuration;
use offtake_model::ErrorKind;
use offtake_model::audit::{Act, Via};
use offtake_model::clock::Clock as _;
use offtake_model::id::{JobId, OrgId};
use offtake_model::job::JobError;
use offtake_store::{JobLimits, JobScope, NewJob, Take, WorkerName};
use serde_json::{Value as Json, json};

use crate::house::House;

#[tokio::test]
async fn lists_filter_and_page() {
    let house = House::new();
    for index in 0..5 {
        house.clock.advance(SignedDuration::from_secs(1));
        let dataset = if index == 0 { "traces" } else { "spans" };
        let ask = house.post(format!("/api/v1/export/{dataset}"), &json!({"format": "csv"}));
        ask.header("x-request-id", &format!("r-{index}")).answer().await.expect(202);
    }
    house.complete_next(b"a\n").await;
    let list = async |query: &str| house.get(format!("/api/v1/export/jobs{query}")).answer().await.expect(200).json();
    let ids = |page: &Json| -> Vec<String> {
        let jobs = page["jobs"].as_array().expect("jobs").iter();
        jobs.map(|job| job["request_id"].as_str().expect("an id").to_owned()).collect()
    };
    let all = list("").await;
    assert_eq!(ids(&all), ["r-4", "r-3", "r-2", "r-1", "r-0"], "newest first");
    assert_eq!(
        all["pagination"],
        json!({"total": 5, "limit": 20, "offset": 0, "has_more": false, "next_cursor": null})
    );
    assert_eq!(ids(&list("?status=completed").await), ["r-0"]);
    assert_eq!(ids(&list("?status=completed,pending&limit=2").await), ["r-4", "r-3"]);
    assert_eq!(list("?status=completed&status=failed").await["pagination"]["total"], 1);
    assert_eq!(ids(&list("?dataset=traces").await), ["r-0"]);
    assert_eq!(ids(&list("?request_id=r-2").await), ["r-2"]);
    assert_eq!(ids(&list("?limit=2&offset=3").await), ["r-1", "r-0"]);
    let mut seen = Vec::new();
    let mut path = "/api/v1/export/jobs?limit=2".to_owned();
    loop {
        let page = house.get(&path).answer().await.expect(200).json();
        seen.extend(ids(&page));
        let Some(cursor) = page["pagination"]["next_cursor"].as_str() else { break };
        assert_eq!(page["pagination"]["has_more"], true);
        path = format!("/api/v1/export/jobs?limit=2&cursor={cursor}");
    }
    assert_eq!(seen, ["r-4", "r-3", "r-2", "r-1", "r-0"]);
    let cursor = format!("cursor={}", all["jobs"][0]["job_id"].as_str().expect("an id"));
    for (query, pointer) in [
        ("limit=0", "?limit"),
        ("limit=101", "?limit"),
        ("limit=ten", "?limit"),
        ("offset=-1", "?offset"),
        ("status=asleep", "?status"),
        ("mine=perhaps", "?mine"),
        ("colour=red", "?colour"),
        ("cursor=x", "?cursor"),
        ("limit=1&limit=2", "?limit"),
        (&format!("{cursor}&offset=1"), "?offset"),
    ] {
        let (code, pointers) = house.get(format!("/api/v1/export/jobs?{query}")).answer().await.problem(422);
        assert_eq!((code.as_str(), pointers), ("invalid_request", vec![pointer.to_owned()]), "{query}");
    }
}

#[tokio::test]
async fn a_job_tells_what_it_is_and_what_can_be_done() {
    let house = House::new();
    let job = house.create(&json!({"format": "csv"})).await;
    let path = format!("/api/v1/export/jobs/{job}");
    let pending = house.get(&path).answer().await.expect(200).json();
    assert_eq!(pending["phase"], "queued");
    assert_eq!(pending["progress_percent"], Json::Null);
    assert_eq!(pending["download_url"], format!("{path}/download"));
    assert_eq!(pending["metadata"]["can_cancel"], true);
    assert_eq!(pending["metadata"]["can_download"], false);
    house.complete_next(b"a\nb\n").await;
    let done = house.get(&path).answer().await.expect(200).json();
    assert_eq!((&done["status"], &done["phase"]), (&json!("completed"), &json!("done")));
    assert_eq!((&done["row_count"], &done["trace_count"], &done["expected_rows"]), (&json!(2), &json!(2), &json!(2)));
    assert_eq!((&done["file_size_bytes"], &done["progress_percent"]), (&json!(4), &json!(100.0)));
    assert_eq!(
        done["metadata"],
        json!({"can_cancel": false, "can_download": true, "can_retry": false,
        "is_expired": false, "seconds_until_expiration": 3600})
    );
    house.clock.advance(SignedDuration::from_mins(30));
    assert_eq!(house.get(&path).answer().await.json()["metadata"]["seconds_until_expiration"], 1800);
    house.clock.advance(SignedDuration::from_mins(31));
    let over = house.get(&path).answer().await.expect(200).json();
    assert_eq!((&over["metadata"]["is_expired"], &over["metadata"]["can_download"]), (&json!(true), &json!(false)));
}

#[tokio::test]
async fn who_knows_the_job_is_told_when_it_changes() {
    let house = House::new();
    let job = house.create(&json!({"format": "csv"})).await;
    let path = format!("/api/v1/export/jobs/{job}");
    let first = house.get(&path).answer().await.expect(200);
    let etag = first.header("etag").to_owned();
    let same = house.get(&path).header("if-none-match", &etag).answer().await.expect(304);
    assert!(same.body.is_empty());
    assert_eq!(same.header("etag"), etag);
    house.clock.advance(SignedDuration::from_secs(5));
    house.get(&path).header("if-none-match", &format!("\"x\", {etag}")).answer().await.expect(304);
    house.get(format!("{path}?wait=0")).header("if-none-match", &etag).answer().await.expect(304);
    let ask = house.get(format!("{path}?wait=60")).header("if-none-match", &etag).answer();
    let (changed, _) = tokio::join!(ask, house.complete_next(b"a\n"));
    let changed = changed.expect(200);
    assert_ne!(changed.header("etag"), etag);
    // Done is done: nothing is waited for.
    house.get(format!("{path}?wait=60")).answer().await.expect(200);
    let etag = changed.header("etag").to_owned();
    let done = house.get(&path).answer().await;
    if done.json()["status"] == changed.json()["status"] {
        assert_eq!(done.header("etag"), etag);
    }
    for wait in ["61", "-1", "x"] {
        house.get(format!("{path}?wait={wait}")).answer().await.expect(422);
    }
}

#[tokio::test]
async fn waiting_without_knowledge_ends_when_the_job_does() {
    let house = House::new();
    let job = house.create(&json!({"format": "csv"})).await;
    let ask = house.get(format!("/api/v1/export/jobs/{job}?wait=60")).answer();
    let (answer, _) = tokio::join!(ask, house.complete_next(b"a\n"));
    assert_eq!(answer.expect(200).json()["status"], "completed");
}

#[tokio::test]
async fn cancelled_stays_cancelled() {
    let house = House::new();
    let job = house.create(&json!({"format": "csv"})).await;
    let path = format!("/api/v1/export/jobs/{job}");
    assert!(house.delete(&path).answer().await.expect(204).body.is_empty());
    assert_eq!(house.get(&path).answer().await.json()["status"], "cancelled");
    assert_eq!(house.delete(&path).answer().await.problem(409).0, "conflict");
    assert_eq!(
        house.ask(http::Method::POST, format!("{path}/retry")).by("acme", "alice", "all").answer().await.problem(409).0,
        "conflict"
    );
    assert_eq!(house.get(format!("{path}/download")).answer().await.problem(409).0, "conflict");
}

/// Does what a worker does: takes the oldest job, and fails.
pub(crate) async fn fail_next(house: &House, code: ErrorKind, message: &str) {
    let worker = WorkerName("tests".to_owned());
    let claimed = house.store.jobs.claim(&worker, Take::Any, SignedDuration::from_secs(30)).await.expect("a claim");
    let error = JobError { code, message: message.to_owned() };
    let lease = claimed.expect("a job").lease;
    house.store.jobs.fail(lease, &error, SignedDuration::from_hours(1)).await.expect("failed");
}

#[tokio::test]
async fn a_failed_job_says_why_and_can_be_tried_again() {
    let house = House::new();
    let job = house.create(&json!({"format": "csv"})).await;
    let path = format!("/api/v1/export/jobs/{job}");
    let retry = || house.ask(http::Method::POST, format!("{path}/retry")).by("acme", "alice", "all").answer();
    assert_eq!(house.get(format!("{path}/download")).answer().await.problem(409).0, "not_ready");
    assert_eq!(house.get(format!("{path}/receipt")).answer().await.problem(409).0, "not_ready");
    fail_next(&house, ErrorKind::MemoryLimit, "too much").await;
    let failed = house.get(&path).answer().await.json();
    assert_eq!(failed["error"], json!({"code": "memory_limit", "message": "too much"}));
    assert_eq!(failed["metadata"]["can_retry"], true);
    assert_eq!(retry().await.expect(202).json()["status"], "pending");
    house.complete_next(b"a\n").await;
    assert_eq!(retry().await.problem(409).0, "conflict");
    let receipt = house.get(format!("{path}/receipt")).answer().await.expect(200).json();
    assert_eq!((&receipt["rows_written"], &receipt["job_id"]), (&json!(1), &json!(job.to_string())));
}

/// What `offtake export` does on the data directory of a server.
async fn local(house: &House) -> JobId {
    let asked = house.create(&json!({"format": "csv"})).await;
    let scope = JobScope { org: OrgId::new("acme").expect("an organization"), owner: None };
    let by = Act::by("somebody", Via::CommandLine);
    let asked = house.store.jobs.cancel(&by, &scope, asked).await.expect("cancelled");
    let now = house.clock.now();
    let new = NewJob {
        id: JobId::new(now),
        org: asked.org,
        owner: asked.owner,
        needs: Vec::new(),
        owner_email: None,
        spec: asked.spec,
        name: asked.name,
        file_name: asked.file_name,
        request_id: None,
        traceparent: None,
        idempotency: None,
        pinned_to: Some(WorkerName("tests".to_owned())),
        limits: JobLimits::NONE,
        now,
        by,
    };
    house.store.jobs.enqueue(new).await.expect("enqueued").job.id
}

#[tokio::test]
async fn a_local_export_is_not_downloaded_from_here() {
    let house = House::new();
    let job = local(&house).await;
    assert_eq!(house.complete_next(b"a\n").await.0, job);
    let path = format!("/api/v1/export/jobs/{job}");
    let seen = house.get(&path).answer().await.expect(200).json();
    assert_eq!((&seen["status"], &seen["metadata"]["can_download"]), (&json!("completed"), &json!(false)));
    let refused = house.get(format!("{path}/download")).answer().await.expect(409).json();
    assert!(refused["detail"].as_str().is_some_and(|detail| detail.contains("offtake export")), "{refused}");
    house.get(format!("{path}/receipt")).answer().await.expect(200);
}

#[tokio::test]
async fn a_failed_local_export_is_gone_on_with_where_it_was_begun() {
    let house = House::new();
    let job = local(&house).await;
    let path = format!("/api/v1/export/jobs/{job}");
    fail_next(&house, ErrorKind::StorageFull, "full").await;
    assert_eq!(house.get(&path).answer().await.json()["metadata"]["can_retry"], false);
    let retry = house.ask(http::Method::POST, format!("{path}/retry")).by("acme", "alice", "all");
    let refused = retry.answer().await.expect(409).json();
    let way = format!("offtake export --resume {job}");
    assert!(refused["detail"].as_str().is_some_and(|detail| detail.contains(&way)), "{refused}");
    assert_eq!(house.get(&path).answer().await.json()["status"], "failed");
}

#[tokio::test]
async fn who_may_not_read_the_dataset_is_not_offered_a_retry() {
    let house = House::new();
    let job = house.create(&json!({"format": "csv"})).await;
    let path = format!("/api/v1/export/jobs/{job}");
    fail_next(&house, ErrorKind::Internal, "broken").await;
    for (permissions, offered) in
        [("exports:read,exports:create,traces:read", true), ("exports:read,exports:create", false)]
    {
        let seen = house.ask(http::Method::GET, &path).by("acme", "alice", permissions).answer().await.expect(200);
        assert_eq!(seen.json()["metadata"]["can_retry"], offered, "{permissions}");
    }
    let retry =
        house.ask(http::Method::POST, format!("{path}/retry")).by("acme", "alice", "exports:read,exports:create");
    retry.answer().await.expect(403);
}

#[tokio::test]
async fn a_deleted_file_is_gone() {
    let house = House::new();
    let job = house.a_file(b"a\n").await;
    let link = house.link(&job).await;
    house.ask(http::Method::GET, &link).answer().await.expect(200);
    house.delete(format!("{job}/file")).answer().await.expect(204);
    let metadata = house.get(&job).answer().await.expect(200).json()["metadata"].clone();
    assert_eq!((&metadata["can_download"], &metadata["is_expired"]), (&json!(false), &json!(true)));
    assert_eq!(house.get(format!("{job}/download")).answer().await.problem(410).0, "gone");
    assert_eq!(house.ask(http::Method::GET, &link).answer().await.problem(410).0, "gone");
    assert_eq!(house.delete(format!("{job}/file")).answer().await.problem(410).0, "gone");
}
