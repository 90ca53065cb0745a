//! How far a job is, told to a person or a log: a bar on a terminal, plain lines otherwise.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use offtake_model::job::Job;
use serde_json::{Value as Json, json};

use crate::output;

/// What of a job is worth telling while it runs.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Seen {
    /// Its state.
    pub(crate) status: String,
    /// What it does.
    pub(crate) phase: String,
    /// Rows in the file.
    pub(crate) rows: u64,
    /// Rows it will have, once counted.
    pub(crate) expected: Option<u64>,
    /// Bytes of the file.
    pub(crate) bytes: u64,
    /// Rows per second.
    pub(crate) rate: f64,
}

impl From<&Job> for Seen {
    fn from(job: &Job) -> Self {
        Self {
            status: job.status.name().to_owned(),
            phase: job.phase.name().to_owned(),
            rows: job.progress.rows,
            expected: job.rows_expected,
            bytes: job.progress.bytes,
            rate: job.progress.rows_per_second,
        }
    }
}

impl Seen {
    /// From a job as the API tells it.
    pub(crate) fn of_json(job: &Json) -> Self {
        let text = |name: &str| job[name].as_str().unwrap_or_default().to_owned();
        Self {
            status: text("status"),
            phase: text("phase"),
            rows: job["row_count"].as_u64().unwrap_or(0),
            expected: job["expected_rows"].as_u64(),
            bytes: job["file_size_bytes"].as_u64().unwrap_or(0),
            rate: job["rows_per_second"].as_f64().unwrap_or(0.0),
        }
    }

    /// Whether work is still to come.
    pub(crate) fn is_active(&self) -> bool {
        matches!(self.status.as_str(), "pending" | "processing")
    }

    fn plain(&self) -> String {
        if self.rows == 0 && self.expected.is_none() {
            return self.phase.clone();
        }
        let of = self.expected.map(|expected| format!(" of {expected}")).unwrap_or_default();
        let mut line = format!("{}: {}{of} rows", self.phase, self.rows);
        if self.bytes > 0 {
            line.push_str(&format!(", {}", size(self.bytes)));
        }
        if self.rate > 0.0 {
            line.push_str(&format!(", {:.0} rows/s", self.rate));
        }
        line
    }
}

/// Tells.
#[derive(Debug)]
pub(crate) struct Progress {
    bar: Option<ProgressBar>,
    json: bool,
    last: Option<(Instant, Seen)>,
}

/// While nobody knows how much there is.
const SPINNER: &str = "{spinner} {msg}";
/// Between two lines about the same phase.
const QUIET: Duration = Duration::from_secs(5);

impl Progress {
    /// For a command that was asked for `json` or not.
    pub(crate) fn new(json: bool) -> Self {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(10));
        // It shows on a terminal that can take back what it shows.
        let bar = Some(bar).filter(|bar| !json && !bar.is_hidden());
        if let Some(bar) = &bar {
            style(bar, false, SPINNER);
            bar.enable_steady_tick(Duration::from_millis(250));
        }
        Self { bar, json, last: None }
    }

    /// Tells how far it is.
    pub(crate) fn tell(&mut self, seen: &Seen) {
        if let Some(bar) = &self.bar {
            draw(bar, seen);
            return;
        }
        let due = self
            .last
            .as_ref()
            .is_none_or(|(at, last)| last.phase != seen.phase || (at.elapsed() >= QUIET && last != seen));
        if due && seen.is_active() {
            output::say(&if self.json { as_json(seen) } else { seen.plain() });
            self.last = Some((Instant::now(), seen.clone()));
        }
    }

    /// Tells how far a transfer is.
    pub(crate) fn transfer(&mut self, what: &str, done: u64, total: u64) {
        if let Some(bar) = &self.bar {
            style(bar, true, "{msg} [{bar:30}] {percent}% {decimal_bytes_per_sec} {eta}");
            bar.set_length(total);
            bar.set_position(done);
            bar.set_message(what.to_owned());
        }
    }

    /// Takes the bar away.
    pub(crate) fn clear(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

fn as_json(seen: &Seen) -> String {
    json!({
        "status": seen.status, "phase": seen.phase, "row_count": seen.rows, "expected_rows": seen.expected,
        "file_size_bytes": seen.bytes, "rows_per_second": seen.rate,
    })
    .to_string()
}

fn draw(bar: &ProgressBar, seen: &Seen) {
    match seen.expected.filter(|_| seen.phase == "exporting" || seen.phase == "publishing") {
        Some(expected) => {
            style(bar, true, "{msg} [{bar:30}] {percent}% {eta}");
            bar.set_length(expected);
            bar.set_position(seen.rows);
        }
        None => style(bar, false, SPINNER),
    }
    bar.set_message(seen.plain());
}

fn style(bar: &ProgressBar, is_bar: bool, template: &str) {
    if bar.length().is_some() == is_bar && bar.position() > 0 {
        return;
    }
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style.progress_chars("=> "));
    }
}

/// A size for people.
pub(crate) fn size(bytes: u64) -> String {
    let units = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut value = bytes as f64;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < units.len() {
        value /= 1024.0;
        unit += 1;
    }
    if unit == 0 { format!("{bytes} B") } else { format!("{value:.1} {}", units[unit]) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_of_the_api_and_one_of_the_store_tell_the_same() {
        let seen = Seen::of_json(&json!({
            "status": "processing", "phase": "exporting", "row_count": 5, "expected_rows": 10,
            "file_size_bytes": 2048, "rows_per_second": 2.5,
        }));
        assert_eq!(seen.plain(), "exporting: 5 of 10 rows, 2.0 KiB, 2 rows/s");
        assert!(seen.is_active());
        assert!(!Seen::of_json(&json!({ "status": "completed" })).is_active());
    }
}
