//! Waiting for a job to change: woken by this process, with polling behind it for what others do.

use std::time::Duration;

use offtake_model::Result;
use offtake_model::id::JobId;
use offtake_model::job::Job;
use offtake_store::JobScope;
use tokio::time::{Instant, sleep_until};

use crate::edge::Draining;
use crate::state::App;

/// Workers in other processes wake nobody here.
const POLL: Duration = Duration::from_millis(500);

/// What is left of the time a request may take for everything but waiting, at most.
const REST: Duration = Duration::from_secs(5);

/// A wait after which there is still time to answer with what is known then.
pub(crate) fn bounded(app: &App, wait: Duration) -> Duration {
    let timeout = app.settings.request_timeout;
    wait.min(timeout - REST.min(timeout / 4))
}

/// The job as soon as `enough` of it, or as it is when `limit` is over or the server shuts down.
///
/// # Errors
/// As `Jobs::get`.
pub(crate) async fn wait_for(
    app: &App,
    scope: &JobScope,
    id: JobId,
    limit: Duration,
    draining: &Draining,
    enough: impl Fn(&Job) -> bool,
) -> Result<Job> {
    let until = Instant::now() + limit;
    let mut changes = app.store.jobs.changes();
    loop {
        // Before looking, so that a change between the look and the wait is not missed.
        changes.mark_unchanged();
        let job = app.store.jobs.get(scope, id).await?;
        if enough(&job) || Instant::now() >= until || draining.0.is_cancelled() {
            return Ok(job);
        }
        tokio::select! {
            woken = changes.changed() => {
                // The sender is gone only when the store is: then polling is all there is.
                if woken.is_err() {
                    sleep_until(until.min(Instant::now() + POLL)).await;
                }
            }
            () = sleep_until(until.min(Instant::now() + POLL)) => {}
            () = draining.0.cancelled() => {}
        }
    }
}
