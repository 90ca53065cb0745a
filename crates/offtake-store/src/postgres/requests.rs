//! What users ask for: every statement is scoped by organization here (law 8).

use std::fmt::Write as _;
use std::sync::LazyLock;

use offtake_model::Result;
use offtake_model::id::{JobId, OrgId};
use offtake_model::job::{Job, JobStatus, Transition};
use offtake_model::limit::Allowance;
use offtake_postgres::Work;
use tokio_postgres::types::ToSql;

use super::rows::{JOB_COLUMNS, JOB_TABLES, get};
use crate::jobs::{Enqueued, Idempotency, JobFilter, JobPage, JobScope, NewJob, PerfRow, StatisticsRow};
use crate::limits::{Counted, Hour, JobLimits, first_of_the_hour, judge};
use crate::principals::to_words;
use crate::refusals;
use crate::rows::{self, first_whole_day, int};

/// What a user has under way, and what user and organization asked for within the hour: the newest of it, as many as
/// the limits.
pub(super) const COUNTED: &str = "SELECT
     (SELECT count(*) FROM jobs WHERE org = $1 AND owner = $2 AND status IN ('pending', 'processing')
      AND pinned_to IS NULL AND $6::boolean),
     users.jobs, users.oldest, orgs.jobs, orgs.oldest
     FROM (SELECT count(*) AS jobs, min(created_at) AS oldest FROM (
               SELECT created_at FROM jobs WHERE org = $1 AND owner = $2 AND id >= $3 AND pinned_to IS NULL
               ORDER BY id DESC LIMIT $4::bigint) AS newest) AS users,
          (SELECT count(*) AS jobs, min(created_at) AS oldest FROM (
               SELECT created_at FROM jobs WHERE org = $1 AND id >= $3 AND pinned_to IS NULL
               ORDER BY id DESC LIMIT $5::bigint) AS newest) AS orgs";

static BY_ID: LazyLock<String> =
    LazyLock::new(|| format!("SELECT {JOB_COLUMNS}, job_specs.spec FROM {JOB_TABLES} WHERE jobs.id = $1"));
static ASKED: LazyLock<String> = LazyLock::new(|| format!("SELECT {JOB_COLUMNS} FROM jobs WHERE jobs.id = $1"));
static IN_SCOPE: LazyLock<String> = LazyLock::new(|| {
    format!(
        "SELECT {JOB_COLUMNS}, job_specs.spec FROM {JOB_TABLES} WHERE jobs.id = $1 AND org = $2 AND ($3::text IS NULL OR owner = $3)"
    )
});

pub(super) async fn enqueue(tx: &Work, now: i64, new: &NewJob) -> Result<Enqueued> {
    let limited = new.pinned_to.is_none() && !new.limits.is_none();
    if limited {
        lock_requests(tx, &new.org).await?;
    }
    // Another one with the same key may be inserted, or pruned, between two looks.
    loop {
        if let Some(idempotency) = &new.idempotency
            && let Some(job) = asked_before(tx, &new.org, &new.owner, idempotency).await?
        {
            return Ok(Enqueued { job, created: false, allowances: Vec::new() });
        }
        let allowances = match limited {
            true => allowed(tx, now, new.limits, &new.org, &new.owner, true).await?,
            false => Vec::new(),
        };
        if insert(tx, now, new).await? {
            let spec = rows::spec_to_json(&new.spec)?;
            tx.execute("INSERT INTO job_specs (job, spec) VALUES ($1, $2)", &[&new.id.to_string(), &spec]).await?;
            super::destinations::want(tx, now, new).await?;
            let row = tx.first(&ASKED, &[&new.id.to_string()]).await?;
            let job = rows::asked_job(&row.ok_or_else(|| refusals::job_gone(new.id))?, new.spec.clone())?;
            return Ok(Enqueued { job, created: true, allowances });
        }
    }
}

/// From here on nobody else adds a job to the organization: what is counted stays so. The lock goes with the
/// transaction, which adds a row or two.
async fn lock_requests(tx: &Work, org: &OrgId) -> Result<()> {
    let sql = "SELECT pg_advisory_xact_lock(hashtextextended($1, 7))";
    tx.first(sql, &[&format!("offtake requests of {org}")]).await.map(drop)
}

