//! What workers do, and what a worker that lost its lease cannot do.

use std::collections::BTreeSet;

use jiff::SignedDuration;
use offtake_model::ErrorKind;
use offtake_model::job::{JobStatus, Phase};

use super::given::*;
use crate::{ArtifactState, Claimed, Lease, NewJob, Signal, Take};

/// The same right once more: what a worker that comes back from the dead believes to hold.
fn ghost(lease: &Lease) -> Lease {
    Lease {
        job: lease.job,
        org: lease.org.clone(),
        attempt: lease.attempt,
        worker: lease.worker.clone(),
        fence: lease.fence,
    }
}

/// Tries every verb with a lease that is void, and expects `refused` of each.
async fn writes_nothing(b: &Backend, stale: &Claimed, artifact: offtake_model::id::ArtifactId, refused: ErrorKind) {
    let lease = &stale.lease;
    let before = b.job(lease.job).await;
    let signal = if refused == ErrorKind::Cancelled { Signal::Cancelled } else { Signal::Lost };
    assert_eq!(b.jobs.signal(lease).await.unwrap(), signal);
    let beat = b.jobs.heartbeat(lease, Phase::Publishing, &progress(999), LEASE).await.unwrap();
    assert_eq!(beat, signal);
    assert_eq!(kind(b.jobs.save_plan(lease, &plan(999)).await), refused);
    assert_eq!(kind(b.jobs.save_checkpoint(lease, &checkpoint(artifact, 99), &progress(999)).await), refused);
    assert_eq!(kind(b.jobs.forget_plan(lease).await), refused);
    assert_eq!(kind(b.artifacts.stage(lease, b.artifact(lease)).await), refused);
    let receipt = b.receipt(&stale.job, 200);
    assert_eq!(kind(b.jobs.complete(ghost(lease), artifact, &receipt, &usage(), KEEP).await), refused);
    let error = because(ErrorKind::StorageFull);
    assert_eq!(kind(b.jobs.fail(ghost(lease), &error, KEEP).await), refused);
    assert_eq!(kind(b.jobs.postpone(ghost(lease), &error, LEASE).await), refused);
    assert_eq!(kind(b.jobs.release(ghost(lease)).await), refused);
    assert_eq!(b.job(lease.job).await, before, "a void lease changed the job");
    assert_eq!(b.artifacts.by_id(artifact).await.unwrap().state, ArtifactState::Staged);
    assert!(b.jobs.recent_performance(&lease.org, 10).await.unwrap().is_empty());
}

pub(crate) async fn a_rescued_lease_is_void(b: &Backend) {
    b.enqueued().await;
    let stale = b.claimed("slow").await;
    let artifact = b.staged(&stale.lease).await.id;
    b.jobs.save_plan(&stale.lease, &plan(200)).await.unwrap();
    b.jobs.save_checkpoint(&stale.lease, &checkpoint(artifact, 1), &progress(64)).await.unwrap();
    b.pass(LEASE + SignedDuration::from_secs(1));
    b.jobs.rescue(MAX_DEATHS, KEEP).await.unwrap();
    writes_nothing(b, &stale, artifact, ErrorKind::LeaseLost).await;

    let next = b.claimed("quick").await;
    writes_nothing(b, &stale, artifact, ErrorKind::LeaseLost).await;
    assert_eq!((&next.plan, &next.checkpoint), (&Some(plan(200)), &Some(checkpoint(artifact, 1))));
    assert_eq!(b.jobs.signal(&next.lease).await.unwrap(), Signal::Continue, "the successor is not disturbed");
    // Cancelled, but under somebody else: the one before has nothing to clean up.
    b.jobs.cancel(&act(), &scope("acme"), next.job.id).await.unwrap();
    writes_nothing(b, &stale, artifact, ErrorKind::LeaseLost).await;
}

pub(crate) async fn a_cancelled_lease_is_void(b: &Backend) {
    b.enqueued().await;
    let stale = b.claimed("w1").await;
    let artifact = b.staged(&stale.lease).await.id;
    b.jobs.cancel(&act(), &scope("acme"), stale.job.id).await.unwrap();
    writes_nothing(b, &stale, artifact, ErrorKind::Cancelled).await;
    b.nothing_due().await;
}

pub(crate) async fn a_lease_that_was_given_back_is_void(b: &Backend) {
    b.enqueued().await;
    let stale = b.claimed("w1").await;
    let artifact = b.staged(&stale.lease).await.id;
    b.jobs.release(ghost(&stale.lease)).await.unwrap();
    writes_nothing(b, &stale, artifact, ErrorKind::LeaseLost).await;
    // The same worker takes it again: the old lease does not come to life.
    let again = b.claimed("w1").await;
    assert_eq!(again.job.attempt, 2);
    writes_nothing(b, &stale, artifact, ErrorKind::LeaseLost).await;
    b.jobs.postpone(again.lease, &because(ErrorKind::Timeout), LEASE).await.unwrap();
    writes_nothing(b, &stale, artifact, ErrorKind::LeaseLost).await;
}

