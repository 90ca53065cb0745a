//! The packs of `examples/`: their READMEs as they stand, and every dataset, filter and selection of theirs against
//! what Postgres says, cell by cell.

use std::collections::BTreeSet;
use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use offtake_testkit::{
    AppBuilder, Cells, Client, PgVersion, Postgres, Ran, Reader, TestApp, assert_same_rows, copy_dir, exported_rows,
    nulls_as_empty, python, run, scratch,
};
use serde_json::{Map, Value as Json, json};
use tempfile::TempDir;

use super::support::{OFFTAKE, id_of, json_rows, read};

const PSQL: &str = "/usr/lib/postgresql/15/bin/psql";

/// A pack in a copy of its folder, beside a server of Postgres that nobody else uses.
struct Pack {
    clone: TempDir,
    name: &'static str,
    database: &'static str,
    server: Postgres,
    config: toml::Table,
}

/// A request, and what it means in SQL about the columns of its dataset.
struct Case {
    dataset: &'static str,
    body: Json,
    sql: &'static str,
}

fn case(dataset: &'static str, body: Json, sql: &'static str) -> Case {
    Case { dataset, body, sql }
}

impl Pack {
    fn unpacked(name: &'static str, database: &'static str) -> Self {
        let clone = scratch("pack");
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples").join(name);
        let server = Postgres::own(PgVersion::V15);
        let folder = clone.path().join("examples").join(name);
        copy_dir(&source, &folder);
        // As the README says: where the server is not at the usual place, say so in the configuration.
        let path = folder.join("offtake.toml");
        let text = fs::read_to_string(&path).expect("a configuration");
        assert!(text.contains("127.0.0.1:5432"), "{text}");
        let text = text.replace("127.0.0.1:5432", &format!("127.0.0.1:{}", server.port()));
        fs::write(&path, &text).expect("the configuration can be written");
        let config = text.parse().expect("the configuration is TOML");
        Self { clone, name, database, server, config }
    }

    async fn loaded(name: &'static str, database: &'static str) -> Self {
        let pack = Self::unpacked(name, database);
        pack.server.execute(&format!("CREATE DATABASE {database} TEMPLATE template0"));
        for file in ["schema.sql", "data.sql"] {
            let file = pack.folder().join(file);
            pack.psql(&["-q", "-f", &file.to_string_lossy()]).await;
        }
        pack
    }

    fn folder(&self) -> PathBuf {
        self.clone.path().join("examples").join(self.name)
    }

    fn toml(&self) -> String {
        fs::read_to_string(self.folder().join("offtake.toml")).expect("a configuration")
    }

    async fn psql(&self, arguments: &[&str]) -> String {
        let url = format!(
            "{}?options=-ctimezone%3DUTC%20-cdatestyle%3DISO%20-cextra_float_digits%3D1",
            self.server.url(self.database)
        );
        let mut all = vec![&*url, "-X", "-A", "-t", "-v", "ON_ERROR_STOP=1"];
        all.extend(arguments);
        let ran = run(Path::new(PSQL), &all, self.clone.path()).await;
        assert_eq!(ran.code, Some(0), "{arguments:?}: {ran:?}");
        ran.stdout
    }

    fn dataset(&self, name: &str) -> &toml::Table {
        self.config["datasets"][name].as_table().expect("a dataset")
    }

    fn datasets(&self) -> Vec<String> {
        self.config["datasets"].as_table().expect("datasets").keys().cloned().collect()
    }

    fn list(&self, dataset: &str, key: &str) -> Option<Vec<String>> {
        let list = self.dataset(dataset).get(key)?.as_array()?;
        Some(list.iter().map(|name| name.as_str().expect("a column").to_owned()).collect())
    }

    fn identity(&self, dataset: &str) -> Vec<String> {
        self.list(dataset, "identity").or_else(|| self.list(dataset, "key")).expect("a key")
    }

    /// `SELECT … FROM …` of one organization, in the order of the key.
    fn select(&self, dataset: &str, org: &str, selected: &str, condition: &str) -> String {
        let described = self.dataset(dataset);
        let text = |key: &str| described.get(key).and_then(toml::Value::as_str);
        let org = format!("'{}'", org.replace('\'', "''"));
        let from = match (text("table"), text("query")) {
            (Some(table), None) => table.to_owned(),
            (None, Some(query)) => format!("({})", query.replace(":org", &org)),
            _ => panic!("a table or a query: {described}"),
        };
        let key = self.list(dataset, "key").expect("a key");
        let key: Vec<String> = key.iter().map(|name| format!("t.\"{name}\"")).collect();
        let tenant = text("tenant").expect("a tenant");
        format!(
            "SELECT {selected} FROM {from} t WHERE t.\"{tenant}\"::text = {org} AND ({condition}) ORDER BY {}",
            key.join(", ")
        )
    }

