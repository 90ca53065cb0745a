//! Files that are written whole or not at all: what a folder of objects and a single target have in common.
//!
//! Everything here blocks; [`blocking`] brings it to a thread where it may.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::ops::Range;
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use offtake_model::checkpoint::Uploaded;
use offtake_model::{Error, ErrorKind, Result};
use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;
use tokio::task::spawn_blocking;

use super::failure::disk;

/// The most bytes of a piece that is read.
const PIECE: u64 = 256 * 1024;

/// How often a folder that somebody else prunes at the same moment is made again.
const PATIENCE: usize = 16;

/// Runs what blocks on a thread for it.
pub(super) async fn blocking<T, F>(work: F) -> Result<T>
where
    T: Send + 'static,
    F: FnOnce() -> Result<T> + Send + 'static,
{
    match spawn_blocking(work).await {
        Ok(result) => result,
        Err(join) if join.is_cancelled() => {
            Err(Error::new(ErrorKind::StorageUnavailable, "the process is shutting down").caused_by(join))
        }
        Err(join) => Err(Error::new(ErrorKind::Internal, "a piece of work on storage panicked").caused_by(join)),
    }
}

/// Makes `folder` and what is missing above it, for this user alone, durably.
pub(super) fn make_folder(folder: &Path) -> io::Result<()> {
    if folder.as_os_str().is_empty() {
        return Ok(());
    }
    match DirBuilder::new().mode(0o700).create(folder) {
        Ok(()) => sync_parent(folder),
        Err(cause) if cause.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => match folder.parent() {
            Some(parent) => {
                make_folder(parent)?;
                make_folder_once_more(folder)
            }
            None => Err(cause),
        },
        Err(cause) => Err(cause),
    }
}

fn make_folder_once_more(folder: &Path) -> io::Result<()> {
    match DirBuilder::new().mode(0o700).create(folder) {
        Ok(()) => sync_parent(folder),
        Err(cause) if cause.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(cause) => Err(cause),
    }
}

/// Does `work` on `path` after its folder is there; again, if somebody prunes the folder in between.
pub(super) fn in_its_folder<T>(path: &Path, work: impl Fn() -> io::Result<T>) -> io::Result<T> {
    let folder = path.parent().unwrap_or(Path::new(""));
    let mut tries = 0;
    loop {
        tries += 1;
        match make_folder(folder).and_then(|()| work()) {
            Err(cause) if cause.kind() == io::ErrorKind::NotFound && tries < PATIENCE => {}
            done => return done,
        }
    }
}

/// Makes the name of `path` durable.
pub(super) fn sync_parent(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}

/// An empty file for this user alone, in place of what was there.
pub(super) fn create(path: &Path) -> io::Result<File> {
    in_its_folder(path, || {
        // A new file, not the old one emptied: a write still on its way goes to the one that has no name.
        absent_is_fine(std::fs::remove_file(path))?;
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
    })
}

/// Not there is what was wanted.
pub(super) fn absent_is_fine(done: io::Result<()>) -> io::Result<()> {
    match done {
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(()),
        done => done,
    }
}

/// Writes a small file in one go, replacing what is there; `temporary` is in a folder that is there.
pub(super) fn replace(path: &Path, temporary: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = create(temporary)?;
    let written = file.write_all(bytes).and_then(|()| file.sync_all());
    let done = written.and_then(|()| in_its_folder(path, || std::fs::rename(temporary, path)));
    if let Err(cause) = done {
        // What failed first is what is told; a temporary file that stays goes with its object.
        drop(std::fs::remove_file(temporary));
        return Err(cause);
    }
    sync_parent(path)
}

/// Moves the file to its name, unless that is taken, durably.
pub(super) fn publish(staged: &Path, ready: &Path) -> Result<()> {
    let moved = in_its_folder(ready, || {
        match renameat_with(CWD, staged, CWD, ready, RenameFlags::NOREPLACE) {
            // Some file systems cannot rename without replacing, but can link.
            Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => {
                std::fs::hard_link(staged, ready).and_then(|()| std::fs::remove_file(staged))
            }
            renamed => renamed.map_err(io::Error::from),
        }
    });
    match moved {
        Ok(()) => {}
        Err(cause) if cause.kind() == io::ErrorKind::AlreadyExists => {
            return Err(Error::new(ErrorKind::Conflict, format!("{} is there already", ready.display())));
        }
        Err(cause) => return Err(disk("published", ready, cause)),
    }
    sync_parent(ready).and_then(|()| sync_parent(staged)).map_err(|cause| disk("published", ready, cause))
}

/// A file that grows part by part. The first failure is final.
#[derive(Debug)]
pub(super) struct Growing {
    file: Arc<File>,
    path: PathBuf,
    uploaded: Uploaded,
    failed: Option<(ErrorKind, String)>,
}

impl Growing {
    /// A new file at `path`.
    pub(super) fn begin(path: PathBuf) -> Result<Self> {
        let opened = create(&path).and_then(|file| {
            sync_parent(&path)?;
            Ok(file)
        });
        match opened {
            Ok(file) => Ok(Self { file: Arc::new(file), path, uploaded: Uploaded::default(), failed: None }),
            Err(cause) => Err(disk("created", &path, cause)),
        }
    }

