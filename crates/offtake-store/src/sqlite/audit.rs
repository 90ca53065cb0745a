//! The audit trail in SQLite. One writer at a time sees to the order of the entries.

use async_trait::async_trait;
use jiff::SignedDuration;
use offtake_model::Result;
use offtake_model::audit::{Act, AuditEntry, Deed, Head};
use offtake_model::id::OrgId;
use rusqlite::types::{Type, Value};
use rusqlite::{Connection, Row, params, params_from_iter};

use super::SqliteStore;
use super::fault::Sql;
use super::rows::{all, first, int, micros};
use crate::audit::{Audit, AuditFilter, AuditPage, PRUNED_AT_ONCE, SLACK};
use crate::rows::{self, Record};

/// Writes an entry into the chain of `org`.
pub(super) fn append(tx: &Connection, now: i64, org: &OrgId, act: &Act, deed: &Deed) -> Sql<AuditEntry> {
    let head = match head(tx, org)? {
        Some(head) => head,
        None => begin(tx, org)?,
    };
    let entry = AuditEntry::after(&head, now, act, deed);
    insert(tx, &entry)?;
    follow(tx, &entry, head.first)?;
    Ok(entry)
}

fn begin(tx: &Connection, org: &OrgId) -> Sql<Head> {
    let head = Head::none(org.clone());
    tx.prepare_cached("INSERT INTO audit_heads (org, number, hash, at, first) VALUES (?1, ?2, ?3, ?4, ?5)")?
        .execute(params![org.as_str(), int(head.number), head.hash, head.at, int(head.first)])?;
    Ok(head)
}

fn insert(tx: &Connection, entry: &AuditEntry) -> Sql<()> {
    tx.prepare_cached(
        "INSERT INTO audit_entries (org, number, at, actor, via, action, object_kind, object_id, outcome, address,
                                    user_agent, request_id, detail, previous, hash)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)",
    )?
    .execute(params![
        entry.org.as_str(),
        int(entry.number),
        entry.at,
        entry.actor,
        entry.via,
        entry.action,
        entry.object_kind,
        entry.object_id,
        entry.outcome,
        entry.address,
        entry.user_agent,
        entry.request_id,
        entry.detail,
        entry.previous,
        entry.hash,
    ])?;
    Ok(())
}

/// The head follows `entry`; what is kept begins at `first`.
fn follow(tx: &Connection, entry: &AuditEntry, first: u64) -> Sql<()> {
    tx.prepare_cached("UPDATE audit_heads SET number = ?2, hash = ?3, at = ?4, first = ?5 WHERE org = ?1")?
        .execute(params![entry.org.as_str(), int(entry.number), entry.hash, entry.at, int(first)])?;
    Ok(())
}

fn head(connection: &Connection, org: &OrgId) -> Sql<Option<Head>> {
    let sql = "SELECT org, number, hash, at, first FROM audit_heads WHERE org = ?1";
    first(connection, sql, [org.as_str()], |row| Ok(rows::audit_head(row)?))
}

#[async_trait]
impl Audit for SqliteStore {
    async fn append(&self, org: &OrgId, act: &Act, deed: &Deed) -> Result<AuditEntry> {
        let (org, act, deed) = (org.clone(), act.clone(), deed.clone());
        self.write(move |tx, now| append(tx, now, &org, &act, &deed)).await
    }

    async fn list(&self, org: &OrgId, filter: &AuditFilter) -> Result<AuditPage> {
        let (org, filter) = (org.clone(), filter.clone());
        self.read(move |tx, _| list(tx, &org, &filter)).await
    }

    async fn walk(&self, org: &OrgId, from: u64, limit: u32) -> Result<Vec<AuditEntry>> {
        let org = org.clone();
        let sql = "SELECT * FROM audit_entries WHERE org = ?1 AND number >= ?2 ORDER BY number LIMIT ?3";
        self.read(move |tx, _| all(tx, sql, params![org.as_str(), int(from), limit], entry)).await
    }

    async fn head(&self, org: &OrgId) -> Result<Head> {
        let org = org.clone();
        self.read(move |tx, _| Ok(head(tx, &org)?.unwrap_or_else(|| Head::none(org)))).await
    }

    async fn heads(&self, after: Option<&OrgId>, since: Option<jiff::Timestamp>, limit: u32) -> Result<Vec<Head>> {
        let after = after.map(|org| org.as_str().to_owned()).unwrap_or_default();
        let since = since.map_or(i64::MIN, jiff::Timestamp::as_microsecond);
        let sql = "SELECT org, number, hash, at, first FROM audit_heads WHERE org > ?1 AND at >= ?2
                   ORDER BY org LIMIT ?3";
        self.read(move |tx, _| all(tx, sql, params![after, since, limit], |row| Ok(rows::audit_head(row)?))).await
    }

