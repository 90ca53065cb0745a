//! One job from request to file.

use jiff::SignedDuration;
use offtake_model::job::{JobStatus, Phase};

use super::given::*;
use crate::{ArtifactState, Signal};

pub(crate) async fn a_job_from_request_to_file(b: &Backend) {
    let asked = b.enqueued().await;
    assert_eq!((asked.status, asked.phase, asked.attempt), (JobStatus::Pending, Phase::Queued, 0));
    assert_eq!(asked.spec, spec());
    assert_eq!(b.job(asked.id).await, asked);

    let claimed = b.claimed("w1").await;
    assert_eq!((claimed.job.id, claimed.job.status), (asked.id, JobStatus::Processing));
    assert_eq!((claimed.job.phase, claimed.job.attempt), (Phase::Planning, 1));
    assert_eq!((&claimed.plan, &claimed.checkpoint), (&None, &None));
    b.nothing_due().await;

    let artifact = b.staged(&claimed.lease).await;
    assert_eq!((artifact.state, artifact.attempt, artifact.job), (ArtifactState::Staged, 1, asked.id));
    b.jobs.save_plan(&claimed.lease, &plan(200)).await.unwrap();
    b.jobs.save_checkpoint(&claimed.lease, &checkpoint(artifact.id, 2), &progress(128)).await.unwrap();
    b.pass(SignedDuration::from_secs(10));
    let signal = b.jobs.heartbeat(&claimed.lease, Phase::Publishing, &progress(200), LEASE).await.unwrap();
    assert_eq!(signal, Signal::Continue);
    let running = b.job(asked.id).await;
    assert_eq!((running.phase, running.progress), (Phase::Publishing, progress(200)));
    assert_eq!((running.rows_matching, running.rows_expected), (Some(205), Some(200)));

    let receipt = b.receipt(&running, 200);
    let job = b.jobs.complete(claimed.lease, artifact.id, &receipt, &usage(), KEEP).await.unwrap();
    assert_eq!((job.status, job.phase), (JobStatus::Completed, Phase::Done));
    assert_eq!((job.completed_at, job.expires_at), (Some(b.now()), Some(b.now() + KEEP)));
    assert_eq!(b.job(asked.id).await, job);

    let file = b.artifacts.ready(&scope("acme"), job.id).await.unwrap();
    assert_eq!((file.id, file.state, file.bytes), (artifact.id, ArtifactState::Ready, Some(2000)));
    assert_eq!(file.sha256.as_deref(), Some("ab".repeat(32).as_str()));
    assert_eq!(file.receipt, Some(receipt));
}
