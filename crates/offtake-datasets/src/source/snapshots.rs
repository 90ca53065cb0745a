//! Snapshots of mutable datasets between plan and reading.
//!
//! A snapshot is a connection with an open read transaction. The one that a plan counted in is kept here until the
//! plan is opened, and again when that reading ends early, so that it can be gone on with.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};
use offtake_model::as_of::AsOf;
use offtake_model::clock::SharedClock;
use offtake_model::{Error, ErrorKind};

/// How long a snapshot waits for its plan to be opened: it keeps old rows from being cleared away.
const KEPT_FOR: SignedDuration = SignedDuration::from_mins(2);
/// At most so many wait; the oldest gives way.
const KEPT_AT_ONCE: usize = 8;

#[derive(Debug)]
pub(super) struct Snapshots<S> {
    clock: SharedClock,
    kept: Mutex<BTreeMap<Timestamp, Kept<S>>>,
}

#[derive(Debug)]
struct Kept<S> {
    session: S,
    until: Timestamp,
    /// Whether it was read from already.
    again: bool,
}

impl<S> Snapshots<S> {
    pub(super) fn new(clock: SharedClock) -> Self {
        Self { clock, kept: Mutex::new(BTreeMap::new()) }
    }

    /// Keeps a connection with its transaction; the moment returned is its name, and nobody else's.
    pub(super) fn keep(&self, session: S, at: Timestamp) -> AsOf {
        let until = self.clock.now().saturating_add(KEPT_FOR).unwrap_or(Timestamp::MAX);
        self.forget_old();
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        // Stored with the plan in microseconds, so the name has no finer digits.
        let mut at = Timestamp::from_microsecond(at.as_microsecond()).unwrap_or(at);
        while kept.contains_key(&at) {
            at = at.saturating_add(SignedDuration::from_micros(1)).unwrap_or(at);
        }
        kept.insert(at, Kept { session, until, again: false });
        while kept.len() > KEPT_AT_ONCE {
            let oldest = kept.iter().min_by_key(|(_, kept)| kept.until).map(|(at, _)| *at);
            oldest.and_then(|at| kept.remove(&at));
        }
        AsOf::Snapshot { at }
    }

    /// Keeps a connection again under the name it had.
    pub(super) fn put_back(&self, session: S, at: Timestamp) {
        let until = self.clock.now().saturating_add(KEPT_FOR).unwrap_or(Timestamp::MAX);
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).insert(at, Kept { session, until, again: true });
    }

    /// Takes the snapshot of this name.
    pub(super) fn take(&self, at: Timestamp) -> Option<S> {
        self.forget_old();
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).remove(&at).map(|kept| kept.session)
    }

    /// Lets go of what was read from already and only might be again: somebody needs a connection now.
    pub(super) fn give_way(&self) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let waiting: Vec<Timestamp> = kept.iter().filter(|(_, kept)| kept.again).map(|(at, _)| *at).collect();
        let gone: Vec<_> = waiting.iter().filter_map(|at| kept.remove(at)).collect();
        drop(kept);
        // Sessions end outside of the lock.
        drop(gone);
    }

    /// Lets go of what waited too long.
    pub(super) fn forget_old(&self) {
        let now = self.clock.now();
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).retain(|_, kept| kept.until > now);
    }
}

/// The error for a plan whose snapshot is gone.
pub(super) fn lost() -> Error {
    Error::new(ErrorKind::RowsChanged, "the snapshot is lost: the rows must be counted anew")
}

/// The same, where the server has said why.
pub(super) fn lost_because(error: Error) -> Error {
    let why = if error.is_open() { format!(" ({})", error.detail()) } else { String::new() };
    let detail = format!("the snapshot is lost{why}: the rows must be counted anew");
    Error::new(ErrorKind::RowsChanged, detail).caused_by(error)
}
