//! The ports, each verb one transaction; what the transactions do is in the neighbouring modules.

use std::sync::Arc;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use offtake_model::Result;
use offtake_model::audit::{Act, Action};
use offtake_model::checkpoint::Checkpoint;
use offtake_model::id::{ArtifactId, JobId, OrgId};
use offtake_model::job::{Job, JobError, Phase, Progress};
use offtake_model::limit::Allowance;
use offtake_model::plan::Plan;
use offtake_model::receipt::Receipt;
use offtake_postgres::Work;
use tokio::sync::{Notify, watch};

use super::upkeep::{Dead, PRUNED_AT_ONCE};
use super::{PostgresStore, artifacts, audit, events, leases, requests, upkeep};
use crate::artifacts::{Artifact, Artifacts, NewArtifact};
use crate::audit::deeds;
use crate::events::Fact;
use crate::jobs::{
    Claimed, Enqueued, Idempotency, JobFilter, JobPage, JobScope, JobUsage, Jobs, Lease, NewJob, PerfRow, QueueDepth,
    Signal, StatisticsRow, Take, WorkerName,
};
use crate::limits::JobLimits;
use crate::objects::ObjectKey;
use crate::refusals::Hold;
use crate::rows;

/// What a transaction did to a job.
struct Moved<T> {
    done: T,
    now: i64,
    /// Whether it may be due since.
    is_due: bool,
    facts: Vec<Fact>,
}

impl Moved<Job> {
    fn to_rest(job: Job, now: i64) -> Self {
        Self { facts: vec![Fact::of_job(&job)], done: job, now, is_due: false }
    }
}

impl PostgresStore {
    async fn take_from(&self, dead: Dead<'_>, max_deaths: u32, keep: SignedDuration) -> Result<Vec<Job>> {
        let tx = self.write_all().await?;
        let rescue = async {
            let now = self.now(&tx).await?;
            let (rescued, facts) = upkeep::rescue(&tx, now, &dead, max_deaths, keep).await?;
            for job in &rescued {
                self.wake.tell_due(&tx, job.id).await?;
            }
            Ok((rescued, events::write(&tx, now, &self.wake, facts).await?))
        };
        let outcome = rescue.await;
        let (rescued, hints): (Vec<Job>, _) = tx.end(outcome).await?;
        if !rescued.is_empty() {
            self.wake.wake();
        }
        self.wake.hint(hints);
        Ok(rescued)
    }

    /// Ends a transaction that changed `job`, and says so.
    async fn end_changed<T>(&self, tx: Work, job: JobId, outcome: Result<T>) -> Result<T> {
        let told = match outcome {
            Ok(done) => self.wake.tell_changed(&tx, job).await.map(|()| done),
            Err(error) => Err(error),
        };
        let done = tx.end(told).await?;
        self.wake.changed();
        Ok(done)
    }

    /// Ends a transaction that brought `job` into another state, and says so. What happened is written down last.
    async fn end_moved<T>(&self, tx: Work, job: JobId, outcome: Result<Moved<T>>) -> Result<T> {
        let told = async {
            let Moved { done, now, is_due, facts } = outcome?;
            match is_due {
                true => self.wake.tell_due(&tx, job).await?,
                false => self.wake.tell_changed(&tx, job).await?,
            }
            Ok((done, is_due, events::write(&tx, now, &self.wake, facts).await?))
        };
        let told = told.await;
        let (done, is_due, hints) = tx.end(told).await?;
        match is_due {
            true => self.wake.wake(),
            false => self.wake.changed(),
        }
        self.wake.hint(hints);
        Ok(done)
    }
}

