//! One column in a comparison: the expression it is compared by, and values in the form it is stored in.

use offtake_model::dataset::ColumnType;
use offtake_model::value::Value;
use offtake_model::{Error, ErrorKind, Result};
use rusqlite::types::Value as SqlValue;

use super::pg;
use crate::escape;
use crate::relation::Stored;

/// A column: its bare expression (`raw`), as it is read (`read`) and as it is compared with values (`compared`).
#[derive(Debug, Clone)]
pub(crate) struct Operand {
    pub(crate) raw: String,
    pub(crate) read: String,
    pub(crate) compared: String,
    ty: ColumnType,
    kept: Kept,
}

/// How the values lie in the database.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Kept {
    Sqlite(Stored),
    Postgres(pg::Types),
}

/// Which way a value is rounded that the column cannot hold exactly, so that the comparison stays true.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bound {
    /// For `=`: such a value equals nothing.
    Exact,
    /// For `>=` and `<`.
    Up,
    /// For `<=`.
    Down,
}

/// A value as the column stores it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Encoded {
    Stored(SqlValue),
    /// Below everything the column can hold.
    Below,
    /// Above everything the column can hold.
    Above,
    /// Between two values the column can hold: equal to nothing.
    Nothing,
}

impl Operand {
    /// A column of SQLite.
    pub(crate) fn sqlite(expression: &str, ty: ColumnType, stored: Stored) -> Self {
        let compared = match (ty, stored) {
            (ColumnType::Timestamp, Stored::Plain) => format!("offtake_micros({expression})"),
            (ColumnType::Decimal { scale, .. }, Stored::Plain) => format!("offtake_decimal({expression}, {scale})"),
            (
                ColumnType::Text
                | ColumnType::Int64
                | ColumnType::Float64
                | ColumnType::Bool
                | ColumnType::Json
                | ColumnType::Timestamp
                | ColumnType::Date
                | ColumnType::Decimal { .. },
                _,
            ) => expression.to_owned(),
        };
        Self { raw: expression.to_owned(), read: expression.to_owned(), compared, ty, kept: Kept::Sqlite(stored) }
    }

    /// A column of Postgres, of the type that `format_type` calls `declared`.
    pub(crate) fn postgres(expression: &str, ty: ColumnType, declared: &str, escaped: bool) -> Self {
        let types = pg::Types::new(ty, declared, escaped);
        let (read, compared) = (types.read(expression), types.compared(expression));
        Self { raw: expression.to_owned(), read, compared, ty, kept: Kept::Postgres(types) }
    }

    /// The type that values are cast to which are compared with [`compared`](Self::compared); none in SQLite.
    pub(crate) fn value_type(&self) -> &str {
        match &self.kept {
            Kept::Sqlite(_) => "",
            Kept::Postgres(types) => types.value(),
        }
    }

    /// The type that values of a key are cast to which are compared with [`raw`](Self::raw); none in SQLite.
    pub(crate) fn key_type(&self) -> &str {
        match &self.kept {
            Kept::Sqlite(_) => "",
            Kept::Postgres(types) => types.key(),
        }
    }

    /// A value of a key of Postgres, as the input of its type reads it.
    pub(super) fn literal(&self, value: &Value) -> Result<String> {
        match (value, self.is_escaped()) {
            (Value::Text(text), true) => Ok(escape::escaped(text).into_owned()),
            _ => pg::literal(value),
        }
    }

    /// Whether its texts are stored as [`crate::escape`] writes them.
    pub(super) const fn is_escaped(&self) -> bool {
        matches!(&self.kept, Kept::Postgres(types) if types.is_escaped())
    }

    /// The expression as a text, which is what is searched and measured.
    pub(crate) fn in_text(&self) -> String {
        match self.kept {
            Kept::Sqlite(_) => self.raw.clone(),
            Kept::Postgres(_) => format!("({})::text", self.read),
        }
    }

    /// The expression in the order of the bytes of its texts, if it is one.
    pub(crate) fn in_byte_order(&self) -> String {
        match self.kept {
            Kept::Postgres(_) if matches!(self.value_type(), "text" | "bpchar") => {
                format!("({})::text COLLATE \"C\"", self.compared)
            }
            Kept::Postgres(_) | Kept::Sqlite(_) => self.compared.clone(),
        }
    }

    /// How the arrays of a column of Postgres are compared with a list of elements; `None` in SQLite, which has none.
    pub(super) fn arrays(&self, values: &[Value]) -> Result<Option<pg::Arrays>> {
        match &self.kept {
            Kept::Postgres(types) => types.arrays(&self.raw, values).map(Some),
            Kept::Sqlite(_) => Ok(None),
        }
    }

    /// Whether it lies in Postgres.
    pub(crate) const fn is_postgres(&self) -> bool {
        matches!(self.kept, Kept::Postgres(_))
    }

    const fn stored(&self) -> Stored {
        match self.kept {
            Kept::Sqlite(stored) => stored,
            Kept::Postgres(_) => Stored::Native,
        }
    }

    /// Whether its bytes vary.
    pub(crate) fn is_text(&self) -> bool {
        matches!(self.ty, ColumnType::Text | ColumnType::Json) || self.stored() == Stored::Plain
    }

    /// Whether an index on the column can serve a comparison.
    pub(crate) fn is_bare(&self) -> bool {
        self.compared == self.raw
    }

