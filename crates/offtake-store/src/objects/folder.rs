//! Objects in a folder.
//!
//! Three trees of the same shape lie below the root: `staged` for what grows, `ready` for what is whole, `part`
//! for small objects on their way. Nothing becomes visible in `ready` but by one rename.

use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use offtake_model::checkpoint::Uploaded;
use offtake_model::{Error, ErrorKind, Result};

use super::disk::{self, Growing, absent_is_fine, blocking};
use super::failure;
use super::{ObjectKey, Objects, Upload};

/// Objects below a folder of this machine, private to this user.
#[derive(Debug, Clone)]
pub struct FolderObjects {
    root: PathBuf,
}

#[derive(Debug, Clone, Copy)]
enum Tree {
    Staged,
    Ready,
    Part,
}

impl Tree {
    const ALL: [Self; 3] = [Self::Staged, Self::Ready, Self::Part];

    const fn name(self) -> &'static str {
        match self {
            Self::Staged => "staged",
            Self::Ready => "ready",
            Self::Part => "part",
        }
    }
}

impl FolderObjects {
    /// Opens the folder at `root`, creating what is not there.
    ///
    /// # Errors
    /// `storage_unavailable`, `storage_full`.
    pub fn open(root: &Path) -> Result<Self> {
        let objects = Self { root: root.to_owned() };
        for tree in Tree::ALL {
            let folder = objects.tree(tree);
            disk::make_folder(&folder).map_err(|cause| failure::disk("created", &folder, cause))?;
        }
        Ok(objects)
    }

    fn tree(&self, tree: Tree) -> PathBuf {
        self.root.join(tree.name())
    }

    /// Where `key` lies in a tree. A key that came from elsewhere may try to leave it.
    fn path(&self, tree: Tree, key: &ObjectKey) -> Result<PathBuf> {
        match ObjectKey::parse(key.as_str()) {
            Some(_) => Ok(self.tree(tree).join(key.as_str())),
            None => Err(Error::new(ErrorKind::Internal, format!("{key:?} is no key of an object"))),
        }
    }

    /// Where an earlier attempt left its bytes: it may have got as far as to finish, and died before it could
    /// publish.
    fn earlier(&self, key: &ObjectKey) -> Result<PathBuf> {
        let staged = self.path(Tree::Staged, key)?;
        if disk::size(&staged)?.is_some() { Ok(staged) } else { self.path(Tree::Ready, key) }
    }

    fn upload(&self, key: &ObjectKey, growing: Growing) -> Result<Box<dyn Upload>> {
        let ready = self.path(Tree::Ready, key)?;
        Ok(Box::new(FolderUpload { growing, ready, staged_root: self.tree(Tree::Staged) }))
    }
}

#[async_trait]
impl Objects for FolderObjects {
    async fn begin(&self, key: &ObjectKey) -> Result<Box<dyn Upload>> {
        let staged = self.path(Tree::Staged, key)?;
        let growing = blocking(move || Growing::begin(staged)).await?;
        self.upload(key, growing)
    }

    async fn resume(&self, key: &ObjectKey, earlier: &ObjectKey, uploaded: &Uploaded) -> Result<Box<dyn Upload>> {
        let staged = self.path(Tree::Staged, key)?;
        let (store, earlier, bytes) = (self.clone(), earlier.clone(), uploaded.bytes);
        let growing = blocking(move || Growing::resume(staged, &store.earlier(&earlier)?, bytes)).await?;
        self.upload(key, growing)
    }

    async fn put(&self, key: &ObjectKey, bytes: Bytes) -> Result<()> {
        let (ready, part, root) = (self.path(Tree::Ready, key)?, self.path(Tree::Part, key)?, self.tree(Tree::Part));
        blocking(move || {
            let done = disk::replace(&ready, &part, &bytes).map_err(|cause| failure::disk("written", &ready, cause));
            prune(&part, &root);
            done
        })
        .await
    }

