//! What Prometheus is told about a worker. How much waits and runs anywhere is for whoever answers `/metrics` to ask.

use offtake_model::receipt::Receipt;
use offtake_store::{Channel, JobUsage, Verdict};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

/// How an attempt ended.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Outcome {
    outcome: &'static str,
    dataset: String,
}

/// What a try to tell somebody came to.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Delivery {
    channel: &'static str,
    result: &'static str,
}

/// The metrics of a worker. Cloning shares them.
#[derive(Debug, Clone)]
pub struct WorkerMetrics {
    attempts: Family<Outcome, Counter>,
    rows: Counter,
    bytes: Counter,
    job_seconds: Histogram,
    frame_seconds: Histogram,
    active_slots: Gauge,
    rescues: Counter,
    lease_losses: Counter,
    checkpoints: Counter,
    swept: Counter,
    notifications: Family<Delivery, Counter>,
}

impl WorkerMetrics {
    /// Makes the metrics and registers them.
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self {
            attempts: Family::default(),
            rows: Counter::default(),
            bytes: Counter::default(),
            job_seconds: Histogram::new(exponential_buckets(0.05, 2.0, 18)),
            frame_seconds: Histogram::new(exponential_buckets(0.001, 2.0, 16)),
            active_slots: Gauge::default(),
            rescues: Counter::default(),
            lease_losses: Counter::default(),
            checkpoints: Counter::default(),
            swept: Counter::default(),
            notifications: Family::default(),
        };
        metrics.enter(registry.sub_registry_with_prefix("offtake"));
        metrics
    }

    fn enter(&self, registry: &mut Registry) {
        registry.register("attempts", "Attempts at jobs, by how they ended", self.attempts.clone());
        registry.register("exported_rows", "Rows in published files", self.rows.clone());
        registry.register("exported_bytes", "Bytes of published files", self.bytes.clone());
        registry.register("job_seconds", "From first claim to publication", self.job_seconds.clone());
        registry.register(
            "frame_p95_seconds",
            "The 95th percentile of a job's frames: read, shape, encode, compress",
            self.frame_seconds.clone(),
        );
        registry.register("active_slots", "Jobs this worker works on", self.active_slots.clone());
        registry.register("rescues", "Jobs taken from workers that died", self.rescues.clone());
        registry.register("lease_losses", "Leases this worker lost", self.lease_losses.clone());
        registry.register("checkpoints", "Checkpoints written", self.checkpoints.clone());
        registry.register("swept_objects", "Expired or orphaned objects deleted", self.swept.clone());
        let tries = self.notifications.clone();
        registry.register("notification_tries", "Tries to tell somebody something, by what they came to", tries);
    }

    /// A job takes a slot until the guard is dropped.
    pub(crate) fn slot(&self) -> Slot {
        self.active_slots.inc();
        Slot(self.active_slots.clone())
    }

    pub(crate) fn ended(&self, dataset: &str, outcome: &'static str) {
        self.attempts.get_or_create(&Outcome { outcome, dataset: dataset.to_owned() }).inc();
        if outcome == "lease_lost" {
            self.lease_losses.inc();
        }
    }

    pub(crate) fn published(&self, receipt: &Receipt, usage: &JobUsage) {
        self.rows.inc_by(receipt.rows_written);
        self.bytes.inc_by(receipt.bytes);
        self.job_seconds.observe(usage.duration_ms as f64 / 1000.0);
        let [_, p95, _] = usage.frame_ms;
        self.frame_seconds.observe(p95 / 1000.0);
    }

    pub(crate) fn checkpoint(&self) {
        self.checkpoints.inc();
    }

    pub(crate) fn rescued(&self, jobs: usize) {
        self.rescues.inc_by(jobs as u64);
    }

    pub(crate) fn tried(&self, channel: Channel, verdict: Verdict) {
        let result = match verdict {
            Verdict::Delivered => "delivered",
            Verdict::Again(_) => "again",
            Verdict::GiveUp => "failed",
        };
        self.notifications.get_or_create(&Delivery { channel: channel.name(), result }).inc();
    }

    pub(crate) fn swept(&self) {
        self.swept.inc();
    }
}

/// A slot in use.
#[derive(Debug)]
pub(crate) struct Slot(Gauge);

impl Drop for Slot {
    fn drop(&mut self) {
        self.0.dec();
    }
}
