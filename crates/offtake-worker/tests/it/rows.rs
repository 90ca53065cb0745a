//! A source of numbered rows that can be told to lose rows, to fail, to panic or to wait.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use arrow::array::{Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema};
use async_trait::async_trait;
use futures::{StreamExt as _, stream};
use jiff::Timestamp;
use offtake_datasets::{
    Count, Dataset, FacetRequest, Facets, Page, PageRequest, PlanSettings, RangeReader, RangeRows, Source,
};
use offtake_model::as_of::AsOf;
use offtake_model::budget::MemoryBudget;
use offtake_model::dataset::{Column, ColumnType, DatasetSchema, Limits, RowsMode};
use offtake_model::permission::Permission;
use offtake_model::plan::Plan;
use offtake_model::query::RowQuery;
use offtake_model::value::Value;
use offtake_model::{Error, ErrorKind, Result};
use tokio::sync::watch;

/// Rows in a range of every plan.
pub(crate) const RANGE: u64 = 64;

/// What happens when a range is read.
#[derive(Debug, Clone)]
pub(crate) enum Fault {
    /// It has a row less than was counted.
    LoseRow,
    /// It cannot be read.
    Fail(ErrorKind),
    /// The reader panics.
    Panic,
    /// It is read once the gate is opened.
    Wait(Arc<Gate>),
}

/// Holds whoever comes to it until it is opened; says that somebody came.
#[derive(Debug)]
pub(crate) struct Gate {
    reached: watch::Sender<bool>,
    open: watch::Sender<bool>,
}

impl Gate {
    pub(crate) fn closed() -> Arc<Self> {
        Arc::new(Self { reached: watch::Sender::new(false), open: watch::Sender::new(false) })
    }

    /// Waits until somebody stands before the gate.
    pub(crate) async fn reached(&self) {
        self.reached.subscribe().wait_for(|reached| *reached).await.unwrap();
    }

    pub(crate) fn open(&self) {
        self.open.send_replace(true);
    }

    pub(crate) async fn pass(&self) {
        self.reached.send_replace(true);
        self.open.subscribe().wait_for(|open| *open).await.unwrap();
    }
}

/// A table of numbered rows.
#[derive(Debug)]
pub(crate) struct Rows {
    pub(crate) count: u64,
    /// By range; each fault happens so many times.
    faults: Mutex<BTreeMap<usize, (Fault, u32)>>,
    /// Ranges read, in the order they were asked for.
    read: Mutex<Vec<usize>>,
    /// So many times a plan's snapshot is found to be lost.
    pub(crate) lost_snapshots: AtomicU64,
    pub(crate) planned: AtomicU64,
    pub(crate) opened: AtomicU64,
}

impl Rows {
    pub(crate) fn new(count: u64) -> Arc<Self> {
        Arc::new(Self {
            count,
            faults: Mutex::default(),
            read: Mutex::default(),
            lost_snapshots: AtomicU64::new(0),
            planned: AtomicU64::new(0),
            opened: AtomicU64::new(0),
        })
    }

    /// From now on reading `range` meets `fault`, `times` times.
    pub(crate) fn fault(&self, range: usize, fault: Fault, times: u32) {
        self.faults.lock().unwrap().insert(range, (fault, times));
    }

    /// The ranges read since this was asked last.
    pub(crate) fn take_read(&self) -> Vec<usize> {
        std::mem::take(&mut self.read.lock().unwrap())
    }

    pub(crate) fn dataset(self: &Arc<Self>, name: &str, rows: RowsMode) -> Dataset {
        let column = |name: &str, ty| Column {
            name: name.to_owned(),
            ty,
            label: name.to_owned(),
            sensitive: None,
            elements: None,
            hex_digits: None,
        };
        let schema = DatasetSchema {
            name: name.to_owned(),
            title: name.to_owned(),
            permission: Permission::TracesRead,
            columns: vec![column("id", ColumnType::Int64), column("text", ColumnType::Text)],
            key: vec!["id".to_owned()],
            identity: vec!["id".to_owned()],
            time: None,
            rows,
            filters: Vec::new(),
            default_columns: vec!["id".to_owned(), "text".to_owned()],
            limits: Limits { rows: None, days: 365, identities: 10_000 },
        };
        let source: Arc<dyn Source> = Arc::new(Numbered(Arc::clone(self)));
        Dataset::new(schema, source)
    }

    fn next_fault(&self, range: usize) -> Option<Fault> {
        let mut faults = self.faults.lock().unwrap();
        let (fault, times) = faults.get_mut(&range)?;
        *times = times.checked_sub(1)?;
        Some(fault.clone())
    }

