//! The jobs port: verbs on jobs, each of them one transaction.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use offtake_model::audit::Act;
use offtake_model::checkpoint::Checkpoint;
use offtake_model::export::ExportSpec;
use offtake_model::id::{ArtifactId, JobId, OrgId};
use offtake_model::job::{Job, JobError, JobStatus, Phase, Progress};
use offtake_model::limit::Allowance;
use offtake_model::permission::Permission;
use offtake_model::plan::Plan;
use offtake_model::receipt::Receipt;
use offtake_model::{ErrorKind, Result};
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep};

use crate::limits::JobLimits;

/// The first pause between two tries at a last word, and the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// The name of a worker process, unique among those alive; stable across restarts of the same one.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct WorkerName(pub String);

/// The right to work on a job until a deadline.
///
/// It cannot be cloned, and the verbs that end the work consume it. Every write carries its fence and does
/// nothing (`lease_lost`) once the fence in the database has moved.
#[derive(Debug)]
pub struct Lease {
    /// The job.
    pub job: JobId,
    /// Whose it is.
    pub org: OrgId,
    /// The number of this attempt, from 1.
    pub attempt: u32,
    /// Who holds it.
    pub worker: WorkerName,
    pub(crate) fence: i64,
}

/// Says the last word on a job by `end`, again while the store is unavailable, until `patience` is over.
///
/// An answer that got lost is no reason to do it twice: if the lease turns out to be spent, `done` looks at the job as
/// this attempt left it, and says what came of it.
///
/// # Errors
/// Those of `end`.
pub async fn end_patiently<T, F: Future<Output = Result<T>>>(
    jobs: &dyn Jobs,
    lease: Lease,
    patience: Duration,
    end: impl Fn(Lease) -> F,
    done: impl Fn(Job) -> Option<T>,
) -> Result<T> {
    let until = Instant::now() + patience;
    let mut pause = FIRST_PAUSE;
    let mut unanswered = false;
    loop {
        let again = Lease {
            job: lease.job,
            org: lease.org.clone(),
            attempt: lease.attempt,
            worker: lease.worker.clone(),
            fence: lease.fence,
        };
        match end(again).await {
            Err(error) if error.kind() == ErrorKind::StoreUnavailable && Instant::now() + pause < until => {
                tracing::warn!(%error, cause = ?error, pause_ms = pause.as_millis(), "the job store is away: waiting");
                unanswered = true;
            }
            Err(error) if error.kind() == ErrorKind::LeaseLost && unanswered => {
                let scope = JobScope { org: lease.org, owner: None };
                let job = jobs.get(&scope, lease.job).await?;
                return if job.attempt == lease.attempt { done(job).ok_or(error) } else { Err(error) };
            }
            outcome => return outcome,
        }
        sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// A job to be enqueued.
#[derive(Debug, Clone)]
pub struct NewJob {
    /// Its id.
    pub id: JobId,
    /// Whose it is.
    pub org: OrgId,
    /// Who asks.
    pub owner: String,
    /// Where to write to.
    pub owner_email: Option<String>,
    /// What whoever asks had to be allowed, and must still be while the job runs.
    pub needs: Vec<Permission>,
    /// What is asked for.
    pub spec: ExportSpec,
    /// The human name.
    pub name: String,
    /// The name the file gets.
    pub file_name: String,
    /// The caller's request id.
    pub request_id: Option<String>,
    /// The caller's W3C trace context.
    pub traceparent: Option<String>,
    /// The caller's idempotency key with a fingerprint of the body it came with.
    pub idempotency: Option<Idempotency>,
    /// The only worker that may take it.
    pub pinned_to: Option<WorkerName>,
    /// How many there may be.
    pub limits: JobLimits,
    /// The moment of asking.
    pub now: Timestamp,
    /// Who asks from where, for the audit trail.
    pub by: Act,
}

/// An idempotency key; it holds per organization and owner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Idempotency {
    /// The key as sent.
    pub key: String,
    /// A fingerprint of dataset and body.
    pub fingerprint: String,
}

/// What came of [`Jobs::enqueue`].
#[derive(Debug, Clone)]
pub struct Enqueued {
    /// The job, new or found by its idempotency key.
    pub job: Job,
    /// Whether it is new.
    pub created: bool,
    /// How the limits stand after a new one.
    pub allowances: Vec<Allowance>,
}

/// Which jobs a worker takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Take {
    /// Those that are pinned to it.
    Pinned,
    /// Whatever is due.
    Any,
    /// Whatever is due, as long as no organization has too many of its slots.
    Shared(Share),
}

