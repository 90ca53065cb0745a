//! Schedules in SQLite.

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use offtake_model::Result;
use offtake_model::audit::{Act, Action};
use offtake_model::id::{OrgId, ScheduleId};
use offtake_model::job::Job;
use offtake_model::schedule::{MOST_SCHEDULES, Position, Schedule, ScheduleRun};
use rusqlite::{Connection, params};

use super::fault::Sql;
use super::{SqliteStore, audit, requests, rows};
use crate::audit::deeds;
use crate::events::Fact;
use crate::jobs::{JobScope, WorkerName};
use crate::schedules::{
    self, DueSchedule, Evaluated, NewRun, NewSchedule, RUN_COLUMNS, SCHEDULE_COLUMNS, Schedules, Settled, Written,
    to_schedule,
};

#[async_trait]
impl Schedules for SqliteStore {
    async fn create_schedule(&self, by: &Act, org: &OrgId, new: NewSchedule) -> Result<Schedule> {
        let (by, org) = (by.clone(), org.clone());
        self.write(move |tx, now| {
            let count: Option<i64> = rows::scalar(tx, "SELECT count(*) FROM schedules WHERE org = ?1", [org.as_str()])?;
            if count.unwrap_or_default() >= i64::from(MOST_SCHEDULES) {
                return Err(schedules::too_many().into());
            }
            let Written { needs, sees_all, content } = Written::of(&new.owner, &new.content)?;
            let sql = "INSERT INTO schedules (id, org, owner, owner_email, needs, sees_all, content, state, position,
                                              next_run_at, created_at, updated_at)
                       VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 'active', ?8, ?9, ?10, ?10)";
            tx.prepare_cached(sql)?.execute(params![
                new.id.to_string(),
                org.as_str(),
                new.owner.sub,
                new.owner.email,
                needs,
                sees_all,
                content,
                new.position.map(|position| position.to_string()),
                new.next_run_at.as_microsecond(),
                now,
            ])?;
            let made = load(tx, &JobScope { org: org.clone(), owner: None }, new.id)?;
            audit::append(tx, now, &org, &by, &to_schedule(Action::ScheduleCreate, &made))?;
            Ok(made)
        })
        .await
    }

    async fn schedule(&self, scope: &JobScope, id: ScheduleId) -> Result<Schedule> {
        let scope = scope.clone();
        self.read(move |tx, _| load(tx, &scope, id)).await
    }

    async fn schedules(&self, scope: &JobScope) -> Result<Vec<Schedule>> {
        let scope = scope.clone();
        self.read(move |tx, _| {
            let sql = format!(
                "SELECT {SCHEDULE_COLUMNS} FROM schedules WHERE org = ?1 AND (?2 IS NULL OR owner = ?2) ORDER BY id DESC"
            );
            rows::all(tx, &sql, params![scope.org.as_str(), scope.owner], |row| Ok(schedules::schedule(row)?))
        })
        .await
    }

    async fn change_schedule(&self, by: &Act, changed: &Schedule, next_run_at: Timestamp) -> Result<Schedule> {
        let (by, changed) = (by.clone(), changed.clone());
        self.write(move |tx, now| {
            let scope = JobScope { org: changed.org.clone(), owner: None };
            if load(tx, &scope, changed.id)?.version != changed.version {
                return Err(schedules::changed_meanwhile().into());
            }
            let Written { needs, sees_all, content } = Written::of(&changed.owner, &changed.content)?;
            let sql = "UPDATE schedules SET needs = ?2, sees_all = ?3, content = ?4, version = version + 1,
                              fence = fence + 1, claimed_until = NULL, errors = 0, updated_at = ?5,
                              next_run_at = iif(state = 'active', ?6, NULL)
                       WHERE id = ?1";
            let params = params![changed.id.to_string(), needs, sees_all, content, now, next_run_at.as_microsecond()];
            tx.prepare_cached(sql)?.execute(params)?;
            let changed = load(tx, &scope, changed.id)?;
            audit::append(tx, now, &scope.org, &by, &to_schedule(Action::ScheduleChange, &changed))?;
            Ok(changed)
        })
        .await
    }

    async fn pause_schedule(&self, by: &Act, scope: &JobScope, id: ScheduleId) -> Result<Schedule> {
        let (by, scope) = (by.clone(), scope.clone());
        self.write(move |tx, now| {
            load(tx, &scope, id)?;
            let sql = "UPDATE schedules SET state = 'paused', pause_reason = 'asked', pause_detail = ?2,
                              next_run_at = NULL, fence = fence + 1, claimed_until = NULL
                       WHERE id = ?1 AND state = 'active'";
            let detail = schedules::paused_by(&by);
            let paused = tx.prepare_cached(sql)?.execute(params![id.to_string(), detail])?;
            let schedule = load(tx, &scope, id)?;
            if paused > 0 {
                audit::append(tx, now, &scope.org, &by, &to_schedule(Action::SchedulePause, &schedule))?;
            }
            Ok(schedule)
        })
        .await
    }

    async fn resume_schedule(
        &self,
        by: &Act,
        scope: &JobScope,
        id: ScheduleId,
        next_run_at: Timestamp,
    ) -> Result<Schedule> {
        let (by, scope) = (by.clone(), scope.clone());
        self.write(move |tx, now| {
            load(tx, &scope, id)?;
            let sql = "UPDATE schedules SET state = 'active', pause_reason = NULL, pause_detail = NULL, errors = 0,
                              next_run_at = ?2, fence = fence + 1, claimed_until = NULL
                       WHERE id = ?1 AND state = 'paused'";
            let resumed = tx.prepare_cached(sql)?.execute(params![id.to_string(), next_run_at.as_microsecond()])?;
            let schedule = load(tx, &scope, id)?;
            if resumed > 0 {
                audit::append(tx, now, &scope.org, &by, &to_schedule(Action::ScheduleResume, &schedule))?;
            }
            Ok(schedule)
        })
        .await
    }

    async fn delete_schedule(&self, by: &Act, scope: &JobScope, id: ScheduleId) -> Result<()> {
        let (by, scope) = (by.clone(), scope.clone());
        self.write(move |tx, now| {
            let schedule = load(tx, &scope, id)?;
            tx.prepare_cached("DELETE FROM schedules WHERE id = ?1")?.execute([id.to_string()])?;
            audit::append(tx, now, &scope.org, &by, &to_schedule(Action::ScheduleDelete, &schedule))?;
            Ok(())
        })
        .await
    }

    async fn schedule_runs(&self, org: &OrgId, id: ScheduleId, limit: u32) -> Result<Vec<ScheduleRun>> {
        let org = org.clone();
        self.read(move |tx, _| {
            let sql = format!(
                "SELECT {RUN_COLUMNS} FROM schedule_runs JOIN jobs ON jobs.id = schedule_runs.job
                 WHERE schedule_runs.org = ?1 AND schedule_runs.schedule = ?2 ORDER BY schedule_runs.job DESC LIMIT ?3"
            );
            rows::all(tx, &sql, params![org.as_str(), id.to_string(), limit], |row| Ok(schedules::run(row)?))
        })
        .await
    }

    async fn latest_runs(&self, org: &OrgId) -> Result<Vec<(ScheduleId, ScheduleRun)>> {
        let org = org.clone();
        let found = move |tx: &Connection, _| {
            rows::all(tx, &schedules::latest_runs("?1"), [org.as_str()], |row| Ok(schedules::run_of_schedule(row)?))
        };
        self.read(found).await
    }

    async fn run_now(&self, schedule: &Schedule, run: NewRun, position: Option<Position>) -> Result<Job> {
        let schedule = schedule.clone();
        let job = self
            .write_facts(move |tx, now| {
                let scope = JobScope { org: schedule.org.clone(), owner: None };
                let present = load(tx, &scope, schedule.id)?;
                if let Some(position) = position {
                    if present.position != schedule.position {
                        return Err(schedules::moved_meanwhile().into());
                    }
                    let sql =
                        "UPDATE schedules SET position = ?2, fence = fence + 1, claimed_until = NULL WHERE id = ?1";
                    tx.prepare_cached(sql)?.execute(params![schedule.id.to_string(), position.to_string()])?;
                }
                let sql = "UPDATE schedules SET last_run_at = ?2 WHERE id = ?1";
                tx.prepare_cached(sql)?.execute(params![schedule.id.to_string(), now])?;
                let job = begin(tx, now, &schedule, &run)?;
                let fact = Fact::of_job(&job);
                Ok((job, vec![fact]))
            })
            .await?;
        self.wake();
        Ok(job)
    }

    async fn claim_schedules(
        &self,
        _worker: &WorkerName,
        most: u32,
        lease: SignedDuration,
    ) -> Result<Vec<DueSchedule>> {
        const DUE: &str = "state = 'active' AND next_run_at <= ?1 AND (claimed_until IS NULL OR claimed_until <= ?1)";
        let sql = format!("SELECT EXISTS (SELECT 1 FROM schedules WHERE {DUE})");
        let due: Option<bool> = self.read(move |tx, now| rows::scalar(tx, &sql, [now])).await?;
        if due != Some(true) {
            return Ok(Vec::new());
        }
        self.write(move |tx, now| {
            let sql = format!(
                "UPDATE schedules SET fence = fence + 1, claimed_until = ?2 WHERE id IN (
                     SELECT id FROM schedules WHERE {DUE} ORDER BY next_run_at, id LIMIT ?3)
                 RETURNING fence, {}",
                SCHEDULE_COLUMNS.replace("schedules.", "")
            );
            let until = now.saturating_add(rows::micros(lease));
            let moment = schedules::moment(now)?;
            rows::all(tx, &sql, params![now, until, most], |row| {
                Ok(DueSchedule { schedule: schedules::schedule(row)?, now: moment, fence: row.get("fence")? })
            })
        })
        .await
    }

    async fn settle_schedule(&self, due: &DueSchedule, evaluated: Evaluated) -> Result<Option<Job>> {
        let (schedule, fence) = (due.schedule.clone(), due.fence);
        let job = self
            .write_facts(move |tx, now| {
                let settled = Settled::of(&schedule, &evaluated, now);
                let sql = "UPDATE schedules SET state = ?3, pause_reason = ?4, pause_detail = ?5, position = ?6,
                                  next_run_at = ?7, claimed_until = ?8, last_run_at = iif(?9, ?10, last_run_at),
                                  errors = ?11, last_error = ?12, fence = fence + 1
                           WHERE id = ?1 AND fence = ?2";
                let (reason, detail) = settled.paused.clone().unzip();
                let changed = tx.prepare_cached(sql)?.execute(params![
                    schedule.id.to_string(),
                    fence,
                    if reason.is_some() { "paused" } else { "active" },
                    reason,
                    detail,
                    settled.position,
                    settled.next_run_at,
                    settled.held_until,
                    settled.ran,
                    now,
                    settled.errors,
                    settled.last_error,
                ])?;
                if changed == 0 {
                    return Err(schedules::claim_lost(schedule.id).into());
                }
                let mut facts = schedules::facts(&schedule.org, settled.alerts);
                let by = schedules::itself(&schedule);
                if let Some(deed) = &settled.deed {
                    audit::append(tx, now, &schedule.org, &by, deed)?;
                }
                let Evaluated::Run { run, .. } = evaluated else { return Ok((None, facts)) };
                let job = begin(tx, now, &schedule, &run)?;
                facts.push(Fact::of_job(&job));
                Ok((Some(job), facts))
            })
            .await?;
        if job.is_some() {
            self.wake();
        }
        Ok(job)
    }

    async fn note_ended_runs(&self, most: u32) -> Result<u64> {
        const ENDED: &str = "schedule_runs JOIN jobs ON jobs.id = schedule_runs.job
             WHERE schedule_runs.ended = 0 AND jobs.attempt > schedule_runs.noted
               AND jobs.status NOT IN ('pending', 'processing')";
        let any = format!("SELECT EXISTS (SELECT 1 FROM {ENDED})");
        if self.read(move |tx, _| rows::scalar(tx, &any, [])).await? != Some(true) {
            return Ok(0);
        }
        self.write_facts(move |tx, _| {
            let sql = format!("SELECT schedule_runs.schedule, jobs.id FROM {ENDED} LIMIT ?1");
            let ended: Vec<(String, String)> =
                rows::all(tx, &sql, [most], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)))?;
            let mut facts = Vec::new();
            for (schedule, job) in &ended {
                facts.extend(note(tx, schedule, job)?);
            }
            Ok((ended.len() as u64, facts))
        })
        .await
    }
}

