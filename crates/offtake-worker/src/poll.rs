//! Takes leases for free slots, and hands jobs over at the end.

use std::sync::Arc;
use std::time::Duration;

use offtake_model::id::JobId;
use offtake_model::job::{Job, JobStatus};
use offtake_model::{Error, ErrorKind, Result};
use offtake_store::{Claimed, JobScope, Take};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use crate::Shared;
use crate::alerts::AlertWatch;
use crate::attempt::work;
use crate::checkpoint::key_of;
use crate::delivery;
use crate::notify;
use crate::schedules;
use crate::settings::signed;
use crate::upkeep::Upkeep;

/// The first pause when the store does not answer, and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(10));

/// Works on jobs and does the upkeep until `shutdown`.
pub(crate) async fn run(worker: Arc<Shared>, shutdown: CancellationToken) {
    tracing::info!(worker = %worker.name.0, slots = worker.settings.slots, "worker starts");
    let upkeep = || Upkeep::new(Arc::clone(&worker));
    let rescue = AbortOnDropHandle::new(tokio::spawn(upkeep().rescue_until(shutdown.clone())));
    let tidy = AbortOnDropHandle::new(tokio::spawn(upkeep().tidy_until(shutdown.clone())));
    let watch = AbortOnDropHandle::new(tokio::spawn(upkeep().watch_until(shutdown.clone())));
    let notify = AbortOnDropHandle::new(tokio::spawn(notify::run(Arc::clone(&worker), shutdown.clone())));
    let asking = schedules::run_until(Arc::clone(&worker), worker.settings.schedules_every, shutdown.clone());
    let asking = AbortOnDropHandle::new(tokio::spawn(asking));
    let delivering = delivery::run_until(Arc::clone(&worker), worker.settings.schedules_every, shutdown.clone());
    let delivering = AbortOnDropHandle::new(tokio::spawn(delivering));
    let alerts = watch_alerts(&worker, &shutdown);
    reclaim(&worker, &shutdown).await;

    let mut running = JoinSet::new();
    fill_slots(&worker, &mut running, &shutdown).await;

    tracing::info!(jobs = running.len(), "worker stops and hands its jobs over");
    let handed_over = async {
        while let Some(ended) = running.join_next().await {
            report(ended);
        }
        drop((rescue.await, tidy.await, watch.await, notify.await, asking.await, delivering.await));
        if let Some(alerts) = alerts {
            drop(alerts.await);
        }
    };
    if timeout(worker.settings.drain, handed_over).await.is_err() {
        tracing::warn!("some jobs could not be handed over in time; their leases run out");
        running.shutdown().await;
    }
}

/// Counts for alert rules beside the work, where there are spans to count.
fn watch_alerts(worker: &Shared, shutdown: &CancellationToken) -> Option<AbortOnDropHandle<()>> {
    let tail = Arc::clone(worker.tail.as_ref()?);
    let watch = AlertWatch::new(worker.store.clone(), tail, worker.name.clone());
    let watch = watch.hiding(worker.catalog.sensitive_dimensions());
    let run = watch.run(worker.settings.alerts_every, shutdown.clone());
    Some(AbortOnDropHandle::new(tokio::spawn(run)))
}

/// Takes back what a former life of this worker held.
async fn reclaim(worker: &Shared, shutdown: &CancellationToken) {
    let mut pause = PAUSES.0;
    let Shared { store, settings, name, metrics, .. } = worker;
    while !shutdown.is_cancelled() {
        match store.jobs.reclaim(name, settings.max_deaths, signed(settings.keep)).await {
            Ok(jobs) => {
                metrics.rescued(jobs.len());
                for job in jobs {
                    tracing::info!(job_id = %job.id, org_id = %job.org, "taken back after a restart");
                }
                return;
            }
            Err(error) => back_off(&error, &mut pause, shutdown).await,
        }
    }
}

