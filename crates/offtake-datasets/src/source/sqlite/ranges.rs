//! Reading the ranges of a plan.

use std::sync::Arc;

use arrow::record_batch::RecordBatch;
use futures::{StreamExt as _, stream};
use jiff::Timestamp;
use offtake_model::budget::{Held, MemoryBudget};
use offtake_model::plan::Plan;
use offtake_model::{Error, ErrorKind, Result};
use rusqlite::types::Value as SqlValue;
use tokio::sync::mpsc;

use super::cells::{Cells, Layout};
use super::pool::Pool;
use super::session::{Session, failure};
use super::skipped::Skipped;
use super::{RangeReader, RangeRows, Task};
use crate::source::snapshots::Snapshots;
use crate::sql::Bounds;

/// With more ranges than this, each is found by the key alone: another index, however selective, would be walked
/// from its beginning for every range.
const FEW_RANGES: usize = 8;

/// What is read, whoever reads it.
#[derive(Debug)]
pub(super) struct Ranges {
    task: Task,
    plan: Arc<Plan>,
    columns: Vec<String>,
    layout: Arc<Layout>,
    /// The identities of a partial selection in key order: each range looks up its own alone.
    chosen: Option<Vec<Vec<SqlValue>>>,
    skipped: Skipped,
}

impl Ranges {
    pub(super) fn new(task: Task, plan: Arc<Plan>, columns: &[String]) -> Result<Self> {
        let layout = Arc::new(Layout::new(&task.schema, &task.relation, columns)?);
        Ok(Self { task, plan, columns: columns.to_vec(), layout, chosen: None, skipped: Skipped::default() })
    }

    /// Reads a range and hands its pieces to `to`.
    fn read(&self, session: &mut Session, index: usize, budget: &MemoryBudget, to: &Pieces) -> Result<()> {
        let expected = self.plan.rows_in(index);
        let (above, upto) = self.plan.bounds(index);
        if expected == 0 || upto.is_none() {
            return Err(Error::new(ErrorKind::Internal, format!("the plan has no range {index}")));
        }
        self.load(session, index)?;
        session.refuse_longer(budget.limit())?;
        let bounds = Bounds { above, upto, by_key: self.plan.cuts.len() > FEW_RANGES };
        let sql = self.task.statements().range(&self.columns, bounds, expected + 1 + self.skipped.len())?;
        let (key_at, key_width) = (self.layout.key_at(), self.layout.key_width());
        let mut left = expected;
        let mut cells = self.piece(left, budget)?;
        session.query(&sql, &self.task.scope(self.plan.as_of), |rows| {
            while let Some(row) = rows.next()? {
                if self.skipped.has(row, key_at, key_width)? {
                    continue;
                }
                if left == 0 {
                    return Err(changed(index, "more", expected));
                }
                cells.push(row)?;
                left -= 1;
                let full = cells.rows() as u64 == u64::from(self.plan.frame_rows);
                if full || cells.size() >= self.plan.frame_bytes {
                    hand(to, std::mem::replace(&mut cells, self.piece(left, budget)?))?;
                }
            }
            Ok(())
        })?;
        if left > 0 {
            return Err(changed(index, &(expected - left).to_string(), expected));
        }
        if cells.rows() > 0 { hand(to, cells) } else { Ok(()) }
    }

    /// Room for the next piece, of which there are at most `rows` rows.
    fn piece(&self, rows: u64, budget: &MemoryBudget) -> Result<Cells> {
        let rows = rows.min(u64::from(self.plan.frame_rows));
        Cells::new(&self.layout, usize::try_from(rows).unwrap_or(usize::MAX), budget)
    }
}

/// Where the pieces of a range go.
type Pieces = mpsc::Sender<(RecordBatch, Held)>;

fn hand(to: &Pieces, cells: Cells) -> Result<()> {
    let unwanted = |_| Error::new(ErrorKind::Cancelled, "the reading was stopped");
    to.blocking_send(cells.finish()?).map_err(unwanted)
}

