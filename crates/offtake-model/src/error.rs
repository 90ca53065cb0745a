//! Errors have kinds.
//!
//! [`ErrorKind`] is the closed list of what can go wrong and the only thing decisions are made on; nobody
//! matches on message text. Two places map it: `server::error` (to a problem document) and
//! `worker::outcome` (to retry or failure).

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::limit::Refused;

/// The result of anything in Offtake.
pub type Result<T, E = Error> = std::result::Result<T, E>;

type Cause = Box<dyn std::error::Error + Send + Sync + 'static>;

macro_rules! error_kinds {
    ($($(#[$doc:meta])* $variant:ident, $code:literal, $status:literal, $retry:expr, $title:literal;)+) => {
        /// What went wrong, from a closed list. `docs/api.md` prints it.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub enum ErrorKind {
            $($(#[$doc])* #[serde(rename = $code)] $variant,)+
        }

        impl ErrorKind {
            /// Every kind, in the order of the table.
            pub const ALL: &'static [ErrorKind] = &[$(ErrorKind::$variant,)+];

            /// The stable code that clients may rely on.
            pub const fn code(self) -> &'static str {
                match self { $(ErrorKind::$variant => $code,)+ }
            }

            /// The HTTP status it is answered with.
            pub const fn status(self) -> u16 {
                match self { $(ErrorKind::$variant => $status,)+ }
            }

            /// What a worker does when a job meets it.
            pub const fn retry(self) -> Retry {
                match self { $(ErrorKind::$variant => $retry,)+ }
            }

            /// One line for people.
            pub const fn title(self) -> &'static str {
                match self { $(ErrorKind::$variant => $title,)+ }
            }
        }
    };
}

/// Whether a job that met an error is tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// Trying again cannot help: the job fails at once.
    Never,
    /// Up to this many failures in a row without a new checkpoint, with back-off between.
    UpTo(u32),
}

use Retry::{Never, UpTo};

error_kinds! {
    /// The body is not what its media type says.
    Malformed, "malformed", 400, Never, "The request cannot be read";
    /// No token, or one that does not hold.
    Unauthenticated, "unauthenticated", 401, Never, "A valid bearer token is needed";
    /// The token lacks a permission.
    Forbidden, "forbidden", 403, Never, "Not allowed";
    /// Whoever asked for the work may no longer have it.
    Revoked, "revoked", 403, Never, "The right to it was withdrawn";
    /// Absent, or somebody else's: the two cannot be told apart.
    NotFound, "not_found", 404, Never, "There is no such thing here";
    /// The path exists, but not with this method.
    MethodNotAllowed, "method_not_allowed", 405, Never, "This method does not exist here";
    /// The state of the thing does not allow it.
    Conflict, "conflict", 409, Never, "Not possible in the present state";
    /// The file is still being made.
    NotReady, "not_ready", 409, Never, "The file is not ready yet";
    /// It was there, and is gone for good.
    Gone, "gone", 410, Never, "No longer available";
    /// It is no longer what `If-Match` says.
    PreconditionFailed, "precondition_failed", 412, Never, "It was changed in the meantime";
    /// More bytes than the limit allows.
    TooLarge, "too_large", 413, Never, "The body is too large";
    /// A media type or content encoding nobody here reads.
    UnsupportedMediaType, "unsupported_media_type", 415, Never, "This media type is not supported";
    /// The bytes asked for are not in the file.
    RangeNotSatisfiable, "range_not_satisfiable", 416, Never, "The range is outside of the file";
    /// Well-formed, but wrong: the violations say where.
    InvalidRequest, "invalid_request", 422, Never, "The request is not valid";
    /// The same idempotency key with another body.
    IdempotencyMismatch, "idempotency_mismatch", 422, Never, "The idempotency key was used for another request";
    /// Too much at once.
    TooManyRequests, "too_many_requests", 429, UpTo(10), "Too many requests";
    /// A bug, or something nobody foresaw.
    Internal, "internal", 500, UpTo(3), "Something went wrong on our side";
    /// Offtake's own database cannot be reached or is busy.
    StoreUnavailable, "store_unavailable", 503, UpTo(10), "The job store cannot be reached";
    /// The database the rows come from cannot be reached.
    SourceUnavailable, "source_unavailable", 503, UpTo(10), "The source of the rows cannot be reached";
    /// The database the rows come from refuses user, password, certificate or privilege.
    SourceDenied, "source_denied", 500, Never, "The source of the rows refuses access";
    /// Object storage cannot be reached.
    StorageUnavailable, "storage_unavailable", 503, UpTo(10), "Object storage cannot be reached";
    /// Object storage refuses the keys or what they may do, or has no such bucket.
    StorageDenied, "storage_denied", 500, UpTo(3), "Object storage refuses access";
    /// Shutting down, or not up yet.
    Unavailable, "unavailable", 503, UpTo(10), "Not available at the moment";
    /// No space is left where files are kept.
    StorageFull, "storage_full", 507, Never, "No space is left in storage";
    /// The rows read are not the rows counted.
    RowsChanged, "rows_changed", 500, Never, "Rows disappeared or appeared while they were read";
    /// The job would need more memory than it may use.
    MemoryLimit, "memory_limit", 500, Never, "The job needs more memory than it may use";
    /// The file would need more disk to be put together than it may use.
    SpoolLimit, "spool_limit", 500, Never, "The file needs more disk to be made than it may use";
    /// The dataset's columns are no longer what the configuration says.
    SchemaDrift, "schema_drift", 500, Never, "The source's columns differ from the dataset's";
    /// Workers died on it again and again.
    Poison, "poison", 500, Never, "Workers died on this job three times in a row";
    /// Another worker has the job now; whatever this one did is void.
    LeaseLost, "lease_lost", 409, Never, "The lease on the job is lost";
    /// The job was cancelled while it ran.
    Cancelled, "cancelled", 409, Never, "The job was cancelled";
    /// It took longer than it may.
    Timeout, "timeout", 504, UpTo(3), "It took too long";
}

