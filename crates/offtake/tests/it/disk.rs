//! A disk that fills up under everything: spans, jobs and files.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

use offtake_testkit::{Answer, AppBuilder, Client, SpanSketch, eventually, json_of, request_of, text};
use prost::Message as _;
use serde_json::json;

use crate::support::{OFFTAKE, identities, send};

const SOON: Duration = Duration::from_secs(60);

/// Makes `filler` larger until its disk is full to the last page.
fn fill(filler: &Path) {
    let mut file = OpenOptions::new().create(true).append(true).open(filler).expect("a file can be made");
    for size in [1 << 20, 1 << 12] {
        while file.write_all(&vec![0; size]).is_ok() {}
    }
}

/// Makes `filler` smaller by so many bytes.
fn cut(filler: &Path, bytes: u64) {
    let file = OpenOptions::new().write(true).open(filler).expect("the filler can be opened");
    file.set_len(file.metadata().expect("a size").len() - bytes).expect("it can be cut");
}

/// Spans of 20 kB.
fn spans(numbers: std::ops::Range<u64>) -> Vec<SpanSketch> {
    numbers.map(|number| SpanSketch::new(number).with("k", text(&"x".repeat(20_000)))).collect()
}

async fn count(client: &Client) -> u64 {
    let answer = client.post("/api/v1/datasets/spans/count", &json!({})).await.expect(200).json();
    answer["count"].as_u64().unwrap_or_else(|| panic!("no count: {answer}"))
}

fn assert_retryable(answer: &Answer) {
    assert_eq!(answer.status, 503, "an exporter sends it again: {answer}");
    assert!(answer.header("retry-after").parse::<u32>().is_ok(), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_fills_up_loses_nothing_that_was_answered_and_is_used_again_when_there_is_room() {
    let app = AppBuilder::new(OFFTAKE).with_all_on_small_disk(32).start().await;
    let client = app.client("acme").await;
    send(&client, &spans(0..200)).await;
    let filler = app.data_dir_within().join("filler");
    fill(&filler);

    // Room for a job, not for its file of some 4 MiB.
    cut(&filler, 1 << 20);
    let job = client.begin("spans", &json!({"format": "csv"})).await;
    let rested = client.rested(&job, SOON).await;
    assert_eq!((&rested["status"], &rested["error"]["code"]), (&json!("failed"), &json!("storage_full")), "{rested}");
    eventually("nothing half-written is left", SOON, || async { app.stored().is_empty().then_some(()) }).await;

    fill(&filler);
    let batch = request_of(&spans(200..400));
    assert_retryable(&client.otlp(batch.encode_to_vec()).await);
    assert_retryable(&client.otlp_json(json_of(&batch)).await);
    assert_eq!(count(&client).await, 200, "nothing of it is stored");
    client.get("/livez").await.expect(200);
    let refused = client.create("spans", &json!({"format": "csv"})).await;
    let job = match refused.status {
        202 => Some(refused.json()["job_id"].as_str().expect("an id").to_owned()),
        _ => {
            let (code, _) = refused.problem();
            assert_eq!((refused.status, code.as_str()), (507, "storage_full"), "{refused}");
            None
        }
    };

    std::fs::remove_file(filler).expect("the filler can be removed");
    client.otlp(batch.encode_to_vec()).await.expect(200);
    assert_eq!(identities(&client, json!({})).await.len(), 400);
    if let Some(job) = job {
        let rested = client.rested(&job, SOON).await;
        let clear = rested["status"] == "completed" || rested["error"]["code"] == "storage_full";
        assert!(clear, "{rested}");
    }
    client.get("/readyz").await.expect(200);
}
