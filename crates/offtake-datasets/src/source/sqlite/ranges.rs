//! Reading the ranges of a plan.

use std::sync::Arc;

use arrow::record_batch::RecordBatch;
use futures::FutureExt;
use futures::future::BoxFuture;
use jiff::Timestamp;
use offtake_model::budget::{Held, MemoryBudget};
use offtake_model::plan::Plan;
use offtake_model::{Error, ErrorKind, Result};

use super::cells::{Cells, Layout};
use super::pool::Pool;
use super::session::Session;
use super::snapshot::Snapshots;
use super::{RangeReader, Task};
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
}

impl Ranges {
    pub(super) fn new(task: Task, plan: Arc<Plan>, columns: &[String]) -> Result<Self> {
        let layout = Arc::new(Layout::new(&task.schema, &task.relation, columns)?);
        Ok(Self { task, plan, columns: columns.to_vec(), layout })
    }

    fn read(&self, session: &mut Session, index: usize, budget: &MemoryBudget) -> Result<(RecordBatch, Held)> {
        let expected = self.plan.rows_in(index);
        let (above, upto) = self.plan.bounds(index);
        if expected == 0 || upto.is_none() {
            return Err(Error::new(ErrorKind::Internal, format!("the plan has no range {index}")));
        }
        if !session.is_loaded() {
            session.load(&self.task.statements())?;
        }
        session.refuse_longer(budget.limit())?;
        let bounds = Bounds { above, upto, by_key: self.plan.cuts.len() > FEW_RANGES };
        let sql = self.task.statements().range(&self.columns, bounds, expected + 1)?;
        let mut cells = Cells::new(&self.layout, usize::try_from(expected).unwrap_or(usize::MAX), budget)?;
        session.query(&sql, &self.task.scope(self.plan.as_of), |rows| {
            while let Some(row) = rows.next()? {
                if cells.rows() as u64 == expected {
                    return Err(changed(index, "more", expected));
                }
                cells.push(row)?;
            }
            Ok(())
        })?;
        if cells.rows() as u64 != expected {
            return Err(changed(index, &cells.rows().to_string(), expected));
        }
        cells.finish()
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
    snapshot: Option<(Arc<Snapshots>, Timestamp)>,
}

impl Reader {
    pub(super) fn over_connections(ranges: Ranges, pool: Pool) -> Self {
        Self { ranges: Arc::new(ranges), pool, snapshot: None }
    }

    pub(super) fn over_snapshot(ranges: Ranges, session: Session, snapshots: Arc<Snapshots>, at: Timestamp) -> Self {
        let pool = Pool::alone(session);
        Self { ranges: Arc::new(ranges), pool, snapshot: Some((snapshots, at)) }
    }

    /// Prepares a statement, so that a column that is gone is found before anything is read.
    pub(super) async fn checked(self) -> Result<Self> {
        let ranges = Arc::clone(&self.ranges);
        self.pool
            .run_loaded(move |session| {
                session.load(&ranges.task.statements())?;
                let bounds = Bounds { above: None, upto: ranges.plan.cuts.first(), by_key: false };
                let sql = ranges.task.statements().range(&ranges.columns, bounds, 1)?;
                session.explain(&sql, &ranges.task.scope(ranges.plan.as_of)).map(drop)
            })
            .await?;
        Ok(self)
    }
}

impl RangeReader for Reader {
    fn read(&self, index: usize, budget: &MemoryBudget) -> BoxFuture<'static, Result<(RecordBatch, Held)>> {
        let (ranges, pool, budget) = (Arc::clone(&self.ranges), self.pool.clone(), budget.clone());
        async move { pool.run_loaded(move |session| ranges.read(session, index, &budget)).await }.boxed()
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
