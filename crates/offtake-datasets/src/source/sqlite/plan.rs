//! The plan: one pass over the key.
//!
//! The pass only steps; keys are fetched at every unit of rows, and how large a frame is, is decided afterwards by
//! the size of rows sampled at those keys. So the same rows always give the same frames.

use offtake_model::plan::{Key, Plan};
use offtake_model::{Error, ErrorKind, Result};

use super::cells::Layout;
use super::session::{Scope, Session};
use super::skipped::Skipped;
use super::{PlanSettings, Task};
use crate::sql::Sql;

/// The fewest rows in a frame: with fewer, compression and bookkeeping cost more than they save.
const FEWEST: u64 = 64;
/// So many keys are kept during the pass; when there are more, every other one is dropped.
const KEYS_KEPT: usize = 32_768;
/// At most so many rows are looked at for their size.
const SAMPLES: usize = 128;
/// Rows between two reports of progress.
const ROWS_BETWEEN_REPORTS: u64 = 65_536;

/// Counts and cuts, in a transaction that stays open.
pub(super) fn make(session: &mut Session, task: &Task, settings: PlanSettings, progress: &dyn Fn(u64)) -> Result<Plan> {
    session.begin()?;
    let as_of = task.moment(session, task.query.as_of)?;
    let scope = task.scope(as_of);
    let layout = Layout::new(&task.schema, &task.relation, &[])?;
    let (task, skipped) = &task.without_exclusions(session, &scope)?;
    let pass = Pass { session, task, skipped, scope: &scope, layout: &layout, limit: settings.limit };
    let mut marks = pass.walk(FEWEST, KEYS_KEPT, progress)?;
    let row_bytes = sample(session, task, &scope, &marks)?;
    let most = u64::from(settings.max_frame_rows).max(FEWEST);
    let frame_rows = rows_per_frame(settings.frame_bytes, row_bytes, most);
    let pass = Pass { session, task, skipped, scope: &scope, layout: &layout, limit: settings.limit };
    if marks.unit > frame_rows {
        // Very many very wide rows: the keys kept are too far apart.
        marks = pass.walk(frame_rows, usize::MAX, &|_| ())?;
    }
    let rows_expected = settings.limit.map_or(marks.rows, |limit| limit.min(marks.rows));
    let cuts = pass.cuts(&marks, frame_rows, rows_expected)?;
    let rows = u32::try_from(frame_rows).unwrap_or(u32::MAX);
    Ok(Plan {
        as_of,
        rows_matching: marks.rows,
        rows_expected,
        frame_rows: rows,
        // Half as much again as a frame should hold: where rows differ as rows do, a range stays one frame.
        frame_bytes: settings.frame_bytes.saturating_mul(3) / 2,
        range_rows: rows,
        cuts,
        row_bytes,
    })
}

/// The keys at every unit of rows.
#[derive(Debug)]
struct Marks {
    rows: u64,
    unit: u64,
    /// The key of row `unit`, of row 2 × `unit`, …, counted from 1.
    keys: Vec<Key>,
    first: Option<Key>,
    at_limit: Option<Key>,
}

struct Pass<'a> {
    session: &'a Session,
    task: &'a Task,
    skipped: &'a Skipped,
    scope: &'a Scope,
    layout: &'a Layout,
    limit: Option<u64>,
}

