//! The one loop of an export: ranges are read, shaped, encoded and compressed, several at a time, and come out
//! as parts in order.
//!
//! Responsible for order, for how much runs at once, and for stopping all of it on an error or a drop. Not
//! responsible for where rows come from or where parts go. Called by the worker, once per attempt.

use std::sync::Arc;
use std::time::Instant;

use arrow::record_batch::RecordBatch;
use futures::future::{BoxFuture, FutureExt};
use futures::stream::{self, Stream, StreamExt};
use offtake_model::budget::{Held, MemoryBudget};
use offtake_model::checkpoint::Written;
use offtake_model::plan::Plan;
use offtake_model::{Error, ErrorKind, Result};
use tokio_util::sync::CancellationToken;

use crate::compress::compress;
use crate::encode::parquet::{ParquetParts, Shaped};
use crate::encode::{Place, TextEncoder};
use crate::meter::Meter;
use crate::parts::{Encoded, Ledger, Part, TextParts};
use crate::recipe::Recipe;
use crate::units::{Units, panicked};

/// How an export goes about it. Nothing here decides a byte of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExportSettings {
    /// A part is handed out as soon as it has so many bytes.
    pub part_bytes: usize,
    /// Ranges under way at once, those included that wait for their predecessors. At least 1.
    pub in_flight: usize,
}

/// Where an export starts.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Start {
    /// Ranges that are completely in the file already.
    pub ranges: usize,
    /// What is in the file already.
    pub written: Written,
}

/// Reads one range of the plan: all its rows in key order, and the memory they are held in. Dropping the future
/// stops the reading.
pub type ReadRange = Arc<dyn Fn(usize) -> BoxFuture<'static, Result<(RecordBatch, Held)>> + Send + Sync>;

/// Makes the file of a plan: its parts, in order, none of them empty. A file without bytes has no part.
///
/// After an error the stream ends; everything under way has stopped then. Dropping the stream stops everything
/// too: reading at once, encoding at the end of the frame. It must be polled on a Tokio runtime.
///
/// Errors are those of `read`, and: `rows_changed` if a range has not the rows the plan counted; `schema_drift`;
/// `memory_limit`; `internal` for a start that this recipe and plan cannot start from.
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
        None => parquet_file(&run, from),
    });
    parts.unwrap_or_else(|error| stream::iter([Err(error)]).boxed())
}

type Parts = stream::BoxStream<'static, Result<Part>>;

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
    let ranges = from.ranges..run.plan.cuts.len();
    let part_bytes = run.settings.part_bytes;
    let written_before = from.written.bytes > 0;
    let parts = TextParts::new(Ledger::resume(from.written, Arc::clone(&run.meter))?, from.ranges, part_bytes);
    if run.plan.cuts.is_empty() {
        return Ok(if written_before { stream::empty().boxed() } else { empty_file(run.clone(), encoder, parts) });
    }
    let unit = run.clone();
    let units = Units::new(
        ranges,
        run.settings.in_flight,
        run.cancelled.clone(),
        Box::new(move |range| encode_range(unit.clone(), Arc::clone(&encoder), range).boxed()),
    );
    Ok(in_order(units, parts, |parts, step| match step {
        Step::Add(range) => Ok(parts.add(range)),
        Step::Finish => Ok(parts.finish()),
    }))
}

fn parquet_file(run: &Run, from: Start) -> Result<Parts> {
    let ledger = Ledger::resume(from.written, Arc::clone(&run.meter))?;
    let parts = ParquetParts::new(&run.recipe, run.plan.frame_rows, ledger, &run.budget, run.settings)?;
    let unit = run.clone();
    let units = Units::new(
        from.ranges..run.plan.cuts.len(),
        run.settings.in_flight,
        run.cancelled.clone(),
        Box::new(move |range| shape_range(unit.clone(), range).boxed()),
    );
    Ok(in_order(units, parts, |parts, step| match step {
        Step::Add(range) => parts.add(range),
        Step::Finish => parts.finish(),
    }))
}

/// What the assembling of parts is asked to do next.
enum Step<U> {
    Add(U),
    Finish,
}

type Assemble<U, A> = fn(&mut A, Step<U>) -> Result<Option<Part>>;

