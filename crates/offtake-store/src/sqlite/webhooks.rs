//! Webhook endpoints in SQLite.

use async_trait::async_trait;
use jiff::SignedDuration;
use offtake_model::Result;
use offtake_model::audit::{Act, Action};
use offtake_model::event::EventType;
use offtake_model::id::{NotificationId, OrgId, WebhookId};
use offtake_model::webhook::{MOST_WEBHOOKS, Webhook};
use rusqlite::{Connection, Row, params};

use super::fault::Sql;
use super::rows::{all, first, int, micros, scalar};
use super::{SqliteStore, audit, events};
use crate::audit::deeds::to_webhook;
use crate::events::Fact;
use crate::outbox::{Addressee, Channel};
use crate::sealed::Sealed;
use crate::webhooks::{self, Endpoint, KeptKey, NewWebhook, SealedKey, WEBHOOKS, WebhookChange, Webhooks, names};

#[async_trait]
impl Webhooks for SqliteStore {
    async fn create(&self, by: &Act, org: &OrgId, new: NewWebhook) -> Result<Webhook> {
        let (by, org) = (by.clone(), org.clone());
        self.write(move |tx, now| {
            let count: Option<i64> = scalar(tx, "SELECT count(*) FROM webhooks WHERE org = ?1", [org.as_str()])?;
            if count.unwrap_or_default() >= i64::from(MOST_WEBHOOKS) {
                return Err(webhooks::too_many().into());
            }
            let sql = "INSERT INTO webhooks (id, org, url, events, description, enabled, scheme, secret, public_key,
                                             created_by, created_at, changed_at)
                       VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?11)";
            tx.prepare_cached(sql)?.execute(params![
                new.id.to_string(),
                org.as_str(),
                new.url,
                names(&new.events)?,
                new.description,
                new.enabled,
                new.key.scheme.name(),
                new.key.sealed.as_str(),
                new.key.public_key,
                by.actor(),
                now,
            ])?;
            let made = load(tx, now, &org, new.id)?;
            audit::append(tx, now, &org, &by, &to_webhook(Action::WebhookCreate, &made))?;
            Ok(made)
        })
        .await
    }

    async fn get(&self, org: &OrgId, id: WebhookId) -> Result<Webhook> {
        let org = org.clone();
        self.read(move |tx, now| load(tx, now, &org, id)).await
    }

    async fn list(&self, org: &OrgId) -> Result<Vec<Webhook>> {
        let org = org.clone();
        self.read(move |tx, now| {
            let sql = format!("{WEBHOOKS} WHERE org = ?1 ORDER BY id DESC");
            all(tx, &sql, [org.as_str()], |row| Ok(webhooks::webhook(row, now)?))
        })
        .await
    }

    async fn change(&self, by: &Act, org: &OrgId, id: WebhookId, change: WebhookChange) -> Result<Webhook> {
        let (by, org) = (by.clone(), org.clone());
        self.write(move |tx, now| {
            load(tx, now, &org, id)?;
            write_change(tx, now, &org, id, &change)?;
            let changed = load(tx, now, &org, id)?;
            audit::append(tx, now, &org, &by, &to_webhook(Action::WebhookChange, &changed))?;
            Ok(changed)
        })
        .await
    }

    async fn rotate(
        &self,
        by: &Act,
        org: &OrgId,
        id: WebhookId,
        key: SealedKey,
        overlap: SignedDuration,
    ) -> Result<Webhook> {
        let (by, org) = (by.clone(), org.clone());
        self.write(move |tx, now| {
            let sql = "UPDATE webhooks SET previous_scheme = scheme, previous_secret = secret, previous_until = ?3,
                                           scheme = ?4, secret = ?5, public_key = ?6, changed_at = ?7
                       WHERE org = ?1 AND id = ?2";
            let until = now.saturating_add(micros(overlap));
            let (scheme, secret) = (key.scheme.name(), key.sealed.as_str());
            let params = params![org.as_str(), id.to_string(), until, scheme, secret, key.public_key, now];
            tx.prepare_cached(sql)?.execute(params)?;
            let rotated = load(tx, now, &org, id)?;
            audit::append(tx, now, &org, &by, &to_webhook(Action::WebhookRotate, &rotated))?;
            Ok(rotated)
        })
        .await
    }

    async fn delete(&self, by: &Act, org: &OrgId, id: WebhookId) -> Result<()> {
        let (by, org) = (by.clone(), org.clone());
        self.write(move |tx, now| {
            let webhook = load(tx, now, &org, id)?;
            let sql = "DELETE FROM webhooks WHERE org = ?1 AND id = ?2";
            tx.prepare_cached(sql)?.execute(params![org.as_str(), id.to_string()])?;
            audit::append(tx, now, &org, &by, &to_webhook(Action::WebhookDelete, &webhook))?;
            Ok(())
        })
        .await
    }

    async fn test(&self, by: &Act, org: &OrgId, id: WebhookId) -> Result<NotificationId> {
        let (by, org) = (by.clone(), org.clone());
        let write = self.write(move |tx, now| {
            let webhook = load(tx, now, &org, id)?;
            audit::append(tx, now, &org, &by, &to_webhook(Action::WebhookTest, &webhook))?;
            let to = [Addressee { channel: Channel::Webhook, address: id.to_string() }];
            let (event, hint) = events::append_for(tx, now, &org, webhooks::test_alert(id, &webhook.url), &to)?;
            let sql = "SELECT id FROM notifications WHERE org = ?1 AND event = ?2 AND address = ?3";
            let owed: Option<String> = scalar(tx, sql, params![org.as_str(), int(event.seq), id.to_string()])?;
            Ok((webhooks::owed(owed)?, hint))
        });
        let (owed, hint) = write.await?;
        self.hints.tell(hint);
        Ok(owed)
    }

    async fn endpoint(&self, org: &OrgId, id: WebhookId) -> Result<Option<Endpoint>> {
        let org = org.clone();
        self.read(move |tx, now| {
            let sql = format!("{WEBHOOKS} WHERE org = ?1 AND id = ?2");
            first(tx, &sql, params![org.as_str(), id.to_string()], |row| Ok(webhooks::endpoint(row, now)?))
        })
        .await
    }

    async fn arrived(&self, org: &OrgId, id: WebhookId) -> Result<()> {
        let org = org.clone();
        self.write(move |tx, _| {
            let sql = "UPDATE webhooks SET given_up = 0 WHERE org = ?1 AND id = ?2 AND given_up > 0";
            tx.prepare_cached(sql)?.execute(params![org.as_str(), id.to_string()])?;
            Ok(())
        })
        .await
    }

    async fn gave_up(&self, org: &OrgId, id: WebhookId, most: u32, reason: &str) -> Result<bool> {
        let (org, reason) = (org.clone(), reason.to_owned());
        self.write_facts(move |tx, now| {
            let sql = "UPDATE webhooks SET given_up = given_up + 1 WHERE org = ?1 AND id = ?2 AND enabled = 1
                       RETURNING given_up";
            let count: Option<i64> = scalar(tx, sql, params![org.as_str(), id.to_string()])?;
            match count {
                Some(count) if count >= i64::from(most) => disable(tx, now, &org, id, &reason),
                _ => Ok((false, Vec::new())),
            }
        })
        .await
    }

    async fn disable(&self, org: &OrgId, id: WebhookId, reason: &str) -> Result<bool> {
        let (org, reason) = (org.clone(), reason.to_owned());
        self.write_facts(move |tx, now| disable(tx, now, &org, id, &reason)).await
    }

    async fn sealed_keys(&self) -> Result<Vec<KeptKey>> {
        let kept = self.read(move |tx, _| all(tx, WEBHOOKS, [], |row| Ok(webhooks::kept_keys(row)?))).await?;
        Ok(kept.into_iter().flatten().collect())
    }

    async fn reseal(&self, kept: &KeptKey, sealed: &Sealed) -> Result<()> {
        let (kept, sealed) = (kept.clone(), sealed.clone());
        self.write(move |tx, _| {
            for column in ["secret", "previous_secret"] {
                let sql = format!("UPDATE webhooks SET {column} = ?4 WHERE org = ?1 AND id = ?2 AND {column} = ?3");
                let params = params![kept.org.as_str(), kept.id.to_string(), kept.sealed.as_str(), sealed.as_str()];
                tx.prepare_cached(&sql)?.execute(params)?;
            }
            Ok(())
        })
        .await
    }
}

