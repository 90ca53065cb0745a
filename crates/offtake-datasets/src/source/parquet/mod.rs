//! Rows of Parquet files: loaded once for each state of the files into a SQLite file with indexes, and read from there.
//!
//! So filters, selections, order and pages are compiled and run by what does it for every SQLite source. Here is what
//! files are about: finding them, knowing when they have changed, reading their cells exactly, and whose turn it is to
//! load. A moment is a version, which stays as it is while the files change.

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "of the many types of Arrow, those that are not named are alike here"
)]
mod cells;
mod files;
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "of the many types of Arrow, those that are not named are alike here"
)]
mod footer;
mod load;
mod nested;
mod versions;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use offtake_model::as_of::AsOf;
use offtake_model::budget::MemoryBudget;
use offtake_model::clock::SharedClock;
use offtake_model::dataset::DatasetSchema;
use offtake_model::plan::Plan;
use offtake_model::query::RowQuery;
use offtake_model::{Error, ErrorKind, Result};

use super::cursor::Cursor;
use super::snapshots::lost;
use super::{Count, FacetRequest, Facets, Page, PageRequest, PlanSettings, RangeReader, RangeRows, Source};
use crate::relation::Relation;
use versions::{Found, Version, Versions, Wanted};

pub(crate) use cells::{Kept, LoadColumn};
pub(crate) use files::{DataFile, Table};
pub(crate) use footer::{FileColumn, columns_of};
pub(crate) use load::Recipe;

/// The statement that yields the number of the version a file holds.
pub(crate) const NUMBER: &str = "SELECT number FROM version";

/// The datasets over one folder of Parquet files.
#[derive(Debug)]
pub(crate) struct ParquetSource {
    datasets: BTreeMap<String, Arc<Versions>>,
}

/// One dataset: what is loaded, how, and what it is then.
#[derive(Debug)]
pub(crate) struct LoadedDataset {
    pub(crate) table: Table,
    pub(crate) recipe: Recipe,
    pub(crate) relation: Relation,
}

impl ParquetSource {
    /// What is loaded is kept in `folder`, which is made when it is needed.
    pub(crate) fn new(folder: &Path, clock: &SharedClock, datasets: BTreeMap<String, LoadedDataset>) -> Arc<Self> {
        let datasets = datasets.into_iter().map(|(dataset, LoadedDataset { table, recipe, relation })| {
            let versions = Versions {
                folder: folder.to_owned(),
                dataset: dataset.clone(),
                table,
                recipe,
                relation,
                clock: Arc::clone(clock),
                open: Default::default(),
                building: Arc::default(),
            };
            (dataset, Arc::new(versions))
        });
        Arc::new(Self { datasets: datasets.collect() })
    }

    /// The version that a moment names, or the present one, which is loaded if it has not been.
    async fn version(&self, dataset: &str, moment: Option<AsOf>) -> Result<Arc<Version>> {
        let versions = self.datasets.get(dataset).cloned().ok_or_else(|| {
            Error::new(ErrorKind::Internal, format!("the dataset {dataset} does not lie in this source"))
        })?;
        let wanted = match moment {
            None => Wanted::Present,
            Some(AsOf::Cutoff { sequence, .. }) => Wanted::Number(sequence),
            Some(AsOf::Snapshot { .. }) => return Err(crate::request::as_of_is_foreign()),
        };
        let looked_in = Arc::clone(&versions);
        match blocking(move || looked_in.find(wanted)).await? {
            Found::Version(version) => return Ok(version),
            Found::Gone => return Err(gone()),
            Found::Unbuilt => {}
        }
        let turn = Arc::clone(&versions.building).lock_owned().await;
        // Goes on if nobody waits any more: somebody will ask again.
        blocking(move || {
            let _turn = turn;
            match versions.find(wanted)? {
                Found::Version(version) => Ok(version),
                Found::Gone => Err(gone()),
                Found::Unbuilt => versions.build(wanted),
            }
        })
        .await
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    let joined = tokio::task::spawn_blocking(work).await;
    joined
        .map_err(|cause| Error::new(ErrorKind::Internal, "the loading of files ended unexpectedly").caused_by(cause))?
}

fn gone() -> Error {
    Error::new(
        ErrorKind::Gone,
        "the files have changed since that moment, and its rows are kept no longer; leave as_of and cursor out",
    )
}

pub(super) fn no_files(table: &str) -> Error {
    Error::new(ErrorKind::SourceUnavailable, format!("there are no Parquet files for {table}"))
}

/// `source_unavailable` about a file that cannot be read: it may be whole in a moment.
fn broken(file: &DataFile, detail: &str) -> Error {
    let detail = format!("{} cannot be read as Parquet: {detail}", file.name);
    Error::new(ErrorKind::SourceUnavailable, detail)
}

#[async_trait]
impl Source for ParquetSource {
    async fn count(&self, dataset: &Arc<DatasetSchema>, query: &RowQuery) -> Result<Count> {
        let version = self.version(&dataset.name, query.as_of).await?;
        version.source.count(dataset, query).await
    }

    async fn facets(&self, dataset: &Arc<DatasetSchema>, query: &RowQuery, asked: &FacetRequest) -> Result<Facets> {
        let version = self.version(&dataset.name, query.as_of).await?;
        version.source.facets(dataset, query, asked).await
    }

    async fn page(&self, dataset: &Arc<DatasetSchema>, query: &RowQuery, page: &PageRequest) -> Result<Page> {
        let cursor = page.cursor.as_deref().map(|text| Cursor::parse(text, dataset, query, page)).transpose()?;
        let moment = cursor.map(|cursor| cursor.as_of).or(query.as_of);
        let version = self.version(&dataset.name, moment).await?;
        version.source.page(dataset, query, page).await
    }

    async fn plan(
        &self,
        dataset: &Arc<DatasetSchema>,
        query: &RowQuery,
        settings: PlanSettings,
        progress: Arc<dyn Fn(u64) + Send + Sync>,
    ) -> Result<Plan> {
        let version = self.version(&dataset.name, query.as_of).await?;
        version.source.plan(dataset, query, settings, progress).await
    }

    async fn open(
        &self,
        dataset: &Arc<DatasetSchema>,
        query: &RowQuery,
        plan: &Arc<Plan>,
        columns: &[String],
        readers: usize,
    ) -> Result<Arc<dyn RangeReader>> {
        let version = match self.version(&dataset.name, Some(plan.as_of)).await {
            Err(error) if error.kind() == ErrorKind::Gone => return Err(lost().caused_by(error)),
            version => version?,
        };
        let reader = version.source.open(dataset, query, plan, columns, readers).await?;
        Ok(Arc::new(Reader { reader, _version: version }))
    }

    async fn ping(&self) -> Result<()> {
        for versions in self.datasets.values() {
            let versions = Arc::clone(versions);
            blocking(move || versions.clear()).await?;
        }
        Ok(())
    }
}

/// Reads a version, which stays as long.
#[derive(Debug)]
struct Reader {
    reader: Arc<dyn RangeReader>,
    _version: Arc<Version>,
}

impl RangeReader for Reader {
    fn read(&self, index: usize, budget: &MemoryBudget) -> RangeRows {
        self.reader.read(index, budget)
    }
}
