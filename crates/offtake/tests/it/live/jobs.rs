//! What becomes of jobs: every transition once and in order, how they get on, and to whom it is told.

use std::time::Duration;

use offtake_testkit::{AppBuilder, TestApp, small_spans};
use serde_json::{Value as Json, json};

use crate::support::{OFFTAKE, id_of, send_genuine};

fn statuses(events: &[Json], job: &str) -> Vec<String> {
    let of_job = events.iter().filter(|event| event["data"]["job_id"] == job);
    let mut statuses: Vec<String> =
        of_job.map(|event| event["data"]["status"].as_str().expect("a status").to_owned()).collect();
    statuses.dedup();
    statuses
}

#[tokio::test(flavor = "multi_thread")]
async fn every_transition_is_told_to_those_who_see_the_job() {
    let app = TestApp::start(OFFTAKE).await;
    let all = app.client("acme").await;
    send_genuine(&all).await;
    let own = "exports:create,exports:read,traces:read";
    let (ada, bob) = (app.client_of("acme", "ada", own).await, app.client_of("acme", "bob", own).await);
    let foreign = app.client("globex").await;
    let mut sockets = Vec::new();
    for client in [&all, &ada, &bob, &foreign] {
        let mut socket = client.socket().await;
        socket.subscribe(&["export_job_status"], json!({})).await;
        sockets.push(socket);
    }
    let job = ada.export("spans", &json!({"format": "csv"})).await;
    let id = id_of(&job);
    let mut heard = Vec::new();
    for socket in &mut sockets[..2] {
        let mut events: Vec<Json> = Vec::new();
        while events.last().is_none_or(|event| event["data"]["status"] != "completed") {
            events.push(socket.event().await);
        }
        assert_eq!(statuses(&events, id), ["pending", "processing", "completed"], "{events:?}");
        let seqs: Vec<u64> = events.iter().map(|event| event["seq"].as_u64().expect("a number")).collect();
        assert!(seqs.is_sorted(), "{seqs:?}");
        let last = events.last().expect("an event");
        assert_eq!((&last["data"]["org_id"], &last["data"]["row_count"]), (&json!("acme"), &job["row_count"]));
        assert_eq!(
            (&last["data"]["progress_percent"], &last["data"]["trace_count"]),
            (&json!(100.0), &job["row_count"])
        );
        heard.push(events);
    }
    for socket in &mut sockets[2..] {
        assert!(socket.so_far().await.is_empty());
    }
    // The same again from the table, behind the first.
    let mut late = ada.socket().await;
    let after = json!({"organization": heard[1][0]["seq"]});
    late.say(&json!({"type": "subscribe", "events": ["export_job_status"], "after": after})).await;
    let events = [late.event().await, late.event().await];
    assert_eq!(statuses(&events, id), ["processing", "completed"]);
    assert!(late.so_far().await.into_iter().all(|message| message["type"] == "subscribed"));
}

#[tokio::test(flavor = "multi_thread")]
async fn progress_is_told_while_a_job_runs() {
    let app = AppBuilder::new(OFFTAKE).with_spans(small_spans()).set("worker.in_flight", "1").start().await;
    let client = app.client("acme").await;
    let mut socket = client.socket().await;
    socket.subscribe(&["export_job_status"], json!({})).await;
    let id = client.begin("spans", &json!({"format": "xlsx", "limit": 20_000})).await;
    // Whoever begins to listen in the middle hears it too.
    let mut late = None;
    let mut percents = Vec::new();
    loop {
        let event = socket.event().await;
        assert_eq!(event["data"]["job_id"], id);
        if event["data"]["status"] == "completed" {
            break;
        }
        percents.extend(event["data"]["progress_percent"].as_f64());
        if late.is_none() && percents.iter().any(|percent| *percent > 0.0) {
            let mut socket = client.socket().await;
            socket.subscribe(&["export_job_status"], json!({})).await;
            late = Some(socket);
        }
    }
    assert!(percents.iter().any(|percent| *percent > 0.0 && *percent < 100.0), "{percents:?}");
    assert!(percents.is_sorted(), "{percents:?}");
    let mut late = late.expect("it was in the middle");
    let end = async { while late.event().await["data"]["status"] != "completed" {} };
    offtake_testkit::within("the end of the job", Duration::from_secs(10), end).await;
}
