//! SQLite's cells → Arrow arrays, exactly or with an error that names column and row.
//!
//! SQLite types values, not columns, so every cell is checked against the column's type. Memory is taken from the
//! budget before it is used: the buffers are plain vectors whose growth is decided here.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, BooleanBufferBuilder, Decimal128Array, Float64Array, Int64Array, NullBufferBuilder,
    StringArray, TimestampMicrosecondArray,
};
use arrow::buffer::{Buffer, OffsetBuffer, ScalarBuffer};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use arrow::record_batch::RecordBatch;
use jiff::Timestamp;
use offtake_model::budget::{Held, MemoryBudget};
use offtake_model::dataset::{Column, ColumnType, DatasetSchema};
use offtake_model::value::Value;
use offtake_model::{Error, ErrorKind, Result};
use rusqlite::Row;
use rusqlite::types::ValueRef;

use super::drift::{describe, drifted};
use super::plain;
use crate::relation::{Relation, Stored};

/// Integers up to this one are doubles too.
const EXACT_IN_DOUBLE: u64 = 1 << 53;
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
    }
}

/// What a row is read into: the columns asked for, then the key.
#[derive(Debug, Clone)]
pub(super) struct Layout {
    columns: Vec<(Column, Stored)>,
    key: Vec<(Column, Stored)>,
    arrow: SchemaRef,
}

impl Layout {
    /// # Errors
    /// `internal` for a column the dataset does not have: requests were checked before.
    pub(super) fn new(schema: &DatasetSchema, relation: &Relation, columns: &[String]) -> Result<Self> {
        let find = |name: &String| {
            let stored = relation.stored.get(name).copied().unwrap_or_default();
            schema.column(name).map(|column| (column.clone(), stored)).ok_or_else(|| {
                Error::new(ErrorKind::Internal, format!("the dataset {} has no column {name}", schema.name))
            })
        };
        let columns = columns.iter().map(find).collect::<Result<Vec<_>>>()?;
        let key = schema.key.iter().map(find).collect::<Result<Vec<_>>>()?;
        let fields: Vec<Field> =
            columns.iter().map(|(column, _)| Field::new(&column.name, arrow_type(column.ty), true)).collect();
        Ok(Self { columns, key, arrow: Arc::new(Schema::new(fields)) })
    }

    /// The position of the first key column in a row.
    pub(super) fn key_at(&self) -> usize {
        self.columns.len()
    }

    /// The number of key columns.
    pub(super) fn key_width(&self) -> usize {
        self.key.len()
    }

    /// The key of a row whose key columns begin at `at`.
    pub(super) fn key(&self, row: &Row<'_>, at: usize) -> Result<Vec<Value>> {
        let mut key = Vec::with_capacity(self.key.len());
        for (index, (column, stored)) in self.key.iter().enumerate() {
            let cell = cell(row, at + index)?;
            match key_cell(cell, column.ty, *stored) {
                Some(value) => key.push(value),
                None => {
                    return Err(drifted(&column.name, &describe(cell), &column.ty.name(), &self.name_row(row, at)));
                }
            }
        }
        Ok(key)
    }

    /// The key of a row in words.
    fn name_row(&self, row: &Row<'_>, at: usize) -> String {
        let names = self.key.iter().enumerate().map(|(index, (column, _))| {
            let value = match row.get_ref(at + index) {
                Ok(ValueRef::Integer(int)) => int.to_string(),
                Ok(ValueRef::Real(real)) => real.to_string(),
                Ok(ValueRef::Text(text)) => format!("{:?}", String::from_utf8_lossy(&text[..text.len().min(200)])),
                Ok(other) => describe(other),
                Err(_) => "?".to_owned(),
            };
            format!("{} = {value}", column.name)
        });
        names.collect::<Vec<_>>().join(", ")
    }
}

fn cell<'r>(row: &'r Row<'_>, index: usize) -> Result<ValueRef<'r>> {
    row.get_ref(index).map_err(super::session::failure)
}

fn key_cell(cell: ValueRef<'_>, ty: ColumnType, stored: Stored) -> Option<Value> {
    match (ty, stored, cell) {
        (ColumnType::Text, _, ValueRef::Text(text)) | (ColumnType::Timestamp, Stored::Plain, ValueRef::Text(text)) => {
            std::str::from_utf8(text).ok().map(|text| Value::Text(text.to_owned()))
        }
        (ColumnType::Int64, _, ValueRef::Integer(int))
        | (ColumnType::Timestamp, Stored::Seconds | Stored::Milliseconds, ValueRef::Integer(int)) => {
            Some(Value::Int(int))
        }
        (ColumnType::Timestamp, Stored::Native, ValueRef::Integer(int)) => Some(Value::Timestamp(int)),
        (ColumnType::Bool, _, ValueRef::Integer(int @ (0 | 1))) => Some(Value::Bool(int == 1)),
        (ColumnType::Decimal { scale, .. }, Stored::Native, ValueRef::Integer(int)) => {
            Some(Value::Decimal { unscaled: i128::from(int), scale })
        }
        _ => None,
    }
}

