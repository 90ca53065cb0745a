//! Schedules in Postgres. Whoever decides about a schedule locks its row first.

use std::sync::LazyLock;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use offtake_model::Result;
use offtake_model::audit::{Act, Action};
use offtake_model::id::{OrgId, ScheduleId};
use offtake_model::job::Job;
use offtake_model::schedule::{MOST_SCHEDULES, Position, Schedule, ScheduleRun};
use offtake_postgres::Work;

use super::rows::get;
use super::{PostgresStore, audit, events, requests};
use crate::audit::deeds;
use crate::events::Fact;
use crate::hints::Hint;
use crate::jobs::{JobScope, WorkerName};
use crate::rows::micros;
use crate::schedules::{
    self, DueSchedule, Evaluated, NewRun, NewSchedule, RUN_COLUMNS, SCHEDULE_COLUMNS, Schedules, Settled, Written,
    to_schedule,
};

static IN_SCOPE: LazyLock<String> = LazyLock::new(|| {
    format!("SELECT {SCHEDULE_COLUMNS} FROM schedules WHERE id = $1 AND org = $2 AND ($3::text IS NULL OR owner = $3)")
});

#[async_trait]
impl Schedules for PostgresStore {
    async fn create_schedule(&self, by: &Act, org: &OrgId, new: NewSchedule) -> Result<Schedule> {
        let tx = self.write_of(org).await?;
        let create = async {
            let now = self.now(&tx).await?;
            // Two at once must not both be the last.
            let lock = "SELECT pg_advisory_xact_lock(hashtextextended($1, 13))";
            tx.first(lock, &[&format!("offtake schedules of {org}")]).await?;
            let counted = tx.first("SELECT count(*) FROM schedules WHERE org = $1", &[&org.as_str()]).await?;
            let count: i64 = counted.as_ref().map_or(Ok(0), |row| get(row, 0))?;
            if count >= i64::from(MOST_SCHEDULES) {
                return Err(schedules::too_many());
            }
            let Written { needs, sees_all, content } = Written::of(&new.owner, &new.content)?;
            let sql = "INSERT INTO schedules (id, org, owner, owner_email, needs, sees_all, content, state, position,
                                              next_run_at, created_at, updated_at)
                       VALUES ($1, $2, $3, $4, $5, $6, $7, 'active', $8, $9, $10, $10)";
            tx.execute(
                sql,
                &[
                    &new.id.to_string(),
                    &org.as_str(),
                    &new.owner.sub,
                    &new.owner.email,
                    &needs,
                    &sees_all,
                    &content,
                    &new.position.map(|position| position.to_string()),
                    &new.next_run_at.as_microsecond(),
                    &now,
                ],
            )
            .await?;
            let made = load(&tx, &JobScope { org: org.clone(), owner: None }, new.id, "").await?;
            audit::append(&tx, now, org, by, &to_schedule(Action::ScheduleCreate, &made)).await?;
            Ok(made)
        };
        let outcome = create.await;
        tx.end(outcome).await
    }

    async fn schedule(&self, scope: &JobScope, id: ScheduleId) -> Result<Schedule> {
        load(&self.read_of(&scope.org).await?, scope, id, "").await
    }

    async fn schedules(&self, scope: &JobScope) -> Result<Vec<Schedule>> {
        let sql = format!(
            "SELECT {SCHEDULE_COLUMNS} FROM schedules WHERE org = $1 AND ($2::text IS NULL OR owner = $2) ORDER BY id DESC"
        );
        let rows = self.read_of(&scope.org).await?.rows(&sql, &[&scope.org.as_str(), &scope.owner]).await?;
        rows.iter().map(schedules::schedule).collect()
    }

    async fn change_schedule(&self, by: &Act, changed: &Schedule, next_run_at: Timestamp) -> Result<Schedule> {
        let tx = self.write_of(&changed.org).await?;
        let change = async {
            let scope = JobScope { org: changed.org.clone(), owner: None };
            if load(&tx, &scope, changed.id, " FOR UPDATE").await?.version != changed.version {
                return Err(schedules::changed_meanwhile());
            }
            let now = self.now(&tx).await?;
            let Written { needs, sees_all, content } = Written::of(&changed.owner, &changed.content)?;
            let sql = "UPDATE schedules SET needs = $2, sees_all = $3, content = $4, version = version + 1,
                              fence = fence + 1, claimed_until = NULL, errors = 0, updated_at = $5,
                              next_run_at = CASE WHEN state = 'active' THEN $6::bigint END
                       WHERE id = $1";
            let due = next_run_at.as_microsecond();
            tx.execute(sql, &[&changed.id.to_string(), &needs, &sees_all, &content, &now, &due]).await?;
            let changed = load(&tx, &scope, changed.id, "").await?;
            audit::append(&tx, now, &scope.org, by, &to_schedule(Action::ScheduleChange, &changed)).await?;
            Ok(changed)
        };
        let outcome = change.await;
        tx.end(outcome).await
    }

    async fn pause_schedule(&self, by: &Act, scope: &JobScope, id: ScheduleId) -> Result<Schedule> {
        let tx = self.write_of(&scope.org).await?;
        let pause = async {
            load(&tx, scope, id, " FOR UPDATE").await?;
            let sql = "UPDATE schedules SET state = 'paused', pause_reason = 'asked', pause_detail = $2,
                              next_run_at = NULL, fence = fence + 1, claimed_until = NULL
                       WHERE id = $1 AND state = 'active'";
            let paused = tx.execute(sql, &[&id.to_string(), &schedules::paused_by(by)]).await?;
            let schedule = load(&tx, scope, id, "").await?;
            if paused > 0 {
                let deed = to_schedule(Action::SchedulePause, &schedule);
                audit::append(&tx, self.now(&tx).await?, &scope.org, by, &deed).await?;
            }
            Ok(schedule)
        };
        let outcome = pause.await;
        tx.end(outcome).await
    }

    async fn resume_schedule(
        &self,
        by: &Act,
        scope: &JobScope,
        id: ScheduleId,
        next_run_at: Timestamp,
    ) -> Result<Schedule> {
        let tx = self.write_of(&scope.org).await?;
        let resume = async {
            load(&tx, scope, id, " FOR UPDATE").await?;
            let sql = "UPDATE schedules SET state = 'active', pause_reason = NULL, pause_detail = NULL, errors = 0,
                              next_run_at = $2, fence = fence + 1, claimed_until = NULL
                       WHERE id = $1 AND state = 'paused'";
            let resumed = tx.execute(sql, &[&id.to_string(), &next_run_at.as_microsecond()]).await?;
            let schedule = load(&tx, scope, id, "").await?;
            if resumed > 0 {
                let deed = to_schedule(Action::ScheduleResume, &schedule);
                audit::append(&tx, self.now(&tx).await?, &scope.org, by, &deed).await?;
            }
            Ok(schedule)
        };
        let outcome = resume.await;
        tx.end(outcome).await
    }

    async fn delete_schedule(&self, by: &Act, scope: &JobScope, id: ScheduleId) -> Result<()> {
        let tx = self.write_of(&scope.org).await?;
        let delete = async {
            let schedule = load(&tx, scope, id, " FOR UPDATE").await?;
            tx.execute("DELETE FROM schedules WHERE id = $1", &[&id.to_string()]).await?;
            let deed = to_schedule(Action::ScheduleDelete, &schedule);
            audit::append(&tx, self.now(&tx).await?, &scope.org, by, &deed).await.map(drop)
        };
        let outcome = delete.await;
        tx.end(outcome).await
    }

    async fn schedule_runs(&self, org: &OrgId, id: ScheduleId, limit: u32) -> Result<Vec<ScheduleRun>> {
        let sql = format!(
            "SELECT {RUN_COLUMNS} FROM schedule_runs JOIN jobs ON jobs.id = schedule_runs.job
             WHERE schedule_runs.org = $1 AND schedule_runs.schedule = $2 ORDER BY schedule_runs.job DESC LIMIT $3"
        );
        let params: [&(dyn tokio_postgres::types::ToSql + Sync); 3] =
            [&org.as_str(), &id.to_string(), &i64::from(limit)];
        self.read_of(org).await?.rows(&sql, &params).await?.iter().map(schedules::run).collect()
    }

    async fn latest_runs(&self, org: &OrgId) -> Result<Vec<(ScheduleId, ScheduleRun)>> {
        let rows = self.read_of(org).await?.rows(&schedules::latest_runs("$1"), &[&org.as_str()]).await?;
        rows.iter().map(schedules::run_of_schedule).collect()
    }

    async fn run_now(&self, schedule: &Schedule, run: NewRun, position: Option<Position>) -> Result<Job> {
        let tx = self.write_of(&schedule.org).await?;
        let begin = async {
            let scope = JobScope { org: schedule.org.clone(), owner: None };
            let present = load(&tx, &scope, schedule.id, " FOR UPDATE").await?;
            let id = schedule.id.to_string();
            if let Some(position) = position {
                if present.position != schedule.position {
                    return Err(schedules::moved_meanwhile());
                }
                let sql = "UPDATE schedules SET position = $2, fence = fence + 1, claimed_until = NULL WHERE id = $1";
                tx.execute(sql, &[&id, &position.to_string()]).await?;
            }
            let now = self.now(&tx).await?;
            tx.execute("UPDATE schedules SET last_run_at = $2 WHERE id = $1", &[&id, &now]).await?;
            let job = self.begin_run(&tx, now, schedule, &run).await?;
            let hints = events::write(&tx, now, &self.wake, vec![Fact::of_job(&job)]).await?;
            Ok((job, hints))
        };
        let outcome = begin.await;
        let (job, hints): (Job, _) = tx.end(outcome).await?;
        self.wake.wake();
        self.wake.hint(hints);
        Ok(job)
    }

    async fn claim_schedules(
        &self,
        _worker: &WorkerName,
        most: u32,
        lease: SignedDuration,
    ) -> Result<Vec<DueSchedule>> {
        static CLAIM: LazyLock<String> = LazyLock::new(|| {
            format!(
                "UPDATE schedules SET fence = schedules.fence + 1, claimed_until = $2 FROM (
                     SELECT id FROM schedules
                     WHERE state = 'active' AND next_run_at <= $1 AND (claimed_until IS NULL OR claimed_until <= $1)
                     ORDER BY next_run_at, id LIMIT $3 FOR UPDATE SKIP LOCKED) AS due
                 WHERE schedules.id = due.id RETURNING schedules.fence, {SCHEDULE_COLUMNS}"
            )
        });
        let tx = self.write_all().await?;
        let claim = async {
            let now = self.now(&tx).await?;
            let until = now.saturating_add(micros(lease));
            let moment = schedules::moment(now)?;
            let rows = tx.rows(&CLAIM, &[&now, &until, &i64::from(most)]).await?;
            let due = rows
                .iter()
                .map(|row| Ok(DueSchedule { schedule: schedules::schedule(row)?, now: moment, fence: get(row, 0)? }));
            due.collect::<Result<Vec<_>>>()
        };
        let outcome = claim.await;
        tx.end(outcome).await
    }

    async fn settle_schedule(&self, due: &DueSchedule, evaluated: Evaluated) -> Result<Option<Job>> {
        let DueSchedule { schedule, fence, .. } = due;
        let tx = self.write_of(&schedule.org).await?;
        let settle = async {
            let now = self.now(&tx).await?;
            let settled = Settled::of(schedule, &evaluated, now);
            let sql = "UPDATE schedules SET state = $3, pause_reason = $4, pause_detail = $5, position = $6,
                              next_run_at = $7, claimed_until = $8,
                              last_run_at = CASE WHEN $9::boolean THEN $10::bigint ELSE last_run_at END,
                              errors = $11, last_error = $12, fence = fence + 1
                       WHERE id = $1 AND fence = $2";
            let (reason, detail) = settled.paused.clone().unzip();
            let changed = tx
                .execute(
                    sql,
                    &[
                        &schedule.id.to_string(),
                        fence,
                        &if reason.is_some() { "paused" } else { "active" },
                        &reason,
                        &detail,
                        &settled.position,
                        &settled.next_run_at,
                        &settled.held_until,
                        &settled.ran,
                        &now,
                        &i64::from(settled.errors),
                        &settled.last_error,
                    ],
                )
                .await?;
            if changed == 0 {
                return Err(schedules::claim_lost(schedule.id));
            }
            let mut facts = schedules::facts(&schedule.org, settled.alerts);
            // The audit trail and the events last: whoever else acts in this organization waits from there to the commit.
            let mut job = None;
            if let Evaluated::Run { run, .. } = &evaluated {
                let begun = self.begin_run(&tx, now, schedule, run).await?;
                facts.push(Fact::of_job(&begun));
                job = Some(begun);
            }
            if let Some(deed) = &settled.deed {
                audit::append(&tx, now, &schedule.org, &schedules::itself(schedule), deed).await?;
            }
            let hints = events::write(&tx, now, &self.wake, facts).await?;
            Ok((job, hints))
        };
        let outcome = settle.await;
        let (job, hints): (Option<Job>, _) = tx.end(outcome).await?;
        if job.is_some() {
            self.wake.wake();
        }
        self.wake.hint(hints);
        Ok(job)
    }

    async fn note_ended_runs(&self, most: u32) -> Result<u64> {
        const ENDED: &str = "SELECT schedule_runs.schedule, jobs.id, jobs.org
             FROM schedule_runs JOIN jobs ON jobs.id = schedule_runs.job
             WHERE schedule_runs.ended = 0 AND jobs.attempt > schedule_runs.noted
               AND jobs.status NOT IN ('pending', 'processing') LIMIT $1";
        let ended = self.read_all().await?.rows(ENDED, &[&i64::from(most)]).await?;
        let mut noted = 0;
        for row in &ended {
            let (schedule, job, org): (String, String, String) = (get(row, 0)?, get(row, 1)?, get(row, 2)?);
            let org = OrgId::new(org)?;
            let tx = self.write_of(&org).await?;
            let outcome = self.note_ended(&tx, &schedule, &job).await;
            let (ended, hints) = tx.end(outcome).await?;
            self.wake.hint(hints);
            noted += u64::from(ended);
        }
        Ok(noted)
    }
}

