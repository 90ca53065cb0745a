//! Datasets from configuration, over tables as applications make them.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use arrow::array::{Array, AsArray};
use arrow::datatypes::{Decimal128Type, TimestampMicrosecondType};
use arrow::record_batch::RecordBatch;
use jiff::Timestamp;
use offtake_datasets::config::DatasetsConfig;
use offtake_datasets::{Dataset, FacetRequest, PageRequest, PlanSettings};
use offtake_model::budget::MemoryBudget;
use offtake_model::clock::{ManualClock, SharedClock};
use offtake_model::dataset::{ColumnType, RowsMode};
use offtake_model::sensitive::Treatment;
use offtake_model::{Error, ErrorKind, Result};
use rusqlite::Connection;
use serde_json::{Value as Json, json};

use crate::fixture::org;

fn journal(dir: &Path) -> Connection {
    let conn = Connection::open(dir.join("journal.db")).unwrap();
    conn.execute_batch(
        "CREATE TABLE trades (id INTEGER PRIMARY KEY, account_id INTEGER NOT NULL, opened_at DATETIME NOT NULL,
                              symbol VARCHAR(20), pnl DECIMAL(12,2), open BOOLEAN, notes TEXT, extra JSON,
                              \"odd \"\" name\" TEXT);
         CREATE INDEX trades_account ON trades (account_id, opened_at, id);
         INSERT INTO trades VALUES
           (1, 42, '2026-10-01 00:00:00', 'EURUSD', 12.5, 1, NULL, '{\"a\":[1]}', 'x'),
           (2, 42, '2026-10-01 00:00:00.000001', 'eurusd', '-0.01', 0, 'a\u{1F980}b', '{}', NULL),
           (3, 42, '2026-10-02T02:00:00+02:00', NULL, NULL, NULL, '', NULL, ''),
           (4, 7, '2026-10-03', 'EURUSD', 1, 1, 'other account', NULL, NULL);
         CREATE TABLE loose (a TEXT, b INTEGER);
         INSERT INTO loose VALUES (NULL, 1);",
    )
    .unwrap();
    conn
}

fn compile(dir: &Path, datasets: &str) -> Result<Vec<Dataset>> {
    let toml = format!("[sources.journal]\nurl = \"sqlite:{}/journal.db\"\n{datasets}", dir.display());
    let config: DatasetsConfig = toml::from_str(&toml).unwrap();
    let clock: SharedClock = ManualClock::starting_at(Timestamp::UNIX_EPOCH);
    config.compile(&clock)
}

const TRADES: &str = r#"
[datasets.trades]
title    = "Trades"
source   = "journal"
table    = "trades"
tenant   = "account_id"
key      = ["opened_at", "id"]
identity = ["id"]
time     = "opened_at"
columns  = { pnl = { label = "P&L" }, notes = { sensitive = true } }
filters  = { symbol = "in", open = "eq", min_pnl = { column = "pnl", op = "min" }, text = { columns = ["notes", "symbol"], op = "contains" } }
limits   = { rows = 1_000_000, days = 31 }
"#;

async fn rows(dataset: &Dataset, body: Json) -> Result<RecordBatch> {
    let spec = dataset.parse_rows(body.as_object().unwrap())?;
    let query = dataset.query(&org("42"), &spec)?;
    let columns = dataset.schema.columns.iter().map(|column| column.name.clone()).collect();
    let page = PageRequest { columns, sort: None, limit: 100, cursor: None };
    Ok(dataset.source.page(&dataset.schema, &query, &page).await?.rows)
}

async fn ids(dataset: &Dataset, body: Json) -> Vec<i64> {
    crate::fixture::numbers(&rows(dataset, body).await.unwrap(), "id")
}

