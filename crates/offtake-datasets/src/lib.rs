//! What can be read: datasets, their filters, their sources, and the built-in span store.
//!
//! Responsible for turning configuration into datasets, requests into checked queries, queries into SQL and
//! SQL into Arrow batches. The page on the screen, the count, the preview, the plan and the export all go
//! through the same compiled query, so they cannot mean different rows. Not responsible for files (that is
//! `offtake-pipeline`) or for jobs (`offtake-store`).

#![forbid(unsafe_code)]

pub mod catalog;
pub mod config;
mod escape;
mod number;
pub mod relation;
mod request;
pub mod source;
pub mod spans;
mod sql;

pub use catalog::{Catalog, Dataset};
pub use relation::{Dialect, Relation, Stored};
pub use source::postgres::{PostgresSettings, PostgresSource};
pub use source::sqlite::SqliteSource;
pub use source::{Count, Facet, FacetRequest, Facets, Page, PageRequest, PlanSettings, RangeReader, RangeRows, Source};
pub use sql::counting;