fn write_change(tx: &Connection, now: i64, org: &OrgId, id: WebhookId, change: &WebhookChange) -> Sql<()> {
    let (org, id) = (org.as_str(), id.to_string());
    let WebhookChange { url, events, description, enabled } = change;
    if let Some((url, key)) = url {
        let sql = "UPDATE webhooks SET url = ?3, scheme = ?4, secret = ?5, public_key = ?6, previous_scheme = NULL,
                                       previous_secret = NULL, previous_until = NULL
                   WHERE org = ?1 AND id = ?2";
        let (scheme, secret) = (key.scheme.name(), key.sealed.as_str());
        tx.prepare_cached(sql)?.execute(params![org, id, url, scheme, secret, key.public_key])?;
    }
    if let Some(enabled) = enabled {
        let sql = "UPDATE webhooks SET enabled = ?3, disabled_reason = NULL, given_up = 0 WHERE org = ?1 AND id = ?2";
        tx.prepare_cached(sql)?.execute(params![org, id, enabled])?;
    }
    let events = events.as_deref().map(names).transpose()?;
    let sql = "UPDATE webhooks SET events = coalesce(?3, events), description = coalesce(?4, description),
                                   changed_at = ?5
               WHERE org = ?1 AND id = ?2";
    tx.prepare_cached(sql)?.execute(params![org, id, events, description, now])?;
    Ok(())
}

