//! Asks for exports by the clock: takes due schedules, finds the window of each, and makes its job.
//!
//! Responsible for deciding what a due schedule comes to. Not responsible for its window (`offtake_datasets`), nor for
//! exactly one job for each window: the store moves the position and makes the job in one transaction. Any number of
//! workers do this at once.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use offtake_datasets::Dataset;
use offtake_model::audit::{Act, Via};
use offtake_model::principal::Standing;
use offtake_model::schedule::{ERRORS_UNTIL_PAUSE, LATE, RunKind, Schedule};
use offtake_model::{Error, ErrorKind, Result};
use offtake_store::{DueSchedule, Evaluated, Missed, NewRun};
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::Shared;

/// How long an evaluation may take: it looks at no rows.
const LEASE: SignedDuration = SignedDuration::from_secs(60);
/// Schedules that are taken in one go.
const AT_ONCE: u32 = 16;
/// Ends of runs that are noted in one go.
const NOTED_AT_ONCE: u32 = 64;
/// When to look again at a schedule whose source does not answer.
const LATER: SignedDuration = SignedDuration::from_secs(30);

/// Evaluates schedules until `shutdown`.
pub(crate) async fn run_until(worker: Arc<Shared>, every: Duration, shutdown: CancellationToken) {
    let mut ticks = interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            biased;
            () = shutdown.cancelled() => return,
            _ = ticks.tick() => {
                if let Err(error) = pass(&worker).await {
                    tracing::warn!(%error, cause = ?error, "schedules could not be looked at; the next pass tries again");
                }
            }
        }
    }
}

/// Evaluates what is due, and notes what ended.
pub(crate) async fn pass(worker: &Shared) -> Result<()> {
    loop {
        let due = worker.store.schedules.claim_schedules(&worker.name, AT_ONCE, LEASE).await?;
        let last = due.len() < AT_ONCE as usize;
        for due in due {
            settle(worker, due).await;
        }
        if last {
            break;
        }
    }
    worker.store.schedules.note_ended_runs(NOTED_AT_ONCE).await.map(drop)
}

async fn settle(worker: &Shared, due: DueSchedule) {
    let id = due.schedule.id;
    let schedules = &worker.store.schedules;
    let evaluated = evaluate(worker, &due).await;
    let mut settled = schedules.settle_schedule(&due, evaluated).await;
    if let Err(error) = &settled
        && error.kind() == ErrorKind::InvalidRequest
    {
        // What the job store looks at itself: whether there still is such a destination.
        let why = error.detail().to_owned();
        let wrong = wrong(&due, why);
        settled = schedules.settle_schedule(&due, wrong).await;
    }
    match settled {
        Ok(Some(job)) => tracing::info!(schedule_id = %id, job_id = %job.id, "asked for an export by schedule"),
        Ok(None) => tracing::debug!(schedule_id = %id, "looked at a schedule"),
        Err(error) if error.kind() == ErrorKind::LeaseLost => tracing::debug!(schedule_id = %id, %error, "left alone"),
        Err(error) => tracing::warn!(schedule_id = %id, %error, cause = ?error, "a schedule waits for the next pass"),
    }
}

/// What a due schedule comes to.
async fn evaluate(worker: &Shared, due: &DueSchedule) -> Evaluated {
    match tried(worker, due).await {
        Ok(evaluated) => evaluated,
        Err(error) if is_configuration(error.kind()) => wrong(due, told(&error)),
        Err(error) => Evaluated::Later { why: told(&error), wait: LATER },
    }
}

async fn tried(worker: &Shared, due: &DueSchedule) -> Result<Evaluated> {
    let (schedule, now) = (&due.schedule, due.now);
    let standing = worker.store.principals.standing(&schedule.org, &schedule.owner.sub).await?.standing;
    if let Some(why) = standing.against(&schedule.owner.needs) {
        return Ok(Evaluated::Withdrawn { why });
    }
    let table = schedule.content.timetable()?;
    let first = schedule.next_run_at.unwrap_or(now);
    let passed = table.passed(first, now);
    let next_run_at = table.next_after(now).ok_or_else(|| Error::invalid_at("/cron", "is never due again"))?;
    let in_time = passed.count == 1 && now.duration_since(first) < LATE;
    let missed = (!in_time).then_some(Missed { since: first, ticks: passed.count });
    let dataset = dataset(worker, schedule, &standing)?;
    let Some(window) = dataset.next_window(schedule, passed.newest).await? else {
        return Ok(Evaluated::Nothing { next_run_at, missed });
    };
    let spec = dataset.run_of(schedule, window, now)?;
    let act = Act::by(&schedule.owner.sub, Via::System);
    let of = (RunKind::Scheduled, window, passed.newest);
    let run = Box::new(NewRun::of(schedule, &dataset.schema, spec, of, now, act));
    Ok(Evaluated::Run { run, position: window.to, next_run_at, missed })
}

/// The dataset as the owner sees it now: never more than when the schedule was saved.
fn dataset(worker: &Shared, schedule: &Schedule, standing: &Standing) -> Result<Dataset> {
    let name = &schedule.content.dataset;
    match worker.catalog.get(name) {
        Ok(dataset) => Ok(dataset.seen_with(schedule.sight_under(standing))),
        // The catalog would name every other dataset.
        Err(error) if error.kind() == ErrorKind::NotFound => {
            Err(Error::new(ErrorKind::NotFound, format!("the dataset {name} is no longer configured")))
        }
        Err(error) => Err(error),
    }
}

/// Whether somebody has to change something before it can work.
const fn is_configuration(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::InvalidRequest | ErrorKind::NotFound | ErrorKind::SchemaDrift | ErrorKind::SourceDenied)
}

fn wrong(due: &DueSchedule, why: String) -> Evaluated {
    let next = due.schedule.content.timetable().ok().and_then(|table| table.next_after(due.now));
    let next_run_at =
        next.unwrap_or_else(|| due.now.saturating_add(SignedDuration::from_hours(1)).unwrap_or(Timestamp::MAX));
    Evaluated::Wrong { why, next_run_at, most: ERRORS_UNTIL_PAUSE }
}

/// What whoever reads the schedule may know of an error.
fn told(error: &Error) -> String {
    match error.violations() {
        _ if !error.is_open() => error.kind().title().to_owned(),
        [] => error.detail().to_owned(),
        wrong => {
            let each: Vec<String> = wrong.iter().map(|one| format!("{}: {}", one.pointer, one.detail)).collect();
            each.join("; ")
        }
    }
}
