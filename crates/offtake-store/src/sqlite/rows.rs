//! Statements that read, and SQLite's rows as the rows of any database.

use offtake_model::job::Job;
use rusqlite::types::FromSql;
use rusqlite::{Connection, OptionalExtension, Params, Row};
use serde::de::DeserializeOwned;

use super::fault::Sql;
use crate::artifacts::Artifact;
use crate::jobs::PerfRow;
use crate::rows::{self, Record};
pub(super) use crate::rows::{JOBS, int, micros, real, spec_to_json, to_json};

/// All rows of a statement, decoded.
pub(super) fn all<T>(
    connection: &Connection,
    sql: &str,
    params: impl Params,
    decode: impl Fn(&Row<'_>) -> Sql<T>,
) -> Sql<Vec<T>> {
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query(params)?;
    let mut out = Vec::new();
    while let Some(row) = rows.next()? {
        out.push(decode(row)?);
    }
    Ok(out)
}

/// The first row of a statement, decoded.
pub(super) fn first<T>(
    connection: &Connection,
    sql: &str,
    params: impl Params,
    decode: impl Fn(&Row<'_>) -> Sql<T>,
) -> Sql<Option<T>> {
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query(params)?;
    rows.next()?.map(decode).transpose()
}

/// One plain column of one row.
pub(super) fn scalar<T: FromSql>(connection: &Connection, sql: &str, params: impl Params) -> Sql<Option<T>> {
    Ok(connection.prepare_cached(sql)?.query_row(params, |row| row.get(0)).optional()?)
}

impl Record for Row<'_> {
    type Error = rusqlite::Error;

    fn text(&self, column: &str) -> rusqlite::Result<Option<String>> {
        self.get(column)
    }

    fn int(&self, column: &str) -> rusqlite::Result<Option<i64>> {
        self.get(column)
    }

    fn real(&self, column: &str) -> rusqlite::Result<Option<f64>> {
        self.get(column)
    }
}

/// A row of [`JOBS`].
pub(super) fn job(row: &Row<'_>) -> Sql<Job> {
    Ok(rows::job(row)?)
}

/// A row of `artifacts`.
pub(super) fn artifact(row: &Row<'_>) -> Sql<Artifact> {
    Ok(rows::artifact(row)?)
}

/// A row of `performance`.
pub(super) fn performance(row: &Row<'_>) -> Sql<PerfRow> {
    Ok(rows::performance(row)?)
}

/// What belongs to a job and lies in `column` as JSON.
pub(super) fn json_of_job<T: DeserializeOwned>(row: &Row<'_>, column: &str) -> Sql<T> {
    Ok(rows::json_of_job(row, column)?)
}
