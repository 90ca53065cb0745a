//! Asking for exports: the request is checked to the last filter, then it becomes a job.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use jiff::{SignedDuration, Timestamp};
use offtake_datasets::Dataset;
use offtake_model::Result;
use offtake_model::audit::Act;
use offtake_model::export::ExportSpec;
use offtake_model::id::JobId;
use offtake_model::job::{Job, JobStatus};
use offtake_model::naming::{file_name, job_name};
use offtake_model::permission::Permission;
use offtake_model::selection::Selection;
use offtake_store::{Idempotency, NewJob, PerfRow};
use serde::Serialize;
use serde_json::{Map, Value as Json_};
use sha2::{Digest, Sha256};
use utoipa::ToSchema;

use crate::acting::Acting;
use crate::auth::Caller;
use crate::datasets::readable;
use crate::edge::Draining;
use crate::error::Problem;
use crate::extract::{JsonBody, Name, plain_header, prefer_wait, traceparent};
use crate::jobs::view::{JobResponse, status_url};
use crate::jobs::wait::{bounded, wait_for};
use crate::jobs::{MAX_WAIT, with_link};
use crate::limits::Allowances;
use crate::presets;
use crate::recipients;
use crate::state::App;

/// The longest idempotency key, in bytes.
const MAX_KEY_BYTES: usize = 255;
/// When to look again at a job that was just asked for, in seconds.
const LOOK_AGAIN: &str = "1";
/// How many performance rows estimates are made from.
pub(crate) const RECENT: u32 = 50;

/// An export that was accepted.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ExportResponse {
    #[schema(example = "job_0199c0ffee0070008000000000000001")]
    job_id: String,
    #[schema(value_type = String, example = "pending")]
    status: JobStatus,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// From how long such exports took lately; null if there were none.
    #[schema(value_type = Option<String>, format = DateTime)]
    estimated_completion_at: Option<Timestamp>,
    /// Where to look how it goes.
    status_url: String,
}

/// Asks for a file of the rows that match.
///
/// The request is checked at once; the work is done in the background. A partial selection of few rows, and
/// any request that prefers to (`Prefer: wait=N`), is waited for and answered with the finished job.
#[utoipa::path(post, path = "/api/v1/export/{dataset}", tag = "exports", operation_id = "create_export",
    params(
        ("dataset" = String, Path, description = "The dataset"),
        ("Idempotency-Key" = Option<String>, Header, description = "The same key and body: the same job", min_length = 1,
            max_length = 255, pattern = "^[!-~]+$"),
        ("Prefer" = Option<String>, Header, description = "wait=N: wait for the file up to N seconds, at most 60"),
        ("X-Request-Id" = Option<String>, Header, description = "Kept on the job and in every log line"),
        ("traceparent" = Option<String>, Header, description = "W3C trace context, kept on the job"),
    ),
    responses(
        (status = 202, description = "Accepted", body = ExportResponse,
            headers(("Location" = String, description = "The job"), ("Retry-After" = u64, description = "Seconds"),
                ("RateLimit" = String, description = "What is left of each limit"),
                ("RateLimit-Policy" = String, description = "The limits"))),
        (status = 200, description = "Waited for, and over", body = JobResponse),
    ))]
pub(crate) async fn create(
    State(app): State<App>,
    caller: Caller,
    Acting(act): Acting,
    name: Name,
    draining: Draining,
    headers: HeaderMap,
    JsonBody(body): JsonBody,
) -> Result<Response, Problem> {
    let (body, idempotency) = idempotency(&headers, name.as_str(), body).await?;
    // Before anything is checked: what the request names may have changed since, and the job is there.
    let (mut job, allowances) = match asked_before(&app, &caller, idempotency.as_ref()).await? {
        Some(job) => (job, Vec::new()),
        None => {
            let dataset = readable(&app, &caller, name.as_str())?;
            let spec = presets::spec(&app, &caller, dataset.clone(), body).await?;
            let address = recipients::check(&app, &caller, &dataset, &spec).await?;
            let mut new = new_job(&app, &caller, &act, &dataset, spec, idempotency, &headers);
            new.owner_email = address;
            let enqueued = app.store.jobs.enqueue(new).await?;
            (enqueued.job, enqueued.allowances)
        }
    };
    let wait = patience(&app, &headers, &job.spec);
    // A courtesy, and the job is there already.
    let estimate = recent_duration(&app, &caller, &job.spec).await.unwrap_or_default();
    if let Some((wait, _)) = wait {
        let scope = caller.own_scope();
        job = wait_for(&app, &scope, job.id, wait, &draining, |job| !job.status.is_active()).await?;
    }
    let mut response = if wait.is_some() && !job.status.is_active() {
        finished(&app, &caller, &act, job).await?
    } else {
        accepted(&job, estimate)
    };
    Allowances::add(&mut response, allowances);
    if let Some((wait, true)) = wait {
        let applied = format!("wait={}", wait.as_secs());
        response.headers_mut().extend(HeaderValue::from_str(&applied).ok().map(|value| (PREFERENCE_APPLIED, value)));
    }
    Ok(response)
}

