//! Plans and the reading of their ranges.

use std::collections::BTreeMap;
use std::time::Duration;

use arrow::array::AsArray;
use futures::StreamExt as _;
use offtake_datasets::{PageRequest, PlanSettings, Relation, Source, SqliteSource};
use offtake_model::ErrorKind;
use offtake_model::as_of::AsOf;
use offtake_model::budget::MemoryBudget;
use offtake_model::clock::ManualClock;
use offtake_model::dataset::RowsMode;
use offtake_model::plan::Plan;
use offtake_model::query::{Chosen, RowQuery, Sort};
use offtake_model::value::Value;

use crate::fixture::{Bench, COLUMNS, Item, everything, many, one, schema, settings};

#[tokio::test]
async fn a_plan_cuts_every_frame_and_at_the_last_row() {
    let bench = Bench::new(&many(1_000), RowsMode::AppendOnly, true);
    let (plan, read) = bench.export(&everything(Chosen::All), settings()).await.unwrap();
    assert_eq!((plan.rows_matching, plan.frame_rows, plan.cuts.len()), (1_000, 64, 16));
    assert_eq!(read.len(), 1_000);
    let whole = PlanSettings { limit: Some(128), ..settings() };
    let (plan, read) = bench.export(&everything(Chosen::All), whole).await.unwrap();
    assert_eq!((plan.rows_expected, plan.cuts.len(), read.len()), (128, 2, 128));
    assert!(plan.limited());
}

#[tokio::test]
async fn a_row_deleted_after_the_plan_is_noticed() {
    let bench = Bench::new(&many(1_000), RowsMode::AppendOnly, true);
    let query = everything(Chosen::All);
    let plan = bench.plan(&query, settings()).await;
    let reader = bench.open(&query, &plan).await;
    bench.writer().execute("DELETE FROM items WHERE seq = 500", []).unwrap();
    let budget = MemoryBudget::new(64 << 20);
    let mut kinds = Vec::new();
    for index in 0..plan.cuts.len() {
        kinds.extend(one(reader.read(index, &budget)).await.err().map(|error| error.kind()));
    }
    assert_eq!(kinds, [ErrorKind::RowsChanged]);
}

#[tokio::test]
async fn a_mutable_dataset_is_read_as_it_was_counted() {
    let bench = Bench::new(&many(300), RowsMode::Mutable, true);
    let query = everything(Chosen::All);
    let plan = bench.plan(&query, settings()).await;
    bench.writer().execute("DELETE FROM items", []).unwrap();
    let reader = bench.open(&query, &plan).await;
    let budget = MemoryBudget::new(64 << 20);
    assert_eq!(one(reader.read(4, &budget)).await.unwrap().0.num_rows(), 300 - 4 * 64);
    // It ends early, and is gone on with.
    drop(reader);
    let reader = bench.open(&query, &plan).await;
    assert_eq!(one(reader.read(0, &budget)).await.unwrap().0.num_rows(), 64);
    drop(reader);
    bench.clock.advance(jiff::SignedDuration::from_mins(3));
    let lost = bench.source.open(&bench.schema, &query, &plan, &["seq".to_owned()], 1).await.unwrap_err();
    assert_eq!(lost.kind(), ErrorKind::RowsChanged);
}

fn item(seq: i64, note: String) -> Item {
    Item { seq, note: Some(note), ..many(seq).remove(usize::try_from(seq).unwrap() - 1) }
}

#[tokio::test]
async fn cells_come_out_as_they_went_in() {
    let notes = ["", "a\0b", "\0", "🦀 naïve\r\n\"quoted\",;", &"x".repeat(100_000), "__proto__", "=1+1"];
    let items: Vec<Item> = notes.iter().zip(1..).map(|(note, seq)| item(seq, (*note).to_owned())).collect();
    let bench = Bench::new(&items, RowsMode::AppendOnly, true);
    let query = everything(Chosen::All);
    let plan = bench.plan(&query, settings()).await;
    let reader = bench.open(&query, &plan).await;
    let budget = MemoryBudget::new(1 << 20);
    let (batch, held) = one(reader.read(0, &budget)).await.unwrap();
    let read = batch.column_by_name("note").unwrap().as_string::<i32>();
    let order = crate::fixture::numbers(&batch, "seq");
    for (index, seq) in order.into_iter().enumerate() {
        assert_eq!(read.value(index), notes[usize::try_from(seq).unwrap() - 1]);
    }
    // What is held is what the batch has, and the room in its buffers that is not filled; it is given back with it.
    let bytes = batch.get_array_memory_size() as u64;
    assert!(budget.take(budget.limit() - bytes + 1).is_err());
    drop(held);
    assert!(budget.take(budget.limit()).is_ok());
}

