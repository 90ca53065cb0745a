//! Deletes rows that have been at rest for long: of performance, and of jobs.

use offtake_model::Result;

use crate::Shared;
use crate::settings::signed;

pub(super) async fn pass(worker: &Shared) -> Result<()> {
    let Shared { store, settings, .. } = worker;
    let figures = store.jobs.prune_performance(signed(settings.perf_retention)).await?;
    let jobs = store.jobs.prune(signed(settings.retention)).await?;
    if jobs + figures > 0 {
        tracing::info!(jobs, figures, "rows past their retention deleted");
    }
    Ok(())
}
