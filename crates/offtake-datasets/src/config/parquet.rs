//! A folder of Parquet files as it is now, and what of the configuration is about files alone.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use arrow::datatypes::DataType;
use offtake_model::dataset::{Column, ColumnType, DatasetSchema};
use offtake_model::{Error, ErrorKind, Result};

use super::columns::{self, TYPES};
use super::source::{Declared, Shape};
use super::{ColumnConfig, Wrong};
use crate::relation::{Relation, Stored};
use crate::source::parquet::{FileColumn, Kept, LoadColumn, NUMBER, Recipe, Table, columns_of};

/// Digits of a decimal that an INTEGER of SQLite holds, whatever they are.
const DIGITS_OF_AN_INTEGER: u8 = 18;

/// The folder that a URL names.
pub(super) fn path(url: &str) -> Option<PathBuf> {
    let path = url.strip_prefix("parquet:")?;
    let path = path.strip_prefix("//").unwrap_or(path);
    (!path.is_empty()).then(|| PathBuf::from(path))
}

/// A folder that is there.
#[derive(Debug)]
pub(super) struct LiveParquet {
    root: PathBuf,
}

impl LiveParquet {
    /// # Errors
    /// `source_unavailable`.
    pub(super) fn open(root: &Path) -> Result<Self> {
        let detail = if root.is_dir() {
            return Ok(Self { root: root.to_owned() });
        } else if root.exists() {
            "is a file: name its folder here, and the file as the table of a dataset"
        } else {
            "is not there"
        };
        Err(Error::new(ErrorKind::SourceUnavailable, format!("{} {detail}", root.display())))
    }

    /// What the first file of a table is like; `None` if there is none.
    pub(super) fn table(&self, name: &str) -> Result<Option<Shape>, String> {
        let told = |error: Error| error.detail().to_owned();
        let table = Table::new(&self.root, name)?;
        let files = table.files().map_err(told)?;
        let Some(first) = files.first() else { return Ok(None) };
        let found = columns_of(first).map_err(told)?;
        let declared = found.iter().map(|column| Declared {
            name: column.name.clone(),
            ty: column.ty.to_string(),
            never_null: false,
        });
        Ok(Some(Shape {
            from: "rows t".to_owned(),
            columns: declared.collect(),
            unique: None,
            is_table: true,
            files: Some(FilesShape { table, columns: found }),
        }))
    }
}

/// What files are like that a dataset is loaded from.
#[derive(Debug, Clone)]
pub(super) struct FilesShape {
    pub(super) table: Table,
    pub(super) columns: Vec<FileColumn>,
}

impl FilesShape {
    /// Columns that are read as text and whose values have another order than their texts.
    pub(super) fn unordered(&self) -> Vec<&str> {
        let ordered = |ty: &DataType| {
            matches!(ty, DataType::Utf8 | DataType::Binary | DataType::FixedSizeBinary(_) | DataType::Date32)
        };
        self.columns.iter().filter(|column| !ordered(&column.ty)).map(|column| column.name.as_str()).collect()
    }

    /// Looks into every file. What differs from the first, or cannot be loaded as configured, is told.
    pub(super) fn check(&self, at: &str, recipe: &Recipe, wrong: &mut Wrong) {
        let files = match self.table.files() {
            Ok(files) => files,
            Err(error) => return wrong.at(&format!("{at}.table"), error.detail()),
        };
        for file in &files {
            if let Err(error) = recipe.check(file) {
                wrong.at(&format!("{at}.table"), error.detail());
            }
        }
    }
}

