//! Database rows and what they mean, whichever database they come from. Whatever cannot be read is an `internal`
//! error that names the row.

use std::fmt::Display;

use jiff::{SignedDuration, Timestamp};
use offtake_model::audit::{AuditEntry, Head};
use offtake_model::event::{Event, EventType};
use offtake_model::export::ExportSpec;
use offtake_model::format::{Compression, Format};
use offtake_model::id::OrgId;
use offtake_model::job::{Job, JobError, JobStatus, Phase, Progress};
use offtake_model::{Error, ErrorKind, Result};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::artifacts::{Artifact, ArtifactState};
use crate::jobs::{JobUsage, PerfRow};
use crate::objects::ObjectKey;
use crate::outbox::{Channel, Notification, NotificationState, Owed, Tried};
use crate::refusals::internal;

/// A row of a database, as far as the rows here need one.
pub(crate) trait Record {
    /// Why a cell cannot be read.
    type Error: Display;

    /// A cell of text.
    fn text(&self, column: &str) -> std::result::Result<Option<String>, Self::Error>;

    /// A cell of 64 bits.
    fn int(&self, column: &str) -> std::result::Result<Option<i64>, Self::Error>;

    /// A cell of floating point.
    fn real(&self, column: &str) -> std::result::Result<Option<f64>, Self::Error>;
}

/// Everything [`job`] reads; the spec is joined, because it lies apart.
pub(crate) const JOBS: &str = "SELECT jobs.*, job_specs.spec FROM jobs LEFT JOIN job_specs ON job_specs.job = jobs.id";

/// The version of specs written today.
const SPEC_VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
struct Versioned<T> {
    v: u32,
    spec: T,
}

/// A spec as it is stored: with the version of its form, because it outlives the program that wrote it.
pub(crate) fn spec_to_json(spec: &ExportSpec) -> Result<String> {
    to_json(&Versioned { v: SPEC_VERSION, spec })
}

/// Anything as JSON.
pub(crate) fn to_json(value: &impl Serialize) -> Result<String> {
    serde_json::to_string(value)
        .map_err(|cause| Error::new(ErrorKind::Internal, "a value cannot be stored as JSON").caused_by(cause))
}

/// A count as a database keeps it. Nothing real reaches the ceiling.
pub(crate) fn int(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// A duration as a database keeps it.
pub(crate) fn micros(duration: SignedDuration) -> i64 {
    let ceiling = if duration.is_negative() { i64::MIN } else { i64::MAX };
    i64::try_from(duration.as_micros()).unwrap_or(ceiling)
}

/// Microseconds in a day.
pub(crate) const DAY: i64 = 24 * 60 * 60 * 1_000_000;

/// The first day since the epoch that begins at this moment or later.
pub(crate) const fn first_whole_day(micros: i64) -> i64 {
    micros.div_euclid(DAY) + (micros.rem_euclid(DAY) != 0) as i64
}

/// The first day that statistics still reach.
pub(crate) const fn first_kept_day(now: i64) -> i64 {
    now.div_euclid(DAY) - crate::jobs::STATISTICS_DAYS
}

/// A moment as a database keeps it.
pub(crate) fn moment(micros: i64) -> Result<Timestamp> {
    Timestamp::from_microsecond(micros)
        .map_err(|cause| internal("the database's clock is out of range").caused_by(cause))
}

/// A rate as a database keeps it; SQLite takes NaN for NULL.
pub(crate) fn real(number: f64) -> f64 {
    if number.is_finite() { number } else { 0.0 }
}

/// The cells of a row that has a name to complain with.
struct Cells<'r, R> {
    row: &'r R,
    what: String,
}

impl<R: Record> Cells<'_, R> {
    fn some<T>(&self, column: &str, read: std::result::Result<Option<T>, R::Error>) -> Result<Option<T>> {
        read.map_err(|cause| self.unreadable(column, &cause))
    }

    fn maybe_text(&self, column: &str) -> Result<Option<String>> {
        self.some(column, self.row.text(column))
    }

    fn text(&self, column: &str) -> Result<String> {
        self.maybe_text(column)?.ok_or_else(|| self.unreadable(column, &"it is NULL"))
    }

    fn real(&self, column: &str) -> Result<f64> {
        self.some(column, self.row.real(column))?.ok_or_else(|| self.unreadable(column, &"it is NULL"))
    }

    fn parse<T>(&self, column: &str, parse: impl FnOnce(&str) -> Option<T>) -> Result<T> {
        let text = self.text(column)?;
        parse(&text).ok_or_else(|| self.unreadable(column, &format_args!("{text:?} is no value it can have")))
    }

    fn json<T: DeserializeOwned>(&self, column: &str) -> Result<T> {
        let text = self.text(column)?;
        serde_json::from_str(&text).map_err(|cause| self.unreadable(column, &cause))
    }

    fn number<T: TryFrom<i64>>(&self, column: &str) -> Result<T> {
        self.maybe_number(column)?.ok_or_else(|| self.unreadable(column, &"it is NULL"))
    }

    fn maybe_number<T: TryFrom<i64>>(&self, column: &str) -> Result<Option<T>> {
        let number = self.some(column, self.row.int(column))?;
        let fits = |number| T::try_from(number).map_err(|_| self.unreadable(column, &"it is out of range"));
        number.map(fits).transpose()
    }

    fn time(&self, column: &str) -> Result<Timestamp> {
        self.maybe_time(column)?.ok_or_else(|| self.unreadable(column, &"it is NULL"))
    }

    fn maybe_time(&self, column: &str) -> Result<Option<Timestamp>> {
        let micros = self.some(column, self.row.int(column))?;
        let moment = |micros| Timestamp::from_microsecond(micros).map_err(|cause| self.unreadable(column, &cause));
        micros.map(moment).transpose()
    }

    fn unreadable(&self, column: &str, cause: &dyn std::fmt::Display) -> Error {
        internal(format!("{}: its {column} in the job store cannot be read: {cause}", self.what))
    }
}

