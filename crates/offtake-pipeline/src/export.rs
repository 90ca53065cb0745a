//! The one loop of an export: ranges are read, shaped, encoded and compressed, several at a time, and come out
//! as parts in order.
//!
//! Responsible for order, for how much runs at once, and for stopping all of it on an error or a drop. Not
//! responsible for where rows come from or where parts go. Called by the worker, once per attempt.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use arrow::record_batch::RecordBatch;
use futures::stream::{self, BoxStream, Stream, StreamExt};
use offtake_model::budget::{Held, MemoryBudget};
use offtake_model::checkpoint::Written;
use offtake_model::format::Format;
use offtake_model::plan::Plan;
use offtake_model::{Error, ErrorKind, Result};
use tokio_util::sync::CancellationToken;

use crate::compress::compress;
use crate::encode::parquet::{ParquetParts, Shaped};
use crate::encode::xlsx::XlsxParts;
use crate::encode::{Place, TextEncoder};
use crate::meter::Meter;
use crate::parts::{Encoded, Ledger, Part, TextParts};
use crate::recipe::Recipe;
use crate::shape::Masked;
use crate::units::{Ahead, Step, Units, Work, panicked};

/// How an export goes about it. Nothing here decides a byte of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExportSettings {
    /// A part is handed out as soon as it has so many bytes.
    pub part_bytes: usize,
    /// Ranges under way at once, those included that wait for their predecessors. At least 1.
    pub in_flight: usize,
    /// Where a file is put together that cannot be written from front to back.
    pub spool: Spool,
}

/// Room on a disk for files without a name: nobody else sees them, and they are gone when they are closed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spool {
    /// The folder.
    pub folder: PathBuf,
    /// The most bytes that one export may take of it.
    pub limit: u64,
}

/// Where an export starts.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Start {
    /// Ranges that are completely in the file already.
    pub ranges: usize,
    /// What is in the file already.
    pub written: Written,
}

/// Reads one range of the plan: its rows in key order, in pieces, and the memory each is held in. A piece becomes
/// a frame, so where a range is cut into pieces may depend on its rows and the plan alone. Dropping the stream stops
/// the reading.
pub type ReadRange = Arc<dyn Fn(usize) -> BoxStream<'static, Result<(RecordBatch, Held)>> + Send + Sync>;

/// Makes the file of a plan: its parts, in order, none of them empty. A file without bytes has no part.
///
/// After an error the stream ends; everything under way has stopped then. Dropping the stream stops everything
/// too: reading at once, encoding at the end of the frame. It must be polled on a Tokio runtime.
///
/// Errors are those of `read`, and: `rows_changed` if a range has not the rows the plan counted; `schema_drift`;
/// `memory_limit`; `spool_limit` and `storage_full` (xlsx); `internal` for a start that this recipe and plan cannot start from.
pub fn export(
    recipe: Arc<Recipe>,
    plan: Arc<Plan>,
    from: Start,
    read: ReadRange,
    budget: MemoryBudget,
    settings: ExportSettings,
    meter: Arc<Meter>,
) -> impl Stream<Item = Result<Part>> + Send {
    let run = Run { recipe, plan, read, budget, settings, meter, cancelled: CancellationToken::new() };
    let parts = check_start(&run, &from).and_then(|()| match run.recipe.text() {
        Some(encoder) => text_file(&run, encoder, from),
        None if run.recipe.format() == Format::Xlsx => xlsx_file(&run, from),
        None => parquet_file(&run, from),
    });
    parts.unwrap_or_else(|error| stream::iter([Err(error)]).boxed())
}

type Parts = BoxStream<'static, Result<Part>>;

/// What every unit of an export needs.
#[derive(Clone)]
struct Run {
    recipe: Arc<Recipe>,
    plan: Arc<Plan>,
    read: ReadRange,
    budget: MemoryBudget,
    settings: ExportSettings,
    meter: Arc<Meter>,
    cancelled: CancellationToken,
}

fn check_start(run: &Run, from: &Start) -> Result<()> {
    let ranges = run.plan.cuts.len();
    let wrong = if from.ranges > ranges {
        format!("cannot continue after {} ranges: the plan has {ranges}", from.ranges)
    } else if from.ranges > 0 && !run.recipe.resumes() {
        format!("{} cannot be continued in the middle; start anew", run.recipe.format().name())
    } else {
        return Ok(());
    };
    Err(Error::new(ErrorKind::Internal, wrong))
}