#[tokio::test]
async fn a_table_is_typed_by_its_declarations_and_read_exactly() {
    let dir = tempfile::tempdir().unwrap();
    journal(dir.path());
    let trades = compile(dir.path(), TRADES).unwrap().remove(0);
    assert_eq!(
        (trades.schema.rows, trades.schema.permission.to_string()),
        (RowsMode::Mutable, "datasets:trades".into())
    );
    let pnl = trades.schema.column("pnl").unwrap();
    assert_eq!((pnl.ty, pnl.label.as_str()), (ColumnType::Decimal { precision: 12, scale: 2 }, "P&L"));
    assert_eq!(trades.schema.column("notes").unwrap().sensitive, Some(Treatment::Mask));
    let batch = rows(&trades, json!({})).await.unwrap();
    let pnl = batch.column_by_name("pnl").unwrap().as_primitive::<Decimal128Type>();
    assert_eq!(pnl.iter().collect::<Vec<_>>(), [Some(1250), Some(-1), None]);
    let opened = batch.column_by_name("opened_at").unwrap().as_primitive::<TimestampMicrosecondType>();
    let first = "2026-10-01T00:00:00Z".parse::<Timestamp>().unwrap().as_microsecond();
    assert_eq!(opened.values().to_vec(), [first, first + 1, first + 86_400_000_000]);
    assert!(batch.column_by_name("odd \" name").unwrap().is_null(1));
}

#[tokio::test]
async fn filters_and_windows_compare_values_not_spellings() {
    let dir = tempfile::tempdir().unwrap();
    journal(dir.path());
    let trades = compile(dir.path(), TRADES).unwrap().remove(0);
    assert_eq!(ids(&trades, json!({})).await, [1, 2, 3]);
    assert_eq!(ids(&trades, json!({"min_pnl": -0.01})).await, [1, 2]);
    assert_eq!(ids(&trades, json!({"min_pnl": "-0.009"})).await, [1]);
    assert_eq!(ids(&trades, json!({"symbol": "EURUSD"})).await, [1]);
    assert_eq!(ids(&trades, json!({"text": "eurUSD"})).await, [1, 2]);
    assert_eq!(ids(&trades, json!({"open": false})).await, [2]);
    assert_eq!(ids(&trades, json!({"start_time": "2026-10-01T00:00:00.000001Z"})).await, [2, 3]);
    assert_eq!(ids(&trades, json!({"end_time": "2026-10-02T00:00:00Z"})).await, [1, 2]);
    let except = |mode: &str| json!({"selection": {"mode": mode, "ids": [2, {"id": 4}]}});
    assert_eq!(ids(&trades, except("all_except")).await, [1, 3]);
    assert_eq!(ids(&trades, except("partial")).await, [2]);
}

#[tokio::test]
async fn an_organization_has_one_spelling() {
    let dir = tempfile::tempdir().unwrap();
    journal(dir.path());
    let trades = compile(dir.path(), TRADES).unwrap().remove(0);
    for (name, expected) in [("42", 3), ("42.0", 0), (" 42", 0), ("042", 0), ("4.2e1", 0), ("0", 0), ("x", 0)] {
        let spec = trades.parse_rows(&serde_json::Map::new()).unwrap();
        let query = trades.query(&org(name), &spec).unwrap();
        assert_eq!(trades.source.count(&trades.schema, &query).await.unwrap().rows, expected, "{name:?}");
    }
}

#[tokio::test]
async fn a_query_is_a_dataset_too_and_exports() {
    let dir = tempfile::tempdir().unwrap();
    journal(dir.path());
    let winners = r#"
        [datasets.winners]
        source = "journal"
        query = "SELECT id, account_id, pnl, upper(symbol) AS symbol FROM trades WHERE pnl > 0 -- only these"
        tenant = "account_id"
        key = ["id"]
        rows = "append_only"
        sequence = "id"
        columns = { symbol = { type = "text" } }
    "#;
    let winners = compile(dir.path(), winners).unwrap().remove(0);
    let spec = winners.parse_export(&json!({"format": "csv"})).unwrap();
    let query = winners.query(&org("42"), &spec.rows).unwrap();
    let settings = PlanSettings { limit: None, frame_bytes: 1 << 20, max_frame_rows: 8192 };
    let plan = Arc::new(winners.source.plan(&winners.schema, &query, settings, Arc::new(|_| ())).await.unwrap());
    assert_eq!((plan.rows_matching, plan.cuts.len()), (1, 1));
    let columns = &winners.schema.default_columns;
    let reader = winners.source.open(&winners.schema, &query, &plan, columns, 2).await.unwrap();
    let (batch, _held) = crate::fixture::one(reader.read(0, &MemoryBudget::new(1 << 20))).await.unwrap();
    assert_eq!(batch.column_by_name("symbol").unwrap().as_string::<i32>().value(0), "EURUSD");
}