fn cells<'r, R: Record>(row: &'r R, kind: &str, id_column: &str) -> Result<Cells<'r, R>> {
    let nameless = Cells { row, what: kind.to_owned() };
    let what = format!("{kind} {}", nameless.text(id_column)?);
    Ok(Cells { row, what })
}

/// A row of [`JOBS`].
pub(crate) fn job(row: &impl Record) -> Result<Job> {
    let cells = cells(row, "job", "id")?;
    job_of(&cells, spec(&cells)?)
}

/// A row of `jobs`, of a job that was asked for by this spec.
pub(crate) fn asked_job(row: &impl Record, spec: ExportSpec) -> Result<Job> {
    job_of(&cells(row, "job", "id")?, spec)
}

fn job_of(cells: &Cells<'_, impl Record>, spec: ExportSpec) -> Result<Job> {
    let error_code = cells.maybe_text("error_code")?;
    let error = match error_code {
        None => None,
        Some(_) => Some(JobError {
            code: cells.parse("error_code", ErrorKind::from_code)?,
            message: cells.maybe_text("error_message")?.unwrap_or_default(),
        }),
    };
    Ok(Job {
        id: cells.parse("id", |id| id.parse().ok())?,
        org: cells.parse("org", |org| OrgId::new(org).ok())?,
        owner: cells.text("owner")?,
        owner_email: cells.maybe_text("owner_email")?,
        spec,
        name: cells.text("name")?,
        file_name: cells.text("file_name")?,
        status: cells.parse("status", JobStatus::parse)?,
        phase: cells.parse("phase", Phase::parse)?,
        attempt: cells.number("attempt")?,
        failures: cells.number("failures")?,
        deaths: cells.number("deaths")?,
        progress: Progress {
            rows: cells.number("rows_done")?,
            bytes: cells.number("bytes_done")?,
            rows_per_second: cells.real("rows_per_second")?,
        },
        rows_matching: cells.maybe_number("rows_matching")?,
        rows_expected: cells.maybe_number("rows_expected")?,
        error,
        request_id: cells.maybe_text("request_id")?,
        traceparent: cells.maybe_text("traceparent")?,
        pinned_to: cells.maybe_text("pinned_to")?,
        created_at: cells.time("created_at")?,
        run_at: cells.time("run_at")?,
        started_at: cells.maybe_time("started_at")?,
        completed_at: cells.maybe_time("completed_at")?,
        expires_at: cells.maybe_time("expires_at")?,
    })
}

fn spec(cells: &Cells<'_, impl Record>) -> Result<ExportSpec> {
    #[derive(Deserialize)]
    struct Version {
        v: u32,
    }
    match cells.json::<Versioned<ExportSpec>>("spec") {
        Ok(Versioned { v: SPEC_VERSION, spec }) => Ok(spec),
        // A spec of a newer form is named as such and not as damaged.
        other => match cells.json::<Version>("spec")? {
            Version { v: SPEC_VERSION } => other.map(|stored| stored.spec),
            Version { v } => Err(cells.unreadable("spec", &format_args!("form {v} was written by a newer Offtake"))),
        },
    }
}

/// What belongs to `job` and lies in `column` as JSON.
pub(crate) fn json_of_job<T: DeserializeOwned>(row: &impl Record, column: &str) -> Result<T> {
    let cells = cells(row, "job", "job")?;
    cells.json(column)
}

/// A row of `artifacts`.
pub(crate) fn artifact(row: &impl Record) -> Result<Artifact> {
    let mut cells = cells(row, "artifact", "id")?;
    cells.what = format!("job {}, {}", cells.text("job")?, cells.what);
    let receipt = cells.maybe_text("receipt")?;
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
        media_type: cells.text("media_type")?,
        file_name: cells.text("file_name")?,
        bytes: cells.maybe_number("bytes")?,
        sha256: cells.maybe_text("sha256")?,
        receipt: if receipt.is_some() { Some(cells.json("receipt")?) } else { None },
        created_at: cells.time("created_at")?,
    })
}

