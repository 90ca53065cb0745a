//! Server and worker apart, on the same data.

use std::time::Duration;

use offtake_testkit::{AppBuilder, Role, eventually, small_spans};
use serde_json::json;

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
