//! Schedules: the port. What they ask for, where they stand, and the jobs they made.

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use offtake_model::audit::{Act, Action, Deed, ObjectKind, Via};
use offtake_model::dataset::DatasetSchema;
use offtake_model::event::{EventType, NewEvent};
use offtake_model::export::ExportSpec;
use offtake_model::id::{JobId, OrgId, ScheduleId};
use offtake_model::job::{Job, JobStatus};
use offtake_model::naming::{file_name, job_name};
use offtake_model::schedule::{
    MOST_SCHEDULES, Position, RunKind, Schedule, ScheduleContent, ScheduleOwner, ScheduleRun, ScheduleState, Window,
};
use offtake_model::sensitive::Sight;
use offtake_model::{Error, ErrorKind, Result};
use serde_json::{Map, Value as Json, json};

use crate::events::Fact;
use crate::jobs::{JobScope, NewJob, WorkerName};
use crate::limits::JobLimits;
use crate::principals::{permissions, to_words};
use crate::refusals::internal;
use crate::rows::{Record, to_json};

/// A schedule to be made.
#[derive(Debug, Clone)]
pub struct NewSchedule {
    /// Its id.
    pub id: ScheduleId,
    /// In whose name it asks.
    pub owner: ScheduleOwner,
    /// What it says.
    pub content: ScheduleContent,
    /// Where its first window begins; `None`: at the beginning of all rows.
    pub position: Option<Position>,
    /// When it is due first.
    pub next_run_at: Timestamp,
}

/// A run that is about to begin.
#[derive(Debug, Clone)]
pub struct NewRun {
    /// Why.
    pub kind: RunKind,
    /// Its rows.
    pub window: Window,
    /// When it was due.
    pub due_at: Timestamp,
    /// The job that exports them.
    pub job: NewJob,
}

impl NewRun {
    /// A run of `schedule` that makes what `spec` says. It asks in the name of the owner, whoever set it off.
    pub fn of(
        schedule: &Schedule,
        schema: &DatasetSchema,
        spec: ExportSpec,
        (kind, window, due_at): (RunKind, Window, Timestamp),
        now: Timestamp,
        by: Act,
    ) -> Self {
        let name = job_name(&schema.title, &spec.without_sensitive(schema), now);
        let job = NewJob {
            id: JobId::new(now),
            org: schedule.org.clone(),
            owner: schedule.owner.sub.clone(),
            owner_email: schedule.owner.email.clone(),
            needs: schedule.owner.needs.clone(),
            file_name: file_name(&name, &spec),
            name,
            spec,
            request_id: by.request_id().map(str::to_owned),
            traceparent: None,
            idempotency: None,
            pinned_to: None,
            limits: JobLimits::NONE,
            now,
            by,
        };
        Self { kind, window, due_at, job }
    }

    /// What no two jobs of a schedule have in common.
    pub(crate) fn window_key(&self, schedule: &Schedule) -> String {
        use offtake_model::schedule::WindowMode::{Full, Incremental};
        match (self.kind, schedule.content.window) {
            (RunKind::Backfill, _) => format!("backfill {}", self.job.id),
            (RunKind::Asked, Full) => format!("asked {}", self.job.id),
            (RunKind::Scheduled, Full) => format!("at {}", self.due_at),
            (RunKind::Scheduled | RunKind::Asked, Incremental) => {
                let from = self.window.from.map_or_else(|| "the beginning".to_owned(), |from| from.to_string());
                format!("from {from}")
            }
        }
    }
}

/// A due schedule, and the right to evaluate it until a deadline.
#[derive(Debug)]
pub struct DueSchedule {
    /// The schedule.
    pub schedule: Schedule,
    /// The moment by the database's clock.
    pub now: Timestamp,
    pub(crate) fence: i64,
}

/// Runs that were due and did not come in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Missed {
    /// When the first of them was due.
    pub since: Timestamp,
    /// How many ticks passed, with the one that is made up for.
    pub ticks: u32,
}

