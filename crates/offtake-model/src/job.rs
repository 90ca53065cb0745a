//! The job: the durable unit of work for one export, in exactly one state.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind};
use crate::export::ExportSpec;
use crate::id::{JobId, OrgId};

/// The state of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobStatus {
    /// Waits for a worker.
    Pending,
    /// A worker holds the lease.
    Processing,
    /// The file is there and its receipt proves it.
    Completed,
    /// It ended without a file.
    Failed,
    /// It was called off. It never becomes anything else.
    Cancelled,
    /// The file is gone; the row stays a while.
    Expired,
}

/// What can happen to a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Transition {
    /// A worker takes the lease.
    Claim,
    /// The worker publishes the file.
    Complete,
    /// The worker, or the sweep, gives up.
    Fail,
    /// The worker puts it back to be tried later.
    Postpone,
    /// The worker hands it over because it shuts down.
    Release,
    /// The sweep takes it from a worker that died.
    Rescue,
    /// The user calls it off.
    Cancel,
    /// The user asks for another try, from the checkpoint.
    Retry,
    /// The file's time is over.
    Expire,
}

impl JobStatus {
    /// Every state, in the order of a job's life.
    pub const ALL: [Self; 6] =
        [Self::Pending, Self::Processing, Self::Completed, Self::Failed, Self::Cancelled, Self::Expired];

    /// Its name in API and database.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Processing => "processing",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Expired => "expired",
        }
    }

    /// The state of this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.name() == name)
    }

    /// Whether work is still to come.
    pub const fn is_active(self) -> bool {
        matches!(self, Self::Pending | Self::Processing)
    }

    /// The state after `transition`: the one place that decides (law 1).
    ///
    /// # Errors
    /// `conflict` if the state does not allow it.
    pub fn after(self, transition: Transition) -> Result<Self, Error> {
        use JobStatus::{Cancelled, Completed, Expired, Failed, Pending, Processing};
        use Transition::{Cancel, Claim, Complete, Expire, Fail, Postpone, Release, Rescue, Retry};

        match (self, transition) {
            (Pending, Claim) => Ok(Processing),
            (Processing, Complete) => Ok(Completed),
            (Processing, Fail) => Ok(Failed),
            (Processing, Postpone | Release | Rescue) | (Failed, Retry) => Ok(Pending),
            (Pending | Processing, Cancel) => Ok(Cancelled),
            (Completed, Expire) => Ok(Expired),
            (Pending | Processing | Completed | Failed | Cancelled | Expired, _) => {
                Err(Error::new(ErrorKind::Conflict, format!("a {} job cannot {}", self.name(), transition.name())))
            }
        }
    }
}

impl Transition {
    /// Every transition.
    pub const ALL: [Self; 9] = [
        Self::Claim,
        Self::Complete,
        Self::Fail,
        Self::Postpone,
        Self::Release,
        Self::Rescue,
        Self::Cancel,
        Self::Retry,
        Self::Expire,
    ];

    /// Its name, as in "a failed job cannot …".
    pub const fn name(self) -> &'static str {
        match self {
            Self::Claim => "be claimed",
            Self::Complete => "be completed",
            Self::Fail => "fail",
            Self::Postpone => "be postponed",
            Self::Release => "be released",
            Self::Rescue => "be rescued",
            Self::Cancel => "be cancelled",
            Self::Retry => "be retried",
            Self::Expire => "expire",
        }
    }
}

/// What a processing job does right now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Waits for a worker.
    Queued,
    /// Counts the rows and finds the cuts.
    Planning,
    /// Rows flow.
    Exporting,
    /// Everything is read; the file is being finished and published.
    Publishing,
    /// Nothing any more.
    Done,
}

impl Phase {
    /// Every phase.
    pub const ALL: [Self; 5] = [Self::Queued, Self::Planning, Self::Exporting, Self::Publishing, Self::Done];

    /// Its name in API and database.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Planning => "planning",
            Self::Exporting => "exporting",
            Self::Publishing => "publishing",
            Self::Done => "done",
        }
    }

    /// The phase of this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|phase| phase.name() == name)
    }
}

/// Why a job failed, in words a user may see.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobError {
    /// What to decide on.
    pub code: ErrorKind,
    /// What to read.
    pub message: String,
}

