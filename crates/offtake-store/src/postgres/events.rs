//! Events in Postgres. Whoever writes one locks the counter of the organization: from there to the commit whatever else
//! happens in it waits, so that numbers are in the order of commit.
//!
//! That lock is therefore the last of a transaction: after the row of the job and after the head of the audit trail.
//! A transaction that writes events of several organizations takes their counters in the order of their names, and so
//! nobody waits in a circle.

use std::sync::Arc;

use async_trait::async_trait;
use jiff::SignedDuration;
use offtake_model::event::{Event, NewEvent};
use offtake_model::id::{JobId, NotificationId, OrgId};
use offtake_model::job::JobStatus;
use offtake_model::{ErrorKind, Result};
use offtake_postgres::Work;

use super::PostgresStore;
use super::rows::get;
use super::wake::Wake;
use super::webhooks;
use crate::events::{Alarm, Events, Fact, PRUNED_AT_ONCE, Sighting, TOLD};
use crate::hints::{Hint, Hints};
use crate::outbox::Addressee;
use crate::refusals::internal;
use crate::rows::{self, int, micros, to_json};

const COLUMNS: &str = "org, seq, kind, job, owner, at, data";

/// Counter, event and notifications in one statement: the counter is locked no longer than that and the commit.
const APPEND: &str = "WITH counted AS (
         INSERT INTO event_counters AS counter (org, seq) VALUES ($1, 1)
         ON CONFLICT (org) DO UPDATE SET seq = counter.seq + 1 RETURNING seq),
     written AS (
         INSERT INTO events (org, seq, kind, job, owner, at, data)
         SELECT $1, seq, $2, $3, $4, $5, $6 FROM counted),
     fanned_out AS (
         INSERT INTO notifications (id, org, channel, address, event, state, due_at, created_at)
         SELECT told.id, $1, told.channel, told.address, seq, 'pending', $5, $5
         FROM counted, unnest($7::text[], $8::text[], $9::text[]) AS told (id, channel, address))
     SELECT seq FROM counted";

/// Writes down what happened, and who is to be told; what the readers in this process are told after the commit. Nothing
/// else may be locked after it in the same transaction.
pub(super) async fn write(tx: &Work, now: i64, wake: &Wake, mut facts: Vec<Fact>) -> Result<Vec<Hint>> {
    facts.sort_by(|one, other| one.org.cmp(&other.org));
    let mut hints = Vec::with_capacity(facts.len());
    for Fact { org, event, to } in facts {
        hints.push(append(tx, now, &org, event, &to).await?.1);
    }
    for hint in &hints {
        wake.tell_hint(tx, hint).await?;
    }
    Ok(hints)
}

async fn append(tx: &Work, now: i64, org: &OrgId, new: NewEvent, to: &[Addressee]) -> Result<(Event, Hint)> {
    let to = [to, &webhooks::wanting(tx, org, new.kind).await?].concat();
    append_for(tx, now, org, new, &to).await
}

/// Writes one event down that is told to these alone, as far as notifications go. Its hint is still to be told.
pub(super) async fn append_for(
    tx: &Work,
    now: i64,
    org: &OrgId,
    new: NewEvent,
    to: &[Addressee],
) -> Result<(Event, Hint)> {
    let at = rows::moment(now)?;
    let NewEvent { kind, job, owner, data } = new;
    let (ids, channels, addresses) = fan_out(at, to);
    let row = tx
        .first(
            APPEND,
            &[
                &org.as_str(),
                &kind.name(),
                &job.map(|job| job.to_string()),
                &owner,
                &now,
                &to_json(&data)?,
                &ids,
                &channels,
                &addresses,
            ],
        )
        .await?;
    let seq: i64 = get(&row.ok_or_else(|| internal("an event has no number"))?, 0)?;
    let event = Event { org: org.clone(), seq: seq.unsigned_abs(), kind, job, owner, at, data };
    let hint = Hint::Event { org: org.clone(), seq: event.seq, job, owed: !to.is_empty() };
    Ok((event, hint))
}

/// One notification for everybody who is owed word of the event: ids, channels and addresses.
fn fan_out(at: jiff::Timestamp, to: &[Addressee]) -> (Vec<String>, Vec<&'static str>, Vec<&str>) {
    let ids = to.iter().map(|_| NotificationId::new(at).to_string()).collect();
    let channels = to.iter().map(|addressee| addressee.channel.name()).collect();
    (ids, channels, to.iter().map(|addressee| addressee.address.as_str()).collect())
}

