//! The source port: a connection that yields rows as Arrow batches.

mod building;
mod cursor;
mod facets;
mod marks;
pub(crate) mod parquet;
mod passes;
pub mod postgres;
mod snapshots;
pub mod sqlite;
mod tally;

use std::sync::Arc;

use arrow::record_batch::RecordBatch;
use async_trait::async_trait;
use futures::stream::BoxStream;
use offtake_model::Result;
use offtake_model::as_of::AsOf;
use offtake_model::budget::{Held, MemoryBudget};
use offtake_model::dataset::DatasetSchema;
use offtake_model::id::OrgId;
use offtake_model::plan::Plan;
use offtake_model::query::{Chosen, Predicate, RowQuery, Sort, Test};
use offtake_model::selection::Scope;

pub use building::arrow_type;
pub use facets::{Facet, FacetRequest, Facets};

/// A page to be read.
#[derive(Debug, Clone)]
pub struct PageRequest {
    /// The columns, in order.
    pub columns: Vec<String>,
    /// The order; `None`: by key, ascending.
    pub sort: Option<Sort>,
    /// At most so many rows.
    pub limit: u32,
    /// Where the page before ended, as it was handed out.
    pub cursor: Option<String>,
}

/// A page of rows.
#[derive(Debug, Clone)]
pub struct Page {
    /// The rows, with the columns asked for.
    pub rows: RecordBatch,
    /// Where the next page begins; `None`: this was the last.
    pub next_cursor: Option<String>,
    /// The moment it is true for.
    pub as_of: AsOf,
}

/// A number of rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Count {
    /// Rows.
    pub rows: u64,
    /// The moment it is true for.
    pub as_of: AsOf,
}

/// How a plan cuts.
#[derive(Debug, Clone, Copy)]
pub struct PlanSettings {
    /// At most so many rows, the first in key order.
    pub limit: Option<u64>,
    /// Bytes of rows that a frame should hold: decides rows per frame, by the mean size of sampled rows.
    pub frame_bytes: u64,
    /// The most rows in a frame.
    pub max_frame_rows: u32,
}

/// Where rows come from.
///
/// A source knows its own dialect of SQL and its own way to name a moment; callers only hand it checked
/// queries about datasets that are configured on it.
#[async_trait]
pub trait Source: Send + Sync + std::fmt::Debug {
    /// Counts exactly, as of the query's moment or now.
    async fn count(&self, dataset: &Arc<DatasetSchema>, query: &RowQuery) -> Result<Count>;

    /// Counts the values of columns among the rows that match, each without the filters that name values of this very
    /// column; as of the query's moment or now.
    ///
    /// # Errors
    /// `unavailable` if its turn does not come in time.
    async fn facets(&self, dataset: &Arc<DatasetSchema>, query: &RowQuery, asked: &FacetRequest) -> Result<Facets>;

    /// Reads a page, as of the query's (or the cursor's) moment or now.
    ///
    /// # Errors
    /// `invalid_request` for a cursor that was not handed out for this query and order.
    async fn page(&self, dataset: &Arc<DatasetSchema>, query: &RowQuery, page: &PageRequest) -> Result<Page>;

    /// Counts and cuts: one pass over the key. `progress` is told rows counted so far, now and then.
    async fn plan(
        &self,
        dataset: &Arc<DatasetSchema>,
        query: &RowQuery,
        settings: PlanSettings,
        progress: Arc<dyn Fn(u64) + Send + Sync>,
    ) -> Result<Plan>;

    /// Opens what a plan speaks of for reading, by up to `readers` ranges at once.
    ///
    /// # Errors
    /// `schema_drift`; `source_unavailable`; `rows_changed` if the plan's snapshot is lost (plan anew).
    async fn open(
        &self,
        dataset: &Arc<DatasetSchema>,
        query: &RowQuery,
        plan: &Arc<Plan>,
        columns: &[String],
        readers: usize,
    ) -> Result<Arc<dyn RangeReader>>;

    /// The present moment of a dataset, without looking at its rows.
    async fn moment(&self, dataset: &Arc<DatasetSchema>, org: &OrgId) -> Result<AsOf> {
        // A condition that nothing meets: no row is read to count the rows that do.
        let nothing = Predicate { columns: vec![dataset.key[0].clone()], test: Test::OneOf(Vec::new()) };
        let query = RowQuery {
            org: org.clone(),
            predicates: vec![nothing],
            chosen: Chosen::All,
            scope: Scope::Row,
            as_of: None,
            newer_than: None,
        };
        Ok(self.count(dataset, &query).await?.as_of)
    }

    /// Whether the source answers.
    async fn ping(&self) -> Result<()>;
}

/// The rows of one range, in key order: pieces, each with the memory it is held in.
pub type RangeRows = BoxStream<'static, Result<(RecordBatch, Held)>>;

/// Reads ranges of a plan, several at once, in any order.
pub trait RangeReader: Send + Sync + std::fmt::Debug {
    /// Reads range `index` in pieces, columns as opened. A piece ends with its `frame_rows`th row, with the row that
    /// brings it to the plan's `frame_bytes`, or with the range: where they are cut depends on the rows alone. Bytes
    /// are taken from `budget` while they are read, and held until the piece's [`Held`] is dropped.
    ///
    /// # Cancel safety
    /// Dropping the stream stops the reading at the next row check and frees the reader.
    ///
    /// # Errors
    /// `rows_changed` if the range has more rows than the plan counted; `memory_limit`; `source_unavailable`. The
    /// stream ends after an error.
    fn read(&self, index: usize, budget: &MemoryBudget) -> RangeRows;
}
