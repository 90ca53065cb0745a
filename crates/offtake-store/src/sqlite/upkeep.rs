//! What nobody asked for and somebody must do: jobs of dead workers, old rows, depth.

use jiff::SignedDuration;
use offtake_model::ErrorKind;
use offtake_model::job::{Job, JobStatus, Transition};
use rusqlite::{Connection, params};

use super::events::of_damaged_job;
use super::fault::Sql;
use super::rows::{self, JOBS, micros};
use crate::events::Fact;
use crate::jobs::{QueueDepth, WorkerName};
use crate::refusals;
use crate::rows::{DAY, first_kept_day};

/// Rows deleted in one transaction, so that a large clean-up does not keep the others waiting.
pub(super) const PRUNED_AT_ONCE: u32 = 500;

/// Jobs whose lease ran out.
pub(super) const OVERDUE: &str =
    "SELECT id, deaths FROM jobs WHERE status = 'processing' AND lease_until < ?1 ORDER BY lease_until, id";

/// Which jobs are taken from their workers.
pub(super) enum Dead {
    /// Those whose lease ran out.
    Overdue,
    /// Those a former life of this worker held.
    Of(WorkerName),
}

pub(super) fn rescue(
    tx: &Connection,
    now: i64,
    dead: &Dead,
    max_deaths: u32,
    keep: SignedDuration,
) -> Sql<(Vec<Job>, Vec<Fact>)> {
    let id_and_deaths = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?));
    let orphans: Vec<(String, i64)> = match dead {
        Dead::Overdue => rows::all(tx, OVERDUE, [now], id_and_deaths)?,
        Dead::Of(worker) => rows::all(
            tx,
            "SELECT id, deaths FROM jobs WHERE status = 'processing' AND worker = ?1 ORDER BY lease_until, id",
            [&worker.0],
            id_and_deaths,
        )?,
    };
    let mut rescued = Vec::with_capacity(orphans.len());
    let mut facts = Vec::with_capacity(orphans.len());
    for (id, deaths) in orphans {
        if deaths.saturating_add(1) >= i64::from(max_deaths) {
            poison(tx, now, &id, deaths.saturating_add(1), keep)?;
        } else {
            requeue(tx, &id)?;
        }
        // One row that cannot be read must not keep the others with their dead workers.
        match rows::first(tx, &format!("{JOBS} WHERE jobs.id = ?1"), [&id], rows::job) {
            Ok(job) => {
                facts.extend(job.as_ref().map(Fact::of_job));
                rescued.extend(job);
            }
            Err(super::fault::Fault::Decided(error)) => {
                tracing::error!(job_id = id, %error, "rescued, but cannot be read");
                facts.extend(of_damaged_job(tx, &id)?);
            }
            Err(other) => return Err(other),
        }
    }
    Ok((rescued, facts))
}

/// `run_at` stays: who has waited longest goes on first, also where a queue has grown meanwhile.
fn requeue(tx: &Connection, id: &str) -> Sql<()> {
    let next = JobStatus::Processing.after(Transition::Rescue)?;
    tx.prepare_cached(
        "UPDATE jobs SET status = ?2, phase = 'queued', fence = fence + 1, worker = NULL, lease_until = NULL,
                         deaths = deaths + 1, rows_per_second = 0
         WHERE id = ?1 AND status = 'processing'",
    )?
    .execute(params![id, next.name()])?;
    Ok(())
}

fn poison(tx: &Connection, now: i64, id: &str, deaths: i64, keep: SignedDuration) -> Sql<()> {
    let next = JobStatus::Processing.after(Transition::Fail)?;
    let message = refusals::poisoned(deaths);
    tx.prepare_cached(
        "UPDATE jobs SET status = ?2, phase = 'done', fence = fence + 1, worker = NULL, lease_until = NULL,
                         deaths = deaths + 1, rows_per_second = 0, error_code = ?3, error_message = ?4,
                         completed_at = max(?5, created_at), expires_at = ?6
         WHERE id = ?1 AND status = 'processing'",
    )?
    .execute(params![
        id,
        next.name(),
        ErrorKind::Poison.code(),
        message,
        now,
        now.saturating_add(micros(keep))
    ])?;
    Ok(())
}

