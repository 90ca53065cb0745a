//! A preset: what an organization asks for again and again, under a name.

use jiff::Timestamp;
use serde_json::{Map, Value as Json};

/// Presets that an organization may have.
pub const MOST_PRESETS: u32 = 1000;

/// The longest name, in characters.
const LONGEST_NAME: usize = 100;

/// A preset as it is kept.
#[derive(Debug, Clone, PartialEq)]
pub struct Preset {
    /// Its name, unique in its organization.
    pub name: String,
    /// The dataset it speaks of.
    pub dataset: String,
    /// What it says of an export: fields, format, compression and the like as in a request, filters under `filters`.
    pub says: Map<String, Json>,
    /// Grows by one with every change.
    pub version: u64,
    /// Who made it.
    pub created_by: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

/// What of a preset may be decided anew.
#[derive(Debug, Clone, PartialEq)]
pub struct PresetContent {
    /// Its name.
    pub name: String,
    /// The dataset.
    pub dataset: String,
    /// What it says.
    pub says: Map<String, Json>,
}

/// Whether a preset may be called so: it stands in paths.
pub fn is_preset_name(name: &str) -> bool {
    let fits = |c: char| !c.is_control() && !matches!(c, '/' | '\\');
    (1..=LONGEST_NAME).contains(&name.chars().count())
        && name.chars().all(fits)
        && name.trim() == name
        && !matches!(name, "." | "..")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_can_stand_in_a_path() {
        assert!(["finance", "Für Ada", "日本 – monthly"].into_iter().all(is_preset_name));
        assert!(!["", " a", "a/b", "..", "a\nb", "a\\b"].into_iter().any(is_preset_name));
        assert!(!is_preset_name(&"x".repeat(101)));
    }
}