    /// The type that a column of a temporary table needs to be compared with this one by its index.
    pub(crate) fn affinity(&self) -> &'static str {
        match (self.ty, self.stored()) {
            (ColumnType::Text | ColumnType::Json, _) => "TEXT",
            (ColumnType::Float64, _) => "REAL",
            (ColumnType::Decimal { .. }, Stored::Plain | Stored::Loaded) => "BLOB",
            (
                ColumnType::Int64
                | ColumnType::Bool
                | ColumnType::Timestamp
                | ColumnType::Date
                | ColumnType::Decimal { .. },
                _,
            ) => "INTEGER",
        }
    }

    /// The same for the values of [`raw`](Self::raw).
    pub(crate) fn key_affinity(&self) -> &'static str {
        if self.stored() == Stored::Plain { "TEXT" } else { self.affinity() }
    }

    /// The value in the form [`compared`](Self::compared) yields.
    pub(crate) fn encode(&self, value: &Value, bound: Bound) -> Result<Encoded> {
        if let Kept::Postgres(types) = &self.kept {
            return types.encode(self.ty, value);
        }
        match (self.ty, value) {
            (ColumnType::Text | ColumnType::Json, Value::Text(text)) => Ok(stored(text.clone())),
            (ColumnType::Int64, Value::Int(int)) => Ok(stored(*int)),
            (ColumnType::Float64, Value::Float(float)) => Ok(stored(*float)),
            (ColumnType::Bool, Value::Bool(truth)) => Ok(stored(i64::from(*truth))),
            (ColumnType::Timestamp, Value::Timestamp(micros)) => Ok(self.moment(*micros, bound)),
            (ColumnType::Date, Value::Date(day)) => Ok(stored(i64::from(*day))),
            (ColumnType::Decimal { scale, .. }, Value::Decimal { unscaled, scale: given }) => {
                Ok(self.decimal(*unscaled, *given, scale, bound))
            }
            _ => Err(Error::new(
                ErrorKind::Internal,
                format!("a value of another type than {} reached the column {}", self.ty.name(), self.raw),
            )),
        }
    }

    fn moment(&self, micros: i64, bound: Bound) -> Encoded {
        let unit = match self.stored() {
            Stored::Native | Stored::Plain | Stored::Loaded | Stored::Escaped => 1,
            Stored::Milliseconds => 1_000,
            Stored::Seconds => 1_000_000,
        };
        match divide(i128::from(micros), unit, bound) {
            Some(units) => i64::try_from(units).map_or(Encoded::Nothing, stored),
            None => Encoded::Nothing,
        }
    }

    fn decimal(&self, unscaled: i128, given: i8, scale: i8, bound: Bound) -> Encoded {
        let beyond = if unscaled < 0 { Encoded::Below } else { Encoded::Above };
        let shift = i32::from(scale) - i32::from(given);
        let scaled = match 10_i128.checked_pow(shift.unsigned_abs()) {
            Some(power) if shift >= 0 => match unscaled.checked_mul(power) {
                Some(scaled) => scaled,
                None => return beyond,
            },
            Some(power) => match divide(unscaled, power, bound) {
                Some(scaled) => scaled,
                None => return Encoded::Nothing,
            },
            None => return if unscaled == 0 { stored(0) } else { beyond },
        };
        if matches!(self.stored(), Stored::Plain | Stored::Loaded) {
            return Encoded::Stored(SqlValue::Blob(ordered_bytes(scaled).to_vec()));
        }
        i64::try_from(scaled).map_or(beyond, stored)
    }
}

fn stored(value: impl Into<SqlValue>) -> Encoded {
    Encoded::Stored(value.into())
}

fn divide(value: i128, unit: i128, bound: Bound) -> Option<i128> {
    let (quotient, rest) = (value.div_euclid(unit), value.rem_euclid(unit));
    match bound {
        _ if rest == 0 => Some(quotient),
        Bound::Exact => None,
        Bound::Up => Some(quotient + 1),
        Bound::Down => Some(quotient),
    }
}

/// Sixteen bytes that sort as the number does.
pub(crate) fn ordered_bytes(number: i128) -> [u8; 16] {
    (number.cast_unsigned() ^ (1 << 127)).to_be_bytes()
}

/// The number whose [`ordered_bytes`] these are.
pub(crate) fn ordered_number(bytes: &[u8]) -> Option<i128> {
    let bytes = <[u8; 16]>::try_from(bytes).ok()?;
    Some((u128::from_be_bytes(bytes) ^ (1 << 127)).cast_signed())
}

/// A value of a key column, exactly as it is stored.
///
/// # Errors
/// `internal` for what no key column holds.
pub(crate) fn key_value(value: &Value) -> Result<SqlValue> {
    match value {
        Value::Int(int) | Value::Timestamp(int) => Ok((*int).into()),
        Value::Bool(truth) => Ok(i64::from(*truth).into()),
        Value::Text(text) => Ok(text.clone().into()),
        Value::Decimal { unscaled, .. } => match i64::try_from(*unscaled) {
            Ok(scaled) => Ok(scaled.into()),
            Err(_) => Err(not_a_key()),
        },
        Value::Date(day) => Ok(i64::from(*day).into()),
        Value::Null | Value::Float(_) => Err(not_a_key()),
    }
}

fn not_a_key() -> Error {
    Error::new(ErrorKind::Internal, "a key holds a value that no key column can have")
}
