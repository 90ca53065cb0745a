//! Objects in a bucket of any store that speaks S3.
//!
//! An object is its key below the prefix. What grows is a multipart upload of that very key, so nothing is visible
//! before it is whole; what is small is one request. Responsible for talking to the store and for trying again;
//! not for which objects there should be. `upload` writes, `signed` has the requests the library lacks, `admin`
//! what an operator asks.

mod admin;
mod fault;
mod lifecycle;
mod outside;
mod settings;
mod signed;
mod sizes;
#[cfg(test)]
mod tests;
mod upload;

use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::{self, BoxStream};
use futures::{StreamExt, TryStreamExt};
use http::Method;
use object_store::aws::AmazonS3;
use object_store::list::{PaginatedListOptions, PaginatedListStore};
use object_store::multipart::MultipartStore;
use object_store::path::Path;
use object_store::signer::{SignedUrlOptions, Signer};
use object_store::{Attribute, Attributes, GetOptions, GetRange, ObjectStore, ObjectStoreExt, PutPayload};
use offtake_model::checkpoint::Uploaded;
use offtake_model::{Error, ErrorKind, Result};

use super::{LinkRequest, ObjectKey, Objects, Upload};
use fault::{fault, fault_in};
use signed::Signed;
use upload::S3Upload;

pub use admin::{Probe, ProbeOutcome};
pub use lifecycle::LifecycleRules;
pub use outside::{Arrived, BegunUpload, OutsideBucket, OutsideFile, UploadNotes};
pub use settings::{S3Credentials, S3Settings};

/// The most bytes of a piece that is read.
const PIECE: usize = 256 * 1024;
/// The name under which an object remembers the upload it came from.
const MARK: Attribute = Attribute::Metadata(std::borrow::Cow::Borrowed("offtake-upload"));

/// Objects in a bucket, below a prefix that is this installation's own.
#[derive(Debug, Clone)]
pub struct S3Objects {
    bucket: Arc<Bucket>,
}

/// The bucket, and every way to talk to it.
#[derive(Debug)]
struct Bucket {
    store: AmazonS3,
    /// Signs for those outside.
    signer: AmazonS3,
    signed: Signed,
    settings: S3Settings,
    /// Parts of an upload after which it is made one object.
    roll_after: usize,
}

/// What is known of a finished object.
struct Seen {
    size: u64,
    /// The upload it came from.
    mark: Option<String>,
}

impl S3Objects {
    /// Objects in the bucket these settings name. Nothing is asked of the store yet.
    ///
    /// # Errors
    /// `invalid_request` for settings that cannot be right.
    pub fn new(settings: S3Settings) -> Result<Self> {
        Self::rolling(settings, sizes::ROLL_AFTER)
    }

    fn rolling(settings: S3Settings, roll_after: usize) -> Result<Self> {
        let store = settings.client()?;
        let signer = settings.signer(store.credentials())?;
        let signed = Signed::new(store.clone(), &settings)?;
        Ok(Self { bucket: Arc::new(Bucket { store, signer, signed, settings, roll_after }) })
    }
}

impl Bucket {
    /// Where `key` lies. A key that came from elsewhere may try to leave the prefix.
    fn path(&self, key: &ObjectKey) -> Result<Path> {
        let internal = || Error::new(ErrorKind::Internal, format!("{key:?} is no key of an object"));
        ObjectKey::parse(key.as_str()).ok_or_else(internal)?;
        let text = format!("{}{key}", self.below());
        Path::parse(text).map_err(|error| internal().caused_by(error))
    }

    /// What every key begins with.
    fn below(&self) -> String {
        let prefix = self.settings.prefix.trim_matches('/');
        if prefix.is_empty() { String::new() } else { format!("{prefix}/") }
    }

    async fn look(&self, path: &Path) -> Result<Option<Seen>> {
        match self.store.get_opts(path, GetOptions { head: true, ..GetOptions::default() }).await {
            Ok(found) => {
                let mark = found.attributes.get(&MARK).map(|mark| mark.to_string());
                Ok(Some(Seen { size: found.meta.size, mark }))
            }
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(fault("looked at", path, error)),
        }
    }

    /// The objects whose key begins with this text.
    async fn list(&self, prefix: &str) -> Result<Vec<Path>> {
        let mut found = Vec::new();
        let mut page_token = None;
        loop {
            let options = PaginatedListOptions { page_token, ..PaginatedListOptions::default() };
            let page = self.store.list_paginated(Some(prefix), options).await;
            let bucket = &self.settings.bucket;
            let page = page.map_err(|error| fault_in(bucket, "listed", bucket, error))?;
            found.extend(page.result.objects.into_iter().map(|object| object.location));
            page_token = page.page_token;
            if page_token.is_none() {
                return Ok(found);
            }
        }
    }

    /// Ends an upload without an object. Not an error if there is none.
    async fn abort(&self, path: &Path, upload: &str) -> Result<()> {
        match self.store.abort_multipart(path, &upload.to_owned()).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(fault("aborted", path, error)),
        }
    }
}

#[async_trait]
impl Objects for S3Objects {
    async fn begin(&self, key: &ObjectKey) -> Result<Box<dyn Upload>> {
        Ok(Box::new(S3Upload::new(Arc::clone(&self.bucket), self.bucket.path(key)?)))
    }

    async fn resume(&self, key: &ObjectKey, earlier: &ObjectKey, uploaded: &Uploaded) -> Result<Box<dyn Upload>> {
        let (path, earlier) = (self.bucket.path(key)?, self.bucket.path(earlier)?);
        let mut upload = S3Upload::new(Arc::clone(&self.bucket), path);
        upload.take_over(&earlier, uploaded).await?;
        Ok(Box::new(upload))
    }