    /// The rows of a range, as they are without any fault.
    fn batch(&self, plan: &Plan, range: usize, lost: u64) -> RecordBatch {
        let first = u64::from(plan.range_rows) * range as u64;
        let ids: Vec<i64> = (first..first + plan.rows_in(range) - lost).map(|id| id as i64).collect();
        let texts = StringArray::from_iter_values(ids.iter().map(|id| format!("row {id}, \"quoted\", {}", id * 7919)));
        let schema =
            Schema::new(vec![Field::new("id", DataType::Int64, false), Field::new("text", DataType::Utf8, true)]);
        RecordBatch::try_new(Arc::new(schema), vec![Arc::new(Int64Array::from(ids)), Arc::new(texts)]).unwrap()
    }
}

#[derive(Debug)]
struct Numbered(Arc<Rows>);

#[async_trait]
impl Source for Numbered {
    async fn count(&self, _: &Arc<DatasetSchema>, _: &RowQuery) -> Result<Count> {
        Ok(Count { rows: self.0.count, as_of: as_of() })
    }

    async fn facets(&self, _: &Arc<DatasetSchema>, _: &RowQuery, _: &FacetRequest) -> Result<Facets> {
        Err(Error::new(ErrorKind::Internal, "no worker counts values"))
    }

    async fn page(&self, _: &Arc<DatasetSchema>, _: &RowQuery, _: &PageRequest) -> Result<Page> {
        Err(Error::new(ErrorKind::Internal, "no worker reads pages"))
    }

    async fn plan(
        &self,
        _: &Arc<DatasetSchema>,
        _: &RowQuery,
        settings: PlanSettings,
        progress: Arc<dyn Fn(u64) + Send + Sync>,
    ) -> Result<Plan> {
        self.0.planned.fetch_add(1, Ordering::SeqCst);
        let expected = settings.limit.unwrap_or(u64::MAX).min(self.0.count);
        progress(self.0.count);
        let cut = |range: u64| vec![Value::Int(((range + 1) * RANGE).min(expected) as i64 - 1)];
        Ok(Plan {
            as_of: as_of(),
            rows_matching: self.0.count,
            rows_expected: expected,
            frame_rows: RANGE as u32,
            range_rows: RANGE as u32,
            cuts: (0..expected.div_ceil(RANGE)).map(cut).collect(),
            frame_bytes: u64::MAX,
            row_bytes: 32,
        })
    }

    async fn open(
        &self,
        _: &Arc<DatasetSchema>,
        _: &RowQuery,
        plan: &Arc<Plan>,
        columns: &[String],
        _: usize,
    ) -> Result<Arc<dyn RangeReader>> {
        self.0.opened.fetch_add(1, Ordering::SeqCst);
        let lost = self.0.lost_snapshots.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        if lost.is_ok() {
            return Err(Error::new(ErrorKind::RowsChanged, "the snapshot is lost"));
        }
        Ok(Arc::new(Reader { rows: Arc::clone(&self.0), plan: Arc::clone(plan), columns: columns.to_vec() }))
    }

    async fn ping(&self) -> Result<()> {
        Ok(())
    }
}

#[derive(Debug)]
struct Reader {
    rows: Arc<Rows>,
    plan: Arc<Plan>,
    columns: Vec<String>,
}

impl RangeReader for Reader {
    fn read(&self, index: usize, budget: &MemoryBudget) -> RangeRows {
        let (rows, plan, budget) = (Arc::clone(&self.rows), Arc::clone(&self.plan), budget.clone());
        let columns = self.columns.clone();
        let piece = async move {
            rows.read.lock().unwrap().push(index);
            let mut lost = 0;
            match rows.next_fault(index) {
                None => {}
                Some(Fault::LoseRow) => lost = 1,
                Some(Fault::Fail(kind)) => return Err(Error::new(kind, "reading from db.internal:5432 failed")),
                Some(Fault::Panic) => panic!("a bug in the reader"),
                Some(Fault::Wait(gate)) => gate.pass().await,
            }
            let batch = rows.batch(&plan, index, lost);
            let wanted: Vec<usize> =
                columns.iter().map(|column| batch.schema().index_of(column).expect("a known column")).collect();
            let batch = batch.project(&wanted).expect("columns of the batch");
            let held = budget.take(batch.get_array_memory_size() as u64)?;
            Ok((batch, held))
        };
        stream::once(piece).boxed()
    }
}

fn as_of() -> AsOf {
    AsOf::Cutoff { sequence: 1, at: Timestamp::UNIX_EPOCH }
}
