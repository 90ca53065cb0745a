//! Connections that are used in turn, and blocking work on them that stops when nobody waits for it any more.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use offtake_model::{Error, ErrorKind, Result};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::session::Session;

/// At most so many connections to one file, opened when they are needed.
#[derive(Debug, Clone)]
pub(super) struct Pool {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    /// `None`: only the connections put in are used.
    path: Option<PathBuf>,
    idle: Mutex<Vec<Session>>,
    free: Arc<Semaphore>,
}

impl Pool {
    pub(super) fn new(path: &Path, connections: usize) -> Self {
        Self::of(Some(path.to_owned()), connections)
    }

    fn of(path: Option<PathBuf>, connections: usize) -> Self {
        let free = Arc::new(Semaphore::new(connections.max(1)));
        Self { shared: Arc::new(Shared { path, idle: Mutex::default(), free }) }
    }

    /// Just this connection: when it is lost, so is what it stood for.
    pub(super) fn alone(session: Session) -> Self {
        let pool = Self::of(None, 1);
        pool.give_back(session);
        pool
    }

    /// As many connections of its own to the same file.
    pub(super) fn another(&self, connections: usize) -> Self {
        Self::of(self.shared.path.clone(), connections)
    }

    /// Puts a connection back, or in.
    pub(super) fn give_back(&self, session: Session) {
        self.shared.idle.lock().unwrap_or_else(PoisonError::into_inner).push(session);
    }

    /// Takes all connections out that nobody uses.
    pub(super) fn drain(&self) -> Vec<Session> {
        std::mem::take(&mut *self.shared.idle.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Waits for a connection that is free: this one is meant for whoever holds what it returns.
    pub(super) async fn turn(&self) -> Result<OwnedSemaphorePermit> {
        let closed = |_| Error::new(ErrorKind::Unavailable, "the source is shutting down");
        Arc::clone(&self.shared.free).acquire_owned().await.map_err(closed)
    }

    /// Runs `work` on a connection, which forgets selection and transaction afterwards.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Session) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.run_in(self.turn().await?, work).await
    }

    /// The same, for whoever has waited for a connection.
    pub(super) async fn run_in<T: Send + 'static>(
        &self,
        turn: OwnedSemaphorePermit,
        work: impl FnOnce(&mut Session) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let pool = self.clone();
        self.keep_in(turn, move |mut session| {
            let result = work(&mut session);
            if session.clear().is_ok() {
                pool.give_back(session);
            }
            result
        })
        .await
    }

    /// Runs `work` on a connection that stays loaded for the next one.
    pub(super) async fn run_loaded<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Session) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let pool = self.clone();
        self.run_and_keep(move |mut session| {
            let result = work(&mut session);
            if session.unwatch().is_ok() {
                pool.give_back(session);
            }
            result
        })
        .await
    }

    /// Runs `work`, which keeps the connection or drops it.
    pub(super) async fn run_and_keep<T: Send + 'static>(
        &self,
        work: impl FnOnce(Session) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.keep_in(self.turn().await?, work).await
    }

    async fn keep_in<T: Send + 'static>(
        &self,
        turn: OwnedSemaphorePermit,
        work: impl FnOnce(Session) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let shared = Arc::clone(&self.shared);
        let cancelled = Arc::new(AtomicBool::new(false));
        let waiting = Waiting(Arc::clone(&cancelled));
        let task = tokio::task::spawn_blocking(move || {
            // It is given back when the connection is, also if nobody waits any more.
            let _turn = turn;
            let idle = shared.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let session = match (idle, &shared.path) {
                (Some(session), _) => session,
                (None, Some(path)) => Session::open(path)?,
                (None, None) => return Err(crate::source::snapshots::lost()),
            };
            session.watch(cancelled)?;
            work(session)
        });
        let result = task.await;
        drop(waiting);
        result.map_err(|cause| {
            let kind = if cause.is_panic() { ErrorKind::Internal } else { ErrorKind::Unavailable };
            Error::new(kind, "the reading of rows ended unexpectedly").caused_by(cause)
        })?
    }
}

/// Sets the flag when the future that waits is dropped.
#[derive(Debug)]
struct Waiting(Arc<AtomicBool>);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
