//! Alert rules: the port. What organizations want to be told, what was counted for it, and who counts.
//!
//! Counting and judging are the worker's. What it counted, how far, how things stand and what is told of it are written
//! down in one transaction: after a crash nothing was counted twice and nothing is told twice.

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use offtake_model::alert::{Alert, AlertContent, AlertState, MOST_ALERTS};
use offtake_model::audit::Act;
use offtake_model::event::NewEvent;
use offtake_model::id::{AlertId, OrgId};
use offtake_model::{Error, ErrorKind, Result};
use serde::de::DeserializeOwned;

use crate::jobs::WorkerName;
use crate::refusals::internal;
use crate::rows::micros;

/// Alert rules. The first five verbs are scoped by organization: another one's rule is absent; a change and its entry in
/// the audit trail are one transaction. The others are for who counts, and about all organizations.
#[async_trait]
pub trait Alerts: Send + Sync + std::fmt::Debug {
    /// Keeps a rule.
    ///
    /// # Errors
    /// `conflict` if the organization has as many as it may have.
    async fn create(&self, by: &Act, org: &OrgId, content: AlertContent) -> Result<Alert>;

    /// The rule of this id.
    ///
    /// # Errors
    /// `not_found`.
    async fn get(&self, org: &OrgId, id: AlertId) -> Result<Alert>;

    /// All of them, oldest first.
    async fn list(&self, org: &OrgId) -> Result<Vec<Alert>>;

    /// Puts `content` in the place of what the rule said, if that is still at `version`. Where something else is counted
    /// from now on, what was counted is forgotten.
    ///
    /// # Errors
    /// `not_found`; `precondition_failed` if it was changed since.
    async fn replace(&self, by: &Act, org: &OrgId, id: AlertId, version: u64, content: AlertContent) -> Result<Alert>;

    /// Forgets a rule; with a version, only if it is still at that.
    ///
    /// # Errors
    /// `not_found`; `precondition_failed` if it was changed since.
    async fn delete(&self, by: &Act, org: &OrgId, id: AlertId, version: Option<u64>) -> Result<()>;

    /// The right to count, if nobody else has it. Who has had it since `before` shows that, and extends it so: it holds for at
    /// least half of `hold`, and nothing is written while it does anyway.
    async fn watch(&self, worker: &WorkerName, hold: SignedDuration, before: Option<&Watch>) -> Result<Option<Watch>>;

    /// Every rule that is enabled, with what was counted for it, and at which state of the rules that is.
    async fn watched(&self) -> Result<(u64, Vec<Watched>)>;

    /// Writes down what was counted and judged since. `false`: a rule was changed meanwhile, and nothing was written.
    ///
    /// # Errors
    /// `lease_lost` if somebody else counts by now.
    async fn note(&self, watch: &Watch, pass: Counted) -> Result<bool>;

    /// Gives the right back, so that nobody has to wait for its end.
    async fn unwatch(&self, watch: Watch) -> Result<()>;
}

/// The right to count.
#[derive(Debug, Clone)]
pub struct Watch {
    pub(crate) fence: i64,
    /// Up to where everything is counted; `None` if nobody ever counted.
    pub position: Option<u64>,
    /// When that was so.
    pub seen_at: Option<Timestamp>,
    /// Grows with every change of a rule.
    pub rules: u64,
    /// The present moment, by the database's clock.
    pub now: Timestamp,
}

impl Watch {
    /// Whether nobody else had the right since `before`.
    pub const fn follows(&self, before: &Self) -> bool {
        self.fence == before.fence || self.fence == before.fence + 1
    }
}

/// A rule with what was counted for it.
#[derive(Debug, Clone, PartialEq)]
pub struct Watched {
    /// The rule.
    pub alert: Alert,
    /// What was counted, by slot.
    pub tallies: Vec<(i64, String)>,
}

/// What a look at new spans, and at the time, came to.
#[derive(Debug, Clone, Default)]
pub struct Counted {
    /// The state of the rules it goes by.
    pub rules: u64,
    /// Up to where everything is counted now.
    pub position: u64,
    /// When that was so.
    pub seen_at: Timestamp,
    /// Tallies that are new or have grown.
    pub tallies: Vec<Tallied>,
    /// Rules of which tallies of slots before this one are needed no more.
    pub over: Vec<(AlertId, i64)>,
    /// How things stand with rules for which that has changed.
    pub states: Vec<(AlertId, AlertState)>,
    /// What is told.
    pub events: Vec<(OrgId, NewEvent)>,
}

