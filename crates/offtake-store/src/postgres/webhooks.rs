//! Webhook endpoints in Postgres. Whoever decides about an endpoint locks its row first.

use async_trait::async_trait;
use jiff::SignedDuration;
use offtake_model::Result;
use offtake_model::audit::{Act, Action};
use offtake_model::event::EventType;
use offtake_model::id::{NotificationId, OrgId, WebhookId};
use offtake_model::webhook::{MOST_WEBHOOKS, Webhook};
use offtake_postgres::Work;
use tokio_postgres::types::ToSql;

use super::rows::get;
use super::{PostgresStore, audit, events};
use crate::audit::deeds::to_webhook;
use crate::events::Fact;
use crate::hints::Hint;
use crate::outbox::{Addressee, Channel};
use crate::rows::{int, micros};
use crate::sealed::Sealed;
use crate::webhooks::{self, Endpoint, KeptKey, NewWebhook, SealedKey, WEBHOOKS, WebhookChange, Webhooks, names};

#[async_trait]
impl Webhooks for PostgresStore {
    async fn create(&self, by: &Act, org: &OrgId, new: NewWebhook) -> Result<Webhook> {
        let tx = self.write_of(org).await?;
        let create = async {
            let now = self.now(&tx).await?;
            // One at a time, so that two who ask at once do not both take the last place.
            let sql = "SELECT pg_advisory_xact_lock(hashtextextended('webhooks of ' || $1, 0))";
            tx.first(sql, &[&org.as_str()]).await?;
            let counted = tx.first("SELECT count(*) FROM webhooks WHERE org = $1", &[&org.as_str()]).await?;
            let count: i64 = counted.as_ref().map_or(Ok(0), |row| get(row, 0))?;
            if count >= i64::from(MOST_WEBHOOKS) {
                return Err(webhooks::too_many());
            }
            insert(&tx, now, by, org, &new).await?;
            let made = load(&tx, now, org, new.id, "").await?;
            audit::append(&tx, now, org, by, &to_webhook(Action::WebhookCreate, &made)).await?;
            Ok(made)
        };
        let outcome = create.await;
        tx.end(outcome).await
    }

    async fn get(&self, org: &OrgId, id: WebhookId) -> Result<Webhook> {
        let work = self.read_of(org).await?;
        load(&work, self.now(&work).await?, org, id, "").await
    }

    async fn list(&self, org: &OrgId) -> Result<Vec<Webhook>> {
        let work = self.read_of(org).await?;
        let now = self.now(&work).await?;
        let rows = work.rows(&format!("{WEBHOOKS} WHERE org = $1 ORDER BY id DESC"), &[&org.as_str()]).await?;
        rows.iter().map(|row| webhooks::webhook(row, now)).collect()
    }

    async fn change(&self, by: &Act, org: &OrgId, id: WebhookId, change: WebhookChange) -> Result<Webhook> {
        let tx = self.write_of(org).await?;
        let change = async {
            let now = self.now(&tx).await?;
            load(&tx, now, org, id, " FOR UPDATE").await?;
            write_change(&tx, now, org, id, &change).await?;
            let changed = load(&tx, now, org, id, "").await?;
            audit::append(&tx, now, org, by, &to_webhook(Action::WebhookChange, &changed)).await?;
            Ok(changed)
        };
        let outcome = change.await;
        tx.end(outcome).await
    }

    async fn rotate(
        &self,
        by: &Act,
        org: &OrgId,
        id: WebhookId,
        key: SealedKey,
        overlap: SignedDuration,
    ) -> Result<Webhook> {
        let tx = self.write_of(org).await?;
        let rotate = async {
            let now = self.now(&tx).await?;
            let sql = "UPDATE webhooks SET previous_scheme = scheme, previous_secret = secret, previous_until = $3,
                                           scheme = $4, secret = $5, public_key = $6, changed_at = $7
                       WHERE org = $1 AND id = $2";
            let until = now.saturating_add(micros(overlap));
            let (scheme, secret) = (key.scheme.name(), key.sealed.as_str());
            let params: [&(dyn ToSql + Sync); 7] =
                [&org.as_str(), &id.to_string(), &until, &scheme, &secret, &key.public_key, &now];
            tx.execute(sql, &params).await?;
            let rotated = load(&tx, now, org, id, "").await?;
            audit::append(&tx, now, org, by, &to_webhook(Action::WebhookRotate, &rotated)).await?;
            Ok(rotated)
        };
        let outcome = rotate.await;
        tx.end(outcome).await
    }

