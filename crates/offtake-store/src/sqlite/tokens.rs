//! One-time tokens in SQLite.

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use offtake_model::Result;
use offtake_model::audit::Act;
use offtake_model::id::{JobId, OrgId};
use rusqlite::{Connection, Row, params};

use super::fault::Sql;
use super::rows::{first, micros};
use super::{SqliteStore, audit, rows};
use crate::audit::deeds;
use crate::refusals::{self, internal};
use crate::tokens::{ID_CHARS, NewToken, Stored, Token, Tokens, no_token, not_spent};

/// The columns of a [`Stored`].
const TOKEN: &str = "org, subject, job, purpose, sha256, created_at, expires_at, spent_at";

#[async_trait]
impl Tokens for SqliteStore {
    async fn issue(&self, token: NewToken) -> Result<Timestamp> {
        self.write(move |tx, now| issue(tx, now, &token)).await
    }

    async fn look(&self, sha256: [u8; 32]) -> Result<Option<Token>> {
        self.read(move |tx, now| look(tx, now, &hex::encode(sha256))).await
    }

    async fn spend(&self, by: Act, sha256: [u8; 32]) -> Result<()> {
        self.write(move |tx, now| spend(tx, now, by, &sha256)).await
    }

    async fn of_job(&self, org: &OrgId, job: JobId) -> Result<Vec<Token>> {
        let (org, job) = (org.clone(), job.to_string());
        self.read(move |tx, now| {
            let sql =
                format!("SELECT {TOKEN} FROM tokens WHERE org = ?1 AND job = ?2 ORDER BY created_at DESC, sha256");
            rows::all(tx, &sql, params![org.as_str(), job], |row| Ok(stored(row)?.token(now)?))
        })
        .await
    }

    async fn revoke(&self, by: &Act, org: &OrgId, job: JobId, id: &str) -> Result<()> {
        let (by, org, job, id) = (by.clone(), org.clone(), job.to_string(), id.to_owned());
        self.write(move |tx, now| {
            let sql = format!(
                "DELETE FROM tokens WHERE org = ?1 AND job = ?2 AND substr(sha256, 1, {ID_CHARS}) = ?3 RETURNING {TOKEN}"
            );
            let token = first(tx, &sql, params![org.as_str(), job, id], |row| Ok(stored(row)?.token(now)?))?;
            audit::append(tx, now, &org, &by, &deeds::taken_back(&token.ok_or_else(no_token)?))?;
            Ok(())
        })
        .await
    }

    async fn prune_tokens(&self, retention: SignedDuration) -> Result<u64> {
        self.write(move |tx, now| {
            let before = now.saturating_sub(micros(retention));
            Ok(tx.prepare_cached("DELETE FROM tokens WHERE expires_at < ?1")?.execute([before])? as u64)
        })
        .await
    }
}

fn issue(tx: &Connection, now: i64, token: &NewToken) -> Sql<Timestamp> {
    let sql = "INSERT INTO tokens (job, subject, purpose, org, sha256, key_id, created_at, expires_at)
               SELECT id, ?3, ?4, org, ?5, ?6, ?7, min(?8, coalesce(expires_at, ?8)) FROM jobs
               WHERE id = ?1 AND org = ?2
               ON CONFLICT (job, subject, purpose) DO UPDATE
               SET sha256 = excluded.sha256, key_id = excluded.key_id, created_at = excluded.created_at,
                   expires_at = excluded.expires_at, spent_at = NULL
               RETURNING expires_at";
    let claims = &token.claims;
    let (job, until) = (claims.job.to_string(), now.saturating_add(micros(token.ttl)));
    let digest = hex::encode(token.sha256);
    let purpose = claims.purpose.name();
    let params = params![job, claims.org.as_str(), claims.subject, purpose, digest, token.key_id, now, until];
    let expires_at: i64 = rows::scalar(tx, sql, params)?.ok_or_else(|| refusals::no_job(claims.job))?;
    let expires_at = Timestamp::from_microsecond(expires_at).map_err(|_| internal("a token would hold for ever"))?;
    audit::append(tx, now, &claims.org, &token.by, &deeds::issued(claims, &token.sha256, expires_at))?;
    Ok(expires_at)
}

fn look(connection: &Connection, now: i64, sha256: &str) -> Sql<Option<Token>> {
    let sql = format!("SELECT {TOKEN} FROM tokens WHERE sha256 = ?1");
    first(connection, &sql, [sha256], |row| Ok(stored(row)?.token(now)?))
}

fn spend(tx: &Connection, now: i64, by: Act, sha256: &[u8; 32]) -> Sql<()> {
    let digest = hex::encode(sha256);
    let known = look(tx, now, &digest)?;
    let sql = "UPDATE tokens SET spent_at = ?2 WHERE sha256 = ?1 AND spent_at IS NULL AND expires_at > ?2";
    match known {
        Some(token) if tx.prepare_cached(sql)?.execute(params![digest, now])? == 1 => {
            let (by, deed) = deeds::spent(by, &token.claims, sha256);
            audit::append(tx, now, &token.claims.org, &by, &deed)?;
            Ok(())
        }
        known => Err(not_spent(known).into()),
    }
}

fn stored(row: &Row<'_>) -> Sql<Stored> {
    Ok(Stored {
        org: row.get("org")?,
        subject: row.get("subject")?,
        job: row.get("job")?,
        purpose: row.get("purpose")?,
        sha256: row.get("sha256")?,
        created_at: row.get("created_at")?,
        expires_at: row.get("expires_at")?,
        spent_at: row.get("spent_at")?,
    })
}
