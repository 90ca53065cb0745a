//! Files → a SQLite file of their rows: row group by row group, batch by batch, in flat memory.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use arrow::datatypes::DataType;
use arrow::record_batch::RecordBatch;
use offtake_model::dataset::ColumnType;
use offtake_model::{Error, ErrorKind, Result};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use rusqlite::{Connection, ErrorCode, Statement};

use super::cells::{Cell, Cells, Kept, LoadColumn};
use super::files::DataFile;
use super::footer::{FileColumn, Footer, unfit};

/// The form of the loaded files. Another number makes all of them be loaded anew.
const FORM: u32 = 1;
/// Bytes of rows that a batch should hold, by the mean size that the file tells.
const BATCH_BYTES: i64 = 4 << 20;
const MOST_BATCH_ROWS: i64 = 8_192;
/// The cache of the connection that writes, in KiB; sorting for an index takes as much again.
const CACHE_KIB: i64 = 16_000;
/// SQLite's own limit.
const MOST_COLUMNS: usize = 2_000;

/// How the rows of a dataset are loaded: with the files, this decides every byte.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Recipe {
    pub(crate) columns: Vec<LoadColumn>,
    pub(crate) key: Vec<String>,
    pub(crate) identity: Vec<String>,
    pub(crate) tenant: Option<String>,
}

impl Recipe {
    /// What tells it from another one.
    pub(super) fn fingerprint(&self) -> String {
        format!("{FORM} {self:?}\n")
    }

    fn position(&self, name: &str) -> Result<usize> {
        let position = self.columns.iter().position(|column| column.name == name);
        position.ok_or_else(|| Error::new(ErrorKind::Internal, format!("there is no column {name} to load")))
    }

    fn expressions<'a>(&self, names: impl Iterator<Item = &'a String>) -> Result<String> {
        let names = names.map(|name| Ok(format!("c{}", self.position(name)?))).collect::<Result<Vec<_>>>()?;
        Ok(names.join(", "))
    }

    fn table(&self) -> String {
        let columns = self.columns.iter().enumerate().map(|(index, column)| {
            let ty = match (column.ty, column.kept) {
                (ColumnType::Text | ColumnType::Json, _) => " TEXT",
                // Without a type: a REAL column would make 0.0 of -0.0.
                (ColumnType::Float64, _) => "",
                (ColumnType::Decimal { .. }, Kept::Ordered) => " BLOB",
                (
                    ColumnType::Int64
                    | ColumnType::Bool
                    | ColumnType::Timestamp
                    | ColumnType::Date
                    | ColumnType::Decimal { .. },
                    _,
                ) => " INTEGER",
            };
            format!("c{index}{ty}")
        });
        format!("CREATE TABLE rows ({})", columns.collect::<Vec<_>>().join(", "))
    }

    fn key_columns(&self) -> impl Iterator<Item = &String> {
        self.tenant.iter().chain(self.key.iter().filter(|name| self.tenant.as_ref() != Some(name)))
    }

    /// Whether this file can be loaded, as far as its footer tells.
    ///
    /// # Errors
    /// `schema_drift`, naming file and column; `source_unavailable`.
    pub(crate) fn check(&self, file: &DataFile) -> Result<()> {
        self.places(file, &Footer::read(file)?.columns).map(drop)
    }

    /// Where in the file each column is, if the file has these columns and no others.
    fn places(&self, file: &DataFile, found: &[FileColumn]) -> Result<Vec<usize>> {
        let differs = |detail: String| Err(unfit(file, &detail));
        if let Some(more) = found.iter().find(|found| !self.columns.iter().any(|column| column.name == found.name)) {
            return differs(format!("it has a column {:?}, which the dataset does not have", more.name));
        }
        let mut places = Vec::with_capacity(self.columns.len());
        for column in &self.columns {
            let Some(place) = found.iter().position(|found| found.name == column.name) else {
                return differs(format!("it has no column {:?}", column.name));
            };
            if !loadable(column, &found[place]) {
                let (ty, wanted) = (&found[place].ty, column.ty.name());
                return differs(format!("its column {:?} is of type {ty}, not {wanted}", column.name));
            }
            places.push(place);
        }
        Ok(places)
    }
}

