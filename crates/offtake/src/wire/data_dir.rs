//! The data directory: who may see it, what it is called, and which worker of it this process is.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use offtake_model::{Error, ErrorKind, Result};
use offtake_store::WorkerName;

/// More workers than this on one directory are a mistake.
const MOST_WORKERS: u32 = 1024;

/// A data directory that exists and is this user's own.
#[derive(Debug, Clone)]
pub(crate) struct DataDir {
    path: PathBuf,
    id: String,
}

/// The name of a worker, and the lock that makes it nobody else's.
#[derive(Debug)]
pub(crate) struct NameLock {
    /// The name.
    pub(crate) name: WorkerName,
    /// Held as long as this lives, also while the process is stopped.
    _lock: File,
}

impl DataDir {
    /// Opens the directory, making it (0700) if it is not there.
    ///
    /// # Errors
    /// `storage_unavailable` if it cannot be made or written to.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let failed = |error| unusable(path, error);
        fs::DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(failed)?;
        let path = fs::canonicalize(path).map_err(failed)?;
        let mode = fs::metadata(&path).map_err(failed)?.permissions().mode();
        if mode & 0o022 != 0 {
            return Err(Error::new(
                ErrorKind::StorageUnavailable,
                format!("others may write to the data directory {}; take that away: chmod 700 {0}", path.display()),
            ));
        }
        let id = identify(&path)?;
        Ok(Self { path, id })
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The path of a file in it.
    pub(crate) fn join(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Takes the first worker name that is free. A process that restarts gets its old name, and with it its
    /// own jobs; one that is only stopped keeps its lock.
    ///
    /// # Errors
    /// `storage_unavailable` if no lock can be taken.
    pub(crate) fn worker_name(&self) -> Result<NameLock> {
        for number in 1..=MOST_WORKERS {
            let short = format!("worker-{number}");
            if let Some(lock) = self.lock(&short)? {
                return Ok(lock);
            }
        }
        let detail = format!("{MOST_WORKERS} workers run on {} already", self.path.display());
        Err(Error::new(ErrorKind::StorageUnavailable, detail))
    }

    /// Takes the lock file `short.lock`; `None` if another process holds it.
    ///
    /// # Errors
    /// `storage_unavailable` if there cannot be one.
    pub(crate) fn lock(&self, short: &str) -> Result<Option<NameLock>> {
        let path = self.join(&format!("{short}.lock"));
        let file = private(&path, false).map_err(|error| unusable(&path, error))?;
        match file.try_lock() {
            Ok(()) => Ok(Some(NameLock { name: WorkerName(format!("{}/{short}", self.id)), _lock: file })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(unusable(&path, error)),
        }
    }

    /// Removes the lock file `short.lock`, whose name nobody will need again.
    ///
    /// # Errors
    /// `storage_unavailable` if it cannot be removed.
    pub(crate) fn forget(&self, short: &str) -> Result<()> {
        let path = self.join(&format!("{short}.lock"));
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(unusable(&path, error)),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// Writes a small private file, replacing what is there.
    ///
    /// # Errors
    /// `storage_unavailable` if it cannot be written.
    pub(crate) fn note(&self, name: &str, text: &str) -> Result<()> {
        let path = self.join(name);
        private(&path, true)
            .and_then(|mut file| file.write_all(text.as_bytes()))
            .map_err(|error| unusable(&path, error))
    }
}

/// The directory's own id, made once: names of workers stay unique where several directories serve one database.
fn identify(path: &Path) -> Result<String> {
    let file = path.join("data-dir.id");
    let failed = |error| unusable(&file, error);
    if !file.exists() {
        let own = path.join(format!("data-dir.id.{}", std::process::id()));
        private(&own, true).and_then(|mut f| f.write_all(random_hex().as_bytes())).map_err(failed)?;
        // Whoever links first wins; the others read the winner's.
        let linked = fs::hard_link(&own, &file);
        fs::remove_file(&own).map_err(failed)?;
        match linked {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(failed(error)),
            Ok(()) | Err(_) => {}
        }
    }
    fs::read_to_string(&file).map(|id| id.trim().to_owned()).map_err(failed)
}

/// Eight random bytes in hex.
pub(crate) fn random_hex() -> String {
    hex::encode(rand::random::<[u8; 8]>())
}

fn private(path: &Path, truncate: bool) -> io::Result<File> {
    OpenOptions::new().create(true).write(true).truncate(truncate).mode(0o600).open(path)
}

fn unusable(path: &Path, error: io::Error) -> Error {
    let kind =
        if error.kind() == io::ErrorKind::StorageFull { ErrorKind::StorageFull } else { ErrorKind::StorageUnavailable };
    Error::new(kind, format!("{} cannot be used: {error}", path.display())).caused_by(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_free_again_once_its_process_is_gone() {
        let dir = tempfile::tempdir().unwrap();
        let data = DataDir::open(&dir.path().join("data")).unwrap();
        let first = data.worker_name().unwrap();
        let second = data.worker_name().unwrap();
        assert!(first.name.0.ends_with("/worker-1") && second.name.0.ends_with("/worker-2"));
        let name = first.name.clone();
        drop(first);
        assert_eq!(data.worker_name().unwrap().name, name, "the first free number is taken");
    }

    #[test]
    fn the_directory_is_private_and_keeps_its_id() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("deep/data");
        let first = DataDir::open(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
        assert_eq!(DataDir::open(&path).unwrap().id, first.id);
        assert_eq!(fs::metadata(path.join("data-dir.id")).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_directory_that_others_may_write_to_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o777)).unwrap();
        let error = DataDir::open(dir.path()).unwrap_err();
        assert!(error.detail().contains("chmod 700"));
    }
}
