//! The outbox: the port. Notifications that are owed, each with its tries.
//!
//! A notification is written in the transaction of the event it is about, so none is missing and none speaks of what did
//! not happen. Delivering is the worker's; nothing about a job depends on it.

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use offtake_model::Result;
use offtake_model::event::Event;
use offtake_model::id::{NotificationId, OrgId};

use crate::jobs::WorkerName;

/// By which way somebody is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Channel {
    /// By e-mail; the address is an e-mail address.
    Email,
    /// By webhook; the address is the id of an endpoint.
    Webhook,
}

/// What became of a notification.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum NotificationState {
    /// It is owed.
    Pending,
    /// Somebody took it.
    Delivered,
    /// It was given up; it can be asked for again.
    Failed,
}

/// A notification.
#[derive(Debug, Clone, PartialEq)]
pub struct Notification {
    /// Its id, the same for each try.
    pub id: NotificationId,
    /// Whose it is.
    pub org: OrgId,
    /// Which way.
    pub channel: Channel,
    /// To whom: what that is, the channel says.
    pub address: String,
    /// What it is about.
    pub event: Event,
    /// Owed, taken or given up.
    pub state: NotificationState,
    /// How often it was tried.
    pub tries: u32,
    /// When it is due.
    pub due_at: Timestamp,
    /// When it was written.
    pub created_at: Timestamp,
    /// What the last try came to, for people.
    pub last_answer: Option<String>,
}

/// The right to try a notification once, until a deadline. It carries a fence like a job's lease.
#[derive(Debug)]
pub struct Owed {
    /// The notification.
    pub notification: Notification,
    pub(crate) fence: i64,
}

/// What a try came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Try {
    /// What the other side answered, for the log: a status, a line of text. Never a secret.
    pub answer: String,
    /// How long it took.
    pub took: SignedDuration,
    /// What follows.
    pub verdict: Verdict,
}

/// What follows from a try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It arrived.
    Delivered,
    /// Again, so much later.
    Again(SignedDuration),
    /// Never again by itself.
    GiveUp,
}

/// One line of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tried {
    /// When.
    pub at: Timestamp,
    /// The number of the try, from 1.
    pub number: u32,
    /// What it came to.
    pub answer: String,
    /// How long it took.
    pub took: SignedDuration,
}

/// Which notifications. Newest first.
#[derive(Debug, Clone, Default)]
pub struct NotificationFilter {
    /// Only this channel.
    pub channel: Option<Channel>,
    /// Only to this address.
    pub address: Option<String>,
    /// Only in this state.
    pub state: Option<NotificationState>,
    /// At most so many.
    pub limit: u32,
    /// Only older than this one (keyset paging).
    pub after: Option<NotificationId>,
}

/// Notifications that are owed.
#[async_trait]
pub trait Outbox: Send + Sync + std::fmt::Debug {
    /// Takes up to `most` due notifications, oldest first, each for `lease`. Whose deadline passed is due again: a worker
    /// that died after sending and before saying so sends twice, and one that died before sends late.
    async fn take_owed(&self, worker: &WorkerName, most: u32, lease: SignedDuration) -> Result<Vec<Owed>>;

    /// Writes down what a try came to.
    ///
    /// # Errors
    /// `lease_lost` if somebody else has it by now: what was tried is in the log all the same.
    async fn tried(&self, owed: Owed, outcome: &Try) -> Result<()>;

    /// When the next one is due.
    async fn next_due(&self) -> Result<Option<Timestamp>>;

    /// The notifications of an organization.
    async fn notifications(&self, org: &OrgId, filter: &NotificationFilter) -> Result<Vec<Notification>>;

    /// One notification with its log.
    ///
    /// # Errors
    /// `not_found`.
    async fn notification(&self, org: &OrgId, id: NotificationId) -> Result<(Notification, Vec<Tried>)>;

    /// Once more, from the first step of the schedule, under the same id.
    ///
    /// # Errors
    /// `not_found`; `conflict` if it is still owed.
    async fn owe_again(&self, org: &OrgId, id: NotificationId) -> Result<Notification>;

    /// Forgets notifications that were delivered or given up longer than `retention` ago. Returns how many.
    async fn prune_notifications(&self, retention: SignedDuration) -> Result<u64>;
}
