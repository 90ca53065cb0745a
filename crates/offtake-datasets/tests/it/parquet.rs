//! Parquet files as a source: versions, bad files, and values at the edge of their types.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use arrow::array::{
    Array, ArrayRef, AsArray, Date32Array, Decimal128Array, Float32Array, Float64Array, Int64Array, ListArray,
    StringArray, TimestampMicrosecondArray, TimestampNanosecondArray, UInt64Array,
};
use arrow::datatypes::{Date32Type, Decimal128Type, Float64Type, Int64Type, TimestampMicrosecondType};
use arrow::record_batch::RecordBatch;
use jiff::Timestamp;
use offtake_datasets::{Dataset, PageRequest};
use offtake_model::as_of::AsOf;
use offtake_model::clock::ManualClock;
use offtake_model::dataset::{ColumnType, RowsMode};
use offtake_model::query::Chosen;
use offtake_model::{Error, ErrorKind, Result};
use serde_json::{Value as Json, json};

use crate::fixture::{
    Bench, ITEMS_IN_FILES, everything, lake, many, numbers, one, org, settings, write_batch, write_items,
};

fn loaded(dir: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(dir.join("loaded/lake")) else { return Vec::new() };
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.filter(|name| name.ends_with(".db") || name.ends_with(".part")).collect();
    names.sort();
    names
}

#[tokio::test]
async fn many_who_ask_at_once_wait_for_one_loading() {
    let bench = Arc::new(Bench::parquet(&many(500)));
    let query = everything(Chosen::All);
    assert_eq!(loaded(bench.folder()), [""; 0], "nothing is loaded before somebody asks");
    // Sources of their own are to each other what other processes are.
    let again = || lake(bench.folder(), ITEMS_IN_FILES, &bench.clock).unwrap().remove(0).source;
    let sources: Vec<_> = (0..4).map(|_| again()).chain([Arc::clone(&bench.source)]).collect();
    let counts = (0..40).map(|turn| sources[turn % sources.len()].count(&bench.schema, &query));
    let counts = tokio::time::timeout(Duration::from_secs(60), futures::future::join_all(counts));
    for count in counts.await.expect("nobody waits for ever") {
        assert_eq!(count.unwrap().rows, 500);
    }
    let made = loaded(bench.folder());
    assert_eq!(made.len(), 1, "{made:?}");
    let folder = bench.folder().join("loaded/lake");
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&folder), mode(&folder.join(&made[0]))), (0o700, 0o600));
}

