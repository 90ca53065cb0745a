//! Schedules over HTTP.
//!
//! Responsible for what users say of schedules, and for runs that they ask for. What is due by the clock is the worker's.

mod request;
mod view;

use std::collections::HashMap;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode, header};
use jiff::Timestamp;
use offtake_datasets::Dataset;
use offtake_model::audit::Act;
use offtake_model::id::ScheduleId;
use offtake_model::permission::Permission;
use offtake_model::schedule::{Position, RunKind, Schedule, ScheduleOwner, ScheduleRun, ScheduleState, Window};
use offtake_model::{Error, ErrorKind, Result, Violation};
use offtake_store::{JobScope, NewRun, NewSchedule};
use serde_json::{Map, Value as Json_};

use crate::acting::Acting;
use crate::auth::Caller;
use crate::created::created;
use crate::datasets::readable;
use crate::error::Problem;
use crate::extract::{JsonBody, Name, Params};
use crate::state::App;
use crate::versions::{self, expected};

use request::{BackfillRequest, Checked, ScheduleChangeRequest, ScheduleRequest, Start, TimetableRequest};
use view::{
    AHEAD, ScheduleListResponse, ScheduleResponse, ScheduleRunListResponse, ScheduleRunResponse, TimetableResponse,
};

/// Runs that are listed when nothing is said, and at most.
const RUNS: (u64, u64) = (50, 200);

/// Makes a schedule: an export that is asked for again and again.
///
/// It is checked against its dataset like an export, and asks in the name of whoever made it: what is withheld from that
/// account later pauses it. Windows of `incremental` schedules meet without a gap and never overlap.
#[utoipa::path(post, path = "/api/v1/schedules", tag = "schedules", operation_id = "create_schedule",
    request_body = inline(ScheduleRequest),
    responses((status = 201, description = "Made", body = ScheduleResponse,
        headers(("Location" = String, description = "The schedule"), ("ETag" = String, description = "Its version")))))]
pub(crate) async fn create(
    State(app): State<App>,
    caller: Caller,
    Acting(act): Acting,
    JsonBody(body): JsonBody,
) -> Result<Response, Problem> {
    let (Checked { content, dataset, address }, start) = request::checked(&app, &caller, body).await?;
    require_destination(&app, &caller, &content.request).await?;
    let now = app.clock.now();
    let next_run_at = next_run(&content.timetable()?, now)?;
    let owner = ScheduleOwner {
        sub: caller.0.sub.clone(),
        email: address,
        needs: vec![Permission::ExportsCreate, dataset.schema.permission.clone()],
        sight: caller.sight(),
    };
    let new = NewSchedule { id: ScheduleId::new(now), owner, content, position: None, next_run_at };
    let new = match start {
        Start::Beginning => new,
        Start::Now => NewSchedule { position: present(&app, &caller, &dataset, &new).await?, ..new },
    };
    let made = app.store.schedules.create_schedule(&act, &caller.0.org, new).await?;
    Ok(created(&format!("/api/v1/schedules/{}", made.id), answered(&app, &caller, (made, None))))
}

/// The schedules there are: one's own, and those of others with `exports:read_all`.
#[utoipa::path(get, path = "/api/v1/schedules", tag = "schedules", operation_id = "list_schedules",
    responses((status = 200, description = "All, newest first", body = ScheduleListResponse)))]
pub(crate) async fn list(State(app): State<App>, caller: Caller) -> Result<Json<ScheduleListResponse>, Problem> {
    let found = app.store.schedules.schedules(&caller.scope()).await?;
    let visible = found.into_iter().filter(|schedule| sees(&app, &caller, schedule));
    let mut runs: HashMap<_, _> = app.store.schedules.latest_runs(&caller.0.org).await?.into_iter().collect();
    let now = app.clock.now();
    let with_run = visible.map(|schedule| {
        let run = runs.remove(&schedule.id);
        ScheduleResponse::of((schedule, run), seen(&app, &caller), now)
    });
    let schedules = with_run.collect();
    Ok(Json(ScheduleListResponse { schedules }))
}

/// When a schedule would run that is yet to be made, or changed.
#[utoipa::path(post, path = "/api/v1/schedules/preview", tag = "schedules", operation_id = "preview_schedule",
    request_body = inline(TimetableRequest),
    responses((status = 200, description = "The next runs", body = TimetableResponse)))]
