//! Destinations and deliveries in Postgres.

use std::sync::LazyLock;

use async_trait::async_trait;
use jiff::SignedDuration;
use offtake_model::Result;
use offtake_model::audit::{Act, Action};
use offtake_model::destination::{Delivery, DeliveryState, Destination, MOST_DESTINATIONS};
use offtake_model::id::{DestinationId, JobId, OrgId};
use offtake_model::schedule::ERRORS_UNTIL_PAUSE;
use offtake_postgres::Work;

use super::rows::get;
use super::{PostgresStore, audit, events, requests};
use crate::audit::deeds;
use crate::destinations::{
    self, DELIVERY_COLUMNS, DESTINATION_COLUMNS, DeliveryOutcome, DestinationChange, Destinations, KeptSecret,
    NewDestination, OWED_COLUMNS, OwedDelivery, Settled, to_destination,
};
use crate::hints::Hint;
use crate::jobs::{JobScope, NewJob, WorkerName};
use crate::objects::BegunUpload;
use crate::rows::{micros, to_json};
use crate::schedules::{self, SCHEDULE_COLUMNS};
use crate::sealed::Sealed;

#[async_trait]
impl Destinations for PostgresStore {
    async fn create_destination(&self, by: &Act, org: &OrgId, new: NewDestination) -> Result<Destination> {
        let tx = self.write_of(org).await?;
        let create = async {
            let now = self.now(&tx).await?;
            lock(&tx, org).await?;
            let sql = "SELECT count(*), count(*) FILTER (WHERE name = $2) FROM destinations WHERE org = $1";
            let counted = tx.first(sql, &[&org.as_str(), &new.content.name]).await?;
            let counts = |row: &tokio_postgres::Row| -> Result<(i64, i64)> { Ok((get(row, 0)?, get(row, 1)?)) };
            let (count, named) = counted.as_ref().map(counts).transpose()?.unwrap_or_default();
            if named > 0 {
                return Err(destinations::name_taken(&new.content.name));
            }
            if count >= i64::from(MOST_DESTINATIONS) {
                return Err(destinations::too_many());
            }
            let made = destinations::made(org, &new, by, now)?;
            let sql = "INSERT INTO destinations (id, org, name, content, secret, created_by, created_at, probed_at)
                       VALUES ($1, $2, $3, $4, $5, $6, $7, $7)";
            tx.execute(
                sql,
                &[
                    &new.id.to_string(),
                    &org.as_str(),
                    &new.content.name,
                    &to_json(&new.content)?,
                    &new.secret.as_str(),
                    &made.created_by,
                    &now,
                ],
            )
            .await?;
            audit::append(&tx, now, org, by, &to_destination(Action::DestinationCreate, &made)).await?;
            Ok(made)
        };
        let outcome = create.await;
        tx.end(outcome).await
    }

    async fn destination(&self, org: &OrgId, id: DestinationId) -> Result<Destination> {
        self.sealed_destination(org, id).await.map(|(destination, _)| destination)
    }

    async fn sealed_destination(&self, org: &OrgId, id: DestinationId) -> Result<(Destination, Sealed)> {
        load(&self.read_of(org).await?, org, id).await
    }

    async fn destinations(&self, org: &OrgId) -> Result<Vec<Destination>> {
        let sql = format!("SELECT {DESTINATION_COLUMNS} FROM destinations WHERE org = $1 ORDER BY name");
        let rows = self.read_of(org).await?.rows(&sql, &[&org.as_str()]).await?;
        rows.iter().map(|row| Ok(destinations::destination(row)?.0)).collect()
    }

    async fn note_probe(&self, org: &OrgId, id: DestinationId) -> Result<Destination> {
        let work = self.read_of(org).await?;
        let now = self.now(&work).await?;
        let sql = "UPDATE destinations SET probed_at = $3 WHERE id = $1 AND org = $2";
        work.execute(sql, &[&id.to_string(), &org.as_str(), &now]).await?;
        Ok(load(&work, org, id).await?.0)
    }

