//! Plans and the reading of their ranges.

use offtake_datasets::{PlanSettings, Source};
use offtake_model::ErrorKind;
use offtake_model::budget::MemoryBudget;
use offtake_model::dataset::RowsMode;
use offtake_model::query::Chosen;

use crate::fixture::{Bench, everything, many, settings};

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
        kinds.extend(reader.read(index, &budget).await.err().map(|error| error.kind()));
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
    assert_eq!(reader.read(4, &budget).await.unwrap().0.num_rows(), 300 - 4 * 64);
    // It ends early, and is gone on with.
    drop(reader);
    let reader = bench.open(&query, &plan).await;
    assert_eq!(reader.read(0, &budget).await.unwrap().0.num_rows(), 64);
    drop(reader);
    bench.clock.advance(jiff::SignedDuration::from_mins(3));
    let lost = bench.source.open(&bench.schema, &query, &plan, &["seq".to_owned()], 1).await.unwrap_err();
    assert_eq!(lost.kind(), ErrorKind::RowsChanged);
}
