//! What only Postgres can get wrong: snapshots, late commits, types, drift.

use std::sync::Arc;

use arrow::array::{Array, AsArray};
use arrow::datatypes::{Date32Type, Decimal128Type, Float64Type, Int64Type, TimestampMicrosecondType};
use arrow::record_batch::RecordBatch;
use futures::TryStreamExt as _;
use jiff::Timestamp;
use offtake_datasets::config::DatasetsConfig;
use offtake_datasets::{Dataset, FacetRequest, PageRequest, PlanSettings};
use offtake_model::budget::MemoryBudget;
use offtake_model::clock::{ManualClock, SharedClock};
use offtake_model::dataset::{ColumnType, RowsMode};
use offtake_model::query::{Chosen, Predicate, RowQuery, Test};
use offtake_model::value::Value;
use offtake_model::{ErrorKind, Result};
use offtake_testkit::{Database, PgVersion, Postgres};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::json;

use crate::fixture::{Bench, Item, everything, insert_into, many, numbers, org, settings, settle};

/// Rows with one timestamp, or with several within one millisecond.
fn crowded(count: i64, microseconds: i64) -> Vec<Item> {
    let at = |seq: i64| 1_794_607_391_787_000 + seq % microseconds;
    many(count).into_iter().map(|item| Item { at: at(item.seq), ..item }).collect()
}