    async fn change_destination(
        &self,
        by: &Act,
        org: &OrgId,
        id: DestinationId,
        version: u64,
        change: DestinationChange,
    ) -> Result<Destination> {
        let tx = self.write_of(org).await?;
        let write = async {
            let now = self.now(&tx).await?;
            lock(&tx, org).await?;
            load(&tx, org, id).await?.0.require(version)?;
            let DestinationChange { content, secret, probed } = change;
            let sql = "SELECT 1 FROM destinations WHERE org = $1 AND name = $2 AND id <> $3";
            if tx.first(sql, &[&org.as_str(), &content.name, &id.to_string()]).await?.is_some() {
                return Err(destinations::name_taken(&content.name));
            }
            let sql = "UPDATE destinations SET name = $3, content = $4, secret = coalesce($5, secret),
                              probed_at = CASE WHEN $6 THEN $7 ELSE probed_at END, version = version + 1
                       WHERE id = $1 AND org = $2";
            let (id_text, said, sealed) = (id.to_string(), to_json(&content)?, secret.as_ref().map(Sealed::as_str));
            let params: [&(dyn tokio_postgres::types::ToSql + Sync); 7] =
                [&id_text, &org.as_str(), &content.name, &said, &sealed, &probed, &now];
            // Between look and lock it can have been forgotten.
            if tx.execute(sql, &params).await? == 0 {
                return Err(destinations::no_such_destination());
            }
            if probed {
                // What failed for what was wrong may work now.
                let sql = "UPDATE deliveries SET due_at = least(due_at, $2)
                           WHERE destination = $1 AND state = 'pending' AND org = $3";
                tx.execute(sql, &[&id_text, &now, &org.as_str()]).await?;
            }
            let (changed, _) = load(&tx, org, id).await?;
            let deed = to_destination(Action::DestinationChange, &changed).with("another_secret", secret.is_some());
            audit::append(&tx, now, org, by, &deed).await?;
            Ok(changed)
        };
        let outcome = write.await;
        tx.end(outcome).await
    }

    async fn kept_secrets(&self) -> Result<Vec<KeptSecret>> {
        let sql = format!("SELECT {DESTINATION_COLUMNS} FROM destinations ORDER BY id");
        let rows = self.read_all().await?.rows(&sql, &[]).await?;
        rows.iter().map(destinations::kept_secret).collect()
    }

    async fn reseal_destination(&self, kept: &KeptSecret, sealed: &Sealed) -> Result<()> {
        let sql = "UPDATE destinations SET secret = $4 WHERE org = $1 AND id = $2 AND secret = $3";
        let params: [&(dyn tokio_postgres::types::ToSql + Sync); 4] =
            [&kept.org.as_str(), &kept.id.to_string(), &kept.sealed.as_str(), &sealed.as_str()];
        self.read_of(&kept.org).await?.execute(sql, &params).await.map(drop)
    }

    async fn delete_destination(&self, by: &Act, org: &OrgId, id: DestinationId) -> Result<()> {
        let tx = self.write_of(org).await?;
        let delete = async {
            let (destination, _) = load(&tx, org, id).await?;
            if tx.execute("DELETE FROM destinations WHERE id = $1", &[&id.to_string()]).await? == 0 {
                return Err(destinations::no_such_destination());
            }
            let deed = to_destination(Action::DestinationDelete, &destination);
            audit::append(&tx, self.now(&tx).await?, org, by, &deed).await.map(drop)
        };
        let outcome = delete.await;
        tx.end(outcome).await
    }

    async fn deliveries(&self, org: &OrgId, jobs: &[JobId]) -> Result<Vec<Delivery>> {
        let jobs: Vec<String> = jobs.iter().map(ToString::to_string).collect();
        let sql = format!("SELECT {DELIVERY_COLUMNS} FROM deliveries WHERE org = $1 AND job = ANY ($2) ORDER BY job");
        let rows = self.read_of(org).await?.rows(&sql, &[&org.as_str(), &jobs]).await?;
        rows.iter().map(destinations::delivery).collect()
    }

    async fn latest_deliveries(&self, org: &OrgId) -> Result<Vec<Delivery>> {
        let sql = destinations::latest_deliveries("$1");
        let rows = self.read_of(org).await?.rows(&sql, &[&org.as_str()]).await?;
        rows.iter().map(destinations::delivery).collect()
    }

