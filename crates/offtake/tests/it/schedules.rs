//! Schedules as a user has them: made, run, paused, and nobody else's. What the clock does to them is tested where the
//! clock can be moved (`offtake-worker`).

use std::time::Duration;

use offtake_testkit::{Client, SpanSketch, TestApp};
use serde_json::{Value as Json, json};

use crate::support::{OFFTAKE, json_rows, send};

const SCHEDULES: &str = "/api/v1/schedules";
const LIMIT: Duration = Duration::from_secs(30);

/// Every year, so that nothing runs by itself.
fn yearly() -> Json {
    json!({"name": "Yearly", "dataset": "spans", "cron": "0 3 1 1 *", "time_zone": "Europe/Berlin",
        "request": {"format": "jsonl", "fields": ["span_id"]}})
}

/// The rows of a run, once it is over.
async fn rows(client: &Client, run: &Json) -> Vec<Json> {
    let job = client.rested(run["job_id"].as_str().expect("a job"), LIMIT).await;
    assert_eq!(job["status"], "completed", "{job}");
    json_rows(client, &job).await
}

async fn spans(client: &Client, numbers: std::ops::Range<u64>) {
    send(client, &numbers.map(SpanSketch::new).collect::<Vec<_>>()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schedule_is_run_now_and_each_row_is_in_one_file() {
    let app = TestApp::start(OFFTAKE).await;
    let client = app.client("acme").await;
    spans(&client, 0..5).await;
    let made = client.post(SCHEDULES, &yearly()).await.expect(201);
    let schedule = made.json();
    let path = made.header("location").to_owned();
    assert_eq!(schedule["next_runs"].as_array().expect("runs").len(), 5, "{schedule}");
    assert!(schedule["next_run_at"].as_str().expect("a moment").ends_with("-01-01T02:00:00Z"), "{schedule}");

    let first = client.post(&format!("{path}/run"), &json!({})).await.expect(202).json();
    assert_eq!((&first["window_from"], rows(&client, &first).await.len()), (&Json::Null, 5));
    let nothing = client.post(&format!("{path}/run"), &json!({})).await.expect(409);
    assert_eq!(nothing.problem().0, "conflict", "nothing has come since");
    spans(&client, 5..8).await;
    client.post(&format!("{path}/pause"), &json!({})).await.expect(200);
    let second = client.post(&format!("{path}/run"), &json!({})).await.expect(202).json();
    assert_eq!(second["window_from"], first["window_to"]);
    assert_eq!(rows(&client, &second).await.len(), 3);
    let receipt = client.receipt(second["job_id"].as_str().expect("a job")).await;
    assert_eq!(receipt["spec"]["newer_than"], first["window_to"], "the proof says which rows it is about");

    let window = json!({"from": "2000-01-01T00:00:00Z", "to": "2000-01-02T00:00:00Z"});
    let empty = client.post(&format!("{path}/backfill"), &window).await.expect(202).json();
    assert!(rows(&client, &empty).await.is_empty());
    let window = json!({"from": "2026-01-01T00:00:00Z", "to": "2026-12-31T00:00:00Z"});
    let backfill = client.post(&format!("{path}/backfill"), &window).await.expect(202).json();
    assert_eq!((rows(&client, &backfill).await.len(), &backfill["kind"]), (8, &json!("backfill")));
    for (body, pointer) in [
        (json!({"from": "2026-01-02T00:00:00Z", "to": "2026-01-01T00:00:00Z"}), "/to"),
        (json!({"to": "2026-01-01T00:00:00Z"}), "/from"),
    ] {
        assert_eq!(client.post(&format!("{path}/backfill"), &body).await.expect(422).problem().1, [pointer]);
    }
    let runs = client.get(&format!("{path}/runs")).await.expect(200).json();
    assert_eq!(runs["runs"].as_array().expect("runs").len(), 4);
    assert_eq!(runs["runs"][3]["job_id"], first["job_id"]);
    let listed = client.get(SCHEDULES).await.expect(200).json()["schedules"][0].clone();
    assert_eq!(listed["last_run"], runs["runs"][0]);
    assert_eq!(listed["last_run"]["job_id"], backfill["job_id"]);

    let ahead = format!("{SCHEDULES}/preview");
    let thought = json!({"cron": "0 3 1 1 *", "time_zone": "Europe/Berlin"});
    let thought = client.post(&ahead, &thought).await.expect(200).json();
    assert_eq!(thought, json!({"next_runs": listed["next_runs"]}), "as if it were made");
    for (body, pointers) in [
        (json!({"cron": "61 * * * *", "time_zone": "Mars/Olympus"}), &["/cron", "/time_zone"][..]),
        (json!({"cron": "0 0 30 2 *"}), &["/cron"]),
        (json!({"time_zone": "UTC", "colour": "red"}), &["/colour", "/cron"]),
    ] {
        assert_eq!(client.post(&ahead, &body).await.expect(422).problem().1, pointers);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schedule_is_checked_changed_and_ones_own() {
    let app = TestApp::start(OFFTAKE).await;
    let client = app.client("acme").await;
    let wrong = json!({"name": " ", "dataset": "spans", "cron": "61 * * * *", "time_zone": "Mars/Olympus", "window": "some",
        "horizon_seconds": -1, "start": "later", "colour": "red",
        "request": {"format": "xls", "modle": "m", "as_of": "c1.1", "limit": 3}});
    let mut pointers = client.post(SCHEDULES, &wrong).await.expect(422).problem().1;
    pointers.sort();
    let expected = [
        "/colour",
        "/cron",
        "/horizon_seconds",
        "/name",
        "/request/as_of",
        "/request/limit",
        "/start",
        "/time_zone",
        "/window",
    ];
    assert_eq!(pointers, expected);
    let mut astray = yearly();
    astray["request"] = json!({"format": "xls", "modle": "m", "destination": {"id": "dst_1"}});
    let mut pointers = client.post(SCHEDULES, &astray).await.expect(422).problem().1;
    pointers.sort();
    assert_eq!(pointers, ["/request/destination", "/request/format", "/request/modle"]);

    let made = client.post(SCHEDULES, &yearly()).await.expect(201);
    let path = made.header("location").to_owned();
    let changed = client.patch(&path, &json!({"cron": "0 4 * * *"})).await.expect(200);
    assert_eq!((changed.header("etag"), &changed.json()["cron"]), ("\"2\"", &json!("0 4 * * *")));
    for fixed in [json!({"dataset": "traces"}), json!({"window": "full"}), json!({"start": "now"})] {
        client.patch(&path, &fixed).await.expect(422);
    }
    let paused = client.post(&format!("{path}/pause"), &json!({})).await.expect(200).json();
    assert_eq!((&paused["state"], &paused["pause_reason"]), (&json!("paused"), &json!("asked")));
    let resumed = client.post(&format!("{path}/resume"), &json!({})).await.expect(200).json();
    assert_eq!(resumed["state"], "active");

    let bob = app.client_of("acme", "bob", "role:analyst").await;
    let reader = app.client_of("acme", "rae", "role:analyst,exports:read_all").await;
    let foreign = app.client("other").await;
    let absent = format!("{SCHEDULES}/sch_0199c0ffee0070008000000000000001");
    for stranger in [&bob, &foreign] {
        assert_eq!(stranger.get(SCHEDULES).await.expect(200).json()["schedules"], json!([]));
        let (hidden, never) = (stranger.get(&path).await.expect(404), stranger.get(&absent).await.expect(404));
        assert_eq!(hidden.json()["detail"], never.json()["detail"]);
        for verb in ["run", "pause", "resume", "backfill"] {
            stranger.post(&format!("{path}/{verb}"), &json!({})).await.expect(404);
        }
        stranger.delete(&path).await.expect(404);
    }
    reader.get(&path).await.expect(200);
    reader.delete(&path).await.expect(404);
    client.delete(&path).await.expect(204);
    client.get(&path).await.expect(404);
    let trail = client.get("/api/v1/audit?limit=50").await.expect(200).json();
    for action in ["schedule.create", "schedule.change", "schedule.pause", "schedule.resume", "schedule.delete"] {
        assert!(trail.to_string().contains(action), "{action}");
    }
}
