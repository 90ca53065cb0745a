//! Server and worker apart, on the same data.

use std::time::{Duration, Instant};

use offtake_testkit::{AppBuilder, Client, Role, TestApp, eventually, small_spans};
use serde_json::json;

use crate::faults::checkpoint_beyond;
use crate::support::{OFFTAKE, id_of, send_genuine};

#[tokio::test(flavor = "multi_thread")]
async fn a_server_takes_on_what_a_worker_does() {
    let mut app = AppBuilder::new(OFFTAKE).apart().start().await;
    let client = app.client("acme").await;
    send_genuine(&client).await;
    app.kill9(Role::Worker);
    let job = client.begin("spans", &json!({"format": "csv"})).await;
    assert_eq!(client.job(&job).await["status"], "pending", "nobody works");
    app.start_role(Role::Worker).await;
    let job = client.rested(&job, Duration::from_secs(60)).await;
    assert_eq!(job["status"], "completed", "{job}");
    assert!(!client.download(id_of(&job)).await.is_empty(), "the server hands out what the worker stored");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_work_goes_on_while_the_server_restarts() {
    let mut app = AppBuilder::new(OFFTAKE).with_spans(small_spans()).apart().start().await;
    let client = app.client("acme").await;
    let job = client.begin("spans", &json!({"format": "csv"})).await;
    eventually("work has begun", Duration::from_secs(60), || async { (app.checkpointed_rows(&job) > 0).then_some(()) })
        .await;
    app.kill9(Role::Server);
    app.start_role(Role::Server).await;
    let job = client.rested(&job, Duration::from_secs(300)).await;
    assert_eq!(job["status"], "completed", "{job}");
    assert_eq!(job["attempt"], 1, "the worker was not disturbed");
}

/// The times a worker has when nothing is configured, not those that tests are in a hurry with.
fn default_times(app: AppBuilder) -> AppBuilder {
    let times = [("poll", "500ms"), ("lease", "30s"), ("heartbeat", "10s"), ("rescue", "5s")];
    times.into_iter().fold(app, |app, (key, time)| app.set(&format!("worker.{key}"), &format!("\"{time}\"")))
}

#[tokio::test(flavor = "multi_thread")]
async fn another_worker_goes_on_within_45_seconds() {
    let app = AppBuilder::new(OFFTAKE).with_spans(small_spans()).apart();
    let mut app = default_times(app).start().await;
    // Before the other one dies, or it would take its name, and with it its jobs.
    app.start_role(Role::SecondWorker).await;
    for role in [Role::Worker, Role::SecondWorker] {
        eventually("the worker is up", Duration::from_secs(60), || {
            let log = app.process(role).log();
            async move { log.contains("working").then_some(()) }
        })
        .await;
    }
    let client = app.client("acme").await;
    let job = client.begin("spans", &json!({"format": "csv"})).await;
    assert!(checkpoint_beyond(&app, &client, &job, 0).await, "the job was over too soon");
    let first = app.process(Role::Worker).log().contains(&job);
    app.kill9(if first { Role::Worker } else { Role::SecondWorker });
    let killed = Instant::now();
    let took = gone_on(&app, &client, &job, killed).await;
    println!("went on after {took:?}");
    assert!(took <= Duration::from_secs(45), "{took:?}");
    assert_eq!(client.rested(&job, Duration::from_secs(300)).await["attempt"], 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_restarts_does_not_wait_for_its_own_lease() {
    let app = AppBuilder::new(OFFTAKE).with_spans(small_spans());
    // It would last longer than the test.
    let mut app = default_times(app).set("worker.lease", "\"10m\"").start().await;
    let client = app.client("acme").await;
    let job = client.begin("spans", &json!({"format": "csv"})).await;
    assert!(checkpoint_beyond(&app, &client, &job, 0).await, "the job was over too soon");
    app.kill9(Role::Serve);
    app.start_role(Role::Serve).await;
    let took = gone_on(&app, &client, &job, Instant::now()).await;
    println!("went on {took:?} after the start");
    assert!(took <= Duration::from_secs(20), "{took:?}");
    assert_eq!(client.rested(&job, Duration::from_secs(300)).await["attempt"], 2);
}

/// How long after `since` a second attempt got further than the first.
async fn gone_on(app: &TestApp, client: &Client, job: &str, since: Instant) -> Duration {
    let before = app.checkpointed_rows(job);
    eventually("another attempt gets further", Duration::from_secs(120), || async {
        let seen = client.try_job(job).await?;
        let further = app.checkpointed_rows(job) > before || seen["status"] == "completed";
        (seen["attempt"] == 2 && further).then(|| since.elapsed())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn two_workers_share_the_jobs_and_neither_takes_one_twice() {
    let mut app = AppBuilder::new(OFFTAKE).set("worker.slots", "1").apart().start().await;
    app.start_role(Role::SecondWorker).await;
    let client = app.client("acme").await;
    send_genuine(&client).await;
    let mut jobs = Vec::new();
    for _ in 0..12 {
        jobs.push(client.begin("spans", &json!({"format": "jsonl"})).await);
    }
    let mut digests = std::collections::BTreeSet::new();
    for job in jobs {
        let job = client.rested(&job, Duration::from_secs(120)).await;
        assert_eq!((job["status"].as_str(), job["attempt"].as_u64()), (Some("completed"), Some(1)), "{job}");
        digests.insert(client.receipt(id_of(&job)).await["sha256"].to_string());
    }
    assert_eq!(digests.len(), 1, "twelve times the same bytes");
}
