//! One attempt at a job, from its spec to a finished file: a dozen steps, in the order they happen.
//!
//! Not responsible for what happens when a step fails (`outcome`), nor for publishing, which takes the lease
//! away (`attempt`).

use std::pin::pin;
use std::sync::Arc;

use bytes::Bytes;
use futures::{Stream, StreamExt as _};
use offtake_datasets::{Dataset, PlanSettings, RangeReader};
use offtake_model::budget::{Held, MemoryBudget};
use offtake_model::checkpoint::{Checkpoint, Written};
use offtake_model::dataset::RowsMode;
use offtake_model::export::ExportSpec;
use offtake_model::id::ArtifactId;
use offtake_model::job::{Job, Phase};
use offtake_model::plan::Plan;
use offtake_model::query::RowQuery;
use offtake_model::receipt::Receipt;
use offtake_model::sensitive::{Disclosure, Sight};
use offtake_model::{Error, ErrorKind, Result};
use offtake_pipeline::{ExportSettings, Part, ReadRange, Recipe, Spool, Start};
use offtake_store::{JobUsage, Lease, Signal};
use tokio_util::sync::CancellationToken;

use crate::Shared;
use crate::checkpoint::{AfterPart, Desk, usable};
use crate::heartbeat::{Pulse, revoked, sight};
use crate::outcome::Stop;
use crate::patience::{once_patiently, patiently};
use crate::receipt::receipt;
use crate::settings::WorkerSettings;

/// The steps of one attempt and what they work with.
#[derive(Debug)]
pub(crate) struct Execution {
    pub(crate) worker: Arc<Shared>,
    pub(crate) lease: Arc<Lease>,
    pub(crate) job: Job,
    pub(crate) pulse: Arc<Pulse>,
    pub(crate) desk: Arc<Desk>,
    pub(crate) shutdown: CancellationToken,
}

/// A file that is in storage, whole, and waits to be published.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) artifact: ArtifactId,
    pub(crate) receipt: Receipt,
    pub(crate) usage: JobUsage,
}

/// What an attempt reads, and how.
struct Reading {
    dataset: Dataset,
    /// What is made: the job's, with what it shows of sensitive columns as it is allowed now.
    spec: ExportSpec,
    query: RowQuery,
    recipe: Arc<Recipe>,
    /// The fingerprint of the file's columns.
    columns: String,
    resumes: bool,
    budget: MemoryBudget,
}

/// How often a plan is made anew because its snapshot was lost, in one attempt.
const MOST_REPLANS: u32 = 3;

impl Execution {
    /// Works until the file is finished.
    pub(crate) async fn run(self, plan: Option<Plan>, checkpoint: Option<Checkpoint>) -> Result<Finished, Stop> {
        self.still_allowed().await?;
        let reading = self.reading(self.sight().await?)?;
        if reading.spec.tells_sensitive(None) {
            self.pulse.shows_sensitive();
        }
        let (plan, reader, checkpoint) = self.open(&reading, plan, checkpoint).await?;
        let start = self.desk.stage(&self.worker, &self.lease, &self.job, checkpoint).await?;
        let written = self.export(&reading, &plan, reader, start).await?;
        let receipt = receipt(&self.job, &reading.spec, &reading.recipe, &plan, &written, self.worker.clock.now())?;
        self.still_in_sight(&reading.spec).await?;
        self.pulse.enter(Phase::Publishing);
        self.desk.finish().await?;
        let artifact = self.store_receipt(&receipt).await?;
        Ok(Finished { artifact, receipt, usage: self.usage(&reading.budget) })
    }

    /// The job may have waited long since its owner asked. Nothing is read before this is known.
    async fn still_allowed(&self) -> Result<()> {
        match patiently(|| self.worker.store.jobs.signal(&self.lease)).await? {
            Signal::Revoked => Err(revoked()),
            // The heartbeat sees to these.
            Signal::Continue | Signal::Cancelled | Signal::Lost => Ok(()),
        }
    }

    /// What the spec asks for, as the dataset understands it now.
    fn reading(&self, sight: Sight) -> Result<Reading> {
        let dataset = self.dataset()?;
        let disclosure = Disclosure::narrowed(&self.job.spec, &dataset.schema, sight)?;
        let spec = ExportSpec { disclosure, ..self.job.spec.clone() };
        let query = dataset.query(&self.job.org, &spec.rows)?;
        let hasher = self.worker.hash_key.as_ref().map(|key| key.hasher(&self.job.org));
        let recipe = Arc::new(Recipe::new(&spec, &dataset.schema, hasher)?);
        // The snapshot of mutable rows does not outlive the process that reads it: a checkpoint of it would
        // only make a job that kills its worker start from zero for ever.
        let resumes = recipe.resumes() && dataset.schema.rows.keeps_moments();
        let columns = recipe.columns_fingerprint()?;
        let budget = MemoryBudget::new(self.worker.settings.budget_for(spec.format));
        Ok(Reading { dataset, spec, query, recipe, columns, resumes, budget })
    }

