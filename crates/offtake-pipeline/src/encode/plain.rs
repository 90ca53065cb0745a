//! Cells as their exact text, one after another: what values are compared by, whatever the format.

use arrow::array::Array;
use offtake_model::dataset::ColumnType;
use offtake_model::{Error, ErrorKind, Result};

use super::cells::{self, Values};
use super::moment::Moments;
use super::number;

/// Calls `each` with the text of every cell of a column, `None` for NULL. Texts are those of a CSV file, without quotes.
pub(crate) fn texts(array: &dyn Array, ty: ColumnType, mut each: impl FnMut(Option<&[u8]>)) -> Result<()> {
    let column = cells::column(array, ty)
        .ok_or_else(|| Error::new(ErrorKind::Internal, "a column was not checked before it was written"))?;
    let (mut moments, mut text) = (Moments::new(), Vec::new());
    for row in 0..array.len() {
        if column.is_null(row) {
            each(None);
            continue;
        }
        text.clear();
        match column.values {
            Values::Text(texts) | Values::Json(texts) => {
                each(Some(texts.value(row).as_bytes()));
                continue;
            }
            Values::Int(values) => number::int(values.value(row), &mut text),
            Values::Float(values) => number::plain_float(values.value(row), &mut text),
            Values::Bool(values) => text.extend_from_slice(if values.value(row) { b"true" } else { b"false" }),
            Values::Decimal(values, scale) => {
                number::decimal(values.value(row), scale, &mut text);
            }
            Values::Timestamp(values) => moments.write(values.value(row), &mut text),
            Values::Date(values) => moments.write_day(values.value(row), &mut text),
        }
        each(Some(&text));
    }
    Ok(())
}
