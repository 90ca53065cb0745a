//! The audit trail: who did what, when, from where.
//!
//! Responsible for the words of an entry, for its hash and for the law of the chain. Not responsible for keeping
//! entries: that is `offtake-store`. An [`Act`] says who acts and from where, a [`Deed`] what was done; together with
//! the place in the organization's chain they are an [`AuditEntry`].

mod chain;
mod deed;
mod entry;

pub use chain::{Broken, Checker, Head, KeptHead};
pub use deed::{Action, Deed, ObjectKind, Outcome};
pub use entry::AuditEntry;

use std::net::IpAddr;

/// The longest name of an actor, in bytes: that of a `sub`.
const ACTOR_BYTES: usize = 320;
/// The longest user agent that is kept, in bytes.
const AGENT_BYTES: usize = 256;

/// How an actor came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Via {
    /// By a bearer token.
    Token,
    /// By an API key.
    ApiKey,
    /// By a session that a sign-in began.
    Session,
    /// By a one-time token, as a mail has it. Nobody asked who it is.
    OneTimeToken,
    /// By a signed link. Nobody asked who it is.
    Link,
    /// By a command on the data itself.
    CommandLine,
    /// Offtake itself.
    System,
}

impl Via {
    /// All of them, in the order of the documentation.
    pub const ALL: [Self; 7] =
        [Self::Token, Self::ApiKey, Self::Session, Self::OneTimeToken, Self::Link, Self::CommandLine, Self::System];

    /// Its name in an entry.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::ApiKey => "api_key",
            Self::Session => "session",
            Self::OneTimeToken => "one_time_token",
            Self::Link => "link",
            Self::CommandLine => "command_line",
            Self::System => "system",
        }
    }
}

/// Who acts, and from where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Act {
    actor: String,
    via: Via,
    address: Option<IpAddr>,
    agent: Option<String>,
    request_id: Option<String>,
}

impl Act {
    /// An act of `actor` (a `sub`, the name of a user of the machine; empty where nobody said), who came `via`.
    pub fn by(actor: &str, via: Via) -> Self {
        Self { actor: plain(actor, ACTOR_BYTES), via, address: None, agent: None, request_id: None }
    }

    /// An act of Offtake itself.
    pub fn of_system() -> Self {
        Self::by("offtake", Via::System)
    }

    /// From this address.
    #[must_use]
    pub fn from_address(mut self, address: Option<IpAddr>) -> Self {
        self.address = address.map(|address| address.to_canonical());
        self
    }

    /// With this user agent, as it called itself. What is too long is cut.
    #[must_use]
    pub fn with_agent(mut self, agent: Option<&str>) -> Self {
        self.agent = agent.map(|agent| plain(agent, AGENT_BYTES));
        self
    }

    /// With this request.
    #[must_use]
    pub fn with_request(mut self, id: impl Into<String>) -> Self {
        self.request_id = Some(id.into());
        self
    }

    /// Who acts.
    pub fn actor(&self) -> &str {
        &self.actor
    }

    /// From which address.
    pub const fn address(&self) -> Option<IpAddr> {
        self.address
    }

    /// In which request.
    pub fn request_id(&self) -> Option<&str> {
        self.request_id.as_deref()
    }
}

/// Text of at most `most` bytes without what could not be printed or stored.
fn plain(text: &str, most: usize) -> String {
    let mut plain: String = text.chars().filter(|c| !c.is_control()).collect();
    plain.truncate(plain.floor_char_boundary(most));
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_client_says_of_itself_is_bounded() {
        let long = format!("a\n\0{}", "é".repeat(300));
        let act = Act::by(&long, Via::Token).with_agent(Some(&long));
        for (text, most) in [(act.actor, 320), (act.agent.unwrap(), 256)] {
            assert!(text.len() <= most && text.starts_with("aé") && text.ends_with('é'), "{text}");
        }
    }

    #[test]
    fn an_address_has_one_spelling() {
        let act = Act::by("ada", Via::Token).from_address("::ffff:192.0.2.1".parse().ok());
        assert_eq!(act.address.map(|address| address.to_string()).as_deref(), Some("192.0.2.1"));
    }
}