/// Without a type that is said, files of one table have the same. One of nothing but NULLs has none.
fn loadable(column: &LoadColumn, found: &FileColumn) -> bool {
    let counted = column.ty == ColumnType::Timestamp && found.is_integer();
    let fits = if column.said { found.readable(column.ty) || counted } else { found.inferred() == column.ty };
    fits || found.ty == DataType::Null
}

/// Makes the SQLite file at `path` of these files' rows; how many there are.
///
/// # Errors
/// `schema_drift`, naming file, column and row; `source_unavailable`; `storage_full`.
pub(super) fn load(path: &Path, recipe: &Recipe, files: &[DataFile], number: i64) -> Result<i64> {
    if recipe.columns.len() > MOST_COLUMNS {
        let detail = format!("the files have {} columns; at most {MOST_COLUMNS} can be loaded", recipe.columns.len());
        return Err(Error::new(ErrorKind::SchemaDrift, detail));
    }
    // All footers first: what cannot be read is found before anything is written.
    for file in files {
        recipe.check(file)?;
    }
    let failed = |cause| stored(path, cause);
    let created = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path);
    created.map_err(|error| unwritable(path, error))?;
    let conn = Connection::open(path).map_err(failed)?;
    // A file that is not finished is thrown away: nothing has to survive a crash before the last sync.
    conn.execute_batch(&format!(
        "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA locking_mode = EXCLUSIVE; \
         PRAGMA cache_size = -{CACHE_KIB}; BEGIN; {}; \
         CREATE TABLE version (number INTEGER NOT NULL); CREATE TABLE files (first INTEGER PRIMARY KEY, name TEXT NOT NULL)",
        recipe.table()
    ))
    .map_err(failed)?;
    conn.execute("INSERT INTO version VALUES (?1)", [number]).map_err(failed)?;
    let mut loading = Loading { recipe, path, rows: 0 };
    for file in files {
        loading.file(&conn, file)?;
    }
    index(&conn, recipe, path)?;
    conn.execute_batch("COMMIT").map_err(failed)?;
    conn.close().map_err(|(_, cause)| failed(cause))?;
    Ok(loading.rows)
}

struct Loading<'a> {
    recipe: &'a Recipe,
    path: &'a Path,
    rows: i64,
}

impl Loading<'_> {
    fn file(&mut self, conn: &Connection, file: &DataFile) -> Result<()> {
        let failed = |cause| stored(self.path, cause);
        let Footer { file: opened, metadata, columns } = Footer::read(file)?;
        let places = self.recipe.places(file, &columns)?;
        // A file without rows gives way to the next.
        conn.execute("INSERT OR REPLACE INTO files VALUES (?1, ?2)", (self.rows + 1, &file.name)).map_err(failed)?;
        let marks = vec!["?"; self.recipe.columns.len()].join(", ");
        let mut insert = conn.prepare(&format!("INSERT INTO rows VALUES ({marks})")).map_err(failed)?;
        let mut row_in_file = 0;
        for group in 0..metadata.metadata().num_row_groups() {
            let described = metadata.metadata().row_group(group);
            let mean = described.total_byte_size() / described.num_rows().max(1);
            let batch_rows = usize::try_from((BATCH_BYTES / mean.max(1)).clamp(1, MOST_BATCH_ROWS)).unwrap_or(1);
            let another = opened.try_clone().map_err(|error| super::broken(file, &error.to_string()))?;
            let batches = ParquetRecordBatchReaderBuilder::new_with_metadata(another, metadata.clone())
                .with_row_groups(vec![group])
                .with_batch_size(batch_rows)
                .build()
                .map_err(|error| super::broken(file, &error.to_string()))?;
            for batch in batches {
                let batch = batch.map_err(|error| super::broken(file, &error.to_string()).caused_by(error))?;
                let source = Source { file, columns: &columns, places: &places, row_in_file };
                self.batch(&mut insert, &source, &batch)?;
                row_in_file += batch.num_rows() as u64;
            }
        }
        Ok(())
    }

    fn batch(&mut self, insert: &mut Statement<'_>, source: &Source<'_>, batch: &RecordBatch) -> Result<()> {
        let failed = |cause| stored(self.path, cause);
        let cells = self
            .recipe
            .columns
            .iter()
            .zip(source.places)
            .map(|(column, place)| Cells::new(batch.column(*place), source.columns[*place].meant, column));
        let cells = cells.collect::<std::result::Result<Vec<_>, _>>();
        let cells = cells.map_err(|error| super::broken(source.file, &error.to_string()))?;
        let keys = self.recipe.key.iter().map(|name| self.recipe.position(name)).collect::<Result<Vec<_>>>()?;
        for row in 0..batch.num_rows() {
            for (index, column) in cells.iter().enumerate() {
                let found = |detail: &str| {
                    let (name, row) = (&self.recipe.columns[index].name, source.row_in_file + row as u64 + 1);
                    unfit(source.file, &format!("{name} holds {detail}, in row {row}"))
                };
                let cell = column.cell(row).map_err(|detail| {
                    // The detail quotes the value.
                    let hidden = self.recipe.columns[index].sensitive;
                    found(if hidden { "a value that does not fit its type" } else { &detail })
                })?;
                if cell == Cell::Null && keys.contains(&index) {
                    return Err(found("NULL, which no key may"));
                }
                insert.raw_bind_parameter(index + 1, &cell).map_err(|cause| match cause.sqlite_error_code() {
                    Some(ErrorCode::TooBig) => found("a value that is too long for SQLite"),
                    _ => failed(cause),
                })?;
            }
            insert.raw_execute().map_err(failed)?;
        }
        self.rows += i64::try_from(batch.num_rows()).unwrap_or(i64::MAX);
        Ok(())
    }
}

