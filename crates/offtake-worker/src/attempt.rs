//! One attempt as a whole: its steps and its heartbeat side by side, and what comes of them.

use std::sync::Arc;

use offtake_model::id::ArtifactId;
use offtake_model::job::{Job, JobStatus};
use offtake_model::{Error, ErrorKind, Result};
use offtake_store::{ArtifactState, Claimed, JobScope, Lease, end_patiently};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use tracing::Instrument as _;

use crate::Shared;
use crate::checkpoint::Desk;
use crate::execute::{Execution, Finished};
use crate::heartbeat::{Halt, Heart, Pulse};
use crate::outcome::{Fate, Stop, Verdict, judge};
use crate::settings::signed;

/// Works on a job that was claimed by a request made at `since`, and settles it. Every line logged on the way
/// carries the job's ids.
pub(crate) async fn work(worker: Arc<Shared>, claimed: Claimed, since: Instant, shutdown: CancellationToken) {
    let span = tracing::info_span!(
        "job",
        job_id = %claimed.job.id,
        org_id = %claimed.job.org,
        request_id = claimed.job.request_id.as_deref(),
        attempt = claimed.lease.attempt,
    );
    let _slot = worker.metrics.slot();
    Box::pin(attempt(worker, claimed, since, shutdown)).instrument(span).await;
}

async fn attempt(worker: Arc<Shared>, claimed: Claimed, since: Instant, shutdown: CancellationToken) {
    let Claimed { lease, job, plan, checkpoint } = claimed;
    tracing::info!(dataset = %job.spec.dataset, format = job.spec.format.name(), "claimed");
    let lease = Arc::new(lease);
    let pulse = Arc::new(Pulse::new(job.progress));
    let desk = Arc::new(Desk::default());
    let halt = Arc::new(Halt::default());

    let held = (Arc::clone(&lease), job.clone());
    let heart = Heart::new(Arc::clone(&worker), held, Arc::clone(&pulse), Arc::clone(&halt), since);
    let heart = AbortOnDropHandle::new(tokio::spawn(heart.beat().in_current_span()));
    let execution = Execution {
        worker: Arc::clone(&worker),
        lease: Arc::clone(&lease),
        job: job.clone(),
        pulse,
        desk: Arc::clone(&desk),
        shutdown: shutdown.clone(),
    };
    let end = watched(execution.run(plan, checkpoint), &halt, overdue(&worker, &shutdown)).await;
    let end = match end {
        Ok(finished) => Ok(finished),
        Err(stop) => Err(stopped(&worker, &desk, &lease, &job, &stop).await),
    };

    heart.abort();
    // Aborted or at its end: either way it no longer holds the lease.
    drop(heart.await);
    let Some(lease) = Arc::into_inner(lease) else {
        tracing::error!("the lease is still in use; it is left to run out");
        return;
    };
    settle(&worker, &desk, lease, &job, end).await;
}

/// Runs the steps in a task of their own, so that a panic in them ends the attempt and not the worker, until
/// they are through, a halt is ordered, or a shutdown cannot wait any longer.
async fn watched(
    steps: impl Future<Output = Result<Finished, Stop>> + Send + 'static,
    halt: &Halt,
    overdue: impl Future<Output = ()>,
) -> Result<Finished, Stop> {
    let mut task = AbortOnDropHandle::new(tokio::spawn(steps.in_current_span()));
    let stopped = tokio::select! {
        biased;
        ended = &mut task => {
            return ended.unwrap_or_else(|panic| {
                Err(Stop::Error(Error::new(ErrorKind::Internal, "a step of the job panicked").caused_by(panic)))
            });
        }
        error = halt.ordered() => Stop::Error(error),
        () = overdue => Stop::Shutdown,
    };
    task.abort();
    drop(task.await);
    Err(stopped)
}

async fn overdue(worker: &Shared, shutdown: &CancellationToken) {
    shutdown.cancelled().await;
    sleep(worker.settings.grace()).await;
}

/// Judges, and ends the upload while the lease is still kept.
async fn stopped(worker: &Shared, desk: &Desk, lease: &Lease, job: &Job, stop: &Stop) -> Verdict {
    let failures = failures(worker, job).await;
    let verdict = judge(stop, failures, &worker.chance);
    match (stop, &verdict) {
        (Stop::Error(error), Verdict::Postpone { delay, .. }) => {
            tracing::warn!(%error, cause = ?error, failures, delay_ms = delay.as_millis(), "postponed");
        }
        (Stop::Error(error), Verdict::Fail { .. }) => tracing::error!(%error, cause = ?error, failures, "failed"),
        (Stop::Error(_) | Stop::Shutdown, _) => tracing::info!(outcome = verdict.name(), "stopped"),
    }
    if verdict.forgets()
        && let Err(error) = worker.store.jobs.forget_plan(lease).await
    {
        tracing::warn!(%error, cause = ?error, "plan and checkpoint could not be forgotten");
    }
    desk.close(worker.store.objects.as_ref(), verdict.fate()).await;
    verdict
}

