//! What waits for one reader. Bounded in bytes: who is too slow is told how much it missed, and nobody waits for it.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use axum::extract::ws::Utf8Bytes;
use offtake_model::event::Stream;
use tokio::sync::Notify;

use super::message;
use super::metrics::LiveMetrics;

/// Bytes that may wait for one reader.
pub(super) const MOST_BYTES: usize = 1 << 20;
/// Bytes that a reader is given at once.
const PIECE: usize = 64 << 10;

/// The queue of one socket.
#[derive(Debug)]
pub(super) struct Queue {
    state: Mutex<State>,
    /// Something is there to be written.
    filled: Notify,
    /// Something was written.
    emptied: Notify,
    metrics: LiveMetrics,
}

#[derive(Debug, Default)]
struct State {
    messages: VecDeque<Waiting>,
    /// Of those that wait and of those that are being written.
    bytes: usize,
    writing: usize,
    /// Since when the events waited that are being written.
    since: Vec<Instant>,
    missed: Missed,
    /// The publication that came last: one that several subscriptions take comes once.
    last: u64,
}

/// A message that waits; of events as they happen, since when.
#[derive(Debug)]
struct Waiting {
    text: Utf8Bytes,
    since: Option<Instant>,
}

/// What did not fit.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Missed {
    pub(super) events: u64,
    /// The first number that was missed in each stream.
    pub(super) traces: Option<u64>,
    pub(super) organization: Option<u64>,
}

impl Missed {
    fn note(&mut self, stream: Stream, seq: u64) {
        self.events += 1;
        let first = match stream {
            Stream::Traces => &mut self.traces,
            Stream::Organization => &mut self.organization,
        };
        *first = Some(first.map_or(seq, |first| first.min(seq)));
    }
}

/// What became of an event for a reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pushed {
    /// It waits.
    Queued,
    /// It waits already.
    Again,
    /// There was no room.
    Dropped,
}

impl Queue {
    pub(super) fn new(metrics: LiveMetrics) -> Self {
        Self { state: Mutex::default(), filled: Notify::new(), emptied: Notify::new(), metrics }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts an event in, if there is room. Once one was dropped, all that follow are, until the reader is told.
    pub(super) fn push(&self, publication: u64, stream: Stream, seq: u64, text: &Utf8Bytes) -> Pushed {
        let mut state = self.state();
        if state.last == publication {
            return Pushed::Again;
        }
        state.last = publication;
        if state.missed.events > 0 || state.bytes + text.len() > MOST_BYTES {
            state.missed.note(stream, seq);
            self.metrics.dropped.inc();
            return Pushed::Dropped;
        }
        state.put(text.clone(), Some(Instant::now()), &self.metrics);
        drop(state);
        self.metrics.told.inc();
        self.filled.notify_one();
        Pushed::Queued
    }

    /// Puts an answer in, when there is room for it and as much again: whoever asks and does not read is not read from.
    pub(super) async fn answer(&self, text: Utf8Bytes) {
        loop {
            let emptied = self.emptied.notified();
            {
                let mut state = self.state();
                if state.missed.events == 0 && state.bytes + text.len() <= MOST_BYTES / 2 {
                    state.put(text, None, &self.metrics);
                    break;
                }
            }
            emptied.await;
        }
        self.filled.notify_one();
    }

    /// Answers with how much there is that cannot be told.
    pub(super) async fn lagged(&self, missed: Missed) {
        self.answer(message::lagged(missed)).await;
        self.metrics.lagged.inc();
    }

    /// What is to be written next; what was taken before is written by now. Waits until there is something.
    pub(super) async fn next(&self) -> Vec<Utf8Bytes> {
        loop {
            let filled = self.filled.notified();
            let piece = self.state().take(&self.metrics);
            self.emptied.notify_waiters();
            if !piece.is_empty() {
                return piece;
            }
            filled.await;
        }
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        let left = self.state().bytes;
        self.metrics.queued.dec_by(signed(left));
    }
}

impl State {
    fn put(&mut self, text: Utf8Bytes, since: Option<Instant>, metrics: &LiveMetrics) {
        self.bytes += text.len();
        metrics.queued.inc_by(signed(text.len()));
        self.messages.push_back(Waiting { text, since });
    }

