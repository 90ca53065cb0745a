//! A data directory, its job store on a clock that stands still, and workers in it.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::TryStreamExt as _;
use jiff::{SignedDuration, Timestamp};
use offtake_datasets::Catalog;
use offtake_model::audit::{Act, Via};
use offtake_model::clock::{ManualClock, SharedClock};
use offtake_model::dataset::RowsMode;
use offtake_model::export::{ExportSpec, Notify, Recipients, RowsSpec};
use offtake_model::format::{Compression, Dialect, Format};
use offtake_model::id::{JobId, OrgId};
use offtake_model::job::{Job, JobStatus};
use offtake_model::permission::Permission;
use offtake_store::objects::FolderObjects;

use offtake_store::{Artifact, JobLimits, JobScope, NewJob, Objects, SqliteStore, Store, WorkerName};
use offtake_worker::outcome::Chance;
use offtake_worker::{Worker, WorkerMetrics, WorkerSettings};
use prometheus_client::registry::Registry;
use sha2::{Digest, Sha256};
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::faults::Flaky;
use crate::rows::Rows;

pub(crate) struct House {
    _folder: TempDir,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) store: Store,
    pub(crate) objects: Arc<Flaky>,
    pub(crate) catalog: Arc<Catalog>,
    pub(crate) rows: Arc<Rows>,
    pub(crate) settings: WorkerSettings,
}

/// A worker that runs, and how to stop it.
pub(crate) struct Running {
    pub(crate) shutdown: CancellationToken,
    pub(crate) task: JoinHandle<()>,
}

impl Running {
    /// Stops it as SIGTERM does.
    pub(crate) async fn stop(self) {
        self.shutdown.cancel();
        self.task.await.unwrap();
    }

    /// Stops it as SIGKILL does: nothing is given back.
    pub(crate) async fn kill(self) {
        self.task.abort();
        assert!(self.task.await.unwrap_err().is_cancelled());
    }
}

impl House {
    /// With so many rows to export.
    pub(crate) fn with_rows(count: u64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = ManualClock::starting_at("2026-10-01T12:00:00Z".parse().unwrap());
        let jobs = SqliteStore::open(&folder.path().join("offtake.db"), Some(clock.clone())).unwrap();
        let objects = Flaky::around(Arc::new(FolderObjects::open(&folder.path().join("objects")).unwrap()));
        let rows = Rows::new(count);
        let mut catalog = Catalog::default();
        catalog.insert(rows.dataset("rows", RowsMode::AppendOnly));
        catalog.insert(rows.dataset("changing", RowsMode::Mutable));
        Self {
            _folder: folder,
            store: Store {
                artifacts: jobs.clone(),
                alerts: jobs.clone(),
                presets: jobs.clone(),
                webhooks: jobs.clone(),
                schedules: jobs.clone(),
                destinations: jobs.clone(),
                principals: jobs.clone(),
                api_keys: jobs.clone(),
                sessions: jobs.clone(),
                tickets: jobs.clone(),
                tokens: jobs.clone(),
                events: jobs.clone(),
                outbox: jobs.clone(),
                audit: jobs.clone(),
                jobs,
                objects: objects.clone(),
            },
            clock,
            objects,
            catalog: Arc::new(catalog),
            rows,
            settings: quick(),
        }
    }

    pub(crate) fn worker(&self, name: &str) -> Worker {
        self.worker_with(name, self.settings.clone(), &mut Registry::default())
    }

    pub(crate) fn worker_with(&self, name: &str, settings: WorkerSettings, registry: &mut Registry) -> Worker {
        self.worker_by(name, self.clock.clone(), settings, registry)
    }

    /// A worker that goes by a clock of its own.
    pub(crate) fn worker_by(
        &self,
        name: &str,
        clock: SharedClock,
        settings: WorkerSettings,
        registry: &mut Registry,
    ) -> Worker {
        let name = WorkerName(name.to_owned());
        let metrics = WorkerMetrics::register(registry);
        Worker::new(self.store.clone(), self.catalog.clone(), clock, name, settings, metrics)
            .with_chance(Chance::fixed(0.0))
    }

    pub(crate) fn start(&self, worker: Worker) -> Running {
        let shutdown = CancellationToken::new();
        let task = tokio::spawn(worker.run(shutdown.clone()));
        Running { shutdown, task }
    }

    pub(crate) async fn enqueue(&self, spec: ExportSpec) -> JobId {
        self.enqueue_pinned(spec, None).await
    }

    /// Whoever asks wants to be told by e-mail.
    pub(crate) async fn enqueue_watched(&self, spec: ExportSpec) -> JobId {
        let spec = ExportSpec { notify: Some(Notify { email: Recipients::Requester(true) }), ..spec };
        let job = NewJob { owner_email: Some("ada@acme.example".to_owned()), ..self.request(spec, None) };
        self.store.jobs.enqueue(job).await.unwrap().job.id
    }

