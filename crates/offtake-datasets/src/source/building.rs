//! Rows that become a batch: one buffer a column, whose memory is taken from the budget before it is used.
//!
//! The buffers are plain vectors whose growth is decided here; those of texts, which are large, are used again and again.
//! Every source turns its own cells into the typed values that are pushed; nothing is converted here.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use arrow::array::{
    ArrayRef, BooleanArray, BooleanBufferBuilder, Date32Array, Decimal128Array, Float64Array, Int64Array,
    NullBufferBuilder, StringArray, TimestampMicrosecondArray,
};
use arrow::buffer::{Buffer, OffsetBuffer, ScalarBuffer};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use arrow::record_batch::{RecordBatch, RecordBatchOptions};
use bytes::Bytes;
use offtake_model::budget::{Held, MemoryBudget};
use offtake_model::buffer::Buffer as Reused;
use offtake_model::dataset::{Column, ColumnType};
use offtake_model::{Error, ErrorKind, Result};

/// Rows between two looks at the budget, for what grows with rows alone.
const ROWS_BETWEEN_LOOKS: usize = 64;
/// Arrow's offsets are 32 bits wide.
const LONGEST_TEXT_COLUMN: usize = i32::MAX as usize;

/// The Arrow type a column travels as.
pub fn arrow_type(ty: ColumnType) -> DataType {
    match ty {
        ColumnType::Text | ColumnType::Json => DataType::Utf8,
        ColumnType::Int64 => DataType::Int64,
        ColumnType::Float64 => DataType::Float64,
        ColumnType::Bool => DataType::Boolean,
        ColumnType::Decimal { precision, scale } => DataType::Decimal128(precision, scale),
        ColumnType::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, Some("+00:00".into())),
        ColumnType::Date => DataType::Date32,
    }
}

/// What batches of the same columns have in common.
#[derive(Debug)]
pub(super) struct Form {
    schema: SchemaRef,
    columns: Vec<FormColumn>,
}

#[derive(Debug)]
struct FormColumn {
    ty: ColumnType,
    /// Bytes of text in the last batch that was built: so many will be in the next, roughly.
    text: AtomicUsize,
}

impl Form {
    pub(super) fn of<'a>(columns: impl Iterator<Item = &'a Column>) -> Arc<Self> {
        let (fields, columns): (Vec<Field>, _) = columns
            .map(|column| {
                let field = Field::new(&column.name, arrow_type(column.ty), true);
                (field, FormColumn { ty: column.ty, text: AtomicUsize::new(0) })
            })
            .unzip();
        Arc::new(Self { schema: Arc::new(Schema::new(fields)), columns })
    }
}

/// A batch that is being built.
#[derive(Debug)]
pub(super) struct Building {
    form: Arc<Form>,
    builders: Vec<Builder>,
    rows: usize,
    /// Bytes of a row without its texts.
    row_width: u64,
    room: Room,
}

/// The bytes taken for a batch that is being built.
#[derive(Debug)]
pub(super) struct Room {
    held: Held,
    bytes: u64,
    /// Bytes of text among them.
    text: u64,
}

impl Room {
    fn grow(&mut self, more: usize) -> Result<()> {
        let bytes = self.bytes + more as u64;
        self.held.grow_to(bytes)?;
        self.bytes = bytes;
        Ok(())
    }
}

impl Building {
    /// Room for `rows` rows.
    ///
    /// # Errors
    /// `memory_limit`.
    pub(super) fn new(form: &Arc<Form>, rows: usize, budget: &MemoryBudget) -> Result<Self> {
        let mut room = Room { held: budget.take(0)?, bytes: 0, text: 0 };
        let (mut builders, mut row_width) = (Vec::with_capacity(form.columns.len()), 0);
        for column in &form.columns {
            room.grow(Builder::bytes_for(column.ty, rows))?;
            row_width += Builder::width(column.ty) as u64;
            builders.push(Builder::new(column, rows, budget));
        }
        Ok(Self { form: Arc::clone(form), builders, rows: 0, row_width, room })
    }

    /// Rows so far.
    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    /// Bytes taken so far.
    pub(super) fn bytes(&self) -> u64 {
        self.room.bytes
    }

    /// Bytes of the rows so far, whatever room was made for them.
    pub(super) fn size(&self) -> u64 {
        self.room.text + self.row_width * self.rows as u64
    }

