//! CSV: RFC 4180 with LF line ends, and the dialect for spreadsheets.
//!
//! NULL is an empty cell and the empty string is `""`, which every reader takes for a cell without content and
//! careful readers can tell apart. A NULL that is alone in its row is `""` too, because readers drop empty lines.

use arrow::record_batch::RecordBatch;
use offtake_model::Result;
use offtake_model::dataset::ColumnType;
use offtake_model::format::Dialect;
use offtake_model::human::Human;

use super::Place;
use super::cells::{self, Cells, Values, bytes_of};
use super::moment::Moments;
use super::people::People;
use super::{number, scan};
use crate::shape::FileColumn;

const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// Writes CSV of one dialect.
#[derive(Debug)]
pub(crate) struct Csv {
    types: Vec<ColumnType>,
    style: Style,
    header: Vec<u8>,
    guarded_headers: u64,
    human: Option<Human>,
}

#[derive(Debug, Clone, Copy)]
struct Style {
    delimiter: u8,
    line_end: &'static [u8],
    guards: bool,
}

impl Csv {
    pub(crate) fn new(dialect: Dialect, delimiter: char, human: Option<Human>, columns: &[FileColumn]) -> Self {
        let delimiter = u8::try_from(delimiter).unwrap_or(b',');
        let (style, mut header) = match dialect {
            Dialect::Rfc4180 => (Style { delimiter, line_end: b"\n", guards: false }, Vec::new()),
            Dialect::Excel => (Style { delimiter, line_end: b"\r\n", guards: true }, BYTE_ORDER_MARK.to_vec()),
        };
        let mut guarded_headers = 0;
        for (index, column) in columns.iter().enumerate() {
            if index > 0 {
                header.push(delimiter);
            }
            guarded_headers += style.text(column.header.as_bytes(), &mut header);
        }
        header.extend_from_slice(style.line_end);
        Self { types: columns.iter().map(|column| column.ty).collect(), style, header, guarded_headers, human }
    }

    pub(crate) fn room(&self, batch: &RecordBatch) -> Result<usize> {
        let rows = batch.num_rows();
        let mut room = self.header.len() + rows * self.style.line_end.len();
        for column in cells::open(batch, &self.types)? {
            room += rows + column.width(rows);
            if let Values::Text(texts) | Values::Json(texts) = column.values {
                let quotes = cells::count(bytes_of(texts), |byte| byte == b'"');
                room += quotes + rows * (2 + usize::from(self.style.guards));
            } else if let Some(human) = &self.human {
                let moment = human.timestamp.as_ref().map_or(0, |pattern| 2 * pattern.longest());
                let day = human.date.as_ref().map_or(0, |pattern| 2 * pattern.longest());
                // A separator of up to three bytes for every two digits at most, and quotes around.
                room += rows * (2 + moment.max(day)) + 2 * column.width(rows);
            }
        }
        Ok(room)
    }

    pub(crate) fn encode(&self, batch: &RecordBatch, place: Place, out: &mut Vec<u8>) -> Result<u64> {
        let style = self.style;
        match &self.human {
            None => {
                let mut moments = Moments::new();
                self.rows(batch, place, out, |column, row, out| style.cell(column, row, &mut moments, out))
            }
            Some(human) => {
                let (mut people, mut scratch) = (People::new(human), Vec::new());
                self.rows(batch, place, out, |column, row, out| {
                    style.human_cell(column, row, &mut people, &mut scratch, out)
                })
            }
        }
    }

    /// The rows, each cell by `write`, which tells whether it was guarded.
    #[inline]
    fn rows(
        &self,
        batch: &RecordBatch,
        place: Place,
        out: &mut Vec<u8>,
        mut write: impl FnMut(&Cells<'_>, usize, &mut Vec<u8>) -> u64,
    ) -> Result<u64> {
        let columns = cells::open(batch, &self.types)?;
        let mut guarded = 0;
        if place.first {
            out.extend_from_slice(&self.header);
            guarded += self.guarded_headers;
        }
        for row in 0..batch.num_rows() {
            if let [alone] = columns.as_slice()
                && alone.is_null(row)
            {
                out.extend_from_slice(b"\"\"");
            }
            for (index, column) in columns.iter().enumerate() {
                if index > 0 {
                    out.push(self.style.delimiter);
                }
                if !column.is_null(row) {
                    guarded += write(column, row, out);
                }
            }
            out.extend_from_slice(self.style.line_end);
        }
        Ok(guarded)
    }
}

impl Style {
    #[inline]
    fn cell(self, column: &Cells<'_>, row: usize, moments: &mut Moments, out: &mut Vec<u8>) -> u64 {
        match column.values {
            Values::Text(texts) | Values::Json(texts) => return self.text(texts.value(row).as_bytes(), out),
            Values::Int(values) => number::int(values.value(row), out),
            Values::Float(values) => number::plain_float(values.value(row), out),
            Values::Bool(values) => out.extend_from_slice(if values.value(row) { b"true" } else { b"false" }),
            Values::Decimal(values, scale) => {
                number::decimal(values.value(row), scale, out);
            }
            Values::Timestamp(values) => moments.write(values.value(row), out),
            Values::Date(values) => moments.write_day(values.value(row), out),
        }
        0
    }

