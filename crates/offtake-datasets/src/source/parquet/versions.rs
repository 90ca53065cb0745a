//! The versions of a dataset: one SQLite file for each state that its files were found in.
//!
//! A version is built once, by whoever needs it first, under a lock file that other processes wait for. Whoever reads a
//! version holds that lock too, shared; a version that is not the present one goes when nobody has used it for a while.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Instant, SystemTime};

use jiff::SignedDuration;
use offtake_model::clock::SharedClock;
use offtake_model::{Error, ErrorKind, Result};
use sha2::{Digest as _, Sha256};

use super::files::{DataFile, Table};
use super::load::{Recipe, load, unwritable};
use crate::relation::Relation;
use crate::source::sqlite::SqliteSource;

/// How long a version is kept after its last use, once there is another: screens and jobs still speak of it.
const KEPT_FOR: SignedDuration = SignedDuration::from_hours(1);
/// How often files may change while they are loaded before that is an error.
const MOST_CHANGES: u32 = 5;

/// Everything that is needed to make the versions of a dataset.
#[derive(Debug)]
pub(crate) struct Versions {
    pub(crate) folder: PathBuf,
    pub(crate) dataset: String,
    pub(crate) table: Table,
    pub(crate) recipe: Recipe,
    pub(crate) relation: Relation,
    pub(crate) clock: SharedClock,
    pub(crate) open: Mutex<Vec<Arc<Version>>>,
    /// Held by whoever builds: in one process, others need not block a thread to wait.
    pub(crate) building: Arc<tokio::sync::Mutex<()>>,
}

/// A version that is there, and stays as long as this lives.
#[derive(Debug)]
pub(super) struct Version {
    number: i64,
    pub(super) source: Arc<SqliteSource>,
    lock: File,
    clock: SharedClock,
}

/// What was asked for.
#[derive(Debug, Clone, Copy)]
pub(super) enum Wanted {
    /// The files as they are.
    Present,
    /// The version of this number.
    Number(i64),
}

/// What was found.
#[derive(Debug)]
pub(super) enum Found {
    Version(Arc<Version>),
    /// It is the present one and has to be built.
    Unbuilt,
    /// The files have changed, and it is gone.
    Gone,
}

impl Versions {
    /// Looks for a version, without building any. Blocks.
    pub(super) fn find(&self, wanted: Wanted) -> Result<Found> {
        if let Wanted::Number(number) = wanted
            && let Some(version) = self.opened(number)?
        {
            return Ok(Found::Version(version));
        }
        let present = self.number(&self.files()?);
        match wanted {
            Wanted::Number(number) if number != present => Ok(Found::Gone),
            Wanted::Number(_) => Ok(Found::Unbuilt),
            Wanted::Present => Ok(self.opened(present)?.map_or(Found::Unbuilt, Found::Version)),
        }
    }

    /// Builds the present version, unless another process has done it meanwhile. Blocks.
    pub(super) fn build(&self, wanted: Wanted) -> Result<Arc<Version>> {
        make_folder(&self.folder)?;
        let mut changes = 0;
        while changes < MOST_CHANGES {
            let files = self.files()?;
            let number = self.number(&files);
            if matches!(wanted, Wanted::Number(wanted) if wanted != number) {
                return Err(super::gone());
            }
            if let Some(version) = self.opened(number)? {
                return Ok(version);
            }
            let Some(lock) = self.turn(number)? else { continue };
            if !self.path(number, "db").exists() && !self.load(number, &files)? {
                tracing::warn!(dataset = self.dataset, "the files have changed while they were loaded; loading anew");
                changes += 1;
                continue;
            }
            drop(lock);
            if let Some(version) = self.opened(number)? {
                self.remove_unused(number);
                return Ok(version);
            }
        }
        let detail = format!("the files of {} change while they are loaded, again and again", self.dataset);
        Err(Error::new(ErrorKind::SourceUnavailable, detail))
    }

    /// The files there are. None at all is an error: an empty folder is no empty table.
    pub(super) fn files(&self) -> Result<Vec<DataFile>> {
        let files = self.table.files()?;
        if files.is_empty() {
            return Err(super::no_files(&self.dataset));
        }
        Ok(files)
    }

    fn number(&self, files: &[DataFile]) -> i64 {
        let mut hash = Sha256::new_with_prefix(self.recipe.fingerprint());
        files.iter().for_each(|file| hash.update(file.fingerprint()));
        let digest = hash.finalize();
        let first = digest.iter().take(8).fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
        // Cut-offs are never negative.
        (first >> 1).cast_signed()
    }

    /// Loads the files; `false` if they changed meanwhile.
    fn load(&self, number: i64, files: &[DataFile]) -> Result<bool> {
        let part = self.path(number, "part");
        let began = Instant::now();
        tracing::info!(dataset = self.dataset, files = files.len(), "loading Parquet files");
        let loaded = load(&part, &self.recipe, files, number).and_then(|rows| {
            if self.files()? != files {
                return Ok(None);
            }
            let failed = |error| unwritable(&part, error);
            File::open(&part).and_then(|file| file.sync_all()).map_err(failed)?;
            fs::rename(&part, self.path(number, "db")).map_err(failed)?;
            File::open(&self.folder).and_then(|folder| folder.sync_all()).map_err(failed)?;
            Ok(Some(rows))
        });
        let loaded = match loaded {
            // What was read of files that are being written may be anything.
            Err(_) if self.files().is_ok_and(|now| now != files) => Ok(None),
            loaded => loaded,
        };
        if !matches!(loaded, Ok(Some(_))) {
            remove(&part);
        }
        let rows = loaded?;
        if let Some(rows) = rows {
            let seconds = began.elapsed().as_secs_f64();
            tracing::info!(dataset = self.dataset, rows, seconds, "loaded");
        }
        Ok(rows.is_some())
    }

