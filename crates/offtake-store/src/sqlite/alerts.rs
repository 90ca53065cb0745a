//! Alert rules in SQLite.

use async_trait::async_trait;
use jiff::SignedDuration;
use offtake_model::Result;
use offtake_model::alert::{Alert, AlertContent, AlertState, MOST_ALERTS};
use offtake_model::audit::{Act, Action};
use offtake_model::id::{AlertId, OrgId};
use rusqlite::{Connection, Row, params};

use super::fault::Sql;
use super::rows::{all, first, int, micros, scalar, to_json};
use super::{SqliteStore, audit};
use crate::alerts::{self, Alerts, Counted, Stored, StoredWatch, Tallied, Watch, Watched};
use crate::audit::deeds::to_alert;
use crate::events::Fact;
use crate::jobs::WorkerName;
use crate::rows::moment;

#[async_trait]
impl Alerts for SqliteStore {
    async fn create(&self, by: &Act, org: &OrgId, content: AlertContent) -> Result<Alert> {
        let (by, org) = (by.clone(), org.clone());
        self.write(move |tx, now| {
            rules_changed(tx)?;
            let count: Option<u32> = scalar(tx, "SELECT count(*) FROM alerts WHERE org = ?1", [org.as_str()])?;
            if count.unwrap_or(0) >= MOST_ALERTS {
                return Err(alerts::too_many().into());
            }
            let id = AlertId::new(moment(now)?);
            let sql = "INSERT INTO alerts (id, org, content, created_by, created_at, updated_at, state)
                       VALUES (?1, ?2, ?3, ?4, ?5, ?5, ?6)";
            let (said, state) = (to_json(&content)?, to_json(&AlertState::default())?);
            tx.prepare_cached(sql)?.execute(params![id.to_string(), org.as_str(), said, by.actor(), now, state])?;
            let alert = load(tx, &org, id)?;
            audit::append(tx, now, &org, &by, &to_alert(Action::AlertCreate, &alert))?;
            Ok(alert)
        })
        .await
    }

    async fn get(&self, org: &OrgId, id: AlertId) -> Result<Alert> {
        let org = org.clone();
        self.read(move |tx, _| load(tx, &org, id)).await
    }

    async fn list(&self, org: &OrgId) -> Result<Vec<Alert>> {
        let org = org.clone();
        self.read(move |tx, _| {
            all(tx, &format!("{ALERTS} WHERE org = ?1 ORDER BY id"), [org.as_str()], |row| Ok(stored(row)?.alert()?))
        })
        .await
    }

    async fn replace(&self, by: &Act, org: &OrgId, id: AlertId, version: u64, content: AlertContent) -> Result<Alert> {
        let (by, org) = (by.clone(), org.clone());
        self.write(move |tx, now| {
            rules_changed(tx)?;
            let was = load(tx, &org, id)?;
            alerts::unchanged(&was, Some(version))?;
            if !content.counts_like(&was.content) {
                tx.prepare_cached("DELETE FROM alert_tallies WHERE alert = ?1")?.execute([id.to_string()])?;
            }
            let state = to_json(&was.state.after(&was.content, &content))?;
            let sql = "UPDATE alerts SET content = ?3, state = ?4, version = version + 1, updated_at = ?5
                       WHERE org = ?1 AND id = ?2";
            tx.prepare_cached(sql)?.execute(params![org.as_str(), id.to_string(), to_json(&content)?, state, now])?;
            let alert = load(tx, &org, id)?;
            audit::append(tx, now, &org, &by, &to_alert(Action::AlertChange, &alert))?;
            Ok(alert)
        })
        .await
    }

    async fn delete(&self, by: &Act, org: &OrgId, id: AlertId, version: Option<u64>) -> Result<()> {
        let (by, org) = (by.clone(), org.clone());
        self.write(move |tx, now| {
            rules_changed(tx)?;
            let alert = load(tx, &org, id)?;
            alerts::unchanged(&alert, version)?;
            let sql = "DELETE FROM alerts WHERE org = ?1 AND id = ?2";
            tx.prepare_cached(sql)?.execute(params![org.as_str(), id.to_string()])?;
            audit::append(tx, now, &org, &by, &to_alert(Action::AlertDelete, &alert))?;
            Ok(())
        })
        .await
    }

    async fn watch(&self, worker: &WorkerName, hold: SignedDuration, before: Option<&Watch>) -> Result<Option<Watch>> {
        let (worker, fence) = (worker.clone(), before.map(|before| before.fence));
        // Who finds that somebody else counts, or that it still may, has only read.
        let looked = {
            let worker = worker.clone();
            self.read(move |tx, now| {
                let row = watch_row(tx)?;
                if row.holds_for(&worker, fence, hold, now) {
                    return Ok(Some(Some(row.watch(row.fence, now)?)));
                }
                Ok((!row.is_free_for(&worker, now)).then_some(None))
            })
            .await?
        };
        if let Some(found) = looked {
            return Ok(found);
        }
        self.write(move |tx, now| {
            let row = watch_row(tx)?;
            if !row.is_free_for(&worker, now) {
                return Ok(None);
            }
            let fence = row.fence + 1;
            let sql = "UPDATE alert_watch SET holder = ?1, holds_until = ?2, fence = ?3";
            tx.prepare_cached(sql)?.execute(params![worker.0, now.saturating_add(micros(hold)), fence])?;
            Ok(Some(row.watch(fence, now)?))
        })
        .await
    }

