//! Rows as read become rows as shown: columns chosen, ordered and renamed.
//!
//! Responsible for the names, the order and the types of columns. Not responsible for their bytes. Called for
//! every batch of an export, and by the server for pages, so that screen and file show the same.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use arrow::record_batch::RecordBatch;
use offtake_model::dataset::ColumnType;
use offtake_model::{Error, ErrorKind, Result};

use crate::recipe::FileColumn;

/// Which columns are shown, in which order, under which names.
#[derive(Debug, Clone)]
pub struct Shape {
    columns: Vec<FileColumn>,
    schema: SchemaRef,
}

impl Shape {
    /// The shape that shows these columns.
    pub fn new(columns: Vec<FileColumn>) -> Self {
        let fields: Vec<Field> =
            columns.iter().map(|column| Field::new(&column.header, arrow_type(column.ty), true)).collect();
        Self { columns, schema: Arc::new(Schema::new(fields)) }
    }

    /// The columns shown.
    pub fn columns(&self) -> &[FileColumn] {
        &self.columns
    }

    /// The Arrow schema of shaped batches.
    pub const fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Shapes a batch. Copies no cell.
    ///
    /// # Errors
    /// `schema_drift` if the batch lacks a column or has it with another type.
    pub fn apply(&self, batch: &RecordBatch) -> Result<RecordBatch> {
        let read = batch.schema_ref();
        let mut arrays = Vec::with_capacity(self.columns.len());
        for (column, field) in self.columns.iter().zip(self.schema.fields()) {
            let array = read.index_of(&column.source).ok().map(|index| batch.column(index));
            let array = array.ok_or_else(|| drift(&column.source, "is not among the columns read"))?;
            if array.data_type() != field.data_type() {
                let found = format!("was read as {} and should be {}", array.data_type(), field.data_type());
                return Err(drift(&column.source, &found));
            }
            arrays.push(Arc::clone(array));
        }
        RecordBatch::try_new(Arc::clone(&self.schema), arrays)
            .map_err(|error| Error::new(ErrorKind::Internal, "a batch does not fit its own schema").caused_by(error))
    }
}

fn drift(column: &str, what: &str) -> Error {
    Error::new(ErrorKind::SchemaDrift, format!("column {column:?} {what}; check the dataset's configuration"))
}

/// The Arrow type in which a column travels. JSON travels as its text.
pub fn arrow_type(ty: ColumnType) -> DataType {
    match ty {
        ColumnType::Text | ColumnType::Json => DataType::Utf8,
        ColumnType::Int64 => DataType::Int64,
        ColumnType::Float64 => DataType::Float64,
        ColumnType::Bool => DataType::Boolean,
        ColumnType::Decimal { precision, scale } => DataType::Decimal128(precision, scale),
        ColumnType::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, Some("+00:00".into())),
        ColumnType::Date => DataType::Date32,
    }
}
