//! What a schedule asks for: its request, and the window of each of its runs.
//!
//! A schedule is checked like a request, when it is saved and at each run, because the dataset may have changed in
//! between. Windows are cut where rows tell when they came: by the cut-off of append-only rows, else by the time column.

use jiff::{SignedDuration, Timestamp};
use offtake_model::as_of::AsOf;
use offtake_model::dataset::RowsMode;
use offtake_model::destination::USUAL_KEY_OF_RUNS;
use offtake_model::export::ExportSpec;
use offtake_model::schedule::{Position, Schedule, ScheduleContent, Window, WindowMode};
use offtake_model::{Error, ErrorKind, Result, Violation};
use serde_json::{Value as Json, json};

use super::Found;
use crate::catalog::Dataset;

/// What the window says, so that the request cannot.
const OF_WINDOWS: [&str; 5] = ["start_time", "end_time", "as_of", "newer_than", "limit"];
/// What no request can say that is asked again and again.
const OF_MOMENTS: [&str; 2] = ["as_of", "newer_than"];

/// How the rows of a dataset are cut into windows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cut {
    /// By what was there at a moment: exact, whenever a row was committed.
    Cutoff,
    /// By a column of time: exact for rows that are committed within the horizon.
    Time,
}

impl Dataset {
    /// Checks what a schedule says: what a run of it is, but for its window.
    ///
    /// # Errors
    /// `invalid_request` with everything that is wrong with it.
    pub fn check_schedule(&self, content: &ScheduleContent) -> Result<ExportSpec> {
        let mut found = Found::default();
        let incremental = content.window == WindowMode::Incremental;
        if incremental && let Err(error) = self.cut() {
            found.at("/window", error.detail());
        }
        let forbidden: &[&str] = if incremental { &OF_WINDOWS } else { &OF_MOMENTS };
        for name in forbidden.iter().filter(|name| content.request.contains_key(**name)) {
            found.at(
                &format!("/request/{name}"),
                "is for the schedule to say: each of its runs has a window of its own",
            );
        }
        // Where the request names a moment, that is wrong already.
        let spec = if found.violations.is_empty() {
            self.run_spec(content, "sch", Window::default(), Timestamp::UNIX_EPOCH)
        } else {
            Err(Error::invalid(Vec::new()))
        };
        for Violation { pointer, detail } in spec.as_ref().err().into_iter().flat_map(Error::violations) {
            found.at(&format!("/request{pointer}"), detail.as_str());
        }
        if incremental && content.request.get("scope").is_some_and(|scope| scope == "trace") {
            found.at("/request/scope", "whole traces have rows of any age, which no window has; leave scope out");
        }
        match spec {
            Ok(spec) => found.or(spec),
            Err(_) => Err(found.error()),
        }
    }

    /// The rows of the next run, if there can be any: those since its position, up to what is settled at `due_at`.
    ///
    /// # Errors
    /// `source_unavailable`; `invalid_request` if the dataset cannot be cut into windows any more.
    pub async fn next_window(&self, schedule: &Schedule, due_at: Timestamp) -> Result<Option<Window>> {
        if schedule.content.window == WindowMode::Full {
            return Ok(Some(Window::default()));
        }
        let from = schedule.position;
        match (self.cut()?, from) {
            (Cut::Cutoff, None | Some(Position::Cutoff(_))) => {
                let present = self.source.moment(&self.schema, &schedule.org).await?;
                let empty = from.is_some_and(|from| sequence(from) >= sequence(Position::Cutoff(present)));
                Ok((!empty).then_some(Window { from, to: Some(Position::Cutoff(present)) }))
            }
            (Cut::Time, None | Some(Position::Time(_))) => {
                let settled = due_at.saturating_sub(schedule.content.horizon()).unwrap_or(due_at);
                let to = match from {
                    // Longer windows are refused; the rest is the next run's.
                    Some(Position::Time(from)) => {
                        if settled <= from {
                            return Ok(None);
                        }
                        let days = SignedDuration::from_hours(24 * i64::from(self.schema.limits.days));
                        settled.min(from.saturating_add(days).unwrap_or(settled))
                    }
                    _ => settled,
                };
                Ok(Some(Window { from, to: Some(Position::Time(to)) }))
            }
            (Cut::Cutoff | Cut::Time, Some(_)) => Err(Error::invalid_at(
                "/window",
                format!(
                    "{} is now cut into windows otherwise than it was: its rows are of another kind; make a new schedule",
                    self.schema.name
                ),
            )),
        }
    }

