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
use tokio::sync::{Notify, watch};

use super::upkeep::{Dead, PRUNED_AT_ONCE};
use super::{SqliteStore, artifacts, audit, events, leases, requests, rows, upkeep};
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

/// A job in another state, and that it is.
fn with_fact(job: Job) -> (Job, Vec<Fact>) {
    let facts = vec![Fact::of_job(&job)];
    (job, facts)
}

impl SqliteStore {
    async fn take_from(&self, dead: Dead, max_deaths: u32, keep: SignedDuration) -> Result<Vec<Job>> {
        let rescue = self.write_facts(move |tx, now| upkeep::rescue(tx, now, &dead, max_deaths, keep));
        let rescued = rescue.await?;
        if !rescued.is_empty() {
            self.wake();
        }
        Ok(rescued)
    }
}

#[async_trait]
impl Jobs for SqliteStore {
    async fn enqueue(&self, job: NewJob) -> Result<Enqueued> {
        let enqueue = self.write_facts(move |tx, now| {
            let enqueued = requests::enqueue(tx, now, &job)?;
            let mut facts = Vec::new();
            if enqueued.created {
                audit::append(tx, now, &job.org, &job.by, &deeds::asked_for(&job))?;
                facts.push(Fact::of_job(&enqueued.job));
            }
            Ok((enqueued, facts))
        });
        let enqueued = enqueue.await?;
        if enqueued.created {
            self.wake();
        }
        Ok(enqueued)
    }

    async fn asked_before(&self, org: &OrgId, owner: &str, idempotency: &Idempotency) -> Result<Option<Job>> {
        let (org, owner, idempotency) = (org.clone(), owner.to_owned(), idempotency.clone());
        self.read(move |tx, _| requests::asked_before(tx, &org, &owner, &idempotency)).await
    }

    async fn get(&self, scope: &JobScope, id: JobId) -> Result<Job> {
        let scope = scope.clone();
        self.read(move |tx, _| requests::get(tx, &scope, id)).await
    }

    async fn list(&self, scope: &JobScope, filter: &JobFilter) -> Result<JobPage> {
        let (scope, filter) = (scope.clone(), filter.clone());
        self.read(move |tx, _| requests::list(tx, &scope, &filter)).await
    }

    async fn cancel(&self, by: &Act, scope: &JobScope, id: JobId) -> Result<Job> {
        let (by, scope) = (by.clone(), scope.clone());
        let cancel = self.write_facts(move |tx, now| {
            let job = requests::cancel(tx, now, &scope, id)?;
            audit::append(tx, now, &job.org, &by, &deeds::to_job(Action::ExportCancel, &job))?;
            Ok(with_fact(job))
        });
        let job = cancel.await?;
        self.changed();
        Ok(job)
    }

    async fn retry(&self, by: &Act, scope: &JobScope, id: JobId, limits: JobLimits) -> Result<(Job, Vec<Allowance>)> {
        let (by, scope) = (by.clone(), scope.clone());
        let retry = self.write_facts(move |tx, now| {
            let (job, allowances) = requests::retry(tx, now, &scope, id, limits)?;
            audit::append(tx, now, &job.org, &by, &deeds::to_job(Action::ExportRetry, &job))?;
            let facts = vec![Fact::of_job(&job)];
            Ok(((job, allowances), facts))
        });
        let retried = retry.await?;
        self.wake();
        Ok(retried)
    }

    async fn may_ask(&self, org: &OrgId, owner: &str, limits: JobLimits) -> Result<()> {
        let (org, owner) = (org.clone(), owner.to_owned());
        self.read(move |tx, now| requests::may_ask(tx, now, limits, &org, &owner)).await
    }

    async fn recent_performance(&self, org: &OrgId, limit: u32) -> Result<Vec<PerfRow>> {
        let org = org.clone();
        self.read(move |tx, _| requests::recent_performance(tx, &org, limit)).await
    }

    async fn statistics(&self, org: &OrgId, since: Timestamp) -> Result<Vec<StatisticsRow>> {
        let org = org.clone();
        self.read(move |tx, _| requests::statistics(tx, &org, since.as_microsecond())).await
    }

    async fn claim(&self, worker: &WorkerName, take: Take, lease: SignedDuration) -> Result<Option<Claimed>> {
        let asking = worker.clone();
        if !self.read(move |tx, now| leases::is_due(tx, now, &asking, take)).await? {
            return Ok(None);
        }
        let worker = worker.clone();
        let claimed = self.write_facts(move |tx, now| leases::claim(tx, now, &worker, take, lease)).await?;
        if claimed.is_some() {
            self.changed();
        }
        Ok(claimed)
    }

    async fn heartbeat(
        &self,
        lease: &Lease,
        phase: Phase,
        progress: &Progress,
        extend: SignedDuration,
    ) -> Result<Signal> {
        let (hold, progress) = (Hold::from(lease), *progress);
        let signal = self.write(move |tx, now| leases::heartbeat(tx, now, hold, phase, progress, extend)).await?;
        if matches!(signal, Signal::Continue | Signal::Revoked) {
            self.changed();
        }
        Ok(signal)
    }

    async fn signal(&self, lease: &Lease) -> Result<Signal> {
        let hold = Hold::from(lease);
        self.read(move |tx, now| leases::signal(tx, now, hold)).await
    }

    async fn save_plan(&self, lease: &Lease, plan: &Plan) -> Result<()> {
        let (hold, json) = (Hold::from(lease), rows::to_json(plan)?);
        let (matching, expected) = (plan.rows_matching, plan.rows_expected);
        self.write(move |tx, _| leases::save_plan(tx, hold, &json, matching, expected)).await?;
        self.changed();
        Ok(())
    }