impl Ranges {
    fn load(&self, session: &mut Session, index: usize) -> Result<()> {
        let statements = self.task.statements();
        match &self.chosen {
            Some(ids) => {
                let rows = self.plan.range_rows as usize;
                let from = index.saturating_mul(rows).min(ids.len());
                session.load_chosen(&statements, &ids[from..from.saturating_add(rows).min(ids.len())])
            }
            None if session.is_loaded() => Ok(()),
            None => session.load(&statements),
        }
    }

    /// Looks once where the rows of the selection lie; also finds out whether the columns are there.
    fn prepare(mut self, session: &mut Session) -> Result<Self> {
        let scope = self.task.scope(self.plan.as_of);
        (self.task, self.skipped) = self.task.without_exclusions(session, &scope)?;
        let statements = self.task.statements();
        session.load(&statements)?;
        let bounds = Bounds { above: None, upto: self.plan.cuts.first(), by_key: false };
        session.explain(&statements.range(&self.columns, bounds, 1)?, &scope)?;
        if let Some(sql) = statements.chosen_in_order()? {
            let width = self.task.schema.identity.len();
            let ids = session.query(&sql, &scope, |rows| {
                let mut ids = Vec::new();
                while let Some(row) = rows.next()? {
                    let id = (0..width).map(|index| row.get(index)).collect::<rusqlite::Result<Vec<SqlValue>>>();
                    ids.push(id.map_err(failure)?);
                }
                Ok(ids)
            })?;
            self.chosen = Some(ids);
        }
        Ok(self)
    }
}

fn changed(index: usize, found: &str, expected: u64) -> Error {
    Error::new(ErrorKind::RowsChanged, format!("range {index} has {found} rows where {expected} were counted"))
}

/// Reads over connections of its own, or over the one that holds the plan's snapshot.
#[derive(Debug)]
pub(super) struct Reader {
    ranges: Arc<Ranges>,
    pool: Pool,
    snapshot: Option<(Arc<Snapshots<Session>>, Timestamp)>,
}

impl Reader {
    /// Reads over the connections of `pool`.
    pub(super) async fn over_connections(ranges: Ranges, pool: Pool) -> Result<Self> {
        let ranges = pool.run_loaded(move |session| ranges.prepare(session)).await?;
        Ok(Self { ranges: Arc::new(ranges), pool, snapshot: None })
    }

    /// Reads over the connection that holds the plan's snapshot.
    pub(super) async fn over_snapshot(
        ranges: Ranges,
        session: Session,
        to: Arc<Snapshots<Session>>,
        at: Timestamp,
    ) -> Result<Self> {
        let pool = Pool::alone(session);
        let ranges = pool.run_loaded(move |session| ranges.prepare(session)).await?;
        Ok(Self { ranges: Arc::new(ranges), pool, snapshot: Some((to, at)) })
    }
}

impl RangeReader for Reader {
    fn read(&self, index: usize, budget: &MemoryBudget) -> RangeRows {
        let (ranges, pool, budget) = (Arc::clone(&self.ranges), self.pool.clone(), budget.clone());
        let (to, mut pieces) = mpsc::channel(1);
        let reading =
            async move { pool.run_loaded(move |session| ranges.read(session, index, &budget, &to)).await.err() };
        let pieces = stream::poll_fn(move |context| pieces.poll_recv(context)).map(Ok);
        let failure = stream::once(reading).filter_map(|error| async { error.map(Err) });
        stream::select(pieces, failure).boxed()
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        // A reading that ends early may be gone on with: the snapshot goes back to where `open` finds it.
        if let Some((snapshots, at)) = &self.snapshot {
            for session in self.pool.drain() {
                if session.in_transaction() {
                    snapshots.put_back(session, *at);
                }
            }
        }
    }
}
