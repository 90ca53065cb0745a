//! How a worker works. The binary's configuration fills this in; the defaults are the documented ones.

use std::path::PathBuf;
use std::time::Duration;

use offtake_model::format::Format;
use offtake_store::{Share, Take};

/// The settings of a worker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkerSettings {
    /// Jobs at once.
    pub slots: usize,
    /// How many of them one organization may have. `None`: all but one as soon as there is another organization, so that
    /// its first job finds a slot.
    pub slots_per_organization: Option<usize>,
    /// How long a lease holds without being extended.
    pub lease: Duration,
    /// How often a lease is extended.
    pub heartbeat: Duration,
    /// How often a running job looks whether it was cancelled.
    pub signal: Duration,
    /// How often leases that ran out are looked for.
    pub rescue_every: Duration,
    /// How often expired and orphaned files are looked for.
    pub sweep_every: Duration,
    /// How often schedules and deliveries are looked at.
    pub schedules_every: Duration,
    /// How often rows past their retention are looked for.
    pub prune_every: Duration,
    /// How often alert rules are judged.
    pub alerts_every: Duration,
    /// How often the queue is looked at when nobody says that a job is due.
    pub poll: Duration,
    /// Deaths in a row without a new checkpoint that make a job `poison`.
    pub max_deaths: u32,
    /// How long a finished file, and what a failed job left, is kept.
    pub keep: Duration,
    /// How long the rows of jobs at rest are kept.
    pub retention: Duration,
    /// How long performance rows are kept; never longer than their job.
    pub perf_retention: Duration,
    /// How long entries of the audit trail are kept.
    pub audit_retention: Duration,
    /// What of the installation wants a person.
    pub watch: WatchSettings,
    /// How long events are kept, and with them what a client can catch up on.
    pub event_retention: Duration,
    /// How long notifications that are over are kept, with their log.
    pub notification_retention: Duration,
    /// Notifications that are tried at once.
    pub notify_at_once: usize,
    /// How long one try may take.
    pub notify_deadline: Duration,
    /// The most memory a job may hold, in bytes; Parquet has a budget of its own.
    pub memory_budget: u64,
    /// The most memory a job may hold for Parquet, in bytes.
    pub memory_budget_parquet: u64,
    /// Bytes in a part, at least (whole frames).
    pub part_bytes: usize,
    /// Frames that are read and encoded at once. Fewer where the memory budget does not hold so many.
    pub in_flight: usize,
    /// Ranges that are read from the source at once.
    pub readers: usize,
    /// Bytes of rows that a frame should hold.
    pub frame_bytes: u64,
    /// The most rows in a frame.
    pub max_frame_rows: u32,
    /// How long a shutdown may take.
    pub drain: Duration,
    /// Where files are put together that cannot be written from front to back (xlsx); the folder must be there.
    pub spool_dir: PathBuf,
    /// The most bytes of it that one job may take.
    pub spool_limit: u64,
}

/// From when on something about the installation wants a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WatchSettings {
    /// How often it is looked at.
    pub every: Duration,
    /// The oldest due job waits for so long.
    pub queue_age: Duration,
    /// Storage has fewer bytes left.
    pub least_free: u64,
    /// The process uses so much of the memory it may use, in percent.
    pub memory_percent: u64,
    /// What was told is not told again so soon.
    pub cool_down: Duration,
}

impl Default for WatchSettings {
    fn default() -> Self {
        Self {
            every: Duration::from_secs(30),
            queue_age: Duration::from_secs(15 * 60),
            least_free: 1024 * MIB,
            memory_percent: 90,
            cool_down: Duration::from_secs(60 * 60),
        }
    }
}

const MIB: u64 = 1024 * 1024;
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

impl Default for WorkerSettings {
    fn default() -> Self {
        let in_flight = std::thread::available_parallelism().map_or(2, usize::from).max(2);
        Self {
            slots: 2,
            slots_per_organization: None,
            lease: Duration::from_secs(30),
            heartbeat: Duration::from_secs(10),
            signal: Duration::from_millis(500),
            rescue_every: Duration::from_secs(5),
            sweep_every: Duration::from_secs(30),
            schedules_every: Duration::from_secs(1),
            prune_every: Duration::from_secs(60 * 60),
            alerts_every: Duration::from_secs(2),
            poll: Duration::from_millis(500),
            max_deaths: 3,
            keep: DAY * 7,
            retention: DAY * 30,
            perf_retention: DAY * 30,
            audit_retention: DAY * 400,
            watch: WatchSettings::default(),
            event_retention: DAY * 7,
            notification_retention: DAY * 30,
            notify_at_once: 16,
            notify_deadline: Duration::from_secs(30),
            memory_budget: 64 * MIB,
            memory_budget_parquet: 128 * MIB,
            part_bytes: 8 * 1024 * 1024,
            in_flight,
            readers: in_flight,
            frame_bytes: 4 * MIB,
            max_frame_rows: 8192,
            drain: Duration::from_secs(25),
            spool_dir: PathBuf::from("/tmp"),
            spool_limit: 8 * 1024 * MIB,
        }
    }
}

impl WorkerSettings {
    /// The budget of a job that makes a file of this format, in bytes.
    pub fn budget_for(&self, format: Format) -> u64 {
        if format == Format::Parquet { self.memory_budget_parquet } else { self.memory_budget }
    }

    /// Which jobs it takes.
    pub(crate) fn take(&self) -> Take {
        let most = |slots: usize| u32::try_from(slots.max(1)).unwrap_or(u32::MAX);
        match self.slots_per_organization {
            Some(slots) => Take::Shared(Share { most: most(slots), even_alone: true }),
            None if self.slots > 1 => Take::Shared(Share { most: most(self.slots - 1), even_alone: false }),
            None => Take::Any,
        }
    }

    /// How long before the end of its lease a worker gives a job up that it could not extend.
    pub(crate) fn margin(&self) -> Duration {
        self.lease / 6
    }

    /// How long parts that are being stored may take after a shutdown was asked for; the rest of
    /// [`drain`](Self::drain) is for handing over.
    pub(crate) fn grace(&self) -> Duration {
        self.drain.mul_f64(0.6)
    }
}

/// A duration as the store takes it.
pub(crate) fn signed(duration: Duration) -> jiff::SignedDuration {
    jiff::SignedDuration::try_from(duration).unwrap_or(jiff::SignedDuration::MAX)
}
