//! What a worker does while the job store is away: it keeps its job, and asks again.
//!
//! Called by the steps of an attempt, which the heartbeat stops when the lease can be kept no longer, and at its end,
//! when the last word on the job is to be said.

use std::time::Duration;

use offtake_model::{ErrorKind, Result};
use tokio::time::sleep;

/// The first pause between two tries, and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(2));

/// Tries `verb` until the store has an answer. For verbs that may be done twice.
pub(crate) async fn patiently<T, F: Future<Output = Result<T>>>(verb: impl Fn() -> F) -> Result<T> {
    let mut pause = PAUSES.0;
    loop {
        match verb().await {
            Err(error) if error.kind() == ErrorKind::StoreUnavailable => {
                tracing::warn!(%error, cause = ?error, pause_ms = pause.as_millis(), "the job store is away: waiting");
            }
            done => return done,
        }
        sleep(pause).await;
        pause = (pause * 2).min(PAUSES.1);
    }
}

/// The same for verbs that refuse to be done twice: what they find done was done by the try whose answer got lost,
/// since nobody else may write while this attempt holds the job.
pub(crate) async fn once_patiently<F: Future<Output = Result<()>>>(verb: impl Fn() -> F) -> Result<()> {
    match verb().await {
        Err(error) if error.kind() == ErrorKind::StoreUnavailable => {}
        done => return done,
    }
    sleep(PAUSES.0).await;
    match patiently(verb).await {
        Err(error) if error.kind() == ErrorKind::Conflict => Ok(()),
        done => done,
    }
}