    async fn prune(&self, retention: SignedDuration) -> Result<u64> {
        let mut pruned = 0;
        let mut after = String::new();
        loop {
            let from = after.clone();
            let overdue = self.read(move |tx, now| overdue(tx, now, &from, retention)).await?;
            let Some(org) = overdue else { return Ok(pruned) };
            let (chain, removed) = self
                .write(move |tx, now| {
                    let removed = prune(tx, now, &org, retention)?;
                    Ok((org, removed))
                })
                .await?;
            pruned += removed;
            if removed < PRUNED_AT_ONCE {
                chain.as_str().clone_into(&mut after);
            }
        }
    }
}

fn list(connection: &Connection, org: &OrgId, filter: &AuditFilter) -> Sql<AuditPage> {
    let mut sql = String::from("SELECT * FROM audit_entries WHERE org = ?");
    let mut values = vec![Value::Text(org.as_str().to_owned())];
    let mut and = |test: &str, value: Option<Value>| {
        if let Some(value) = value {
            sql.push_str(&format!(" AND {test} ?"));
            values.push(value);
        }
    };
    and("actor =", filter.actor.clone().map(Value::Text));
    and("object_id =", filter.object.clone().map(Value::Text));
    and("at >=", filter.from.map(|from| Value::Integer(from.as_microsecond())));
    and("at <", filter.to.map(|to| Value::Integer(to.as_microsecond())));
    and("number <", filter.before.map(|before| Value::Integer(int(before))));
    if !filter.actions.is_empty() {
        sql.push_str(&format!(" AND action IN ({})", vec!["?"; filter.actions.len()].join(", ")));
        values.extend(filter.actions.iter().cloned().map(Value::Text));
    }
    sql.push_str(" ORDER BY number DESC LIMIT ?");
    values.push(Value::Integer(i64::from(filter.limit) + 1));
    let mut entries = all(connection, &sql, params_from_iter(&values), entry)?;
    let has_more = entries.len() > filter.limit as usize;
    entries.truncate(filter.limit as usize);
    Ok(AuditPage { entries, has_more })
}

/// The first organization after `after` whose oldest entry is old enough to go.
fn overdue(connection: &Connection, now: i64, after: &str, retention: SignedDuration) -> Sql<Option<OrgId>> {
    let sql = "SELECT heads.org, heads.number, heads.hash, heads.at, heads.first
               FROM audit_heads AS heads JOIN audit_entries AS oldest
                    ON oldest.org = heads.org AND oldest.number = heads.first
               WHERE heads.org > ?1 AND oldest.at < ?2 ORDER BY heads.org LIMIT 1";
    let before = now.saturating_sub(micros(retention.saturating_add(SLACK)));
    Ok(first(connection, sql, params![after, before], |row| Ok(rows::audit_head(row)?))?.map(|head| head.org))
}

/// Removes what is old enough in one chain, at most [`PRUNED_AT_ONCE`] entries; the anchor is written first.
fn prune(tx: &Connection, now: i64, org: &OrgId, retention: SignedDuration) -> Sql<u64> {
    let Some(present) = head(tx, org)? else { return Ok(0) };
    let before = now.saturating_sub(micros(retention));
    let sql = "SELECT coalesce(min(number), ?3) FROM audit_entries WHERE org = ?1 AND at >= ?2";
    let kept: i64 =
        tx.prepare_cached(sql)?.query_row(params![org.as_str(), before, int(present.number + 1)], |row| row.get(0))?;
    let begin = kept.unsigned_abs().min(present.first + PRUNED_AT_ONCE);
    let removed = begin.saturating_sub(present.first);
    if removed == 0 {
        return Ok(0);
    }
    let sql = "SELECT hash FROM audit_entries WHERE org = ?1 AND number = ?2";
    let previous: String =
        tx.prepare_cached(sql)?.query_row(params![org.as_str(), int(begin - 1)], |row| row.get(0))?;
    let anchor = AuditEntry::after(&present, now, &Act::of_system(), &Head::anchor(begin, &previous, removed));
    insert(tx, &anchor)?;
    follow(tx, &anchor, begin)?;
    tx.prepare_cached("DELETE FROM audit_entries WHERE org = ?1 AND number < ?2")?
        .execute(params![org.as_str(), int(begin)])?;
    Ok(removed)
}

fn entry(row: &Row<'_>) -> Sql<AuditEntry> {
    Ok(rows::audit_entry(&Lossy(row))?)
}

/// A row whose text may have been damaged: it is read nevertheless, and its hash does not fit then.
struct Lossy<'r>(&'r Row<'r>);

impl Record for Lossy<'_> {
    type Error = rusqlite::Error;

    fn text(&self, column: &str) -> rusqlite::Result<Option<String>> {
        let value = self.0.get_ref(column)?;
        if value.data_type() == Type::Null {
            return Ok(None);
        }
        Ok(Some(String::from_utf8_lossy(value.as_bytes()?).into_owned()))
    }

    fn int(&self, column: &str) -> rusqlite::Result<Option<i64>> {
        self.0.get(column)
    }

    fn real(&self, column: &str) -> rusqlite::Result<Option<f64>> {
        self.0.get(column)
    }
}
