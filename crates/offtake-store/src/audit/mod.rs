//! The audit trail: the port.
//!
//! What changes something in the store writes its entry in the same transaction; those verbs are given an [`Act`] and
//! are in the other ports. Here is what only reads, and looking at the trail itself.

pub(crate) mod deeds;
mod verify;

pub use deeds::{minted, to_file};
pub use verify::{Verified, verify};

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use offtake_model::Result;
use offtake_model::audit::{Act, AuditEntry, Deed, Head};
use offtake_model::id::OrgId;

/// Entries that are removed behind one anchor, so that a large clean-up does not keep the others waiting.
pub const PRUNED_AT_ONCE: u64 = 5000;
/// The oldest entry is so much older than they have to be kept before it is removed with its like: the chain of an
/// organization gets an anchor a day, and not one an hour.
pub(crate) const SLACK: SignedDuration = SignedDuration::from_hours(24);

/// Which entries of an organization. Newest first.
#[derive(Debug, Clone, Default)]
pub struct AuditFilter {
    /// Only of this actor.
    pub actor: Option<String>,
    /// Only these actions; empty: all.
    pub actions: Vec<String>,
    /// Only on the object of this id.
    pub object: Option<String>,
    /// Only from this moment on.
    pub from: Option<Timestamp>,
    /// Only before this moment.
    pub to: Option<Timestamp>,
    /// Only those before this number (keyset paging).
    pub before: Option<u64>,
    /// At most so many.
    pub limit: u32,
}

/// A page of entries.
#[derive(Debug, Clone)]
pub struct AuditPage {
    /// The entries, newest first.
    pub entries: Vec<AuditEntry>,
    /// Whether more follow.
    pub has_more: bool,
}

/// The audit trail: for each organization a chain of entries to which is only ever added.
#[async_trait]
pub trait Audit: Send + Sync + std::fmt::Debug {
    /// Writes down what changes nothing in the store. It is to be answered only when this is done.
    async fn append(&self, org: &OrgId, act: &Act, deed: &Deed) -> Result<AuditEntry>;

    /// A page of an organization's entries.
    async fn list(&self, org: &OrgId, filter: &AuditFilter) -> Result<AuditPage>;

    /// The entries of an organization from number `from` on, oldest first, at most `limit`.
    async fn walk(&self, org: &OrgId, from: u64, limit: u32) -> Result<Vec<AuditEntry>>;

    /// Where an organization's chain ends; of one without entries, before the first.
    async fn head(&self, org: &OrgId) -> Result<Head>;

    /// The heads of the organizations after `after`, by name, at most `limit`; with `since` only those that were written to
    /// from then on.
    async fn heads(&self, after: Option<&OrgId>, since: Option<Timestamp>, limit: u32) -> Result<Vec<Head>>;

    /// Removes entries older than `retention`, from the oldest on, and writes down in each chain where it begins now.
    /// Returns how many.
    async fn prune(&self, retention: SignedDuration) -> Result<u64>;
}