fn text_file(run: &Run, encoder: Arc<TextEncoder>, from: Start) -> Result<Parts> {
    let written_before = from.written.bytes > 0;
    let part_bytes = run.settings.part_bytes;
    let ledger = Ledger::resume(from.written, Arc::clone(&run.meter))?;
    let parts = TextParts::new(ledger, from.ranges, part_bytes, run.budget.clone());
    if run.plan.cuts.is_empty() {
        return Ok(if written_before { stream::empty().boxed() } else { empty_file(run.clone(), encoder, parts) });
    }
    let units = run.units(from.ranges, move |run, piece| encode(run, &encoder, piece));
    Ok(in_order(units, parts, |parts, step| match step {
        Step::Piece(frame) => Ok(parts.add(frame)),
        Step::RangeEnd => Ok(parts.end_range()),
        Step::FileEnd => Ok(parts.finish()),
    }))
}

fn parquet_file(run: &Run, from: Start) -> Result<Parts> {
    let ledger = Ledger::resume(from.written, Arc::clone(&run.meter))?;
    let parts = ParquetParts::new(&run.recipe, run.plan.frame_rows, ledger, &run.budget, &run.settings)?;
    let units = run.units(from.ranges, shape);
    Ok(in_order(units, parts, |parts, step| match step {
        Step::Piece(piece) => parts.add(piece),
        Step::RangeEnd => Ok(None),
        Step::FileEnd => parts.finish(),
    }))
}

fn xlsx_file(run: &Run, from: Start) -> Result<Parts> {
    let ledger = Ledger::resume(from.written, Arc::clone(&run.meter))?;
    let parts = XlsxParts::new(&run.recipe, ledger, &run.budget, &run.settings)?;
    let units = run.units(from.ranges, shape);
    Ok(in_order(units, parts, |parts, step| match step {
        Step::Piece(piece) => parts.add(piece).map(|()| None),
        Step::RangeEnd => Ok(None),
        Step::FileEnd => parts.finish(),
    }))
}

fn shape(run: &Run, piece: Piece) -> Result<Shaped> {
    let veil = run.budget.take(run.recipe.shape().room(&piece.batch))?;
    let (batch, masked) = run.recipe.shape().apply(&piece.batch)?;
    Ok(Shaped { batch, masked, held: (piece.held, veil), took: piece.began.elapsed() })
}

impl Run {
    /// The ranges from `first` on; `make` is applied to each of their pieces, off the executor.
    fn units<T: Send + 'static>(
        &self,
        first: usize,
        make: impl Fn(&Run, Piece) -> Result<T> + Send + Sync + 'static,
    ) -> Units<T> {
        let frames = self.plan.range_rows / self.plan.frame_rows.max(1);
        let ahead = Ahead { ranges: self.settings.in_flight, pieces: (frames as usize).saturating_sub(1) };
        let (run, make) = (self.clone(), Arc::new(make));
        let begin = move |work| {
            let make = Arc::clone(&make);
            let pieces = stream::try_unfold(Pieces::of(&run, work), move |mut pieces| {
                let make = Arc::clone(&make);
                async move {
                    let Some(piece) = pieces.next().await? else { return Ok(None) };
                    let run = pieces.run.clone();
                    let made = tokio::task::spawn_blocking(move || make(&run, piece)).await.map_err(panicked)??;
                    Ok(Some((made, pieces)))
                }
            });
            pieces.boxed()
        };
        Units::new(first..self.plan.cuts.len(), ahead, self.cancelled.clone(), Box::new(begin))
    }
}

/// Hands steps to the assembler in order and hands its parts out; after the end of the file it is asked until it has
/// none left. Assembling runs off the executor.
fn in_order<U, A>(units: Units<U>, assembler: A, assemble: fn(&mut A, Step<U>) -> Result<Option<Part>>) -> Parts
where
    U: Send + 'static,
    A: Send + 'static,
{
    stream::unfold(Some((units, assembler)), move |state| async move {
        let (mut units, mut assembler) = state?;
        loop {
            let step = match units.next().await {
                Ok(step) => step,
                Err(error) => {
                    units.stop().await;
                    return Some((Err(error), None));
                }
            };
            let finished = matches!(step, Step::FileEnd);
            let assembling = tokio::task::spawn_blocking(move || {
                let part = assemble(&mut assembler, step);
                part.map(|part| (part, assembler))
            });
            match assembling.await.unwrap_or_else(|panic| Err(panicked(panic))) {
                Ok((Some(part), assembler)) => return Some((Ok(part), Some((units, assembler)))),
                Ok((None, _)) if finished => return None,
                Ok((None, same)) => assembler = same,
                Err(error) => {
                    units.stop().await;
                    return Some((Err(error), None));
                }
            }
        }
    })
    .boxed()
}

