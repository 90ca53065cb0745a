//! Ranges under way: several at once, handed out in order.
//!
//! Each range is a task of its own, so that it goes on while its predecessors are stored. At most `in_flight` of
//! them exist, waiting results included: that is what bounds memory. A range that does not fit beside the others
//! is done again alone, so that a stretch of large rows costs time and not the job.

use std::collections::VecDeque;
use std::ops::Range;

use futures::future::BoxFuture;
use offtake_model::{Error, ErrorKind, Result};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Starts the work on one range.
pub(crate) type Begin<T> = Box<dyn Fn(usize) -> BoxFuture<'static, Result<T>> + Send>;

/// The ranges under way. Dropping it stops them: reading at once, encoding at the end of the frame.
pub(crate) struct Units<T> {
    begin: Begin<T>,
    waiting: Range<usize>,
    in_flight: usize,
    running: VecDeque<JoinHandle<Result<T>>>,
    cancelled: CancellationToken,
}

impl<T: Send + 'static> Units<T> {
    pub(crate) fn new(ranges: Range<usize>, in_flight: usize, cancelled: CancellationToken, begin: Begin<T>) -> Self {
        Self { begin, waiting: ranges, in_flight: in_flight.max(1), running: VecDeque::new(), cancelled }
    }

    /// Starts as many as may run.
    pub(crate) fn fill(&mut self) {
        while self.running.len() < self.in_flight
            && let Some(range) = self.waiting.next()
        {
            self.running.push_back(tokio::spawn((self.begin)(range)));
        }
    }

    /// The next range in order, and another one started in its place.
    pub(crate) async fn next(&mut self) -> Option<Result<T>> {
        self.fill();
        let range = self.waiting.start - self.running.len();
        let mut result = self.front().await?;
        if matches!(&result, Err(error) if error.kind() == ErrorKind::MemoryLimit) && self.in_flight > 1 {
            result = self.alone(range).await;
        }
        if result.is_ok() {
            self.fill();
        }
        Some(result)
    }

    /// What the oldest one under way came to. Awaited in place: if this future is dropped, the range stays.
    async fn front(&mut self) -> Option<Result<T>> {
        let result = self.running.front_mut()?.await;
        self.running.pop_front();
        Some(result.unwrap_or_else(|panic| Err(panicked(panic))))
    }

    /// Does `range` with the whole budget to itself. Those after it let go of what they hold and are done anew.
    async fn alone(&mut self, range: usize) -> Result<T> {
        while self.front().await.is_some() {}
        self.waiting.start = range + 1;
        self.running.push_back(tokio::spawn((self.begin)(range)));
        self.front().await.unwrap_or_else(|| Err(Error::new(ErrorKind::Internal, "the range alone was not begun")))
    }

    /// Stops everything and waits until it has stopped.
    pub(crate) async fn stop(&mut self) {
        self.cancelled.cancel();
        for unit in self.running.drain(..) {
            // Whatever it came to, nobody needs it any more.
            drop(unit.await);
        }
    }
}

impl<T> Drop for Units<T> {
    fn drop(&mut self) {
        self.cancelled.cancel();
    }
}

pub(crate) fn panicked(panic: tokio::task::JoinError) -> Error {
    Error::new(ErrorKind::Internal, "a task of the pipeline broke down").caused_by(panic)
}
