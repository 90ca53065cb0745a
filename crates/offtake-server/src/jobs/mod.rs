//! Jobs over HTTP: list, look, wait, cancel, retry, fetch, delete the file.

pub(crate) mod view;
pub(crate) mod wait;

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use offtake_model::audit::{Act, Action};
use offtake_model::export::ExportSpec;
use offtake_model::id::JobId;
use offtake_model::job::{Job, JobStatus};
use offtake_model::permission::Permission;
use offtake_model::{Error, ErrorKind, Result};
use offtake_store::{Artifact, JobFilter, JobScope};
use serde::Serialize;
use serde_json::Value as Json_;
use utoipa::ToSchema;

use crate::acting::Acting;
use crate::audit;
use crate::auth::Caller;
use crate::edge::Draining;
use crate::error::Problem;
use crate::extract::{Name, Params, no_such_job};
use crate::limits::Allowances;
use crate::state::App;
use view::{JobResponse, with_deliveries};
use wait::{bounded, wait_for};

/// Jobs of a page when nothing is said.
const DEFAULT_LIMIT: u64 = 20;
/// Jobs of a page at most.
const MAX_LIMIT: u64 = 100;
/// The longest a request waits for a job, in seconds.
pub(crate) const MAX_WAIT: u64 = 60;

/// A page of jobs, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct JobListResponse {
    jobs: Vec<JobResponse>,
    pagination: Pagination,
}

/// Where a page stands.
#[derive(Debug, Serialize, ToSchema)]
struct Pagination {
    /// Jobs that pass the filters, on all pages.
    total: u64,
    limit: u64,
    offset: u64,
    has_more: bool,
    /// Hand it back as `cursor` for the next page.
    next_cursor: Option<String>,
}

/// The exports there are.
#[utoipa::path(get, path = "/api/v1/export/jobs", tag = "exports", operation_id = "list_jobs",
    params(
        ("status" = Option<String>, Query, description = "Only these states; repeated or separated by commas"),
        ("dataset" = Option<String>, Query, description = "Only this dataset"),
        ("mine" = Option<bool>, Query, description = "Only the caller's own"),
        ("request_id" = Option<String>, Query, description = "Only those asked for with this request id"),
        ("limit" = Option<u64>, Query, description = "1 to 100; 20", minimum = 1, maximum = 100),
        ("offset" = Option<u64>, Query, description = "Leave out so many; not with cursor", maximum = 4294967295_u64),
        ("cursor" = Option<String>, Query, description = "As handed out with the page before", pattern = "^job_[0-9a-f]{32}$"),
    ),
    responses((status = 200, description = "A page, newest first", body = JobListResponse)))]
pub(crate) async fn list(
    State(app): State<App>,
    caller: Caller,
    mut params: Params,
) -> Result<Json<JobListResponse>, Problem> {
    let mine = params.flag("mine").unwrap_or(false);
    let offset_given = params.number("offset", 0, u64::from(u32::MAX));
    let limit = params.number("limit", 1, MAX_LIMIT).unwrap_or(DEFAULT_LIMIT);
    let after =
        params.read("cursor", |text| text.parse().map_err(|_| "is not a cursor that was handed out".to_owned()));
    if after.is_some() && offset_given.is_some() {
        params.refuse("offset", "does not go with cursor");
    }
    let filter = JobFilter {
        status: statuses(&mut params),
        dataset: params.one("dataset"),
        request_id: params.one("request_id"),
        limit: u32::try_from(limit).unwrap_or(u32::MAX),
        offset: offset_given.unwrap_or(0),
        after,
    };
    params.finish()?;
    let scope = if mine { caller.own_scope() } else { caller.scope() };
    let page = app.store.jobs.list(&scope, &filter).await?;
    let next_cursor = page.jobs.last().filter(|_| page.has_more).map(|job| job.id.to_string());
    let mut jobs = Vec::with_capacity(page.jobs.len());
    for job in page.jobs {
        jobs.push(JobResponse::of(&app, &caller, job).await?);
    }
    with_deliveries(&app, &caller.0.org, &mut jobs).await?;
    let pagination =
        Pagination { total: page.total, limit, offset: filter.offset, has_more: page.has_more, next_cursor };
    Ok(Json(JobListResponse { jobs, pagination }))
}