#[tokio::test]
async fn a_version_outlives_its_files_for_a_while() {
    let mut items = many(300);
    let bench = Bench::parquet(&items);
    assert_eq!(bench.schema.rows, RowsMode::Versioned);
    let query = everything(Chosen::All);
    let plan = bench.plan(&query, settings()).await;
    let first = bench.source.count(&bench.schema, &query).await.unwrap();
    let page = PageRequest { columns: vec!["seq".to_owned()], sort: None, limit: 290, cursor: None };
    let cursor = bench.source.page(&bench.schema, &query, &page).await.unwrap().next_cursor;

    // Files change while a plan is open, and come to more.
    items.extend(many(320).split_off(300));
    for part in 0..3 {
        let items: Vec<_> = items.iter().filter(|item| item.seq % 3 == part).collect();
        write_items(&bench.folder().join(format!("lake/items/{part}.parquet")), &items);
    }
    assert_eq!(bench.source.count(&bench.schema, &query).await.unwrap().rows, 320);
    let mut then = query.clone();
    then.as_of = Some(first.as_of);
    assert_eq!(bench.source.count(&bench.schema, &then).await.unwrap(), first);
    let next = PageRequest { cursor, ..page };
    let next = bench.source.page(&bench.schema, &query, &next).await.unwrap();
    assert_eq!((next.rows.num_rows(), next.next_cursor), (10, None), "the next page is of the moment of the first");
    let range = one(bench.open(&query, &plan).await.read(0, &offtake_model::budget::MemoryBudget::new(64 << 20))).await;
    assert_eq!(range.unwrap().0.num_rows(), 64, "a plan is read from its own version");

    // Another process that begins now finds both.
    let again = lake(bench.folder(), ITEMS_IN_FILES, &bench.clock).unwrap().remove(0);
    assert_eq!(again.source.count(&again.schema, &then).await.unwrap(), first);
    let reader = again.source.open(&again.schema, &query, &plan, &again.schema.default_columns, 2).await.unwrap();
    assert_eq!(loaded(bench.folder()).len(), 2);

    // Nobody takes a version away that is read, and nobody keeps one that is not.
    bench.clock.advance(jiff::SignedDuration::from_hours(2));
    bench.source.ping().await.unwrap();
    assert_eq!(loaded(bench.folder()).len(), 2, "it is read");
    drop((reader, again));
    let fresh = lake(bench.folder(), ITEMS_IN_FILES, &bench.clock).unwrap().remove(0);
    let folder = bench.folder().to_owned();
    let (clock, schema) = (Arc::clone(&bench.clock), Arc::clone(&bench.schema));
    let dir = bench.into_folder();
    clock.advance(jiff::SignedDuration::from_hours(2));
    fresh.source.ping().await.unwrap();
    assert_eq!(loaded(&folder).len(), 1);
    assert_eq!(fresh.source.count(&schema, &then).await.unwrap_err().kind(), ErrorKind::Gone);
    let lost = fresh.source.open(&schema, &query, &plan, &schema.default_columns, 2).await.unwrap_err();
    assert_eq!(lost.kind(), ErrorKind::RowsChanged, "{lost}");
    assert_eq!(fresh.source.count(&schema, &query).await.unwrap().rows, 320);
    drop(dir);
}

#[tokio::test]
async fn foreign_moments_are_refused() {
    let bench = Bench::parquet(&many(10));
    let mut query = everything(Chosen::All);
    query.as_of = Some(AsOf::Cutoff { sequence: 7, at: Timestamp::UNIX_EPOCH });
    assert_eq!(bench.source.count(&bench.schema, &query).await.unwrap_err().kind(), ErrorKind::Gone);
    query.as_of = Some(AsOf::Snapshot { at: Timestamp::UNIX_EPOCH });
    assert_eq!(bench.source.count(&bench.schema, &query).await.unwrap_err().kind(), ErrorKind::InvalidRequest);
}

fn array<T: Array + 'static>(array: T) -> ArrayRef {
    Arc::new(array)
}

fn ids(ids: &[i64]) -> ArrayRef {
    array(Int64Array::from(ids.to_vec()))
}

/// `lake/edge.parquet` with `id` and these columns, and a dataset over it.
fn edge(dir: &Path, columns: Vec<(&str, ArrayRef)>, more: &str) -> Result<Dataset> {
    let rows = columns[0].1.len() as i64;
    let columns = [("id", ids(&(1..=rows).collect::<Vec<_>>()))].into_iter().chain(columns);
    fs::create_dir_all(dir.join("lake")).unwrap();
    let batch = RecordBatch::try_from_iter_with_nullable(columns.map(|(name, array)| (name, array, true))).unwrap();
    write_batch(&dir.join("lake/edge.parquet"), &batch);
    let clock = ManualClock::starting_at(Timestamp::UNIX_EPOCH);
    let datasets =
        format!("[datasets.edge]\nsource = \"lake\"\ntable = \"edge\"\ntenant = \"none\"\nkey = [\"id\"]\n{more}");
    Ok(lake(dir, &datasets, &clock)?.remove(0))
}

async fn rows(dataset: &Dataset, body: Json, sort: Option<&str>) -> Result<RecordBatch> {
    let spec = dataset.parse_rows(body.as_object().unwrap())?;
    let query = dataset.query(&org("acme"), &spec)?;
    let columns = dataset.schema.columns.iter().map(|column| column.name.clone()).collect();
    let sort = sort.map(|column| offtake_model::query::Sort { column: column.to_owned(), descending: false });
    let page = PageRequest { columns, sort, limit: 100, cursor: None };
    Ok(dataset.source.page(&dataset.schema, &query, &page).await?.rows)
}

