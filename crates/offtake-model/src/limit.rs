//! Limits: how much may be asked for, and how much of that is left.

use std::time::Duration;

/// Which limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Policy {
    /// Exports of one user that wait or run.
    ActiveExports,
    /// Exports that one user asks for within an hour.
    ExportsOfUser,
    /// Exports that one organization asks for within an hour.
    ExportsOfOrganization,
    /// Requests of one principal.
    Requests,
    /// Requests of one organization that bring spans.
    Ingest,
    /// Requests from one address with credentials that do not hold.
    FailedAuthentication,
}

impl Policy {
    /// Its name in header fields.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ActiveExports => "active-exports",
            Self::ExportsOfUser => "exports-user",
            Self::ExportsOfOrganization => "exports-organization",
            Self::Requests => "requests",
            Self::Ingest => "ingest",
            Self::FailedAuthentication => "failed-authentication",
        }
    }
}

/// A limit, and how much of it is left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Allowance {
    /// Which limit.
    pub policy: Policy,
    /// How much it allows.
    pub quota: u64,
    /// How much of that is left.
    pub left: u64,
    /// The time that the quota is for; `None`: it is for what is under way at once.
    pub window: Option<Duration>,
    /// When time alone brings more.
    pub more_in: Option<Duration>,
}

/// What a refusal by a limit says beside its words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// When to ask again.
    pub wait: Duration,
    /// How the limits stand.
    pub allowances: Vec<Allowance>,
}
