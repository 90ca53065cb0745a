//! The server's own numbers, and how much waits and runs.

use std::sync::atomic::AtomicU64;
use std::time::Duration;

use http::Method;
use offtake_store::{OutboxDepth, QueueDepth};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use crate::edge::method_label;
use crate::live::LiveMetrics;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    route: String,
    method: &'static str,
    status: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RouteLabels {
    route: String,
    method: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct ResultLabels {
    pub(crate) result: &'static str,
}

/// How much waits and runs, anywhere: looked up when somebody asks. NaN if the job store does not answer.
#[derive(Debug, Clone)]
pub struct QueueMetrics {
    pending: Gauge<f64, AtomicU64>,
    processing: Gauge<f64, AtomicU64>,
    oldest_seconds: Gauge<f64, AtomicU64>,
    owed: Gauge<f64, AtomicU64>,
    owed_seconds: Gauge<f64, AtomicU64>,
}

impl QueueMetrics {
    /// Creates the metrics and puts them into `registry`.
    pub fn register(registry: &mut Registry) -> Self {
        let [pending, processing, oldest_seconds, owed, owed_seconds] = std::array::from_fn(|_| Gauge::default());
        let metrics = Self { pending, processing, oldest_seconds, owed, owed_seconds };
        registry.register("offtake_queue_pending", "Jobs that wait", metrics.pending.clone());
        registry.register("offtake_queue_processing", "Jobs that run, anywhere", metrics.processing.clone());
        let oldest = metrics.oldest_seconds.clone();
        registry.register("offtake_queue_oldest_seconds", "How long the oldest due job has waited", oldest);
        registry.register("offtake_notifications_owed", "Notifications that are owed, anywhere", metrics.owed.clone());
        let oldest = metrics.owed_seconds.clone();
        registry.register("offtake_notifications_oldest_seconds", "How long the oldest of them is owed", oldest);
        metrics
    }

    pub(crate) fn set_owed(&self, depth: Option<OutboxDepth>) {
        self.owed.set(depth.map_or(f64::NAN, |depth| depth.owed as f64));
        self.owed_seconds.set(depth.map_or(f64::NAN, |depth| depth.oldest_seconds));
    }

    pub(crate) fn set(&self, depth: Option<QueueDepth>) {
        let number = |read: fn(&QueueDepth) -> f64| depth.as_ref().map_or(f64::NAN, read);
        self.pending.set(number(|depth| depth.pending as f64));
        self.processing.set(number(|depth| depth.processing as f64));
        self.oldest_seconds.set(number(|depth| depth.oldest_seconds));
    }
}

/// Requests, latencies, spans taken in, live sockets, and the queue.
#[derive(Debug, Clone)]
pub struct ServerMetrics {
    pub(crate) queue: QueueMetrics,
    pub(crate) live: LiveMetrics,
    requests: Family<RequestLabels, Counter>,
    seconds: Family<RouteLabels, Histogram, fn() -> Histogram>,
    spans: Family<ResultLabels, Counter>,
}

impl ServerMetrics {
    /// Creates the metrics and puts them into `registry`.
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self {
            queue: QueueMetrics::register(registry),
            live: LiveMetrics::register(registry),
            requests: Family::default(),
            seconds: Family::new_with_constructor(latency),
            spans: Family::default(),
        };
        registry.register("offtake_http_requests", "Requests answered", metrics.requests.clone());
        registry.register(
            "offtake_http_request_duration_seconds",
            "Time until a response begins",
            metrics.seconds.clone(),
        );
        registry.register("offtake_ingest_spans", "Spans that arrived, by what became of them", metrics.spans.clone());
        metrics
    }

    pub(crate) fn observe(&self, route: &str, method: &Method, status: u16, elapsed: Duration) {
        let (route, method) = (route.to_owned(), method_label(method));
        self.requests.get_or_create(&RequestLabels { route: route.clone(), method, status }).inc();
        self.seconds.get_or_create(&RouteLabels { route, method }).observe(elapsed.as_secs_f64());
    }

    pub(crate) fn ingested(&self, stored: u64, duplicates: u64, rejected: u64) {
        for (result, spans) in [("stored", stored), ("duplicate", duplicates), ("rejected", rejected)] {
            self.spans.get_or_create(&ResultLabels { result }).inc_by(spans);
        }
    }
}

fn latency() -> Histogram {
    Histogram::new([0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0])
}
