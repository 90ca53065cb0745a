//! The road through a second store that checks signatures: the gateway of JuiceFS, which is MinIO's code. It honours
//! no conditions on writes and has no life-cycle rules.

use std::time::Duration;

use offtake_testkit::{AppBuilder, Role, S3Server, TestApp, eventually, sha256, small_spans};
use serde_json::json;

use crate::support::{OFFTAKE, id_of, saved, send_genuine};

const LONG: Duration = Duration::from_secs(300);

async fn app(server: &S3Server, mut builder: AppBuilder) -> TestApp {
    for (key, value) in server.settings(server.endpoint()) {
        builder = builder.set(key, &value);
    }
    builder.start().await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_main_road() {
    let server = S3Server::juice().await;
    let app = app(&server, AppBuilder::new(OFFTAKE)).await;
    let client = app.client("acme").await;
    send_genuine(&client).await;
    let job = client.export("spans", &json!({"format": "csv", "compression": "gzip"})).await;
    let receipt = client.receipt(id_of(&job)).await;
    assert_eq!(receipt["sha256"], json!(sha256(&saved(&app, &client, &job).await).await));
    let link = client.link(id_of(&job)).await;
    assert!(link.starts_with(server.endpoint()), "{link}");
    let file = app.anonymous().get(&link).await.expect(200);
    let name = receipt["file_name"].as_str().expect("a name");
    assert!(file.header("content-disposition").contains(name), "{}", file.header("content-disposition"));
    for tampered in [link.replacen("X-Amz-Expires=600", "X-Amz-Expires=6000", 1), link.replacen("/1/", "/2/", 1)] {
        assert_ne!(tampered, link);
        app.anonymous().get(&tampered).await.expect(403);
    }
    let checked = app.cli(&["storage", "check"]).await;
    assert_eq!(checked.code, Some(0), "{checked:?}");
    client.delete(&format!("/api/v1/export/jobs/{}/file", id_of(&job))).await.expect(204);
    eventually("the objects are gone", Duration::from_secs(15), || async {
        server.objects().await.is_empty().then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn kill_9_in_the_middle_of_an_upload_costs_no_byte() {
    let server = S3Server::juice().await;
    let mut app = app(&server, AppBuilder::new(OFFTAKE).with_spans(small_spans())).await;
    let client = app.client("acme").await;
    let body = json!({"format": "csv"});
    let whole = client.export("spans", &body).await;
    let whole = client.receipt(id_of(&whole)).await["sha256"].clone();
    let job = client.begin("spans", &body).await;
    eventually("a checkpoint", LONG, || async { (app.checkpointed_rows(&job) > 0).then_some(()) }).await;
    app.kill9(Role::Serve);
    app.start_role(Role::Serve).await;
    let rested = client.rested(&job, LONG).await;
    assert_eq!((&rested["status"], &rested["attempt"]), (&json!("completed"), &json!(2)), "{rested}");
    assert_eq!(client.receipt(&job).await["sha256"], whole);
    assert_eq!(json!(sha256(&saved(&app, &client, &rested).await).await), whole);
    eventually("no upload and no object is left over", Duration::from_secs(30), || async {
        let (objects, uploads) = (server.objects().await, server.uploads().await);
        (uploads.is_empty() && objects.len() == 4).then_some(())
    })
    .await;
}
