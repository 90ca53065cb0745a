//! Arrow's cells → what SQLite stores, exactly or with words that say what was found instead.

use std::borrow::Cow;

use arrow::array::{
    Array, ArrayRef, AsArray, BinaryArray, BooleanArray, Decimal128Array, Decimal256Array, FixedSizeBinaryArray,
    Float32Array, Float64Array, Int32Array, Int64Array, StringArray, UInt64Array,
};
use arrow::compute::cast;
use arrow::datatypes::{DataType, TimeUnit};
use arrow::error::ArrowError;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use jiff::Timestamp;
use offtake_model::dataset::ColumnType;
use rusqlite::ToSql;
use rusqlite::types::{ToSqlOutput, ValueRef};

use super::footer::Meant;
use super::nested;
use crate::number;
use crate::sql::ordered_bytes;

/// How the columns of a table are loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LoadColumn {
    pub(crate) name: String,
    pub(crate) ty: ColumnType,
    pub(crate) kept: Kept,
    /// Whether the configuration says the type. Files may differ then as far as each value fits, and moments that are
    /// finer than microseconds are rounded down.
    pub(crate) said: bool,
    /// Whether its values are told to nobody, in errors neither.
    pub(crate) sensitive: bool,
}

/// What a cell becomes, where its type leaves a choice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kept {
    /// Decimals of up to 18 digits as integers, integers that stand for moments as they are.
    Plain,
    /// Decimals as bytes in their order.
    Ordered,
}

/// A cell on its way.
#[derive(Debug, PartialEq)]
pub(super) enum Cell<'a> {
    Null,
    Int(i64),
    Real(f64),
    Text(Cow<'a, str>),
    Bytes([u8; 16]),
}

impl ToSql for Cell<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Null => ValueRef::Null,
            Self::Int(int) => ValueRef::Integer(*int),
            Self::Real(real) => ValueRef::Real(*real),
            Self::Text(text) => ValueRef::Text(text.as_bytes()),
            Self::Bytes(bytes) => ValueRef::Blob(bytes),
        }))
    }
}

/// The cells of a column of a batch.
pub(super) struct Cells<'a> {
    array: &'a dyn Array,
    found: Found<'a>,
    column: &'a LoadColumn,
}

