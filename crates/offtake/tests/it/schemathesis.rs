//! The server does what its OpenAPI document says, whoever asks whatever: Schemathesis makes requests out of the document,
//! such as it allows and such as it does not, and looks whether status, headers and body of the answers stand in it.

use offtake_testkit::{TestApp, schemathesis, switch};
use serde_json::json;

use crate::support::{OFFTAKE, send_genuine};

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_stands_in_the_document() {
    let (seconds, seed) = (switch("OFFTAKE_TEST_FUZZ_SECONDS", 60), switch("OFFTAKE_TEST_SEED", 1));
    let app = TestApp::start(OFFTAKE).await;
    let client = app.client("acme").await;
    send_genuine(&client).await;
    client.post("/api/v1/presets", &json!({"name": "weekly", "dataset": "spans"})).await.expect(201);
    client.export("spans", &json!({"format": "csv"})).await;
    println!("OFFTAKE_TEST_FUZZ_SECONDS={seconds} OFFTAKE_TEST_SEED={seed}");
    let token = app.token("acme", "tester", "all").await;
    let ran = schemathesis(&app.url(), &token, seconds, seed, app.folder()).await;
    assert_eq!(ran.code, Some(0), "{}\n{}", ran.stdout, ran.stderr);
    let counted = ran.stdout.lines().find(|line| line.contains(" generated, ")).unwrap_or_default();
    println!("{}", counted.trim());
    let count: u64 = counted.split_whitespace().next().and_then(|count| count.parse().ok()).unwrap_or_default();
    assert!(count > 500, "only few requests were made: {}", ran.stdout);
}