    /// The rows as Postgres has them: columns of the dataset, with the types they have in the file.
    async fn rows(&self, dataset: &str, org: &str, columns: &[(String, String)], condition: &str) -> Cells {
        let cells: Vec<String> = columns
            .iter()
            .map(|(name, ty)| match ty.as_str() {
                "timestamp" => {
                    format!("to_char(t.\"{name}\" AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')")
                }
                "json" => format!("to_json(t.\"{name}\")::text"),
                _ => format!("t.\"{name}\"::text"),
            })
            .collect();
        let select = self.select(dataset, org, &format!("json_build_array({})", cells.join(", ")), condition);
        let told = self.clone.path().join("told.jsonl");
        fs::write(&told, self.psql(&["-c", &select]).await).expect("rows can be written");
        let described: Vec<Json> = columns.iter().map(|(name, ty)| json!({"name": name, "type": ty})).collect();
        let ran = python("canon_cells.py", &[&json!(described).to_string(), &told.to_string_lossy()]).await;
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
        ran.stdout.lines().map(|line| serde_json::from_str(line).expect("canonical cells")).collect()
    }

    async fn number(&self, select: &str) -> u64 {
        self.psql(&["-c", select]).await.trim().parse().expect("a number")
    }

    /// The commands of the README, run as they stand in one shell, but for two things a test cannot have: a release
    /// build, and port 8080. Each command must succeed.
    async fn follow_readme(&self) -> Ran {
        let readme = fs::read_to_string(self.folder().join("README.md")).expect("a README");
        let commands = commands_of(&readme);
        let build = "cargo build --release\n";
        assert!(commands.starts_with(build), "{commands}");
        let bin = self.clone.path().join("target/release");
        fs::create_dir_all(&bin).expect("a folder");
        std::os::unix::fs::symlink(OFFTAKE, bin.join("offtake")).expect("a link");
        let listen = TcpListener::bind("127.0.0.1:0").and_then(|door| door.local_addr()).expect("a free port");
        let listen = listen.to_string();
        let commands = commands[build.len()..].replace("127.0.0.1:8080", &listen);
        let script = self.clone.path().join("readme.sh");
        let end = "trap 'kill $(jobs -p); wait || true' EXIT";
        fs::write(&script, format!("set -euo pipefail\n{end}\n{commands}")).expect("a script");
        let testenv = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/testenv/bin");
        let set = [
            format!("PATH={}:/usr/lib/postgresql/15/bin:/usr/local/bin:/usr/bin:/bin", testenv.display()),
            "PGHOST=127.0.0.1".to_owned(),
            format!("PGPORT={}", self.server.port()),
            "PGUSER=postgres".to_owned(),
            format!("OFFTAKE_SERVER__LISTEN={listen}"),
        ];
        let mut all: Vec<&str> = set.iter().map(String::as_str).collect();
        let script = script.to_string_lossy();
        all.extend(["bash", &script]);
        let ran = run(Path::new("env"), &all, self.clone.path()).await;
        assert_eq!(ran.code, Some(0), "{}\n{}", ran.stdout, ran.stderr);
        ran
    }

    /// Compares a file that lies beside its receipt with what Postgres says. How many rows there are.
    async fn check(&self, file: &Path, dataset: &str, org: &str, condition: &str) -> usize {
        let path = format!("{}.receipt.json", file.display());
        let receipt = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
        let receipt: Json = serde_json::from_str(&receipt).expect("a receipt");
        assert_eq!((&receipt["dataset"], &receipt["organization"]), (&json!(dataset), &json!(org)));
        let columns = columns_of(&receipt);
        let reader = match receipt["format"].as_str() {
            Some("csv") => Reader::PythonCsv,
            Some("parquet") => Reader::DuckDb,
            _ => Reader::PythonJson,
        };
        let (expected, found) =
            tokio::join!(self.rows(dataset, org, &columns, condition), exported_rows(reader, file, &receipt));
        let names: Vec<String> = columns.into_iter().map(|(name, _)| name).collect();
        let expected = if reader.knows_null() { expected } else { nulls_as_empty(&expected) };
        assert_same_rows(&format!("{dataset} of {org} where {condition}, {reader:?}"), &names, &expected, &found);
        assert_eq!(receipt["rows_written"], json!(found.len()), "{receipt}");
        found.len()
    }

    async fn check_beside(&self, file: &str, dataset: &str, org: &str, condition: &str) {
        let rows = self.check(&self.folder().join(file), dataset, org, condition).await;
        assert!(rows > 0, "the README shows no rows of {dataset}");
    }

    async fn app(&self) -> TestApp {
        let app = AppBuilder::new(OFFTAKE).set("worker.max_frame_rows", "100").with_tables(&self.toml());
        app.start().await
    }

