//! What happens is told: by a stream that goes on across restarts, and once to each who is owed word, whoever is killed.

use std::collections::BTreeSet;
use std::time::Duration;

use offtake_testkit::{AppBuilder, Message, Rng, Role, SpanSketch, TestApp, eventually};
use serde_json::json;

use crate::mail::{MailServer, header};
use crate::support::{OFFTAKE, send};

const LONG: Duration = Duration::from_secs(60);
const LIST: &str = "/api/v1/notifications";

fn path(job: &str) -> String {
    format!("/api/v1/export/jobs/{job}/events")
}

fn transitions(messages: &[Message]) -> Vec<&str> {
    let numbered = messages.iter().filter(|message| message.id.is_some());
    numbered.map(|message| message.data["data"]["status"].as_str().expect("a status")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_goes_on_after_a_restart_of_the_server() {
    let mut app = AppBuilder::new(OFFTAKE).apart().start().await;
    let client = app.client("acme").await;
    send(&client, &[SpanSketch::new(1)]).await;
    app.freeze(Role::Worker).await;
    let job = client.begin("spans", &json!({"format": "csv"})).await;
    let mut stream = client.messages(&path(&job), None).await;
    let first = stream.next(LONG).await.expect("the present state");
    assert_eq!(first.data["data"]["status"], "pending", "{first:?}");
    app.kill9(Role::Server);
    assert_eq!(stream.next(LONG).await, None, "it broke off");

    // It happens while nobody listens.
    app.process(Role::Worker).thaw();
    app.start_role(Role::Server).await;
    client.rested_through(&job, LONG).await;
    let rest = client.messages(&path(&job), first.id.as_deref()).await.rest(LONG).await;
    assert_eq!(transitions(&rest), ["processing", "completed"], "nothing is missing: {rest:?}");
    let last = rest.last().and_then(|message| message.id.clone()).expect("a number");
    let over = client.send(reqwest::Method::GET, &path(&job), &[("last-event-id", &last)], Vec::new()).await;
    over.expect(204);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_hears_of_another_process_and_of_progress() {
    let app = AppBuilder::new(OFFTAKE).apart().with_spans(20_000).start().await;
    let client = app.client("acme").await;
    let job = client.begin("spans", &json!({"format": "jsonl", "compression": "gzip"})).await;
    let messages = client.messages(&path(&job), Some("0")).await.rest(LONG).await;
    assert_eq!(transitions(&messages), ["pending", "processing", "completed"], "{messages:?}");
    let rows = messages.iter().map(|message| message.data["data"]["row_count"].as_u64().expect("a number"));
    let rows: Vec<u64> = rows.collect();
    assert!(rows.is_sorted() && rows.last() == Some(&20_000), "{messages:?}");
    let cancelled = client.begin("spans", &json!({"format": "csv"})).await;
    let answer = client.delete(&format!("/api/v1/export/jobs/{cancelled}")).await;
    let ends = if answer.status == 204 { "cancelled" } else { "completed" };
    let messages = client.messages(&path(&cancelled), None).await.rest(LONG).await;
    assert_eq!(transitions(&messages), [ends], "over is over: {messages:?}");
}

/// The states of all notifications, and the jobs they are about.
async fn owed(app: &TestApp) -> Vec<(String, String)> {
    let client = app.client("acme").await;
    let page = client.get(&format!("{LIST}?limit=200")).await.expect(200).json();
    let listed = page["notifications"].as_array().expect("notifications").iter();
    let text = |json: &serde_json::Value| json.as_str().expect("a text").to_owned();
    listed.map(|one| (text(&one["event"]["job_id"]), text(&one["state"]))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_forgotten_when_workers_are_killed() {
    let mut server = MailServer::away(&[]).await;
    server.start().await;
    let app = server.app().apart().set("worker.lease", "\"2s\"").set("worker.heartbeat", "\"500ms\"");
    let app =
        app.set("limits.active_jobs", "0").set("notifications.deadline", "\"2s\"").set("webhooks.timeout", "\"1s\"");
    // Whoever kills so often makes no poison.
    let app = app.set("worker.max_deaths", "100");
    let mut app = app.start().await;
    let token = ["token", "--org", "acme", "--sub", "ada", "--email", "ada@acme.example", "--permissions", "all"];
    let ran = app.cli(&token).await;
    let ada = app.client_with_token(ran.stdout.trim());
    send(&ada, &[SpanSketch::new(1), SpanSketch::new(2)]).await;
    let mut chance = Rng::seeded("kills between a transition and its notification");
    let mut jobs = BTreeSet::new();
    for _ in 0..6 {
        for _ in 0..5 {
            jobs.insert(ada.begin("spans", &json!({"format": "csv", "notify": {"email": true}})).await);
        }
        tokio::time::sleep(Duration::from_millis(chance.below(150))).await;
        app.kill9(Role::Worker);
        app.start_role(Role::Worker).await;
    }
    for job in &jobs {
        assert_eq!(ada.rested_through(job, LONG).await["status"], "completed");
    }
    let found = eventually("each notification is over", LONG, || async {
        let found = owed(&app).await;
        found.iter().all(|(_, state)| state != "pending").then_some(found)
    })
    .await;
    assert_eq!(found.len(), jobs.len(), "one for each: {found:?}");
    assert_eq!(found.into_iter().map(|(job, _)| job).collect::<BTreeSet<_>>(), jobs);
    // Whoever was killed between sending and saying so sent the same mail twice.
    let ids: BTreeSet<String> = server.mails().await.iter().flat_map(|mail| header(mail, "Message-ID")).collect();
    assert_eq!(ids.len(), jobs.len(), "{ids:?}");
    for job in &jobs {
        let messages = ada.messages(&path(job), Some("0")).await.rest(LONG).await;
        let told = transitions(&messages);
        assert_eq!((told.first(), told.last()), (Some(&"pending"), Some(&"completed")), "{told:?}");
        let claims = told.iter().filter(|status| **status == "processing").count();
        assert_eq!(told.len(), 2 * claims + 1, "each claim but the last was taken back: {told:?}");
    }
}