    async fn put(&self, key: &ObjectKey, bytes: Bytes) -> Result<()> {
        let path = self.bucket.path(key)?;
        let put = self.bucket.store.put(&path, PutPayload::from(bytes)).await;
        put.map(drop).map_err(|error| fault_in(&self.bucket.settings.bucket, "written", key, error))
    }

    async fn read(&self, key: &ObjectKey, range: Range<u64>) -> Result<BoxStream<'static, Result<Bytes>>> {
        let path = self.bucket.path(key)?;
        let cut = |size: u64| {
            let detail = format!("{path} has {size} bytes, but {} are asked for; it was cut from outside", range.end);
            Error::new(ErrorKind::StorageUnavailable, detail)
        };
        if range.is_empty() {
            let seen = self.bucket.look(&path).await?;
            let seen = seen.ok_or_else(|| Error::new(ErrorKind::Gone, format!("{path} is not there")))?;
            return if seen.size < range.end { Err(cut(seen.size)) } else { Ok(stream::empty().boxed()) };
        }
        let options = GetOptions { range: Some(GetRange::Bounded(range.clone())), ..GetOptions::default() };
        let found = self.bucket.store.get_opts(&path, options).await.map_err(|error| fault("read", &path, error))?;
        if found.meta.size < range.end || found.range != range {
            return Err(cut(found.meta.size));
        }
        let expected = range.end - range.start;
        let bytes = found.into_stream().map_err(move |error| fault("read", &path, error));
        let pieces = bytes.map_ok(|bytes| stream::iter(pieces(bytes).into_iter().map(Ok))).try_flatten();
        Ok(whole(pieces.boxed(), expected))
    }

    async fn size(&self, key: &ObjectKey) -> Result<Option<u64>> {
        let path = self.bucket.path(key)?;
        Ok(self.bucket.look(&path).await?.map(|seen| seen.size))
    }

    async fn delete(&self, key: &ObjectKey) -> Result<()> {
        let path = self.bucket.path(key)?;
        let company = format!("{path}.");
        // Uploads first: one that ends in between leaves an object, which is found then.
        for upload in self.bucket.signed.uploads(path.as_ref()).await? {
            if upload.key == path.as_ref() {
                self.bucket.abort(&path, &upload.upload_id).await?;
            }
        }
        for found in self.bucket.list(path.as_ref()).await? {
            if found == path || found.as_ref().starts_with(&company) {
                self.bucket.signed.delete(&found).await?;
            }
        }
        Ok(())
    }

    async fn staged(&self) -> Result<Vec<ObjectKey>> {
        let below = self.bucket.below();
        let uploads = self.bucket.signed.uploads(&below).await?;
        let key = |upload: &signed::OpenUpload| upload.key.strip_prefix(&below).and_then(ObjectKey::parse);
        let mut keys: Vec<ObjectKey> = uploads.iter().filter_map(key).collect();
        keys.sort();
        keys.dedup();
        Ok(keys)
    }

    async fn ping(&self) -> Result<()> {
        // No key begins with a dot.
        let path = Path::parse(format!("{}.ping", self.bucket.below()))
            .map_err(|error| Error::new(ErrorKind::Internal, "the prefix is no path").caused_by(error))?;
        let put = self.bucket.store.put(&path, PutPayload::from_static(b"ping")).await;
        put.map_err(|error| fault_in(&self.bucket.settings.bucket, "written", &path, error))?;
        self.bucket.signed.delete(&path).await
    }

    async fn link(&self, key: &ObjectKey, link: &LinkRequest) -> Result<Option<String>> {
        let path = self.bucket.path(key)?;
        let options = SignedUrlOptions::new().with_query([
            ("response-content-disposition", link.disposition.as_str()),
            ("response-content-type", link.media_type.as_str()),
            ("response-cache-control", "private, no-store"),
        ]);
        let method = if link.head { Method::HEAD } else { Method::GET };
        let signed = self.bucket.signer.signed_url_opts(method, &path, link.ttl, &options).await;
        signed.map(|url| Some(url.into())).map_err(|error| fault("linked to", key, error))
    }

    fn held_back(&self) -> u64 {
        sizes::most(self.bucket.settings.part_bytes as u64)
    }
}

/// Bytes cut to the size that readers are promised.
fn pieces(mut bytes: Bytes) -> Vec<Bytes> {
    let mut pieces = Vec::with_capacity(bytes.len().div_ceil(PIECE));
    while bytes.len() > PIECE {
        pieces.push(bytes.split_to(PIECE));
    }
    if !bytes.is_empty() {
        pieces.push(bytes);
    }
    pieces
}

/// The stream, with an error at its end if it ended too early.
fn whole(pieces: BoxStream<'static, Result<Bytes>>, expected: u64) -> BoxStream<'static, Result<Bytes>> {
    stream::try_unfold((pieces, expected), |(mut pieces, left)| async move {
        match pieces.next().await {
            Some(piece) => {
                let piece = piece?;
                let left = left.saturating_sub(piece.len() as u64);
                Ok(Some((piece, (pieces, left))))
            }
            None if left == 0 => Ok(None),
            None => {
                let detail = format!("the store's answer ended {left} bytes too early");
                Err(Error::new(ErrorKind::StorageUnavailable, detail))
            }
        }
    })
    .boxed()
}

fn marked(mark: &str) -> Attributes {
    Attributes::from_iter([(MARK, mark.to_owned())])
}