#[tokio::test]
async fn values_at_the_edge_stay_what_they_are() {
    let dir = tempfile::tempdir().unwrap();
    let nines = 10_i128.pow(38) - 1;
    let doubles = vec![f64::NAN, -0.0, f64::INFINITY, f64::MIN_POSITIVE / 8.0];
    let wide = Decimal128Array::from(vec![-nines, -1, 0, nines]).with_precision_and_scale(38, 10).unwrap();
    let list = ListArray::from_iter_primitive::<Int64Type, _, _>(vec![
        Some(vec![Some(i64::MAX), None]),
        Some(vec![]),
        None,
        Some(vec![Some(3)]),
    ]);
    let columns = vec![
        ("double", array(Float64Array::from(doubles.clone()))),
        ("single", array(Float32Array::from(vec![0.1, 16_777_217.0, -1e-45, f32::MAX]))),
        ("wide", array(wide)),
        ("big", array(UInt64Array::from(vec![0, 1 << 63, u64::MAX, 7]))),
        ("at", array(TimestampMicrosecondArray::from(vec![i64::MAX, -i64::MAX, -1, 0]))),
        ("day", array(Date32Array::from(vec![i32::MAX, -1, 0, 20_000]))),
        ("list", array(list)),
        ("text", array(StringArray::from(vec![Some(""), None, Some("a\0b"), Some("ü")]))),
    ];
    let more = "filters = { list = \"overlaps\", min_wide = { column = \"wide\", op = \"min\" }, big = \"in\", \
                max_double = { column = \"double\", op = \"max\" }, from = { column = \"day\", op = \"range\" } }";
    let dataset = edge(dir.path(), columns, more).unwrap();
    let ty = |name: &str| dataset.schema.column(name).unwrap().ty;
    assert_eq!(ty("big"), ColumnType::Decimal { precision: 20, scale: 0 });
    let read = rows(&dataset, json!({}), None).await.unwrap();
    let column = |name: &str| Arc::clone(read.column_by_name(name).unwrap());
    let bits = |doubles: &[f64]| doubles.iter().map(|double| double.to_bits()).collect::<Vec<_>>();
    assert_eq!(bits(column("double").as_primitive::<Float64Type>().values()), bits(&doubles));
    let single = column("single").as_primitive::<Float64Type>().values().to_vec();
    assert_eq!(single, [0.1, 16_777_216.0, -1e-45, 3.4028235e38]);
    assert_eq!(column("wide").as_primitive::<Decimal128Type>().values().to_vec(), [-nines, -1, 0, nines]);
    let big = column("big").as_primitive::<Decimal128Type>().values().to_vec();
    assert_eq!(big, [0, 1 << 63, i128::from(u64::MAX), 7]);
    let at = column("at").as_primitive::<TimestampMicrosecondType>().values().to_vec();
    assert_eq!(at, [i64::MAX, -i64::MAX, -1, 0]);
    assert_eq!(column("day").as_primitive::<Date32Type>().values().to_vec(), [i32::MAX, -1, 0, 20_000]);
    let texts: Vec<Option<&str>> = vec![Some("[9223372036854775807,null]"), Some("[]"), None, Some("[3]")];
    assert_eq!(column("list").as_string::<i32>().iter().collect::<Vec<_>>(), texts);
    let texts: Vec<Option<&str>> = vec![Some(""), None, Some("a\0b"), Some("ü")];
    assert_eq!(column("text").as_string::<i32>().iter().collect::<Vec<_>>(), texts);

    for (body, expected) in [
        (json!({"min_wide": "0.0000000001"}), vec![4]),
        (json!({"min_wide": "-9999999999999999999999999999.9999999999"}), vec![1, 2, 3, 4]),
        (json!({"big": ["18446744073709551615", 7]}), vec![3, 4]),
        (json!({"list": 3}), vec![4]),
        (json!({"max_double": 0}), vec![2]),
        (json!({"from": {"from": "1970-01-01", "to": "2100-01-01"}}), vec![3, 4]),
    ] {
        assert_eq!(numbers(&rows(&dataset, body.clone(), None).await.unwrap(), "id"), expected, "{body}");
    }
    for (sort, expected) in [("wide", [1, 2, 3, 4]), ("double", [2, 4, 3, 1]), ("big", [1, 4, 2, 3])] {
        assert_eq!(numbers(&rows(&dataset, json!({}), Some(sort)).await.unwrap(), "id"), expected, "by {sort}");
    }
}

