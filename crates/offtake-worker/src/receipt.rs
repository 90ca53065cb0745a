//! The receipt of a finished file.

use std::collections::BTreeMap;

use jiff::Timestamp;
use offtake_model::Result;
use offtake_model::checkpoint::Written;
use offtake_model::export::ExportSpec;
use offtake_model::format::media_type;
use offtake_model::job::Job;
use offtake_model::plan::Plan;
use offtake_model::receipt::Receipt;
use offtake_model::sensitive::Shown;
use offtake_model::{Error, ErrorKind};
use offtake_pipeline::Recipe;

/// The proof of what was written, once it has been compared with what was planned.
///
/// # Errors
/// `rows_changed` if the file has not the rows the plan counted: there is no receipt then (law 4).
pub(crate) fn receipt(
    job: &Job,
    spec: &ExportSpec,
    recipe: &Recipe,
    plan: &Plan,
    written: &Written,
    now: Timestamp,
) -> Result<Receipt> {
    if written.rows != plan.rows_expected {
        return Err(Error::new(
            ErrorKind::RowsChanged,
            format!("{} rows were counted and {} were read; export again", plan.rows_expected, written.rows),
        ));
    }
    Ok(Receipt {
        job_id: job.id,
        dataset: spec.dataset.clone(),
        organization: job.org.clone(),
        spec: spec.clone(),
        spec_sha256: recipe.spec_sha256().to_owned(),
        mode: plan.as_of.mode().to_owned(),
        as_of: plan.as_of.at(),
        rows_matching: plan.rows_matching,
        rows_expected: plan.rows_expected,
        rows_written: written.rows,
        limited: plan.limited(),
        truncated_cells: written.truncated.clone(),
        truncated_cells_count: written.truncated_cells,
        guarded_cells: written.guarded_cells,
        masked: masked(spec, recipe, written),
        bytes: written.bytes,
        sha256: offtake_pipeline::sha256_hex(written)?,
        format: spec.format,
        compression: spec.compression,
        media_type: media_type(spec.format, spec.compression).to_owned(),
        file_name: job.file_name.clone(),
        columns: recipe.receipt_columns(),
        frames: written.frames,
        attempts: job.attempt,
        started_at: job.started_at.unwrap_or(now),
        finished_at: now,
        offtake_version: env!("CARGO_PKG_VERSION").to_owned(),
    })
}

/// Cells that the file does not show, by column. Of a column that is left out that is one in each row, since nobody has
/// looked which are NULL.
fn masked(spec: &ExportSpec, recipe: &Recipe, written: &Written) -> BTreeMap<String, u64> {
    let veiled = recipe.shape().columns().iter().filter(|column| column.shown != Shown::Clear);
    let dropped = spec.disclosure.dropped().map(|name| (name.to_owned(), written.rows));
    let mut masked: BTreeMap<String, u64> = veiled.map(|column| (column.source.clone(), 0)).chain(dropped).collect();
    masked.extend(written.masked.clone());
    masked
}
