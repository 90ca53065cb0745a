//! What can go wrong inside a transaction, and the one place where SQLite's codes become error kinds.

use offtake_model::{Error, ErrorKind};
use rusqlite::ffi::ErrorCode;

/// An error of SQLite or one that was decided on; kept apart so that `?` works on both.
#[derive(Debug, thiserror::Error)]
pub(super) enum Fault {
    #[error(transparent)]
    Sqlite(#[from] rusqlite::Error),
    #[error(transparent)]
    Decided(#[from] Error),
}

/// The result of anything inside a transaction.
pub(super) type Sql<T> = Result<T, Fault>;

impl From<Fault> for Error {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Decided(error) => error,
            Fault::Sqlite(cause) => of_sqlite(cause),
        }
    }
}

fn of_sqlite(cause: rusqlite::Error) -> Error {
    let (kind, detail) = match cause.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => (
            ErrorKind::StoreUnavailable,
            "another process holds the job store; look for one that hangs in a transaction on offtake.db",
        ),
        Some(ErrorCode::DiskFull) => {
            (ErrorKind::StorageFull, "no space is left on the disk of the job store (offtake.db); free some")
        }
        Some(
            ErrorCode::CannotOpen
            | ErrorCode::PermissionDenied
            | ErrorCode::ReadOnly
            | ErrorCode::SystemIoFailure
            | ErrorCode::OutOfMemory,
        ) => (
            ErrorKind::StoreUnavailable,
            "the job store (offtake.db) cannot be read or written; check its disk and that this user owns it",
        ),
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => (
            ErrorKind::Internal,
            "the job store (offtake.db) is damaged; restore it from a copy, or move it away to begin an empty one",
        ),
        _ => (ErrorKind::Internal, "a statement on the job store failed"),
    };
    Error::new(kind, detail).caused_by(cause)
}