#[tokio::test]
async fn a_value_of_another_kind_is_drift_and_names_its_place() {
    let dir = tempfile::tempdir().unwrap();
    let conn = journal(dir.path());
    let trades = compile(dir.path(), TRADES).unwrap().remove(0);
    for (update, column) in [
        ("opened_at = 'soon'", "opened_at"),
        ("opened_at = 17", "opened_at"),
        ("pnl = 0.125", "pnl"),
        ("pnl = 'much'", "pnl"),
        ("open = 2", "open"),
        ("notes = x'00'", "notes"),
        ("notes = CAST(x'ff41' AS TEXT)", "notes"),
        ("extra = '{'", "extra"),
    ] {
        let before: String =
            conn.query_row(&format!("SELECT quote({column}) FROM trades WHERE id = 2"), [], |row| row.get(0)).unwrap();
        conn.execute(&format!("UPDATE trades SET {update} WHERE id = 2"), []).unwrap();
        let error = rows(&trades, json!({})).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::SchemaDrift, "{update}");
        assert!(error.detail().contains(column) && error.detail().contains("id = 2"), "{update}: {error}");
        conn.execute(&format!("UPDATE trades SET {column} = {before} WHERE id = 2"), []).unwrap();
    }
    // Filters do not pass over what they cannot compare.
    conn.execute("UPDATE trades SET pnl = 'much' WHERE id = 2", []).unwrap();
    let error = rows(&trades, json!({"min_pnl": 1})).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::SchemaDrift);
    conn.execute_batch("ALTER TABLE trades DROP COLUMN notes").unwrap();
    assert_eq!(rows(&trades, json!({})).await.unwrap_err().kind(), ErrorKind::SchemaDrift);
}

/// A number in a column of texts is eight bytes that a text may have too, and the other way round.
#[tokio::test]
async fn facets_of_what_is_no_value_of_the_column_are_refused_as_its_pages_are() {
    let dir = tempfile::tempdir().unwrap();
    let conn = journal(dir.path());
    conn.execute_batch("CREATE TABLE tags (id INTEGER PRIMARY KEY, label, size INTEGER)").unwrap();
    let tags = r#"
        [datasets.tags]
        source = "journal"
        table = "tags"
        tenant = "none"
        key = ["id"]
        columns = { label = { type = "text" } }
        filters = { label = "in", size = "eq" }
    "#;
    let tags = compile(dir.path(), tags).unwrap().remove(0);
    let query = tags.query(&org("42"), &tags.parse_rows(json!({}).as_object().unwrap()).unwrap()).unwrap();
    let (wait, patience) = (Duration::from_secs(60), Duration::from_secs(60));
    let asked = FacetRequest { columns: vec!["label".to_owned(), "size".to_owned()], limit: 9, wait, patience };
    for (values, column) in [("5, 5", Some("label")), ("'five', 'notafive'", Some("size")), ("'five', 5", None)] {
        conn.execute_batch(&format!("DELETE FROM tags; INSERT INTO tags VALUES (1, {values})")).unwrap();
        let page = rows(&tags, json!({})).await.map(drop);
        let facets = tags.source.facets(&tags.schema, &query, &asked).await.map(drop);
        for answer in [page, facets] {
            let told =
                answer.err().map(|error| (error.kind(), column.is_some_and(|name| error.detail().contains(name))));
            assert_eq!(told, column.map(|_| (ErrorKind::SchemaDrift, true)), "{values}");
        }
    }
}

/// The paths of what is wrong.
fn wrong(dir: &Path, datasets: &str) -> Vec<String> {
    let error: Error = compile(dir, datasets).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidRequest);
    for violation in error.violations() {
        assert!(violation.detail.starts_with(&violation.pointer), "{violation:?}");
    }
    error.violations().iter().map(|violation| violation.pointer.clone()).collect()
}

