//! Destinations and deliveries in SQLite.

use async_trait::async_trait;
use jiff::SignedDuration;
use offtake_model::Result;
use offtake_model::audit::{Act, Action};
use offtake_model::destination::{Delivery, DeliveryState, Destination, MOST_DESTINATIONS};
use offtake_model::event::NewEvent;
use offtake_model::id::{DestinationId, JobId, OrgId};
use offtake_model::schedule::ERRORS_UNTIL_PAUSE;
use rusqlite::{Connection, params};

use super::fault::Sql;
use super::{SqliteStore, audit, requests, rows};
use crate::audit::deeds;
use crate::destinations::{
    self, DELIVERY_COLUMNS, DESTINATION_COLUMNS, DeliveryOutcome, DestinationChange, Destinations, KeptSecret,
    NewDestination, OWED_COLUMNS, OwedDelivery, Settled, to_destination,
};
use crate::jobs::{JobScope, NewJob, WorkerName};
use crate::objects::BegunUpload;
use crate::schedules::{self, SCHEDULE_COLUMNS};
use crate::sealed::Sealed;

#[async_trait]
impl Destinations for SqliteStore {
    async fn create_destination(&self, by: &Act, org: &OrgId, new: NewDestination) -> Result<Destination> {
        let (by, org) = (by.clone(), org.clone());
        self.write(move |tx, now| {
            let sql = "SELECT EXISTS (SELECT 1 FROM destinations WHERE org = ?1 AND name = ?2)";
            if rows::scalar(tx, sql, [org.as_str(), &new.content.name])? == Some(true) {
                return Err(destinations::name_taken(&new.content.name).into());
            }
            let count: Option<i64> =
                rows::scalar(tx, "SELECT count(*) FROM destinations WHERE org = ?1", [org.as_str()])?;
            if count.unwrap_or_default() >= i64::from(MOST_DESTINATIONS) {
                return Err(destinations::too_many().into());
            }
            let made = destinations::made(&org, &new, &by, now)?;
            let sql = "INSERT INTO destinations (id, org, name, content, secret, created_by, created_at, probed_at)
                       VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?7)";
            let content = rows::to_json(&new.content)?;
            let (id, secret) = (new.id.to_string(), new.secret.as_str());
            let params = params![id, org.as_str(), new.content.name, content, secret, made.created_by, now];
            tx.prepare_cached(sql)?.execute(params)?;
            audit::append(tx, now, &org, &by, &to_destination(Action::DestinationCreate, &made))?;
            Ok(made)
        })
        .await
    }

    async fn destination(&self, org: &OrgId, id: DestinationId) -> Result<Destination> {
        self.sealed_destination(org, id).await.map(|(destination, _)| destination)
    }

    async fn sealed_destination(&self, org: &OrgId, id: DestinationId) -> Result<(Destination, Sealed)> {
        let org = org.clone();
        self.read(move |tx, _| load(tx, &org, id)).await
    }

    async fn destinations(&self, org: &OrgId) -> Result<Vec<Destination>> {
        let org = org.clone();
        self.read(move |tx, _| {
            let sql = format!("SELECT {DESTINATION_COLUMNS} FROM destinations WHERE org = ?1 ORDER BY name");
            rows::all(tx, &sql, [org.as_str()], |row| Ok(destinations::destination(row)?.0))
        })
        .await
    }

    async fn note_probe(&self, org: &OrgId, id: DestinationId) -> Result<Destination> {
        let org = org.clone();
        self.write(move |tx, now| {
            let sql = "UPDATE destinations SET probed_at = ?3 WHERE id = ?1 AND org = ?2";
            tx.prepare_cached(sql)?.execute(params![id.to_string(), org.as_str(), now])?;
            Ok(load(tx, &org, id)?.0)
        })
        .await
    }

    async fn change_destination(
        &self,
        by: &Act,
        org: &OrgId,
        id: DestinationId,
        version: u64,
        change: DestinationChange,
    ) -> Result<Destination> {
        let (by, org) = (by.clone(), org.clone());
        self.write(move |tx, now| {
            load(tx, &org, id)?.0.require(version)?;
            let DestinationChange { content, secret, probed } = change;
            let sql = "SELECT EXISTS (SELECT 1 FROM destinations WHERE org = ?1 AND name = ?2 AND id <> ?3)";
            if rows::scalar(tx, sql, params![org.as_str(), content.name, id.to_string()])? == Some(true) {
                return Err(destinations::name_taken(&content.name).into());
            }
            let sql = "UPDATE destinations SET name = ?3, content = ?4, secret = coalesce(?5, secret),
                              probed_at = iif(?6, ?7, probed_at), version = version + 1
                       WHERE id = ?1 AND org = ?2";
            let said = rows::to_json(&content)?;
            let sealed = secret.as_ref().map(Sealed::as_str);
            let params = params![id.to_string(), org.as_str(), content.name, said, sealed, probed, now];
            tx.prepare_cached(sql)?.execute(params)?;
            if probed {
                // What failed for what was wrong may work now.
                let sql = "UPDATE deliveries SET due_at = min(due_at, ?2) WHERE destination = ?1 AND state = 'pending'";
                tx.prepare_cached(sql)?.execute(params![id.to_string(), now])?;
            }
            let (changed, _) = load(tx, &org, id)?;
            let deed = to_destination(Action::DestinationChange, &changed).with("another_secret", secret.is_some());
            audit::append(tx, now, &org, &by, &deed)?;
            Ok(changed)
        })
        .await
    }

    async fn kept_secrets(&self) -> Result<Vec<KeptSecret>> {
        let sql = format!("SELECT {DESTINATION_COLUMNS} FROM destinations ORDER BY id");
        self.read(move |tx, _| rows::all(tx, &sql, [], |row| Ok(destinations::kept_secret(row)?))).await
    }

    async fn reseal_destination(&self, kept: &KeptSecret, sealed: &Sealed) -> Result<()> {
        let (kept, sealed) = (kept.clone(), sealed.clone());
        self.write(move |tx, _| {
            let sql = "UPDATE destinations SET secret = ?4 WHERE org = ?1 AND id = ?2 AND secret = ?3";
            let params = params![kept.org.as_str(), kept.id.to_string(), kept.sealed.as_str(), sealed.as_str()];
            tx.prepare_cached(sql)?.execute(params)?;
            Ok(())
        })
        .await
    }

    async fn delete_destination(&self, by: &Act, org: &OrgId, id: DestinationId) -> Result<()> {
        let (by, org) = (by.clone(), org.clone());
        self.write(move |tx, now| {
            let (destination, _) = load(tx, &org, id)?;
            tx.prepare_cached("DELETE FROM destinations WHERE id = ?1")?.execute([id.to_string()])?;
            audit::append(tx, now, &org, &by, &to_destination(Action::DestinationDelete, &destination))?;
            Ok(())
        })
        .await
    }

    async fn deliveries(&self, org: &OrgId, jobs: &[JobId]) -> Result<Vec<Delivery>> {
        let (org, jobs) = (org.clone(), rows::to_json(&jobs)?);
        self.read(move |tx, _| {
            let sql = format!(
                "SELECT {DELIVERY_COLUMNS} FROM deliveries
                 WHERE org = ?1 AND job IN (SELECT value FROM json_each(?2)) ORDER BY job"
            );
            rows::all(tx, &sql, params![org.as_str(), jobs], |row| Ok(destinations::delivery(row)?))
        })
        .await
    }

    async fn latest_deliveries(&self, org: &OrgId) -> Result<Vec<Delivery>> {
        let org = org.clone();
        let found = move |tx: &Connection, _| {
            let sql = destinations::latest_deliveries("?1");
            rows::all(tx, &sql, [org.as_str()], |row| Ok(destinations::delivery(row)?))
        };
        self.read(found).await
    }

    async fn deliver_again(&self, by: &Act, scope: &JobScope, job: JobId) -> Result<Delivery> {
        let (by, scope) = (by.clone(), scope.clone());
        self.write(move |tx, now| {
            let asked = requests::get(tx, &scope, job)?;
            let present = delivery(tx, job)?;
            if present.state != DeliveryState::Failed {
                return Err(destinations::not_failed(job).into());
            }
            let sql = "UPDATE deliveries SET state = 'pending', tries = 0, due_at = ?2, fence = fence + 1,
                              claimed_until = NULL, claimed_by = NULL WHERE job = ?1";
            tx.prepare_cached(sql)?.execute(params![job.to_string(), now])?;
            audit::append(
                tx,
                now,
                &scope.org,
                &by,
                &deeds::to_job(Action::ExportRetry, &asked).with("delivery", true),
            )?;
            delivery(tx, job)
        })
        .await
    }

    async fn claim_deliveries(
        &self,
        worker: &WorkerName,
        most: u32,
        lease: SignedDuration,
    ) -> Result<Vec<OwedDelivery>> {
        const OWED: &str = "SELECT deliveries.job FROM deliveries JOIN jobs ON jobs.id = deliveries.job
             WHERE deliveries.state = 'pending' AND deliveries.due_at <= ?1
               AND (deliveries.claimed_until IS NULL OR deliveries.claimed_until <= ?1 OR deliveries.claimed_by = ?2)
               AND jobs.status IN ('completed', 'expired')";
        let (any, worker) = (format!("SELECT EXISTS ({OWED})"), worker.0.clone());
        let name = worker.clone();
        if self.read(move |tx, now| rows::scalar(tx, &any, params![now, name])).await? != Some(true) {
            return Ok(Vec::new());
        }
        self.write(move |tx, now| {
            let sql = format!(
                "UPDATE deliveries SET fence = fence + 1, claimed_until = ?3, claimed_by = ?2, tries = tries + 1
                 WHERE job IN ({OWED} ORDER BY deliveries.due_at, deliveries.job LIMIT ?4) RETURNING {}",
                format!("{OWED_COLUMNS}, {DELIVERY_COLUMNS}").replace("deliveries.", "")
            );
            let until = now.saturating_add(rows::micros(lease));
            rows::all(tx, &sql, params![now, worker, until, most], |row| Ok(destinations::owed(row)?))
        })
        .await
    }

    async fn extend_delivery(&self, owed: &OwedDelivery, lease: SignedDuration) -> Result<()> {
        let (job, fence) = (owed.delivery.job, owed.fence);
        self.write(move |tx, now| {
            let sql = "UPDATE deliveries SET claimed_until = ?3 WHERE job = ?1 AND fence = ?2 AND state = 'pending'";
            let until = now.saturating_add(rows::micros(lease));
            let held = tx.prepare_cached(sql)?.execute(params![job.to_string(), fence, until])?;
            if held == 0 { Err(destinations::claim_lost(job).into()) } else { Ok(()) }
        })
        .await
    }

    async fn note_upload(&self, owed: &OwedDelivery, upload: Option<&BegunUpload>) -> Result<()> {
        let (job, fence, upload) = (owed.delivery.job, owed.fence, upload.map(rows::to_json).transpose()?);
        self.write(move |tx, _| {
            let sql = "UPDATE deliveries SET upload = ?3 WHERE job = ?1 AND fence = ?2 AND state = 'pending'";
            let held = tx.prepare_cached(sql)?.execute(params![job.to_string(), fence, upload])?;
            if held == 0 { Err(destinations::claim_lost(job).into()) } else { Ok(()) }
        })
        .await
    }

    async fn settle_delivery(&self, owed: OwedDelivery, outcome: DeliveryOutcome) -> Result<()> {
        self.write_facts(move |tx, now| {
            let Settled { state, error, due_at, delivered_at } = Settled::of(&outcome, now);
            let job = owed.delivery.job.to_string();
            let sql = "UPDATE deliveries SET state = ?3, error = ?4, due_at = ?5, delivered_at = ?6,
                              claimed_until = NULL, claimed_by = NULL, fence = fence + 1,
                              upload = iif(?3 = 'pending', upload, NULL)
                       WHERE job = ?1 AND fence = ?2";
            let changed =
                tx.prepare_cached(sql)?.execute(params![job, owed.fence, state.name(), error, due_at, delivered_at])?;
            if changed == 0 {
                return Err(destinations::claim_lost(owed.delivery.job).into());
            }
            let job = requests::load(tx, owed.delivery.job)?;
            let mut alerts: Vec<_> = destinations::told(&owed, &job, &outcome).into_iter().collect();
            alerts.extend(counted(tx, now, &owed, &outcome)?);
            Ok(((), schedules::facts(&owed.org, alerts)))
        })
        .await?;
        self.changed();
        Ok(())
    }
}