fn statuses(params: &mut Params) -> Vec<JobStatus> {
    let mut statuses = Vec::new();
    for word in params.many("status").iter().flat_map(|text| text.split(',')) {
        match JobStatus::parse(word.trim()) {
            Some(status) => statuses.push(status),
            None => {
                let names: Vec<&str> = JobStatus::ALL.iter().map(|status| status.name()).collect();
                params.refuse("status", format!("is one of {}", names.join(", ")));
            }
        }
    }
    statuses
}

/// One export. With `wait` it answers when the job is over, or, given `If-None-Match`, when it has changed.
#[utoipa::path(get, path = "/api/v1/export/jobs/{id}", tag = "exports", operation_id = "get_job",
    params(
        ("id" = String, Path, description = "The job"),
        ("wait" = Option<u64>, Query, description = "Wait so many seconds at most, 0 to 60", maximum = 60),
        ("If-None-Match" = Option<String>, Header, description = "The ETag known already"),
    ),
    responses(
        (status = 200, description = "The job", body = JobResponse),
        (status = 304, description = "It is as it was"),
    ))]
pub(crate) async fn detail(
    State(app): State<App>,
    caller: Caller,
    name: Name,
    mut params: Params,
    headers: HeaderMap,
    draining: Draining,
) -> Result<Response, Problem> {
    let wait = bounded(&app, Duration::from_secs(params.number("wait", 0, MAX_WAIT).unwrap_or(0)));
    params.finish()?;
    let id = name.job()?;
    let known = headers.get(header::IF_NONE_MATCH).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let is_known = |etag: &str| known.as_deref().is_some_and(|known| matches_etag(known, etag));
    let enough = |job: &Job| match &known {
        // How it stands with a delivery is looked up below.
        Some(_) if job.spec.destination.is_some() => !job.status.is_active(),
        // Whether the file may be seen is looked up once there is an answer.
        Some(_) => {
            let etag = |may_see| JobResponse::with_file(&app, &caller, job.clone(), may_see).etag();
            !is_known(&etag(true)) && !is_known(&etag(false))
        }
        None => !job.status.is_active(),
    };
    let job = wait_for(&app, &caller.scope(), id, wait, &draining, enough).await.map_err(absent)?;
    let mut body = JobResponse::of(&app, &caller, job).await?;
    with_deliveries(&app, &caller.0.org, std::slice::from_mut(&mut body)).await?;
    let etag = body.etag();
    let mut response =
        if is_known(&etag) { StatusCode::NOT_MODIFIED.into_response() } else { Json(body).into_response() };
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-store"));
    if let Ok(value) = HeaderValue::from_str(&etag) {
        headers.insert(header::ETAG, value);
    }
    Ok(response)
}

/// Whether an `If-None-Match` names `etag`, by weak comparison.
pub(crate) fn matches_etag(header: &str, etag: &str) -> bool {
    let opaque = etag.trim_start_matches("W/");
    header.split(',').map(str::trim).any(|one| one == "*" || one.trim_start_matches("W/") == opaque)
}

/// Calls an export off.
#[utoipa::path(delete, path = "/api/v1/export/jobs/{id}", tag = "exports", operation_id = "cancel_job",
    params(("id" = String, Path, description = "The job")),
    responses((status = 204, description = "It is cancelled, and stays so")))]
pub(crate) async fn cancel(
    State(app): State<App>,
    caller: Caller,
    Acting(act): Acting,
    name: Name,
) -> Result<StatusCode, Problem> {
    app.store.jobs.cancel(&act, &caller.scope(), name.job()?).await.map_err(absent)?;
    Ok(StatusCode::NO_CONTENT)
}

/// A failed export again, from its checkpoint.
#[utoipa::path(post, path = "/api/v1/export/jobs/{id}/retry", tag = "exports", operation_id = "retry_job",
    params(("id" = String, Path, description = "The job")),
    responses((status = 202, description = "It waits for a worker again", body = JobResponse)))]
