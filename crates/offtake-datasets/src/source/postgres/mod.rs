//! Rows of a Postgres database: counted, paged, planned and read over read-only sessions.
//!
//! Rows come as `COPY … (FORMAT binary)` and go straight into Arrow buffers. What the statements say is
//! [`crate::sql`]'s business; how to reach the server and what its errors mean, `offtake_postgres`'s.

mod copy;
mod decode;
mod facets;
mod line;
mod numeric;
mod page;
mod plan;
mod ranges;
mod session;
mod skipped;
mod snapshot;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use offtake_model::as_of::AsOf;
use offtake_model::budget::MemoryBudget;
use offtake_model::clock::SharedClock;
use offtake_model::dataset::{Column, DatasetSchema, RowsMode};
use offtake_model::plan::Plan;
use offtake_model::query::RowQuery;
use offtake_model::{Error, ErrorKind, Result};
use offtake_postgres::{Pool, Walls};
use rusqlite::types::Value as SqlValue;

use super::cursor::Cursor;
use super::passes::{self, Passes};
use super::snapshots::{self, Snapshots};
use super::{Count, FacetRequest, Facets, Page, PageRequest, PlanSettings, RangeReader, RangeRows, Source};
use crate::relation::{Relation, Stored};
use crate::sql::{Sql, Statements};

use session::{Rows, Session, Sessions};
use skipped::Last;
use snapshot::Keeper;

/// What a source is beside its connections.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PostgresSettings {
    /// Its name in the configuration, for errors.
    pub name: String,
    /// How long a snapshot of mutable rows is held at most.
    pub max_snapshot_age: Duration,
}

/// A Postgres database and the datasets that lie in it.
#[derive(Debug)]
pub struct PostgresSource {
    clock: SharedClock,
    relations: BTreeMap<String, Arc<Relation>>,
    sessions: Sessions,
    snapshots: Arc<Snapshots<Keeper>>,
    settings: PostgresSettings,
    passes: Passes,
    skipped: Last,
}

impl PostgresSource {
    /// The database that `pool` leads to, with the relation of each dataset by the dataset's name. Connects to nothing
    /// yet. The pool's sessions should be read-only.
    pub fn new(
        pool: Pool,
        settings: PostgresSettings,
        clock: SharedClock,
        relations: BTreeMap<String, Relation>,
    ) -> Arc<Self> {
        Self::walled(None, pool, settings, clock, relations)
    }

    /// The same in Offtake's own database, whose tables have policies.
    pub(crate) fn walled(
        walls: Option<Walls>,
        pool: Pool,
        settings: PostgresSettings,
        clock: SharedClock,
        relations: BTreeMap<String, Relation>,
    ) -> Arc<Self> {
        let relations = relations.into_iter().map(|(name, relation)| (name, Arc::new(relation))).collect();
        let snapshots = Arc::new(Snapshots::new(Arc::clone(&clock)));
        // One connection at least is left to pages and counts, where there is more than one.
        let passes = Passes::new(pool.connections().saturating_sub(1).clamp(1, passes::AT_ONCE));
        Arc::new(Self {
            clock,
            relations,
            sessions: Sessions::new(pool, walls),
            snapshots,
            settings,
            passes,
            skipped: Last::default(),
        })
    }

    fn timeless(&self, schema: &Arc<DatasetSchema>, query: &RowQuery) -> Result<Task> {
        let relation = self.relations.get(&schema.name).cloned().ok_or_else(|| {
            Error::new(ErrorKind::Internal, format!("the dataset {} does not lie in this source", schema.name))
        })?;
        Ok(Task { schema: Arc::clone(schema), relation, query: Arc::new(query.clone()) })
    }

    /// The question, as of the moment `asked` for or the present one, in the transaction of `session`.
    async fn task(
        &self,
        session: &Session,
        schema: &Arc<DatasetSchema>,
        query: &RowQuery,
        asked: Option<AsOf>,
    ) -> Result<Task> {
        let task = self.timeless(schema, query)?;
        let moment = self.moment(session, &task, asked).await?;
        Ok(task.at(moment))
    }

    /// The cut-off of a plan is our own: that this server has not come as far is no fault of anybody who asked.
    async fn has_come_to(&self, session: &Session, task: &Task, sequence: i64) -> Result<()> {
        if task.present(session).await? < sequence { Err(self.behind()) } else { Ok(()) }
    }

    fn behind(&self) -> Error {
        let detail = format!(
            "source {} has not come as far as the moment of these rows: a standby that lags, or one that took over \
             without the last transactions",
            self.settings.name
        );
        Error::new(ErrorKind::SourceUnavailable, detail).openly()
    }

