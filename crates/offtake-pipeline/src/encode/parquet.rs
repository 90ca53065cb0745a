//! Parquet: row groups of a bounded size, zstd inside, columns encoded side by side.
//!
//! A Parquet file is one thing with a footer that knows all of it: it cannot be continued in the middle. Its
//! row groups are handed out as soon as they are complete, so memory is one row group, not the file. The bytes
//! depend on the rows, the plan's frames and the recipe alone.

use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::record_batch::RecordBatch;
use bytes::Bytes;
use offtake_model::budget::{Held, MemoryBudget};
use offtake_model::dataset::ColumnType;
use offtake_model::{Error, ErrorKind, Result};
use parquet::arrow::ArrowSchemaConverter;
use parquet::arrow::arrow_writer::{ArrowColumnChunk, ArrowColumnWriter, ArrowRowGroupWriterFactory, compute_leaves};
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::ColumnPath;

use crate::export::ExportSettings;
use crate::parts::{Ledger, Part};
use crate::recipe::Recipe;
use crate::shape::Masked;

/// The most rows of a row group.
const GROUP_ROWS: usize = 131_072;
/// A row group is closed at the first frame that brings it to so many encoded bytes.
const GROUP_BYTES: usize = 32 << 20;
/// A dictionary of more bytes is no use: the column is written plain from there on. Long cells that come again and again
/// are worth a larger one, and documents the most.
const DICTIONARY_BYTES: usize = 128 << 10;
const DICTIONARY_BYTES_OF_TEXT: usize = 512 << 10;
const DICTIONARY_BYTES_OF_JSON: usize = 3 << 20;
/// A tenth smaller than level 1, and still several times faster than rows are read.
const LEVEL: i32 = 3;

/// Rows that are ready to be written.
#[derive(Debug)]
pub(crate) struct Shaped {
    pub(crate) batch: RecordBatch,
    pub(crate) masked: Masked,
    /// The memory of the rows as read, and of what shaping made of them.
    pub(crate) held: (Held, Held),
    pub(crate) took: Duration,
}

/// Writes one file, piece after piece.
pub(crate) struct ParquetParts {
    file: SerializedFileWriter<Vec<u8>>,
    groups: ArrowRowGroupWriterFactory,
    group: Option<Group>,
    groups_closed: usize,
    frame_rows: usize,
    lanes: usize,
    part_bytes: usize,
    ledger: Ledger,
    held: Held,
    finished: bool,
}

/// The row group in progress.
struct Group {
    columns: Vec<ArrowColumnWriter>,
    rows: usize,
    took: Duration,
}

impl ParquetParts {
    pub(crate) fn new(
        recipe: &Recipe,
        frame_rows: u32,
        ledger: Ledger,
        budget: &MemoryBudget,
        settings: &ExportSettings,
    ) -> Result<Self> {
        let schema = recipe.shape().schema();
        let described = ArrowSchemaConverter::new().schema_root("offtake").convert(schema).map_err(broken)?;
        let properties = Arc::new(properties(recipe)?);
        let file = SerializedFileWriter::new(Vec::new(), described.root_schema_ptr(), properties).map_err(broken)?;
        Ok(Self {
            groups: ArrowRowGroupWriterFactory::new(&file, Arc::clone(schema)),
            file,
            group: None,
            groups_closed: 0,
            frame_rows: (frame_rows as usize).clamp(1, GROUP_ROWS),
            lanes: settings.in_flight.clamp(1, 8),
            part_bytes: settings.part_bytes,
            ledger,
            held: budget.take(0)?,
            finished: false,
        })
    }

    /// Writes a piece, and gives a part if closed row groups are enough for one.
    pub(crate) fn add(&mut self, piece: Shaped) -> Result<Option<Part>> {
        let Shaped { batch, masked, held, took } = piece;
        let rows = batch.num_rows();
        self.group()?.took += took;
        let mut start = 0;
        while start < rows {
            let room = GROUP_ROWS - self.group()?.rows;
            let length = self.frame_rows.min(room).min(rows - start);
            self.write(&batch.slice(start, length))?;
            start += length;
        }
        drop((batch, held));
        self.ledger.count(rows as u64, 0, 0);
        self.ledger.masked(masked);
        self.ledger.report(self.file.inner().len());
        self.part_if(self.part_bytes)
    }

    /// Closes the file and gives what is left of it.
    pub(crate) fn finish(&mut self) -> Result<Option<Part>> {
        if std::mem::replace(&mut self.finished, true) {
            return Ok(None);
        }
        self.close_group()?;
        self.file.finish().map_err(broken)?;
        self.part_if(1)
    }

    fn part_if(&mut self, enough: usize) -> Result<Option<Part>> {
        self.file.flush().map_err(|error| broken(error.into()))?;
        if self.file.inner().len() < enough {
            return Ok(None);
        }
        let bytes = Bytes::from(std::mem::take(self.file.inner_mut()));
        self.hold()?;
        Ok(Some(self.ledger.seal(bytes, None)))
    }