    pub(crate) async fn enqueue_pinned(&self, spec: ExportSpec, pinned_to: Option<&str>) -> JobId {
        self.store.jobs.enqueue(self.request(spec, pinned_to)).await.unwrap().job.id
    }

    fn request(&self, spec: ExportSpec, pinned_to: Option<&str>) -> NewJob {
        let now = self.now();
        NewJob {
            id: JobId::new(now),
            org: org(),
            owner: "ada".to_owned(),
            needs: vec![Permission::ExportsCreate, Permission::TracesRead],
            owner_email: None,
            file_name: "rows.csv".to_owned(),
            name: "Rows".to_owned(),
            spec,
            request_id: Some("req-1".to_owned()),
            traceparent: None,
            idempotency: None,
            pinned_to: pinned_to.map(|name| WorkerName(name.to_owned())),
            limits: JobLimits::NONE,
            now,
            by: act(),
        }
    }

    pub(crate) async fn job(&self, id: JobId) -> Job {
        self.store.jobs.get(&scope(), id).await.unwrap()
    }

    /// Waits until the job is as it should be.
    pub(crate) async fn until(&self, id: JobId, wanted: impl Fn(&Job) -> bool) -> Job {
        let mut changes = self.store.jobs.changes();
        let waiting = async {
            loop {
                changes.mark_unchanged();
                let job = self.job(id).await;
                if wanted(&job) {
                    return job;
                }
                changes.changed().await.unwrap();
            }
        };
        match tokio::time::timeout(Duration::from_secs(60), waiting).await {
            Ok(job) => job,
            Err(_) => panic!("the job never got there: {:?}", self.job(id).await),
        }
    }

    pub(crate) async fn at_rest(&self, id: JobId) -> Job {
        self.until(id, |job| !job.status.is_active()).await
    }

    /// The published file with its bytes, checked against its row.
    pub(crate) async fn file(&self, id: JobId) -> (Artifact, Bytes) {
        let artifact = self.store.artifacts.ready(&scope(), id).await.unwrap();
        let size = self.objects.size(&artifact.key).await.unwrap().expect("the file is there");
        let pieces: Vec<Bytes> = self.objects.read(&artifact.key, 0..size).await.unwrap().try_collect().await.unwrap();
        let bytes = Bytes::from(pieces.concat());
        assert_eq!(artifact.bytes, Some(bytes.len() as u64));
        assert_eq!(artifact.sha256.as_deref(), Some(hex::encode(Sha256::digest(&bytes)).as_str()));
        (artifact, bytes)
    }

    /// Whether anything at all is in object storage: published, staged or beside.
    pub(crate) async fn staged(&self) -> usize {
        self.objects.staged().await.unwrap().len()
    }

    /// What an undisturbed worker makes of the spec.
    pub(crate) async fn undisturbed(count: u64, spec: ExportSpec) -> Bytes {
        let house = Self::with_rows(count);
        let id = house.enqueue(spec).await;
        let running = house.start(house.worker("undisturbed"));
        let job = house.at_rest(id).await;
        assert_eq!(job.status, JobStatus::Completed, "{:?}", job.error);
        running.stop().await;
        house.file(id).await.1
    }

    pub(crate) fn pass(&self, time: SignedDuration) {
        self.clock.advance(time);
    }

    pub(crate) fn now(&self) -> Timestamp {
        offtake_model::clock::Clock::now(self.clock.as_ref())
    }
}

pub(crate) fn org() -> OrgId {
    OrgId::new("acme").unwrap()
}

/// An act of ada.
pub(crate) fn act() -> Act {
    Act::by("ada", Via::Token)
}

pub(crate) fn scope() -> JobScope {
    JobScope { org: org(), owner: None }
}

pub(crate) fn export(dataset: &str, format: Format, compression: Compression) -> ExportSpec {
    ExportSpec {
        dataset: dataset.to_owned(),
        format,
        compression,
        dialect: Dialect::default(),
        delimiter: ',',
        formats: None,
        fields: None,
        limit: None,
        name: None,
        notify: None,
        destination: None,
        disclosure: offtake_model::sensitive::Disclosure::default(),
        rows: RowsSpec::default(),
    }
}

pub(crate) fn csv() -> ExportSpec {
    export("rows", Format::Csv, Compression::None)
}

/// As the defaults, but with small parts, and in a hurry. Leases run out by the manual clock alone.
fn quick() -> WorkerSettings {
    WorkerSettings {
        part_bytes: 4096,
        in_flight: 2,
        readers: 2,
        poll: Duration::from_millis(5),
        signal: Duration::from_millis(5),
        rescue_every: Duration::from_millis(20),
        sweep_every: Duration::from_millis(20),
        ..WorkerSettings::default()
    }
}
