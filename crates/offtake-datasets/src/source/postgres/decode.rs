//! One field of the binary stream → one cell of a batch, by the type that was described.
//!
//! A column that is read natively is listed in [`crate::sql::is_native`]; anything else comes as text.

use offtake_model::dataset::{Column, ColumnType};
use offtake_model::value::Value;
use offtake_model::{Error, ErrorKind, Result};
use tokio_postgres::types::Type;

use super::numeric::{self, Numeric};
use crate::escape;
use crate::source::building::Typed;

/// From 1970 to 2000, where Postgres begins to count.
const DAYS_TO_2000: i32 = 10_957;
const MICROS_TO_2000: i64 = DAYS_TO_2000 as i64 * 86_400_000_000;

/// How the fields of a column are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Truth,
    Two,
    Four,
    Unsigned,
    Eight,
    Single,
    Double,
    Decimal { precision: u8, scale: i8 },
    Number,
    Text,
    Escaped,
    Binary,
    Uuid,
    Micros,
    Days,
}

/// Reads the fields of one column.
#[derive(Debug)]
pub(super) struct Decoder {
    name: String,
    ty: ColumnType,
    form: Form,
    /// What texts are put together in.
    text: String,
}

impl Decoder {
    /// For `column`, as the server describes it now.
    ///
    /// # Errors
    /// `schema_drift` for a type that the column is not of.
    pub(super) fn new(column: &Column, described: &Type) -> Result<Self> {
        let form = match (column.ty, described) {
            (ColumnType::Bool, &Type::BOOL) => Form::Truth,
            (ColumnType::Int64, &Type::INT2) => Form::Two,
            (ColumnType::Int64, &Type::INT4) => Form::Four,
            (ColumnType::Int64, &Type::INT8) => Form::Eight,
            (ColumnType::Int64, &Type::OID) => Form::Unsigned,
            (ColumnType::Float64, &Type::FLOAT4) => Form::Single,
            (ColumnType::Float64, &Type::FLOAT8) => Form::Double,
            (ColumnType::Decimal { precision, scale }, &Type::NUMERIC) => Form::Decimal { precision, scale },
            (ColumnType::Text, &Type::NUMERIC) => Form::Number,
            (ColumnType::Text, &Type::UUID) => Form::Uuid,
            (ColumnType::Text, &Type::TEXT | &Type::VARCHAR | &Type::BPCHAR)
            | (ColumnType::Json, &Type::JSON | &Type::TEXT) => Form::Text,
            (ColumnType::Json, &Type::JSONB) => Form::Binary,
            (ColumnType::Timestamp, &Type::TIMESTAMPTZ | &Type::TIMESTAMP) => Form::Micros,
            (ColumnType::Date, &Type::DATE) => Form::Days,
            (ty, described) => {
                let detail = format!(
                    "column {:?} is of type {} now, which is not the {} it was; check the dataset",
                    column.name,
                    described.name(),
                    ty.name()
                );
                return Err(Error::new(ErrorKind::SchemaDrift, detail));
            }
        };
        Ok(Self { name: column.name.clone(), ty: column.ty, form, text: String::new() })
    }

    /// Reads texts that were written with U+0000 escaped.
    pub(super) fn unescape(&mut self) {
        if self.form == Form::Text {
            self.form = Form::Escaped;
        }
    }

