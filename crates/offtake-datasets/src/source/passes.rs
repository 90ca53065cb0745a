//! Whose turn it is to pass over a source: few at once, because pages and counts want connections too, and one of each
//! organization, so that who asks a lot waits for themselves and not others for them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use offtake_model::id::OrgId;
use offtake_model::{Error, ErrorKind, Result};
use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

/// So many passes over one source at once; pages and counts have the other connections.
pub(super) const AT_ONCE: usize = 2;

/// The turns over one source.
#[derive(Debug)]
pub(super) struct Passes {
    all: Arc<Semaphore>,
    /// Of the organizations that pass or wait.
    each: Mutex<HashMap<OrgId, Weak<Semaphore>>>,
}

/// A turn, as long as it is held.
#[derive(Debug)]
pub(super) struct Turn {
    _of_all: OwnedSemaphorePermit,
    _of_each: OwnedSemaphorePermit,
}

impl Passes {
    pub(super) fn new(at_once: usize) -> Self {
        Self { all: Arc::new(Semaphore::new(at_once)), each: Mutex::default() }
    }

    /// Waits for the turn of an organization: behind its own, and then behind one of every other at most.
    pub(super) async fn turn(&self, org: &OrgId) -> Result<Turn> {
        let of_each = self.of(org).acquire_owned().await.map_err(closed)?;
        let of_all = Arc::clone(&self.all).acquire_owned().await.map_err(closed)?;
        Ok(Turn { _of_all: of_all, _of_each: of_each })
    }

    fn of(&self, org: &OrgId) -> Arc<Semaphore> {
        let mut each = self.each.lock().unwrap_or_else(PoisonError::into_inner);
        each.retain(|_, turns| turns.strong_count() > 0);
        each.get(org).and_then(Weak::upgrade).unwrap_or_else(|| {
            let turns = Arc::new(Semaphore::new(1));
            each.insert(org.clone(), Arc::downgrade(&turns));
            turns
        })
    }
}

/// What a pass needs before it begins, if it can be had within `wait`.
///
/// # Errors
/// `unavailable` after that; those of `wanted`.
pub(super) async fn within<T>(wait: Duration, wanted: impl Future<Output = Result<T>>) -> Result<T> {
    timeout(wait, wanted).await.unwrap_or_else(|_| {
        let detail = "the source is busy with the facets, pages and counts of others; ask again in a moment";
        Err(Error::new(ErrorKind::Unavailable, detail).openly())
    })
}

fn closed(_: AcquireError) -> Error {
    Error::new(ErrorKind::Unavailable, "the source is shutting down")
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    fn org(name: &str) -> OrgId {
        OrgId::new(name).unwrap()
    }

    #[tokio::test]
    async fn who_asks_a_lot_keeps_no_other_organization_waiting() {
        let passes = Passes::new(AT_ONCE);
        let first = passes.turn(&org("eager")).await.unwrap();
        let (eager, modest) = (org("eager"), org("modest"));
        let mut lots: Vec<_> = (0..50).map(|_| Box::pin(passes.turn(&eager))).collect();
        assert!(lots.iter_mut().all(|turn| turn.now_or_never().is_none()), "one of an organization at once");
        let modest = passes.turn(&modest).now_or_never().expect("at once").unwrap();
        drop((first, modest));
        let next = lots.remove(0).await.unwrap();
        drop((lots, next));
        passes.turn(&org("third")).await.unwrap();
        assert_eq!(passes.each.lock().unwrap().len(), 1, "who does not wait any more is forgotten");
    }

    #[tokio::test]
    async fn nobody_waits_without_end_for_a_turn() {
        let passes = Passes::new(1);
        let other = passes.turn(&org("other")).await.unwrap();
        let acme = org("acme");
        let refused = within(Duration::ZERO, passes.turn(&acme)).await.unwrap_err();
        assert_eq!((refused.kind(), refused.kind().status()), (ErrorKind::Unavailable, 503));
        assert!(refused.is_open(), "{refused}");
        drop(other);
        within(Duration::ZERO, passes.turn(&acme)).await.unwrap();
    }
}