/// What an evaluation came to.
#[derive(Debug, Clone)]
pub enum Evaluated {
    /// A window, and its job.
    Run {
        /// The run.
        run: Box<NewRun>,
        /// Where the next window begins.
        position: Option<Position>,
        /// When it is due again.
        next_run_at: Timestamp,
        /// What did not come in time.
        missed: Option<Missed>,
    },
    /// There are no rows that a window could have.
    Nothing {
        /// When it is due again.
        next_run_at: Timestamp,
        /// What did not come in time.
        missed: Option<Missed>,
    },
    /// It cannot run as it is; after so many times in a row it is paused.
    Wrong {
        /// Why, for people.
        why: String,
        /// When it is due again.
        next_run_at: Timestamp,
        /// Errors in a row after which it is paused.
        most: u32,
    },
    /// Its owner may no longer have it: it is paused.
    Withdrawn {
        /// Why, for people.
        why: String,
    },
    /// Something could not be reached: it stays due.
    Later {
        /// What, for people.
        why: String,
        /// When to look again.
        wait: SignedDuration,
    },
}

/// Schedules. What users ask is scoped by organization, and by owner where the scope says so. A change and its entry in
/// the audit trail are one transaction, and so are the job of a run, the move of the position and what is told of it.
#[async_trait]
pub trait Schedules: Send + Sync + std::fmt::Debug {
    /// Keeps a schedule.
    ///
    /// # Errors
    /// `conflict` if the organization has as many as it may have.
    async fn create_schedule(&self, by: &Act, org: &OrgId, schedule: NewSchedule) -> Result<Schedule>;

    /// One of them.
    ///
    /// # Errors
    /// `not_found`.
    async fn schedule(&self, scope: &JobScope, id: ScheduleId) -> Result<Schedule>;

    /// All of the scope, newest first.
    async fn schedules(&self, scope: &JobScope) -> Result<Vec<Schedule>>;

    /// Puts other words into a schedule that is still at `version`, and another sight where the old one is too much.
    /// `next_run_at` counts if it is active.
    ///
    /// # Errors
    /// `not_found`; `precondition_failed` if it was changed since.
    async fn change_schedule(&self, by: &Act, changed: &Schedule, next_run_at: Timestamp) -> Result<Schedule>;

    /// Pauses it. Not an error if it is.
    ///
    /// # Errors
    /// `not_found`.
    async fn pause_schedule(&self, by: &Act, scope: &JobScope, id: ScheduleId) -> Result<Schedule>;

    /// Lets it run again from where it stopped. Not an error if it runs.
    ///
    /// # Errors
    /// `not_found`.
    async fn resume_schedule(
        &self,
        by: &Act,
        scope: &JobScope,
        id: ScheduleId,
        next_run_at: Timestamp,
    ) -> Result<Schedule>;

    /// Forgets it. Its jobs stay.
    ///
    /// # Errors
    /// `not_found`.
    async fn delete_schedule(&self, by: &Act, scope: &JobScope, id: ScheduleId) -> Result<()>;

    /// Its newest runs, as far as their jobs are kept, newest first.
    async fn schedule_runs(&self, org: &OrgId, id: ScheduleId, limit: u32) -> Result<Vec<ScheduleRun>>;

    /// The newest run of each schedule of the organization that has one.
    async fn latest_runs(&self, org: &OrgId) -> Result<Vec<(ScheduleId, ScheduleRun)>>;

    /// Begins a run that somebody asked for. One over the next window moves the position, from where `schedule` has it, to
    /// `position`.
    ///
    /// # Errors
    /// `not_found`; `conflict` if the position was moved since.
    async fn run_now(&self, schedule: &Schedule, run: NewRun, position: Option<Position>) -> Result<Job>;

    /// Takes due schedules, longest due first, for `lease`.
    async fn claim_schedules(&self, worker: &WorkerName, most: u32, lease: SignedDuration) -> Result<Vec<DueSchedule>>;

    /// Writes down what the evaluation of a due schedule came to. The job, if it made one.
    ///
    /// # Errors
    /// `lease_lost` if somebody else has it by now, or it was changed: nothing is done then.
    async fn settle_schedule(&self, due: &DueSchedule, evaluated: Evaluated) -> Result<Option<Job>>;

    /// Notes how runs ended whose jobs came to rest, each end once, and tells of those that failed. Returns how many.
    async fn note_ended_runs(&self, most: u32) -> Result<u64>;
}

// What every backend shares.

pub(crate) const SCHEDULE_COLUMNS: &str = "schedules.id, schedules.org, schedules.owner, schedules.owner_email, \
     schedules.needs, schedules.sees_all, schedules.content, schedules.state, schedules.pause_reason, \
     schedules.pause_detail, schedules.position, schedules.next_run_at, schedules.last_run_at, schedules.errors, \
     schedules.last_error, schedules.version, schedules.created_at, schedules.updated_at";