#[tokio::test]
async fn finer_moments_are_said_aloud() {
    let dir = tempfile::tempdir().unwrap();
    let at = || vec![("at", array(TimestampNanosecondArray::from(vec![1_000, -1])))];
    let refused = rows(&edge(dir.path(), at(), "").unwrap(), json!({}), None).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::SchemaDrift);
    for word in ["edge.parquet", "at holds 1969-12-31T23:59:59.999999999Z", "row 2", "columns.at.type"] {
        assert!(refused.detail().contains(word), "{word}: {refused}");
    }
    let rounded = edge(dir.path(), at(), "columns = { at = { type = \"timestamp\" } }").unwrap();
    let read = rows(&rounded, json!({}), None).await.unwrap();
    let micros = read.column_by_name("at").unwrap().as_primitive::<TimestampMicrosecondType>().values().to_vec();
    assert_eq!(micros, [1, -1]);
    let kept = edge(dir.path(), at(), "columns = { at = { type = \"text\" } }").unwrap();
    let read = rows(&kept, json!({}), None).await.unwrap();
    let texts: Vec<_> =
        read.column_by_name("at").unwrap().as_string::<i32>().iter().flatten().map(str::to_owned).collect();
    assert_eq!(texts, ["1970-01-01T00:00:00.000001Z", "1969-12-31T23:59:59.999999999Z"]);
}

fn told(error: &Error, words: &[&str]) {
    let all = format!("{error} {:?}", error.violations());
    for word in words {
        assert!(all.contains(word), "{word}: {all}");
    }
}

