//! What users ask for: every statement is scoped by organization here (law 8).

use offtake_model::id::{JobId, OrgId};
use offtake_model::job::{Job, JobStatus, Transition};
use offtake_model::limit::Allowance;
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, params, params_from_iter};

use super::fault::Sql;
use super::rows::{self, JOBS};
use crate::jobs::{Enqueued, Idempotency, JobFilter, JobPage, JobScope, NewJob, PerfRow, StatisticsRow};
use crate::limits::{Counted, Hour, JobLimits, first_of_the_hour, judge};
use crate::principals::to_words;
use crate::refusals;
use crate::rows::first_whole_day;

/// Jobs of a user that wait or run.
pub(super) const ACTIVE: &str = "SELECT count(*) FROM jobs
     WHERE org = ?1 AND owner = ?2 AND status IN ('pending', 'processing') AND pinned_to IS NULL";
/// The newest jobs of a user that were asked for within the hour.
pub(super) const HOUR_OF_USER: &str = "SELECT count(*), min(created_at) FROM (SELECT created_at FROM jobs
     WHERE org = ?1 AND owner = ?2 AND id >= ?3 AND pinned_to IS NULL ORDER BY id DESC LIMIT ?4)";
/// The same of an organization.
pub(super) const HOUR_OF_ORG: &str = "SELECT count(*), min(created_at) FROM (SELECT created_at FROM jobs
     WHERE org = ?1 AND id >= ?2 AND pinned_to IS NULL ORDER BY id DESC LIMIT ?3)";

pub(super) fn enqueue(tx: &Connection, now: i64, new: &NewJob) -> Sql<Enqueued> {
    let idempotency = new.idempotency.as_ref();
    if let Some(idempotency) = idempotency
        && let Some(job) = asked_before(tx, &new.org, &new.owner, idempotency)?
    {
        return Ok(Enqueued { job, created: false, allowances: Vec::new() });
    }
    let allowances = match new.pinned_to {
        None => allowed(tx, now, new.limits, &new.org, &new.owner, true)?,
        Some(_) => Vec::new(),
    };
    // Due by the database's clock: by the caller's, which may be a little ahead, a worker that is woken at
    // once would not find it.
    tx.prepare_cached(
        "INSERT INTO jobs (id, org, owner, owner_email, dataset, name, file_name, status, phase, request_id,
                           traceparent, idempotency_key, idempotency_fingerprint, pinned_to, created_at, run_at, needs)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 'pending', 'queued', ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)",
    )?
    .execute(params![
        new.id.to_string(),
        new.org.as_str(),
        new.owner,
        new.owner_email,
        new.spec.dataset,
        new.name,
        new.file_name,
        new.request_id,
        new.traceparent,
        idempotency.map(|idempotency| &idempotency.key),
        idempotency.map(|idempotency| &idempotency.fingerprint),
        new.pinned_to.as_ref().map(|worker| &worker.0),
        new.now.as_microsecond(),
        now,
        to_words(&new.needs)?,
    ])?;
    tx.prepare_cached("INSERT INTO job_specs (job, spec) VALUES (?1, ?2)")?
        .execute(params![new.id.to_string(), rows::spec_to_json(&new.spec)?])?;
    super::destinations::want(tx, now, new)?;
    let asked = |row: &rusqlite::Row<'_>| Ok(crate::rows::asked_job(row, new.spec.clone())?);
    let job = rows::first(tx, "SELECT * FROM jobs WHERE id = ?1", [new.id.to_string()], asked)?;
    let job = job.ok_or_else(|| refusals::job_gone(new.id))?;
    Ok(Enqueued { job, created: true, allowances })
}

pub(super) fn may_ask(tx: &Connection, now: i64, limits: JobLimits, org: &OrgId, owner: &str) -> Sql<()> {
    allowed(tx, now, limits, org, owner, true).map(drop)
}

