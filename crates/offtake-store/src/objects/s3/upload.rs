//! One upload to a bucket: pieces are gathered to parts, parts are sent, and the end makes them one object.
//!
//! A multipart upload belongs to its key and to whoever knows its id. A later attempt has a key of its own, so it
//! takes the earlier upload over by ending it with exactly the parts the checkpoint lists, which also takes it away
//! from a worker that lost its lease, and begins its own with a copy of that, made inside of the store.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};
use object_store::multipart::MultipartStore;
use object_store::path::Path;
use object_store::{ObjectStore, PutMode, PutMultipartOptions, PutOptions, PutPayload};
use offtake_model::checkpoint::Uploaded;
use offtake_model::{Error, ErrorKind, Result};

use super::fault::{fault, fault_in, lost};
use super::signed::{Completed, StoredPart};
use super::{Bucket, Seen, marked, sizes};
use crate::objects::Upload;

/// Copies under way at once.
const COPIES: usize = 4;

/// An upload. The first failure is final.
#[derive(Debug)]
pub(super) struct S3Upload {
    bucket: Arc<Bucket>,
    path: Path,
    /// What the object will be known by as ours.
    mark: String,
    id: Option<String>,
    etags: Vec<String>,
    /// Bytes in the parts that were sent.
    durable: u64,
    pending: Vec<Bytes>,
    pending_bytes: u64,
    /// Whether the beginning lies under the key as an object already.
    rolled: bool,
    failed: Option<(ErrorKind, String)>,
}

impl S3Upload {
    /// Nothing is asked of the store before there is enough for a part.
    pub(super) fn new(bucket: Arc<Bucket>, path: Path) -> Self {
        let mark = hex::encode(rand::random::<[u8; 12]>());
        Self {
            bucket,
            path,
            mark,
            id: None,
            etags: Vec::new(),
            durable: 0,
            pending: Vec::new(),
            pending_bytes: 0,
            rolled: false,
            failed: None,
        }
    }

    /// Begins with the parts `uploaded` lists of the upload to `earlier`, and only these.
    pub(super) async fn take_over(&mut self, earlier: &Path, uploaded: &Uploaded) -> Result<()> {
        let gone = || {
            let detail = format!("the first {} bytes of {earlier} are gone", uploaded.bytes);
            Error::new(ErrorKind::Gone, detail)
        };
        let id = uploaded.upload_id.as_deref().ok_or_else(gone)?;
        if let Some(parts) = self.bucket.signed.parts(earlier, id).await? {
            if !lists(&parts, uploaded) {
                return Err(gone());
            }
            // Whether it ended by this or, a moment ago, by somebody else: what counts is what lies there now.
            self.bucket.signed.complete(earlier, id, &uploaded.etags, false).await?;
        }
        // Ended here, or by the earlier attempt, which came as far as to finish and died before it could publish.
        let seen = self.bucket.look(earlier).await?;
        if seen.is_none_or(|seen| seen.size < uploaded.bytes) {
            return Err(gone());
        }
        self.copy(earlier, uploaded.bytes).await
    }

    /// A new upload that begins with a copy of the first `bytes` bytes of the object at `from`.
    async fn copy(&mut self, from: &Path, bytes: u64) -> Result<()> {
        let id = self.create().await?;
        let copies = sizes::copies(bytes).into_iter().enumerate();
        let copies = stream::iter(copies.map(|(at, range)| {
            let (bucket, path, id) = (&self.bucket, &self.path, &id);
            async move { bucket.signed.copy_part(path, id, at + 1, from, range).await }
        }));
        match copies.buffered(COPIES).try_collect().await {
            Ok(etags) => {
                (self.etags, self.durable, self.id) = (etags, bytes, Some(id));
                Ok(())
            }
            Err(error) => {
                if let Err(error) = self.bucket.abort(&self.path, &id).await {
                    tracing::warn!(%error, "an upload is left to the sweep");
                }
                Err(error)
            }
        }
    }