async fn fill_slots(worker: &Arc<Shared>, running: &mut JoinSet<()>, shutdown: &CancellationToken) {
    let due = worker.store.jobs.due();
    let mut pause = PAUSES.0;
    while !shutdown.is_cancelled() {
        while let Some(ended) = running.try_join_next() {
            report(ended);
        }
        if running.len() >= worker.settings.slots.max(1) {
            tokio::select! {
                () = shutdown.cancelled() => {}
                Some(ended) = running.join_next() => report(ended),
            }
            continue;
        }
        // Interest first, then the look: a job enqueued in between is not missed.
        let mut notified = std::pin::pin!(due.notified());
        notified.as_mut().enable();
        match claim(worker, worker.settings.take()).await {
            Ok(Some((claimed, since))) => {
                pause = PAUSES.0;
                running.spawn(work(Arc::clone(worker), claimed, since, shutdown.clone()));
            }
            Ok(None) => {
                pause = PAUSES.0;
                tokio::select! {
                    () = shutdown.cancelled() => {}
                    () = notified => {}
                    // An organization that had its share of the slots may have another job.
                    Some(ended) = running.join_next(), if !running.is_empty() => report(ended),
                    () = sleep(worker.settings.poll) => {}
                }
            }
            Err(error) => back_off(&error, &mut pause, shutdown).await,
        }
    }
}

/// Works on one pinned job until it rests.
pub(crate) async fn run_one(
    worker: &Arc<Shared>,
    scope: &JobScope,
    id: JobId,
    shutdown: &CancellationToken,
) -> Result<Job> {
    let due = worker.store.jobs.due();
    reclaim(worker, shutdown).await;
    loop {
        let mut notified = std::pin::pin!(due.notified());
        notified.as_mut().enable();
        let job = worker.store.jobs.get(scope, id).await?;
        if !job.status.is_active() {
            clear_up(worker, &job).await;
            return Ok(job);
        }
        if shutdown.is_cancelled() {
            return Ok(job);
        }
        match claim(worker, Take::Pinned).await? {
            Some((claimed, since)) if claimed.job.id == id => {
                work(Arc::clone(worker), claimed, since, shutdown.clone()).await;
            }
            Some((claimed, _)) => {
                let other = claimed.job.id;
                worker.store.jobs.release(claimed.lease).await?;
                return Err(Error::new(
                    ErrorKind::Conflict,
                    format!("{other} is pinned to this process as well; finish it first"),
                ));
            }
            None => {
                tokio::select! {
                    () = shutdown.cancelled() => {}
                    () = notified => {}
                    () = sleep(worker.settings.poll) => {}
                }
                let Shared { store, settings, .. } = worker.as_ref();
                store.jobs.rescue(settings.max_deaths, signed(settings.keep)).await?;
            }
        }
    }
}

/// Removes what earlier attempts left beside the file: no upkeep comes by where a single job is worked on.
async fn clear_up(worker: &Shared, job: &Job) {
    let unused = match job.status {
        JobStatus::Completed => 1..job.attempt,
        JobStatus::Cancelled => 1..job.attempt + 1,
        // It may be asked for again, from its checkpoint.
        JobStatus::Failed | JobStatus::Expired | JobStatus::Pending | JobStatus::Processing => return,
    };
    for attempt in unused {
        if let Err(error) = worker.store.objects.delete(&key_of(job, attempt)).await {
            tracing::warn!(%error, attempt, "what an earlier attempt left could not be deleted");
        }
    }
}

/// Asks for a job, with the moment of asking: the lease cannot have begun before.
async fn claim(worker: &Shared, take: Take) -> Result<Option<(Claimed, Instant)>> {
    let since = Instant::now();
    let claimed = worker.store.jobs.claim(&worker.name, take, signed(worker.settings.lease)).await?;
    Ok(claimed.map(|claimed| (claimed, since)))
}

async fn back_off(error: &Error, pause: &mut Duration, shutdown: &CancellationToken) {
    tracing::warn!(%error, cause = ?error, pause_ms = pause.as_millis(), "the job store does not answer");
    tokio::select! {
        () = shutdown.cancelled() => {}
        () = sleep(*pause) => {}
    }
    *pause = (*pause * 2).min(PAUSES.1);
}

/// An attempt settles its job by itself; all that is left to say is that it could not.
fn report(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended {
        tracing::error!(cause = ?error, "an attempt ended without settling its job; its lease runs out");
    }
}
