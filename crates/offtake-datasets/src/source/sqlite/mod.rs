//! Rows of a SQLite file: counted, paged, planned and read over read-only connections.
//!
//! Statements run on the blocking pool, never on the executor; dropping a future stops its statement at SQLite's
//! next look. The file may be written by others meanwhile, by any process. What the statements say is
//! [`crate::sql`]'s business.

mod cells;
mod drift;
#[cfg(test)]
mod explained;
mod facets;
mod functions;
mod page;
mod plain;
mod plan;
mod pool;
mod ranges;
mod session;
mod skipped;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use offtake_model::as_of::AsOf;
use offtake_model::clock::SharedClock;
use offtake_model::dataset::{DatasetSchema, RowsMode};
use offtake_model::plan::Plan;
use offtake_model::query::{Chosen, RowQuery};
use offtake_model::{Error, ErrorKind, Result};

use super::passes::{self, Passes};
use super::{Count, FacetRequest, Facets, Page, PageRequest, PlanSettings, RangeReader, RangeRows, Source};
use crate::relation::Relation;
use crate::sql::Statements;

use crate::source::snapshots::{self, Snapshots};
use pool::Pool;
pub(crate) use session::{STEPS_BETWEEN_LOOKS, Scope, Session};

/// Connections for counts, pages and plans; ranges have their own.
const CONNECTIONS: usize = 4;

/// A SQLite file and the datasets that lie in it.
#[derive(Debug)]
pub struct SqliteSource {
    clock: SharedClock,
    relations: BTreeMap<String, Arc<Relation>>,
    pool: Pool,
    passes: Passes,
    snapshots: Arc<Snapshots<Session>>,
}

impl SqliteSource {
    /// The file at `path`, with the relation of each dataset by the dataset's name.
    ///
    /// # Errors
    /// `source_unavailable` if the file cannot be opened; it is not created.
    pub fn new(path: &Path, clock: SharedClock, relations: BTreeMap<String, Relation>) -> Result<Arc<Self>> {
        let pool = Pool::new(path, CONNECTIONS);
        pool.give_back(Session::open(path)?);
        let relations = relations.into_iter().map(|(name, relation)| (name, Arc::new(relation))).collect();
        let snapshots = Arc::new(Snapshots::new(Arc::clone(&clock)));
        Ok(Arc::new(Self { clock, relations, pool, passes: Passes::new(passes::AT_ONCE), snapshots }))
    }

    fn relation(&self, schema: &DatasetSchema) -> Result<Arc<Relation>> {
        self.relations.get(&schema.name).cloned().ok_or_else(|| {
            Error::new(ErrorKind::Internal, format!("the dataset {} does not lie in this source", schema.name))
        })
    }

    fn task(&self, schema: &Arc<DatasetSchema>, query: &RowQuery) -> Result<Task> {
        Ok(Task {
            schema: Arc::clone(schema),
            relation: self.relation(schema)?,
            query: Arc::new(query.clone()),
            clock: Arc::clone(&self.clock),
        })
    }
}

/// One question to one dataset, with all that a blocking thread needs to answer it.
#[derive(Debug, Clone)]
struct Task {
    schema: Arc<DatasetSchema>,
    relation: Arc<Relation>,
    query: Arc<RowQuery>,
    clock: SharedClock,
}

impl Task {
    fn statements(&self) -> Statements<'_> {
        Statements { schema: &self.schema, relation: &self.relation, query: &self.query }
    }

    fn scope(&self, as_of: AsOf) -> Scope {
        let cutoff = match as_of {
            AsOf::Cutoff { sequence, .. } => Some(sequence),
            AsOf::Snapshot { .. } => None,
        };
        Scope { org: self.query.org.as_str().to_owned(), cutoff }
    }

    /// The moment `asked` for, or the present one. Called inside of the transaction that it is about.
    fn moment(&self, session: &Session, asked: Option<AsOf>) -> Result<AsOf> {
        let at = self.clock.now();
        match (self.schema.rows, asked) {
            (RowsMode::Mutable, None) => Ok(AsOf::Snapshot { at }),
            (RowsMode::Mutable, Some(_)) => Err(crate::request::as_of_of_mutable()),
            (RowsMode::AppendOnly | RowsMode::Versioned, Some(AsOf::Snapshot { .. })) => {
                Err(crate::request::as_of_is_foreign())
            }
            (RowsMode::AppendOnly | RowsMode::Versioned, asked) => {
                let present = session.number(self.sequence()?)?;
                match asked {
                    Some(AsOf::Cutoff { sequence, .. }) if !(0..=present).contains(&sequence) => {
                        Err(crate::request::as_of_is_foreign())
                    }
                    Some(asked) => Ok(asked),
                    None => Ok(AsOf::Cutoff { sequence: present, at }),
                }
            }
        }
    }

    fn count(&self, session: &mut Session, as_of: AsOf) -> Result<u64> {
        session.load(&self.statements())?;
        let rows = session.one(&self.statements().count()?, &self.scope(as_of), |row| row.get::<_, i64>(0))?;
        Ok(u64::try_from(rows).unwrap_or(0))
    }

    fn sequence(&self) -> Result<&str> {
        self.relation.sequence.as_deref().ok_or_else(|| {
            Error::new(
                ErrorKind::Internal,
                format!("the dataset {} is append-only and has no sequence", self.schema.name),
            )
        })
    }
}

