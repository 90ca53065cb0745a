//! Deletes staged objects that no row speaks for.
//!
//! A row is written before its object is begun, so such an object is what a worker left that came back after
//! its job had been settled and cleaned up without it.

use std::collections::HashSet;

use offtake_model::Result;
use offtake_store::ObjectKey;

use crate::Shared;

/// Deletes what was a stray in the pass before and is one still.
pub(super) async fn pass(worker: &Shared, strays: &mut HashSet<ObjectKey>) -> Result<()> {
    let Shared { store, metrics, .. } = worker;
    let staged = store.objects.staged().await?;
    let found: HashSet<ObjectKey> = store.artifacts.unknown(staged).await?.into_iter().collect();
    for key in found.intersection(strays) {
        store.objects.delete(key).await?;
        metrics.swept();
        tracing::info!(%key, "staged object without a row deleted");
    }
    *strays = found;
    Ok(())
}
