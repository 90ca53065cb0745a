//! What a file says about itself: its columns, and whether it can be read at all.

use std::fs::File;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, TimeUnit};
use offtake_model::dataset::ColumnType;
use offtake_model::{Error, ErrorKind, Result};
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};
use parquet::basic::{Compression, LogicalType, Type as PhysicalType};
use parquet::errors::ParquetError;
use parquet::file::metadata::ParquetMetaData;

use super::files::DataFile;

/// A column of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FileColumn {
    pub(crate) name: String,
    pub(crate) ty: DataType,
    /// What is annotated and is no type of Arrow's.
    pub(crate) meant: Meant,
}

/// What a column's bytes are meant to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Meant {
    /// What their type says.
    Plain,
    /// JSON documents.
    Json,
    /// UUIDs.
    Uuid,
}

/// An open file and its footer.
#[derive(Debug)]
pub(super) struct Footer {
    pub(super) file: File,
    pub(super) metadata: ArrowReaderMetadata,
    pub(super) columns: Vec<FileColumn>,
}

impl Footer {
    /// # Errors
    /// `source_unavailable` for what is no whole Parquet file; `schema_drift` for one whose columns cannot be read.
    pub(super) fn read(file: &DataFile) -> Result<Self> {
        let opened =
            File::open(&file.path).map_err(|error| super::broken(file, &error.to_string()).caused_by(error))?;
        let failed = |error: ParquetError| super::broken(file, &error.to_string()).caused_by(error);
        // Types are the file's own: what Arrow noted beside them differs from writer to writer.
        let options = || ArrowReaderOptions::new().with_skip_arrow_metadata(true);
        let mut metadata = ArrowReaderMetadata::load(&opened, options()).map_err(failed)?;
        if let Some(schema) = without_int96(&metadata) {
            let parquet = Arc::clone(metadata.metadata());
            metadata = ArrowReaderMetadata::try_new(parquet, options().with_schema(schema)).map_err(failed)?;
        }
        let columns = columns(&metadata);
        for (index, column) in columns.iter().enumerate() {
            if columns[..index].iter().any(|other| other.name == column.name) {
                return Err(unfit(file, &format!("it has two columns {:?}", column.name)));
            }
        }
        if let Some(detail) = unknown_codec(metadata.metadata()) {
            return Err(unfit(file, &detail));
        }
        Ok(Self { file: opened, metadata, columns })
    }
}

/// The columns of a file, if it can be read.
///
/// # Errors
/// As for [`Footer::read`].
pub(crate) fn columns_of(file: &DataFile) -> Result<Vec<FileColumn>> {
    Footer::read(file).map(|footer| footer.columns)
}

/// Nanoseconds of the old 96-bit timestamps would leave out everything but the years 1677 to 2262.
fn without_int96(metadata: &ArrowReaderMetadata) -> Option<Arc<Schema>> {
    let old = |index: usize| {
        let field = &metadata.parquet_schema().root_schema().get_fields()[index];
        field.is_primitive() && field.get_physical_type() == PhysicalType::INT96
    };
    let fields = metadata.schema().fields();
    if !(0..fields.len()).any(old) {
        return None;
    }
    let micros = DataType::Timestamp(TimeUnit::Microsecond, None);
    let fields = fields.iter().enumerate().map(|(index, field)| {
        if old(index) { Arc::new(Field::clone(field).with_data_type(micros.clone())) } else { Arc::clone(field) }
    });
    Some(Arc::new(Schema::new(fields.collect::<Vec<_>>())))
}

fn columns(metadata: &ArrowReaderMetadata) -> Vec<FileColumn> {
    let described = metadata.parquet_schema().root_schema().get_fields();
    let columns = metadata.schema().fields().iter().zip(described).map(|(field, described)| {
        let meant = match described.get_basic_info().logical_type_ref() {
            Some(LogicalType::Json) => Meant::Json,
            Some(LogicalType::Uuid) => Meant::Uuid,
            _ if described.get_basic_info().converted_type() == parquet::basic::ConvertedType::JSON => Meant::Json,
            _ => Meant::Plain,
        };
        FileColumn { name: field.name().clone(), ty: field.data_type().clone(), meant }
    });
    columns.collect()
}

fn unknown_codec(metadata: &ParquetMetaData) -> Option<String> {
    let chunks = metadata.row_groups().iter().flat_map(|group| group.columns());
    chunks.into_iter().find_map(|chunk| match chunk.compression() {
        Compression::UNCOMPRESSED
        | Compression::SNAPPY
        | Compression::GZIP(_)
        | Compression::LZ4
        | Compression::LZ4_RAW
        | Compression::ZSTD(_) => None,
        Compression::LZO | Compression::BROTLI(_) => Some(format!(
            "the column {:?} is compressed by {}, which is not read; write it with zstd, snappy, gzip or lz4",
            chunk.column_path().string(),
            chunk.compression()
        )),
    })
}

/// `schema_drift` about a file.
pub(super) fn unfit(file: &DataFile, detail: &str) -> Error {
    Error::new(ErrorKind::SchemaDrift, format!("{}: {detail}", file.name))
}

impl FileColumn {
    /// What it is unless the configuration says otherwise.
    pub(crate) fn inferred(&self) -> ColumnType {
        match &self.ty {
            _ if self.meant == Meant::Json => ColumnType::Json,
            DataType::Boolean => ColumnType::Bool,
            ty if is_integer(ty) => ColumnType::Int64,
            DataType::UInt64 => ColumnType::Decimal { precision: 20, scale: 0 },
            DataType::Float16 | DataType::Float32 | DataType::Float64 => ColumnType::Float64,
            DataType::Decimal128(precision, scale) if (0..=precision.cast_signed()).contains(scale) => {
                ColumnType::Decimal { precision: *precision, scale: *scale }
            }
            DataType::Timestamp(..) => ColumnType::Timestamp,
            DataType::Date32 => ColumnType::Date,
            ty if ty.is_nested() => ColumnType::Json,
            _ => ColumnType::Text,
        }
    }

    /// Whether its values can be loaded as `ty`, each exactly or with an error.
    pub(crate) fn readable(&self, ty: ColumnType) -> bool {
        let whole = is_integer(&self.ty) || self.ty == DataType::UInt64;
        match ty {
            ColumnType::Text => true,
            ColumnType::Json => self.ty.is_nested() || self.ty == DataType::Utf8,
            ColumnType::Int64 => whole,
            ColumnType::Decimal { .. } => {
                whole || matches!(self.ty, DataType::Decimal128(..) | DataType::Decimal256(..))
            }
            ColumnType::Float64 | ColumnType::Bool | ColumnType::Timestamp | ColumnType::Date => self.inferred() == ty,
        }
    }

    /// Whether its values are whole numbers of 64 bits.
    pub(crate) fn is_integer(&self) -> bool {
        is_integer(&self.ty)
    }

    /// The type of the elements, if it is a list whose elements requests can name.
    pub(crate) fn elements(&self) -> Option<ColumnType> {
        match &self.ty {
            DataType::List(field) | DataType::LargeList(field) | DataType::FixedSizeList(field, _) => {
                match field.data_type() {
                    DataType::Utf8 => Some(ColumnType::Text),
                    ty if is_integer(ty) => Some(ColumnType::Int64),
                    _ => None,
                }
            }
            _ => None,
        }
    }
}

fn is_integer(ty: &DataType) -> bool {
    matches!(
        ty,
        DataType::Int8
            | DataType::Int16
            | DataType::Int32
            | DataType::Int64
            | DataType::UInt8
            | DataType::UInt16
            | DataType::UInt32
    )
}