    /// The cell of a field that is not NULL. `row` is the number of its row, counted from 1 in the order of the key.
    ///
    /// # Errors
    /// `schema_drift`, naming column and row, for what the column's type cannot hold.
    #[inline]
    pub(super) fn cell<'a>(&'a mut self, field: &'a [u8], row: u64) -> Result<Typed<'a>> {
        let Self { name, ty, form, text } = self;
        let wrong = |what: &str| drifted(name, *ty, what, row);
        Ok(match form {
            Form::Truth => match field {
                [truth @ (0 | 1)] => Typed::Truth(*truth == 1),
                _ => return Err(wrong("bytes that are no boolean")),
            },
            Form::Two => Typed::Int(i64::from(i16::from_be_bytes(fixed(field, wrong)?))),
            Form::Four => Typed::Int(i64::from(i32::from_be_bytes(fixed(field, wrong)?))),
            Form::Unsigned => Typed::Int(i64::from(u32::from_be_bytes(fixed(field, wrong)?))),
            Form::Eight => Typed::Int(i64::from_be_bytes(fixed(field, wrong)?)),
            Form::Single => Typed::Double(widened(f32::from_be_bytes(fixed(field, wrong)?))),
            Form::Double => Typed::Double(f64::from_be_bytes(fixed(field, wrong)?)),
            Form::Decimal { precision, scale } => match numeric::parse(field) {
                Some(Numeric::Finite(number)) => match number.unscaled(*precision, *scale) {
                    Some(unscaled) => Typed::Decimal(unscaled),
                    None => return Err(wrong("a number of more digits")),
                },
                Some(Numeric::Special(word)) => return Err(wrong(word)),
                None => return Err(wrong("bytes that are no number")),
            },
            Form::Number => {
                text.clear();
                match numeric::parse(field) {
                    Some(Numeric::Finite(number)) => number.write(text),
                    Some(Numeric::Special(word)) => text.push_str(word),
                    None => return Err(wrong("bytes that are no number")),
                }
                Typed::Text(text)
            }
            Form::Text => Typed::Text(utf8(field, wrong)?),
            Form::Escaped => match escape::unescaped(utf8(field, wrong)?, text) {
                Some(text) => Typed::Text(text),
                None => return Err(wrong("a text that was not escaped")),
            },
            // A version, which has been 1 for ever, then the text.
            Form::Binary => match field.split_first() {
                Some((1, json)) => Typed::Text(utf8(json, wrong)?),
                _ => return Err(wrong("a form of jsonb that is not known")),
            },
            Form::Uuid => {
                text.clear();
                write_uuid(u128::from_be_bytes(fixed(field, wrong)?), text);
                Typed::Text(text)
            }
            Form::Micros => match i64::from_be_bytes(fixed(field, wrong)?) {
                i64::MAX => Typed::Int(i64::MAX),
                i64::MIN => Typed::Int(-i64::MAX),
                micros => match micros.checked_add(MICROS_TO_2000).filter(|micros| *micros < i64::MAX) {
                    Some(micros) => Typed::Int(micros),
                    None => return Err(wrong("a moment after the year 294246")),
                },
            },
            Form::Days => match i32::from_be_bytes(fixed(field, wrong)?) {
                i32::MAX => Typed::Day(i32::MAX),
                i32::MIN => Typed::Day(-i32::MAX),
                days => match days.checked_add(DAYS_TO_2000).filter(|days| *days < i32::MAX) {
                    Some(days) => Typed::Day(days),
                    None => return Err(wrong("a day that is too far")),
                },
            },
        })
    }

    /// The value of a field of a key.
    ///
    /// # Errors
    /// As [`cell`](Self::cell); `schema_drift` for NULL.
    pub(super) fn key(&mut self, field: Option<&[u8]>, row: u64) -> Result<Value> {
        let ty = self.ty;
        let Some(field) = field else { return Err(drifted(&self.name, ty, "NULL, which no key may be,", row)) };
        Ok(match (self.cell(field, row)?, ty) {
            (Typed::Int(micros), ColumnType::Timestamp) => Value::Timestamp(micros),
            (Typed::Int(int), _) => Value::Int(int),
            (Typed::Day(day), _) => Value::Date(day),
            (Typed::Truth(truth), _) => Value::Bool(truth),
            (Typed::Double(double), _) => Value::Float(double),
            (Typed::Text(text), _) => Value::Text(text.to_owned()),
            (Typed::Decimal(unscaled), ColumnType::Decimal { scale, .. }) => Value::Decimal { unscaled, scale },
            (Typed::Decimal(unscaled), _) => Value::Decimal { unscaled, scale: 0 },
        })
    }
}

fn drifted(name: &str, ty: ColumnType, what: &str, row: u64) -> Error {
    let detail = format!(
        "column {name:?} holds {what} in row {row} (in the order of the key), which a {} cannot hold; \
         say columns.{name}.type = \"text\" to have it as the database writes it",
        ty.name()
    );
    Error::new(ErrorKind::SchemaDrift, detail)
}

#[inline]
fn fixed<const N: usize>(field: &[u8], wrong: impl FnOnce(&str) -> Error) -> Result<[u8; N]> {
    <[u8; N]>::try_from(field).map_err(|_| wrong("a field of another length"))
}

#[inline]
fn utf8(field: &[u8], wrong: impl FnOnce(&str) -> Error) -> Result<&str> {
    std::str::from_utf8(field).map_err(|_| wrong("bytes that are not UTF-8"))
}

/// The double with the shortest spelling of the single: 0.1 stays 0.1.
fn widened(single: f32) -> f64 {
    if single.is_finite() { single.to_string().parse().unwrap_or(f64::from(single)) } else { f64::from(single) }
}

