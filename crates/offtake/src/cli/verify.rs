//! `offtake verify FILE`: is the file what its receipt says?

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use clap::Args;
use offtake_model::receipt::Receipt;
use offtake_model::{Error, ErrorKind};
use serde_json::json;
use sha2::{Digest, Sha256};

use super::Context;
use crate::exit::{Failure, Outcome};
use crate::output;

#[derive(Debug, Args)]
pub(crate) struct VerifyArgs {
    /// The file
    file: PathBuf,
    /// Its receipt [default: FILE.receipt.json]
    #[arg(long, value_name = "FILE")]
    receipt: Option<PathBuf>,
}

/// What a file is found to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fingerprint {
    /// Its size.
    pub(crate) bytes: u64,
    /// Its SHA-256, lower-case hex.
    pub(crate) sha256: String,
}

pub(super) fn run(context: &Context, args: &VerifyArgs) -> Outcome {
    let receipt_path = args.receipt.clone().unwrap_or_else(|| beside(&args.file));
    let receipt = read_receipt(&receipt_path)?;
    let found = fingerprint(&args.file)?;
    let differences = differences(&receipt, &found);
    let path = args.file.display();
    if context.global.json {
        output::json(&json!({
            "file": path.to_string(), "ok": differences.is_empty(), "differences": differences,
            "bytes": found.bytes, "sha256": found.sha256, "rows": receipt.rows_written, "job_id": receipt.job_id,
        }))?;
    } else if differences.is_empty() {
        output::line(&format!(
            "{path}: ok, {} rows, {} bytes, sha256 {}",
            receipt.rows_written, found.bytes, found.sha256
        ))?;
    }
    if differences.is_empty() {
        return Ok(());
    }
    if !context.global.json {
        output::say(&format!("{path} is not the file of {}:\n  {}", receipt.job_id, differences.join("\n  ")));
    }
    Err(Failure::Told(crate::exit::FAILED))
}

/// Where the receipt of a file lies: beside it.
pub(crate) fn beside(file: &Path) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".receipt.json");
    PathBuf::from(name)
}

/// Reads a receipt.
///
/// # Errors
/// `not_found` if it is not there, `malformed` if it is no receipt.
pub(crate) fn read_receipt(path: &Path) -> Result<Receipt, Error> {
    let text = std::fs::read(path).map_err(|error| unreadable(path, error))?;
    serde_json::from_slice(&text).map_err(|error| {
        Error::new(ErrorKind::Malformed, format!("{} is not a receipt: {error}", path.display())).caused_by(error)
    })
}

/// Reads a file once, from front to back.
///
/// # Errors
/// `not_found` or `storage_unavailable` if it cannot be read.
pub(crate) fn fingerprint(path: &Path) -> Result<Fingerprint, Error> {
    let failed = |error: io::Error| unreadable(path, error);
    let mut file = File::open(path).map_err(failed)?;
    let mut hash = Sha256::new();
    let mut bytes = 0;
    let mut buffer = vec![0; 256 << 10];
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok(Fingerprint { bytes, sha256: hex::encode(hash.finalize()) }),
            Ok(read) => {
                hash.update(&buffer[..read]);
                bytes += read as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(failed(error)),
        }
    }
}

/// What differs between a receipt and a file, in words.
pub(crate) fn differences(receipt: &Receipt, found: &Fingerprint) -> Vec<String> {
    let mut differences = Vec::new();
    if receipt.bytes != found.bytes {
        differences.push(format!("it has {} bytes, the receipt says {}", found.bytes, receipt.bytes));
    }
    if !receipt.sha256.eq_ignore_ascii_case(&found.sha256) {
        differences.push(format!("its SHA-256 is {}, the receipt says {}", found.sha256, receipt.sha256));
    }
    differences
}

fn unreadable(path: &Path, error: io::Error) -> Error {
    let kind =
        if error.kind() == io::ErrorKind::NotFound { ErrorKind::NotFound } else { ErrorKind::StorageUnavailable };
    Error::new(kind, format!("{} cannot be read: {error}", path.display())).caused_by(error)
}
