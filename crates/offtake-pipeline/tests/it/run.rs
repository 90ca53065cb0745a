//! Runs an export over rows in memory.

use std::sync::Arc;

use arrow::record_batch::RecordBatch;
use futures::stream::{self, Stream, StreamExt, TryStreamExt};
use offtake_model::Result;
use offtake_model::as_of::AsOf;
use offtake_model::budget::MemoryBudget;
use offtake_model::export::ExportSpec;
use offtake_model::plan::Plan;
use offtake_model::value::Value;
use offtake_pipeline::{ExportSettings, Meter, Part, ReadRange, Recipe, Spool, Start, export};
use serde_json::{Value as Json, json};

use crate::rows::{Row, batch, dataset};

/// A spec with these decisions.
pub(crate) fn spec(decisions: Json) -> ExportSpec {
    let mut body = json!({"dataset": "things"});
    body.as_object_mut().unwrap().extend(decisions.as_object().unwrap().clone());
    serde_json::from_value(body).unwrap()
}

pub(crate) fn recipe(decisions: Json) -> Arc<Recipe> {
    Arc::new(Recipe::new(&spec(decisions), &dataset(), None).unwrap())
}

/// A plan of `rows` rows.
pub(crate) fn plan(rows: usize, frame_rows: u32, range_rows: u32) -> Arc<Plan> {
    let ranges = rows.div_ceil(range_rows as usize);
    Arc::new(Plan {
        as_of: AsOf::Cutoff { sequence: 1, at: "2026-11-01T00:00:00Z".parse().unwrap() },
        rows_matching: rows as u64,
        rows_expected: rows as u64,
        frame_rows,
        range_rows,
        cuts: (0..ranges).map(|range| vec![Value::Int(range as i64)]).collect(),
        frame_bytes: u64::MAX,
        row_bytes: 100,
    })
}

/// Everything about a run that must not matter.
#[derive(Debug, Clone, Copy)]
pub(crate) struct How {
    pub(crate) part_bytes: usize,
    pub(crate) in_flight: usize,
    pub(crate) budget: u64,
    pub(crate) spool: u64,
}

impl Default for How {
    fn default() -> Self {
        Self { part_bytes: 1 << 20, in_flight: 2, budget: 256 << 20, spool: 1 << 30 }
    }
}

impl How {
    pub(crate) fn settings(self) -> ExportSettings {
        ExportSettings {
            part_bytes: self.part_bytes,
            in_flight: self.in_flight,
            spool: Spool { folder: std::env::temp_dir(), limit: self.spool },
        }
    }
}

/// Reads ranges of `rows` at once, a frame a piece.
pub(crate) fn reader(rows: &[Row], plan: &Plan, budget: &MemoryBudget) -> ReadRange {
    let whole = batch(rows);
    let (range_rows, frame_rows) = (plan.range_rows as usize, plan.frame_rows as usize);
    let budget = budget.clone();
    Arc::new(move |range| {
        let rows = slice(&whole, range, range_rows);
        let pieces = (0..rows.num_rows().div_ceil(frame_rows)).map(|piece| slice(&rows, piece, frame_rows));
        let pieces: Vec<RecordBatch> = pieces.collect();
        let budget = budget.clone();
        let held = move |batch: RecordBatch| Ok((batch.clone(), budget.take(batch.num_rows() as u64 * 100)?));
        stream::iter(pieces).map(held).boxed()
    })
}

pub(crate) fn slice(whole: &RecordBatch, index: usize, rows: usize) -> RecordBatch {
    let start = index * rows;
    whole.slice(start, rows.min(whole.num_rows() - start))
}

pub(crate) fn parts_of(
    recipe: &Arc<Recipe>,
    plan: &Arc<Plan>,
    from: Start,
    read: ReadRange,
    budget: &MemoryBudget,
    how: How,
) -> impl Stream<Item = Result<Part>> + Send {
    export(Arc::clone(recipe), Arc::clone(plan), from, read, budget.clone(), how.settings(), Arc::new(Meter::new()))
}

/// All parts of an undisturbed run.
pub(crate) async fn parts(recipe: &Arc<Recipe>, plan: &Arc<Plan>, rows: &[Row], how: How) -> Vec<Part> {
    let budget = MemoryBudget::new(how.budget);
    let read = reader(rows, plan, &budget);
    parts_of(recipe, plan, Start::default(), read, &budget, how).boxed().try_collect().await.unwrap()
}

pub(crate) fn joined(parts: &[Part]) -> Vec<u8> {
    parts.iter().flat_map(|part| part.bytes.to_vec()).collect()
}

/// The file of these rows.
pub(crate) async fn file(decisions: Json, rows: &[Row]) -> Vec<u8> {
    joined(&parts(&recipe(decisions), &plan(rows.len(), 64, 64), rows, How::default()).await)
}