pub(crate) async fn retry(
    State(app): State<App>,
    caller: Caller,
    Acting(act): Acting,
    name: Name,
) -> Result<Response, Problem> {
    let (scope, id) = (caller.scope(), name.job()?);
    let job = app.store.jobs.get(&scope, id).await.map_err(absent)?;
    require_dataset(&app, &caller, &job)?;
    job.require_worker()?;
    let (job, allowances) = app.store.jobs.retry(&act, &scope, id, app.settings.limits.jobs).await.map_err(absent)?;
    let mut response = (StatusCode::ACCEPTED, Json(JobResponse::of(&app, &caller, job).await?)).into_response();
    Allowances::add(&mut response, allowances);
    Ok(response)
}

/// Delivers a file whose delivery failed, once more from the first try on.
#[utoipa::path(post, path = "/api/v1/export/jobs/{id}/deliver", tag = "exports", operation_id = "deliver_again",
    params(("id" = String, Path, description = "The job")),
    responses((status = 202, description = "It is owed again", body = JobResponse)))]
pub(crate) async fn deliver(
    State(app): State<App>,
    caller: Caller,
    Acting(act): Acting,
    name: Name,
) -> Result<Response, Problem> {
    let (scope, id) = (caller.scope(), name.job()?);
    let job = app.store.jobs.get(&scope, id).await.map_err(absent)?;
    require_dataset(&app, &caller, &job)?;
    app.store.destinations.deliver_again(&act, &scope, id).await?;
    let mut body = JobResponse::of(&app, &caller, job).await?;
    with_deliveries(&app, &caller.0.org, std::slice::from_mut(&mut body)).await?;
    Ok((StatusCode::ACCEPTED, Json(body)).into_response())
}

/// Deletes the file now, not when it expires.
#[utoipa::path(delete, path = "/api/v1/export/jobs/{id}/file", tag = "exports", operation_id = "delete_file",
    params(("id" = String, Path, description = "The job")),
    responses((status = 204, description = "The file can no longer be fetched")))]
pub(crate) async fn delete_file(
    State(app): State<App>,
    caller: Caller,
    Acting(act): Acting,
    name: Name,
) -> Result<StatusCode, Problem> {
    app.store.artifacts.expire_now(&act, &caller.scope(), name.job()?).await.map_err(absent)?;
    Ok(StatusCode::NO_CONTENT)
}

/// Leads to a fresh link, which lives ten minutes at most.
#[utoipa::path(get, path = "/api/v1/export/jobs/{id}/download", tag = "exports", operation_id = "download",
    params(("id" = String, Path, description = "The job")),
    responses((status = 302, description = "To the file", headers(("Location" = String, description = "A fresh link")))))]
pub(crate) async fn download(
    State(app): State<App>,
    caller: Caller,
    Acting(act): Acting,
    name: Name,
    method: Method,
) -> Result<Response, Problem> {
    let artifact = fetchable(&app, &caller, name.job()?).await?;
    let link = app.links.fresh(&artifact, &caller.0.sub, method == Method::HEAD, &app).await?;
    audit::gave(&app, &act, Action::ExportDownload, &artifact).await?;
    Ok((StatusCode::FOUND, [(header::LOCATION, link.url)]).into_response())
}

/// The file of a job, if the caller may have it now.
///
/// # Errors
/// `not_found`; `forbidden` without the dataset's permission, or `pii:read` where the file tells sensitive columns; `not_ready`, `conflict` or `gone` if there is no file.
pub(crate) async fn fetchable(app: &App, caller: &Caller, id: JobId) -> Result<Artifact> {
    let scope = caller.scope();
    let job = app.store.jobs.get(&scope, id).await.map_err(absent)?;
    require_dataset(app, caller, &job)?;
    job.require_stored()?;
    let artifact = app.store.artifacts.ready(&scope, id).await.map_err(absent)?;
    require_sight(app, caller, made(&artifact, &job))?;
    Ok(artifact)
}

/// Whether the caller may see what the file of a completed job tells, as [`fetchable`] sees it. The file is looked up
/// only where it may tell less than was asked for.
pub(crate) async fn may_see_file(app: &App, caller: &Caller, job: &Job) -> Result<bool> {
    if require_sight(app, caller, &job.spec).is_ok() {
        return Ok(true);
    }
    match app.store.artifacts.ready(&caller.scope(), job.id).await {
        Ok(artifact) => Ok(require_sight(app, caller, made(&artifact, job)).is_ok()),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::Gone | ErrorKind::Conflict) => Ok(false),
        Err(error) => Err(error),
    }
}

