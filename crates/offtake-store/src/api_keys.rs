//! API keys: the port.

use async_trait::async_trait;
use jiff::Timestamp;
use offtake_model::api_key::{ApiKey, Lifetime, MOST_API_KEYS};
use offtake_model::id::{ApiKeyId, OrgId};
use offtake_model::permission::Permissions;
use offtake_model::{Error, ErrorKind, Result};

use crate::principals::{Stand, granted};
use crate::refusals::internal;
use crate::rows::Record;

/// Keys of machines. Every verb but [`shown`](Self::shown) is scoped by organization: another one's key is absent.
#[async_trait]
pub trait ApiKeys: Send + Sync + std::fmt::Debug {
    /// Keeps a key.
    ///
    /// # Errors
    /// `invalid_request` if its time is over before it begins; `conflict` if the organization has as many as it may
    /// have.
    async fn create(&self, org: &OrgId, key: NewApiKey) -> Result<ApiKey>;

    /// One of them.
    ///
    /// # Errors
    /// `not_found`.
    async fn get(&self, org: &OrgId, id: ApiKeyId) -> Result<ApiKey>;

    /// At most `limit` of those made before `after`, newest first, and whether more follow.
    async fn list(&self, org: &OrgId, after: Option<ApiKeyId>, limit: u32) -> Result<(Vec<ApiKey>, bool)>;

    /// Ends a key. One that was ended before stays so.
    ///
    /// # Errors
    /// `not_found`.
    async fn revoke(&self, org: &OrgId, id: ApiKeyId) -> Result<()>;

    /// What is known of a key that somebody shows, whoever that is: the caller compares the hash.
    async fn shown(&self, id: ApiKeyId) -> Result<Option<ShownKey>>;
}

/// A key to be kept.
#[derive(Debug, Clone)]
pub struct NewApiKey {
    /// Its id.
    pub id: ApiKeyId,
    /// What people call it.
    pub name: String,
    /// SHA-256 of the key, in hex.
    pub hash: String,
    /// What it may do.
    pub permissions: Permissions,
    /// How long it holds.
    pub lifetime: Lifetime,
    /// The `sub` of whoever makes it.
    pub created_by: String,
}

/// What one look-up tells about a key that is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShownKey {
    /// Whose it is.
    pub org: OrgId,
    /// SHA-256 of the key, in hex.
    pub hash: String,
    /// What it may do.
    pub permissions: Permissions,
    /// The `sub` of whoever made it.
    pub created_by: String,
    /// Whether its time is over.
    pub expired: bool,
    /// How its principal stands; a key that was revoked is barred.
    pub stand: Stand,
}

// What every backend shares.

/// Everything [`key`] reads; when it was used is when its principal was seen.
pub(crate) const API_KEYS: &str = "SELECT api_keys.id, api_keys.name, api_keys.permissions, api_keys.created_by, \
     api_keys.created_at, api_keys.expires_at, api_keys.revoked_at, own.last_seen AS last_used \
     FROM api_keys LEFT JOIN principals own ON own.org = api_keys.org AND own.sub = 'api_key:' || api_keys.id";

/// A row of [`API_KEYS`].
pub(crate) fn key(row: &impl Record) -> Result<ApiKey> {
    let cells = Cells(row);
    Ok(ApiKey {
        id: cells.text("id")?.parse().map_err(|_| unreadable("id"))?,
        name: cells.text("name")?,
        permissions: granted(&cells.text("permissions")?)?,
        created_by: cells.text("created_by")?,
        created_at: cells.time("created_at")?.ok_or_else(|| unreadable("created_at"))?,
        expires_at: cells.time("expires_at")?,
        revoked_at: cells.time("revoked_at")?,
        last_used_at: cells.time("last_used")?,
    })
}

/// A row of a key with the columns of its standing.
pub(crate) fn shown(row: &impl Record, stand: Stand, now: i64) -> Result<ShownKey> {
    let cells = Cells(row);
    let expires = row.int("expires_at").map_err(|_| unreadable("expires_at"))?;
    Ok(ShownKey {
        org: OrgId::new(cells.text("org")?).map_err(|_| unreadable("org"))?,
        hash: cells.text("hash")?,
        permissions: granted(&cells.text("permissions")?)?,
        created_by: cells.text("created_by")?,
        expired: expires.is_some_and(|moment| moment <= now),
        stand,
    })
}

/// The cells of a row about a key.
pub(crate) struct Cells<'r, R>(pub(crate) &'r R);

impl<R: Record> Cells<'_, R> {
    pub(crate) fn text(&self, column: &str) -> Result<String> {
        self.0.text(column).ok().flatten().ok_or_else(|| unreadable(column))
    }

    pub(crate) fn time(&self, column: &str) -> Result<Option<Timestamp>> {
        let micros = self.0.int(column).map_err(|_| unreadable(column))?;
        micros.map(|micros| Timestamp::from_microsecond(micros).map_err(|_| unreadable(column))).transpose()
    }
}

fn unreadable(column: &str) -> Error {
    internal(format!("a row about a key or a session in the job store cannot be read: its {column}"))
}

/// When a key of this lifetime ends, in microseconds.
///
/// # Errors
/// `invalid_request` if that is over already.
pub(crate) fn end_of(lifetime: Lifetime, now: i64) -> Result<Option<i64>> {
    let (end, pointer) = match lifetime {
        Lifetime::Unlimited => return Ok(None),
        Lifetime::For(time) => (now.saturating_add(crate::rows::micros(time)), "/ttl"),
        Lifetime::Until(moment) => (moment.as_microsecond(), "/expires_at"),
    };
    if end <= now {
        return Err(Error::invalid_at(pointer, "must be in the future"));
    }
    if Timestamp::from_microsecond(end).is_err() {
        return Err(Error::invalid_at(pointer, "is too far away"));
    }
    Ok(Some(end))
}

pub(crate) fn no_such_key() -> Error {
    Error::new(ErrorKind::NotFound, "there is no such API key; GET /api/v1/api-keys lists those there are")
}

pub(crate) fn too_many() -> Error {
    let detail = format!("there are {MOST_API_KEYS} API keys, and no more are possible; revoke some");
    Error::new(ErrorKind::Conflict, detail)
}
