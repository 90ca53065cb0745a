//! What a pass over the key leaves behind: the count and the keys that rows are cut by.
//!
//! Keys are fetched at every unit of rows, and how large a frame is, is decided afterwards by the size of rows sampled
//! at those keys. So the same rows always give the same frames.

use offtake_model::Result;
use offtake_model::plan::Key;

/// The fewest rows in a frame: with fewer, compression and bookkeeping cost more than they save.
pub(super) const FEWEST: u64 = 64;
/// So many keys are kept during the pass; when there are more, every other one is dropped.
pub(super) const KEYS_KEPT: usize = 32_768;
/// At most so many rows are looked at for their size.
const SAMPLES: usize = 128;
/// Rows between two reports of progress.
const ROWS_BETWEEN_REPORTS: u64 = 65_536;

/// The keys at every unit of rows.
#[derive(Debug)]
pub(super) struct Marks {
    pub(super) rows: u64,
    pub(super) unit: u64,
    /// The key of row `unit`, of row 2 × `unit`, …, counted from 1.
    pub(super) keys: Vec<Key>,
    kept: usize,
    limit: Option<u64>,
    first: Option<Key>,
    at_limit: Option<Key>,
}

impl Marks {
    /// None yet. `limit`: the row that a limited export ends with.
    pub(super) const fn new(unit: u64, kept: usize, limit: Option<u64>) -> Self {
        Self { rows: 0, unit, keys: Vec::new(), kept, limit, first: None, at_limit: None }
    }

    /// Counts a row; its key is asked for where it is kept.
    #[inline]
    pub(super) fn step(&mut self, progress: &dyn Fn(u64), mut key: impl FnMut() -> Result<Key>) -> Result<()> {
        self.rows += 1;
        if self.rows == 1 {
            self.first = Some(key()?);
        }
        if self.rows.is_multiple_of(self.unit) {
            self.keys.push(key()?);
            self.thin();
        }
        if Some(self.rows) == self.limit {
            self.at_limit = Some(key()?);
        }
        if self.rows.is_multiple_of(ROWS_BETWEEN_REPORTS) {
            progress(self.rows);
        }
        Ok(())
    }

    /// The rows a file of them has.
    pub(super) fn expected(&self) -> u64 {
        self.limit.map_or(self.rows, |limit| limit.min(self.rows))
    }

    /// One cut every `range_rows` rows, which is a multiple of the unit, and the last row of the file. `last` gives
    /// the key of the last row of all.
    pub(super) fn cuts(&self, range_rows: u64, last: impl FnOnce() -> Result<Key>) -> Result<Vec<Key>> {
        let expected = self.expected();
        let stride = usize::try_from((range_rows / self.unit).max(1)).unwrap_or(usize::MAX);
        let whole = usize::try_from(expected / range_rows).unwrap_or(usize::MAX);
        let mut cuts: Vec<Key> = self.keys.iter().skip(stride - 1).step_by(stride).take(whole).cloned().collect();
        if !expected.is_multiple_of(range_rows) {
            let last = match &self.at_limit {
                Some(key) if expected < self.rows => key.clone(),
                _ => last()?,
            };
            cuts.push(last);
        }
        Ok(cuts)
    }

    /// At most [`SAMPLES`] keys, evenly spread, chosen by the number of rows alone.
    pub(super) fn spread(&self) -> Vec<Key> {
        let mut stride = 1;
        while self.keys.len() / stride > SAMPLES - 1 {
            stride *= 2;
        }
        let spread = self.keys.iter().skip(stride - 1).step_by(stride);
        self.first.iter().chain(spread).cloned().collect()
    }

    fn thin(&mut self) {
        if self.keys.len() <= self.kept {
            return;
        }
        // Rows 2 × unit, 4 × unit, … stay.
        let mut index = 0;
        self.keys.retain(|_| {
            index += 1;
            index % 2 == 0
        });
        self.unit *= 2;
    }
}

/// Rows of this mean size in a frame of `frame_bytes`, at most `most`: a power of two.
pub(super) fn rows_per_frame(frame_bytes: u64, row_bytes: u64, most: u64) -> u64 {
    let fitting = (frame_bytes / row_bytes.max(1)).max(1);
    let power = 1_u64 << fitting.ilog2();
    power.clamp(FEWEST, 1 << most.max(FEWEST).ilog2())
}

/// What a frame's rows may come to: half as much again as a frame should hold, so that where rows differ as rows do, a
/// frame has all of its rows.
pub(super) const fn frame_end(frame_bytes: u64) -> u64 {
    frame_bytes.saturating_mul(3) / 2
}