    async fn sight(&self) -> Result<Sight> {
        patiently(|| sight(&self.worker, &self.job)).await
    }

    /// A file with sensitive columns in the clear is not published for somebody who may not read them any more; begun
    /// again, it has them veiled.
    async fn still_in_sight(&self, spec: &ExportSpec) -> Result<()> {
        if spec.tells_sensitive(None) && self.sight().await? == Sight::Veiled {
            return Err(revoked());
        }
        Ok(())
    }

    /// The owner of the job reads what goes wrong here: the catalog would name every other dataset.
    fn dataset(&self) -> Result<Dataset> {
        let name = &self.job.spec.dataset;
        match self.worker.catalog.get(name) {
            Ok(dataset) => Ok(dataset.clone()),
            Err(error) if error.kind() == ErrorKind::NotFound => {
                Err(Error::new(ErrorKind::NotFound, format!("the dataset {name} is no longer configured")))
            }
            Err(error) => Err(error),
        }
    }

    /// Opens the source for the plan there is, or for a new one where there is none or its snapshot is lost.
    async fn open(
        &self,
        reading: &Reading,
        plan: Option<Plan>,
        checkpoint: Option<Checkpoint>,
    ) -> Result<(Arc<Plan>, Arc<dyn RangeReader>, Option<Checkpoint>), Stop> {
        let mut checkpoint = match (&plan, checkpoint) {
            (Some(plan), Some(checkpoint)) if reading.resumes => usable(checkpoint, plan, &reading.columns),
            (Some(_) | None, _) => None,
        };
        let mut plan = match plan {
            Some(plan) => Arc::new(plan),
            None => self.plan(reading).await?,
        };
        let mut replans = 0;
        loop {
            match self.reader(reading, &plan).await {
                Ok(reader) => return Ok((plan, reader, checkpoint)),
                Err(Stop::Error(error)) if snapshot_lost(&error, reading) && replans < MOST_REPLANS => {
                    tracing::warn!(%error, "the snapshot is lost; planning anew");
                    patiently(|| self.worker.store.jobs.forget_plan(&self.lease)).await?;
                    (plan, checkpoint) = (self.plan(reading).await?, None);
                    replans += 1;
                }
                // Not now, but why should it be so for ever?
                Err(Stop::Error(error)) if snapshot_lost(&error, reading) => {
                    let detail = format!("{}, again and again", error.detail());
                    return Err(Stop::Error(
                        Error::new(ErrorKind::SourceUnavailable, detail).openly().caused_by(error),
                    ));
                }
                Err(stop) => return Err(stop),
            }
        }
    }

    /// Counts, cuts, and stores the plan.
    async fn plan(&self, reading: &Reading) -> Result<Arc<Plan>, Stop> {
        self.pulse.enter(Phase::Planning);
        let Dataset { schema, source, .. } = &reading.dataset;
        let settings = PlanSettings {
            limit: self.job.spec.limit.or(schema.limits.rows),
            frame_bytes: self.worker.settings.frame_bytes,
            max_frame_rows: self.worker.settings.max_frame_rows,
        };
        let counted = Arc::new(|rows| tracing::debug!(rows, "planning"));
        let plan = self.unless_shutdown(source.plan(schema, &reading.query, settings, counted)).await??;
        once_patiently(|| self.worker.store.jobs.save_plan(&self.lease, &plan)).await?;
        tracing::info!(
            rows_matching = plan.rows_matching,
            rows_expected = plan.rows_expected,
            ranges = plan.cuts.len(),
            frame_rows = plan.frame_rows,
            "planned"
        );
        Ok(Arc::new(plan))
    }

    async fn reader(&self, reading: &Reading, plan: &Arc<Plan>) -> Result<Arc<dyn RangeReader>, Stop> {
        let Dataset { schema, source, .. } = &reading.dataset;
        let columns = reading.recipe.source_columns();
        let readers = self.worker.settings.readers.max(1);
        let opening = source.open(schema, &reading.query, plan, &columns, readers);
        Ok(self.unless_shutdown(opening).await??)
    }

