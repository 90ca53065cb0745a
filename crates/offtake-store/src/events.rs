//! Events: the port. What happened in an organization, numbered without gaps in the order of commit.

use async_trait::async_trait;
use jiff::SignedDuration;
use offtake_model::Result;
use offtake_model::event::{Event, NewEvent};
use offtake_model::id::{JobId, OrgId};

/// The events of organizations. What happens to a job is written down by the verbs of [`crate::Jobs`], in the transaction
/// that changes it, together with the notifications that follow from it ([`crate::Outbox`]); whoever else has something
/// to tell appends it here.
#[async_trait]
pub trait Events: Send + Sync + std::fmt::Debug {
    /// Writes an event down, with the notifications that follow from it. Readers are woken.
    async fn append(&self, org: &OrgId, event: NewEvent) -> Result<Event>;

    /// The events of an organization after this number, in order; at most `limit`.
    async fn after(&self, org: &OrgId, seq: u64, limit: u32) -> Result<Vec<Event>>;

    /// The events about one job after this number, in order; at most `limit`.
    async fn of_job(&self, org: &OrgId, job: JobId, after: u64, limit: u32) -> Result<Vec<Event>>;

    /// The number of the newest event of each of these organizations; 0 where there is none.
    async fn newest(&self, orgs: &[OrgId]) -> Result<Vec<(OrgId, u64)>>;

    /// The number of the oldest event that is still there, or the next one's if none is.
    async fn oldest(&self, org: &OrgId) -> Result<u64>;

    /// Forgets events older than `retention`, as far as no notification waits for them. Returns how many.
    async fn prune_events(&self, retention: SignedDuration) -> Result<u64>;
}
