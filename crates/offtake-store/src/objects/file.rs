//! One object that becomes one file: what an export on this machine writes to.

use std::ffi::OsString;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use offtake_model::checkpoint::Uploaded;
use offtake_model::{Error, ErrorKind, Result};

use super::disk::{self, Growing, absent_is_fine, blocking};
use super::failure;
use super::{ObjectKey, Objects, Upload};

/// Exactly one object: it grows beside the target and is renamed onto it.
///
/// While it grows it is called after the key's job and attempt, `TARGET.JOB.ATTEMPT.part`, so that exports to
/// the same target cannot touch each other's bytes and a later attempt finds those of an earlier one. What
/// lies beside the object becomes `TARGET.SUFFIX`.
#[derive(Debug)]
pub struct FileObjects {
    target: Arc<Target>,
}

#[derive(Debug)]
struct Target {
    path: PathBuf,
    existing: Existing,
    /// What was at the path before is no object of ours.
    finished: Mutex<Option<Finished>>,
}

/// What happens to a file that is at the target when the object is finished.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Existing {
    /// It stays, and finishing is a `conflict`.
    Keep,
    /// It is replaced.
    Replace,
}

/// The object that is the target now.
#[derive(Debug)]
struct Finished {
    key: ObjectKey,
    /// What was put beside it.
    beside: Vec<PathBuf>,
}

impl FileObjects {
    /// Objects that become the file at `target`.
    pub fn new(target: PathBuf, existing: Existing) -> Self {
        Self { target: Arc::new(Target { path: target, existing, finished: Mutex::new(None) }) }
    }
}

impl Target {
    fn finished(&self) -> MutexGuard<'_, Option<Finished>> {
        self.finished.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn with_suffix(&self, suffix: &str) -> PathBuf {
        let mut name = OsString::from(&self.path);
        name.push(".");
        name.push(suffix);
        PathBuf::from(name)
    }

    /// Where the object grows. All of the key counts but the organization and the file's name.
    fn staged(&self, key: &ObjectKey) -> PathBuf {
        let mut parts: Vec<&str> = key.as_str().split('/').collect();
        if parts.len() > 2 {
            parts.pop();
            parts.remove(0);
        }
        self.with_suffix(&format!("{}.part", parts.join(".")))
    }

    /// Where a finished object or one beside it is, if it is ours.
    fn ready(&self, key: &ObjectKey) -> Option<PathBuf> {
        let finished = self.finished();
        let suffix = key.as_str().strip_prefix(finished.as_ref()?.key.as_str())?;
        match suffix.strip_prefix('.') {
            Some(suffix) => Some(self.with_suffix(suffix)),
            None => suffix.is_empty().then(|| self.path.clone()),
        }
    }
}

fn no_such(key: &ObjectKey) -> Error {
    Error::new(ErrorKind::Gone, format!("{key} is not there"))
}

#[async_trait]
impl Objects for FileObjects {
    async fn begin(&self, key: &ObjectKey) -> Result<Box<dyn Upload>> {
        let staged = self.target.staged(key);
        let growing = blocking(move || Growing::begin(staged)).await?;
        Ok(Box::new(FileUpload { growing, key: key.clone(), target: Arc::clone(&self.target) }))
    }

    async fn resume(&self, key: &ObjectKey, earlier: &ObjectKey, uploaded: &Uploaded) -> Result<Box<dyn Upload>> {
        let (staged, earlier, bytes) = (self.target.staged(key), self.target.staged(earlier), uploaded.bytes);
        let growing = blocking(move || Growing::resume(staged, &earlier, bytes)).await?;
        Ok(Box::new(FileUpload { growing, key: key.clone(), target: Arc::clone(&self.target) }))
    }

    async fn put(&self, key: &ObjectKey, bytes: Bytes) -> Result<()> {
        let path = self.target.ready(key).ok_or_else(|| {
            Error::new(ErrorKind::Conflict, format!("only what lies beside the finished file can be put, not {key}"))
        })?;
        let mut part = OsString::from(&path);
        part.push(".part");
        if let Some(finished) = self.target.finished().as_mut() {
            finished.beside.push(path.clone());
        }
        blocking(move || {
            disk::replace(&path, Path::new(&part), &bytes).map_err(|cause| failure::disk("written", &path, cause))
        })
        .await
    }

    async fn read(&self, key: &ObjectKey, range: Range<u64>) -> Result<BoxStream<'static, Result<Bytes>>> {
        let path = self.target.ready(key).ok_or_else(|| no_such(key))?;
        disk::read(path, range).await
    }

    async fn size(&self, key: &ObjectKey) -> Result<Option<u64>> {
        match self.target.ready(key) {
            Some(path) => blocking(move || disk::size(&path)).await,
            None => Ok(None),
        }
    }

    /// Deletes what this export made: a file that was at the target before stays.
    async fn delete(&self, key: &ObjectKey) -> Result<()> {
        let staged = self.target.staged(key);
        let target = Arc::clone(&self.target);
        let key = key.clone();
        blocking(move || {
            absent_is_fine(std::fs::remove_file(&staged)).map_err(|cause| failure::disk("deleted", &staged, cause))?;
            let mut finished = target.finished();
            let ours = finished.take_if(|finished| finished.key == key);
            for path in ours.iter().flat_map(|ours| ours.beside.iter().chain([&target.path])) {
                absent_is_fine(std::fs::remove_file(path)).map_err(|cause| failure::disk("deleted", path, cause))?;
            }
            Ok(())
        })
        .await
    }

    /// None: what grows beside the target belongs to an export that may be resumed, and is never swept.
    async fn staged(&self) -> Result<Vec<ObjectKey>> {
        Ok(Vec::new())
    }

    async fn ping(&self) -> Result<()> {
        let mut probe = OsString::from(&self.target.path);
        probe.push(format!(".ping-{}.part", std::process::id()));
        blocking(move || {
            let probe = PathBuf::from(probe);
            let written = std::fs::write(&probe, b"ping").and_then(|()| absent_is_fine(std::fs::remove_file(&probe)));
            written.map_err(|cause| failure::disk("written", &probe, cause))
        })
        .await
    }
}

#[derive(Debug)]
struct FileUpload {
    growing: Growing,
    key: ObjectKey,
    target: Arc<Target>,
}

#[async_trait]
impl Upload for FileUpload {
    async fn put_part(&mut self, part: Bytes) -> Result<Uploaded> {
        self.growing.put(part).await
    }

    async fn finish(self: Box<Self>) -> Result<()> {
        blocking(move || {
            let Self { growing, key, target } = *self;
            let staged = growing.seal()?;
            let path = &target.path;
            let mut finished = target.finished();
            match target.existing {
                Existing::Keep => disk::publish(&staged, path)?,
                Existing::Replace => {
                    std::fs::rename(&staged, path).map_err(|cause| failure::disk("published", path, cause))?;
                }
            }
            *finished = Some(Finished { key, beside: Vec::new() });
            disk::sync_parent(path).map_err(|cause| failure::disk("published", path, cause))
        })
        .await
    }

    async fn abort(self: Box<Self>) -> Result<()> {
        blocking(move || self.growing.remove().map(drop)).await
    }
}
