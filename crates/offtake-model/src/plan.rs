//! The plan of a job: how many rows exactly, and the keys that cut them into ranges.

use serde::{Deserialize, Serialize};

use crate::as_of::AsOf;
use crate::value::Value;

/// The values of a dataset's key columns, in their order.
pub type Key = Vec<Value>;

/// Made once per snapshot and stored with the job. Frame boundaries depend on it alone, which is why a
/// resumed export gives the same bytes.
///
/// Range *i* holds the rows with `cuts[i-1] < key <= cuts[i]`; the first has no lower bound. Every range has
/// exactly [`range_rows`](Self::range_rows) rows, the last one what is left. There are as many cuts as ranges.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// The moment the count is true for.
    pub as_of: AsOf,
    /// Rows that match filters and selection.
    pub rows_matching: u64,
    /// Rows the file will have: `min(rows_matching, limit)`.
    pub rows_expected: u64,
    /// The most rows in a frame.
    pub frame_rows: u32,
    /// A frame ends with the row that brings its rows to so many bytes: a stretch of large rows makes more frames,
    /// not larger ones. Plans stored before there was such an end have none.
    #[serde(default = "endless")]
    pub frame_bytes: u64,
    /// Rows in a range; a range begins with a frame of its own.
    pub range_rows: u32,
    /// The key of the last row of each range.
    pub cuts: Vec<Key>,
    /// Mean bytes of a row, as sampled: for estimates only.
    pub row_bytes: u64,
}

const fn endless() -> u64 {
    u64::MAX
}

impl Plan {
    /// Whether a limit cuts rows off.
    pub const fn limited(&self) -> bool {
        self.rows_expected < self.rows_matching
    }

    /// How many rows range `index` has.
    pub fn rows_in(&self, index: usize) -> u64 {
        let before = u64::from(self.range_rows) * index as u64;
        self.rows_expected.saturating_sub(before).min(u64::from(self.range_rows))
    }

    /// The bounds of range `index`: its rows' keys are greater than the first and at most the second.
    pub fn bounds(&self, index: usize) -> (Option<&Key>, Option<&Key>) {
        let above = index.checked_sub(1).and_then(|before| self.cuts.get(before));
        (above, self.cuts.get(index))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_cover_the_rows_once() {
        let at = jiff::Timestamp::UNIX_EPOCH;
        let cuts: Vec<Key> = [4, 8, 10].into_iter().map(|last| vec![Value::Int(last)]).collect();
        let plan = Plan {
            as_of: AsOf::Snapshot { at },
            rows_matching: 12,
            rows_expected: 10,
            frame_rows: 2,
            frame_bytes: 1_000,
            range_rows: 4,
            cuts,
            row_bytes: 1,
        };
        let rows: Vec<u64> = (0..4).map(|index| plan.rows_in(index)).collect();
        assert_eq!(rows, [4, 4, 2, 0]);
        assert!(plan.limited());
        assert_eq!(plan.bounds(0), (None, Some(&vec![Value::Int(4)])));
        assert_eq!(plan.bounds(2), (Some(&vec![Value::Int(8)]), Some(&vec![Value::Int(10)])));
    }
}
