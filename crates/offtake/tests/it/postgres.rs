//! Jobs and spans on Postgres: the main road, and what happens to it when the database or a worker goes.
//!
//! Values are dropped last to first: the server outlives its database, and both the app.

use std::time::{Duration, Instant};

use offtake_testkit::{
    AppBuilder, Client, PgVersion, Postgres, Role, eventually, prepared, prepared_database, small_spans,
};
use serde_json::{Value as Json, json};

use crate::faults::{assert_digest, checkpoint_beyond, killed_again_and_again, undisturbed};
use crate::support::{GENUINE, OFFTAKE, id_of, identities, send_genuine};

const LONG: Duration = Duration::from_secs(300);

#[tokio::test(flavor = "multi_thread")]
async fn the_main_road() {
    for version in PgVersion::ALL {
        let server = Postgres::shared(version);
        let database = server.database();
        let app = AppBuilder::new(OFFTAKE).on_postgres(&database.url()).apart().start().await;
        let client = app.client("acme").await;
        send_genuine(&client).await;
        assert_eq!(identities(&client, json!({})).await.len() as u64, GENUINE);
        let job = client.export("spans", &json!({"format": "csv", "compression": "gzip"})).await;
        assert_eq!((job["status"].as_str(), job["row_count"].as_u64()), (Some("completed"), Some(GENUINE)), "{job}");
        assert!(!app.data_dir().join("offtake.db").exists(), "no second job store is made");
        assert!(!app.data_dir().join("spans.db").exists(), "no second span store is made");
        assert_eq!(database.rows("SELECT count(*) FROM offtake.jobs")[0][0].as_deref(), Some("2"));

        let listed = app.cli(&["jobs", "list", "--org", "acme", "--json"]).await;
        assert_eq!(listed.code, Some(0), "{listed:?}");
        assert!(listed.stdout.contains(id_of(&job)), "{listed:?}");
        let file = app.folder().join("local.csv");
        let local = app.cli(&["export", "spans", "--org", "acme", "-o", &file.to_string_lossy()]).await;
        assert_eq!(local.code, Some(0), "{local:?}");
        let (elsewhere, foreign) = (app.folder().join("elsewhere"), client.without_token());
        let shown = elsewhere.to_string_lossy();
        let url = database.url();
        let ran =
            app.bare_cli(&["token", "--org", "acme", "--sub", "me", "--data-dir", &shown, "--database", &url]).await;
        assert_eq!(ran.code, Some(2), "a data dir of its own would sign with a secret of its own: {ran:?}");
        assert!(ran.stderr.contains("token.secret_file"), "{ran:?}");
        assert_eq!(foreign.get("/api/v1/export/jobs").await.status, 401);
    }
}

/// The digests of the files of every built-in dataset, in the formats without compression.
async fn digests(client: &Client) -> Vec<String> {
    let mut digests = Vec::new();
    for dataset in ["spans", "traces", "prompts"] {
        for format in ["csv", "jsonl"] {
            let job = client.export(dataset, &json!({"format": format, "compression": "none"})).await;
            let digest = client.receipt(id_of(&job)).await["sha256"].clone();
            digests.push(format!("{dataset} {format} {} {digest}", job["row_count"]));
        }
    }
    digests
}

#[tokio::test(flavor = "multi_thread")]
async fn servers_on_different_machines_share_their_spans() {
    let server = Postgres::shared(PgVersion::V15);
    let database = server.database();
    let builder = || AppBuilder::new(OFFTAKE).on_postgres(&database.url());
    let mut takes = builder().apart().start().await;
    // Files lie in a folder here: whoever works on a job must be the one that is asked for its file.
    takes.terminate(Role::Worker, Duration::from_secs(30)).await;
    let hands_out = builder().start().await;
    let alone = AppBuilder::new(OFFTAKE).embedded().start().await;
    assert_ne!(takes.data_dir(), hands_out.data_dir());
    let (taking, handing, other) =
        (takes.client("acme").await, hands_out.client("acme").await, alone.client("acme").await);
    send_genuine(&taking).await;
    send_genuine(&other).await;
    // What the one has answered, the other has at once.
    assert_eq!(identities(&handing, json!({})).await.len() as u64, GENUINE);
    assert_eq!(digests(&handing).await, digests(&other).await, "the files are those of spans in SQLite");
    // Sent again, and to another server: nothing is stored twice.
    send_genuine(&handing).await;
    assert_eq!(database.rows("SELECT count(*) FROM offtake.spans")[0][0], Some(GENUINE.to_string()));
}

