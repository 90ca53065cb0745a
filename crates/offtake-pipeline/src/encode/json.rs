//! JSON: one object a row, as lines (`jsonl`) or as one array (`json`).
//!
//! Every key is there in every row, in the order of the columns; NULL is `null`. An object never contains a line
//! break, so a line is a row.

use arrow::record_batch::RecordBatch;
use offtake_model::Result;
use offtake_model::dataset::ColumnType;
use serde::de::IgnoredAny;

use super::Place;
use super::cells::{self, Cells, Values, bytes_of};
use super::moment::Moments;
use super::{number, scan};
use crate::shape::FileColumn;

/// Digits that any double can hold: decimals of more are written as strings.
const EXACT_DIGITS: usize = 15;

/// What stands around the objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Envelope {
    /// A line feed after each.
    Lines,
    /// An array, one object a line.
    Array,
}

/// Writes rows as objects.
#[derive(Debug)]
pub(crate) struct Objects {
    envelope: Envelope,
    types: Vec<ColumnType>,
    /// What comes before each value: `{"first":`, `,"second":`, …
    keys: Vec<Vec<u8>>,
}

impl Objects {
    pub(crate) fn new(envelope: Envelope, columns: &[FileColumn]) -> Self {
        let keys = columns.iter().enumerate().map(|(index, column)| {
            let mut key = if index == 0 { b"{".to_vec() } else { b",".to_vec() };
            string(column.header.as_bytes(), &mut key);
            key.push(b':');
            key
        });
        Self { envelope, keys: keys.collect(), types: columns.iter().map(|column| column.ty).collect() }
    }

    pub(crate) fn room(&self, batch: &RecordBatch) -> Result<usize> {
        let rows = batch.num_rows();
        let around: usize = self.keys.iter().map(Vec::len).sum::<usize>() + 3;
        let mut room = 8 + rows * around;
        for column in cells::open(batch, &self.types)? {
            // NULL is longer than nothing.
            room += column.width(rows) + 4 * rows;
            if let Values::Text(texts) = column.values {
                let text = bytes_of(texts);
                let escapes = cells::count(text, |byte| byte == b'"' || byte == b'\\' || byte < 0x20);
                room += escapes;
            }
        }
        Ok(room)
    }

    pub(crate) fn encode(&self, batch: &RecordBatch, place: Place, out: &mut Vec<u8>) -> Result<()> {
        let columns = cells::open(batch, &self.types)?;
        let rows = batch.num_rows();
        if self.envelope == Envelope::Array && place.first {
            out.extend_from_slice(if place.last && rows == 0 { b"[" } else { b"[\n" });
        }
        let mut moments = Moments::new();
        for row in 0..rows {
            for (column, key) in columns.iter().zip(&self.keys) {
                out.extend_from_slice(key);
                if column.is_null(row) {
                    out.extend_from_slice(b"null");
                } else {
                    cell(column, row, &mut moments, out);
                }
            }
            let end: &[u8] = match self.envelope {
                Envelope::Lines => b"}\n",
                Envelope::Array if place.last && row + 1 == rows => b"}\n",
                Envelope::Array => b"},\n",
            };
            out.extend_from_slice(end);
        }
        if self.envelope == Envelope::Array && place.last {
            out.extend_from_slice(b"]\n");
        }
        Ok(())
    }
}

#[inline]
fn cell(column: &Cells<'_>, row: usize, moments: &mut Moments, out: &mut Vec<u8>) {
    match column.values {
        Values::Text(texts) => string(texts.value(row).as_bytes(), out),
        Values::Json(texts) => document(texts.value(row), out),
        Values::Int(values) => number::int(values.value(row), out),
        Values::Float(values) => float(values.value(row), out),
        Values::Bool(values) => out.extend_from_slice(if values.value(row) { b"true" } else { b"false" }),
        Values::Decimal(values, scale) => decimal(values.value(row), scale, out),
        Values::Timestamp(values) => {
            out.push(b'"');
            moments.write(values.value(row), out);
            out.push(b'"');
        }
        Values::Date(values) => {
            out.push(b'"');
            moments.write_day(values.value(row), out);
            out.push(b'"');
        }
    }
}

fn float(value: f64, out: &mut Vec<u8>) {
    if value.is_finite() {
        number::finite(value, out);
    } else {
        string(number::word(value).as_bytes(), out);
    }
}

fn decimal(unscaled: i128, scale: i8, out: &mut Vec<u8>) {
    let start = out.len();
    if number::decimal(unscaled, scale, out) > EXACT_DIGITS {
        out.insert(start, b'"');
        out.push(b'"');
    }
}

/// Appends a stored JSON document as it is, but on one line. Text that is no JSON becomes a string: whatever
/// was stored, the file stays readable.
fn document(text: &str, out: &mut Vec<u8>) {
    if serde_json::from_str::<IgnoredAny>(text).is_err() {
        string(text.as_bytes(), out);
    } else if cells::count(text.as_bytes(), |byte| byte == b'\n' || byte == b'\r') == 0 {
        out.extend_from_slice(text.as_bytes());
    } else {
        compact(text.as_bytes(), out);
    }
}

/// Appends a valid document without the white space between its tokens. None of them needs any.
fn compact(text: &[u8], out: &mut Vec<u8>) {
    let (mut in_string, mut escaped) = (false, false);
    for byte in text {
        if !in_string && matches!(byte, b' ' | b'\t' | b'\n' | b'\r') {
            continue;
        }
        out.push(*byte);
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            _ => {}
        }
    }
}

/// Appends a string. Only what must be escaped is: everything beyond ASCII stays as it is.
pub(super) fn string(text: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    let (blocks, rest) = text.as_chunks::<16>();
    for block in blocks {
        if scan::has(block, b'"') | scan::has(block, b'\\') | scan::has_below(block, b' ') {
            let (words, _) = block.as_chunks::<8>();
            for word in words {
                escape_in_word(u64::from_le_bytes(*word), 8, out);
            }
        } else {
            out.extend_from_slice(block);
        }
    }
    for word in rest.chunks(8) {
        escape_in_word(scan::padded(word), word.len(), out);
    }
    out.push(b'"');
}

/// Appends the first `length` bytes of `word`, run after run between the bytes that must be escaped.
#[inline]
fn escape_in_word(mut word: u64, mut length: usize, out: &mut Vec<u8>) {
    loop {
        let marks = scan::equal(word, b'"') | scan::equal(word, b'\\') | scan::below(word, b' ');
        let run = scan::first(marks);
        if run >= length {
            return scan::append(word, length, out);
        }
        scan::append(word, run, out);
        word >>= 8 * run;
        escape(word as u8, out);
        word >>= 8;
        length -= run + 1;
    }
}

fn escape(byte: u8, out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let letter = match byte {
        b'"' | b'\\' => byte,
        b'\n' => b'n',
        b'\r' => b'r',
        b'\t' => b't',
        0x08 => b'b',
        0x0c => b'f',
        control => {
            let (high, low) = (HEX[usize::from(control >> 4)], HEX[usize::from(control & 0xf)]);
            return out.extend_from_slice(&[b'\\', b'u', b'0', b'0', high, low]);
        }
    };
    out.extend_from_slice(&[b'\\', letter]);
}
