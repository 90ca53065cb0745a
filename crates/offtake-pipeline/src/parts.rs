//! Frames in order become parts: whole frames until a part is big enough, counted and hashed.
//!
//! The count and the state of the hash travel with each part, so that whoever stores parts can store how to go
//! on after any of them.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use offtake_model::budget::{Held, MemoryBudget};
use offtake_model::buffer::Buffer;
use offtake_model::checkpoint::Written;
use offtake_model::receipt::TruncatedCell;
use offtake_model::{Error, ErrorKind, Result};
use sha2::digest::common::hazmat::SerializableState;
use sha2::{Digest, Sha256};

use crate::meter::Meter;
use crate::shape::Masked;

/// So many cut cells are listed in a receipt; all are counted.
const MOST_LISTED: usize = 1000;

/// Bytes to be stored next, in one go. Never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// The bytes.
    pub bytes: Bytes,
    /// How many ranges are completely in the file after this part: an export can continue there. `None`: it
    /// cannot continue.
    pub ranges: Option<usize>,
    /// What is in the file after this part.
    pub written: Written,
}

/// The digest of everything written: lower-case hex. Nothing written has one too.
///
/// # Errors
/// `internal` if the state is none that [`Part::written`] ever had.
pub fn sha256_hex(written: &Written) -> Result<String> {
    Ok(hex::encode(state_of(written)?.finalize()))
}

fn state_of(written: &Written) -> Result<Sha256> {
    if written.sha256_state.is_empty() {
        return Ok(Sha256::new());
    }
    let unreadable = || {
        Error::new(ErrorKind::Internal, "the checkpoint's SHA-256 state cannot be read; the export has to start anew")
    };
    let bytes = hex::decode(&written.sha256_state).map_err(|error| unreadable().caused_by(error))?;
    let state = bytes.as_slice().try_into().map_err(|_| unreadable())?;
    Sha256::deserialize(&state).map_err(|_| unreadable())
}

/// What is in the file so far, with the hash in working order.
#[derive(Debug)]
pub(crate) struct Ledger {
    written: Written,
    sha256: Sha256,
    meter: Arc<Meter>,
}

impl Ledger {
    /// Goes on where `written` ended.
    pub(crate) fn resume(written: Written, meter: Arc<Meter>) -> Result<Self> {
        meter.reached(written.rows, written.bytes);
        Ok(Self { sha256: state_of(&written)?, written, meter })
    }

    /// Counts rows whose bytes are counted by [`seal`](Self::seal).
    pub(crate) fn count(&mut self, rows: u64, frames: u64, guarded_cells: u64) {
        self.written.rows += rows;
        self.written.frames += frames;
        self.written.guarded_cells += guarded_cells;
    }

    /// Counts cells that are not shown as they are.
    pub(crate) fn masked(&mut self, masked: Masked) {
        for (column, cells) in masked {
            *self.written.masked.entry(column).or_default() += cells;
        }
    }

    /// Counts a cell that was cut, and lists it unless the list is long already.
    pub(crate) fn truncated(&mut self, cell: impl FnOnce() -> TruncatedCell) {
        self.written.truncated_cells += 1;
        if self.written.truncated.len() < MOST_LISTED {
            self.written.truncated.push(cell());
        }
    }

    /// Rows counted so far.
    pub(crate) const fn rows(&self) -> u64 {
        self.written.rows
    }

    /// Tells the meter of everything counted and `pending` bytes that are not sealed yet.
    pub(crate) fn report(&self, pending: usize) {
        self.meter.reached(self.written.rows, self.written.bytes + pending as u64);
    }

    /// Tells the meter of a frame.
    pub(crate) fn frame(&self, took: Duration, bytes: usize) {
        self.meter.frame(took, bytes);
    }

    /// Makes a part of everything counted.
    pub(crate) fn seal(&mut self, bytes: Bytes, ranges: Option<usize>) -> Part {
        self.sha256.update(&bytes);
        self.written.bytes += bytes.len() as u64;
        self.written.sha256_state = hex::encode(self.sha256.serialize());
        self.report(0);
        Part { bytes, ranges, written: self.written.clone() }
    }
}

/// A frame, encoded.
#[derive(Debug)]
pub(crate) struct Encoded {
    pub(crate) bytes: Buffer,
    pub(crate) held: Held,
    pub(crate) rows: u64,
    pub(crate) guarded_cells: u64,
    pub(crate) masked: Masked,
}

/// Gathers encoded frames, in order, into parts.
#[derive(Debug)]
pub(crate) struct TextParts {
    ledger: Ledger,
    part_bytes: usize,
    /// Ranges that are completely in the file and in `pending`.
    ranges: usize,
    /// Whether frames of a range that has not ended are in the file or in `pending`.
    in_range: bool,
    pending: Vec<(Buffer, Held)>,
    pending_bytes: usize,
    budget: MemoryBudget,
}

impl TextParts {
    pub(crate) fn new(ledger: Ledger, ranges: usize, part_bytes: usize, budget: MemoryBudget) -> Self {
        Self { ledger, part_bytes, ranges, in_range: false, pending: Vec::new(), pending_bytes: 0, budget }
    }

    /// Takes the next frame. Gives a part before it if there is enough for two: a part that ends in the middle of a
    /// range is none to continue after, so that is left to [`end_range`](Self::end_range) as long as it can be.
    pub(crate) fn add(&mut self, frame: Encoded) -> Option<Part> {
        let part = (self.pending_bytes >= self.part_bytes.saturating_mul(2)).then(|| self.finish()).flatten();
        self.in_range = true;
        self.ledger.count(frame.rows, 1, frame.guarded_cells);
        self.ledger.masked(frame.masked);
        self.pending_bytes += frame.bytes.len();
        self.pending.push((frame.bytes, frame.held));
        self.ledger.report(self.pending_bytes);
        part
    }

    /// Notes that a range is complete, and gives a part if there is enough for one.
    pub(crate) fn end_range(&mut self) -> Option<Part> {
        self.ranges += 1;
        self.in_range = false;
        (self.pending_bytes >= self.part_bytes).then(|| self.finish()).flatten()
    }

    /// Takes the one frame of a file without rows, which belongs to no range.
    pub(crate) fn close_empty(&mut self, frame: Encoded) -> Option<Part> {
        let part = self.add(frame);
        self.in_range = false;
        part.or_else(|| self.finish())
    }

    /// Gives what is left.
    pub(crate) fn finish(&mut self) -> Option<Part> {
        if self.pending_bytes == 0 {
            return None;
        }
        let bytes = self.joined();
        let ranges = (!self.in_range).then_some(self.ranges);
        Some(self.ledger.seal(bytes, ranges))
    }

    /// All pending bytes in one piece; each range is freed as soon as it is copied.
    fn joined(&mut self) -> Bytes {
        let bytes = std::mem::take(&mut self.pending_bytes);
        if self.pending.len() == 1
            && let Some((only, _held)) = self.pending.pop()
        {
            return Bytes::from_owner(only);
        }
        let mut joined = self.budget.buffer(bytes);
        for (range, _held) in self.pending.drain(..) {
            joined.extend_from_slice(&range);
        }
        Bytes::from_owner(joined)
    }
}
