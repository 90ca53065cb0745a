//! The objects port: bytes at rest, whole or not at all.
//!
//! An upload ends in [`Upload::finish`] or [`Upload::abort`]; dropping one leaves a staged object that the
//! sweep removes. Nothing staged can be read under its key.

mod disk;
mod failure;
mod file;
mod folder;
mod key;
mod s3;
#[cfg(test)]
mod tests;

use std::fmt;
use std::ops::Range;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use offtake_model::Result;
use offtake_model::checkpoint::Uploaded;

pub use file::{Existing, FileObjects};
pub use folder::FolderObjects;
pub use key::ObjectKey;
pub use s3::{
    Arrived, BegunUpload, LifecycleRules, OutsideBucket, OutsideFile, Probe, ProbeOutcome, S3Credentials, S3Objects,
    S3Settings, UploadNotes,
};

/// A link that is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkRequest {
    /// Whether it is for a `HEAD`, which some stores sign for apart.
    pub head: bool,
    /// How long it lives.
    pub ttl: Duration,
    /// The media type of the answer.
    pub media_type: String,
    /// The `Content-Disposition` of the answer.
    pub disposition: String,
}

/// Object storage.
#[async_trait]
pub trait Objects: Send + Sync + fmt::Debug {
    /// Begins an upload to `key`.
    ///
    /// # Errors
    /// `storage_unavailable`, `storage_full`.
    async fn begin(&self, key: &ObjectKey) -> Result<Box<dyn Upload>>;

    /// Continues, as `key`, the upload that an earlier attempt began as `earlier`, with the parts listed in
    /// `uploaded` and only these. The earlier upload itself stays untouched where the store copies.
    ///
    /// # Errors
    /// `gone` if the earlier parts are no longer there (the caller starts anew); else as [`Objects::begin`].
    async fn resume(&self, key: &ObjectKey, earlier: &ObjectKey, uploaded: &Uploaded) -> Result<Box<dyn Upload>>;

    /// Stores a small object in one go, replacing what is there.
    ///
    /// # Errors
    /// As [`Objects::begin`].
    async fn put(&self, key: &ObjectKey, bytes: Bytes) -> Result<()>;

    /// Bytes `range` of a finished object, in pieces of at most 256 KiB.
    ///
    /// # Errors
    /// `gone` if it is not there; `storage_unavailable`.
    async fn read(&self, key: &ObjectKey, range: Range<u64>) -> Result<BoxStream<'static, Result<Bytes>>>;

    /// The size of a finished object, `None` if there is none.
    ///
    /// # Errors
    /// `storage_unavailable`.
    async fn size(&self, key: &ObjectKey) -> Result<Option<u64>>;

    /// Deletes the object at `key`, finished or staged, and what lies beside it (`beside`). Not an error if
    /// there is none.
    ///
    /// # Errors
    /// `storage_unavailable`.
    async fn delete(&self, key: &ObjectKey) -> Result<()>;

    /// The keys of staged uploads, for the sweep of those no row knows.
    ///
    /// # Errors
    /// `storage_unavailable`.
    async fn staged(&self) -> Result<Vec<ObjectKey>>;

    /// Whether storage takes writes.
    ///
    /// # Errors
    /// As [`Objects::begin`].
    async fn ping(&self) -> Result<()>;

    /// Bytes that still fit; `None` where nobody can say.
    ///
    /// # Errors
    /// `storage_unavailable`.
    async fn free(&self) -> Result<Option<u64>> {
        Ok(None)
    }

    /// A fresh link to a finished object that needs nothing but itself; `None` where the store gives none, and
    /// bytes are to be had by [`Objects::read`] alone. It is a right: never stored, never logged.
    ///
    /// # Errors
    /// `storage_unavailable`.
    async fn link(&self, _key: &ObjectKey, _link: &LinkRequest) -> Result<Option<String>> {
        Ok(None)
    }

    /// The most bytes that an upload holds in memory until they are enough for the store to take.
    fn held_back(&self) -> u64 {
        0
    }
}

/// One upload, in parts and in order.
#[async_trait]
pub trait Upload: Send + fmt::Debug {
    /// Stores a part. When it returns, as many bytes are durable as the answer says: all of them, or fewer where
    /// the store takes only larger parts and holds some back ([`Objects::held_back`]).
    ///
    /// # Errors
    /// `storage_full`, `storage_unavailable`. The first failure is final: every later call fails too.
    async fn put_part(&mut self, part: Bytes) -> Result<Uploaded>;

    /// Makes the object visible, whole, under its key. Replaces nothing.
    ///
    /// # Errors
    /// As [`Upload::put_part`]; `conflict` if the key is taken.
    async fn finish(self: Box<Self>) -> Result<()>;

    /// Throws the upload away.
    ///
    /// # Errors
    /// `storage_unavailable`; the sweep tries again.
    async fn abort(self: Box<Self>) -> Result<()>;
}
