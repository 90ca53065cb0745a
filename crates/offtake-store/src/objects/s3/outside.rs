//! A bucket that is somebody else's: files are put there, and nothing of theirs is read or replaced.
//!
//! Responsible for the requests, made by way of [`Outbound`], so that they go to no address inside. What a store answers
//! is told by its kind alone: its words could be those of anything that listens at the endpoint.

use std::time::Duration;

use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use object_store::aws::AmazonS3;
use object_store::client::{HttpClient, HttpConnector};
use object_store::multipart::MultipartStore;
use object_store::path::Path;
use object_store::{
    Attribute, Attributes, ClientOptions, GetOptions, ObjectStore, ObjectStoreExt, PutMode, PutMultipartOptions,
    PutOptions, PutPayload,
};
use offtake_model::destination::DestinationContent;
use offtake_model::{Error, ErrorKind, Result};
use sha2::{Digest, Sha256};

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
        Ok(Self { store, prefix, part: PART })
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
    /// `invalid_request`: what failed, and what to grant.
    pub async fn probe(&self, name: &str) -> Result<()> {
        let path = self.path(&format!(".offtake-probe-{name}"))?;
        let step = |what: &'static str, grant: &'static str| {
            move |error: object_store::Error| {
                tracing::info!(%error, what, "a destination does not take what it must");
                let detail = format!("{what} failed: {}; {grant}", why(&error));
                Error::invalid_at("", detail).caused_by(error)
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

    /// Puts a file under `key`, once: nothing that is there is replaced.
    ///
    /// # Errors
    /// `conflict` if something else lies there; `storage_denied` if the store refuses; `storage_unavailable`; whatever
    /// `bytes` says; `internal` if they are not the file.
    pub async fn put_file(
        &self,
        key: &str,
        file: OutsideFile<'_>,
        bytes: BoxStream<'static, Result<Bytes>>,
    ) -> Result<Arrived> {
        let path = self.path(key)?;
        if self.holds(&path, file).await? {
            return Ok(Arrived::Before);
        }
        let part = self.part.max(file.bytes.div_ceil(MOST_PARTS));
        if file.bytes <= part {
            let whole: Vec<Bytes> = bytes.try_collect().await?;
            same_file(file, whole.iter())?;
            self.create(&path, PutPayload::from_iter(whole), attributes(file)).await?;
        } else {
            self.put_parts(&path, file, bytes, part).await?;
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

    async fn put_parts(
        &self,
        path: &Path,
        file: OutsideFile<'_>,
        bytes: BoxStream<'static, Result<Bytes>>,
        part: u64,
    ) -> Result<()> {
        let options = PutMultipartOptions { attributes: attributes(file), ..PutMultipartOptions::default() };
        let upload = self.store.create_multipart_opts(path, options).await.map_err(trouble)?;
        let ended = async {
            let parts = self.send_parts(path, &upload, file, bytes, part).await?;
            // Seen once more before it shows: an upload in parts cannot be told to replace nothing.
            self.holds(path, file).await?;
            self.store.complete_multipart(path, &upload, parts).await.map_err(trouble)
        };
        let ended = ended.await;
        if ended.is_err()
            && let Err(error) = self.store.abort_multipart(path, &upload).await
        {
            tracing::warn!(%error, "an upload to a destination was left open");
        }
        ended.map(drop)
    }

    /// Sends the parts one after the other: one of them is in memory.
    async fn send_parts(
        &self,
        path: &Path,
        upload: &String,
        file: OutsideFile<'_>,
        mut bytes: BoxStream<'static, Result<Bytes>>,
        part: u64,
    ) -> Result<Vec<object_store::multipart::PartId>> {
        let (mut parts, mut hash, mut sent) = (Vec::new(), Sha256::new(), 0_u64);
        let (mut pending, mut held): (Vec<Bytes>, u64) = (Vec::new(), 0);
        loop {
            let piece = bytes.next().await.transpose()?;
            if let Some(piece) = &piece {
                hash.update(piece);
                held += piece.len() as u64;
                pending.push(piece.clone());
            }
            if held >= part || (piece.is_none() && held > 0) {
                let payload = PutPayload::from_iter(std::mem::take(&mut pending));
                parts.push(self.store.put_part(path, upload, parts.len(), payload).await.map_err(trouble)?);
                (sent, held) = (sent + held, 0);
            }
            if piece.is_none() {
                break;
            }
        }
        if sent == file.bytes && hex::encode(hash.finalize()) == file.sha256 { Ok(parts) } else { Err(not_the_file()) }
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

/// What an error means, by its kind alone.
#[expect(clippy::wildcard_enum_match_arm, reason = "the library adds kinds, and all others are one thing to us")]
fn why(error: &object_store::Error) -> &'static str {
    use object_store::Error as E;
    match error {
        E::NotFound { .. } => "there is no such bucket",
        E::PermissionDenied { .. } | E::Unauthenticated { .. } => {
            "the store refuses; check the access key, its secret, the region and what the key allows"
        }
        E::AlreadyExists { .. } | E::Precondition { .. } => "something lies there already",
        _ => {
            "the store cannot be reached or does not understand; check endpoint, region and bucket. It must be reached by \
              an address on the public network, or one that destinations.allow names"
        }
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "the library adds kinds, and all others are one thing to us")]
fn trouble(error: object_store::Error) -> Error {
    use object_store::Error as E;
    let kind = match &error {
        E::NotFound { .. } | E::PermissionDenied { .. } | E::Unauthenticated { .. } => ErrorKind::StorageDenied,
        E::AlreadyExists { .. } | E::Precondition { .. } => ErrorKind::Conflict,
        _ => ErrorKind::StorageUnavailable,
    };
    Error::new(kind, why(&error)).openly().caused_by(error)
}

#[cfg(test)]
mod tests {
    use futures::stream;
    use offtake_testkit::S3Server;

    use super::*;
    use crate::outbound::OutboundSettings;

    fn loopback() -> Outbound {
        let allow = vec!["127.0.0.0/8".parse().unwrap()];
        Outbound::new(OutboundSettings { allow, allow_http: true, ..OutboundSettings::default() }).unwrap()
    }

    fn content(server: &S3Server) -> DestinationContent {
        DestinationContent {
            name: "ours".to_owned(),
            endpoint: Some(server.endpoint().to_owned()),
            region: "us-east-1".to_owned(),
            bucket: server.bucket().to_owned(),
            prefix: server.prefix().to_owned(),
            access_key: server.key().0.to_owned(),
            path_style: true,
        }
    }

    fn bucket(content: &DestinationContent, secret: &str) -> OutsideBucket {
        OutsideBucket::new(content, secret, &loopback(), Duration::from_secs(2)).unwrap()
    }

    fn pieces(bytes: &[u8]) -> BoxStream<'static, Result<Bytes>> {
        let pieces: Vec<_> = bytes.chunks(256 << 10).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
        stream::iter(pieces).boxed()
    }

    #[tokio::test]
    async fn a_probe_leaves_nothing_and_says_what_is_missing() {
        let server = S3Server::seaweed().await;
        let (content, secret) = (content(&server), server.key().1.to_owned());
        bucket(&content, &secret).probe("1").await.unwrap();
        assert!(server.objects().await.is_empty() && server.uploads().await.is_empty());
        let wrong = |content: DestinationContent, secret: &str| {
            let bucket = bucket(&content, secret);
            async move { bucket.probe("1").await.unwrap_err() }
        };
        let denied = wrong(content.clone(), "not the secret").await;
        assert_eq!(denied.kind(), ErrorKind::InvalidRequest);
        assert!(denied.detail().contains("s3:PutObject") && denied.detail().contains("secret"), "{denied}");
        assert!(!format!("{denied}").contains(&secret));
        let down = DestinationContent { endpoint: Some("http://127.0.0.1:1025".to_owned()), ..content.clone() };
        let down = wrong(down, &secret).await;
        assert!(down.detail().contains("cannot be reached"), "{down}");
        for inside in ["http://10.0.0.1:9000", "https://169.254.169.254", "http://[::1]:9000", "http://0x7f.1:22"] {
            let content = DestinationContent { endpoint: Some(inside.to_owned()), ..content.clone() };
            let refused = OutsideBucket::new(&content, &secret, &loopback(), Duration::ZERO).map(drop);
            assert_eq!(refused.unwrap_err().violations()[0].pointer, "/endpoint", "{inside}");
        }
        let by_name = DestinationContent { endpoint: Some("http://localhost:9".to_owned()), ..content };
        let strict = Outbound::new(OutboundSettings { allow_http: true, ..OutboundSettings::default() }).unwrap();
        let by_name = OutsideBucket::new(&by_name, &secret, &strict, Duration::ZERO);
        assert!(by_name.is_err(), "below 1024");
    }

    #[tokio::test]
    async fn a_file_arrives_once_whole_and_replaces_nothing() {
        let server = S3Server::seaweed().await;
        let (content, secret) = (content(&server), server.key().1.to_owned());
        let data: Vec<u8> = (0..12_000_000_u32).map(|n| (n % 251) as u8).collect();
        for (key, part) in [("a/small.csv", 16 << 20), ("a/large.csv", 5 << 20)] {
            let bucket = bucket(&content, &secret).in_parts_of(part);
            let sha256 = hex::encode(Sha256::digest(&data));
            let file = OutsideFile { bytes: data.len() as u64, sha256: &sha256, media_type: "text/csv" };
            assert_eq!(bucket.put_file(key, file, pieces(&data)).await.unwrap(), Arrived::Now, "{key}");
            assert_eq!(bucket.put_file(key, file, pieces(&data)).await.unwrap(), Arrived::Before, "{key}");
            let path = bucket.path(key).unwrap();
            assert_eq!(bucket.store.get(&path).await.unwrap().bytes().await.unwrap(), data);
            let other = OutsideFile { sha256: "00", ..file };
            let refused = bucket.put_file(key, other, pieces(&data)).await.unwrap_err();
            assert_eq!(refused.kind(), ErrorKind::Conflict, "{key}");
            let damaged = bucket.put_file(&format!("{key}.2"), other, pieces(&data)).await.unwrap_err();
            assert_eq!(damaged.kind(), ErrorKind::Internal, "{key}");
        }
        assert_eq!(server.objects().await.len(), 2, "what is not the file never showed");
        assert!(server.uploads().await.is_empty(), "and nothing is left open");
        let bucket = bucket(&content, &secret);
        bucket.put_beside("a/small.csv.receipt.json", Bytes::from_static(b"{}")).await.unwrap();
        bucket.put_beside("a/small.csv.receipt.json", Bytes::from_static(b"{1}")).await.unwrap();
        let path = bucket.path("a/small.csv.receipt.json").unwrap();
        assert_eq!(bucket.store.get(&path).await.unwrap().bytes().await.unwrap(), Bytes::from_static(b"{}"));
    }
}
