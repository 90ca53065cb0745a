//! Who listens to what: found by organization, type of event and the narrowest filter, so that an event costs what its
//! matches cost.
//!
//! Responsible also for the positions up to which everybody was told. They and the subscriptions change under one lock:
//! whoever subscribes is told exactly what comes after the number that was agreed on then.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use offtake_model::clock::SharedClock;
use offtake_model::event::{EventType, Stream};
use offtake_model::id::OrgId;
use offtake_model::sensitive::Sight;
use tokio::sync::watch;

use super::event::{Told, Veil};
use super::filter::{Filter, TEXTS};
use super::metrics::LiveMetrics;
use super::queue::{Pushed, Queue};

/// Whoever is told by one socket.
#[derive(Debug)]
pub(super) struct Subscriber {
    pub(super) org: OrgId,
    pub(super) sub: String,
    /// Whether it sees what belongs to others of its organization.
    pub(super) sees_all: bool,
    pub(super) sight: Sight,
    pub(super) queue: Queue,
}

/// What one message subscribed to.
#[derive(Debug)]
pub(super) struct Subscription {
    pub(super) id: u64,
    pub(super) subscriber: Arc<Subscriber>,
    pub(super) filter: Filter,
    /// It is told what comes after these numbers.
    pub(super) from: Numbers,
}

/// A number in each stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Numbers {
    pub(super) traces: u64,
    pub(super) organization: u64,
}

impl Numbers {
    const fn of(self, stream: Stream) -> u64 {
        match stream {
            Stream::Traces => self.traces,
            Stream::Organization => self.organization,
        }
    }
}

impl Subscription {
    /// Whether an event is for it.
    pub(super) fn takes(&self, told: &Told) -> bool {
        let own = told.owner.as_ref().is_none_or(|owner| self.subscriber.sees_all || *owner == self.subscriber.sub);
        own && self.subscriber.org == told.org && self.filter.takes(&told.facets)
    }
}

/// All subscriptions of this process.
#[derive(Debug)]
pub(super) struct Hub {
    pub(super) veil: Veil,
    pub(super) clock: SharedClock,
    pub(super) metrics: LiveMetrics,
    inner: Mutex<Inner>,
    /// Changes when there is more, or less, to be read.
    listeners: watch::Sender<u64>,
    ids: AtomicU64,
}

#[derive(Debug, Default)]
struct Inner {
    orgs: HashMap<OrgId, OfOrg>,
    /// Up to where traces were told; `None`: nobody listens.
    traces: Option<u64>,
    /// Changes when another organization listens to traces.
    generation: u64,
    publications: u64,
}

/// The subscriptions of an organization.
#[derive(Debug, Default)]
struct OfOrg {
    kinds: [Index; EventType::ALL.len()],
    /// Up to where its own stream was told; `None`: nobody listens.
    told: Option<u64>,
}

/// Subscriptions to one type of event.
#[derive(Debug, Default)]
struct Index {
    /// By the values of one text of their filter, in the order of [`TEXTS`].
    found: [HashMap<String, Vec<Arc<Subscription>>>; TEXTS.len()],
    /// Those that filter by no text.
    rest: Vec<Arc<Subscription>>,
    len: usize,
}

/// What the reader of traces is to read.
#[derive(Debug)]
pub(super) struct TraceWork {
    pub(super) orgs: Vec<OrgId>,
    pub(super) at: u64,
    generation: u64,
}

/// What the reader of an organization's stream is to read.
#[derive(Debug)]
pub(super) struct OrganizationWork {
    pub(super) org: OrgId,
    pub(super) at: u64,
    /// Whether somebody listens to what becomes of jobs.
    pub(super) jobs: bool,
}

const fn place(kind: EventType) -> usize {
    kind as usize
}