pub(crate) async fn a_lease_that_ran_out_holds_until_it_is_taken(b: &Backend) {
    b.enqueued().await;
    let claimed = b.claimed("w1").await;
    b.pass(LEASE * 3);
    b.nothing_due().await;
    let beat = b.jobs.heartbeat(&claimed.lease, Phase::Exporting, &progress(1), LEASE).await.unwrap();
    assert_eq!(beat, Signal::Continue);
    assert!(b.jobs.rescue(MAX_DEATHS, KEEP).await.unwrap().is_empty(), "the heartbeat came first");
}

pub(crate) async fn the_oldest_due_job_comes_first(b: &Backend) {
    let mut asked = Vec::new();
    for _ in 0..4 {
        asked.push(b.enqueued().await.id);
    }
    let first = b.claimed("w1").await;
    assert_eq!(first.job.id, asked[0]);
    let delay = SignedDuration::from_secs(60);
    let postponed = b.jobs.postpone(first.lease, &because(ErrorKind::SourceUnavailable), delay).await.unwrap();
    assert_eq!((postponed.status, postponed.failures, postponed.run_at), (JobStatus::Pending, 1, b.now() + delay));
    assert_eq!(postponed.error, Some(because(ErrorKind::SourceUnavailable)));

    // Released keeps its place; postponed waits.
    let second = b.claimed("w1").await;
    assert_eq!(second.job.id, asked[1]);
    b.jobs.release(second.lease).await.unwrap();
    for id in &asked[1..] {
        assert_eq!(b.claimed("w1").await.job.id, *id);
    }
    b.nothing_due().await;
    b.pass(delay - SignedDuration::from_micros(1));
    b.nothing_due().await;
    b.pass(SignedDuration::from_micros(1));
    let again = b.claimed("w2").await;
    assert_eq!((again.job.id, again.job.attempt, again.job.error), (asked[0], 2, None));
    assert_eq!(again.job.started_at, b.job(asked[0]).await.started_at);
    assert!(again.job.started_at < Some(b.now()), "the first attempt counts");
}

pub(crate) async fn a_pinned_job_waits_for_its_worker(b: &Backend) {
    let pinned = NewJob { pinned_to: Some(worker("mine")), ..b.request("acme", "ada") };
    let pinned = b.jobs.enqueue(pinned).await.unwrap().job;
    b.nothing_due().await;
    b.pass(SignedDuration::from_secs(1));
    let free = b.enqueued().await;
    let mine = b.jobs.claim(&worker("mine"), Take::Pinned, LEASE).await.unwrap().unwrap();
    assert_eq!(mine.job.id, pinned.id);
    assert!(b.jobs.claim(&worker("mine"), Take::Pinned, LEASE).await.unwrap().is_none(), "only what is pinned");
    b.jobs.release(mine.lease).await.unwrap();
    let both = [b.claimed("mine").await.job.id, b.claimed("mine").await.job.id];
    assert_eq!(both, [pinned.id, free.id]);
}

pub(crate) async fn claimers_never_share_a_job(b: &Backend) {
    for _ in 0..100 {
        b.enqueued().await;
    }
    let claimers = (0..8).map(|name| {
        let jobs = std::sync::Arc::clone(&b.jobs);
        tokio::spawn(async move {
            let mut taken = Vec::new();
            while let Some(claimed) = jobs.claim(&worker(&format!("w{name}")), Take::Any, LEASE).await.unwrap() {
                taken.push(claimed.job.id);
            }
            taken
        })
    });
    let taken: Vec<_> = futures::future::try_join_all(claimers).await.unwrap().concat();
    let different: BTreeSet<_> = taken.iter().collect();
    assert_eq!((taken.len(), different.len()), (100, 100));
}

pub(crate) async fn progress_never_goes_back(b: &Backend) {
    let asked = b.enqueued().await;
    let claimed = b.claimed("w1").await;
    let artifact = b.staged(&claimed.lease).await.id;
    b.jobs.heartbeat(&claimed.lease, Phase::Exporting, &progress(500), LEASE).await.unwrap();
    b.jobs.save_checkpoint(&claimed.lease, &checkpoint(artifact, 1), &progress(64)).await.unwrap();
    assert_eq!(b.job(asked.id).await.progress, progress(500));
    let odd = offtake_model::job::Progress { rows: 501, bytes: 1, rows_per_second: f64::NAN };
    b.jobs.heartbeat(&claimed.lease, Phase::Exporting, &odd, LEASE).await.unwrap();
    let shown = b.job(asked.id).await.progress;
    assert_eq!((shown.rows, shown.bytes, shown.rows_per_second), (501, 5000, 0.0));

    b.jobs.postpone(claimed.lease, &because(ErrorKind::Timeout), SignedDuration::ZERO).await.unwrap();
    let again = b.claimed("w2").await;
    b.jobs.heartbeat(&again.lease, Phase::Exporting, &progress(64), LEASE).await.unwrap();
    assert_eq!(b.job(asked.id).await.progress.rows, 501, "also across attempts");
    // But the file has what the receipt says.
    assert_eq!(b.completed(again).await.0.progress.rows, 200);
}

