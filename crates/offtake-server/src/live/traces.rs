//! Reads what happens to traces while somebody listens, and tells it: that they were created at once, that they grew at
//! most once a second for each.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use offtake_datasets::spans::{TraceEvents, TraceState};
use offtake_model::event::EventType;
use offtake_model::id::OrgId;
use offtake_store::{Hint, Hints};
use tokio::sync::{broadcast, watch};
use tokio::time::{Instant, sleep_until};

use super::event::Told;
use super::hub::Hub;

/// How long nothing more is told of a trace that grew.
const QUIET: Duration = Duration::from_secs(1);
/// The least time between two hints of this process.
const BETWEEN_HINTS: Duration = Duration::from_millis(5);
/// How often it is looked without having been woken: for what other processes store.
const LOOK: Duration = Duration::from_secs(1);
/// Spans that are looked at by one statement.
pub(super) const SPANS: u32 = 5_000;

/// Reads and tells, for as long as the server runs. Nothing is read while nobody listens.
pub(super) async fn run(hub: Arc<Hub>, events: Arc<dyn TraceEvents>, mut hints: broadcast::Receiver<Hint>) {
    let mut listeners = hub.listeners();
    let mut growing = Growing::default();
    loop {
        // Before looking, so that nothing is missed between the look and the wait.
        hints = hints.resubscribe();
        listeners.mark_unchanged();
        let Some(work) = hub.trace_work() else {
            growing = Growing::default();
            if listeners.changed().await.is_err() {
                return;
            }
            continue;
        };
        match events.after(Some(&work.orgs), work.at, SPANS).await {
            Ok(batch) => {
                let (moment, more, upto) = (hub.clock.now(), batch.more, batch.upto);
                let told = || growing.told(batch.traces, moment, Instant::now());
                if !hub.tell_traces(&work, upto, told) || more {
                    continue;
                }
            }
            Err(error) => tracing::warn!(%error, "what happened to traces cannot be told at the moment"),
        }
        hub.tell(&growing.due(hub.clock.now(), Instant::now()));
        let until = growing.next().map_or_else(|| Instant::now() + LOOK, |due| due.min(Instant::now() + LOOK));
        tokio::select! {
            () = spans_stored(&mut hints) => {}
            _ = listeners.changed() => {}
            () = sleep_until(until) => {}
        }
    }
}

/// Waits until somebody stored spans, here or elsewhere, or may have.
async fn spans_stored(hints: &mut broadcast::Receiver<Hint>) {
    loop {
        match hints.recv().await {
            Ok(Hint::Spans | Hint::Missed) | Err(broadcast::error::RecvError::Lagged(_)) => return,
            Ok(Hint::Event { .. } | Hint::Owed) => {}
            // Nobody hints any more: looking is all there is.
            Err(broadcast::error::RecvError::Closed) => std::future::pending().await,
        }
    }
}

/// Tells everybody that this process stored spans.
pub(super) async fn hint(mut appends: watch::Receiver<u64>, hints: Arc<Hints>) {
    while appends.changed().await.is_ok() {
        hints.tell(Hint::Spans);
        // Others need not be told of each append: those that are told look as far as there is something.
        tokio::time::sleep(BETWEEN_HINTS).await;
    }
}

/// Traces that were told of a moment ago, and what became of them since.
#[derive(Debug, Default)]
struct Growing {
    traces: HashMap<(OrgId, String), (Instant, Option<TraceState>)>,
    /// When each may be told of again.
    due: BTreeMap<Instant, Vec<(OrgId, String)>>,
}

impl Growing {
    /// What is to be told at once of traces that something happened to.
    fn told(&mut self, traces: Vec<TraceState>, moment: Timestamp, now: Instant) -> Vec<Told> {
        let mut told = Vec::new();
        for trace in traces {
            if let Some(seq) = trace.created {
                told.push(Told::of_trace(EventType::TraceCreated, seq, &trace, moment));
            }
            if trace.updated.is_some() {
                told.extend(self.grown(trace, moment, now));
            }
        }
        told.sort_by_key(|told| told.seq);
        told
    }

    fn grown(&mut self, trace: TraceState, moment: Timestamp, now: Instant) -> Option<Told> {
        let key = (trace.org.clone(), trace.trace_id.clone());
        if let Some((_, waiting)) = self.traces.get_mut(&key) {
            *waiting = Some(trace);
            return None;
        }
        let told = Told::of_trace(EventType::TraceUpdated, trace.updated?, &trace, moment);
        self.rest(key, now);
        Some(told)
    }

    fn rest(&mut self, key: (OrgId, String), now: Instant) {
        self.due.entry(now + QUIET).or_default().push(key.clone());
        self.traces.insert(key, (now + QUIET, None));
    }

    /// What is to be told of traces whose time has come.
    fn due(&mut self, moment: Timestamp, now: Instant) -> Vec<Told> {
        let mut told = Vec::new();
        while let Some(entry) = self.due.first_entry()
            && *entry.key() <= now
        {
            for key in entry.remove() {
                let Some((_, Some(trace))) = self.traces.remove(&key) else { continue };
                let Some(seq) = trace.updated else { continue };
                told.push(Told::of_trace(EventType::TraceUpdated, seq, &trace, moment));
                self.rest(key, now);
            }
        }
        told
    }

    /// When the next one may be due.
    fn next(&self) -> Option<Instant> {
        self.due.keys().next().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trace(id: &str, seq: u64, created: bool) -> TraceState {
        TraceState {
            org: OrgId::new("acme").unwrap(),
            trace_id: id.to_owned(),
            created: created.then_some(seq),
            updated: (!created).then_some(seq),
            provider: None,
            model: None,
            environment: None,
            user_id: None,
            cost_nanos: None,
            duration_ms: None,
            status_code: "OK".to_owned(),
            started_at: Timestamp::UNIX_EPOCH,
        }
    }

    #[test]
    fn a_trace_that_grows_is_told_of_once_a_second_and_its_last_state_is_not_lost() {
        let (mut growing, begin) = (Growing::default(), Instant::now());
        let at = |millis: u64| begin + Duration::from_millis(millis);
        let seqs = |told: Vec<Told>| told.iter().map(|told| told.seq).collect::<Vec<_>>();
        let moment = Timestamp::UNIX_EPOCH;
        assert_eq!(seqs(growing.told(vec![trace("a", 3, true), trace("b", 2, true)], moment, at(0))), [2, 3]);
        assert_eq!(seqs(growing.told(vec![trace("a", 4, false)], moment, at(100))), [4]);
        assert!(growing.told(vec![trace("a", 5, false)], moment, at(200)).is_empty());
        assert!(growing.told(vec![trace("a", 6, false)], moment, at(900)).is_empty());
        assert!(growing.due(moment, at(1_099)).is_empty());
        assert_eq!(growing.next(), Some(at(1_100)));
        assert_eq!(seqs(growing.due(moment, at(1_100))), [6]);
        assert!(growing.told(vec![trace("a", 7, false)], moment, at(1_200)).is_empty());
        assert_eq!(seqs(growing.due(moment, at(2_200))), [7]);
        assert!(growing.due(moment, at(3_300)).is_empty());
        assert!(growing.traces.is_empty() && growing.next().is_none(), "nothing is kept of traces at rest");
    }
}
