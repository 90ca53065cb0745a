//! Deletes rows that have been at rest for long: of performance, of jobs, of one-time tokens, of events and notifications,
//! and of the audit trail; and logs where the chains of that end, so that somebody else knows it as well.

use jiff::{SignedDuration, Timestamp};
use offtake_model::Result;

use crate::Shared;
use crate::settings::signed;

/// How long a token that is over is still known for what it was; afterwards it is only known to be over.
const TOKENS: SignedDuration = SignedDuration::from_hours(7 * 24);

/// Heads read in one go.
const HEADS: u32 = 500;
/// An act may be committed so long after its moment.
const LATE: SignedDuration = SignedDuration::from_secs(10);

/// `told` is when the heads of the audit trail were logged before.
pub(super) async fn pass(worker: &Shared, told: &mut Option<Timestamp>) -> Result<()> {
    let Shared { store, settings, .. } = worker;
    let figures = store.jobs.prune_performance(signed(settings.perf_retention)).await?;
    let jobs = store.jobs.prune(signed(settings.retention)).await?;
    let tokens = store.tokens.prune_tokens(TOKENS).await?;
    if jobs + figures + tokens > 0 {
        tracing::info!(jobs, figures, tokens, "rows past their retention deleted");
    }
    let entries = store.audit.prune(signed(settings.audit_retention)).await?;
    if entries > 0 {
        tracing::info!(entries, "audit entries past their retention deleted");
    }
    // Notifications first: what they speak of is kept as long as they are.
    let notifications = store.outbox.prune_notifications(signed(settings.notification_retention)).await?;
    let events = store.events.prune_events(signed(settings.event_retention)).await?;
    if notifications + events > 0 {
        tracing::info!(notifications, events, "events and notifications past their retention deleted");
    }
    tell_heads(worker, told).await
}

/// Logs the heads that moved since the pass before. Who keeps the log elsewhere can prove that nothing is missing at the
/// end of a chain.
async fn tell_heads(worker: &Shared, told: &mut Option<Timestamp>) -> Result<()> {
    let mut after = None;
    let mut newest = None;
    loop {
        let heads = worker.store.audit.heads(after.as_ref(), *told, HEADS).await?;
        for head in &heads {
            tracing::info!(org_id = %head.org, number = head.number, hash = head.hash, "audit head");
            newest = newest.max(Timestamp::from_microsecond(head.at).ok());
        }
        if heads.len() < HEADS as usize {
            *told = newest.map_or(*told, |newest| newest.checked_sub(LATE).ok());
            return Ok(());
        }
        after = heads.last().map(|head| head.org.clone());
    }
}
