//! The files of a table: found by their names, and told apart from what they were before.

use std::fs;
use std::io::ErrorKind as IoKind;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use offtake_model::{Error, ErrorKind, Result};

const ENDING: &str = ".parquet";
/// More files than this are a mistake, or a source that should be merged first.
const MOST_FILES: usize = 100_000;
/// Deeper folders are a circle of links.
const DEEPEST: usize = 32;

/// A file as it lies there. Two that are equal are taken for the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DataFile {
    pub(crate) path: PathBuf,
    /// Its path below the source's folder, for people.
    pub(crate) name: String,
    size: u64,
    /// Nanoseconds since 1970.
    modified: u128,
}

impl DataFile {
    /// What tells it from another one.
    pub(super) fn fingerprint(&self) -> String {
        format!("{:?} {} {}\n", self.name, self.size, self.modified)
    }
}

/// Which files of a folder.
#[derive(Debug, Clone)]
pub(crate) struct Table {
    root: PathBuf,
    /// A pattern for each name on the way; below the last, everything.
    names: Vec<String>,
}

impl Table {
    /// `table` is `.` or a path below `root`, in whose names `*` stands for any letters.
    ///
    /// # Errors
    /// In words, if it is no such path.
    pub(crate) fn new(root: &Path, table: &str) -> Result<Self, String> {
        let names: Vec<String> = if table == "." { Vec::new() } else { table.split('/').map(str::to_owned).collect() };
        if names.iter().any(|name| name.is_empty() || name.starts_with('.')) {
            return Err(format!("{table:?} is no path below the source's folder; \".\" is the folder itself"));
        }
        Ok(Self { root: root.to_owned(), names })
    }

    /// The files there are now, in the order of their names; none is no error.
    ///
    /// # Errors
    /// `source_unavailable`, `source_denied`.
    pub(crate) fn files(&self) -> Result<Vec<DataFile>> {
        let mut found = Vec::new();
        self.search(&self.root, &self.names, DEEPEST, &mut found)?;
        found.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(found)
    }

    fn search(&self, folder: &Path, names: &[String], deeper: usize, found: &mut Vec<DataFile>) -> Result<()> {
        let failed = |error| unreadable(folder, error);
        for entry in fs::read_dir(folder).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let name = entry.file_name();
            // A name that is no text is nobody's table. Other programs keep what is not data under such names.
            let Some(name) = name.to_str().filter(|name| !name.starts_with(['.', '_'])) else { continue };
            let rest = match names {
                [] => names,
                [wanted, rest @ ..] if matches(wanted, name) => rest,
                [_, ..] => continue,
            };
            let path = entry.path();
            let metadata = match fs::metadata(&path) {
                Ok(metadata) => metadata,
                // It went while we looked.
                Err(error) if error.kind() == IoKind::NotFound => continue,
                Err(error) => return Err(unreadable(&path, error)),
            };
            if metadata.is_dir() && deeper > 0 {
                self.search(&path, rest, deeper - 1, found)?;
            } else if metadata.is_file() && rest.is_empty() && name.ends_with(ENDING) {
                let modified = metadata.modified().ok().and_then(|at| at.duration_since(UNIX_EPOCH).ok());
                let below = path.strip_prefix(&self.root).unwrap_or(&path).to_string_lossy().into_owned();
                found.push(DataFile {
                    path,
                    name: below,
                    size: metadata.len(),
                    modified: modified.map_or(0, |since| since.as_nanos()),
                });
            }
            if found.len() > MOST_FILES {
                let detail = format!("{} has more than {MOST_FILES} files; merge them first", self.root.display());
                return Err(Error::new(ErrorKind::SourceUnavailable, detail));
            }
        }
        Ok(())
    }
}

/// Whether a name is what the pattern says; it may leave `.parquet` out.
fn matches(pattern: &str, name: &str) -> bool {
    fits(pattern, name) || name.strip_suffix(ENDING).is_some_and(|stem| fits(pattern, stem))
}

fn fits(pattern: &str, name: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else { return pattern == name };
    let Some(mut left) = name.strip_prefix(first) else { return false };
    let mut parts: Vec<&str> = rest.split('*').collect();
    let last = parts.pop().unwrap_or_default();
    for part in parts {
        match left.find(part) {
            Some(at) => left = &left[at + part.len()..],
            None => return false,
        }
    }
    left.ends_with(last)
}

fn unreadable(path: &Path, error: std::io::Error) -> Error {
    let kind =
        if error.kind() == IoKind::PermissionDenied { ErrorKind::SourceDenied } else { ErrorKind::SourceUnavailable };
    Error::new(kind, format!("{} cannot be read: {error}", path.display())).caused_by(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(root: &Path, table: &str) -> Vec<String> {
        Table::new(root, table).unwrap().files().unwrap().into_iter().map(|file| file.name).collect()
    }

    #[test]
    fn a_table_is_a_folder_a_file_or_a_pattern() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        for path in [
            "trades/2026/10.parquet",
            "trades/2026/11.parquet",
            "trades/_SUCCESS",
            "trades/.tmp.parquet",
            "trades/_tmp/12.parquet",
            "users.parquet",
            "users-old.parquet",
            "notes.txt",
            "EU/users.parquet",
        ] {
            let path = root.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "x").unwrap();
        }
        assert_eq!(names(root, "trades"), ["trades/2026/10.parquet", "trades/2026/11.parquet"]);
        assert_eq!(names(root, "trades/*/1*"), ["trades/2026/10.parquet", "trades/2026/11.parquet"]);
        assert_eq!(names(root, "trades/2026/*1.parquet"), ["trades/2026/11.parquet"]);
        assert_eq!(names(root, "users"), ["users.parquet"]);
        assert_eq!(names(root, "users*"), ["users-old.parquet", "users.parquet"]);
        assert_eq!(names(root, "*/users"), ["EU/users.parquet"]);
        assert_eq!(names(root, "notes.txt"), [""; 0]);
        assert_eq!(names(root, ".").len(), 5);
        for wrong in ["", "../x", "/etc", "a//b", "a/."] {
            assert!(Table::new(root, wrong).is_err(), "{wrong}");
        }
    }
}
