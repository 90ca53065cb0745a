//! The file an export or a download is for: checked before, replaced at once, receipt beside it.

use std::path::{Path, PathBuf};

use offtake_model::receipt::Receipt;
use offtake_model::{Error, ErrorKind, Result};
use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;

use crate::cli::verify::beside;
use crate::client::storing;

/// Where the bytes end up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Target {
    /// Stdout.
    Stdout,
    /// This file, by its full path.
    File(PathBuf),
}

impl Target {
    /// The target that was typed; refused if it is there and may not be replaced.
    ///
    /// # Errors
    /// `conflict` if it is there; `not_found` if its folder is not.
    pub(crate) fn new(output: &Path, force: bool) -> Result<Self> {
        if output.as_os_str() == "-" {
            return Ok(Self::Stdout);
        }
        let shown = output.display();
        let path = std::path::absolute(output).map_err(|error| storing(&error, &shown.to_string()))?;
        let wrong = |detail: String| Error::new(ErrorKind::InvalidRequest, detail);
        if path.is_dir() || path.file_name().is_none() {
            return Err(wrong(format!("{shown} is a folder; name a file")));
        }
        if !path.parent().is_some_and(Path::is_dir) {
            return Err(Error::new(ErrorKind::NotFound, format!("the folder of {shown} is not there; make it first")));
        }
        if !force && path.symlink_metadata().is_ok() {
            return Err(Error::new(ErrorKind::Conflict, format!("{shown} is there already; --force overwrites it")));
        }
        Ok(Self::File(path))
    }

    /// Whether it is stdout.
    pub(crate) const fn is_stdout(&self) -> bool {
        matches!(self, Self::Stdout)
    }

    /// The name of the file, if it has one.
    pub(crate) fn file_name(&self) -> Option<String> {
        match self {
            Self::Stdout => None,
            Self::File(path) => path.file_name().map(|name| name.to_string_lossy().into_owned()),
        }
    }

    /// For messages.
    pub(crate) fn shown(&self) -> String {
        match self {
            Self::Stdout => "-".to_owned(),
            Self::File(path) => path.display().to_string(),
        }
    }

    /// Where the receipt goes.
    pub(crate) fn receipt_path(&self) -> Option<PathBuf> {
        match self {
            Self::Stdout => None,
            Self::File(path) => Some(beside(path)),
        }
    }

    /// Writes the receipt beside the file.
    ///
    /// # Errors
    /// `storage_unavailable`, `storage_full`.
    pub(crate) fn write_receipt(&self, receipt: &Receipt) -> Result<()> {
        let Some(path) = self.receipt_path() else { return Ok(()) };
        let mut text = serde_json::to_vec_pretty(receipt)
            .map_err(|error| Error::new(ErrorKind::Internal, "a receipt is no JSON").caused_by(error))?;
        text.push(b'\n');
        // Whole or not at all, like the file itself.
        let staged = path.with_extension("json.part");
        std::fs::write(&staged, text)
            .and_then(|()| std::fs::rename(&staged, &path))
            .map_err(|error| storing(&error, &path.display().to_string()))
    }
}

/// Moves a finished file to its place; without `force` it replaces nothing.
///
/// # Errors
/// `conflict` if the place is taken; `storage_unavailable`.
pub(crate) fn put_in_place(staged: &Path, path: &Path, force: bool) -> Result<()> {
    let shown = path.display();
    if force {
        return std::fs::rename(staged, path).map_err(|error| storing(&error, &shown.to_string()));
    }
    let taken = || Error::new(ErrorKind::Conflict, format!("{shown} is there already; --force overwrites it"));
    match renameat_with(CWD, staged, CWD, path, RenameFlags::NOREPLACE) {
        Ok(()) => Ok(()),
        Err(Errno::EXIST) => Err(taken()),
        // Some file systems do not know the flag.
        Err(Errno::INVAL | Errno::NOSYS) if path.symlink_metadata().is_ok() => Err(taken()),
        Err(Errno::INVAL | Errno::NOSYS) => {
            std::fs::rename(staged, path).map_err(|error| storing(&error, &shown.to_string()))
        }
        Err(error) => Err(storing(&error.into(), &shown.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_there_is_only_replaced_on_request() {
        let dir = tempfile::tempdir().unwrap();
        let (path, staged) = (dir.path().join("a.csv"), dir.path().join("a.csv.part"));
        std::fs::write(&path, "old").unwrap();
        std::fs::write(&staged, "new").unwrap();
        assert_eq!(Target::new(&path, false).unwrap_err().kind(), ErrorKind::Conflict);
        assert_eq!(put_in_place(&staged, &path, false).unwrap_err().kind(), ErrorKind::Conflict);
        assert_eq!(std::fs::read(&path).unwrap(), b"old");
        put_in_place(&staged, &path, true).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"new");
        assert!(!staged.exists());
    }

    #[test]
    fn a_folder_or_a_place_without_one_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(Target::new(dir.path(), true).unwrap_err().kind(), ErrorKind::InvalidRequest);
        assert_eq!(Target::new(&dir.path().join("no/x.csv"), true).unwrap_err().kind(), ErrorKind::NotFound);
        assert_eq!(Target::new(Path::new("-"), false).unwrap(), Target::Stdout);
    }
}
