//! Durable truth: jobs, artifacts and the objects behind them.
//!
//! Responsible for every state change (each one fenced and in a transaction) and for bytes at rest. Not
//! responsible for deciding what a job does: `offtake-worker` calls the ports with a [`Lease`], and
//! `offtake-server` with an organization. Ports are the traits here; backends live in their own modules and
//! pass the same contract suite.

#![forbid(unsafe_code)]

pub mod alerts;
pub mod api_keys;
pub mod artifacts;
pub mod audit;
pub mod bus;
#[cfg(test)]
mod contract;
pub mod destinations;
pub mod events;
pub mod hints;
pub mod jobs;
pub mod limits;
pub mod objects;
pub mod one_time;
pub mod outbound;
pub mod outbox;
mod postgres;
pub mod presets;
pub mod principals;
mod refusals;
mod rows;
pub mod schedules;
pub mod sealed;
pub mod sessions;
mod sqlite;
pub mod tickets;
pub mod tokens;
pub mod webhooks;

pub use alerts::{Alerts, Counted, Tallied, Watch, Watched};
pub use api_keys::{ApiKeys, NewApiKey, ShownKey};
pub use artifacts::{Artifact, ArtifactState, Artifacts, NewArtifact};
pub use audit::{Audit, AuditFilter, AuditPage};
pub use destinations::{DeliveryOutcome, DestinationChange, Destinations, KeptSecret, NewDestination, OwedDelivery};
pub use events::Events;
pub use hints::{Hint, Hints};
pub use jobs::{
    Claimed, Enqueued, Idempotency, JobFilter, JobPage, JobScope, JobUsage, Jobs, Lease, NewJob, PerfRow, QueueDepth,
    STATISTICS_DAYS, Share, Signal, StatisticsRow, Take, WorkerName, end_patiently,
};
pub use limits::JobLimits;
pub use objects::{LinkRequest, ObjectKey, Objects, Upload};
pub use one_time::{IssuedToken, OneTimeKey, OneTimeKeys, Seed, ShownToken};
pub use outbox::{
    Channel, Notification, NotificationFilter, NotificationState, Outbox, OutboxDepth, Owed, Tried, Try, Verdict,
};
pub use postgres::PostgresStore;
pub use presets::Presets;
pub use principals::{Principals, Stand, reader_at};
pub use schedules::{DueSchedule, Evaluated, Missed, NewRun, NewSchedule, Schedules};
pub use sessions::{Session, Sessions};
pub use sqlite::SqliteStore;
pub use tickets::{Pass, Tickets};
pub use tokens::{NewToken, Token, TokenClaims, TokenPurpose, TokenState, Tokens, token_is_over};
pub use webhooks::Webhooks;

use std::sync::Arc;

/// The whole store, as its users hold it.
#[derive(Debug, Clone)]
pub struct Store {
    /// Jobs and their leases.
    pub jobs: Arc<dyn Jobs>,
    /// Artifacts: the rows.
    pub artifacts: Arc<dyn Artifacts>,
    /// What organizations ask for again and again.
    pub presets: Arc<dyn Presets>,
    /// What organizations want to be told about their traces.
    pub alerts: Arc<dyn Alerts>,
    /// Who is told by webhook.
    pub webhooks: Arc<dyn Webhooks>,
    /// Buckets of organizations' own, and what is delivered there.
    pub destinations: Arc<dyn Destinations>,
    /// What is asked for by the clock.
    pub schedules: Arc<dyn Schedules>,
    /// Who asks.
    pub principals: Arc<dyn Principals>,
    /// Keys of machines.
    pub api_keys: Arc<dyn ApiKeys>,
    /// Who signed in without an identity provider.
    pub sessions: Arc<dyn Sessions>,
    /// Tickets to open a live socket by.
    pub tickets: Arc<dyn Tickets>,
    /// One-time rights to a link.
    pub tokens: Arc<dyn Tokens>,
    /// What happened.
    pub events: Arc<dyn Events>,
    /// Who is owed word of it.
    pub outbox: Arc<dyn Outbox>,
    /// Who did what.
    pub audit: Arc<dyn Audit>,
    /// Artifacts: the bytes.
    pub objects: Arc<dyn Objects>,
}
