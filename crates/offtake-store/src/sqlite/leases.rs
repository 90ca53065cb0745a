//! What workers do. Every statement that writes carries job, attempt and fence (law 2).

use std::sync::LazyLock;

use jiff::SignedDuration;
use offtake_model::ErrorKind;
use offtake_model::checkpoint::Checkpoint;
use offtake_model::format::extension;
use offtake_model::id::{ArtifactId, JobId};
use offtake_model::job::{Job, JobError, JobStatus, Phase, Progress, Transition};
use offtake_model::plan::Plan;
use offtake_model::receipt::Receipt;
use rusqlite::{Connection, OptionalExtension, params};

use super::events::of_damaged_job;
use super::fault::{Fault, Sql};
use super::requests::load;
use super::rows::{self, int, micros, real};
use crate::events::Fact;
use crate::jobs::{Claimed, JobUsage, Lease, Signal, Take, WorkerName};
use crate::principals::{self, STANDING, standing_joins};
use crate::refusals::{self, Hold, internal};

/// The oldest due job that is pinned to a worker.
pub(super) const NEXT_PINNED: &str =
    "SELECT id FROM jobs WHERE status = 'pending' AND pinned_to = ?2 AND run_at <= ?1 ORDER BY run_at, id LIMIT 1";

/// The oldest due job of the organization whose turn it is, which is out of turn for one whose worker died. It steps from one organization with pending jobs to the
/// next and looks at one job of each, however many there are.
pub(super) const NEXT_DUE: &str = "WITH RECURSIVE
     waiting (org) AS (
         SELECT (SELECT min(org) FROM jobs WHERE status = 'pending' AND pinned_to IS NULL)
         UNION ALL
         SELECT (SELECT min(jobs.org) FROM jobs
                 WHERE status = 'pending' AND pinned_to IS NULL AND jobs.org > waiting.org)
         FROM waiting WHERE waiting.org IS NOT NULL),
     heads (org, id) AS (
         SELECT waiting.org, (SELECT jobs.id FROM jobs WHERE status = 'pending' AND pinned_to IS NULL
                              AND jobs.org = waiting.org AND run_at <= ?1 ORDER BY run_at, jobs.id LIMIT 1)
         FROM waiting WHERE waiting.org IS NOT NULL)
     SELECT head.id FROM heads CROSS JOIN jobs AS head ON head.id = heads.id
     WHERE (NOT ?4 AND (SELECT min(org) FROM jobs) = (SELECT max(org) FROM jobs))
        OR (SELECT count(*) FROM jobs AS own
            WHERE own.status = 'processing' AND own.org = heads.org AND own.worker = ?2) < ?3
     ORDER BY head.deaths = 0,
              (SELECT count(*) FROM jobs AS any_ WHERE any_.status = 'processing' AND any_.org = heads.org),
              (SELECT max(claimed_at) FROM jobs AS served
               WHERE served.org = heads.org AND served.claimed_at IS NOT NULL) NULLS FIRST,
              head.run_at, head.id
     LIMIT 1";

/// Whether [`claim`] would find a job; asked first, because it needs no write lock.
pub(super) fn is_due(connection: &Connection, now: i64, worker: &WorkerName, take: Take) -> Sql<bool> {
    Ok(next_due(connection, now, worker, take)?.is_some())
}

fn next_due(connection: &Connection, now: i64, worker: &WorkerName, take: Take) -> Sql<Option<String>> {
    let pinned = rows::scalar(connection, NEXT_PINNED, params![now, worker.0])?;
    if pinned.is_some() || take == Take::Pinned {
        return Ok(pinned);
    }
    let share = take.share();
    rows::scalar(connection, NEXT_DUE, params![now, worker.0, share.most, share.even_alone])
}

