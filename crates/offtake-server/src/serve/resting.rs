//! Connections that wait for their client: no request of theirs is under way.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// All that wait, the one that waits longest first.
#[derive(Debug, Default)]
pub(super) struct Resting {
    waiting: Mutex<BTreeMap<u64, Arc<State>>>,
    numbers: AtomicU64,
    came: Notify,
}

/// How one connection stands.
#[derive(Debug, Default)]
pub(super) struct State {
    /// Its number among those that wait; it changes with each wait. 0: a request is under way.
    number: AtomicU64,
    /// Whether something of the next request came.
    began: AtomicBool,
    /// Whether the end of an answer could not be written yet.
    stuck: AtomicBool,
    /// Asked to make room.
    pub(super) close: CancellationToken,
}

impl State {
    /// Which of its waits this is; `None` while a request is under way.
    pub(super) fn wait(&self) -> Option<u64> {
        Some(self.number.load(Ordering::Acquire)).filter(|number| *number > 0)
    }

    /// Something of the next request came. Whether it is the first of it.
    pub(super) fn begin(&self) -> bool {
        !self.began.swap(true, Ordering::AcqRel)
    }

    /// What is ready could be written, or not.
    pub(super) fn set_stuck(&self, stuck: bool) {
        self.stuck.store(stuck, Ordering::Release);
    }

    /// Whether it can be closed without cutting off an answer.
    pub(super) fn is_answered(&self) -> bool {
        self.wait().is_some() && !self.stuck.load(Ordering::Acquire)
    }

    /// Whether it can be closed without losing anything: nothing of a request came.
    pub(super) fn is_silent(&self) -> bool {
        self.is_answered() && !self.began.load(Ordering::Acquire)
    }
}

impl Resting {
    fn waiting(&self) -> MutexGuard<'_, BTreeMap<u64, Arc<State>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The connection waits from now on.
    pub(super) fn enter(&self, state: &Arc<State>) {
        let number = self.numbers.fetch_add(1, Ordering::Relaxed) + 1;
        state.began.store(false, Ordering::Release);
        state.number.store(number, Ordering::Release);
        self.waiting().insert(number, Arc::clone(state));
        self.came.notify_one();
    }

    /// It waits no more: a request came, or it ended.
    pub(super) fn leave(&self, state: &State) {
        let number = state.number.swap(0, Ordering::AcqRel);
        self.waiting().remove(&number);
    }

    /// Closes the one that waits longest.
    pub(super) fn close_one(&self) {
        let longest = self.waiting().pop_first();
        if let Some((_, state)) = longest {
            state.close.cancel();
        }
    }

    /// There may be one more that waits.
    pub(super) async fn one_more(&self) {
        self.came.notified().await;
    }
}
