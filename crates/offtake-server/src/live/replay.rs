//! What a client missed while it was away: read from the tables, for it alone.

use std::sync::Arc;

use offtake_datasets::spans::TraceEvents;
use offtake_model::Result;
use offtake_model::event::EventType;

use offtake_store::Events;

use super::event::Told;
use super::hub::{Hub, Subscription};
use super::organization::EVENTS;
use super::queue::Missed;
use super::traces::SPANS;

/// Spans that are looked through for one client. Who was away for longer reads anew by the API.
const MOST_SPANS: u64 = 100_000;

/// Tells of traces what happened after `after` up to `upto`, in order.
pub(super) async fn traces(
    hub: &Hub,
    events: &Arc<dyn TraceEvents>,
    subscription: &Subscription,
    kinds: &[EventType],
    after: u64,
    upto: u64,
) -> Result<()> {
    let org = subscription.subscriber.org.clone();
    let mut at = after;
    if upto.saturating_sub(after) > MOST_SPANS {
        at = upto - MOST_SPANS;
        let missed = Missed { events: at - after, traces: Some(at + 1), organization: None };
        subscription.subscriber.queue.lagged(missed).await;
    }
    while at < upto {
        let most = u32::try_from(upto - at).unwrap_or(SPANS).min(SPANS);
        let batch = events.after(Some(std::slice::from_ref(&org)), at, most).await?;
        if batch.upto == at {
            return Ok(());
        }
        at = batch.upto;
        let mut told = Vec::new();
        for trace in batch.traces {
            for (kind, seq) in [(EventType::TraceCreated, trace.created), (EventType::TraceUpdated, trace.updated)] {
                let wanted = seq.filter(|_| kinds.contains(&kind));
                told.extend(wanted.map(|seq| Told::of_trace(kind, seq, &trace, hub.clock.now())));
            }
        }
        told.sort_by_key(|told| told.seq);
        tell(hub, subscription, told).await;
    }
    Ok(())
}

/// Tells of an organization what happened after `after` up to `upto`, in order.
pub(super) async fn organization(
    hub: &Hub,
    events: &dyn Events,
    subscription: &Subscription,
    kinds: &[EventType],
    after: u64,
    upto: u64,
) -> Result<()> {
    let org = &subscription.subscriber.org;
    let oldest = events.oldest(org).await?;
    let mut at = after;
    if at + 1 < oldest {
        let missed = Missed { events: oldest - 1 - at, traces: None, organization: Some(oldest) };
        subscription.subscriber.queue.lagged(missed).await;
        at = oldest - 1;
    }
    while at < upto {
        let events = events.after(org, at, EVENTS).await?;
        let Some(last) = events.last() else { return Ok(()) };
        at = last.seq;
        let told = events.into_iter().filter(|event| event.seq <= upto && kinds.contains(&event.kind)).map(Told::of);
        tell(hub, subscription, told.collect()).await;
    }
    Ok(())
}

/// Tells one subscription what it takes of this, as it reads.
async fn tell(hub: &Hub, subscription: &Subscription, told: Vec<Told>) {
    let sight = subscription.subscriber.sight;
    let texts: Vec<_> =
        told.iter().filter(|told| subscription.takes(told)).map(|told| told.text(&hub.veil, sight).clone()).collect();
    for text in texts {
        subscription.subscriber.queue.answer(text).await;
        hub.metrics.replayed.inc();
    }
}
