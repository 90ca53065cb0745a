//! What keeps jobs and stored files in order beside the work itself: rescue, expire, sweep, prune, and a look whether
//! something wants a person.
//!
//! Every pass is harmless when several workers do it at once, and after any of them failed. Rescue speaks to the job
//! store alone and has a task of its own: object storage that does not answer must not keep it waiting.

mod expire;
mod prune;
mod rescue;
mod sweep;
mod watch;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use offtake_model::Result;
use offtake_store::ObjectKey;
use tokio::time::{Interval, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::Shared;

/// The upkeep of one worker.
#[derive(Debug)]
pub struct Upkeep {
    worker: Arc<Shared>,
    /// Staged objects that no row knew of in the pass before.
    strays: HashSet<ObjectKey>,
    /// The newest head of the audit trail that was logged.
    told: Option<Timestamp>,
}

impl Upkeep {
    pub(crate) fn new(worker: Arc<Shared>) -> Self {
        Self { worker, strays: HashSet::new(), told: None }
    }

    /// Rescues until `shutdown`; a pass that has begun is not cut off by it but by the end of its caller.
    pub(crate) async fn rescue_until(self, shutdown: CancellationToken) {
        let mut ticks = every(self.worker.settings.rescue_every);
        loop {
            tokio::select! {
                biased;
                () = shutdown.cancelled() => return,
                _ = ticks.tick() => self.rescue().await,
            }
        }
    }

    /// Sweeps and prunes until `shutdown`, in the same way.
    pub(crate) async fn tidy_until(mut self, shutdown: CancellationToken) {
        let settings = &self.worker.settings;
        let (mut sweep, mut prune) = (every(settings.sweep_every), every(settings.prune_every));
        loop {
            tokio::select! {
                biased;
                () = shutdown.cancelled() => return,
                _ = sweep.tick() => self.sweep().await,
                _ = prune.tick() => self.prune().await,
            }
        }
    }

    /// Looks whether something wants a person until `shutdown`, which cuts a look off: storage that hangs holds nobody up.
    pub(crate) async fn watch_until(self, shutdown: CancellationToken) {
        let mut ticks = every(self.worker.settings.watch.every);
        let watch = async {
            loop {
                ticks.tick().await;
                self.watch().await;
            }
        };
        tokio::select! {
            () = shutdown.cancelled() => {}
            () = watch => {}
        }
    }

    /// Every kind of upkeep once. What cannot be done is logged and done by a later pass.
    pub async fn everything(&mut self) {
        self.rescue().await;
        self.sweep().await;
        self.prune().await;
        self.watch().await;
    }

    async fn watch(&self) {
        reported("watch", watch::pass(&self.worker).await);
    }

    async fn rescue(&self) {
        reported("rescue", rescue::pass(&self.worker).await);
    }

    async fn sweep(&mut self) {
        reported("expire", expire::pass(&self.worker).await);
        reported("sweep", sweep::pass(&self.worker, &mut self.strays).await);
    }

    async fn prune(&mut self) {
        reported("prune", prune::pass(&self.worker, &mut self.told).await);
    }
}

fn every(period: Duration) -> Interval {
    let mut ticks = interval(period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}

fn reported(pass: &'static str, result: Result<()>) {
    if let Err(error) = result {
        tracing::warn!(pass, %error, cause = ?error, "upkeep could not be done; the next pass tries again");
    }
}
