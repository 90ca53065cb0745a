//! Rows out of somebody's Postgres while it restarts, fails over, refuses, cuts off or falls silent.
//!
//! Values are dropped last to first: a server outlives the app that reads from it.

use std::time::{Duration, Instant};

use offtake_testkit::{
    Answer, AppBuilder, Cable, Client, Database, Flow, PgVersion, Postgres, TestApp, eventually, sha256,
};
use serde_json::{Value as Json, json};

use crate::faults::{assert_digest, checkpoint_beyond};
use crate::support::{OFFTAKE, id_of, outage, saved};

const LONG: Duration = Duration::from_secs(100);
/// Longer than any request may take while a source is away.
const PROMPT: Duration = Duration::from_secs(20);

/// Rows of the table, enough for seven parts.
const ROWS: u64 = 24_000;
/// How late a statement reaches the server while a job shall last.
const SLOWLY: Flow = Flow::Late(Duration::from_millis(80));

/// A table of many ranges, several of which make a part.
fn table(rows: u64) -> String {
    format!(
        "CREATE TABLE items (id bigint PRIMARY KEY, org text NOT NULL, at timestamptz NOT NULL, note text);
         INSERT INTO items SELECT n, 'acme', timestamptz '2026-10-01Z' + n / 7 * interval '1 us', repeat(md5(n::text), 8)
         FROM generate_series(1, {rows}) n;"
    )
}

fn source(name: &str, url: &str, settings: &str) -> String {
    format!("[sources.{name}]\nurl = '{url}'\n{settings}\n")
}

fn dataset(name: &str, source: &str, from: &str, rows: &str) -> String {
    format!("[datasets.{name}]\nsource = '{source}'\n{from}\ntenant = 'org'\nkey = ['id']\nrows = '{rows}'\n")
}

/// `items`, of which rows are only added, and `wares`, whose rows change: the same table.
fn both(url: &str, settings: &str) -> String {
    let items = dataset("items", "pg", "table = 'items'", "append_only");
    source("pg", url, settings) + &items + &dataset("wares", "pg", "table = 'items'", "mutable")
}

async fn app(tables: &str) -> (TestApp, Client) {
    let app = AppBuilder::new(OFFTAKE).set("worker.max_frame_rows", "512").with_tables(tables).start().await;
    let client = app.client("acme").await;
    (app, client)
}

fn csv() -> Json {
    json!({"format": "csv"})
}

async fn undisturbed(app: &TestApp, client: &Client, dataset: &str, rows: u64) -> String {
    let job = client.export(dataset, &csv()).await;
    let receipt = client.receipt(id_of(&job)).await;
    assert_eq!((&receipt["rows_written"], &receipt["rows_expected"]), (&json!(rows), &json!(rows)), "{receipt}");
    let file = saved(app, client, &job).await;
    let digest = sha256(&file).await;
    assert_eq!(receipt["sha256"], json!(digest));
    std::fs::remove_file(file).expect("the file can be removed");
    digest
}

/// Waits until rows of the job flow.
async fn flowing(client: &Client, job: &str) {
    eventually("rows flow", LONG, || async {
        let job = client.job(job).await;
        assert!(matches!(job["status"].as_str(), Some("pending" | "processing")), "already at rest: {job}");
        (job["row_count"].as_u64() > Some(0)).then_some(())
    })
    .await;
}

/// The database as it is reached through the cable.
fn through(cable: &Cable, server: &Postgres, url: &str) -> String {
    url.replacen(&format!(":{}/", server.port()), &format!(":{}/", cable.port()), 1)
}

/// Both jobs, each in its middle.
async fn under_way(app: &TestApp, client: &Client) -> [String; 2] {
    let items = client.begin("items", &csv()).await;
    let wares = client.begin("wares", &csv()).await;
    flowing(client, &wares).await;
    assert!(checkpoint_beyond(app, client, &items, 0).await, "the job was too quick");
    [items, wares]
}

/// Both jobs complete with the bytes of an undisturbed run; the one whose rows change after so many attempts at least: its
/// snapshot is gone, while the other may have been between two statements and go on over a new connection.
async fn assert_both(app: &TestApp, client: &Client, jobs: [String; 2], attempts: u64, digest: &str) {
    for (job, attempts) in jobs.into_iter().zip([1, attempts]) {
        let rested = client.rested(&job, LONG).await;
        assert_digest(app, client, &rested, digest).await;
        assert!(rested["attempt"].as_u64() >= Some(attempts), "nothing happened to it: {rested}");
    }
}

