//! What workers do. Every statement that writes carries job, attempt and fence (law 2).
//!
//! The fenced update comes first in each transaction: it locks the row of the job, and waits for whoever is changing
//! it; under READ COMMITTED its condition is then looked at again, so a fence that moved meanwhile is seen.

use std::sync::LazyLock;

use jiff::SignedDuration;
use offtake_model::checkpoint::Checkpoint;
use offtake_model::format::extension;
use offtake_model::id::{ArtifactId, JobId};
use offtake_model::job::{Job, JobError, JobStatus, Phase, Progress, Transition};
use offtake_model::receipt::Receipt;
use offtake_model::{Error, ErrorKind, Result};
use offtake_postgres::Work;
use serde::de::DeserializeOwned;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use super::events::of_damaged_job;
use super::requests::load;
use super::rows::get;
use crate::events::Fact;
use crate::jobs::{Claimed, JobUsage, Lease, Signal, Take, WorkerName};
use crate::principals::{self, STANDING, standing_joins};
use crate::refusals::{self, Hold, internal};
use crate::rows::{self, int, micros, real};

/// Whose turn it is, the first one first: an organization, or nobody in particular for what is pinned to the worker. It
/// is out of turn where the worker of the oldest job died.
/// It steps from one organization with pending jobs to the next and looks at one job of each, however many there are.
pub(super) const TURNS: &str = "WITH RECURSIVE
     clock AS MATERIALIZED (
         SELECT coalesce($1::bigint, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint) AS now),
     waiting AS (
         (SELECT org FROM jobs WHERE status = 'pending' AND pinned_to IS NULL AND NOT $3::boolean ORDER BY org LIMIT 1)
         UNION ALL
         SELECT (SELECT jobs.org FROM jobs WHERE status = 'pending' AND pinned_to IS NULL AND jobs.org > waiting.org
                 ORDER BY jobs.org LIMIT 1)
         FROM waiting WHERE waiting.org IS NOT NULL),
     turns AS (
         (SELECT NULL::text AS org, false AS lives, -1::bigint AS running, NULL::bigint AS served, run_at, id FROM jobs
          WHERE status = 'pending' AND pinned_to = $2 AND run_at <= (SELECT now FROM clock)
          ORDER BY run_at, id LIMIT 1)
         UNION ALL
         SELECT waiting.org, head.deaths = 0,
                (SELECT count(*) FROM jobs WHERE status = 'processing' AND jobs.org = waiting.org),
                (SELECT max(claimed_at) FROM jobs WHERE jobs.org = waiting.org AND claimed_at IS NOT NULL),
                head.run_at, head.id
         FROM waiting CROSS JOIN LATERAL (
             SELECT deaths, run_at, id FROM jobs
             WHERE status = 'pending' AND pinned_to IS NULL AND jobs.org = waiting.org
             AND run_at <= (SELECT now FROM clock) ORDER BY run_at, id LIMIT 1) AS head
         WHERE (NOT $5::boolean AND (SELECT min(org) FROM jobs) = (SELECT max(org) FROM jobs))
            OR (SELECT count(*) FROM jobs
                WHERE status = 'processing' AND jobs.org = waiting.org AND worker = $2) < $4::bigint)
     SELECT org FROM turns ORDER BY lives, running, served NULLS FIRST, run_at, id LIMIT 32";

/// The oldest due job of an organization that nobody else is taking.
pub(super) const NEXT_DUE: &str = "SELECT id FROM jobs
     WHERE status = 'pending' AND pinned_to IS NULL AND org = $2 AND run_at <= $1
     ORDER BY run_at, id LIMIT 1 FOR UPDATE SKIP LOCKED";

/// The oldest due job that is pinned to a worker.
pub(super) const NEXT_PINNED: &str = "SELECT id FROM jobs
     WHERE status = 'pending' AND pinned_to = $2 AND run_at <= $1
     ORDER BY run_at, id LIMIT 1 FOR UPDATE SKIP LOCKED";

/// Where [`claim`] looks for a job; nowhere, if there is none. Asked first, because it needs no transaction.
pub(super) async fn turns(
    work: &Work,
    injected: Option<i64>,
    worker: &WorkerName,
    take: Take,
) -> Result<Vec<Option<String>>> {
    let share = take.share();
    let pinned_only = take == Take::Pinned;
    let asked: [&(dyn ToSql + Sync); 5] =
        [&injected, &worker.0, &pinned_only, &i64::from(share.most), &share.even_alone];
    work.rows(TURNS, &asked).await?.iter().map(|row| get(row, 0)).collect()
}

