//! An API key: how a machine of an organization asks.

use jiff::{SignedDuration, Timestamp};

use crate::id::ApiKeyId;
use crate::permission::Permissions;

/// Keys of an organization that are not revoked.
pub const MOST_API_KEYS: u32 = 1000;

/// What the `sub` of a key's principal begins with; what follows is the key's id. No token may claim such a one.
pub const SUB_PREFIX: &str = "api_key:";

/// A key as it is kept: everything but the key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKey {
    /// Its id.
    pub id: ApiKeyId,
    /// What people call it.
    pub name: String,
    /// What it may do: never more than its maker could.
    pub permissions: Permissions,
    /// The `sub` of whoever made it.
    pub created_by: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it ends by itself.
    pub expires_at: Option<Timestamp>,
    /// When somebody ended it.
    pub revoked_at: Option<Timestamp>,
    /// When it was last used, give or take a minute.
    pub last_used_at: Option<Timestamp>,
}

/// How long a key holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lifetime {
    /// Until somebody ends it.
    Unlimited,
    /// For so long.
    For(SignedDuration),
    /// Until this moment.
    Until(Timestamp),
}

/// The `sub` of a key's principal.
pub fn sub_of(key: ApiKeyId) -> String {
    format!("{SUB_PREFIX}{key}")
}

/// The key whose principal this is; `None` if it is nobody's.
pub fn key_of(sub: &str) -> Option<ApiKeyId> {
    sub.strip_prefix(SUB_PREFIX)?.parse().ok()
}

/// Whether this is a `sub` that only keys have.
pub fn is_reserved(sub: &str) -> bool {
    sub.starts_with(SUB_PREFIX)
}