    async fn moment(&self, session: &Session, task: &Task, asked: Option<AsOf>) -> Result<AsOf> {
        let at = self.clock.now();
        match (task.schema.rows, asked) {
            (RowsMode::Mutable, None) => Ok(AsOf::Snapshot { at }),
            (RowsMode::Mutable, Some(_)) => Err(crate::request::as_of_of_mutable()),
            (RowsMode::AppendOnly | RowsMode::Versioned, Some(AsOf::Snapshot { .. })) => {
                Err(crate::request::as_of_is_foreign())
            }
            (RowsMode::AppendOnly | RowsMode::Versioned, asked) => {
                let present = task.present(session).await?;
                match asked {
                    Some(AsOf::Cutoff { sequence, .. }) if sequence > present && session.in_recovery().await? => {
                        Err(self.behind())
                    }
                    Some(AsOf::Cutoff { sequence, .. }) if !(0..=present).contains(&sequence) => {
                        Err(crate::request::as_of_is_foreign())
                    }
                    Some(asked) => Ok(asked),
                    None => Ok(AsOf::Cutoff { sequence: present, at }),
                }
            }
        }
    }

    async fn open_kept(&self, at: jiff::Timestamp) -> Result<Keeper> {
        let keeper = self.snapshots.take(at).ok_or_else(snapshots::lost)?;
        keeper.stands().await.map_err(snapshots::lost_because)?;
        keeper.young_enough()?;
        Ok(keeper)
    }
}

/// One question to one dataset, at one moment.
#[derive(Debug, Clone)]
struct Task {
    schema: Arc<DatasetSchema>,
    relation: Arc<Relation>,
    /// Its moment is the one that is read.
    query: Arc<RowQuery>,
}

impl Task {
    fn at(&self, moment: AsOf) -> Self {
        Self { query: Arc::new(RowQuery { as_of: Some(moment), ..(*self.query).clone() }), ..self.clone() }
    }

    fn as_of(&self) -> Result<AsOf> {
        self.query.as_of.ok_or_else(|| Error::new(ErrorKind::Internal, "a question has no moment"))
    }

    fn statements(&self) -> Statements<'_> {
        Statements { schema: &self.schema, relation: &self.relation, query: &self.query }
    }

    fn columns(&self, names: &[String]) -> Result<Vec<Column>> {
        let find = |name: &String| {
            self.schema.column(name).cloned().ok_or_else(|| {
                Error::new(ErrorKind::Internal, format!("the dataset {} has no column {name}", self.schema.name))
            })
        };
        names.iter().map(find).collect()
    }

    /// Runs a statement whose rows begin with these columns.
    async fn rows(
        &self,
        session: &Session,
        sql: &Sql,
        columns: &[Column],
        budget: Option<&MemoryBudget>,
    ) -> Result<Rows> {
        let mut rows = session.rows(sql, columns, budget).await?;
        for (decoder, column) in rows.decoders.iter_mut().zip(columns) {
            if self.relation.stored.get(&column.name) == Some(&Stored::Escaped) {
                decoder.unescape();
            }
        }
        Ok(rows)
    }

    fn key_columns(&self) -> Result<Vec<Column>> {
        self.columns(&self.schema.key)
    }

    /// Finds out whether the key is as unique as it was when the dataset was checked.
    ///
    /// # Errors
    /// `schema_drift`.
    async fn check_key(&self, session: &Session) -> Result<()> {
        let Some(table) = &self.relation.unique_in else { return Ok(()) };
        let mut fixed = self.schema.key.clone();
        fixed.extend(self.relation.tenant_column.clone());
        let mut sql = Sql::default();
        sql.push("SELECT count(*) FROM pg_index i WHERE i.indrelid = to_regclass(");
        sql.bind_as(SqlValue::Text(table.clone()), "::text");
        sql.push(
            ") AND i.indisunique AND i.indisvalid AND i.indpred IS NULL AND i.indexprs IS NULL AND NOT EXISTS \
             (SELECT 1 FROM unnest(i.indkey[0:i.indnkeyatts - 1]) k(attnum) JOIN pg_attribute a \
             ON a.attrelid = i.indrelid AND a.attnum = k.attnum WHERE a.attname <> ALL (ARRAY[",
        );
        for (index, column) in fixed.iter().enumerate() {
            sql.push(if index == 0 { "" } else { ", " });
            sql.bind_as(SqlValue::Text(column.clone()), "::text");
        }
        sql.push("]))");
        if session.numbers(&sql).await? != [Some(0)] {
            return Ok(());
        }
        let detail = format!(
            "no primary key or unique index holds {} unique any more: rows with equal keys would be lost; check \
             datasets.{}.key",
            self.schema.key.join(", "),
            self.schema.name
        );
        Err(Error::new(ErrorKind::SchemaDrift, detail))
    }

    /// The cut-off that takes in all that is settled now.
    async fn present(&self, session: &Session) -> Result<i64> {
        let name = &self.schema.name;
        let sequence = self.relation.sequence.as_deref().ok_or_else(|| {
            Error::new(ErrorKind::Internal, format!("the dataset {name} is append-only and has no sequence"))
        })?;
        let mut sql = Sql::default();
        self.statements().named(&mut sql, sequence)?;
        let [present] = session.numbers(&sql).await?;
        present.ok_or_else(|| {
            let detail = format!(
                "the database has begun more than 2^32 transactions, after which rows do not tell their age by \
                 themselves: give the table of {name} a column \"xid8 NOT NULL DEFAULT pg_current_xact_id()\" and name \
                 it in datasets.{name}.sequence"
            );
            Error::new(ErrorKind::SchemaDrift, detail)
        })
    }
}