/// The newest run of each schedule of the organization that is the one parameter.
pub(crate) fn latest_runs(parameter: &str) -> String {
    format!(
        "SELECT schedule_runs.schedule, {RUN_COLUMNS} FROM schedules
         JOIN schedule_runs ON schedule_runs.job =
             (SELECT max(newest.job) FROM schedule_runs newest WHERE newest.schedule = schedules.id)
         JOIN jobs ON jobs.id = schedule_runs.job WHERE schedules.org = {parameter}"
    )
}

pub(crate) const RUN_COLUMNS: &str = "schedule_runs.job, jobs.status, schedule_runs.kind, schedule_runs.window_from, \
     schedule_runs.window_to, schedule_runs.due_at, schedule_runs.created_at";

pub(crate) fn no_such_schedule() -> Error {
    Error::new(ErrorKind::NotFound, "there is no such schedule; GET /api/v1/schedules lists those there are")
}

pub(crate) fn too_many() -> Error {
    let detail = format!("there are {MOST_SCHEDULES} schedules, and no more are possible; delete some");
    Error::new(ErrorKind::Conflict, detail)
}

pub(crate) fn changed_meanwhile() -> Error {
    let detail = "the schedule was changed in the meantime; get it again and decide anew";
    Error::new(ErrorKind::PreconditionFailed, detail)
}

pub(crate) fn moved_meanwhile() -> Error {
    let detail = "the schedule ran in the meantime; ask again if there is still something to run";
    Error::new(ErrorKind::Conflict, detail)
}

pub(crate) fn claim_lost(id: ScheduleId) -> Error {
    Error::new(ErrorKind::LeaseLost, format!("the schedule {id} was changed or taken while it was evaluated"))
}

/// Who acts when a schedule runs by itself.
pub(crate) fn itself(schedule: &Schedule) -> Act {
    Act::by(&schedule.owner.sub, Via::System)
}

/// A row of [`SCHEDULE_COLUMNS`].
pub(crate) fn schedule(row: &impl Record) -> Result<Schedule> {
    let cells = Cells(row);
    let id: ScheduleId = cells.text("id")?.parse().map_err(|_| unreadable("id"))?;
    let state = match cells.text("state")?.as_str() {
        "active" => ScheduleState::Active,
        _ => ScheduleState::Paused {
            reason: cells.text("pause_reason")?,
            detail: cells.maybe("pause_detail")?.unwrap_or_default(),
        },
    };
    Ok(Schedule {
        id,
        org: cells.org()?,
        owner: ScheduleOwner {
            sub: cells.text("owner")?,
            email: cells.maybe("owner_email")?,
            needs: permissions(&cells.text("needs")?)?.into_iter().collect(),
            sight: if cells.int("sees_all")? == 0 { Sight::Veiled } else { Sight::Clear },
        },
        content: cells.json("content")?,
        state,
        position: cells.position("position")?,
        next_run_at: cells.time("next_run_at")?,
        last_run_at: cells.time("last_run_at")?,
        errors: u32::try_from(cells.int("errors")?).unwrap_or(u32::MAX),
        last_error: cells.maybe("last_error")?,
        version: u64::try_from(cells.int("version")?).map_err(|_| unreadable("version"))?,
        created_at: cells.moment("created_at")?,
        updated_at: cells.moment("updated_at")?,
    })
}

/// A row of [`RUN_COLUMNS`].
pub(crate) fn run(row: &impl Record) -> Result<ScheduleRun> {
    let cells = Cells(row);
    Ok(ScheduleRun {
        job: cells.text("job")?.parse().map_err(|_| unreadable("job"))?,
        status: JobStatus::parse(&cells.text("status")?).ok_or_else(|| unreadable("status"))?,
        kind: RunKind::parse(&cells.text("kind")?).ok_or_else(|| unreadable("kind"))?,
        window: Window { from: cells.position("window_from")?, to: cells.position("window_to")? },
        due_at: cells.moment("due_at")?,
        created_at: cells.moment("created_at")?,
    })
}

/// A row of [`latest_runs`].
pub(crate) fn run_of_schedule(row: &impl Record) -> Result<(ScheduleId, ScheduleRun)> {
    let schedule = Cells(row).text("schedule")?.parse().map_err(|_| unreadable("schedule"))?;
    Ok((schedule, run(row)?))
}

