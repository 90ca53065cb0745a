//! Tickets for live sockets in SQLite.

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use offtake_model::Result;
use rusqlite::params;

use super::SqliteStore;
use super::rows::{self, micros};
use crate::refusals::internal;
use crate::tickets::{self, PASS, Pass, Tickets};

#[async_trait]
impl Tickets for SqliteStore {
    async fn issue(&self, ticket: &str, pass: &Pass, ttl: SignedDuration) -> Result<Timestamp> {
        let (ticket, pass) = (ticket.to_owned(), pass.clone());
        self.write(move |tx, now| {
            tx.prepare_cached("DELETE FROM live_tickets WHERE expires_at <= ?1")?.execute([now])?;
            let sql = "INSERT INTO live_tickets (hash, org, sub, email, permissions, holds_until, session, expires_at)
                       VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
            let permissions = rows::to_json(&pass.principal.permissions.to_words())?;
            let until = pass.until.map(Timestamp::as_microsecond);
            let end = now.saturating_add(micros(ttl));
            tx.prepare_cached(sql)?.execute(params![
                ticket,
                pass.principal.org.as_str(),
                pass.principal.sub,
                pass.principal.email,
                permissions,
                until,
                pass.session,
                end
            ])?;
            Ok(Timestamp::from_microsecond(end).map_err(|_| internal("a ticket lives for ever"))?)
        })
        .await
    }

    async fn spend(&self, ticket: &str) -> Result<Pass> {
        let ticket = ticket.to_owned();
        self.write(move |tx, now| {
            let sql = format!("DELETE FROM live_tickets WHERE hash = ?1 AND expires_at > ?2 RETURNING {PASS}");
            let spent = rows::first(tx, &sql, params![ticket, now], |row| Ok(tickets::pass(row)?))?;
            Ok(spent.ok_or_else(tickets::no_ticket)?)
        })
        .await
    }
}
