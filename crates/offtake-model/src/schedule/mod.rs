//! Schedules: exports that are asked for again and again by the clock, each of them over a window of its own.
//!
//! Responsible for what a schedule is and when it is due. Not responsible for the rows of a window
//! (`offtake_datasets`), nor for asking in time (`offtake_worker`).

mod timetable;

use std::fmt;
use std::str::FromStr;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use crate::as_of::AsOf;
use crate::error::{Error, ErrorKind};
use crate::id::{JobId, OrgId, ScheduleId};
use crate::permission::{Permission, withholds};
use crate::principal::Standing;
use crate::sensitive::Sight;

pub use timetable::{Passed, Timetable};

/// Schedules that an organization may have.
pub const MOST_SCHEDULES: u32 = 200;
/// Configuration errors in a row after which a schedule is paused.
pub const ERRORS_UNTIL_PAUSE: u32 = 5;
/// How long after its moment a row may be committed and still be in the window, unless the schedule says otherwise.
pub const HORIZON: SignedDuration = SignedDuration::from_mins(15);
/// The longest horizon.
pub const LONGEST_HORIZON: SignedDuration = SignedDuration::from_hours(7 * 24);
/// What a run that comes so much later than it was due is told as.
pub const LATE: SignedDuration = SignedDuration::from_mins(5);

/// Which rows a run takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WindowMode {
    /// Those since the run before: windows that neither overlap nor leave anything out.
    Incremental,
    /// All of them, each time.
    Full,
}

impl WindowMode {
    /// Both, in the order of the documentation.
    pub const ALL: [Self; 2] = [Self::Incremental, Self::Full];

    /// Its name in API and database.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Incremental => "incremental",
            Self::Full => "full",
        }
    }
}

/// Where a window begins or ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Position {
    /// At a cut-off of append-only rows: above it, or up to and including it.
    Cutoff(AsOf),
    /// At a value of the dataset's time column: from it on, or before it.
    Time(Timestamp),
}

impl Position {
    /// As it stands in the key of an object.
    pub fn stamp(&self) -> String {
        let at = match self {
            Self::Cutoff(as_of) => as_of.at(),
            Self::Time(at) => *at,
        };
        at.strftime("%Y%m%dT%H%M%SZ").to_string()
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cutoff(as_of) => as_of.fmt(f),
            Self::Time(at) => at.fmt(f),
        }
    }
}

impl FromStr for Position {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        if text.starts_with('c') {
            return text.parse().map(Self::Cutoff);
        }
        let unreadable = |_| Error::new(ErrorKind::InvalidRequest, "is no position of a schedule");
        text.parse().map(Self::Time).map_err(unreadable)
    }
}

/// The rows of one run. What is left open has no bound on that side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Window {
    /// Where it begins.
    pub from: Option<Position>,
    /// Where it ends.
    pub to: Option<Position>,
}

/// What somebody says of a schedule.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ScheduleContent {
    /// Its name, for people.
    pub name: String,
    /// The dataset it exports.
    pub dataset: String,
    /// What is asked for, as in the body of an export, without the window.
    pub request: Map<String, Json>,
    /// When, as a cron expression.
    pub cron: String,
    /// Whose clock it goes by.
    pub time_zone: String,
    /// Which rows.
    pub window: WindowMode,
    /// How long after its moment a row may be committed and still be in its window, in seconds; where windows are cut by
    /// a time column.
    pub horizon_seconds: u32,
}

impl ScheduleContent {
    /// When it is due.
    ///
    /// # Errors
    /// `invalid_request`.
    pub fn timetable(&self) -> Result<Timetable, Error> {
        Timetable::parse(&self.cron, &self.time_zone)
    }

    /// How long rows are waited for.
    pub fn horizon(&self) -> SignedDuration {
        SignedDuration::from_secs(i64::from(self.horizon_seconds))
    }
}

/// Whether a schedule runs by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ScheduleState {
    /// It does.
    Active,
    /// It does not, until somebody resumes it.
    Paused {
        /// A stable word: `asked`, `owner_withdrawn`, `configuration`.
        reason: String,
        /// What happened, for people.
        detail: String,
    },
}

/// In whose name a schedule asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScheduleOwner {
    /// The principal.
    pub sub: String,
    /// Where to write to.
    pub email: Option<String>,
    /// What the owner had to be allowed, and must still be at each run.
    pub needs: Vec<Permission>,
    /// What the owner could see of sensitive columns.
    pub sight: Sight,
}

/// A schedule.
#[derive(Debug, Clone, PartialEq)]
pub struct Schedule {
    /// Its id.
    pub id: ScheduleId,
    /// Whose it is.
    pub org: OrgId,
    /// In whose name it asks.
    pub owner: ScheduleOwner,
    /// What it asks for, and when.
    pub content: ScheduleContent,
    /// Whether it runs.
    pub state: ScheduleState,
    /// Where the next window begins; `None`: at the beginning of all rows.
    pub position: Option<Position>,
    /// When it is due; `None` while it is paused.
    pub next_run_at: Option<Timestamp>,
    /// When it last ran, by the clock or because somebody asked.
    pub last_run_at: Option<Timestamp>,
    /// Configuration errors in a row.
    pub errors: u32,
    /// The last thing that went wrong, for people.
    pub last_error: Option<String>,
    /// Grows by one with every change of what it says.
    pub version: u64,
    /// When it was made.
    pub created_at: Timestamp,
    /// When what it says was last changed.
    pub updated_at: Timestamp,
}

impl Schedule {
    /// What it may show of sensitive columns, now that its owner stands so: never more than when it was saved.
    pub fn sight_under(&self, standing: &Standing) -> Sight {
        if withholds(&standing.withheld, &Permission::PiiRead) { Sight::Veiled } else { self.owner.sight }
    }
}

/// Why a run was begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunKind {
    /// It was due.
    Scheduled,
    /// Somebody asked for it now.
    Asked,
    /// Somebody asked for a window of the past.
    Backfill,
}

impl RunKind {
    /// Its name in API and database.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Scheduled => "scheduled",
            Self::Asked => "asked",
            Self::Backfill => "backfill",
        }
    }

    /// The one of this name.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Scheduled, Self::Asked, Self::Backfill].into_iter().find(|kind| kind.name() == name)
    }
}

/// A run: a window and the job that exports it.
#[derive(Debug, Clone, PartialEq)]
pub struct ScheduleRun {
    /// The job.
    pub job: JobId,
    /// Its state, as of now.
    pub status: crate::job::JobStatus,
    /// Why it was begun.
    pub kind: RunKind,
    /// Its rows.
    pub window: Window,
    /// When it was due.
    pub due_at: Timestamp,
    /// When the job was made.
    pub created_at: Timestamp,
}

/// Whether a schedule may be called so.
pub fn is_schedule_name(text: &str) -> bool {
    (1..=100).contains(&text.chars().count()) && !text.chars().any(char::is_control) && text.trim() == text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_come_back() {
        let at: Timestamp = "2026-10-25T00:30:00.123456Z".parse().unwrap();
        for position in [Position::Time(at), Position::Cutoff(AsOf::Cutoff { sequence: 7, at })] {
            assert_eq!(position.to_string().parse::<Position>().unwrap(), position);
            assert_eq!(position.stamp(), "20261025T003000Z");
        }
        assert!("yesterday".parse::<Position>().is_err());
    }
}
