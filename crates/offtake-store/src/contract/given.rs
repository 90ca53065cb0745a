//! What the functions of the suite start from.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use offtake_model::as_of::AsOf;
use offtake_model::audit::{Act, Via};
use offtake_model::checkpoint::{Checkpoint, Uploaded, Written};
use offtake_model::clock::{Clock, ManualClock};
use offtake_model::error::ErrorKind;
use offtake_model::export::{ExportSpec, RowsSpec};
use offtake_model::format::{Compression, Dialect, Format, media_type};
use offtake_model::id::{ArtifactId, JobId, OrgId};
use offtake_model::job::{Job, JobError, Progress};
use offtake_model::permission::Permission;
use offtake_model::plan::Plan;
use offtake_model::receipt::Receipt;
use offtake_model::value::Value;
use offtake_model::{Error, Result};

use crate::{
    Alerts, ApiKeys, Artifact, Artifacts, Audit, Claimed, Destinations, Events, JobLimits, JobScope, JobUsage, Jobs,
    Lease, NewArtifact, NewJob, ObjectKey, Outbox, Presets, Principals, Schedules, Sessions, Take, Tickets, Tokens,
    Webhooks, WorkerName,
};

/// How long a lease holds in the suite.
pub(crate) const LEASE: SignedDuration = SignedDuration::from_secs(30);
/// How long files are kept in the suite.
pub(crate) const KEEP: SignedDuration = SignedDuration::from_hours(7 * 24);
/// Deaths that make a job poison.
pub(crate) const MAX_DEATHS: u32 = 3;

/// An empty store and its clock.
pub(crate) struct Backend {
    pub(crate) jobs: Arc<dyn Jobs>,
    pub(crate) artifacts: Arc<dyn Artifacts>,
    pub(crate) principals: Arc<dyn Principals>,
    pub(crate) api_keys: Arc<dyn ApiKeys>,
    pub(crate) sessions: Arc<dyn Sessions>,
    pub(crate) tickets: Arc<dyn Tickets>,
    pub(crate) tokens: Arc<dyn Tokens>,
    pub(crate) presets: Arc<dyn Presets>,
    pub(crate) alerts: Arc<dyn Alerts>,
    pub(crate) schedules: Arc<dyn Schedules>,
    pub(crate) destinations: Arc<dyn Destinations>,
    pub(crate) events: Arc<dyn Events>,
    pub(crate) outbox: Arc<dyn Outbox>,
    pub(crate) webhooks: Arc<dyn Webhooks>,
    pub(crate) audit: Arc<dyn Audit>,
    pub(crate) clock: Arc<ManualClock>,
}

pub(crate) fn noon() -> Timestamp {
    Timestamp::from_second(1_795_000_000).unwrap()
}

pub(crate) fn org(name: &str) -> OrgId {
    OrgId::new(name).unwrap()
}

pub(crate) fn scope(name: &str) -> JobScope {
    JobScope { org: org(name), owner: None }
}

/// An act of ada.
pub(crate) fn act() -> Act {
    by("ada")
}

/// An act of somebody with a token.
pub(crate) fn by(name: &str) -> Act {
    Act::by(name, Via::Token).from_address("192.0.2.7".parse().ok()).with_agent(Some("curl/8")).with_request("req-1")
}

pub(crate) fn worker(name: &str) -> WorkerName {
    WorkerName(name.to_owned())
}

pub(crate) fn spec() -> ExportSpec {
    let filters = serde_json::json!({"provider": ["openai"], "v": 2, "min_cost": 0.1});
    ExportSpec {
        dataset: "spans".to_owned(),
        format: Format::Csv,
        compression: Compression::Gzip,
        dialect: Dialect::Excel,
        delimiter: ';',
        formats: None,
        fields: None,
        limit: Some(1000),
        name: None,
        notify: None,
        destination: None,
        disclosure: offtake_model::sensitive::Disclosure::default(),
        rows: RowsSpec { filters: filters.as_object().cloned().unwrap(), ..RowsSpec::default() },
    }
}

pub(crate) fn plan(rows: u64) -> Plan {
    let cut = |row: u64| {
        let digits = i128::from(row) * 1_000_000_007 * 1_000_000_007_000_000_007;
        vec![
            Value::Timestamp(1_794_607_391_787_767 + row as i64),
            Value::Text(format!("trace {row} \u{1F600}\u{0}")),
            Value::Float(0.1 + row as f64),
            Value::Decimal { unscaled: digits, scale: 9 },
            Value::Null,
        ]
    };
    Plan {
        as_of: AsOf::Cutoff { sequence: 77, at: noon() },
        rows_matching: rows + 5,
        rows_expected: rows,
        frame_rows: 64,
        range_rows: 64,
        cuts: (1..=rows.div_ceil(64)).map(|range| cut((range * 64).min(rows))).collect(),
        frame_bytes: u64::MAX,
        row_bytes: 100,
    }
}

pub(crate) fn progress(rows: u64) -> Progress {
    Progress { rows, bytes: rows * 10, rows_per_second: 12.5 }
}

pub(crate) fn checkpoint(artifact: ArtifactId, ranges: usize) -> Checkpoint {
    let rows = ranges as u64 * 64;
    Checkpoint {
        artifact,
        columns: String::new(),
        ranges,
        written: Written { rows, bytes: rows * 10, frames: ranges as u64, ..Written::default() },
        uploaded: Uploaded { bytes: rows * 10, ..Uploaded::default() },
    }
}

pub(crate) fn because(code: ErrorKind) -> JobError {
    JobError { code, message: format!("because of {}", code.code()) }
}

pub(crate) fn usage() -> JobUsage {
    JobUsage { duration_ms: 1500, frame_ms: [1.0, 2.5, 9.75], frame_bytes: [10, 20, 30], peak_memory: 1 << 20 }
}