    async fn deliver_again(&self, by: &Act, scope: &JobScope, job: JobId) -> Result<Delivery> {
        let tx = self.write_of(&scope.org).await?;
        let again = async {
            let asked = requests::get_job(&tx, scope, job).await?;
            if delivery(&tx, job, " FOR UPDATE").await?.state != DeliveryState::Failed {
                return Err(destinations::not_failed(job));
            }
            let now = self.now(&tx).await?;
            let sql = "UPDATE deliveries SET state = 'pending', tries = 0, due_at = $2, fence = fence + 1,
                              claimed_until = NULL, claimed_by = NULL WHERE job = $1";
            tx.execute(sql, &[&job.to_string(), &now]).await?;
            let owed = delivery(&tx, job, "").await?;
            let deed = deeds::to_job(Action::ExportRetry, &asked).with("delivery", true);
            audit::append(&tx, now, &scope.org, by, &deed).await?;
            Ok(owed)
        };
        let outcome = again.await;
        tx.end(outcome).await
    }

    async fn claim_deliveries(
        &self,
        worker: &WorkerName,
        most: u32,
        lease: SignedDuration,
    ) -> Result<Vec<OwedDelivery>> {
        static CLAIM: LazyLock<String> = LazyLock::new(|| {
            format!(
                "UPDATE deliveries SET fence = deliveries.fence + 1, claimed_until = $2, claimed_by = $4,
                        tries = deliveries.tries + 1
                 FROM (SELECT deliveries.job FROM deliveries JOIN jobs ON jobs.id = deliveries.job
                       WHERE deliveries.state = 'pending' AND deliveries.due_at <= $1
                         AND (deliveries.claimed_until IS NULL OR deliveries.claimed_until <= $1
                              OR deliveries.claimed_by = $4)
                         AND jobs.status IN ('completed', 'expired')
                       ORDER BY deliveries.due_at, deliveries.job LIMIT $3 FOR UPDATE OF deliveries SKIP LOCKED) AS owed
                 WHERE deliveries.job = owed.job RETURNING {OWED_COLUMNS}, {DELIVERY_COLUMNS}"
            )
        });
        let tx = self.write_all().await?;
        let claim = async {
            let now = self.now(&tx).await?;
            let until = now.saturating_add(micros(lease));
            let rows = tx.rows(&CLAIM, &[&now, &until, &i64::from(most), &worker.0]).await?;
            rows.iter().map(destinations::owed).collect::<Result<Vec<_>>>()
        };
        let outcome = claim.await;
        tx.end(outcome).await
    }

    async fn extend_delivery(&self, owed: &OwedDelivery, lease: SignedDuration) -> Result<()> {
        let work = self.read_of(&owed.org).await?;
        let until = self.now(&work).await?.saturating_add(micros(lease));
        let sql = "UPDATE deliveries SET claimed_until = $3 WHERE job = $1 AND fence = $2 AND state = 'pending'";
        let held = work.execute(sql, &[&owed.delivery.job.to_string(), &owed.fence, &until]).await?;
        if held == 0 { Err(destinations::claim_lost(owed.delivery.job)) } else { Ok(()) }
    }

    async fn note_upload(&self, owed: &OwedDelivery, upload: Option<&BegunUpload>) -> Result<()> {
        let upload = upload.map(to_json).transpose()?;
        let sql = "UPDATE deliveries SET upload = $3 WHERE job = $1 AND fence = $2 AND state = 'pending'";
        let work = self.read_of(&owed.org).await?;
        let held = work.execute(sql, &[&owed.delivery.job.to_string(), &owed.fence, &upload]).await?;
        if held == 0 { Err(destinations::claim_lost(owed.delivery.job)) } else { Ok(()) }
    }

    async fn settle_delivery(&self, owed: OwedDelivery, outcome: DeliveryOutcome) -> Result<()> {
        let tx = self.write_of(&owed.org).await?;
        let settle = async {
            let now = self.now(&tx).await?;
            let Settled { state, error, due_at, delivered_at } = Settled::of(&outcome, now);
            let job = owed.delivery.job.to_string();
            let sql = "UPDATE deliveries SET state = $3, error = $4, due_at = $5, delivered_at = $6,
                              claimed_until = NULL, claimed_by = NULL, fence = fence + 1,
                              upload = CASE WHEN $3 = 'pending' THEN upload END
                       WHERE job = $1 AND fence = $2";
            let params: [&(dyn tokio_postgres::types::ToSql + Sync); 6] =
                [&job, &owed.fence, &state.name(), &error, &due_at, &delivered_at];
            if tx.execute(sql, &params).await? == 0 {
                return Err(destinations::claim_lost(owed.delivery.job));
            }
            self.wake.tell_changed(&tx, owed.delivery.job).await?;
            self.counted(&tx, now, &owed, &outcome).await
        };
        let outcome = settle.await;
        let hints = tx.end(outcome).await?;
        self.wake.changed();
        self.wake.hint(hints);
        Ok(())
    }
}