/// How the limits stand with one more job.
async fn allowed(
    tx: &Work,
    now: i64,
    limits: JobLimits,
    org: &OrgId,
    owner: &str,
    new: bool,
) -> Result<Vec<Allowance>> {
    let first = first_of_the_hour(now);
    // Nothing is counted that is not limited, and nothing of an hour for what is not new.
    let most = |limit: u32| if new { i64::from(limit) } else { 0 };
    let (user, whole) = (most(limits.per_hour), most(limits.org_per_hour));
    let row = tx.first(COUNTED, &[&org.as_str(), &owner, &first, &user, &whole, &(limits.active > 0)]).await?;
    let row = row.ok_or_else(|| refusals::internal("counting found nothing"))?;
    let hour = |column: usize| -> Result<Hour> {
        Ok(Hour { jobs: get::<i64>(&row, column)?.unsigned_abs(), oldest: get(&row, column + 1)? })
    };
    let counted = Counted { active: get::<i64>(&row, 0)?.unsigned_abs(), user: hour(1)?, org: hour(3)? };
    judge(limits, counted, now, new)
}

/// Due by the database's clock: by the caller's, which may be a little ahead, a worker that is woken at once would
/// not find it.
async fn insert(tx: &Work, now: i64, new: &NewJob) -> Result<bool> {
    let idempotency = new.idempotency.as_ref();
    let inserted = tx
        .execute(
            "INSERT INTO jobs (id, org, owner, owner_email, dataset, name, file_name, status, phase, request_id,
                               traceparent, idempotency_key, idempotency_fingerprint, pinned_to, created_at, run_at, needs)
             VALUES ($1, $2, $3, $4, $5, $6, $7, 'pending', 'queued', $8, $9, $10, $11, $12, $13, $14, $15)
             ON CONFLICT (org, owner, idempotency_key) WHERE idempotency_key IS NOT NULL DO NOTHING",
            &[
                &new.id.to_string(),
                &new.org.as_str(),
                &new.owner,
                &new.owner_email,
                &new.spec.dataset,
                &new.name,
                &new.file_name,
                &new.request_id,
                &new.traceparent,
                &idempotency.map(|idempotency| &idempotency.key),
                &idempotency.map(|idempotency| &idempotency.fingerprint),
                &new.pinned_to.as_ref().map(|worker| &worker.0),
                &new.now.as_microsecond(),
                &now,
                &to_words(&new.needs)?,
            ],
        )
        .await?;
    Ok(inserted == 1)
}

pub(super) async fn asked_before(
    work: &Work,
    org: &OrgId,
    owner: &str,
    idempotency: &Idempotency,
) -> Result<Option<Job>> {
    let sql = "SELECT id, idempotency_fingerprint FROM jobs WHERE org = $1 AND owner = $2 AND idempotency_key = $3";
    let Some(row) = work.first(sql, &[&org.as_str(), &owner, &idempotency.key]).await? else { return Ok(None) };
    let (id, fingerprint): (String, String) = (get(&row, 0)?, get(&row, 1)?);
    if fingerprint != idempotency.fingerprint {
        return Err(refusals::another_body());
    }
    load(work, &id).await.map(Some)
}

/// A job that must be there, whoever it belongs to.
pub(super) async fn load(work: &Work, id: &str) -> Result<Job> {
    let row = work.first(&BY_ID, &[&id]).await?;
    rows::job(&row.ok_or_else(|| refusals::job_gone(id))?)
}

pub(super) async fn get_job(work: &Work, scope: &JobScope, id: JobId) -> Result<Job> {
    let row = work.first(&IN_SCOPE, &[&id.to_string(), &scope.org.as_str(), &scope.owner]).await?;
    rows::job(&row.ok_or_else(|| refusals::no_job(id))?)
}

type Value = Box<dyn ToSql + Sync + Send>;

/// A condition that grows, with the values of its parameters.
struct Condition {
    sql: String,
    values: Vec<Value>,
}