pub(crate) async fn preview(
    State(app): State<App>,
    JsonBody(body): JsonBody,
) -> Result<Json<TimetableResponse>, Problem> {
    let next_runs = request::timetable(body)?.upcoming(app.clock.now(), AHEAD);
    Ok(Json(TimetableResponse { next_runs }))
}

/// One schedule.
#[utoipa::path(get, path = "/api/v1/schedules/{id}", tag = "schedules", operation_id = "get_schedule",
    params(("id" = String, Path, description = "The schedule")),
    responses((status = 200, description = "The schedule", body = ScheduleResponse,
        headers(("ETag" = String, description = "Its version")))))]
pub(crate) async fn detail(State(app): State<App>, caller: Caller, name: Name) -> Result<Response, Problem> {
    let schedule = visible(&app, &caller, &name, &caller.scope()).await?;
    with_run(&app, &caller, schedule).await
}

/// Changes a schedule: what the body names is replaced, the rest stays. Dataset and kind of window stay too: windows that
/// were cut otherwise would not meet.
#[utoipa::path(patch, path = "/api/v1/schedules/{id}", tag = "schedules", operation_id = "change_schedule",
    params(
        ("id" = String, Path, description = "The schedule"),
        ("If-Match" = Option<String>, Header, description = "Only if it still has this ETag; else 412"),
    ),
    request_body = inline(ScheduleChangeRequest),
    responses((status = 200, description = "Changed", body = ScheduleResponse,
        headers(("ETag" = String, description = "Its version")))))]
pub(crate) async fn change(
    State(app): State<App>,
    caller: Caller,
    Acting(act): Acting,
    name: Name,
    headers: HeaderMap,
    JsonBody(body): JsonBody,
) -> Result<Response, Problem> {
    let mut schedule = visible(&app, &caller, &name, &own(&caller)).await?;
    let version = expected(&headers)?.unwrap_or(schedule.version);
    let Checked { content, dataset, .. } = request::changed(&app, &caller, &schedule.content, body).await?;
    require_destination(&app, &caller, &content.request).await?;
    // In the owner's name is asked for what both may see.
    if schedule.owner.sub == caller.0.sub {
        schedule.owner.sight = caller.sight();
    } else if dataset.sight == offtake_model::sensitive::Sight::Veiled {
        schedule.owner.sight = dataset.sight;
    }
    let next_run_at = next_run(&content.timetable()?, app.clock.now())?;
    schedule = Schedule { content, version, ..schedule };
    let changed = app.store.schedules.change_schedule(&act, &schedule, next_run_at).await?;
    with_run(&app, &caller, changed).await
}

/// Forgets a schedule. Its exports stay.
#[utoipa::path(delete, path = "/api/v1/schedules/{id}", tag = "schedules", operation_id = "delete_schedule",
    params(("id" = String, Path, description = "The schedule")),
    responses((status = 204, description = "Forgotten")))]
pub(crate) async fn delete(
    State(app): State<App>,
    caller: Caller,
    Acting(act): Acting,
    name: Name,
) -> Result<StatusCode, Problem> {
    let schedule = visible(&app, &caller, &name, &own(&caller)).await?;
    app.store.schedules.delete_schedule(&act, &own(&caller), schedule.id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Pauses a schedule: nothing is asked for until it is resumed, and nothing is lost.
#[utoipa::path(post, path = "/api/v1/schedules/{id}/pause", tag = "schedules", operation_id = "pause_schedule",
    params(("id" = String, Path, description = "The schedule")),
    responses((status = 200, description = "Paused", body = ScheduleResponse)))]
pub(crate) async fn pause(
    State(app): State<App>,
    caller: Caller,
    Acting(act): Acting,
    name: Name,
) -> Result<Response, Problem> {
    let schedule = visible(&app, &caller, &name, &own(&caller)).await?;
    let paused = app.store.schedules.pause_schedule(&act, &own(&caller), schedule.id).await?;
    with_run(&app, &caller, paused).await
}

/// Lets a schedule run again. The first window has everything since the last one.
#[utoipa::path(post, path = "/api/v1/schedules/{id}/resume", tag = "schedules", operation_id = "resume_schedule",
    params(("id" = String, Path, description = "The schedule")),
    responses((status = 200, description = "Resumed", body = ScheduleResponse)))]