impl Pass<'_> {
    fn walk(&self, unit: u64, kept: usize, progress: &dyn Fn(u64)) -> Result<Marks> {
        let sql = self.task.statements().keys(None)?;
        let mut marks = Marks { rows: 0, unit, keys: Vec::new(), first: None, at_limit: None };
        self.session.query(&sql, self.scope, |rows| {
            while let Some(row) = rows.next()? {
                if self.skipped.has(row, 0, self.layout.key_width())? {
                    continue;
                }
                marks.rows += 1;
                if marks.rows == 1 {
                    marks.first = Some(self.layout.key(row, 0)?);
                }
                if marks.rows.is_multiple_of(marks.unit) {
                    marks.keys.push(self.layout.key(row, 0)?);
                    marks.thin(kept);
                }
                if Some(marks.rows) == self.limit {
                    marks.at_limit = Some(self.layout.key(row, 0)?);
                }
                if marks.rows.is_multiple_of(ROWS_BETWEEN_REPORTS) {
                    progress(marks.rows);
                }
            }
            Ok(())
        })?;
        progress(marks.rows);
        Ok(marks)
    }

    /// One cut per range: every `frame_rows` rows, and the last row.
    fn cuts(&self, marks: &Marks, frame_rows: u64, expected: u64) -> Result<Vec<Key>> {
        let stride = usize::try_from((frame_rows / marks.unit).max(1)).unwrap_or(usize::MAX);
        let whole = usize::try_from(expected / frame_rows).unwrap_or(usize::MAX);
        let mut cuts: Vec<Key> = marks.keys.iter().skip(stride - 1).step_by(stride).take(whole).cloned().collect();
        if !expected.is_multiple_of(frame_rows) {
            let last = match &marks.at_limit {
                Some(key) if expected < marks.rows => key.clone(),
                _ => self.last(marks)?,
            };
            cuts.push(last);
        }
        Ok(cuts)
    }

    /// The key of the last matching row: after the last mark there are fewer rows than a unit.
    fn last(&self, marks: &Marks) -> Result<Key> {
        if marks.rows.is_multiple_of(marks.unit)
            && let Some(key) = marks.keys.last()
        {
            return Ok(key.clone());
        }
        let sql = self.task.statements().keys(marks.keys.last())?;
        let left = marks.rows - marks.unit * marks.keys.len() as u64;
        self.session.query(&sql, self.scope, |rows| {
            let mut seen = 0;
            while let Some(row) = rows.next()? {
                if self.skipped.has(row, 0, self.layout.key_width())? {
                    continue;
                }
                seen += 1;
                if seen == left {
                    return self.layout.key(row, 0);
                }
            }
            Err(Error::new(
                ErrorKind::SchemaDrift,
                format!("the key of {} is not unique or holds NULL: rows by it do not add up", self.task.schema.name),
            ))
        })
    }
}

impl Marks {
    fn thin(&mut self, kept: usize) {
        if self.keys.len() <= kept {
            return;
        }
        // Rows 2 × unit, 4 × unit, … stay.
        let mut index = 0;
        self.keys.retain(|_| {
            index += 1;
            index % 2 == 0
        });
        self.unit *= 2;
    }

    /// At most [`SAMPLES`] keys, evenly spread, chosen by the number of rows alone.
    fn spread(&self) -> Vec<Key> {
        let mut stride = 1;
        while self.keys.len() / stride > SAMPLES - 1 {
            stride *= 2;
        }
        let spread = self.keys.iter().skip(stride - 1).step_by(stride);
        self.first.iter().chain(spread).cloned().collect()
    }
}

/// The mean size of sampled rows, in bytes.
fn sample(session: &mut Session, task: &Task, scope: &Scope, marks: &Marks) -> Result<u64> {
    session.load_sampled(&task.statements(), &marks.spread())?;
    let sql: Sql = task.statements().sizes()?;
    let (rows, bytes) =
        session.one(&sql, scope, |row| Ok((row.get::<_, i64>(0)?, row.get::<_, Option<i64>>(1)?.unwrap_or(0))))?;
    Ok(u64::try_from(bytes / rows.max(1)).unwrap_or(0).max(1))
}

fn rows_per_frame(frame_bytes: u64, row_bytes: u64, most: u64) -> u64 {
    let fitting = (frame_bytes / row_bytes.max(1)).max(1);
    let power = 1_u64 << fitting.ilog2();
    power.clamp(FEWEST, 1 << most.ilog2())
}
