//! Files in a bucket of the organization's own: probed, delivered once, told.

use std::time::Duration;

use offtake_testkit::{AppBuilder, Client, S3Server, SpanSketch, TestApp, eventually};
use serde_json::{Value as Json, json};

use crate::support::{OFFTAKE, send};

const DESTINATIONS: &str = "/api/v1/destinations";
const LIMIT: Duration = Duration::from_secs(30);

async fn app() -> TestApp {
    AppBuilder::new(OFFTAKE)
        .set("destinations.allow", "[\"127.0.0.0/8\"]")
        .set("destinations.allow_http", "true")
        .start()
        .await
}

fn destination(server: &S3Server) -> Json {
    let (access_key, secret_key) = server.key();
    json!({"name": "lake", "endpoint": server.endpoint(), "region": "us-east-1", "bucket": server.bucket(),
        "prefix": server.prefix(), "access_key": access_key, "secret_key": secret_key})
}

/// The job, once nothing is owed any more.
async fn delivered(client: &Client, id: &str) -> Json {
    eventually("the delivery is over", LIMIT, async || {
        let job = client.job(id).await;
        (job["delivery"]["state"] != "pending").then_some(job)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_destination_is_probed_before_it_is_kept() {
    let server = S3Server::seaweed().await;
    let app = app().await;
    let client = app.client("acme").await;
    let with = |member: &str, value: Json| {
        let mut body = destination(&server);
        body[member] = value;
        body
    };
    let denied = client.post(DESTINATIONS, &with("secret_key", json!("not-the-secret-0123"))).await.expect(422);
    assert!(denied.to_string().contains("s3:PutObject"), "{denied}");
    let down = client.post(DESTINATIONS, &with("endpoint", json!("http://127.0.0.1:1026"))).await.expect(422);
    assert!(down.to_string().contains("cannot be reached"), "{down}");
    for inside in ["http://169.254.169.254/", "http://10.1.2.3:9000", "http://[fd00::1]:9000"] {
        let refused = client.post(DESTINATIONS, &with("endpoint", json!(inside))).await.expect(422);
        assert_eq!(refused.problem().1, ["/endpoint"], "{inside}");
    }
    let wrong = json!({"name": "", "region": "a b", "bucket": "x/y", "colour": 1, "kind": "ftp", "prefix": "../x"});
    let mut pointers = client.post(DESTINATIONS, &wrong).await.expect(422).problem().1;
    pointers.sort();
    let expected = ["/access_key", "/bucket", "/colour", "/kind", "/name", "/prefix", "/region", "/secret_key"];
    assert_eq!(pointers, expected);
    assert_eq!(client.get(DESTINATIONS).await.expect(200).json()["destinations"], json!([]));

    let made = client.post(DESTINATIONS, &destination(&server)).await.expect(201);
    assert_eq!(made.json()["last_delivery"], Json::Null);
    let path = made.header("location").to_owned();
    assert!(server.objects().await.is_empty(), "the probe leaves nothing");
    client.post(&format!("{path}/probe"), &json!({})).await.expect(200);
    client.post(DESTINATIONS, &destination(&server)).await.expect(409);
    let (_, secret) = server.key();
    for answer in [made, client.get(&path).await.expect(200), client.get(DESTINATIONS).await.expect(200)] {
        assert!(!answer.to_string().contains(secret), "{answer}");
    }
    let analyst = app.client_of("acme", "bob", "role:analyst").await;
    analyst.get(DESTINATIONS).await.expect(403);
    app.client("other").await.get(&path).await.expect(404);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_delivered_with_its_receipt() {
    let server = S3Server::seaweed().await;
    let app = app().await;
    let client = app.client("acme").await;
    send(&client, &(0..50).map(SpanSketch::new).collect::<Vec<_>>()).await;
    let made = client.post(DESTINATIONS, &destination(&server)).await.expect(201).json();
    let id = made["id"].as_str().expect("an id");

    let to = json!({"id": id, "key": "out/{dataset}/{job}.{extension}"});
    let job = client.begin("spans", &json!({"format": "csv", "compression": "gzip", "destination": to})).await;
    client.rested(&job, LIMIT).await;
    let done = delivered(&client, &job).await;
    let key = format!("out/spans/{job}.csv.gz");
    assert_eq!((&done["delivery"]["state"], &done["delivery"]["key"]), (&json!("delivered"), &json!(key)), "{done}");
    let size = client.receipt(&job).await["bytes"].as_u64().expect("a size");
    let objects = server.objects().await;
    let found = |name: &str| objects.iter().find(|(key, _)| key.ends_with(name)).map(|(_, size)| *size);
    assert_eq!(found(&key), Some(size), "{objects:?}");
    assert!(found(&format!("{key}.receipt.json")).is_some(), "{objects:?}");
    assert_eq!(objects.len(), 2);
    let last = client.get(&format!("{DESTINATIONS}/{id}")).await.expect(200).json()["last_delivery"].clone();
    assert_eq!(
        (&last["job_id"], &last["state"], &last["key"]),
        (&json!(job), &json!("delivered"), &json!(key)),
        "{last}"
    );
    let listed = client.get(DESTINATIONS).await.expect(200).json();
    assert_eq!(listed["destinations"][0]["last_delivery"], last);
    assert!(client.get("/api/v1/export/jobs?limit=1").await.expect(200).to_string().contains("\"delivered\""));
    client.post(&format!("/api/v1/export/jobs/{job}/deliver"), &json!({})).await.expect(409);

    let foreign = app.client("other").await;
    let nowhere = foreign.create("spans", &json!({"format": "csv", "destination": {"id": id}})).await.expect(422);
    assert_eq!(nowhere.problem().1, ["/destination/id"]);
    for (to, pointer) in [
        (json!({"id": id, "key": "same-for-all"}), "/destination/key"),
        (json!({"id": "dst_0199c0ffee0070008000000000000001"}), "/destination/id"),
        (json!({"id": "elsewhere"}), "/destination"),
    ] {
        let refused = client.create("spans", &json!({"format": "csv", "destination": to})).await.expect(422);
        assert_eq!(refused.problem().1, [pointer]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn runs_of_a_schedule_are_delivered_and_what_is_owed_to_nobody_fails() {
    let server = S3Server::seaweed().await;
    let app = app().await;
    let client = app.client("acme").await;
    send(&client, &(0..3).map(SpanSketch::new).collect::<Vec<_>>()).await;
    let made = client.post(DESTINATIONS, &destination(&server)).await.expect(201).json();
    let id = made["id"].as_str().expect("an id");
    let schedule = json!({"name": "Lake", "dataset": "spans", "cron": "0 3 1 1 *",
        "request": {"format": "parquet", "destination": {"id": id, "key": "{schedule}/{from}-{to}-{job}.{extension}"}}});
    let path = client.post("/api/v1/schedules", &schedule).await.expect(201).header("location").to_owned();
    let run = client.post(&format!("{path}/run"), &json!({})).await.expect(202).json();
    let job = run["job_id"].as_str().expect("a job");
    client.rested(job, LIMIT).await;
    let done = delivered(&client, job).await;
    assert_eq!(done["delivery"]["state"], "delivered", "{done}");
    let schedule_id = path.rsplit('/').next().expect("an id");
    let key = done["delivery"]["key"].as_str().expect("a key");
    assert!(
        key.starts_with(&format!("{schedule_id}/beginning-20")) && key.ends_with(&format!("{job}.parquet")),
        "{key}"
    );

    send(&client, &(3..4).map(SpanSketch::new).collect::<Vec<_>>()).await;
    client.delete(&format!("{DESTINATIONS}/{id}")).await.expect(204);
    let gone = client.post(&format!("{path}/run"), &json!({})).await.expect(422);
    assert_eq!(gone.problem().1, ["/destination/id"]);
}
