//! A source that is no longer what the configuration says: found when it is checked and when a job begins, by name.

use std::time::Duration;

use offtake_testkit::{AppBuilder, PgVersion, Postgres};
use serde_json::json;

use crate::support::OFFTAKE;

const TABLE: &str = "
    DROP TABLE IF EXISTS trades;
    CREATE TABLE trades (id bigint NOT NULL, org text NOT NULL, pnl numeric(9,2), note text);
    CREATE UNIQUE INDEX trades_key ON trades (org, id);
    INSERT INTO trades SELECT n, 'acme', n, 'x' FROM generate_series(1, 100) n;";

const DATASET: &str = "[datasets.trades]\nsource = 'pg'\ntable = 'trades'\ntenant = 'org'\nkey = ['id']
    default_columns = ['id', 'pnl', 'note']\ncolumns = { pnl = { type = 'decimal(9,2)' } }\nfilters = { note = 'in' }\n";

struct Drift {
    change: &'static str,
    /// What `config check` names, and where.
    checked: Option<(&'static str, &'static str)>,
    /// What the job names.
    job: &'static str,
}

const DRIFTS: [Drift; 6] = [
    Drift {
        change: "ALTER TABLE trades DROP COLUMN note",
        checked: Some(("datasets.trades.default_columns", "\"note\"")),
        job: "note",
    },
    Drift {
        change: "ALTER TABLE trades RENAME COLUMN pnl TO profit",
        checked: Some(("datasets.trades.columns.pnl", "profit")),
        job: "pnl",
    },
    Drift {
        change: "ALTER TABLE trades ALTER COLUMN pnl TYPE text",
        checked: Some(("datasets.trades.columns.pnl", "text")),
        job: "\"pnl\" is of type text",
    },
    Drift {
        change: "ALTER TABLE trades RENAME COLUMN id TO number",
        checked: Some(("datasets.trades.key", "\"id\"")),
        job: "id",
    },
    Drift {
        change: "ALTER TABLE trades ALTER COLUMN id DROP NOT NULL; INSERT INTO trades VALUES (NULL, 'acme', 1, 'y')",
        checked: Some(("datasets.trades.key", "id is NULL")),
        job: "id is NULL",
    },
    Drift {
        change: "DROP INDEX trades_key",
        checked: Some(("datasets.trades.key", "unique index")),
        job: "unique index holds id",
    },
];

#[tokio::test(flavor = "multi_thread")]
async fn drift_is_found_by_check_and_by_jobs_and_names_the_column() {
    let server = Postgres::shared(PgVersion::V15);
    let database = server.database();
    database.execute(TABLE);
    let tables = format!("[sources.pg]\nurl = '{}'\n{DATASET}", database.url());
    let app = AppBuilder::new(OFFTAKE).with_tables(&tables).start().await;
    let client = app.client("acme").await;
    assert_eq!(app.cli(&["config", "check"]).await.code, Some(0));
    for Drift { change, checked, job } in DRIFTS {
        database.execute(change);
        let ran = app.cli(&["config", "check"]).await;
        if let Some((path, named)) = checked {
            assert_eq!(ran.code, Some(2), "{change}: {ran:?}");
            assert!(ran.stderr.contains(path) && ran.stderr.contains(named), "{change}: {}", ran.stderr);
        } else {
            assert_eq!(ran.code, Some(0), "{change}: {ran:?}");
        }
        let id = client.begin("trades", &json!({"format": "csv"})).await;
        let rested = client.rested(&id, Duration::from_secs(60)).await;
        assert_eq!(rested["error"]["code"], "schema_drift", "{change}: {rested}");
        assert!(rested["error"]["message"].as_str().is_some_and(|text| text.contains(job)), "{change}: {rested}");
        let local = app.cli(&["export", "trades", "--org", "acme", "-o", "local.csv"]).await;
        assert_ne!(local.code, Some(0), "{change}: {local:?}");
        database.execute(TABLE);
    }
    // A key that could be NULL, and is not, loses nothing.
    database.execute("ALTER TABLE trades ALTER COLUMN id DROP NOT NULL");
    assert_eq!(app.cli(&["config", "check"]).await.code, Some(0));
    assert_eq!(client.export("trades", &json!({"format": "csv"})).await["row_count"], 100);
}
