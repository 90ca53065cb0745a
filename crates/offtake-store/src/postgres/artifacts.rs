//! The rows behind stored files. Whoever changes both a job and an artifact locks the job first.

use std::sync::LazyLock;

use offtake_model::Result;
use offtake_model::id::{ArtifactId, JobId};
use offtake_model::job::{JobStatus, Transition};
use offtake_postgres::Work;

use super::rows::{ARTIFACT_COLUMNS, get};
use super::{leases, requests};
use crate::artifacts::{Artifact, ArtifactState, NewArtifact};
use crate::jobs::JobScope;
use crate::objects::ObjectKey;
use crate::refusals::{self, Hold, internal};
use crate::rows;

/// Files whose time is over, but for those that somebody else is expiring.
pub(super) const EXPIRE_DUE: &str = "UPDATE artifacts SET state = 'expired' WHERE id IN (
     SELECT artifacts.id FROM artifacts JOIN jobs ON jobs.id = artifacts.job
     WHERE state = 'ready' AND status = 'completed' AND expires_at <= $1
     ORDER BY artifacts.id FOR UPDATE OF artifacts SKIP LOCKED)";

/// Staged bytes have two users: the attempt that writes them, and a later one that copies what a checkpoint
/// counts. Both may be alive at once, with different artifacts, until the later one has a checkpoint of its own.
pub(super) static DISPOSABLE: LazyLock<String> = LazyLock::new(|| {
    format!(
        "SELECT {ARTIFACT_COLUMNS} FROM artifacts JOIN jobs ON jobs.id = artifacts.job
         WHERE state IN ('staged', 'expired')
           AND (state = 'expired'
                OR NOT (jobs.status = 'processing' AND jobs.attempt = artifacts.attempt)
                   AND NOT (EXISTS (SELECT 1 FROM job_checkpoints WHERE artifact = artifacts.id)
                            AND (jobs.status IN ('pending', 'processing')
                                 OR jobs.status = 'failed' AND (expires_at IS NULL OR expires_at > $1))))
         ORDER BY artifacts.id LIMIT $2"
    )
});

static BY_ID: LazyLock<String> = LazyLock::new(|| format!("SELECT {ARTIFACT_COLUMNS} FROM artifacts WHERE id = $1"));

// Over is over, also when the sweep has not come by yet.
static READY: LazyLock<String> = LazyLock::new(|| {
    format!(
        "SELECT {ARTIFACT_COLUMNS} FROM artifacts JOIN jobs ON jobs.id = artifacts.job
         WHERE artifacts.job = $1 AND state = 'ready' AND (expires_at IS NULL OR expires_at > $2)"
    )
});

pub(super) async fn stage(tx: &Work, hold: Hold, new: &NewArtifact) -> Result<Artifact> {
    leases::held(tx, hold).await?;
    let inserted = tx
        .execute(
            "INSERT INTO artifacts (id, job, org, attempt, object_key, state, format, compression, media_type,
                                    file_name, created_at)
             SELECT $1, id, org, attempt, $3, 'staged', $4, $5, $6, $7, $8 FROM jobs WHERE id = $2
             ON CONFLICT DO NOTHING",
            &[
                &new.id.to_string(),
                &hold.job.to_string(),
                &new.key.as_str(),
                &new.format.name(),
                &new.compression.name(),
                &new.media_type,
                &new.file_name,
                &new.now.as_microsecond(),
            ],
        )
        .await?;
    if inserted == 0 {
        return Err(refusals::key_taken(&new.key));
    }
    by_id(tx, new.id).await
}

pub(super) async fn by_id(work: &Work, id: ArtifactId) -> Result<Artifact> {
    let row = work.first(&BY_ID, &[&id.to_string()]).await?;
    rows::artifact(&row.ok_or_else(|| refusals::no_artifact(id))?)
}

pub(super) async fn ready(work: &Work, now: i64, scope: &JobScope, job: JobId) -> Result<Artifact> {
    if let Some(error) = refusals::no_file(job, requests::status(work, scope, job).await?) {
        return Err(error);
    }
    let row = work.first(&READY, &[&job.to_string(), &now]).await?;
    rows::artifact(&row.ok_or_else(|| refusals::file_gone(job))?)
}

pub(super) async fn expire_now(tx: &Work, now: i64, scope: &JobScope, job: JobId) -> Result<Artifact> {
    let artifact = ready(tx, now, scope, job).await?;
    // Whoever looks at the job sees it as well, before the sweep has come by.
    tx.execute("UPDATE jobs SET expires_at = least(expires_at, $2) WHERE id = $1", &[&job.to_string(), &now]).await?;
    let sql = "UPDATE artifacts SET state = 'expired' WHERE id = $1 AND state = 'ready'";
    tx.execute(sql, &[&artifact.id.to_string()]).await?;
    by_id(tx, artifact.id).await
}

pub(super) async fn expire_due(work: &Work, now: i64) -> Result<u64> {
    work.execute(EXPIRE_DUE, &[&now]).await
}

/// Artifacts whose bytes are of no more use.
pub(super) async fn disposable(work: &Work, now: i64, limit: u32) -> Result<Vec<Artifact>> {
    let found = work.rows(&DISPOSABLE, &[&now, &i64::from(limit)]).await?;
    let readable = |row: &tokio_postgres::Row| {
        // One row that cannot be read must not keep the bytes of all others.
        rows::artifact(row)
            .inspect_err(
                |error| tracing::error!(%error, "the bytes of an artifact stay, because its row cannot be read"),
            )
            .ok()
    };
    Ok(found.iter().filter_map(readable).collect())
}

/// The job that expires with it, if one does.
pub(super) async fn mark_deleted(tx: &Work, id: ArtifactId) -> Result<Option<JobId>> {
    let sql = "SELECT status FROM jobs WHERE id = (SELECT job FROM artifacts WHERE id = $1) FOR UPDATE";
    let row = tx.first(sql, &[&id.to_string()]).await?.ok_or_else(|| refusals::no_artifact(id))?;
    let name: String = get(&row, 0)?;
    let artifact = by_id(tx, id).await?;
    match artifact.state {
        ArtifactState::Deleted => return Ok(None),
        ArtifactState::Ready => return Err(refusals::still_ready(id)),
        ArtifactState::Staged | ArtifactState::Expired => {}
    }
    tx.execute("UPDATE artifacts SET state = 'deleted' WHERE id = $1", &[&id.to_string()]).await?;
    if artifact.state == ArtifactState::Expired {
        let job = artifact.job;
        let status = JobStatus::parse(&name).ok_or_else(|| internal(format!("job {job} has no status")))?;
        let next = status.after(Transition::Expire)?;
        tx.execute("UPDATE jobs SET status = $2 WHERE id = $1", &[&job.to_string(), &next.name()]).await?;
        return Ok(Some(job));
    }
    Ok(None)
}

/// Of these keys, those no row with bytes speaks of.
pub(super) async fn unknown(work: &Work, keys: Vec<ObjectKey>) -> Result<Vec<ObjectKey>> {
    let names: Vec<&str> = keys.iter().map(ObjectKey::as_str).collect();
    let sql = "SELECT number FROM unnest($1::text[]) WITH ORDINALITY AS asked (key, number)
               WHERE NOT EXISTS (SELECT 1 FROM artifacts WHERE object_key = key AND state <> 'deleted')
               ORDER BY number";
    let mut unknown = Vec::new();
    for row in work.rows(sql, &[&names]).await? {
        let number: i64 = get(&row, 0)?;
        unknown.extend(usize::try_from(number - 1).ok().and_then(|at| keys.get(at)).cloned());
    }
    Ok(unknown)
}
