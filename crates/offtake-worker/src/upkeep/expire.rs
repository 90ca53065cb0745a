//! Expires files whose time is over, and deletes bytes that are of no more use: object first, then state.

use offtake_model::Result;

use crate::Shared;

/// Files looked at in one go.
const BATCH: u32 = 100;

pub(super) async fn pass(worker: &Shared) -> Result<()> {
    let Shared { store, clock, metrics, .. } = worker;
    let expired = store.artifacts.expire_due(clock.now()).await?;
    if expired > 0 {
        tracing::info!(files = expired, "expired");
    }
    loop {
        let batch = store.artifacts.disposable(clock.now(), BATCH).await?;
        let whole = batch.len() < BATCH as usize;
        for artifact in batch {
            // If this fails, the row still says that there are bytes, and the next pass comes back.
            store.objects.delete(&artifact.key).await?;
            store.artifacts.mark_deleted(artifact.id).await?;
            metrics.swept();
            tracing::info!(
                job_id = %artifact.job,
                org_id = %artifact.org,
                attempt = artifact.attempt,
                state = artifact.state.name(),
                "file deleted"
            );
        }
        if whole {
            return Ok(());
        }
    }
}
