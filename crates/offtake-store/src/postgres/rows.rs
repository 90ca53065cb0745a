//! Postgres' rows as the rows of any database.

use offtake_model::Result;
use tokio_postgres::Row;
use tokio_postgres::types::FromSql;

use crate::refusals::internal;
use crate::rows::Record;

/// Everything a job is read from but its spec. Columns are named one by one: a statement that is kept prepared must not change
/// its result when a newer Offtake adds a column.
pub(super) const JOB_COLUMNS: &str = "jobs.id, jobs.org, jobs.owner, jobs.owner_email, jobs.name, jobs.file_name, \
     jobs.status, jobs.phase, jobs.attempt, jobs.failures, jobs.deaths, jobs.rows_done, jobs.bytes_done, \
     jobs.rows_per_second, jobs.rows_matching, jobs.rows_expected, jobs.error_code, jobs.error_message, \
     jobs.request_id, jobs.traceparent, jobs.pinned_to, jobs.created_at, jobs.run_at, jobs.started_at, \
     jobs.completed_at, jobs.expires_at";

/// Where [`JOB_COLUMNS`] and `job_specs.spec` come from.
pub(super) const JOB_TABLES: &str = "jobs LEFT JOIN job_specs ON job_specs.job = jobs.id";

/// Everything an artifact is read from.
pub(super) const ARTIFACT_COLUMNS: &str = "artifacts.id, artifacts.job, artifacts.org, artifacts.attempt, \
     artifacts.object_key, artifacts.state, artifacts.format, artifacts.compression, artifacts.media_type, \
     artifacts.file_name, artifacts.bytes, artifacts.sha256, artifacts.receipt, artifacts.created_at";

impl Record for Row {
    type Error = tokio_postgres::Error;

    fn text(&self, column: &str) -> std::result::Result<Option<String>, Self::Error> {
        self.try_get(column)
    }

    fn int(&self, column: &str) -> std::result::Result<Option<i64>, Self::Error> {
        self.try_get(column)
    }

    fn real(&self, column: &str) -> std::result::Result<Option<f64>, Self::Error> {
        self.try_get(column)
    }
}

/// A cell that is always there.
pub(super) fn get<'r, T: FromSql<'r>>(row: &'r Row, column: usize) -> Result<T> {
    row.try_get(column).map_err(|cause| internal("the job store's tables are not as they were made").caused_by(cause))
}
