//! Where fetched bytes go: a file, which may hold a beginning already, or stdout. Hashed on the way.

use std::io::Write;
use std::path::Path;

use offtake_model::{Error, ErrorKind, Result};
use sha2::{Digest, Sha256};
use tokio::fs::File;
use tokio::io::{AsyncReadExt, AsyncSeekExt, AsyncWriteExt};

use crate::cli::Fingerprint;
use crate::exit::Failure;

/// Takes bytes in order.
#[derive(Debug)]
pub(crate) struct Sink {
    to: To,
    length: u64,
    hash: Sha256,
}

#[derive(Debug)]
enum To {
    File(File),
    Stdout,
}

impl Sink {
    /// Stdout.
    pub(crate) fn stdout() -> Self {
        Self { to: To::Stdout, length: 0, hash: Sha256::new() }
    }

    /// The file at `path`; what it holds already stays if `resume`.
    ///
    /// # Errors
    /// `storage_unavailable`, `storage_full`.
    pub(crate) async fn file(path: &Path, resume: bool) -> Result<Self> {
        let mut file = File::options()
            .create(true)
            .read(true)
            .write(true)
            .truncate(!resume)
            .open(path)
            .await
            .map_err(|error| storing(&error, &path.display().to_string()))?;
        let mut sink = Self { to: To::Stdout, length: 0, hash: Sha256::new() };
        let mut buffer = vec![0; 256 << 10];
        loop {
            let read = file.read(&mut buffer).await.map_err(|error| storing(&error, &path.display().to_string()))?;
            if read == 0 {
                break;
            }
            sink.hash.update(&buffer[..read]);
            sink.length += read as u64;
        }
        Ok(Self { to: To::File(file), ..sink })
    }

    /// How many bytes are there.
    pub(crate) const fn len(&self) -> u64 {
        self.length
    }

    /// Takes the next bytes.
    ///
    /// # Errors
    /// A broken pipe, or what storage says.
    pub(crate) async fn write(&mut self, bytes: bytes::Bytes) -> Result<(), Failure> {
        self.hash.update(&bytes);
        self.length += bytes.len() as u64;
        match &mut self.to {
            To::File(file) => file.write_all(&bytes).await.map_err(|error| storing(&error, "the file").into()),
            To::Stdout => {
                let write = move || std::io::stdout().lock().write_all(&bytes);
                let written = tokio::task::spawn_blocking(write).await.map_err(std::io::Error::other);
                written.flatten().map_err(crate::output::writing)
            }
        }
    }

    /// Forgets what is there.
    ///
    /// # Errors
    /// `conflict` if it is out already; what storage says.
    pub(crate) async fn restart(&mut self) -> Result<()> {
        match &mut self.to {
            To::File(file) => {
                let failed = |error: std::io::Error| storing(&error, "the file");
                file.set_len(0).await.map_err(failed)?;
                file.rewind().await.map_err(failed)?;
            }
            To::Stdout if self.length == 0 => {}
            To::Stdout => {
                let detail = "the file changed on the server while it was written to stdout";
                return Err(Error::new(ErrorKind::Conflict, detail));
            }
        }
        self.length = 0;
        self.hash = Sha256::new();
        Ok(())
    }

    /// Everything is there: makes it durable and says what it is.
    ///
    /// # Errors
    /// What storage says.
    pub(crate) async fn finish(self) -> Result<Fingerprint, Failure> {
        match self.to {
            To::File(file) => file.sync_all().await.map_err(|error| storing(&error, "the file"))?,
            To::Stdout => std::io::stdout().flush().map_err(crate::output::writing)?,
        }
        Ok(Fingerprint { bytes: self.length, sha256: hex::encode(self.hash.finalize()) })
    }
}

/// What a failed write means.
pub(crate) fn storing(error: &std::io::Error, what: &str) -> Error {
    use std::io::ErrorKind as Io;
    let kinds = [
        (Io::StorageFull, ErrorKind::StorageFull),
        (Io::QuotaExceeded, ErrorKind::StorageFull),
        (Io::NotFound, ErrorKind::NotFound),
        (Io::AlreadyExists, ErrorKind::Conflict),
    ];
    let known = kinds.into_iter().find(|(io, _)| *io == error.kind());
    let kind = known.map_or(ErrorKind::StorageUnavailable, |(_, kind)| kind);
    Error::new(kind, format!("{what}: {error}"))
}
