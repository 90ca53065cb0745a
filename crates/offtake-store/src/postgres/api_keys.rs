//! API keys in Postgres.

use std::sync::LazyLock;

use async_trait::async_trait;
use offtake_model::Result;
use offtake_model::api_key::{ApiKey, MOST_API_KEYS, sub_of};
use offtake_model::audit::Act;
use offtake_model::id::{ApiKeyId, OrgId};
use offtake_postgres::Work;

use super::principals::clock;
use super::rows::get;
use super::{PostgresStore, audit};
use crate::api_keys::{self, API_KEYS, ApiKeys, NewApiKey, ShownKey};
use crate::audit::deeds;
use crate::principals::{self, STANDING, standing_joins};
use crate::rows::to_json;

#[async_trait]
impl ApiKeys for PostgresStore {
    async fn create(&self, by: &Act, org: &OrgId, key: NewApiKey) -> Result<ApiKey> {
        let tx = self.write_of(org).await?;
        let create = async {
            let now = self.now(&tx).await?;
            let expires_at = api_keys::end_of(key.lifetime, now)?;
            let sql = "SELECT count(*) FROM api_keys WHERE org = $1 AND revoked_at IS NULL";
            let count: i64 = tx.first(sql, &[&org.as_str()]).await?.map_or(Ok(0), |row| get(&row, 0))?;
            if count >= i64::from(MOST_API_KEYS) {
                return Err(api_keys::too_many());
            }
            let sql = "INSERT INTO api_keys (id, org, name, hash, permissions, created_by, created_at, expires_at)
                       VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
            let (id, permissions) = (key.id.to_string(), to_json(&key.permissions.to_words())?);
            let params: [&(dyn tokio_postgres::types::ToSql + Sync); 8] =
                [&id, &org.as_str(), &key.name, &key.hash, &permissions, &key.created_by, &now, &expires_at];
            tx.execute(sql, &params).await?;
            let made = load(&tx, org, key.id).await?;
            audit::append(&tx, now, org, by, &deeds::made_key(&made)).await?;
            Ok(made)
        };
        let outcome = create.await;
        tx.end(outcome).await
    }

    async fn get(&self, org: &OrgId, id: ApiKeyId) -> Result<ApiKey> {
        load(&self.read_of(org).await?, org, id).await
    }

    async fn list(&self, org: &OrgId, after: Option<ApiKeyId>, limit: u32) -> Result<(Vec<ApiKey>, bool)> {
        let sql =
            format!("{API_KEYS} WHERE api_keys.org = $1 AND ($2::text IS NULL OR id < $2) ORDER BY id DESC LIMIT $3");
        let after = after.map(|id| id.to_string());
        let rows = self.read_of(org).await?.rows(&sql, &[&org.as_str(), &after, &(i64::from(limit) + 1)]).await?;
        let mut found = rows.iter().map(api_keys::key).collect::<Result<Vec<_>>>()?;
        let has_more = found.len() > limit as usize;
        found.truncate(limit as usize);
        Ok((found, has_more))
    }

    async fn revoke(&self, by: &Act, org: &OrgId, id: ApiKeyId) -> Result<()> {
        let tx = self.write_of(org).await?;
        let revoke = async {
            let now = self.now(&tx).await?;
            let sql = "UPDATE api_keys SET revoked_at = $3 WHERE id = $1 AND org = $2 AND revoked_at IS NULL";
            if tx.execute(sql, &[&id.to_string(), &org.as_str(), &now]).await? == 0 {
                // It is over already, or was never there.
                return load(&tx, org, id).await.map(drop);
            }
            audit::append(&tx, now, org, by, &deeds::revoked_key(id)).await.map(drop)
        };
        let outcome = revoke.await;
        tx.end(outcome).await
    }

    async fn shown(&self, id: ApiKeyId) -> Result<Option<ShownKey>> {
        let row = self.read_all().await?.first(&SHOWN, &[&id.to_string(), &self.injected()]).await?;
        let read = |row: tokio_postgres::Row| {
            let now = get(&row, 0)?;
            api_keys::shown(&row, principals::stand(&row, &sub_of(id), now)?, now)
        };
        row.map(read).transpose()
    }
}

static SHOWN: LazyLock<String> = LazyLock::new(|| {
    let joins = standing_joins("shown.org", "('api_key:' || shown.id)");
    format!(
        "SELECT now, shown.org, shown.hash, shown.permissions, shown.created_by, shown.expires_at, {STANDING}
         FROM api_keys shown CROSS JOIN ({}) AS clock {joins} WHERE shown.id = $1",
        clock("$2")
    )
});

async fn load(work: &Work, org: &OrgId, id: ApiKeyId) -> Result<ApiKey> {
    let sql = format!("{API_KEYS} WHERE id = $1 AND api_keys.org = $2");
    let row = work.first(&sql, &[&id.to_string(), &org.as_str()]).await?;
    api_keys::key(&row.ok_or_else(api_keys::no_such_key)?)
}