#[async_trait]
impl Source for SqliteSource {
    async fn count(&self, dataset: &Arc<DatasetSchema>, query: &RowQuery) -> Result<Count> {
        let task = self.task(dataset, query)?;
        self.pool
            .run(move |session| {
                session.begin()?;
                let as_of = task.moment(session, task.query.as_of)?;
                let rows = match task.excluded() {
                    // Both in one snapshot, and the second is a part of the first.
                    Some(excluded) => {
                        let query = Arc::new(RowQuery { chosen: Chosen::All, ..(*task.query).clone() });
                        let all = Task { query, ..task };
                        all.count(session, as_of)?.saturating_sub(excluded.count(session, as_of)?)
                    }
                    None => task.count(session, as_of)?,
                };
                Ok(Count { rows, as_of })
            })
            .await
    }

    async fn facets(&self, dataset: &Arc<DatasetSchema>, query: &RowQuery, asked: &FacetRequest) -> Result<Facets> {
        let task = self.task(dataset, query)?;
        let ready = async { Ok((self.passes.turn(&query.org).await?, self.pool.turn().await?)) };
        let (_turn, connection) = passes::within(asked.wait, ready).await?;
        facets::read(&self.pool, connection, task, asked.clone()).await
    }

    async fn page(&self, dataset: &Arc<DatasetSchema>, query: &RowQuery, page: &PageRequest) -> Result<Page> {
        let task = self.task(dataset, query)?;
        let page = page.clone();
        self.pool.run(move |session| page::read(session, &task, &page)).await
    }

    async fn plan(
        &self,
        dataset: &Arc<DatasetSchema>,
        query: &RowQuery,
        settings: PlanSettings,
        progress: Arc<dyn Fn(u64) + Send + Sync>,
    ) -> Result<Plan> {
        let task = self.task(dataset, query)?;
        if dataset.rows.keeps_moments() {
            return self.pool.run(move |session| plan::make(session, &task, settings, &*progress)).await;
        }
        let snapshots = Arc::clone(&self.snapshots);
        self.pool
            .run_and_keep(move |mut session| {
                let mut plan = plan::make(&mut session, &task, settings, &*progress)?;
                plan.as_of = snapshots.keep(session, plan.as_of.at());
                Ok(plan)
            })
            .await
    }

    async fn open(
        &self,
        dataset: &Arc<DatasetSchema>,
        query: &RowQuery,
        plan: &Arc<Plan>,
        columns: &[String],
        readers: usize,
    ) -> Result<Arc<dyn RangeReader>> {
        let task = self.task(dataset, query)?;
        let ranges = ranges::Ranges::new(task, Arc::clone(plan), columns)?;
        let reader = match plan.as_of {
            AsOf::Cutoff { .. } => ranges::Reader::over_connections(ranges, self.pool.another(readers)).await?,
            AsOf::Snapshot { at } => {
                let session = self.snapshots.take(at).ok_or_else(snapshots::lost)?;
                ranges::Reader::over_snapshot(ranges, session, Arc::clone(&self.snapshots), at).await?
            }
        };
        Ok(Arc::new(reader))
    }

    async fn ping(&self) -> Result<()> {
        self.snapshots.forget_old();
        self.pool.run(|session| session.number("SELECT count(*) FROM sqlite_schema").map(drop)).await
    }
}
