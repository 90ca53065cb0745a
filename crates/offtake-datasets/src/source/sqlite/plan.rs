//! The plan: one pass over the key. The pass only steps; [`Marks`] says where keys are fetched.

use offtake_model::plan::{Key, Plan};
use offtake_model::{Error, ErrorKind, Result};

use super::cells::Layout;
use super::session::{Scope, Session};
use super::skipped::Skipped;
use super::{PlanSettings, Task};
use crate::source::marks::{FEWEST, KEYS_KEPT, Marks, frame_end, rows_per_frame};

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
    let cuts = marks.cuts(frame_rows, || pass.last(&marks))?;
    let rows = u32::try_from(frame_rows).unwrap_or(u32::MAX);
    Ok(Plan {
        as_of,
        rows_matching: marks.rows,
        rows_expected: marks.expected(),
        frame_rows: rows,
        frame_bytes: frame_end(settings.frame_bytes),
        range_rows: rows,
        cuts,
        row_bytes,
    })
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
        let mut marks = Marks::new(unit, kept, self.limit);
        self.session.query(&sql, self.scope, |rows| {
            while let Some(row) = rows.next()? {
                if !self.skipped.has(row, 0, self.layout.key_width())? {
                    marks.step(progress, || self.layout.key(row, 0))?;
                }
            }
            Ok(())
        })?;
        progress(marks.rows);
        Ok(marks)
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

/// The mean size of sampled rows, in bytes.
fn sample(session: &mut Session, task: &Task, scope: &Scope, marks: &Marks) -> Result<u64> {
    let sampled = marks.spread();
    session.load_sampled(&task.statements(), &sampled)?;
    let sql = task.statements().sizes(&sampled)?;
    let (rows, bytes) =
        session.one(&sql, scope, |row| Ok((row.get::<_, i64>(0)?, row.get::<_, Option<i64>>(1)?.unwrap_or(0))))?;
    Ok(u64::try_from(bytes / rows.max(1)).unwrap_or(0).max(1))
}
