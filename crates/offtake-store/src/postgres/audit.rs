//! The audit trail in Postgres. Whoever writes an entry locks the head of its chain, as the last row of the transaction:
//! acts in one organization wait for each other from there to the commit, and never in a circle.

use std::sync::LazyLock;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use offtake_model::Result;
use offtake_model::audit::{Act, AuditEntry, Deed, Head};
use offtake_model::id::OrgId;
use offtake_postgres::Work;
use tokio_postgres::types::ToSql;

use super::PostgresStore;
use super::rows::get;
use crate::audit::{Audit, AuditFilter, AuditPage, PRUNED_AT_ONCE, SLACK};
use crate::refusals::internal;
use crate::rows::{self, int, micros};

const COLUMNS: &str = "org, number, at, actor, via, action, object_kind, object_id, outcome, address, user_agent, \
     request_id, detail, previous, hash";
const HEAD: &str = "SELECT org, number, hash, at, first FROM audit_heads WHERE org = $1";
const LOCKED_HEAD: &str = "SELECT org, number, hash, at, first FROM audit_heads WHERE org = $1 FOR UPDATE";

static WALK: LazyLock<String> = LazyLock::new(|| {
    format!("SELECT {COLUMNS} FROM audit_entries WHERE org = $1 AND number >= $2 ORDER BY number LIMIT $3")
});
static INSERT: LazyLock<String> = LazyLock::new(|| {
    format!(
        "INSERT INTO audit_entries ({COLUMNS})
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)"
    )
});

/// Writes an entry into the chain of `org`. Nothing else may be locked after it in the same transaction.
pub(super) async fn append(tx: &Work, now: i64, org: &OrgId, act: &Act, deed: &Deed) -> Result<AuditEntry> {
    let head = locked(tx, org).await?;
    let entry = AuditEntry::after(&head, now, act, deed);
    insert(tx, &entry).await?;
    follow(tx, &entry, head.first).await?;
    Ok(entry)
}

/// The head of a chain, which nobody else changes from here on; made if this is the first entry.
async fn locked(tx: &Work, org: &OrgId) -> Result<Head> {
    if let Some(row) = tx.first(LOCKED_HEAD, &[&org.as_str()]).await? {
        return rows::audit_head(&row);
    }
    let Head { number, hash, at, first, .. } = Head::none(org.clone());
    let sql =
        "INSERT INTO audit_heads (org, number, hash, at, first) VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING";
    tx.execute(sql, &[&org.as_str(), &int(number), &hash, &at, &int(first)]).await?;
    let row = tx.first(LOCKED_HEAD, &[&org.as_str()]).await?;
    rows::audit_head(&row.ok_or_else(|| internal(format!("the chain of {org} has no head")))?)
}

async fn insert(tx: &Work, entry: &AuditEntry) -> Result<()> {
    let params: [&(dyn ToSql + Sync); 15] = [
        &entry.org.as_str(),
        &int(entry.number),
        &entry.at,
        &entry.actor,
        &entry.via,
        &entry.action,
        &entry.object_kind,
        &entry.object_id,
        &entry.outcome,
        &entry.address,
        &entry.user_agent,
        &entry.request_id,
        &entry.detail,
        &entry.previous,
        &entry.hash,
    ];
    tx.execute(&INSERT, &params).await.map(drop)
}

/// The head follows `entry`; what is kept begins at `first`.
async fn follow(tx: &Work, entry: &AuditEntry, first: u64) -> Result<()> {
    let sql = "UPDATE audit_heads SET number = $2, hash = $3, at = $4, first = $5 WHERE org = $1";
    tx.execute(sql, &[&entry.org.as_str(), &int(entry.number), &entry.hash, &entry.at, &int(first)]).await.map(drop)
}

#[async_trait]
impl Audit for PostgresStore {
    async fn append(&self, org: &OrgId, act: &Act, deed: &Deed) -> Result<AuditEntry> {
        let tx = self.write_of(org).await?;
        let outcome = async { append(&tx, self.now(&tx).await?, org, act, deed).await }.await;
        tx.end(outcome).await
    }

    async fn list(&self, org: &OrgId, filter: &AuditFilter) -> Result<AuditPage> {
        list(&self.read_of(org).await?, org, filter).await
    }

    async fn walk(&self, org: &OrgId, from: u64, limit: u32) -> Result<Vec<AuditEntry>> {
        let found = self.read_of(org).await?.rows(&WALK, &[&org.as_str(), &int(from), &i64::from(limit)]).await?;
        found.iter().map(rows::audit_entry).collect()
    }

    async fn head(&self, org: &OrgId) -> Result<Head> {
        let row = self.read_of(org).await?.first(HEAD, &[&org.as_str()]).await?;
        row.as_ref().map_or_else(|| Ok(Head::none(org.clone())), rows::audit_head)
    }