/// The cells of a row about schedules, destinations or deliveries.
pub(crate) struct Cells<'r, R>(pub(crate) &'r R);

impl<R: Record> Cells<'_, R> {
    pub(crate) fn maybe(&self, column: &str) -> Result<Option<String>> {
        self.0.text(column).map_err(|_| unreadable(column))
    }

    pub(crate) fn text(&self, column: &str) -> Result<String> {
        self.maybe(column)?.ok_or_else(|| unreadable(column))
    }

    pub(crate) fn int(&self, column: &str) -> Result<i64> {
        self.0.int(column).ok().flatten().ok_or_else(|| unreadable(column))
    }

    pub(crate) fn time(&self, column: &str) -> Result<Option<Timestamp>> {
        let micros = self.0.int(column).map_err(|_| unreadable(column))?;
        micros.map(|micros| Timestamp::from_microsecond(micros).map_err(|_| unreadable(column))).transpose()
    }

    pub(crate) fn moment(&self, column: &str) -> Result<Timestamp> {
        self.time(column)?.ok_or_else(|| unreadable(column))
    }

    pub(crate) fn org(&self) -> Result<OrgId> {
        OrgId::new(self.text("org")?).map_err(|_| unreadable("org"))
    }

    pub(crate) fn json<T: serde::de::DeserializeOwned>(&self, column: &str) -> Result<T> {
        serde_json::from_str(&self.text(column)?).map_err(|_| unreadable(column))
    }

    fn position(&self, column: &str) -> Result<Option<Position>> {
        self.maybe(column)?.map(|text| text.parse().map_err(|_| unreadable(column))).transpose()
    }
}

pub(crate) fn unreadable(column: &str) -> Error {
    internal(format!("a row about a schedule or a delivery in the job store cannot be read: its {column}"))
}

/// What is written of a new schedule, as texts.
pub(crate) struct Written {
    pub(crate) needs: String,
    pub(crate) sees_all: i64,
    pub(crate) content: String,
}

impl Written {
    pub(crate) fn of(owner: &ScheduleOwner, content: &ScheduleContent) -> Result<Self> {
        Ok(Self {
            needs: to_words(&owner.needs)?,
            sees_all: i64::from(owner.sight == Sight::Clear),
            content: to_json(content)?,
        })
    }
}

/// What a settled schedule becomes: the columns that change.
#[derive(Debug)]
pub(crate) struct Settled {
    pub(crate) paused: Option<(&'static str, String)>,
    pub(crate) position: Option<String>,
    pub(crate) next_run_at: Option<i64>,
    /// Until when nobody looks at it again, though it is due.
    pub(crate) held_until: Option<i64>,
    pub(crate) ran: bool,
    pub(crate) errors: u32,
    pub(crate) last_error: Option<String>,
    pub(crate) alerts: Vec<NewEvent>,
    pub(crate) deed: Option<Deed>,
}

impl Settled {
    /// What `evaluated` makes of `schedule`.
    pub(crate) fn of(schedule: &Schedule, evaluated: &Evaluated, now: i64) -> Self {
        let stays = Self {
            paused: None,
            position: schedule.position.map(|position| position.to_string()),
            next_run_at: schedule.next_run_at.map(Timestamp::as_microsecond),
            held_until: None,
            ran: false,
            errors: schedule.errors,
            last_error: schedule.last_error.clone(),
            alerts: Vec::new(),
            deed: None,
        };
        let next = |at: &Timestamp| Some(at.as_microsecond());
        match evaluated {
            Evaluated::Run { position, next_run_at, missed, .. } => Self {
                position: position.map(|position| position.to_string()),
                next_run_at: next(next_run_at),
                ran: true,
                // That its files arrive is known only later.
                errors: if schedule.content.request.contains_key("destination") { stays.errors } else { 0 },
                last_error: None,
                alerts: missed.map(|missed| late(schedule, missed)).into_iter().collect(),
                ..stays
            },
            Evaluated::Nothing { next_run_at, missed } => Self {
                next_run_at: next(next_run_at),
                errors: 0,
                last_error: None,
                alerts: missed.map(|missed| late(schedule, missed)).into_iter().collect(),
                ..stays
            },
            Evaluated::Wrong { why, next_run_at, most } => {
                let errors = schedule.errors.saturating_add(1);
                let stays = Self { errors, last_error: Some(why.clone()), ..stays };
                if errors >= *most {
                    return stays.paused(schedule, "configuration", why);
                }
                let alerts = vec![alert(schedule, "schedule_failed", why, [("errors", json!(errors))])];
                Self { next_run_at: next(next_run_at), alerts, ..stays }
            }
            Evaluated::Withdrawn { why } => {
                Self { last_error: Some(why.clone()), ..stays }.paused(schedule, "owner_withdrawn", why)
            }
            Evaluated::Later { why, wait } => Self {
                held_until: Some(now.saturating_add(crate::rows::micros(*wait))),
                last_error: Some(why.clone()),
                ..stays
            },
        }
    }

