//! Alert rules in Postgres. Whoever changes a rule, or writes down what was counted, locks the one row of `alert_watch`
//! first.

use std::collections::BTreeMap;

use async_trait::async_trait;
use jiff::SignedDuration;
use offtake_model::Result;
use offtake_model::alert::{Alert, AlertContent, AlertState, MOST_ALERTS};
use offtake_model::audit::{Act, Action};
use offtake_model::id::{AlertId, OrgId};
use offtake_postgres::Work;
use tokio_postgres::Row;

use super::rows::get;
use super::{PostgresStore, audit, events};
use crate::alerts::{self, Alerts, Counted, Stored, StoredWatch, Tallied, Watch, Watched};
use crate::audit::deeds::to_alert;
use crate::events::Fact;
use crate::jobs::WorkerName;
use crate::refusals::internal;
use crate::rows::{int, micros, moment, to_json};

#[async_trait]
impl Alerts for PostgresStore {
    async fn create(&self, by: &Act, org: &OrgId, content: AlertContent) -> Result<Alert> {
        let tx = self.write_of(org).await?;
        let create = async {
            rules_changed(&tx).await?;
            let now = self.now(&tx).await?;
            let counted = tx.first("SELECT count(*) FROM alerts WHERE org = $1", &[&org.as_str()]).await?;
            let count: i64 = counted.as_ref().map_or(Ok(0), |row| get(row, 0))?;
            if count >= i64::from(MOST_ALERTS) {
                return Err(alerts::too_many());
            }
            let id = AlertId::new(moment(now)?);
            let sql = "INSERT INTO alerts (id, org, content, created_by, created_at, updated_at, state)
                       VALUES ($1, $2, $3, $4, $5, $5, $6)";
            let (said, state) = (to_json(&content)?, to_json(&AlertState::default())?);
            tx.execute(sql, &[&id.to_string(), &org.as_str(), &said, &by.actor(), &now, &state]).await?;
            let alert = load(&tx, org, id).await?;
            audit::append(&tx, now, org, by, &to_alert(Action::AlertCreate, &alert)).await?;
            Ok(alert)
        };
        let outcome = create.await;
        tx.end(outcome).await
    }

    async fn get(&self, org: &OrgId, id: AlertId) -> Result<Alert> {
        load(&self.read_of(org).await?, org, id).await
    }

    async fn list(&self, org: &OrgId) -> Result<Vec<Alert>> {
        let sql = format!("{ALERTS} WHERE org = $1 ORDER BY id");
        let rows = self.read_of(org).await?.rows(&sql, &[&org.as_str()]).await?;
        rows.iter().map(|row| stored(row)?.alert()).collect()
    }

    async fn replace(&self, by: &Act, org: &OrgId, id: AlertId, version: u64, content: AlertContent) -> Result<Alert> {
        let tx = self.write_of(org).await?;
        let replace = async {
            rules_changed(&tx).await?;
            let was = load(&tx, org, id).await?;
            alerts::unchanged(&was, Some(version))?;
            if !content.counts_like(&was.content) {
                let sql = "DELETE FROM alert_tallies WHERE org = $1 AND alert = $2";
                tx.execute(sql, &[&org.as_str(), &id.to_string()]).await?;
            }
            let (said, state) = (to_json(&content)?, to_json(&was.state.after(&was.content, &content))?);
            let now = self.now(&tx).await?;
            let sql = "UPDATE alerts SET content = $3, state = $4, version = version + 1, updated_at = $5
                       WHERE org = $1 AND id = $2";
            tx.execute(sql, &[&org.as_str(), &id.to_string(), &said, &state, &now]).await?;
            let alert = load(&tx, org, id).await?;
            audit::append(&tx, now, org, by, &to_alert(Action::AlertChange, &alert)).await?;
            Ok(alert)
        };
        let outcome = replace.await;
        tx.end(outcome).await
    }