/// What was counted for a rule in a slot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tallied {
    /// The rule.
    pub alert: AlertId,
    /// Whose it is.
    pub org: OrgId,
    /// The slot.
    pub slot: i64,
    /// What was counted.
    pub tally: String,
}

// What every backend refuses with, and how it reads what it keeps.

pub(crate) fn no_such_alert() -> Error {
    Error::new(ErrorKind::NotFound, "there is no such alert rule; GET /api/v1/alerts lists those there are")
}

pub(crate) fn too_many() -> Error {
    let detail = format!("there are {MOST_ALERTS} alert rules, and no more are possible; delete some");
    Error::new(ErrorKind::Conflict, detail)
}

pub(crate) fn unchanged(alert: &Alert, version: Option<u64>) -> Result<()> {
    if version.is_none_or(|version| version == alert.version) {
        return Ok(());
    }
    let detail = "the alert rule was changed in the meantime; get it again and decide anew";
    Err(Error::new(ErrorKind::PreconditionFailed, detail))
}

pub(crate) fn not_watching() -> Error {
    Error::new(ErrorKind::LeaseLost, "another process counts for alert rules by now")
}

/// A rule as a database keeps it.
#[derive(Debug)]
pub(crate) struct Stored {
    pub(crate) id: String,
    pub(crate) org: String,
    /// JSON, as is the state.
    pub(crate) content: String,
    pub(crate) version: i64,
    pub(crate) created_by: String,
    /// Microseconds since the epoch, as is the next.
    pub(crate) created_at: i64,
    pub(crate) updated_at: i64,
    pub(crate) state: String,
}

impl Stored {
    /// # Errors
    /// `internal`, with the id of the rule, if it cannot be read.
    pub(crate) fn alert(&self) -> Result<Alert> {
        let unreadable = |what: &str| internal(format!("the alert rule {} cannot be read: {what}", self.id));
        let time = |micros| Timestamp::from_microsecond(micros).map_err(|_| unreadable("its moments"));
        Ok(Alert {
            id: self.id.parse().map_err(|_| unreadable("its id"))?,
            org: OrgId::new(self.org.clone()).map_err(|_| unreadable("its organization"))?,
            content: json(&self.content).ok_or_else(|| unreadable("what it says"))?,
            version: u64::try_from(self.version).map_err(|_| unreadable("its version"))?,
            created_by: self.created_by.clone(),
            created_at: time(self.created_at)?,
            updated_at: time(self.updated_at)?,
            state: json(&self.state).ok_or_else(|| unreadable("how it stands"))?,
        })
    }
}

fn json<T: DeserializeOwned>(text: &str) -> Option<T> {
    serde_json::from_str(text).ok()
}

/// The rule, if it is enabled. One that cannot be read must not keep the others from being counted.
pub(crate) fn enabled(stored: &Stored) -> Option<Alert> {
    let alert = stored.alert().inspect_err(|error| tracing::error!(%error, "an alert rule is passed over"));
    alert.ok().filter(|alert| alert.content.enabled)
}

/// The row of who counts, as a database keeps it.
#[derive(Debug)]
pub(crate) struct StoredWatch {
    pub(crate) position: Option<i64>,
    pub(crate) seen_at: Option<i64>,
    pub(crate) rules: i64,
    pub(crate) holder: Option<String>,
    pub(crate) holds_until: i64,
    pub(crate) fence: i64,
}

impl StoredWatch {
    /// Whether `worker` may count at `now`: it did before, or nobody does.
    pub(crate) fn is_free_for(&self, worker: &WorkerName, now: i64) -> bool {
        self.holder.as_deref() == Some(worker.0.as_str()) || self.holder.is_none() || self.holds_until <= now
    }

    /// Whether `worker` has it since it got the right with this fence, and for more than half of `hold`.
    pub(crate) fn holds_for(&self, worker: &WorkerName, fence: Option<i64>, hold: SignedDuration, now: i64) -> bool {
        let is_own = self.holder.as_deref() == Some(worker.0.as_str()) && fence == Some(self.fence);
        is_own && self.holds_until.saturating_sub(now) > micros(hold) / 2
    }

    pub(crate) fn watch(&self, fence: i64, now: i64) -> Result<Watch> {
        let time = |micros| Timestamp::from_microsecond(micros).map_err(|_| internal("alert_watch has no moments"));
        Ok(Watch {
            fence,
            position: self.position.map(i64::unsigned_abs),
            seen_at: self.seen_at.map(time).transpose()?,
            rules: self.rules.unsigned_abs(),
            now: time(now)?,
        })
    }
}
