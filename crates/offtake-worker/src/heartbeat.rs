//! Keeps the lease of a running attempt, tells how far it is, and hears when it shall stop.
//!
//! The worker never relies on being told that its lease is gone: when the lease could not be extended in time
//! by the worker's own clock, it stops by itself before anybody else may start.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use offtake_model::job::{Job, Phase, Progress};
use offtake_model::permission::{Permission, withholds};
use offtake_model::sensitive::Sight;
use offtake_model::{Error, ErrorKind, Result};
use offtake_pipeline::Meter;
use offtake_store::{Lease, Signal};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until, timeout_at};
use tokio_util::sync::CancellationToken;

use crate::Shared;
use crate::settings::signed;

/// How far an attempt is; written by its steps, read by its heartbeat.
#[derive(Debug)]
pub(crate) struct Pulse {
    phase: AtomicUsize,
    rate: AtomicU64,
    floor: Progress,
    /// Whether the file that is made shows what only those may read who have `pii:read`.
    shows_sensitive: AtomicBool,
    /// Rows that were in the file before this attempt added any.
    found: AtomicU64,
    /// Rows and bytes, as the pipeline counts them.
    pub(crate) meter: Arc<Meter>,
}

impl Pulse {
    /// Progress never falls below `floor`: that of earlier attempts.
    pub(crate) fn new(floor: Progress) -> Self {
        let planning = Phase::ALL.iter().position(|phase| *phase == Phase::Planning).unwrap_or(0);
        Self {
            phase: AtomicUsize::new(planning),
            rate: AtomicU64::new(0f64.to_bits()),
            floor,
            shows_sensitive: AtomicBool::new(false),
            found: AtomicU64::new(0),
            meter: Arc::new(Meter::new()),
        }
    }

    /// The attempt goes on after so many rows. Said before the meter jumps to them, which is no progress.
    pub(crate) fn goes_on_after(&self, rows: u64) {
        self.found.store(rows, Ordering::Relaxed);
    }

    /// The file will show what is in sensitive columns: from now on the attempt ends when its owner may not read them.
    pub(crate) fn shows_sensitive(&self) {
        self.shows_sensitive.store(true, Ordering::Relaxed);
    }

    /// Rows this attempt added.
    fn added(&self) -> u64 {
        self.meter.rows().saturating_sub(self.found.load(Ordering::Relaxed))
    }

    pub(crate) fn enter(&self, phase: Phase) {
        let index = Phase::ALL.iter().position(|each| *each == phase).unwrap_or(0);
        self.phase.store(index, Ordering::Relaxed);
    }

    fn phase(&self) -> Phase {
        Phase::ALL.get(self.phase.load(Ordering::Relaxed)).copied().unwrap_or(Phase::Exporting)
    }

    pub(crate) fn progress(&self) -> Progress {
        Progress {
            rows: self.meter.rows().max(self.floor.rows),
            bytes: self.meter.bytes().max(self.floor.bytes),
            rows_per_second: f64::from_bits(self.rate.load(Ordering::Relaxed)),
        }
    }
}

/// The order to stop at once, with its reason.
#[derive(Debug, Default)]
pub(crate) struct Halt {
    reason: OnceLock<ErrorKind>,
    token: CancellationToken,
}

impl Halt {
    fn order(&self, reason: ErrorKind) {
        self.reason.get_or_init(|| reason);
        self.token.cancel();
    }

    /// Waits for the order and says why.
    pub(crate) async fn ordered(&self) -> Error {
        self.token.cancelled().await;
        match self.reason.get() {
            Some(ErrorKind::Cancelled) => Error::new(ErrorKind::Cancelled, "the job was cancelled"),
            Some(ErrorKind::Revoked) => revoked(),
            _ => Error::new(ErrorKind::LeaseLost, "the lease could not be kept"),
        }
    }
}

/// Whether `pii:read` is withheld from the owner of a job by now. What the owner could read when asking is in the spec. A
/// local export belongs to whoever runs it.
pub(crate) async fn sight(worker: &Shared, job: &Job) -> Result<Sight> {
    if job.pinned_to.is_some() {
        return Ok(Sight::Clear);
    }
    let standing = worker.store.principals.standing(&job.org, &job.owner).await?.standing;
    let withheld = withholds(&standing.withheld, &Permission::PiiRead);
    Ok(if withheld { Sight::Veiled } else { Sight::Clear })
}

/// What the owner of a job is told who may no longer have it.
pub(crate) fn revoked() -> Error {
    let detail = "whoever asked for this export may no longer have it: the account or API key is disabled, or a \
                  permission is withheld";
    Error::new(ErrorKind::Revoked, detail)
}

/// The heartbeat of one attempt.
#[derive(Debug)]
pub(crate) struct Heart {
    worker: Arc<Shared>,
    lease: Arc<Lease>,
    job: Job,
    pulse: Arc<Pulse>,
    halt: Arc<Halt>,
    /// The lease is ours until then, by our own clock.
    deadline: Instant,
    extended: Instant,
    told: Told,
    rate: Rate,
}