pub(crate) async fn resume(
    State(app): State<App>,
    caller: Caller,
    Acting(act): Acting,
    name: Name,
) -> Result<Response, Problem> {
    let schedule = visible(&app, &caller, &name, &own(&caller)).await?;
    let next_run_at = next_run(&schedule.content.timetable()?, app.clock.now())?;
    let resumed = app.store.schedules.resume_schedule(&act, &own(&caller), schedule.id, next_run_at).await?;
    with_run(&app, &caller, resumed).await
}

/// Runs a schedule now, paused or not: its next window up to this moment. 409 if no row can be in it.
#[utoipa::path(post, path = "/api/v1/schedules/{id}/run", tag = "schedules", operation_id = "run_schedule",
    params(("id" = String, Path, description = "The schedule")),
    responses((status = 202, description = "Asked for", body = ScheduleRunResponse,
        headers(("Location" = String, description = "The job")))))]
pub(crate) async fn run(
    State(app): State<App>,
    caller: Caller,
    Acting(act): Acting,
    name: Name,
) -> Result<Response, Problem> {
    let schedule = visible(&app, &caller, &name, &own(&caller)).await?;
    let dataset = as_owner(&app, &schedule).await?;
    let now = app.clock.now();
    let window = dataset.next_window(&schedule, now).await?.ok_or_else(|| {
        Error::new(ErrorKind::Conflict, "there are no rows since the last run; those that come are the next run's")
    })?;
    begin(&app, act, &schedule, &dataset, RunKind::Asked, window, window.to).await
}

/// Exports a window of the past once more. The schedule itself goes on as before: rows of this window that it has
/// exported, or will, are in both files.
#[utoipa::path(post, path = "/api/v1/schedules/{id}/backfill", tag = "schedules", operation_id = "backfill_schedule",
    params(("id" = String, Path, description = "The schedule")),
    request_body = inline(BackfillRequest),
    responses((status = 202, description = "Asked for", body = ScheduleRunResponse,
        headers(("Location" = String, description = "The job")))))]
pub(crate) async fn backfill(
    State(app): State<App>,
    caller: Caller,
    Acting(act): Acting,
    name: Name,
    JsonBody(body): JsonBody,
) -> Result<Response, Problem> {
    let schedule = visible(&app, &caller, &name, &own(&caller)).await?;
    let dataset = as_owner(&app, &schedule).await?;
    let (from, to) = request::ends(&body)?;
    let window = dataset.backfill(from, to)?;
    begin(&app, act, &schedule, &dataset, RunKind::Backfill, window, None).await
}

/// The runs of a schedule, as far as their jobs are kept.
#[utoipa::path(get, path = "/api/v1/schedules/{id}/runs", tag = "schedules", operation_id = "list_schedule_runs",
    params(
        ("id" = String, Path, description = "The schedule"),
        ("limit" = Option<u64>, Query, description = "1 to 200; 50"),
    ),
    responses((status = 200, description = "Newest first", body = ScheduleRunListResponse)))]
pub(crate) async fn runs(
    State(app): State<App>,
    caller: Caller,
    name: Name,
    mut params: Params,
) -> Result<Json<ScheduleRunListResponse>, Problem> {
    let limit = params.number("limit", 1, RUNS.1).unwrap_or(RUNS.0);
    params.finish()?;
    let schedule = visible(&app, &caller, &name, &caller.scope()).await?;
    let limit = u32::try_from(limit).unwrap_or(u32::MAX);
    let runs = app.store.schedules.schedule_runs(&schedule.org, schedule.id, limit).await?;
    Ok(Json(ScheduleRunListResponse { runs: runs.into_iter().map(ScheduleRunResponse::from).collect() }))
}

/// The schedules the caller may change: administrators everybody's.
fn own(caller: &Caller) -> JobScope {
    let owner = (!caller.may(&Permission::Admin)).then(|| caller.0.sub.clone());
    JobScope { org: caller.0.org.clone(), owner }
}