#[async_trait]
impl Jobs for PostgresStore {
    async fn enqueue(&self, job: NewJob) -> Result<Enqueued> {
        let tx = self.write_of(&job.org).await?;
        let enqueue = async {
            let now = self.now(&tx).await?;
            let enqueued = requests::enqueue(&tx, now, &job).await?;
            if enqueued.created {
                let deed = deeds::asked_for(&job);
                self.wake.tell_due(&tx, job.id).await?;
                // Last: whoever else acts in this organization waits from here to the commit.
                audit::append(&tx, now, &job.org, &job.by, &deed).await?;
                let hints = events::write(&tx, now, &self.wake, vec![Fact::of_job(&enqueued.job)]).await?;
                return Ok((enqueued, hints));
            }
            Ok((enqueued, Vec::new()))
        };
        let outcome = enqueue.await;
        let (enqueued, hints): (Enqueued, _) = tx.end(outcome).await?;
        if enqueued.created {
            self.wake.wake();
        }
        self.wake.hint(hints);
        Ok(enqueued)
    }

    async fn asked_before(&self, org: &OrgId, owner: &str, idempotency: &Idempotency) -> Result<Option<Job>> {
        requests::asked_before(&self.read_of(org).await?, org, owner, idempotency).await
    }

    async fn get(&self, scope: &JobScope, id: JobId) -> Result<Job> {
        requests::get_job(&self.read_of(&scope.org).await?, scope, id).await
    }

    async fn list(&self, scope: &JobScope, filter: &JobFilter) -> Result<JobPage> {
        requests::list(&self.read_of(&scope.org).await?, scope, filter).await
    }

    async fn cancel(&self, by: &Act, scope: &JobScope, id: JobId) -> Result<Job> {
        let tx = self.write_of(&scope.org).await?;
        let cancel = async {
            let now = self.now(&tx).await?;
            let job = requests::cancel(&tx, now, scope, id).await?;
            audit::append(&tx, now, &job.org, by, &deeds::to_job(Action::ExportCancel, &job)).await?;
            Ok(Moved::to_rest(job, now))
        };
        let outcome = cancel.await;
        self.end_moved(tx, id, outcome).await
    }

    async fn retry(&self, by: &Act, scope: &JobScope, id: JobId, limits: JobLimits) -> Result<(Job, Vec<Allowance>)> {
        let tx = self.write_of(&scope.org).await?;
        let retry = async {
            let now = self.now(&tx).await?;
            let (job, allowances) = requests::retry(&tx, now, scope, id, limits).await?;
            audit::append(&tx, now, &job.org, by, &deeds::to_job(Action::ExportRetry, &job)).await?;
            let facts = vec![Fact::of_job(&job)];
            Ok(Moved { done: (job, allowances), now, is_due: true, facts })
        };
        let outcome = retry.await;
        self.end_moved(tx, id, outcome).await
    }

    async fn may_ask(&self, org: &OrgId, owner: &str, limits: JobLimits) -> Result<()> {
        let work = self.read_of(org).await?;
        let now = self.now(&work).await?;
        requests::may_ask(&work, now, limits, org, owner).await
    }

    async fn recent_performance(&self, org: &OrgId, limit: u32) -> Result<Vec<PerfRow>> {
        requests::recent_performance(&self.read_of(org).await?, org, limit).await
    }

    async fn statistics(&self, org: &OrgId, since: Timestamp) -> Result<Vec<StatisticsRow>> {
        requests::statistics(&self.read_of(org).await?, org, since.as_microsecond()).await
    }

    async fn claim(&self, worker: &WorkerName, take: Take, lease: SignedDuration) -> Result<Option<Claimed>> {
        let look = self.read_all().await?;
        let turns = leases::turns(&look, self.injected(), worker, take).await?;
        drop(look);
        if turns.is_empty() {
            return Ok(None);
        }
        let tx = self.write_all().await?;
        let claim = async {
            let now = self.now(&tx).await?;
            let (claimed, facts) = leases::claim(&tx, now, worker, &turns, lease).await?;
            if let Some(claimed) = &claimed {
                self.wake.tell_changed(&tx, claimed.job.id).await?;
            }
            Ok((claimed, events::write(&tx, now, &self.wake, facts).await?))
        };
        let outcome = claim.await;
        let (claimed, hints): (Option<Claimed>, _) = tx.end(outcome).await?;
        if claimed.is_some() {
            self.wake.changed();
        }
        self.wake.hint(hints);
        Ok(claimed)
    }