#[derive(Debug, PartialEq)]
struct Told {
    phase: Phase,
    rows: u64,
}

/// Progress is told at most this often.
const TELL_EVERY: Duration = Duration::from_secs(1);

impl Heart {
    /// The heartbeat of a lease that was asked for at `since`.
    pub(crate) fn new(
        worker: Arc<Shared>,
        (lease, job): (Arc<Lease>, Job),
        pulse: Arc<Pulse>,
        halt: Arc<Halt>,
        since: Instant,
    ) -> Self {
        let deadline = since + worker.settings.lease - worker.settings.margin();
        let told = Told { phase: Phase::Queued, rows: pulse.progress().rows };
        Self { worker, lease, job, pulse, halt, deadline, extended: since, told, rate: Rate::default() }
    }

    /// Beats until it orders a halt or is aborted. If it ends in any other way, that is a halt too: nobody
    /// would keep the lease.
    pub(crate) async fn beat(mut self) {
        let _halted_in_any_case = self.halt.token.clone().drop_guard();
        let mut ticks = interval(self.worker.settings.signal);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                () = sleep_until(self.deadline) => return self.overdue(),
                _ = ticks.tick() => {}
            }
            match timeout_at(self.deadline, self.look_up()).await {
                Err(_) => return self.overdue(),
                Ok(Ok(Signal::Continue)) => {}
                Ok(Ok(Signal::Cancelled)) => return self.halt.order(ErrorKind::Cancelled),
                Ok(Ok(Signal::Revoked)) => return self.halt.order(ErrorKind::Revoked),
                Ok(Ok(Signal::Lost)) => return self.halt.order(ErrorKind::LeaseLost),
                Ok(Err(error)) if matches!(error.kind(), ErrorKind::Cancelled | ErrorKind::LeaseLost) => {
                    return self.halt.order(error.kind());
                }
                Ok(Err(error)) => tracing::warn!(%error, cause = ?error, "the lease could not be looked up"),
            }
        }
    }

    fn overdue(&self) {
        tracing::warn!("the lease could not be extended in time: giving the job up");
        self.halt.order(ErrorKind::LeaseLost);
    }

    /// Extends the lease if it is time or there is news, else only looks.
    async fn look_up(&mut self) -> Result<Signal> {
        let now = Instant::now();
        let progress = self.measured(now);
        let news = Told { phase: self.pulse.phase(), rows: progress.rows };
        let since = now - self.extended;
        if since < self.worker.settings.heartbeat && (since < TELL_EVERY || news == self.told) {
            return self.in_sight(self.worker.store.jobs.signal(&self.lease).await?).await;
        }
        let extend = signed(self.worker.settings.lease);
        let signal = self.worker.store.jobs.heartbeat(&self.lease, news.phase, &progress, extend).await?;
        self.deadline = now + self.worker.settings.lease - self.worker.settings.margin();
        self.extended = now;
        self.told = news;
        self.in_sight(signal).await
    }

    /// The signal, unless the file shows what its owner may not read any more. It is no need of the job: begun after that
    /// it would have made a file that shows nothing.
    async fn in_sight(&self, signal: Signal) -> Result<Signal> {
        let shows = self.pulse.shows_sensitive.load(Ordering::Relaxed);
        let is_lost = shows && signal == Signal::Continue && sight(&self.worker, &self.job).await? == Sight::Veiled;
        Ok(if is_lost { Signal::Revoked } else { signal })
    }

    fn measured(&mut self, now: Instant) -> Progress {
        let rate = self.rate.after(now, self.pulse.added());
        self.pulse.rate.store(rate.to_bits(), Ordering::Relaxed);
        self.pulse.progress()
    }
}

/// Rows per second over the last seconds.
#[derive(Debug, Default)]
struct Rate {
    samples: VecDeque<(Instant, u64)>,
}

impl Rate {
    const WINDOW: Duration = Duration::from_secs(5);

    fn after(&mut self, now: Instant, rows: u64) -> f64 {
        self.samples.push_back((now, rows));
        while self.samples.len() > 2 && self.samples.get(1).is_some_and(|(at, _)| now - *at >= Self::WINDOW) {
            self.samples.pop_front();
        }
        let Some((since, before)) = self.samples.front() else { return 0.0 };
        let seconds = (now - *since).as_secs_f64();
        if seconds > 0.0 { rows.saturating_sub(*before) as f64 / seconds } else { 0.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_rate_is_that_of_the_last_seconds() {
        let begin = Instant::now();
        let mut rate = Rate::default();
        assert!(rate.after(begin, 1000).abs() < f64::EPSILON);
        assert!((rate.after(begin + Duration::from_secs(1), 1100) - 100.0).abs() < 1e-9);
        for second in 2..=20 {
            rate.after(begin + Duration::from_secs(second), 1100);
        }
        assert!(rate.after(begin + Duration::from_secs(21), 1100).abs() < f64::EPSILON);
        assert!(rate.samples.len() <= 7, "{}", rate.samples.len());
    }
}