    async fn heads(&self, after: Option<&OrgId>, since: Option<Timestamp>, limit: u32) -> Result<Vec<Head>> {
        let sql = "SELECT org, number, hash, at, first FROM audit_heads WHERE org > $1 AND at >= $2
                   ORDER BY org LIMIT $3";
        let after = after.map(OrgId::as_str).unwrap_or_default();
        let since = since.map_or(i64::MIN, Timestamp::as_microsecond);
        let found = self.read_all().await?.rows(sql, &[&after, &since, &i64::from(limit)]).await?;
        found.iter().map(rows::audit_head).collect()
    }

    async fn prune(&self, retention: SignedDuration) -> Result<u64> {
        let mut pruned = 0;
        let mut after = String::new();
        loop {
            let work = self.read_all().await?;
            let Some(org) = overdue(&work, self.now(&work).await?, &after, retention).await? else {
                return Ok(pruned);
            };
            drop(work);
            let tx = self.write_of(&org).await?;
            let outcome = async { prune(&tx, self.now(&tx).await?, &org, retention).await }.await;
            let removed = tx.end(outcome).await?;
            pruned += removed;
            if removed < PRUNED_AT_ONCE {
                org.as_str().clone_into(&mut after);
            }
        }
    }
}

async fn list(work: &Work, org: &OrgId, filter: &AuditFilter) -> Result<AuditPage> {
    let mut sql = format!("SELECT {COLUMNS} FROM audit_entries WHERE org = $1");
    let mut values: Vec<Box<dyn ToSql + Sync + Send>> = vec![Box::new(org.as_str().to_owned())];
    let mut and = |test: &str, value: Option<Box<dyn ToSql + Sync + Send>>| {
        if let Some(value) = value {
            values.push(value);
            sql.push_str(&format!(" AND {test} (${})", values.len()));
        }
    };
    and("actor =", filter.actor.clone().map(|actor| Box::new(actor) as _));
    and("object_id =", filter.object.clone().map(|object| Box::new(object) as _));
    and("at >=", filter.from.map(|from| Box::new(from.as_microsecond()) as _));
    and("at <", filter.to.map(|to| Box::new(to.as_microsecond()) as _));
    and("number <", filter.before.map(|before| Box::new(int(before)) as _));
    and("action = ANY", (!filter.actions.is_empty()).then(|| Box::new(filter.actions.clone()) as _));
    values.push(Box::new(i64::from(filter.limit) + 1));
    sql.push_str(&format!(" ORDER BY number DESC LIMIT ${}", values.len()));
    let params: Vec<&(dyn ToSql + Sync)> = values.iter().map(|value| &**value as &(dyn ToSql + Sync)).collect();
    let found = work.rows(&sql, &params).await?;
    let mut entries = found.iter().map(rows::audit_entry).collect::<Result<Vec<_>>>()?;
    let has_more = entries.len() > filter.limit as usize;
    entries.truncate(filter.limit as usize);
    Ok(AuditPage { entries, has_more })
}

/// The first organization after `after` whose oldest entry is old enough to go.
async fn overdue(work: &Work, now: i64, after: &str, retention: SignedDuration) -> Result<Option<OrgId>> {
    let sql = "SELECT heads.org, heads.number, heads.hash, heads.at, heads.first
               FROM audit_heads AS heads JOIN audit_entries AS oldest
                    ON oldest.org = heads.org AND oldest.number = heads.first
               WHERE heads.org > $1 AND oldest.at < $2 ORDER BY heads.org LIMIT 1";
    let before = now.saturating_sub(micros(retention.saturating_add(SLACK)));
    let row = work.first(sql, &[&after, &before]).await?;
    row.as_ref().map(|row| Ok(rows::audit_head(row)?.org)).transpose()
}

/// Removes what is old enough in one chain, at most [`PRUNED_AT_ONCE`] entries; the anchor is written first.
async fn prune(tx: &Work, now: i64, org: &OrgId, retention: SignedDuration) -> Result<u64> {
    let present = locked(tx, org).await?;
    let before = now.saturating_sub(micros(retention));
    let sql = "SELECT coalesce(min(number), $3) FROM audit_entries WHERE org = $1 AND at >= $2";
    let row = tx.first(sql, &[&org.as_str(), &before, &int(present.number + 1)]).await?;
    let kept: i64 = row.as_ref().map_or(Ok(0), |row| get(row, 0))?;
    let begin = kept.unsigned_abs().min(present.first + PRUNED_AT_ONCE);
    let removed = begin.saturating_sub(present.first);
    if removed == 0 {
        return Ok(0);
    }
    let sql = "SELECT hash FROM audit_entries WHERE org = $1 AND number = $2";
    let row = tx.first(sql, &[&org.as_str(), &int(begin - 1)]).await?;
    let gone = || internal(format!("entry {} of the audit trail of {org} is missing", begin - 1));
    let previous: String = get(&row.ok_or_else(gone)?, 0)?;
    let anchor = AuditEntry::after(&present, now, &Act::of_system(), &Head::anchor(begin, &previous, removed));
    insert(tx, &anchor).await?;
    follow(tx, &anchor, begin).await?;
    tx.execute("DELETE FROM audit_entries WHERE org = $1 AND number < $2", &[&org.as_str(), &int(begin)]).await?;
    Ok(removed)
}
