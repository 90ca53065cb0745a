//! Delivers published files to buckets of the organizations' own.
//!
//! Responsible for what follows from a try: again, later, or never. Not responsible for the requests
//! (`offtake_store::objects`), nor for the job, which is completed whatever becomes of the delivery. A file is put under a
//! key that carries its job, and only where nothing lies: however often it is tried, it arrives once. A large one goes in
//! parts; how far that has come is kept with the delivery, and the next try goes on there.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use jiff::SignedDuration;
use offtake_model::{Error, ErrorKind, Result};
use offtake_store::objects::{BegunUpload, OutsideBucket, OutsideFile, UploadNotes};
use offtake_store::outbound::Outbound;
use offtake_store::sealed::{Holder, Sealer};
use offtake_store::{Artifact, DeliveryOutcome, Destinations, JobScope, OwedDelivery};
use tokio::time::{MissedTickBehavior, interval, sleep};
use tokio_util::sync::CancellationToken;

use crate::Shared;

/// How long a delivery is held without being extended, and how often it is.
const LEASE: SignedDuration = SignedDuration::from_secs(60);
const EXTEND_EVERY: Duration = Duration::from_secs(20);
/// Deliveries at once.
const AT_ONCE: usize = 2;
/// How long one request is tried before the delivery is put off.
const RETRY_FOR: Duration = Duration::from_secs(60);
/// Tries before a delivery is given up: about a day.
const MOST_TRIES: u32 = 16;
/// Tries before one is given up that the store refuses: rights are granted late, too.
const MOST_REFUSALS: u32 = 3;
/// The first pause, which doubles, and the longest.
const PAUSES: (i64, i64) = (10, 2 * 60 * 60);

/// What deliveries need.
#[derive(Debug, Clone)]
pub struct Deliveries {
    /// Opens the secrets of destinations.
    pub sealer: Arc<Sealer>,
    /// Reaches them.
    pub outbound: Outbound,
}

/// Delivers until `shutdown`; what is under way then somebody else goes on with.
pub(crate) async fn run_until(worker: Arc<Shared>, every: Duration, shutdown: CancellationToken) {
    let Some(deliveries) = worker.deliveries.clone() else { return };
    let mut ticks = interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            biased;
            () = shutdown.cancelled() => return,
            _ = ticks.tick() => {}
        }
        tokio::select! {
            biased;
            () = shutdown.cancelled() => return,
            passed = pass(&worker, &deliveries) => if let Err(error) = passed {
                tracing::warn!(%error, cause = ?error, "deliveries could not be looked at; the next pass tries again");
            }
        }
    }
}

/// Tries what is owed.
pub(crate) async fn pass(worker: &Shared, deliveries: &Deliveries) -> Result<()> {
    loop {
        let most = u32::try_from(AT_ONCE).unwrap_or(1);
        let owed = worker.store.destinations.claim_deliveries(&worker.name, most, LEASE).await?;
        if owed.is_empty() {
            return Ok(());
        }
        let tries = stream::iter(owed).map(|owed| attempt(worker, deliveries, owed));
        let settled: Vec<bool> = tries.buffer_unordered(AT_ONCE).collect().await;
        // What could not be settled is still this worker's, and would be taken again at once.
        if settled.contains(&false) {
            return Ok(());
        }
    }
}

/// Whether the try is over and what it came to written down.
async fn attempt(worker: &Shared, deliveries: &Deliveries, mut owed: OwedDelivery) -> bool {
    let job = owed.delivery.job;
    let begun = owed.upload.take();
    let mut notes = Notes { destinations: worker.store.destinations.as_ref(), owed: &owed, begun };
    let tried = tokio::select! {
        tried = deliver(worker, deliveries, &owed, &mut notes) => tried,
        lost = held(worker, &owed) => Err(lost),
    };
    let outcome = match tried {
        Ok(()) => DeliveryOutcome::Delivered,
        Err(error) if error.kind() == ErrorKind::LeaseLost => {
            tracing::info!(job_id = %job, %error, "left alone");
            return true;
        }
        Err(error) => {
            tracing::warn!(job_id = %job, org_id = %owed.org, %error, cause = ?error, "a file was not delivered");
            let outcome = follows(&error, owed.delivery.tries);
            if matches!(outcome, DeliveryOutcome::GivenUp { .. }) {
                throw_away(worker, deliveries, &owed, &mut notes).await;
            }
            outcome
        }
    };
    if outcome == DeliveryOutcome::Delivered {
        tracing::info!(job_id = %job, org_id = %owed.org, key = owed.delivery.key, "a file was delivered");
    }
    match worker.store.destinations.settle_delivery(owed, outcome).await {
        Ok(()) => true,
        Err(error) => {
            tracing::warn!(job_id = %job, %error, "what became of a delivery could not be written down; it is tried again");
            false
        }
    }
}

/// Keeps how far an upload has come, with the delivery.
struct Notes<'a> {
    destinations: &'a dyn Destinations,
    owed: &'a OwedDelivery,
    begun: Option<BegunUpload>,
}

#[async_trait]
impl UploadNotes for Notes<'_> {
    async fn note(&mut self, upload: Option<&BegunUpload>) -> Result<()> {
        self.begun = upload.cloned();
        self.destinations.note_upload(self.owed, upload).await
    }
}

