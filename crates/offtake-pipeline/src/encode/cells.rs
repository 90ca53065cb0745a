//! A shaped batch, opened up: each column with its type resolved once, so that rows are walked without look-ups.

use arrow::array::{Array, AsArray, BooleanArray, Date32Array, Decimal128Array, Float64Array, Int64Array, StringArray};
use arrow::buffer::NullBuffer;
use arrow::datatypes::{Date32Type, Decimal128Type, Float64Type, Int64Type, TimestampMicrosecondType};
use arrow::record_batch::RecordBatch;
use offtake_model::dataset::ColumnType;
use offtake_model::{Error, ErrorKind, Result};

/// A column of a batch.
pub(super) struct Cells<'a> {
    nulls: Option<&'a NullBuffer>,
    pub(super) values: Values<'a>,
}

/// Its values, by type.
pub(super) enum Values<'a> {
    Text(&'a StringArray),
    Json(&'a StringArray),
    Int(&'a Int64Array),
    Float(&'a Float64Array),
    Bool(&'a BooleanArray),
    Decimal(&'a Decimal128Array, i8),
    Timestamp(&'a arrow::array::TimestampMicrosecondArray),
    Date(&'a Date32Array),
}

impl Cells<'_> {
    #[inline]
    pub(super) fn is_null(&self, row: usize) -> bool {
        self.nulls.is_some_and(|nulls| nulls.is_null(row))
    }

    /// Bytes that the values take at most as they are, without quoting or escapes of text.
    pub(super) fn width(&self, rows: usize) -> usize {
        match self.values {
            Values::Text(texts) | Values::Json(texts) => bytes_of(texts).len(),
            Values::Int(_) => rows * 20,
            Values::Float(_) => rows * 26,
            Values::Bool(_) => rows * 5,
            Values::Decimal(values, scale) => {
                rows * (6 + usize::from(values.precision()) + usize::from(scale.unsigned_abs()))
            }
            Values::Timestamp(_) => rows * 30,
            Values::Date(_) => rows * 16,
        }
    }
}

/// Opens a batch whose columns have these types.
pub(super) fn open<'a>(batch: &'a RecordBatch, types: &[ColumnType]) -> Result<Vec<Cells<'a>>> {
    let cells: Option<Vec<_>> =
        batch.columns().iter().zip(types).map(|(array, ty)| column(array.as_ref(), *ty)).collect();
    cells.filter(|cells| cells.len() == types.len()).ok_or_else(|| {
        Error::new(ErrorKind::Internal, format!("a batch was not shaped before it was written: {}", batch.schema()))
    })
}

/// Opens one column of this type.
pub(super) fn column(array: &dyn Array, ty: ColumnType) -> Option<Cells<'_>> {
    let values = match ty {
        ColumnType::Text => Values::Text(array.as_string_opt()?),
        ColumnType::Json => Values::Json(array.as_string_opt()?),
        ColumnType::Int64 => Values::Int(array.as_primitive_opt::<Int64Type>()?),
        ColumnType::Float64 => Values::Float(array.as_primitive_opt::<Float64Type>()?),
        ColumnType::Bool => Values::Bool(array.as_boolean_opt()?),
        ColumnType::Decimal { .. } => {
            let decimals = array.as_primitive_opt::<Decimal128Type>()?;
            Values::Decimal(decimals, decimals.scale())
        }
        ColumnType::Timestamp => Values::Timestamp(array.as_primitive_opt::<TimestampMicrosecondType>()?),
        ColumnType::Date => Values::Date(array.as_primitive_opt::<Date32Type>()?),
    };
    Some(Cells { nulls: array.nulls(), values })
}

/// All the text of a column in one piece; what belongs to NULLs may be in it.
pub(super) fn bytes_of(texts: &StringArray) -> &[u8] {
    let offsets = texts.value_offsets();
    let (first, last) = (offsets.first().copied().unwrap_or(0), offsets.last().copied().unwrap_or(0));
    texts.value_data().get(first as usize..last as usize).unwrap_or(&[])
}

/// How many bytes of `bytes` are of a kind. Compiles to vector instructions.
pub(super) fn count(bytes: &[u8], is: impl Fn(u8) -> bool) -> usize {
    bytes.chunks(255).map(|chunk| usize::from(chunk.iter().map(|byte| u8::from(is(*byte))).sum::<u8>())).sum()
}
