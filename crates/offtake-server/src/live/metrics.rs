//! What live sockets are measured by.

use std::sync::atomic::AtomicU64;
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use crate::metrics::ResultLabels;

/// The numbers of live sockets. Nothing in them says whose sockets they are.
#[derive(Debug, Clone)]
pub(crate) struct LiveMetrics {
    pub(super) sockets: Gauge,
    pub(super) subscriptions: Gauge,
    /// Bytes that wait for readers or are being written.
    pub(super) queued: Gauge,
    /// Events that were put into a queue, as they happened.
    pub(super) told: Counter,
    /// Those that a client asked for which had missed them.
    pub(super) replayed: Counter,
    /// Those for which there was no room.
    pub(super) dropped: Counter,
    pub(super) lagged: Counter,
    delivery: Histogram,
    matching: Counter<f64, AtomicU64>,
}

impl LiveMetrics {
    pub(crate) fn register(registry: &mut Registry) -> Self {
        let events = Family::<ResultLabels, Counter>::default();
        let counted = |result| events.get_or_create(&ResultLabels { result }).clone();
        let metrics = Self {
            sockets: Gauge::default(),
            subscriptions: Gauge::default(),
            queued: Gauge::default(),
            told: counted("told"),
            replayed: counted("replayed"),
            dropped: counted("dropped"),
            lagged: Counter::default(),
            delivery: Histogram::new([
                0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0,
            ]),
            matching: Counter::default(),
        };
        registry.register("offtake_live_sockets", "Live sockets that are open", metrics.sockets.clone());
        let subscriptions = metrics.subscriptions.clone();
        registry.register("offtake_live_subscriptions", "What they are subscribed to", subscriptions);
        registry.register("offtake_live_queued_bytes", "Bytes that wait for their readers", metrics.queued.clone());
        registry.register("offtake_live_events", "Events for live sockets, by what became of them", events);
        registry.register("offtake_live_lagged", "Times a reader was told what it missed", metrics.lagged.clone());
        let delivery = metrics.delivery.clone();
        registry.register("offtake_live_delivery_seconds", "From finding a reader to its connection", delivery);
        let matching = metrics.matching.clone();
        registry.register("offtake_live_matching_seconds", "Time spent to find whom events are for", matching);
        metrics
    }

    pub(super) fn delivered(&self, after: Duration) {
        self.delivery.observe(after.as_secs_f64());
    }

    pub(super) fn matched(&self, within: Duration) {
        self.matching.inc_by(within.as_secs_f64());
    }
}