/// Hands units to the assembler in order and hands its parts out. Assembling runs off the executor.
fn in_order<U: Send + 'static, A: Send + 'static>(units: Units<U>, assembler: A, assemble: Assemble<U, A>) -> Parts {
    stream::unfold(Some((units, assembler)), move |state| async move {
        let (mut units, mut assembler) = state?;
        loop {
            let unit = units.next().await;
            let finished = unit.is_none();
            let step = match unit {
                Some(Ok(unit)) => Step::Add(unit),
                Some(Err(error)) => {
                    units.stop().await;
                    return Some((Err(error), None));
                }
                None => Step::Finish,
            };
            let assembling = tokio::task::spawn_blocking(move || {
                let part = assemble(&mut assembler, step);
                part.map(|part| (part, assembler))
            });
            match assembling.await.unwrap_or_else(|panic| Err(panicked(panic))) {
                Ok((Some(part), _)) if finished => return Some((Ok(part), None)),
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

/// Reads range `index`; gives up as soon as the export is cancelled.
async fn read_range(run: &Run, index: usize) -> Result<(RecordBatch, Held)> {
    let (batch, held) = tokio::select! {
        biased;
        () = run.cancelled.cancelled() => return Err(cancelled()),
        read = (run.read)(index) => read?,
    };
    let (found, counted) = (batch.num_rows() as u64, run.plan.rows_in(index));
    if found != counted {
        let detail = format!("range {index} has {found} rows where the plan counted {counted}");
        return Err(Error::new(ErrorKind::RowsChanged, detail));
    }
    Ok((batch, held))
}

fn cancelled() -> Error {
    Error::new(ErrorKind::Cancelled, "the export was stopped")
}

async fn encode_range(run: Run, encoder: Arc<TextEncoder>, index: usize) -> Result<Encoded> {
    let began = Instant::now();
    let (batch, held) = read_range(&run, index).await?;
    tokio::task::spawn_blocking(move || encode(&run, &encoder, index, batch, held, began)).await.map_err(panicked)?
}

/// Encodes a range frame by frame. The rows' memory is given up as soon as they are text.
fn encode(
    run: &Run,
    encoder: &TextEncoder,
    index: usize,
    batch: RecordBatch,
    rows_held: Held,
    mut began: Instant,
) -> Result<Encoded> {
    let shaped = run.recipe.shape().apply(&batch)?;
    let frames = Frames::of(&shaped, run.plan.frame_rows);
    let last_range = index + 1 == run.plan.cuts.len();
    let mut range = Encoded {
        bytes: Vec::new(),
        held: run.budget.take(0)?,
        rows: shaped.num_rows() as u64,
        frames: 0,
        guarded_cells: 0,
    };
    let mut rows = Some((shaped, rows_held));
    drop(batch);
    for frame in 0..frames.count {
        if run.cancelled.is_cancelled() {
            return Err(cancelled());
        }
        let place = Place { first: index == 0 && frame == 0, last: last_range && frame + 1 == frames.count };
        let Some((batch, _)) = &rows else { break };
        let (plain, mut held) = encode_frame(run, encoder, &frames.slice(batch, frame), place, &mut range)?;
        if frame + 1 == frames.count {
            rows = None;
        }
        let bytes = compress(run.recipe.compression(), plain, &mut held)?;
        run.meter.frame(began.elapsed(), bytes.len());
        began = Instant::now();
        append(&mut range, bytes, held)?;
    }
    Ok(range)
}

fn encode_frame(
    run: &Run,
    encoder: &TextEncoder,
    frame: &RecordBatch,
    place: Place,
    range: &mut Encoded,
) -> Result<(Vec<u8>, Held)> {
    let room = encoder.room(frame)?;
    let mut held = run.budget.take(room as u64)?;
    let mut plain = Vec::with_capacity(room);
    range.guarded_cells += encoder.encode(frame, place, &mut plain)?;
    range.frames += 1;
    held.grow_to(plain.capacity() as u64)?;
    Ok((plain, held))
}

fn append(range: &mut Encoded, bytes: Vec<u8>, held: Held) -> Result<()> {
    if range.bytes.is_empty() {
        range.bytes = bytes;
        range.held = held;
        return Ok(());
    }
    range.held.grow_to((range.bytes.len() + bytes.len()) as u64)?;
    range.bytes.extend_from_slice(&bytes);
    Ok(())
}

/// How a range falls into frames.
struct Frames {
    rows: usize,
    count: usize,
}

impl Frames {
    fn of(batch: &RecordBatch, frame_rows: u32) -> Self {
        let rows = (frame_rows as usize).max(1);
        Self { rows, count: batch.num_rows().div_ceil(rows) }
    }

    fn slice(&self, batch: &RecordBatch, frame: usize) -> RecordBatch {
        let start = frame * self.rows;
        batch.slice(start, self.rows.min(batch.num_rows() - start))
    }
}

async fn shape_range(run: Run, index: usize) -> Result<Shaped> {
    let began = Instant::now();
    let (batch, held) = read_range(&run, index).await?;
    let batch = run.recipe.shape().apply(&batch)?;
    Ok(Shaped { batch, held, took: began.elapsed() })
}

/// The file of a plan without rows: header and trailer still make it a valid one.
fn empty_file(run: Run, encoder: Arc<TextEncoder>, mut parts: TextParts) -> Parts {
    let one = async move {
        let rows = RecordBatch::new_empty(Arc::clone(run.recipe.shape().schema()));
        let place = Place { first: true, last: true };
        let mut range = Encoded { bytes: Vec::new(), held: run.budget.take(0)?, rows: 0, frames: 0, guarded_cells: 0 };
        let (plain, mut held) = encode_frame(&run, &encoder, &rows, place, &mut range)?;
        range.bytes = compress(run.recipe.compression(), plain, &mut held)?;
        range.held = held;
        Ok(parts.close_empty(range))
    };
    stream::once(one).filter_map(|part: Result<Option<Part>>| async { part.transpose() }).boxed()
}