fn write_uuid(uuid: u128, out: &mut String) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    for at in 0..32_u32 {
        if matches!(at, 8 | 12 | 16 | 20) {
            out.push('-');
        }
        let nibble = (uuid >> (124 - 4 * at)) & 0xf;
        out.push(char::from(HEX[nibble as usize]));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn decoder(ty: ColumnType, described: &Type) -> Decoder {
        let column =
            Column { name: "c".into(), ty, label: "c".into(), sensitive: None, elements: None, hex_digits: None };
        Decoder::new(&column, described).unwrap()
    }

    fn key(ty: ColumnType, described: &Type, field: &[u8]) -> Result<Value> {
        decoder(ty, described).key(Some(field), 7)
    }

    const DECIMAL: ColumnType = ColumnType::Decimal { precision: 12, scale: 2 };

    #[test]
    fn known_bytes() {
        let moment = |micros: i64| key(ColumnType::Timestamp, &Type::TIMESTAMPTZ, &micros.to_be_bytes());
        assert_eq!(moment(0).unwrap(), Value::Timestamp(946_684_800_000_000));
        assert_eq!(moment(i64::MAX).unwrap(), Value::Timestamp(i64::MAX));
        assert_eq!(moment(i64::MIN).unwrap(), Value::Timestamp(-i64::MAX));
        assert_eq!(moment(i64::MAX - 1).unwrap_err().kind(), ErrorKind::SchemaDrift);
        let day = |day: i32| key(ColumnType::Date, &Type::DATE, &day.to_be_bytes()).unwrap();
        assert_eq!((day(0), day(i32::MIN)), (Value::Date(10_957), Value::Date(-i32::MAX)));
        assert_eq!(key(ColumnType::Float64, &Type::FLOAT4, &0.1_f32.to_be_bytes()).unwrap(), Value::Float(0.1));
        let uuid = 0xa0ee_bc99_9c0b_4ef8_bb6d_6bb9_bd38_0a11_u128;
        assert_eq!(
            key(ColumnType::Text, &Type::UUID, &uuid.to_be_bytes()).unwrap(),
            Value::Text("a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11".into())
        );
        assert_eq!(key(ColumnType::Json, &Type::JSONB, b"\x01{}").unwrap(), Value::Text("{}".into()));
        assert!(key(ColumnType::Json, &Type::JSONB, b"\x02{}").is_err());
        let nan = [0, 0, 0, 0, 0xc0, 0, 0, 0];
        assert_eq!(key(ColumnType::Text, &Type::NUMERIC, &nan).unwrap(), Value::Text("NaN".into()));
        let error = key(DECIMAL, &Type::NUMERIC, &nan).unwrap_err();
        assert!(error.detail().contains("\"c\" holds NaN in row 7"), "{error}");
    }

    #[test]
    fn another_type_is_drift_and_names_the_column() {
        let column = Column {
            name: "pnl".into(),
            ty: DECIMAL,
            label: String::new(),
            sensitive: None,
            elements: None,
            hex_digits: None,
        };
        let error = Decoder::new(&column, &Type::INT8).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::SchemaDrift);
        assert!(error.detail().contains("\"pnl\" is of type int8"), "{error}");
    }

    proptest! {
        #[test]
        fn nothing_panics(field in prop::collection::vec(any::<u8>(), 0..24)) {
            for (ty, described) in [
                (ColumnType::Bool, Type::BOOL), (ColumnType::Int64, Type::INT2), (ColumnType::Int64, Type::INT4),
                (ColumnType::Int64, Type::INT8), (ColumnType::Int64, Type::OID), (ColumnType::Float64, Type::FLOAT4),
                (ColumnType::Float64, Type::FLOAT8), (DECIMAL, Type::NUMERIC), (ColumnType::Text, Type::NUMERIC),
                (ColumnType::Text, Type::UUID), (ColumnType::Text, Type::TEXT), (ColumnType::Json, Type::JSONB),
                (ColumnType::Timestamp, Type::TIMESTAMPTZ), (ColumnType::Date, Type::DATE),
            ] {
                drop(key(ty, &described, &field));
            }
        }

        #[test]
        fn a_single_comes_back_from_its_double(bits in any::<u32>()) {
            let single = f32::from_bits(bits);
            let back = widened(single) as f32;
            prop_assert!(back.to_bits() == single.to_bits() || (back.is_nan() && single.is_nan()));
        }
    }
}
