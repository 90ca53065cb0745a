//! Ranges under way: several at once, handed out piece by piece, in order.
//!
//! Each range is a task of its own, so that it goes on while its predecessors are stored. At most `in_flight` of
//! them exist, and each is at most a few pieces ahead of whoever takes them: that is what bounds memory. A range
//! that does not fit beside the others is done again alone, so that a few huge rows cost time and not the job.

use std::collections::VecDeque;
use std::ops::Range;
use std::panic::AssertUnwindSafe;

use futures::stream::BoxStream;
use futures::{FutureExt as _, StreamExt as _};
use offtake_model::{Error, ErrorKind, Result};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// The pieces of a range that a unit begins with.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Work {
    /// The range.
    pub(crate) range: usize,
    /// So many of its pieces are handed out already: they are read again and left out.
    pub(crate) skip: usize,
}

/// Starts the work on a range: a stream of its pieces.
pub(crate) type Begin<T> = Box<dyn Fn(Work) -> BoxStream<'static, Result<T>> + Send>;

/// What comes next in the file.
#[derive(Debug)]
pub(crate) enum Step<T> {
    /// A piece of the range that is being handed out.
    Piece(T),
    /// That range is complete.
    RangeEnd,
    /// The file is.
    FileEnd,
}

/// How much runs ahead.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ahead {
    /// Ranges under way at once. At least 1.
    pub(crate) ranges: usize,
    /// Pieces of each that may wait. At least 1.
    pub(crate) pieces: usize,
}

/// The ranges under way. Dropping it stops them: reading at once, encoding at the end of the piece.
pub(crate) struct Units<T> {
    begin: Begin<T>,
    waiting: Range<usize>,
    ahead: Ahead,
    running: VecDeque<Unit<T>>,
    cancelled: CancellationToken,
}

struct Unit<T> {
    range: usize,
    handed_out: usize,
    alone: bool,
    pieces: mpsc::Receiver<Result<T>>,
    task: JoinHandle<()>,
}

impl<T: Send + 'static> Units<T> {
    pub(crate) fn new(ranges: Range<usize>, ahead: Ahead, cancelled: CancellationToken, begin: Begin<T>) -> Self {
        let ahead = Ahead { ranges: ahead.ranges.max(1), pieces: ahead.pieces.max(1) };
        Self { begin, waiting: ranges, ahead, running: VecDeque::new(), cancelled }
    }

    /// The next step in order. If this future is dropped, nothing is lost.
    ///
    /// # Errors
    /// Those of the range; there is no step after one.
    pub(crate) async fn next(&mut self) -> Result<Step<T>> {
        loop {
            self.fill();
            let Some(unit) = self.running.front_mut() else { return Ok(Step::FileEnd) };
            match unit.pieces.recv().await {
                Some(Ok(piece)) => {
                    unit.handed_out += 1;
                    return Ok(Step::Piece(piece));
                }
                Some(Err(error)) if error.kind() == ErrorKind::MemoryLimit && !unit.alone && self.ahead.ranges > 1 => {
                    self.again_alone().await;
                }
                Some(Err(error)) => return Err(error),
                None => {
                    let ended = (&mut unit.task).await;
                    self.running.pop_front();
                    return ended.map(|()| Step::RangeEnd).map_err(panicked);
                }
            }
        }
    }

    /// Starts as many as may run.
    fn fill(&mut self) {
        let alone = self.running.front().is_some_and(|unit| unit.alone);
        while !alone
            && self.running.len() < self.ahead.ranges
            && let Some(range) = self.waiting.next()
        {
            self.running.push_back(self.start(range, 0, false));
        }
    }

    fn start(&self, range: usize, skip: usize, alone: bool) -> Unit<T> {
        let (to, pieces) = mpsc::channel(self.ahead.pieces);
        let mut work = (self.begin)(Work { range, skip });
        // Asked once here, in the order of the file, before tasks run in any order: of what there is too little of, a
        // range must get hold before those after it, which keep it until the file has come to them.
        let asked = AssertUnwindSafe(work.next()).catch_unwind().now_or_never();
        let asked = asked.map(|ready| ready.unwrap_or_else(|_| Some(Err(broken_down()))));
        let task = tokio::spawn(async move {
            let mut next = match asked {
                Some(ready) => ready,
                None => work.next().await,
            };
            while let Some(piece) = next {
                let over = piece.is_err();
                // Nobody takes it any more: whoever let go of the receiver waits for the end of this task.
                if to.send(piece).await.is_err() || over {
                    break;
                }
                next = work.next().await;
            }
        });
        Unit { range, handed_out: skip, alone, pieces, task }
    }

    /// Does the first range with the whole budget to itself. Those after it let go of what they hold and are
    /// done anew.
    async fn again_alone(&mut self) {
        let Some(first) = self.running.front() else { return };
        let (range, skip) = (first.range, first.handed_out);
        self.let_go().await;
        self.waiting.start = range + 1;
        self.running.push_back(self.start(range, skip, true));
    }

    /// Waits until all that run have stopped and hold nothing.
    async fn let_go(&mut self) {
        for unit in &mut self.running {
            unit.pieces.close();
        }
        while let Some(unit) = self.running.front_mut() {
            while unit.pieces.recv().await.is_some() {}
            // Whatever it came to, nobody needs it any more.
            drop((&mut unit.task).await);
            self.running.pop_front();
        }
    }

    /// Stops everything and waits until it has stopped.
    pub(crate) async fn stop(&mut self) {
        self.cancelled.cancel();
        self.let_go().await;
    }
}

impl<T> Drop for Units<T> {
    fn drop(&mut self) {
        self.cancelled.cancel();
    }
}

pub(crate) fn panicked(panic: tokio::task::JoinError) -> Error {
    broken_down().caused_by(panic)
}

fn broken_down() -> Error {
    Error::new(ErrorKind::Internal, "a task of the pipeline broke down")
}