/// Counts a delivery for the schedule that asked for it; what is to be told of that.
fn counted(tx: &Connection, now: i64, owed: &OwedDelivery, outcome: &DeliveryOutcome) -> Sql<Option<NewEvent>> {
    let job = owed.delivery.job.to_string();
    let sql = format!(
        "SELECT {SCHEDULE_COLUMNS} FROM schedules WHERE id = (SELECT schedule FROM schedule_runs WHERE job = ?1)"
    );
    let schedule = rows::first(tx, &sql, [&job], |row| Ok(schedules::schedule(row)?))?;
    let Some(schedule) = schedule else { return Ok(None) };
    let id = schedule.id.to_string();
    match outcome {
        DeliveryOutcome::Again { .. } => {}
        DeliveryOutcome::Delivered => {
            tx.prepare_cached("UPDATE schedules SET errors = 0 WHERE id = ?1")?.execute([id])?;
        }
        DeliveryOutcome::GivenUp { why } => {
            tx.prepare_cached("UPDATE schedules SET errors = errors + 1, last_error = ?2 WHERE id = ?1")?
                .execute(params![id, why])?;
            if let Some((alert, deed)) = schedules::paused_by_deliveries(&schedule, ERRORS_UNTIL_PAUSE, why) {
                let sql = "UPDATE schedules SET state = 'paused', pause_reason = 'configuration', pause_detail = ?2,
                                  next_run_at = NULL, fence = fence + 1, claimed_until = NULL WHERE id = ?1";
                tx.prepare_cached(sql)?.execute(params![id, why])?;
                audit::append(tx, now, &owed.org, &schedules::itself(&schedule), &deed)?;
                return Ok(Some(alert));
            }
        }
    }
    Ok(None)
}