    async fn delete(&self, by: &Act, org: &OrgId, id: WebhookId) -> Result<()> {
        let tx = self.write_of(org).await?;
        let delete = async {
            let now = self.now(&tx).await?;
            let webhook = load(&tx, now, org, id, " FOR UPDATE").await?;
            let sql = "DELETE FROM webhooks WHERE org = $1 AND id = $2";
            tx.execute(sql, &[&org.as_str(), &id.to_string()]).await?;
            audit::append(&tx, now, org, by, &to_webhook(Action::WebhookDelete, &webhook)).await.map(drop)
        };
        let outcome = delete.await;
        tx.end(outcome).await
    }

    async fn test(&self, by: &Act, org: &OrgId, id: WebhookId) -> Result<NotificationId> {
        let tx = self.write_of(org).await?;
        let test = async {
            let now = self.now(&tx).await?;
            let webhook = load(&tx, now, org, id, "").await?;
            audit::append(&tx, now, org, by, &to_webhook(Action::WebhookTest, &webhook)).await?;
            let to = [Addressee { channel: Channel::Webhook, address: id.to_string() }];
            let (event, hint) = events::append_for(&tx, now, org, webhooks::test_alert(id, &webhook.url), &to).await?;
            let sql = "SELECT id FROM notifications WHERE org = $1 AND event = $2 AND address = $3";
            let row = tx.first(sql, &[&org.as_str(), &int(event.seq), &id.to_string()]).await?;
            self.wake.tell_hint(&tx, &hint).await?;
            Ok((webhooks::owed(row.as_ref().map(|row| get(row, 0)).transpose()?)?, vec![hint]))
        };
        let outcome = test.await;
        let (owed, hints) = tx.end(outcome).await?;
        self.wake.hint(hints);
        Ok(owed)
    }

    async fn endpoint(&self, org: &OrgId, id: WebhookId) -> Result<Option<Endpoint>> {
        let work = self.read_of(org).await?;
        let now = self.now(&work).await?;
        let sql = format!("{WEBHOOKS} WHERE org = $1 AND id = $2");
        let row = work.first(&sql, &[&org.as_str(), &id.to_string()]).await?;
        row.as_ref().map(|row| webhooks::endpoint(row, now)).transpose()
    }

    async fn arrived(&self, org: &OrgId, id: WebhookId) -> Result<()> {
        let tx = self.write_of(org).await?;
        let sql = "UPDATE webhooks SET given_up = 0 WHERE org = $1 AND id = $2 AND given_up > 0";
        let outcome = tx.execute(sql, &[&org.as_str(), &id.to_string()]).await.map(drop);
        tx.end(outcome).await
    }

    async fn gave_up(&self, org: &OrgId, id: WebhookId, most: u32, reason: &str) -> Result<bool> {
        let tx = self.write_of(org).await?;
        let count = async {
            let now = self.now(&tx).await?;
            let sql = "UPDATE webhooks SET given_up = given_up + 1 WHERE org = $1 AND id = $2 AND enabled = 1
                       RETURNING given_up";
            let row = tx.first(sql, &[&org.as_str(), &id.to_string()]).await?;
            let count: i64 = row.as_ref().map_or(Ok(0), |row| get(row, 0))?;
            if count < i64::from(most) {
                return Ok((false, Vec::new()));
            }
            self.disable_in(&tx, now, org, id, reason).await
        };
        let outcome = count.await;
        let (disabled, hints) = tx.end(outcome).await?;
        self.wake.hint(hints);
        Ok(disabled)
    }

    async fn disable(&self, org: &OrgId, id: WebhookId, reason: &str) -> Result<bool> {
        let tx = self.write_of(org).await?;
        let disable = async { self.disable_in(&tx, self.now(&tx).await?, org, id, reason).await };
        let outcome = disable.await;
        let (disabled, hints) = tx.end(outcome).await?;
        self.wake.hint(hints);
        Ok(disabled)
    }

    async fn sealed_keys(&self) -> Result<Vec<KeptKey>> {
        let rows = self.read_all().await?.rows(WEBHOOKS, &[]).await?;
        let kept = rows.iter().map(webhooks::kept_keys).collect::<Result<Vec<_>>>()?;
        Ok(kept.into_iter().flatten().collect())
    }