#[tokio::test]
async fn a_range_larger_than_the_budget_is_refused() {
    let items: Vec<Item> = (1..=50).map(|seq| item(seq, "x".repeat(100_000))).collect();
    let bench = Bench::new(&items, RowsMode::AppendOnly, true);
    let query = everything(Chosen::All);
    let plan = bench.plan(&query, settings()).await;
    let reader = bench.open(&query, &plan).await;
    for limit in [0, 10_000, 1 << 20, 4 << 20] {
        let budget = MemoryBudget::new(limit);
        assert_eq!(one(reader.read(0, &budget)).await.unwrap_err().kind(), ErrorKind::MemoryLimit, "{limit}");
        assert!(budget.peak() <= limit && budget.take(limit).is_ok());
    }
    assert!(one(reader.read(0, &MemoryBudget::new(16 << 20))).await.is_ok());
}

#[tokio::test]
async fn a_cell_larger_than_the_budget_is_refused_before_it_is_loaded() {
    let bench = Bench::new(&[item(1, "x".repeat(20_000_000))], RowsMode::AppendOnly, true);
    let query = everything(Chosen::All);
    let plan = bench.plan(&query, settings()).await;
    let reader = bench.open(&query, &plan).await;
    let error = one(reader.read(0, &MemoryBudget::new(8 << 20))).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::MemoryLimit);
}

#[tokio::test]
async fn wide_rows_make_small_frames_and_the_same_rows_the_same() {
    let wide = |count: i64, bytes: usize| (1..=count).map(move |seq| item(seq, "x".repeat(bytes)));
    let settings = PlanSettings { limit: None, frame_bytes: 1 << 20, max_frame_rows: 8192 };
    for (items, rows) in [
        (wide(700, 10_000).collect::<Vec<_>>(), 64),
        (wide(700, 3_500).collect(), 256),
        (many(700), 8192),
        (Vec::new(), 8192),
    ] {
        let bench = Bench::new(&items, RowsMode::AppendOnly, true);
        let query = everything(Chosen::All);
        let (plan, read) = bench.export(&query, settings).await.unwrap();
        assert_eq!((plan.frame_rows, read.len()), (rows, items.len()));
        assert_eq!(plan.cuts.len(), items.len().div_ceil(rows as usize));
        assert_eq!(*bench.plan(&query, settings).await, *plan);
        let stored: Plan = serde_json::from_str(&serde_json::to_string(&*plan).unwrap()).unwrap();
        assert_eq!(stored, *plan);
    }
}

#[tokio::test]
async fn a_stretch_of_large_rows_comes_in_small_pieces() {
    let large = |seq| item(seq, "x".repeat(if (1_000..1_064).contains(&seq) { 50_000 } else { 10 }));
    let bench = Bench::new(&(1..=4_000).map(large).collect::<Vec<_>>(), RowsMode::AppendOnly, true);
    let query = everything(Chosen::All);
    let settings = PlanSettings { limit: None, frame_bytes: 1 << 17, max_frame_rows: 1024 };
    let plan = bench.plan(&query, settings).await;
    let reader = bench.open(&query, &plan).await;
    let budget = MemoryBudget::new(2 << 20);
    let cut = async || {
        let mut rows = Vec::new();
        for index in 0..plan.cuts.len() {
            let mut pieces = reader.read(index, &budget);
            while let Some(piece) = pieces.next().await {
                rows.push(piece.unwrap().0.num_rows());
            }
        }
        rows
    };
    let once = cut().await;
    assert_eq!(once.iter().sum::<usize>(), 4_000);
    assert!(once.len() > plan.cuts.len() + 10, "3 MB of large rows are not one piece: {once:?}");
    assert_eq!(cut().await, once);
}

#[tokio::test]
async fn ten_thousand_rows_are_left_out() {
    let items = many(12_000);
    let bench = Bench::new(&items, RowsMode::AppendOnly, true);
    let id = |item: &Item| vec![Value::Text(item.trace.clone()), Value::Text(item.span.clone())];
    let except = everything(Chosen::AllExcept(items.iter().take(10_000).map(id).collect()));
    let settings = PlanSettings { max_frame_rows: 128, ..settings() };
    let (plan, mut read) = bench.export(&except, settings).await.unwrap();
    assert_eq!((plan.rows_matching, plan.cuts.len()), (2_000, 16));
    read.sort_unstable();
    assert_eq!(read, (10_001..=12_000).collect::<Vec<i64>>());
    let only = everything(Chosen::Only(items.iter().take(10_000).map(id).collect()));
    assert_eq!(bench.export(&only, settings).await.unwrap().0.rows_matching, 10_000);
}

