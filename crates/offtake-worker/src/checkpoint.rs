//! The upload of one attempt, and the checkpoints that say what of it is durable.
//!
//! The upload lies on a [`Desk`] rather than in the task that fills it, so that it ends in `finish` or `abort`
//! also when that task panics or is stopped in the middle of a part (law 10).

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use offtake_model::budget::Held;
use offtake_model::checkpoint::{Checkpoint, Uploaded, Written};
use offtake_model::format::media_type;
use offtake_model::id::ArtifactId;
use offtake_model::job::{Job, Progress};
use offtake_model::plan::Plan;
use offtake_model::{Error, ErrorKind, Result};
use offtake_pipeline::Start;
use offtake_store::{Lease, NewArtifact, ObjectKey, Objects, Upload};
use tokio::sync::Mutex;

use crate::Shared;
use crate::outcome::Fate;
use crate::patience::{once_patiently, patiently};

/// Where an attempt keeps its upload.
#[derive(Debug, Default)]
pub(crate) struct Desk {
    upload: Mutex<Option<Box<dyn Upload>>>,
    /// The memory of parts that storage has taken, but may still hold back.
    held: Mutex<Vec<Held>>,
    artifact: OnceLock<(ArtifactId, ObjectKey)>,
    /// A stored checkpoint names the artifact, or may name it.
    named: AtomicBool,
}

impl Desk {
    /// Stages this attempt's artifact and begins its upload: with the bytes of `checkpoint` if they are still
    /// there, else empty.
    pub(crate) async fn stage(
        &self,
        worker: &Shared,
        lease: &Lease,
        job: &Job,
        checkpoint: Option<Checkpoint>,
    ) -> Result<Start> {
        let now = worker.clock.now();
        let artifact = NewArtifact {
            id: ArtifactId::new(now),
            key: key_of(job, lease.attempt),
            format: job.spec.format,
            compression: job.spec.compression,
            media_type: media_type(job.spec.format, job.spec.compression).to_owned(),
            file_name: job.file_name.clone(),
            now,
        };
        let (id, key) = (artifact.id, artifact.key.clone());
        once_patiently(|| async { worker.store.artifacts.stage(lease, artifact.clone()).await.map(drop) }).await?;
        let (_, key) = self.artifact.get_or_init(|| (id, key));

        let objects = worker.store.objects.as_ref();
        let (upload, start) = match checkpoint {
            Some(checkpoint) => match resumed(worker, key, &checkpoint).await? {
                Some(upload) => (upload, Start { ranges: checkpoint.ranges, written: checkpoint.written }),
                None => (objects.begin(key).await?, anew()),
            },
            None => (objects.begin(key).await?, anew()),
        };
        *self.upload.lock().await = Some(upload);
        Ok(start)
    }

    /// Stores a part, `written` being the bytes of the file up to its end. What is durable then, if that is all of
    /// it; until it is, its memory counts.
    pub(crate) async fn put(&self, bytes: Bytes, held: Held, written: u64) -> Result<Option<Uploaded>> {
        let uploaded = {
            let mut upload = self.upload.lock().await;
            upload.as_mut().ok_or_else(no_upload)?.put_part(bytes).await?
        };
        let mut waiting = self.held.lock().await;
        waiting.push(held);
        match uploaded.bytes.cmp(&written) {
            std::cmp::Ordering::Less => Ok(None),
            std::cmp::Ordering::Equal => {
                waiting.clear();
                Ok(Some(uploaded))
            }
            std::cmp::Ordering::Greater => {
                let detail = format!("{written} bytes were written and storage holds {}", uploaded.bytes);
                Err(Error::new(ErrorKind::Internal, detail))
            }
        }
    }