    async fn reseal(&self, kept: &KeptKey, sealed: &Sealed) -> Result<()> {
        let tx = self.write_of(&kept.org).await?;
        let reseal = async {
            for column in ["secret", "previous_secret"] {
                let sql = format!("UPDATE webhooks SET {column} = $4 WHERE org = $1 AND id = $2 AND {column} = $3");
                let params: [&(dyn ToSql + Sync); 4] =
                    [&kept.org.as_str(), &kept.id.to_string(), &kept.sealed.as_str(), &sealed.as_str()];
                tx.execute(&sql, &params).await?;
            }
            Ok(())
        };
        let outcome = reseal.await;
        tx.end(outcome).await
    }
}

impl PostgresStore {
    /// Disables an endpoint that is enabled, and tells its organization.
    async fn disable_in(
        &self,
        tx: &Work,
        now: i64,
        org: &OrgId,
        id: WebhookId,
        reason: &str,
    ) -> Result<(bool, Vec<Hint>)> {
        let sql = "UPDATE webhooks SET enabled = 0, disabled_reason = $3, changed_at = $4
                   WHERE org = $1 AND id = $2 AND enabled = 1 RETURNING url";
        let row = tx.first(sql, &[&org.as_str(), &id.to_string(), &reason, &now]).await?;
        let Some(row) = row else { return Ok((false, Vec::new())) };
        let event = webhooks::disabled_alert(id, get(&row, 0)?, reason);
        let facts = vec![Fact { org: org.clone(), event, to: Vec::new() }];
        Ok((true, events::write(tx, now, &self.wake, facts).await?))
    }
}

/// The endpoints of an organization that are told of events of this type.
pub(super) async fn wanting(work: &Work, org: &OrgId, kind: EventType) -> Result<Vec<Addressee>> {
    let sql = "SELECT id FROM webhooks WHERE org = $1 AND enabled = 1 AND strpos(events, $2) > 0 ORDER BY id";
    let rows = work.rows(sql, &[&org.as_str(), &format!("\"{}\"", kind.name())]).await?;
    rows.iter().map(|row| Ok(Addressee { channel: Channel::Webhook, address: get(row, 0)? })).collect()
}

async fn insert(tx: &Work, now: i64, by: &Act, org: &OrgId, new: &NewWebhook) -> Result<()> {
    let sql =
        "INSERT INTO webhooks (id, org, url, events, description, enabled, scheme, secret, public_key, created_by,
                                     created_at, changed_at)
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $11)";
    let params: [&(dyn ToSql + Sync); 11] = [
        &new.id.to_string(),
        &org.as_str(),
        &new.url,
        &names(&new.events)?,
        &new.description,
        &i64::from(new.enabled),
        &new.key.scheme.name(),
        &new.key.sealed.as_str(),
        &new.key.public_key,
        &by.actor(),
        &now,
    ];
    tx.execute(sql, &params).await.map(drop)
}

async fn write_change(tx: &Work, now: i64, org: &OrgId, id: WebhookId, change: &WebhookChange) -> Result<()> {
    let (org, id) = (org.as_str(), id.to_string());
    let WebhookChange { url, events, description, enabled } = change;
    if let Some((url, key)) = url {
        let sql = "UPDATE webhooks SET url = $3, scheme = $4, secret = $5, public_key = $6, previous_scheme = NULL,
                                       previous_secret = NULL, previous_until = NULL
                   WHERE org = $1 AND id = $2";
        let (scheme, secret) = (key.scheme.name(), key.sealed.as_str());
        tx.execute(sql, &[&org, &id, url, &scheme, &secret, &key.public_key]).await?;
    }
    if let Some(enabled) = enabled {
        let sql = "UPDATE webhooks SET enabled = $3, disabled_reason = NULL, given_up = 0 WHERE org = $1 AND id = $2";
        tx.execute(sql, &[&org, &id, &i64::from(*enabled)]).await?;
    }
    let events = events.as_deref().map(names).transpose()?;
    let sql = "UPDATE webhooks SET events = coalesce($3, events), description = coalesce($4, description),
                                   changed_at = $5
               WHERE org = $1 AND id = $2";
    tx.execute(sql, &[&org, &id, &events, description, &now]).await.map(drop)
}

async fn load(work: &Work, now: i64, org: &OrgId, id: WebhookId, lock: &str) -> Result<Webhook> {
    let sql = format!("{WEBHOOKS} WHERE org = $1 AND id = $2{lock}");
    let row = work.first(&sql, &[&org.as_str(), &id.to_string()]).await?.ok_or_else(webhooks::no_such_webhook)?;
    webhooks::webhook(&row, now)
}