/// The schedule of this id in the scope, if the caller may read its dataset or owns it.
async fn visible(app: &App, caller: &Caller, name: &Name, scope: &JobScope) -> Result<Schedule> {
    let absent =
        || Error::new(ErrorKind::NotFound, "there is no such schedule; GET /api/v1/schedules lists those there are");
    let id: ScheduleId = name.as_str().parse().map_err(|_| absent())?;
    let schedule = app.store.schedules.schedule(scope, id).await?;
    if sees(app, caller, &schedule) { Ok(schedule) } else { Err(absent()) }
}

fn sees(app: &App, caller: &Caller, schedule: &Schedule) -> bool {
    schedule.owner.sub == caller.0.sub || readable(app, caller, &schedule.content.dataset).is_ok()
}

/// The datasets as the caller sees them.
fn seen<'a>(app: &'a App, caller: &'a Caller) -> impl Fn(&str) -> Option<Dataset> + 'a {
    |name| readable(app, caller, name).ok()
}

/// The dataset as the schedule's owner sees it now, if that may still have it.
async fn as_owner(app: &App, schedule: &Schedule) -> Result<Dataset> {
    let standing = app.store.principals.standing(&schedule.org, &schedule.owner.sub).await?.standing;
    if let Some(why) = standing.against(&schedule.owner.needs) {
        return Err(Error::new(ErrorKind::Conflict, format!("its owner may not have this export any more: {why}")));
    }
    let name = &schedule.content.dataset;
    match app.catalog.get(name) {
        Ok(dataset) => Ok(dataset.seen_with(schedule.sight_under(&standing))),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            Err(Error::new(ErrorKind::Conflict, format!("the dataset {name} is no longer configured")))
        }
        Err(error) => Err(error),
    }
}

async fn begin(
    app: &App,
    act: Act,
    schedule: &Schedule,
    dataset: &Dataset,
    kind: RunKind,
    window: Window,
    position: Option<Position>,
) -> Result<Response, Problem> {
    let now = app.clock.now();
    let spec = dataset.run_of(schedule, window, now)?;
    let mut run = NewRun::of(schedule, &dataset.schema, spec, (kind, window, now), now, act);
    run.job.limits = app.settings.limits.jobs;
    let job = app.store.schedules.run_now(schedule, run, position).await?;
    let run = ScheduleRunResponse::new(&job, kind, window, now);
    let location = [(header::LOCATION, run.status_url.clone())];
    Ok((StatusCode::ACCEPTED, location, Json(run)).into_response())
}

/// Where a schedule begins that takes only what comes from now on.
async fn present(app: &App, caller: &Caller, dataset: &Dataset, new: &NewSchedule) -> Result<Option<Position>> {
    let now = app.clock.now();
    let schedule = Schedule {
        id: new.id,
        org: caller.0.org.clone(),
        owner: new.owner.clone(),
        content: new.content.clone(),
        state: ScheduleState::Active,
        position: None,
        next_run_at: None,
        last_run_at: None,
        errors: 0,
        last_error: None,
        version: 1,
        created_at: now,
        updated_at: now,
    };
    dataset.present_position(&schedule, now).await
}

fn next_run(table: &offtake_model::schedule::Timetable, now: Timestamp) -> Result<Timestamp> {
    table.next_after(now).ok_or_else(|| Error::invalid_at("/cron", "names a day that never comes"))
}

/// That the destination a request names is one of the organization's.
async fn require_destination(app: &App, caller: &Caller, request: &Map<String, Json_>) -> Result<()> {
    let id = request.get("destination").and_then(|to| to.get("id")).and_then(Json_::as_str);
    let Some(id) = id else { return Ok(()) };
    let found = match id.parse() {
        Ok(id) => app.store.destinations.destination(&caller.0.org, id).await.map(drop),
        Err(error) => Err(error),
    };
    match found {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let wrong = Violation::at("/request/destination/id", "there is no such destination");
            Err(Error::invalid(vec![wrong]))
        }
        other => other,
    }
}

async fn with_run(app: &App, caller: &Caller, schedule: Schedule) -> Result<Response, Problem> {
    let run = app.store.schedules.schedule_runs(&schedule.org, schedule.id, 1).await?.pop();
    Ok(answered(app, caller, (schedule, run)))
}

fn answered(app: &App, caller: &Caller, schedule: (Schedule, Option<ScheduleRun>)) -> Response {
    let version = schedule.0.version;
    versions::answered(ScheduleResponse::of(schedule, seen(app, caller), app.clock.now()), version)
}