/// A row of `performance`.
pub(crate) fn performance(row: &impl Record) -> Result<PerfRow> {
    let cells = cells(row, "performance of job", "job")?;
    Ok(PerfRow {
        job: cells.parse("job", |id| id.parse().ok())?,
        dataset: cells.text("dataset")?,
        format: cells.text("format")?,
        completed_at: cells.time("completed_at")?,
        rows: cells.number("rows_done")?,
        bytes: cells.number("bytes_done")?,
        queued_ms: cells.maybe_number("queued_ms")?,
        usage: JobUsage {
            duration_ms: cells.number("duration_ms")?,
            frame_ms: [cells.real("frame_ms_p50")?, cells.real("frame_ms_p95")?, cells.real("frame_ms_max")?],
            frame_bytes: [
                cells.number("frame_bytes_p50")?,
                cells.number("frame_bytes_p95")?,
                cells.number("frame_bytes_max")?,
            ],
            peak_memory: cells.number("peak_memory")?,
        },
    })
}

/// A row of `audit_entries`. What its words mean is not asked here: one that nobody knows must not hide the entry.
pub(crate) fn audit_entry(row: &impl Record) -> Result<AuditEntry> {
    let nameless = Cells { row, what: "an audit entry".to_owned() };
    let number = nameless.number("number")?;
    let cells = Cells { row, what: format!("audit entry {number}") };
    Ok(AuditEntry {
        org: cells.parse("org", |org| OrgId::new(org).ok())?,
        number,
        at: cells.number("at")?,
        actor: cells.text("actor")?,
        via: cells.text("via")?,
        action: cells.text("action")?,
        object_kind: cells.text("object_kind")?,
        object_id: cells.text("object_id")?,
        outcome: cells.text("outcome")?,
        address: cells.maybe_text("address")?,
        user_agent: cells.maybe_text("user_agent")?,
        request_id: cells.maybe_text("request_id")?,
        detail: cells.text("detail")?,
        previous: cells.text("previous")?,
        hash: cells.text("hash")?,
    })
}

/// A row of `events`.
pub(crate) fn event(row: &impl Record) -> Result<Event> {
    let nameless = Cells { row, what: "an event".to_owned() };
    let seq = nameless.number("seq")?;
    let cells = Cells { row, what: format!("event {seq}") };
    let job = cells.maybe_text("job")?;
    Ok(Event {
        org: cells.parse("org", |org| OrgId::new(org).ok())?,
        seq,
        kind: cells.parse("kind", EventType::parse)?,
        job: if job.is_some() { Some(cells.parse("job", |id| id.parse().ok())?) } else { None },
        owner: cells.maybe_text("owner")?,
        at: cells.time("at")?,
        data: cells.json("data")?,
    })
}

/// What [`notification`] reads.
pub(crate) const NOTIFICATIONS: &str =
    "n.id, n.channel, n.address, n.state, n.tries, n.due_at, n.created_at, n.last_answer, n.fence,
     e.org, e.seq, e.kind, e.job, e.owner, e.at, e.data";

/// A row of `notifications` with its event.
pub(crate) fn notification(row: &impl Record) -> Result<Notification> {
    let cells = cells(row, "notification", "id")?;
    let event = event(row)?;
    Ok(Notification {
        id: cells.parse("id", |id| id.parse().ok())?,
        org: event.org.clone(),
        channel: cells.parse("channel", Channel::parse)?,
        address: cells.text("address")?,
        event,
        state: cells.parse("state", NotificationState::parse)?,
        tries: cells.number("tries")?,
        due_at: cells.time("due_at")?,
        created_at: cells.time("created_at")?,
        last_answer: cells.maybe_text("last_answer")?,
    })
}

/// The same, with the right to try it.
pub(crate) fn owed(row: &impl Record) -> Result<Owed> {
    let cells = cells(row, "notification", "id")?;
    Ok(Owed { notification: notification(row)?, fence: cells.number("fence")? })
}

/// A row of `notification_tries`.
pub(crate) fn tried(row: &impl Record) -> Result<Tried> {
    let cells = cells(row, "a try of notification", "notification")?;
    Ok(Tried {
        at: cells.time("at")?,
        number: cells.number("number")?,
        answer: cells.text("answer")?,
        took: SignedDuration::from_micros(cells.number("took")?),
    })
}

/// A row of `audit_heads`.
pub(crate) fn audit_head(row: &impl Record) -> Result<Head> {
    let cells = cells(row, "audit trail of", "org")?;
    Ok(Head {
        org: cells.parse("org", |org| OrgId::new(org).ok())?,
        number: cells.number("number")?,
        hash: cells.text("hash")?,
        at: cells.number("at")?,
        first: cells.number("first")?,
    })
}
