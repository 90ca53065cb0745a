//! The outbox in SQLite.

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use offtake_model::Result;
use offtake_model::audit::Act;
use offtake_model::id::{NotificationId, OrgId};
use rusqlite::types::Value;
use rusqlite::{Connection, Row, params, params_from_iter};

use super::fault::{Fault, Sql};
use super::rows::{all, first, micros, scalar};
use super::{SqliteStore, audit};
use crate::audit::deeds::owed_again;
use crate::events::PRUNED_AT_ONCE;
use crate::hints::Hint;
use crate::jobs::WorkerName;
use crate::outbox::{
    Notification, NotificationFilter, NotificationState, Outbox, OutboxDepth, Owed, Tried, Try, Verdict, for_the_log,
    no_such_notification, still_owed, taken_meanwhile,
};
use crate::rows::{self, NOTIFICATIONS};

const NEXT_DUE: &str = "SELECT due_at FROM notifications WHERE state = 'pending' ORDER BY due_at, id LIMIT 1";

#[async_trait]
impl Outbox for SqliteStore {
    async fn take_owed(&self, worker: &WorkerName, most: u32, lease: SignedDuration) -> Result<Vec<Owed>> {
        // Asked first, because it needs no write lock.
        let is_due = |tx: &Connection, now: i64| Ok(scalar::<i64>(tx, NEXT_DUE, [])?.is_some_and(|due| due <= now));
        if !self.read(is_due).await? {
            return Ok(Vec::new());
        }
        let worker = worker.clone();
        self.write(move |tx, now| take(tx, now, &worker, most, lease)).await
    }

    async fn tried(&self, owed: &Owed, outcome: &Try) -> Result<()> {
        let (id, fence, outcome) = (owed.notification.id, owed.fence, outcome.clone());
        let held = self.write(move |tx, now| tried(tx, now, id, fence, &outcome)).await?;
        if held { Ok(()) } else { Err(taken_meanwhile(id)) }
    }

    async fn next_due(&self) -> Result<Option<Timestamp>> {
        self.read(|tx, _| scalar::<i64>(tx, NEXT_DUE, [])?.map(|due| Ok(rows::moment(due)?)).transpose()).await
    }

    async fn notifications(&self, org: &OrgId, filter: &NotificationFilter) -> Result<Vec<Notification>> {
        let (org, filter) = (org.clone(), filter.clone());
        self.read(move |tx, _| list(tx, &org, &filter)).await
    }

    async fn notification(&self, org: &OrgId, id: NotificationId) -> Result<(Notification, Vec<Tried>)> {
        let org = org.clone();
        self.read(move |tx, _| Ok((get(tx, &org, id)?, log(tx, id)?))).await
    }

    async fn owe_again(&self, by: &Act, org: &OrgId, id: NotificationId) -> Result<Notification> {
        let (by, org) = (by.clone(), org.clone());
        let notification = self.write(move |tx, now| owe_again(tx, now, &by, &org, id)).await?;
        self.hints.tell(Hint::Owed);
        Ok(notification)
    }

    async fn prune_notifications(&self, retention: SignedDuration) -> Result<u64> {
        let mut pruned = 0;
        loop {
            let gone = self.write(move |tx, now| prune(tx, now, retention)).await?;
            pruned += gone;
            if gone < u64::from(PRUNED_AT_ONCE) {
                return Ok(pruned);
            }
        }
    }

    async fn outbox_depth(&self) -> Result<OutboxDepth> {
        self.read(|tx, now| {
            let sql = "SELECT count(*), min(created_at) FROM notifications WHERE state = 'pending'";
            let (owed, oldest): (i64, Option<i64>) =
                tx.prepare_cached(sql)?.query_row([], |row| Ok((row.get(0)?, row.get(1)?)))?;
            let oldest_seconds = oldest.map_or(0.0, |at| SignedDuration::from_micros(now - at).as_secs_f64());
            Ok(OutboxDepth { owed: owed.unsigned_abs(), oldest_seconds })
        })
        .await
    }
}

fn take(tx: &Connection, now: i64, worker: &WorkerName, most: u32, lease: SignedDuration) -> Sql<Vec<Owed>> {
    let sql = "SELECT id FROM notifications WHERE state = 'pending' AND due_at <= ?1 ORDER BY due_at, id LIMIT ?2";
    let ids: Vec<String> = all(tx, sql, params![now, most], |row| Ok(row.get(0)?))?;
    let mut take = tx.prepare_cached(
        "UPDATE notifications SET fence = fence + 1, tries = tries + 1, worker = ?2, due_at = ?3 WHERE id = ?1",
    )?;
    let sql = format!("SELECT {NOTIFICATIONS} FROM {TABLES} WHERE n.id = ?1");
    let mut taken = Vec::with_capacity(ids.len());
    for id in ids {
        take.execute(params![id, worker.0, now.saturating_add(micros(lease))])?;
        match first(tx, &sql, [&id], |row| Ok(rows::owed(row)?)) {
            Ok(owed) => taken.extend(owed),
            // One row that cannot be read must not keep the others.
            Err(Fault::Decided(error)) => {
                tracing::error!(notification_id = id, %error, "a notification cannot be read")
            }
            Err(other) => return Err(other),
        }
    }
    Ok(taken)
}

