//! Dead workers, old rows, depth.

use jiff::SignedDuration;
use offtake_model::ErrorKind;
use offtake_model::job::{Job, JobStatus, Phase};

use super::given::*;
use crate::{Claimed, JobLimits, NewJob, QueueDepth, Signal};

/// Whatever has come to rest by now is past it.
const NO_RETENTION: SignedDuration = SignedDuration::from_micros(-1);

impl Backend {
    /// The worker on the job dies, and the sweep finds out.
    async fn death(&self) -> Job {
        self.pass(LEASE + SignedDuration::from_micros(1));
        let mut rescued = self.jobs.rescue(MAX_DEATHS, KEEP).await.unwrap();
        assert_eq!(rescued.len(), 1);
        rescued.remove(0)
    }

    /// A later attempt copies the bytes of the one before, checkpoints, and writes up to `ranges`.
    async fn checkpointed(&self, claimed: &Claimed, ranges: usize) {
        let artifact = self.staged(&claimed.lease).await.id;
        self.jobs.save_checkpoint(&claimed.lease, &checkpoint(artifact, ranges), &progress(0)).await.unwrap();
    }
}

pub(crate) async fn a_job_is_rescued_after_its_deadline(b: &Backend) {
    let asked = b.enqueued().await;
    let claimed = b.claimed("w1").await;
    b.pass(LEASE);
    assert!(b.jobs.rescue(MAX_DEATHS, KEEP).await.unwrap().is_empty(), "not before");
    b.pass(SignedDuration::from_micros(1));
    let rescued = b.jobs.rescue(MAX_DEATHS, KEEP).await.unwrap();
    assert_eq!(rescued, [b.job(asked.id).await]);
    let job = &rescued[0];
    assert_eq!((job.status, job.phase, job.deaths, job.failures), (JobStatus::Pending, Phase::Queued, 1, 0));
    assert_eq!(job.run_at, asked.run_at, "it keeps its place in the queue");
    assert!(b.jobs.rescue(MAX_DEATHS, KEEP).await.unwrap().is_empty(), "once");
    assert_eq!(b.jobs.signal(&claimed.lease).await.unwrap(), Signal::Lost);
    assert_eq!(b.claimed("w2").await.job.attempt, 2);
}

pub(crate) async fn heartbeats_keep_the_lease(b: &Backend) {
    b.enqueued().await;
    let claimed = b.claimed("w1").await;
    for beat in 0..10 {
        b.pass(LEASE - SignedDuration::from_secs(1));
        assert!(b.jobs.rescue(MAX_DEATHS, KEEP).await.unwrap().is_empty());
        let signal = b.jobs.heartbeat(&claimed.lease, Phase::Exporting, &progress(beat), LEASE).await.unwrap();
        assert_eq!(signal, Signal::Continue);
    }
}

pub(crate) async fn the_third_death_is_poison(b: &Backend) {
    let asked = b.enqueued().await;
    for deaths in 1..MAX_DEATHS {
        b.claimed("w").await;
        assert_eq!(b.death().await.deaths, deaths);
    }
    b.claimed("w").await;
    let poisoned = b.death().await;
    assert_eq!((poisoned.status, poisoned.phase, poisoned.deaths), (JobStatus::Failed, Phase::Done, 3));
    assert_eq!(poisoned.error.as_ref().map(|error| error.code), Some(ErrorKind::Poison));
    assert_eq!((poisoned.completed_at, poisoned.expires_at), (Some(b.now()), Some(b.now() + KEEP)));
    b.nothing_due().await;
    // Asked for once more, it has three lives again.
    b.jobs.retry(&act(), &scope("acme"), asked.id, JobLimits::NONE).await.unwrap();
    b.claimed("w").await;
    assert_eq!(b.death().await.status, JobStatus::Pending);
}

pub(crate) async fn a_checkpoint_that_gets_on_resets_the_counters(b: &Backend) {
    let asked = b.enqueued().await;
    for ranges in [1, 3, 5, 7] {
        let claimed = b.claimed("w").await;
        b.checkpointed(&claimed, ranges).await;
        assert_eq!((b.job(asked.id).await.deaths, b.job(asked.id).await.failures), (0, 0));
        b.jobs.postpone(claimed.lease, &because(ErrorKind::Timeout), SignedDuration::ZERO).await.unwrap();
        let claimed = b.claimed("w").await;
        assert_eq!((claimed.job.deaths, claimed.job.failures), (0, 1));
        b.checkpointed(&claimed, ranges + 1).await;
        assert_eq!((b.job(asked.id).await.deaths, b.job(asked.id).await.failures), (0, 0));
        let rescued = b.death().await;
        assert_eq!((rescued.status, rescued.deaths), (JobStatus::Pending, 1), "four deaths, but never in a row");
    }
}