    fn group(&mut self) -> Result<&mut Group> {
        if self.group.is_none() {
            let columns = self.groups.create_column_writers(self.groups_closed).map_err(broken)?;
            self.group = Some(Group { columns, rows: 0, took: Duration::ZERO });
        }
        self.group.as_mut().ok_or_else(|| Error::new(ErrorKind::Internal, "a row group was opened and is not there"))
    }

    fn write(&mut self, frame: &RecordBatch) -> Result<()> {
        let began = Instant::now();
        let lanes = self.lanes;
        let group = self.group()?;
        write_columns(&mut group.columns, frame, lanes)?;
        group.rows += frame.num_rows();
        group.took += began.elapsed();
        let encoded: usize = group.columns.iter().map(ArrowColumnWriter::get_estimated_total_bytes).sum();
        let full = group.rows >= GROUP_ROWS || encoded >= GROUP_BYTES;
        self.hold()?;
        if full { self.close_group() } else { Ok(()) }
    }

    /// Takes from the budget what the writer holds at present.
    fn hold(&mut self) -> Result<()> {
        let columns = self.group.iter().flat_map(|group| &group.columns);
        let in_progress: usize = columns.map(ArrowColumnWriter::memory_size).sum();
        self.held.grow_to((in_progress + self.file.inner().capacity()) as u64)
    }

    fn close_group(&mut self) -> Result<()> {
        let Some(group) = self.group.take().filter(|group| group.rows > 0) else { return Ok(()) };
        let began = Instant::now();
        let before = self.file.bytes_written();
        let chunks: Result<Vec<ArrowColumnChunk>> =
            group.columns.into_iter().map(|column| column.close().map_err(broken)).collect();
        let chunks = chunks?;
        let encoded: u64 = chunks.iter().map(|chunk| chunk.close().bytes_written).sum();
        self.file.inner_mut().reserve_exact(encoded as usize);
        let mut row_group = self.file.next_row_group().map_err(broken)?;
        for chunk in chunks {
            chunk.append_to_row_group(&mut row_group).map_err(broken)?;
        }
        row_group.close().map_err(broken)?;
        self.groups_closed += 1;
        self.ledger.count(0, 1, 0);
        self.ledger.frame(group.took + began.elapsed(), self.file.bytes_written() - before);
        self.hold()
    }
}

/// Writes each column of a frame; the columns are dealt to `lanes` threads, the largest first.
fn write_columns(columns: &mut [ArrowColumnWriter], frame: &RecordBatch, lanes: usize) -> Result<()> {
    let mut jobs: Vec<_> = columns.iter_mut().zip(frame.columns()).zip(frame.schema_ref().fields()).collect();
    jobs.sort_by_key(|((_, array), _)| std::cmp::Reverse(array.get_array_memory_size()));
    let queue = std::sync::Mutex::new(jobs.into_iter());
    let work = || -> Result<(), ParquetError> {
        loop {
            let job = queue.lock().unwrap_or_else(std::sync::PoisonError::into_inner).next();
            let Some(((writer, array), field)) = job else { return Ok(()) };
            for leaf in compute_leaves(field, array)? {
                writer.write(&leaf)?;
            }
        }
    };
    std::thread::scope(|scope| {
        let others: Vec<_> = (1..lanes).map(|_| scope.spawn(work)).collect();
        let mut result = work();
        for other in others {
            let outcome = other.join().unwrap_or_else(|_| Err(ParquetError::General("a writer broke down".to_owned())));
            result = result.and(outcome);
        }
        result.map_err(broken)
    })
}

fn properties(recipe: &Recipe) -> Result<WriterProperties> {
    let level = ZstdLevel::try_new(LEVEL).map_err(broken)?;
    let spec = KeyValue::new("spec_sha256".to_owned(), recipe.spec_sha256().to_owned());
    let mut properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(level))
        .set_created_by(format!("offtake version {}", env!("CARGO_PKG_VERSION")))
        .set_key_value_metadata(Some(vec![spec]))
        .set_dictionary_page_size_limit(DICTIONARY_BYTES)
        .set_statistics_enabled(EnabledStatistics::Chunk);
    for column in recipe.shape().columns() {
        let path = ColumnPath::new(vec![column.header.clone()]);
        properties = match column.ty {
            ColumnType::Timestamp => properties.set_column_dictionary_enabled(path, false),
            ColumnType::Text => properties.set_column_dictionary_page_size_limit(path, DICTIONARY_BYTES_OF_TEXT),
            ColumnType::Json => properties.set_column_dictionary_page_size_limit(path, DICTIONARY_BYTES_OF_JSON),
            ColumnType::Int64
            | ColumnType::Float64
            | ColumnType::Bool
            | ColumnType::Decimal { .. }
            | ColumnType::Date => properties,
        };
    }
    Ok(properties.build())
}

fn broken(error: ParquetError) -> Error {
    Error::new(ErrorKind::Internal, "Parquet could not be written").caused_by(error)
}
