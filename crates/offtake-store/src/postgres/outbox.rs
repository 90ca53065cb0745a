//! The outbox in Postgres. Several processes take from it at once; each takes rows that nobody else is taking.

use std::sync::LazyLock;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use offtake_model::Result;
use offtake_model::audit::Act;
use offtake_model::id::{NotificationId, OrgId};
use offtake_postgres::Work;
use tokio_postgres::types::ToSql;

use super::rows::get;
use super::{PostgresStore, audit};
use crate::audit::deeds::owed_again;
use crate::events::PRUNED_AT_ONCE;
use crate::hints::Hint;
use crate::jobs::WorkerName;
use crate::outbox::{
    Notification, NotificationFilter, NotificationState, Outbox, OutboxDepth, Owed, Tried, Try, Verdict, for_the_log,
    no_such_notification, still_owed, taken_meanwhile,
};
use crate::rows::{self, NOTIFICATIONS, micros};

const TABLES: &str = "notifications AS n JOIN events AS e ON e.org = n.org AND e.seq = n.event";
const NEXT_DUE: &str = "SELECT due_at FROM notifications WHERE state = 'pending' ORDER BY due_at, id LIMIT 1";

static TAKE: LazyLock<String> = LazyLock::new(|| {
    format!(
        "WITH due AS (
             SELECT id, due_at AS since FROM notifications WHERE state = 'pending' AND due_at <= $1
             ORDER BY due_at, id LIMIT $2 FOR UPDATE SKIP LOCKED),
         n AS (
             UPDATE notifications SET fence = fence + 1, tries = tries + 1, worker = $3, due_at = $4
             FROM due WHERE notifications.id = due.id RETURNING notifications.*, due.since)
         SELECT {NOTIFICATIONS} FROM n JOIN events AS e ON e.org = n.org AND e.seq = n.event ORDER BY n.since, n.id"
    )
});

#[async_trait]
impl Outbox for PostgresStore {
    async fn take_owed(&self, worker: &WorkerName, most: u32, lease: SignedDuration) -> Result<Vec<Owed>> {
        let work = self.read_all().await?;
        let now = self.now(&work).await?;
        let until = now.saturating_add(micros(lease));
        let found = work.rows(&TAKE, &[&now, &i64::from(most), &worker.0, &until]).await?;
        // One row that cannot be read must not keep the others.
        let readable = |row: &tokio_postgres::Row| {
            rows::owed(row).inspect_err(|error| tracing::error!(%error, "a notification cannot be read")).ok()
        };
        Ok(found.iter().filter_map(readable).collect())
    }

    async fn tried(&self, owed: &Owed, outcome: &Try) -> Result<()> {
        let tx = self.write_of(&owed.notification.org).await?;
        let tried = async { tried(&tx, self.now(&tx).await?, owed, outcome).await };
        let outcome = tried.await;
        let held = tx.end(outcome).await?;
        if held { Ok(()) } else { Err(taken_meanwhile(owed.notification.id)) }
    }

    async fn next_due(&self) -> Result<Option<Timestamp>> {
        let row = self.read_all().await?.first(NEXT_DUE, &[]).await?;
        row.map(|row| rows::moment(get(&row, 0)?)).transpose()
    }

    async fn notifications(&self, org: &OrgId, filter: &NotificationFilter) -> Result<Vec<Notification>> {
        list(&self.read_of(org).await?, org, filter).await
    }

    async fn notification(&self, org: &OrgId, id: NotificationId) -> Result<(Notification, Vec<Tried>)> {
        let work = self.read_of(org).await?;
        let notification = get_one(&work, org, id).await?;
        let sql = "SELECT notification, number, at, answer, took FROM notification_tries WHERE notification = $1
                   ORDER BY number";
        let log = work.rows(sql, &[&id.to_string()]).await?;
        Ok((notification, log.iter().map(rows::tried).collect::<Result<_>>()?))
    }

    async fn owe_again(&self, by: &Act, org: &OrgId, id: NotificationId) -> Result<Notification> {
        let tx = self.write_of(org).await?;
        let again = async {
            let now = self.now(&tx).await?;
            let notification = owe_again(&tx, now, org, id).await?;
            self.wake.tell_hint(&tx, &Hint::Owed).await?;
            audit::append(&tx, now, org, by, &owed_again(&notification)).await?;
            Ok(notification)
        };
        let outcome = again.await;
        let notification = tx.end(outcome).await?;
        self.wake.hints.tell(Hint::Owed);
        Ok(notification)
    }

