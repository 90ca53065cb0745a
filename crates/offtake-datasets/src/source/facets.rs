//! Facets: which values a column has among the rows that match, and how often. How they are counted is [`super::tally`]'s.

use std::time::Duration;

use arrow::record_batch::RecordBatch;
use offtake_model::as_of::AsOf;

/// Columns whose values are counted.
#[derive(Debug, Clone)]
pub struct FacetRequest {
    /// The columns, each of them once.
    pub columns: Vec<String>,
    /// The most values of each.
    pub limit: usize,
    /// So long a pass waits for its turn, and is refused then.
    pub wait: Duration,
    /// After so long the pass ends, with what it has.
    pub patience: Duration,
}

/// The values of one column.
#[derive(Debug, Clone)]
pub struct Facet {
    /// The values in a batch of one column, the most frequent first.
    pub values: RecordBatch,
    /// How many rows have each of them.
    pub counts: Vec<u64>,
    /// Rows without a value.
    pub nulls: u64,
    /// Rows with any other value.
    pub others: u64,
}

/// The facets asked for, in their order.
#[derive(Debug, Clone)]
pub struct Facets {
    /// One for each column.
    pub facets: Vec<Facet>,
    /// Whether all rows were looked at, and all values remembered. Else there are at least as many.
    pub exact: bool,
    /// Rows that were looked at.
    pub rows: u64,
    /// The moment it is true for.
    pub as_of: AsOf,
}
