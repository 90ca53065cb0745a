//! The types of Postgres: how a column of each is read and compared, and how values are written for it.
//!
//! Values travel as texts in the syntax of their type's input, each cast to its type: exact for every type, and the
//! same whether a statement can have parameters or (COPY) cannot.

use offtake_model::dataset::ColumnType;
use offtake_model::value::Value;
use offtake_model::{Error, ErrorKind, Result};

use super::Encoded;
use crate::escape;

/// The types around a column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Types {
    /// As declared, without what stands in brackets: `numeric`, `timestamp with time zone`.
    base: String,
    native: bool,
    /// Arrays are read as JSON unless they are said to be text.
    array: bool,
    value: &'static str,
    bare: bool,
    /// Texts are stored as [`crate::escape`] writes them.
    escaped: bool,
}

/// Whether a column of `ty` can be read from a type of this name as it is; anything else is read as text.
pub(crate) fn is_native(ty: ColumnType, declared: &str) -> bool {
    let base = base_type(declared);
    match ty {
        ColumnType::Text => {
            matches!(&*base, "text" | "character varying" | "character" | "bpchar" | "uuid" | "numeric")
        }
        ColumnType::Int64 => matches!(&*base, "smallint" | "integer" | "bigint" | "oid"),
        ColumnType::Float64 => matches!(&*base, "real" | "double precision"),
        ColumnType::Bool => base == "boolean",
        ColumnType::Decimal { .. } => base == "numeric",
        ColumnType::Timestamp => matches!(&*base, "timestamp with time zone" | "timestamp without time zone"),
        ColumnType::Date => base == "date",
        ColumnType::Json => matches!(&*base, "json" | "jsonb"),
    }
}

/// `timestamp(3) with time zone` → `timestamp with time zone`
pub(crate) fn base_type(declared: &str) -> String {
    match (declared.find('('), declared.find(')')) {
        (Some(open), Some(close)) if open < close => format!("{}{}", &declared[..open], &declared[close + 1..]),
        _ => declared.to_owned(),
    }
}

impl Types {
    pub(super) fn new(ty: ColumnType, declared: &str, escaped: bool) -> Self {
        let base = base_type(declared);
        let native = is_native(ty, declared);
        let array = base.ends_with("[]") && ty == ColumnType::Json;
        let (value, bare) = match (ty, &*base) {
            (ColumnType::Text, "text" | "character varying") => ("text", true),
            (ColumnType::Text, "character" | "bpchar") => ("bpchar", true),
            (ColumnType::Text, "uuid") => ("uuid", true),
            (ColumnType::Text | ColumnType::Json, _) => ("text", false),
            (ColumnType::Int64, _) => ("bigint", true),
            // What is written to a file is the shortest decimal of a real, and so is what is compared.
            (ColumnType::Float64, "real") => ("double precision", false),
            (ColumnType::Float64, _) => ("double precision", true),
            (ColumnType::Bool, _) => ("boolean", true),
            (ColumnType::Decimal { .. }, _) => ("numeric", true),
            (ColumnType::Timestamp, "timestamp without time zone") => ("timestamp", true),
            (ColumnType::Timestamp, _) => ("timestamptz", true),
            (ColumnType::Date, _) => ("date", true),
        };
        Self { base, native, array, value, bare, escaped }
    }

    pub(super) const fn is_escaped(&self) -> bool {
        self.escaped
    }

    pub(super) fn read(&self, expression: &str) -> String {
        match (self.native, self.array) {
            (true, _) => expression.to_owned(),
            (false, true) => format!("array_to_json({expression})"),
            (false, false) => format!("({expression})::text"),
        }
    }

    pub(super) fn compared(&self, expression: &str) -> String {
        match (self.bare, self.value) {
            (true, _) => expression.to_owned(),
            (false, "text") if self.array => format!("array_to_json({expression})::text"),
            (false, "text") => format!("({expression})::text"),
            (false, value) => format!("({expression})::text::{value}"),
        }
    }