    /// Lets the rows flow: each part is stored while the next is made. After a shutdown was asked for, the
    /// part on its way is the last.
    async fn export(
        &self,
        reading: &Reading,
        plan: &Arc<Plan>,
        reader: Arc<dyn RangeReader>,
        start: Start,
    ) -> Result<Written, Stop> {
        self.pulse.enter(Phase::Exporting);
        self.pulse.goes_on_after(start.written.rows);
        let mut written = start.written.clone();
        let mut parts = pin!(self.parts(reading, plan, reader, start));
        let mut next = self.unless_shutdown(parts.next()).await?;
        while let Some(part) = next {
            let (part, held) = part?;
            written = part.written.clone();
            let storing = self.store(reading, part, held);
            let (stored, following) = tokio::join!(storing, self.unless_shutdown(parts.next()));
            stored?;
            next = following?;
        }
        Ok(written)
    }

    /// The parts, each with the memory it is held in: two at most, the one on its way and the next.
    fn parts(
        &self,
        reading: &Reading,
        plan: &Arc<Plan>,
        reader: Arc<dyn RangeReader>,
        start: Start,
    ) -> impl Stream<Item = Result<(Part, Held)>> + Send + use<> {
        let settings = &self.worker.settings;
        let budget = reading.budget.clone();
        let read: ReadRange = Arc::new(move |index| reader.read(index, &budget));
        let held_back = self.worker.store.objects.held_back();
        let in_flight = in_flight(settings, &reading.budget, held_back, plan);
        let parts = offtake_pipeline::export(
            Arc::clone(&reading.recipe),
            Arc::clone(plan),
            start,
            read,
            reading.budget.clone(),
            ExportSettings {
                part_bytes: settings.part_bytes,
                in_flight,
                spool: Spool { folder: settings.spool_dir.clone(), limit: settings.spool_limit },
            },
            Arc::clone(&self.pulse.meter),
        );
        let budget = reading.budget.clone();
        parts.map(move |part| {
            let part = part?;
            let held = budget.take(part.bytes.len() as u64)?;
            Ok((part, held))
        })
    }

    /// Stores a part and then, where the file can be resumed after it, the checkpoint.
    async fn store(&self, reading: &Reading, part: Part, held: Held) -> Result<()> {
        let Part { bytes, ranges, written } = part;
        // Storage may hold back what is too little for it; there is no checkpoint then.
        let Some(uploaded) = self.desk.put(bytes, held, written.bytes).await? else { return Ok(()) };
        let Some(ranges) = ranges.filter(|_| reading.resumes) else { return Ok(()) };
        let durable = AfterPart { columns: reading.columns.clone(), ranges, written, uploaded };
        self.desk.checkpoint(&self.worker, &self.lease, durable, &self.pulse.progress()).await
    }

    /// Puts the receipt beside the finished file.
    async fn store_receipt(&self, receipt: &Receipt) -> Result<ArtifactId> {
        let (artifact, key) = self.desk.artifact()?;
        let json = serde_json::to_vec_pretty(receipt)
            .map_err(|error| Error::new(ErrorKind::Internal, "the receipt cannot be written").caused_by(error))?;
        self.worker.store.objects.put(&key.beside("receipt.json"), Bytes::from(json)).await?;
        Ok(*artifact)
    }

    fn usage(&self, budget: &MemoryBudget) -> JobUsage {
        let now = self.worker.clock.now();
        let took = now.duration_since(self.job.started_at.unwrap_or(now));
        JobUsage {
            duration_ms: u64::try_from(took.as_millis()).unwrap_or(0),
            frame_ms: self.pulse.meter.frame_ms(),
            frame_bytes: self.pulse.meter.frame_bytes(),
            peak_memory: budget.peak(),
        }
    }

    async fn unless_shutdown<T>(&self, step: impl Future<Output = T>) -> Result<T, Stop> {
        tokio::select! {
            biased;
            () = self.shutdown.cancelled() => Err(Stop::Shutdown),
            output = step => Ok(output),
        }
    }
}

/// Ranges at once: as many as are asked for and the budget has room for, beside the parts that are gathered,
/// wait, are stored and are held back. One frame of a range is there as rows, as text and compressed, the others wait for it.
fn in_flight(settings: &WorkerSettings, budget: &MemoryBudget, held_back: u64, plan: &Plan) -> usize {
    let for_frames = budget.limit().saturating_sub(3 * settings.part_bytes as u64 + held_back);
    let frames = u64::from(plan.range_rows / plan.frame_rows.max(1)).max(1);
    let room = for_frames / ((frames + 2) * settings.frame_bytes).max(1);
    settings.in_flight.min(usize::try_from(room).unwrap_or(usize::MAX)).max(1)
}

fn snapshot_lost(error: &Error, reading: &Reading) -> bool {
    error.kind() == ErrorKind::RowsChanged && reading.dataset.schema.rows != RowsMode::AppendOnly
}