    async fn prune_notifications(&self, retention: SignedDuration) -> Result<u64> {
        let sql = "DELETE FROM notifications WHERE id IN (
             SELECT id FROM notifications WHERE ended_at < $1 AND ended_at IS NOT NULL LIMIT $2 FOR UPDATE SKIP LOCKED)";
        let mut pruned = 0;
        loop {
            let work = self.read_all().await?;
            let before = self.now(&work).await?.saturating_sub(micros(retention));
            let gone = work.execute(sql, &[&before, &i64::from(PRUNED_AT_ONCE)]).await?;
            pruned += gone;
            if gone < u64::from(PRUNED_AT_ONCE) {
                return Ok(pruned);
            }
        }
    }

    async fn outbox_depth(&self) -> Result<OutboxDepth> {
        let work = self.read_all().await?;
        let now = self.now(&work).await?;
        let sql = "SELECT count(*), min(created_at) FROM notifications WHERE state = 'pending'";
        let Some(row) = work.first(sql, &[]).await? else { return Ok(OutboxDepth::default()) };
        let oldest: Option<i64> = get(&row, 1)?;
        Ok(OutboxDepth {
            owed: get::<i64>(&row, 0)?.unsigned_abs(),
            oldest_seconds: oldest.map_or(0.0, |at| SignedDuration::from_micros(now - at).as_secs_f64()),
        })
    }
}

/// Whether whoever tried still had it. The row is locked first, so that the log is numbered by one at a time.
async fn tried(tx: &Work, now: i64, owed: &Owed, outcome: &Try) -> Result<bool> {
    let (id, answer) = (owed.notification.id.to_string(), for_the_log(&outcome.answer));
    tx.first("SELECT id FROM notifications WHERE id = $1 FOR UPDATE", &[&id]).await?;
    tx.execute(
        "INSERT INTO notification_tries (notification, number, org, at, answer, took)
         SELECT id, (SELECT coalesce(max(number), 0) + 1 FROM notification_tries WHERE notification = $1), org, $2, $3, $4
         FROM notifications WHERE id = $1",
        &[&id, &now, &answer, &micros(outcome.took)],
    )
    .await?;
    let due = now.saturating_add(micros(outcome.verdict.delay()));
    let ended = (!matches!(outcome.verdict, Verdict::Again(_))).then_some(now);
    let changed = tx
        .execute(
            "UPDATE notifications SET state = $3, due_at = $4, ended_at = $5, last_answer = $6, worker = NULL
             WHERE id = $1 AND fence = $2 AND state = 'pending'",
            &[&id, &owed.fence, &outcome.verdict.state().name(), &due, &ended, &answer],
        )
        .await?;
    Ok(changed == 1)
}

async fn get_one(work: &Work, org: &OrgId, id: NotificationId) -> Result<Notification> {
    let sql = format!("SELECT {NOTIFICATIONS} FROM {TABLES} WHERE n.id = $1 AND n.org = $2");
    let row = work.first(&sql, &[&id.to_string(), &org.as_str()]).await?;
    rows::notification(&row.ok_or_else(no_such_notification)?)
}

async fn list(work: &Work, org: &OrgId, filter: &NotificationFilter) -> Result<Vec<Notification>> {
    let mut sql = format!("SELECT {NOTIFICATIONS} FROM {TABLES} WHERE n.org = $1");
    let mut values: Vec<Box<dyn ToSql + Sync + Send>> = vec![Box::new(org.as_str().to_owned())];
    let mut and = |test: &str, value: Option<String>| {
        if let Some(value) = value {
            values.push(Box::new(value));
            sql.push_str(&format!(" AND {test} ${}", values.len()));
        }
    };
    and("n.channel =", filter.channel.map(|channel| channel.name().to_owned()));
    and("n.address =", filter.address.clone());
    and("n.state =", filter.state.map(|state| state.name().to_owned()));
    and("n.id <", filter.after.map(|id| id.to_string()));
    values.push(Box::new(i64::from(filter.limit)));
    sql.push_str(&format!(" ORDER BY n.id DESC LIMIT ${}", values.len()));
    let params: Vec<&(dyn ToSql + Sync)> = values.iter().map(|value| &**value as &(dyn ToSql + Sync)).collect();
    work.rows(&sql, &params).await?.iter().map(rows::notification).collect()
}

async fn owe_again(tx: &Work, now: i64, org: &OrgId, id: NotificationId) -> Result<Notification> {
    let sql = "SELECT id FROM notifications WHERE id = $1 AND org = $2 FOR UPDATE";
    tx.first(sql, &[&id.to_string(), &org.as_str()]).await?.ok_or_else(no_such_notification)?;
    if get_one(tx, org, id).await?.state == NotificationState::Pending {
        return Err(still_owed());
    }
    tx.execute(
        "UPDATE notifications SET state = 'pending', tries = 0, due_at = $2, ended_at = NULL, fence = fence + 1
         WHERE id = $1",
        &[&id.to_string(), &now],
    )
    .await?;
    get_one(tx, org, id).await
}
