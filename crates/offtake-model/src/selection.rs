//! Which of the matching rows: all, all but some, or just some.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

/// A selection as it is asked for. Identities are objects of the dataset's identity columns, unchecked here.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(tag = "mode", rename_all = "snake_case", deny_unknown_fields)]
pub enum Selection {
    /// Every matching row.
    #[default]
    All,
    /// Every matching row but these.
    AllExcept {
        /// The rows left out.
        ids: Vec<Map<String, Json>>,
    },
    /// Just these, as far as they match.
    Partial {
        /// The rows taken.
        ids: Vec<Map<String, Json>>,
    },
}

/// What a chosen row brings along.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// Itself.
    #[default]
    Row,
    /// Its whole trace: every row of the dataset with the same trace id, whatever filters and selection say of it.
    Trace,
}

impl Scope {
    /// Every scope.
    pub const ALL: [Self; 2] = [Self::Row, Self::Trace];

    /// Its name in the API.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Row => "row",
            Self::Trace => "trace",
        }
    }

    /// Whether it is what nobody has to ask for.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

impl Selection {
    /// Its name in the API.
    pub const fn mode(&self) -> &'static str {
        match self {
            Self::All => "all",
            Self::AllExcept { .. } => "all_except",
            Self::Partial { .. } => "partial",
        }
    }
}