/// What happened to a job whose row cannot be read; nothing, if not even that can be told whose it is.
pub(super) async fn of_damaged_job(tx: &Work, id: &str) -> Result<Option<Fact>> {
    let row = tx.first("SELECT org, owner, status FROM jobs WHERE id = $1", &[&id]).await?;
    let Some(row) = row else { return Ok(None) };
    let (org, owner, status): (String, String, String) = (get(&row, 0)?, get(&row, 1)?, get(&row, 2)?);
    let (Ok(id), Ok(org), Some(status)) = (id.parse(), OrgId::new(org), JobStatus::parse(&status)) else {
        return Ok(None);
    };
    Ok(Some(Fact::of_damaged_job(id, org, owner, status)))
}

/// The event of a job that must be there.
pub(super) async fn of_job(tx: &Work, id: JobId) -> Result<Fact> {
    let id = id.to_string();
    match super::requests::load(tx, &id).await {
        Ok(job) => Ok(Fact::of_job(&job)),
        Err(error) if error.kind() == ErrorKind::Internal => of_damaged_job(tx, &id).await?.ok_or(error),
        Err(other) => Err(other),
    }
}

#[async_trait]
impl Events for PostgresStore {
    async fn append(&self, org: &OrgId, event: NewEvent) -> Result<Event> {
        let tx = self.write_of(org).await?;
        let written = async {
            let (event, hint) = append(&tx, self.now(&tx).await?, org, event, &[]).await?;
            self.wake.tell_hint(&tx, &hint).await?;
            Ok((event, hint))
        };
        let outcome = written.await;
        let (event, hint) = tx.end(outcome).await?;
        self.wake.hints.tell(hint);
        Ok(event)
    }

    async fn after(&self, org: &OrgId, seq: u64, limit: u32) -> Result<Vec<Event>> {
        let sql = format!("SELECT {COLUMNS} FROM events WHERE org = $1 AND seq > $2 ORDER BY seq LIMIT $3");
        let found = self.read_of(org).await?.rows(&sql, &[&org.as_str(), &int(seq), &i64::from(limit)]).await?;
        found.iter().map(rows::event).collect()
    }

    async fn of_job(&self, org: &OrgId, job: JobId, after: u64, limit: u32) -> Result<Vec<Event>> {
        let sql =
            format!("SELECT {COLUMNS} FROM events WHERE org = $1 AND job = $2 AND seq > $3 ORDER BY seq LIMIT $4");
        let work = self.read_of(org).await?;
        let found = work.rows(&sql, &[&org.as_str(), &job.to_string(), &int(after), &i64::from(limit)]).await?;
        found.iter().map(rows::event).collect()
    }

    async fn newest(&self, orgs: &[OrgId]) -> Result<Vec<(OrgId, u64)>> {
        let names: Vec<&str> = orgs.iter().map(OrgId::as_str).collect();
        let sql = "SELECT coalesce(seq, 0) FROM unnest($1::text[]) WITH ORDINALITY AS asked (org, number)
                   LEFT JOIN event_counters AS counter ON counter.org = asked.org ORDER BY number";
        let found = self.read_all().await?.rows(sql, &[&names]).await?;
        orgs.iter().zip(&found).map(|(org, row)| Ok((org.clone(), get::<i64>(row, 0)?.unsigned_abs()))).collect()
    }

