//! Leases jobs and turns them into files.
//!
//! Responsible for taking leases, working on jobs until they rest or are handed over, deciding what an error
//! means for a job ([`outcome`]), and for the upkeep of jobs and stored files. Not responsible for what a job
//! is or when a state may change (`offtake-model`, `offtake-store`), nor for rows (`offtake-datasets`) or
//! bytes (`offtake-pipeline`). Called by the binary, which runs a [`Worker`] beside or apart from the server.

#![forbid(unsafe_code)]

mod alerts;
mod attempt;
mod checkpoint;
mod delivery;
mod execute;
mod heartbeat;
mod metrics;
pub mod notify;
pub mod outcome;
mod patience;
mod poll;
mod receipt;
mod schedules;
mod settings;
mod upkeep;

pub use alerts::{AlertWatch, Passed};
pub use delivery::Deliveries;
pub use metrics::WorkerMetrics;
pub use offtake_pipeline::HashKey;
pub use settings::{WatchSettings, WorkerSettings};
pub use upkeep::Upkeep;

use std::sync::Arc;

use offtake_datasets::Catalog;
use offtake_datasets::spans::SpanTail;
use offtake_model::Result;
use offtake_model::clock::SharedClock;
use offtake_model::id::JobId;
use offtake_model::job::Job;
use offtake_store::{Channel, JobScope, Store, WorkerName};
use tokio_util::sync::CancellationToken;

use crate::notify::{Deliver, Deliverers};
use crate::outcome::Chance;

/// A process that takes leases: so many slots, one job in each.
#[derive(Debug, Clone)]
pub struct Worker {
    shared: Arc<Shared>,
}

/// What every part of a worker works with.
#[derive(Debug, Clone)]
struct Shared {
    store: Store,
    catalog: Arc<Catalog>,
    clock: SharedClock,
    name: WorkerName,
    settings: WorkerSettings,
    metrics: WorkerMetrics,
    chance: Chance,
    hash_key: Option<HashKey>,
    deliverers: Deliverers,
    deliveries: Option<Deliveries>,
    tail: Option<Arc<dyn SpanTail>>,
}

impl Worker {
    /// A worker called `name`. Nothing happens before [`run`](Self::run) or [`run_one`](Self::run_one).
    pub fn new(
        store: Store,
        catalog: Arc<Catalog>,
        clock: SharedClock,
        name: WorkerName,
        settings: WorkerSettings,
        metrics: WorkerMetrics,
    ) -> Self {
        let chance = Chance::system();
        let (hash_key, deliverers, deliveries, tail) = (None, Deliverers::new(), None, None);
        let shared =
            Shared { store, catalog, clock, name, settings, metrics, chance, hash_key, deliverers, deliveries, tail };
        Self { shared: Arc::new(shared) }
    }

    /// The same worker, which can make files in which columns are hashed.
    #[must_use]
    pub fn with_hash_key(self, key: HashKey) -> Self {
        let shared = Shared { hash_key: Some(key), ..(*self.shared).clone() };
        Self { shared: Arc::new(shared) }
    }

    /// The same worker, which delivers files to buckets of organizations' own.
    #[must_use]
    pub fn with_deliveries(self, deliveries: Deliveries) -> Self {
        let shared = Shared { deliveries: Some(deliveries), ..(*self.shared).clone() };
        Self { shared: Arc::new(shared) }
    }

    /// The same worker, which tells people by `channel` as `deliverer` does.
    #[must_use]
    pub fn with_deliverer(self, channel: Channel, deliverer: Arc<dyn Deliver>) -> Self {
        let mut shared = (*self.shared).clone();
        shared.deliverers.insert(channel, deliverer);
        Self { shared: Arc::new(shared) }
    }

    /// The same worker, which counts the spans of `tail` for alert rules.
    #[must_use]
    pub fn with_tail(self, tail: Arc<dyn SpanTail>) -> Self {
        let shared = Shared { tail: Some(tail), ..(*self.shared).clone() };
        Self { shared: Arc::new(shared) }
    }

    /// The same worker with its chance injected.
    #[must_use]
    pub fn with_chance(self, chance: Chance) -> Self {
        let shared = Shared { chance, ..(*self.shared).clone() };
        Self { shared: Arc::new(shared) }
    }

    /// Works on jobs, tells people and does the upkeep until `shutdown`; then hands its jobs over and returns within
    /// [`WorkerSettings::drain`].
    pub async fn run(self, shutdown: CancellationToken) {
        poll::run(self.shared, shutdown).await;
    }

    /// Works on one job that is pinned to this worker until it rests, waiting between its attempts. On
    /// `shutdown` the job is handed over and returned as it is: still active.
    ///
    /// # Errors
    /// `not_found` if the job is not in the scope; `store_unavailable`. That the job failed is no error: its
    /// state says so.
    pub async fn run_one(&self, scope: &JobScope, job: JobId, shutdown: &CancellationToken) -> Result<Job> {
        poll::run_one(&self.shared, scope, job, shutdown).await
    }

    /// Looks at the schedules once, for whoever wants to do that at a moment of their own; [`run`](Self::run) does it by
    /// itself.
    ///
    /// # Errors
    /// `store_unavailable`. What is wrong with a schedule is written down with it.
    pub async fn evaluate_schedules(&self) -> Result<()> {
        schedules::pass(&self.shared).await
    }

    /// Its upkeep, for whoever wants to do a pass at a moment of their own; [`run`](Self::run) does it by itself.
    pub fn upkeep(&self) -> Upkeep {
        Upkeep::new(Arc::clone(&self.shared))
    }
}
