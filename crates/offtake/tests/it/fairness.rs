//! Limits and turns: nobody starves anybody.

use std::time::Duration;

use offtake_testkit::{Answer, AppBuilder, Client, Role};
use serde_json::{Value as Json, json};

use crate::support::{OFFTAKE, id_of};

/// Asks for so many small exports, many at a time. What was answered.
async fn ask(client: &Client, exports: usize) -> Vec<Answer> {
    let mut answers = Vec::with_capacity(exports);
    let mut asking = tokio::task::JoinSet::new();
    for _ in 0..exports {
        if asking.len() >= 50 {
            answers.extend(asking.join_next().await.map(|answer| answer.expect("no panic")));
        }
        let client = client.clone();
        asking.spawn(async move { client.create("spans", &json!({"format": "csv"})).await });
    }
    answers.extend(asking.join_all().await);
    answers
}

fn statuses(answers: &[Answer], status: u16) -> usize {
    answers.iter().filter(|answer| answer.status == status).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_requests_at_once_make_five_jobs() {
    let mut app = AppBuilder::new(OFFTAKE).set("limits.active_jobs", "5").apart().start().await;
    // Nobody works: what is active stays so.
    app.kill9(Role::Worker);
    let client = app.client("acme").await;
    let answers = ask(&client, 50).await;
    assert_eq!((statuses(&answers, 202), statuses(&answers, 429)), (5, 45));
    assert_eq!(client.jobs().await, 5);
    for refused in answers.iter().filter(|answer| answer.status == 429) {
        assert_eq!(refused.problem().0, "too_many_requests");
        assert_eq!(refused.header("retry-after"), "15");
        assert_eq!(refused.header("ratelimit"), "\"active-exports\";r=0");
        assert_eq!(refused.header("ratelimit-policy"), "\"active-exports\";q=5;qu=\"concurrent-requests\"");
    }
    // Others have limits of their own, and room is made by what is called off.
    for (org, user) in [("acme", "bob"), ("globex", "tester")] {
        let other = app.client_of(org, user, "all").await;
        assert_eq!(statuses(&ask(&other, 6).await, 202), 5);
    }
    let made = answers.iter().find(|answer| answer.status == 202).expect("one").json();
    client.delete(&format!("/api/v1/export/jobs/{}", id_of(&made))).await.expect(204);
    assert_eq!(statuses(&ask(&client, 10).await, 202), 1);
    let local = app.cli(&["export", "spans", "--org", "acme", "-o", "local.csv"]).await;
    assert_eq!(local.code, Some(0), "a local export takes no slot from anybody: {local:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_hours_limit_survives_restarts_and_deletions() {
    let builder = AppBuilder::new(OFFTAKE).set("limits.exports_per_hour", "3");
    let mut app = builder.set("limits.exports_per_hour_per_organization", "5").start().await;
    let client = app.client("acme").await;
    for _ in 0..3 {
        let job = client.export("spans", &json!({"format": "csv"})).await;
        client.delete(&format!("/api/v1/export/jobs/{}/file", id_of(&job))).await.expect(204);
    }
    app.kill9(Role::Serve);
    app.start_role(Role::Serve).await;
    let refused = client.create("spans", &json!({"format": "csv"})).await.expect(429);
    let seconds: u64 = refused.header("retry-after").parse().expect("seconds");
    assert!((3000..=3600).contains(&seconds), "{seconds}");
    assert!(refused.header("ratelimit").starts_with("\"exports-user\";r=0;t="), "{refused:?}");
    let detail = refused.json()["detail"].as_str().expect("a detail").to_owned();
    assert!(detail.contains("asked for 3 exports within an hour"), "{detail}");
    let bob = app.client_of("acme", "bob", "all").await;
    assert_eq!(statuses(&ask(&bob, 3).await, 429), 1, "the organization's hour is over after five");
    client.get("/api/v1/export/jobs").await.expect(200);
}

const QUEUED: usize = 1000;

fn moment(job: &Json, name: &str) -> jiff::Timestamp {
    let text = job[name].as_str().unwrap_or_else(|| panic!("no {name}: {job}"));
    text.parse().expect("a moment")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_queued_jobs_delay_nobody_elses_first() {
    let mut app = AppBuilder::new(OFFTAKE).set("worker.slots", "2").apart().start().await;
    app.kill9(Role::Worker);
    let acme = app.client("acme").await;
    assert_eq!(statuses(&ask(&acme, QUEUED).await, 202), QUEUED);
    app.start_role(Role::Worker).await;
    let done = async || acme.get("/api/v1/export/jobs?status=completed&limit=1").await.expect(200).json();
    let total = |page: &Json| page["pagination"]["total"].as_u64().expect("a total");
    offtake_testkit::eventually("acme's jobs run", Duration::from_secs(60), || async {
        (total(&done().await) > 4).then_some(())
    })
    .await;

    for org in ["globex", "initech"] {
        let other = app.client(org).await;
        let job = other.export("spans", &json!({"format": "csv"})).await;
        let left = QUEUED as u64 - total(&done().await);
        assert!(left > 100, "acme still has a queue: {left}");
        let (asked, started) = (moment(&job, "created_at"), moment(&job, "started_at"));
        // By the order of claims: while it waited, acme got at most the jobs that were being claimed already.
        let page =
            acme.get("/api/v1/export/jobs?status=completed&status=processing&limit=100").await.expect(200).json();
        let mut between = 0;
        for job in page["jobs"].as_array().expect("jobs") {
            between += usize::from((asked..started).contains(&moment(job, "started_at")));
        }
        let delay = started.duration_since(asked);
        eprintln!("{org}: claimed {delay:#} after it was asked for, {between} of acme's before it, {left} left");
        assert!(between <= 2, "{org} waited for {between} of acme's jobs");
        assert!(delay <= jiff::SignedDuration::from_secs(2), "{org} waited for {delay:#}");
    }
    // The rest of the queue is nobody's concern.
    app.kill9(Role::Worker);
}
