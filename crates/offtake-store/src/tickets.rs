//! Tickets to open a live socket by: the port.
//!
//! A browser cannot send a header along when it opens a WebSocket, so its page asks for a ticket first and shows that.

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use offtake_model::id::OrgId;
use offtake_model::principal::Principal;
use offtake_model::{Error, ErrorKind, Result};

use crate::api_keys::Cells;
use crate::principals::granted;
use crate::refusals::internal;
use crate::rows::Record;

/// Tickets, known by the hash of what only their bearer knows. They grant nothing that their maker did not have already,
/// and so are not in the audit trail.
#[async_trait]
pub trait Tickets: Send + Sync + std::fmt::Debug {
    /// Keeps a ticket that can be spent once within `ttl`; when it ends.
    async fn issue(&self, ticket: &str, pass: &Pass, ttl: SignedDuration) -> Result<Timestamp>;

    /// Spends a ticket. Of many who try at once, one succeeds.
    ///
    /// # Errors
    /// `gone` if it was spent, is over, or never was.
    async fn spend(&self, ticket: &str) -> Result<Pass>;
}

/// For whom a ticket is, and how long what it was asked for with holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pass {
    /// Who asked for it.
    pub principal: Principal,
    /// When the token ends that it was asked for with.
    pub until: Option<Timestamp>,
    /// The fingerprint of the session that it was asked for with.
    pub session: Option<String>,
}

// What every backend shares.

/// What [`pass`] reads.
pub(crate) const PASS: &str = "org, sub, email, permissions, holds_until, session";

/// A row of a ticket.
pub(crate) fn pass(row: &impl Record) -> Result<Pass> {
    let cells = Cells(row);
    let org = OrgId::new(cells.text("org")?).map_err(|_| internal("a ticket in the job store has no organization"))?;
    let optional = |column| row.text(column).map_err(|_| internal("a ticket in the job store cannot be read"));
    let permissions = granted(&cells.text("permissions")?)?;
    let principal = Principal { org, sub: cells.text("sub")?, email: optional("email")?, permissions };
    Ok(Pass { principal, until: cells.time("holds_until")?, session: optional("session")? })
}

pub(crate) fn no_ticket() -> Error {
    Error::new(ErrorKind::Gone, "this ticket was used or has expired; ask for another: POST /api/v1/ws/ticket")
}