impl PostgresStore {
    /// Makes the job of a run, in the transaction that moves the schedule on.
    async fn begin_run(&self, tx: &Work, now: i64, schedule: &Schedule, run: &NewRun) -> Result<Job> {
        let job = requests::enqueue(tx, now, &run.job).await?.job;
        let sql = "INSERT INTO schedule_runs
                       (job, org, schedule, kind, window_key, window_from, window_to, due_at, created_at)
                   VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
        tx.execute(
            sql,
            &[
                &job.id.to_string(),
                &schedule.org.as_str(),
                &schedule.id.to_string(),
                &run.kind.name(),
                &run.window_key(schedule),
                &run.window.from.map(|from| from.to_string()),
                &run.window.to.map(|to| to.to_string()),
                &run.due_at.as_microsecond(),
                &now,
            ],
        )
        .await?;
        self.wake.tell_due(tx, job.id).await?;
        let deed = deeds::asked_for(&run.job).with("schedule", schedule.id.to_string());
        audit::append(tx, now, &schedule.org, &run.job.by, &deed).await?;
        Ok(job)
    }

    /// Notes how a run ended, unless somebody else has. One that failed may be retried and end once more.
    async fn note_ended(&self, tx: &Work, schedule: &str, job: &str) -> Result<(bool, Vec<Hint>)> {
        let sql =
            "UPDATE schedule_runs SET noted = jobs.attempt, ended = CASE WHEN jobs.status = 'failed' THEN 0 ELSE 1 END
                   FROM jobs WHERE schedule_runs.job = $1 AND jobs.id = $1 AND schedule_runs.ended = 0
                     AND jobs.attempt > schedule_runs.noted AND jobs.status NOT IN ('pending', 'processing')";
        if tx.execute(sql, &[&job]).await? == 0 {
            return Ok((false, Vec::new()));
        }
        let job = requests::load(tx, job).await?;
        let sql = format!("SELECT {SCHEDULE_COLUMNS} FROM schedules WHERE id = $1");
        let Some(row) = tx.first(&sql, &[&schedule]).await? else { return Ok((true, Vec::new())) };
        let schedule = schedules::schedule(&row)?;
        let facts = schedules::facts(&schedule.org, schedules::failed(&schedule, &job).into_iter().collect());
        Ok((true, events::write(tx, self.now(tx).await?, &self.wake, facts).await?))
    }
}

async fn load(work: &Work, scope: &JobScope, id: ScheduleId, lock: &str) -> Result<Schedule> {
    let sql = format!("{}{lock}", *IN_SCOPE);
    let row = work.first(&sql, &[&id.to_string(), &scope.org.as_str(), &scope.owner]).await?;
    schedules::schedule(&row.ok_or_else(schedules::no_such_schedule)?)
}
