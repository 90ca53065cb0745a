//! Deletes rows that have been at rest for long: of performance, of jobs, and of one-time tokens.

use jiff::SignedDuration;
use offtake_model::Result;

use crate::Shared;
use crate::settings::signed;

/// How long a token that is over is still known for what it was; afterwards it is only known to be over.
const TOKENS: SignedDuration = SignedDuration::from_hours(7 * 24);

pub(super) async fn pass(worker: &Shared) -> Result<()> {
    let Shared { store, settings, .. } = worker;
    let figures = store.jobs.prune_performance(signed(settings.perf_retention)).await?;
    let jobs = store.jobs.prune(signed(settings.retention)).await?;
    let tokens = store.tokens.prune_tokens(TOKENS).await?;
    if jobs + figures + tokens > 0 {
        tracing::info!(jobs, figures, tokens, "rows past their retention deleted");
    }
    Ok(())
}
