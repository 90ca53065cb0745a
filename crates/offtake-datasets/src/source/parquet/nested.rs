//! Lists, structs and maps as JSON, with every value as exact as JSON has it.

use arrow::array::{Array, AsArray};
use arrow::datatypes::{
    DataType, Date32Type, Decimal128Type, Decimal256Type, Float16Type, Float32Type, Float64Type, Int8Type, Int16Type,
    Int32Type, Int64Type, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow::error::ArrowError;
use arrow::util::display::{ArrayFormatter, FormatOptions};

use super::cells::{bytes_text, day_text, moment_text};

/// A number of more digits is a string, so that readers with doubles lose nothing.
const DIGITS_OF_A_DOUBLE: usize = 15;

/// The value of a row.
pub(super) fn json(array: &dyn Array, row: usize) -> Result<String, ArrowError> {
    let mut out = String::new();
    write(&mut out, array, row)?;
    Ok(out)
}

fn write(out: &mut String, array: &dyn Array, row: usize) -> Result<(), ArrowError> {
    if array.is_null(row) || array.data_type() == &DataType::Null {
        out.push_str("null");
        return Ok(());
    }
    macro_rules! plain {
        ($($ty:ident => $arrow:ty),*; $($rest:tt)*) => {
            match array.data_type() {
                $(DataType::$ty => out.push_str(&array.as_primitive::<$arrow>().value(row).to_string()),)*
                $($rest)*
            }
        };
    }
    plain! {
        Int8 => Int8Type, Int16 => Int16Type, Int32 => Int32Type, Int64 => Int64Type,
        UInt8 => UInt8Type, UInt16 => UInt16Type, UInt32 => UInt32Type, UInt64 => UInt64Type;
        DataType::Boolean => out.push_str(if array.as_boolean().value(row) { "true" } else { "false" }),
        DataType::Float16 => double(out, array.as_primitive::<Float16Type>().value(row).to_f64()),
        DataType::Float64 => double(out, array.as_primitive::<Float64Type>().value(row)),
        DataType::Float32 => {
            let single = array.as_primitive::<Float32Type>().value(row);
            // The shortest spelling of a single is that of a double, too: 0.1 stays 0.1.
            double(out, format!("{single:e}").parse().unwrap_or(f64::from(single)));
        }
        DataType::Decimal128(..) => number(out, &array.as_primitive::<Decimal128Type>().value_as_string(row)),
        DataType::Decimal256(..) => number(out, &array.as_primitive::<Decimal256Type>().value_as_string(row)),
        DataType::Utf8 => string(out, array.as_string::<i32>().value(row)),
        DataType::Binary => string(out, &bytes_text(array.as_binary::<i32>().value(row))),
        DataType::FixedSizeBinary(_) => string(out, &bytes_text(array.as_fixed_size_binary().value(row))),
        DataType::Date32 => {
            let days = array.as_primitive::<Date32Type>().value(row);
            string(out, &day_text(days).ok_or_else(beyond)?);
        }
        DataType::Timestamp(unit, _) => {
            let units = arrow::compute::cast(&array.slice(row, 1), &DataType::Int64)?;
            let units = units.as_primitive::<Int64Type>().value(0);
            string(out, &moment_text(units, *unit).ok_or_else(beyond)?);
        }
        DataType::List(_) => elements(out, &array.as_list::<i32>().value(row))?,
        DataType::LargeList(_) => elements(out, &array.as_list::<i64>().value(row))?,
        DataType::FixedSizeList(..) => elements(out, &array.as_fixed_size_list().value(row))?,
        DataType::Struct(fields) => {
            let columns = array.as_struct().columns();
            out.push('{');
            for (index, (field, column)) in fields.iter().zip(columns).enumerate() {
                separate(out, index);
                string(out, field.name());
                out.push(':');
                write(out, column, row)?;
            }
            out.push('}');
        }
        DataType::Map(..) => {
            let entries = array.as_map().value(row);
            map(out, entries.column(0), entries.column(1))?;
        }
        _ => string(out, &ArrayFormatter::try_new(array, &FormatOptions::new())?.value(row).try_to_string()?),
    }
    Ok(())
}

fn beyond() -> ArrowError {
    ArrowError::CastError("a day or moment beyond the years -9999 to 9999".to_owned())
}

fn separate(out: &mut String, index: usize) {
    if index > 0 {
        out.push(',');
    }
}

fn elements(out: &mut String, values: &dyn Array) -> Result<(), ArrowError> {
    out.push('[');
    for index in 0..values.len() {
        separate(out, index);
        write(out, values, index)?;
    }
    out.push(']');
    Ok(())
}

/// An object where keys are texts, else a list of pairs.
fn map(out: &mut String, keys: &dyn Array, values: &dyn Array) -> Result<(), ArrowError> {
    let texts = keys.data_type() == &DataType::Utf8;
    out.push(if texts { '{' } else { '[' });
    for index in 0..keys.len() {
        separate(out, index);
        if !texts {
            out.push('[');
        }
        write(out, keys, index)?;
        out.push(if texts { ':' } else { ',' });
        write(out, values, index)?;
        if !texts {
            out.push(']');
        }
    }
    out.push(if texts { '}' } else { ']' });
    Ok(())
}

fn string(out: &mut String, text: &str) {
    out.push_str(&serde_json::Value::from(text).to_string());
}

/// JSON has no numbers that are none.
fn double(out: &mut String, double: f64) {
    match serde_json::Number::from_f64(double) {
        Some(number) => out.push_str(&number.to_string()),
        None if double.is_nan() => out.push_str("\"NaN\""),
        None => out.push_str(if double > 0.0 { "\"Infinity\"" } else { "\"-Infinity\"" }),
    }
}

fn number(out: &mut String, text: &str) {
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    if digits <= DIGITS_OF_A_DOUBLE {
        out.push_str(text);
    } else {
        // Digits, a sign and a point need no escape.
        out.push('"');
        out.push_str(text);
        out.push('"');
    }
}
