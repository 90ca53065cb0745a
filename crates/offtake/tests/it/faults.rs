//! What happens to processes and disks, and must not happen to files.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use offtake_testkit::{
    AppBuilder, Client, Rng, Role, TestApp, eventually, genuine, jobs_per_format, requests, sha256, small_spans,
};
use prost::Message as _;
use serde_json::{Value as Json, json};

use crate::support::{OFFTAKE, id_of, identities, saved};

const LONG: Duration = Duration::from_secs(300);

/// An app on amplified spans whose jobs make many checkpoints.
fn busy() -> AppBuilder {
    AppBuilder::new(OFFTAKE).with_spans(small_spans())
}

/// Waits for a checkpoint that reaches further than `rows`. `false`: the job came to rest before.
pub(crate) async fn checkpoint_beyond(app: &TestApp, client: &Client, job: &str, rows: u64) -> bool {
    eventually(&format!("a checkpoint beyond {rows} rows"), LONG, || async {
        if app.checkpointed_rows(job) > rows {
            return Some(true);
        }
        let job = client.try_job(job).await?;
        (!matches!(job["status"].as_str(), Some("pending" | "processing"))).then_some(false)
    })
    .await
}

/// The digest of the file of an undisturbed run, which is also checked to have every span once.
pub(crate) async fn undisturbed(app: &TestApp, client: &Client, body: &Json) -> String {
    let job = client.export("spans", body).await;
    let receipt = client.receipt(id_of(&job)).await;
    assert_eq!(receipt["rows_written"], json!(small_spans()), "{receipt}");
    let file = saved(app, client, &job).await;
    let (format, compression) =
        (body["format"].as_str().expect("a format"), body["compression"].as_str().unwrap_or("none"));
    assert_eq!(app.every_span_once(&file, format, compression, "acme").await, small_spans());
    let digest = sha256(&file).await;
    assert_eq!(receipt["sha256"], json!(digest));
    std::fs::remove_file(file).expect("the file can be removed");
    digest
}

/// The completed job's file has this digest, and its receipt says so.
pub(crate) async fn assert_digest(app: &TestApp, client: &Client, job: &Json, digest: &str) {
    assert_eq!(job["status"], "completed", "{job}");
    let receipt = client.receipt(id_of(job)).await;
    assert_eq!(receipt["sha256"], json!(digest), "not the bytes of an undisturbed run: {receipt}");
    let file = saved(app, client, job).await;
    assert_eq!(sha256(&file).await, digest);
    std::fs::remove_file(file).expect("the file can be removed");
}