/// The proof that the file is whole.
#[utoipa::path(get, path = "/api/v1/export/jobs/{id}/receipt", tag = "exports", operation_id = "get_receipt",
    params(("id" = String, Path, description = "The job")),
    responses((status = 200, description = "The receipt", body = Object)))]
pub(crate) async fn receipt(State(app): State<App>, caller: Caller, name: Name) -> Result<Response, Problem> {
    let artifact = app.store.artifacts.ready(&caller.scope(), name.job()?).await.map_err(absent)?;
    let missing = || Error::new(ErrorKind::Internal, format!("the ready artifact {} has no receipt", artifact.id));
    let receipt = artifact.receipt.as_ref().ok_or_else(missing)?;
    let mut json = serde_json::to_value(receipt).unwrap_or_default();
    json["spec"] = as_seen(&app, &caller, &receipt.spec);
    Ok(Json(json).into_response())
}

/// One answer for what was never there, what is somebody else's and what is no id at all.
pub(crate) fn absent(error: Error) -> Error {
    if error.kind() == ErrorKind::NotFound { no_such_job() } else { error }
}

/// The spec of a job names a dataset: who may see the job may still not read that.
fn require_dataset(app: &App, caller: &Caller, job: &Job) -> Result<()> {
    let needed = app.catalog.permission(&job.spec.dataset).ok_or_else(|| {
        Error::new(ErrorKind::Gone, format!("the dataset {} is no longer configured", job.spec.dataset))
    })?;
    caller.0.require(&needed)
}

/// Whether a file of this spec may go to the caller: what it tells of sensitive columns is for those who may read them.
///
/// # Errors
/// `forbidden`, naming the permission.
pub(crate) fn require_sight(app: &App, caller: &Caller, spec: &ExportSpec) -> Result<()> {
    if tells_sensitive(app, spec) { caller.0.require(&Permission::PiiRead) } else { Ok(()) }
}

/// Whether a file of this spec tells what is in sensitive columns.
pub(crate) fn tells_sensitive(app: &App, spec: &ExportSpec) -> bool {
    let schema = app.catalog.get(&spec.dataset).ok().map(|dataset| dataset.schema.as_ref());
    spec.tells_sensitive(schema)
}

/// What a stored file was made of: where its owner's permissions had become fewer, less than was asked for.
pub(crate) fn made<'a>(artifact: &'a Artifact, job: &'a Job) -> &'a ExportSpec {
    artifact.receipt.as_ref().map_or(&job.spec, |receipt| &receipt.spec)
}

/// A spec as the caller may see it: what it says of sensitive columns is masked.
pub(crate) fn as_seen(app: &App, caller: &Caller, spec: &ExportSpec) -> Json_ {
    let schema = app.catalog.get(&spec.dataset).ok().map(|dataset| dataset.schema.as_ref());
    spec.as_seen(schema, caller.sight())
}

/// Adds a fresh link to a completed job, if its file may be fetched.
pub(crate) async fn with_link(
    app: &App,
    caller: &Caller,
    act: &Act,
    scope: &JobScope,
    job: Job,
) -> Result<JobResponse> {
    let id = job.id;
    let mut body = JobResponse::of(app, caller, job).await?;
    with_deliveries(app, &caller.0.org, std::slice::from_mut(&mut body)).await?;
    if body.can_download() {
        match app.store.artifacts.ready(scope, id).await {
            Ok(artifact) => {
                let link = app.links.fresh(&artifact, &caller.0.sub, false, app).await?;
                // A link that cannot be audited is not given; the job is still worth answering.
                if let Err(error) = audit::gave(app, act, Action::ExportDownload, &artifact).await {
                    tracing::warn!(%error, job_id = %id, "answered without a link");
                    return Ok(body);
                }
                body.link = Some(link.url);
                body.link_expires_at = Some(link.expires_at);
            }
            // The file was deleted in the meantime: the job is still worth answering.
            Err(error) if error.kind() == ErrorKind::Gone => {}
            Err(error) => return Err(error),
        }
    }
    Ok(body)
}