    fn paused(self, schedule: &Schedule, reason: &'static str, why: &str) -> Self {
        let alerts = vec![alert(schedule, "schedule_paused", why, [("reason", json!(reason))])];
        let deed = to_schedule(Action::SchedulePause, schedule).with("reason", reason);
        Self { paused: Some((reason, why.to_owned())), next_run_at: None, alerts, deed: Some(deed), ..self }
    }
}

/// Something was done to a schedule.
pub(crate) fn to_schedule(action: Action, schedule: &Schedule) -> Deed {
    Deed::done(action, ObjectKind::Schedule, schedule.id)
        .with("dataset", schedule.content.dataset.as_str())
        .with("cron", schedule.content.cron.as_str())
        .with("version", schedule.version)
}

fn late(schedule: &Schedule, missed: Missed) -> NewEvent {
    let why = "runs were due and did not come in time; what they would have had is in one run now";
    let more = [("since", json!(missed.since)), ("ticks", json!(missed.ticks))];
    alert(schedule, "schedule_missed", why, more)
}

/// What is told of a run that failed: its window has no file until somebody retries the job.
pub(crate) fn failed(schedule: &Schedule, job: &Job) -> Option<NewEvent> {
    if job.status != JobStatus::Failed {
        return None;
    }
    let error = job.error.as_ref();
    let why = error.map_or("the job failed", |error| error.message.as_str());
    let more = [("job_id", json!(job.id)), ("error", json!(error.map(|error| error.code.code())))];
    Some(NewEvent { job: Some(job.id), ..alert(schedule, "schedule_run_failed", why, more) })
}

/// Who paused it, for those who wonder.
pub(crate) fn paused_by(by: &Act) -> String {
    format!("paused by {}", by.actor())
}

/// What a schedule that was given up because its files arrive nowhere is paused with, if this is the last straw.
pub(crate) fn paused_by_deliveries(schedule: &Schedule, most: u32, why: &str) -> Option<(NewEvent, Deed)> {
    let active = schedule.state == ScheduleState::Active;
    (active && schedule.errors.saturating_add(1) >= most).then(|| {
        let alert = alert(schedule, "schedule_paused", why, [("reason", json!("configuration"))]);
        (alert, to_schedule(Action::SchedulePause, schedule).with("reason", "configuration"))
    })
}

/// What is written down of what is told.
pub(crate) fn facts(org: &OrgId, alerts: Vec<NewEvent>) -> Vec<Fact> {
    alerts.into_iter().map(|event| Fact { org: org.clone(), event, to: Vec::new() }).collect()
}

/// A moment of the database's clock.
pub(crate) fn moment(micros: i64) -> Result<Timestamp> {
    Timestamp::from_microsecond(micros).map_err(|_| unreadable("the present moment"))
}

/// A `system_alert` about a schedule.
fn alert<const N: usize>(schedule: &Schedule, code: &str, why: &str, more: [(&str, Json); N]) -> NewEvent {
    let mut data = Map::new();
    data.insert("code".to_owned(), json!(code));
    data.insert("severity".to_owned(), json!(if code == "schedule_missed" { "warning" } else { "error" }));
    data.insert("message".to_owned(), json!(why));
    data.insert("schedule_id".to_owned(), json!(schedule.id));
    data.insert("schedule".to_owned(), json!(schedule.content.name));
    data.extend(more.into_iter().map(|(name, value)| (name.to_owned(), value)));
    NewEvent { kind: EventType::SystemAlert, job: None, owner: Some(schedule.owner.sub.clone()), data }
}
