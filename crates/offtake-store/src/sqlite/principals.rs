//! Principals in SQLite.

use std::sync::LazyLock;

use async_trait::async_trait;
use offtake_model::Result;
use offtake_model::audit::Act;
use offtake_model::id::OrgId;
use offtake_model::principal::{KnownPrincipal, PrincipalChange};
use rusqlite::{Connection, params};

use super::fault::Sql;
use super::{SqliteStore, audit, rows};
use crate::audit::deeds;
use crate::principals::{self, NOTED_FOR, ONE_ADDRESS, PRINCIPALS, Principals, STANDING, Stand, standing_joins};

#[async_trait]
impl Principals for SqliteStore {
    async fn standing(&self, org: &OrgId, sub: &str) -> Result<Stand> {
        let (org, sub) = (org.clone(), sub.to_owned());
        self.read(move |tx, now| standing(tx, now, org.as_str(), &sub)).await
    }

    async fn note(&self, org: &OrgId, sub: &str, email: Option<&str>) -> Result<()> {
        let (org, sub, email) = (org.clone(), sub.to_owned(), email.map(str::to_owned));
        self.write(move |tx, now| {
            let sql = "INSERT INTO principals (org, sub, email, first_seen, last_seen) VALUES (?1, ?2, ?3, ?4, ?4)
                       ON CONFLICT DO UPDATE SET email = coalesce(excluded.email, email), last_seen = excluded.last_seen,
                                                 first_seen = coalesce(first_seen, excluded.first_seen)
                       WHERE last_seen IS NULL OR last_seen <= ?5 OR email IS NOT coalesce(excluded.email, email)";
            let long_ago = now.saturating_sub(NOTED_FOR);
            tx.prepare_cached(sql)?.execute(params![org.as_str(), sub, email, now, long_ago])?;
            Ok(())
        })
        .await
    }

    async fn get(&self, org: &OrgId, sub: &str) -> Result<KnownPrincipal> {
        let (org, sub) = (org.clone(), sub.to_owned());
        self.read(move |tx, _| load(tx, org.as_str(), &sub)).await
    }

    async fn list(&self, org: &OrgId, after: Option<&str>, limit: u32) -> Result<(Vec<KnownPrincipal>, bool)> {
        let (org, after) = (org.clone(), after.map(str::to_owned));
        self.read(move |tx, _| {
            let sql = format!("{PRINCIPALS} WHERE org = ?1 AND (?2 IS NULL OR sub > ?2) ORDER BY sub LIMIT ?3");
            let params = params![org.as_str(), after, i64::from(limit) + 1];
            let mut found = rows::all(tx, &sql, params, |row| Ok(principals::known(row)?))?;
            let has_more = found.len() > limit as usize;
            found.truncate(limit as usize);
            Ok((found, has_more))
        })
        .await
    }

    async fn of_address(&self, org: &OrgId, email: &str) -> Result<Vec<KnownPrincipal>> {
        let (org, email) = (org.clone(), email.to_ascii_lowercase());
        self.read(move |tx, _| {
            let sql = format!("{PRINCIPALS} WHERE org = ?1 AND lower(email) = ?2 ORDER BY sub LIMIT {ONE_ADDRESS}");
            rows::all(tx, &sql, params![org.as_str(), email], |row| Ok(principals::known(row)?))
        })
        .await
    }

    async fn change(&self, by: &Act, org: &OrgId, sub: &str, change: &PrincipalChange) -> Result<KnownPrincipal> {
        let (by, org, sub, disabled) = (by.clone(), org.clone(), sub.to_owned(), change.disabled);
        let withheld = change.withheld.as_ref().map(principals::to_words).transpose()?;
        self.write(move |tx, now| {
            let sql = "INSERT INTO principals (org, sub, disabled_at, withheld)
                       VALUES (?1, ?2, iif(?3, ?4, NULL), coalesce(?5, '[]'))
                       ON CONFLICT DO UPDATE SET
                           disabled_at = CASE WHEN ?3 IS NULL THEN disabled_at
                                              WHEN ?3 THEN coalesce(disabled_at, ?4) END,
                           withheld = coalesce(?5, withheld)";
            tx.prepare_cached(sql)?.execute(params![org.as_str(), sub, disabled, now, withheld])?;
            let known = load(tx, org.as_str(), &sub)?;
            audit::append(tx, now, &org, &by, &deeds::to_principal(&known))?;
            Ok(known)
        })
        .await
    }
}

static STANDS: LazyLock<String> =
    LazyLock::new(|| format!("SELECT {STANDING} FROM (SELECT 1) {}", standing_joins("?1", "?2")));

fn standing(connection: &Connection, now: i64, org: &str, sub: &str) -> Sql<Stand> {
    let found = rows::first(connection, &STANDS, params![org, sub], |row| Ok(principals::stand(row, sub, now)?))?;
    Ok(found.unwrap_or_default())
}

fn load(connection: &Connection, org: &str, sub: &str) -> Sql<KnownPrincipal> {
    let sql = format!("{PRINCIPALS} WHERE org = ?1 AND sub = ?2");
    rows::first(connection, &sql, params![org, sub], |row| Ok(principals::known(row)?))?
        .ok_or_else(|| principals::no_such_principal().into())
}