#[test]
fn what_is_wrong_is_told_with_its_path() {
    let dir = tempfile::tempdir().unwrap();
    journal(dir.path());
    let dataset =
        |name: &str, rest: &str| format!("[datasets.{name}]\nsource = \"journal\"\ntenant = \"none\"\n{rest}");
    let cases = [
        (dataset("jobs", "table = 'trades'\nkey = ['id']"), vec!["datasets.jobs"]),
        (dataset("Big", "table = 'trades'\nkey = ['id']"), vec!["datasets.Big"]),
        (dataset("x", "table = 'trade'\nkey = ['id']"), vec!["datasets.x.table"]),
        (dataset("x", "query = 'SELECT nope FROM trades'\nkey = ['id']"), vec!["datasets.x.query"]),
        (dataset("x", "query = 'SELECT 1; DROP TABLE trades'\nkey = ['id']"), vec!["datasets.x.query"]),
        (
            dataset("x", "query = 'SELECT id, id*2 AS twice FROM trades'\nkey = ['id']"),
            vec!["datasets.x.columns.twice.type"],
        ),
        (dataset("x", "key = ['id']"), vec!["datasets.x"]),
        (
            dataset("x", "table = 'trades'\nkey = ['nope', 'pnl']"),
            vec!["datasets.x.key", "datasets.x.key", "datasets.x.identity", "datasets.x.identity", "datasets.x.key"],
        ),
        (dataset("x", "table = 'trades'\nkey = ['opened_at']"), vec!["datasets.x.key"]),
        (dataset("x", "query = 'SELECT * FROM loose'\nkey = ['a']"), vec!["datasets.x.key"]),
        (dataset("x", "table = 'trades'\nkey = ['id']\ntime = 'symbol'"), vec!["datasets.x.time"]),
        (dataset("x", "table = 'trades'\nkey = ['id']\nrows = 'append_only'"), vec!["datasets.x.sequence"]),
        (dataset("x", "table = 'trades'\nkey = ['id']\ndefault_columns = ['ids']"), vec!["datasets.x.default_columns"]),
        (
            dataset("x", "table = 'trades'\nkey = ['id']\nlimits = { rows = 0, days = 0, identities = 10001 }"),
            vec!["datasets.x.limits.rows", "datasets.x.limits.days", "datasets.x.limits.identities"],
        ),
        (
            dataset(
                "x",
                "table = 'trades'\nkey = ['id']\ncolumns = { no = {}, pnl = { type = 'decimal' }, id = { stored = 'text' } }",
            ),
            vec!["datasets.x.columns.no", "datasets.x.columns.id.stored", "datasets.x.columns.pnl.type"],
        ),
        (
            dataset(
                "x",
                "table = 'trades'\nkey = ['id']\nfilters = { limit = { column = 'id', op = 'eq' }, min_pnl = { column = 'pn', op = 'min' }, symbol = 'overlaps', open = 'min', notes = { op = 'like' } }",
            ),
            vec![
                "datasets.x.filters.limit",
                "datasets.x.filters.min_pnl.column",
                "datasets.x.filters.notes",
                "datasets.x.filters.open",
                "datasets.x.filters.symbol",
            ],
        ),
    ];
    for (toml, paths) in cases {
        assert_eq!(wrong(dir.path(), &toml), paths, "{toml}");
    }
    let tenant = "[datasets.x]\nsource = 'journal'\ntable = 'trades'\nkey = ['id']\ntenant = 'owner'";
    assert_eq!(wrong(dir.path(), tenant), ["datasets.x.tenant"]);
    let source =
        "[sources.far]\nurl = 'mysql://x'\n[datasets.x]\nsource = 'near'\ntable = 't'\ntenant = 'none'\nkey = ['a']";
    assert_eq!(wrong(dir.path(), source), ["datasets.x.source", "sources.far.url"]);
    assert_eq!(wrong(dir.path(), "[sources.gone]\nurl = 'sqlite:/nowhere/at/all.db'"), ["sources.gone.url"]);
}

#[test]
fn unknown_members_and_a_silent_tenant_are_refused() {
    let parse = |toml: &str| toml::from_str::<DatasetsConfig>(toml).unwrap_err().to_string();
    let silent = parse("[datasets.x]\nsource = 'j'\ntable = 't'\nkey = ['id']");
    assert!(silent.contains("tenant"), "{silent}");
    let unknown = parse("[datasets.x]\nsource = 'j'\ntable = 't'\ntenant = 'none'\nkey = ['id']\nlimit = 3");
    assert!(unknown.contains("limit"), "{unknown}");
    let filter = parse(
        "[datasets.x]\nsource = 'j'\ntable = 't'\ntenant = 'none'\nkey = ['id']\nfilters = { a = { colum = 'b', op = 'eq' } }",
    );
    assert!(filter.contains("colum"), "{filter}");
}

