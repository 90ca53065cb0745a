//! Which of the matching rows: all, all but some, or just some.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

/// Rows by their identities. Shared: there may be ten thousand.
pub type Ids = Arc<[Map<String, Json>]>;

/// A selection as it is asked for. Identities are objects of the dataset's identity columns, unchecked here.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(tag = "mode", rename_all = "snake_case", try_from = "Map<String, Json>")]
pub enum Selection {
    /// Every matching row.
    #[default]
    All,
    /// Every matching row but these.
    AllExcept {
        /// The rows left out.
        ids: Ids,
    },
    /// Just these, as far as they match.
    Partial {
        /// The rows taken.
        ids: Ids,
    },
}

impl TryFrom<Map<String, Json>> for Selection {
    type Error = String;

    /// Identities are moved, not copied.
    fn try_from(mut written: Map<String, Json>) -> Result<Self, String> {
        let ids = written.shift_remove("ids").map(identities).transpose()?;
        let mode = written.shift_remove("mode");
        if let Some(name) = written.keys().next() {
            return Err(format!("a selection has mode and ids, and no {name}"));
        }
        match (mode.as_ref().and_then(Json::as_str), ids) {
            (Some("all"), None) => Ok(Self::All),
            (Some("all_except"), Some(ids)) => Ok(Self::AllExcept { ids }),
            (Some("partial"), Some(ids)) => Ok(Self::Partial { ids }),
            _ => Err("a selection is all, or all_except or partial with ids".to_owned()),
        }
    }
}

fn identities(json: Json) -> Result<Ids, String> {
    let Json::Array(ids) = json else { return Err("ids are an array".to_owned()) };
    let object = |id| if let Json::Object(id) = id { Ok(id) } else { Err("an identity is an object".to_owned()) };
    ids.into_iter().map(object).collect()
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_selection_comes_back_as_it_was_and_nothing_else_does() {
        let read = |json: Json| serde_json::from_value::<Selection>(json);
        for mode in ["all_except", "partial"] {
            let written = json!({"mode": mode, "ids": [{"trace_id": "t", "span_id": "s"}, {}]});
            let selection = read(written.clone()).unwrap();
            assert_eq!((selection.mode(), serde_json::to_value(&selection).unwrap()), (mode, written));
        }
        assert_eq!(read(json!({"mode": "all"})).unwrap(), Selection::All);
        for wrong in [
            json!({}),
            json!({"mode": "none"}),
            json!({"mode": "all", "ids": []}),
            json!({"mode": "partial"}),
            json!({"mode": "partial", "ids": {}}),
            json!({"mode": "partial", "ids": ["t"]}),
            json!({"mode": "all", "rest": 1}),
        ] {
            assert!(read(wrong.clone()).is_err(), "{wrong}");
        }
    }
}
