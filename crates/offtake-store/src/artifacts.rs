//! The artifacts port: the rows behind stored files, from `staged` to `deleted`.

use async_trait::async_trait;
use jiff::Timestamp;
use offtake_model::Result;
use offtake_model::audit::Act;
use offtake_model::format::{Compression, Format};
use offtake_model::id::{ArtifactId, JobId, OrgId};
use offtake_model::receipt::Receipt;

use crate::jobs::{JobScope, Lease};
use crate::objects::ObjectKey;

/// The state of an artifact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ArtifactState {
    /// Its key is named; bytes may follow.
    Staged,
    /// Published.
    Ready,
    /// Its time is over; its bytes are deleted next.
    Expired,
    /// Its bytes are gone.
    Deleted,
}

impl ArtifactState {
    /// Its name in the database.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Staged => "staged",
            Self::Ready => "ready",
            Self::Expired => "expired",
            Self::Deleted => "deleted",
        }
    }

    /// The state of this name.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Staged, Self::Ready, Self::Expired, Self::Deleted].into_iter().find(|state| state.name() == name)
    }
}

/// An artifact about to be written.
#[derive(Debug, Clone)]
pub struct NewArtifact {
    /// Its id.
    pub id: ArtifactId,
    /// Where its bytes will be.
    pub key: ObjectKey,
    /// Its format.
    pub format: Format,
    /// What it is wrapped in.
    pub compression: Compression,
    /// Its media type.
    pub media_type: String,
    /// The name a download gets.
    pub file_name: String,
    /// The moment of staging.
    pub now: Timestamp,
}

/// A stored file's row.
#[derive(Debug, Clone, PartialEq)]
pub struct Artifact {
    /// Its id.
    pub id: ArtifactId,
    /// The job it belongs to.
    pub job: JobId,
    /// Whose it is.
    pub org: OrgId,
    /// The attempt that staged it.
    pub attempt: u32,
    /// Where its bytes are.
    pub key: ObjectKey,
    /// Its state.
    pub state: ArtifactState,
    /// Its format.
    pub format: Format,
    /// What it is wrapped in.
    pub compression: Compression,
    /// Its media type.
    pub media_type: String,
    /// The name a download gets.
    pub file_name: String,
    /// Its size, once ready.
    pub bytes: Option<u64>,
    /// Its SHA-256 in lower-case hex, once ready.
    pub sha256: Option<String>,
    /// Its receipt, once ready.
    pub receipt: Option<Receipt>,
    /// When it was staged.
    pub created_at: Timestamp,
}

/// Rows of stored files.
#[async_trait]
pub trait Artifacts: Send + Sync + std::fmt::Debug {
    /// Names the key before a byte is written.
    ///
    /// # Errors
    /// `lease_lost`, `cancelled`.
    async fn stage(&self, lease: &Lease, artifact: NewArtifact) -> Result<Artifact>;

    /// The published file of a job.
    ///
    /// # Errors
    /// `not_found` if the job is not in the scope; `not_ready` while it is being made, `conflict` if it failed
    /// or was cancelled, `gone` once it is expired or deleted.
    async fn ready(&self, scope: &JobScope, job: JobId) -> Result<Artifact>;

    /// An artifact by id, whoever it belongs to: for links that were signed, and for a worker's checkpoint.
    ///
    /// # Errors
    /// `not_found`.
    async fn by_id(&self, id: ArtifactId) -> Result<Artifact>;

    /// The user wants the file gone now: ready → expired, and the job's time is over; the audit trail says so.
    ///
    /// # Errors
    /// As [`Artifacts::ready`].
    async fn expire_now(&self, by: &Act, scope: &JobScope, job: JobId) -> Result<Artifact>;

    /// Moves every artifact whose job's time is over from ready to expired. Returns how many.
    async fn expire_due(&self) -> Result<u64>;

    /// Artifacts whose bytes are of no more use: expired ones, and staged ones that neither the attempt now
    /// running writes nor a checkpoint still in use names. At most `limit`.
    async fn disposable(&self, limit: u32) -> Result<Vec<Artifact>>;

    /// Those of `keys` that no row speaks for: there is none, or it says that the bytes are gone.
    async fn unknown(&self, keys: Vec<ObjectKey>) -> Result<Vec<ObjectKey>>;

    /// The bytes are gone (object first, then state): → deleted; a completed job of an expired artifact becomes
    /// expired in the same transaction.
    async fn mark_deleted(&self, id: ArtifactId) -> Result<()>;
}
