//! Tells people what happened: takes notifications that are owed and hands them to the deliverer of their channel.
//!
//! Responsible for several at once and not too many, for a time limit, and for writing down what each try came to. Not
//! responsible for how something is delivered or when it is tried again (a [`Deliver`]er says that), nor for what is owed
//! to whom (`offtake-store`). Nothing about a job depends on any of it.

mod attempt;
pub mod mail;
mod webhook;

use std::collections::HashMap;
use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use offtake_model::Result;
use offtake_store::{Channel, Hint, Notification, Try};
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::Shared;
use crate::settings::signed;

pub use webhook::WebhookDeliverer;

/// The first pause when the store does not answer, and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(10));
/// How often the outbox is looked at when nobody says that something is owed.
const POLL: Duration = Duration::from_secs(1);
/// The shortest wait for what is due by our clock and not yet by the database's.
const SHORTEST: Duration = Duration::from_millis(10);

/// One way by which somebody is told.
#[async_trait]
pub trait Deliver: Send + Sync + Debug {
    /// Tries once. `notification.tries` is the number of this try, from 1; its id is the same for each of them.
    ///
    /// It is given [`WorkerSettings::notify_deadline`](crate::WorkerSettings::notify_deadline). One that takes longer, or
    /// panics, is tried again later.
    async fn deliver(&self, notification: &Notification) -> Try;
}

/// The ways there are.
pub(crate) type Deliverers = HashMap<Channel, Arc<dyn Deliver>>;

/// Delivers until `shutdown`, and then ends what has begun, as far as it does not take too long.
pub(crate) async fn run(worker: Arc<Shared>, shutdown: CancellationToken) {
    let hints = worker.store.events.hints();
    let mut running = JoinSet::new();
    let mut pause = PAUSES.0;
    while !shutdown.is_cancelled() {
        while running.try_join_next().is_some() {}
        let free = worker.settings.notify_at_once.max(1).saturating_sub(running.len());
        if free == 0 {
            tokio::select! {
                () = shutdown.cancelled() => {}
                _ = running.join_next() => {}
            }
            continue;
        }
        // Interest first, then the look: what is owed in between is not missed.
        let heard = hints.listen();
        let wait = match take(&worker, free, &mut running).await {
            Ok(0) => until_due(&worker).await,
            Ok(_) => Duration::ZERO,
            Err(error) => {
                tracing::warn!(%error, cause = ?error, pause_ms = pause.as_millis(), "the outbox does not answer");
                sleep_or(pause, &shutdown).await;
                pause = (pause * 2).min(PAUSES.1);
                continue;
            }
        };
        pause = PAUSES.0;
        if !wait.is_zero() {
            tokio::select! {
                () = owed(heard) => {}
                () = sleep_or(wait, &shutdown) => {}
            }
        }
    }
    let ended = async { while running.join_next().await.is_some() {} };
    if timeout(worker.settings.grace(), ended).await.is_err() {
        tracing::warn!("some notifications were not answered for in time; they are tried again");
        running.shutdown().await;
    }
}

/// Takes at most `most` and begins with them; how many there were.
async fn take(worker: &Arc<Shared>, most: usize, running: &mut JoinSet<()>) -> Result<usize> {
    let Shared { store, name, settings, .. } = &**worker;
    let most = u32::try_from(most).unwrap_or(u32::MAX);
    // Longer than a try may take, so that what it came to can still be written down.
    let lease = signed(settings.notify_deadline * 2);
    let taken = store.outbox.take_owed(name, most, lease).await?;
    let count = taken.len();
    for owed in taken {
        running.spawn(attempt::run(Arc::clone(worker), owed));
    }
    Ok(count)
}

/// How long nothing is due, as far as one can know: another process may add something, and clocks differ.
async fn until_due(worker: &Shared) -> Duration {
    let Ok(Some(due)) = worker.store.outbox.next_due().await else { return POLL };
    let wait = due.duration_since(worker.clock.now());
    Duration::try_from(wait).unwrap_or_default().clamp(SHORTEST, POLL)
}

/// Until somebody says that something is owed.
async fn owed(mut heard: Receiver<Hint>) {
    loop {
        match heard.recv().await {
            Ok(Hint::Event { owed: false, .. }) => {}
            Ok(_) | Err(RecvError::Lagged(_)) => return,
            Err(RecvError::Closed) => return std::future::pending().await,
        }
    }
}

async fn sleep_or(pause: Duration, shutdown: &CancellationToken) {
    tokio::select! {
        () = shutdown.cancelled() => {}
        () = sleep(pause) => {}
    }
}
