//! Database rows and what they mean. Whatever cannot be read is an `internal` error that names the row.

use jiff::{SignedDuration, Timestamp};
use offtake_model::error::ErrorKind;
use offtake_model::export::ExportSpec;
use offtake_model::format::{Compression, Format};
use offtake_model::id::OrgId;
use offtake_model::job::{Job, JobError, JobStatus, Phase, Progress};
use rusqlite::types::FromSql;
use rusqlite::{Connection, OptionalExtension, Params, Row};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::fault::{Fault, Sql, internal};
use crate::artifacts::{Artifact, ArtifactState};
use crate::jobs::{JobUsage, PerfRow};
use crate::objects::ObjectKey;

/// Everything [`job`] reads; the spec is joined, because it lies apart.
pub(super) const JOBS: &str = "SELECT jobs.*, job_specs.spec FROM jobs LEFT JOIN job_specs ON job_specs.job = jobs.id";

/// The version of specs written today.
const SPEC_VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
struct Versioned<T> {
    v: u32,
    spec: T,
}

/// A spec as it is stored: with the version of its form, because it outlives the program that wrote it.
pub(super) fn spec_to_json(spec: &ExportSpec) -> Sql<String> {
    to_json(&Versioned { v: SPEC_VERSION, spec })
}

/// Anything as JSON.
pub(super) fn to_json(value: &impl Serialize) -> Sql<String> {
    serde_json::to_string(value).map_err(|cause| {
        Fault::Decided(
            offtake_model::Error::new(ErrorKind::Internal, "a value cannot be stored as JSON").caused_by(cause),
        )
    })
}