pub(super) fn claim(
    tx: &Connection,
    now: i64,
    worker: &WorkerName,
    take: Take,
    lease: SignedDuration,
) -> Sql<(Option<Claimed>, Vec<Fact>)> {
    let next = JobStatus::Pending.after(Transition::Claim)?;
    let mut facts = Vec::new();
    while let Some(id) = next_due(tx, now, worker, take)? {
        let (attempt, fence): (i64, i64) = tx
            .prepare_cached(
                "UPDATE jobs SET status = ?2, attempt = attempt + 1, fence = fence + 1, worker = ?3, lease_until = ?4,
                                 started_at = coalesce(started_at, max(?5, created_at)), rows_per_second = 0,
                                 error_code = NULL, error_message = NULL, claimed_at = ?5,
                                 phase = iif(EXISTS (SELECT 1 FROM job_plans WHERE job = ?1), 'exporting', 'planning')
                 WHERE id = ?1 AND status = 'pending' RETURNING attempt, fence",
            )?
            .query_row(params![id, next.name(), worker.0, now.saturating_add(micros(lease)), now], |row| {
                Ok((row.get(0)?, row.get(1)?))
            })?;
        match claimed(tx, &id, worker, attempt, fence) {
            Ok(claimed) => {
                facts.push(Fact::of_job(&claimed.job));
                return Ok((Some(claimed), facts));
            }
            Err(Fault::Decided(error)) if error.kind() == ErrorKind::Internal => {
                park(tx, now, &id, &error)?;
                facts.extend(of_damaged_job(tx, &id)?);
            }
            Err(other) => return Err(other),
        }
    }
    Ok((None, facts))
}

fn claimed(tx: &Connection, id: &str, worker: &WorkerName, attempt: i64, fence: i64) -> Sql<Claimed> {
    let attempt = u32::try_from(attempt).map_err(|_| internal(format!("job {id}: attempt {attempt} is none")))?;
    let job = rows::first(tx, &format!("{} WHERE jobs.id = ?1", rows::JOBS), [id], rows::job)?
        .ok_or_else(|| refusals::job_gone(id))?;
    let plan: Option<Plan> =
        rows::first(tx, "SELECT job, plan FROM job_plans WHERE job = ?1", [id], |row| rows::json_of_job(row, "plan"))?;
    let checkpoint: Option<Checkpoint> =
        rows::first(tx, "SELECT job, checkpoint FROM job_checkpoints WHERE job = ?1", [id], |row| {
            rows::json_of_job(row, "checkpoint")
        })?;
    let lease = Lease { job: job.id, org: job.org.clone(), attempt, worker: worker.clone(), fence };
    Ok(Claimed { lease, job, plan, checkpoint })
}

/// A job that cannot be read would stand at the head of the queue for ever: it fails instead.
fn park(tx: &Connection, now: i64, id: &str, error: &offtake_model::Error) -> Sql<()> {
    tracing::error!(job_id = id, %error, "a job in the queue cannot be read; it fails");
    let failed = JobStatus::Processing.after(Transition::Fail)?;
    tx.prepare_cached(
        "UPDATE jobs SET status = ?2, phase = 'done', fence = fence + 1, worker = NULL, lease_until = NULL,
                         error_code = ?3, error_message = ?4, completed_at = max(?5, created_at), expires_at = ?5
         WHERE id = ?1",
    )?
    .execute(params![id, failed.name(), ErrorKind::Internal.code(), error.detail(), now])?;
    Ok(())
}

/// How a lease stands, and whether the job's owner may still have what it makes.
pub(super) fn signal(connection: &Connection, now: i64, hold: Hold) -> Sql<Signal> {
    let signal = lease(connection, hold)?;
    let revoked = signal == Signal::Continue && revoked(connection, now, hold)?.is_some();
    Ok(if revoked { Signal::Revoked } else { signal })
}

static OWNER: LazyLock<String> = LazyLock::new(|| {
    format!(
        "SELECT jobs.owner, jobs.needs, jobs.pinned_to IS NOT NULL, {STANDING} FROM jobs {} WHERE jobs.id = ?1",
        standing_joins("jobs.org", "jobs.owner")
    )
});

