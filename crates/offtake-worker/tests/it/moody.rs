//! A job store that does not answer when it is told not to.

use std::sync::Arc;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use offtake_model::audit::Act;
use offtake_model::checkpoint::Checkpoint;
use offtake_model::id::{ArtifactId, JobId, OrgId};
use offtake_model::job::{Job, JobError, Phase, Progress};
use offtake_model::limit::Allowance;
use offtake_model::plan::Plan;
use offtake_model::receipt::Receipt;
use offtake_model::{Error, ErrorKind, Result};
use offtake_store::{
    Claimed, Enqueued, Idempotency, JobFilter, JobLimits, JobPage, JobScope, JobUsage, Jobs, Lease, NewJob, PerfRow,
    QueueDepth, Signal, StatisticsRow, Take, WorkerName,
};
use tokio::sync::{Notify, watch};

/// How the store feels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mood {
    Fine,
    /// Workers are refused.
    Down,
    /// Heartbeats and signals get no answer at all.
    Silent,
    /// The next last word on a job is done, and its answer gets lost.
    Mumbling,
}

/// A store around a store.
#[derive(Debug)]
pub(crate) struct Moody {
    inner: Arc<dyn Jobs>,
    mood: watch::Sender<Mood>,
    /// Verbs that were refused.
    pub(crate) refused: watch::Sender<u32>,
}

impl Moody {
    pub(crate) fn around(inner: Arc<dyn Jobs>) -> Arc<Self> {
        Arc::new(Self { inner, mood: watch::Sender::new(Mood::Fine), refused: watch::Sender::new(0) })
    }

    pub(crate) fn feel(&self, mood: Mood) {
        self.mood.send_replace(mood);
    }

    fn up(&self) -> Result<()> {
        if *self.mood.borrow() == Mood::Down {
            self.refused.send_modify(|refused| *refused += 1);
            return Err(Error::new(ErrorKind::StoreUnavailable, "the job store is down"));
        }
        Ok(())
    }

    /// The answer to a last word, if it arrives.
    fn heard<T>(&self, answer: Result<T>) -> Result<T> {
        if *self.mood.borrow() == Mood::Mumbling {
            self.feel(Mood::Fine);
            return Err(Error::new(ErrorKind::StoreUnavailable, "the answer got lost"));
        }
        answer
    }

    async fn answers(&self) -> Result<()> {
        self.mood.subscribe().wait_for(|mood| *mood != Mood::Silent).await.unwrap();
        self.up()
    }
}

#[async_trait]
impl Jobs for Moody {
    async fn enqueue(&self, job: NewJob) -> Result<Enqueued> {
        self.inner.enqueue(job).await
    }

    async fn asked_before(&self, org: &OrgId, owner: &str, idempotency: &Idempotency) -> Result<Option<Job>> {
        self.inner.asked_before(org, owner, idempotency).await
    }

    async fn get(&self, scope: &JobScope, id: JobId) -> Result<Job> {
        self.inner.get(scope, id).await
    }

    async fn list(&self, scope: &JobScope, filter: &JobFilter) -> Result<JobPage> {
        self.inner.list(scope, filter).await
    }

    async fn cancel(&self, by: &Act, scope: &JobScope, id: JobId) -> Result<Job> {
        self.inner.cancel(by, scope, id).await
    }

    async fn retry(&self, by: &Act, scope: &JobScope, id: JobId, limits: JobLimits) -> Result<(Job, Vec<Allowance>)> {
        self.inner.retry(by, scope, id, limits).await
    }

    async fn may_ask(&self, org: &OrgId, owner: &str, limits: JobLimits) -> Result<()> {
        self.inner.may_ask(org, owner, limits).await
    }

    async fn recent_performance(&self, org: &OrgId, limit: u32) -> Result<Vec<PerfRow>> {
        self.inner.recent_performance(org, limit).await
    }

    async fn statistics(&self, org: &OrgId, since: Timestamp) -> Result<Vec<StatisticsRow>> {
        self.inner.statistics(org, since).await
    }

    async fn claim(&self, worker: &WorkerName, take: Take, lease: SignedDuration) -> Result<Option<Claimed>> {
        self.up()?;
        self.inner.claim(worker, take, lease).await
    }

    async fn heartbeat(
        &self,
        lease: &Lease,
        phase: Phase,
        progress: &Progress,
        extend: SignedDuration,
    ) -> Result<Signal> {
        self.answers().await?;
        self.inner.heartbeat(lease, phase, progress, extend).await
    }

    async fn signal(&self, lease: &Lease) -> Result<Signal> {
        self.answers().await?;
        self.inner.signal(lease).await
    }

    async fn save_plan(&self, lease: &Lease, plan: &Plan) -> Result<()> {
        self.up()?;
        self.inner.save_plan(lease, plan).await
    }

    async fn save_checkpoint(&self, lease: &Lease, checkpoint: &Checkpoint, progress: &Progress) -> Result<()> {
        self.up()?;
        self.inner.save_checkpoint(lease, checkpoint, progress).await
    }

    async fn forget_plan(&self, lease: &Lease) -> Result<()> {
        self.inner.forget_plan(lease).await
    }

    async fn complete(
        &self,
        lease: Lease,
        artifact: ArtifactId,
        receipt: &Receipt,
        usage: &JobUsage,
        keep: SignedDuration,
    ) -> Result<Job> {
        self.up()?;
        self.heard(self.inner.complete(lease, artifact, receipt, usage, keep).await)
    }

    async fn fail(&self, lease: Lease, error: &JobError, keep: SignedDuration) -> Result<Job> {
        self.up()?;
        self.heard(self.inner.fail(lease, error, keep).await)
    }

    async fn postpone(&self, lease: Lease, error: &JobError, delay: SignedDuration) -> Result<Job> {
        self.up()?;
        self.heard(self.inner.postpone(lease, error, delay).await)
    }

    async fn release(&self, lease: Lease) -> Result<()> {
        self.up()?;
        self.heard(self.inner.release(lease).await)
    }

    async fn rescue(&self, max_deaths: u32, keep: SignedDuration) -> Result<Vec<Job>> {
        self.up()?;
        self.inner.rescue(max_deaths, keep).await
    }

    async fn reclaim(&self, worker: &WorkerName, max_deaths: u32, keep: SignedDuration) -> Result<Vec<Job>> {
        self.inner.reclaim(worker, max_deaths, keep).await
    }

    async fn prune(&self, retention: SignedDuration) -> Result<u64> {
        self.inner.prune(retention).await
    }

    async fn prune_performance(&self, retention: SignedDuration) -> Result<u64> {
        self.inner.prune_performance(retention).await
    }

    async fn depth(&self) -> Result<QueueDepth> {
        self.inner.depth().await
    }

    async fn ping(&self) -> Result<()> {
        self.inner.ping().await
    }

    fn due(&self) -> Arc<Notify> {
        self.inner.due()
    }

    fn changes(&self) -> watch::Receiver<u64> {
        self.inner.changes()
    }
}
