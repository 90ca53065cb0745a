//! Events: the port. What happened in an organization, numbered without gaps in the order of commit.

use std::sync::Arc;

use async_trait::async_trait;
use jiff::SignedDuration;
use offtake_model::Result;
use offtake_model::event::{Event, EventType, NewEvent};
use offtake_model::id::{JobId, OrgId};
use offtake_model::job::{Job, JobStatus};
use serde_json::{Map, Value as Json};

use crate::hints::Hints;
use crate::jobs::WorkerName;
use crate::outbox::{Addressee, recipients};
use crate::rows::micros;

/// Rows deleted in one transaction, so that a large clean-up does not keep the others waiting.
pub(crate) const PRUNED_AT_ONCE: u32 = 500;

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

    /// Forgets events older than `retention`, from the oldest on and as far as no notification speaks of them: what is
    /// left has no gaps. Returns how many.
    async fn prune_events(&self, retention: SignedDuration) -> Result<u64>;

    /// Tells the organizations with jobs under way how something about the installation stands: once when it begins, and once
    /// when it is over. After it began it does not begin again before `cool_down` is over. Of several that see it, the first
    /// one counts until it is silent for [`SIGHT`]. Returns what was told.
    async fn sighted(&self, sighting: &Sighting, cool_down: SignedDuration) -> Result<Vec<Event>>;

    /// Where this process is told that there is something to look at.
    fn hints(&self) -> Arc<Hints>;
}

/// A sighting counts for so long.
pub const SIGHT: SignedDuration = SignedDuration::from_mins(5);
/// Organizations that are told, at most.
pub(crate) const TOLD: u32 = 1000;

/// How something about the installation stands, as a worker sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct Sighting {
    /// What it is about: `storage`, `queue`, `memory`.
    pub code: &'static str,
    /// Whether there is something wrong.
    pub is_on: bool,
    /// In words.
    pub message: String,
    /// Who sees it.
    pub by: WorkerName,
}

impl Sighting {
    /// What is told of it.
    pub(crate) fn event(&self) -> NewEvent {
        let (state, severity) = if self.is_on { ("begun", "error") } else { ("over", "info") };
        let says = [("code", self.code), ("state", state), ("severity", severity), ("message", &self.message)];
        let data = says.into_iter().map(|(name, text)| (name.to_owned(), text.into())).collect();
        NewEvent { kind: EventType::SystemAlert, job: None, owner: None, data }
    }

    /// Of those that are concerned, with how it stands for them: the rows that change, and whether that is told.
    pub(crate) fn judge(&self, known: Option<&Alarm>, now: i64, cool_down: SignedDuration) -> Option<(Alarm, bool)> {
        let seen = |begun_at, is_on| Alarm { is_on, begun_at, seen_by: self.by.0.clone(), seen_at: now };
        match (known, self.is_on) {
            (None, true) => Some((seen(now, true), true)),
            (Some(alarm), true) if !alarm.is_on => {
                let is_quiet = now < alarm.begun_at.saturating_add(micros(cool_down));
                (!is_quiet).then(|| (seen(now, true), true))
            }
            (Some(alarm), _) if alarm.is_on && self.may_speak(alarm, now) => {
                Some((seen(alarm.begun_at, self.is_on), !self.is_on))
            }
            _ => None,
        }
    }

    fn may_speak(&self, alarm: &Alarm, now: i64) -> bool {
        alarm.seen_by == self.by.0 || alarm.seen_at < now.saturating_sub(micros(SIGHT))
    }
}

/// How an alarm stands for an organization.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Alarm {
    pub(crate) is_on: bool,
    pub(crate) begun_at: i64,
    pub(crate) seen_by: String,
    pub(crate) seen_at: i64,
}

/// What a verb has to write down about a change, at the end of its transaction.
#[derive(Debug)]
pub(crate) struct Fact {
    pub(crate) org: OrgId,
    pub(crate) event: NewEvent,
    pub(crate) to: Vec<Addressee>,
}

impl Fact {
    /// An event of the organization that nobody is written to about by name.
    pub(crate) const fn told(org: OrgId, event: NewEvent) -> Self {
        Self { org, event, to: Vec::new() }
    }

    /// A job is in another state.
    pub(crate) fn of_job(job: &Job) -> Self {
        Self { org: job.org.clone(), event: changed(job), to: recipients(job) }
    }

    /// The same of a job whose row cannot be read in full.
    pub(crate) fn of_damaged_job(id: JobId, org: OrgId, owner: String, status: JobStatus) -> Self {
        let mut data = Map::new();
        data.insert("job_id".into(), id.to_string().into());
        data.insert("status".into(), status.name().into());
        let event = NewEvent { kind: EventType::ExportJobStatus, job: Some(id), owner: Some(owner), data };
        Self { org, event, to: Vec::new() }
    }
}

/// What is told of a job, at a transition and of its progress.
pub fn changed(job: &Job) -> NewEvent {
    let mut data = Map::new();
    data.insert("job_id".into(), job.id.to_string().into());
    data.insert("status".into(), job.status.name().into());
    data.insert("progress_percent".into(), job.percent().map_or(Json::Null, Json::from));
    data.insert("row_count".into(), job.progress.rows.into());
    // The built-in datasets of spans.
    if matches!(job.spec.dataset.as_str(), "spans" | "traces" | "prompts") {
        data.insert("trace_count".into(), job.progress.rows.into());
    }
    NewEvent { kind: EventType::ExportJobStatus, job: Some(job.id), owner: Some(job.owner.clone()), data }
}