/// Rows that become a batch.
#[derive(Debug)]
pub(super) struct Cells {
    layout: Arc<Layout>,
    builders: Vec<Builder>,
    rows: usize,
    /// Bytes of a row without its texts.
    row_width: u64,
    room: Room,
}

/// The bytes taken for a batch that is being built.
#[derive(Debug)]
struct Room {
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

impl Cells {
    /// Room for `rows` rows.
    ///
    /// # Errors
    /// `memory_limit`.
    pub(super) fn new(layout: &Arc<Layout>, rows: usize, budget: &MemoryBudget) -> Result<Self> {
        let mut room = Room { held: budget.take(0)?, bytes: 0, text: 0 };
        let mut builders = Vec::with_capacity(layout.columns.len());
        for (column, _) in &layout.columns {
            room.grow(Builder::bytes_for(column.ty, rows))?;
            builders.push(Builder::new(column.ty, rows));
        }
        let row_width = layout.columns.iter().map(|(column, _)| Builder::width(column.ty)).sum::<usize>() as u64;
        Ok(Self { layout: Arc::clone(layout), builders, rows: 0, row_width, room })
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

    /// Adds a row.
    ///
    /// # Errors
    /// `memory_limit`; `schema_drift`, naming column and row.
    pub(super) fn push(&mut self, row: &Row<'_>) -> Result<()> {
        let layout = Arc::clone(&self.layout);
        for (index, ((column, stored), builder)) in layout.columns.iter().zip(&mut self.builders).enumerate() {
            let cell = cell(row, index)?;
            if !builder.push(cell, *stored, &mut self.room)? {
                let key = layout.name_row(row, layout.key_at());
                return Err(drifted(&column.name, &found(cell), &column.ty.name(), &key));
            }
        }
        self.rows += 1;
        if self.rows.is_multiple_of(ROWS_BETWEEN_LOOKS) {
            self.room.grow(0)?;
        }
        Ok(())
    }

    /// The batch, and the bytes it holds.
    ///
    /// # Errors
    /// `memory_limit`; `schema_drift`.
    pub(super) fn finish(self) -> Result<(RecordBatch, Held)> {
        let Self { layout, builders, rows, mut room, row_width: _ } = self;
        let arrays = builders.into_iter().map(Builder::finish).collect::<std::result::Result<Vec<_>, _>>();
        let options = arrow::record_batch::RecordBatchOptions::new().with_row_count(Some(rows));
        let batch = arrays
            .and_then(|arrays| RecordBatch::try_new_with_options(Arc::clone(&layout.arrow), arrays, &options))
            .map_err(|cause| Error::new(ErrorKind::Internal, "the rows make no batch").caused_by(cause))?;
        room.held.grow_to(batch.get_array_memory_size() as u64)?;
        Ok((batch, room.held))
    }
}

fn found(cell: ValueRef<'_>) -> String {
    if let ValueRef::Text(bytes) = cell
        && std::str::from_utf8(bytes).is_err()
    {
        return "TEXT that is not UTF-8".to_owned();
    }
    describe(cell)
}

#[derive(Debug)]
struct Builder {
    ty: ColumnType,
    cells: Buffered,
    nulls: NullBufferBuilder,
}

#[derive(Debug)]
enum Buffered {
    Text { bytes: Vec<u8>, offsets: Vec<i32> },
    Eight(Vec<i64>),
    Double(Vec<f64>),
    Bits(BooleanBufferBuilder),
    Sixteen(Vec<i128>),
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
            ColumnType::Text | ColumnType::Json => 4,
            ColumnType::Int64 | ColumnType::Float64 | ColumnType::Timestamp => 8,
            ColumnType::Bool => 1,
            ColumnType::Decimal { .. } => 16,
        }
    }

    fn new(ty: ColumnType, rows: usize) -> Self {
        let cells = match ty {
            ColumnType::Text | ColumnType::Json => {
                let mut offsets = Vec::with_capacity(rows + 1);
                offsets.push(0);
                Buffered::Text { bytes: Vec::new(), offsets }
            }
            ColumnType::Int64 | ColumnType::Timestamp => Buffered::Eight(Vec::with_capacity(rows)),
            ColumnType::Float64 => Buffered::Double(Vec::with_capacity(rows)),
            ColumnType::Bool => Buffered::Bits(BooleanBufferBuilder::new(rows)),
            ColumnType::Decimal { .. } => Buffered::Sixteen(Vec::with_capacity(rows)),
        };
        Self { ty, cells, nulls: NullBufferBuilder::new(rows) }
    }