/// The columns in the order of the first file, how each is loaded, and how it is stored then.
pub(super) fn columns(
    at: &str,
    files: &[FileColumn],
    configured: &BTreeMap<String, ColumnConfig>,
    wrong: &mut Wrong,
) -> (Vec<Column>, BTreeMap<String, Stored>, Vec<LoadColumn>) {
    for name in configured.keys().filter(|name| !files.iter().any(|column| &column.name == *name)) {
        let known: Vec<&str> = files.iter().map(|column| column.name.as_str()).collect();
        let detail = format!("the files have no such column; they have: {}", known.join(", "));
        wrong.at(&format!("{at}.columns.{name}"), detail);
    }
    let (mut columns, mut stored, mut loads) = (Vec::with_capacity(files.len()), BTreeMap::new(), Vec::new());
    let nothing = ColumnConfig::default();
    for file in files {
        let config = configured.get(&file.name).unwrap_or(&nothing);
        let path = format!("{at}.columns.{}", file.name);
        let ty = match typed(file, config) {
            Ok(ty) => ty,
            Err(detail) => {
                wrong.at(&format!("{path}.type"), detail);
                continue;
            }
        };
        let (kept, how) = match how_stored(file, ty, config.stored.as_deref()) {
            Ok(how) => how,
            Err(detail) => {
                wrong.at(&format!("{path}.stored"), detail);
                continue;
            }
        };
        let elements = match (ty, config.elements.as_deref()) {
            (ColumnType::Json, None) => Ok(file.elements()),
            (ty, configured) => columns::elements(ty, configured),
        };
        let elements = elements.unwrap_or_else(|detail| {
            wrong.at(&format!("{path}.elements"), detail);
            None
        });
        super::sensitive::check_type(&format!("{path}.sensitive"), ty, config.sensitive.as_ref(), wrong);
        let name = file.name.clone();
        let label = config.label.clone().unwrap_or_else(|| name.clone());
        stored.insert(name.clone(), how);
        loads.push(LoadColumn {
            name: name.clone(),
            ty,
            kept,
            said: config.r#type.is_some(),
            sensitive: config.sensitive.is_some(),
        });
        columns.push(Column { name, ty, label, sensitive: config.sensitive.clone(), elements, hex_digits: None });
    }
    (columns, stored, loads)
}

fn typed(file: &FileColumn, config: &ColumnConfig) -> Result<ColumnType, String> {
    let Some(text) = &config.r#type else { return Ok(file.inferred()) };
    let ty = columns::parse(text).ok_or_else(|| format!("is {TYPES}"))?;
    let counted = ty == ColumnType::Timestamp && file.is_integer();
    if counted || file.readable(ty) {
        return Ok(ty);
    }
    Err(format!("the column is a {}, which cannot be read as {}; text always can", file.ty, ty.name()))
}

fn how_stored(file: &FileColumn, ty: ColumnType, configured: Option<&str>) -> Result<(Kept, Stored), &'static str> {
    const UNITS: &str = "is seconds, milliseconds or microseconds: what the integers of this timestamp count";
    match (ty, configured) {
        (ColumnType::Timestamp, stored) if file.is_integer() => match stored {
            Some("seconds") => Ok((Kept::Plain, Stored::Seconds)),
            Some("milliseconds") => Ok((Kept::Plain, Stored::Milliseconds)),
            Some("microseconds") => Ok((Kept::Plain, Stored::Native)),
            Some(_) | None => Err(UNITS),
        },
        (_, Some(_)) => Err("is for integers that are timestamps: Parquet types its columns itself"),
        (ColumnType::Decimal { precision, .. }, None) if precision <= DIGITS_OF_AN_INTEGER => {
            Ok((Kept::Plain, Stored::Native))
        }
        (ColumnType::Decimal { .. }, None) => Ok((Kept::Ordered, Stored::Loaded)),
        (ColumnType::Float64 | ColumnType::Timestamp, None) => Ok((Kept::Plain, Stored::Loaded)),
        (ColumnType::Text | ColumnType::Json | ColumnType::Int64 | ColumnType::Bool | ColumnType::Date, None) => {
            Ok((Kept::Plain, Stored::Native))
        }
    }
}

/// Whether values of this type can name a row: those that are stored in one form and order.
pub(super) fn is_ordered(ty: ColumnType) -> bool {
    match ty {
        ColumnType::Text | ColumnType::Int64 | ColumnType::Bool | ColumnType::Timestamp | ColumnType::Date => true,
        ColumnType::Decimal { precision, .. } => precision <= DIGITS_OF_AN_INTEGER,
        ColumnType::Float64 | ColumnType::Json => false,
    }
}

/// The relation over the loaded rows: every row of a version is in its moment, an index keeps keys unique, and one
/// leads to each identity.
pub(super) fn indexed(schema: &DatasetSchema, relation: Relation) -> Relation {
    let same =
        schema.identity.iter().enumerate().map(|(index, name)| format!("{} = c.c{index}", relation.columns[name]));
    let same = same.collect::<Vec<_>>().join(" AND ");
    let lookup = format!("temp.chosen c CROSS JOIN {} ON {same}", relation.from);
    let unique_in = Some("rows".to_owned());
    Relation { sequence: Some(NUMBER.to_owned()), lookup: Some(lookup), unique_in, ..relation }
}
