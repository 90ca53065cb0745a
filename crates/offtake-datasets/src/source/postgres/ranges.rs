//! Reading the ranges of a plan: one streamed statement each, over as many connections as are asked for.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures::{StreamExt as _, TryStreamExt as _, stream};
use jiff::Timestamp;
use offtake_model::budget::{Held, MemoryBudget};
use offtake_model::dataset::Column;
use offtake_model::plan::Plan;
use offtake_model::{Error, ErrorKind, Result};
use tokio::sync::{Mutex, OwnedMutexGuard, OwnedSemaphorePermit, Semaphore};

use super::copy::Tuple;
use super::decode::Decoder;
use super::session::{Rows, Session, Sessions};
use super::skipped::{Last, Skipped};
use super::snapshot::Keeper;
use super::{RangeReader, RangeRows, Task};
use crate::source::building::{Building, Form};
use crate::source::snapshots::Snapshots;
use crate::sql::{Bounds, Sql};

/// What is read of a plan.
#[derive(Debug)]
pub(super) struct Ranges {
    task: Task,
    plan: Arc<Plan>,
    /// What is selected: the columns, and after them the key where rows are skipped by it.
    names: Vec<String>,
    columns: Vec<Column>,
    form: Arc<Form>,
    skipped: Skipped,
}

impl Ranges {
    pub(super) fn new(task: Task, plan: Arc<Plan>, names: &[String]) -> Result<Self> {
        let columns = task.columns(names)?;
        let form = Form::of(columns.iter());
        Ok(Self { task, plan, names: names.to_vec(), columns, form, skipped: Skipped::default() })
    }

    /// Finds out whether the columns are there and of their types, and the keys of the rows that are left out.
    pub(super) async fn prepare(mut self, session: &Session, last: &Last) -> Result<Self> {
        (self.task, self.skipped) = last.or_look_up(session, &self.task).await?;
        if !self.skipped.is_empty() {
            self.names.extend(self.task.schema.key.iter().cloned());
        }
        let sql = self.task.statements().range(&self.names, Bounds::default(), 0)?;
        let mut rows = self.task.rows(session, &sql, &self.columns, None).await?;
        while rows.next().await?.is_some() {}
        Ok(self)
    }

    fn sql(&self, index: usize) -> Result<Sql> {
        let expected = self.plan.rows_in(index);
        let (above, upto) = self.plan.bounds(index);
        if expected == 0 || upto.is_none() {
            return Err(Error::new(ErrorKind::Internal, format!("the plan has no range {index}")));
        }
        let bounds = Bounds { above, upto, by_key: true };
        self.task.statements().range(&self.names, bounds, expected + 1 + self.skipped.len())
    }
}

/// Adds a row; its number is for errors.
pub(super) fn push(building: &mut Building, decoders: &mut [Decoder], tuple: &Tuple) -> Result<()> {
    push_numbered(building, decoders, tuple, 1)
}

#[inline]
fn push_numbered(building: &mut Building, decoders: &mut [Decoder], tuple: &Tuple, before: u64) -> Result<()> {
    let row = before + building.rows() as u64;
    let (builders, room) = building.columns();
    for ((builder, decoder), field) in builders.iter_mut().zip(decoders).zip(tuple.fields()) {
        match field {
            None => builder.push_null(),
            Some(field) => {
                let cell = decoder.cell(field, row)?;
                if !builder.push(cell, room)? {
                    return Err(Error::new(
                        ErrorKind::Internal,
                        "a cell was decoded as another type than its column's",
                    ));
                }
            }
        }
    }
    building.end_row()
}

/// Whose transaction a range is read in.
#[derive(Debug)]
enum Lane {
    /// One of its own.
    Own(Box<Session>),
    /// The one that holds the snapshot, which nobody else can see: a standby exports none.
    Kept(OwnedMutexGuard<Keeper>),
}

impl Lane {
    fn session(&self) -> &Session {
        match self {
            Self::Own(session) => session,
            Self::Kept(keeper) => keeper.session(),
        }
    }
}

/// A range on its way.
struct Reading {
    ranges: Arc<Ranges>,
    budget: MemoryBudget,
    index: usize,
    left: u64,
    rows: Rows,
    // After the rows: a statement is over before its session is.
    lane: Lane,
    read_to_the_end: Arc<AtomicBool>,
    _permit: OwnedSemaphorePermit,
}

impl Reading {
    fn piece(&self) -> Result<Building> {
        let rows = self.left.min(u64::from(self.ranges.plan.frame_rows));
        Building::new(&self.ranges.form, usize::try_from(rows).unwrap_or(usize::MAX), &self.budget)
    }