    fn take(&mut self, metrics: &LiveMetrics) -> Vec<Utf8Bytes> {
        let written = std::mem::take(&mut self.writing);
        self.bytes -= written;
        metrics.queued.dec_by(signed(written));
        self.since.drain(..).for_each(|since| metrics.delivered(since.elapsed()));
        // Room again: what was missed is told behind what still waits.
        if self.missed.events > 0 && self.bytes <= MOST_BYTES / 2 {
            let missed = std::mem::take(&mut self.missed);
            self.put(message::lagged(missed), None, metrics);
            metrics.lagged.inc();
        }
        let mut piece = Vec::new();
        while self.writing < PIECE
            && let Some(Waiting { text, since }) = self.messages.pop_front()
        {
            self.writing += text.len();
            self.since.extend(since);
            piece.push(text);
        }
        piece
    }
}

/// Numbers of bytes are far from the bounds of either.
fn signed(bytes: usize) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use prometheus_client::registry::Registry;
    use serde_json::{Value as Json, json};

    use super::*;

    fn queue() -> Queue {
        Queue::new(LiveMetrics::register(&mut Registry::default()))
    }

    fn text(bytes: usize) -> Utf8Bytes {
        "x".repeat(bytes).into()
    }

    fn push(queue: &Queue, seq: u64, bytes: usize) -> Pushed {
        queue.push(seq + 1, Stream::Traces, seq, &text(bytes))
    }

    #[tokio::test]
    async fn who_does_not_read_holds_so_much_and_is_told_what_it_missed() {
        let queue = queue();
        let taken = (0..2_000).filter(|seq| push(&queue, *seq, 1_000) == Pushed::Queued).count();
        assert_eq!(taken, MOST_BYTES / 1_000);
        queue.push(9_000, Stream::Organization, 7, &text(10));
        let (mut read, mut told) = (0, None);
        while told.is_none() {
            assert!(queue.state().bytes <= MOST_BYTES);
            for message in queue.next().await {
                match message.starts_with('{') {
                    true => told = Some(serde_json::from_str::<Json>(&message).unwrap()),
                    false => read += 1,
                }
            }
        }
        assert_eq!(read, taken, "everything that was taken comes before the news");
        let after = json!({"traces": taken as u64 - 1, "organization": 6});
        assert_eq!(told, Some(json!({"type": "lagged", "missed": 2_000 - taken as u64 + 1, "after": after})));
        assert_eq!(push(&queue, 3_000, 10), Pushed::Queued);
        assert_eq!(queue.next().await.len(), 1);
    }

    #[tokio::test]
    async fn what_two_subscriptions_take_comes_once() {
        let queue = queue();
        assert_eq!(queue.push(1, Stream::Traces, 5, &text(3)), Pushed::Queued);
        assert_eq!(queue.push(1, Stream::Traces, 5, &text(3)), Pushed::Again);
        assert_eq!(queue.push(2, Stream::Traces, 6, &text(3)), Pushed::Queued);
        assert_eq!(queue.next().await.len(), 2);
    }

    #[tokio::test]
    async fn answers_wait_for_room() {
        let queue = queue();
        queue.answer(text(MOST_BYTES / 2)).await;
        let mut second = std::pin::pin!(queue.answer(text(1)));
        assert!(futures::poll!(&mut second).is_pending());
        assert_eq!(queue.next().await.len(), 1);
        assert!(futures::poll!(&mut second).is_pending(), "it is not written yet");
        let mut next = std::pin::pin!(queue.next());
        assert!(futures::poll!(&mut next).is_pending());
        second.await;
        assert_eq!(next.await.len(), 1);
    }
}