    async fn heartbeat(
        &self,
        lease: &Lease,
        phase: Phase,
        progress: &Progress,
        extend: SignedDuration,
    ) -> Result<Signal> {
        let tx = self.write_all().await?;
        let hold = Hold::from(lease);
        let beat = async { leases::heartbeat(&tx, self.now(&tx).await?, hold, phase, *progress, extend).await };
        let outcome = beat.await;
        if matches!(outcome, Ok(Signal::Continue | Signal::Revoked)) {
            return self.end_changed(tx, lease.job, outcome).await;
        }
        tx.end(outcome).await
    }

    async fn signal(&self, lease: &Lease) -> Result<Signal> {
        leases::signal(&self.read_all().await?, Hold::from(lease)).await
    }

    async fn save_plan(&self, lease: &Lease, plan: &Plan) -> Result<()> {
        let json = rows::to_json(plan)?;
        let tx = self.write_all().await?;
        let outcome = leases::save_plan(&tx, Hold::from(lease), &json, plan.rows_matching, plan.rows_expected).await;
        self.end_changed(tx, lease.job, outcome).await
    }

    async fn save_checkpoint(&self, lease: &Lease, checkpoint: &Checkpoint, progress: &Progress) -> Result<()> {
        let tx = self.write_all().await?;
        let outcome = leases::save_checkpoint(&tx, Hold::from(lease), checkpoint, *progress).await;
        self.end_changed(tx, lease.job, outcome).await
    }

    async fn forget_plan(&self, lease: &Lease) -> Result<()> {
        let tx = self.write_all().await?;
        let outcome = leases::forget_plan(&tx, Hold::from(lease)).await;
        self.end_changed(tx, lease.job, outcome).await
    }

    async fn complete(
        &self,
        lease: Lease,
        artifact: ArtifactId,
        receipt: &Receipt,
        usage: &JobUsage,
        keep: SignedDuration,
    ) -> Result<Job> {
        let tx = self.write_all().await?;
        let hold = Hold::from(&lease);
        let complete = async {
            let now = self.now(&tx).await?;
            leases::complete(&tx, now, hold, artifact, receipt, usage, keep).await.map(|job| Moved::to_rest(job, now))
        };
        let outcome = complete.await;
        self.end_moved(tx, lease.job, outcome).await
    }

    async fn fail(&self, lease: Lease, error: &JobError, keep: SignedDuration) -> Result<Job> {
        let tx = self.write_all().await?;
        let fail = async {
            let now = self.now(&tx).await?;
            leases::fail(&tx, now, Hold::from(&lease), error, keep).await.map(|job| Moved::to_rest(job, now))
        };
        let outcome = fail.await;
        self.end_moved(tx, lease.job, outcome).await
    }

    async fn postpone(&self, lease: Lease, error: &JobError, delay: SignedDuration) -> Result<Job> {
        let tx = self.write_all().await?;
        let postpone = async {
            let now = self.now(&tx).await?;
            let job = leases::postpone(&tx, now, Hold::from(&lease), error, delay).await?;
            Ok(Moved { is_due: true, ..Moved::to_rest(job, now) })
        };
        let outcome = postpone.await;
        self.end_moved(tx, lease.job, outcome).await
    }

    async fn release(&self, lease: Lease) -> Result<()> {
        let tx = self.write_all().await?;
        let release = async {
            leases::release(&tx, Hold::from(&lease)).await?;
            let facts = vec![events::of_job(&tx, lease.job).await?];
            Ok(Moved { done: (), now: self.now(&tx).await?, is_due: true, facts })
        };
        let outcome = release.await;
        self.end_moved(tx, lease.job, outcome).await
    }

