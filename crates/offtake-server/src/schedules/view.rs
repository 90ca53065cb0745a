//! A schedule and its runs as the API shows them.

use jiff::Timestamp;
use offtake_datasets::Dataset;
use offtake_model::job::{Job, JobStatus};
use offtake_model::schedule::{RunKind, Schedule, ScheduleRun, ScheduleState, Window};
use offtake_model::sensitive::{Sight, mask};
use serde::Serialize;
use serde_json::{Map, Value as Json};
use utoipa::ToSchema;

/// Runs that are told ahead.
pub(crate) const AHEAD: usize = 5;

/// The schedules there are.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ScheduleListResponse {
    pub(crate) schedules: Vec<ScheduleResponse>,
}

/// A schedule.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ScheduleResponse {
    #[schema(example = "sch_0199c0ffee0070008000000000000001")]
    id: String,
    name: String,
    #[schema(example = "spans")]
    dataset: String,
    /// As in the body of an export.
    #[schema(value_type = Object)]
    request: Map<String, Json>,
    #[schema(example = "30 2 * * *")]
    cron: String,
    #[schema(example = "Europe/Berlin")]
    time_zone: String,
    /// `incremental` or `full`.
    window: &'static str,
    /// How long rows are waited for where windows are cut by a time column.
    horizon_seconds: u32,
    /// In whose name it asks.
    owner: String,
    /// `active` or `paused`.
    state: &'static str,
    /// Why it is paused: `asked`, `owner_withdrawn` or `configuration`.
    pause_reason: Option<String>,
    /// The same for people.
    pause_detail: Option<String>,
    /// Where the next window begins; null: at the beginning of all rows.
    position: Option<String>,
    #[schema(value_type = Option<String>, format = DateTime)]
    next_run_at: Option<Timestamp>,
    /// When it would run from now on, paused or not: the next five times.
    #[schema(value_type = Vec<String>)]
    next_runs: Vec<Timestamp>,
    #[schema(value_type = Option<String>, format = DateTime)]
    last_run_at: Option<Timestamp>,
    /// The newest run, by the clock or asked for.
    last_run: Option<ScheduleRunResponse>,
    /// Configuration errors in a row; the fifth pauses it.
    errors: u32,
    /// The last thing that went wrong.
    last_error: Option<String>,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
}

impl ScheduleResponse {
    /// The schedule as those see it who see datasets so: what it says of sensitive columns is masked, and what it asks of
    /// a dataset that they do not see is not shown.
    pub(crate) fn of(
        (schedule, last_run): (Schedule, Option<ScheduleRun>),
        seen: impl Fn(&str) -> Option<Dataset>,
        now: Timestamp,
    ) -> Self {
        let Schedule { id, owner, content, state, position, next_run_at, last_run_at, errors, last_error, .. } =
            schedule;
        let next_runs = content.timetable().map_or_else(|_| Vec::new(), |table| table.upcoming(now, AHEAD));
        let request = shown(content.request, seen(&content.dataset));
        let (state, pause_reason, pause_detail) = match state {
            ScheduleState::Active => ("active", None, None),
            ScheduleState::Paused { reason, detail } => ("paused", Some(reason), Some(detail)),
        };
        Self {
            id: id.to_string(),
            name: content.name,
            dataset: content.dataset,
            request,
            cron: content.cron,
            time_zone: content.time_zone,
            window: content.window.name(),
            horizon_seconds: content.horizon_seconds,
            owner: owner.sub,
            state,
            pause_reason,
            pause_detail,
            position: position.map(|position| position.to_string()),
            next_run_at,
            next_runs,
            last_run_at,
            last_run: last_run.map(ScheduleRunResponse::from),
            errors,
            last_error,
            created_at: schedule.created_at,
            updated_at: schedule.updated_at,
        }
    }
}

fn shown(mut request: Map<String, Json>, seen: Option<Dataset>) -> Map<String, Json> {
    let Some(seen) = seen else { return Map::new() };
    if seen.sight == Sight::Veiled {
        let filters = seen.schema.filters.iter().filter(|filter| seen.schema.filter_is_sensitive(filter));
        let mut sensitive: Vec<&str> = filters.map(|filter| filter.name.as_str()).collect();
        sensitive.push("selection");
        if seen.schema.time.as_ref().is_some_and(|time| seen.schema.is_sensitive(time)) {
            sensitive.extend(["start_time", "end_time"]);
        }
        mask(&mut request, sensitive);
    }
    request
}

/// When a schedule would run.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TimetableResponse {
    /// The next five times from now on.
    #[schema(value_type = Vec<String>)]
    pub(crate) next_runs: Vec<Timestamp>,
}

/// The runs of a schedule.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ScheduleRunListResponse {
    pub(crate) runs: Vec<ScheduleRunResponse>,
}

/// A run: a window and the job that exports it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ScheduleRunResponse {
    #[schema(example = "job_0199c0ffee0070008000000000000001")]
    job_id: String,
    /// The state of the job. A failed one can be retried; its window is not run again by itself.
    #[schema(value_type = String)]
    status: JobStatus,
    /// `scheduled`, `asked` or `backfill`.
    kind: &'static str,
    /// Where its rows begin: a moment of the time column, or an `as_of` that they are newer than; null: at the beginning.
    window_from: Option<String>,
    /// Where they end.
    window_to: Option<String>,
    #[schema(value_type = String, format = DateTime)]
    due_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// Where to look how it goes.
    pub(crate) status_url: String,
}

impl ScheduleRunResponse {
    pub(crate) fn new(job: &Job, kind: RunKind, window: Window, due_at: Timestamp) -> Self {
        let (status, created_at) = (job.status, job.created_at);
        ScheduleRun { job: job.id, status, kind, window, due_at, created_at }.into()
    }
}

impl From<ScheduleRun> for ScheduleRunResponse {
    fn from(run: ScheduleRun) -> Self {
        Self {
            job_id: run.job.to_string(),
            status: run.status,
            kind: run.kind.name(),
            window_from: run.window.from.map(|from| from.to_string()),
            window_to: run.window.to.map(|to| to.to_string()),
            due_at: run.due_at,
            created_at: run.created_at,
            status_url: format!("/api/v1/export/jobs/{}", run.job),
        }
    }
}