/// Disables an endpoint that is enabled, and tells its organization.
fn disable(tx: &Connection, now: i64, org: &OrgId, id: WebhookId, reason: &str) -> Sql<(bool, Vec<Fact>)> {
    let sql = "UPDATE webhooks SET enabled = 0, disabled_reason = ?3, changed_at = ?4
               WHERE org = ?1 AND id = ?2 AND enabled = 1 RETURNING url";
    let url: Option<String> = scalar(tx, sql, params![org.as_str(), id.to_string(), reason, now])?;
    let Some(url) = url else { return Ok((false, Vec::new())) };
    let event = webhooks::disabled_alert(id, &url, reason);
    Ok((true, vec![Fact { org: org.clone(), event, to: Vec::new() }]))
}

/// The endpoints of an organization that are told of events of this type.
pub(super) fn wanting(tx: &Connection, org: &OrgId, kind: EventType) -> Sql<Vec<Addressee>> {
    let sql = "SELECT id FROM webhooks WHERE org = ?1 AND enabled = 1 AND instr(events, ?2) > 0 ORDER BY id";
    let addressee = |row: &Row<'_>| Ok(Addressee { channel: Channel::Webhook, address: row.get(0)? });
    all(tx, sql, params![org.as_str(), format!("\"{}\"", kind.name())], addressee)
}

fn load(tx: &Connection, now: i64, org: &OrgId, id: WebhookId) -> Sql<Webhook> {
    let sql = format!("{WEBHOOKS} WHERE org = ?1 AND id = ?2");
    let found = first(tx, &sql, params![org.as_str(), id.to_string()], |row| Ok(webhooks::webhook(row, now)?))?;
    found.ok_or_else(|| webhooks::no_such_webhook().into())
}