    pub(super) const fn value(&self) -> &'static str {
        self.value
    }

    /// `character` alone would mean one character.
    pub(super) fn key(&self) -> &str {
        match &*self.base {
            "character" => "bpchar",
            "smallint" | "integer" => "bigint",
            base => base,
        }
    }

    /// How a column of arrays is compared with a list of elements. Elements of a type with a closed set of values
    /// (an enum) are compared as texts: others than these cannot even be written as elements of it.
    pub(super) fn arrays(&self, expression: &str, values: &[Value]) -> Result<Arrays> {
        let element = self.base.strip_suffix("[]").unwrap_or(&self.base);
        let plain = matches!(
            element,
            "text" | "character varying" | "uuid" | "smallint" | "integer" | "bigint" | "boolean" | "numeric" | "date"
        ) || element.starts_with("timestamp with");
        let values = values.iter().map(|value| as_element(element, value)).collect::<Result<Vec<_>>>()?;
        let values = values.into_iter().flatten().collect();
        Ok(if plain {
            Arrays { compared: expression.to_owned(), cast: format!("{element}[]"), values }
        } else {
            Arrays { compared: format!("({expression})::text[]"), cast: "text[]".to_owned(), values }
        })
    }

    pub(super) fn encode(&self, ty: ColumnType, value: &Value) -> Result<Encoded> {
        let text = match (ty, value) {
            (ColumnType::Text, Value::Text(text)) if self.value == "uuid" => match uuid(text) {
                Some(text) => text,
                None => return Ok(Encoded::Nothing),
            },
            (ColumnType::Text, Value::Text(text)) if self.escaped => escape::escaped(text).into_owned(),
            // No text in Postgres has the character NUL.
            (ColumnType::Text | ColumnType::Json, Value::Text(text)) if text.contains('\0') => {
                return Ok(Encoded::Nothing);
            }
            (ColumnType::Text | ColumnType::Json, Value::Text(_))
            | (ColumnType::Int64, Value::Int(_))
            | (ColumnType::Float64, Value::Float(_))
            | (ColumnType::Bool, Value::Bool(_))
            | (ColumnType::Timestamp, Value::Timestamp(_))
            | (ColumnType::Date, Value::Date(_))
            | (ColumnType::Decimal { .. }, Value::Decimal { .. }) => literal(value)?,
            _ => {
                let detail = format!("a value of another type than {} reached a column", ty.name());
                return Err(Error::new(ErrorKind::Internal, detail));
            }
        };
        Ok(Encoded::Stored(text.into()))
    }
}

/// A column of arrays, and the list it is compared with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Arrays {
    pub(super) compared: String,
    /// The type of the list.
    pub(super) cast: String,
    pub(super) values: Vec<String>,
}

/// The value as an element of this type; `None` if no element can be it.
fn as_element(element: &str, value: &Value) -> Result<Option<String>> {
    Ok(match (element, value) {
        ("uuid", Value::Text(text)) => uuid(text),
        (_, Value::Text(text)) if text.contains('\0') => None,
        ("smallint", Value::Int(int)) if i16::try_from(*int).is_err() => None,
        ("integer", Value::Int(int)) if i32::try_from(*int).is_err() => None,
        _ => Some(literal(value)?),
    })
}

/// The one spelling of a UUID, if it is one.
fn uuid(text: &str) -> Option<String> {
    let shape = text.len() == 36
        && text.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        });
    shape.then(|| text.to_ascii_lowercase())
}

/// A value as the input of its type reads it.
///
/// # Errors
/// `internal` for NULL, which is compared with nothing.
pub(crate) fn literal(value: &Value) -> Result<String> {
    Ok(match value {
        Value::Bool(truth) => truth.to_string(),
        Value::Int(int) => int.to_string(),
        Value::Float(float) => format!("{float:e}"),
        Value::Decimal { unscaled, scale } => format!("{unscaled}e{}", -i16::from(*scale)),
        Value::Text(text) => text.clone(),
        Value::Timestamp(micros) => match *micros {
            i64::MAX => "infinity".to_owned(),
            micros if micros <= -i64::MAX => "-infinity".to_owned(),
            micros => moment(micros),
        },
        Value::Date(day) => match *day {
            i32::MAX => "infinity".to_owned(),
            day if day <= -i32::MAX => "-infinity".to_owned(),
            day => {
                let (date, era) = civil(day.into());
                format!("{date}{era}")
            }
        },
        Value::Null => return Err(Error::new(ErrorKind::Internal, "NULL is compared with nothing")),
    })
}

