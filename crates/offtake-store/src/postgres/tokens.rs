//! One-time tokens in Postgres. One statement decides each verb; its entry in the audit trail follows in the same transaction.

use std::sync::LazyLock;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use offtake_model::Result;
use offtake_model::audit::Act;
use offtake_model::id::{JobId, OrgId};
use offtake_postgres::Work;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use super::rows::get;
use super::{NOW, PostgresStore, audit};
use crate::audit::deeds;
use crate::refusals::{self, internal};
use crate::rows::micros;
use crate::tokens::{ID_CHARS, NewToken, Stored, Token, Tokens, no_token, not_spent};

/// The columns of a [`Stored`].
const TOKEN: &str = "org, subject, job, purpose, sha256, created_at, expires_at, spent_at";

// A job without an end gives none to its tokens: `least` passes over NULL.
static ISSUE: LazyLock<String> = LazyLock::new(|| {
    format!(
        "INSERT INTO tokens (job, subject, purpose, org, sha256, key_id, created_at, expires_at)
         SELECT id, $4, $5, org, $6, $7, moment.now, least(moment.now + $8, jobs.expires_at)
         FROM jobs, ({NOW} AS now) AS moment WHERE id = $2 AND org = $3
         ON CONFLICT (job, subject, purpose) DO UPDATE
         SET sha256 = excluded.sha256, key_id = excluded.key_id, created_at = excluded.created_at,
             expires_at = excluded.expires_at, spent_at = NULL
         RETURNING expires_at"
    )
});

static LOOK: LazyLock<String> = LazyLock::new(|| format!("SELECT {TOKEN}, ({NOW}) FROM tokens WHERE sha256 = $2"));

static OF_JOB: LazyLock<String> = LazyLock::new(|| {
    format!(
        "SELECT {TOKEN}, ({NOW}) FROM tokens WHERE org = $2 AND job = $3
         ORDER BY created_at DESC, sha256 COLLATE \"C\""
    )
});

static REVOKE: LazyLock<String> = LazyLock::new(|| {
    format!(
        "DELETE FROM tokens WHERE org = $2 AND job = $3 AND substr(sha256, 1, {ID_CHARS}) = $4
         RETURNING {TOKEN}, ({NOW})"
    )
});

// Whoever waits for another one's update looks at the row again afterwards, and finds it spent.
static SPEND: LazyLock<String> = LazyLock::new(|| {
    format!("UPDATE tokens SET spent_at = ({NOW}) WHERE sha256 = $2 AND spent_at IS NULL AND expires_at > ({NOW})")
});

#[async_trait]
impl Tokens for PostgresStore {
    async fn issue(&self, token: NewToken) -> Result<Timestamp> {
        let claims = &token.claims;
        let params: [&(dyn ToSql + Sync); 8] = [
            &self.injected(),
            &claims.job.to_string(),
            &claims.org.as_str(),
            &claims.subject,
            &claims.purpose.name(),
            &hex::encode(token.sha256),
            &token.key_id,
            &micros(token.ttl),
        ];
        let tx = self.write_of(&claims.org).await?;
        let issue = async {
            let row = tx.first(&ISSUE, &params).await?.ok_or_else(|| refusals::no_job(claims.job))?;
            let expires_at = Timestamp::from_microsecond(get(&row, 0)?);
            let expires_at = expires_at.map_err(|_| internal("a token would hold for ever"))?;
            let (now, deed) = (self.now(&tx).await?, deeds::issued(claims, &token.sha256, expires_at));
            audit::append(&tx, now, &claims.org, &token.by, &deed).await?;
            Ok(expires_at)
        };
        let outcome = issue.await;
        tx.end(outcome).await
    }

    async fn look(&self, sha256: [u8; 32]) -> Result<Option<Token>> {
        self.look_at(&self.read_all().await?, &hex::encode(sha256)).await
    }

    async fn spend(&self, by: Act, sha256: [u8; 32]) -> Result<()> {
        let (tx, digest) = (self.write_all().await?, hex::encode(sha256));
        let spend = async {
            let spent = tx.execute(&SPEND, &[&self.injected(), &digest]).await? == 1;
            match self.look_at(&tx, &digest).await? {
                Some(token) if spent => {
                    let (by, deed) = deeds::spent(by, &token.claims, &sha256);
                    audit::append(&tx, self.now(&tx).await?, &token.claims.org, &by, &deed).await.map(drop)
                }
                known => Err(not_spent(known)),
            }
        };
        let outcome = spend.await;
        tx.end(outcome).await
    }

    async fn of_job(&self, org: &OrgId, job: JobId) -> Result<Vec<Token>> {
        let work = self.read_of(org).await?;
        let rows = work.rows(&OF_JOB, &[&self.injected(), &org.as_str(), &job.to_string()]).await?;
        rows.iter().map(token).collect()
    }

    async fn revoke(&self, by: &Act, org: &OrgId, job: JobId, id: &str) -> Result<()> {
        let tx = self.write_of(org).await?;
        let revoke = async {
            let row = tx.first(&REVOKE, &[&self.injected(), &org.as_str(), &job.to_string(), &id]).await?;
            let deed = deeds::taken_back(&token(&row.ok_or_else(no_token)?)?);
            audit::append(&tx, self.now(&tx).await?, org, by, &deed).await.map(drop)
        };
        let outcome = revoke.await;
        tx.end(outcome).await
    }

    async fn prune_tokens(&self, retention: SignedDuration) -> Result<u64> {
        let work = self.read_all().await?;
        let before = self.now(&work).await?.saturating_sub(micros(retention));
        work.execute("DELETE FROM tokens WHERE expires_at < $1", &[&before]).await
    }
}

impl PostgresStore {
    async fn look_at(&self, work: &Work, digest: &str) -> Result<Option<Token>> {
        let row = work.first(&LOOK, &[&self.injected(), &digest]).await?;
        row.as_ref().map(token).transpose()
    }
}

/// A row of [`TOKEN`] and the moment.
fn token(row: &Row) -> Result<Token> {
    let stored = Stored {
        org: get(row, 0)?,
        subject: get(row, 1)?,
        job: get(row, 2)?,
        purpose: get(row, 3)?,
        sha256: get(row, 4)?,
        created_at: get(row, 5)?,
        expires_at: get(row, 6)?,
        spent_at: get(row, 7)?,
    };
    stored.token(get(row, 8)?)
}