    /// The buffers, in the order of the columns, and the room they grow in. Each takes one cell a row.
    pub(super) fn columns(&mut self) -> (&mut [Builder], &mut Room) {
        (&mut self.builders, &mut self.room)
    }

    /// Every column has a cell of the row now.
    ///
    /// # Errors
    /// `memory_limit`.
    pub(super) fn end_row(&mut self) -> Result<()> {
        self.rows += 1;
        if self.rows.is_multiple_of(ROWS_BETWEEN_LOOKS) { self.room.grow(0) } else { Ok(()) }
    }

    /// The batch, and the bytes it holds.
    ///
    /// # Errors
    /// `memory_limit`.
    pub(super) fn finish(self) -> Result<(RecordBatch, Held)> {
        let Self { form, builders, rows, mut room, row_width: _ } = self;
        let mut arrays = Vec::with_capacity(builders.len());
        // Of a buffer that is used again, all of its room is held and not only what is filled.
        let mut unfilled = 0;
        for (builder, column) in builders.into_iter().zip(&form.columns) {
            if let Buffered::Text { bytes, .. } = &builder.cells {
                column.text.store(bytes.len(), Ordering::Relaxed);
                unfilled += bytes.capacity() - bytes.len();
            }
            arrays.push(builder.finish());
        }
        let arrays = arrays.into_iter().collect::<std::result::Result<Vec<_>, _>>();
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        let batch = arrays
            .and_then(|arrays| RecordBatch::try_new_with_options(Arc::clone(&form.schema), arrays, &options))
            .map_err(|cause| Error::new(ErrorKind::Internal, "the rows make no batch").caused_by(cause))?;
        room.held.grow_to((batch.get_array_memory_size() + unfilled) as u64)?;
        Ok((batch, room.held))
    }
}

/// The cells of one column.
#[derive(Debug)]
pub(super) struct Builder {
    ty: ColumnType,
    cells: Buffered,
    nulls: NullBufferBuilder,
}

#[derive(Debug)]
enum Buffered {
    Text {
        bytes: Reused,
        offsets: Vec<i32>,
        /// Bytes that will be needed, roughly.
        expected: usize,
    },
    Four(Vec<i32>),
    Eight(Vec<i64>),
    Double(Vec<f64>),
    Bits(BooleanBufferBuilder),
    Sixteen(Vec<i128>),
}

/// A cell that is not NULL, as its column's type has it.
#[derive(Debug, Clone, Copy)]
pub(super) enum Typed<'a> {
    /// Texts and JSON, in UTF-8.
    Text(&'a str),
    /// Integers and, in microseconds, timestamps.
    Int(i64),
    Double(f64),
    Truth(bool),
    /// Decimals, unscaled.
    Decimal(i128),
    /// Days since 1970.
    Day(i32),
}

impl Builder {
    fn bytes_for(ty: ColumnType, rows: usize) -> usize {
        let validity = rows / 8 + 64;
        let values = if ty == ColumnType::Bool { rows / 8 + 64 } else { Self::width(ty) * (rows + 1) };
        validity + values
    }

    /// Bytes of a cell, without the text it may point to.
    const fn width(ty: ColumnType) -> usize {
        match ty {
            ColumnType::Text | ColumnType::Json | ColumnType::Date => 4,
            ColumnType::Int64 | ColumnType::Float64 | ColumnType::Timestamp => 8,
            ColumnType::Bool => 1,
            ColumnType::Decimal { .. } => 16,
        }
    }

    fn new(column: &FormColumn, rows: usize, budget: &MemoryBudget) -> Self {
        let ty = column.ty;
        let cells = match ty {
            ColumnType::Text | ColumnType::Json => {
                let mut offsets = Vec::with_capacity(rows + 1);
                offsets.push(0);
                let last = column.text.load(Ordering::Relaxed);
                Buffered::Text { bytes: budget.buffer(0), offsets, expected: last + last / 8 }
            }
            ColumnType::Int64 | ColumnType::Timestamp => Buffered::Eight(Vec::with_capacity(rows)),
            ColumnType::Float64 => Buffered::Double(Vec::with_capacity(rows)),
            ColumnType::Bool => Buffered::Bits(BooleanBufferBuilder::new(rows)),
            ColumnType::Date => Buffered::Four(Vec::with_capacity(rows)),
            ColumnType::Decimal { .. } => Buffered::Sixteen(Vec::with_capacity(rows)),
        };
        Self { ty, cells, nulls: NullBufferBuilder::new(rows) }
    }