/// A count as SQLite keeps it. Nothing real reaches the ceiling.
pub(super) fn int(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// A duration as SQLite keeps it.
pub(super) fn micros(duration: SignedDuration) -> i64 {
    let ceiling = if duration.is_negative() { i64::MIN } else { i64::MAX };
    i64::try_from(duration.as_micros()).unwrap_or(ceiling)
}

/// A rate as SQLite keeps it, which takes NaN for NULL.
pub(super) fn real(number: f64) -> f64 {
    if number.is_finite() { number } else { 0.0 }
}

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

/// The cells of a row that has a name to complain with.
struct Cells<'r, 's> {
    row: &'r Row<'s>,
    what: String,
}

impl Cells<'_, '_> {
    fn get<T: FromSql>(&self, column: &str) -> Sql<T> {
        self.row.get(column).map_err(|cause| self.unreadable(column, &cause))
    }

    fn parse<T>(&self, column: &str, parse: impl FnOnce(&str) -> Option<T>) -> Sql<T> {
        let text: String = self.get(column)?;
        parse(&text).ok_or_else(|| self.unreadable(column, &format_args!("{text:?} is no value it can have")))
    }

    fn json<T: DeserializeOwned>(&self, column: &str) -> Sql<T> {
        let text: String = self.get(column)?;
        serde_json::from_str(&text).map_err(|cause| self.unreadable(column, &cause))
    }

    fn number<T: TryFrom<i64>>(&self, column: &str) -> Sql<T> {
        self.maybe_number(column)?.ok_or_else(|| self.unreadable(column, &"it is NULL"))
    }

    fn maybe_number<T: TryFrom<i64>>(&self, column: &str) -> Sql<Option<T>> {
        let number: Option<i64> = self.get(column)?;
        let fits = |number| T::try_from(number).map_err(|_| self.unreadable(column, &"it is out of range"));
        number.map(fits).transpose()
    }

    fn time(&self, column: &str) -> Sql<Timestamp> {
        self.maybe_time(column)?.ok_or_else(|| self.unreadable(column, &"it is NULL"))
    }

    fn maybe_time(&self, column: &str) -> Sql<Option<Timestamp>> {
        let micros: Option<i64> = self.get(column)?;
        let moment = |micros| Timestamp::from_microsecond(micros).map_err(|cause| self.unreadable(column, &cause));
        micros.map(moment).transpose()
    }

    fn unreadable(&self, column: &str, cause: &dyn std::fmt::Display) -> Fault {
        internal(format!("{}: its {column} in the job store cannot be read: {cause}", self.what))
    }
}

fn cells<'r, 's>(row: &'r Row<'s>, kind: &str, id_column: &str) -> Sql<Cells<'r, 's>> {
    let id: String = row.get(id_column)?;
    Ok(Cells { row, what: format!("{kind} {id}") })
}

/// A row of [`JOBS`].
pub(super) fn job(row: &Row<'_>) -> Sql<Job> {
    let cells = cells(row, "job", "id")?;
    let error_code: Option<String> = cells.get("error_code")?;
    let error = match error_code {
        None => None,
        Some(_) => Some(JobError {
            code: cells.parse("error_code", ErrorKind::from_code)?,
            message: cells.get::<Option<String>>("error_message")?.unwrap_or_default(),
        }),
    };
    Ok(Job {
        id: cells.parse("id", |id| id.parse().ok())?,
        org: cells.parse("org", |org| OrgId::new(org).ok())?,
        owner: cells.get("owner")?,
        owner_email: cells.get("owner_email")?,
        spec: spec(&cells)?,
        name: cells.get("name")?,
        file_name: cells.get("file_name")?,
        status: cells.parse("status", JobStatus::parse)?,
        phase: cells.parse("phase", Phase::parse)?,
        attempt: cells.number("attempt")?,
        failures: cells.number("failures")?,
        deaths: cells.number("deaths")?,
        progress: Progress {
            rows: cells.number("rows_done")?,
            bytes: cells.number("bytes_done")?,
            rows_per_second: cells.get("rows_per_second")?,
        },
        rows_matching: cells.maybe_number("rows_matching")?,
        rows_expected: cells.maybe_number("rows_expected")?,
        error,
        request_id: cells.get("request_id")?,
        traceparent: cells.get("traceparent")?,
        pinned_to: cells.get("pinned_to")?,
        created_at: cells.time("created_at")?,
        run_at: cells.time("run_at")?,
        started_at: cells.maybe_time("started_at")?,
        completed_at: cells.maybe_time("completed_at")?,
        expires_at: cells.maybe_time("expires_at")?,
    })
}

fn spec(cells: &Cells<'_, '_>) -> Sql<ExportSpec> {
    // The version first, so that a spec of a newer form is named as such and not as damaged.
    #[derive(Deserialize)]
    struct Version {
        v: u32,
    }
    let Version { v } = cells.json("spec")?;
    if v != SPEC_VERSION {
        return Err(cells.unreadable("spec", &format_args!("form {v} was written by a newer Offtake")));
    }
    Ok(cells.json::<Versioned<ExportSpec>>("spec")?.spec)
}

/// The JSON in column 0, which belongs to the job named in column 1.
pub(super) fn json_of_job<T: DeserializeOwned>(row: &Row<'_>, what: &str) -> Sql<T> {
    let job: String = row.get(1)?;
    let json: String = row.get(0)?;
    serde_json::from_str(&json)
        .map_err(|cause| internal(format!("job {job}: its {what} in the job store cannot be read: {cause}")))
}

/// A row of `artifacts`.
pub(super) fn artifact(row: &Row<'_>) -> Sql<Artifact> {
    let job: String = row.get("job")?;
    let mut cells = cells(row, "artifact", "id")?;
    cells.what = format!("job {job}, {}", cells.what);
    let receipt: Option<String> = cells.get("receipt")?;
    Ok(Artifact {
        id: cells.parse("id", |id| id.parse().ok())?,
        job: cells.parse("job", |id| id.parse().ok())?,
        org: cells.parse("org", |org| OrgId::new(org).ok())?,
        attempt: cells.number("attempt")?,
        key: cells.parse("object_key", ObjectKey::parse)?,
        state: cells.parse("state", ArtifactState::parse)?,
        format: cells.parse("format", |name| Format::ALL.into_iter().find(|format| format.name() == name))?,
        compression: cells
            .parse("compression", |name| Compression::ALL.into_iter().find(|compression| compression.name() == name))?,
        media_type: cells.get("media_type")?,
        file_name: cells.get("file_name")?,
        bytes: cells.maybe_number("bytes")?,
        sha256: cells.get("sha256")?,
        receipt: if receipt.is_some() { Some(cells.json("receipt")?) } else { None },
        created_at: cells.time("created_at")?,
    })
}

/// A row of `performance`.
pub(super) fn performance(row: &Row<'_>) -> Sql<PerfRow> {
    let cells = cells(row, "performance of job", "job")?;
    Ok(PerfRow {
        job: cells.parse("job", |id| id.parse().ok())?,
        dataset: cells.get("dataset")?,
        format: cells.get("format")?,
        completed_at: cells.time("completed_at")?,
        rows: cells.number("rows_done")?,
        bytes: cells.number("bytes_done")?,
        usage: JobUsage {
            duration_ms: cells.number("duration_ms")?,
            frame_ms: [cells.get("frame_ms_p50")?, cells.get("frame_ms_p95")?, cells.get("frame_ms_max")?],
            frame_bytes: [
                cells.number("frame_bytes_p50")?,
                cells.number("frame_bytes_p95")?,
                cells.number("frame_bytes_max")?,
            ],
            peak_memory: cells.number("peak_memory")?,
        },
    })
}
