//! Facets: one pass that counts, and the values that were found read as cells.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use offtake_model::as_of::AsOf;
use offtake_model::budget::MemoryBudget;
use offtake_model::{Error, ErrorKind, Result};
use rusqlite::Row;
use rusqlite::types::{Value as SqlValue, ValueRef};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout;

use super::cells::{Cells, Layout};
use super::drift::describe;
use super::pool::Pool;
use super::session::{Scope, Session};
use super::{FacetRequest, Facets, Task};
use crate::source::facets::Facet;
use crate::source::tally::{Found, MOST_ROWS, Tally};
use crate::sql::Sql;

/// What the values of one facet may take.
const MOST_BYTES: u64 = 64 << 20;

/// Counts for as long as there is patience.
pub(super) async fn read(
    pool: &Pool,
    connection: OwnedSemaphorePermit,
    task: Task,
    asked: FacetRequest,
) -> Result<Facets> {
    let patience = asked.patience;
    let overdue = Overdue(Arc::new(AtomicBool::new(patience.is_zero())));
    let stop = Arc::clone(&overdue.0);
    let mut reading = pin!(pool.run_in(connection, move |session| read_until(session, &task, &asked, stop)));
    match timeout(patience, &mut reading).await {
        Ok(read) => read,
        Err(_) => {
            overdue.0.store(true, Ordering::Relaxed);
            reading.await
        }
    }
}

/// Stops the statement also when nobody waits any more.
struct Overdue(Arc<AtomicBool>);

impl Drop for Overdue {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn read_until(session: &mut Session, task: &Task, asked: &FacetRequest, stop: Arc<AtomicBool>) -> Result<Facets> {
    session.load(&task.statements())?;
    session.begin()?;
    let as_of = task.moment(session, task.query.as_of)?;
    session.watch(stop)?;
    let tally = tally(session, task, asked, as_of)?;
    session.unwatch()?;
    let (exact, rows) = (tally.is_exact(), tally.rows());
    let found = tally.found(asked.limit).into_iter().zip(&asked.columns);
    let facets = found.map(|(found, column)| facet(session, task, column, found, as_of)).collect::<Result<_>>()?;
    Ok(Facets { facets, exact, rows, as_of })
}

fn tally(session: &Session, task: &Task, asked: &FacetRequest, as_of: AsOf) -> Result<Tally> {
    let (sql, facets) = task.statements().facets(&asked.columns, MOST_ROWS)?;
    let width = asked.columns.len();
    let mut tally = Tally::new(width);
    let mut own: Vec<(usize, bool)> = facets.into_iter().map(|facet| (facet, true)).collect();
    let is_text = |column: &String| Ok(task.statements().operand(column)?.is_text());
    let texts = asked.columns.iter().map(is_text).collect::<Result<Vec<bool>>>()?;
    let mut numbers = vec![[0_u8; 8]; width];
    let ended = session.query(&sql, &task.scope(as_of), |rows| {
        while let Some(row) = rows.next()? {
            for (index, (_, passes)) in own.iter_mut().enumerate() {
                *passes = matches!(cell(row, width + index)?, ValueRef::Integer(1));
            }
            for (index, number) in numbers.iter_mut().enumerate() {
                if let ValueRef::Integer(integer) = cell(row, index)? {
                    *number = integer.to_be_bytes();
                }
            }
            tally.add(&own, |index| match (cell(row, index)?, texts[index]) {
                (ValueRef::Null, _) => Ok(None),
                (ValueRef::Text(text), true) => Ok(Some(text)),
                // Its bytes would look like a text.
                (ValueRef::Integer(_), false) => Ok(Some(&numbers[index][..])),
                (other, _) => Err(foreign(&asked.columns[index], &describe(other))),
            })?;
        }
        Ok(())
    });
    match ended {
        Err(error) if error.kind() == ErrorKind::Cancelled => tally.was_cut_short(),
        ended => ended?,
    }
    Ok(tally)
}

fn cell<'r>(row: &'r Row<'_>, index: usize) -> Result<ValueRef<'r>> {
    row.get_ref(index).map_err(super::session::failure)
}

fn foreign(column: &str, found: &str) -> Error {
    Error::new(ErrorKind::SchemaDrift, format!("{column} holds {found}, which is no value of its type"))
}

/// The values as cells of the column, by the way that all cells take.
fn facet(session: &Session, task: &Task, column: &String, found: Found, as_of: AsOf) -> Result<Facet> {
    let layout = Arc::new(Layout::new(&task.schema, &task.relation, std::slice::from_ref(column))?);
    let mut cells = Cells::new(&layout, found.values.len(), &MemoryBudget::new(MOST_BYTES))?;
    let is_text = task.statements().operand(column)?.is_text();
    let (mut sql, mut counts) = (Sql::default(), Vec::with_capacity(found.values.len()));
    for (value, rows) in found.values {
        sql.push(if counts.is_empty() { "VALUES (" } else { ", (" });
        sql.bind(stored(&value, is_text).ok_or_else(|| foreign(column, "TEXT that is not UTF-8"))?);
        sql.push(")");
        counts.push(rows);
    }
    if !counts.is_empty() {
        let scope: Scope = task.scope(as_of);
        session.query(&sql, &scope, |rows| {
            while let Some(row) = rows.next()? {
                cells.push(row)?;
            }
            Ok(())
        })?;
    }
    let (values, _held) = cells.finish()?;
    Ok(Facet { values, counts, nulls: found.nulls, others: found.others })
}

fn stored(value: &[u8], is_text: bool) -> Option<SqlValue> {
    if is_text {
        return String::from_utf8(value.to_vec()).ok().map(SqlValue::Text);
    }
    <[u8; 8]>::try_from(value).ok().map(|bytes| SqlValue::Integer(i64::from_be_bytes(bytes)))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use offtake_model::query::Chosen;

    use super::*;
    use crate::source::Source as _;
    use crate::source::sqlite::{CONNECTIONS, SqliteSource, explained};

    /// Long counts and pages of whomever have all connections.
    #[tokio::test]
    async fn facets_that_get_no_connection_in_time_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("rows.db");
        let table =
            "CREATE TABLE rows (seq INTEGER PRIMARY KEY, org TEXT, at INT, trace_id TEXT, span TEXT, model TEXT);
                     INSERT INTO rows VALUES (1, 'acme', 1, 'a', 'b', 'c')";
        rusqlite::Connection::open(&path).unwrap().execute_batch(table).unwrap();
        let task = explained::task(Vec::new(), Chosen::All);
        let relations = BTreeMap::from([(task.schema.name.clone(), (*task.relation).clone())]);
        let source = SqliteSource::new(&path, Arc::clone(&task.clock), relations).unwrap();
        let (wait, patience) = (Duration::ZERO, Duration::from_secs(60));
        let asked = FacetRequest { columns: vec!["model".to_owned()], limit: 1, wait, patience };
        let mut held = Vec::new();
        for _ in 0..CONNECTIONS {
            held.push(source.pool.turn().await.unwrap());
        }
        let refused = source.facets(&task.schema, &task.query, &asked).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Unavailable);
        drop(held);
        let found = source.facets(&task.schema, &task.query, &asked).await.unwrap();
        assert_eq!((found.exact, found.rows), (true, 1));
    }
}