    /// The next piece, and what is left to read.
    async fn next(mut self) -> Result<Option<((arrow::record_batch::RecordBatch, Held), Option<Self>)>> {
        let plan = Arc::clone(&self.ranges.plan);
        let expected = plan.rows_in(self.index);
        let begun = self.index as u64 * u64::from(plan.range_rows) + (expected - self.left) + 1;
        let mut building = self.piece()?;
        while let Some(tuple) = self.rows.next().await? {
            if self.ranges.skipped.has(&tuple, self.ranges.columns.len()) {
                continue;
            }
            if self.left == 0 {
                return Err(changed(self.index, "more", expected));
            }
            push_numbered(&mut building, &mut self.rows.decoders, &tuple, begun)?;
            self.left -= 1;
            if building.rows() as u64 == u64::from(plan.frame_rows) || building.size() >= plan.frame_bytes {
                return Ok(Some((building.finish()?, Some(self))));
            }
        }
        if self.left > 0 {
            return Err(changed(self.index, &(expected - self.left).to_string(), expected));
        }
        if let Lane::Own(session) = self.lane {
            drop(self.rows);
            // All rows are here: what becomes of a session that sat idle while they were worked on is of no matter.
            if let Err(error) = session.end().await {
                tracing::debug!(%error, "a session was over before it could be ended");
            }
        }
        if self.index + 1 == plan.cuts.len() {
            self.read_to_the_end.store(true, Ordering::Relaxed);
        }
        Ok(if building.rows() > 0 { Some((building.finish()?, None)) } else { None })
    }
}

fn changed(index: usize, found: &str, expected: u64) -> Error {
    Error::new(ErrorKind::RowsChanged, format!("range {index} has {found} rows where {expected} were counted"))
}

/// Reads ranges; holds the plan's snapshot where there is one.
#[derive(Debug)]
pub(super) struct Reader {
    ranges: Arc<Ranges>,
    sessions: Sessions,
    permits: Arc<Semaphore>,
    /// The last range was: nobody will ask for the snapshot again.
    read_to_the_end: Arc<AtomicBool>,
    snapshot: Option<Snapshot>,
}

#[derive(Debug)]
struct Snapshot {
    keeper: Arc<Mutex<Keeper>>,
    /// The name by which other sessions see it.
    exported: Option<String>,
    snapshots: Arc<Snapshots<Keeper>>,
    at: Timestamp,
}

impl Reader {
    pub(super) fn new(ranges: Ranges, sessions: Sessions, readers: usize) -> Self {
        let is_empty = ranges.plan.cuts.is_empty();
        Self {
            ranges: Arc::new(ranges),
            sessions,
            permits: Arc::new(Semaphore::new(readers.max(1))),
            // Of no rows at all there is no last range.
            read_to_the_end: Arc::new(AtomicBool::new(is_empty)),
            snapshot: None,
        }
    }

    /// Reads what `keeper` holds fast; it goes back to `snapshots` afterwards, under its name.
    pub(super) fn holding(mut self, keeper: Keeper, snapshots: Arc<Snapshots<Keeper>>, at: Timestamp) -> Self {
        let exported = keeper.exported().map(str::to_owned);
        self.snapshot = Some(Snapshot { keeper: Arc::new(Mutex::new(keeper)), exported, snapshots, at });
        self
    }

    fn begin(
        &self,
        index: usize,
        budget: &MemoryBudget,
    ) -> impl Future<Output = Result<Option<Reading>>> + Send + use<> {
        let (ranges, sessions, permits) = (Arc::clone(&self.ranges), self.sessions.clone(), Arc::clone(&self.permits));
        let snapshot = self.snapshot.as_ref().map(|snapshot| (Arc::clone(&snapshot.keeper), snapshot.exported.clone()));
        let (budget, read_to_the_end) = (budget.clone(), Arc::clone(&self.read_to_the_end));
        async move {
            let sql = ranges.sql(index)?;
            let closed = |_| Error::new(ErrorKind::Internal, "the readers are closed");
            let permit = permits.acquire_owned().await.map_err(closed)?;
            let lane = match snapshot {
                None => Lane::Own(Box::new(
                    sessions.begin_in(&ranges.task.query.org, Some(sessions.turn().await?), None).await?,
                )),
                Some((keeper, None)) => {
                    let keeper = keeper.lock_owned().await;
                    keeper.young_enough()?;
                    Lane::Kept(keeper)
                }
                Some((keeper, Some(exported))) => {
                    let turn = sessions.turn().await?;
                    keeper.lock().await.young_enough()?;
                    match sessions.begin_in(&ranges.task.query.org, Some(turn), Some(&exported)).await {
                        Ok(session) => Lane::Own(Box::new(session)),
                        Err(error) => return Err(super::snapshot::gone(error, &*keeper.lock().await).await),
                    }
                }
            };
            let rows = ranges.task.rows(lane.session(), &sql, &ranges.columns, Some(&budget)).await?;
            let left = ranges.plan.rows_in(index);
            Ok(Some(Reading { ranges, budget, index, left, rows, lane, read_to_the_end, _permit: permit }))
        }
    }
}

impl RangeReader for Reader {
    fn read(&self, index: usize, budget: &MemoryBudget) -> RangeRows {
        stream::once(self.begin(index, budget))
            .map_ok(|reading| {
                stream::try_unfold(reading, |reading| async move {
                    match reading {
                        Some(reading) => reading.next().await,
                        None => Ok(None),
                    }
                })
            })
            .try_flatten()
            .boxed()
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        // A reading that ends early may be gone on with: the snapshot goes back to where `open` finds it.
        if let Some(Snapshot { keeper, snapshots, at, .. }) = self.snapshot.take()
            && !self.read_to_the_end.load(Ordering::Relaxed)
            && let Some(keeper) = Arc::into_inner(keeper)
        {
            snapshots.put_back(keeper.into_inner(), at);
        }
    }
}