/// How many jobs of one organization a worker works on at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Share {
    /// At most so many.
    pub most: u32,
    /// Also while no other organization is known.
    pub even_alone: bool,
}

impl Take {
    /// The share, with numbers for those who want none.
    pub(crate) const fn share(self) -> Share {
        match self {
            Self::Shared(share) => share,
            Self::Pinned | Self::Any => Share { most: u32::MAX, even_alone: true },
        }
    }
}

/// Whose jobs are looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobScope {
    /// The organization.
    pub org: OrgId,
    /// Only this owner's; `None`: the whole organization's.
    pub owner: Option<String>,
}

/// Which jobs of a scope. Newest first.
#[derive(Debug, Clone, Default)]
pub struct JobFilter {
    /// Only these states; empty: all.
    pub status: Vec<JobStatus>,
    /// Only this dataset.
    pub dataset: Option<String>,
    /// Only this request id.
    pub request_id: Option<String>,
    /// At most so many.
    pub limit: u32,
    /// Leave out so many; not together with `after`.
    pub offset: u64,
    /// Only jobs older than this one (keyset paging).
    pub after: Option<JobId>,
}

/// A page of jobs.
#[derive(Debug, Clone)]
pub struct JobPage {
    /// The jobs, newest first.
    pub jobs: Vec<Job>,
    /// How many there are in all.
    pub total: u64,
    /// Whether more follow.
    pub has_more: bool,
}

/// What a worker is told when it looks up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// Go on.
    Continue,
    /// The job was cancelled: stop, publish nothing, clean up.
    Cancelled,
    /// Its owner may no longer have it: stop, publish nothing, fail.
    Revoked,
    /// Somebody else has it: stop and touch nothing.
    Lost,
}

/// Everything a claimed job comes with.
#[derive(Debug)]
pub struct Claimed {
    /// The right to work on it.
    pub lease: Lease,
    /// The job.
    pub job: Job,
    /// The plan of an earlier attempt.
    pub plan: Option<Plan>,
    /// Where an earlier attempt got to.
    pub checkpoint: Option<Checkpoint>,
}

/// How a completed job performed (J15).
#[derive(Debug, Clone, PartialEq, Default)]
pub struct JobUsage {
    /// From the first claim to publication, in milliseconds.
    pub duration_ms: u64,
    /// Milliseconds per frame (read, shape, encode, compress): P50, P95, max.
    pub frame_ms: [f64; 3],
    /// Bytes per frame: P50, P95, max.
    pub frame_bytes: [u64; 3],
    /// The most memory the job's budget held at once, in bytes.
    pub peak_memory: u64,
}

/// A performance row.
#[derive(Debug, Clone, PartialEq)]
pub struct PerfRow {
    /// The job.
    pub job: JobId,
    /// Its dataset.
    pub dataset: String,
    /// Its format and compression, as in an extension: `csv.gz`.
    pub format: String,
    /// When it completed.
    pub completed_at: Timestamp,
    /// Rows in the file.
    pub rows: u64,
    /// Size of the file.
    pub bytes: u64,
    /// How long it waited for a worker at first, in milliseconds; `None` once the job's row is gone.
    pub queued_ms: Option<u64>,
    /// How it performed.
    pub usage: JobUsage,
}