    async fn watched(&self) -> Result<(u64, Vec<Watched>)> {
        self.read(move |tx, _| {
            let rules = watch_row(tx)?.rules.unsigned_abs();
            let found = all(tx, &format!("{ALERTS} ORDER BY id"), [], stored)?;
            let mut watched = Vec::with_capacity(found.len());
            for alert in found {
                let Some(alert) = alerts::enabled(&alert) else { continue };
                let sql = "SELECT slot, tally FROM alert_tallies WHERE alert = ?1 ORDER BY slot";
                let tallies = all(tx, sql, [alert.id.to_string()], |row| Ok((row.get(0)?, row.get(1)?)))?;
                watched.push(Watched { alert, tallies });
            }
            Ok((rules, watched))
        })
        .await
    }

    async fn note(&self, watch: &Watch, pass: Counted) -> Result<bool> {
        let fence = watch.fence;
        self.write_facts(move |tx, _| {
            let row = watch_row(tx)?;
            if row.fence != fence {
                return Err(alerts::not_watching().into());
            }
            if row.rules.unsigned_abs() != pass.rules {
                return Ok((false, Vec::new()));
            }
            let Counted { rules: _, position, seen_at, tallies, over, states, events } = pass;
            let sql = "UPDATE alert_watch SET position = ?1, seen_at = ?2";
            tx.prepare_cached(sql)?.execute(params![int(position), seen_at.as_microsecond()])?;
            write_tallies(tx, &tallies, &over)?;
            for (alert, state) in &states {
                let sql = "UPDATE alerts SET state = ?2 WHERE id = ?1";
                tx.prepare_cached(sql)?.execute(params![alert.to_string(), to_json(state)?])?;
            }
            Ok((true, events.into_iter().map(|(org, event)| Fact::told(org, event)).collect()))
        })
        .await
    }

    async fn unwatch(&self, watch: Watch) -> Result<()> {
        self.write(move |tx, _| {
            let sql = "UPDATE alert_watch SET holder = NULL, holds_until = 0 WHERE fence = ?1";
            tx.prepare_cached(sql)?.execute([watch.fence])?;
            Ok(())
        })
        .await
    }
}

const ALERTS: &str = "SELECT id, org, content, version, created_by, created_at, updated_at, state FROM alerts";

/// Whoever counts notices it before it writes anything.
fn rules_changed(tx: &Connection) -> Sql<()> {
    tx.prepare_cached("UPDATE alert_watch SET rules = rules + 1")?.execute([])?;
    Ok(())
}

fn write_tallies(tx: &Connection, tallies: &[Tallied], over: &[(AlertId, i64)]) -> Sql<()> {
    let sql = "INSERT INTO alert_tallies (alert, org, slot, tally) VALUES (?1, ?2, ?3, ?4)
               ON CONFLICT (alert, slot) DO UPDATE SET tally = excluded.tally";
    for Tallied { alert, org, slot, tally } in tallies {
        tx.prepare_cached(sql)?.execute(params![alert.to_string(), org.as_str(), slot, tally])?;
    }
    for (alert, before) in over {
        let sql = "DELETE FROM alert_tallies WHERE alert = ?1 AND slot < ?2";
        tx.prepare_cached(sql)?.execute(params![alert.to_string(), before])?;
    }
    Ok(())
}

fn watch_row(tx: &Connection) -> Sql<StoredWatch> {
    let sql = "SELECT position, seen_at, rules, holder, holds_until, fence FROM alert_watch";
    let row = first(tx, sql, [], |row| {
        Ok(StoredWatch {
            position: row.get(0)?,
            seen_at: row.get(1)?,
            rules: row.get(2)?,
            holder: row.get(3)?,
            holds_until: row.get(4)?,
            fence: row.get(5)?,
        })
    })?;
    Ok(row.ok_or(rusqlite::Error::QueryReturnedNoRows)?)
}

fn load(tx: &Connection, org: &OrgId, id: AlertId) -> Sql<Alert> {
    let sql = format!("{ALERTS} WHERE org = ?1 AND id = ?2");
    let found = first(tx, &sql, params![org.as_str(), id.to_string()], stored)?;
    Ok(found.ok_or_else(alerts::no_such_alert)?.alert()?)
}

fn stored(row: &Row<'_>) -> Sql<Stored> {
    Ok(Stored {
        id: row.get(0)?,
        org: row.get(1)?,
        content: row.get(2)?,
        version: row.get(3)?,
        created_by: row.get(4)?,
        created_at: row.get(5)?,
        updated_at: row.get(6)?,
        state: row.get(7)?,
    })
}