    async fn delete(&self, by: &Act, org: &OrgId, id: AlertId, version: Option<u64>) -> Result<()> {
        let tx = self.write_of(org).await?;
        let delete = async {
            rules_changed(&tx).await?;
            let alert = load(&tx, org, id).await?;
            alerts::unchanged(&alert, version)?;
            let sql = "DELETE FROM alerts WHERE org = $1 AND id = $2";
            tx.execute(sql, &[&org.as_str(), &id.to_string()]).await?;
            let now = self.now(&tx).await?;
            audit::append(&tx, now, org, by, &to_alert(Action::AlertDelete, &alert)).await.map(drop)
        };
        let outcome = delete.await;
        tx.end(outcome).await
    }

    async fn watch(&self, worker: &WorkerName, hold: SignedDuration, before: Option<&Watch>) -> Result<Option<Watch>> {
        // Who finds that somebody else counts, or that it still may, has only read.
        let look = self.read_all().await?;
        let (row, now) = (watch_row(&look, "").await?, self.now(&look).await?);
        drop(look);
        if row.holds_for(worker, before.map(|before| before.fence), hold, now) {
            return row.watch(row.fence, now).map(Some);
        }
        if !row.is_free_for(worker, now) {
            return Ok(None);
        }
        let tx = self.write_all().await?;
        let watch = async {
            let row = watch_row(&tx, " FOR UPDATE").await?;
            let now = self.now(&tx).await?;
            if !row.is_free_for(worker, now) {
                return Ok(None);
            }
            let fence = row.fence + 1;
            let sql = "UPDATE alert_watch SET holder = $1, holds_until = $2, fence = $3";
            tx.execute(sql, &[&worker.0, &now.saturating_add(micros(hold)), &fence]).await?;
            row.watch(fence, now).map(Some)
        };
        let outcome = watch.await;
        tx.end(outcome).await
    }

    async fn watched(&self) -> Result<(u64, Vec<Watched>)> {
        let work = self.read_all().await?;
        // The state of the rules first: what changes after it is noticed when it is to be written down.
        let rules = watch_row(&work, "").await?.rules.unsigned_abs();
        let found = work.rows(&format!("{ALERTS} ORDER BY id"), &[]).await?;
        let sql = "SELECT alert, slot, tally FROM alert_tallies ORDER BY alert, slot";
        let mut tallies: BTreeMap<String, Vec<(i64, String)>> = BTreeMap::new();
        for row in work.rows(sql, &[]).await? {
            tallies.entry(get(&row, 0)?).or_default().push((get(&row, 1)?, get(&row, 2)?));
        }
        let found = found.iter().map(stored).collect::<Result<Vec<_>>>()?;
        let watched = found.iter().filter_map(alerts::enabled).map(|alert| {
            let tallies = tallies.remove(&alert.id.to_string()).unwrap_or_default();
            Watched { alert, tallies }
        });
        Ok((rules, watched.collect()))
    }

    async fn note(&self, watch: &Watch, pass: Counted) -> Result<bool> {
        let tx = self.write_all().await?;
        let note = async {
            let row = watch_row(&tx, " FOR UPDATE").await?;
            if row.fence != watch.fence {
                return Err(alerts::not_watching());
            }
            if row.rules.unsigned_abs() != pass.rules {
                return Ok((false, Vec::new()));
            }
            let now = self.now(&tx).await?;
            let Counted { rules: _, position, seen_at, tallies, over, states, events: told } = pass;
            let sql = "UPDATE alert_watch SET position = $1, seen_at = $2";
            tx.execute(sql, &[&int(position), &seen_at.as_microsecond()]).await?;
            write_tallies(&tx, &tallies, &over).await?;
            write_states(&tx, &states).await?;
            let facts = told.into_iter().map(|(org, event)| Fact::told(org, event)).collect();
            Ok((true, events::write(&tx, now, &self.wake, facts).await?))
        };
        let outcome = note.await;
        let (noted, hints) = tx.end(outcome).await?;
        self.wake.hint(hints);
        Ok(noted)
    }