/// How many days statistics reach back.
pub const STATISTICS_DAYS: i64 = 366;

/// What an organization did with one dataset over some days (J12).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatisticsRow {
    /// The dataset.
    pub dataset: String,
    /// The state.
    pub status: JobStatus,
    /// Jobs in it.
    pub jobs: u64,
    /// Rows in their files.
    pub rows: u64,
    /// Bytes of their files.
    pub bytes: u64,
}

/// How much waits and runs, for metrics.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct QueueDepth {
    /// Jobs that wait.
    pub pending: u64,
    /// Jobs that run.
    pub processing: u64,
    /// Seconds the oldest due job has waited.
    pub oldest_seconds: f64,
}

/// Jobs and their leases.
///
/// All reads and changes on behalf of a user are scoped by organization here, below the caller (law 8);
/// what is not in the scope is `not_found`. A change that a user asks for and its entry in the audit trail are one
/// transaction. Deadlines are compared with the database's clock (law 2).
#[async_trait]
pub trait Jobs: Send + Sync + std::fmt::Debug {
    // --- what a user asks for ---

    /// Puts a job in the queue and wakes a worker. With an idempotency key seen before it answers the
    /// earlier job, whatever the limits say.
    ///
    /// # Errors
    /// `idempotency_mismatch` if the key came with another fingerprint; `too_many_requests` if a limit is reached,
    /// however many ask at once.
    async fn enqueue(&self, job: NewJob) -> Result<Enqueued>;

    /// The job that `owner` of `org` asked for with this idempotency key before.
    ///
    /// # Errors
    /// `idempotency_mismatch` if the key came with another fingerprint.
    async fn asked_before(&self, org: &OrgId, owner: &str, idempotency: &Idempotency) -> Result<Option<Job>>;

    /// One job.
    ///
    /// # Errors
    /// `not_found` if it is not in the scope.
    async fn get(&self, scope: &JobScope, id: JobId) -> Result<Job>;

    /// A page of jobs.
    async fn list(&self, scope: &JobScope, filter: &JobFilter) -> Result<JobPage>;

    /// Calls a job off. A worker on it learns so by [`Jobs::signal`]; its lease is void at once.
    ///
    /// # Errors
    /// `not_found`; `conflict` if it is over.
    async fn cancel(&self, by: &Act, scope: &JobScope, id: JobId) -> Result<Job>;

    /// A failed job again, from its checkpoint; counters of failures and deaths start anew.
    ///
    /// # Errors
    /// `not_found`; `conflict` if it did not fail, or `gone` if what it kept has expired; `too_many_requests` if its
    /// owner has too many active ones already.
    async fn retry(&self, by: &Act, scope: &JobScope, id: JobId, limits: JobLimits) -> Result<(Job, Vec<Allowance>)>;

    /// Whether this user may ask for one more export now. Asks for nothing, and promises nothing.
    ///
    /// # Errors
    /// `too_many_requests` if one of the limits is reached.
    async fn may_ask(&self, org: &OrgId, owner: &str, limits: JobLimits) -> Result<()>;

    /// The newest performance rows of an organization, newest first.
    async fn recent_performance(&self, org: &OrgId, limit: u32) -> Result<Vec<PerfRow>>;

    /// What an organization asked for since a moment. Of pruned jobs only whole days are known, so that the totals are
    /// right from any midnight in UTC of the last [`STATISTICS_DAYS`].
    async fn statistics(&self, org: &OrgId, since: Timestamp) -> Result<Vec<StatisticsRow>>;

    // --- what a worker does ---

    /// Takes the lease on a due job (pending, `run_at` reached): the oldest that is pinned to this worker, else the
    /// oldest of the organization whose turn it is. That is the one with the fewest jobs running anywhere; among
    /// several, the one that was served longest ago. Before all of them comes one whose oldest job lost its worker: what
    /// was begun goes on within its time, whoever else waits.
    async fn claim(&self, worker: &WorkerName, take: Take, lease: SignedDuration) -> Result<Option<Claimed>>;