/// Extends the right to the delivery, until it is lost.
async fn held(worker: &Shared, owed: &OwedDelivery) -> Error {
    loop {
        sleep(EXTEND_EVERY).await;
        match worker.store.destinations.extend_delivery(owed, LEASE).await {
            Err(error) if error.kind() == ErrorKind::LeaseLost => return error,
            Ok(()) | Err(_) => {}
        }
    }
}

/// Puts the file where it shall be, and the receipt beside it.
async fn deliver(worker: &Shared, deliveries: &Deliveries, owed: &OwedDelivery, notes: &mut Notes<'_>) -> Result<()> {
    let scope = JobScope { org: owed.org.clone(), owner: None };
    let artifact = worker.store.artifacts.ready(&scope, owed.delivery.job).await?;
    let bucket = bucket(worker, deliveries, owed).await?;
    let (Some(size), Some(sha256)) = (artifact.bytes, artifact.sha256.as_deref()) else {
        return Err(Error::new(ErrorKind::Internal, "a published file has no size or no hash"));
    };
    let bytes = worker.store.objects.read(&artifact.key, 0..size).await?;
    let file = OutsideFile { bytes: size, sha256, media_type: &artifact.media_type };
    let before = notes.begun.clone();
    bucket.put_file(&owed.delivery.key, file, bytes, before, notes).await?;
    let receipt = receipt(worker, &artifact).await?;
    bucket.put_beside(&format!("{}.receipt.json", owed.delivery.key), receipt).await
}

/// The bucket as the destination describes it now.
async fn bucket(worker: &Shared, deliveries: &Deliveries, owed: &OwedDelivery) -> Result<OutsideBucket> {
    let (org, to) = (&owed.org, owed.delivery.destination);
    let (destination, sealed) = worker.store.destinations.sealed_destination(org, to).await?;
    let opened = deliveries.sealer.open(Holder { org, row: &to.to_string() }, &sealed)?;
    let secret = String::from_utf8_lossy(opened.expose()).into_owned();
    OutsideBucket::new(&destination.content, &secret, &deliveries.outbound, RETRY_FOR)
}

/// Nothing half done is left where nobody goes on with it.
async fn throw_away(worker: &Shared, deliveries: &Deliveries, owed: &OwedDelivery, notes: &mut Notes<'_>) {
    let Some(begun) = notes.begun.clone() else { return };
    match bucket(worker, deliveries, owed).await {
        Ok(bucket) => bucket.abandon(&begun, notes).await,
        Err(error) => tracing::warn!(%error, "an upload to a destination is left to its rule for unfinished ones"),
    }
}

/// The receipt as it lies beside the file, byte for byte.
async fn receipt(worker: &Shared, artifact: &Artifact) -> Result<Bytes> {
    let (objects, key) = (&worker.store.objects, artifact.key.beside("receipt.json"));
    let size = objects.size(&key).await?.ok_or_else(|| Error::new(ErrorKind::Gone, "the receipt is not there"))?;
    let pieces: Vec<Bytes> = objects.read(&key, 0..size).await?.try_collect().await?;
    Ok(Bytes::from(pieces.concat()))
}

/// What follows from an error of the `tries`th try.
#[expect(clippy::wildcard_enum_match_arm, reason = "few kinds end it, all others may pass")]
fn follows(error: &Error, tries: u32) -> DeliveryOutcome {
    let why = if error.is_open() { error.detail().to_owned() } else { error.kind().title().to_owned() };
    let most = match error.kind() {
        // The file or the destination is gone, or something else lies there: nothing of that passes.
        ErrorKind::NotFound | ErrorKind::Gone | ErrorKind::Conflict | ErrorKind::InvalidRequest => 1,
        ErrorKind::StorageDenied => MOST_REFUSALS,
        _ => MOST_TRIES,
    };
    if tries >= most {
        return DeliveryOutcome::GivenUp { why };
    }
    let pause = PAUSES.0.saturating_mul(1 << tries.saturating_sub(1).min(20)).min(PAUSES.1);
    DeliveryOutcome::Again { why, wait: SignedDuration::from_secs(pause) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_passes_is_tried_for_a_day_and_what_is_refused_three_times() {
        let error = |kind| Error::new(kind, "why").openly();
        let mut waited = SignedDuration::ZERO;
        let mut tries = 1;
        while let DeliveryOutcome::Again { wait, .. } = follows(&error(ErrorKind::StorageUnavailable), tries) {
            (waited, tries) = (waited + wait, tries + 1);
        }
        assert!((12..=36).contains(&waited.as_hours()), "{waited:?} in {tries} tries");
        assert!(matches!(follows(&error(ErrorKind::StorageDenied), 2), DeliveryOutcome::Again { .. }));
        assert!(matches!(follows(&error(ErrorKind::StorageDenied), 3), DeliveryOutcome::GivenUp { .. }));
        assert!(matches!(follows(&error(ErrorKind::Conflict), 1), DeliveryOutcome::GivenUp { .. }));
        let hidden = follows(&Error::new(ErrorKind::Internal, "a path inside"), MOST_TRIES);
        assert_eq!(hidden, DeliveryOutcome::GivenUp { why: ErrorKind::Internal.title().to_owned() });
    }
}