pub(crate) async fn a_job_that_only_repeats_itself_is_poison(b: &Backend) {
    b.enqueued().await;
    let claimed = b.claimed("w").await;
    b.checkpointed(&claimed, 3).await;
    assert_eq!(b.death().await.deaths, 1);
    // It copies what is there, says so in a checkpoint, and dies on the same row.
    b.checkpointed(&b.claimed("w").await, 3).await;
    assert_eq!(b.death().await.deaths, 2);
    // It begins anew, because its snapshot is lost, and does not get further either.
    let claimed = b.claimed("w").await;
    b.jobs.forget_plan(&claimed.lease).await.unwrap();
    b.checkpointed(&claimed, 2).await;
    assert_eq!(b.death().await.status, JobStatus::Failed);
}

pub(crate) async fn shutting_down_is_no_death(b: &Backend) {
    let asked = b.enqueued().await;
    for _ in 0..5 {
        let claimed = b.claimed("w").await;
        b.jobs.release(claimed.lease).await.unwrap();
    }
    let job = b.job(asked.id).await;
    assert_eq!((job.status, job.deaths, job.failures, job.attempt), (JobStatus::Pending, 0, 0, 5));
    assert_eq!((job.run_at, job.error), (asked.run_at, None));
}

pub(crate) async fn a_worker_that_restarts_takes_its_jobs_back_at_once(b: &Backend) {
    b.enqueued().await;
    b.enqueued().await;
    let (mine, others) = (b.claimed("w1").await, b.claimed("w2").await);
    let reclaimed = b.jobs.reclaim(&worker("w1"), MAX_DEATHS, KEEP).await.unwrap();
    assert_eq!(reclaimed, [b.job(mine.job.id).await]);
    assert_eq!((reclaimed[0].status, reclaimed[0].deaths), (JobStatus::Pending, 1));
    assert_eq!(b.jobs.signal(&mine.lease).await.unwrap(), Signal::Lost);
    assert_eq!(b.jobs.signal(&others.lease).await.unwrap(), Signal::Continue);
    for _ in 0..2 {
        assert_eq!(b.claimed("w1").await.job.id, mine.job.id);
        b.jobs.reclaim(&worker("w1"), MAX_DEATHS, KEEP).await.unwrap();
    }
    assert_eq!(b.job(mine.job.id).await.error.map(|error| error.code), Some(ErrorKind::Poison));
}

pub(crate) async fn rows_are_pruned_when_nothing_is_left_of_them(b: &Backend) {
    let cancelled = b.enqueued().await.id;
    b.jobs.cancel(&act(), &scope("acme"), cancelled).await.unwrap();
    b.enqueued().await;
    let (completed, artifact) = b.completed(b.claimed("w").await).await;
    let failed = b.enqueued().await.id;
    let claimed = b.claimed("w").await;
    let kept = b.staged(&claimed.lease).await.id;
    b.jobs.save_checkpoint(&claimed.lease, &checkpoint(kept, 1), &progress(64)).await.unwrap();
    b.jobs.fail(claimed.lease, &because(ErrorKind::Internal), KEEP).await.unwrap();
    let waiting = b.enqueued().await.id;
    let running = {
        b.enqueued().await;
        b.claimed("w").await.job.id
    };
    let left = async || {
        let page = b.jobs.list(&scope("acme"), &crate::JobFilter { limit: 10, ..Default::default() }).await.unwrap();
        page.jobs.into_iter().map(|job| job.id).collect::<Vec<_>>()
    };
    assert_eq!(running, waiting, "the older one is taken first");
    assert_eq!(left().await.len(), 5);

    let resting = b.now().duration_since(b.job(cancelled).await.completed_at.unwrap());
    assert_eq!(b.jobs.prune(resting).await.unwrap(), 0, "not before");
    assert_eq!(b.jobs.prune(NO_RETENTION).await.unwrap(), 1, "only the cancelled one has no bytes left");
    assert_eq!(left().await.len(), 4);

    b.pass(KEEP);
    b.artifacts.expire_due().await.unwrap();
    assert_eq!(b.jobs.prune(NO_RETENTION).await.unwrap(), 0, "the bytes come first");
    b.artifacts.mark_deleted(artifact.id).await.unwrap();
    b.artifacts.mark_deleted(kept).await.unwrap();
    assert_eq!(b.jobs.prune(NO_RETENTION).await.unwrap(), 2);
    let rest = left().await;
    assert_eq!(rest.len(), 2, "what is active stays");
    assert!(!rest.contains(&completed.id) && !rest.contains(&failed));
    assert!(b.jobs.recent_performance(&org("acme"), 10).await.unwrap().is_empty(), "its performance goes along");
    assert_eq!(kind(b.artifacts.by_id(artifact.id).await), ErrorKind::NotFound);
}