impl ErrorKind {
    /// The kind with this code.
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.code() == code)
    }

    /// Whether the detail may be shown to whoever asked: true for what the client can mend (4xx).
    pub const fn is_clients(self) -> bool {
        self.status() < 500
    }
}

/// One thing wrong with a request: where, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Violation {
    /// RFC 6901 JSON pointer into the body, `""` for the whole; `?name` for a query parameter.
    pub pointer: String,
    /// What is wrong and what would be right.
    pub detail: String,
}

impl Violation {
    /// A violation at `pointer`.
    pub fn at(pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { pointer: pointer.into(), detail: detail.into() }
    }
}

/// An error: a kind to decide on, words to read, and the cause for the log.
#[derive(Debug)]
pub struct Error {
    kind: ErrorKind,
    detail: String,
    violations: Vec<Violation>,
    cause: Option<Cause>,
    open: bool,
    refused: Option<Box<Refused>>,
}

impl Error {
    /// An error of `kind`; `detail` says what, where, and what to do.
    pub fn new(kind: ErrorKind, detail: impl Into<String>) -> Self {
        Self { kind, detail: detail.into(), violations: Vec::new(), cause: None, open: false, refused: None }
    }

    /// A request with these things wrong.
    pub fn invalid(violations: Vec<Violation>) -> Self {
        let detail = match violations.as_slice() {
            [one] => one.detail.clone(),
            several => format!("{} things are wrong with the request", several.len()),
        };
        Self { kind: ErrorKind::InvalidRequest, detail, violations, cause: None, open: false, refused: None }
    }

    /// A request with one thing wrong.
    pub fn invalid_at(pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::invalid(vec![Violation::at(pointer, detail)])
    }

    /// Keeps what caused it, for the log.
    #[must_use]
    pub fn caused_by(mut self, cause: impl Into<Cause>) -> Self {
        self.cause = Some(cause.into());
        self
    }

    /// Lets whoever asked see the detail, though they cannot mend it: it names nothing that is internal.
    #[must_use]
    pub const fn openly(mut self) -> Self {
        self.open = true;
        self
    }

    /// Says when to ask again, and how the limits stand that refused.
    #[must_use]
    pub fn refused_by(mut self, refused: Refused) -> Self {
        self.refused = Some(Box::new(refused));
        self
    }

    /// When to ask again, if a limit refused.
    pub fn refused(&self) -> Option<&Refused> {
        self.refused.as_deref()
    }

    /// Whether whoever asked may see the detail.
    pub const fn is_open(&self) -> bool {
        self.open || self.kind.is_clients()
    }

    /// What to decide on.
    pub const fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// What to read.
    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// What is wrong with the request, if that is what it is about.
    pub fn violations(&self) -> &[Violation] {
        &self.violations
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.kind.code(), self.detail)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.cause.as_deref().map(|cause| cause as &(dyn std::error::Error + 'static))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn codes_are_unique_and_come_back() {
        let codes: BTreeSet<&str> = ErrorKind::ALL.iter().map(|kind| kind.code()).collect();
        assert_eq!(codes.len(), ErrorKind::ALL.len());
        for kind in ErrorKind::ALL {
            assert_eq!(ErrorKind::from_code(kind.code()), Some(*kind));
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.code());
        }
    }
}
