//! A few connections, lent one piece of work at a time and run on blocking threads.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Arc, Mutex, PoisonError};

use offtake_model::{Error, ErrorKind, Result};
use rusqlite::Connection;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

use super::fault::Sql;
use crate::refusals::internal;

/// Connections. Whoever waits for one waits on the executor, in order, and holds no thread.
#[derive(Debug)]
pub(super) struct Pool {
    permits: Arc<Semaphore>,
    idle: Arc<Mutex<Vec<Connection>>>,
}

impl Pool {
    pub(super) fn new(connections: Vec<Connection>) -> Self {
        Self { permits: Arc::new(Semaphore::new(connections.len())), idle: Arc::new(Mutex::new(connections)) }
    }

    /// Does `work` on a connection. Once begun it runs to its end, even if nobody waits any more.
    pub(super) async fn run<T, F>(&self, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&mut Connection) -> Sql<T> + Send + 'static,
    {
        let permit = Arc::clone(&self.permits).acquire_owned().await.map_err(|_| shutting_down())?;
        let idle = Arc::clone(&self.idle);
        let done = spawn_blocking(move || {
            // Dropped after the connection is back, so that a permit always finds one.
            let _permit = permit;
            lend(&idle, work)
        });
        match done.await {
            Ok(result) => result.map_err(Error::from),
            Err(join) if join.is_cancelled() => Err(shutting_down()),
            Err(join) => {
                Err(Error::new(ErrorKind::Internal, "a piece of work on the job store panicked").caused_by(join))
            }
        }
    }
}

fn shutting_down() -> Error {
    Error::new(ErrorKind::StoreUnavailable, "the process is shutting down")
}

/// A connection on loan; it goes back even if the work panics (its transaction is rolled back by then).
fn lend<T>(idle: &Mutex<Vec<Connection>>, work: impl FnOnce(&mut Connection) -> Sql<T>) -> Sql<T> {
    let taken = idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
    let mut connection = taken.ok_or_else(|| internal("a permit without a connection"))?;
    let outcome = catch_unwind(AssertUnwindSafe(|| work(&mut connection)));
    idle.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
    outcome.unwrap_or_else(|panic| resume_unwind(panic))
}
