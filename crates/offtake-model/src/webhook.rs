//! A webhook endpoint: an address of an organization that is told of events.

use jiff::{SignedDuration, Timestamp};

use serde_json::{Value as Json, json};

use crate::event::{Event, EventType};
use crate::id::WebhookId;

/// Endpoints of an organization.
pub const MOST_WEBHOOKS: u32 = 50;

/// Notifications in a row that were given up after the whole schedule, after which an endpoint is disabled.
pub const MOST_GIVEN_UP: u32 = 5;

/// How long a secret that was replaced still signs, unless said otherwise, and at most.
pub const OVERLAP: SignedDuration = SignedDuration::from_hours(24);
/// The longest a secret that was replaced still signs.
pub const LONGEST_OVERLAP: SignedDuration = SignedDuration::from_hours(7 * 24);

/// How messages to an endpoint are signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SigningScheme {
    /// HMAC-SHA256 with a secret both sides have.
    Hmac,
    /// Ed25519: whoever verifies needs no secret.
    Ed25519,
}

impl SigningScheme {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Hmac, Self::Ed25519];

    /// Its name in API and database.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Hmac => "hmac",
            Self::Ed25519 => "ed25519",
        }
    }

    /// The scheme of this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scheme| scheme.name() == name)
    }
}

/// An endpoint as everybody who may see it sees it: without its secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Webhook {
    /// Its id.
    pub id: WebhookId,
    /// Where messages go.
    pub url: String,
    /// The types of events it is told of, each once, in the order of the documentation.
    pub events: Vec<EventType>,
    /// What people say about it.
    pub description: String,
    /// Whether it is told at all.
    pub enabled: bool,
    /// Why Offtake itself disabled it.
    pub disabled_reason: Option<String>,
    /// How messages are signed today.
    pub scheme: SigningScheme,
    /// What those verify with who need no secret: `whpk_…`.
    pub public_key: Option<String>,
    /// Until when messages are signed with the key before as well.
    pub previous_until: Option<Timestamp>,
    /// Notifications in a row that were given up.
    pub given_up: u32,
    /// The `sub` of whoever made it.
    pub created_by: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub changed_at: Timestamp,
}

/// What an endpoint is told of an event.
pub fn message(event: &Event) -> Json {
    let Event { org, seq, kind, at, .. } = event;
    let mut data = event.data.clone();
    data.insert("org_id".to_owned(), org.as_str().into());
    data.insert("timestamp".to_owned(), at.to_string().into());
    json!({"type": kind.name(), "timestamp": at.to_string(), "seq": seq, "data": data})
}

/// The types of events an endpoint may be told of: those that are written down. What happens to traces is derived from
/// the span store, and nobody remembers how far an endpoint was told of it.
pub fn may_be_told(kind: EventType) -> bool {
    kind.stream() == crate::event::Stream::Organization
}