    /// Exports and compares.
    async fn exported(&self, app: &TestApp, org: &str, dataset: &str, body: &Json, condition: &str) -> usize {
        let client = app.client(org).await;
        let job = client.export(dataset, body).await;
        let file = app.folder().join(format!("{}.file", id_of(&job)));
        fs::write(&file, client.download(id_of(&job)).await).expect("the file can be saved");
        let receipt = client.receipt(id_of(&job)).await;
        fs::write(format!("{}.receipt.json", file.display()), receipt.to_string()).expect("a receipt can be saved");
        self.check(&file, dataset, org, condition).await
    }

    /// Each dataset whole, for each organization, in every format for the first; nobody sees the rows of another.
    async fn whole(&self, app: &TestApp, orgs: &[&str]) {
        for dataset in self.datasets() {
            for (at, org) in orgs.iter().enumerate() {
                let total =
                    self.number(&format!("SELECT count(*) FROM ({}) n", self.select(&dataset, org, "1", "true"))).await;
                let formats: &[&str] = if at == 0 { &["csv", "jsonl", "parquet"] } else { &["jsonl"] };
                for format in formats {
                    let rows = self.exported(app, org, &dataset, &json!({"format": format}), "true").await;
                    assert_eq!(u64::try_from(rows).ok(), Some(total), "{dataset} of {org}");
                }
                let other = orgs[(at + 1) % orgs.len()];
                for foreign in self.some_identities(&dataset, other).await {
                    let body = json!({"format": "jsonl", "selection": {"mode": "partial", "ids": [foreign]}});
                    let job = app.client(org).await.export(&dataset, &body).await;
                    assert_eq!(job["row_count"], json!(0), "{dataset} of {other}");
                }
            }
        }
    }

    /// The first and the last row, as a selection names them.
    async fn some_identities(&self, dataset: &str, org: &str) -> Vec<Json> {
        let rows = self.psql(&["-c", &self.select(dataset, org, &self.as_identity(dataset), "true")]).await;
        let rows: Vec<Json> = rows.lines().map(|row| serde_json::from_str(row).expect("an identity")).collect();
        [rows.first(), rows.last()].into_iter().flatten().cloned().collect()
    }

    fn as_identity(&self, dataset: &str) -> String {
        let members: Vec<String> =
            self.identity(dataset).iter().map(|name| format!("'{name}', t.\"{name}\"")).collect();
        format!("jsonb_build_object({})", members.join(", "))
    }

    /// Both selections, of the first and the last row.
    async fn selections(&self, app: &TestApp, org: &str) {
        for dataset in self.datasets() {
            let ids = self.some_identities(&dataset, org).await;
            assert!(!ids.is_empty(), "{dataset} of {org} has no rows to select");
            let list: Vec<String> = ids.iter().map(|id| format!("'{}'", id.to_string().replace('\'', "''"))).collect();
            let (identity, list) = (self.as_identity(&dataset), list.join("::jsonb, "));
            for (mode, not) in [("partial", ""), ("all_except", "NOT ")] {
                let body = json!({"format": "csv", "selection": {"mode": mode, "ids": ids}});
                let condition = format!("{identity} {not}IN ({list}::jsonb)");
                self.exported(app, org, &dataset, &body, &condition).await;
            }
        }
    }

    /// Every filter of every dataset, each at least once, each leaving some rows and taking some.
    async fn filters(&self, app: &TestApp, org: &str, cases: &[Case]) {
        let client = app.client(org).await;
        for dataset in self.datasets() {
            let told = client.get(&format!("/api/v1/datasets/{dataset}")).await.expect(200).json();
            let all: BTreeSet<&str> = told["filters"]
                .as_array()
                .expect("filters")
                .iter()
                .filter_map(|filter| filter["name"].as_str())
                .collect();
            let cases = cases.iter().filter(|case| case.dataset == dataset);
            let tried: Map<String, Json> =
                cases.flat_map(|case| case.body.as_object().expect("an object").clone()).collect();
            let forgotten: Vec<_> = all.iter().filter(|name| !tried.contains_key(**name)).collect();
            assert!(forgotten.is_empty(), "{dataset}: {forgotten:?} are not tried");
        }
        for (at, case) in cases.iter().enumerate() {
            let mut body = case.body.clone();
            body["format"] = json!(["jsonl", "csv", "parquet"][at % 3]);
            let rows = self.exported(app, org, case.dataset, &body, case.sql).await;
            let count = client.post(&format!("/api/v1/datasets/{}/count", case.dataset), &case.body).await.expect(200);
            assert_eq!(count.json()["count"], json!(rows), "{}", case.body);
            let all = format!("SELECT count(*) FROM ({}) n", self.select(case.dataset, org, "1", "true"));
            let all = self.number(&all).await;
            assert!(rows > 0 && u64::try_from(rows).is_ok_and(|rows| rows < all), "{rows} of {all}: {}", case.body);
        }
    }
}

/// What stands in the shell blocks of a page.
fn commands_of(page: &str) -> String {
    let blocks = page.split("\n```sh\n").skip(1);
    blocks.map(|block| format!("{}\n", block.split_once("\n```").expect("a block ends").0)).collect()
}

