//! Signing in without an identity provider: the port.

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use offtake_model::id::OrgId;
use offtake_model::permission::Permissions;
use offtake_model::principal::Principal;
use offtake_model::{Error, ErrorKind, Result};

use crate::api_keys::Cells;
use crate::principals::{Stand, granted};
use crate::refusals::internal;
use crate::rows::Record;

/// Tickets to sign in by, and the sessions they open. Both are known by the hash of what only their bearer knows.
#[async_trait]
pub trait Sessions: Send + Sync + std::fmt::Debug {
    /// Keeps a ticket for `principal` that can be spent once within `ttl`; when it ends.
    async fn offer(&self, ticket: &str, principal: &Principal, ttl: SignedDuration) -> Result<Timestamp>;

    /// Spends a ticket and opens a session that ends after `lifetime`, whatever happens.
    ///
    /// # Errors
    /// `gone` if the ticket was spent, is over, or never was.
    async fn open(&self, ticket: &str, session: &str, lifetime: SignedDuration) -> Result<Session>;

    /// The session, unless its time is over or nobody used it for `idle`.
    async fn get(&self, session: &str, idle: SignedDuration) -> Result<Option<(Session, Stand)>>;

    /// Notes that the session is used, unless that was noted a moment ago.
    async fn note(&self, session: &str) -> Result<()>;

    /// Ends a session. One that is over already stays so.
    async fn close(&self, session: &str) -> Result<()>;
}

/// An open session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// Whose it is.
    pub principal: Principal,
    /// When it ends, whatever happens.
    pub expires_at: Timestamp,
}

// What every backend shares.

/// A row of a session, or of a ticket.
pub(crate) fn session(row: &impl Record) -> Result<Session> {
    let cells = Cells(row);
    let org = OrgId::new(cells.text("org")?).map_err(|_| internal("a session in the job store has no organization"))?;
    let permissions: Permissions = granted(&cells.text("permissions")?)?;
    let email = row.text("email").map_err(|_| internal("a session's address in the job store cannot be read"))?;
    let principal = Principal { org, sub: cells.text("sub")?, email, permissions };
    let expires_at = cells.time("expires_at")?.ok_or_else(|| internal("a session in the job store has no end"))?;
    Ok(Session { principal, expires_at })
}

pub(crate) fn no_ticket() -> Error {
    let detail = "this sign-in link was used or has expired; make another: offtake sign-in";
    Error::new(ErrorKind::Gone, detail)
}
