//! Sessions in SQLite.

use std::sync::LazyLock;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use offtake_model::principal::Principal;
use offtake_model::{ErrorKind, Result};
use rusqlite::params;

use super::SqliteStore;
use super::rows::{self, micros};
use crate::principals::{self, NOTED_FOR, STANDING, Stand, standing_joins};
use crate::refusals::internal;
use crate::sessions::{self, Session, Sessions};

#[async_trait]
impl Sessions for SqliteStore {
    async fn offer(&self, ticket: &str, principal: &Principal, ttl: SignedDuration) -> Result<Timestamp> {
        let (ticket, principal) = (ticket.to_owned(), principal.clone());
        self.write(move |tx, now| {
            tx.prepare_cached("DELETE FROM sign_in_tickets WHERE expires_at <= ?1")?.execute([now])?;
            let sql = "INSERT INTO sign_in_tickets (hash, org, sub, email, permissions, expires_at)
                       VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
            let Principal { org, sub, email, permissions } = principal;
            let permissions = rows::to_json(&permissions.to_words())?;
            let end = now.saturating_add(micros(ttl));
            tx.prepare_cached(sql)?.execute(params![ticket, org.as_str(), sub, email, permissions, end])?;
            Ok(Timestamp::from_microsecond(end).map_err(|_| internal("a sign-in link lives for ever"))?)
        })
        .await
    }

    async fn open(&self, ticket: &str, session: &str, lifetime: SignedDuration) -> Result<Session> {
        let (ticket, session) = (ticket.to_owned(), session.to_owned());
        self.write(move |tx, now| {
            tx.prepare_cached("DELETE FROM sessions WHERE expires_at <= ?1")?.execute([now])?;
            let sql = "INSERT INTO sessions (hash, org, sub, email, permissions, last_used, expires_at)
                       SELECT ?2, org, sub, email, permissions, ?3, ?4 FROM sign_in_tickets
                       WHERE hash = ?1 AND expires_at > ?3";
            let end = now.saturating_add(micros(lifetime));
            let opened = tx.prepare_cached(sql)?.execute(params![ticket, session, now, end])?;
            if opened == 0 {
                return Err(sessions::no_ticket().into());
            }
            tx.prepare_cached("DELETE FROM sign_in_tickets WHERE hash = ?1")?.execute([&ticket])?;
            let sql = "SELECT org, sub, email, permissions, expires_at FROM sessions WHERE hash = ?1";
            rows::first(tx, sql, [&session], |row| Ok(sessions::session(row)?))?
                .ok_or_else(|| offtake_model::Error::new(ErrorKind::Internal, "a session vanished").into())
        })
        .await
    }

    async fn get(&self, session: &str, idle: SignedDuration) -> Result<Option<(Session, Stand)>> {
        let session = session.to_owned();
        self.read(move |tx, now| {
            let since = now.saturating_sub(micros(idle));
            rows::first(tx, &OPEN, params![session, now, since], |row| {
                let session = sessions::session(row)?;
                let stand = principals::stand(row, &session.principal.sub, now)?;
                Ok((session, stand))
            })
        })
        .await
    }

    async fn note(&self, session: &str) -> Result<()> {
        let session = session.to_owned();
        self.write(move |tx, now| {
            let sql = "UPDATE sessions SET last_used = ?2 WHERE hash = ?1 AND last_used <= ?3";
            tx.prepare_cached(sql)?.execute(params![session, now, now.saturating_sub(NOTED_FOR)])?;
            Ok(())
        })
        .await
    }

    async fn close(&self, session: &str) -> Result<()> {
        let session = session.to_owned();
        self.write(move |tx, _| {
            tx.prepare_cached("DELETE FROM sessions WHERE hash = ?1")?.execute([session])?;
            Ok(())
        })
        .await
    }
}

static OPEN: LazyLock<String> = LazyLock::new(|| {
    format!(
        "SELECT open.org, open.sub, open.email, open.permissions, open.expires_at, {STANDING}
         FROM sessions open {} WHERE open.hash = ?1 AND open.expires_at > ?2 AND open.last_used > ?3",
        standing_joins("open.org", "open.sub")
    )
});