/// The dataset's columns that a file has, with their types.
fn columns_of(receipt: &Json) -> Vec<(String, String)> {
    let columns = receipt["columns"].as_array().expect("columns");
    let fields = receipt["spec"]["fields"].as_array();
    let name = |at: usize, column: &Json| {
        let header = column["name"].as_str().expect("a header");
        let field = fields.and_then(|fields| fields.get(at));
        field.map_or(header, |field| field["name"].as_str().or(field.as_str()).expect("a field")).to_owned()
    };
    let ty = |column: &Json| column["type"].as_str().expect("a type").to_owned();
    columns.iter().enumerate().map(|(at, column)| (name(at, column), ty(column))).collect()
}

const SPRING: &str = "t.trade_date BETWEEN '2026-03-01' AND '2026-05-31' AND t.tag_ids && '{102,105}' \
                      AND t.status = 'closed' AND t.direction = 'long'";

#[tokio::test]
async fn the_readme_of_the_trading_journal_works() {
    let pack = Pack::unpacked("trading-journal", "journal");
    let ran = pack.follow_readme().await;
    assert!(ran.stdout.contains("BTCUSDT"), "DuckDB shows symbols: {}", ran.stdout);
    pack.check_beside("trades.csv.gz", "trades", "acme", &format!("{SPRING} AND t.id <> 502")).await;
    pack.check_beside("trades.parquet", "trades", "acme", SPRING).await;
    pack.check_beside("prop_evaluation.csv", "prop_evaluation", "acme", "true").await;
    pack.check_beside("daily_pnl.jsonl", "daily_pnl", "acme", "t.account_id = 12").await;
}

#[tokio::test]
async fn the_readme_of_the_customer_data_platform_works() {
    let pack = Pack::unpacked("customer-data-platform", "cdp");
    let ran = pack.follow_readme().await;
    assert!(ran.stdout.contains("EUR"), "DuckDB shows currencies: {}", ran.stdout);
    let users = "t.segment_ids && '{1,3}' AND t.email_consent AND t.lifetime_value >= 1000 \
                 AND t.last_seen_at >= '2025-09-01' AND t.user_id <> '612bf57f-a09d-d5c2-9924-402b3b531c95'";
    pack.check_beside("users.csv.gz", "users", "101", users).await;
    let orders = "t.event = 'Order Completed' AND t.occurred_at >= '2026-03-01' AND t.occurred_at < '2026-04-01' \
                  AND t.revenue >= 100";
    pack.check_beside("orders.parquet", "events", "101", orders).await;
    pack.check_beside("big-spenders.jsonl", "segments", "101", "t.segment_id = 1 AND t.is_member").await;
}

#[tokio::test]
async fn the_readme_of_the_llm_workbench_works() {
    let pack = Pack::unpacked("llm-workbench", "workbench");
    let ran = pack.follow_readme().await;
    assert!(ran.stdout.contains("Support bot"), "DuckDB shows projects: {}", ran.stdout);
    let prompts = "t.project_id = 1 AND t.model IN ('gpt-4o', 'claude-sonnet-4') AND t.cost_usd >= 0.001 \
                   AND t.started_at >= '2026-09-01' AND t.started_at < '2026-09-15' AND t.span_id <> 'b7eaa373191beeab'";
    pack.check_beside("prompts.jsonl.zst", "prompt_spans", "acme", prompts).await;
    pack.check_beside("errors.csv", "prompt_spans", "acme", "t.project_id = 2 AND t.status = 'ERROR'").await;
    pack.check_beside("experiments.parquet", "experiments", "acme", "true").await;
}