pub(crate) async fn a_plan_is_made_once_unless_it_is_forgotten(b: &Backend) {
    let asked = b.enqueued().await;
    let claimed = b.claimed("w1").await;
    let artifact = b.staged(&claimed.lease).await.id;
    b.jobs.save_plan(&claimed.lease, &plan(200)).await.unwrap();
    assert_eq!(kind(b.jobs.save_plan(&claimed.lease, &plan(100)).await), ErrorKind::Conflict);
    assert_eq!(b.job(asked.id).await.rows_expected, Some(200), "the refused one left nothing");
    b.jobs.save_checkpoint(&claimed.lease, &checkpoint(artifact, 1), &progress(64)).await.unwrap();

    b.jobs.forget_plan(&claimed.lease).await.unwrap();
    let job = b.job(asked.id).await;
    assert_eq!((job.rows_matching, job.rows_expected, job.phase), (None, None, Phase::Planning));
    b.jobs.release(claimed.lease).await.unwrap();
    let again = b.claimed("w2").await;
    assert_eq!((&again.plan, &again.checkpoint), (&None, &None));
    b.jobs.save_plan(&again.lease, &plan(100)).await.unwrap();
    assert_eq!(b.job(asked.id).await.rows_expected, Some(100));
}

pub(crate) async fn plans_come_back_exactly(b: &Backend) {
    b.enqueued().await;
    let claimed = b.claimed("w1").await;
    // Thousands of cuts, every type of value, doubles that need all their digits.
    let large = plan(64 * 5000);
    b.jobs.save_plan(&claimed.lease, &large).await.unwrap();
    b.jobs.release(claimed.lease).await.unwrap();
    assert_eq!(b.claimed("w1").await.plan, Some(large));
}

pub(crate) async fn a_checkpoint_names_an_artifact_of_its_job(b: &Backend) {
    b.enqueued().await;
    b.enqueued().await;
    let (mine, other) = (b.claimed("w1").await, b.claimed("w1").await);
    let others = b.staged(&other.lease).await.id;
    let before = b.job(mine.job.id).await;
    let refused = b.jobs.save_checkpoint(&mine.lease, &checkpoint(others, 1), &progress(64)).await;
    assert_eq!(kind(refused), ErrorKind::Conflict);
    let nobodys = offtake_model::id::ArtifactId::new(b.now());
    let refused = b.jobs.save_checkpoint(&mine.lease, &checkpoint(nobodys, 1), &progress(64)).await;
    assert_eq!(kind(refused), ErrorKind::Conflict);
    assert_eq!(b.job(mine.job.id).await, before);
}

pub(crate) async fn nothing_is_published_in_halves(b: &Backend) {
    let asked = b.enqueued().await;
    b.enqueued().await;
    let first = b.claimed("w1").await;
    let earlier = b.staged(&first.lease).await.id;
    b.jobs.release(first.lease).await.unwrap();
    let claimed = b.claimed("w1").await;
    assert_eq!(claimed.job.id, asked.id);
    let other = b.claimed("w1").await;
    let others = b.staged(&other.lease).await.id;
    let before = b.job(asked.id).await;
    let receipt = b.receipt(&claimed.job, 200);
    // Another job's artifact, an earlier attempt's, nobody's.
    for artifact in [others, earlier, offtake_model::id::ArtifactId::new(b.now())] {
        let refused = b.jobs.complete(ghost(&claimed.lease), artifact, &receipt, &usage(), KEEP).await;
        assert_eq!(kind(refused), ErrorKind::Conflict);
        assert_eq!(b.job(asked.id).await, before);
    }
    assert_eq!(kind(b.artifacts.ready(&scope("acme"), asked.id).await), ErrorKind::NotReady);
    assert!(b.jobs.recent_performance(&org("acme"), 10).await.unwrap().is_empty());
    assert_eq!(b.completed(claimed).await.0.status, JobStatus::Completed, "and the lease still holds");
}

pub(crate) async fn cancel_and_complete_at_once_have_one_winner(b: &Backend) {
    for _ in 0..20 {
        let asked = b.enqueued().await;
        let claimed = b.claimed("w1").await;
        let artifact = b.staged(&claimed.lease).await.id;
        let receipt = b.receipt(&claimed.job, 200);
        let scope = scope("acme");
        let usage = usage();
        let by = act();
        let (cancelled, completed) = tokio::join!(
            b.jobs.cancel(&by, &scope, asked.id),
            b.jobs.complete(claimed.lease, artifact, &receipt, &usage, KEEP)
        );
        let state = b.artifacts.by_id(artifact).await.unwrap().state;
        match b.job(asked.id).await.status {
            JobStatus::Cancelled => {
                assert_eq!((kind(completed), state), (ErrorKind::Cancelled, ArtifactState::Staged));
                assert!(cancelled.is_ok());
            }
            JobStatus::Completed => {
                assert_eq!((kind(cancelled), state), (ErrorKind::Conflict, ArtifactState::Ready));
                assert!(completed.is_ok());
            }
            other @ (JobStatus::Pending | JobStatus::Processing | JobStatus::Failed | JobStatus::Expired) => {
                panic!("{other:?} is neither")
            }
        }
    }
}
