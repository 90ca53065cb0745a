//! What the ports refuse with, in the same words whichever database is behind them.

use offtake_model::id::{ArtifactId, JobId};
use offtake_model::job::JobStatus;
use offtake_model::principal::Standing;
use offtake_model::{Error, ErrorKind, Result};

use crate::jobs::{Lease, Signal};
use crate::objects::ObjectKey;
use crate::principals::permissions;

/// What a lease is compared by, as it travels to the database.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Hold {
    pub(crate) job: JobId,
    pub(crate) attempt: u32,
    pub(crate) fence: i64,
}

impl From<&Lease> for Hold {
    fn from(lease: &Lease) -> Self {
        Self { job: lease.job, attempt: lease.attempt, fence: lease.fence }
    }
}

impl Hold {
    /// How the lease stands, by status, attempt and fence of its job.
    pub(crate) fn stands(self, row: Option<(String, i64, i64)>) -> Signal {
        let held = i64::from(self.attempt);
        match row {
            Some((_, attempt, fence)) if attempt == held && fence == self.fence => Signal::Continue,
            // One step further than the lease: it was the cancel that voided it, and the clean-up is this worker's.
            Some((status, attempt, fence))
                if status == JobStatus::Cancelled.name() && attempt == held && fence == self.fence + 1 =>
            {
                Signal::Cancelled
            }
            _ => Signal::Lost,
        }
    }

    /// Why a write of the lease found nothing to write to.
    pub(crate) fn void(self, signal: Signal) -> Error {
        let Self { job, attempt, .. } = self;
        match signal {
            Signal::Cancelled => Error::new(ErrorKind::Cancelled, format!("job {job} was cancelled")),
            Signal::Lost => Error::new(
                ErrorKind::LeaseLost,
                format!("attempt {attempt} no longer holds job {job}; what it did is void"),
            ),
            Signal::Continue | Signal::Revoked => {
                internal(format!("job {job} refused a write of the attempt that holds it"))
            }
        }
    }
}

/// Why the owner of a job who stands so may no longer have it. `needs` is what the job was asked with, as JSON; a local
/// export, which is `pinned`, belongs to whoever runs it.
pub(crate) fn revoked(standing: &Standing, needs: &str, pinned: bool) -> Result<Option<String>> {
    if pinned { Ok(None) } else { Ok(standing.against(&permissions(needs)?)) }
}

/// A row that cannot be what it is.
pub(crate) fn internal(detail: impl Into<String>) -> Error {
    Error::new(ErrorKind::Internal, detail)
}

pub(crate) fn no_job(id: JobId) -> Error {
    Error::new(ErrorKind::NotFound, format!("there is no job {id} here"))
}

pub(crate) fn job_gone(id: impl std::fmt::Display) -> Error {
    internal(format!("job {id} is gone from the job store"))
}

pub(crate) fn no_status(id: impl std::fmt::Display, name: &str) -> Error {
    internal(format!("job {id}: its status {name:?} is none"))
}

pub(crate) fn another_body() -> Error {
    let detail = "this Idempotency-Key came with another body before; use a new key for a new request";
    Error::new(ErrorKind::IdempotencyMismatch, detail)
}

pub(crate) fn no_longer_kept(id: JobId) -> Error {
    Error::new(ErrorKind::Gone, format!("what job {id} had written is no longer kept; ask for a new export"))
}

pub(crate) fn planned_already(id: JobId) -> Error {
    let detail = format!("job {id} has a plan already; forget_plan comes before another one");
    Error::new(ErrorKind::Conflict, detail)
}

pub(crate) fn nothing_to_checkpoint(id: JobId, artifact: ArtifactId) -> Error {
    Error::new(ErrorKind::Conflict, format!("job {id} has no staged artifact {artifact} to checkpoint"))
}

pub(crate) fn nothing_to_publish(hold: Hold, artifact: ArtifactId) -> Error {
    let detail = format!("attempt {} of job {} staged no artifact {artifact}", hold.attempt, hold.job);
    Error::new(ErrorKind::Conflict, detail)
}

pub(crate) fn key_taken(key: &ObjectKey) -> Error {
    Error::new(ErrorKind::Conflict, format!("an artifact with the key {key} is staged already"))
}

pub(crate) fn no_artifact(id: ArtifactId) -> Error {
    Error::new(ErrorKind::NotFound, format!("there is no artifact {id}"))
}

pub(crate) fn still_ready(id: ArtifactId) -> Error {
    Error::new(ErrorKind::Conflict, format!("artifact {id} is ready; it expires before it is deleted"))
}

pub(crate) fn file_gone(job: JobId) -> Error {
    Error::new(ErrorKind::Gone, format!("the file of job {job} has expired; ask for a new export"))
}

/// Why a job in this state has no file, if its state is the reason.
pub(crate) fn no_file(job: JobId, status: JobStatus) -> Option<Error> {
    let (kind, detail) = match status {
        JobStatus::Completed => return None,
        JobStatus::Expired => return Some(file_gone(job)),
        JobStatus::Pending | JobStatus::Processing => {
            (ErrorKind::NotReady, format!("the file of job {job} is still being made"))
        }
        JobStatus::Failed => (ErrorKind::Conflict, format!("job {job} failed and has no file")),
        JobStatus::Cancelled => (ErrorKind::Conflict, format!("job {job} was cancelled and has no file")),
    };
    Some(Error::new(kind, detail))
}

/// What a job that killed its workers is told to have failed of.
pub(crate) fn poisoned(deaths: i64) -> String {
    format!("{deaths} workers in a row died on this job before it got any further")
}