    async fn unwatch(&self, watch: Watch) -> Result<()> {
        let sql = "UPDATE alert_watch SET holder = NULL, holds_until = 0 WHERE fence = $1";
        self.read_all().await?.execute(sql, &[&watch.fence]).await.map(drop)
    }
}

const ALERTS: &str = "SELECT id, org, content, version, created_by, created_at, updated_at, state FROM alerts";

/// Whoever counts notices it before it writes anything. Holds the row until the end of the transaction.
async fn rules_changed(tx: &Work) -> Result<()> {
    tx.execute("UPDATE alert_watch SET rules = rules + 1", &[]).await.map(drop)
}

async fn write_tallies(tx: &Work, tallies: &[Tallied], over: &[(AlertId, i64)]) -> Result<()> {
    let ids: Vec<String> = tallies.iter().map(|tallied| tallied.alert.to_string()).collect();
    let orgs: Vec<&str> = tallies.iter().map(|tallied| tallied.org.as_str()).collect();
    let slots: Vec<i64> = tallies.iter().map(|tallied| tallied.slot).collect();
    let said: Vec<&str> = tallies.iter().map(|tallied| tallied.tally.as_str()).collect();
    let sql = "INSERT INTO alert_tallies (alert, org, slot, tally)
               SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[], $4::text[])
               ON CONFLICT (alert, slot) DO UPDATE SET tally = excluded.tally";
    if !tallies.is_empty() {
        tx.execute(sql, &[&ids, &orgs, &slots, &said]).await?;
    }
    let ids: Vec<String> = over.iter().map(|(alert, _)| alert.to_string()).collect();
    let before: Vec<i64> = over.iter().map(|(_, before)| *before).collect();
    let sql = "DELETE FROM alert_tallies t USING unnest($1::text[], $2::bigint[]) o(alert, before)
               WHERE t.alert = o.alert AND t.slot < o.before";
    if !over.is_empty() {
        tx.execute(sql, &[&ids, &before]).await?;
    }
    Ok(())
}

async fn write_states(tx: &Work, states: &[(AlertId, AlertState)]) -> Result<()> {
    if states.is_empty() {
        return Ok(());
    }
    let ids: Vec<String> = states.iter().map(|(alert, _)| alert.to_string()).collect();
    let said = states.iter().map(|(_, state)| to_json(state)).collect::<Result<Vec<_>>>()?;
    let sql = "UPDATE alerts a SET state = o.state FROM unnest($1::text[], $2::text[]) o(id, state) WHERE a.id = o.id";
    tx.execute(sql, &[&ids, &said]).await.map(drop)
}

async fn watch_row(work: &Work, lock: &str) -> Result<StoredWatch> {
    let sql = format!("SELECT position, seen_at, rules, holder, holds_until, fence FROM alert_watch{lock}");
    let row = work.first(&sql, &[]).await?.ok_or_else(|| internal("the row of alert_watch is gone"))?;
    Ok(StoredWatch {
        position: get(&row, 0)?,
        seen_at: get(&row, 1)?,
        rules: get(&row, 2)?,
        holder: get(&row, 3)?,
        holds_until: get(&row, 4)?,
        fence: get(&row, 5)?,
    })
}

async fn load(work: &Work, org: &OrgId, id: AlertId) -> Result<Alert> {
    let sql = format!("{ALERTS} WHERE org = $1 AND id = $2");
    let row = work.first(&sql, &[&org.as_str(), &id.to_string()]).await?.ok_or_else(alerts::no_such_alert)?;
    stored(&row)?.alert()
}

fn stored(row: &Row) -> Result<Stored> {
    Ok(Stored {
        id: get(row, 0)?,
        org: get(row, 1)?,
        content: get(row, 2)?,
        version: get(row, 3)?,
        created_by: get(row, 4)?,
        created_at: get(row, 5)?,
        updated_at: get(row, 6)?,
        state: get(row, 7)?,
    })
}