#[tokio::test]
async fn an_as_of_is_what_was_counted_for_ever() {
    let bench = Bench::new(&many(100), RowsMode::AppendOnly, true);
    let query = everything(Chosen::All);
    let count = bench.source.count(&bench.schema, &query).await.unwrap();
    crate::fixture::insert(&bench.writer(), &many(150)[100..]);
    let then = RowQuery { as_of: Some(count.as_of), ..query.clone() };
    assert_eq!(bench.source.count(&bench.schema, &then).await.unwrap(), count);
    assert_eq!(bench.export(&then, settings()).await.unwrap().1.len(), 100);
    assert_eq!(bench.leaf(&then, None, 7).await.len(), 100);
    assert_eq!(bench.leaf(&query, None, 7).await.len(), 150);
    let at = jiff::Timestamp::UNIX_EPOCH;
    for as_of in [AsOf::Cutoff { sequence: 151, at }, AsOf::Cutoff { sequence: -1, at }, AsOf::Snapshot { at }] {
        let error = bench.source.count(&bench.schema, &RowQuery { as_of: Some(as_of), ..query.clone() }).await;
        assert_eq!(error.unwrap_err().violations()[0].pointer, "/as_of");
    }
}

#[tokio::test]
async fn pages_go_on_in_the_moment_they_began() {
    let bench = Bench::new(&many(20), RowsMode::AppendOnly, true);
    let query = everything(Chosen::All);
    let page = |cursor| PageRequest { columns: vec!["seq".to_owned()], sort: None, limit: 15, cursor };
    let first = bench.source.page(&bench.schema, &query, &page(None)).await.unwrap();
    crate::fixture::insert(&bench.writer(), &many(60)[20..]);
    let second = bench.source.page(&bench.schema, &query, &page(first.next_cursor.clone())).await.unwrap();
    assert_eq!((second.rows.num_rows(), second.next_cursor, second.as_of), (5, None, first.as_of));
    // Another organization, another query, another order, a changed letter: not this cursor.
    let cursor = first.next_cursor.unwrap();
    let foreign = RowQuery { org: crate::fixture::org("other"), ..query.clone() };
    let mut changed = cursor.clone().into_bytes();
    changed[9] = if changed[9] == b'A' { b'B' } else { b'A' };
    let changed = String::from_utf8(changed).unwrap();
    let sort = Some(Sort { column: "tokens".to_owned(), descending: true });
    for (query, page) in [
        (&foreign, page(Some(cursor.clone()))),
        (&query, PageRequest { sort, ..page(Some(cursor)) }),
        (&query, page(Some(changed))),
        (&query, page(Some(String::new()))),
        (&query, page(Some("🦀".to_owned()))),
    ] {
        let error = bench.source.page(&bench.schema, query, &page).await.unwrap_err();
        assert_eq!((error.kind(), &*error.violations()[0].pointer), (ErrorKind::InvalidRequest, "/cursor"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ranges_are_read_several_at_a_time_in_any_order() {
    let bench = Bench::new(&many(2_000), RowsMode::AppendOnly, true);
    let query = everything(Chosen::All);
    let plan = bench.plan(&query, settings()).await;
    let reader = bench.open(&query, &plan).await;
    let budget = MemoryBudget::new(64 << 20);
    let reads = (0..plan.cuts.len()).rev().map(|index| tokio::spawn(one(reader.read(index, &budget))));
    let batches = futures::future::try_join_all(reads).await.unwrap();
    let mut read: Vec<i64> = Vec::new();
    for batch in batches.into_iter().rev() {
        read.extend(crate::fixture::numbers(&batch.unwrap().0, "seq"));
    }
    assert_eq!(read, bench.leaf(&query, None, 500).await);
    assert_eq!(one(reader.read(plan.cuts.len(), &budget)).await.unwrap_err().kind(), ErrorKind::Internal);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_stops_when_nobody_waits_for_it() {
    let dir = tempfile::tempdir().unwrap();
    rusqlite::Connection::open(dir.path().join("endless.db")).unwrap().execute_batch("CREATE TABLE t (a)").unwrap();
    let endless = Relation {
        from: "(WITH RECURSIVE n(seq) AS (SELECT 1 UNION ALL SELECT seq + 1 FROM n) SELECT * FROM n) s".to_owned(),
        tenant: None,
        columns: COLUMNS.iter().map(|(name, _)| ((*name).to_owned(), "s.seq".to_owned())).collect(),
        ..Relation::default()
    };
    let clock = ManualClock::starting_at(jiff::Timestamp::UNIX_EPOCH);
    let relations = BTreeMap::from([("items".to_owned(), endless)]);
    let source = SqliteSource::new(&dir.path().join("endless.db"), clock, relations).unwrap();
    let (schema, query) = (schema(RowsMode::Mutable), everything(Chosen::All));
    // More than there are connections: each must be given back.
    for _ in 0..6 {
        let counted = tokio::time::timeout(Duration::from_millis(20), source.count(&schema, &query)).await;
        assert!(counted.is_err());
    }
    source.ping().await.unwrap();
}
