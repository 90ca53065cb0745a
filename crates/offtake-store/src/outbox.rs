//! The outbox: the port. Notifications that are owed, each with its tries.
//!
//! A notification is written in the transaction of the event it is about, so none is missing and none speaks of what did
//! not happen. Delivering is the worker's; nothing about a job depends on it.

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use offtake_model::audit::Act;
use offtake_model::event::Event;
use offtake_model::id::{NotificationId, OrgId};
use offtake_model::job::{Job, JobStatus};
use offtake_model::{Error, ErrorKind, Result};

use crate::jobs::WorkerName;

/// By which way somebody is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Channel {
    /// By e-mail; the address is an e-mail address.
    Email,
    /// By webhook; the address is the id of an endpoint.
    Webhook,
}

impl Channel {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Email, Self::Webhook];

    /// Its name in API and database.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Email => "email",
            Self::Webhook => "webhook",
        }
    }

    /// The channel of this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|channel| channel.name() == name)
    }
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

impl NotificationState {
    /// Every state.
    pub const ALL: [Self; 3] = [Self::Pending, Self::Delivered, Self::Failed];

    /// Its name in API and database.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Delivered => "delivered",
            Self::Failed => "failed",
        }
    }

    /// The state of this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.name() == name)
    }
}

/// Somebody who is owed word of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Addressee {
    pub(crate) channel: Channel,
    pub(crate) address: String,
}

/// Who is told by e-mail that a job is done: whoever asked, if that was asked for and a file is there or will never be.
pub(crate) fn recipients(job: &Job) -> Vec<Addressee> {
    let asked = job.spec.notify.as_ref().is_some_and(|notify| notify.email);
    if !asked || !matches!(job.status, JobStatus::Completed | JobStatus::Failed) {
        return Vec::new();
    }
    let address = job.owner_email.clone().into_iter();
    address.map(|address| Addressee { channel: Channel::Email, address }).collect()
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
    /// How often it was taken to be tried, since it was owed (again). In a deliverer's hands: the number of this try.
    pub tries: u32,
    /// When it is due; while somebody tries, when they are given up.
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

/// The longest answer that is kept, in characters.
const ANSWER: usize = 1000;

/// An answer as the log takes it: one line, not too long.
pub(crate) fn for_the_log(answer: &str) -> String {
    answer.chars().take(ANSWER).map(|c| if c.is_control() { ' ' } else { c }).collect()
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

impl Verdict {
    /// The state it leads to.
    pub(crate) const fn state(self) -> NotificationState {
        match self {
            Self::Delivered => NotificationState::Delivered,
            Self::Again(_) => NotificationState::Pending,
            Self::GiveUp => NotificationState::Failed,
        }
    }

    /// How much later it is due.
    pub(crate) const fn delay(self) -> SignedDuration {
        match self {
            Self::Again(delay) => delay,
            Self::Delivered | Self::GiveUp => SignedDuration::ZERO,
        }
    }
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

/// How much is owed, for metrics.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct OutboxDepth {
    /// Notifications that are owed.
    pub owed: u64,
    /// Seconds since the oldest of them was written.
    pub oldest_seconds: f64,
}

// What every backend refuses with.

pub(crate) fn no_such_notification() -> Error {
    Error::new(ErrorKind::NotFound, "there is no such notification; GET /api/v1/notifications lists those there are")
}

pub(crate) fn still_owed() -> Error {
    let detail = "the notification is still owed: it is tried again by itself, when its due_at has come";
    Error::new(ErrorKind::Conflict, detail)
}

pub(crate) fn taken_meanwhile(id: NotificationId) -> Error {
    Error::new(ErrorKind::LeaseLost, format!("somebody else tries notification {id} by now"))
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
    async fn tried(&self, owed: &Owed, outcome: &Try) -> Result<()>;

    /// When the next one is due.
    async fn next_due(&self) -> Result<Option<Timestamp>>;

    /// The notifications of an organization.
    async fn notifications(&self, org: &OrgId, filter: &NotificationFilter) -> Result<Vec<Notification>>;

    /// One notification with its log.
    ///
    /// # Errors
    /// `not_found`.
    async fn notification(&self, org: &OrgId, id: NotificationId) -> Result<(Notification, Vec<Tried>)>;

    /// Once more, from the first step of the schedule, under the same id. The log goes on.
    ///
    /// # Errors
    /// `not_found`; `conflict` if it is still owed.
    async fn owe_again(&self, by: &Act, org: &OrgId, id: NotificationId) -> Result<Notification>;

    /// Forgets notifications that were delivered or given up longer than `retention` ago. Returns how many.
    async fn prune_notifications(&self, retention: SignedDuration) -> Result<u64>;

    /// How much is owed.
    async fn outbox_depth(&self) -> Result<OutboxDepth>;
}
