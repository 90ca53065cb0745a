//! Tickets for live sockets in Postgres.

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use offtake_model::Result;
use tokio_postgres::types::ToSql;

use super::PostgresStore;
use crate::refusals::internal;
use crate::rows::{micros, to_json};
use crate::tickets::{self, PASS, Pass, Tickets};

#[async_trait]
impl Tickets for PostgresStore {
    async fn issue(&self, ticket: &str, pass: &Pass, ttl: SignedDuration) -> Result<Timestamp> {
        let tx = self.write_of(&pass.principal.org).await?;
        let issue = async {
            let now = self.now(&tx).await?;
            let sql = "INSERT INTO live_tickets (hash, org, sub, email, permissions, holds_until, session, expires_at)
                       VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
            let permissions = to_json(&pass.principal.permissions.to_words())?;
            let until = pass.until.map(Timestamp::as_microsecond);
            let end = now.saturating_add(micros(ttl));
            let principal = &pass.principal;
            let params: [&(dyn ToSql + Sync); 8] = [
                &ticket,
                &principal.org.as_str(),
                &principal.sub,
                &principal.email,
                &permissions,
                &until,
                &pass.session,
                &end,
            ];
            tx.execute(sql, &params).await?;
            Timestamp::from_microsecond(end).map_err(|_| internal("a ticket lives for ever"))
        };
        let outcome = issue.await;
        tx.end(outcome).await
    }

    async fn spend(&self, ticket: &str) -> Result<Pass> {
        // Whose it is, only the ticket says.
        let tx = self.write_all().await?;
        let spend = async {
            let now = self.now(&tx).await?;
            let sql = format!("DELETE FROM live_tickets WHERE hash = $1 AND expires_at > $2 RETURNING {PASS}");
            let spent = tx.first(&sql, &[&ticket, &now]).await?.ok_or_else(tickets::no_ticket)?;
            tx.execute("DELETE FROM live_tickets WHERE expires_at <= $1", &[&now]).await?;
            tickets::pass(&spent)
        };
        let outcome = spend.await;
        tx.end(outcome).await
    }
}