pub(super) async fn claim(
    tx: &Work,
    now: i64,
    worker: &WorkerName,
    turns: &[Option<String>],
    lease: SignedDuration,
) -> Result<(Option<Claimed>, Vec<Fact>)> {
    let mut facts = Vec::new();
    for turn in turns {
        // What somebody else is taking is passed over; then it is the next one's turn.
        while let Some(id) = next_due(tx, now, worker, turn.as_deref()).await? {
            if let Some(claimed) = take(tx, now, &id, worker, lease).await? {
                facts.push(Fact::of_job(&claimed.job));
                return Ok((Some(claimed), facts));
            }
            facts.extend(of_damaged_job(tx, &id).await?);
        }
    }
    Ok((None, facts))
}

async fn next_due(tx: &Work, now: i64, worker: &WorkerName, org: Option<&str>) -> Result<Option<String>> {
    let row = match org {
        Some(org) => tx.first(NEXT_DUE, &[&now, &org]).await?,
        None => tx.first(NEXT_PINNED, &[&now, &worker.0]).await?,
    };
    row.map(|row| get(&row, 0)).transpose()
}

/// Takes a job whose row is locked; `None` if it cannot be read and failed therefore.
async fn take(tx: &Work, now: i64, id: &str, worker: &WorkerName, lease: SignedDuration) -> Result<Option<Claimed>> {
    let next = JobStatus::Pending.after(Transition::Claim)?;
    let until = now.saturating_add(micros(lease));
    let taken = tx
        .first(
            "UPDATE jobs SET status = $2, attempt = attempt + 1, fence = fence + 1, worker = $3, lease_until = $4,
                             started_at = coalesce(started_at, greatest($5, created_at)), rows_per_second = 0,
                             error_code = NULL, error_message = NULL, claimed_at = $5,
                             phase = CASE WHEN EXISTS (SELECT 1 FROM job_plans WHERE job = $1)
                                          THEN 'exporting' ELSE 'planning' END
             WHERE id = $1 AND status = 'pending' RETURNING attempt, fence",
            &[&id, &next.name(), &worker.0, &until, &now],
        )
        .await?
        .ok_or_else(|| refusals::job_gone(id))?;
    match claimed(tx, id, worker, get(&taken, 0)?, get(&taken, 1)?).await {
        Ok(claimed) => Ok(Some(claimed)),
        Err(error) if error.kind() == ErrorKind::Internal => park(tx, now, id, &error).await.map(|()| None),
        Err(other) => Err(other),
    }
}

async fn claimed(tx: &Work, id: &str, worker: &WorkerName, attempt: i64, fence: i64) -> Result<Claimed> {
    let attempt = u32::try_from(attempt).map_err(|_| internal(format!("job {id}: attempt {attempt} is none")))?;
    let job = load(tx, id).await?;
    let plan = json(tx, "SELECT job, plan FROM job_plans WHERE job = $1", id, "plan").await?;
    let checkpoint = json(tx, "SELECT job, checkpoint FROM job_checkpoints WHERE job = $1", id, "checkpoint").await?;
    let lease = Lease { job: job.id, org: job.org.clone(), attempt, worker: worker.clone(), fence };
    Ok(Claimed { lease, job, plan, checkpoint })
}

async fn json<T: DeserializeOwned>(tx: &Work, sql: &str, id: &str, column: &str) -> Result<Option<T>> {
    tx.first(sql, &[&id]).await?.map(|row| rows::json_of_job(&row, column)).transpose()
}

/// A job that cannot be read would stand at the head of the queue for ever: it fails instead.
async fn park(tx: &Work, now: i64, id: &str, error: &Error) -> Result<()> {
    tracing::error!(job_id = id, %error, "a job in the queue cannot be read; it fails");
    let failed = JobStatus::Processing.after(Transition::Fail)?;
    tx.execute(
        "UPDATE jobs SET status = $2, phase = 'done', fence = fence + 1, worker = NULL, lease_until = NULL,
                         error_code = $3, error_message = $4, completed_at = greatest($5, created_at), expires_at = $5
         WHERE id = $1",
        &[&id, &failed.name(), &ErrorKind::Internal.code(), &error.detail(), &now],
    )
    .await?;
    Ok(())
}

