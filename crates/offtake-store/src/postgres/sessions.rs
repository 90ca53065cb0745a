//! Sessions in Postgres.

use std::sync::LazyLock;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use offtake_model::Result;
use offtake_model::audit::{Act, Action};
use offtake_model::id::OrgId;
use offtake_model::principal::Principal;

use super::principals::clock;
use super::rows::get;
use super::{PostgresStore, audit};
use crate::audit::deeds;
use crate::principals::{self, NOTED_FOR, STANDING, Stand, standing_joins};
use crate::refusals::internal;
use crate::rows::{micros, to_json};
use crate::sessions::{self, Session, Sessions};

#[async_trait]
impl Sessions for PostgresStore {
    async fn offer(&self, by: &Act, ticket: &str, principal: &Principal, ttl: SignedDuration) -> Result<Timestamp> {
        let tx = self.write_all().await?;
        let sql = "INSERT INTO sign_in_tickets (hash, org, sub, email, permissions, expires_at)
                   VALUES ($1, $2, $3, $4, $5, $6)";
        let Principal { org, sub, email, permissions } = principal;
        let permissions = to_json(&permissions.to_words())?;
        let offer = async {
            let now = self.now(&tx).await?;
            tx.execute("DELETE FROM sign_in_tickets WHERE expires_at <= $1", &[&now]).await?;
            let end = now.saturating_add(micros(ttl));
            tx.execute(sql, &[&ticket, &org.as_str(), sub, email, &permissions, &end]).await?;
            audit::append(&tx, now, org, by, &deeds::offered(principal)).await?;
            Timestamp::from_microsecond(end).map_err(|_| internal("a sign-in link lives for ever"))
        };
        let outcome = offer.await;
        tx.end(outcome).await
    }

    async fn open(&self, by: &Act, ticket: &str, session: &str, lifetime: SignedDuration) -> Result<Session> {
        let tx = self.write_all().await?;
        // One statement: of two that spend the ticket at once, one deletes it.
        let sql = "WITH spent AS (
                       DELETE FROM sign_in_tickets WHERE hash = $1 AND expires_at > $3
                       RETURNING org, sub, email, permissions)
                   INSERT INTO sessions (hash, org, sub, email, permissions, last_used, expires_at)
                   SELECT $2::text, org, sub, email, permissions, $3::bigint, $4::bigint FROM spent
                   RETURNING org, sub, email, permissions, expires_at";
        let open = async {
            let now = self.now(&tx).await?;
            tx.execute("DELETE FROM sessions WHERE expires_at <= $1", &[&now]).await?;
            let end = now.saturating_add(micros(lifetime));
            let row = tx.first(sql, &[&ticket, &session, &now, &end]).await?;
            let opened = sessions::session(&row.ok_or_else(sessions::no_ticket)?)?;
            let (by, deed) = sessions::begun(by.clone(), &opened, session);
            audit::append(&tx, now, &opened.principal.org, &by, &deed).await?;
            Ok(opened)
        };
        let outcome = open.await;
        tx.end(outcome).await
    }

    async fn get(&self, session: &str, idle: SignedDuration) -> Result<Option<(Session, Stand)>> {
        let row = self.read_all().await?.first(&OPEN, &[&session, &self.injected(), &micros(idle)]).await?;
        let read = |row: tokio_postgres::Row| {
            let session = sessions::session(&row)?;
            let stand = principals::stand(&row, &session.principal.sub, get(&row, 0)?)?;
            Ok((session, stand))
        };
        row.map(read).transpose()
    }

    async fn note(&self, session: &str) -> Result<()> {
        let work = self.read_all().await?;
        let now = self.now(&work).await?;
        let sql = "UPDATE sessions SET last_used = $2 WHERE hash = $1 AND last_used <= $3";
        work.execute(sql, &[&session, &now, &now.saturating_sub(NOTED_FOR)]).await.map(drop)
    }

    async fn close(&self, by: &Act, session: &str) -> Result<()> {
        let tx = self.write_all().await?;
        let close = async {
            let sql = "DELETE FROM sessions WHERE hash = $1 RETURNING org";
            let Some(row) = tx.first(sql, &[&session]).await? else { return Ok(()) };
            let (now, org) = (self.now(&tx).await?, OrgId::new(get::<String>(&row, 0)?)?);
            audit::append(&tx, now, &org, by, &deeds::to_session(Action::SessionEnd, session)).await.map(drop)
        };
        let outcome = close.await;
        tx.end(outcome).await
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