async fn count(client: &Client, dataset: &str) -> Answer {
    client.post(&format!("/api/v1/datasets/{dataset}/count"), &json!({})).await
}

/// While the source is away the API says so within moments, and everything else goes on.
async fn assert_away(client: &Client, job: &str) {
    let began = Instant::now();
    let (counted, paged) = ("/api/v1/datasets/items/count", "/api/v1/datasets/wares/rows");
    let body = json!({});
    let (counted, paged) = tokio::join!(client.post(counted, &body), client.post(paged, &body));
    for answer in [counted, paged] {
        assert_eq!((answer.status, &*answer.problem().0), (503, "source_unavailable"), "{answer}");
        assert!(!answer.header("retry-after").is_empty(), "{answer}");
    }
    assert!(began.elapsed() < PROMPT, "answered after {:?}", began.elapsed());
    client.get(&format!("/api/v1/export/jobs/{job}")).await.expect(200);
    client.get("/livez").await.expect(200);
    let ready = client.get("/readyz").await.expect(503).json();
    assert_eq!(ready["checks"]["dataset items"]["status"], "failing", "{ready}");
}

async fn restarted(version: PgVersion, stops: &[fn(&mut Postgres)]) {
    let mut server = Postgres::own(version);
    let database = server.database();
    database.execute(&table(ROWS));
    let cable = Cable::to(server.port()).await;
    let (app, client) = app(&both(&through(&cable, &server, &database.url()), "")).await;
    let digest = undisturbed(&app, &client, "items", ROWS).await;
    for stop in stops {
        cable.set(SLOWLY);
        let jobs = under_way(&app, &client).await;
        stop(&mut server);
        let down = Instant::now();
        assert_away(&client, &jobs[0]).await;
        tokio::time::sleep(outage().saturating_sub(down.elapsed())).await;
        cable.set(Flow::Passes);
        server.start();
        assert_both(&app, &client, jobs, 2, &digest).await;
    }
    app.no_orphans().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_restarts_costs_no_byte() {
    restarted(PgVersion::V15, &[Postgres::stop_fast, Postgres::stop_immediate, Postgres::kill9]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn so_it_is_with_the_newest_postgres() {
    restarted(PgVersion::V18, &[Postgres::stop_fast]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_standby_is_read_and_takes_over() {
    let mut primary = Postgres::own(PgVersion::V15);
    let database = primary.database();
    database.execute(&table(ROWS));
    let standby = primary.standby("");
    let name = database.name();
    let replica = standby.url(name);
    let (first, second) = (Cable::to(primary.port()).await, Cable::to(standby.port()).await);
    let two = format!("postgres://postgres@127.0.0.1:{},127.0.0.1:{}/{name}", first.port(), second.port());
    let tables = both(&two, "")
        + &source("replica", &replica, "")
        + &dataset("copied", "replica", "table = 'items'", "append_only")
        + &dataset("moving", "replica", "table = 'items'", "mutable");
    let (app, client) = app(&tables).await;
    let digest = undisturbed(&app, &client, "items", ROWS).await;
    for dataset in ["copied", "moving"] {
        assert_eq!(undisturbed(&app, &client, dataset, ROWS).await, digest, "{dataset}");
    }

    first.set(SLOWLY);
    let jobs = under_way(&app, &client).await;
    let [items, wares] = jobs.clone();
    primary.stop_fast();
    standby.promote();
    assert_both(&app, &client, jobs, 2, &digest).await;
    assert_eq!(client.receipt(&items).await["mode"], "cutoff");
    assert_eq!(client.receipt(&wares).await["mode"], "snapshot");
    count(&client, "items").await.expect(200);
    app.no_orphans().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_standbys_replay_cancels_is_tried_again() {
    let primary = Postgres::own(PgVersion::V15);
    let database = primary.database();
    database.execute(&table(ROWS));
    database.execute("CREATE TABLE litter AS SELECT n FROM generate_series(1, 1000) n");
    let standby = primary.standby("max_standby_streaming_delay = 0");
    let cable = Cable::to(standby.port()).await;
    let (mut app, client) = app(&both(&through(&cable, &standby, &standby.url(database.name())), "")).await;
    let digest = undisturbed(&app, &client, "items", ROWS).await;
    for (dataset, told) in [("items", false), ("wares", true)] {
        // So late that a transaction which began before a row was deleted is there when it is cleared away.
        cable.set(Flow::Late(Duration::from_millis(100)));
        let job = client.begin(dataset, &csv()).await;
        flowing(&client, &job).await;
        eventually("a conflict", LONG, || async {
            // What the vacuum removes might be seen by whatever reads there now, in any table.
            database.execute("DELETE FROM litter WHERE n = (SELECT min(n) FROM litter)");
            database.execute("VACUUM litter");
            let job = client.job(&job).await;
            (job["attempt"].as_u64() > Some(1) || job["status"] != "processing").then_some(())
        })
        .await;
        cable.set(Flow::Passes);
        let rested = client.rested(&job, LONG).await;
        assert_digest(&app, &client, &rested, &digest).await;
        assert!(rested["attempt"].as_u64() > Some(1), "no conflict: {rested}");
        let log = app.log();
        assert!(!told || log.contains("max_standby_streaming_delay"), "{log}");
    }
}

/// A role that may read, on a database with a table of a few rows.
fn reader(database: &Database) -> String {
    database.execute(&table(100));
    database.execute("CREATE ROLE reader LOGIN PASSWORD 'first'; GRANT SELECT ON items TO reader");
    database.url().replacen("postgres@", "reader:first@", 1)
}

/// A query that takes its time for every row.
const SLOW: &str = "query = 'SELECT i.*, pg_sleep(0.02)::text AS slept FROM items i'";

#[tokio::test(flavor = "multi_thread")]
async fn a_timeout_of_the_source_is_told_by_its_name() {
    let server = Postgres::own(PgVersion::V15);
    let database = server.database();
    let url = reader(&database);
    database.execute("ALTER ROLE reader SET statement_timeout = '400ms'");
    let cable = Cable::to(server.port()).await;
    let late = through(&cable, &server, &url);
    let tables = source("by_role", &url, "")
        + &source("by_us", &url, "statement_timeout = '300ms'")
        + &source("idle", &late, "idle_in_transaction_session_timeout = '200ms'")
        + &dataset("one", "by_role", SLOW, "mutable")
        + &dataset("two", "by_us", SLOW, "mutable")
        + &dataset("three", "idle", "table = 'items'", "append_only");
    let (app, client) = app(&tables).await;
    for (dataset, names) in
        [("one", ["statement_timeout", "for this role"]), ("two", ["(300 ms)", "sources.by_us.statement_timeout"])]
    {
        let counted = client.post(&format!("/api/v1/datasets/{dataset}/rows"), &json!({"limit": 100})).await;
        assert_eq!((counted.status, &*counted.problem().0), (504, "timeout"), "{counted}");
        let job = client.begin(dataset, &csv()).await;
        let rested = client.rested(&job, LONG).await;
        assert_eq!((&rested["status"], &rested["error"]["code"]), (&json!("failed"), &json!("timeout")), "{rested}");
        for text in [counted.json()["detail"].to_string(), rested["error"]["message"].to_string()] {
            assert!(names.iter().all(|name| text.contains(name)), "{text}");
        }
    }
    count(&client, "three").await.expect(200);
    cable.set(Flow::Late(Duration::from_millis(400)));
    let answer = count(&client, "three").await;
    assert_eq!((answer.status, &*answer.problem().0), (504, "timeout"), "{answer}");
    assert!(answer.json()["detail"].to_string().contains("idle_in_transaction_session_timeout"), "{answer}");
    drop(app);
}

/// What an administrator does to a session that waits with its snapshot is heard of, though nothing ran there.
#[tokio::test(flavor = "multi_thread")]
async fn a_limit_of_the_newest_postgres_is_told_by_its_name() {
    let server = Postgres::own(PgVersion::V18);
    let database = server.database();
    let url = reader(&database);
    database.execute("ALTER ROLE reader SET transaction_timeout = '700ms'");
    let tables = source("pg", &url, "") + &dataset("wares", "pg", SLOW, "mutable");
    let (_app, client) = app(&tables).await;
    let job = client.begin("wares", &csv()).await;
    let rested = client.rested(&job, LONG).await;
    assert_eq!((&rested["status"], &rested["error"]["code"]), (&json!("failed"), &json!("timeout")), "{rested}");
    assert!(rested["error"]["message"].to_string().contains("transaction_timeout"), "{rested}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_refuses_is_told_apart_from_one_that_is_away() {
    let mut server = Postgres::own(PgVersion::V15);
    let database = server.database();
    let url = reader(&database);
    server.allow("host all postgres 127.0.0.1/32 trust\nhost all reader 127.0.0.1/32 scram-sha-256\n");
    server.stop_fast();
    server.start();
    let (app, client) = app(&both(&url, "")).await;
    undisturbed(&app, &client, "items", 100).await;
    let leave = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE usename = 'reader'";
    let gone = format!("DROP DATABASE {} WITH (FORCE)", database.name());
    for (harm, mend) in [
        ("REVOKE SELECT ON items FROM reader", "GRANT SELECT ON items TO reader"),
        ("ALTER ROLE reader PASSWORD 'second'", "ALTER ROLE reader PASSWORD 'first'"),
        ("ALTER ROLE reader NOLOGIN", "ALTER ROLE reader LOGIN"),
        (&*gone, ""),
    ] {
        if mend.is_empty() {
            server.execute(harm);
        } else {
            database.execute(harm);
            server.execute(leave);
        }
        let answer = count(&client, "items").await;
        assert_eq!((answer.status, &*answer.problem().0), (500, "source_denied"), "{harm}: {answer}");
        for dataset in ["items", "wares"] {
            let job = client.begin(dataset, &csv()).await;
            let rested = client.rested(&job, LONG).await;
            assert_eq!(rested["error"]["code"], "source_denied", "{harm}: {rested}");
            assert_eq!(rested["attempt"], 1, "trying again does not help: {rested}");
            if !mend.is_empty() && dataset == "wares" {
                database.execute(mend);
                client.post(&format!("/api/v1/export/jobs/{job}/retry"), &json!({})).await.expect(202);
                let rested = client.rested(&job, LONG).await;
                assert_eq!(rested["status"], "completed", "{harm}: {rested}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_connection_hangs_nothing() {
    let server = Postgres::own(PgVersion::V15);
    let database = server.database();
    database.execute(&table(ROWS));
    let cable = Cable::to(server.port()).await;
    let (app, client) = app(&both(&through(&cable, &server, &database.url()), "")).await;
    let digest = undisturbed(&app, &client, "items", ROWS).await;

    for flow in [Flow::OldIsDead, Flow::Vanishes] {
        cable.set(SLOWLY);
        let jobs = under_way(&app, &client).await;
        cable.set(flow);
        if flow == Flow::OldIsDead {
            // As behind a firewall that forgot them: whoever asks gets a connection that works.
            let began = Instant::now();
            count(&client, "items").await.expect(200);
            assert!(began.elapsed() < PROMPT, "answered after {:?}", began.elapsed());
        } else {
            assert_away(&client, &jobs[0]).await;
            cable.set(Flow::Passes);
        }
        // Nobody ended the session that holds the snapshot.
        assert_both(&app, &client, jobs, 1, &digest).await;
    }
    app.no_orphans().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dataset_whose_source_comes_late_is_described_from_then_on() {
    let mut server = Postgres::own(PgVersion::V15);
    let database = server.database();
    database.execute(&table(100));
    server.stop_fast();
    let (_app, client) = app(&both(&database.url(), "")).await;
    let before = client.get("/openapi.json").await.expect(200);
    let path = "/api/v1/export/items";
    assert!(before.json()["paths"][path].is_null());
    assert_eq!(client.create("items", &csv()).await.expect(503).problem().0, "source_unavailable");
    server.start();
    let after = eventually("the dataset is described", Duration::from_secs(60), || async {
        let document = client.get("/openapi.json").await.expect(200);
        (!document.json()["paths"][path].is_null()).then_some(document)
    })
    .await;
    assert_ne!(before.header("etag"), after.header("etag"));
    assert!(after.json()["components"]["schemas"]["ExportRequest.items"].is_object());
    assert_eq!(client.export("items", &csv()).await["row_count"], 100);
}
