//! One try: the deliverer of the channel, with a time limit, and what it came to.

use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use offtake_model::ErrorKind;
use offtake_store::{Channel, Notification, Owed, Try, Verdict};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::task::AbortOnDropHandle;

use super::Deliver;
use crate::Shared;

/// Tries that may come to nothing at all, by panic or hanging, before a notification is given up.
const MOST_MISHAPS: u32 = 8;
/// The wait after the first of them; it doubles.
const FIRST_WAIT: SignedDuration = SignedDuration::from_secs(5);
/// How long it is tried to write down what a try came to.
const PATIENCE: Duration = Duration::from_secs(10);

pub(super) async fn run(worker: Arc<Shared>, owed: Owed) {
    let Notification { id, org, channel, tries, .. } = owed.notification.clone();
    let outcome = match worker.deliverers.get(&channel) {
        Some(deliverer) => attempt(Arc::clone(deliverer), &owed.notification, worker.settings.notify_deadline).await,
        None => nobody(channel),
    };
    worker.metrics.tried(channel, outcome.verdict);
    let (answer, verdict) = (outcome.answer.as_str(), outcome.verdict);
    match verdict {
        Verdict::GiveUp => {
            tracing::warn!(%id, org_id = %org, channel = channel.name(), tries, answer, "notification given up")
        }
        _ => {
            tracing::debug!(%id, org_id = %org, channel = channel.name(), tries, answer, ?verdict, "notification tried")
        }
    }
    write_down(&worker, owed, &outcome).await;
}

/// A panic and a hanging deliverer cost one try each, and nobody else anything.
async fn attempt(deliverer: Arc<dyn Deliver>, notification: &Notification, deadline: Duration) -> Try {
    let begun = Instant::now();
    let owned = notification.clone();
    let task = AbortOnDropHandle::new(tokio::spawn(async move { deliverer.deliver(&owned).await }));
    let mishap = match timeout(deadline, task).await {
        Ok(Ok(outcome)) => return outcome,
        Ok(Err(error)) => {
            tracing::error!(id = %notification.id, cause = ?error, "a deliverer panicked");
            "the try ended by an error of Offtake's own; its log says more"
        }
        Err(_late) => "there was no answer in time",
    };
    let verdict = match notification.tries {
        tries if tries >= MOST_MISHAPS => Verdict::GiveUp,
        tries => Verdict::Again(FIRST_WAIT * (1 << tries.saturating_sub(1).min(16))),
    };
    let took = SignedDuration::try_from(begun.elapsed()).unwrap_or(SignedDuration::MAX);
    Try { answer: mishap.to_owned(), took, verdict }
}

/// What is owed by a way that this installation does not have.
fn nobody(channel: Channel) -> Try {
    let answer = format!("this worker is not configured to tell anybody by {}", channel.name());
    Try { answer, took: SignedDuration::ZERO, verdict: Verdict::GiveUp }
}

/// What cannot be written down is tried again when its time is over: rather twice than never.
async fn write_down(worker: &Shared, owed: Owed, outcome: &Try) {
    let until = Instant::now() + PATIENCE;
    let id = owed.notification.id;
    let mut pause = Duration::from_millis(100);
    loop {
        match worker.store.outbox.tried(&owed, outcome).await {
            Ok(()) => return,
            Err(error) if error.kind() == ErrorKind::StoreUnavailable && Instant::now() + pause < until => {
                sleep(pause).await;
                pause *= 2;
            }
            Err(error) => {
                tracing::warn!(%id, %error, "what a notification's try came to could not be written down");
                return;
            }
        }
    }
}