    async fn create(&self) -> Result<String> {
        let options = PutMultipartOptions { attributes: marked(&self.mark), ..PutMultipartOptions::default() };
        let created = self.bucket.store.create_multipart_opts(&self.path, options).await;
        created.map_err(|error| fault_in(&self.bucket.settings.bucket, "begun", &self.path, error))
    }

    /// Sends what was gathered as the next part.
    async fn send(&mut self) -> Result<()> {
        if self.durable + self.pending_bytes > sizes::LARGEST_OBJECT {
            let detail = format!("{} passes 5 TiB, the most that S3 keeps in one object", self.path);
            return Err(Error::new(ErrorKind::StorageFull, detail));
        }
        if self.etags.len() >= self.bucket.roll_after {
            self.roll().await?;
        }
        let id = match &self.id {
            Some(id) => id.clone(),
            None => self.id.insert(self.create().await?).clone(),
        };
        let payload = PutPayload::from_iter(self.pending.iter().cloned());
        let sent = self.bucket.store.put_part(&self.path, &id, self.etags.len(), payload).await;
        let part = sent.map_err(|error| {
            let is_lost = matches!(error, object_store::Error::NotFound { .. });
            if is_lost { lost(&self.path).caused_by(error) } else { fault("written", &self.path, error) }
        })?;
        self.etags.push(part.content_id);
        self.durable += std::mem::take(&mut self.pending_bytes);
        self.pending.clear();
        Ok(())
    }

    /// Makes one object of the parts so far and begins a new upload with it: parts never run out.
    async fn roll(&mut self) -> Result<()> {
        let Some(id) = self.id.clone() else { return Ok(()) };
        tracing::info!(parts = self.etags.len(), bytes = self.durable, "the upload begins anew with what it has");
        let completed = self.bucket.signed.complete(&self.path, &id, &self.etags, false).await?;
        if completed != Completed::Yes && !self.is_ours(self.bucket.look(&self.path).await?) {
            return Err(lost(&self.path));
        }
        self.rolled = true;
        let path = self.path.clone();
        self.copy(&path, self.durable).await
    }

    /// Ends what else was begun under the key: where the answer to the beginning got lost, the library asked again, and
    /// the sweep leaves alone whatever has the key of a file that is ready.
    async fn end_others(&self, id: &str) {
        let ended = async {
            for upload in self.bucket.signed.uploads(self.path.as_ref()).await? {
                if upload.key == self.path.as_ref() && upload.upload_id != id {
                    self.bucket.abort(&self.path, &upload.upload_id).await?;
                }
            }
            Ok::<_, Error>(())
        };
        if let Err(error) = ended.await {
            tracing::warn!(%error, key = %self.path, "an upload that was begun twice may be left to the bucket's rules");
        }
    }

    /// Whether what lies under the key is what this upload has sent.
    fn is_ours(&self, seen: Option<Seen>) -> bool {
        seen.is_some_and(|seen| seen.mark.as_deref() == Some(&self.mark) && seen.size == self.durable)
    }

    fn taken(&self) -> Error {
        Error::new(ErrorKind::Conflict, format!("{} is there already", self.path))
    }

    /// Everything at once: the object is small.
    async fn put_whole(mut self) -> Result<()> {
        let payload = PutPayload::from_iter(std::mem::take(&mut self.pending));
        self.durable = self.pending_bytes;
        let create = self.bucket.settings.conditional_writes;
        if !create && self.bucket.look(&self.path).await?.is_some() {
            return Err(self.taken());
        }
        let mode = if create { PutMode::Create } else { PutMode::Overwrite };
        let options = PutOptions { mode, attributes: marked(&self.mark), ..PutOptions::default() };
        match self.bucket.store.put_opts(&self.path, payload, options).await {
            Ok(_) => Ok(()),
            // A request that was tried again after its answer got lost meets its own object.
            Err(object_store::Error::AlreadyExists { .. } | object_store::Error::Precondition { .. }) => {
                if self.is_ours(self.bucket.look(&self.path).await?) { Ok(()) } else { Err(self.taken()) }
            }
            Err(error) => Err(fault_in(&self.bucket.settings.bucket, "written", &self.path, error)),
        }
    }