/// Jobs whose worker is killed up to five times each, at random moments, but not before a new checkpoint.
pub(crate) async fn killed_again_and_again(mut app: TestApp, role: Role, body: Json) {
    let client = app.client("acme").await;
    let digest = undisturbed(&app, &client, &body).await;
    let mut chance = Rng::seeded("kills");
    let mut total = 0;
    for _ in 0..jobs_per_format() {
        let job = client.begin("spans", &body).await;
        let mut seen = 0;
        for _ in 0..=chance.below(5) {
            if !checkpoint_beyond(&app, &client, &job, seen).await {
                break;
            }
            let moment = Duration::from_millis(chance.below(120));
            tokio::time::sleep(moment).await;
            app.kill9(role);
            seen = app.checkpointed_rows(&job);
            total += 1;
            app.start_role(role).await;
        }
        let rested = client.rested(&job, LONG).await;
        assert_digest(&app, &client, &rested, &digest).await;
    }
    println!("{total} kills over {} jobs", jobs_per_format());
    assert!(total >= jobs_per_format(), "only {total} kills hit a running job");
    app.no_orphans().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn kill_9_costs_no_byte_of_csv() {
    let app = busy().start().await;
    killed_again_and_again(app, Role::Serve, json!({"format": "csv"})).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn kill_9_costs_no_byte_of_csv_gz() {
    let app = busy().apart().start().await;
    killed_again_and_again(app, Role::Worker, json!({"format": "csv", "compression": "gzip"})).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn kill_9_costs_no_byte_of_jsonl_zst() {
    let app = busy().start().await;
    killed_again_and_again(app, Role::Serve, json!({"format": "jsonl", "compression": "zstd"})).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn parquet_starts_anew_and_completes() {
    let mut app = busy().start().await;
    let client = app.client("acme").await;
    let body = json!({"format": "parquet"});
    let first = client.export("spans", &body).await;
    let digest = client.receipt(id_of(&first)).await["sha256"].as_str().expect("a digest").to_owned();
    let job = client.begin("spans", &body).await;
    eventually("rows flow", LONG, || async {
        let job = client.job(&job).await;
        (job["row_count"].as_u64().unwrap_or(0) > 0).then_some(())
    })
    .await;
    app.kill9(Role::Serve);
    app.start_role(Role::Serve).await;
    let rested = client.rested(&job, LONG).await;
    assert_digest(&app, &client, &rested, &digest).await;
    app.no_orphans().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_slept_through_its_lease_writes_nothing() {
    let mut app = busy().set("worker.lease", "\"2s\"").apart().start().await;
    let client = app.client("acme").await;
    let body = json!({"format": "csv"});
    let digest = undisturbed(&app, &client, &body).await;
    let job = client.begin("spans", &body).await;
    assert!(checkpoint_beyond(&app, &client, &job, 0).await, "the job was over too soon");
    app.freeze(Role::Worker).await;
    let asleep = tokio::time::Instant::now();
    app.start_role(Role::SecondWorker).await;
    let rested = client.rested(&job, LONG).await;
    assert!(rested["attempt"].as_u64() >= Some(2), "the second worker took it: {rested}");
    assert_digest(&app, &client, &rested, &digest).await;
    tokio::time::sleep_until(asleep + Duration::from_secs(4)).await;
    let (stored, row) = (app.stored(), client.job(&job).await);
    app.process(Role::Worker).thaw();
    eventually("the woken worker noticed", Duration::from_secs(20), || {
        let log = app.process(Role::Worker).log();
        async move { log.contains("lease_lost").then_some(()) }
    })
    .await;
    let fresh = |job: &Json| {
        (job["status"].clone(), job["attempt"].clone(), job["row_count"].clone(), job["completed_at"].clone())
    };
    assert_eq!(fresh(&client.job(&job).await), fresh(&row));
    app.no_orphans().await;
    let kept: Vec<_> = stored.into_iter().filter(|file| app.stored().contains(file)).collect();
    assert_eq!(app.stored(), kept, "nothing was added to what was stored");
    assert_digest(&app, &client, &client.job(&job).await, &digest).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_slept_alone_finishes_its_job() {
    let mut app = busy().set("worker.lease", "\"2s\"").start().await;
    let client = app.client("acme").await;
    let body = json!({"format": "csv"});
    let digest = undisturbed(&app, &client, &body).await;
    let job = client.begin("spans", &body).await;
    assert!(checkpoint_beyond(&app, &client, &job, 0).await, "the job was over too soon");
    app.freeze(Role::Serve).await;
    tokio::time::sleep(Duration::from_secs(4)).await;
    app.process(Role::Serve).thaw();
    let rested = client.rested(&job, LONG).await;
    assert_digest(&app, &client, &rested, &digest).await;
    app.no_orphans().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_cancelled_in_the_middle_stays_cancelled_and_leaves_nothing() {
    let app = busy().start().await;
    let client = app.client("acme").await;
    for body in [json!({"format": "csv"}), json!({"format": "jsonl", "compression": "gzip"})] {
        let job = client.begin("spans", &body).await;
        assert!(checkpoint_beyond(&app, &client, &job, 0).await, "the job was over too soon");
        let path = format!("/api/v1/export/jobs/{job}");
        client.delete(&path).await.expect(204);
        assert_eq!(client.job(&job).await["status"], "cancelled");
        app.no_orphans().await;
        assert_eq!(app.stored(), Vec::new(), "nothing is stored");
        let after = client.job(&job).await;
        assert_eq!(after["status"], "cancelled", "{after}");
        assert_eq!(after["metadata"]["can_download"], false);
        client.delete(&path).await.expect(409).problem();
        client.get(&format!("{path}/download")).await.expect(409).problem();
        client.get(&format!("{path}/receipt")).await.expect(409).problem();
        client.post(&format!("{path}/retry"), &json!({})).await.expect(409).problem();
    }
}

/// The sweep does not come by: it is the worker that hears of it, stops reading and takes away what it wrote.
#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_worker_stops_within_two_seconds() {
    let app = busy().set("worker.sweep", "\"1h\"").start().await;
    let client = app.client("acme").await;
    let mut best = LONG;
    // A machine that is busy with something else may once take longer.
    for _ in 0..3 {
        let job = client.begin("spans", &json!({"format": "csv"})).await;
        assert!(checkpoint_beyond(&app, &client, &job, 0).await, "the job was over too soon");
        client.delete(&format!("/api/v1/export/jobs/{job}")).await.expect(204);
        let cancelled = std::time::Instant::now();
        let seen = client.job(&job).await;
        let took = eventually("the staged file is gone", Duration::from_secs(20), || async {
            app.stored().is_empty().then(|| cancelled.elapsed())
        })
        .await;
        println!("stopped after {took:?}");
        best = best.min(took);
        let after = client.job(&job).await;
        assert_eq!((&after["status"], &after["row_count"]), (&json!("cancelled"), &seen["row_count"]), "{after}");
        assert_eq!(app.checkpointed_rows(&job), 0, "there is no new checkpoint");
        if best <= Duration::from_secs(2) {
            return;
        }
    }
    panic!("not once within two seconds, at best {best:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn progress_never_goes_back_and_is_whole_only_with_the_file() {
    let mut app = busy().apart().start().await;
    let client = app.client("acme").await;
    let job = client.begin("spans", &json!({"format": "csv"})).await;
    let watching = tokio::spawn(watch(client.clone(), job.clone()));
    assert!(checkpoint_beyond(&app, &client, &job, 0).await, "the job was over too soon");
    app.kill9(Role::Worker);
    app.start_role(Role::Worker).await;
    let seen = watching.await.expect("no panic");
    let (mut rows, mut percent, mut steps) = (0, 0.0, 0);
    for job in &seen {
        let now = job["row_count"].as_u64().expect("a count");
        assert!(now >= rows, "back from {rows}: {job}");
        steps += u64::from(now > rows);
        rows = now;
        let share = job["progress_percent"].as_f64().unwrap_or(0.0);
        assert!(share >= percent, "back from {percent}: {job}");
        percent = share;
        assert_eq!(percent >= 100.0, job["status"] == "completed", "{job}");
    }
    let last = seen.last().expect("it was looked at");
    assert_eq!((&last["status"], &last["attempt"]), (&json!("completed"), &json!(2)), "{last}");
    assert!(steps >= 2, "there is something to see between begin and end: {steps}");
}

/// The job, looked at again and again until it rests.
async fn watch(client: Client, job: String) -> Vec<Json> {
    let mut seen = Vec::new();
    let mut looks = tokio::time::interval(Duration::from_millis(20));
    loop {
        looks.tick().await;
        let now = client.job(&job).await;
        let active = matches!(now["status"].as_str(), Some("pending" | "processing"));
        seen.push(now);
        if !active {
            return seen;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_cancelled_while_its_worker_sleeps_stays_cancelled() {
    let mut app = busy().apart().start().await;
    let client = app.client("acme").await;
    let job = client.begin("spans", &json!({"format": "csv"})).await;
    assert!(checkpoint_beyond(&app, &client, &job, 0).await, "the job was over too soon");
    app.freeze(Role::Worker).await;
    client.delete(&format!("/api/v1/export/jobs/{job}")).await.expect(204);
    app.process(Role::Worker).thaw();
    app.no_orphans().await;
    assert_eq!(client.job(&job).await["status"], "cancelled");
    assert_eq!(app.stored(), Vec::new(), "nothing is stored");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_disappears_between_count_and_read_fails_the_job() {
    let mut app = busy().start().await;
    let client = app.client("acme").await;
    let job = client.begin("spans", &json!({"format": "csv"})).await;
    assert!(checkpoint_beyond(&app, &client, &job, 0).await, "the job was over too soon");
    app.freeze(Role::Serve).await;
    let last = "DELETE FROM spans WHERE ingest_seq = (SELECT ingest_seq FROM spans WHERE org_id = 'acme' \
                ORDER BY started_at DESC, trace_id DESC, span_id DESC LIMIT 1)";
    assert_eq!(app.change_spans(last), 1);
    app.process(Role::Serve).thaw();
    let rested = client.rested(&job, LONG).await;
    assert_eq!(rested["status"], "failed", "{rested}");
    assert_eq!(rested["error"]["code"], "rows_changed", "{rested}");
    client.get(&format!("/api/v1/export/jobs/{job}/download")).await.expect(409).problem();
    let whole = client.export("spans", &json!({"format": "csv"})).await;
    assert_eq!(whole["row_count"], json!(small_spans() - 1), "a new job counts anew");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_fails_the_job_clearly_and_the_service_stays_up() {
    // A bucket has no disk that could be filled here.
    let app = busy().embedded().with_small_disk(8).start().await;
    let client = app.client("acme").await;
    let job = client.begin("spans", &json!({"format": "csv"})).await;
    let rested = client.rested(&job, LONG).await;
    assert_eq!(rested["status"], "failed", "{rested}");
    assert_eq!(rested["error"]["code"], "storage_full", "{rested}");
    assert_eq!(rested["metadata"]["can_download"], false);
    client.get(&format!("/api/v1/export/jobs/{job}/download")).await.expect(409).problem();
    client.get("/livez").await.expect(200);
    client.get("/readyz").await.expect(200);
    let small = client.export("spans", &json!({"format": "csv", "limit": 10})).await;
    assert_eq!(small["row_count"], 10);
    assert!(!client.download(id_of(&small)).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_hands_the_job_over() {
    let mut app = busy().start().await;
    let client = app.client("acme").await;
    let body = json!({"format": "csv"});
    let digest = undisturbed(&app, &client, &body).await;
    let job = client.begin("spans", &body).await;
    assert!(checkpoint_beyond(&app, &client, &job, 0).await, "the job was over too soon");
    let (status, lasted) = app.terminate(Role::Serve, Duration::from_secs(30)).await;
    println!("gone after {lasted:?}");
    assert!(status.success(), "{status}");
    let rows = app.checkpointed_rows(&job);
    assert!(rows > 0, "the checkpoint is kept");
    app.start_role(Role::Serve).await;
    let rested = client.rested(&job, LONG).await;
    assert_eq!(rested["attempt"], 2, "{rested}");
    assert_digest(&app, &client, &rested, &digest).await;
    app.no_orphans().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_job_is_retried_on_request() {
    let app = busy().set("worker.memory_budget", "\"1MiB\"").start().await;
    let client = app.client("acme").await;
    let job = client.begin("spans", &json!({"format": "csv"})).await;
    let rested = client.rested(&job, LONG).await;
    assert_eq!(rested["status"], "failed", "{rested}");
    assert_eq!(rested["error"]["code"], "memory_limit", "{rested}");
    assert_eq!(rested["attempt"], 1, "it is terminal at once");
    client.post(&format!("/api/v1/export/jobs/{job}/retry"), &json!({})).await.expect(202);
    let rested = client.rested(&job, LONG).await;
    assert_eq!((rested["status"].as_str(), rested["attempt"].as_u64()), (Some("failed"), Some(2)), "{rested}");
}

/// Requests that were answered are there after `kill -9`, however many were under way.
#[tokio::test(flavor = "multi_thread")]
async fn an_answered_span_survives_kill_9() {
    let mut app = TestApp::start(OFFTAKE).await;
    let client = app.client("acme").await;
    let files = genuine("pb");
    let originals = files.iter().flat_map(|file| requests(file)).map(|request| request.encode_to_vec());
    let waiting = Arc::new(Mutex::new(originals.collect::<Vec<_>>()));
    let answered = Arc::new(Mutex::new(Vec::new()));
    let mut chance = Rng::seeded("ingest");
    for _ in 0..3 {
        let before = answered.lock().expect("no panic").len();
        let senders: Vec<_> = (0..8)
            .map(|_| {
                tokio::spawn(send_until_nobody_answers(client.clone(), Arc::clone(&waiting), Arc::clone(&answered)))
            })
            .collect();
        eventually("some requests are answered", LONG, || async {
            (answered.lock().expect("no panic").len() >= before + 20).then_some(())
        })
        .await;
        tokio::time::sleep(Duration::from_millis(chance.below(60))).await;
        app.kill9(Role::Serve);
        for sender in senders {
            sender.await.expect("no panic");
        }
        app.start_role(Role::Serve).await;
    }
    let answered = answered.lock().expect("no panic").clone();
    println!("{} requests were answered", answered.len());
    let stored = identities(&client, json!({})).await;
    for body in &answered {
        for (trace, span) in spans_of(body) {
            assert!(stored.contains(&(trace.clone(), span.clone())), "{trace} {span} was answered and is gone");
        }
    }
}

async fn send_until_nobody_answers(
    client: Client,
    waiting: Arc<Mutex<Vec<Vec<u8>>>>,
    answered: Arc<Mutex<Vec<Vec<u8>>>>,
) {
    let headers = [("content-type", "application/x-protobuf")];
    loop {
        let Some(body) = waiting.lock().expect("no panic").pop() else { return };
        match client.try_send(reqwest::Method::POST, "/v1/traces", &headers, body.clone()).await {
            Some(answer) => {
                assert_eq!(answer.status, 200, "{answer}");
                answered.lock().expect("no panic").push(body);
            }
            None => return,
        }
    }
}

fn spans_of(body: &[u8]) -> Vec<(String, String)> {
    use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let request = <ExportTraceServiceRequest as prost::Message>::decode(body).expect("a request");
    let scopes = request.resource_spans.iter().flat_map(|resource| &resource.scope_spans);
    scopes.flat_map(|scope| &scope.spans).map(|span| (hex(&span.trace_id), hex(&span.span_id))).collect()
}