    async fn oldest(&self, org: &OrgId) -> Result<u64> {
        let sql = "SELECT coalesce((SELECT min(seq) FROM events WHERE org = $1),
                                   (SELECT seq FROM event_counters WHERE org = $1) + 1, 1)";
        let row = self.read_of(org).await?.first(sql, &[&org.as_str()]).await?;
        row.map_or(Ok(1), |row| Ok(get::<i64>(&row, 0)?.unsigned_abs()))
    }

    async fn prune_events(&self, retention: SignedDuration) -> Result<u64> {
        let mut pruned = 0;
        loop {
            let work = self.read_all().await?;
            let gone = prune(&work, self.now(&work).await?, retention).await?;
            pruned += gone;
            if gone < u64::from(PRUNED_AT_ONCE) {
                return Ok(pruned);
            }
        }
    }

    async fn sighted(&self, sighting: &Sighting, cool_down: SignedDuration) -> Result<Vec<Event>> {
        // Mostly there is nothing wrong and nothing over.
        let sql = "SELECT 1 FROM alarms WHERE code = $1 AND is_on LIMIT 1";
        if !sighting.is_on && self.read_all().await?.first(sql, &[&sighting.code]).await?.is_none() {
            return Ok(Vec::new());
        }
        let tx = self.write_all().await?;
        let sighted = async {
            let told = sighted(&tx, self.now(&tx).await?, sighting, cool_down).await?;
            for (_, hint) in &told {
                self.wake.tell_hint(&tx, hint).await?;
            }
            Ok(told)
        };
        let outcome = sighted.await;
        let told = tx.end(outcome).await?;
        Ok(told.into_iter().map(|(event, hint)| (event, self.wake.hints.tell(hint)).0).collect())
    }

    fn hints(&self) -> Arc<Hints> {
        Arc::clone(&self.wake.hints)
    }
}

/// How an alarm stands for those who are concerned: with jobs under way, or told of it already.
const CONCERNED: &str = "SELECT concerned.org, is_on, begun_at, seen_by, seen_at FROM (
         SELECT org FROM jobs WHERE status IN ('pending', 'processing') AND pinned_to IS NULL AND $2::boolean
         UNION SELECT org FROM alarms WHERE code = $1 AND is_on) AS concerned
     LEFT JOIN alarms ON alarms.org = concerned.org AND alarms.code = $1 ORDER BY concerned.org LIMIT $3";

async fn sighted(tx: &Work, now: i64, sighting: &Sighting, cool_down: SignedDuration) -> Result<Vec<(Event, Hint)>> {
    // One at a time: what is seen of the alarms stays so.
    tx.first("SELECT pg_advisory_xact_lock(hashtextextended('offtake alarms', 7))", &[]).await?;
    let mut told = Vec::new();
    for row in tx.rows(CONCERNED, &[&sighting.code, &sighting.is_on, &i64::from(TOLD)]).await? {
        let org: String = get(&row, 0)?;
        let known = match get::<Option<bool>>(&row, 1)? {
            None => None,
            Some(is_on) => {
                Some(Alarm { is_on, begun_at: get(&row, 2)?, seen_by: get(&row, 3)?, seen_at: get(&row, 4)? })
            }
        };
        let Some((alarm, is_told)) = sighting.judge(known.as_ref(), now, cool_down) else { continue };
        tx.execute(
            "INSERT INTO alarms (org, code, is_on, begun_at, seen_by, seen_at) VALUES ($1, $2, $3, $4, $5, $6)
             ON CONFLICT (org, code) DO UPDATE SET is_on = excluded.is_on, begun_at = excluded.begun_at,
                                                   seen_by = excluded.seen_by, seen_at = excluded.seen_at",
            &[&org, &sighting.code, &alarm.is_on, &alarm.begun_at, &alarm.seen_by, &alarm.seen_at],
        )
        .await?;
        if is_told {
            told.push(OrgId::new(org)?);
        }
    }
    // The counters last, in the order of their names.
    let mut events = Vec::with_capacity(told.len());
    for org in told {
        events.push(append(tx, now, &org, sighting.event(), &[]).await?);
    }
    Ok(events)
}

/// Removes at most [`PRUNED_AT_ONCE`] events. What is kept of an organization begins with the first that is young enough,
/// or that a notification speaks of.
async fn prune(work: &Work, now: i64, retention: SignedDuration) -> Result<u64> {
    let sql = "DELETE FROM events USING (
         SELECT old.org, old.seq FROM event_counters AS c
         CROSS JOIN LATERAL (
             SELECT least(
                 coalesce((SELECT seq FROM events AS young WHERE young.org = c.org AND young.at >= $1 ORDER BY seq LIMIT 1),
                          c.seq + 1),
                 coalesce((SELECT min(event) FROM notifications WHERE notifications.org = c.org), c.seq + 1)) AS first) AS kept
         JOIN events AS old ON old.org = c.org AND old.seq < kept.first
         ORDER BY old.org, old.seq LIMIT $2) AS gone
         WHERE events.org = gone.org AND events.seq = gone.seq";
    let before = now.saturating_sub(micros(retention));
    work.execute(sql, &[&before, &i64::from(PRUNED_AT_ONCE)]).await
}
