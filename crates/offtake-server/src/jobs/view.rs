//! A job as the API shows it.

use jiff::Timestamp;
use offtake_model::Result;
use offtake_model::dataset::DatasetSchema;
use offtake_model::destination::{DeliverTo, Delivery, DeliveryState};
use offtake_model::id::{JobId, OrgId};
use offtake_model::job::{Job, JobStatus};
use offtake_model::permission::Permission;
use serde::Serialize;
use sha2::{Digest, Sha256};
use utoipa::ToSchema;

use crate::auth::Caller;
use crate::jobs::{as_seen, may_see_file};
use crate::state::App;

/// An export job.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct JobResponse {
    /// Its id.
    #[schema(example = "job_0199c0ffee0070008000000000000001")]
    pub(crate) job_id: String,
    /// The dataset the rows come from.
    dataset: String,
    /// The human name.
    name: String,
    /// The name the file gets.
    file_name: String,
    /// What was asked for, with defaults filled in.
    #[schema(value_type = Object)]
    spec: serde_json::Value,
    /// `pending`, `processing`, `completed`, `failed`, `cancelled` or `expired`.
    #[schema(value_type = String)]
    status: JobStatus,
    /// `queued`, `planning`, `exporting`, `publishing` or `done`.
    phase: &'static str,
    format: &'static str,
    compression: &'static str,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    #[schema(value_type = Option<String>, format = DateTime)]
    started_at: Option<Timestamp>,
    /// When it came to rest: completed, failed or cancelled.
    #[schema(value_type = Option<String>, format = DateTime)]
    completed_at: Option<Timestamp>,
    /// When the file goes.
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<Timestamp>,
    /// Rows in the file so far.
    row_count: u64,
    /// The same as `row_count`, for the datasets of spans.
    #[serde(skip_serializing_if = "Option::is_none")]
    trace_count: Option<u64>,
    /// Rows the file will have, once they are counted.
    expected_rows: Option<u64>,
    /// Rows that match, once they are counted; more than `expected_rows` if a limit cuts.
    matching_rows: Option<u64>,
    /// Whether a limit cuts rows off.
    limited: bool,
    /// Bytes of the file so far.
    file_size_bytes: u64,
    /// Known once rows are counted; 100 only when the file is there.
    progress_percent: Option<f64>,
    rows_per_second: f64,
    eta_seconds: Option<u64>,
    /// Where a fresh link is to be had. The path never changes.
    download_url: String,
    status_url: String,
    /// Why it failed, or what it waits for to be tried again.
    error: Option<ErrorView>,
    /// How often it was begun.
    attempt: u32,
    /// The request id it was asked for with.
    request_id: Option<String>,
    /// Who asked.
    owner: String,
    metadata: Metadata,
    /// How it stands with the delivery to a bucket of the organization's own; absent where none is asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) delivery: Option<DeliveryView>,
    /// A fresh link, when the job was waited for. It lives ten minutes at most.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) link: Option<String>,
    /// When the link dies.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(crate) link_expires_at: Option<Timestamp>,
}

/// The delivery of a file.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct DeliveryView {
    destination_id: String,
    /// `pending`, `delivered` or `failed`.
    #[schema(value_type = String)]
    state: DeliveryState,
    /// The key of the object below the destination's prefix.
    key: Option<String>,
    /// How often it was tried.
    tries: u32,
    /// What the last try came to.
    error: Option<String>,
    #[schema(value_type = Option<String>, format = DateTime)]
    delivered_at: Option<Timestamp>,
}

impl DeliveryView {
    fn wanted(to: &DeliverTo) -> Self {
        let destination_id = to.id.to_string();
        Self { destination_id, state: DeliveryState::Pending, key: None, tries: 0, error: None, delivered_at: None }
    }
}

impl From<Delivery> for DeliveryView {
    fn from(delivery: Delivery) -> Self {
        let Delivery { job: _, destination, key, state, tries, error, delivered_at } = delivery;
        Self { destination_id: destination.to_string(), state, key: Some(key), tries, error, delivered_at }
    }
}

/// Says of these jobs how it stands with their deliveries.
pub(crate) async fn with_deliveries(app: &App, org: &OrgId, jobs: &mut [JobResponse]) -> Result<()> {
    let wanted = jobs.iter().filter(|job| job.delivery.is_some());
    let ids: Vec<JobId> = wanted.filter_map(|job| job.job_id.parse().ok()).collect();
    if ids.is_empty() {
        return Ok(());
    }
    let found = app.store.destinations.deliveries(org, &ids).await?;
    for delivery in found {
        let id = delivery.job.to_string();
        if let Some(job) = jobs.iter_mut().find(|job| job.job_id == id) {
            job.delivery = Some(delivery.into());
        }
    }
    Ok(())
}