    /// Adds a cell; `false` if it is not of the column's type.
    fn push(&mut self, cell: ValueRef<'_>, stored: Stored, room: &mut Room) -> Result<bool> {
        if matches!(cell, ValueRef::Null) {
            self.push_null();
            return Ok(true);
        }
        let fits = match (&mut self.cells, cell) {
            (Buffered::Text { bytes, offsets }, ValueRef::Text(text)) => {
                if !is_text(text, self.ty, stored) {
                    return Ok(false);
                }
                push_text(bytes, offsets, text, room)?;
                true
            }
            (Buffered::Eight(values), cell) => eight(cell, self.ty, stored).map(|value| values.push(value)).is_some(),
            (Buffered::Double(values), cell) => double(cell).map(|value| values.push(value)).is_some(),
            (Buffered::Bits(bits), ValueRef::Integer(int @ (0 | 1))) => {
                bits.append(int == 1);
                true
            }
            (Buffered::Sixteen(values), cell) => {
                sixteen(cell, self.ty, stored).map(|value| values.push(value)).is_some()
            }
            (Buffered::Text { .. } | Buffered::Bits(_), _) => false,
        };
        if fits {
            self.nulls.append_non_null();
        }
        Ok(fits)
    }

    fn push_null(&mut self) {
        self.nulls.append_null();
        match &mut self.cells {
            Buffered::Text { bytes, offsets } => offsets.push(i32::try_from(bytes.len()).unwrap_or(i32::MAX)),
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
            Buffered::Text { bytes, offsets } => {
                let offsets = OffsetBuffer::new(ScalarBuffer::from(offsets));
                Arc::new(StringArray::try_new(offsets, Buffer::from_vec(bytes), nulls)?)
            }
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

fn is_text(text: &[u8], ty: ColumnType, stored: Stored) -> bool {
    let checked = ty == ColumnType::Json && stored == Stored::Plain;
    std::str::from_utf8(text).is_ok() && (!checked || serde_json::from_slice::<serde::de::IgnoredAny>(text).is_ok())
}

/// Grows by doubling; the old and the new buffer are both held while one is copied to the other.
fn push_text(bytes: &mut Vec<u8>, offsets: &mut Vec<i32>, text: &[u8], room: &mut Room) -> Result<()> {
    let needed = bytes.len() + text.len();
    if needed > LONGEST_TEXT_COLUMN {
        return Err(Error::new(ErrorKind::MemoryLimit, "one range holds more than 2 GiB of one column"));
    }
    if needed > bytes.capacity() {
        let before = bytes.capacity();
        let capacity = needed.max(before.saturating_mul(2)).max(1_024);
        room.grow(capacity)?;
        bytes.reserve_exact(capacity - bytes.len());
        room.bytes -= before as u64;
        room.held.grow_to(room.bytes)?;
    }
    bytes.extend_from_slice(text);
    room.text += text.len() as u64;
    offsets.push(i32::try_from(needed).unwrap_or(i32::MAX));
    Ok(())
}

fn eight(cell: ValueRef<'_>, ty: ColumnType, stored: Stored) -> Option<i64> {
    if ty == ColumnType::Int64 {
        return if let ValueRef::Integer(int) = cell { Some(int) } else { None };
    }
    let micros = match (stored, cell) {
        (Stored::Native, ValueRef::Integer(int)) => int,
        (Stored::Milliseconds, ValueRef::Integer(int)) => int.checked_mul(1_000)?,
        (Stored::Seconds, ValueRef::Integer(int)) => int.checked_mul(1_000_000)?,
        (Stored::Plain, cell) => return plain::micros(cell),
        (Stored::Native | Stored::Milliseconds | Stored::Seconds, _) => return None,
    };
    let years_with_a_name = Timestamp::MIN.as_microsecond()..=Timestamp::MAX.as_microsecond();
    years_with_a_name.contains(&micros).then_some(micros)
}

fn double(cell: ValueRef<'_>) -> Option<f64> {
    match cell {
        ValueRef::Real(real) => Some(real),
        #[expect(clippy::cast_precision_loss, reason = "integers of this size are exact as doubles")]
        ValueRef::Integer(int) if int.unsigned_abs() <= EXACT_IN_DOUBLE => Some(int as f64),
        ValueRef::Null | ValueRef::Integer(_) | ValueRef::Text(_) | ValueRef::Blob(_) => None,
    }
}

fn sixteen(cell: ValueRef<'_>, ty: ColumnType, stored: Stored) -> Option<i128> {
    let ColumnType::Decimal { precision, scale } = ty else {
        return None;
    };
    let unscaled = match (stored, cell) {
        (Stored::Plain, cell) => plain::decimal(cell, scale)?,
        (_, ValueRef::Integer(int)) => i128::from(int),
        _ => return None,
    };
    (unscaled.unsigned_abs() < 10_u128.pow(u32::from(precision.min(38)))).then_some(unscaled)
}
