//! Presets: the port.

use async_trait::async_trait;
use jiff::Timestamp;
use offtake_model::audit::Act;
use offtake_model::id::OrgId;
use offtake_model::preset::{MOST_PRESETS, Preset, PresetContent};
use offtake_model::{Error, ErrorKind, Result};

use crate::refusals::internal;

/// What organizations ask for again and again. Every verb is scoped by organization: another one's preset is absent. A
/// change and its entry in the audit trail are one transaction.
#[async_trait]
pub trait Presets: Send + Sync + std::fmt::Debug {
    /// Keeps a preset.
    ///
    /// # Errors
    /// `conflict` if the name is taken, or the organization has as many as it may have.
    async fn create(&self, by: &Act, org: &OrgId, content: PresetContent) -> Result<Preset>;

    /// The preset of this name.
    ///
    /// # Errors
    /// `not_found`.
    async fn get(&self, org: &OrgId, name: &str) -> Result<Preset>;

    /// All of them, by name.
    async fn list(&self, org: &OrgId) -> Result<Vec<Preset>>;

    /// Puts `content` in the place of the preset `name`, if that is still at `version`.
    ///
    /// # Errors
    /// `not_found`; `precondition_failed` if it was changed since; `conflict` if its new name is taken.
    async fn replace(&self, by: &Act, org: &OrgId, name: &str, version: u64, content: PresetContent) -> Result<Preset>;

    /// Forgets the preset of this name; with a version, only if it is still at that.
    ///
    /// # Errors
    /// `not_found`; `precondition_failed` if it was changed since.
    async fn delete(&self, by: &Act, org: &OrgId, name: &str, version: Option<u64>) -> Result<()>;
}

// What every backend refuses with.

pub(crate) fn no_such_preset() -> Error {
    Error::new(ErrorKind::NotFound, "there is no such preset; GET /api/v1/presets lists those there are")
}

pub(crate) fn name_taken(name: &str) -> Error {
    Error::new(
        ErrorKind::Conflict,
        format!("there is a preset called {name:?} already; change it, or take another name"),
    )
}

pub(crate) fn too_many() -> Error {
    let detail = format!("there are {MOST_PRESETS} presets, and no more are possible; delete some");
    Error::new(ErrorKind::Conflict, detail)
}

pub(crate) fn unchanged(preset: &Preset, version: Option<u64>) -> Result<()> {
    if version.is_none_or(|version| version == preset.version) {
        return Ok(());
    }
    let detail = "the preset was changed in the meantime; get it again and decide anew";
    Err(Error::new(ErrorKind::PreconditionFailed, detail))
}

/// A preset as a database keeps it.
#[derive(Debug)]
pub(crate) struct Stored {
    pub(crate) name: String,
    pub(crate) dataset: String,
    /// JSON.
    pub(crate) says: String,
    pub(crate) version: i64,
    pub(crate) created_by: String,
    /// Microseconds since the epoch, as is the next.
    pub(crate) created_at: i64,
    pub(crate) updated_at: i64,
}

impl Stored {
    /// # Errors
    /// `internal`, with the name of the preset, if it cannot be read.
    pub(crate) fn preset(&self) -> Result<Preset> {
        let unreadable = |what: &str| internal(format!("the preset {:?} cannot be read: {what}", self.name));
        let time = |micros| Timestamp::from_microsecond(micros).map_err(|_| unreadable("its moments"));
        Ok(Preset {
            name: self.name.clone(),
            dataset: self.dataset.clone(),
            says: serde_json::from_str(&self.says).map_err(|_| unreadable("what it says"))?,
            version: u64::try_from(self.version).map_err(|_| unreadable("its version"))?,
            created_by: self.created_by.clone(),
            created_at: time(self.created_at)?,
            updated_at: time(self.updated_at)?,
        })
    }
}