impl Hub {
    pub(super) fn new(veil: Veil, clock: SharedClock, metrics: LiveMetrics) -> Self {
        let listeners = watch::Sender::new(0);
        Self { veil, clock, metrics, inner: Mutex::default(), listeners, ids: AtomicU64::new(1) }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn next_id(&self) -> u64 {
        self.ids.fetch_add(1, Ordering::Relaxed)
    }

    /// Changes when somebody begins or ceases to listen.
    pub(super) fn listeners(&self) -> watch::Receiver<u64> {
        self.listeners.subscribe()
    }

    fn listening_changed(&self) {
        self.listeners.send_modify(|version| *version = version.wrapping_add(1));
    }

    /// Adds a subscription, unless the others were told of something that it was not: then its client reads on first.
    pub(super) fn add(&self, subscription: &Arc<Subscription>, kinds: &[EventType]) -> bool {
        let mut inner = self.inner();
        let Numbers { traces, organization } = subscription.from;
        let listens = |stream| kinds.iter().any(|kind| kind.stream() == stream);
        let org = &subscription.subscriber.org;
        let told = inner.orgs.get(org).and_then(|of| of.told);
        let behind = (listens(Stream::Traces) && inner.traces.is_some_and(|at| at > traces))
            || (listens(Stream::Organization) && told.is_some_and(|at| at > organization));
        if behind {
            return false;
        }
        let begins = listens(Stream::Traces) && !inner.orgs.get(org).is_some_and(|of| of.listens(Stream::Traces));
        if begins {
            inner.generation += 1;
        }
        if listens(Stream::Traces) {
            inner.traces.get_or_insert(traces);
        }
        let of = inner.orgs.entry(org.clone()).or_default();
        if listens(Stream::Organization) {
            of.told.get_or_insert(organization);
        }
        for kind in kinds {
            of.kinds[place(*kind)].add(subscription);
        }
        drop(inner);
        self.listening_changed();
        true
    }

    /// Takes a subscription out, as far as it is to these.
    pub(super) fn remove(&self, subscription: &Subscription, kinds: &[EventType]) {
        let mut inner = self.inner();
        let org = &subscription.subscriber.org;
        let Some(of) = inner.orgs.get_mut(org) else { return };
        for kind in kinds {
            of.kinds[place(*kind)].remove(subscription);
        }
        if !of.listens(Stream::Organization) {
            of.told = None;
            if !of.listens(Stream::Traces) {
                inner.orgs.remove(org);
            }
        }
        if !inner.orgs.values().any(|of| of.listens(Stream::Traces)) {
            inner.traces = None;
        }
    }

    /// What is to be read of traces; `None` if nobody listens.
    pub(super) fn trace_work(&self) -> Option<TraceWork> {
        let inner = self.inner();
        let at = inner.traces?;
        let orgs = inner.orgs.iter().filter(|(_, of)| of.listens(Stream::Traces)).map(|(org, _)| org.clone()).collect();
        Some(TraceWork { orgs, at, generation: inner.generation })
    }

    /// Tells everybody of what was read of traces. Not if another organization began to listen meanwhile: what happened
    /// to its traces was not read.
    pub(super) fn tell_traces(&self, work: &TraceWork, upto: u64, told: impl FnOnce() -> Vec<Told>) -> bool {
        let mut inner = self.inner();
        if inner.generation != work.generation || inner.traces != Some(work.at) {
            return false;
        }
        inner.traces = Some(upto);
        self.tell_all(&mut inner, &told());
        true
    }

    /// What is to be read of the streams of organizations.
    pub(super) fn organization_work(&self) -> Vec<OrganizationWork> {
        let work = |(org, of): (&OrgId, &OfOrg)| {
            let jobs = of.kinds[place(EventType::ExportJobStatus)].len > 0;
            of.told.map(|at| OrganizationWork { org: org.clone(), at, jobs })
        };
        self.inner().orgs.iter().filter_map(work).collect()
    }

    /// Tells everybody of what was read of an organization's stream, up to this number. Whether somebody listens still.
    pub(super) fn tell_organization(&self, work: &OrganizationWork, upto: u64, told: &[Told]) -> bool {
        let mut inner = self.inner();
        let Some(of) = inner.orgs.get_mut(&work.org).filter(|of| of.told == Some(work.at)) else { return false };
        of.told = Some(upto);
        self.tell_all(&mut inner, told);
        true
    }

    /// Tells everybody of what became of traces and jobs that were read before.
    pub(super) fn tell(&self, told: &[Told]) {
        self.tell_all(&mut self.inner(), told);
    }

    fn tell_all(&self, inner: &mut Inner, told: &[Told]) {
        let begun = Instant::now();
        for one in told {
            inner.tell(one, &self.veil);
        }
        self.metrics.matched(begun.elapsed());
    }
}

impl Inner {
    fn tell(&mut self, told: &Told, veil: &Veil) {
        self.publications += 1;
        let (publication, stream) = (self.publications, told.kind.stream());
        let Some(of) = self.orgs.get(&told.org) else { return };
        of.kinds[place(told.kind)].for_each(told, |subscription| {
            let known = !told.is_state && told.seq <= subscription.from.of(stream);
            if known || !subscription.takes(told) {
                return;
            }
            let Subscriber { queue, sight, .. } = &*subscription.subscriber;
            if queue.push(publication, stream, told.seq, told.text(veil, *sight)) == Pushed::Dropped {
                tracing::debug!(org_id = told.org.as_str(), seq = told.seq, "a reader is too slow for an event");
            }
        });
    }
}

impl OfOrg {
    fn listens(&self, stream: Stream) -> bool {
        EventType::ALL.into_iter().any(|kind| kind.stream() == stream && self.kinds[place(kind)].len > 0)
    }
}

impl Index {
    fn add(&mut self, subscription: &Arc<Subscription>) {
        self.len += 1;
        match subscription.filter.found_by() {
            None => self.rest.push(Arc::clone(subscription)),
            Some((place, values)) => {
                for value in values {
                    self.found[place].entry(value.clone()).or_default().push(Arc::clone(subscription));
                }
            }
        }
    }

    fn remove(&mut self, subscription: &Subscription) {
        let before = self.rest.len();
        let mut found = false;
        match subscription.filter.found_by() {
            None => {
                self.rest.retain(|one| one.id != subscription.id);
                found = self.rest.len() < before;
            }
            Some((place, values)) => {
                for value in values {
                    let Some(those) = self.found[place].get_mut(value) else { continue };
                    let before = those.len();
                    those.retain(|one| one.id != subscription.id);
                    found |= those.len() < before;
                    if those.is_empty() {
                        self.found[place].remove(value);
                    }
                }
            }
        }
        self.len -= usize::from(found);
    }

    /// Those that an event may be for.
    fn for_each(&self, told: &Told, mut each: impl FnMut(&Subscription)) {
        self.rest.iter().for_each(|one| each(one));
        for (found, text) in self.found.iter().zip(&told.facets.texts) {
            let those = text.as_ref().and_then(|text| found.get(text));
            those.into_iter().flatten().for_each(|one| each(one));
        }
    }
}
