//! Presets in SQLite.

use async_trait::async_trait;
use offtake_model::Result;
use offtake_model::audit::{Act, Action};
use offtake_model::id::OrgId;
use offtake_model::preset::{MOST_PRESETS, Preset, PresetContent};
use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::fault::Sql;
use super::{SqliteStore, audit};
use crate::audit::deeds::to_preset;
use crate::presets::{self, Presets, Stored};
use crate::rows::to_json;

#[async_trait]
impl Presets for SqliteStore {
    async fn create(&self, by: &Act, org: &OrgId, content: PresetContent) -> Result<Preset> {
        let (org, by) = (org.clone(), by.clone());
        self.write(move |tx, now| {
            if exists(tx, &org, &content.name)? {
                return Err(presets::name_taken(&content.name).into());
            }
            let sql = "SELECT count(*) FROM presets WHERE org = ?1";
            let count: i64 = tx.prepare_cached(sql)?.query_row([org.as_str()], |row| row.get(0))?;
            if count >= i64::from(MOST_PRESETS) {
                return Err(presets::too_many().into());
            }
            let sql = "INSERT INTO presets (org, name, dataset, says, created_by, created_at, updated_at)
                       VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?6)";
            let says = to_json(&content.says)?;
            tx.prepare_cached(sql)?.execute(params![
                org.as_str(),
                content.name,
                content.dataset,
                says,
                by.actor(),
                now
            ])?;
            let preset = load(tx, &org, &content.name)?;
            audit::append(tx, now, &org, &by, &to_preset(Action::PresetCreate, &preset))?;
            Ok(preset)
        })
        .await
    }

    async fn get(&self, org: &OrgId, name: &str) -> Result<Preset> {
        let (org, name) = (org.clone(), name.to_owned());
        self.read(move |tx, _| load(tx, &org, &name)).await
    }

    async fn list(&self, org: &OrgId) -> Result<Vec<Preset>> {
        let org = org.clone();
        self.read(move |tx, _| {
            let mut statement = tx.prepare_cached(&format!("{PRESETS} WHERE org = ?1 ORDER BY name"))?;
            let mut rows = statement.query([org.as_str()])?;
            let mut presets = Vec::new();
            while let Some(row) = rows.next()? {
                presets.push(preset(row)?);
            }
            Ok(presets)
        })
        .await
    }

    async fn replace(&self, by: &Act, org: &OrgId, name: &str, version: u64, content: PresetContent) -> Result<Preset> {
        let (by, org, name) = (by.clone(), org.clone(), name.to_owned());
        self.write(move |tx, now| {
            presets::unchanged(&load(tx, &org, &name)?, Some(version))?;
            if content.name != name && exists(tx, &org, &content.name)? {
                return Err(presets::name_taken(&content.name).into());
            }
            let sql = "UPDATE presets SET name = ?3, dataset = ?4, says = ?5, version = version + 1, updated_at = ?6
                       WHERE org = ?1 AND name = ?2";
            let says = to_json(&content.says)?;
            tx.prepare_cached(sql)?.execute(params![org.as_str(), name, content.name, content.dataset, says, now])?;
            let preset = load(tx, &org, &content.name)?;
            audit::append(tx, now, &org, &by, &to_preset(Action::PresetChange, &preset).with("was", name))?;
            Ok(preset)
        })
        .await
    }

    async fn delete(&self, by: &Act, org: &OrgId, name: &str, version: Option<u64>) -> Result<()> {
        let (by, org, name) = (by.clone(), org.clone(), name.to_owned());
        self.write(move |tx, now| {
            let preset = load(tx, &org, &name)?;
            presets::unchanged(&preset, version)?;
            let sql = "DELETE FROM presets WHERE org = ?1 AND name = ?2";
            tx.prepare_cached(sql)?.execute(params![org.as_str(), name])?;
            audit::append(tx, now, &org, &by, &to_preset(Action::PresetDelete, &preset))?;
            Ok(())
        })
        .await
    }
}

const PRESETS: &str = "SELECT name, dataset, says, version, created_by, created_at, updated_at FROM presets";

fn exists(tx: &Connection, org: &OrgId, name: &str) -> Sql<bool> {
    let sql = "SELECT EXISTS (SELECT 1 FROM presets WHERE org = ?1 AND name = ?2)";
    Ok(tx.prepare_cached(sql)?.query_row([org.as_str(), name], |row| row.get(0))?)
}

fn load(tx: &Connection, org: &OrgId, name: &str) -> Sql<Preset> {
    let mut statement = tx.prepare_cached(&format!("{PRESETS} WHERE org = ?1 AND name = ?2"))?;
    let found = statement.query_row([org.as_str(), name], |row| Ok(preset(row))).optional()?;
    found.unwrap_or_else(|| Err(presets::no_such_preset().into()))
}

fn preset(row: &Row<'_>) -> Sql<Preset> {
    let stored = Stored {
        name: row.get("name")?,
        dataset: row.get("dataset")?,
        says: row.get("says")?,
        version: row.get("version")?,
        created_by: row.get("created_by")?,
        created_at: row.get("created_at")?,
        updated_at: row.get("updated_at")?,
    };
    Ok(stored.preset()?)
}