static OWNER: LazyLock<String> = LazyLock::new(|| {
    format!(
        "SELECT jobs.status, jobs.attempt, jobs.fence, jobs.owner, jobs.needs, jobs.pinned_to IS NOT NULL, {STANDING}
         FROM jobs {} WHERE jobs.id = $1",
        standing_joins("jobs.org", "jobs.owner")
    )
});

/// How a lease stands, and whether the job's owner may still have what it makes: one statement, because every job
/// asks twice a second.
pub(super) async fn signal(work: &Work, hold: Hold) -> Result<Signal> {
    let row = work.first(&OWNER, &[&hold.job.to_string()]).await?;
    let Some(row) = row else { return Ok(hold.stands(None)) };
    let signal = hold.stands(Some((get(&row, 0)?, get(&row, 1)?, get(&row, 2)?)));
    let revoked = signal == Signal::Continue && owner_revoked(&row)?.is_some();
    Ok(if revoked { Signal::Revoked } else { signal })
}

/// Why the job's owner may no longer have it.
async fn revoked(work: &Work, hold: Hold) -> Result<Option<String>> {
    let row = work.first(&OWNER, &[&hold.job.to_string()]).await?;
    row.map_or(Ok(None), |row| owner_revoked(&row))
}

fn owner_revoked(row: &Row) -> Result<Option<String>> {
    let (owner, needs): (String, String) = (get(row, 3)?, get(row, 4)?);
    // When the owner was noted says nothing here, so the moment does not matter.
    refusals::revoked(&principals::stand(row, &owner, 0)?.standing, &needs, get(row, 5)?)
}

/// How a lease stands.
async fn lease(work: &Work, hold: Hold) -> Result<Signal> {
    let sql = "SELECT status, attempt, fence FROM jobs WHERE id = $1";
    let row = work.first(sql, &[&hold.job.to_string()]).await?;
    let row = row.map(|row| Ok::<_, Error>((get(&row, 0)?, get(&row, 1)?, get(&row, 2)?))).transpose()?;
    Ok(hold.stands(row))
}

/// Why a write found nothing to write to.
async fn void(tx: &Work, hold: Hold) -> Result<Error> {
    Ok(hold.void(lease(tx, hold).await?))
}

/// A fenced write that changed nothing was void.
async fn expect_one(tx: &Work, hold: Hold, changed: u64) -> Result<()> {
    if changed == 1 { Ok(()) } else { Err(void(tx, hold).await?) }
}

/// The state of the job, if the lease still holds. Until the transaction ends, it does.
pub(super) async fn held(tx: &Work, hold: Hold) -> Result<JobStatus> {
    let sql = "SELECT status FROM jobs WHERE id = $1 AND attempt = $2 AND fence = $3 FOR UPDATE";
    let row = tx.first(sql, &[&hold.job.to_string(), &i64::from(hold.attempt), &hold.fence]).await?;
    let name: Option<String> = row.map(|row| get(&row, 0)).transpose()?;
    match name.as_deref().and_then(JobStatus::parse) {
        Some(status) => Ok(status),
        None => Err(void(tx, hold).await?),
    }
}

pub(super) async fn heartbeat(
    tx: &Work,
    now: i64,
    hold: Hold,
    phase: Phase,
    progress: Progress,
    extend: SignedDuration,
) -> Result<Signal> {
    let changed = tx
        .execute(
            "UPDATE jobs SET lease_until = $4, phase = $5, rows_done = greatest(rows_done, $6),
                             bytes_done = greatest(bytes_done, $7), rows_per_second = $8
             WHERE id = $1 AND attempt = $2 AND fence = $3 AND status = 'processing'",
            &[
                &hold.job.to_string(),
                &i64::from(hold.attempt),
                &hold.fence,
                &now.saturating_add(micros(extend)),
                &phase.name(),
                &int(progress.rows),
                &int(progress.bytes),
                &real(progress.rows_per_second),
            ],
        )
        .await?;
    if changed == 1 { signal(tx, hold).await } else { lease(tx, hold).await }
}

