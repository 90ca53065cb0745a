//! The life of a stored file's row.

use jiff::SignedDuration;
use offtake_model::ErrorKind;
use offtake_model::id::ArtifactId;
use offtake_model::job::JobStatus;

use super::given::*;
use crate::{ArtifactState, JobLimits, ObjectKey};

const SECOND: SignedDuration = SignedDuration::from_secs(1);

pub(crate) async fn staging_names_the_key(b: &Backend) {
    b.enqueued().await;
    let claimed = b.claimed("w").await;
    let new = b.artifact(&claimed.lease);
    let artifact = b.artifacts.stage(&claimed.lease, new.clone()).await.unwrap();
    assert_eq!((artifact.id, &artifact.key, artifact.created_at), (new.id, &new.key, new.now));
    assert_eq!((artifact.job, &artifact.org, artifact.attempt), (claimed.job.id, &org("acme"), 1));
    assert_eq!((artifact.format, artifact.compression), (new.format, new.compression));
    assert_eq!((artifact.media_type.as_str(), artifact.file_name.as_str()), ("application/gzip", "spans.csv.gz"));
    assert_eq!((artifact.bytes, &artifact.sha256, &artifact.receipt), (None, &None, &None));
    assert_eq!(b.artifacts.by_id(artifact.id).await.unwrap(), artifact);
    assert_eq!(kind(b.artifacts.by_id(ArtifactId::new(b.now())).await), ErrorKind::NotFound);
    assert_eq!(kind(b.artifacts.stage(&claimed.lease, b.artifact(&claimed.lease)).await), ErrorKind::Conflict);
}

pub(crate) async fn only_a_completed_job_has_a_file(b: &Backend) {
    let own = scope("acme");
    let asked = b.enqueued().await.id;
    let ready = async || kind(b.artifacts.ready(&own, asked).await);
    assert_eq!(ready().await, ErrorKind::NotReady);
    let claimed = b.claimed("w").await;
    b.staged(&claimed.lease).await;
    assert_eq!(ready().await, ErrorKind::NotReady);
    b.jobs.fail(claimed.lease, &because(ErrorKind::Internal), KEEP).await.unwrap();
    assert_eq!(ready().await, ErrorKind::Conflict);
    b.jobs.retry(&act(), &own, asked, JobLimits::NONE).await.unwrap();
    assert_eq!(ready().await, ErrorKind::NotReady);
    b.jobs.cancel(&act(), &own, asked).await.unwrap();
    assert_eq!(ready().await, ErrorKind::Conflict);
    assert_eq!(kind(b.artifacts.expire_now(&act(), &own, asked).await), ErrorKind::Conflict);
}

pub(crate) async fn a_file_expires_object_first(b: &Backend) {
    let own = scope("acme");
    b.enqueued().await;
    let (job, artifact) = b.completed(b.claimed("w").await).await;
    b.pass(KEEP - SECOND);
    assert_eq!(b.artifacts.expire_due().await.unwrap(), 0);
    assert_eq!(b.artifacts.ready(&own, job.id).await.unwrap().state, ArtifactState::Ready);
    assert_eq!(b.disposable().await, []);
    assert_eq!(kind(b.artifacts.mark_deleted(artifact.id).await), ErrorKind::Conflict, "ready bytes stay");

    b.pass(SECOND);
    assert_eq!(kind(b.artifacts.ready(&own, job.id).await), ErrorKind::Gone, "over is over, swept or not");
    assert_eq!(b.artifacts.expire_due().await.unwrap(), 1);
    assert_eq!(b.artifacts.expire_due().await.unwrap(), 0, "once");
    assert_eq!(b.artifacts.by_id(artifact.id).await.unwrap().state, ArtifactState::Expired);
    assert_eq!(b.job(job.id).await.status, JobStatus::Completed, "the job follows when the bytes are gone");
    assert_eq!(b.disposable().await, [artifact.id]);

    b.artifacts.mark_deleted(artifact.id).await.unwrap();
    assert_eq!(b.job(job.id).await.status, JobStatus::Expired);
    assert_eq!(kind(b.artifacts.ready(&own, job.id).await), ErrorKind::Gone);
    assert_eq!(b.disposable().await, []);
    b.artifacts.mark_deleted(artifact.id).await.unwrap();
    assert_eq!(kind(b.artifacts.mark_deleted(ArtifactId::new(b.now())).await), ErrorKind::NotFound);
}

pub(crate) async fn a_file_can_be_given_up_early(b: &Backend) {
    let own = scope("acme");
    b.enqueued().await;
    let (job, artifact) = b.completed(b.claimed("w").await).await;
    b.pass(SECOND);
    let given_up = b.artifacts.expire_now(&act(), &own, job.id).await.unwrap();
    assert_eq!(b.job(job.id).await.expires_at, Some(b.now()), "it shows at once, not with the sweep");
    assert_eq!((given_up.id, given_up.state), (artifact.id, ArtifactState::Expired));
    assert_eq!(b.job(job.id).await.status, JobStatus::Completed);
    assert_eq!(kind(b.artifacts.ready(&own, job.id).await), ErrorKind::Gone);
    assert_eq!(kind(b.artifacts.expire_now(&act(), &own, job.id).await), ErrorKind::Gone);
    assert_eq!(b.disposable().await, [artifact.id]);
    b.artifacts.mark_deleted(artifact.id).await.unwrap();
    assert_eq!(b.job(job.id).await.status, JobStatus::Expired);
}