    /// The window of a schedule that begins with what comes from now on.
    ///
    /// # Errors
    /// As [`next_window`](Self::next_window).
    pub async fn present_position(&self, schedule: &Schedule, now: Timestamp) -> Result<Option<Position>> {
        let whole = Schedule { position: None, ..schedule.clone() };
        Ok(self.next_window(&whole, now).await?.and_then(|window| window.to))
    }

    /// The window of a backfill.
    ///
    /// # Errors
    /// `invalid_request`.
    pub fn backfill(&self, from: Timestamp, to: Timestamp) -> Result<Window> {
        if self.schema.time.is_none() {
            let detail = format!("{} has no time column by which a window of the past could be cut", self.schema.name);
            return Err(Error::invalid_at("/from", detail));
        }
        if from >= to {
            return Err(Error::invalid_at("/to", "the window ends after it starts"));
        }
        Ok(Window { from: Some(Position::Time(from)), to: Some(Position::Time(to)) })
    }

    /// What a run of `schedule` over `window` asks for.
    ///
    /// # Errors
    /// `invalid_request` if the dataset has changed since the schedule was saved.
    pub fn run_of(&self, schedule: &Schedule, window: Window, now: Timestamp) -> Result<ExportSpec> {
        self.run_spec(&schedule.content, &schedule.id.to_string(), window, now)
    }

    fn run_spec(&self, content: &ScheduleContent, id: &str, window: Window, now: Timestamp) -> Result<ExportSpec> {
        let mut body = content.request.clone();
        let ends = [(window.from, "newer_than", "start_time"), (window.to, "as_of", "end_time")];
        for (end, cutoff, time) in ends {
            match end {
                Some(Position::Cutoff(as_of)) => body.insert(cutoff.to_owned(), json!(as_of)),
                Some(Position::Time(at)) => body.insert(time.to_owned(), json!(at)),
                None => None,
            };
        }
        let until = window.to.unwrap_or(Position::Time(now));
        let name = format!("{} – {}", content.name, until.stamp());
        body.entry("name").or_insert_with(|| json!(name));
        if let Some(to) = body.get_mut("destination").and_then(Json::as_object_mut) {
            let template = to.get("key").and_then(Json::as_str).unwrap_or(USUAL_KEY_OF_RUNS);
            let from = window.from.map_or_else(|| "beginning".to_owned(), |from| from.stamp());
            let key = template.replace("{schedule}", id).replace("{from}", &from).replace("{to}", &until.stamp());
            to.insert("key".to_owned(), json!(key));
        }
        self.parse_export(&Json::Object(body))
    }

    fn cut(&self) -> Result<Cut> {
        match (self.schema.rows, &self.schema.time) {
            (RowsMode::AppendOnly, _) => Ok(Cut::Cutoff),
            (RowsMode::Mutable | RowsMode::Versioned, Some(_)) => Ok(Cut::Time),
            (RowsMode::Mutable | RowsMode::Versioned, None) => Err(Error::new(
                ErrorKind::InvalidRequest,
                format!(
                    "{} has neither append-only rows nor a time column; only full runs are possible",
                    self.schema.name
                ),
            )),
        }
    }
}

fn sequence(position: Position) -> i64 {
    match position {
        Position::Cutoff(AsOf::Cutoff { sequence, .. }) => sequence,
        Position::Cutoff(AsOf::Snapshot { .. }) | Position::Time(_) => -1,
    }
}
