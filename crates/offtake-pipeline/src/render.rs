//! Rows as JSON for pages and previews: the same rendering as a file of format `json`.

use arrow::record_batch::RecordBatch;
use offtake_model::dataset::DatasetSchema;
use offtake_model::sensitive::Sight;
use offtake_model::{Error, ErrorKind, Result};

use crate::encode::{Envelope, Objects, Place};
use crate::shape::{FileColumn, Shape};
use crate::veil::Hasher;

/// A JSON array of objects, one per row, keyed by column name in the batch's order: as those see it who have this sight.
///
/// # Errors
/// `schema_drift` if the batch has a column that the dataset has not, or has with another type; `internal` if a column is
/// to be hashed and there is no hasher.
pub fn json_rows(batch: &RecordBatch, schema: &DatasetSchema, sight: Sight, hasher: Option<Hasher>) -> Result<Vec<u8>> {
    let columns = batch.schema_ref().fields().iter().map(|field| {
        let column = schema.column(field.name()).ok_or_else(|| {
            let detail = format!("the dataset {} has no column {:?}", schema.name, field.name());
            Error::new(ErrorKind::SchemaDrift, detail)
        })?;
        Ok(FileColumn::new(column, &column.name, column.shown(sight)))
    });
    let shape = Shape::new(columns.collect::<Result<_>>()?, hasher)?;
    let (rows, _) = shape.apply(batch)?;
    let objects = Objects::new(Envelope::Array, shape.columns());
    let mut out = Vec::with_capacity(objects.room(&rows)?);
    objects.encode(&rows, Place { first: true, last: true }, &mut out)?;
    Ok(out)
}