    async fn rescue(&self, max_deaths: u32, keep: SignedDuration) -> Result<Vec<Job>> {
        self.take_from(Dead::Overdue, max_deaths, keep).await
    }

    async fn reclaim(&self, worker: &WorkerName, max_deaths: u32, keep: SignedDuration) -> Result<Vec<Job>> {
        self.take_from(Dead::Of(worker), max_deaths, keep).await
    }

    async fn prune(&self, retention: SignedDuration) -> Result<u64> {
        let mut pruned = 0;
        loop {
            let work = self.read_all().await?;
            let now = self.now(&work).await?;
            let now_gone = upkeep::prune(&work, now, retention).await?;
            pruned += now_gone;
            if now_gone < u64::from(PRUNED_AT_ONCE) {
                return Ok(pruned);
            }
        }
    }

    async fn prune_performance(&self, retention: SignedDuration) -> Result<u64> {
        let work = self.read_all().await?;
        upkeep::prune_performance(&work, self.now(&work).await?, retention).await
    }

    async fn depth(&self) -> Result<QueueDepth> {
        let work = self.read_all().await?;
        upkeep::depth(&work, self.now(&work).await?).await
    }

    async fn ping(&self) -> Result<()> {
        self.read_all().await?.first("SELECT EXISTS (SELECT 1 FROM jobs)", &[]).await.map(drop)
    }

    fn due(&self) -> Arc<Notify> {
        Arc::clone(&self.wake.due)
    }

    fn changes(&self) -> watch::Receiver<u64> {
        self.wake.changes()
    }
}

#[async_trait]
impl Artifacts for PostgresStore {
    async fn stage(&self, lease: &Lease, artifact: NewArtifact) -> Result<Artifact> {
        let tx = self.write_all().await?;
        let outcome = artifacts::stage(&tx, Hold::from(lease), &artifact).await;
        tx.end(outcome).await
    }

    async fn ready(&self, scope: &JobScope, job: JobId) -> Result<Artifact> {
        let work = self.read_of(&scope.org).await?;
        artifacts::ready(&work, self.now(&work).await?, scope, job).await
    }

    async fn by_id(&self, id: ArtifactId) -> Result<Artifact> {
        artifacts::by_id(&self.read_all().await?, id).await
    }

    async fn expire_now(&self, by: &Act, scope: &JobScope, job: JobId) -> Result<Artifact> {
        let tx = self.write_of(&scope.org).await?;
        let expire = async {
            let now = self.now(&tx).await?;
            let artifact = artifacts::expire_now(&tx, now, scope, job).await?;
            audit::append(&tx, now, &artifact.org, by, &deeds::to_file(Action::ExportDelete, &artifact)).await?;
            Ok(artifact)
        };
        let outcome = expire.await;
        self.end_changed(tx, job, outcome).await
    }

    async fn expire_due(&self) -> Result<u64> {
        let work = self.read_all().await?;
        let expired = artifacts::expire_due(&work, self.now(&work).await?).await?;
        drop(work);
        if expired > 0 {
            self.wake.changed();
        }
        Ok(expired)
    }

    async fn disposable(&self, limit: u32) -> Result<Vec<Artifact>> {
        let work = self.read_all().await?;
        artifacts::disposable(&work, self.now(&work).await?, limit).await
    }

    async fn mark_deleted(&self, id: ArtifactId) -> Result<()> {
        let tx = self.write_all().await?;
        let delete = async {
            let mut facts = Vec::new();
            if let Some(job) = artifacts::mark_deleted(&tx, id).await? {
                facts.push(events::of_job(&tx, job).await?);
            }
            events::write(&tx, self.now(&tx).await?, &self.wake, facts).await
        };
        let outcome = delete.await;
        let hints = tx.end(outcome).await?;
        self.wake.changed();
        self.wake.hint(hints);
        Ok(())
    }

    async fn unknown(&self, keys: Vec<ObjectKey>) -> Result<Vec<ObjectKey>> {
        artifacts::unknown(&self.read_all().await?, keys).await
    }
}