    /// Extends the lease and reports phase and progress.
    async fn heartbeat(
        &self,
        lease: &Lease,
        phase: Phase,
        progress: &Progress,
        extend: SignedDuration,
    ) -> Result<Signal>;

    /// Only looks whether to go on; cheap enough for twice a second.
    async fn signal(&self, lease: &Lease) -> Result<Signal>;

    /// Stores the plan. Once, unless the snapshot it speaks of is lost.
    ///
    /// # Errors
    /// `lease_lost`, `cancelled`.
    async fn save_plan(&self, lease: &Lease, plan: &Plan) -> Result<()>;

    /// Stores what is durable, with progress. If it reaches further (in rows) than any checkpoint before, also
    /// of an earlier plan, it resets the counters of failures and deaths: a job that only repeats itself does
    /// not get on.
    ///
    /// # Errors
    /// `lease_lost`, `cancelled`.
    async fn save_checkpoint(&self, lease: &Lease, checkpoint: &Checkpoint, progress: &Progress) -> Result<()>;

    /// Forgets plan and checkpoint: the next attempt starts anew.
    ///
    /// # Errors
    /// `lease_lost`, `cancelled`.
    async fn forget_plan(&self, lease: &Lease) -> Result<()>;

    /// Publishes: artifact ready and job completed, in one transaction. The file is already in storage.
    ///
    /// If the job's owner may no longer have it, the job fails as `revoked` in the same transaction instead, and what is
    /// returned says so: whoever asks between the two finds no moment at which the file is out.
    ///
    /// # Errors
    /// `lease_lost`, `cancelled`: nothing is published then.
    async fn complete(
        &self,
        lease: Lease,
        artifact: ArtifactId,
        receipt: &Receipt,
        usage: &JobUsage,
        keep: SignedDuration,
    ) -> Result<Job>;

    /// The job failed. Its checkpoint stays until `keep` is over.
    async fn fail(&self, lease: Lease, error: &JobError, keep: SignedDuration) -> Result<Job>;

    /// The job is tried again after `delay`; counts as a failure.
    async fn postpone(&self, lease: Lease, error: &JobError, delay: SignedDuration) -> Result<Job>;

    /// The job goes back to the queue as it is, and counts as nothing: shutdown.
    async fn release(&self, lease: Lease) -> Result<()>;

    // --- upkeep ---

    /// Puts jobs whose lease ran out back in the queue, counting a death each; after `max_deaths` deaths in a
    /// row without a new checkpoint the job fails as `poison`.
    async fn rescue(&self, max_deaths: u32, keep: SignedDuration) -> Result<Vec<Job>>;

    /// The same for jobs that a former life of this worker held, without waiting for their leases.
    async fn reclaim(&self, worker: &WorkerName, max_deaths: u32, keep: SignedDuration) -> Result<Vec<Job>>;

    /// Deletes the rows of jobs that have been at rest for longer than `retention`, with their performance rows,
    /// as far as no artifact of theirs has bytes left; statistics keep counting them. Returns how many.
    async fn prune(&self, retention: SignedDuration) -> Result<u64>;

    /// Deletes the performance rows of jobs that completed longer than `retention` ago. Returns how many.
    async fn prune_performance(&self, retention: SignedDuration) -> Result<u64>;

    /// How much waits and runs.
    async fn depth(&self) -> Result<QueueDepth>;

    /// Whether the store answers.
    async fn ping(&self) -> Result<()>;

    // --- wake-ups, within this process; other processes poll ---

    /// Notified when a job may be due. Register interest before looking.
    fn due(&self) -> Arc<Notify>;

    /// Changes whenever a job changed in this process.
    fn changes(&self) -> watch::Receiver<u64>;
}
