//! An event: a fact with a number in its stream, told to whoever may see it, by WebSocket, SSE, webhook and e-mail alike.
//!
//! Not responsible for who listens or how it gets there.

use jiff::Timestamp;
use serde_json::{Map, Value as Json, json};

use crate::id::{JobId, OrgId};
use crate::permission::Permission;

/// What kind of fact it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EventType {
    /// A trace was seen for the first time.
    TraceCreated,
    /// A trace that was seen before has grown.
    TraceUpdated,
    /// A metric passed the threshold of an alert rule, or came back.
    MetricThreshold,
    /// What was spent passed a share of a budget.
    CostThreshold,
    /// A job changed its state, or got on.
    ExportJobStatus,
    /// Something in the installation, or in a schedule, wants a person.
    SystemAlert,
}

/// A row of numbered events of one organization.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stream {
    /// What happened to traces, numbered by `ingest_seq`.
    Traces,
    /// Everything else, numbered without gaps in the order of commit.
    Organization,
}

impl EventType {
    /// Every type, in the order of the documentation.
    pub const ALL: [Self; 6] = [
        Self::TraceCreated,
        Self::TraceUpdated,
        Self::MetricThreshold,
        Self::CostThreshold,
        Self::ExportJobStatus,
        Self::SystemAlert,
    ];

    /// Its name in API and database.
    pub const fn name(self) -> &'static str {
        match self {
            Self::TraceCreated => "trace_created",
            Self::TraceUpdated => "trace_updated",
            Self::MetricThreshold => "metric_threshold",
            Self::CostThreshold => "cost_threshold",
            Self::ExportJobStatus => "export_job_status",
            Self::SystemAlert => "system_alert",
        }
    }

    /// The type of this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// What somebody must be allowed to be told.
    pub const fn permission(self) -> Permission {
        match self {
            Self::TraceCreated | Self::TraceUpdated => Permission::TracesRead,
            Self::MetricThreshold => Permission::MetricsRead,
            Self::CostThreshold => Permission::CostsRead,
            Self::ExportJobStatus => Permission::ExportsRead,
            Self::SystemAlert => Permission::AlertsRead,
        }
    }

    /// The stream its events are numbered in.
    pub const fn stream(self) -> Stream {
        match self {
            Self::TraceCreated | Self::TraceUpdated => Stream::Traces,
            _ => Stream::Organization,
        }
    }
}

/// A fact that is about to be written down; its number and moment are the store's to give.
#[derive(Debug, Clone, PartialEq)]
pub struct NewEvent {
    /// Its type.
    pub kind: EventType,
    /// The job it is about.
    pub job: Option<JobId>,
    /// Whose it is. Where it has an owner, only the owner and those who see the whole organization's are told.
    pub owner: Option<String>,
    /// What is told, as `docs/api.md` says for each type. Without organization and moment, which every event has.
    pub data: Map<String, Json>,
}

/// A fact as it was written down.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// Whose stream it is in.
    pub org: OrgId,
    /// Its number in the stream of its type, from 1.
    pub seq: u64,
    /// Its type.
    pub kind: EventType,
    /// The job it is about.
    pub job: Option<JobId>,
    /// Whose it is; `None`: the organization's.
    pub owner: Option<String>,
    /// When it happened, by the database's clock.
    pub at: Timestamp,
    /// What is told.
    pub data: Map<String, Json>,
}

impl Event {
    /// The name by which everybody who is told more than once knows that it is the same fact:
    /// type, organization, number.
    pub fn id(&self) -> String {
        format!("{}:{}:{}", self.kind.name(), self.org, self.seq)
    }

    /// The event as everybody is told, by whichever way: type, what, when, number.
    pub fn message(&self) -> Json {
        let mut data = self.data.clone();
        data.insert("org_id".into(), self.org.as_str().into());
        data.insert("timestamp".into(), self.at.to_string().into());
        json!({"event_type": self.kind.name(), "data": data, "timestamp": self.at.to_string(), "seq": self.seq})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_known_by_their_names() {
        for kind in EventType::ALL {
            assert_eq!(EventType::parse(kind.name()), Some(kind));
        }
        assert_eq!(EventType::parse("trace_deleted"), None);
    }
}
