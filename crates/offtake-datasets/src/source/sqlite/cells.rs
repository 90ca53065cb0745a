//! SQLite's cells → Arrow arrays, exactly or with an error that names column and row.
//!
//! SQLite types values, not columns, so every cell is checked against the column's type.

use std::sync::Arc;

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
use crate::source::building::{Building, Form, Typed};
use crate::sql::ordered_number;

/// Integers up to this one are doubles too.
const EXACT_IN_DOUBLE: u64 = 1 << 53;

/// What a row is read into: the columns asked for, then the key.
#[derive(Debug, Clone)]
pub(super) struct Layout {
    columns: Vec<(Column, Stored)>,
    key: Vec<(Column, Stored)>,
    form: Arc<Form>,
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
        let form = Form::of(columns.iter().map(|(column, _)| column));
        Ok(Self { columns, key, form })
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
        (ColumnType::Timestamp, Stored::Native | Stored::Loaded, ValueRef::Integer(int)) => Some(Value::Timestamp(int)),
        (ColumnType::Date, _, ValueRef::Integer(day)) => i32::try_from(day).ok().map(Value::Date),
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
    building: Building,
}

impl Cells {
    /// Room for `rows` rows.
    ///
    /// # Errors
    /// `memory_limit`.
    pub(super) fn new(layout: &Arc<Layout>, rows: usize, budget: &MemoryBudget) -> Result<Self> {
        let building = Building::new(&layout.form, rows, budget)?;
        Ok(Self { layout: Arc::clone(layout), building })
    }

    /// Rows so far.
    pub(super) fn rows(&self) -> usize {
        self.building.rows()
    }

    /// Bytes taken so far.
    pub(super) fn bytes(&self) -> u64 {
        self.building.bytes()
    }

    /// Bytes of the rows so far, whatever room was made for them.
    pub(super) fn size(&self) -> u64 {
        self.building.size()
    }

    /// Adds a row.
    ///
    /// # Errors
    /// `memory_limit`; `schema_drift`, naming column and row.
    pub(super) fn push(&mut self, row: &Row<'_>) -> Result<()> {
        let layout = Arc::clone(&self.layout);
        let (builders, room) = self.building.columns();
        for (index, ((column, stored), builder)) in layout.columns.iter().zip(builders).enumerate() {
            let cell = cell(row, index)?;
            let fits = match (cell, typed(cell, column.ty, *stored)) {
                (ValueRef::Null, _) => {
                    builder.push_null();
                    true
                }
                (_, Some(typed)) => builder.push(typed, room)?,
                (_, None) => false,
            };
            if !fits {
                let key = layout.name_row(row, layout.key_at());
                return Err(drifted(&column.name, &found(cell), &column.ty.name(), &key));
            }
        }
        self.building.end_row()
    }

    /// The batch, and the bytes it holds.
    ///
    /// # Errors
    /// `memory_limit`; `schema_drift`.
    pub(super) fn finish(self) -> Result<(RecordBatch, Held)> {
        self.building.finish()
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

/// The cell as a value of its column's type, if it is one.
fn typed<'r>(cell: ValueRef<'r>, ty: ColumnType, stored: Stored) -> Option<Typed<'r>> {
    match (ty, cell) {
        (ColumnType::Text | ColumnType::Json, ValueRef::Text(text)) => text_of(text, ty, stored).map(Typed::Text),
        (ColumnType::Int64 | ColumnType::Timestamp, cell) => eight(cell, ty, stored).map(Typed::Int),
        (ColumnType::Float64, ValueRef::Text(b"NaN")) if stored == Stored::Loaded => Some(Typed::Double(f64::NAN)),
        (ColumnType::Float64, cell) => double(cell).map(Typed::Double),
        (ColumnType::Bool, ValueRef::Integer(int @ (0 | 1))) => Some(Typed::Truth(int == 1)),
        (ColumnType::Decimal { .. }, cell) => sixteen(cell, ty, stored).map(Typed::Decimal),
        (ColumnType::Date, ValueRef::Integer(day)) => i32::try_from(day).ok().map(Typed::Day),
        (ColumnType::Text | ColumnType::Json | ColumnType::Bool | ColumnType::Date, _) => None,
    }
}

fn text_of(text: &[u8], ty: ColumnType, stored: Stored) -> Option<&str> {
    let checked = ty == ColumnType::Json && stored == Stored::Plain;
    let sound = !checked || serde_json::from_slice::<serde::de::IgnoredAny>(text).is_ok();
    std::str::from_utf8(text).ok().filter(|_| sound)
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
        // What is loaded was looked at then.
        (Stored::Loaded, ValueRef::Integer(int)) => return Some(int),
        (Stored::Native | Stored::Milliseconds | Stored::Seconds | Stored::Loaded | Stored::Escaped, _) => return None,
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
        (Stored::Loaded, ValueRef::Blob(bytes)) => ordered_number(bytes)?,
        (_, ValueRef::Integer(int)) => i128::from(int),
        _ => return None,
    };
    (unscaled.unsigned_abs() < 10_u128.pow(u32::from(precision.min(38)))).then_some(unscaled)
}