/// How far a job is. Monotone within and across attempts.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Progress {
    /// Rows in the file so far.
    pub rows: u64,
    /// Bytes of the file so far.
    pub bytes: u64,
    /// Rows per second of this attempt, over the last seconds.
    pub rows_per_second: f64,
}

/// A job as everybody but the store sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct Job {
    /// Its id.
    pub id: JobId,
    /// Whose it is.
    pub org: OrgId,
    /// Who asked.
    pub owner: String,
    /// Where to write to, if known.
    pub owner_email: Option<String>,
    /// What was asked for.
    pub spec: ExportSpec,
    /// The human name.
    pub name: String,
    /// The name the file gets.
    pub file_name: String,
    /// Its state.
    pub status: JobStatus,
    /// What it does right now.
    pub phase: Phase,
    /// How often it was claimed.
    pub attempt: u32,
    /// Failures in a row without a new checkpoint.
    pub failures: u32,
    /// Worker deaths in a row without a new checkpoint.
    pub deaths: u32,
    /// How far it is.
    pub progress: Progress,
    /// Rows that match, once they are counted.
    pub rows_matching: Option<u64>,
    /// Rows the file will have, once they are counted.
    pub rows_expected: Option<u64>,
    /// Why it failed, or what it is postponed for.
    pub error: Option<JobError>,
    /// The caller's request id.
    pub request_id: Option<String>,
    /// The caller's W3C trace context.
    pub traceparent: Option<String>,
    /// The only process that may work on it, if there is one.
    pub pinned_to: Option<String>,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// Not before this moment.
    pub run_at: Timestamp,
    /// When the first attempt began.
    pub started_at: Option<Timestamp>,
    /// When it came to rest: completed, failed or cancelled.
    pub completed_at: Option<Timestamp>,
    /// When the file (or what a failed job kept) goes.
    pub expires_at: Option<Timestamp>,
}

impl Job {
    /// How far it is, of a hundred: known once the rows are counted, and 100 only when the file is there.
    pub fn percent(&self) -> Option<f64> {
        if matches!(self.status, JobStatus::Completed | JobStatus::Expired) {
            return Some(100.0);
        }
        let expected = self.rows_expected?;
        let share = if expected == 0 { 0.0 } else { self.progress.rows as f64 / expected as f64 };
        // One decimal, and never 100 before the file is published.
        Some(((share * 1000.0).floor() / 10.0).min(99.9))
    }

    /// That its file lies where anybody who may read it can fetch it.
    ///
    /// # Errors
    /// `conflict` for a local export, whose file lies where it was written to.
    pub fn require_stored(&self) -> Result<(), Error> {
        if self.pinned_to.is_none() {
            return Ok(());
        }
        let detail = format!(
            "{} was made by `offtake export` on the data directory; its file lies where that wrote it, and is not stored",
            self.id
        );
        Err(Error::new(ErrorKind::Conflict, detail))
    }

    /// That any worker can go on with it.
    ///
    /// # Errors
    /// `conflict` for a local export, which no worker takes.
    pub fn require_worker(&self) -> Result<(), Error> {
        if self.pinned_to.is_none() {
            return Ok(());
        }
        let detail = format!("no worker takes a local export; go on with it by `offtake export --resume {}`", self.id);
        Err(Error::new(ErrorKind::Conflict, detail))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The table in the documentation is printed from the function that decides.
    #[test]
    fn the_documented_table_is_the_code() {
        let mut table = String::from("| from | transition | to |\n|---|---|---|\n");
        for status in JobStatus::ALL {
            for transition in Transition::ALL {
                if let Ok(next) = status.after(transition) {
                    table.push_str(&format!("| {} | {:?} | {} |\n", status.name(), transition, next.name()));
                }
            }
        }
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/job-lifecycle.md");
        let page = std::fs::read_to_string(path).expect("docs/job-lifecycle.md is there");
        assert!(page.contains(&table), "docs/job-lifecycle.md must contain this table:\n{table}");
    }

    #[test]
    fn cancelled_and_expired_are_final() {
        for transition in Transition::ALL {
            assert!(JobStatus::Cancelled.after(transition).is_err());
            assert!(JobStatus::Expired.after(transition).is_err());
        }
    }
}