    /// A file that is there: a device that is always full.
    #[cfg(test)]
    pub(super) fn on(path: PathBuf) -> io::Result<Self> {
        let file = Arc::new(OpenOptions::new().write(true).open(&path)?);
        Ok(Self { file, path, uploaded: Uploaded::default(), failed: None })
    }

    /// A new file at `path` that begins with the first `bytes` bytes of `earlier`.
    pub(super) fn resume(path: PathBuf, earlier: &Path, bytes: u64) -> Result<Self> {
        let gone = || Error::new(ErrorKind::Gone, format!("the first {bytes} bytes of {} are gone", earlier.display()));
        let source = match File::open(earlier) {
            Ok(source) => source,
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Err(gone()),
            Err(cause) => return Err(disk("opened", earlier, cause)),
        };
        let length = source.metadata().map_err(|cause| disk("opened", earlier, cause))?.len();
        if length < bytes {
            return Err(gone());
        }
        let mut growing = Self::begin(path)?;
        // The standard library copies inside of the kernel where it can.
        let copied = io::copy(&mut (&source).take(bytes), &mut &*growing.file).and_then(|copied| {
            growing.file.sync_data()?;
            Ok(copied)
        });
        match copied {
            Ok(copied) if copied == bytes => {
                growing.uploaded.bytes = bytes;
                Ok(growing)
            }
            Ok(_) => {
                drop(growing.remove());
                Err(gone())
            }
            Err(cause) => {
                let error = disk("copied to", &growing.path, cause);
                drop(growing.remove());
                Err(error)
            }
        }
    }

    /// Appends a part; it is durable when this returns.
    pub(super) async fn put(&mut self, part: Bytes) -> Result<Uploaded> {
        self.check()?;
        // Until the disk has answered the upload counts as broken: whoever stops waiting here has a file with
        // an end nobody knows.
        self.failed = Some((ErrorKind::StorageUnavailable, "a part was given up half-way".to_owned()));
        let (file, path) = (Arc::clone(&self.file), self.path.clone());
        let bytes = part.len() as u64;
        let written = blocking(move || {
            let written = (&*file).write_all(&part).and_then(|()| file.sync_data());
            written.map_err(|cause| disk("written", &path, cause))
        });
        match written.await {
            Ok(()) => {
                self.failed = None;
                self.uploaded.bytes += bytes;
                Ok(self.uploaded.clone())
            }
            Err(error) => {
                self.failed = Some((error.kind(), error.detail().to_owned()));
                Err(error)
            }
        }
    }

    /// Whether nothing failed so far.
    pub(super) fn check(&self) -> Result<()> {
        match &self.failed {
            None => Ok(()),
            Some((kind, detail)) => Err(Error::new(*kind, format!("the upload failed before: {detail}"))),
        }
    }

    /// All of it durable, and the name it has now.
    pub(super) fn seal(self) -> Result<PathBuf> {
        self.check()?;
        self.file.sync_all().map_err(|cause| disk("written", &self.path, cause))?;
        Ok(self.path)
    }

    /// Takes the file away; gives back where it was.
    pub(super) fn remove(self) -> Result<PathBuf> {
        match absent_is_fine(std::fs::remove_file(&self.path)) {
            Ok(()) => Ok(self.path),
            Err(cause) => Err(disk("deleted", &self.path, cause)),
        }
    }
}

/// The size of a file, `None` if there is none.
pub(super) fn size(path: &Path) -> Result<Option<u64>> {
    match std::fs::metadata(path) {
        Ok(found) => Ok(Some(found.len())),
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(cause) => Err(disk("read", path, cause)),
    }
}

/// Bytes `range` of a file, in pieces.
pub(super) async fn read(path: PathBuf, range: Range<u64>) -> Result<BoxStream<'static, Result<Bytes>>> {
    let at = path.clone();
    let end = range.end;
    let file = blocking(move || {
        let opened = File::open(&at).and_then(|file| Ok((file.metadata()?.len(), file)));
        match opened {
            Ok((length, _)) if length < end => Err(Error::new(
                ErrorKind::StorageUnavailable,
                format!("{} has {length} bytes, but {end} are asked for; it was cut from outside", at.display()),
            )),
            Ok((_, file)) => Ok(Arc::new(file)),
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => {
                Err(Error::new(ErrorKind::Gone, format!("{} is not there", at.display())))
            }
            Err(cause) => Err(disk("opened", &at, cause)),
        }
    })
    .await?;
    let pieces = stream::try_unfold(range.start, move |from| {
        let (file, path) = (Arc::clone(&file), path.clone());
        async move {
            let length = PIECE.min(end.saturating_sub(from));
            if length == 0 {
                return Ok(None);
            }
            let piece = blocking(move || {
                let mut piece = vec![0; usize::try_from(length).unwrap_or_default()];
                file.read_exact_at(&mut piece, from).map_err(|cause| disk("read", &path, cause))?;
                Ok(Bytes::from(piece))
            });
            Ok(Some((piece.await?, from + length)))
        }
    });
    Ok(pieces.boxed())
}