    async fn save_checkpoint(&self, lease: &Lease, checkpoint: &Checkpoint, progress: &Progress) -> Result<()> {
        let (hold, checkpoint, progress) = (Hold::from(lease), checkpoint.clone(), *progress);
        self.write(move |tx, _| leases::save_checkpoint(tx, hold, &checkpoint, progress)).await?;
        self.changed();
        Ok(())
    }

    async fn forget_plan(&self, lease: &Lease) -> Result<()> {
        let hold = Hold::from(lease);
        self.write(move |tx, _| leases::forget_plan(tx, hold)).await?;
        self.changed();
        Ok(())
    }

    async fn complete(
        &self,
        lease: Lease,
        artifact: ArtifactId,
        receipt: &Receipt,
        usage: &JobUsage,
        keep: SignedDuration,
    ) -> Result<Job> {
        let (hold, receipt, usage) = (Hold::from(&lease), receipt.clone(), usage.clone());
        let complete = self.write_facts(move |tx, now| {
            Ok(with_fact(leases::complete(tx, now, hold, artifact, &receipt, &usage, keep)?))
        });
        let job = complete.await?;
        self.changed();
        Ok(job)
    }

    async fn fail(&self, lease: Lease, error: &JobError, keep: SignedDuration) -> Result<Job> {
        let (hold, error) = (Hold::from(&lease), error.clone());
        let fail = self.write_facts(move |tx, now| Ok(with_fact(leases::fail(tx, now, hold, &error, keep)?)));
        let job = fail.await?;
        self.changed();
        Ok(job)
    }

    async fn postpone(&self, lease: Lease, error: &JobError, delay: SignedDuration) -> Result<Job> {
        let (hold, error) = (Hold::from(&lease), error.clone());
        let postpone = self.write_facts(move |tx, now| Ok(with_fact(leases::postpone(tx, now, hold, &error, delay)?)));
        let job = postpone.await?;
        self.wake();
        Ok(job)
    }

    async fn release(&self, lease: Lease) -> Result<()> {
        let hold = Hold::from(&lease);
        let release = self.write_facts(move |tx, _| {
            leases::release(tx, hold)?;
            Ok(((), vec![events::of_job(tx, hold.job)?]))
        });
        release.await?;
        self.wake();
        Ok(())
    }

    async fn rescue(&self, max_deaths: u32, keep: SignedDuration) -> Result<Vec<Job>> {
        self.take_from(Dead::Overdue, max_deaths, keep).await
    }

    async fn reclaim(&self, worker: &WorkerName, max_deaths: u32, keep: SignedDuration) -> Result<Vec<Job>> {
        self.take_from(Dead::Of(worker.clone()), max_deaths, keep).await
    }

    async fn prune(&self, retention: SignedDuration) -> Result<u64> {
        let mut pruned = 0;
        loop {
            let now_gone = self.write(move |tx, now| upkeep::prune(tx, now, retention)).await?;
            pruned += now_gone;
            if now_gone < u64::from(PRUNED_AT_ONCE) {
                return Ok(pruned);
            }
        }
    }

    async fn prune_performance(&self, retention: SignedDuration) -> Result<u64> {
        self.write(move |tx, now| upkeep::prune_performance(tx, now, retention)).await
    }

    async fn depth(&self) -> Result<QueueDepth> {
        self.read(upkeep::depth).await
    }

    async fn ping(&self) -> Result<()> {
        self.read(|tx, _| rows::scalar::<i64>(tx, "SELECT EXISTS (SELECT 1 FROM jobs)", []).map(drop)).await
    }

    fn due(&self) -> Arc<Notify> {
        Arc::clone(&self.due)
    }

    fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }
}

#[async_trait]
impl Artifacts for SqliteStore {
    async fn stage(&self, lease: &Lease, artifact: NewArtifact) -> Result<Artifact> {
        let hold = Hold::from(lease);
        self.write(move |tx, _| artifacts::stage(tx, hold, &artifact)).await
    }

    async fn ready(&self, scope: &JobScope, job: JobId) -> Result<Artifact> {
        let scope = scope.clone();
        self.read(move |tx, now| artifacts::ready(tx, now, &scope, job)).await
    }

    async fn by_id(&self, id: ArtifactId) -> Result<Artifact> {
        self.read(move |tx, _| artifacts::by_id(tx, id)).await
    }

    async fn expire_now(&self, by: &Act, scope: &JobScope, job: JobId) -> Result<Artifact> {
        let (by, scope) = (by.clone(), scope.clone());
        let expire = self.write(move |tx, now| {
            let artifact = artifacts::expire_now(tx, now, &scope, job)?;
            audit::append(tx, now, &artifact.org, &by, &deeds::to_file(Action::ExportDelete, &artifact))?;
            Ok(artifact)
        });
        let artifact = expire.await?;
        self.changed();
        Ok(artifact)
    }

    async fn expire_due(&self) -> Result<u64> {
        let expired = self.write(artifacts::expire_due).await?;
        if expired > 0 {
            self.changed();
        }
        Ok(expired)
    }

    async fn disposable(&self, limit: u32) -> Result<Vec<Artifact>> {
        self.read(move |tx, now| artifacts::disposable(tx, now, limit)).await
    }

    async fn mark_deleted(&self, id: ArtifactId) -> Result<()> {
        let delete = self.write_facts(move |tx, _| {
            let expired = artifacts::mark_deleted(tx, id)?;
            Ok(((), expired.map(|job| events::of_job(tx, job)).transpose()?.into_iter().collect()))
        });
        delete.await?;
        self.changed();
        Ok(())
    }

    async fn unknown(&self, keys: Vec<ObjectKey>) -> Result<Vec<ObjectKey>> {
        self.read(move |tx, _| artifacts::unknown(tx, keys)).await
    }
}