#[async_trait]
impl Source for PostgresSource {
    async fn count(&self, dataset: &Arc<DatasetSchema>, query: &RowQuery) -> Result<Count> {
        let session = self.sessions.begin(&query.org).await?;
        let task = self.task(&session, dataset, query, query.as_of).await?;
        let [rows] = session.numbers(&task.statements().count()?).await?;
        session.end().await?;
        Ok(Count { rows: rows.and_then(|rows| u64::try_from(rows).ok()).unwrap_or(0), as_of: task.as_of()? })
    }

    async fn facets(&self, dataset: &Arc<DatasetSchema>, query: &RowQuery, asked: &FacetRequest) -> Result<Facets> {
        let ready = async {
            let turn = self.passes.turn(&query.org).await?;
            let session = self.sessions.begin(&query.org).await?;
            let task = self.task(&session, dataset, query, query.as_of).await?;
            Ok((turn, session, task))
        };
        let (_turn, session, task) = passes::within(asked.wait, ready).await?;
        facets::read(session, &task, asked).await
    }

    async fn page(&self, dataset: &Arc<DatasetSchema>, query: &RowQuery, page: &PageRequest) -> Result<Page> {
        let cursor = page.cursor.as_deref().map(|text| Cursor::parse(text, dataset, query, page)).transpose()?;
        let kept = cursor.as_ref().filter(|_| dataset.rows.keeps_moments());
        let asked = kept.map(|cursor| cursor.as_of).or(query.as_of);
        let session = self.sessions.begin(&query.org).await?;
        let task = self.task(&session, dataset, query, asked).await?;
        let read = page::read(&session, &task, query, page, cursor.map(|cursor| cursor.position)).await?;
        session.end().await?;
        Ok(read)
    }

    async fn plan(
        &self,
        dataset: &Arc<DatasetSchema>,
        query: &RowQuery,
        settings: PlanSettings,
        progress: Arc<dyn Fn(u64) + Send + Sync>,
    ) -> Result<Plan> {
        if dataset.rows.keeps_moments() {
            let session = self.sessions.begin_in(&query.org, Some(self.sessions.turn().await?), None).await?;
            let task = self.task(&session, dataset, query, query.as_of).await?;
            let (plan, skipped) = plan::make(&session, &task, settings, &*progress).await?;
            task.check_key(&session).await?;
            session.end().await?;
            self.skipped.keep(&task, skipped);
            return Ok(plan);
        }
        if self.sessions.all_keep() {
            self.snapshots.give_way();
        }
        let keeper =
            Keeper::begin(&self.sessions, &query.org, &self.settings.name, self.settings.max_snapshot_age).await?;
        let task = self.task(keeper.session(), dataset, query, query.as_of).await?;
        let (mut plan, skipped) = plan::make(keeper.session(), &task, settings, &*progress).await?;
        task.check_key(keeper.session()).await?;
        plan.as_of = self.snapshots.keep(keeper, plan.as_of.at());
        self.skipped.keep(&task.at(plan.as_of), skipped);
        Ok(plan)
    }

    async fn open(
        &self,
        dataset: &Arc<DatasetSchema>,
        query: &RowQuery,
        plan: &Arc<Plan>,
        columns: &[String],
        readers: usize,
    ) -> Result<Arc<dyn RangeReader>> {
        match plan.as_of {
            AsOf::Cutoff { sequence, .. } => {
                let session = self.sessions.begin_in(&query.org, Some(self.sessions.turn().await?), None).await?;
                let task = self.timeless(dataset, query)?.at(plan.as_of);
                self.has_come_to(&session, &task, sequence).await?;
                let ranges =
                    ranges::Ranges::new(task, Arc::clone(plan), columns)?.prepare(&session, &self.skipped).await?;
                session.end().await?;
                Ok(Arc::new(ranges::Reader::new(ranges, self.sessions.clone(), readers)))
            }
            AsOf::Snapshot { at } => {
                let keeper = self.open_kept(at).await?;
                let task = self.timeless(dataset, query)?.at(plan.as_of);
                let ranges = ranges::Ranges::new(task, Arc::clone(plan), columns)?;
                let ranges = ranges.prepare(keeper.session(), &self.skipped).await?;
                let reader = ranges::Reader::new(ranges, self.sessions.clone(), readers);
                Ok(Arc::new(reader.holding(keeper, Arc::clone(&self.snapshots), at)))
            }
        }
    }

    async fn ping(&self) -> Result<()> {
        self.snapshots.forget_old();
        self.sessions.look().await?.end().await
    }
}