/// Why the job's owner may no longer have it.
fn revoked(connection: &Connection, now: i64, hold: Hold) -> Sql<Option<String>> {
    let why = rows::first(connection, &OWNER, [hold.job.to_string()], |row| {
        let (owner, needs, pinned): (String, String, bool) = (row.get(0)?, row.get(1)?, row.get(2)?);
        Ok(refusals::revoked(&principals::stand(row, &owner, now)?.standing, &needs, pinned)?)
    })?;
    Ok(why.flatten())
}

/// How a lease stands.
fn lease(connection: &Connection, hold: Hold) -> Sql<Signal> {
    let row: Option<(String, i64, i64)> = connection
        .prepare_cached("SELECT status, attempt, fence FROM jobs WHERE id = ?1")?
        .query_row([hold.job.to_string()], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .optional()?;
    Ok(hold.stands(row))
}

/// Why a write found nothing to write to.
fn void(tx: &Connection, hold: Hold) -> Sql<Fault> {
    Ok(hold.void(lease(tx, hold)?).into())
}

/// The state after `transition`, if the lease still holds.
pub(super) fn step(tx: &Connection, hold: Hold, transition: Transition) -> Sql<JobStatus> {
    Ok(held(tx, hold)?.after(transition)?)
}

/// The state of the job, if the lease still holds.
pub(super) fn held(tx: &Connection, hold: Hold) -> Sql<JobStatus> {
    let name: Option<String> = rows::scalar(
        tx,
        "SELECT status FROM jobs WHERE id = ?1 AND attempt = ?2 AND fence = ?3",
        params![hold.job.to_string(), hold.attempt, hold.fence],
    )?;
    match name.as_deref().and_then(JobStatus::parse) {
        Some(status) => Ok(status),
        None => Err(void(tx, hold)?),
    }
}

/// A fenced write that changed nothing was void.
fn expect_one(tx: &Connection, hold: Hold, changed: usize) -> Sql<()> {
    if changed == 1 { Ok(()) } else { Err(void(tx, hold)?) }
}

pub(super) fn heartbeat(
    tx: &Connection,
    now: i64,
    hold: Hold,
    phase: Phase,
    progress: Progress,
    extend: SignedDuration,
) -> Sql<Signal> {
    let changed = tx
        .prepare_cached(
            "UPDATE jobs SET lease_until = ?4, phase = ?5, rows_done = max(rows_done, ?6),
                             bytes_done = max(bytes_done, ?7), rows_per_second = ?8
             WHERE id = ?1 AND attempt = ?2 AND fence = ?3 AND status = 'processing'",
        )?
        .execute(params![
            hold.job.to_string(),
            hold.attempt,
            hold.fence,
            now.saturating_add(micros(extend)),
            phase.name(),
            int(progress.rows),
            int(progress.bytes),
            real(progress.rows_per_second),
        ])?;
    if changed == 1 { signal(tx, now, hold) } else { lease(tx, hold) }
}

pub(super) fn save_plan(tx: &Connection, hold: Hold, plan: &str, matching: u64, expected: u64) -> Sql<()> {
    let changed = tx
        .prepare_cached(
            "UPDATE jobs SET rows_matching = ?4, rows_expected = ?5, phase = 'exporting'
             WHERE id = ?1 AND attempt = ?2 AND fence = ?3 AND status = 'processing'",
        )?
        .execute(params![hold.job.to_string(), hold.attempt, hold.fence, int(matching), int(expected)])?;
    expect_one(tx, hold, changed)?;
    // A second plan would move the frame boundaries under the bytes that are already there (law 3).
    let stored = tx
        .prepare_cached("INSERT INTO job_plans (job, plan) VALUES (?1, ?2) ON CONFLICT (job) DO NOTHING")?
        .execute(params![hold.job.to_string(), plan])?;
    if stored == 0 {
        return Err(refusals::planned_already(hold.job).into());
    }
    Ok(())
}

pub(super) fn save_checkpoint(tx: &Connection, hold: Hold, checkpoint: &Checkpoint, progress: Progress) -> Sql<()> {
    // Only what reaches further than ever before proves that the job gets on: an attempt that copies the
    // bytes of the last one, says so, and dies on the same row must count as another death.
    let changed = tx
        .prepare_cached(
            "UPDATE jobs SET deaths = iif(?4 > furthest_rows, 0, deaths), failures = iif(?4 > furthest_rows, 0, failures),
                             furthest_rows = max(furthest_rows, ?4), rows_done = max(rows_done, ?5),
                             bytes_done = max(bytes_done, ?6), rows_per_second = ?7
             WHERE id = ?1 AND attempt = ?2 AND fence = ?3 AND status = 'processing'",
        )?
        .execute(params![
            hold.job.to_string(),
            hold.attempt,
            hold.fence,
            int(checkpoint.written.rows),
            int(progress.rows),
            int(progress.bytes),
            real(progress.rows_per_second),
        ])?;
    expect_one(tx, hold, changed)?;
    let stored = tx
        .prepare_cached(
            "INSERT INTO job_checkpoints (job, artifact, checkpoint)
             SELECT job, id, ?3 FROM artifacts WHERE id = ?2 AND job = ?1 AND state = 'staged'
             ON CONFLICT (job) DO UPDATE SET artifact = excluded.artifact, checkpoint = excluded.checkpoint",
        )?
        .execute(params![hold.job.to_string(), checkpoint.artifact.to_string(), rows::to_json(checkpoint)?])?;
    if stored == 0 {
        return Err(refusals::nothing_to_checkpoint(hold.job, checkpoint.artifact).into());
    }
    Ok(())
}

/// Plan and checkpoint go; the caller has checked that it may.
pub(super) fn forget(tx: &Connection, job: JobId) -> Sql<()> {
    tx.prepare_cached("DELETE FROM job_plans WHERE job = ?1")?.execute([job.to_string()])?;
    tx.prepare_cached("DELETE FROM job_checkpoints WHERE job = ?1")?.execute([job.to_string()])?;
    Ok(())
}

pub(super) fn forget_plan(tx: &Connection, hold: Hold) -> Sql<()> {
    let changed = tx
        .prepare_cached(
            "UPDATE jobs SET rows_matching = NULL, rows_expected = NULL, phase = 'planning'
             WHERE id = ?1 AND attempt = ?2 AND fence = ?3 AND status = 'processing'",
        )?
        .execute(params![hold.job.to_string(), hold.attempt, hold.fence])?;
    expect_one(tx, hold, changed)?;
    forget(tx, hold.job)
}

pub(super) fn complete(
    tx: &Connection,
    now: i64,
    hold: Hold,
    artifact: ArtifactId,
    receipt: &Receipt,
    usage: &JobUsage,
    keep: SignedDuration,
) -> Sql<Job> {
    let next = step(tx, hold, Transition::Complete)?;
    if let Some(message) = revoked(tx, now, hold)? {
        forget(tx, hold.job)?;
        return fail(tx, now, hold, &JobError { code: ErrorKind::Revoked, message }, keep);
    }
    let changed = tx
        .prepare_cached(
            "UPDATE jobs SET status = ?4, phase = 'done', fence = fence + 1, worker = NULL, lease_until = NULL,
                             rows_done = ?5, bytes_done = ?6, rows_per_second = 0, error_code = NULL,
                             error_message = NULL, completed_at = max(?7, created_at), expires_at = ?8
             WHERE id = ?1 AND attempt = ?2 AND fence = ?3",
        )?
        .execute(params![
            hold.job.to_string(),
            hold.attempt,
            hold.fence,
            next.name(),
            int(receipt.rows_written),
            int(receipt.bytes),
            now,
            now.saturating_add(micros(keep)),
        ])?;
    expect_one(tx, hold, changed)?;
    publish(tx, hold, artifact, receipt)?;
    forget(tx, hold.job)?;
    let job = load(tx, hold.job)?;
    record_performance(tx, &job, receipt, usage)?;
    Ok(job)
}

fn publish(tx: &Connection, hold: Hold, artifact: ArtifactId, receipt: &Receipt) -> Sql<()> {
    let changed = tx
        .prepare_cached(
            "UPDATE artifacts SET state = 'ready', bytes = ?4, sha256 = ?5, receipt = ?6
             WHERE id = ?1 AND job = ?2 AND attempt = ?3 AND state = 'staged'",
        )?
        .execute(params![
            artifact.to_string(),
            hold.job.to_string(),
            hold.attempt,
            int(receipt.bytes),
            receipt.sha256,
            rows::to_json(receipt)?,
        ])?;
    if changed == 1 {
        return Ok(());
    }
    Err(refusals::nothing_to_publish(hold, artifact).into())
}

fn record_performance(tx: &Connection, job: &Job, receipt: &Receipt, usage: &JobUsage) -> Sql<()> {
    let [frame_ms_p50, frame_ms_p95, frame_ms_max] = usage.frame_ms.map(real);
    let [frame_bytes_p50, frame_bytes_p95, frame_bytes_max] = usage.frame_bytes.map(int);
    tx.prepare_cached(
        "INSERT INTO performance (job, org, dataset, format, completed_at, rows_done, bytes_done, duration_ms,
                                  frame_ms_p50, frame_ms_p95, frame_ms_max,
                                  frame_bytes_p50, frame_bytes_p95, frame_bytes_max, peak_memory)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)",
    )?
    .execute(params![
        job.id.to_string(),
        job.org.as_str(),
        receipt.dataset,
        extension(receipt.format, receipt.compression),
        job.completed_at.map(jiff::Timestamp::as_microsecond),
        int(receipt.rows_written),
        int(receipt.bytes),
        int(usage.duration_ms),
        frame_ms_p50,
        frame_ms_p95,
        frame_ms_max,
        frame_bytes_p50,
        frame_bytes_p95,
        frame_bytes_max,
        int(usage.peak_memory),
    ])?;
    Ok(())
}