fn in_key_order(items: &[Item]) -> Vec<i64> {
    let mut items: Vec<&Item> = items.iter().collect();
    items.sort_by_key(|item| (item.at, &item.trace, &item.span));
    items.into_iter().map(|item| item.seq).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn ties_and_microseconds_lose_nothing() {
    let query = everything(Chosen::All);
    let window = |bound| Predicate { columns: vec!["at".to_owned()], test: bound };
    let from = window(Test::AtLeast(Value::Timestamp(1_794_607_391_787_000)));
    for (items, sizes) in [(crowded(10_000, 1), &[499, 500, 501][..]), (crowded(1_000, 1_000), &[1, 2, 499, 500, 501])]
    {
        let bench = Bench::postgres(&items, RowsMode::AppendOnly);
        let expected = in_key_order(&items);
        for size in sizes {
            assert_eq!(bench.leaf(&query, None, *size).await, expected, "pages of {size}");
        }
        for predicates in [Vec::new(), vec![from.clone()]] {
            let query = RowQuery { predicates, ..query.clone() };
            assert_eq!(bench.export(&query, settings()).await.unwrap().1, expected);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_rows_are_left_out_and_found() {
    let items = many(12_000);
    let bench = Bench::postgres(&items, RowsMode::AppendOnly);
    let id = |item: &Item| vec![Value::Text(item.trace.clone()), Value::Text(item.span.clone())];
    let ids: Arc<[_]> = items.iter().take(10_000).map(id).collect();
    let settings = PlanSettings { max_frame_rows: 1_024, ..settings() };
    let (plan, mut read) = bench.export(&everything(Chosen::AllExcept(ids.clone())), settings).await.unwrap();
    assert_eq!((plan.rows_matching, plan.cuts.len()), (2_000, 2));
    read.sort_unstable();
    assert_eq!(read, (10_001..=12_000).collect::<Vec<i64>>());
    assert_eq!(bench.export(&everything(Chosen::Only(ids)), settings).await.unwrap().0.rows_matching, 10_000);
}

/// Also where these share the beginning of their keys with others, and for whoever opens the plan a second time.
#[tokio::test(flavor = "multi_thread")]
async fn rows_are_left_out_of_every_range() {
    for (mode, spread) in [(RowsMode::AppendOnly, 1), (RowsMode::AppendOnly, 7), (RowsMode::Mutable, 1_000)] {
        let items = crowded(3_000, spread);
        let bench = Bench::postgres(&items, mode);
        let id = |item: &Item| vec![Value::Text(item.trace.clone()), Value::Text(item.span.clone())];
        let mut ids: Vec<_> = items.iter().filter(|item| item.seq % 3 == 0).map(id).collect();
        ids.extend((0..200).map(|other| vec![Value::Text(format!("{other:032x}")), Value::Text("nobody".to_owned())]));
        let ids: Arc<[_]> = ids.into();
        let expected: Vec<i64> = in_key_order(&items).into_iter().filter(|seq| seq % 3 != 0).collect();
        for limit in [None, Some(1_111)] {
            let settings = PlanSettings { limit, max_frame_rows: 64, ..settings() };
            let query = everything(Chosen::AllExcept(ids.clone()));
            let (plan, read) = bench.export(&query, settings).await.unwrap();
            assert!(plan.cuts.len() > 10, "{}", plan.cuts.len());
            let expected = &expected[..limit.map_or(2_000, |limit| limit as usize)];
            assert_eq!(read, expected, "{mode:?} {spread} {limit:?}");
            if mode != RowsMode::Mutable {
                assert_eq!(bench.read(&query, &plan).await.unwrap(), expected);
            }
        }
    }
}

/// What is left out by its key takes nothing else with it.
#[tokio::test(flavor = "multi_thread")]
async fn rows_without_a_key_of_their_own_are_not_left_out_with_others() {
    let (database, _server) = empty();
    database.execute(
        "CREATE TABLE t (id int NOT NULL, n int UNIQUE); INSERT INTO t SELECT n, n FROM generate_series(1, 30) n;
         CREATE TABLE u (id int NOT NULL, n int NOT NULL); INSERT INTO u SELECT n, n FROM generate_series(1, 30) n;
         CREATE VIEW v AS SELECT * FROM u",
    );
    let dataset = |table: &str| {
        format!(
            "[datasets.{table}]\nsource = 'pg'\ntable = '{table}'\ntenant = 'none'\nkey = ['n']\nidentity = ['id']\n"
        )
    };
    let datasets = compile(&database, &format!("{}{}", dataset("t"), dataset("v"))).await.unwrap();
    database.execute("INSERT INTO t VALUES (31, NULL), (32, NULL); INSERT INTO u VALUES (31, 5), (32, 6)");
    let planned = async |dataset: &Dataset, ids: &[i64]| {
        let ids = ids.iter().map(|id| vec![Value::Int(*id)]).collect();
        let query = everything(Chosen::AllExcept(ids));
        dataset.source.plan(&dataset.schema, &query, settings(), Arc::new(|_| ())).await
    };
    let without = [1, 2, 3, 4, 5, 7, 8, 9, 10, 31];
    let [nulls, twins] = &datasets[..] else { panic!("two datasets") };
    assert_eq!(planned(nulls, &without).await.unwrap_err().kind(), ErrorKind::SchemaDrift, "32 would be lost");
    assert_eq!(planned(twins, &without).await.unwrap().rows_matching, 22);
    assert_eq!(planned(twins, &without[..9]).await.unwrap().rows_matching, 23, "31 has the key of 5");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mutable_dataset_is_read_as_it_was_counted() {
    let bench = Bench::postgres(&many(300), RowsMode::Mutable);
    let query = everything(Chosen::All);
    let plan = bench.plan(&query, settings()).await;
    bench.database().execute("UPDATE items SET at = now(); DELETE FROM items WHERE seq > 10");
    let budget = MemoryBudget::new(64 << 20);
    let count = async |index| {
        let reader = bench.open(&query, &plan).await;
        let pieces: Vec<_> = reader.read(index, &budget).try_collect().await.unwrap();
        pieces.iter().map(|(batch, _)| batch.num_rows()).sum::<usize>()
    };
    // The second reading takes up the snapshot that the first put back.
    assert_eq!((count(3).await, count(0).await), (64, 64));
    bench.database().execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE state = 'idle in transaction' AND datname = current_database()",
    );
    let lost = bench.source.open(&bench.schema, &query, &plan, &["seq".to_owned()], 1).await.unwrap_err();
    assert_eq!(lost.kind(), ErrorKind::RowsChanged);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_stops_when_nobody_waits_for_it() {
    let bench = Bench::postgres(&many(10), RowsMode::Mutable);
    let running = || {
        let sql = "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%FROM items%' \
                   AND datname = current_database() AND pid <> pg_backend_pid()";
        bench.database().rows(sql)[0][0].clone().unwrap()
    };
    let (client, connection) = tokio_postgres::connect(&bench.database().url(), tokio_postgres::NoTls).await.unwrap();
    let driver = tokio::spawn(connection);
    client.batch_execute("BEGIN; LOCK TABLE items IN ACCESS EXCLUSIVE MODE").await.unwrap();
    let query = everything(Chosen::All);
    let counted =
        tokio::time::timeout(std::time::Duration::from_millis(300), bench.source.count(&bench.schema, &query));
    assert!(counted.await.is_err());
    let asked = FacetRequest {
        columns: vec!["note".to_owned()],
        limit: 3,
        wait: std::time::Duration::from_secs(60),
        patience: std::time::Duration::from_millis(300),
    };
    let found = bench.source.facets(&bench.schema, &query, &asked).await.unwrap();
    assert_eq!((found.exact, found.rows), (false, 0), "what is known in time is the answer");
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
    while running() != "0" {
        assert!(std::time::Instant::now() < deadline, "the statement still runs");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    client.batch_execute("ROLLBACK").await.unwrap();
    drop(client);
    driver.await.unwrap().unwrap();
    assert_eq!(bench.source.count(&bench.schema, &query).await.unwrap().rows, 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn facets_that_cannot_begin_in_time_are_refused() {
    let bench = Bench::postgres(&many(10), RowsMode::Mutable);
    let (wait, patience) = (std::time::Duration::ZERO, std::time::Duration::from_secs(60));
    let asked = FacetRequest { columns: vec!["note".to_owned()], limit: 3, wait, patience };
    let query = everything(Chosen::All);
    // No server answers before it is asked.
    let refused = bench.source.facets(&bench.schema, &query, &asked).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Unavailable);
    let asked = FacetRequest { wait: patience, ..asked };
    let found = bench.source.facets(&bench.schema, &query, &asked).await.unwrap();
    assert_eq!((found.exact, found.rows), (true, 10));
}

/// Writers that take their numbers early, commit late, nest and give up, while moments are taken: none of these
/// moments ever changes, each holds all before it, and the last holds everything.
#[tokio::test(flavor = "multi_thread")]
async fn late_commits_are_in_no_moment_that_was_handed_out() {
    let bench = Bench::postgres(&[], RowsMode::AppendOnly);
    let mut writers = Vec::new();
    for _ in 0..4 {
        let (client, connection) =
            tokio_postgres::connect(&bench.database().url(), tokio_postgres::NoTls).await.unwrap();
        writers.push((client, tokio::spawn(connection), false));
    }
    let mut random = StdRng::seed_from_u64(7);
    let (mut next, mut moments) = (0_i64, Vec::new());
    let query = everything(Chosen::All);
    while moments.len() < 1_000 {
        let writer = random.random_range(0..writers.len());
        let (client, _, open) = &mut writers[writer];
        match random.random_range(0..6) {
            0 | 1 => {
                if !*open {
                    client.batch_execute("BEGIN").await.unwrap();
                    *open = true;
                }
                next += 1;
                let nested = random.random_range(0..3) == 0;
                let insert = format!(
                    "INSERT INTO items (seq, org, at, trace_id, span) VALUES ({next}, 'acme', timestamptz 'epoch' + interval '{} s', 't{next}', 's')",
                    random.random_range(0..50)
                );
                let sql = if nested { format!("SAVEPOINT s; {insert}; RELEASE s") } else { insert };
                client.batch_execute(&sql).await.unwrap();
            }
            2 if *open => {
                client.batch_execute(if random.random_range(0..5) == 0 { "ROLLBACK" } else { "COMMIT" }).await.unwrap();
                *open = false;
            }
            _ => moments.push(bench.source.count(&bench.schema, &query).await.unwrap()),
        }
    }
    for (client, driver, open) in writers {
        if open {
            client.batch_execute("COMMIT").await.unwrap();
        }
        drop(client);
        driver.await.unwrap().unwrap();
    }
    assert!(moments.windows(2).all(|two| two[0].rows <= two[1].rows));
    for moment in &moments {
        let then = RowQuery { as_of: Some(moment.as_of), ..query.clone() };
        assert_eq!(bench.source.count(&bench.schema, &then).await.unwrap(), *moment);
    }
    settle(bench.database());
    let all = bench.database().rows("SELECT count(*) FROM items")[0][0].clone().unwrap();
    assert_eq!(bench.source.count(&bench.schema, &query).await.unwrap().rows.to_string(), all);
    // What came between two moments is in the later one, and whole.
    let mut seen: Vec<i64> = Vec::new();
    for moment in moments.iter().step_by(100) {
        let then = RowQuery { as_of: Some(moment.as_of), ..query.clone() };
        let read = bench.leaf(&then, None, 500).await;
        assert!(read.len() as u64 == moment.rows && seen.iter().all(|seq| read.contains(seq)));
        seen = read;
    }
}

fn empty() -> (Database, Postgres) {
    let server = Postgres::shared(PgVersion::V15);
    (server.database(), server)
}

async fn compile(database: &Database, datasets: &str) -> Result<Vec<Dataset>> {
    let toml = format!("[sources.pg]\nurl = \"{}\"\n{datasets}", database.url());
    let config: DatasetsConfig = toml::from_str(&toml).unwrap();
    let clock: SharedClock = ManualClock::starting_at(Timestamp::UNIX_EPOCH);
    tokio::task::spawn_blocking(move || config.compile(&clock)).await.unwrap()
}

async fn page(dataset: &Dataset, caller: &str, body: serde_json::Value) -> Result<RecordBatch> {
    let spec = dataset.parse_rows(body.as_object().unwrap())?;
    let query = dataset.query(&org(caller), &spec)?;
    let columns = dataset.schema.columns.iter().map(|column| column.name.clone()).collect();
    let page = PageRequest { columns, sort: None, limit: 100, cursor: None };
    Ok(dataset.source.page(&dataset.schema, &query, &page).await?.rows)
}

const TYPES: &str = "
    SET TimeZone = 'UTC';
    CREATE TYPE mood AS ENUM ('sad', 'happy');
    CREATE DOMAIN price AS numeric(10,2);
    CREATE TABLE types (id int PRIMARY KEY, small smallint, big bigint, single real, double float8, exact numeric(38,10),
        price price, loose numeric, flag bool, label varchar(9), padded char(4), uuid uuid, doc json, docb jsonb,
        seen timestamptz, local timestamp, day date, clock time, clockz timetz, span interval, bytes bytea, mood mood,
        nums int[], words text[], range int4range, addr inet, bits bit(3), row_ point);
    INSERT INTO types VALUES
      (1, -32768, 9223372036854775807, 0.1, 1e300, 1234567890123456789012345678.0123456789, -0.01, '1e-20', true, 'x', 'ab',
       'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11', '{\"b\": 1,  \"a\": [1.10]}', '{\"b\": 1, \"a\": [1.10]}', '2026-10-01 02:00:00.123456+02',
       '2026-10-01 00:00:00.000001', '2026-10-01', '23:59:59.999999', '12:00:00+05:30', '1 year 2 mons -3 days 04:05:06.7', '\\xdeadBEEF',
       'happy', '{1,NULL,3}', '{\"a,b\",\"c\\\"d\"}', '[1,5)', '10.0.0.1/8', B'101', '(1,2)'),
      (2, 0, -9223372036854775808, 'NaN', '-Infinity', 0, 0, 'NaN', false, '', '', NULL, 'null', 'null', 'infinity', '-infinity',
       '-infinity', '00:00', '00:00-12', '0', '', 'sad', '{}', '{{a,b},{c,d}}', 'empty', '::1', B'000', '(0,0)'),
      (3, 1, 0, '-0', '-0', -1, 99999999.99, '12345678901234567890123456789012345678901234567890.5', NULL, 'e\u{301}🦀', '  x', NULL, '[]', '{}',
       '4713-01-01 00:00:00+00 BC', '294000-12-31 23:59:59.999999', '5874897-12-31', NULL, NULL, 'P1D', '\\x00', NULL,
       '[2:3]={7,8}', '{NULL,\"NULL\"}', '(,)', NULL, NULL, NULL);
    INSERT INTO types (id) VALUES (4);";

#[tokio::test(flavor = "multi_thread")]
async fn every_type_is_read_exactly() {
    let (database, _server) = empty();
    database.execute(TYPES);
    let toml = "[datasets.types]\nsource = 'pg'\ntable = 'types'\ntenant = 'none'\nkey = ['id']";
    let dataset = compile(&database, toml).await.unwrap().remove(0);
    let ty = |name: &str| dataset.schema.column(name).unwrap().ty;
    assert_eq!(ty("exact"), ColumnType::Decimal { precision: 38, scale: 10 });
    assert_eq!(ty("price"), ColumnType::Decimal { precision: 10, scale: 2 });
    assert_eq!((ty("loose"), ty("nums"), ty("day")), (ColumnType::Text, ColumnType::Json, ColumnType::Date));
    let batch = page(&dataset, "any", json!({})).await.unwrap();
    let column = |name: &str| batch.column_by_name(name).unwrap();
    assert!(batch.columns().iter().skip(1).all(|column| column.is_null(3)));
    assert_eq!(column("big").as_primitive::<Int64Type>().values()[..3], [i64::MAX, i64::MIN, 0]);
    let single = column("single").as_primitive::<Float64Type>();
    assert!(single.value(0) == 0.1 && single.value(1).is_nan() && single.value(2).is_sign_negative());
    assert_eq!(
        column("exact").as_primitive::<Decimal128Type>().value(0),
        12_345_678_901_234_567_890_123_456_780_123_456_789
    );
    assert_eq!(column("price").as_primitive::<Decimal128Type>().values()[..3], [-1, 0, 9_999_999_999]);
    let seen = column("seen").as_primitive::<TimestampMicrosecondType>();
    let moment = |text: &str| text.parse::<Timestamp>().unwrap().as_microsecond();
    assert_eq!((seen.value(0), seen.value(1)), (moment("2026-10-01T00:00:00.123456Z"), i64::MAX));
    assert_eq!(seen.value(2), moment("-004712-01-01T00:00:00Z"));
    assert_eq!(column("local").as_primitive::<TimestampMicrosecondType>().value(1), -i64::MAX);
    let day = column("day").as_primitive::<Date32Type>();
    assert_eq!((day.value(0), day.value(1)), (20_727, -i32::MAX));
    // Whatever is text here is the text of the database.
    for name in [
        "loose", "label", "uuid", "doc", "docb", "clock", "clockz", "span", "bytes", "mood", "range", "addr", "bits",
        "row_",
    ] {
        let cast = database.rows(&format!(
            "SET TimeZone = 'UTC'; SET IntervalStyle = 'iso_8601'; SELECT {name}::text FROM types ORDER BY id"
        ));
        let cast: Vec<Option<String>> = cast.into_iter().map(|mut row| row.remove(0)).collect();
        let read: Vec<Option<String>> =
            column(name).as_string::<i32>().iter().map(|text| text.map(ToOwned::to_owned)).collect();
        assert_eq!(read, cast, "{name}");
    }
    let texts = |name: &str| {
        column(name).as_string::<i32>().iter().take(3).map(|text| text.unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(texts("padded"), ["ab  ", "    ", "  x "]);
    assert_eq!(texts("nums"), ["[1,null,3]", "[]", "[7,8]"]);
    assert_eq!(texts("words"), [r#"["a,b","c\"d"]"#, r#"[["a","b"],["c","d"]]"#, r#"[null,"NULL"]"#]);
}

/// Where rows lie that are left out is asked of the database, and it is told of them again in the words it answered with.
#[tokio::test(flavor = "multi_thread")]
async fn rows_are_left_out_by_every_type_that_names_rows() {
    let (database, _server) = empty();
    database.execute(
        "SET TimeZone = 'UTC';
         CREATE TABLE t AS SELECT n AS id, n::smallint AS small, (n / 100.0)::numeric(10,2) AS exact, n % 2 = 0 AS flag,
             chr(92) || chr(39) || n AS label, (n % 100)::text::char(4) AS padded, gen_random_uuid() AS uuid,
             now() + n * interval '1 microsecond' AS seen, date '2026-10-01' + n AS day
           FROM generate_series(1, 600) n;
         ALTER TABLE t ADD PRIMARY KEY (id);",
    );
    let toml = "[datasets.t]\nsource = 'pg'\ntable = 't'\ntenant = 'none'\nkey = ['id']\nidentity = ['id', 'small', \
        'exact', 'flag', 'label', 'padded', 'uuid', 'seen', 'day']";
    let dataset = compile(&database, toml).await.unwrap().remove(0);
    let objects = database.rows(
        "SET TimeZone = 'UTC';
         SELECT to_jsonb(t) || jsonb_build_object('exact', exact::text) FROM t WHERE id % 3 = 0",
    );
    let objects = objects.into_iter().map(|mut row| row.remove(0).unwrap());
    let ids: Vec<serde_json::Value> = objects.map(|object| serde_json::from_str(&object).unwrap()).collect();
    let body = json!({"selection": {"mode": "all_except", "ids": ids}});
    let query = dataset.query(&org("any"), &dataset.parse_rows(body.as_object().unwrap()).unwrap()).unwrap();
    let settings = PlanSettings { max_frame_rows: 64, ..settings() };
    let plan = Arc::new(dataset.source.plan(&dataset.schema, &query, settings, Arc::new(|_| ())).await.unwrap());
    assert_eq!((plan.rows_expected, plan.cuts.len() > 1), (400, true));
    let reader = dataset.source.open(&dataset.schema, &query, &plan, &["id".to_owned()], 1).await.unwrap();
    let budget = MemoryBudget::new(64 << 20);
    let mut read = Vec::new();
    for index in 0..plan.cuts.len() {
        let pieces: Vec<_> = reader.read(index, &budget).try_collect().await.unwrap();
        read.extend(pieces.iter().flat_map(|(batch, _)| numbers(batch, "id")));
    }
    assert_eq!(read, (1..=600).filter(|id| id % 3 != 0).collect::<Vec<i64>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_type_cannot_hold_is_an_error_with_its_remedy() {
    let (database, _server) = empty();
    database.execute("SET TimeZone = 'UTC'; CREATE TABLE t (id int PRIMARY KEY, n numeric(9,2), at timestamptz); INSERT INTO t VALUES (1, 'NaN', '294276-12-31')");
    let toml = "[datasets.t]\nsource = 'pg'\ntable = 't'\ntenant = 'none'\nkey = ['id']\n";
    let dataset = compile(&database, toml).await.unwrap().remove(0);
    let error = page(&dataset, "any", json!({})).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::SchemaDrift);
    assert!(error.detail().contains("columns.n.type = \"text\""), "{error}");
    let toml = format!("{toml}columns = {{ n = {{ type = 'text' }}, at = {{ type = 'text' }} }}");
    let dataset = compile(&database, &toml).await.unwrap().remove(0);
    let batch = page(&dataset, "any", json!({})).await.unwrap();
    assert_eq!(batch.column_by_name("n").unwrap().as_string::<i32>().value(0), "NaN");
    assert_eq!(batch.column_by_name("at").unwrap().as_string::<i32>().value(0), "294276-12-31 00:00:00+00");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_organization_has_one_spelling() {
    let (database, _server) = empty();
    database.execute(
        "CREATE TABLE t (id int PRIMARY KEY, num bigint, name text, uid uuid, fixed char(6));
         INSERT INTO t VALUES (1, 42, 'Acme', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', 'acme')",
    );
    for (column, right, wrong) in [
        ("num", "42", &["042", "42.0", "+42", "x", "9999999999999999999999"][..]),
        ("name", "Acme", &["acme", "Acme ", "x' OR '1'='1", "\\"]),
        ("uid", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", &["A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11", "a0eebc99", "x"]),
    ] {
        let toml = format!("[datasets.t]\nsource = 'pg'\ntable = 't'\ntenant = '{column}'\nkey = ['id']");
        let dataset = compile(&database, &toml).await.unwrap().remove(0);
        assert_eq!(page(&dataset, right, json!({})).await.unwrap().num_rows(), 1);
        for wrong in wrong {
            if let Ok(caller) = offtake_model::id::OrgId::new(*wrong) {
                let query = RowQuery { org: caller, ..everything(Chosen::All) };
                assert_eq!(dataset.source.count(&dataset.schema, &query).await.unwrap().rows, 0, "{column} {wrong}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn drift_is_found_and_names_the_column() {
    let (database, _server) = empty();
    database.execute(
        "CREATE TABLE t (id int PRIMARY KEY, pnl numeric(9,2), note text); INSERT INTO t VALUES (1, 1.5, 'x')",
    );
    let toml = "[datasets.t]\nsource = 'pg'\ntable = 't'\ntenant = 'none'\nkey = ['id']";
    let dataset = compile(&database, toml).await.unwrap().remove(0);
    for (alter, column) in [("ALTER COLUMN pnl TYPE float8", "pnl"), ("DROP COLUMN note", "note")] {
        database.execute(&format!("ALTER TABLE t {alter}"));
        let query = everything(Chosen::All);
        let plan = Arc::new(dataset.source.plan(&dataset.schema, &query, settings(), Arc::new(|_| ())).await);
        let error = match &*plan {
            Err(error) => error.to_string(),
            Ok(plan) => {
                let columns = &dataset.schema.default_columns;
                let plan = Arc::new(plan.clone());
                let error = dataset.source.open(&dataset.schema, &query, &plan, columns, 1).await.unwrap_err();
                assert_eq!(error.kind(), ErrorKind::SchemaDrift);
                error.to_string()
            }
        };
        assert!(error.starts_with("schema_drift") && error.contains(column), "{error}");
        database.execute("DROP TABLE t; CREATE TABLE t (id int PRIMARY KEY, pnl numeric(9,2), note text)");
    }
    for (toml, at) in [
        ("table = 'gone'\ntenant = 'none'\nkey = ['id']", "datasets.t.table"),
        ("table = 't'\ntenant = 'none'\nkey = ['note']", "datasets.t.key"),
        ("table = 't'\ntenant = 'pnl'\nkey = ['id']", "datasets.t.tenant"),
        (
            "table = 't'\ntenant = 'none'\nkey = ['id']\ncolumns = { pnl = { type = 'int64' } }",
            "datasets.t.columns.pnl.type",
        ),
        ("table = 't'\ntenant = 'none'\nkey = ['id']\nrows = 'append_only'\nsequence = 'id'", "datasets.t.sequence"),
        ("query = 'SELECT * FROM t'\ntenant = 'none'\nkey = ['id']\nrows = 'append_only'", "datasets.t.sequence"),
    ] {
        let error = compile(&database, &format!("[datasets.t]\nsource = 'pg'\n{toml}")).await.unwrap_err();
        assert_eq!(error.violations()[0].pointer, at, "{error:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn filters_windows_and_selections_compile_for_every_kind_of_column() {
    let (database, _server) = empty();
    database.execute(
        "SET TimeZone = 'UTC';
         CREATE TYPE side AS ENUM ('long', 'short');
         CREATE TABLE trades (id uuid PRIMARY KEY, opened timestamptz NOT NULL, day date NOT NULL, side side, pnl numeric(12,2),
                              ratio real, symbol varchar(9), written xid8 NOT NULL DEFAULT pg_current_xact_id());
         INSERT INTO trades VALUES
           ('00000000-0000-0000-0000-000000000001', '2026-10-01', '2026-10-01', 'long', 12.5, 0.1, 'EURUSD'),
           ('00000000-0000-0000-0000-000000000002', '2026-10-01 00:00:00.000001+00', '2026-10-02', 'short', -0.01, 0.2, 'eurusd'),
           ('00000000-0000-0000-0000-000000000003', '2026-10-02', '2026-10-03', NULL, NULL, NULL, NULL);",
    );
    let toml = "[datasets.t]\nsource = 'pg'\ntable = 'trades'\ntenant = 'none'\nkey = ['opened', 'id']\nidentity = ['id']\ntime = 'opened'
        rows = 'append_only'\nsequence = 'written'
        filters = { side = 'in', pnl = 'in', min_pnl = { column = 'pnl', op = 'min' }, ratio = 'in', max_ratio = { column = 'ratio', op = 'max' }, days = { column = 'day', op = 'range' }, text = { column = 'symbol', op = 'contains' }, symbols = { column = 'symbol', op = 'range' }, ids = { column = 'id', op = 'in' } }";
    let trades = compile(&database, toml).await.unwrap().remove(0);
    settle(&database);
    let id = |n: i64| format!("00000000-0000-0000-0000-{n:012}");
    for (body, expected) in [
        (json!({}), vec![1, 2, 3]),
        (json!({"side": ["short", "sideways"]}), vec![2]),
        (json!({"pnl": ["12.500", "7"]}), vec![1]),
        (json!({"min_pnl": "-0.010001"}), vec![1, 2]),
        (json!({"ratio": 0.1}), vec![1]),
        (json!({"max_ratio": 0.15}), vec![1]),
        (json!({"days": {"from": "2026-10-02", "to": "2026-10-03"}}), vec![2]),
        (json!({"text": "urUS"}), vec![1, 2]),
        (json!({"symbols": {"from": "a"}}), vec![2]),
        (json!({"ids": [id(3), "no uuid"]}), vec![3]),
        (json!({"start_time": "2026-10-01T00:00:00.000001Z", "end_time": "2026-10-02T00:00:00Z"}), vec![2]),
        (json!({"selection": {"mode": "all_except", "ids": [id(2), "no uuid"]}}), vec![1, 3]),
        (json!({"selection": {"mode": "partial", "ids": [id(2), id(2), id(9)]}}), vec![2]),
    ] {
        let batch = page(&trades, "any", body.clone()).await.unwrap();
        let ids: Vec<String> =
            batch.column_by_name("id").unwrap().as_string::<i32>().iter().map(|id| id.unwrap().to_owned()).collect();
        assert_eq!(ids, expected.into_iter().map(id).collect::<Vec<_>>(), "{body}");
    }
    let error = page(&trades, "any", json!({"days": {"from": "yesterday"}})).await.unwrap_err();
    assert_eq!(error.violations()[0].pointer, "/days/from");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_that_is_too_old_names_the_setting() {
    let (database, _server) = empty();
    database.execute("CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1)");
    let toml = "max_snapshot_age = '1ms'\n[datasets.t]\nsource = 'pg'\ntable = 't'\ntenant = 'none'\nkey = ['id']";
    let dataset = compile(&database, toml).await.unwrap().remove(0);
    let query = everything(Chosen::All);
    let plan = Arc::new(dataset.source.plan(&dataset.schema, &query, settings(), Arc::new(|_| ())).await.unwrap());
    let error = dataset.source.open(&dataset.schema, &query, &plan, &["id".to_owned()], 1).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert!(error.detail().contains("sources.pg.max_snapshot_age"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_names_of_a_query_are_bound() {
    let (database, _server) = empty();
    database.execute("CREATE TABLE t (id int PRIMARY KEY, org text); INSERT INTO t VALUES (1, 'acme'), (2, 'other')");
    let toml = "[datasets.t]\nsource = 'pg'\nquery = \"SELECT id, ':org' AS word FROM t WHERE org = :org -- :org\"\ntenant = 'none'\nkey = ['id']";
    let dataset = compile(&database, toml).await.unwrap().remove(0);
    let batch = page(&dataset, "acme", json!({})).await.unwrap();
    assert_eq!(numbers(&batch, "id"), [1]);
    assert_eq!(batch.column_by_name("word").unwrap().as_string::<i32>().value(0), ":org");
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_come_later_are_not_in_an_old_moment() {
    let bench = Bench::postgres(&many(100), RowsMode::AppendOnly);
    let query = everything(Chosen::All);
    let count = bench.source.count(&bench.schema, &query).await.unwrap();
    insert_into(bench.database(), &many(150)[100..]);
    let then = RowQuery { as_of: Some(count.as_of), ..query.clone() };
    assert_eq!(bench.source.count(&bench.schema, &then).await.unwrap(), count);
    assert_eq!(bench.export(&then, settings()).await.unwrap().1.len(), 100);
    assert_eq!((bench.leaf(&then, None, 7).await.len(), bench.leaf(&query, None, 7).await.len()), (100, 150));
}

/// A reading that was broken off may be gone on with, but not at the expense of others.
#[tokio::test(flavor = "multi_thread")]
async fn snapshots_that_nobody_reads_give_way() {
    let (database, _server) = empty();
    database.execute("CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1), (2)");
    let toml = "connections = 2\n[datasets.t]\nsource = 'pg'\ntable = 't'\ntenant = 'none'\nkey = ['id']";
    let dataset = compile(&database, toml).await.unwrap().remove(0);
    let columns = ["id".to_owned()];
    for chosen in [Chosen::All, Chosen::All, Chosen::Only(Arc::from([])), Chosen::All] {
        let query = everything(chosen);
        let plan = dataset.source.plan(&dataset.schema, &query, settings(), Arc::new(|_| ()));
        let plan = tokio::time::timeout(std::time::Duration::from_secs(10), plan).await.expect("a turn").unwrap();
        let reader = dataset.source.open(&dataset.schema, &query, &Arc::new(plan), &columns, 1).await.unwrap();
        drop(reader);
        assert!(dataset.source.count(&dataset.schema, &query).await.unwrap().rows <= 2);
    }
}

const ARRAYS: &str = "
    CREATE TYPE mood AS ENUM ('sad', 'happy');
    CREATE TABLE arrays (id int PRIMARY KEY, texts text[], labels varchar(9)[], ints int[], bigs bigint[], ids uuid[],
        moods mood[], prices numeric(10,2)[], days date[], moments timestamptz[], flags bool[], loose numeric[],
        doubles float8[], docs jsonb[]);
    INSERT INTO arrays VALUES
      (1, '{a,\"b,c\",NULL}', '{x}', '{1,2}', '{9223372036854775807}', '{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11}', '{sad}',
       '{1.50}', '{2026-10-01}', '{2026-10-01 02:00+02}', '{t}'),
      (2, '{}', '{\"it''s \\\\ \\\"\"}', '{{3,4},{5,6}}', '{NULL}', NULL, '{happy,sad}', '{-1,2}', '{infinity}',
       '{2026-10-01 00:00:00.000001Z}', '{f,NULL}');
    INSERT INTO arrays (id) VALUES (3);";

#[tokio::test(flavor = "multi_thread")]
async fn arrays_are_searched_for_elements_of_their_type() {
    let (database, _server) = empty();
    database.execute(ARRAYS);
    let names = ["texts", "labels", "ints", "bigs", "ids", "moods", "prices", "days", "moments", "flags"];
    let filters: Vec<String> = names.iter().map(|name| format!("{name} = 'overlaps'")).collect();
    let dataset = |filters: &str| {
        format!(
            "[datasets.arrays]\nsource = 'pg'\ntable = 'arrays'\ntenant = 'none'\nkey = ['id']\nfilters = {{ {filters} }}"
        )
    };
    let arrays = compile(&database, &dataset(&filters.join(", "))).await.unwrap().remove(0);
    for (body, found) in [
        (json!({"texts": "b,c"}), vec![1]),
        (json!({"texts": ["NULL", "", "a\u{0}"]}), vec![]),
        (json!({"texts": []}), vec![]),
        (json!({"labels": ["it's \\ \"", "longer than nine"]}), vec![2]),
        (json!({"ints": [2, 6]}), vec![1, 2]),
        (json!({"ints": [i64::MAX, -5]}), vec![]),
        (json!({"bigs": i64::MAX}), vec![1]),
        (json!({"ids": ["A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11", "none"]}), vec![1]),
        (json!({"moods": ["happy", "no mood"]}), vec![2]),
        (json!({"prices": ["1.5", 7]}), vec![1]),
        (json!({"days": "2026-10-01"}), vec![1]),
        (json!({"moments": "2026-10-01T00:00:00.000001Z"}), vec![2]),
        (json!({"flags": true}), vec![1]),
    ] {
        let batch = page(&arrays, "acme", body.clone()).await.unwrap_or_else(|error| panic!("{body}: {error}"));
        assert_eq!(numbers(&batch, "id"), found, "{body}");
    }
    for body in [json!({"ints": "1"}), json!({"days": ["first of May"]}), json!({"texts": [7]})] {
        assert_eq!(page(&arrays, "acme", body).await.unwrap_err().kind(), ErrorKind::InvalidRequest);
    }
    for name in ["loose", "doubles", "docs", "id"] {
        let error = compile(&database, &dataset(&format!("{name} = 'overlaps'"))).await.unwrap_err();
        assert_eq!(error.violations()[0].pointer, format!("datasets.arrays.filters.{name}"), "{error}");
    }
}