/// How the limits stand with one more job. The transaction holds the write lock: nobody adds one meanwhile.
fn allowed(tx: &Connection, now: i64, limits: JobLimits, org: &OrgId, owner: &str, new: bool) -> Sql<Vec<Allowance>> {
    let mut counted = Counted::default();
    if limits.active > 0 {
        let active: Option<i64> = rows::scalar(tx, ACTIVE, params![org.as_str(), owner])?;
        counted.active = active.unwrap_or_default().unsigned_abs();
    }
    let first = first_of_the_hour(now);
    let hour = |row: &rusqlite::Row<'_>| -> Sql<Hour> {
        Ok(Hour { jobs: row.get::<_, i64>(0)?.unsigned_abs(), oldest: row.get(1)? })
    };
    if new && limits.per_hour > 0 {
        let asked = params![org.as_str(), owner, first, limits.per_hour];
        counted.user = rows::first(tx, HOUR_OF_USER, asked, hour)?.unwrap_or_default();
    }
    if new && limits.org_per_hour > 0 {
        let asked = params![org.as_str(), first, limits.org_per_hour];
        counted.org = rows::first(tx, HOUR_OF_ORG, asked, hour)?.unwrap_or_default();
    }
    Ok(judge(limits, counted, now, new)?)
}

pub(super) fn asked_before(
    connection: &Connection,
    org: &OrgId,
    owner: &str,
    idempotency: &Idempotency,
) -> Sql<Option<Job>> {
    let found: Option<(String, String)> = connection
        .prepare_cached(
            "SELECT id, idempotency_fingerprint FROM jobs WHERE org = ?1 AND owner = ?2 AND idempotency_key = ?3",
        )?
        .query_row(params![org.as_str(), owner, idempotency.key], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    match found {
        None => Ok(None),
        Some((_, fingerprint)) if fingerprint != idempotency.fingerprint => Err(refusals::another_body().into()),
        Some((id, _)) => rows::first(connection, &format!("{JOBS} WHERE jobs.id = ?1"), [id], rows::job),
    }
}

/// A job that must be there, whoever it belongs to.
pub(super) fn load(connection: &Connection, id: JobId) -> Sql<Job> {
    rows::first(connection, &format!("{JOBS} WHERE jobs.id = ?1"), [id.to_string()], rows::job)?
        .ok_or_else(|| refusals::job_gone(id).into())
}

pub(super) fn get(connection: &Connection, scope: &JobScope, id: JobId) -> Sql<Job> {
    let sql = format!("{JOBS} WHERE jobs.id = ?1 AND org = ?2 AND (?3 IS NULL OR owner = ?3)");
    rows::first(connection, &sql, params![id.to_string(), scope.org.as_str(), scope.owner], rows::job)?
        .ok_or_else(|| refusals::no_job(id).into())
}

pub(super) fn list(connection: &Connection, scope: &JobScope, filter: &JobFilter) -> Sql<JobPage> {
    let (mut condition, mut values) = conditions(scope, filter);
    let sql = format!("SELECT count(*) FROM jobs WHERE {condition}");
    let total: Option<i64> = rows::scalar(connection, &sql, params_from_iter(&values))?;

    if let Some(after) = filter.after {
        values.push(Value::Text(after.to_string()));
        condition.push_str(" AND jobs.id < ?");
    }
    values.push(Value::Integer(i64::from(filter.limit) + 1));
    values.push(Value::Integer(rows::int(filter.offset)));
    let sql = format!("{JOBS} WHERE {condition} ORDER BY jobs.id DESC LIMIT ? OFFSET ?");
    let mut jobs = rows::all(connection, &sql, params_from_iter(&values), rows::job)?;
    let has_more = jobs.len() > filter.limit as usize;
    jobs.truncate(filter.limit as usize);
    Ok(JobPage { jobs, total: total.and_then(|total| u64::try_from(total).ok()).unwrap_or_default(), has_more })
}

fn conditions(scope: &JobScope, filter: &JobFilter) -> (String, Vec<Value>) {
    let mut sql = String::from("org = ?");
    let mut values = vec![Value::Text(scope.org.as_str().to_owned())];
    let equal = [("owner", &scope.owner), ("dataset", &filter.dataset), ("request_id", &filter.request_id)];
    for (column, wanted) in equal {
        if let Some(wanted) = wanted {
            sql.push_str(&format!(" AND {column} = ?"));
            values.push(Value::Text(wanted.clone()));
        }
    }
    if !filter.status.is_empty() {
        let marks = vec!["?"; filter.status.len()].join(", ");
        sql.push_str(&format!(" AND status IN ({marks})"));
        values.extend(filter.status.iter().map(|status| Value::Text(status.name().to_owned())));
    }
    (sql, values)
}

/// The state of a job in the scope.
pub(super) fn status(connection: &Connection, scope: &JobScope, id: JobId) -> Sql<JobStatus> {
    let name: Option<String> = rows::scalar(
        connection,
        "SELECT status FROM jobs WHERE id = ?1 AND org = ?2 AND (?3 IS NULL OR owner = ?3)",
        params![id.to_string(), scope.org.as_str(), scope.owner],
    )?;
    let name = name.ok_or_else(|| refusals::no_job(id))?;
    JobStatus::parse(&name).ok_or_else(|| refusals::no_status(id, &name).into())
}

pub(super) fn cancel(tx: &Connection, now: i64, scope: &JobScope, id: JobId) -> Sql<Job> {
    let next = status(tx, scope, id)?.after(Transition::Cancel)?;
    tx.prepare_cached(
        "UPDATE jobs SET status = ?2, phase = 'done', fence = fence + 1, worker = NULL, lease_until = NULL,
                         rows_per_second = 0, completed_at = max(?3, created_at)
         WHERE id = ?1",
    )?
    .execute(params![id.to_string(), next.name(), now])?;
    super::leases::forget(tx, id)?;
    load(tx, id)
}

pub(super) fn retry(
    tx: &Connection,
    now: i64,
    scope: &JobScope,
    id: JobId,
    limits: JobLimits,
) -> Sql<(Job, Vec<Allowance>)> {
    let next = status(tx, scope, id)?.after(Transition::Retry)?;
    let job = load(tx, id)?;
    let allowances = match job.pinned_to {
        None => allowed(tx, now, limits, &job.org, &job.owner, false)?,
        Some(_) => Vec::new(),
    };
    let changed = tx
        .prepare_cached(
            "UPDATE jobs SET status = ?2, phase = 'queued', fence = fence + 1, failures = 0, deaths = 0,
                             furthest_rows = -1, error_code = NULL, error_message = NULL, run_at = ?3,
                             completed_at = NULL, expires_at = NULL
             WHERE id = ?1 AND (expires_at IS NULL OR expires_at > ?3)",
        )?
        .execute(params![id.to_string(), next.name(), now])?;
    if changed == 0 {
        return Err(refusals::no_longer_kept(id).into());
    }
    Ok((load(tx, id)?, allowances))
}

pub(super) fn recent_performance(connection: &Connection, org: &OrgId, limit: u32) -> Sql<Vec<PerfRow>> {
    rows::all(
        connection,
        "SELECT *, (SELECT max(started_at - created_at, 0) / 1000 FROM jobs WHERE id = job) AS queued_ms
         FROM performance WHERE org = ?1 ORDER BY completed_at DESC, job DESC LIMIT ?2",
        params![org.as_str(), limit],
        rows::performance,
    )
}

pub(super) fn statistics(connection: &Connection, org: &OrgId, since: i64) -> Sql<Vec<StatisticsRow>> {
    let sql = "SELECT dataset, status, sum(jobs), sum(rows_done), sum(bytes_done) FROM (
                   SELECT dataset, status, 1 AS jobs,
                          iif(status IN ('completed', 'expired'), rows_done, 0) AS rows_done,
                          iif(status IN ('completed', 'expired'), bytes_done, 0) AS bytes_done
                   FROM jobs WHERE org = ?1 AND created_at >= ?2
                   UNION ALL
                   SELECT dataset, status, jobs, rows_done, bytes_done FROM pruned_jobs WHERE org = ?1 AND day >= ?3)
               GROUP BY dataset, status ORDER BY dataset, status";
    rows::all(connection, sql, params![org.as_str(), since, first_whole_day(since)], |row| {
        let name: String = row.get(1)?;
        let count = |column: usize| -> Sql<u64> { Ok(row.get::<_, i64>(column)?.max(0).unsigned_abs()) };
        Ok(StatisticsRow {
            dataset: row.get(0)?,
            status: JobStatus::parse(&name)
                .ok_or_else(|| refusals::internal(format!("{name:?} is no state of a job")))?,
            jobs: count(2)?,
            rows: count(3)?,
            bytes: count(4)?,
        })
    })
}
