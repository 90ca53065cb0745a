//! An upload in parts to a bucket outside, which goes on where an earlier try was cut off.

use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt as _;
use futures::stream::BoxStream;
use object_store::PutMultipartOptions;
use object_store::PutPayload;
use object_store::multipart::{MultipartStore as _, PartId};
use object_store::path::Path;
use offtake_model::{Error, ErrorKind, Result};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::why::trouble;
use super::{OutsideBucket, OutsideFile, attributes, not_the_file};

/// Ends of one upload that fail, before another one is begun: parts that a store does not have any more never make an object.
const MOST_ENDS: u32 = 2;
/// Up to so many parts, each is noted; then fewer, for a note has all of them: after a crash, an eighth is sent again
/// at most.
const EACH_NOTED: usize = 16;

/// An upload in parts that was begun and has not ended: what going on with it needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BegunUpload {
    /// In which bucket, under which key.
    place: String,
    /// Of which file.
    sha256: String,
    /// What the store calls it.
    id: String,
    /// Bytes of a part.
    part: u64,
    /// What the store calls the parts that are there, in order.
    sent: Vec<String>,
    /// How often it could not be ended.
    ends: u32,
}

impl BegunUpload {
    /// One of which so many parts are there, for tests.
    #[cfg(test)]
    pub(crate) fn of_parts(sent: usize) -> Self {
        let sent = (0..sent).map(|part| format!("\"etag {part}\"")).collect();
        Self {
            place: "here a/b".to_owned(),
            sha256: "ab".repeat(32),
            id: "u-1".to_owned(),
            part: 16 << 20,
            sent,
            ends: 0,
        }
    }

    /// Parts that are there.
    pub const fn parts(&self) -> usize {
        self.sent.len()
    }

    /// Whether it is time to note what is there.
    fn is_due(&self) -> bool {
        self.sent.len().is_multiple_of((self.sent.len() / EACH_NOTED).next_power_of_two())
    }

    /// What an error means for it. Where nothing is found, it is the upload that is gone: the next try begins another one.
    fn lost_or(&mut self, error: object_store::Error) -> Error {
        if !matches!(error, object_store::Error::NotFound { .. }) {
            return trouble(error);
        }
        self.ends = MOST_ENDS;
        let detail = "the store has thrown away what was uploaded so far; the next try begins anew";
        Error::new(ErrorKind::StorageUnavailable, detail).openly().caused_by(error)
    }
}

/// Keeps what was begun, for the case that whoever began it dies.
#[async_trait]
pub trait UploadNotes: Send {
    /// What was begun, and what of it is there; `None` once it is over.
    ///
    /// # Errors
    /// Whatever keeps it says. The upload stops then, and can go on later.
    async fn note(&mut self, upload: Option<&BegunUpload>) -> Result<()>;
}

impl OutsideBucket {
    /// The upload that goes on: the one of before, if that is one of this file to this place.
    pub(super) async fn begun(
        &self,
        path: &Path,
        file: OutsideFile<'_>,
        part: u64,
        before: Option<BegunUpload>,
        notes: &mut dyn UploadNotes,
    ) -> Result<BegunUpload> {
        let place = self.place_of(path);
        if let Some(before) = before {
            if before.place == place && before.sha256 == file.sha256 && before.part == part && before.ends < MOST_ENDS {
                tracing::info!(parts = before.sent.len(), "an upload to a destination goes on");
                return Ok(before);
            }
            self.abandon(&before, notes).await;
        }
        let options = PutMultipartOptions { attributes: attributes(file), ..PutMultipartOptions::default() };
        let id = self.store.create_multipart_opts(path, options).await.map_err(trouble)?;
        let upload = BegunUpload { place, sha256: file.sha256.to_owned(), id, part, sent: Vec::new(), ends: 0 };
        if let Err(error) = notes.note(Some(&upload)).await {
            // Nobody would know of it.
            self.abandon(&upload, notes).await;
            return Err(error);
        }
        Ok(upload)
    }

