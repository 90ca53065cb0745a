//! The rows behind stored files.

use offtake_model::id::{ArtifactId, JobId};
use offtake_model::job::{JobStatus, Transition};
use rusqlite::{Connection, ErrorCode, Row, params};

use super::fault::{Fault, Sql};
use super::leases;
use super::{requests, rows};
use crate::artifacts::{Artifact, ArtifactState, NewArtifact};
use crate::jobs::JobScope;
use crate::objects::ObjectKey;
use crate::refusals::{self, Hold, internal};

/// Files whose time is over. The plus keeps SQLite from walking through every ready file to find them.
pub(super) const EXPIRE_DUE: &str = "UPDATE artifacts SET state = 'expired'
     WHERE +state = 'ready' AND job IN (SELECT id FROM jobs WHERE status = 'completed' AND expires_at <= ?1)";

/// Staged bytes have two users: the attempt that writes them, and a later one that copies what a checkpoint
/// counts. Both may be alive at once, with different artifacts, until the later one has a checkpoint of its own.
pub(super) const DISPOSABLE: &str = "SELECT artifacts.* FROM artifacts JOIN jobs ON jobs.id = artifacts.job
     WHERE state IN ('staged', 'expired')
       AND (state = 'expired'
            OR NOT (jobs.status = 'processing' AND jobs.attempt = artifacts.attempt)
               AND NOT (EXISTS (SELECT 1 FROM job_checkpoints WHERE artifact = artifacts.id)
                        AND (jobs.status IN ('pending', 'processing')
                             OR jobs.status = 'failed' AND (expires_at IS NULL OR expires_at > ?1))))
     ORDER BY artifacts.id LIMIT ?2";

pub(super) fn stage(tx: &Connection, hold: Hold, new: &NewArtifact) -> Sql<Artifact> {
    leases::held(tx, hold)?;
    let inserted = tx
        .prepare_cached(
            "INSERT INTO artifacts (id, job, org, attempt, object_key, state, format, compression, media_type,
                                    file_name, created_at)
             SELECT ?1, id, org, attempt, ?3, 'staged', ?4, ?5, ?6, ?7, ?8 FROM jobs WHERE id = ?2",
        )?
        .execute(params![
            new.id.to_string(),
            hold.job.to_string(),
            new.key.as_str(),
            new.format.name(),
            new.compression.name(),
            new.media_type,
            new.file_name,
            new.now.as_microsecond(),
        ]);
    match inserted {
        Err(cause) if cause.sqlite_error_code() == Some(ErrorCode::ConstraintViolation) => {
            Err(refusals::key_taken(&new.key).into())
        }
        Err(cause) => Err(cause.into()),
        Ok(_) => by_id(tx, new.id),
    }
}

pub(super) fn by_id(connection: &Connection, id: ArtifactId) -> Sql<Artifact> {
    rows::first(connection, "SELECT * FROM artifacts WHERE id = ?1", [id.to_string()], rows::artifact)?
        .ok_or_else(|| refusals::no_artifact(id).into())
}

pub(super) fn ready(connection: &Connection, now: i64, scope: &JobScope, job: JobId) -> Sql<Artifact> {
    if let Some(error) = refusals::no_file(job, requests::status(connection, scope, job)?) {
        return Err(error.into());
    }
    // Over is over, also when the sweep has not come by yet.
    let sql = "SELECT artifacts.* FROM artifacts JOIN jobs ON jobs.id = artifacts.job
               WHERE artifacts.job = ?1 AND state = 'ready' AND (expires_at IS NULL OR expires_at > ?2)";
    rows::first(connection, sql, params![job.to_string(), now], rows::artifact)?
        .ok_or_else(|| refusals::file_gone(job).into())
}

pub(super) fn expire_now(tx: &Connection, now: i64, scope: &JobScope, job: JobId) -> Sql<Artifact> {
    let artifact = ready(tx, now, scope, job)?;
    // Whoever looks at the job sees it as well, before the sweep has come by.
    tx.prepare_cached("UPDATE jobs SET expires_at = ?2 WHERE id = ?1")?.execute(params![job.to_string(), now])?;
    tx.prepare_cached("UPDATE artifacts SET state = 'expired' WHERE id = ?1 AND state = 'ready'")?
        .execute([artifact.id.to_string()])?;
    by_id(tx, artifact.id)
}

pub(super) fn expire_due(tx: &Connection, now: i64) -> Sql<u64> {
    let expired = tx.prepare_cached(EXPIRE_DUE)?.execute([now])?;
    Ok(expired as u64)
}

/// Artifacts whose bytes are of no more use.
pub(super) fn disposable(connection: &Connection, now: i64, limit: u32) -> Sql<Vec<Artifact>> {
    let readable = |row: &Row<'_>| match rows::artifact(row) {
        // One row that cannot be read must not keep the bytes of all others.
        Err(Fault::Decided(error)) => {
            tracing::error!(%error, "the bytes of an artifact stay, because its row cannot be read");
            Ok(None)
        }
        artifact => artifact.map(Some),
    };
    let artifacts = rows::all(connection, DISPOSABLE, params![now, limit], readable)?;
    Ok(artifacts.into_iter().flatten().collect())
}

/// The job that expires with it, if one does.
pub(super) fn mark_deleted(tx: &Connection, id: ArtifactId) -> Sql<Option<JobId>> {
    let artifact = by_id(tx, id)?;
    match artifact.state {
        ArtifactState::Deleted => return Ok(None),
        ArtifactState::Ready => {
            return Err(refusals::still_ready(id).into());
        }
        ArtifactState::Staged | ArtifactState::Expired => {}
    }
    tx.prepare_cached("UPDATE artifacts SET state = 'deleted' WHERE id = ?1")?.execute([id.to_string()])?;
    if artifact.state == ArtifactState::Expired {
        expire_job(tx, artifact.job)?;
        return Ok(Some(artifact.job));
    }
    Ok(None)
}

fn expire_job(tx: &Connection, job: JobId) -> Sql<()> {
    let name: Option<String> = rows::scalar(tx, "SELECT status FROM jobs WHERE id = ?1", [job.to_string()])?;
    let status =
        name.as_deref().and_then(JobStatus::parse).ok_or_else(|| internal(format!("job {job} has no status")))?;
    let next = status.after(Transition::Expire)?;
    tx.prepare_cached("UPDATE jobs SET status = ?2 WHERE id = ?1")?.execute(params![job.to_string(), next.name()])?;
    Ok(())
}

/// Of these keys, those no row with bytes speaks of.
pub(super) fn unknown(connection: &Connection, keys: Vec<ObjectKey>) -> Sql<Vec<ObjectKey>> {
    let mut statement =
        connection.prepare_cached("SELECT 1 FROM artifacts WHERE object_key = ?1 AND state <> 'deleted'")?;
    let mut unknown = Vec::new();
    for key in keys {
        if !statement.exists([key.as_str()])? {
            unknown.push(key);
        }
    }
    Ok(unknown)
}
