//! A bucket that is somebody else's: files are put there, and nothing of theirs is read or replaced.
//!
//! Responsible for the requests, made by way of [`Outbound`], so that they go to no address inside. What a store answers
//! is told by its kind alone: its words could be those of anything that listens at the endpoint. An upload in parts goes on
//! where an earlier try was cut off, as far as whoever asks has kept what that one noted ([`UploadNotes`]).

mod parts;
#[cfg(test)]
mod tests;
mod why;

use std::time::Duration;

use bytes::Bytes;
use futures::TryStreamExt as _;
use futures::stream::BoxStream;
use object_store::aws::AmazonS3;
use object_store::client::{HttpClient, HttpConnector};
use object_store::multipart::MultipartStore as _;
use object_store::path::Path;
use object_store::{
    Attribute, Attributes, ClientOptions, GetOptions, ObjectStore, ObjectStoreExt, PutMode, PutOptions, PutPayload,
};
use offtake_model::destination::DestinationContent;
use offtake_model::{Error, ErrorKind, Result};
use sha2::{Digest, Sha256};

pub use self::parts::{BegunUpload, UploadNotes};
use self::why::{trouble, why_of};
use super::settings::{S3Credentials, S3Settings};
use crate::outbound::Outbound;

/// The hash of the file an object was made of.
const SHA256: Attribute = Attribute::Metadata(std::borrow::Cow::Borrowed("offtake-sha256"));
/// Bytes of a part, at least; more where a file would have too many parts.
const PART: u64 = 16 << 20;
/// Parts that an upload may have, with room to spare below what stores take.
const MOST_PARTS: u64 = 9_000;
/// How long the store may be silent.
const SILENCE: Duration = Duration::from_secs(60);
/// How long it may take to get through to it.
const CONNECT: Duration = Duration::from_secs(10);

/// A bucket outside, below a prefix.
#[derive(Debug)]
pub struct OutsideBucket {
    store: AmazonS3,
    /// Where it is: what was begun elsewhere cannot go on here.
    place: String,
    /// The same for people.
    described: String,
    prefix: String,
    /// Bytes of a part, at least.
    part: u64,
}

/// A file on its way out.
#[derive(Debug, Clone, Copy)]
pub struct OutsideFile<'a> {
    /// Its size.
    pub bytes: u64,
    /// Its hash, lower-case hex.
    pub sha256: &'a str,
    /// Its media type.
    pub media_type: &'a str,
}

/// What an upload came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arrived {
    /// It is there now.
    Now,
    /// It was there already, as it should be: somebody did this before.
    Before,
}

/// How the library gets through to the store.
#[derive(Debug)]
struct Guarded(Outbound);

impl HttpConnector for Guarded {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        let client = self.0.client_builder().connect_timeout(CONNECT).read_timeout(SILENCE).build();
        let client = client.map_err(|error| object_store::Error::Generic { store: "S3", source: Box::new(error) })?;
        Ok(HttpClient::new(client))
    }
}

impl OutsideBucket {
    /// The bucket that is described so. Nothing is asked of it yet; each request is tried again for `retry_for`.
    ///
    /// # Errors
    /// `invalid_request`, with a pointer to what cannot be right.
    pub fn new(content: &DestinationContent, secret: &str, outbound: &Outbound, retry_for: Duration) -> Result<Self> {
        if let Some(endpoint) = &content.endpoint {
            outbound.judge(endpoint).map_err(|wrong| Error::invalid_at("/endpoint", wrong))?;
        }
        let settings = S3Settings {
            bucket: content.bucket.clone(),
            prefix: content.prefix.clone(),
            region: content.region.clone(),
            endpoint: content.endpoint.clone(),
            public_endpoint: None,
            path_style: content.path_style,
            // Whether http will do is the connector's to say.
            allow_http: true,
            credentials: S3Credentials::Key {
                id: content.access_key.clone(),
                secret: secret.to_owned(),
                session_token: None,
            },
            part_bytes: 0,
            conditional_writes: true,
            timeout: SILENCE,
            retry_for,
        };
        let store = settings.client_by(Guarded(outbound.clone()))?;
        let prefix = content.prefix.trim_matches('/');
        let prefix = if prefix.is_empty() { String::new() } else { format!("{prefix}/") };
        let place = format!("{} {} {}", content.endpoint.as_deref().unwrap_or("aws"), content.region, content.bucket);
        let described = format!("in the bucket {} below \"{prefix}\"", content.bucket);
        Ok(Self { store, place, described, prefix, part: PART })
    }

    /// The same with small parts, for tests.
    #[cfg(test)]
    fn in_parts_of(self, part: u64) -> Self {
        Self { part, ..self }
    }