    async fn complete(mut self, id: String) -> Result<()> {
        if self.pending_bytes > 0 {
            self.send().await?;
        }
        let id = self.id.clone().unwrap_or(id);
        // Asked beside the condition, because not every store knows that.
        if !self.rolled
            && self.bucket.look(&self.path).await?.is_some_and(|seen| seen.mark.as_ref() != Some(&self.mark))
        {
            self.bucket.abort(&self.path, &id).await?;
            return Err(self.taken());
        }
        let completed = self.bucket.signed.complete(&self.path, &id, &self.etags, !self.rolled).await?;
        let seen = self.bucket.look(&self.path).await?;
        match (completed, seen.is_some()) {
            _ if self.is_ours(seen) => {
                self.end_others(&id).await;
                Ok(())
            }
            (Completed::Taken, true) => {
                self.bucket.abort(&self.path, &id).await?;
                Err(self.taken())
            }
            (Completed::Yes, true) => {
                let detail = format!("{} is not what was sent there, though the store says so", self.path);
                Err(Error::new(ErrorKind::StorageUnavailable, detail))
            }
            _ => Err(lost(&self.path)),
        }
    }
}

#[async_trait]
impl Upload for S3Upload {
    async fn put_part(&mut self, part: Bytes) -> Result<Uploaded> {
        self.check()?;
        self.pending_bytes += part.len() as u64;
        self.pending.push(part);
        let wanted = sizes::part_bytes(self.bucket.settings.part_bytes as u64, self.etags.len() + 1);
        if self.pending_bytes >= wanted {
            // Until the store has answered the upload counts as broken: whoever stops waiting here does not know
            // what it has.
            self.failed = Some((ErrorKind::StorageUnavailable, "a part was given up half-way".to_owned()));
            if let Err(error) = self.send().await {
                self.failed = Some((error.kind(), error.detail().to_owned()));
                return Err(error);
            }
            self.failed = None;
        }
        Ok(Uploaded { upload_id: self.id.clone(), bytes: self.durable, etags: self.etags.clone() })
    }

    async fn finish(self: Box<Self>) -> Result<()> {
        self.check()?;
        match self.id.clone() {
            None => self.put_whole().await,
            Some(id) => self.complete(id).await,
        }
    }

    async fn abort(self: Box<Self>) -> Result<()> {
        if let Some(id) = &self.id {
            self.bucket.abort(&self.path, id).await?;
        }
        if self.rolled { self.bucket.signed.delete(&self.path).await } else { Ok(()) }
    }
}

impl S3Upload {
    /// Whether nothing failed so far.
    fn check(&self) -> Result<()> {
        match &self.failed {
            None => Ok(()),
            Some((kind, detail)) => Err(Error::new(*kind, format!("the upload failed before: {detail}"))),
        }
    }
}

/// Whether an upload that has these parts has those that are listed, and they are as long as they should be.
fn lists(parts: &[StoredPart], uploaded: &Uploaded) -> bool {
    let mut bytes = 0;
    for (at, etag) in uploaded.etags.iter().enumerate() {
        let same = |part: &&StoredPart| part.part_number == at + 1 && bare(&part.etag) == bare(etag);
        match parts.iter().find(same) {
            Some(part) => bytes += part.size,
            None => return false,
        }
    }
    !uploaded.etags.is_empty() && bytes == uploaded.bytes
}

/// Some stores quote a tag in one place and not in another.
fn bare(etag: &str) -> &str {
    etag.trim_matches('"')
}