pub(super) fn fail(tx: &Connection, now: i64, hold: Hold, error: &JobError, keep: SignedDuration) -> Sql<Job> {
    let next = step(tx, hold, Transition::Fail)?;
    let changed = tx
        .prepare_cached(
            "UPDATE jobs SET status = ?4, phase = 'done', fence = fence + 1, worker = NULL, lease_until = NULL,
                             failures = failures + 1, rows_per_second = 0, error_code = ?5, error_message = ?6,
                             completed_at = max(?7, created_at), expires_at = ?8
             WHERE id = ?1 AND attempt = ?2 AND fence = ?3",
        )?
        .execute(params![
            hold.job.to_string(),
            hold.attempt,
            hold.fence,
            next.name(),
            error.code.code(),
            error.message,
            now,
            now.saturating_add(micros(keep)),
        ])?;
    expect_one(tx, hold, changed)?;
    load(tx, hold.job)
}

pub(super) fn postpone(tx: &Connection, now: i64, hold: Hold, error: &JobError, delay: SignedDuration) -> Sql<Job> {
    let next = step(tx, hold, Transition::Postpone)?;
    let changed = tx
        .prepare_cached(
            "UPDATE jobs SET status = ?4, phase = 'queued', fence = fence + 1, worker = NULL, lease_until = NULL,
                             failures = failures + 1, rows_per_second = 0, error_code = ?5, error_message = ?6,
                             run_at = ?7
             WHERE id = ?1 AND attempt = ?2 AND fence = ?3",
        )?
        .execute(params![
            hold.job.to_string(),
            hold.attempt,
            hold.fence,
            next.name(),
            error.code.code(),
            error.message,
            now.saturating_add(micros(delay)),
        ])?;
    expect_one(tx, hold, changed)?;
    load(tx, hold.job)
}

pub(super) fn release(tx: &Connection, hold: Hold) -> Sql<()> {
    let next = step(tx, hold, Transition::Release)?;
    // `run_at` stays: the job keeps its place in the queue.
    let changed = tx
        .prepare_cached(
            "UPDATE jobs SET status = ?4, phase = 'queued', fence = fence + 1, worker = NULL, lease_until = NULL,
                             rows_per_second = 0
             WHERE id = ?1 AND attempt = ?2 AND fence = ?3",
        )?
        .execute(params![hold.job.to_string(), hold.attempt, hold.fence, next.name()])?;
    expect_one(tx, hold, changed)
}
