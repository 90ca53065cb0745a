//! The plan: one pass over the key, streamed in binary. [`Marks`] says where keys are kept.

use offtake_model::plan::Plan;
use offtake_model::{Error, ErrorKind, Result};

use super::session::Session;
use super::skipped::Skipped;
use super::{PlanSettings, Task};
use crate::source::marks::{FEWEST, KEYS_KEPT, Marks, frame_end, rows_per_frame};

/// Frames that are read by one statement where their rows are of the mean size.
const FRAMES_IN_A_RANGE: u64 = 2;

/// Counts and cuts, in the transaction of `session`, as of the task's moment. With the plan, what it left out.
pub(super) async fn make(
    session: &Session,
    task: &Task,
    settings: PlanSettings,
    progress: &(dyn Fn(u64) + Send + Sync),
) -> Result<(Plan, Skipped)> {
    let as_of = task.as_of()?;
    let keys = task.key_columns()?;
    let (task, skipped) = task.without_exclusions(session).await?;
    let mut rows = task.rows(session, &task.statements().keys(None)?, &keys, None).await?;
    let mut marks = Marks::new(FEWEST, KEYS_KEPT, settings.limit);
    let mut last = None;
    while let Some(tuple) = rows.next().await? {
        if skipped.has(&tuple, 0) {
            continue;
        }
        let row = marks.rows + 1;
        if let Some(at) = tuple.fields().position(|field| field.is_none()) {
            let name = task.schema.key.get(at).map_or("", String::as_str);
            let detail =
                format!("{name} is NULL in row {row} (in the order of the key): no key may be, it would be lost");
            return Err(Error::new(ErrorKind::SchemaDrift, detail));
        }
        let decoders = &mut rows.decoders;
        marks.step(&|rows| progress(rows), || {
            decoders.iter_mut().zip(tuple.fields()).map(|(decoder, field)| decoder.key(field, row)).collect()
        })?;
        last = Some(tuple);
    }
    progress(marks.rows);
    let row_bytes = sample(session, &task, &marks).await?;
    let frame_rows = rows_per_frame(settings.frame_bytes, row_bytes, u64::from(settings.max_frame_rows));
    // A range is read by one statement, which is worth beginning for some frames; and a checkpoint comes after a range.
    let at_once = rows_per_frame(u64::MAX, 1, u64::from(settings.max_frame_rows));
    let range_rows = (frame_rows * FRAMES_IN_A_RANGE).min(at_once).max(marks.unit);
    let cuts = marks.cuts(range_rows, || {
        let none = || Error::new(ErrorKind::Internal, "rows were counted and none was seen");
        let tuple = last.ok_or_else(none)?;
        let fields = rows.decoders.iter_mut().zip(tuple.fields());
        fields.map(|(decoder, field)| decoder.key(field, marks.rows)).collect()
    })?;
    let plan = Plan {
        as_of,
        rows_matching: marks.rows,
        rows_expected: marks.expected(),
        frame_rows: u32::try_from(frame_rows).unwrap_or(u32::MAX),
        frame_bytes: frame_end(settings.frame_bytes),
        range_rows: u32::try_from(range_rows).unwrap_or(u32::MAX),
        cuts,
        row_bytes,
    };
    Ok((plan, skipped))
}

/// The mean size of sampled rows, in bytes.
async fn sample(session: &Session, task: &Task, marks: &Marks) -> Result<u64> {
    let [rows, bytes] = session.numbers(&task.statements().sizes(&marks.spread())?).await?;
    let (rows, bytes) = (rows.unwrap_or(0).max(1), bytes.unwrap_or(0));
    Ok(u64::try_from(bytes / rows).unwrap_or(0).max(1))
}