const PREFERENCE_APPLIED: http::HeaderName = http::HeaderName::from_static("preference-applied");

/// Runs what may take a while off the executor.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    let span = tracing::Span::current();
    let done = tokio::task::spawn_blocking(move || span.in_scope(work)).await;
    done.map_err(|error| {
        offtake_model::Error::new(offtake_model::ErrorKind::Internal, "a blocking task died").caused_by(error)
    })?
}

/// The idempotency key of a request, with the fingerprint of what it asks for: of the request and not of what is made
/// of it, because a preset may say something else the next time.
async fn idempotency(
    headers: &HeaderMap,
    dataset: &str,
    body: Map<String, Json_>,
) -> Result<(Map<String, Json_>, Option<Idempotency>)> {
    let Some(key) = plain_header(headers, "idempotency-key", MAX_KEY_BYTES)? else { return Ok((body, None)) };
    let dataset = dataset.to_owned();
    blocking(move || {
        // The order of members means nothing.
        let mut asked = Json_::Object(body.clone());
        asked.sort_all_objects();
        let fingerprint = hex::encode(Sha256::digest(serde_json::json!([dataset, asked]).to_string()));
        Ok((body, Some(Idempotency { key, fingerprint })))
    })
    .await
}

/// What the caller asked for with this key before.
async fn asked_before(app: &App, caller: &Caller, idempotency: Option<&Idempotency>) -> Result<Option<Job>> {
    let Some(idempotency) = idempotency else { return Ok(None) };
    app.store.jobs.asked_before(&caller.0.org, &caller.0.sub, idempotency).await
}

/// How long to wait for the job, and whether the caller asked for it.
fn patience(app: &App, headers: &HeaderMap, spec: &ExportSpec) -> Option<(Duration, bool)> {
    if let Some(seconds) = prefer_wait(headers, MAX_WAIT) {
        return Some((bounded(app, Duration::from_secs(seconds)), true));
    }
    match &spec.rows.selection {
        Selection::Partial { ids } if ids.len() <= app.settings.sync_rows => {
            Some((bounded(app, app.settings.sync_wait), false))
        }
        Selection::All | Selection::AllExcept { .. } | Selection::Partial { .. } => None,
    }
}

fn new_job(
    app: &App,
    caller: &Caller,
    act: &Act,
    dataset: &Dataset,
    spec: ExportSpec,
    idempotency: Option<Idempotency>,
    headers: &HeaderMap,
) -> NewJob {
    let now = app.clock.now();
    // Whoever sees the job's name may not see what is in sensitive columns.
    let name = job_name(&dataset.schema.title, &spec.without_sensitive(&dataset.schema), now);
    let principal = &caller.0;
    NewJob {
        id: JobId::new(now),
        org: principal.org.clone(),
        owner: principal.sub.clone(),
        needs: vec![Permission::ExportsCreate, dataset.schema.permission.clone()],
        owner_email: principal.email.clone(),
        file_name: file_name(&name, &spec),
        idempotency,
        name,
        spec,
        request_id: act.request_id().map(str::to_owned),
        traceparent: traceparent(headers),
        pinned_to: None,
        limits: app.settings.limits.jobs,
        now,
        by: act.clone(),
    }
}

async fn finished(app: &App, caller: &Caller, act: &Act, job: Job) -> Result<Response> {
    let location = status_url(&job);
    let body = with_link(app, caller, act, &caller.own_scope(), job).await?;
    Ok(([(header::LOCATION, location)], Json(body)).into_response())
}

fn accepted(job: &Job, estimate: Option<SignedDuration>) -> Response {
    let estimated = estimate.filter(|_| job.status.is_active()).and_then(|took| job.created_at.checked_add(took).ok());
    let body = ExportResponse {
        job_id: job.id.to_string(),
        status: job.status,
        created_at: job.created_at,
        estimated_completion_at: estimated,
        status_url: status_url(job),
    };
    let headers = [(header::LOCATION, status_url(job)), (header::RETRY_AFTER, LOOK_AGAIN.to_owned())];
    (StatusCode::ACCEPTED, headers, Json(body)).into_response()
}

/// How long such exports took lately: the median of the same dataset.
async fn recent_duration(app: &App, caller: &Caller, spec: &ExportSpec) -> Result<Option<SignedDuration>> {
    let rows = app.store.jobs.recent_performance(&caller.0.org, RECENT).await?;
    let mut took: Vec<u64> = alike(&rows, spec).map(|row| row.usage.duration_ms).collect();
    took.sort_unstable();
    let median = took.get(took.len() / 2).copied();
    Ok(median.map(|ms| SignedDuration::from_millis(i64::try_from(ms).unwrap_or(i64::MAX))))
}

/// The performance rows of the same dataset.
pub(crate) fn alike<'a>(rows: &'a [PerfRow], spec: &'a ExportSpec) -> impl Iterator<Item = &'a PerfRow> {
    rows.iter().filter(|row| row.dataset == spec.dataset)
}