/// Whether whoever tried still had it.
fn tried(tx: &Connection, now: i64, id: NotificationId, fence: i64, outcome: &Try) -> Sql<bool> {
    let (id, answer) = (id.to_string(), for_the_log(&outcome.answer));
    tx.prepare_cached(
        "INSERT INTO notification_tries (notification, number, org, at, answer, took)
         SELECT id, (SELECT coalesce(max(number), 0) + 1 FROM notification_tries WHERE notification = ?1), org, ?2, ?3, ?4
         FROM notifications WHERE id = ?1",
    )?
    .execute(params![id, now, answer, micros(outcome.took)])?;
    let state = outcome.verdict.state();
    let changed = tx
        .prepare_cached(
            "UPDATE notifications SET state = ?3, due_at = ?4, ended_at = ?5, last_answer = ?6, worker = NULL
             WHERE id = ?1 AND fence = ?2 AND state = 'pending'",
        )?
        .execute(params![
            id,
            fence,
            state.name(),
            now.saturating_add(micros(outcome.verdict.delay())),
            (!matches!(outcome.verdict, Verdict::Again(_))).then_some(now),
            answer,
        ])?;
    Ok(changed == 1)
}

const TABLES: &str = "notifications AS n JOIN events AS e ON e.org = n.org AND e.seq = n.event";

fn get(connection: &Connection, org: &OrgId, id: NotificationId) -> Sql<Notification> {
    let sql = format!("SELECT {NOTIFICATIONS} FROM {TABLES} WHERE n.id = ?1 AND n.org = ?2");
    first(connection, &sql, params![id.to_string(), org.as_str()], notification)?
        .ok_or_else(|| no_such_notification().into())
}

fn log(connection: &Connection, id: NotificationId) -> Sql<Vec<Tried>> {
    let sql = "SELECT * FROM notification_tries WHERE notification = ?1 ORDER BY number";
    all(connection, sql, [id.to_string()], |row| Ok(rows::tried(row)?))
}

fn list(connection: &Connection, org: &OrgId, filter: &NotificationFilter) -> Sql<Vec<Notification>> {
    let mut sql = format!("SELECT {NOTIFICATIONS} FROM {TABLES} WHERE n.org = ?");
    let mut values = vec![Value::Text(org.as_str().to_owned())];
    let mut and = |test: &str, value: Option<String>| {
        if let Some(value) = value {
            sql.push_str(&format!(" AND {test} ?"));
            values.push(Value::Text(value));
        }
    };
    and("n.channel =", filter.channel.map(|channel| channel.name().to_owned()));
    and("n.address =", filter.address.clone());
    and("n.state =", filter.state.map(|state| state.name().to_owned()));
    and("n.id <", filter.after.map(|id| id.to_string()));
    sql.push_str(" ORDER BY n.id DESC LIMIT ?");
    values.push(Value::Integer(i64::from(filter.limit)));
    all(connection, &sql, params_from_iter(&values), notification)
}

fn owe_again(tx: &Connection, now: i64, by: &Act, org: &OrgId, id: NotificationId) -> Sql<Notification> {
    if get(tx, org, id)?.state == NotificationState::Pending {
        return Err(still_owed().into());
    }
    tx.prepare_cached(
        "UPDATE notifications SET state = 'pending', tries = 0, due_at = ?2, ended_at = NULL, fence = fence + 1
         WHERE id = ?1",
    )?
    .execute(params![id.to_string(), now])?;
    let notification = get(tx, org, id)?;
    audit::append(tx, now, org, by, &owed_again(&notification))?;
    Ok(notification)
}

fn prune(tx: &Connection, now: i64, retention: SignedDuration) -> Sql<u64> {
    let sql = "DELETE FROM notifications WHERE id IN (
         SELECT id FROM notifications WHERE ended_at < ?1 AND ended_at IS NOT NULL LIMIT ?2)";
    let before = now.saturating_sub(micros(retention));
    Ok(tx.prepare_cached(sql)?.execute(params![before, PRUNED_AT_ONCE])? as u64)
}

fn notification(row: &Row<'_>) -> Sql<Notification> {
    Ok(rows::notification(row)?)
}