    /// The version of this number, if it has been built.
    fn opened(&self, number: i64) -> Result<Option<Arc<Version>>> {
        let known = |open: &[Arc<Version>]| open.iter().find(|version| version.number == number).cloned();
        if let Some(version) = known(&self.kept()) {
            return Ok(Some(version));
        }
        let path = self.path(number, "db");
        if !path.exists() {
            return Ok(None);
        }
        let lock = self.shared(number)?;
        if !path.exists() {
            return Ok(None);
        }
        let relations = [(self.dataset.clone(), self.relation.clone())].into();
        let source = SqliteSource::new(&path, Arc::clone(&self.clock), relations)?;
        let version = Arc::new(Version { number, source, lock, clock: Arc::clone(&self.clock) });
        version.touch();
        let mut open = self.kept();
        if let Some(version) = known(&open) {
            return Ok(Some(version));
        }
        // Those that nobody reads any more are let go of when another takes their place.
        open.retain(|version| Arc::strong_count(version) > 1);
        open.push(Arc::clone(&version));
        Ok(Some(version))
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, Vec<Arc<Version>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn path(&self, number: i64, ending: &str) -> PathBuf {
        self.folder.join(format!("{}-{number:016x}.{ending}", self.dataset))
    }

    /// The lock of whoever reads a version. Waits for whoever builds it.
    fn shared(&self, number: i64) -> Result<File> {
        let path = self.path(number, "lock");
        lock_shared(&path).map_err(|error| unwritable(&path, error))
    }

    /// The lock of whoever builds a version. `None` if somebody else has built it, or has tried to: nobody may wait to
    /// have it alone, since who built the version goes on to read it.
    fn turn(&self, number: i64) -> Result<Option<File>> {
        let path = self.path(number, "lock");
        let failed = |error| unwritable(&path, error);
        loop {
            let file = open_lock(&path).map_err(failed)?;
            match file.try_lock() {
                Ok(()) if is_at(&file, &path) => return Ok(Some(file)),
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => {
                    drop(self.shared(number)?);
                    return Ok(None);
                }
                Err(TryLockError::Error(error)) => return Err(failed(error)),
            }
        }
    }

    /// Removes the versions that nobody has used for a while, but the present one.
    pub(super) fn remove_unused(&self, present: i64) {
        let Ok(entries) = fs::read_dir(&self.folder) else { return };
        for entry in entries.flatten() {
            let name = entry.file_name();
            let number = name
                .to_str()
                .and_then(|name| name.strip_suffix(".lock")?.strip_prefix(&self.dataset)?.strip_prefix('-'));
            let Some(number) = number.and_then(|number| i64::from_str_radix(number, 16).ok()) else { continue };
            if number != present && self.is_old(&entry.path()) {
                self.remove(number);
            }
        }
    }

    /// The same, where the present one has to be found out first.
    pub(super) fn clear(&self) -> Result<()> {
        self.remove_unused(self.number(&self.files()?));
        Ok(())
    }

    fn is_old(&self, lock: &Path) -> bool {
        let used = fs::metadata(lock).and_then(|metadata| metadata.modified());
        let before = self.clock.now().checked_sub(KEPT_FOR).map(SystemTime::from);
        matches!((used, before), (Ok(used), Ok(before)) if used < before)
    }

    fn remove(&self, number: i64) {
        let path = self.path(number, "lock");
        // Whoever uses or builds it holds the lock.
        if let Ok(held) = OpenOptions::new().write(true).open(&path)
            && held.try_lock().is_ok()
            && is_at(&held, &path)
        {
            for ending in ["db", "part", "lock"] {
                remove(&self.path(number, ending));
            }
            tracing::info!(dataset = self.dataset, "removed a version of its rows that nobody uses");
        }
    }
}

impl Version {
    fn touch(&self) {
        // Only how long it is kept depends on it.
        drop(self.lock.set_modified(SystemTime::from(self.clock.now())));
    }
}

impl Drop for Version {
    fn drop(&mut self) {
        self.touch();
    }
}

fn open_lock(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).write(true).truncate(false).mode(0o600).open(path)
}

fn lock_shared(path: &Path) -> io::Result<File> {
    loop {
        let file = open_lock(path)?;
        file.lock_shared()?;
        // Whoever removed a version removed its lock as well: what we hold may have no name any more.
        if is_at(&file, path) {
            return Ok(file);
        }
    }
}

fn is_at(file: &File, path: &Path) -> bool {
    let same = |one: &fs::Metadata, other: &fs::Metadata| (one.dev(), one.ino()) == (other.dev(), other.ino());
    matches!((file.metadata(), fs::metadata(path)), (Ok(one), Ok(other)) if same(&one, &other))
}

fn make_folder(folder: &Path) -> Result<()> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
    made.map_err(|error| unwritable(folder, error))
}

fn remove(path: &Path) {
    if let Err(error) = fs::remove_file(path)
        && error.kind() != io::ErrorKind::NotFound
    {
        tracing::warn!(%error, path = %path.display(), "a file that is of no more use cannot be removed");
    }
}
