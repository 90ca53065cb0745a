//! Expires files whose time is over, and deletes bytes that are of no more use: object first, then state.

use offtake_model::Result;
use offtake_store::Artifact;

use crate::Shared;

/// Files looked at in one go.
const BATCH: u32 = 100;

pub(super) async fn pass(worker: &Shared) -> Result<()> {
    let Shared { store, metrics, .. } = worker;
    let expired = store.artifacts.expire_due().await?;
    if expired > 0 {
        tracing::info!(files = expired, "expired");
    }
    loop {
        let batch = store.artifacts.disposable(BATCH).await?;
        let whole = batch.len() < BATCH as usize;
        let mut failure = None;
        for artifact in batch {
            match delete(worker, &artifact).await {
                Ok(()) => metrics.swept(),
                // One file that cannot be deleted does not keep the others.
                Err(error) => failure = Some(error),
            }
        }
        match failure {
            Some(error) => return Err(error),
            None if whole => return Ok(()),
            None => {}
        }
    }
}

/// If the object cannot be deleted, the row still says that there are bytes, and the next pass comes back.
async fn delete(worker: &Shared, artifact: &Artifact) -> Result<()> {
    worker.store.objects.delete(&artifact.key).await?;
    worker.store.artifacts.mark_deleted(artifact.id).await?;
    tracing::info!(
        job_id = %artifact.job,
        org_id = %artifact.org,
        attempt = artifact.attempt,
        state = artifact.state.name(),
        "file deleted"
    );
    Ok(())
}