/// Failures in a row without getting any further, as the store counts them: a checkpoint may have begun a new row.
async fn failures(worker: &Shared, job: &Job) -> u32 {
    let scope = JobScope { org: job.org.clone(), owner: None };
    match worker.store.jobs.get(&scope, job.id).await {
        Ok(now) => now.failures,
        Err(_) => job.failures,
    }
}

/// Gives the lease back with the last word on the attempt.
async fn settle(worker: &Shared, desk: &Desk, lease: Lease, job: &Job, end: Result<Finished, Verdict>) {
    let jobs = worker.store.jobs.as_ref();
    let (keep, patience) = (signed(worker.settings.keep), worker.settings.lease);
    let (name, settled) = match end {
        Ok(finished) => return publish(worker, desk, lease, job, finished).await,
        Err(verdict) => {
            let name = verdict.name();
            let settled = match verdict {
                Verdict::Postpone { error, delay } => {
                    let postpone = |lease| async { jobs.postpone(lease, &error, signed(delay)).await.map(drop) };
                    end_patiently(jobs, lease, patience, postpone, |job| came_to(&job, JobStatus::Pending)).await
                }
                Verdict::Fail { error } => {
                    let fail = |lease| async { jobs.fail(lease, &error, keep).await.map(drop) };
                    end_patiently(jobs, lease, patience, fail, |job| came_to(&job, JobStatus::Failed)).await
                }
                Verdict::Release => {
                    let release = |lease| jobs.release(lease);
                    end_patiently(jobs, lease, patience, release, |job| came_to(&job, JobStatus::Pending)).await
                }
                Verdict::Cancelled | Verdict::Lost => Ok(()),
            };
            (name, settled)
        }
    };
    worker.metrics.ended(&job.spec.dataset, name);
    if let Err(error) = settled {
        tracing::error!(%error, cause = ?error, outcome = name, "the lease could not be given back and runs out");
    }
}

/// Whether this is what was to come of the job.
fn came_to(job: &Job, status: JobStatus) -> Option<()> {
    (job.status == status).then_some(())
}

/// Whether the bytes of the artifact were deleted for good.
async fn swept(worker: &Shared, artifact: ArtifactId) -> bool {
    match worker.store.artifacts.by_id(artifact).await {
        Ok(found) => found.state == ArtifactState::Deleted,
        Err(error) => error.kind() == ErrorKind::NotFound,
    }
}

/// Publishes: artifact ready and job completed at once, or neither.
async fn publish(worker: &Shared, desk: &Desk, lease: Lease, job: &Job, finished: Finished) {
    let Finished { artifact, receipt, usage } = finished;
    let keep = signed(worker.settings.keep);
    let jobs = worker.store.jobs.as_ref();
    let complete = |lease| jobs.complete(lease, artifact, &receipt, &usage, keep);
    let settled = |job: Job| matches!(job.status, JobStatus::Completed | JobStatus::Failed).then_some(job);
    match end_patiently(jobs, lease, worker.settings.lease, complete, settled).await {
        Ok(job) if job.status == JobStatus::Failed => {
            tracing::warn!(error = ?job.error, "failed instead of being published");
            desk.close(worker.store.objects.as_ref(), Fate::Discard).await;
            worker.metrics.ended(&job.spec.dataset, "failed");
        }
        Ok(job) => {
            worker.metrics.ended(&job.spec.dataset, "completed");
            worker.metrics.published(&receipt, &usage);
            tracing::info!(
                rows = receipt.rows_written,
                bytes = receipt.bytes,
                sha256 = %receipt.sha256,
                duration_ms = usage.duration_ms,
                "completed"
            );
        }
        Err(error) => {
            // Without the lease nothing can be decided any more: the sweep removes what was not published.
            tracing::warn!(%error, cause = ?error, "not published");
            let verdict = judge(&Stop::Error(error), job.failures, &worker.chance);
            if verdict == Verdict::Cancelled {
                desk.close(worker.store.objects.as_ref(), verdict.fate()).await;
            } else if swept(worker, artifact).await {
                // It has been here already, and does not come back for what was written after it.
                desk.close(worker.store.objects.as_ref(), Fate::Discard).await;
            }
            worker.metrics.ended(&job.spec.dataset, verdict.name());
        }
    }
}