    /// Throws away what was begun, as far as it is here and the store still knows of it.
    pub async fn abandon(&self, upload: &BegunUpload, notes: &mut dyn UploadNotes) {
        let path = upload.place.strip_prefix(&format!("{} ", self.place)).and_then(|path| Path::parse(path).ok());
        let Some(path) = path else {
            tracing::warn!(
                "an upload to where a destination was before is left to that bucket's rule for unfinished ones"
            );
            return;
        };
        match self.store.abort_multipart(&path, &upload.id).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => {
                if let Err(error) = notes.note(None).await {
                    tracing::debug!(%error, "that an upload is over was not noted");
                }
            }
            Err(error) => tracing::warn!(%error, "an upload to a destination was left open"),
        }
    }

    pub(super) async fn put_parts(
        &self,
        path: &Path,
        file: OutsideFile<'_>,
        bytes: BoxStream<'static, Result<Bytes>>,
        mut upload: BegunUpload,
        notes: &mut dyn UploadNotes,
    ) -> Result<()> {
        let ended = async {
            self.send_parts(path, &mut upload, file, bytes, notes).await?;
            // Seen once more before it shows: an upload in parts cannot be told to replace nothing.
            self.holds(path, file).await?;
            let parts = upload.sent.iter().map(|id| PartId { content_id: id.clone() }).collect();
            // Noted before: whoever dies of it counts.
            let tried = BegunUpload { ends: upload.ends + 1, ..upload.clone() };
            notes.note(Some(&tried)).await?;
            upload = tried;
            let done = self.store.complete_multipart(path, &upload.id, parts).await;
            done.map(drop).map_err(|error| upload.lost_or(error))
        };
        let ended = ended.await;
        match ended.as_ref().map_err(Error::kind) {
            Ok(()) => notes.note(None).await,
            // It never becomes an object.
            Err(ErrorKind::Internal | ErrorKind::Conflict | ErrorKind::Gone) => {
                self.abandon(&upload, notes).await;
                ended
            }
            Err(_) if upload.ends >= MOST_ENDS => {
                self.abandon(&upload, notes).await;
                ended
            }
            Err(_) => {
                // A try that comes to an end need not send anything again.
                if !upload.is_due()
                    && let Err(error) = notes.note(Some(&upload)).await
                {
                    tracing::debug!(%error, "the last parts that were uploaded were not noted");
                }
                ended
            }
        }
    }

    /// Sends the parts that are not there yet, one after the other: one of them is in memory. The whole file is read, since
    /// its hash is that of the whole.
    async fn send_parts(
        &self,
        path: &Path,
        upload: &mut BegunUpload,
        file: OutsideFile<'_>,
        mut bytes: BoxStream<'static, Result<Bytes>>,
        notes: &mut dyn UploadNotes,
    ) -> Result<()> {
        let (mut hash, mut read) = (Sha256::new(), 0_u64);
        let (mut pending, mut number): (Vec<Bytes>, usize) = (Vec::new(), 0);
        loop {
            let piece = bytes.next().await.transpose()?;
            let is_last = piece.is_none();
            let mut piece = piece.unwrap_or_default();
            hash.update(&piece);
            // Parts end where they would have ended in any other try, whatever the pieces.
            loop {
                let end = upload.part * (number as u64 + 1);
                let room = usize::try_from(end - read).unwrap_or(usize::MAX);
                let taken = piece.split_to(room.min(piece.len()));
                read += taken.len() as u64;
                if !taken.is_empty() && number >= upload.sent.len() {
                    pending.push(taken);
                }
                if read < end && !(is_last && read > end - upload.part) {
                    break;
                }
                if number >= upload.sent.len() {
                    let payload = PutPayload::from_iter(std::mem::take(&mut pending));
                    let sent = self.store.put_part(path, &upload.id, number, payload).await;
                    let sent = sent.map_err(|error| upload.lost_or(error))?;
                    upload.sent.push(sent.content_id);
                    if upload.is_due() {
                        notes.note(Some(upload)).await?;
                    }
                }
                number += 1;
            }
            if is_last {
                break;
            }
        }
        if read == file.bytes && hex::encode(hash.finalize()) == file.sha256 { Ok(()) } else { Err(not_the_file()) }
    }

    fn place_of(&self, path: &Path) -> String {
        format!("{} {path}", self.place)
    }
}
