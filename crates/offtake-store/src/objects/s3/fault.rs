//! What S3 says, as error kinds: decided on status codes and S3's own codes, never on words.

use std::fmt::Display;

use offtake_model::{Error, ErrorKind};

const REFUSES: &str = "the store refuses; check the keys, what they allow, and this machine's clock";
/// What is answered with 400 as well.
const DENIED: [&str; 3] = ["ExpiredToken", "InvalidToken", "RequestExpired"];

/// The same as [`fault`] for what finds nothing only where there is no bucket.
pub(super) fn fault_in(bucket: &str, what: &str, key: impl Display, cause: object_store::Error) -> Error {
    if !matches!(cause, object_store::Error::NotFound { .. }) {
        return fault(what, key, cause);
    }
    let detail = format!("{key} cannot be {what}: there is no bucket {bucket}; check store.url");
    Error::new(ErrorKind::StorageDenied, detail).caused_by(cause)
}

/// What the library met while it did `what` with `key`.
pub(super) fn fault(what: &str, key: impl Display, cause: object_store::Error) -> Error {
    use object_store::Error as E;
    let (kind, advice) = match &cause {
        E::NotFound { .. } => (ErrorKind::Gone, "it is not there"),
        E::AlreadyExists { .. } | E::Precondition { .. } => (ErrorKind::Conflict, "it is there already"),
        E::PermissionDenied { .. } | E::Unauthenticated { .. } => (ErrorKind::StorageDenied, REFUSES),
        E::Generic { .. }
        | E::InvalidPath { .. }
        | E::JoinError { .. }
        | E::NotSupported { .. }
        | E::NotModified { .. }
        | E::NotImplemented { .. }
        | E::UnknownConfigurationKey { .. } => (ErrorKind::StorageUnavailable, "check that the store answers"),
        // The library may say more one day.
        _ => (ErrorKind::StorageUnavailable, "check the store"),
    };
    Error::new(kind, format!("{key} cannot be {what}: {advice}")).caused_by(cause)
}

/// What an answer with this status and S3 code means for a request that did `what` with `key`.
pub(super) fn refused(what: &str, key: impl Display, status: u16, code: Option<&str>) -> Error {
    let code = code.unwrap_or("no code");
    let (kind, advice) = match status {
        _ if DENIED.contains(&code) => (ErrorKind::StorageDenied, REFUSES),
        404 if code == "NoSuchBucket" => (ErrorKind::StorageDenied, "there is no such bucket; check store.url"),
        404 => (ErrorKind::Gone, "it is not there"),
        409 | 412 => (ErrorKind::Conflict, "it is there already"),
        401 | 403 => (ErrorKind::StorageDenied, REFUSES),
        507 => (ErrorKind::StorageFull, "the store has no space left"),
        _ => (ErrorKind::StorageUnavailable, "check the store"),
    };
    Error::new(kind, format!("{key} cannot be {what}: the store answers {status} ({code}); {advice}"))
}

/// An upload that is no longer there: another attempt took it over, or the bucket's rule or the sweep ended it.
pub(super) fn lost(key: impl Display) -> Error {
    Error::new(ErrorKind::StorageUnavailable, format!("the upload of {key} was ended by somebody else"))
}