    /// Adds a cell; `false` if it is not of the column's type.
    ///
    /// # Errors
    /// `memory_limit`.
    #[inline]
    pub(super) fn push(&mut self, cell: Typed<'_>, room: &mut Room) -> Result<bool> {
        match (&mut self.cells, cell) {
            (Buffered::Text { bytes, offsets, expected }, Typed::Text(text)) => {
                if bytes.len() + text.len() > bytes.capacity() {
                    make_room(bytes, text.len(), *expected, room)?;
                }
                bytes.extend_from_slice(text.as_bytes());
                room.text += text.len() as u64;
                offsets.push(i32::try_from(bytes.len()).unwrap_or(i32::MAX));
            }
            (Buffered::Four(values), Typed::Day(day)) => values.push(day),
            (Buffered::Eight(values), Typed::Int(int)) => values.push(int),
            (Buffered::Double(values), Typed::Double(double)) => values.push(double),
            (Buffered::Bits(bits), Typed::Truth(truth)) => bits.append(truth),
            (Buffered::Sixteen(values), Typed::Decimal(unscaled)) => values.push(unscaled),
            (
                Buffered::Text { .. }
                | Buffered::Four(_)
                | Buffered::Eight(_)
                | Buffered::Double(_)
                | Buffered::Bits(_)
                | Buffered::Sixteen(_),
                _,
            ) => return Ok(false),
        }
        self.nulls.append_non_null();
        Ok(true)
    }

    /// Adds a NULL.
    pub(super) fn push_null(&mut self) {
        self.nulls.append_null();
        match &mut self.cells {
            Buffered::Text { bytes, offsets, .. } => offsets.push(i32::try_from(bytes.len()).unwrap_or(i32::MAX)),
            Buffered::Four(values) => values.push(0),
            Buffered::Eight(values) => values.push(0),
            Buffered::Double(values) => values.push(0.0),
            Buffered::Bits(bits) => bits.append(false),
            Buffered::Sixteen(values) => values.push(0),
        }
    }

    fn finish(self) -> std::result::Result<ArrayRef, arrow::error::ArrowError> {
        let Self { ty, cells, nulls } = self;
        let nulls = nulls.build();
        Ok(match cells {
            Buffered::Text { bytes, offsets, .. } => {
                let offsets = OffsetBuffer::new(ScalarBuffer::from(offsets));
                Arc::new(StringArray::try_new(offsets, Buffer::from(Bytes::from_owner(bytes)), nulls)?)
            }
            Buffered::Four(values) => Arc::new(Date32Array::try_new(values.into(), nulls)?),
            Buffered::Eight(values) if ty == ColumnType::Timestamp => {
                Arc::new(TimestampMicrosecondArray::try_new(values.into(), nulls)?.with_timezone("+00:00"))
            }
            Buffered::Eight(values) => Arc::new(Int64Array::try_new(values.into(), nulls)?),
            Buffered::Double(values) => Arc::new(Float64Array::try_new(values.into(), nulls)?),
            Buffered::Bits(mut bits) => Arc::new(BooleanArray::new(bits.finish(), nulls)),
            Buffered::Sixteen(values) => {
                Arc::new(Decimal128Array::try_new(values.into(), nulls)?.with_data_type(arrow_type(ty)))
            }
        })
    }
}

/// Grows to what is expected, then by doubling; the old and the new buffer are both held for a moment.
#[cold]
fn make_room(bytes: &mut Reused, more: usize, expected: usize, room: &mut Room) -> Result<()> {
    let needed = bytes.len() + more;
    if needed > LONGEST_TEXT_COLUMN {
        return Err(Error::new(ErrorKind::MemoryLimit, "one range holds more than 2 GiB of one column"));
    }
    let before = bytes.capacity();
    let capacity = needed.max(expected).max(before.saturating_mul(2)).max(1_024);
    // A spare one first: it would be given back to make room for itself.
    bytes.reserve(capacity - bytes.len());
    room.grow(bytes.capacity())?;
    room.bytes -= before as u64;
    room.held.grow_to(room.bytes)
}