fn journal_cases() -> Vec<Case> {
    vec![
        case("trades", json!({"date_from": "2026-06-15"}), "t.trade_date >= '2026-06-15'"),
        case("trades", json!({"date_to": "2026-01-30"}), "t.trade_date <= '2026-01-30'"),
        case("trades", json!({"date_from": "2026-02-02", "date_to": "2026-02-02"}), "t.trade_date = '2026-02-02'"),
        case("trades", json!({"tag_ids": 101}), "101 = ANY (t.tag_ids)"),
        case("trades", json!({"tag_ids": [103, 106, 999]}), "t.tag_ids && '{103,106}'"),
        case("trades", json!({"instrument_id": [3, 8]}), "t.instrument_id IN (3, 8)"),
        case("trades", json!({"account_id": 12}), "t.account_id = 12"),
        case("trades", json!({"symbol": "7203.T"}), "t.symbol = '7203.T'"),
        case("trades", json!({"status": "open"}), "t.exit_price IS NULL AND t.closed_at IS NULL"),
        case("trades", json!({"status": ["open", "cancelled"]}), "t.status <> 'closed'"),
        case("trades", json!({"direction": "short"}), "t.direction = 'short'"),
        case("trades", json!({"min_pnl": "250.5"}), "t.pnl >= 250.5"),
        case("trades", json!({"max_pnl": -0.0001, "min_pnl": -100}), "t.pnl < 0 AND t.pnl >= -100"),
        case("trades", json!({"text": "bERZEUGUNG"}), "t.notes LIKE '%Überzeugung%'"),
        case("trades", json!({"text": "TEXTBOOK"}), "t.notes LIKE '%textbook%'"),
        case("trades", json!({"text": "損切り"}), "t.notes LIKE '損%'"),
        case(
            "trades",
            json!({"start_time": "2026-03-01T12:30:00Z", "end_time": "2026-03-15T00:00:00+02:00"}),
            "t.opened_at >= '2026-03-01 12:30Z' AND t.opened_at < '2026-03-14 22:00Z'",
        ),
        case("goals", json!({"account_id": 11}), "t.account_id = 11"),
        case("goals", json!({"metric": ["win_rate", "trade_count"]}), "t.metric <> 'net_pnl'"),
        case("goals", json!({"is_reached": true}), "t.reached >= t.target"),
        case(
            "goals",
            json!({"active_from": "2026-05-01", "active_to": "2026-03-31"}),
            "t.ends_on >= '2026-05-01' AND t.starts_on < '2026-04-01'",
        ),
        case(
            "daily_pnl",
            json!({"date_from": "2026-02-01", "date_to": "2026-02-28"}),
            "t.trade_date >= '2026-02-01' AND t.trade_date < '2026-03-01'",
        ),
        case("daily_pnl", json!({"account_id": [11]}), "t.account_id = 11"),
        case("daily_pnl", json!({"min_net_pnl": 0}), "t.net_pnl >= 0"),
        case("tag_performance", json!({"tag_ids": [101, 104]}), "t.tag = 'breakout' OR t.tag LIKE 'revenge%'"),
        case(
            "tag_performance",
            json!({"date_from": "2026-03-01", "date_to": "2026-05-31"}),
            "t.month IN ('2026-03-01', '2026-04-01', '2026-05-01')",
        ),
        case("tag_performance", json!({"min_trades": 18}), "t.trades >= 18"),
        case("prop_evaluation", json!({"account_id": 12}), "t.account = 'Prop challenge'"),
        case("prop_evaluation", json!({"program": ["FTMO 100K", "none"]}), "t.program LIKE 'FTMO%'"),
        case("prop_evaluation", json!({"phase": "funded"}), "t.profit_target IS NULL"),
        case("prop_evaluation", json!({"status": ["passed", "active"]}), "t.status <> 'failed'"),
        case("prop_evaluation", json!({"alerts": ["drawdown_near", "no_trades"]}), "t.alerts && '{drawdown_near}'"),
        case("prop_evaluation", json!({"min_progress": 100}), "t.cumulative_profit >= t.profit_target"),
    ]
}

#[tokio::test]
async fn the_trading_journal_is_what_postgres_says() {
    let pack = Pack::loaded("trading-journal", "journal").await;
    let app = pack.app().await;
    pack.whole(&app, &["acme", "nordlicht", "tokyo", "empty"]).await;
    for org in ["acme", "nordlicht"] {
        pack.selections(&app, org).await;
    }
    pack.filters(&app, "acme", &journal_cases()).await;
}

/// The figures of an evaluation, by other means than the pack's query.
#[tokio::test]
async fn evaluations_say_how_far_they_are() {
    let pack = Pack::loaded("trading-journal", "journal").await;
    let app = pack.app().await;
    let client = app.client("nordlicht").await;
    let job = client.export("prop_evaluation", &json!({"format": "jsonl"})).await;
    let rows = json_rows(&client, &job).await;
    assert_eq!(rows.len(), 3);
    let running = rows.iter().find(|row| row["id"] == 5).expect("evaluation 5");
    let from = "FROM trades WHERE account_id = 22 AND status = 'closed' AND trade_date >= '2026-04-20'";
    let told = |what: &'static str| {
        let select = format!("SELECT {what} {from}");
        let pack = &pack;
        async move { pack.psql(&["-c", &select]).await.lines().next().map(number) }
    };
    assert_eq!((&running["phase"], &running["status"]), (&json!("phase_1"), &json!("active")));
    assert_eq!(figure(&running["cumulative_profit"]), told("sum(pnl)").await);
    assert_eq!(figure(&running["profit_target"]), told("10000").await);
    assert_eq!(figure(&running["progress_percent"]), told("round(sum(pnl) / 100, 2)").await);
    assert_eq!(figure(&running["remaining_profit"]), told("10000 - sum(pnl)").await);
    assert_eq!(figure(&running["trading_days"]), told("count(DISTINCT trade_date)").await);
    // The last day ended with a loss, so less than the whole day's limit is left.
    let lost = told("sum(pnl) FILTER (WHERE trade_date = '2026-10-20')").await;
    assert!(lost.is_some_and(|lost| lost < 0.0), "{lost:?}");
    assert_eq!(figure(&running["last_day_pnl"]), lost);
    let left = told("5000 + sum(pnl) FILTER (WHERE trade_date = '2026-10-20')").await;
    assert_eq!(figure(&running["remaining_daily_loss"]), left);
    let idle = rows.iter().find(|row| row["id"] == 6).expect("evaluation 6");
    assert_eq!((&idle["alerts"], &idle["trading_days"]), (&json!(["no_trades"]), &json!(0)));
    assert_eq!((&idle["last_day"], figure(&idle["remaining_drawdown"])), (&Json::Null, Some(10_000.0)));
}