/// The kind of the error that must have happened.
#[track_caller]
pub(crate) fn kind<T: std::fmt::Debug>(result: Result<T>) -> ErrorKind {
    result.map_err(|error: Error| error.kind()).expect_err("this must be refused")
}

impl Backend {
    /// Of a store that is all of the ports.
    pub(crate) fn of<
        S: Jobs
            + Alerts
            + Artifacts
            + Webhooks
            + Presets
            + Principals
            + ApiKeys
            + Sessions
            + Tickets
            + Tokens
            + Events
            + Outbox
            + Schedules
            + Destinations
            + Audit
            + 'static,
    >(
        store: Arc<S>,
        clock: Arc<ManualClock>,
    ) -> Self {
        Self {
            jobs: store.clone(),
            artifacts: store.clone(),
            principals: store.clone(),
            api_keys: store.clone(),
            sessions: store.clone(),
            tickets: store.clone(),
            tokens: store.clone(),
            events: store.clone(),
            outbox: store.clone(),
            presets: store.clone(),
            webhooks: store.clone(),
            alerts: store.clone(),
            schedules: store.clone(),
            destinations: store.clone(),
            audit: store,
            clock,
        }
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub(crate) fn pass(&self, time: SignedDuration) {
        self.clock.advance(time);
    }

    /// A request by `owner` of `org_name`.
    pub(crate) fn request(&self, org_name: &str, owner: &str) -> NewJob {
        NewJob {
            id: JobId::new(self.now()),
            org: org(org_name),
            owner: owner.to_owned(),
            needs: vec![Permission::ExportsCreate, Permission::TracesRead],
            owner_email: Some(format!("{owner}@{org_name}.example")),
            spec: spec(),
            name: "Spans – production".to_owned(),
            file_name: "spans.csv.gz".to_owned(),
            request_id: Some("req-1".to_owned()),
            traceparent: None,
            idempotency: None,
            pinned_to: None,
            limits: JobLimits::NONE,
            now: self.now(),
            by: by(owner),
        }
    }

    /// A job of ada in acme; time passes, so that the next one is newer.
    pub(crate) async fn enqueued(&self) -> Job {
        let job = self.jobs.enqueue(self.request("acme", "ada")).await.unwrap().job;
        self.pass(SignedDuration::from_millis(5));
        job
    }

    /// Worker `name` takes the oldest due job.
    pub(crate) async fn claimed(&self, name: &str) -> Claimed {
        self.jobs.claim(&worker(name), Take::Any, LEASE).await.unwrap().expect("a job is due")
    }

    pub(crate) async fn nothing_due(&self) {
        let claimed = self.jobs.claim(&worker("nobody"), Take::Any, LEASE).await.unwrap();
        assert!(claimed.is_none(), "nothing is due, but {claimed:?} was");
    }

    pub(crate) fn artifact(&self, lease: &Lease) -> NewArtifact {
        let (job, attempt) = (lease.job.to_string(), lease.attempt.to_string());
        NewArtifact {
            id: ArtifactId::new(self.now()),
            key: ObjectKey::from_parts([lease.org.as_str(), &job, &attempt, "spans.csv.gz"]),
            format: Format::Csv,
            compression: Compression::Gzip,
            media_type: media_type(Format::Csv, Compression::Gzip).to_owned(),
            file_name: "spans.csv.gz".to_owned(),
            now: self.now(),
        }
    }

    /// An artifact of the lease's attempt; time passes, so that the next one is newer.
    pub(crate) async fn staged(&self, lease: &Lease) -> Artifact {
        let artifact = self.artifacts.stage(lease, self.artifact(lease)).await.unwrap();
        self.pass(SignedDuration::from_millis(1));
        artifact
    }

    pub(crate) fn receipt(&self, job: &Job, rows: u64) -> Receipt {
        Receipt {
            job_id: job.id,
            dataset: job.spec.dataset.clone(),
            organization: job.org.clone(),
            spec: job.spec.clone(),
            spec_sha256: job.spec.sha256(),
            mode: "cutoff".to_owned(),
            as_of: noon(),
            rows_matching: rows + 5,
            rows_expected: rows,
            rows_written: rows,
            limited: true,
            truncated_cells: Vec::new(),
            truncated_cells_count: 0,
            guarded_cells: 3,
            masked: [("user_id".to_owned(), 2)].into(),
            bytes: rows * 10,
            sha256: "ab".repeat(32),
            format: Format::Csv,
            compression: Compression::Gzip,
            media_type: media_type(Format::Csv, Compression::Gzip).to_owned(),
            file_name: job.file_name.clone(),
            columns: Vec::new(),
            frames: rows.div_ceil(64),
            attempts: job.attempt,
            started_at: job.started_at.unwrap_or(job.created_at),
            finished_at: self.now(),
            offtake_version: "0.1.0".to_owned(),
        }
    }

    /// Stages and completes.
    pub(crate) async fn completed(&self, claimed: Claimed) -> (Job, Artifact) {
        let artifact = self.staged(&claimed.lease).await;
        let receipt = self.receipt(&claimed.job, 200);
        let job = self.jobs.complete(claimed.lease, artifact.id, &receipt, &usage(), KEEP).await.unwrap();
        (job, self.artifacts.by_id(artifact.id).await.unwrap())
    }

    /// The job as its organization sees it.
    pub(crate) async fn job(&self, id: JobId) -> Job {
        self.jobs.get(&scope("acme"), id).await.unwrap()
    }

    pub(crate) async fn disposable(&self) -> Vec<ArtifactId> {
        let artifacts = self.artifacts.disposable(100).await.unwrap();
        artifacts.into_iter().map(|artifact| artifact.id).collect()
    }
}
