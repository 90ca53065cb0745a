//! The exit codes, in one place.

use std::process::ExitCode;

use offtake_model::{Error, ErrorKind};

/// How a command ends when it does not end well.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Something went wrong.
    Error(Error),
    /// Something went wrong, and everything about it has been said.
    Told(u8),
    /// The user pressed Ctrl-C (or sent SIGTERM).
    Interrupted,
    /// Whoever read our output stopped reading.
    BrokenPipe,
}

/// What a command comes to.
pub(crate) type Outcome = Result<(), Failure>;

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

/// Everything went well.
pub(crate) const OK: u8 = 0;
/// It failed.
pub(crate) const FAILED: u8 = 1;
/// The command or the request is wrong.
pub(crate) const USAGE: u8 = 2;
/// Not allowed.
pub(crate) const NOT_ALLOWED: u8 = 3;
/// Not there.
pub(crate) const NOT_FOUND: u8 = 4;
/// Not possible in the present state, or cancelled.
pub(crate) const CONFLICT: u8 = 5;
/// It took too long.
pub(crate) const TIMEOUT: u8 = 6;
/// Interrupted.
pub(crate) const INTERRUPTED: u8 = 130;
/// The reader of our output went away: what a program killed by SIGPIPE returns.
pub(crate) const BROKEN_PIPE: u8 = 141;

/// The table at the end of `offtake --help`.
pub(crate) const HELP: &str = "Exit codes: 0 ok · 1 failed · 2 usage · 3 not allowed · 4 not found · \
5 conflict or cancelled · 6 timeout · 130 interrupted";

/// The exit code of an error.
pub(crate) const fn code_of(kind: ErrorKind) -> u8 {
    use ErrorKind as K;
    match kind {
        K::Malformed
        | K::MethodNotAllowed
        | K::TooLarge
        | K::UnsupportedMediaType
        | K::RangeNotSatisfiable
        | K::InvalidRequest
        | K::IdempotencyMismatch => USAGE,
        K::Unauthenticated | K::Forbidden | K::Revoked => NOT_ALLOWED,
        K::NotFound | K::Gone => NOT_FOUND,
        K::Conflict | K::NotReady | K::PreconditionFailed | K::LeaseLost | K::Cancelled => CONFLICT,
        K::Timeout => TIMEOUT,
        K::TooManyRequests
        | K::Internal
        | K::StoreUnavailable
        | K::SourceUnavailable
        | K::SourceDenied
        | K::StorageUnavailable
        | K::StorageDenied
        | K::Unavailable
        | K::StorageFull
        | K::RowsChanged
        | K::MemoryLimit
        | K::SpoolLimit
        | K::SchemaDrift
        | K::Poison => FAILED,
    }
}

impl Failure {
    /// The exit code.
    pub(crate) const fn code(&self) -> u8 {
        match self {
            Self::Error(error) => code_of(error.kind()),
            Self::Told(code) => *code,
            Self::Interrupted => INTERRUPTED,
            Self::BrokenPipe => BROKEN_PIPE,
        }
    }
}

/// Ends a command: says on stderr what went wrong, and gives the exit code.
pub(crate) fn end(outcome: Outcome, json: bool) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::from(OK),
        Err(failure) => {
            if let Failure::Error(error) = &failure {
                crate::output::say(&if json { as_json(error) } else { as_text(error) });
            }
            ExitCode::from(failure.code())
        }
    }
}

fn as_text(error: &Error) -> String {
    let mut text = format!("error: {}", error.detail());
    let violations = error.violations();
    let told = matches!(violations, [one] if one.detail == error.detail() && one.pointer.is_empty());
    for violation in violations.iter().filter(|_| !told) {
        let at = if violation.pointer.is_empty() { String::new() } else { format!("{}: ", violation.pointer) };
        text.push_str(&format!("\n  {at}{}", violation.detail));
    }
    let mut cause = std::error::Error::source(error);
    while let Some(source) = cause {
        text.push_str(&format!("\n  because: {source}"));
        cause = source.source();
    }
    text
}

fn as_json(error: &Error) -> String {
    let mut map = serde_json::json!({ "code": error.kind().code(), "detail": error.detail() });
    if !error.violations().is_empty() {
        map["violations"] = serde_json::json!(error.violations());
    }
    map.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_its_documented_code() {
        let table: Vec<String> =
            ErrorKind::ALL.iter().map(|kind| format!("{} {}", code_of(*kind), kind.code())).collect();
        insta::assert_snapshot!(table.join("\n"));
        assert_eq!(Failure::Interrupted.code(), 130);
        assert_eq!(Failure::Told(NOT_FOUND).code(), 4);
    }

    #[test]
    fn the_page_has_every_code() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/cli.md");
        let page = std::fs::read_to_string(path).expect("docs/cli.md is there");
        let of_kinds = ErrorKind::ALL.iter().map(|kind| code_of(*kind));
        for code in of_kinds.chain([OK, INTERRUPTED, BROKEN_PIPE]) {
            assert!(page.contains(&format!("| {code} | ")), "docs/cli.md must have the exit code {code}");
        }
    }

    #[test]
    fn an_error_tells_every_violation_and_its_causes() {
        let error = Error::invalid(vec![
            offtake_model::Violation::at("/limit", "must be at least 1"),
            offtake_model::Violation::at("", "the window is reversed"),
        ])
        .caused_by(std::io::Error::other("so it was"));
        insta::assert_snapshot!(as_text(&error), @"
        error: 2 things are wrong with the request
          /limit: must be at least 1
          the window is reversed
          because: so it was
        ");
        insta::assert_snapshot!(as_json(&error), @r#"{"code":"invalid_request","detail":"2 things are wrong with the request","violations":[{"pointer":"/limit","detail":"must be at least 1"},{"pointer":"","detail":"the window is reversed"}]}"#);
    }
}
