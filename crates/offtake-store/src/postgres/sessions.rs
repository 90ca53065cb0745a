//! Sessions in Postgres.

use std::sync::LazyLock;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use offtake_model::Result;
use offtake_model::principal::Principal;

use super::PostgresStore;
use super::principals::clock;
use super::rows::get;
use crate::principals::{self, NOTED_FOR, STANDING, Stand, standing_joins};
use crate::refusals::internal;
use crate::rows::{micros, to_json};
use crate::sessions::{self, Session, Sessions};

#[async_trait]
impl Sessions for PostgresStore {
    async fn offer(&self, ticket: &str, principal: &Principal, ttl: SignedDuration) -> Result<Timestamp> {
        let work = self.read().await?;
        let now = self.now(&work).await?;
        work.execute("DELETE FROM sign_in_tickets WHERE expires_at <= $1", &[&now]).await?;
        let sql = "INSERT INTO sign_in_tickets (hash, org, sub, email, permissions, expires_at)
                   VALUES ($1, $2, $3, $4, $5, $6)";
        let Principal { org, sub, email, permissions } = principal;
        let (permissions, end) = (to_json(&permissions.to_words())?, now.saturating_add(micros(ttl)));
        work.execute(sql, &[&ticket, &org.as_str(), sub, email, &permissions, &end]).await?;
        Timestamp::from_microsecond(end).map_err(|_| internal("a sign-in link lives for ever"))
    }

    async fn open(&self, ticket: &str, session: &str, lifetime: SignedDuration) -> Result<Session> {
        let work = self.read().await?;
        let now = self.now(&work).await?;
        work.execute("DELETE FROM sessions WHERE expires_at <= $1", &[&now]).await?;
        // One statement: of two that spend the ticket at once, one deletes it.
        let sql = "WITH spent AS (
                       DELETE FROM sign_in_tickets WHERE hash = $1 AND expires_at > $3
                       RETURNING org, sub, email, permissions)
                   INSERT INTO sessions (hash, org, sub, email, permissions, last_used, expires_at)
                   SELECT $2::text, org, sub, email, permissions, $3::bigint, $4::bigint FROM spent
                   RETURNING org, sub, email, permissions, expires_at";
        let end = now.saturating_add(micros(lifetime));
        let row = work.first(sql, &[&ticket, &session, &now, &end]).await?;
        sessions::session(&row.ok_or_else(sessions::no_ticket)?)
    }

    async fn get(&self, session: &str, idle: SignedDuration) -> Result<Option<(Session, Stand)>> {
        let row = self.read().await?.first(&OPEN, &[&session, &self.injected(), &micros(idle)]).await?;
        let read = |row: tokio_postgres::Row| {
            let session = sessions::session(&row)?;
            let stand = principals::stand(&row, &session.principal.sub, get(&row, 0)?)?;
            Ok((session, stand))
        };
        row.map(read).transpose()
    }

    async fn note(&self, session: &str) -> Result<()> {
        let work = self.read().await?;
        let now = self.now(&work).await?;
        let sql = "UPDATE sessions SET last_used = $2 WHERE hash = $1 AND last_used <= $3";
        work.execute(sql, &[&session, &now, &now.saturating_sub(NOTED_FOR)]).await.map(drop)
    }

    async fn close(&self, session: &str) -> Result<()> {
        self.read().await?.execute("DELETE FROM sessions WHERE hash = $1", &[&session]).await.map(drop)
    }
}

static OPEN: LazyLock<String> = LazyLock::new(|| {
    format!(
        "SELECT now, open.org, open.sub, open.email, open.permissions, open.expires_at, {STANDING}
         FROM sessions open CROSS JOIN ({}) AS clock {}
         WHERE open.hash = $1 AND open.expires_at > now AND open.last_used > now - $3",
        clock("$2"),
        standing_joins("open.org", "open.sub")
    )
});