/// A decimal of a JSON row.
fn figure(cell: &Json) -> Option<f64> {
    cell.as_f64().or_else(|| cell.as_str().map(number))
}

fn number(text: &str) -> f64 {
    text.trim().parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn platform_cases() -> Vec<Case> {
    let user = "612bf57f-a09d-d5c2-9924-402b3b531c95";
    vec![
        case("segments", json!({"segment_id": 3}), "t.kind = 'manual'"),
        case("segments", json!({"segment_ids": [1, 2]}), "t.kind = 'computed'"),
        case("segments", json!({"user_id": user}), "t.user_id = '612bf57f-a09d-d5c2-9924-402b3b531c95'"),
        case("segments", json!({"is_member": true}), "t.left_at IS NULL"),
        case(
            "segments",
            json!({"left": {"from": "2025-10-01T00:00:00Z", "to": "2025-11-01T00:00:00Z"}}),
            "t.left_at >= '2025-10-01' AND t.left_at < '2025-11-01'",
        ),
        case("segments", json!({"end_time": "2025-09-01T00:00:00Z"}), "t.entered_at < '2025-09-01'"),
        case("users", json!({"user_id": user.to_uppercase()}), "t.user_id = '612bf57f-a09d-d5c2-9924-402b3b531c95'"),
        case(
            "users",
            json!({"user_ids": [user, "no-uuid", "ffffffff-0000-0000-0000-000000000000"]}),
            "t.user_id = '612bf57f-a09d-d5c2-9924-402b3b531c95'",
        ),
        case(
            "users",
            json!({"external_id": ["ext-101-000001", "ext-101-000002"]}),
            "t.external_id IN ('ext-101-000001', 'ext-101-000002')",
        ),
        case("users", json!({"country": ["DE", "JP"]}), "t.time_zone IN ('Europe/Berlin', 'Asia/Tokyo')"),
        case("users", json!({"plan": "business"}), "t.plan = 'business'"),
        case("users", json!({"email_consent": false}), "NOT t.email_consent"),
        case("users", json!({"segment_ids": [2, 3]}), "t.segment_ids && '{2,3}'"),
        case(
            "users",
            json!({"born": {"from": "1980-01-01", "to": "1990-01-01"}}),
            "extract(year FROM t.birthday) BETWEEN 1980 AND 1989",
        ),
        case("users", json!({"last_seen": {"to": "2025-08-01T00:00:00Z"}}), "t.last_seen_at < '2025-08-01'"),
        case("users", json!({"min_lifetime_value": "49000.01"}), "t.lifetime_value > 49000"),
        case("users", json!({"max_lifetime_value": 0}), "t.lifetime_value = 0"),
        case("users", json!({"text": "ltd.\""}), "t.traits ? 'company'"),
        case("users", json!({"text": "佐藤"}), "t.name LIKE '%佐藤%' OR t.company LIKE '%佐藤%'"),
        case("events", json!({"event": ["Signed Up", "Logged Out"]}), "t.event IN ('Signed Up', 'Logged Out')"),
        case(
            "events",
            json!({"user_id": "a2d9f025-7412-83e2-5cd6-6cbd9df9eb8d"}),
            "t.user_id = 'a2d9f025-7412-83e2-5cd6-6cbd9df9eb8d'",
        ),
        case(
            "events",
            json!({"anonymous_id": "ec1c7882183e957c4a10fd14f0f97686"}),
            "t.anonymous_id = 'ec1c7882183e957c4a10fd14f0f97686'",
        ),
        case(
            "events",
            json!({"labels": ["beta", "übergroß, mit Komma"]}),
            "t.labels && ARRAY['beta', 'übergroß, mit Komma']",
        ),
        case(
            "events",
            json!({"received": {"from": "2026-02-01T00:00:00Z"}, "end_time": "2026-02-02T00:00:00Z"}),
            "t.received_at >= '2026-02-01' AND t.occurred_at < '2026-02-02'",
        ),
        case("events", json!({"min_revenue": 250}), "t.revenue >= 250"),
        case("events", json!({"currency": "EUR"}), "t.event = 'Order Completed'"),
        case("events", json!({"text": "größe"}), "t.properties ->> 'title' LIKE 'Größe%'"),
    ]
}

#[tokio::test]
async fn the_customer_data_platform_is_what_postgres_says() {
    let pack = Pack::loaded("customer-data-platform", "cdp").await;
    let app = pack.app().await;
    pack.whole(&app, &["101", "102", "103"]).await;
    pack.selections(&app, "102").await;
    pack.filters(&app, "101", &platform_cases()).await;
}

#[tokio::test]
async fn events_are_those_of_the_moment_they_were_counted() {
    let pack = Pack::loaded("customer-data-platform", "cdp").await;
    let app = pack.app().await;
    let client = app.client("101").await;
    let body = json!({"event": "Signed Up"});
    let counted = client.post("/api/v1/datasets/events/count", &body).await.expect(200).json();
    // An old time, so that it would stand in the middle of the file.
    let late = "INSERT INTO events (workspace_id, event, occurred_at, received_at) \
                VALUES (101, 'Signed Up', '2026-02-01', now())";
    pack.psql(&["-q", "-c", late]).await;
    let then = json!({"event": "Signed Up", "as_of": counted["as_of"], "format": "csv"});
    let sql = "t.event = 'Signed Up' AND t.event_id <= 12000";
    assert_eq!(json!(pack.exported(&app, "101", "events", &then, sql).await), counted["count"]);
    let now = json!({"event": "Signed Up", "format": "csv"});
    let rows = pack.exported(&app, "101", "events", &now, "t.event = 'Signed Up'").await;
    assert_eq!(json!(rows - 1), counted["count"]);
}

fn workbench_cases() -> Vec<Case> {
    vec![
        case(
            "prompt_spans",
            json!({"trace_ids": ["78fdc75d871f3ab179a9dd7cadfd5e61", "no"]}),
            "t.trace_id LIKE '78fdc75d871f3ab1%'",
        ),
        case("prompt_spans", json!({"project_id": 2}), "t.project = 'Summaries'"),
        case(
            "prompt_spans",
            json!({"document_uuid": "98987710-8eb6-7510-4ee8-bd6c49426c75"}),
            "t.project_id = 1 AND t.document_path = 'answer'",
        ),
        case(
            "prompt_spans",
            json!({"commit_uuid": "6c9021bb-3602-f65f-5f0f-b7f8ea113ccc"}),
            "t.project_id = 1 AND t.commit_version IS NULL",
        ),
        case(
            "prompt_spans",
            json!({"commit_uuids": ["6c9021bb-3602-f65f-5f0f-b7f8ea113ccc", "06dda27d-7f46-f260-2331-8c64d9ba628a"]}),
            "t.project_id = 1 AND t.is_draft OR t.project_id = 2 AND t.commit_version = 3",
        ),
        case(
            "prompt_spans",
            json!({"experiment_uuids": ["EXPERIMENT"]}),
            "t.project_id = 1 AND t.experiment LIKE 'Experiment 2%'",
        ),
        case(
            "prompt_spans",
            json!({"test_deployment_ids": [11, 22]}),
            "t.test_deployment_kind = CASE t.project_id WHEN 1 THEN 'shadow' ELSE 'ab' END",
        ),
        case(
            "prompt_spans",
            json!({"created_at": {"from": "2026-09-03T00:00:00Z", "to": "2026-09-04T00:00:00Z"}}),
            "t.started_at::date = '2026-09-03'",
        ),
        case("prompt_spans", json!({"status": "ERROR"}), "t.completion_span_id IS NULL"),
        case("prompt_spans", json!({"provider": "anthropic"}), "t.model LIKE 'claude%'"),
        case("prompt_spans", json!({"model": ["gpt-4o", "none"]}), "t.model = 'gpt-4o'"),
        case("prompt_spans", json!({"labels": "übersetzt, geprüft"}), "cardinality(t.labels) = 2"),
        case("prompt_spans", json!({"is_draft": false}), "t.commit_version IS NOT NULL"),
        case(
            "prompt_spans",
            json!({"min_cost": "0.005000001", "max_cost": 0.006}),
            "t.cost_usd > 0.005 AND t.cost_usd <= 0.006",
        ),
        case("prompt_spans", json!({"min_duration_ms": 5000}), "t.ended_at - t.started_at >= interval '5 seconds'"),
        case("prompt_spans", json!({"min_tokens": 3000}), "t.prompt_tokens + t.completion_tokens >= 3000"),
        case("prompt_spans", json!({"text": "BESTELLUNG"}), "t.response LIKE '%Bestellung%'"),
        case("prompt_spans", json!({"text": "müll"}), "t.document_path LIKE 'müll%'"),
        case("experiments", json!({"experiment_uuids": ["EXPERIMENT"]}), "t.project_id = 1 AND t.name LIKE '%2%'"),
        case("experiments", json!({"project_id": 2}), "t.project = 'Summaries'"),
        case("experiments", json!({"evaluations": ["tone, politeness"]}), "t.evaluations[2] IS NOT NULL"),
        case("experiments", json!({"models": "gpt-4o", "evaluations": "exactness"}), "t.evaluations <> '{}'"),
        case("experiments", json!({"min_cost": "0.6"}), "t.cost_usd >= 0.6"),
    ]
}

#[tokio::test]
async fn the_llm_workbench_is_what_postgres_says() {
    let pack = Pack::loaded("llm-workbench", "workbench").await;
    let app = pack.app().await;
    pack.whole(&app, &["acme", "zürich", "empty"]).await;
    pack.selections(&app, "zürich").await;
    let second = pack.psql(&["-c", "SELECT uuid FROM experiments WHERE project_id = 1 AND name LIKE '% 2%'"]).await;
    let mut cases = workbench_cases();
    for case in &mut cases {
        if let Some(experiments) = case.body.get_mut("experiment_uuids") {
            *experiments = json!([second.trim()]);
        }
    }
    pack.filters(&app, "acme", &cases).await;
}

#[tokio::test]
async fn a_configuration_that_does_not_fit_the_database_says_where() {
    let pack = Pack::loaded("trading-journal", "journal").await;
    let folder = pack.folder();
    let check = || run(Path::new(OFFTAKE), &["config", "check"], &folder);
    let good = check().await;
    assert_eq!(good.code, Some(0), "{good:?}");
    for dataset in pack.datasets() {
        assert!(good.stdout.contains(&dataset), "{dataset}: {good:?}");
    }
    pack.psql(&["-q", "-c", "ALTER TABLE trades RENAME COLUMN risk TO hazard"]).await;
    let bad = check().await;
    assert_eq!(bad.code, Some(2), "{bad:?}");
    assert!(bad.stderr.contains("datasets.trades") && bad.stderr.contains("risk"), "{bad:?}");
}

/// A writer rewrites every trade again and again, and moves half of them to the other end of the key, each time in one
/// transaction. Whatever is exported meanwhile is one of these versions, with every row once.
#[tokio::test]
async fn a_journal_that_changes_meanwhile_is_exported_as_it_was_at_one_moment() {
    let pack = Pack::loaded("trading-journal", "journal").await;
    pack.psql(&["-q", "-c", "UPDATE trades SET notes = 'version 0'"]).await;
    let app = AppBuilder::new(OFFTAKE).set("worker.max_frame_rows", "64").with_tables(&pack.toml()).start().await;
    let client = app.client("acme").await;
    let stop = Arc::new(AtomicBool::new(false));
    let writer = tokio::spawn(rewrite(pack.server.url("journal"), pack.clone.path().to_owned(), Arc::clone(&stop)));
    let mut versions = BTreeSet::new();
    for _ in 0..6 {
        versions.insert(one_version(&app, &client).await);
    }
    stop.store(true, Ordering::Relaxed);
    let written = writer.await.expect("the writer does not fail");
    assert!(versions.len() > 1, "nothing changed meanwhile: {versions:?} of {written}");
    assert!(versions.last().is_some_and(|last| *last <= written), "{versions:?} of {written}");
}

async fn rewrite(url: String, folder: PathBuf, stop: Arc<AtomicBool>) -> u32 {
    let mut version = 0;
    while !stop.load(Ordering::Relaxed) {
        version += 1;
        let sign = if version % 2 == 0 { '-' } else { '+' };
        let update = format!(
            "UPDATE trades SET notes = 'version {version}', opened_at = opened_at {sign} \
             CASE WHEN id % 2 = 0 THEN interval '1 year' ELSE '0' END, \
             closed_at = closed_at {sign} CASE WHEN id % 2 = 0 THEN interval '1 year' ELSE '0' END"
        );
        let ran = run(Path::new(PSQL), &[&*url, "-X", "-q", "-v", "ON_ERROR_STOP=1", "-c", &update], &folder).await;
        assert_eq!(ran.code, Some(0), "{ran:?}");
    }
    version
}

/// Exports all trades; the version they all are.
async fn one_version(app: &TestApp, client: &Client) -> u32 {
    let body = json!({"format": "jsonl", "fields": ["id", "notes", "opened_at", "fills"]});
    let job = client.export("trades", &body).await;
    let (_, rows) = read(app, client, Reader::PythonJson, &job).await;
    let ids: BTreeSet<&str> = rows.iter().filter_map(|row| row[0].as_deref()).collect();
    assert_eq!((ids.len(), rows.len()), (840, 840), "a row is there twice, or not at all");
    let versions: BTreeSet<&str> = rows.iter().filter_map(|row| row[1].as_deref()).collect();
    assert_eq!(versions.len(), 1, "rows of several moments: {versions:?}");
    let version = versions.first().and_then(|version| version.strip_prefix("version ")).expect("a version");
    version.parse().expect("a number")
}
