//! Rows as text: one module per format behind one dispatch.
//!
//! Pure per frame: rows and the frame's place in the file give bytes, so frames are encoded in any order and
//! several at a time. Parquet is different (a file of it is one thing) and lives in [`parquet`].

mod cells;
mod csv;
mod json;
mod moment;
mod number;
pub(crate) mod parquet;
mod scan;

use arrow::record_batch::RecordBatch;
use offtake_model::Result;
use offtake_model::export::ExportSpec;
use offtake_model::format::Format;

use crate::recipe::FileColumn;
pub(crate) use csv::Csv;
pub(crate) use json::{Envelope, Objects};

/// Where in its file a frame stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    /// Nothing comes before it: it carries the header.
    pub(crate) first: bool,
    /// Nothing comes after it: it carries the trailer.
    pub(crate) last: bool,
}

/// Writes frames of one file.
#[derive(Debug)]
pub(crate) enum TextEncoder {
    Csv(Csv),
    Objects(Objects),
}

impl TextEncoder {
    /// The writer of a spec's format. `None`: it is no text.
    pub(crate) fn new(spec: &ExportSpec, columns: &[FileColumn]) -> Option<Self> {
        match spec.format {
            Format::Csv => Some(Self::Csv(Csv::new(spec.dialect, spec.delimiter, columns))),
            Format::Jsonl => Some(Self::Objects(Objects::new(Envelope::Lines, columns))),
            Format::Json => Some(Self::Objects(Objects::new(Envelope::Array, columns))),
            Format::Parquet => None,
        }
    }

    /// Bytes that [`encode`](Self::encode) will hardly pass: what to take from the budget beforehand.
    pub(crate) fn room(&self, rows: &RecordBatch) -> Result<usize> {
        match self {
            Self::Csv(csv) => csv.room(rows),
            Self::Objects(objects) => objects.room(rows),
        }
    }

    /// Appends a frame to `out` and tells how many cells were guarded against being read as formulas.
    pub(crate) fn encode(&self, rows: &RecordBatch, place: Place, out: &mut Vec<u8>) -> Result<u64> {
        match self {
            Self::Csv(csv) => csv.encode(rows, place, out),
            Self::Objects(objects) => objects.encode(rows, place, out).map(|()| 0),
        }
    }
}