impl PostgresStore {
    /// Tells of a delivery that was given up, and counts it for the schedule that asked for it.
    async fn counted(&self, tx: &Work, now: i64, owed: &OwedDelivery, outcome: &DeliveryOutcome) -> Result<Vec<Hint>> {
        let job = owed.delivery.job.to_string();
        let sql = format!(
            "SELECT {SCHEDULE_COLUMNS} FROM schedules
             WHERE id = (SELECT schedule FROM schedule_runs WHERE job = $1) FOR UPDATE"
        );
        let schedule = tx.first(&sql, &[&job]).await?.map(|row| schedules::schedule(&row)).transpose()?;
        let loaded = requests::load(tx, &job).await?;
        let mut alerts: Vec<_> = destinations::told(owed, &loaded, outcome).into_iter().collect();
        let mut paused = None;
        if let (Some(schedule), DeliveryOutcome::Delivered) = (&schedule, outcome) {
            tx.execute("UPDATE schedules SET errors = 0 WHERE id = $1", &[&schedule.id.to_string()]).await?;
        }
        if let (Some(schedule), DeliveryOutcome::GivenUp { why }) = (schedule, outcome) {
            let id = schedule.id.to_string();
            let sql = "UPDATE schedules SET errors = errors + 1, last_error = $2 WHERE id = $1";
            tx.execute(sql, &[&id, why]).await?;
            if let Some((alert, deed)) = schedules::paused_by_deliveries(&schedule, ERRORS_UNTIL_PAUSE, why) {
                let sql = "UPDATE schedules SET state = 'paused', pause_reason = 'configuration', pause_detail = $2,
                                  next_run_at = NULL, fence = fence + 1, claimed_until = NULL WHERE id = $1";
                tx.execute(sql, &[&id, why]).await?;
                alerts.push(alert);
                paused = Some((schedule, deed));
            }
        }
        if let Some((schedule, deed)) = paused {
            audit::append(tx, now, &owed.org, &schedules::itself(&schedule), &deed).await?;
        }
        events::write(tx, now, &self.wake, schedules::facts(&owed.org, alerts)).await
    }
}

/// Writes down that the file of a new job is to be delivered.
pub(super) async fn want(tx: &Work, now: i64, new: &NewJob) -> Result<()> {
    let Some((destination, key)) = destinations::wanted(new) else { return Ok(()) };
    let sql = "INSERT INTO deliveries (job, org, destination, object_key, state, due_at)
               SELECT $1, org, id, $3, 'pending', $4 FROM destinations WHERE org = $2 AND id = $5";
    let params: [&(dyn tokio_postgres::types::ToSql + Sync); 5] =
        [&new.id.to_string(), &new.org.as_str(), &key, &now, &destination.to_string()];
    if tx.execute(sql, &params).await? == 0 { Err(destinations::nowhere()) } else { Ok(()) }
}

/// One at a time in an organization: names are taken once, and there are only so many.
async fn lock(tx: &Work, org: &OrgId) -> Result<()> {
    let lock = "SELECT pg_advisory_xact_lock(hashtextextended($1, 13))";
    tx.first(lock, &[&format!("offtake destinations of {org}")]).await.map(drop)
}

async fn load(work: &Work, org: &OrgId, id: DestinationId) -> Result<(Destination, Sealed)> {
    let sql = format!("SELECT {DESTINATION_COLUMNS} FROM destinations WHERE id = $1 AND org = $2");
    let row = work.first(&sql, &[&id.to_string(), &org.as_str()]).await?;
    destinations::destination(&row.ok_or_else(destinations::no_such_destination)?)
}

async fn delivery(work: &Work, job: JobId, lock: &str) -> Result<Delivery> {
    let sql = format!("SELECT {DELIVERY_COLUMNS} FROM deliveries WHERE job = $1{lock}");
    let row = work.first(&sql, &[&job.to_string()]).await?;
    destinations::delivery(&row.ok_or_else(|| destinations::no_delivery(job))?)
}