    /// Does once all that a delivery does: puts an object, reads it, begins an upload in parts and throws it away; and
    /// deletes what it put. `name` is nobody else's.
    ///
    /// # Errors
    /// `invalid_request`: what failed, where, and what to change or to grant.
    pub async fn probe(&self, name: &str) -> Result<()> {
        let path = self.path(&format!(".offtake-probe-{name}"))?;
        let step = |what: &'static str, grant: &'static str| {
            move |error: object_store::Error| {
                tracing::info!(%error, what, "a destination does not take what it must");
                let (why, at) = (why_of(&error), &self.described);
                let detail = format!("{what} {at} failed: {}{}", why.says, why.advice(grant));
                Error::invalid_at(why.pointer, detail).caused_by(error)
            }
        };
        let options = PutOptions { mode: PutMode::Overwrite, ..PutOptions::default() };
        let put = self.store.put_opts(&path, PutPayload::from_static(b"offtake"), options).await;
        put.map_err(step("putting a small object", "grant s3:PutObject below the prefix"))?;
        let read = async { self.store.get(&path).await?.bytes().await };
        let read = read.await.map_err(step("reading it back", "grant s3:GetObject below the prefix"))?;
        if read.as_ref() != b"offtake" {
            return Err(Error::invalid_at("", "what was read back is not what was put there; this is no object store"));
        }
        let parts = step("an upload in parts", "grant s3:PutObject and s3:AbortMultipartUpload below the prefix");
        let upload = self.store.create_multipart(&path).await.map_err(parts)?;
        let parts = step("ending an upload in parts", "grant s3:AbortMultipartUpload below the prefix");
        self.store.abort_multipart(&path, &upload).await.map_err(parts)?;
        let deleting = step("deleting the small object", "grant s3:DeleteObject for .offtake-probe-* below the prefix");
        self.store.delete(&path).await.map_err(deleting)
    }

    /// Puts a file under `key`, once: nothing that is there is replaced. A large one goes in parts, which are noted in `notes`, and
    /// goes on with those of `before` where that is an upload of this file.
    ///
    /// # Errors
    /// `conflict` if something else lies there; `storage_denied` if the store refuses; `storage_unavailable`; whatever
    /// `bytes` says; `internal` if they are not the file.
    pub async fn put_file(
        &self,
        key: &str,
        file: OutsideFile<'_>,
        bytes: BoxStream<'static, Result<Bytes>>,
        before: Option<BegunUpload>,
        notes: &mut dyn UploadNotes,
    ) -> Result<Arrived> {
        let path = self.path(key)?;
        if self.holds(&path, file).await? {
            return Ok(Arrived::Before);
        }
        let part = self.part.max(file.bytes.div_ceil(MOST_PARTS));
        if file.bytes <= part {
            let whole: Vec<Bytes> = bytes.try_collect().await?;
            same_file(file, whole.iter())?;
            match self.create(&path, PutPayload::from_iter(whole), attributes(file)).await {
                // What lies there may be this very file: the answer to the first request was lost, and it was made again.
                Err(error) if error.kind() == ErrorKind::Conflict => {}
                put => put?,
            }
        } else {
            let upload = self.begun(&path, file, part, before, notes).await?;
            self.put_parts(&path, file, bytes, upload, notes).await?;
        }
        if self.holds(&path, file).await? {
            return Ok(Arrived::Now);
        }
        Err(Error::new(ErrorKind::StorageUnavailable, "the store took the file and does not have it").openly())
    }

    /// Puts what lies beside a file. What is there already stays.
    ///
    /// # Errors
    /// As [`put_file`](Self::put_file).
    pub async fn put_beside(&self, key: &str, bytes: Bytes) -> Result<()> {
        let path = self.path(key)?;
        let json = Attributes::from_iter([(Attribute::ContentType, "application/json")]);
        match self.create(&path, PutPayload::from(bytes), json).await {
            Err(error) if error.kind() == ErrorKind::Conflict => Ok(()),
            put => put,
        }
    }

    fn path(&self, key: &str) -> Result<Path> {
        let text = format!("{}{key}", self.prefix);
        Path::parse(&text)
            .map_err(|error| Error::new(ErrorKind::InvalidRequest, "no such key is possible").caused_by(error))
    }

    /// Whether this very file lies there.
    async fn holds(&self, path: &Path, file: OutsideFile<'_>) -> Result<bool> {
        match self.store.get_opts(path, GetOptions { head: true, ..GetOptions::default() }).await {
            Ok(found) => {
                let sha256 = found.attributes.get(&SHA256).map(|hash| hash.to_string());
                if found.meta.size == file.bytes && sha256.as_deref() == Some(file.sha256) {
                    return Ok(true);
                }
                Err(Error::new(ErrorKind::Conflict, "something else lies under the key of the file; it stays"))
            }
            Err(object_store::Error::NotFound { .. }) => Ok(false),
            Err(error) => Err(trouble(error)),
        }
    }

    /// Writes what is not there, in one request.
    async fn create(&self, path: &Path, payload: PutPayload, attributes: Attributes) -> Result<()> {
        let options = PutOptions { mode: PutMode::Create, attributes: attributes.clone(), ..PutOptions::default() };
        match self.store.put_opts(path, payload.clone(), options).await {
            Ok(_) => Ok(()),
            // The store knows no conditions. Whether something is there was looked at a moment ago.
            Err(object_store::Error::NotImplemented { .. } | object_store::Error::NotSupported { .. }) => {
                let options = PutOptions { attributes, ..PutOptions::default() };
                self.store.put_opts(path, payload, options).await.map(drop).map_err(trouble)
            }
            Err(error) => Err(trouble(error)),
        }
    }
}

fn attributes(file: OutsideFile<'_>) -> Attributes {
    Attributes::from_iter([(Attribute::ContentType, file.media_type.to_owned()), (SHA256, file.sha256.to_owned())])
}

fn same_file<'b>(file: OutsideFile<'_>, pieces: impl Iterator<Item = &'b Bytes>) -> Result<()> {
    let (mut hash, mut size) = (Sha256::new(), 0);
    for piece in pieces {
        hash.update(piece);
        size += piece.len() as u64;
    }
    if size == file.bytes && hex::encode(hash.finalize()) == file.sha256 { Ok(()) } else { Err(not_the_file()) }
}

fn not_the_file() -> Error {
    Error::new(ErrorKind::Internal, "the stored file is not what it was when it was published")
}