enum Found<'a> {
    /// An array of nothing but NULLs, which has no bits to say so.
    Nothing,
    Bool(&'a BooleanArray),
    Int(Int64Array),
    Unsigned(&'a UInt64Array),
    Single(&'a Float32Array),
    Double(Float64Array),
    Decimal(&'a Decimal128Array, i8),
    Wide(&'a Decimal256Array, i8),
    Moment(Int64Array, TimeUnit),
    Day(Int32Array),
    Time(Int64Array, TimeUnit),
    Text(&'a StringArray),
    Bytes(&'a BinaryArray),
    Fixed(&'a FixedSizeBinaryArray, Meant),
    Nested,
    Other(ArrayFormatter<'a>),
}

/// What stands for the earliest moment of all, as [`i64::MAX`] does for the latest.
const MINUS_INFINITY: i64 = -i64::MAX;
const SHOWN: FormatOptions<'static> = FormatOptions::new();

impl<'a> Cells<'a> {
    pub(super) fn new(array: &'a ArrayRef, meant: Meant, column: &'a LoadColumn) -> Result<Self, ArrowError> {
        // Casts that change no value: to a wider type, or to the number below.
        let int = |ty: &DataType| Ok::<_, ArrowError>(cast(array, ty)?.as_primitive().clone());
        let found = match array.data_type() {
            DataType::Null => Found::Nothing,
            DataType::Boolean => Found::Bool(array.as_boolean()),
            DataType::Int8
            | DataType::Int16
            | DataType::Int32
            | DataType::Int64
            | DataType::UInt8
            | DataType::UInt16
            | DataType::UInt32 => Found::Int(int(&DataType::Int64)?),
            DataType::UInt64 => Found::Unsigned(array.as_primitive()),
            DataType::Float32 => Found::Single(array.as_primitive()),
            DataType::Float16 | DataType::Float64 => {
                Found::Double(cast(array, &DataType::Float64)?.as_primitive().clone())
            }
            DataType::Decimal128(_, scale) => Found::Decimal(array.as_primitive(), *scale),
            DataType::Decimal256(_, scale) => Found::Wide(array.as_primitive(), *scale),
            DataType::Timestamp(unit, _) => Found::Moment(int(&DataType::Int64)?, *unit),
            DataType::Date32 => Found::Day(cast(array, &DataType::Int32)?.as_primitive().clone()),
            DataType::Time32(unit) => {
                let narrow = cast(array, &DataType::Int32)?;
                Found::Time(cast(&narrow, &DataType::Int64)?.as_primitive().clone(), *unit)
            }
            DataType::Time64(unit) => Found::Time(int(&DataType::Int64)?, *unit),
            DataType::Utf8 => Found::Text(array.as_string()),
            DataType::Binary => Found::Bytes(array.as_binary()),
            DataType::FixedSizeBinary(_) => Found::Fixed(array.as_fixed_size_binary(), meant),
            ty if ty.is_nested() => Found::Nested,
            _ => Found::Other(ArrayFormatter::try_new(array, &SHOWN)?),
        };
        Ok(Self { array, found, column })
    }

    /// The cell of a row.
    ///
    /// # Errors
    /// What was found that the column cannot hold.
    pub(super) fn cell(&self, row: usize) -> Result<Cell<'a>, String> {
        if self.array.is_null(row) || matches!(self.found, Found::Nothing) {
            return Ok(Cell::Null);
        }
        match self.column.ty {
            ColumnType::Text => self.text(row).map(Cell::Text),
            ColumnType::Json => self.json(row).map(Cell::Text),
            ColumnType::Int64 => self.int(row).map(Cell::Int),
            ColumnType::Bool => match &self.found {
                Found::Bool(array) => Ok(Cell::Int(i64::from(array.value(row)))),
                _ => Err(self.unfit()),
            },
            ColumnType::Float64 => self.double(row),
            ColumnType::Decimal { precision, scale } => self.decimal(row, precision, scale),
            ColumnType::Timestamp => self.moment(row).map(Cell::Int),
            ColumnType::Date => match &self.found {
                // The lowest number of all is no day: the one above it stands for -infinity.
                Found::Day(array) if array.value(row) > i32::MIN => Ok(Cell::Int(array.value(row).into())),
                _ => Err(self.unfit()),
            },
        }
    }

    fn unfit(&self) -> String {
        format!("a value of type {} that is no {}", self.array.data_type(), self.column.ty.name())
    }

    fn int(&self, row: usize) -> Result<i64, String> {
        match &self.found {
            Found::Int(array) => Ok(array.value(row)),
            Found::Unsigned(array) => i64::try_from(array.value(row))
                .map_err(|_| format!("{}, which is more than an int64 holds; say decimal(20,0)", array.value(row))),
            _ => Err(self.unfit()),
        }
    }

    /// A single is the number its shortest spelling says: 0.1 stays 0.1.
    fn double(&self, row: usize) -> Result<Cell<'a>, String> {
        let double = match &self.found {
            Found::Single(array) => {
                let single = array.value(row);
                if single.is_finite() {
                    format!("{single:e}").parse().map_err(|_| self.unfit())?
                } else {
                    single.into()
                }
            }
            Found::Double(array) => array.value(row),
            _ => return Err(self.unfit()),
        };
        // SQLite takes NaN for NULL.
        Ok(if double.is_nan() { Cell::Text("NaN".into()) } else { Cell::Real(double) })
    }

    fn decimal(&self, row: usize, precision: u8, scale: i8) -> Result<Cell<'a>, String> {
        let (unscaled, given) = match &self.found {
            Found::Int(array) => (Some(array.value(row).into()), 0),
            Found::Unsigned(array) => (Some(array.value(row).into()), 0),
            Found::Decimal(array, scale) => (Some(array.value(row)), *scale),
            Found::Wide(array, scale) => (array.value(row).to_i128(), *scale),
            _ => return Err(self.unfit()),
        };
        let fits = |unscaled: &i128| unscaled.unsigned_abs() < 10_u128.pow(u32::from(precision.min(38)));
        let unscaled = unscaled.and_then(|unscaled| number::rescale(unscaled, given, scale)).filter(fits);
        let beyond = || format!("{}, which is no {}", self.text(row).unwrap_or_default(), self.column.ty.name());
        let unscaled = unscaled.ok_or_else(beyond)?;
        match self.column.kept {
            Kept::Plain => i64::try_from(unscaled).map(Cell::Int).map_err(|_| beyond()),
            Kept::Ordered => Ok(Cell::Bytes(ordered_bytes(unscaled))),
        }
    }

    fn moment(&self, row: usize) -> Result<i64, String> {
        let (units, unit) = match &self.found {
            // In the unit that the configuration says.
            Found::Int(array) => return Ok(array.value(row)),
            Found::Moment(array, unit) => (array.value(row), *unit),
            _ => return Err(self.unfit()),
        };
        if unit == TimeUnit::Microsecond && matches!(units, i64::MAX | MINUS_INFINITY) {
            return Ok(units);
        }
        let micros = match unit {
            TimeUnit::Second => units.checked_mul(1_000_000),
            TimeUnit::Millisecond => units.checked_mul(1_000),
            TimeUnit::Microsecond => Some(units),
            TimeUnit::Nanosecond if units.rem_euclid(1_000) == 0 || self.column.said => Some(units.div_euclid(1_000)),
            TimeUnit::Nanosecond => {
                let name = &self.column.name;
                return Err(format!(
                    "{}, which is finer than microseconds; say columns.{name}.type = \"timestamp\" to have such moments \
                     rounded down, or \"text\" to keep their digits",
                    self.text(row).unwrap_or_default()
                ));
            }
        };
        let named = Timestamp::MIN.as_microsecond()..=Timestamp::MAX.as_microsecond();
        micros
            .filter(|micros| named.contains(micros))
            .ok_or_else(|| format!("a moment beyond the years -9999 to 9999 ({units} × {unit:?} since 1970)"))
    }

    fn json(&self, row: usize) -> Result<Cow<'a, str>, String> {
        match &self.found {
            Found::Text(array) => {
                let text = array.value(row);
                let sound = serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok();
                if sound { Ok(Cow::Borrowed(text)) } else { Err("a text that is no JSON".to_owned()) }
            }
            Found::Nested => nested::json(self.array, row).map(Cow::Owned).map_err(|error| error.to_string()),
            _ => Err(self.unfit()),
        }
    }

    fn text(&self, row: usize) -> Result<Cow<'a, str>, String> {
        Ok(Cow::Owned(match &self.found {
            Found::Text(array) => return Ok(Cow::Borrowed(array.value(row))),
            Found::Nested => return self.json(row),
            Found::Nothing => String::new(),
            Found::Bool(array) => array.value(row).to_string(),
            Found::Int(array) => array.value(row).to_string(),
            Found::Unsigned(array) => array.value(row).to_string(),
            Found::Single(array) => spelled(format!("{:?}", array.value(row))),
            Found::Double(array) => spelled(format!("{:?}", array.value(row))),
            Found::Decimal(array, _) => array.value_as_string(row),
            Found::Wide(array, _) => array.value_as_string(row),
            Found::Moment(array, unit) => moment_text(array.value(row), *unit).ok_or_else(|| self.unfit())?,
            Found::Day(array) => day_text(array.value(row)).ok_or_else(|| self.unfit())?,
            Found::Time(array, unit) => clock_text(array.value(row), *unit),
            Found::Bytes(array) => bytes_text(array.value(row)),
            Found::Fixed(array, Meant::Uuid) => uuid_text(array.value(row)),
            Found::Fixed(array, Meant::Plain | Meant::Json) => bytes_text(array.value(row)),
            Found::Other(formatter) => formatter.value(row).try_to_string().map_err(|error| error.to_string())?,
        }))
    }
}

fn spelled(text: String) -> String {
    match text.as_str() {
        "inf" => "Infinity".to_owned(),
        "-inf" => "-Infinity".to_owned(),
        _ => text,
    }
}

/// As Postgres writes `bytea`.
pub(super) fn bytes_text(bytes: &[u8]) -> String {
    format!("\\x{}", hex::encode(bytes))
}

fn uuid_text(bytes: &[u8]) -> String {
    let hex = hex::encode(bytes);
    match (hex.get(..8), hex.get(8..12), hex.get(12..16), hex.get(16..20), hex.get(20..)) {
        (Some(a), Some(b), Some(c), Some(d), Some(e)) => format!("{a}-{b}-{c}-{d}-{e}"),
        _ => hex,
    }
}

/// RFC 3339 in UTC, with as many digits as there are.
pub(super) fn moment_text(units: i64, unit: TimeUnit) -> Option<String> {
    let moment = match unit {
        TimeUnit::Second => Timestamp::from_second(units),
        TimeUnit::Millisecond => Timestamp::from_millisecond(units),
        TimeUnit::Microsecond => Timestamp::from_microsecond(units),
        TimeUnit::Nanosecond => Timestamp::from_nanosecond(units.into()),
    };
    moment.ok().map(|moment| moment.to_string())
}

pub(super) fn day_text(days: i32) -> Option<String> {
    let day = jiff::civil::Date::constant(1970, 1, 1).checked_add(jiff::Span::new().try_days(days).ok()?);
    day.ok().map(|day| day.to_string())
}

/// `HH:MM:SS`, with as many digits after the second as there are.
pub(super) fn clock_text(units: i64, unit: TimeUnit) -> String {
    let (a_second, digits) = match unit {
        TimeUnit::Second => (1, 0),
        TimeUnit::Millisecond => (1_000, 3),
        TimeUnit::Microsecond => (1_000_000, 6),
        TimeUnit::Nanosecond => (1_000_000_000, 9),
    };
    let (seconds, rest) = (units.div_euclid(a_second), units.rem_euclid(a_second));
    let mut text = format!("{:02}:{:02}:{:02}", seconds / 3_600, seconds / 60 % 60, seconds % 60);
    if rest > 0 {
        let fraction = format!("{rest:0digits$}");
        text.push('.');
        text.push_str(fraction.trim_end_matches('0'));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_postgres_writes_them() {
        assert_eq!(clock_text(0, TimeUnit::Millisecond), "00:00:00");
        assert_eq!(clock_text(86_399_999_999, TimeUnit::Microsecond), "23:59:59.999999");
        assert_eq!(clock_text(1_500, TimeUnit::Millisecond), "00:00:01.5");
        assert_eq!(moment_text(1, TimeUnit::Nanosecond).as_deref(), Some("1970-01-01T00:00:00.000000001Z"));
        assert_eq!(day_text(-1).as_deref(), Some("1969-12-31"));
        assert_eq!(uuid_text(&[0xab; 16]), "abababab-abab-abab-abab-abababababab");
    }
}
