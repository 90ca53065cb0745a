//! Data on stdout, everything else on stderr. A reader that goes away is no panic.

use std::io::{ErrorKind as Io, Write};

use offtake_model::{Error, ErrorKind};

use crate::exit::{Failure, Outcome};

/// Writes a line of data to stdout.
///
/// # Errors
/// `BrokenPipe` if nobody reads any more.
pub(crate) fn line(text: &str) -> Outcome {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.write_all(b"\n")).and_then(|()| out.flush()).map_err(writing)
}

/// What a failed write to stdout means.
pub(crate) fn writing(error: std::io::Error) -> Failure {
    if error.kind() == Io::BrokenPipe {
        return Failure::BrokenPipe;
    }
    Error::new(ErrorKind::StorageUnavailable, "stdout cannot be written to").caused_by(error).into()
}

/// Writes a JSON document to stdout, on one line.
///
/// # Errors
/// As [`line()`].
pub(crate) fn json(document: &serde_json::Value) -> Outcome {
    line(&document.to_string())
}

/// Tells the user something, on stderr. There is nobody to tell if that fails.
pub(crate) fn say(text: &str) {
    let mut err = std::io::stderr().lock();
    let _gone = err.write_all(text.as_bytes()).and_then(|()| err.write_all(b"\n"));
}
