//! Events in SQLite. One writer at a time sees to it that numbers are in the order of commit.

use std::sync::Arc;

use async_trait::async_trait;
use jiff::SignedDuration;
use offtake_model::Result;
use offtake_model::event::{Event, NewEvent};
use offtake_model::id::{JobId, NotificationId, OrgId};
use offtake_model::job::JobStatus;
use rusqlite::{Connection, Row, params};

use super::fault::{Fault, Sql};
use super::rows::{all, first, int, micros, scalar, to_json};
use super::{SqliteStore, webhooks};
use crate::events::{Alarm, Events, Fact, PRUNED_AT_ONCE, Sighting, TOLD};
use crate::hints::{Hint, Hints};
use crate::outbox::{Addressee, NotificationState};
use crate::rows;

/// Writes down what happened, and who is to be told; what the readers are told after the commit.
pub(super) fn write(tx: &Connection, now: i64, facts: Vec<Fact>) -> Sql<Vec<Hint>> {
    let mut hints = Vec::with_capacity(facts.len());
    for Fact { org, event, to } in facts {
        hints.push(append(tx, now, &org, event, &to)?.1);
    }
    Ok(hints)
}

fn append(tx: &Connection, now: i64, org: &OrgId, new: NewEvent, to: &[Addressee]) -> Sql<(Event, Hint)> {
    let to = [to, &webhooks::wanting(tx, org, new.kind)?].concat();
    append_for(tx, now, org, new, &to)
}

/// Writes one event down that is told to these alone, as far as notifications go.
pub(super) fn append_for(
    tx: &Connection,
    now: i64,
    org: &OrgId,
    new: NewEvent,
    to: &[Addressee],
) -> Sql<(Event, Hint)> {
    let sql = "INSERT INTO event_counters (org, seq) VALUES (?1, 1)
               ON CONFLICT (org) DO UPDATE SET seq = seq + 1 RETURNING seq";
    let seq: i64 = tx.prepare_cached(sql)?.query_row([org.as_str()], |row| row.get(0))?;
    let NewEvent { kind, job, owner, data } = new;
    tx.prepare_cached("INSERT INTO events (org, seq, kind, job, owner, at, data) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)")?
        .execute(params![
            org.as_str(),
            seq,
            kind.name(),
            job.map(|job| job.to_string()),
            owner,
            now,
            to_json(&data)?
        ])?;
    let at = rows::moment(now)?;
    let event = Event { org: org.clone(), seq: seq.unsigned_abs(), kind, job, owner, at, data };
    fan_out(tx, now, &event, to)?;
    let hint = Hint::Event { org: org.clone(), seq: event.seq, job, owed: !to.is_empty() };
    Ok((event, hint))
}

/// One notification for everybody who is owed word of the event.
fn fan_out(tx: &Connection, now: i64, event: &Event, to: &[Addressee]) -> Sql<()> {
    let mut insert = tx.prepare_cached(
        "INSERT INTO notifications (id, org, channel, address, event, state, due_at, created_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?7)",
    )?;
    for Addressee { channel, address } in to {
        insert.execute(params![
            NotificationId::new(event.at).to_string(),
            event.org.as_str(),
            channel.name(),
            address,
            int(event.seq),
            NotificationState::Pending.name(),
            now,
        ])?;
    }
    Ok(())
}

/// What happened to a job whose row cannot be read; nothing, if not even that can be told whose it is.
pub(super) fn of_damaged_job(tx: &Connection, id: &str) -> Sql<Option<Fact>> {
    let row: Option<(String, String, String)> =
        first(tx, "SELECT org, owner, status FROM jobs WHERE id = ?1", [id], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        })?;
    Ok(row.and_then(|(org, owner, status)| {
        Some(Fact::of_damaged_job(id.parse().ok()?, OrgId::new(org).ok()?, owner, JobStatus::parse(&status)?))
    }))
}

#[async_trait]
impl Events for SqliteStore {
    async fn append(&self, org: &OrgId, event: NewEvent) -> Result<Event> {
        let org = org.clone();
        let (event, hint) = self.write(move |tx, now| append(tx, now, &org, event, &[])).await?;
        self.hints.tell(hint);
        Ok(event)
    }

    async fn after(&self, org: &OrgId, seq: u64, limit: u32) -> Result<Vec<Event>> {
        let org = org.clone();
        let sql = "SELECT * FROM events WHERE org = ?1 AND seq > ?2 ORDER BY seq LIMIT ?3";
        self.read(move |tx, _| all(tx, sql, params![org.as_str(), int(seq), limit], event)).await
    }

    async fn of_job(&self, org: &OrgId, job: JobId, after: u64, limit: u32) -> Result<Vec<Event>> {
        let org = org.clone();
        let sql = "SELECT * FROM events WHERE job = ?2 AND org = ?1 AND seq > ?3 ORDER BY seq LIMIT ?4";
        self.read(move |tx, _| all(tx, sql, params![org.as_str(), job.to_string(), int(after), limit], event)).await
    }

    async fn newest(&self, orgs: &[OrgId]) -> Result<Vec<(OrgId, u64)>> {
        let orgs = orgs.to_vec();
        self.read(move |tx, _| {
            let newest = |org: OrgId| Ok((newest(tx, &org)?, org));
            orgs.into_iter().map(newest).map(|found: Sql<_>| found.map(|(seq, org)| (org, seq))).collect()
        })
        .await
    }