#[tokio::test(flavor = "multi_thread")]
async fn kill_9_costs_no_byte() {
    let server = Postgres::shared(PgVersion::V15);
    let database = prepared_database(&server, OFFTAKE, small_spans()).await;
    let app = AppBuilder::new(OFFTAKE).on_postgres(&database.url()).apart().start().await;
    killed_again_and_again(app, Role::Worker, json!({"format": "csv"})).await;
}

/// A way for a server to go.
type Stop = fn(&mut Postgres);

/// Spans in a file: what is read stays while the job store goes.
const FILED: &str = r#"
[sources.file]
url = "sqlite:FILE"
[datasets.filed]
title = "Spans in a file"
source = "file"
table = "spans"
tenant = "org_id"
key = ["started_at", "trace_id", "span_id"]
rows = "append_only"
sequence = "ingest_seq"
"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_restarts_costs_neither_job_nor_answer() {
    let mut server = Postgres::own(PgVersion::V15);
    let database = prepared_database(&server, OFFTAKE, small_spans()).await;
    let file = prepared(OFFTAKE, small_spans()).await.join("spans.db");
    let builder = AppBuilder::new(OFFTAKE).with_tables(&FILED.replace("FILE", &file.to_string_lossy()));
    let app = builder.set("worker.lease", "\"30s\"").on_postgres(&database.url()).apart().start().await;
    let client = app.client("acme").await;
    let body = json!({"format": "csv"});
    let filed = client.export("filed", &body).await;
    let filed = client.receipt(id_of(&filed)).await["sha256"].as_str().expect("a digest").to_owned();
    let spans = undisturbed(&app, &client, &body).await;
    let stops: [(Stop, &str); 4] = [
        (Postgres::stop_fast, "filed"),
        (Postgres::stop_immediate, "filed"),
        (Postgres::kill9, "filed"),
        (Postgres::stop_immediate, "spans"),
    ];
    for (stop, dataset) in stops {
        let job = client.begin(dataset, &body).await;
        assert!(checkpoint_beyond(&app, &client, &job, 0).await, "the job was too quick");
        stop(&mut server);
        let began = Instant::now();
        let answer = client.get(&format!("/api/v1/export/jobs/{job}")).await;
        assert!(began.elapsed() < Duration::from_secs(8), "answered after {:?}", began.elapsed());
        let problem: Json = answer.json();
        assert_eq!((answer.status, problem["code"].as_str()), (503, Some("store_unavailable")), "{answer}");
        assert!(!answer.header("retry-after").is_empty(), "{answer}");
        server.start();
        let rested = client.rested_through(&job, LONG).await;
        if dataset == "filed" {
            assert_eq!(rested["attempt"], 1, "the worker kept its job: {rested}");
        }
        assert_digest(&app, &client, &rested, if dataset == "filed" { &filed } else { &spans }).await;
    }
    app.no_orphans().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_stands_still_hangs_no_request() {
    let server = Postgres::own(PgVersion::V15);
    let database = server.database();
    let app = AppBuilder::new(OFFTAKE).on_postgres(&database.url()).apart().start().await;
    let client = app.client("acme").await;
    send_genuine(&client).await;
    client.export("spans", &json!({"format": "csv"})).await;
    server.freeze();
    let began = Instant::now();
    let created = client.post("/api/v1/export/spans", &json!({"format": "csv"})).await;
    let listed = client.get("/api/v1/export/jobs").await;
    assert_eq!((created.status, listed.status), (503, 503), "{created} {listed}");
    assert!(began.elapsed() < Duration::from_secs(16), "answered after {:?}", began.elapsed());
    server.thaw();
    let job = eventually("jobs are taken on again", Duration::from_secs(60), || async {
        let answer = client.post("/api/v1/export/spans", &json!({"format": "csv"})).await;
        (answer.status == 202).then(|| offtake_testkit::job_id(&answer))
    })
    .await;
    assert_eq!(client.rested_through(&job, LONG).await["status"], "completed");
}