pub(super) async fn save_plan(tx: &Work, hold: Hold, plan: &str, matching: u64, expected: u64) -> Result<()> {
    let changed = tx
        .execute(
            "UPDATE jobs SET rows_matching = $4, rows_expected = $5, phase = 'exporting'
             WHERE id = $1 AND attempt = $2 AND fence = $3 AND status = 'processing'",
            &[&hold.job.to_string(), &i64::from(hold.attempt), &hold.fence, &int(matching), &int(expected)],
        )
        .await?;
    expect_one(tx, hold, changed).await?;
    // A second plan would move the frame boundaries under the bytes that are already there (law 3).
    let sql = "INSERT INTO job_plans (job, plan) VALUES ($1, $2) ON CONFLICT (job) DO NOTHING";
    match tx.execute(sql, &[&hold.job.to_string(), &plan]).await? {
        0 => Err(refusals::planned_already(hold.job)),
        _ => Ok(()),
    }
}

pub(super) async fn save_checkpoint(tx: &Work, hold: Hold, checkpoint: &Checkpoint, progress: Progress) -> Result<()> {
    // Only what reaches further than ever before proves that the job gets on: an attempt that copies the bytes of
    // the last one, says so, and dies on the same row must count as another death.
    let changed = tx
        .execute(
            "UPDATE jobs SET deaths = CASE WHEN $4 > furthest_rows THEN 0 ELSE deaths END,
                             failures = CASE WHEN $4 > furthest_rows THEN 0 ELSE failures END,
                             furthest_rows = greatest(furthest_rows, $4), rows_done = greatest(rows_done, $5),
                             bytes_done = greatest(bytes_done, $6), rows_per_second = $7
             WHERE id = $1 AND attempt = $2 AND fence = $3 AND status = 'processing'",
            &[
                &hold.job.to_string(),
                &i64::from(hold.attempt),
                &hold.fence,
                &int(checkpoint.written.rows),
                &int(progress.rows),
                &int(progress.bytes),
                &real(progress.rows_per_second),
            ],
        )
        .await?;
    expect_one(tx, hold, changed).await?;
    let stored = tx
        .execute(
            "INSERT INTO job_checkpoints (job, artifact, checkpoint)
             SELECT job, id, $3 FROM artifacts WHERE id = $2 AND job = $1 AND state = 'staged'
             ON CONFLICT (job) DO UPDATE SET artifact = excluded.artifact, checkpoint = excluded.checkpoint",
            &[&hold.job.to_string(), &checkpoint.artifact.to_string(), &rows::to_json(checkpoint)?],
        )
        .await?;
    if stored == 0 { Err(refusals::nothing_to_checkpoint(hold.job, checkpoint.artifact)) } else { Ok(()) }
}

/// Plan and checkpoint go; the caller has checked that it may.
pub(super) async fn forget(tx: &Work, job: JobId) -> Result<()> {
    tx.execute("DELETE FROM job_plans WHERE job = $1", &[&job.to_string()]).await?;
    tx.execute("DELETE FROM job_checkpoints WHERE job = $1", &[&job.to_string()]).await?;
    Ok(())
}

pub(super) async fn forget_plan(tx: &Work, hold: Hold) -> Result<()> {
    let changed = tx
        .execute(
            "UPDATE jobs SET rows_matching = NULL, rows_expected = NULL, phase = 'planning'
             WHERE id = $1 AND attempt = $2 AND fence = $3 AND status = 'processing'",
            &[&hold.job.to_string(), &i64::from(hold.attempt), &hold.fence],
        )
        .await?;
    expect_one(tx, hold, changed).await?;
    forget(tx, hold.job).await
}

pub(super) async fn complete(
    tx: &Work,
    now: i64,
    hold: Hold,
    artifact: ArtifactId,
    receipt: &Receipt,
    usage: &JobUsage,
    keep: SignedDuration,
) -> Result<Job> {
    let next = held(tx, hold).await?.after(Transition::Complete)?;
    if let Some(message) = revoked(tx, hold).await? {
        forget(tx, hold.job).await?;
        return fail(tx, now, hold, &JobError { code: ErrorKind::Revoked, message }, keep).await;
    }
    tx.execute(
        "UPDATE jobs SET status = $2, phase = 'done', fence = fence + 1, worker = NULL, lease_until = NULL,
                         rows_done = $3, bytes_done = $4, rows_per_second = 0, error_code = NULL,
                         error_message = NULL, completed_at = greatest($5, created_at), expires_at = $6
         WHERE id = $1",
        &[
            &hold.job.to_string(),
            &next.name(),
            &int(receipt.rows_written),
            &int(receipt.bytes),
            &now,
            &now.saturating_add(micros(keep)),
        ],
    )
    .await?;
    publish(tx, hold, artifact, receipt).await?;
    forget(tx, hold.job).await?;
    let job = load(tx, &hold.job.to_string()).await?;
    record_performance(tx, &job, receipt, usage).await?;
    Ok(job)
}

