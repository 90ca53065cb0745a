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
use crate::outbox::{Addressee, recipients};

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

    /// Where this process is told that there is something to look at.
    fn hints(&self) -> Arc<Hints>;
}

/// What a verb has to write down about a change, at the end of its transaction.
#[derive(Debug)]
pub(crate) struct Fact {
    pub(crate) org: OrgId,
    pub(crate) event: NewEvent,
    pub(crate) to: Vec<Addressee>,
}

impl Fact {
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
    if matches!(job.spec.dataset.as_str(), "spans" | "traces") {
        data.insert("trace_count".into(), job.progress.rows.into());
    }
    NewEvent { kind: EventType::ExportJobStatus, job: Some(job.id), owner: Some(job.owner.clone()), data }
}