#[tokio::test]
async fn bad_files_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let note = || vec![("note", array(StringArray::from(vec!["a", "b"])))];
    let pattern = |more: &str| {
        let datasets =
            format!("[datasets.edge]\nsource = \"lake\"\ntable = \"*\"\ntenant = \"none\"\nkey = [\"id\"]\n{more}");
        lake(dir.path(), &datasets, &ManualClock::starting_at(Timestamp::UNIX_EPOCH))
    };
    let other = dir.path().join("lake/other.parquet");
    drop(edge(dir.path(), note(), "").unwrap());
    let whole = fs::read(dir.path().join("lake/edge.parquet")).unwrap();
    // Found by `config check` where the footer tells it, and when the rows are needed else.
    for (bytes, words) in [
        (&whole[..whole.len() - 9], ["datasets.edge.table", "other.parquet"]),
        (b"no Parquet at all", ["datasets.edge.table", "other.parquet"]),
        (b"", ["datasets.edge.table", "other.parquet"]),
    ] {
        fs::write(&other, bytes).unwrap();
        told(&pattern("").unwrap_err(), &words);
    }
    let batch = |columns: Vec<(&str, ArrayRef)>| {
        write_batch(
            &other,
            &RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, array)| (name, array, true)))
                .unwrap(),
        );
    };
    batch(vec![("id", ids(&[3])), ("note", ids(&[1]))]);
    told(&pattern("").unwrap_err(), &["other.parquet", "\"note\"", "Int64", "text"]);
    let as_text = pattern("columns = { note = { type = \"text\" } }").unwrap().remove(0);
    let notes = rows(&as_text, json!({}), None).await.unwrap();
    let notes: Vec<_> =
        notes.column_by_name("note").unwrap().as_string::<i32>().iter().flatten().map(str::to_owned).collect();
    assert_eq!(notes, ["a", "b", "1"], "unless the configuration says what both can be");
    batch(vec![("id", ids(&[3]))]);
    told(&pattern("").unwrap_err(), &["other.parquet", "no column \"note\""]);
    batch(vec![("id", ids(&[3])), ("note", array(StringArray::from(vec!["c"]))), ("more", ids(&[1]))]);
    told(&pattern("").unwrap_err(), &["other.parquet", "\"more\""]);

    // Sound at start, bad later: the job fails, and names the file.
    batch(vec![("note", array(StringArray::from(vec!["c", "d"]))), ("id", ids(&[3, 4]))]);
    let dataset = pattern("").unwrap().remove(0);
    assert_eq!(numbers(&rows(&dataset, json!({}), None).await.unwrap(), "id"), [1, 2, 3, 4]);
    batch(vec![("note", array(StringArray::from(vec!["c", "d"]))), ("id", ids(&[7, 1]))]);
    let twice = rows(&dataset, json!({}), None).await.unwrap_err();
    told(&twice, &["schema_drift", "row 1 of edge.parquet", "row 2 of other.parquet", "the same id"]);
    batch(vec![
        ("note", array(StringArray::from(vec!["c", "d"]))),
        ("id", array(Int64Array::from(vec![Some(7), None]))),
    ]);
    let null = rows(&dataset, json!({}), None).await.unwrap_err();
    told(&null, &["schema_drift", "other.parquet", "id holds NULL", "row 2"]);
    batch(vec![("id", ids(&[3]))]);
    told(&rows(&dataset, json!({}), None).await.unwrap_err(), &["schema_drift", "other.parquet", "\"note\""]);
    let mut damaged = whole.clone();
    damaged[4..30].fill(0xff);
    fs::write(&other, &damaged).unwrap();
    told(&rows(&dataset, json!({}), None).await.unwrap_err(), &["source_unavailable", "other.parquet"]);
    fs::remove_file(&other).unwrap();
    assert_eq!(numbers(&rows(&dataset, json!({}), None).await.unwrap(), "id"), [1, 2]);
    fs::remove_file(dir.path().join("lake/edge.parquet")).unwrap();
    told(&rows(&dataset, json!({}), None).await.unwrap_err(), &["source_unavailable", "no Parquet files"]);
    assert!(loaded(dir.path()).iter().all(|name| name.ends_with(".db")), "nothing half-made is left");
}

#[test]
fn what_is_configured_wrong_is_told_at_once() {
    let dir = tempfile::tempdir().unwrap();
    drop(edge(dir.path(), vec![("n", ids(&[1, 2])), ("f", array(Float64Array::from(vec![0.5, 1.5])))], "").unwrap());
    let clock = ManualClock::starting_at(Timestamp::UNIX_EPOCH);
    let wrong = |datasets: &str| lake(dir.path(), datasets, &clock).unwrap_err();
    let with =
        |more: &str| wrong(&format!("[datasets.edge]\nsource = \"lake\"\ntenant = \"none\"\nkey = [\"id\"]\n{more}"));
    told(&with("table = \"nothing\""), &["datasets.edge.table", "no table \"nothing\""]);
    told(&with("table = \"../edge\""), &["datasets.edge.table", "no path below"]);
    told(&with("query = \"SELECT 1\""), &["datasets.edge.query", "a dataset has a table"]);
    told(&with("table = \"edge\"\nrows = \"append_only\""), &["datasets.edge.rows", "leave it out"]);
    told(&with("table = \"edge\"\nsequence = \"n\""), &["datasets.edge.sequence"]);
    told(
        &with("table = \"edge\"\ncolumns = { n = { type = \"bool\" }, f = { stored = \"scaled\" }, x = {} }"),
        &["columns.n.type", "Int64", "columns.f.stored", "columns.x"],
    );
    told(&with("table = \"edge\"\ncolumns = { n = { type = \"timestamp\" } }"), &["columns.n.stored", "seconds"]);
    told(
        &wrong("[datasets.edge]\nsource = \"lake\"\ntable = \"edge\"\ntenant = \"none\"\nkey = [\"f\"]\n"),
        &["datasets.edge.key", "float64"],
    );
    assert!(!dir.path().join("loaded").exists(), "what is only checked makes no folder");
}