pub(crate) async fn staged_bytes_stay_while_somebody_uses_them(b: &Backend) {
    b.enqueued().await;
    let first = b.claimed("w1").await;
    let old = b.staged(&first.lease).await.id;
    assert_eq!(b.disposable().await, [], "the attempt writes it");
    b.jobs.save_checkpoint(&first.lease, &checkpoint(old, 1), &progress(64)).await.unwrap();
    b.jobs.release(first.lease).await.unwrap();
    assert_eq!(b.disposable().await, [], "a pending job will copy it");

    // The new attempt has staged, and dies before its own checkpoint: the next one needs the old bytes.
    let second = b.claimed("w2").await;
    assert_eq!(b.disposable().await, []);
    let new = b.staged(&second.lease).await.id;
    assert_eq!(b.disposable().await, [], "one is written, the other is copied");
    b.pass(LEASE + SECOND);
    b.jobs.rescue(MAX_DEATHS, KEEP).await.unwrap();
    assert_eq!(b.disposable().await, [new], "no checkpoint counts on it");

    let third = b.claimed("w3").await;
    let newest = b.staged(&third.lease).await.id;
    assert_eq!(b.disposable().await, [new]);
    b.jobs.save_checkpoint(&third.lease, &checkpoint(newest, 2), &progress(128)).await.unwrap();
    assert_eq!(b.disposable().await, [old, new], "the checkpoint has moved on");
    b.artifacts.mark_deleted(old).await.unwrap();
    assert_eq!(b.job(third.job.id).await.status, JobStatus::Processing, "only an expired file ends a job");
    b.artifacts.mark_deleted(new).await.unwrap();

    let receipt = b.receipt(&third.job, 200);
    b.jobs.complete(third.lease, newest, &receipt, &usage(), KEEP).await.unwrap();
    assert_eq!(b.disposable().await, []);
}

pub(crate) async fn a_crash_while_publishing_keeps_what_is_needed(b: &Backend) {
    b.enqueued().await;
    let first = b.claimed("w1").await;
    let old = b.staged(&first.lease).await.id;
    b.jobs.save_checkpoint(&first.lease, &checkpoint(old, 4), &progress(200)).await.unwrap();
    // The object is finished under its key; the worker dies before `complete`.
    b.pass(LEASE + SECOND);
    b.jobs.rescue(MAX_DEATHS, KEEP).await.unwrap();
    assert_eq!(b.disposable().await, []);
    let (job, new) = b.completed(b.claimed("w2").await).await;
    assert_eq!(b.disposable().await, [old], "the first finished object is nobody's");
    b.artifacts.mark_deleted(old).await.unwrap();
    assert_eq!(b.artifacts.ready(&scope("acme"), job.id).await.unwrap().id, new.id);
}

pub(crate) async fn a_failed_job_keeps_its_bytes_until_its_time_is_over(b: &Backend) {
    b.enqueued().await;
    let first = b.claimed("w1").await;
    let unused = b.staged(&first.lease).await.id;
    b.jobs.release(first.lease).await.unwrap();
    let second = b.claimed("w1").await;
    let kept = b.staged(&second.lease).await.id;
    b.jobs.save_checkpoint(&second.lease, &checkpoint(kept, 1), &progress(64)).await.unwrap();
    b.jobs.fail(second.lease, &because(ErrorKind::StorageFull), KEEP).await.unwrap();
    assert_eq!(b.disposable().await, [unused]);
    b.pass(KEEP - SECOND);
    assert_eq!(b.disposable().await, [unused]);
    b.pass(SECOND);
    assert_eq!(b.disposable().await, [unused, kept]);
    assert_eq!(b.artifacts.disposable(1).await.unwrap().len(), 1);
    b.artifacts.mark_deleted(kept).await.unwrap();
    assert_eq!(b.job(second.job.id).await.status, JobStatus::Failed);
}

pub(crate) async fn a_cancelled_job_keeps_nothing(b: &Backend) {
    b.enqueued().await;
    let claimed = b.claimed("w1").await;
    let artifact = b.staged(&claimed.lease).await.id;
    b.jobs.save_checkpoint(&claimed.lease, &checkpoint(artifact, 1), &progress(64)).await.unwrap();
    b.jobs.cancel(&act(), &scope("acme"), claimed.job.id).await.unwrap();
    assert_eq!(b.disposable().await, [artifact]);
    b.artifacts.mark_deleted(artifact).await.unwrap();
    assert_eq!(b.job(claimed.job.id).await.status, JobStatus::Cancelled);
}

pub(crate) async fn keys_without_a_row_are_told_apart(b: &Backend) {
    b.enqueued().await;
    let claimed = b.claimed("w1").await;
    let known = b.staged(&claimed.lease).await;
    let stray = ObjectKey::from_parts(["acme", "job_x", "1", "stray.csv"]);
    let asked = vec![known.key.clone(), stray.clone()];
    assert_eq!(b.artifacts.unknown(asked.clone()).await.unwrap(), std::slice::from_ref(&stray));
    b.jobs.cancel(&act(), &scope("acme"), claimed.job.id).await.unwrap();
    assert_eq!(
        b.artifacts.unknown(asked.clone()).await.unwrap(),
        std::slice::from_ref(&stray),
        "its row will see to it"
    );
    b.artifacts.mark_deleted(known.id).await.unwrap();
    assert_eq!(b.artifacts.unknown(asked).await.unwrap(), [known.key, stray], "its row says that it is gone");
    assert_eq!(b.artifacts.unknown(Vec::new()).await.unwrap(), []);
}
