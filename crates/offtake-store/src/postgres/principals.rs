//! Principals in Postgres.

use std::sync::LazyLock;

use async_trait::async_trait;
use offtake_model::Result;
use offtake_model::audit::Act;
use offtake_model::id::OrgId;
use offtake_model::principal::{KnownPrincipal, PrincipalChange};

use super::rows::get;
use super::{PostgresStore, audit};
use crate::audit::deeds;
use crate::principals::{self, NOTED_FOR, ONE_ADDRESS, PRINCIPALS, Principals, STANDING, Stand, standing_joins};

#[async_trait]
impl Principals for PostgresStore {
    async fn standing(&self, org: &OrgId, sub: &str) -> Result<Stand> {
        let row = self.read_of(org).await?.first(&STANDS, &[&org.as_str(), &sub, &self.injected()]).await?;
        row.map_or_else(|| Ok(Stand::default()), |row| principals::stand(&row, sub, get(&row, 0)?))
    }

    async fn note(&self, org: &OrgId, sub: &str, email: Option<&str>) -> Result<()> {
        let work = self.read_of(org).await?;
        let now = self.now(&work).await?;
        let sql = "INSERT INTO principals AS known (org, sub, email, first_seen, last_seen) VALUES ($1, $2, $3, $4, $4)
                   ON CONFLICT (org, sub) DO UPDATE
                   SET email = coalesce(excluded.email, known.email), last_seen = excluded.last_seen,
                       first_seen = coalesce(known.first_seen, excluded.first_seen)
                   WHERE known.last_seen IS NULL OR known.last_seen <= $5
                         OR known.email IS DISTINCT FROM coalesce(excluded.email, known.email)";
        let long_ago = now.saturating_sub(NOTED_FOR);
        work.execute(sql, &[&org.as_str(), &sub, &email, &now, &long_ago]).await.map(drop)
    }

    async fn get(&self, org: &OrgId, sub: &str) -> Result<KnownPrincipal> {
        let sql = format!("{PRINCIPALS} WHERE org = $1 AND sub = $2");
        let row = self.read_of(org).await?.first(&sql, &[&org.as_str(), &sub]).await?;
        principals::known(&row.ok_or_else(principals::no_such_principal)?)
    }

    async fn list(&self, org: &OrgId, after: Option<&str>, limit: u32) -> Result<(Vec<KnownPrincipal>, bool)> {
        let sql = format!("{PRINCIPALS} WHERE org = $1 AND ($2::text IS NULL OR sub > $2) ORDER BY sub LIMIT $3");
        let rows = self.read_of(org).await?.rows(&sql, &[&org.as_str(), &after, &(i64::from(limit) + 1)]).await?;
        let mut found = rows.iter().map(principals::known).collect::<Result<Vec<_>>>()?;
        let has_more = found.len() > limit as usize;
        found.truncate(limit as usize);
        Ok((found, has_more))
    }

    async fn of_address(&self, org: &OrgId, email: &str) -> Result<Vec<KnownPrincipal>> {
        // Only the letters of ASCII, as SQLite does it.
        let sql = format!(
            "{PRINCIPALS} WHERE org = $1 AND lower(email COLLATE \"C\") = $2 ORDER BY sub COLLATE \"C\" LIMIT {ONE_ADDRESS}"
        );
        let rows = self.read_of(org).await?.rows(&sql, &[&org.as_str(), &email.to_ascii_lowercase()]).await?;
        rows.iter().map(principals::known).collect()
    }

    async fn change(&self, by: &Act, org: &OrgId, sub: &str, change: &PrincipalChange) -> Result<KnownPrincipal> {
        let withheld = change.withheld.as_ref().map(principals::to_words).transpose()?;
        let tx = self.write_of(org).await?;
        let sql = "INSERT INTO principals AS known (org, sub, disabled_at, withheld)
                   VALUES ($1, $2, CASE WHEN $3::boolean THEN $4::bigint END, coalesce($5::text, '[]'))
                   ON CONFLICT (org, sub) DO UPDATE
                   SET disabled_at = CASE WHEN $3 IS NULL THEN known.disabled_at
                                          WHEN $3 THEN coalesce(known.disabled_at, $4) END,
                       withheld = coalesce($5, known.withheld)
                   RETURNING sub, email, first_seen, last_seen, disabled_at, withheld";
        let change = async {
            let now = self.now(&tx).await?;
            let row = tx.first(sql, &[&org.as_str(), &sub, &change.disabled, &now, &withheld]).await?;
            let known = principals::known(&row.ok_or_else(principals::no_such_principal)?)?;
            audit::append(&tx, now, org, by, &deeds::to_principal(&known)).await?;
            Ok(known)
        };
        let outcome = change.await;
        tx.end(outcome).await
    }
}

/// The database's clock beside the standing, so that one look-up is one statement.
static STANDS: LazyLock<String> = LazyLock::new(|| {
    format!("SELECT now, {STANDING} FROM ({}) AS clock {}", clock("$3"), standing_joins("$1::text", "$2::text"))
});

/// The moment in microseconds, where the parameter `injected` replaces it.
pub(super) fn clock(injected: &str) -> String {
    format!("SELECT coalesce({injected}::bigint, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint) AS now")
}
