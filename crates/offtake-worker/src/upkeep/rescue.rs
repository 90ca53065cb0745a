//! Takes jobs from workers that died.

use offtake_model::Result;

use crate::Shared;
use crate::settings::signed;

pub(super) async fn pass(worker: &Shared) -> Result<()> {
    let Shared { store, settings, metrics, .. } = worker;
    let jobs = store.jobs.rescue(settings.max_deaths, signed(settings.keep)).await?;
    metrics.rescued(jobs.len());
    for job in jobs {
        tracing::warn!(
            job_id = %job.id,
            org_id = %job.org,
            request_id = job.request_id.as_deref(),
            attempt = job.attempt,
            deaths = job.deaths,
            status = job.status.name(),
            "rescued from a worker that died"
        );
    }
    Ok(())
}
