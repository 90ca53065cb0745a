//! Rows as read become rows as shown: columns chosen, ordered and renamed, and what is sensitive in them veiled.
//!
//! Responsible for the names, the order and the types of columns, and for cells that are masked, hashed or redacted. Not
//! responsible for their bytes. Called for every batch of an export, and by the server for pages, so that screen and file
//! show the same.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use arrow::record_batch::RecordBatch;
use offtake_model::dataset::{Column, ColumnType};
use offtake_model::sensitive::Shown;
use offtake_model::{Error, ErrorKind, Result};

use crate::veil::{self, Hasher};

/// A column of a file, or of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileColumn {
    /// The dataset's column it shows.
    pub source: String,
    /// Its header.
    pub header: String,
    /// Its type, as it is shown.
    pub ty: ColumnType,
    /// Its type, as it is read.
    pub read: ColumnType,
    /// What is shown of it.
    pub shown: Shown,
}

impl FileColumn {
    /// What is `shown` of a column, under a header.
    pub fn new(column: &Column, header: &str, shown: Shown) -> Self {
        let (source, header) = (column.name.clone(), header.to_owned());
        Self { source, header, ty: shown.type_of(column.ty), read: column.ty, shown }
    }
}

/// Cells masked, hashed or redacted, by the dataset's column.
pub type Masked = BTreeMap<String, u64>;

/// Which columns are shown, in which order, under which names, and what of them.
#[derive(Debug, Clone)]
pub struct Shape {
    columns: Vec<FileColumn>,
    schema: SchemaRef,
    hasher: Option<Hasher>,
}

impl Shape {
    /// The shape that shows these columns; those that are dropped are not there.
    ///
    /// # Errors
    /// `internal` if one is to be hashed and there is nothing to hash by.
    pub fn new(mut columns: Vec<FileColumn>, hasher: Option<Hasher>) -> Result<Self> {
        columns.retain(|column| column.shown != Shown::Drop);
        if hasher.is_none()
            && let Some(column) = columns.iter().find(|column| column.shown == Shown::Hash)
        {
            let detail = format!("column {:?} is hashed, and this process has no secret to hash by", column.source);
            return Err(Error::new(ErrorKind::Internal, detail));
        }
        let fields: Vec<Field> =
            columns.iter().map(|column| Field::new(&column.header, arrow_type(column.ty), true)).collect();
        Ok(Self { columns, schema: Arc::new(Schema::new(fields)), hasher })
    }

    /// The columns shown.
    pub fn columns(&self) -> &[FileColumn] {
        &self.columns
    }

    /// The Arrow schema of shaped batches.
    pub const fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// The bytes that shaping this batch takes at most, besides the batch.
    pub fn room(&self, batch: &RecordBatch) -> u64 {
        let room = |column: &FileColumn| match &column.shown {
            Shown::Clear => 0,
            Shown::Redact(_) => batch.column_by_name(&column.source).map_or(0, veil::room_to_redact),
            Shown::Mask | Shown::Hash | Shown::Drop => veil::room(&arrow_type(column.ty), batch.num_rows()),
        };
        self.columns.iter().map(room).sum()
    }

    /// What it depends on besides its columns: empty unless something is hashed.
    pub fn hashed_by(&self) -> String {
        let hashes = self.columns.iter().any(|column| column.shown == Shown::Hash);
        self.hasher.as_ref().filter(|_| hashes).map(Hasher::fingerprint).unwrap_or_default()
    }

    /// Shapes a batch. Copies no cell that is shown as it is.
    ///
    /// # Errors
    /// `schema_drift` if the batch lacks a column or has it with another type.
    pub fn apply(&self, batch: &RecordBatch) -> Result<(RecordBatch, Masked)> {
        let read = batch.schema_ref();
        let mut arrays = Vec::with_capacity(self.columns.len());
        let mut masked = Masked::new();
        for column in &self.columns {
            let array = read.index_of(&column.source).ok().map(|index| batch.column(index));
            let array = array.ok_or_else(|| drift(&column.source, "is not among the columns read"))?;
            let expected = arrow_type(column.read);
            if *array.data_type() != expected {
                let found = format!("was read as {} and should be {expected}", array.data_type());
                return Err(drift(&column.source, &found));
            }
            let (shown, cells) = self.veiled(column, array)?;
            if column.shown != Shown::Clear {
                // A column that is there twice holds the same cells twice.
                masked.insert(column.source.clone(), cells);
            }
            arrays.push(shown);
        }
        let rows = RecordBatch::try_new(Arc::clone(&self.schema), arrays);
        let misfit = |error| Error::new(ErrorKind::Internal, "a batch does not fit its own schema").caused_by(error);
        Ok((rows.map_err(misfit)?, masked))
    }

    /// The column as it is shown, and how many of its cells are not as they were read.
    fn veiled(&self, column: &FileColumn, array: &ArrayRef) -> Result<(ArrayRef, u64)> {
        let all = (array.len() - array.null_count()) as u64;
        match (&column.shown, &self.hasher) {
            (Shown::Clear, _) => Ok((Arc::clone(array), 0)),
            (Shown::Hash, Some(hasher)) => Ok((veil::hash(array, column.read, hasher)?, all)),
            (Shown::Redact(paths), _) => Ok(veil::redact(array, column.read, paths)),
            // There is always a hasher where something is hashed; if there were none, nothing would be shown.
            (Shown::Mask | Shown::Drop | Shown::Hash, _) => Ok((veil::mask(array, column.read), all)),
        }
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