pub(crate) async fn a_failed_job_that_may_be_retried_is_not_pruned(b: &Backend) {
    let failed = b.enqueued().await.id;
    b.jobs.fail(b.claimed("w").await.lease, &because(ErrorKind::Internal), KEEP).await.unwrap();
    assert_eq!(b.jobs.prune(NO_RETENTION).await.unwrap(), 0);
    b.jobs.retry(&act(), &scope("acme"), failed, JobLimits::NONE).await.unwrap();
}

pub(crate) async fn thousands_of_rows_are_pruned(b: &Backend) {
    for _ in 0..1100 {
        let job = b.jobs.enqueue(b.request("acme", "ada")).await.unwrap().job;
        b.jobs.cancel(&act(), &scope("acme"), job.id).await.unwrap();
    }
    assert_eq!(b.jobs.prune(NO_RETENTION).await.unwrap(), 1100);
}

pub(crate) async fn statistics_count_what_was_pruned(b: &Backend) {
    let midnight = jiff::Timestamp::from_second(b.now().as_second().div_euclid(86_400) * 86_400).unwrap();
    let statistics = async |since| b.jobs.statistics(&org("acme"), since).await.unwrap();
    for _ in 0..2 {
        b.enqueued().await;
        let (_, artifact) = b.completed(b.claimed("w").await).await;
        b.pass(KEEP);
        b.artifacts.expire_due().await.unwrap();
        b.artifacts.mark_deleted(artifact.id).await.unwrap();
        let cancelled = b.enqueued().await.id;
        b.jobs.cancel(&act(), &scope("acme"), cancelled).await.unwrap();
    }
    b.jobs.enqueue(b.request("acme", "ada")).await.unwrap();
    let all = statistics(midnight).await;
    assert_eq!(all.iter().map(|row| row.jobs).sum::<u64>(), 5);
    let later = midnight + SignedDuration::from_hours(24);
    let fewer = statistics(later).await;
    assert_eq!(fewer.iter().map(|row| row.jobs).sum::<u64>(), 4, "the first is of the day before");

    assert_eq!(b.jobs.prune(NO_RETENTION).await.unwrap(), 4);
    assert_eq!(statistics(midnight).await, all);
    assert_eq!(statistics(later).await, fewer);
    assert_eq!(b.jobs.statistics(&org("bolt"), midnight).await.unwrap(), []);
    // And not for ever.
    b.pass(SignedDuration::from_hours(24 * (crate::STATISTICS_DAYS + 20)));
    b.jobs.prune(NO_RETENTION).await.unwrap();
    assert_eq!(statistics(midnight).await.iter().map(|row| row.jobs).sum::<u64>(), 1);
}

pub(crate) async fn depth_counts_what_waits_and_runs(b: &Backend) {
    assert_eq!(b.jobs.depth().await.unwrap(), QueueDepth::default());
    b.enqueued().await;
    b.claimed("w").await;
    let pinned = NewJob { pinned_to: Some(worker("mine")), ..b.request("acme", "ada") };
    b.jobs.enqueue(pinned).await.unwrap();
    b.pass(SignedDuration::from_secs(60));
    // A pinned job waits for its own process: that is no backlog.
    assert_eq!(b.jobs.depth().await.unwrap(), QueueDepth { pending: 1, processing: 1, oldest_seconds: 0.0 });
    b.jobs.enqueue(b.request("acme", "ada")).await.unwrap();
    b.pass(SignedDuration::from_millis(2500));
    assert_eq!(b.jobs.depth().await.unwrap(), QueueDepth { pending: 2, processing: 1, oldest_seconds: 2.5 });
    b.jobs.ping().await.unwrap();
}
