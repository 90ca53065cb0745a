//! Values that are not what the dataset says: how they are told, and how they get out of a SQL function.

use std::sync::{Arc, Mutex, PoisonError};

use offtake_model::{Error, ErrorKind};
use rusqlite::types::ValueRef;

/// Where a SQL function leaves what it found wrong: SQLite carries only a message, and nobody decides on messages.
#[derive(Debug, Clone, Default)]
pub(super) struct Drift(Arc<Mutex<Option<String>>>);

impl Drift {
    /// Remembers `detail` and gives the error that stops the statement.
    pub(super) fn found(&self, detail: String) -> rusqlite::Error {
        let error = rusqlite::Error::UserFunctionError(detail.clone().into());
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(detail);
        error
    }

    /// What was found, once.
    pub(super) fn take(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// A value of another kind than its column, in words that leave its content out.
pub(super) fn describe(value: ValueRef<'_>) -> String {
    match value {
        ValueRef::Null => "NULL".to_owned(),
        ValueRef::Integer(_) => "an INTEGER".to_owned(),
        ValueRef::Real(_) => "a REAL".to_owned(),
        ValueRef::Text(bytes) => format!("TEXT of {} bytes", bytes.len()),
        ValueRef::Blob(bytes) => format!("a BLOB of {} bytes", bytes.len()),
    }
}

/// `schema_drift` about a column and the row with this key.
pub(super) fn drifted(column: &str, found: &str, expected: &str, key: &str) -> Error {
    Error::new(
        ErrorKind::SchemaDrift,
        format!("{column} holds {found} where {expected} is expected, in the row with the key {key}"),
    )
}
