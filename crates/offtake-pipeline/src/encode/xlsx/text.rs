//! What a spreadsheet's texts and names can be.

/// UTF-16 code units in a cell.
const LONGEST: usize = 32_767;
/// UTF-16 code units in the name of a sheet, with room for a number.
const LONGEST_NAME: usize = 24;

/// The part of `text` that fits into a cell, whole characters, and its length where that is not all of it.
pub(super) fn fitting(text: &str) -> (&str, Option<u64>) {
    // A character has at most as many code units as bytes.
    if text.len() <= LONGEST {
        return (text, None);
    }
    let (mut units, mut end) = (0, None);
    for (at, character) in text.char_indices() {
        units += character.len_utf16();
        if units > LONGEST && end.is_none() {
            end = Some(at);
        }
    }
    match end.and_then(|end| text.get(..end)) {
        Some(kept) => (kept, Some(units as u64)),
        None => (text, None),
    }
}

/// `AA17`, of a column and a row counted from 0.
pub(super) fn cell_name(column: usize, row: u32) -> String {
    let mut letters = Vec::new();
    let mut rest = column + 1;
    while rest > 0 {
        letters.push(b'A' + ((rest - 1) % 26) as u8);
        rest = (rest - 1) / 26;
    }
    let letters: String = letters.iter().rev().map(|letter| char::from(*letter)).collect();
    format!("{letters}{}", u64::from(row) + 1)
}

/// What sheets are called: `Spans`, `Spans 2`, `Spans 3`, …
#[derive(Debug)]
pub(super) struct SheetNames {
    base: String,
}

impl SheetNames {
    /// After the title of a dataset, as far as a sheet may be called so.
    pub(super) fn new(title: &str) -> Self {
        let mut base = String::new();
        let mut units = 0;
        for character in title.chars() {
            units += character.len_utf16();
            if units > LONGEST_NAME {
                break;
            }
            let fits = !character.is_control() && !matches!(character, '[' | ']' | ':' | '*' | '?' | '/' | '\\');
            base.push(if fits { character } else { ' ' });
        }
        let trimmed = base.trim().trim_matches('\'').trim();
        // Excel keeps this name for itself.
        let base = if trimmed.is_empty() || trimmed.eq_ignore_ascii_case("history") { "Rows" } else { trimmed };
        Self { base: base.to_owned() }
    }

    /// The name of a sheet, counted from 0.
    pub(super) fn of(&self, sheet: usize) -> String {
        if sheet == 0 { self.base.clone() } else { format!("{} {}", self.base, sheet + 1) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_cut_between_characters() {
        let exact = "a".repeat(32_767);
        assert_eq!(fitting(&exact), (exact.as_str(), None));
        assert_eq!(fitting(&format!("{exact}b")), (exact.as_str(), Some(32_768)));
        // 20,000 characters of two bytes are as many code units.
        assert_eq!(fitting(&"é".repeat(20_000)).1, None);
        // A crab is two code units: the one that would be cut in half is left out.
        let crabs = "🦀".repeat(16_384);
        assert_eq!(fitting(&crabs), ("🦀".repeat(16_383).as_str(), Some(32_768)));
    }

    #[test]
    fn cells_are_called_as_spreadsheets_call_them() {
        let names: Vec<String> =
            [(0, 0), (25, 1), (26, 16), (701, 2), (702, 3), (16_383, 1_048_575)].map(|(c, r)| cell_name(c, r)).into();
        assert_eq!(names, ["A1", "Z2", "AA17", "ZZ3", "AAA4", "XFD1048576"]);
    }

    #[test]
    fn sheets_have_names_that_are_allowed() {
        let first = |title: &str| SheetNames::new(title).of(0);
        assert_eq!(first("Spans"), "Spans");
        assert_eq!(SheetNames::new("Spans").of(2), "Spans 3");
        assert_eq!(first("a/b [c]: d?"), "a b  c   d");
        assert_eq!(first("'quoted'"), "quoted");
        assert_eq!((first(""), first("[]"), first("HISTORY")), ("Rows".into(), "Rows".into(), "Rows".into()));
        assert!(first(&"🦀".repeat(40)).encode_utf16().count() <= LONGEST_NAME);
    }
}