    async fn read(&self, key: &ObjectKey, range: Range<u64>) -> Result<BoxStream<'static, Result<Bytes>>> {
        disk::read(self.path(Tree::Ready, key)?, range).await
    }

    async fn size(&self, key: &ObjectKey) -> Result<Option<u64>> {
        let ready = self.path(Tree::Ready, key)?;
        blocking(move || disk::size(&ready)).await
    }

    async fn delete(&self, key: &ObjectKey) -> Result<()> {
        let mut paths = Vec::with_capacity(Tree::ALL.len());
        for tree in Tree::ALL {
            paths.push((self.path(tree, key)?, self.tree(tree)));
        }
        blocking(move || paths.iter().try_for_each(|(path, root)| delete_with_company(path, root))).await
    }

    async fn staged(&self) -> Result<Vec<ObjectKey>> {
        let root = self.tree(Tree::Staged);
        blocking(move || {
            let mut keys = Vec::new();
            collect(&root, &root, &mut keys).map_err(|cause| failure::disk("listed", &root, cause))?;
            keys.sort();
            Ok(keys)
        })
        .await
    }

    async fn ping(&self) -> Result<()> {
        let folder = self.tree(Tree::Part);
        blocking(move || {
            // Of this process alone; two pings at once may share it.
            let probe = folder.join(format!(".ping-{}", std::process::id()));
            let written = std::fs::write(&probe, b"ping");
            written
                .and_then(|()| absent_is_fine(std::fs::remove_file(&probe)))
                .map_err(|cause| failure::disk("written", &probe, cause))
        })
        .await
    }

    async fn free(&self) -> Result<Option<u64>> {
        let folder = self.tree(Tree::Part);
        blocking(move || {
            let space =
                rustix::fs::statvfs(&folder).map_err(|cause| failure::disk("looked at", &folder, cause.into()))?;
            Ok(Some(space.f_bavail.saturating_mul(space.f_frsize)))
        })
        .await
    }
}

/// Deletes the file and those beside it, and the folders that are empty then.
fn delete_with_company(path: &Path, root: &Path) -> Result<()> {
    let (Some(folder), Some(name)) = (path.parent(), path.file_name().and_then(|name| name.to_str())) else {
        return Ok(());
    };
    let delete = || -> io::Result<()> {
        let company = format!("{name}.");
        for entry in std::fs::read_dir(folder)? {
            let entry = entry?;
            let found = entry.file_name();
            let belongs = found.to_str().is_some_and(|found| found == name || found.starts_with(&company));
            if belongs && !entry.file_type()?.is_dir() {
                absent_is_fine(std::fs::remove_file(entry.path()))?;
            }
        }
        Ok(())
    };
    absent_is_fine(delete()).map_err(|cause| failure::disk("deleted", path, cause))?;
    prune(path, root);
    Ok(())
}

/// Removes the folders above `path`, up to `root`, as far as they are empty.
fn prune(path: &Path, root: &Path) {
    let mut folder = path.parent();
    while let Some(empty) = folder.filter(|folder| *folder != root && folder.starts_with(root)) {
        // Not empty, or somebody was faster: both are fine.
        if std::fs::remove_dir(empty).is_err() {
            return;
        }
        folder = empty.parent();
    }
}

fn collect(root: &Path, folder: &Path, keys: &mut Vec<ObjectKey>) -> io::Result<()> {
    let entries = match std::fs::read_dir(folder) {
        // Pruned since it was listed.
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        let path = entry.path();
        if entry.file_type()?.is_dir() {
            collect(root, &path, keys)?;
        } else if let Some(key) = path.strip_prefix(root).ok().and_then(Path::to_str).and_then(ObjectKey::parse) {
            keys.push(key);
        }
    }
    Ok(())
}

#[derive(Debug)]
struct FolderUpload {
    growing: Growing,
    ready: PathBuf,
    staged_root: PathBuf,
}

#[async_trait]
impl Upload for FolderUpload {
    async fn put_part(&mut self, part: Bytes) -> Result<Uploaded> {
        self.growing.put(part).await
    }

    async fn finish(self: Box<Self>) -> Result<()> {
        blocking(move || {
            let Self { growing, ready, staged_root } = *self;
            let staged = growing.seal()?;
            disk::publish(&staged, &ready)?;
            prune(&staged, &staged_root);
            Ok(())
        })
        .await
    }

    async fn abort(self: Box<Self>) -> Result<()> {
        blocking(move || {
            let staged = self.growing.remove()?;
            prune(&staged, &self.staged_root);
            Ok(())
        })
        .await
    }
}
