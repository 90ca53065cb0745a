//! Rows compared cell by cell, with an answer a person can use.

/// Canonical rows: `null` or a text per cell, in the order of the file.
pub type Cells = Vec<Vec<Option<String>>>;

/// Canonical JSON lines as rows.
///
/// # Panics
/// If a line is no array of texts and nulls.
pub(crate) fn parse_cells(lines: &str) -> Cells {
    lines
        .lines()
        .map(|line| {
            serde_json::from_str::<Vec<Option<String>>>(line).unwrap_or_else(|error| panic!("{error}: {line:.200}"))
        })
        .collect()
}

/// The rows with every empty text as NULL: what is left of them for a reader that cannot tell the two apart.
pub fn nulls_as_empty(rows: &Cells) -> Cells {
    rows.iter().map(|row| row.iter().map(|cell| cell.clone().filter(|text| !text.is_empty())).collect()).collect()
}

/// A cell that is not what it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// Its row, from 0.
    pub row: usize,
    /// The place of its column, from 0.
    pub column: usize,
    /// What should be in it, from a little before where the two part.
    pub expected: String,
    /// What is in it.
    pub found: String,
}

/// The cells in which two sets of rows of `columns` columns differ, in order.
///
/// # Panics
/// If there are more or fewer rows, or a row has more or fewer cells.
#[track_caller]
pub fn differing_cells(what: &str, columns: usize, expected: &Cells, found: &Cells) -> Vec<Difference> {
    let mut differing = Vec::new();
    for (row, (expected, found)) in expected.iter().zip(found).enumerate() {
        assert_eq!(expected.len(), columns, "{what}: row {row} of the store has another number of cells");
        assert_eq!(found.len(), columns, "{what}: row {row} has another number of cells");
        for (column, (expected, found)) in expected.iter().zip(found).enumerate() {
            if expected != found {
                let (expected, found) = (expected.as_deref(), found.as_deref());
                differing.push(Difference {
                    row,
                    column,
                    expected: shown(expected, found),
                    found: shown(found, expected),
                });
            }
        }
    }
    assert!(
        expected.len() == found.len() || !differing.is_empty(),
        "{what}: {} rows instead of {}",
        found.len(),
        expected.len()
    );
    differing
}

/// Compares two sets of rows, in order, cell by cell.
///
/// # Panics
/// At the first difference: row, column, both cells.
#[track_caller]
pub fn assert_same_rows(what: &str, columns: &[String], expected: &Cells, found: &Cells) {
    if let Some(Difference { row, column, expected, found }) =
        differing_cells(what, columns.len(), expected, found).first()
    {
        panic!("{what}: row {row}, column {}:\n expected {expected}\n found    {found}", columns[*column]);
    }
}

/// A cell with its length, cut down to where it begins to differ from the other.
fn shown(cell: Option<&str>, other: Option<&str>) -> String {
    let Some(cell) = cell else { return "NULL".to_owned() };
    let same = other.map_or(0, |other| cell.chars().zip(other.chars()).take_while(|(a, b)| a == b).count());
    let from = same.saturating_sub(20);
    let part: String = cell.chars().skip(from).take(120).collect();
    format!("{} bytes, from character {from}: {part:?}", cell.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: &[&str] = &["a", "b"];

    fn compare(expected: &str, found: &str) {
        let names: Vec<String> = NAMES.iter().map(|&name| name.to_owned()).collect();
        assert_same_rows("test", &names, &parse_cells(expected), &parse_cells(found));
    }

    #[test]
    fn equal_rows_are_equal() {
        compare("[\"x\",null]\n[\"\",\"y\"]\n", "[\"x\",null]\n[\"\",\"y\"]\n");
    }

    #[test]
    #[should_panic(expected = "row 1, column a")]
    fn null_is_not_the_empty_string() {
        compare("[\"x\",null]\n[\"\",\"y\"]\n", "[\"x\",null]\n[null,\"y\"]\n");
    }

    #[test]
    #[should_panic(expected = "2 rows instead of 1")]
    fn a_row_more_is_a_difference() {
        compare("[\"x\",null]\n", "[\"x\",null]\n[\"x\",null]\n");
    }
}