impl Condition {
    fn of(scope: &JobScope, filter: &JobFilter) -> Self {
        let mut condition = Self { sql: String::from("true"), values: Vec::new() };
        condition.and("org =", scope.org.as_str().to_owned());
        let equal = [("owner =", &scope.owner), ("dataset =", &filter.dataset), ("request_id =", &filter.request_id)];
        for (test, wanted) in equal {
            if let Some(wanted) = wanted {
                condition.and(test, wanted.clone());
            }
        }
        if !filter.status.is_empty() {
            let names: Vec<String> = filter.status.iter().map(|status| status.name().to_owned()).collect();
            condition.and("status = ANY", names);
        }
        condition
    }

    fn and(&mut self, test: &str, value: impl ToSql + Sync + Send + 'static) {
        let mark = self.mark(value);
        // The parentheses are ANY's, and harm nobody else.
        self.sql.push_str(&format!(" AND {test} ({mark})"));
    }

    fn mark(&mut self, value: impl ToSql + Sync + Send + 'static) -> String {
        self.values.push(Box::new(value));
        format!("${}", self.values.len())
    }

    fn params(&self) -> Vec<&(dyn ToSql + Sync)> {
        self.values.iter().map(|value| &**value as &(dyn ToSql + Sync)).collect()
    }
}

/// Page and total are one statement, so that they are of one moment.
pub(super) async fn list(work: &Work, scope: &JobScope, filter: &JobFilter) -> Result<JobPage> {
    let mut condition = Condition::of(scope, filter);
    let counted = condition.sql.clone();
    if let Some(after) = filter.after {
        condition.and("jobs.id <", after.to_string());
    }
    let limit = condition.mark(i64::from(filter.limit) + 1);
    let offset = condition.mark(int(filter.offset));
    let mut sql = String::from("SELECT total, page.* FROM ");
    write_list(&mut sql, &counted, &condition.sql, &limit, &offset);
    let found = work.rows(&sql, &condition.params()).await?;
    let total: i64 = found.first().map_or(Ok(0), |row| get(row, 0))?;
    let mut jobs = Vec::with_capacity(found.len());
    for row in &found {
        // An empty page still has its total, with nothing beside it.
        let id: Option<String> = get(row, 1)?;
        if id.is_some() {
            jobs.push(rows::job(row)?);
        }
    }
    let has_more = jobs.len() > filter.limit as usize;
    jobs.truncate(filter.limit as usize);
    Ok(JobPage { jobs, total: u64::try_from(total).unwrap_or_default(), has_more })
}

fn write_list(sql: &mut String, counted: &str, condition: &str, limit: &str, offset: &str) {
    let written = write!(
        sql,
        "(SELECT count(*) AS total FROM jobs WHERE {counted}) AS counted LEFT JOIN
         (SELECT {JOB_COLUMNS}, job_specs.spec FROM {JOB_TABLES} WHERE {condition} ORDER BY jobs.id DESC LIMIT {limit} OFFSET {offset})
         AS page ON true ORDER BY page.id DESC"
    );
    debug_assert!(written.is_ok(), "text takes everything");
}

/// The state of a job in the scope.
pub(super) async fn status(work: &Work, scope: &JobScope, id: JobId) -> Result<JobStatus> {
    let sql = "SELECT status FROM jobs WHERE id = $1 AND org = $2 AND ($3::text IS NULL OR owner = $3)";
    read_status(work, sql, scope, id).await
}

/// The same, and from here on nobody else changes the job.
async fn locked_status(tx: &Work, scope: &JobScope, id: JobId) -> Result<JobStatus> {
    let sql = "SELECT status FROM jobs WHERE id = $1 AND org = $2 AND ($3::text IS NULL OR owner = $3) FOR UPDATE";
    read_status(tx, sql, scope, id).await
}

async fn read_status(work: &Work, sql: &str, scope: &JobScope, id: JobId) -> Result<JobStatus> {
    let row = work.first(sql, &[&id.to_string(), &scope.org.as_str(), &scope.owner]).await?;
    let name: String = get(&row.ok_or_else(|| refusals::no_job(id))?, 0)?;
    JobStatus::parse(&name).ok_or_else(|| refusals::no_status(id, &name))
}