    /// Stores the checkpoint after `part`, which is durable by now.
    pub(crate) async fn checkpoint(
        &self,
        worker: &Shared,
        lease: &Lease,
        part: AfterPart,
        progress: &Progress,
    ) -> Result<()> {
        let AfterPart { columns, ranges, written, uploaded } = part;
        let artifact = self.artifact()?.0;
        // Before the answer: a write whose answer got lost may have happened.
        self.named.store(true, Ordering::Relaxed);
        let checkpoint = Checkpoint { artifact, columns, ranges, written, uploaded };
        patiently(|| worker.store.jobs.save_checkpoint(lease, &checkpoint, progress)).await?;
        worker.metrics.checkpoint();
        Ok(())
    }

    /// Makes the file visible under its key.
    pub(crate) async fn finish(&self) -> Result<()> {
        let upload = self.upload.lock().await.take().ok_or_else(no_upload)?;
        upload.finish().await
    }

    /// The artifact staged by this attempt.
    pub(crate) fn artifact(&self) -> Result<&(ArtifactId, ObjectKey)> {
        self.artifact.get().ok_or_else(no_upload)
    }

    /// Ends the upload of an attempt that did not publish.
    pub(crate) async fn close(&self, objects: &dyn Objects, fate: Fate) {
        let upload = self.upload.lock().await.take();
        let keep = match fate {
            Fate::Leave => true,
            Fate::KeepForCheckpoint => self.named.load(Ordering::Relaxed),
            Fate::Discard => false,
        };
        if keep {
            return;
        }
        let thrown_away = match (upload, self.artifact.get()) {
            (Some(upload), _) => upload.abort().await,
            // It was finished, or stopped while it was opened or finished.
            (None, Some((_, key))) => objects.delete(key).await,
            (None, None) => Ok(()),
        };
        if let Err(error) = thrown_away {
            tracing::warn!(%error, cause = ?error, "a staged file is left to the sweep");
        }
    }
}

/// What is true once a part is durable.
#[derive(Debug)]
pub(crate) struct AfterPart {
    pub(crate) columns: String,
    pub(crate) ranges: usize,
    pub(crate) written: Written,
    pub(crate) uploaded: Uploaded,
}

/// A checkpoint that this plan and these columns can be continued from.
pub(crate) fn usable(checkpoint: Checkpoint, plan: &Plan, columns: &str) -> Option<Checkpoint> {
    let Checkpoint { ranges, written, uploaded, .. } = &checkpoint;
    let fits = checkpoint.columns == columns && *ranges <= plan.cuts.len() && written.bytes == uploaded.bytes;
    if !fits {
        tracing::warn!("the checkpoint is of another plan or other columns; starting anew");
    }
    fits.then_some(checkpoint)
}

async fn resumed(worker: &Shared, key: &ObjectKey, checkpoint: &Checkpoint) -> Result<Option<Box<dyn Upload>>> {
    let upload = match worker.store.artifacts.by_id(checkpoint.artifact).await {
        Ok(earlier) => worker.store.objects.resume(key, &earlier.key, &checkpoint.uploaded).await,
        Err(error) => Err(error),
    };
    match upload {
        Ok(upload) => {
            tracing::info!(ranges = checkpoint.ranges, rows = checkpoint.written.rows, "resuming at the checkpoint");
            Ok(Some(upload))
        }
        Err(error) if matches!(error.kind(), ErrorKind::Gone | ErrorKind::NotFound) => {
            tracing::warn!(%error, "what the checkpoint speaks of is gone; starting anew");
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// Where an attempt at a job puts its file: never where another attempt does.
pub(crate) fn key_of(job: &Job, attempt: u32) -> ObjectKey {
    let (id, attempt) = (job.id.to_string(), attempt.to_string());
    ObjectKey::from_parts([job.org.as_str(), id.as_str(), attempt.as_str(), job.file_name.as_str()])
}

fn anew() -> Start {
    Start { ranges: 0, written: Written::default() }
}

fn no_upload() -> Error {
    Error::new(ErrorKind::Internal, "the attempt has no open upload")
}
