//! Random verbs in random order, against a model of jobs that fits on a screen.

use jiff::{SignedDuration, Timestamp};
use offtake_model::ErrorKind;
use offtake_model::id::{ArtifactId, JobId};
use offtake_model::job::{Job, JobStatus, Phase};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::given::*;
use crate::{ArtifactState, JobLimits, Lease, Signal, Take, WorkerName};

/// What is done. The numbers choose among the leases ever given and the jobs ever asked for.
#[derive(Debug, Clone)]
enum Verb {
    Enqueue,
    Claim(bool),
    With(usize, Held),
    Cancel(usize),
    Retry(usize),
    Rescue,
    Reclaim(bool),
    Expire,
    Pass(i64),
}

/// What is done with a lease.
#[derive(Debug, Clone)]
enum Held {
    Beat(u64),
    Checkpoint(usize),
    Complete,
    Fail,
    Postpone,
    Release,
}

fn verbs() -> impl Strategy<Value = Vec<Verb>> {
    let which = 0..60_usize;
    let held = prop_oneof![
        3 => (0..500_u64).prop_map(Held::Beat),
        6 => (0..6_usize).prop_map(Held::Checkpoint),
        1 => Just(Held::Complete),
        2 => Just(Held::Fail),
        2 => Just(Held::Postpone),
        2 => Just(Held::Release),
    ];
    let verb = prop_oneof![
        4 => Just(Verb::Enqueue),
        10 => any::<bool>().prop_map(Verb::Claim),
        15 => (which.clone(), held).prop_map(|(lease, held)| Verb::With(lease, held)),
        1 => which.clone().prop_map(Verb::Cancel),
        2 => which.prop_map(Verb::Retry),
        2 => Just(Verb::Rescue),
        3 => any::<bool>().prop_map(Verb::Reclaim),
        1 => Just(Verb::Expire),
        4 => (1..40_i64).prop_map(Verb::Pass),
        1 => Just(Verb::Pass(KEEP.as_secs())),
    ];
    proptest::collection::vec(verb, 1..100)
}

#[derive(Debug)]
struct Model {
    id: JobId,
    status: JobStatus,
    attempt: u32,
    fence: u32,
    failures: u32,
    deaths: u32,
    rows: u64,
    furthest: Option<u64>,
    run_at: Timestamp,
    holder: Option<(WorkerName, Timestamp)>,
    expires_at: Option<Timestamp>,
}

impl Model {
    /// Work ends, or somebody takes it away.
    fn leave(&mut self, status: JobStatus) {
        (self.status, self.holder) = (status, None);
        self.fence += 1;
    }

    fn die(&mut self, now: Timestamp) {
        self.deaths += 1;
        if self.deaths >= MAX_DEATHS {
            self.leave(JobStatus::Failed);
            self.expires_at = Some(now + KEEP);
        } else {
            self.leave(JobStatus::Pending);
        }
    }
}

/// A lease ever given, whatever became of it.
struct Given {
    lease: Lease,
    job: usize,
    fence: u32,
    artifact: ArtifactId,
}

struct World<'b> {
    b: &'b Backend,
    jobs: Vec<Model>,
    given: Vec<Given>,
}

fn name(first: bool) -> WorkerName {
    worker(if first { "w1" } else { "w2" })
}