/// Rows of a range that become one frame.
struct Piece {
    batch: RecordBatch,
    held: Held,
    place: Place,
    began: Instant,
}

/// The pieces of one range, their rows counted against the plan's.
struct Pieces {
    run: Run,
    work: Work,
    rows: BoxStream<'static, Result<(RecordBatch, Held)>>,
    read: usize,
    found: u64,
}

impl Pieces {
    fn of(run: &Run, work: Work) -> Self {
        Self { rows: (run.read)(work.range), run: run.clone(), work, read: 0, found: 0 }
    }

    /// The next one that is not handed out yet; gives up as soon as the export is cancelled.
    async fn next(&mut self) -> Result<Option<Piece>> {
        let Work { range, skip } = self.work;
        let counted = self.run.plan.rows_in(range);
        loop {
            let began = Instant::now();
            let read = tokio::select! {
                biased;
                () = self.run.cancelled.cancelled() => return Err(cancelled()),
                read = self.rows.next() => read.transpose()?,
            };
            let Some((batch, held)) = read else {
                return if self.found == counted { Ok(None) } else { Err(changed(range, self.found, counted)) };
            };
            let first = range == 0 && self.read == 0;
            self.read += 1;
            self.found += batch.num_rows() as u64;
            if self.found > counted {
                return Err(changed(range, self.found, counted));
            }
            let last = self.found == counted && range + 1 == self.run.plan.cuts.len();
            if self.read > skip {
                return Ok(Some(Piece { batch, held, place: Place { first, last }, began }));
            }
        }
    }
}

fn changed(range: usize, found: u64, counted: u64) -> Error {
    let detail = format!("range {range} has {found} rows where the plan counted {counted}");
    Error::new(ErrorKind::RowsChanged, detail)
}

fn cancelled() -> Error {
    Error::new(ErrorKind::Cancelled, "the export was stopped")
}

/// Makes a frame. The rows' memory is given up as soon as they are text.
fn encode(run: &Run, encoder: &TextEncoder, piece: Piece) -> Result<Encoded> {
    let Piece { batch, held: rows_held, place, began } = piece;
    if run.cancelled.is_cancelled() {
        return Err(cancelled());
    }
    let veil_held = run.budget.take(run.recipe.shape().room(&batch))?;
    let (shaped, masked) = run.recipe.shape().apply(&batch)?;
    drop(batch);
    let mut frame = encode_frame(run, encoder, &shaped, place)?;
    frame.masked = masked;
    drop((shaped, rows_held, veil_held));
    frame = frame.compressed(run)?;
    run.meter.frame(began.elapsed(), frame.bytes.len());
    Ok(frame)
}

fn encode_frame(run: &Run, encoder: &TextEncoder, rows: &RecordBatch, place: Place) -> Result<Encoded> {
    let room = encoder.room(rows)?;
    let mut bytes = run.budget.buffer(room);
    let mut held = run.budget.take(bytes.capacity() as u64)?;
    let guarded_cells = encoder.encode(rows, place, &mut bytes)?;
    held.grow_to(bytes.capacity() as u64)?;
    Ok(Encoded { bytes, held, rows: rows.num_rows() as u64, guarded_cells, masked: Masked::new() })
}

impl Encoded {
    fn compressed(mut self, run: &Run) -> Result<Self> {
        self.bytes = compress(run.recipe.compression(), self.bytes, &mut self.held, &run.budget)?;
        Ok(self)
    }
}

/// The file of a plan without rows: header and trailer still make it a valid one.
fn empty_file(run: Run, encoder: Arc<TextEncoder>, mut parts: TextParts) -> Parts {
    let one = async move {
        let rows = RecordBatch::new_empty(Arc::clone(run.recipe.shape().schema()));
        let mut frame = encode_frame(&run, &encoder, &rows, Place { first: true, last: true })?;
        frame = frame.compressed(&run)?;
        Ok(parts.close_empty(frame))
    };
    stream::once(one).filter_map(|part: Result<Option<Part>>| async { part.transpose() }).boxed()
}