/// Deletes at most [`PRUNED_AT_ONCE`] jobs that have been at rest for longer than `retention`; what belongs to them goes
/// along.
pub(super) fn prune(tx: &Connection, now: i64, retention: SignedDuration) -> Sql<u64> {
    let pruned = rows::all(
        tx,
        "DELETE FROM jobs WHERE id IN (
             SELECT id FROM jobs
             WHERE completed_at < ?1 AND status IN ('completed', 'failed', 'cancelled', 'expired')
               AND (status <> 'failed' OR expires_at IS NULL OR expires_at <= ?2)
               AND NOT EXISTS (SELECT 1 FROM artifacts WHERE artifacts.job = jobs.id AND state <> 'deleted')
             LIMIT ?3)
         RETURNING org, created_at, dataset, status, rows_done, bytes_done",
        params![now.saturating_sub(micros(retention)), now, PRUNED_AT_ONCE],
        |row| {
            let created_at: i64 = row.get(1)?;
            let key: Pruned = (row.get(0)?, created_at.div_euclid(DAY), row.get(2)?, row.get(3)?);
            Ok((key, row.get(4)?, row.get(5)?))
        },
    )?;
    for (key, rows_done, bytes_done) in &pruned {
        count_pruned(tx, key, *rows_done, *bytes_done)?;
    }
    tx.prepare_cached("DELETE FROM pruned_jobs WHERE day < ?1")?.execute([first_kept_day(now)])?;
    Ok(pruned.len() as u64)
}

/// Organization, day, dataset and state.
type Pruned = (String, i64, String, String);

/// Statistics go on counting a job whose row is gone.
fn count_pruned(tx: &Connection, (org, day, dataset, status): &Pruned, rows_done: i64, bytes_done: i64) -> Sql<()> {
    tx.prepare_cached(
        "INSERT INTO pruned_jobs (org, day, dataset, status, jobs, rows_done, bytes_done)
         VALUES (?1, ?2, ?3, ?4, 1, iif(?4 IN ('completed', 'expired'), ?5, 0),
                 iif(?4 IN ('completed', 'expired'), ?6, 0))
         ON CONFLICT DO UPDATE SET jobs = jobs + excluded.jobs, rows_done = rows_done + excluded.rows_done,
                                   bytes_done = bytes_done + excluded.bytes_done",
    )?
    .execute(params![org, day, dataset, status, rows_done, bytes_done])?;
    Ok(())
}

pub(super) fn prune_performance(tx: &Connection, now: i64, retention: SignedDuration) -> Sql<u64> {
    let before = now.saturating_sub(micros(retention));
    Ok(tx.prepare_cached("DELETE FROM performance WHERE completed_at < ?1")?.execute([before])? as u64)
}

pub(super) fn depth(connection: &Connection, now: i64) -> Sql<QueueDepth> {
    let count = |sql: &str| -> Sql<u64> {
        Ok(rows::scalar::<i64>(connection, sql, [])?.map(i64::unsigned_abs).unwrap_or_default())
    };
    // A pinned job may wait for days until its own process is started again; that is nobody's backlog.
    let oldest: Option<i64> = rows::scalar(
        connection,
        "SELECT run_at FROM jobs WHERE status = 'pending' AND run_at <= ?1 AND pinned_to IS NULL
         ORDER BY run_at LIMIT 1",
        [now],
    )?;
    Ok(QueueDepth {
        pending: count("SELECT count(*) FROM jobs WHERE status = 'pending'")?,
        processing: count("SELECT count(*) FROM jobs WHERE status = 'processing'")?,
        oldest_seconds: oldest.map_or(0.0, |run_at| SignedDuration::from_micros(now - run_at).as_secs_f64()),
    })
}
