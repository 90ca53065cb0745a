//! What the verbs of the store write down, whichever database is behind them.

use offtake_model::audit::{Action, Deed, ObjectKind};
use offtake_model::job::Job;
use offtake_model::preset::Preset;

use crate::artifacts::Artifact;
use crate::jobs::NewJob;

/// An export was asked for. What decides its rows is told by its digest: filters may hold what not everybody may read.
pub(crate) fn asked_for(new: &NewJob) -> Deed {
    Deed::done(Action::ExportCreate, ObjectKind::Job, new.id)
        .with("dataset", new.spec.dataset.as_str())
        .with("format", new.spec.format.name())
        .with("compression", new.spec.compression.name())
        .with("spec_sha256", new.spec.sha256())
}

/// Something was done to an export.
pub(crate) fn to_job(action: Action, job: &Job) -> Deed {
    Deed::done(action, ObjectKind::Job, job.id).with("dataset", job.spec.dataset.as_str())
}

/// Something was done to the file of an export.
pub fn to_file(action: Action, artifact: &Artifact) -> Deed {
    Deed::done(action, ObjectKind::Job, artifact.job)
        .with("artifact", artifact.id.to_string())
        .with("sha256", artifact.sha256.clone())
}

/// Something was done to a preset.
pub(crate) fn to_preset(action: Action, preset: &Preset) -> Deed {
    Deed::done(action, ObjectKind::Preset, &preset.name)
        .with("dataset", preset.dataset.as_str())
        .with("version", preset.version)
}
