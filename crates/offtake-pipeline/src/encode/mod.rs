//! Rows as text: one module per format behind one dispatch.
//!
//! Pure per frame: rows and the frame's place in the file give bytes, so frames are encoded in any order and
//! several at a time. Parquet and xlsx are different (a file of them is one thing)
//! and live in [`parquet`] and [`xlsx`].

mod cells;
mod csv;
mod json;
mod moment;
mod number;
pub(crate) mod parquet;
pub(crate) mod people;
pub(crate) mod plain;
mod scan;
pub(crate) mod xlsx;

use arrow::record_batch::RecordBatch;
use offtake_model::Result;
use offtake_model::export::ExportSpec;
use offtake_model::format::Format;
use offtake_model::human::Human;

use crate::shape::FileColumn;
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
    pub(crate) fn new(spec: &ExportSpec, human: Option<&Human>, columns: &[FileColumn]) -> Option<Self> {
        match spec.format {
            Format::Csv => Some(Self::Csv(Csv::new(spec.dialect, spec.delimiter, human.cloned(), columns))),
            Format::Jsonl => Some(Self::Objects(Objects::new(Envelope::Lines, columns))),
            Format::Json => Some(Self::Objects(Objects::new(Envelope::Array, columns))),
            Format::Parquet | Format::Xlsx => None,
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Int64Array, StringArray};
    use offtake_model::dataset::ColumnType;
    use offtake_model::sensitive::Shown;
    use serde_json::json;

    use super::*;
    use crate::shape::Shape;

    /// What is taken from the budget beforehand is enough, or memory would not be what the budget says.
    #[test]
    fn the_room_asked_for_is_enough() {
        let column = |name: &str, ty| {
            let (source, header) = (name.to_owned(), name.to_owned());
            FileColumn { source, header, ty, read: ty, shown: Shown::Clear }
        };
        let columns = vec![column("\"a\"", ColumnType::Text), column("b", ColumnType::Int64)];
        let shape = Shape::new(columns, None).unwrap();
        let texts = ["", "plain", "\"\"\"\"", "a,b\n\\", "=\"1\"", "é🦀"];
        for repeat in [1, 100] {
            let values: Vec<String> = texts.iter().map(|text| text.repeat(repeat)).collect();
            let arrays: Vec<ArrayRef> =
                vec![Arc::new(StringArray::from(values)), Arc::new(Int64Array::from(vec![i64::MIN; texts.len()]))];
            let rows = RecordBatch::try_new(Arc::clone(shape.schema()), arrays).unwrap();
            for (format, dialect, formats) in [
                ("csv", "rfc4180", json!(null)),
                ("csv", "excel", json!(null)),
                ("csv", "rfc4180", json!({"locale": "fr-FR"})),
                ("jsonl", "rfc4180", json!(null)),
                ("json", "rfc4180", json!(null)),
            ] {
                let spec = json!({"dataset": "things", "format": format, "dialect": dialect, "formats": formats});
                let spec: ExportSpec = serde_json::from_value(spec).unwrap();
                let human = spec.formats.as_ref().map(|formats| formats.compile(spec.format).unwrap());
                let encoder = TextEncoder::new(&spec, human.as_ref(), shape.columns()).unwrap();
                let mut out = Vec::new();
                encoder.encode(&rows, Place { first: true, last: true }, &mut out).unwrap();
                let room = encoder.room(&rows).unwrap();
                assert!(out.len() <= room, "{format} {dialect}: {} > {room}", out.len());
            }
        }
    }
}