/// Writes down that the file of a new job is to be delivered.
pub(super) fn want(tx: &Connection, now: i64, new: &NewJob) -> Sql<()> {
    let Some((destination, key)) = destinations::wanted(new) else { return Ok(()) };
    let sql = "INSERT INTO deliveries (job, org, destination, object_key, state, due_at)
               SELECT ?1, org, id, ?3, 'pending', ?4 FROM destinations WHERE org = ?2 AND id = ?5";
    let params = params![new.id.to_string(), new.org.as_str(), key, now, destination.to_string()];
    if tx.prepare_cached(sql)?.execute(params)? == 0 { Err(destinations::nowhere().into()) } else { Ok(()) }
}

fn load(connection: &Connection, org: &OrgId, id: DestinationId) -> Sql<(Destination, Sealed)> {
    let sql = format!("SELECT {DESTINATION_COLUMNS} FROM destinations WHERE id = ?1 AND org = ?2");
    rows::first(connection, &sql, params![id.to_string(), org.as_str()], |row| Ok(destinations::destination(row)?))?
        .ok_or_else(|| destinations::no_such_destination().into())
}

fn delivery(connection: &Connection, job: JobId) -> Sql<Delivery> {
    let sql = format!("SELECT {DELIVERY_COLUMNS} FROM deliveries WHERE job = ?1");
    rows::first(connection, &sql, [job.to_string()], |row| Ok(destinations::delivery(row)?))?
        .ok_or_else(|| destinations::no_delivery(job).into())
}
