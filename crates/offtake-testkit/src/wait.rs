//! Waiting for something that another process does: by looking again until a deadline, never by a fixed pause.

use std::future::Future;
use std::time::{Duration, Instant};

/// Looks every few milliseconds until `look` finds something.
///
/// # Panics
/// After `limit`, with `what` and how long was waited.
pub async fn eventually<T, F>(what: &str, limit: Duration, mut look: impl FnMut() -> F) -> T
where
    F: Future<Output = Option<T>>,
{
    let began = Instant::now();
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(began.elapsed() < limit, "not within {limit:?}: {what}");
        tokio::time::sleep(Duration::from_millis(15)).await;
    }
}

/// The future's answer.
///
/// # Panics
/// After `limit`, with `what`.
pub async fn within<T>(what: &str, limit: Duration, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(limit, future).await {
        Ok(answer) => answer,
        Err(_) => panic!("not within {limit:?}: {what}"),
    }
}
