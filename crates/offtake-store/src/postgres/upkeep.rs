//! What nobody asked for and somebody must do: jobs of dead workers, old rows, depth.
//!
//! Several processes sweep at once; each takes the rows that nobody else is taking.

use jiff::SignedDuration;
use offtake_model::job::{Job, JobStatus, Transition};
use offtake_model::{ErrorKind, Result};
use offtake_postgres::Work;

use super::events::of_damaged_job;
use super::requests::load;
use super::rows::get;
use crate::events::Fact;
use crate::jobs::{QueueDepth, WorkerName};
use crate::refusals;
use crate::rows::{DAY, first_kept_day, micros};

/// Rows deleted in one transaction, so that a large clean-up does not keep the others waiting.
pub(super) const PRUNED_AT_ONCE: u32 = 500;

/// Jobs whose lease ran out.
pub(super) const OVERDUE: &str = "SELECT id, deaths FROM jobs WHERE status = 'processing' AND lease_until < $1
     ORDER BY lease_until, id FOR UPDATE SKIP LOCKED";

/// Jobs that a former life of a worker held. Whoever is changing one is waited for: it may be the former life's
/// last word.
const FORMER: &str = "SELECT id, deaths FROM jobs WHERE status = 'processing' AND worker = $1
     ORDER BY lease_until, id FOR UPDATE";

/// Which jobs are taken from their workers.
pub(super) enum Dead<'a> {
    /// Those whose lease ran out.
    Overdue,
    /// Those a former life of this worker held.
    Of(&'a WorkerName),
}

pub(super) async fn rescue(
    tx: &Work,
    now: i64,
    dead: &Dead<'_>,
    max_deaths: u32,
    keep: SignedDuration,
) -> Result<(Vec<Job>, Vec<Fact>)> {
    let orphans = match dead {
        Dead::Overdue => tx.rows(OVERDUE, &[&now]).await?,
        Dead::Of(worker) => tx.rows(FORMER, &[&worker.0]).await?,
    };
    let mut rescued = Vec::with_capacity(orphans.len());
    let mut facts = Vec::with_capacity(orphans.len());
    for row in orphans {
        let (id, deaths): (String, i64) = (get(&row, 0)?, get(&row, 1)?);
        let deaths = deaths.saturating_add(1);
        if deaths >= i64::from(max_deaths) {
            poison(tx, now, &id, deaths, keep).await?;
        } else {
            requeue(tx, &id).await?;
        }
        // One row that cannot be read must not keep the others with their dead workers.
        match load(tx, &id).await {
            Ok(job) => {
                facts.push(Fact::of_job(&job));
                rescued.push(job);
            }
            Err(error) if error.kind() == ErrorKind::Internal => {
                tracing::error!(job_id = id, %error, "rescued, but cannot be read");
                facts.extend(of_damaged_job(tx, &id).await?);
            }
            Err(other) => return Err(other),
        }
    }
    Ok((rescued, facts))
}

/// `run_at` stays: who has waited longest goes on first, also where a queue has grown meanwhile.
async fn requeue(tx: &Work, id: &str) -> Result<()> {
    let next = JobStatus::Processing.after(Transition::Rescue)?;
    tx.execute(
        "UPDATE jobs SET status = $2, phase = 'queued', fence = fence + 1, worker = NULL, lease_until = NULL,
                         deaths = deaths + 1, rows_per_second = 0
         WHERE id = $1 AND status = 'processing'",
        &[&id, &next.name()],
    )
    .await?;
    Ok(())
}

async fn poison(tx: &Work, now: i64, id: &str, deaths: i64, keep: SignedDuration) -> Result<()> {
    let next = JobStatus::Processing.after(Transition::Fail)?;
    tx.execute(
        "UPDATE jobs SET status = $2, phase = 'done', fence = fence + 1, worker = NULL, lease_until = NULL,
                         deaths = deaths + 1, rows_per_second = 0, error_code = $3, error_message = $4,
                         completed_at = greatest($5, created_at), expires_at = $6
         WHERE id = $1 AND status = 'processing'",
        &[
            &id,
            &next.name(),
            &ErrorKind::Poison.code(),
            &refusals::poisoned(deaths),
            &now,
            &now.saturating_add(micros(keep)),
        ],
    )
    .await?;
    Ok(())
}

/// Deletes at most [`PRUNED_AT_ONCE`] jobs that have been at rest for longer than `retention`; what belongs to them goes
/// along.
pub(super) async fn prune(work: &Work, now: i64, retention: SignedDuration) -> Result<u64> {
    // Statistics go on counting them. In one order, so that two that prune at once do not wait for each other.
    let sql = "WITH pruned AS (
             DELETE FROM jobs WHERE id IN (
                 SELECT id FROM jobs
                 WHERE completed_at < $1 AND status IN ('completed', 'failed', 'cancelled', 'expired')
                   AND (status <> 'failed' OR expires_at IS NULL OR expires_at <= $2)
                   AND NOT EXISTS (SELECT 1 FROM artifacts WHERE artifacts.job = jobs.id AND state <> 'deleted')
                 LIMIT $3 FOR UPDATE SKIP LOCKED)
             RETURNING org, created_at, dataset, status, rows_done, bytes_done),
         counted AS (
             INSERT INTO pruned_jobs AS known (org, day, dataset, status, jobs, rows_done, bytes_done)
             SELECT org, created_at / $4, dataset, status, count(*),
                    coalesce(sum(rows_done) FILTER (WHERE status IN ('completed', 'expired')), 0),
                    coalesce(sum(bytes_done) FILTER (WHERE status IN ('completed', 'expired')), 0)
             FROM pruned WHERE created_at / $4 >= $5 GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4
             ON CONFLICT (org, day, dataset, status) DO UPDATE
             SET jobs = known.jobs + excluded.jobs, rows_done = known.rows_done + excluded.rows_done,
                 bytes_done = known.bytes_done + excluded.bytes_done),
         forgotten AS (DELETE FROM pruned_jobs WHERE day < $5)
         SELECT count(*) FROM pruned";
    let before = now.saturating_sub(micros(retention));
    let found = work.first(sql, &[&before, &now, &i64::from(PRUNED_AT_ONCE), &DAY, &first_kept_day(now)]).await?;
    found.map_or(Ok(0), |row| Ok(get::<i64>(&row, 0)?.unsigned_abs()))
}

pub(super) async fn prune_performance(work: &Work, now: i64, retention: SignedDuration) -> Result<u64> {
    let before = now.saturating_sub(micros(retention));
    work.execute("DELETE FROM performance WHERE completed_at < $1", &[&before]).await
}

pub(super) async fn depth(work: &Work, now: i64) -> Result<QueueDepth> {
    // A pinned job may wait for days until its own process is started again; that is nobody's backlog.
    let sql = "SELECT (SELECT count(*) FROM jobs WHERE status = 'pending'),
                      (SELECT count(*) FROM jobs WHERE status = 'processing'),
                      (SELECT run_at FROM jobs WHERE status = 'pending' AND run_at <= $1 AND pinned_to IS NULL
                       ORDER BY run_at LIMIT 1)";
    let Some(row) = work.first(sql, &[&now]).await? else { return Ok(QueueDepth::default()) };
    let count = |column: usize| -> Result<u64> { Ok(get::<i64>(&row, column)?.unsigned_abs()) };
    let oldest: Option<i64> = get(&row, 2)?;
    Ok(QueueDepth {
        pending: count(0)?,
        processing: count(1)?,
        oldest_seconds: oldest.map_or(0.0, |run_at| SignedDuration::from_micros(now - run_at).as_secs_f64()),
    })
}