pub(super) async fn cancel(tx: &Work, now: i64, scope: &JobScope, id: JobId) -> Result<Job> {
    let next = locked_status(tx, scope, id).await?.after(Transition::Cancel)?;
    tx.execute(
        "UPDATE jobs SET status = $2, phase = 'done', fence = fence + 1, worker = NULL, lease_until = NULL,
                         rows_per_second = 0, completed_at = greatest($3, created_at)
         WHERE id = $1",
        &[&id.to_string(), &next.name(), &now],
    )
    .await?;
    super::leases::forget(tx, id).await?;
    load(tx, &id.to_string()).await
}

pub(super) async fn retry(
    tx: &Work,
    now: i64,
    scope: &JobScope,
    id: JobId,
    limits: JobLimits,
) -> Result<(Job, Vec<Allowance>)> {
    if !limits.is_none() {
        lock_requests(tx, &scope.org).await?;
    }
    let next = locked_status(tx, scope, id).await?.after(Transition::Retry)?;
    let job = load(tx, &id.to_string()).await?;
    let allowances = match job.pinned_to {
        None => allowed(tx, now, limits, &job.org, &job.owner, false).await?,
        Some(_) => Vec::new(),
    };
    let changed = tx
        .execute(
            "UPDATE jobs SET status = $2, phase = 'queued', fence = fence + 1, failures = 0, deaths = 0,
                             furthest_rows = -1, error_code = NULL, error_message = NULL, run_at = $3,
                             completed_at = NULL, expires_at = NULL
             WHERE id = $1 AND (expires_at IS NULL OR expires_at > $3)",
            &[&id.to_string(), &next.name(), &now],
        )
        .await?;
    if changed == 0 {
        return Err(refusals::no_longer_kept(id));
    }
    Ok((load(tx, &id.to_string()).await?, allowances))
}

pub(super) async fn may_ask(work: &Work, now: i64, limits: JobLimits, org: &OrgId, owner: &str) -> Result<()> {
    if limits.is_none() { Ok(()) } else { allowed(work, now, limits, org, owner, true).await.map(drop) }
}

pub(super) async fn recent_performance(work: &Work, org: &OrgId, limit: u32) -> Result<Vec<PerfRow>> {
    let sql = "SELECT job, dataset, format, completed_at, rows_done, bytes_done, duration_ms, frame_ms_p50,
                      frame_ms_p95, frame_ms_max, frame_bytes_p50, frame_bytes_p95, frame_bytes_max, peak_memory,
                      (SELECT CASE WHEN started_at IS NOT NULL THEN greatest(started_at - created_at, 0) / 1000 END
                       FROM jobs WHERE id = job) AS queued_ms
               FROM performance WHERE org = $1 ORDER BY completed_at DESC, job DESC LIMIT $2";
    work.rows(sql, &[&org.as_str(), &i64::from(limit)]).await?.iter().map(rows::performance).collect()
}

pub(super) async fn statistics(work: &Work, org: &OrgId, since: i64) -> Result<Vec<StatisticsRow>> {
    let sql = "SELECT dataset, status, sum(jobs)::bigint, sum(rows_done)::bigint, sum(bytes_done)::bigint FROM (
                   SELECT dataset, status, 1 AS jobs,
                          CASE WHEN status IN ('completed', 'expired') THEN rows_done ELSE 0 END AS rows_done,
                          CASE WHEN status IN ('completed', 'expired') THEN bytes_done ELSE 0 END AS bytes_done
                   FROM jobs WHERE org = $1 AND created_at >= $2
                   UNION ALL
                   SELECT dataset, status, jobs, rows_done, bytes_done FROM pruned_jobs WHERE org = $1 AND day >= $3
               ) AS asked_for
               GROUP BY dataset, status ORDER BY dataset, status COLLATE \"C\"";
    let found = work.rows(sql, &[&org.as_str(), &since, &first_whole_day(since)]).await?;
    let read = |row: &tokio_postgres::Row| {
        let name: String = get(row, 1)?;
        let count = |column: usize| -> Result<u64> { Ok(get::<i64>(row, column)?.max(0).unsigned_abs()) };
        Ok(StatisticsRow {
            dataset: get(row, 0)?,
            status: JobStatus::parse(&name)
                .ok_or_else(|| refusals::internal(format!("{name:?} is no state of a job")))?,
            jobs: count(2)?,
            rows: count(3)?,
            bytes: count(4)?,
        })
    };
    found.iter().map(read).collect()
}
