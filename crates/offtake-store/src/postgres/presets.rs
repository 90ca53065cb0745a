//! Presets in Postgres. Whoever decides about a preset locks its row first.

use async_trait::async_trait;
use offtake_model::Result;
use offtake_model::audit::{Act, Action};
use offtake_model::id::OrgId;
use offtake_model::preset::{MOST_PRESETS, Preset, PresetContent};
use offtake_postgres::Work;
use tokio_postgres::Row;

use super::rows::get;
use super::{PostgresStore, audit};
use crate::audit::deeds::to_preset;
use crate::presets::{self, Presets, Stored};
use crate::rows::to_json;

#[async_trait]
impl Presets for PostgresStore {
    async fn create(&self, by: &Act, org: &OrgId, content: PresetContent) -> Result<Preset> {
        let tx = self.write_of(org).await?;
        let create = async {
            let now = self.now(&tx).await?;
            let counted = tx.first("SELECT count(*) FROM presets WHERE org = $1", &[&org.as_str()]).await?;
            let count: i64 = counted.as_ref().map_or(Ok(0), |row| get(row, 0))?;
            let says = to_json(&content.says)?;
            let PresetContent { name, dataset, says: _ } = content;
            let created_by = by.actor().to_owned();
            let stored = Stored { name, dataset, says, version: 1, created_by, created_at: now, updated_at: now };
            // The name first: it is what the caller can mend.
            if !insert(&tx, org, &stored).await? {
                return Err(presets::name_taken(&stored.name));
            }
            if count >= i64::from(MOST_PRESETS) {
                return Err(presets::too_many());
            }
            let preset = stored.preset()?;
            audit::append(&tx, now, org, by, &to_preset(Action::PresetCreate, &preset)).await?;
            Ok(preset)
        };
        let outcome = create.await;
        tx.end(outcome).await
    }

    async fn get(&self, org: &OrgId, name: &str) -> Result<Preset> {
        stored(&self.read_of(org).await?, org, name, "").await?.preset()
    }

    async fn list(&self, org: &OrgId) -> Result<Vec<Preset>> {
        let sql = format!("{PRESETS} WHERE org = $1 ORDER BY name");
        let rows = self.read_of(org).await?.rows(&sql, &[&org.as_str()]).await?;
        rows.iter().map(|row| of(row)?.preset()).collect()
    }

    async fn replace(&self, by: &Act, org: &OrgId, name: &str, version: u64, content: PresetContent) -> Result<Preset> {
        let tx = self.write_of(org).await?;
        let replace = async {
            let present = stored(&tx, org, name, " FOR UPDATE").await?;
            presets::unchanged(&present.preset()?, Some(version))?;
            let says = to_json(&content.says)?;
            let PresetContent { name: new_name, dataset, says: _ } = content;
            let updated_at = self.now(&tx).await?;
            let version = present.version + 1;
            let stored = Stored { name: new_name, dataset, says, version, updated_at, ..present };
            if stored.name == name {
                remove(&tx, org, name).await?;
            }
            if !insert(&tx, org, &stored).await? {
                return Err(presets::name_taken(&stored.name));
            }
            if stored.name != name {
                remove(&tx, org, name).await?;
            }
            let preset = stored.preset()?;
            let deed = to_preset(Action::PresetChange, &preset).with("was", name);
            audit::append(&tx, updated_at, org, by, &deed).await?;
            Ok(preset)
        };
        let outcome = replace.await;
        tx.end(outcome).await
    }

    async fn delete(&self, by: &Act, org: &OrgId, name: &str, version: Option<u64>) -> Result<()> {
        let tx = self.write_of(org).await?;
        let delete = async {
            let preset = stored(&tx, org, name, " FOR UPDATE").await?.preset()?;
            presets::unchanged(&preset, version)?;
            remove(&tx, org, name).await?;
            audit::append(&tx, self.now(&tx).await?, org, by, &to_preset(Action::PresetDelete, &preset)).await.map(drop)
        };
        let outcome = delete.await;
        tx.end(outcome).await
    }
}

const PRESETS: &str = "SELECT name, dataset, says, version, created_by, created_at, updated_at FROM presets";

async fn stored(work: &Work, org: &OrgId, name: &str, lock: &str) -> Result<Stored> {
    let sql = format!("{PRESETS} WHERE org = $1 AND name = $2{lock}");
    let row = work.first(&sql, &[&org.as_str(), &name]).await?.ok_or_else(presets::no_such_preset)?;
    of(&row)
}

/// Whether the name was free.
async fn insert(tx: &Work, org: &OrgId, preset: &Stored) -> Result<bool> {
    let Stored { name, dataset, says, version, created_by, created_at, updated_at } = preset;
    let sql = "INSERT INTO presets (org, name, dataset, says, version, created_by, created_at, updated_at)
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (org, name) DO NOTHING";
    let params: [&(dyn tokio_postgres::types::ToSql + Sync); 8] =
        [&org.as_str(), name, dataset, says, version, created_by, created_at, updated_at];
    Ok(tx.execute(sql, &params).await? == 1)
}

async fn remove(tx: &Work, org: &OrgId, name: &str) -> Result<()> {
    tx.execute("DELETE FROM presets WHERE org = $1 AND name = $2", &[&org.as_str(), &name]).await.map(drop)
}

fn of(row: &Row) -> Result<Stored> {
    Ok(Stored {
        name: get(row, 0)?,
        dataset: get(row, 1)?,
        says: get(row, 2)?,
        version: get(row, 3)?,
        created_by: get(row, 4)?,
        created_at: get(row, 5)?,
        updated_at: get(row, 6)?,
    })
}
