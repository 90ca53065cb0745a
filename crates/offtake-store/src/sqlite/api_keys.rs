//! API keys in SQLite.

use std::sync::LazyLock;

use async_trait::async_trait;
use offtake_model::Result;
use offtake_model::api_key::{ApiKey, MOST_API_KEYS, sub_of};
use offtake_model::id::{ApiKeyId, OrgId};
use rusqlite::{Connection, params};

use super::SqliteStore;
use super::fault::Sql;
use super::rows;
use crate::api_keys::{self, API_KEYS, ApiKeys, NewApiKey, ShownKey};
use crate::principals::{self, STANDING, standing_joins};

#[async_trait]
impl ApiKeys for SqliteStore {
    async fn create(&self, org: &OrgId, key: NewApiKey) -> Result<ApiKey> {
        let org = org.clone();
        self.write(move |tx, now| {
            let expires_at = api_keys::end_of(key.lifetime, now)?;
            let sql = "SELECT count(*) FROM api_keys WHERE org = ?1 AND revoked_at IS NULL";
            let count: Option<i64> = rows::scalar(tx, sql, [org.as_str()])?;
            if count.unwrap_or_default() >= i64::from(MOST_API_KEYS) {
                return Err(api_keys::too_many().into());
            }
            let sql = "INSERT INTO api_keys (id, org, name, hash, permissions, created_by, created_at, expires_at)
                       VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
            let (id, permissions) = (key.id.to_string(), rows::to_json(&key.permissions.to_words())?);
            let params = params![id, org.as_str(), key.name, key.hash, permissions, key.created_by, now, expires_at];
            tx.prepare_cached(sql)?.execute(params)?;
            load(tx, &org, key.id)
        })
        .await
    }

    async fn get(&self, org: &OrgId, id: ApiKeyId) -> Result<ApiKey> {
        let org = org.clone();
        self.read(move |tx, _| load(tx, &org, id)).await
    }

    async fn list(&self, org: &OrgId, after: Option<ApiKeyId>, limit: u32) -> Result<(Vec<ApiKey>, bool)> {
        let (org, after) = (org.clone(), after.map(|id| id.to_string()));
        self.read(move |tx, _| {
            let sql =
                format!("{API_KEYS} WHERE api_keys.org = ?1 AND (?2 IS NULL OR id < ?2) ORDER BY id DESC LIMIT ?3");
            let params = params![org.as_str(), after, i64::from(limit) + 1];
            let mut found = rows::all(tx, &sql, params, |row| Ok(api_keys::key(row)?))?;
            let has_more = found.len() > limit as usize;
            found.truncate(limit as usize);
            Ok((found, has_more))
        })
        .await
    }

    async fn revoke(&self, org: &OrgId, id: ApiKeyId) -> Result<()> {
        let org = org.clone();
        self.write(move |tx, now| {
            let sql = "UPDATE api_keys SET revoked_at = coalesce(revoked_at, ?3) WHERE id = ?1 AND org = ?2";
            match tx.prepare_cached(sql)?.execute(params![id.to_string(), org.as_str(), now])? {
                0 => Err(api_keys::no_such_key().into()),
                _ => Ok(()),
            }
        })
        .await
    }

    async fn shown(&self, id: ApiKeyId) -> Result<Option<ShownKey>> {
        self.read(move |tx, now| {
            rows::first(tx, &SHOWN, [id.to_string()], |row| {
                let stand = principals::stand(row, &sub_of(id), now)?;
                Ok(api_keys::shown(row, stand, now)?)
            })
        })
        .await
    }
}

static SHOWN: LazyLock<String> = LazyLock::new(|| {
    let joins = standing_joins("shown.org", "('api_key:' || shown.id)");
    format!(
        "SELECT shown.org, shown.hash, shown.permissions, shown.created_by, shown.expires_at, {STANDING}
         FROM api_keys shown {joins} WHERE shown.id = ?1"
    )
});

fn load(connection: &Connection, org: &OrgId, id: ApiKeyId) -> Sql<ApiKey> {
    let sql = format!("{API_KEYS} WHERE id = ?1 AND api_keys.org = ?2");
    rows::first(connection, &sql, params![id.to_string(), org.as_str()], |row| Ok(api_keys::key(row)?))?
        .ok_or_else(|| api_keys::no_such_key().into())
}