/// Why a job failed.
#[derive(Debug, Serialize, ToSchema)]
struct ErrorView {
    /// A code of the error table.
    code: &'static str,
    message: String,
}

/// What the caller can do with it now.
#[derive(Debug, Serialize, ToSchema)]
struct Metadata {
    can_cancel: bool,
    can_download: bool,
    can_retry: bool,
    is_expired: bool,
    /// Seconds until the file goes.
    #[serde(skip_serializing_if = "Option::is_none")]
    seconds_until_expiration: Option<i64>,
}

impl JobResponse {
    pub(crate) async fn of(app: &App, caller: &Caller, job: Job) -> Result<Self> {
        let may_see = job.status == JobStatus::Completed && may_see_file(app, caller, &job).await?;
        Ok(Self::with_file(app, caller, job, may_see))
    }

    /// The same, where it is known whether the caller may see what the file tells.
    pub(crate) fn with_file(app: &App, caller: &Caller, job: Job, may_see: bool) -> Self {
        let now = app.clock.now();
        let dataset = app.catalog.get(&job.spec.dataset).ok().map(|dataset| dataset.schema.clone());
        let may_read = app.catalog.permission(&job.spec.dataset).is_some_and(|needed| caller.may(&needed));
        let is_expired = job.status == JobStatus::Expired || job.expires_at.is_some_and(|at| at <= now);
        let metadata = Metadata {
            can_cancel: job.status.is_active() && caller.may(&Permission::ExportsCancel),
            can_download: job.status == JobStatus::Completed
                && !is_expired
                && may_read
                && caller.may(&Permission::ExportsDownload)
                && job.require_stored().is_ok()
                && may_see,
            can_retry: job.status == JobStatus::Failed
                && !is_expired
                && may_read
                && caller.may(&Permission::ExportsCreate)
                && job.require_worker().is_ok(),
            is_expired,
            seconds_until_expiration: job.expires_at.map(|at| (at.as_second() - now.as_second()).max(0)),
        };
        let counts_traces = dataset.as_deref().is_some_and(is_of_spans);
        Self {
            job_id: job.id.to_string(),
            progress_percent: job.percent(),
            eta_seconds: eta(&job),
            limited: matches!((job.rows_expected, job.rows_matching), (Some(expected), Some(all)) if expected < all),
            format: job.spec.format.name(),
            compression: job.spec.compression.name(),
            status: job.status,
            phase: job.phase.name(),
            row_count: job.progress.rows,
            trace_count: counts_traces.then_some(job.progress.rows),
            expected_rows: job.rows_expected,
            matching_rows: job.rows_matching,
            file_size_bytes: job.progress.bytes,
            rows_per_second: job.progress.rows_per_second,
            download_url: format!("{}/download", status_url(&job)),
            status_url: status_url(&job),
            error: job.error.map(|error| ErrorView { code: error.code.code(), message: error.message }),
            delivery: job.spec.destination.as_ref().map(DeliveryView::wanted),
            dataset: job.spec.dataset.clone(),
            spec: as_seen(app, caller, &job.spec),
            name: job.name,
            file_name: job.file_name,
            created_at: job.created_at,
            started_at: job.started_at,
            completed_at: job.completed_at,
            expires_at: job.expires_at,
            attempt: job.attempt,
            request_id: job.request_id,
            owner: job.owner,
            metadata,
            link: None,
            link_expires_at: None,
        }
    }

    /// Whether the caller may fetch the file now.
    pub(crate) const fn can_download(&self) -> bool {
        self.metadata.can_download
    }

    /// A weak ETag: changes when the job does, not when a second passes.
    pub(crate) fn etag(&self) -> String {
        let mut json = serde_json::to_value(self).unwrap_or_default();
        if let Some(metadata) = json.get_mut("metadata").and_then(|metadata| metadata.as_object_mut()) {
            metadata.remove("seconds_until_expiration");
        }
        let digest = Sha256::digest(json.to_string());
        format!("W/\"{}\"", hex::encode(&digest[..12]))
    }
}

/// The stable path of a job.
pub(crate) fn status_url(job: &Job) -> String {
    format!("/api/v1/export/jobs/{}", job.id)
}

fn is_of_spans(dataset: &DatasetSchema) -> bool {
    dataset.permission == Permission::TracesRead
}

fn eta(job: &Job) -> Option<u64> {
    let left = job.rows_expected?.saturating_sub(job.progress.rows);
    let running = job.status == JobStatus::Processing && job.progress.rows_per_second > 0.0;
    running.then(|| (left as f64 / job.progress.rows_per_second).ceil() as u64)
}
