//! Hints that wait to be sent.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::Hint;

/// So many wait; then the oldest are dropped: the newest number says what the older ones said.
const MOST: usize = 1024;

/// A queue that never makes anybody wait who puts something in.
#[derive(Debug, Default)]
pub(super) struct Outbound {
    waiting: Mutex<VecDeque<Hint>>,
    came: Notify,
    dropped: AtomicU64,
}

impl Outbound {
    fn waiting(&self) -> MutexGuard<'_, VecDeque<Hint>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn push(&self, hint: Hint) {
        let mut waiting = self.waiting();
        if waiting.len() >= MOST {
            waiting.pop_front();
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
        waiting.push_back(hint);
        drop(waiting);
        self.came.notify_one();
    }

    /// The next one, once there is one. There is one taker at a time.
    pub(super) async fn next(&self) -> Hint {
        loop {
            if let Some(hint) = self.waiting().pop_front() {
                return hint;
            }
            self.came.notified().await;
        }
    }

    /// How many were dropped since the start.
    pub(super) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bus::HintKind;

    #[tokio::test]
    async fn the_oldest_go_first_and_are_dropped_first() {
        let queue = Outbound::default();
        for number in 0..MOST as u64 + 3 {
            queue.push(Hint::of(HintKind::Spans).up_to(number));
        }
        assert_eq!(queue.dropped(), 3);
        for number in 3..MOST as u64 + 3 {
            assert_eq!(queue.next().await.number, Some(number));
        }
    }
}
