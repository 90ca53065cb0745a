//! Timestamps and decimals as applications write them into SQLite, read exactly or not at all.

use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use rusqlite::types::ValueRef;

use crate::number;

/// Microseconds since the epoch of RFC 3339 or SQLite's own text, which is UTC.
pub(super) fn micros(value: ValueRef<'_>) -> Option<i64> {
    let ValueRef::Text(bytes) = value else {
        return None;
    };
    let text = std::str::from_utf8(bytes).ok()?;
    let moment = text.parse::<Timestamp>().ok().or_else(|| in_utc(text))?;
    number::whole_micros(moment)
}

fn in_utc(text: &str) -> Option<Timestamp> {
    let civil = if text.len() == 10 {
        text.parse::<Date>().ok()?.to_datetime(jiff::civil::Time::midnight())
    } else {
        text.parse::<DateTime>().ok()?
    };
    TimeZone::UTC.to_timestamp(civil).ok()
}

/// The number × 10^scale, if it has no more digits than that.
pub(super) fn decimal(value: ValueRef<'_>, scale: i8) -> Option<i128> {
    let (unscaled, given) = match value {
        ValueRef::Integer(int) => (i128::from(int), 0),
        ValueRef::Real(real) => number::decimal_of_double(real)?,
        ValueRef::Text(bytes) => number::parse_decimal(std::str::from_utf8(bytes).ok()?)?,
        ValueRef::Null | ValueRef::Blob(_) => return None,
    };
    number::rescale(unscaled, given, scale)
}
