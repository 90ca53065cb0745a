//! Row-level security in Offtake's own tables: whatever a statement says, a transaction sees the rows of the organization
//! that it names. What the store makes of it, the matrix shows (`matrix`, with a store that forgets to ask).

use offtake_testkit::{AppBuilder, Database, PgVersion, Postgres, SpanSketch, TestApp};
use serde_json::json;

use crate::doctor::bouncer;
use crate::support::{GENUINE, OFFTAKE, id_of, identities, send, send_genuine};

/// Tables that belong to nobody: which migrations were applied.
const NOBODYS: &[&str] = &["alert_watch", "migrations"];
/// Tables whose owner is not held, because COPY cannot add rows where policies hold.
const COPIED_TO: &[&str] = &["spans", "traces"];

fn numbers(database: &Database, sql: &str) -> Vec<i64> {
    let rows = database.rows(sql);
    let cells = rows.into_iter().flatten().flatten();
    cells.map(|cell| cell.parse().unwrap_or_else(|_| panic!("{sql}: {cell}"))).collect()
}

/// Two organizations, each with spans, a job with its file, and a preset.
async fn two(app: &TestApp) {
    for org in ["mine", "theirs"] {
        let client = app.client(org).await;
        send(&client, &[SpanSketch::new(1), SpanSketch::new(2)]).await;
        client.export("spans", &json!({"format": "csv"})).await;
        client.post("/api/v1/presets", &json!({"name": "weekly", "dataset": "spans"})).await.expect(201);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_table_that_belongs_to_somebody_is_walled_in() {
    for version in PgVersion::ALL {
        let server = Postgres::shared(version);
        let database = server.database();
        let _app = AppBuilder::new(OFFTAKE).on_postgres(&database.url()).start().await;
        let tables = database.rows(
            "SELECT relname, relrowsecurity, relforcerowsecurity,
                    EXISTS (SELECT 1 FROM pg_policy WHERE polrelid = pg_class.oid)
             FROM pg_class WHERE relnamespace = 'offtake'::regnamespace AND relkind IN ('r', 'p') ORDER BY relname",
        );
        assert!(tables.len() > 8, "{tables:?}");
        for table in tables {
            let cells: Vec<&str> = table.iter().flatten().map(String::as_str).collect();
            let name = cells[0];
            let expected: &[&str] = match name {
                _ if NOBODYS.contains(&name) => &["f", "f", "f"],
                _ if COPIED_TO.contains(&name) => &["t", "f", "t"],
                _ => &["t", "t", "t"],
            };
            assert_eq!(
                &cells[1..],
                expected,
                "{name}: (row-level security, forced, a policy); its migration has to say: SELECT raise_wall('{name}')"
            );
        }
    }
}

/// Tables with rows, and how one tells whose a row is.
const WHOSE: [(&str, &str); 9] = [
    ("events", "org"),
    ("event_counters", "org"),
    ("jobs", "org"),
    ("job_specs", "(SELECT org FROM jobs WHERE id = job)"),
    ("artifacts", "org"),
    ("performance", "org"),
    ("presets", "org"),
    ("spans", "org_id"),
    ("traces", "org_id"),
];

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_sees_the_organization_it_names_and_no_other() {
    let server = Postgres::shared(PgVersion::V15);
    let database = server.database();
    let app = AppBuilder::new(OFFTAKE).on_postgres(&database.url()).start().await;
    two(&app).await;
    let begin = "SET search_path = offtake; BEGIN; SET LOCAL ROLE offtake_rows;";
    for (table, whose) in WHOSE {
        let all = numbers(&database, &format!("SET search_path = offtake; SELECT count(*) FROM {table}"))[0];
        let own = numbers(
            &database,
            &format!("SET search_path = offtake; SELECT count(*) FROM {table} WHERE {whose} = 'mine'"),
        )[0];
        assert!(0 < own && own < all, "both have rows in {table}: {own} of {all}");
        let seen = |enter: &str| numbers(&database, &format!("{begin} {enter} SELECT count(*) FROM {table}"))[0];
        assert_eq!(seen(""), 0, "{table}: nobody is named");
        assert_eq!(seen("SET LOCAL offtake.org = '';"), 0, "{table}");
        assert_eq!(seen("SET LOCAL offtake.org = 'mine';"), own, "{table}");
        let everybodys = if COPIED_TO.contains(&table) { 0 } else { all };
        assert_eq!(
            seen("SET LOCAL offtake.scope = 'all';"),
            everybodys,
            "{table}: readers of spans have no such scope"
        );
        let touched = format!(
            "{begin} SET LOCAL offtake.org = 'mine'; WITH gone AS (DELETE FROM {table} WHERE {whose} = 'theirs' RETURNING 1)
             SELECT count(*) FROM gone"
        );
        assert_eq!(numbers(&database, &touched)[0], 0, "{table}: somebody else's rows are deleted");
    }
    let moved = |statement: &str| {
        format!(
            "{begin} SET LOCAL offtake.org = 'mine'; DO $$ BEGIN {statement}; RAISE 'it was taken';
             EXCEPTION WHEN insufficient_privilege THEN NULL; END $$; SELECT 1"
        )
    };
    // A row cannot be given to somebody else, nor made for them.
    for statement in [
        "UPDATE presets SET org = 'theirs', name = 'gift'",
        "INSERT INTO presets SELECT 'theirs', 'gift', dataset, says, version, created_by, created_at, updated_at FROM presets",
        "INSERT INTO job_specs SELECT 'no job of mine', spec FROM job_specs",
    ] {
        assert_eq!(numbers(&database, &moved(statement)), [1], "{statement}");
    }
}

/// A pooler gives each transaction any connection: what one said of itself must not be left for the next. Here all have
/// one connection. (Offtake itself wants session mode, for LISTEN and its prepared statements: `doctor` says so.)
#[tokio::test(flavor = "multi_thread")]
async fn the_walls_stand_behind_a_pooler_in_transaction_mode() {
    let server = Postgres::shared(PgVersion::V15);
    let database = server.database();
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::set_permissions(folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755))
        .expect("an own folder");
    let (_sessions, port) = bouncer(folder.path(), &server, "session", 20).await;
    let url = format!("postgres://postgres@127.0.0.1:{port}/{}?sslmode=disable", database.name());
    let app = AppBuilder::new(OFFTAKE).on_postgres(&url).start().await;
    two(&app).await;
    for org in ["mine", "theirs", "mine", "nobodys"] {
        let client = app.client(org).await;
        let rows = client.post("/api/v1/datasets/spans/count", &json!({})).await.expect(200).json();
        let expected = u64::from(org != "nobodys");
        assert_eq!((client.jobs().await as u64, &rows["count"]), (expected, &json!(2 * expected)), "{org}");
    }

    let (_transactions, port) = bouncer(folder.path(), &server, "transaction", 1).await;
    let seen = |enter: &str| {
        let sql = format!(
            "BEGIN; SET LOCAL ROLE offtake_rows; {enter} SELECT count(*), pg_backend_pid() FROM offtake.jobs; COMMIT"
        );
        let row = database.rows_by(port, &sql).remove(0);
        let cells: Vec<u64> = row.iter().flatten().map(|cell| cell.parse().expect("a number")).collect();
        (cells[0], cells[1])
    };
    let (all, connection) = seen("SET LOCAL offtake.scope = 'all';");
    assert_eq!(all, 2);
    for _ in 0..5 {
        assert_eq!(seen("SET LOCAL offtake.org = 'mine';"), (1, connection), "one connection for all");
        assert_eq!(seen(""), (0, connection), "what the transaction before said is gone");
        assert_eq!(seen("SET LOCAL offtake.scope = 'all';"), (2, connection));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_without_special_rights_is_held_and_lacks_nothing() {
    let server = Postgres::shared(PgVersion::V18);
    let database = server.database();
    let plain = format!("plain_{}", database.name());
    database.execute(&format!("CREATE ROLE {plain} LOGIN; GRANT CREATE ON DATABASE {} TO {plain}", database.name()));
    let url = database.url().replace("postgres@", &format!("{plain}@"));
    let app = AppBuilder::new(OFFTAKE).on_postgres(&url).start().await;
    let client = app.client("mine").await;
    send_genuine(&client).await;
    assert_eq!(identities(&client, json!({})).await.len() as u64, GENUINE);
    let job = client.export("traces", &json!({"format": "csv"})).await;
    assert_eq!(client.jobs().await, 2, "{job}");
    two(&app).await;
    let other = app.client("theirs").await;
    other.get(&format!("/api/v1/export/jobs/{}", id_of(&job))).await.expect(404);

    // It owns the tables, and is held all the same.
    let count = |enter: &str| {
        format!("SET search_path = offtake; BEGIN; SET LOCAL ROLE {plain}; {enter} SELECT count(*) FROM jobs")
    };
    assert_eq!(numbers(&database, &count("")), [0]);
    assert_eq!(numbers(&database, &count("SET LOCAL offtake.org = 'theirs';")), [1]);
    let doctor = app.cli(&["doctor", "--json"]).await;
    assert!(doctor.stdout.contains("it holds for user"), "{}", doctor.stdout);
    drop(app);
    database.execute(&format!("DROP OWNED BY {plain}; DROP ROLE {plain}"));
}
