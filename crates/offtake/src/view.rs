//! Jobs for people, and for `--json` in the words of the API.

use jiff::Timestamp;
use offtake_model::job::Job;
use serde_json::{Value as Json, json};

use crate::progress::size;

/// A job of the store, in the words of the API, as far as they do not depend on who asks.
pub(crate) fn job(job: &Job, now: Timestamp) -> Json {
    let limited = matches!((job.rows_expected, job.rows_matching), (Some(expected), Some(all)) if expected < all);
    json!({
        "job_id": job.id,
        "dataset": job.spec.dataset,
        "name": job.name,
        "file_name": job.file_name,
        "spec": job.spec,
        "status": job.status,
        "phase": job.phase,
        "format": job.spec.format,
        "compression": job.spec.compression,
        "created_at": job.created_at,
        "started_at": job.started_at,
        "completed_at": job.completed_at,
        "expires_at": job.expires_at,
        "row_count": job.progress.rows,
        "expected_rows": job.rows_expected,
        "matching_rows": job.rows_matching,
        "limited": limited,
        "file_size_bytes": job.progress.bytes,
        "rows_per_second": job.progress.rows_per_second,
        "error": job.error,
        "attempt": job.attempt,
        "request_id": job.request_id,
        "owner": job.owner,
        "metadata": { "is_expired": job.expires_at.is_some_and(|at| at <= now) },
    })
}

/// One line of a list.
pub(crate) fn row(job: &Json) -> String {
    format!(
        "{}  {:<10}  {:>12} rows  {:>10}  {}  {}",
        text(job, "job_id"),
        text(job, "status"),
        job["row_count"].as_u64().unwrap_or(0),
        size(job["file_size_bytes"].as_u64().unwrap_or(0)),
        text(job, "created_at").get(..19).unwrap_or_default(),
        text(job, "name"),
    )
}

/// One job, a fact a line.
pub(crate) fn page(job: &Json) -> String {
    let mut lines = vec![format!("{}  {}", text(job, "job_id"), text(job, "name"))];
    let mut fact = |name: &str, value: String| {
        if !value.is_empty() {
            lines.push(format!("  {name:<10} {value}"));
        }
    };
    fact("status", format!("{} ({})", text(job, "status"), text(job, "phase")));
    let expected = job["expected_rows"].as_u64().map(|rows| format!(" of {rows}")).unwrap_or_default();
    fact("rows", format!("{}{expected}", job["row_count"].as_u64().unwrap_or(0)));
    fact("size", size(job["file_size_bytes"].as_u64().unwrap_or(0)));
    fact("file", text(job, "file_name"));
    fact("owner", text(job, "owner"));
    fact("request", text(job, "request_id"));
    fact("created", text(job, "created_at"));
    fact("started", text(job, "started_at"));
    fact("at rest", text(job, "completed_at"));
    fact("expires", text(job, "expires_at"));
    fact("attempt", job["attempt"].as_u64().map(|attempt| attempt.to_string()).unwrap_or_default());
    let error = &job["error"];
    if error.is_object() {
        fact("error", format!("{}: {}", text(error, "code"), text(error, "message")));
    }
    lines.join("\n")
}

fn text(of: &Json, name: &str) -> String {
    of[name].as_str().unwrap_or_default().to_owned()
}