/// Makes the job of a run, in the transaction that moves the schedule on.
fn begin(tx: &Connection, now: i64, schedule: &Schedule, run: &NewRun) -> Sql<Job> {
    let job = requests::enqueue(tx, now, &run.job)?.job;
    let sql =
        "INSERT INTO schedule_runs (job, org, schedule, kind, window_key, window_from, window_to, due_at, created_at)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
    tx.prepare_cached(sql)?.execute(params![
        job.id.to_string(),
        schedule.org.as_str(),
        schedule.id.to_string(),
        run.kind.name(),
        run.window_key(schedule),
        run.window.from.map(|from| from.to_string()),
        run.window.to.map(|to| to.to_string()),
        run.due_at.as_microsecond(),
        now,
    ])?;
    let deed = deeds::asked_for(&run.job).with("schedule", schedule.id.to_string());
    audit::append(tx, now, &schedule.org, &run.job.by, &deed)?;
    Ok(job)
}

/// Notes how a run ended. One that failed may be retried and end once more.
fn note(tx: &Connection, schedule: &str, job: &str) -> Sql<Vec<Fact>> {
    let sql = "UPDATE schedule_runs SET noted = (SELECT attempt FROM jobs WHERE id = ?1),
                      ended = (SELECT status <> 'failed' FROM jobs WHERE id = ?1)
               WHERE job = ?1";
    tx.prepare_cached(sql)?.execute([job])?;
    let job: Option<Job> = rows::first(tx, &format!("{} WHERE jobs.id = ?1", rows::JOBS), [job], rows::job)?;
    let sql = format!("SELECT {SCHEDULE_COLUMNS} FROM schedules WHERE id = ?1");
    let schedule = rows::first(tx, &sql, [schedule], |row| Ok(schedules::schedule(row)?))?;
    let (Some(schedule), Some(job)) = (schedule, job) else { return Ok(Vec::new()) };
    Ok(schedules::facts(&schedule.org, schedules::failed(&schedule, &job).into_iter().collect()))
}

fn load(connection: &Connection, scope: &JobScope, id: ScheduleId) -> Sql<Schedule> {
    let sql =
        format!("SELECT {SCHEDULE_COLUMNS} FROM schedules WHERE id = ?1 AND org = ?2 AND (?3 IS NULL OR owner = ?3)");
    let params = params![id.to_string(), scope.org.as_str(), scope.owner];
    rows::first(connection, &sql, params, |row| Ok(schedules::schedule(row)?))?
        .ok_or_else(|| schedules::no_such_schedule().into())
}