const TAGGED: &str = r#"
[datasets.tagged]
source  = "journal"
table   = "tagged"
tenant  = "none"
key     = ["id"]
columns = { tags = { type = "json", elements = "text" }, numbers = { type = "json", elements = "int64" } }
filters = { tags = "overlaps", any_number = { column = "numbers", op = "overlaps" } }
"#;

#[tokio::test]
async fn arrays_are_searched_for_their_elements() {
    let dir = tempfile::tempdir().unwrap();
    let conn = journal(dir.path());
    conn.execute_batch(
        r#"CREATE TABLE tagged (id INTEGER PRIMARY KEY, tags TEXT, numbers TEXT);
           INSERT INTO tagged VALUES (1, '["a", "b"]', '[1, 2]'), (2, '["b,c", "5"]', '[]'), (3, '[]', '[5, null]'),
                                     (4, NULL, NULL), (5, '["a\u00e9", 5, ["a"]]', ' [ -9223372036854775808 ] ');"#,
    )
    .unwrap();
    let tagged = compile(dir.path(), TAGGED).unwrap().remove(0);
    for (body, found) in [
        (json!({"tags": "a"}), vec![1]),
        (json!({"tags": ["b", "b,c", "zz"]}), vec![1, 2]),
        (json!({"tags": "5"}), vec![2]),
        (json!({"tags": "aé"}), vec![5]),
        (json!({"tags": []}), vec![]),
        (json!({"any_number": 5}), vec![3]),
        (json!({"any_number": [2, i64::MIN]}), vec![1, 5]),
        (json!({"tags": "a", "any_number": [2, 5]}), vec![1]),
    ] {
        assert_eq!(ids(&tagged, body.clone()).await, found, "{body}");
    }
    for (body, pointer) in [(json!({"tags": [1]}), "/tags/0"), (json!({"any_number": "5"}), "/any_number")] {
        let error = rows(&tagged, body).await.unwrap_err();
        assert_eq!((error.kind(), error.violations()[0].pointer.as_str()), (ErrorKind::InvalidRequest, pointer));
    }
    for broken in ["'{}'", "'[1'", "7"] {
        conn.execute_batch(&format!("UPDATE tagged SET tags = {broken} WHERE id = 4")).unwrap();
        let error = rows(&tagged, json!({"tags": "a"})).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::SchemaDrift, "{broken}: {error}");
    }
}

#[test]
fn only_arrays_have_elements() {
    let dir = tempfile::tempdir().unwrap();
    journal(dir.path());
    let dataset = |rest: &str| {
        format!("[datasets.x]\nsource = 'journal'\ntable = 'trades'\nkey = ['id']\ntenant = 'none'\n{rest}")
    };
    let columns = dataset("columns = { symbol = { elements = 'text' }, extra = { elements = 'bool' } }");
    assert_eq!(
        wrong(dir.path(), &columns),
        ["datasets.x.columns.symbol.elements", "datasets.x.columns.extra.elements"]
    );
    assert_eq!(wrong(dir.path(), &dataset("filters = { extra = 'overlaps' }")), ["datasets.x.filters.extra"]);
}

/// A view tells nobody whether its keys are unique: what is left out by its identity takes no row with it that has the
/// same key.
#[tokio::test]
async fn rows_of_one_key_are_not_left_out_together() {
    let dir = tempfile::tempdir().unwrap();
    let conn = journal(dir.path());
    conn.execute_batch(
        "CREATE TABLE base (id INTEGER PRIMARY KEY, n INTEGER NOT NULL);
         INSERT INTO base VALUES (1, 1), (2, 2), (3, 2), (4, 4);
         CREATE VIEW twins AS SELECT * FROM base;",
    )
    .unwrap();
    let toml =
        "[datasets.twins]\nsource = 'journal'\ntable = 'twins'\ntenant = 'none'\nkey = ['n']\nidentity = ['id']\n";
    let twins = compile(dir.path(), toml).unwrap().remove(0);
    let body = json!({"selection": {"mode": "all_except", "ids": [{"id": 2}]}});
    let spec = twins.parse_rows(body.as_object().unwrap()).unwrap();
    let query = twins.query(&org("42"), &spec).unwrap();
    let plan = twins.source.plan(&twins.schema, &query, crate::fixture::settings(), Arc::new(|_| ())).await.unwrap();
    assert_eq!(plan.rows_matching, 3);
    assert_eq!(twins.source.count(&twins.schema, &query).await.unwrap().rows, 3);
}