async fn publish(tx: &Work, hold: Hold, artifact: ArtifactId, receipt: &Receipt) -> Result<()> {
    let changed = tx
        .execute(
            "UPDATE artifacts SET state = 'ready', bytes = $4, sha256 = $5, receipt = $6
             WHERE id = $1 AND job = $2 AND attempt = $3 AND state = 'staged'",
            &[
                &artifact.to_string(),
                &hold.job.to_string(),
                &i64::from(hold.attempt),
                &int(receipt.bytes),
                &receipt.sha256,
                &rows::to_json(receipt)?,
            ],
        )
        .await?;
    if changed == 1 { Ok(()) } else { Err(refusals::nothing_to_publish(hold, artifact)) }
}

async fn record_performance(tx: &Work, job: &Job, receipt: &Receipt, usage: &JobUsage) -> Result<()> {
    let [frame_ms_p50, frame_ms_p95, frame_ms_max] = usage.frame_ms.map(real);
    let [frame_bytes_p50, frame_bytes_p95, frame_bytes_max] = usage.frame_bytes.map(int);
    tx.execute(
        "INSERT INTO performance (job, org, dataset, format, completed_at, rows_done, bytes_done, duration_ms,
                                  frame_ms_p50, frame_ms_p95, frame_ms_max,
                                  frame_bytes_p50, frame_bytes_p95, frame_bytes_max, peak_memory)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)",
        &[
            &job.id.to_string(),
            &job.org.as_str(),
            &receipt.dataset,
            &extension(receipt.format, receipt.compression),
            &job.completed_at.map(jiff::Timestamp::as_microsecond),
            &int(receipt.rows_written),
            &int(receipt.bytes),
            &int(usage.duration_ms),
            &frame_ms_p50,
            &frame_ms_p95,
            &frame_ms_max,
            &frame_bytes_p50,
            &frame_bytes_p95,
            &frame_bytes_max,
            &int(usage.peak_memory),
        ],
    )
    .await?;
    Ok(())
}

pub(super) async fn fail(tx: &Work, now: i64, hold: Hold, error: &JobError, keep: SignedDuration) -> Result<Job> {
    let next = held(tx, hold).await?.after(Transition::Fail)?;
    tx.execute(
        "UPDATE jobs SET status = $2, phase = 'done', fence = fence + 1, worker = NULL, lease_until = NULL,
                         failures = failures + 1, rows_per_second = 0, error_code = $3, error_message = $4,
                         completed_at = greatest($5, created_at), expires_at = $6
         WHERE id = $1",
        &[
            &hold.job.to_string(),
            &next.name(),
            &error.code.code(),
            &error.message,
            &now,
            &now.saturating_add(micros(keep)),
        ],
    )
    .await?;
    load(tx, &hold.job.to_string()).await
}

pub(super) async fn postpone(tx: &Work, now: i64, hold: Hold, error: &JobError, delay: SignedDuration) -> Result<Job> {
    let next = held(tx, hold).await?.after(Transition::Postpone)?;
    tx.execute(
        "UPDATE jobs SET status = $2, phase = 'queued', fence = fence + 1, worker = NULL, lease_until = NULL,
                         failures = failures + 1, rows_per_second = 0, error_code = $3, error_message = $4, run_at = $5
         WHERE id = $1",
        &[&hold.job.to_string(), &next.name(), &error.code.code(), &error.message, &now.saturating_add(micros(delay))],
    )
    .await?;
    load(tx, &hold.job.to_string()).await
}

pub(super) async fn release(tx: &Work, hold: Hold) -> Result<()> {
    let next = held(tx, hold).await?.after(Transition::Release)?;
    // `run_at` stays: the job keeps its place in the queue.
    tx.execute(
        "UPDATE jobs SET status = $2, phase = 'queued', fence = fence + 1, worker = NULL, lease_until = NULL,
                         rows_per_second = 0
         WHERE id = $1",
        &[&hold.job.to_string(), &next.name()],
    )
    .await?;
    Ok(())
}
