//! The line to a session's process on the server: waiting for an answer, however long that takes, and for no longer
//! than somebody there works on it.

use std::pin::pin;
use std::time::Duration;

use offtake_model::{Error, Result};
use offtake_postgres::{Backend, Pool};
use tokio::time::timeout;

/// How long the server may be silent before it is asked what it does; and again, to be sure.
const SILENCE: Duration = Duration::from_secs(5);
const TO_BE_SURE: Duration = Duration::from_secs(1);

/// A session's process, and how to ask about it.
#[derive(Debug, Clone)]
pub(super) struct Line {
    pub(super) pool: Pool,
    pub(super) process: i32,
}

impl Line {
    /// The answer to what was sent.
    ///
    /// # Errors
    /// What the server says; `source_unavailable` if it does not work on it and the answer does not come.
    pub(super) async fn heard<T>(&self, answer: impl Future<Output = Result<T, tokio_postgres::Error>>) -> Result<T> {
        let mut answer = pin!(answer);
        let mut doubted = false;
        loop {
            let patience = if doubted { TO_BE_SURE } else { SILENCE };
            if let Ok(answered) = timeout(patience, &mut answer).await {
                return answered.map_err(|cause| self.error(cause));
            }
            let backend = self.pool.backend(self.process).await;
            match backend {
                Backend::Works => doubted = false,
                // An answer may have been on its way while this was asked.
                Backend::Waits | Backend::Gone if !doubted => doubted = true,
                Backend::Waits | Backend::Gone => {
                    tracing::warn!(process = self.process, ?backend, "the server is silent, and not at work");
                    return Err(self.pool.faults().silent(SILENCE));
                }
            }
        }
    }

    pub(super) fn error(&self, cause: tokio_postgres::Error) -> Error {
        self.pool.error_of(self.process, cause)
    }
}