    /// The same for people. What they write may need quotes, and is no formula.
    fn human_cell(
        self,
        column: &Cells<'_>,
        row: usize,
        people: &mut People<'_>,
        scratch: &mut Vec<u8>,
        out: &mut Vec<u8>,
    ) -> u64 {
        scratch.clear();
        match column.values {
            Values::Text(texts) | Values::Json(texts) => return self.text(texts.value(row).as_bytes(), out),
            Values::Bool(values) => {
                out.extend_from_slice(if values.value(row) { b"true" } else { b"false" });
                return 0;
            }
            Values::Int(values) => people.number(|out| number::int(values.value(row), out), scratch),
            Values::Float(values) => people.number(|out| number::plain_float(values.value(row), out), scratch),
            Values::Decimal(values, scale) => {
                let exactly = |out: &mut Vec<u8>| {
                    number::decimal(values.value(row), scale, out);
                };
                people.number(exactly, scratch);
            }
            Values::Timestamp(values) => people.moment(values.value(row), scratch),
            Values::Date(values) => people.day(values.value(row), scratch),
        }
        Self { guards: false, ..self }.text(scratch, out)
    }

    /// Appends a text cell; 1 if it was guarded.
    #[inline]
    fn text(self, text: &[u8], out: &mut Vec<u8>) -> u64 {
        let guard = self.guards && would_be_formula(text);
        if !text.is_empty() && !self.wants_quotes(text) {
            if guard {
                out.push(b'\'');
            }
            out.extend_from_slice(text);
            return u64::from(guard);
        }
        out.push(b'"');
        if guard {
            out.push(b'\'');
        }
        double_quotes(text, out);
        out.push(b'"');
        u64::from(guard)
    }

    #[inline]
    fn wants_quotes(self, text: &[u8]) -> bool {
        if let Some(end) = text.last_chunk::<16>() {
            // The last block overlaps the one before it, so that no bytes are left over.
            let (blocks, _) = text.as_chunks::<16>();
            let special = |block: &[u8; 16]| self.special_in_block(block);
            return blocks.iter().any(special) || special(end);
        }
        let marks = match (text.first_chunk::<8>(), text.last_chunk::<8>()) {
            (Some(start), Some(end)) => {
                self.special_in_word(u64::from_le_bytes(*start)) | self.special_in_word(u64::from_le_bytes(*end))
            }
            _ if self.delimiter == b' ' => return text.iter().any(|byte| b" \"\n\r".contains(byte)),
            _ => self.special_in_word(scan::padded(text)),
        };
        marks != 0
    }

    #[inline]
    const fn special_in_word(self, word: u64) -> u64 {
        scan::equal(word, self.delimiter)
            | scan::equal(word, b'"')
            | scan::equal(word, b'\n')
            | scan::equal(word, b'\r')
    }

    #[inline]
    fn special_in_block(self, block: &[u8; 16]) -> bool {
        let special = |byte: u8| {
            u8::from(byte == self.delimiter)
                | u8::from(byte == b'"')
                | u8::from(byte == b'\n')
                | u8::from(byte == b'\r')
        };
        block.iter().fold(0, |any, byte| any | special(*byte)) != 0
    }
}

/// What OWASP lists as the begin of a formula, and the full-width forms that East Asian spreadsheets take for it.
fn would_be_formula(text: &[u8]) -> bool {
    match text {
        [b'=' | b'+' | b'-' | b'@' | b'\t' | b'\r' | b'\n', ..] => true,
        [0xef, 0xbc, last, ..] => matches!(last, 0x8b | 0x8d | 0x9d | 0xa0),
        _ => false,
    }
}

/// Appends `text` with each quote doubled: whole blocks where there is none, else run after run.
fn double_quotes(text: &[u8], out: &mut Vec<u8>) {
    let (blocks, rest) = text.as_chunks::<16>();
    for block in blocks {
        if scan::has(block, b'"') {
            let (words, _) = block.as_chunks::<8>();
            for word in words {
                double_in_word(u64::from_le_bytes(*word), 8, out);
            }
        } else {
            out.extend_from_slice(block);
        }
    }
    for word in rest.chunks(8) {
        double_in_word(scan::padded(word), word.len(), out);
    }
}

/// Does so for the first `length` bytes of `word`.
#[inline]
fn double_in_word(mut word: u64, mut length: usize, out: &mut Vec<u8>) {
    loop {
        let run = scan::first(scan::equal(word, b'"'));
        if run >= length {
            return scan::append(word, length, out);
        }
        scan::append(word, run, out);
        out.extend_from_slice(b"\"\"");
        // In two steps: a shift by 64 is none.
        word = word >> (8 * run) >> 8;
        length -= run + 1;
    }
}
