//! JSON values → typed values. Nothing is rounded but moments, and these only where said.

use jiff::Timestamp;
use jiff::civil::Date;
use offtake_model::dataset::{Column, ColumnType};
use offtake_model::value::Value;
use serde_json::Value as Json;

use crate::number;

/// The longest text in a filter or an identity, in bytes.
const LONGEST_TEXT: usize = 64 << 10;

/// What happens to digits of a moment that are finer than microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Finer {
    /// Cut off, so that windows that meet in a moment still meet.
    Floored,
    /// Refused: nothing is equal to it.
    Refused,
}

/// The value a column of type `ty` is compared with.
///
/// # Errors
/// What would be right.
pub(super) fn typed(json: &Json, ty: ColumnType, finer: Finer) -> Result<Value, String> {
    match (ty, json) {
        (_, Json::Null) => Err("NULL cannot be asked for; leave the member out".to_owned()),
        (ColumnType::Text, Json::String(text)) => short(text).map(|text| Value::Text(text.to_owned())),
        (ColumnType::Bool, Json::Bool(truth)) => Ok(Value::Bool(*truth)),
        (ColumnType::Int64, Json::Number(number)) => {
            number.as_i64().map(Value::Int).ok_or_else(|| format!("is a whole number of 64 bits; {number} is not"))
        }
        (ColumnType::Float64, Json::Number(number)) => {
            let double = number.as_f64().filter(|double| double.is_finite());
            double.map(Value::Float).ok_or_else(|| "is a finite number".to_owned())
        }
        (ColumnType::Decimal { .. }, Json::Number(number)) => decimal_of_number(number),
        (ColumnType::Decimal { .. }, Json::String(text)) => {
            let (unscaled, scale) = short(text).ok().and_then(number::parse_decimal).ok_or(DECIMAL)?;
            Ok(Value::Decimal { unscaled, scale })
        }
        (ColumnType::Timestamp, Json::String(text)) => moment(text, finer).map(Value::Timestamp),
        (ColumnType::Date, Json::String(text)) => day(text).map(Value::Date),
        _ => Err(expected(ty).to_owned()),
    }
}

/// The value that rows are to have in `column`.
///
/// # Errors
/// What would be right.
pub(super) fn equal_to(json: &Json, column: &Column, finer: Finer) -> Result<Value, String> {
    match (typed(json, column.ty, finer)?, column.hex_digits) {
        (Value::Text(text), Some(digits)) => {
            let is_hex = text.len() == usize::from(digits) && text.bytes().all(|byte| byte.is_ascii_hexdigit());
            // Rows hold lower case; hex knows none.
            is_hex.then(|| Value::Text(text.to_ascii_lowercase())).ok_or_else(|| format!("is {digits} hex digits"))
        }
        (value, _) => Ok(value),
    }
}

const DECIMAL: &str = "is a number of at most 38 digits, as a number or as a string";

/// JSON numbers with a fraction come as doubles. One with up to 15 digits is told exactly; with more, only a string
/// keeps what was meant.
fn decimal_of_number(number: &serde_json::Number) -> Result<Value, String> {
    let exact = match (number.as_i64(), number.as_u64(), number.as_f64()) {
        (Some(int), ..) => Some((i128::from(int), 0)),
        (None, Some(int), _) => Some((i128::from(int), 0)),
        (None, None, Some(double)) => number::decimal_of_double(double),
        (None, None, None) => None,
    };
    let (unscaled, scale) =
        exact.ok_or_else(|| format!("{number} has more digits than a JSON number keeps; send it as a string"))?;
    Ok(Value::Decimal { unscaled, scale })
}

/// Microseconds since the epoch.
pub(super) fn moment(text: &str, finer: Finer) -> Result<i64, String> {
    let moment: Timestamp = short(text).ok().and_then(|text| text.parse().ok()).ok_or(MOMENT)?;
    match finer {
        Finer::Floored => Ok(number::floor_micros(moment)),
        Finer::Refused => number::whole_micros(moment)
            .ok_or_else(|| "is finer than microseconds, which no row is: nothing can be equal to it".to_owned()),
    }
}

const MOMENT: &str = "is a moment as RFC 3339 writes it, with an offset: 2026-10-01T00:00:00Z";

/// Days since the epoch.
fn day(text: &str) -> Result<i32, String> {
    // Parsing a date would take a moment too, and leave its time aside.
    let plain = text.len() == 10 && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
    let date: Date = Some(text).filter(|_| plain).and_then(|text| text.parse().ok()).ok_or(DAY)?;
    date.since(Date::constant(1970, 1, 1)).map(|span| span.get_days()).map_err(|_| DAY.to_owned())
}

const DAY: &str = "is a day: 2026-10-01";

/// A text that is not too long.
pub(super) fn short(text: &str) -> Result<&str, String> {
    if text.len() <= LONGEST_TEXT { Ok(text) } else { Err("is longer than 64 KiB".to_owned()) }
}

const fn expected(ty: ColumnType) -> &'static str {
    match ty {
        ColumnType::Text => "is a string",
        ColumnType::Int64 => "is a whole number",
        ColumnType::Float64 => "is a number",
        ColumnType::Bool => "is true or false",
        ColumnType::Decimal { .. } => DECIMAL,
        ColumnType::Timestamp => MOMENT,
        ColumnType::Date => DAY,
        ColumnType::Json => "holds JSON, which cannot be compared",
    }
}