    async fn oldest(&self, org: &OrgId) -> Result<u64> {
        let org = org.clone();
        self.read(move |tx, _| {
            let sql = "SELECT seq FROM events WHERE org = ?1 ORDER BY seq LIMIT 1";
            let oldest: Option<i64> = scalar(tx, sql, [org.as_str()])?;
            oldest.map_or_else(|| Ok(newest(tx, &org)? + 1), |seq| Ok(seq.unsigned_abs()))
        })
        .await
    }

    async fn prune_events(&self, retention: SignedDuration) -> Result<u64> {
        let mut pruned = 0;
        loop {
            let gone = self.write(move |tx, now| prune(tx, now, retention)).await?;
            pruned += gone;
            if gone < u64::from(PRUNED_AT_ONCE) {
                return Ok(pruned);
            }
        }
    }

    async fn sighted(&self, sighting: &Sighting, cool_down: SignedDuration) -> Result<Vec<Event>> {
        let sighting = sighting.clone();
        // Mostly there is nothing wrong and nothing over, which needs no write lock.
        let (code, is_on) = (sighting.code, sighting.is_on);
        let sql = "SELECT EXISTS (SELECT 1 FROM alarms WHERE code = ?1 AND is_on)";
        if !is_on && !self.read(move |tx, _| Ok(scalar::<bool>(tx, sql, [code])?.unwrap_or_default())).await? {
            return Ok(Vec::new());
        }
        let told = self.write(move |tx, now| sighted(tx, now, &sighting, cool_down)).await?;
        Ok(told.into_iter().map(|(event, hint)| (event, self.hints.tell(hint)).0).collect())
    }

    fn hints(&self) -> Arc<Hints> {
        Arc::clone(&self.hints)
    }
}

/// How an alarm stands for those who are concerned: with jobs under way, or told of it already.
const CONCERNED: &str = "SELECT concerned.org, is_on, begun_at, seen_by, seen_at FROM (
         SELECT DISTINCT org FROM jobs WHERE status IN ('pending', 'processing') AND pinned_to IS NULL AND ?2
         UNION SELECT org FROM alarms WHERE code = ?1 AND is_on) AS concerned
     LEFT JOIN alarms ON alarms.org = concerned.org AND alarms.code = ?1 ORDER BY concerned.org LIMIT ?3";

fn sighted(tx: &Connection, now: i64, sighting: &Sighting, cool_down: SignedDuration) -> Sql<Vec<(Event, Hint)>> {
    let concerned: Vec<(String, Option<Alarm>)> =
        all(tx, CONCERNED, params![sighting.code, sighting.is_on, TOLD], |row| {
            let alarm = match row.get::<_, Option<bool>>(1)? {
                None => None,
                Some(is_on) => Some(Alarm { is_on, begun_at: row.get(2)?, seen_by: row.get(3)?, seen_at: row.get(4)? }),
            };
            Ok((row.get(0)?, alarm))
        })?;
    let mut told = Vec::new();
    for (org, known) in concerned {
        let Some((alarm, is_told)) = sighting.judge(known.as_ref(), now, cool_down) else { continue };
        tx.prepare_cached(
            "INSERT INTO alarms (org, code, is_on, begun_at, seen_by, seen_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
             ON CONFLICT (org, code) DO UPDATE SET is_on = excluded.is_on, begun_at = excluded.begun_at,
                                                   seen_by = excluded.seen_by, seen_at = excluded.seen_at",
        )?
        .execute(params![org, sighting.code, alarm.is_on, alarm.begun_at, alarm.seen_by, alarm.seen_at])?;
        if is_told {
            told.push(append(tx, now, &OrgId::new(org)?, sighting.event(), &[])?);
        }
    }
    Ok(told)
}

fn newest(connection: &Connection, org: &OrgId) -> Sql<u64> {
    let seq: Option<i64> = scalar(connection, "SELECT seq FROM event_counters WHERE org = ?1", [org.as_str()])?;
    Ok(seq.unwrap_or_default().unsigned_abs())
}

/// Removes at most [`PRUNED_AT_ONCE`] events. What is kept of an organization begins with the first that is young enough,
/// or that a notification speaks of.
fn prune(tx: &Connection, now: i64, retention: SignedDuration) -> Sql<u64> {
    let sql = "DELETE FROM events WHERE rowid IN (
         SELECT events.rowid FROM event_counters AS c JOIN events ON events.org = c.org
         WHERE events.seq < min(
             coalesce((SELECT seq FROM events AS young WHERE young.org = c.org AND young.at >= ?1 ORDER BY seq LIMIT 1), c.seq + 1),
             coalesce((SELECT min(event) FROM notifications WHERE notifications.org = c.org), c.seq + 1))
         LIMIT ?2)";
    let before = now.saturating_sub(micros(retention));
    Ok(tx.prepare_cached(sql)?.execute(params![before, PRUNED_AT_ONCE])? as u64)
}

fn event(row: &Row<'_>) -> Sql<Event> {
    Ok(rows::event(row)?)
}

/// The event of a job that must be there.
pub(super) fn of_job(tx: &Connection, id: JobId) -> Sql<Fact> {
    match super::requests::load(tx, id) {
        Ok(job) => Ok(Fact::of_job(&job)),
        Err(Fault::Decided(error)) => match of_damaged_job(tx, &id.to_string())? {
            Some(fact) => Ok(fact),
            None => Err(error.into()),
        },
        Err(other) => Err(other),
    }
}