/// Where a batch comes from.
struct Source<'a> {
    file: &'a DataFile,
    columns: &'a [FileColumn],
    places: &'a [usize],
    row_in_file: u64,
}

/// By the key, which must be unique, and by the identity.
fn index(conn: &Connection, recipe: &Recipe, path: &Path) -> Result<()> {
    let failed = |cause| stored(path, cause);
    let by_key = recipe.expressions(recipe.key_columns())?;
    match conn.execute_batch(&format!("CREATE UNIQUE INDEX by_key ON rows ({by_key})")) {
        Ok(()) => {}
        Err(cause) if cause.sqlite_error_code() == Some(ErrorCode::ConstraintViolation) => {
            return Err(twice(conn, recipe, &by_key).unwrap_or_else(failed));
        }
        Err(cause) => return Err(failed(cause)),
    }
    let by_identity = recipe.expressions(recipe.identity.iter())?;
    if by_identity == by_key {
        return Ok(());
    }
    conn.execute_batch(&format!("CREATE INDEX by_identity ON rows ({by_identity})")).map_err(failed)
}

/// Which two rows have the same key.
fn twice(conn: &Connection, recipe: &Recipe, by_key: &str) -> rusqlite::Result<Error> {
    let pair = format!("SELECT min(rowid), max(rowid) FROM rows GROUP BY {by_key} HAVING count(*) > 1 LIMIT 1");
    let (one, other) = conn.query_row(&pair, [], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?)))?;
    let place = |row: i64| {
        let sql = "SELECT name, ?1 - first + 1 FROM files WHERE first <= ?1 ORDER BY first DESC LIMIT 1";
        conn.query_row(sql, [row], |found| {
            Ok(format!("row {} of {}", found.get::<_, i64>(1)?, found.get::<_, String>(0)?))
        })
    };
    let key = recipe.key_columns().map(String::as_str).collect::<Vec<_>>().join(", ");
    let detail = format!("{} and {} have the same {key}, which must be unique", place(one)?, place(other)?);
    Ok(Error::new(ErrorKind::SchemaDrift, detail))
}

fn stored(path: &Path, cause: rusqlite::Error) -> Error {
    let (kind, detail) = match cause.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => (ErrorKind::StorageFull, "no space is left"),
        _ => (ErrorKind::StorageUnavailable, "SQLite cannot write"),
    };
    let folder = path.parent().unwrap_or(path).display();
    Error::new(kind, format!("{detail} for the rows of Parquet files in {folder}: {cause}")).caused_by(cause)
}

pub(super) fn unwritable(path: &Path, error: std::io::Error) -> Error {
    let full = matches!(error.kind(), std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded);
    let kind = if full { ErrorKind::StorageFull } else { ErrorKind::StorageUnavailable };
    Error::new(kind, format!("{} cannot be written: {error}", path.display())).caused_by(error)
}