fn moment(micros: i64) -> String {
    const A_DAY: i64 = 86_400_000_000;
    let (date, era) = civil(micros.div_euclid(A_DAY));
    let of_day = micros.rem_euclid(A_DAY);
    let (seconds, fraction) = (of_day / 1_000_000, of_day % 1_000_000);
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    format!("{date} {hour:02}:{minute:02}:{second:02}.{fraction:06}+00{era}")
}

/// A day counted from 1970, and ` BC` where it is before the first year: Postgres has no year 0.
fn civil(day: i64) -> (String, &'static str) {
    // Years begin in March here, so that the leap day is the last of its year.
    let from_year_zero = day + 719_468;
    let (era, of_era) = (from_year_zero.div_euclid(146_097), from_year_zero.rem_euclid(146_097));
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * of_year + 2) / 153;
    let dom = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let (year, era) = if year > 0 { (year, "") } else { (1 - year, " BC") };
    (format!("{year:04}-{month:02}-{dom:02}"), era)
}

/// An array of texts, as the input of arrays reads it.
pub(crate) fn array(values: &[String]) -> String {
    let mut array = String::with_capacity(2 + values.iter().map(|value| value.len() + 3).sum::<usize>());
    array.push('{');
    for (index, value) in values.iter().enumerate() {
        array.push_str(if index == 0 { "\"" } else { ",\"" });
        for character in value.chars() {
            if matches!(character, '"' | '\\') {
                array.push('\\');
            }
            array.push(character);
        }
        array.push('"');
    }
    array.push('}');
    array
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_written_as_postgres_reads_them() {
        for (value, text) in [
            (Value::Timestamp(0), "1970-01-01 00:00:00.000000+00"),
            (Value::Timestamp(-1), "1969-12-31 23:59:59.999999+00"),
            (Value::Timestamp(-62_135_596_800_000_001), "0001-12-31 23:59:59.999999+00 BC"),
            (Value::Timestamp(253_402_300_800_000_000), "10000-01-01 00:00:00.000000+00"),
            (Value::Timestamp(i64::MAX), "infinity"),
            (Value::Timestamp(-i64::MAX), "-infinity"),
            (Value::Date(20_758), "2026-11-01"),
            (Value::Date(-719_163), "0001-12-31 BC"),
            (Value::Decimal { unscaled: -1250, scale: 2 }, "-1250e-2"),
            (Value::Float(0.1), "1e-1"),
        ] {
            assert_eq!(literal(&value).unwrap(), text);
        }
        assert_eq!(array(&["a\"b".into(), "\\".into(), String::new(), "NULL".into()]), r#"{"a\"b","\\","","NULL"}"#);
        assert_eq!(array(&[]), "{}");
    }

    #[test]
    fn types_keep_their_names_but_not_their_lengths() {
        assert_eq!(base_type("timestamp(3) with time zone"), "timestamp with time zone");
        assert_eq!(Types::new(ColumnType::Text, "character(10)", false).key(), "bpchar");
        assert_eq!(Types::new(ColumnType::Text, "character varying(20)", false).key(), "character varying");
        assert_eq!(uuid("A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11").unwrap(), "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11");
        let arrays = |declared: &str, values: &[Value]| {
            let arrays = Types::new(ColumnType::Json, declared, false).arrays("t.a", values).unwrap();
            format!("{} && {:?}::{}", arrays.compared, arrays.values, arrays.cast)
        };
        let texts = [Value::Text("a".into()), Value::Text("\0".into())];
        assert_eq!(arrays("character varying(5)[]", &texts), "t.a && [\"a\"]::character varying[]");
        assert_eq!(arrays("mood[]", &texts), "(t.a)::text[] && [\"a\"]::text[]");
        assert_eq!(arrays("uuid[]", &texts), "t.a && []::uuid[]");
        let numbers = [Value::Int(7), Value::Int(1 << 40)];
        assert_eq!(arrays("integer[]", &numbers), "t.a && [\"7\"]::integer[]");
        assert_eq!(arrays("bigint[]", &numbers), "t.a && [\"7\", \"1099511627776\"]::bigint[]");
        assert_eq!((uuid("a0eebc99"), uuid("{0eebc99-9c0b-4ef8-bb6d-6bb9bd380a1}")), (None, None));
    }
}