impl World<'_> {
    /// The lease that was meant, a copy of it to spend, and why it would be refused.
    fn lease(&self, number: usize) -> Option<(usize, Lease, ArtifactId, Option<ErrorKind>)> {
        // Mostly one that holds: those that do not are soon the many.
        let holds = |given: &&Given| self.jobs[given.job].fence == given.fence;
        let held: Vec<&Given> = self.given.iter().filter(holds).collect();
        let given = match held.len() {
            some if some > 0 && !number.is_multiple_of(4) => held[number % some],
            _ => self.given.get(number % self.given.len().max(1))?,
        };
        let (job, lease) = (&self.jobs[given.job], &given.lease);
        let refused = if job.fence == given.fence {
            None
        } else if job.status == JobStatus::Cancelled && job.attempt == lease.attempt && job.fence == given.fence + 1 {
            Some(ErrorKind::Cancelled)
        } else {
            Some(ErrorKind::LeaseLost)
        };
        let copy = Lease {
            job: lease.job,
            org: lease.org.clone(),
            attempt: lease.attempt,
            worker: lease.worker.clone(),
            fence: lease.fence,
        };
        Some((given.job, copy, given.artifact, refused))
    }

    async fn claim(&mut self, first: bool) {
        let now = self.b.now();
        let due = |job: &&mut Model| job.status == JobStatus::Pending && job.run_at <= now;
        let expected = self.jobs.iter_mut().filter(due).min_by_key(|job| (job.run_at, job.id));
        let claimed = self.b.jobs.claim(&name(first), Take::Any, LEASE).await.unwrap();
        assert_eq!(claimed.as_ref().map(|claimed| claimed.job.id), expected.as_ref().map(|job| job.id));
        let (Some(claimed), Some(job)) = (claimed, expected) else { return };
        job.leave(JobStatus::Processing);
        job.attempt += 1;
        job.holder = Some((name(first), now + LEASE));
        let fence = job.fence;
        let artifact = self.b.staged(&claimed.lease).await.id;
        let job = self.jobs.iter().position(|job| job.id == claimed.job.id).unwrap();
        self.given.push(Given { lease: claimed.lease, job, fence, artifact });
    }

    async fn hold(&mut self, number: usize, verb: &Held) {
        let Some((at, lease, artifact, refused)) = self.lease(number) else { return };
        let (b, now) = (self.b, self.b.now());
        let job = &mut self.jobs[at];
        let error = because(ErrorKind::Timeout);
        let done: Option<ErrorKind> = match verb {
            Held::Beat(rows) => {
                let signal = b.jobs.heartbeat(&lease, Phase::Exporting, &progress(*rows), LEASE).await.unwrap();
                assert_eq!(b.jobs.signal(&lease).await.unwrap(), signal);
                match signal {
                    Signal::Continue => None,
                    Signal::Cancelled => Some(ErrorKind::Cancelled),
                    Signal::Revoked => Some(ErrorKind::Revoked),
                    Signal::Lost => Some(ErrorKind::LeaseLost),
                }
            }
            Held::Checkpoint(ranges) => {
                let checkpoint = checkpoint(artifact, *ranges);
                let progress = progress(checkpoint.written.rows);
                b.jobs.save_checkpoint(&lease, &checkpoint, &progress).await.err().map(|error| error.kind())
            }
            Held::Complete => {
                let receipt = b.receipt(&b.job(lease.job).await, 200);
                let done = b.jobs.complete(lease, artifact, &receipt, &usage(), KEEP).await;
                done.err().map(|error| error.kind())
            }
            Held::Fail => b.jobs.fail(lease, &error, KEEP).await.err().map(|error| error.kind()),
            Held::Postpone => {
                b.jobs.postpone(lease, &error, SignedDuration::from_secs(7)).await.err().map(|error| error.kind())
            }
            Held::Release => b.jobs.release(lease).await.err().map(|error| error.kind()),
        };
        assert_eq!(done, refused, "{verb:?} on {job:?}");
        if refused.is_some() {
            return;
        }
        match verb {
            Held::Beat(rows) => {
                job.rows = job.rows.max(*rows);
                if let Some((_, until)) = &mut job.holder {
                    *until = now + LEASE;
                }
            }
            Held::Checkpoint(ranges) => {
                let rows = *ranges as u64 * 64;
                if job.furthest.is_none_or(|furthest| rows > furthest) {
                    (job.furthest, job.deaths, job.failures) = (Some(rows), 0, 0);
                }
                job.rows = job.rows.max(rows);
            }
            Held::Complete => {
                job.leave(JobStatus::Completed);
                (job.rows, job.expires_at) = (200, Some(now + KEEP));
            }
            Held::Fail => {
                job.leave(JobStatus::Failed);
                (job.failures, job.expires_at) = (job.failures + 1, Some(now + KEEP));
            }
            Held::Postpone => {
                job.leave(JobStatus::Pending);
                (job.failures, job.run_at) = (job.failures + 1, now + SignedDuration::from_secs(7));
            }
            Held::Release => job.leave(JobStatus::Pending),
        }
    }

    async fn cancel(&mut self, number: usize) {
        let count = self.jobs.len().max(1);
        let Some(job) = self.jobs.get_mut(number % count) else { return };
        let done = self.b.jobs.cancel(&act(), &scope("acme"), job.id).await.map(|job| job.status);
        if job.status.is_active() {
            assert_eq!(done.unwrap(), JobStatus::Cancelled);
            job.leave(JobStatus::Cancelled);
        } else {
            assert_eq!(kind(done), ErrorKind::Conflict);
        }
    }

    async fn retry(&mut self, number: usize) {
        let (count, now) = (self.jobs.len().max(1), self.b.now());
        let Some(job) = self.jobs.get_mut(number % count) else { return };
        let done = self.b.jobs.retry(&act(), &scope("acme"), job.id, JobLimits::NONE).await.map(|(job, _)| job.status);
        if job.status != JobStatus::Failed {
            assert_eq!(kind(done), ErrorKind::Conflict);
        } else if job.expires_at <= Some(now) {
            assert_eq!(kind(done), ErrorKind::Gone);
        } else {
            assert_eq!(done.unwrap(), JobStatus::Pending);
            job.leave(JobStatus::Pending);
            (job.failures, job.deaths, job.furthest) = (0, 0, None);
            (job.run_at, job.expires_at) = (now, None);
        }
    }

    async fn rescue(&mut self, of: Option<WorkerName>) {
        let now = self.b.now();
        let rescued = match &of {
            None => self.b.jobs.rescue(MAX_DEATHS, KEEP).await,
            Some(worker) => self.b.jobs.reclaim(worker, MAX_DEATHS, KEEP).await,
        };
        let mut expected = Vec::new();
        for job in &mut self.jobs {
            let Some((holder, until)) = &job.holder else { continue };
            if of.as_ref().map_or(*until < now, |worker| holder == worker) {
                expected.push(job.id);
                job.die(now);
            }
        }
        let mut rescued: Vec<_> = rescued.unwrap().iter().map(|job| job.id).collect();
        rescued.sort();
        expected.sort();
        assert_eq!(rescued, expected);
    }

    /// The sweep: what is over expires, its bytes go, its job follows.
    async fn expire(&mut self) {
        let now = self.b.now();
        self.b.artifacts.expire_due().await.unwrap();
        for artifact in self.b.artifacts.disposable(1000).await.unwrap() {
            let job = self.jobs.iter().find(|job| job.id == artifact.job).unwrap();
            let writing = job.status == JobStatus::Processing && job.attempt == artifact.attempt;
            assert!(!writing, "{artifact:?} is being written");
            assert_eq!(
                artifact.state == ArtifactState::Expired,
                job.status == JobStatus::Completed && job.expires_at <= Some(now) && artifact.bytes.is_some()
            );
        }
    }

    async fn check(&self) {
        for model in &self.jobs {
            let job = self.b.job(model.id).await;
            let seen = |job: &Job| {
                (job.status, job.attempt, job.failures, job.deaths, job.progress.rows, job.run_at, job.expires_at)
            };
            let expected =
                (model.status, model.attempt, model.failures, model.deaths, model.rows, model.run_at, model.expires_at);
            assert_eq!(seen(&job), expected, "{model:?}");
        }
    }

    async fn run(&mut self, verbs: Vec<Verb>) {
        for verb in verbs {
            match &verb {
                Verb::Enqueue => {
                    let job = self.b.enqueued().await;
                    self.jobs.push(Model {
                        id: job.id,
                        status: JobStatus::Pending,
                        attempt: 0,
                        fence: 0,
                        failures: 0,
                        deaths: 0,
                        rows: 0,
                        furthest: None,
                        run_at: job.created_at,
                        holder: None,
                        expires_at: None,
                    });
                }
                Verb::Claim(first) => self.claim(*first).await,
                Verb::With(number, held) => self.hold(*number, held).await,
                Verb::Cancel(number) => self.cancel(*number).await,
                Verb::Retry(number) => self.retry(*number).await,
                Verb::Rescue => self.rescue(None).await,
                Verb::Reclaim(first) => self.rescue(Some(name(*first))).await,
                Verb::Expire => self.expire().await,
                Verb::Pass(seconds) => self.b.pass(SignedDuration::from_secs(*seconds)),
            }
            self.check().await;
        }
    }
}

pub(crate) fn random_verbs_do_what_the_model_says<K>(open: impl AsyncFn() -> (K, Backend)) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let config = Config { cases: 40, failure_persistence: None, ..Config::default() };
    TestRunner::new(config)
        .run(&verbs(), |verbs| {
            runtime.block_on(async {
                let (_keep, b) = open().await;
                World { b: &b, jobs: Vec::new(), given: Vec::new() }.run(verbs).await;
            });
            Ok(())
        })
        .unwrap();
}
