//! What was counted of a metric in a part of its window. Two parts taken together are the tally of both.

use offtake_datasets::spans::tail::TailSpan;
use offtake_model::alert::{Metric, MetricRule, Usd};
use serde::{Deserialize, Serialize};
use sketches_ddsketch::{Config, DDSketch};

/// Percentiles are off by at most so much of themselves.
const RELATIVE_ERROR: f64 = 0.01;
/// Enough bins for anything from a microsecond to a year.
const BINS: u32 = 2_048;
/// What is faster than a nanosecond counts as nothing.
const LEAST_MS: f64 = 1e-6;

/// Counts.
#[derive(Clone, Default, Serialize, Deserialize)]
pub(super) struct Tally {
    traces: u64,
    failed: u64,
    tokens: i64,
    cost: Usd,
    /// Traces with a duration, and what these add up to.
    timed: u64,
    total_ms: f64,
    /// For percentiles alone; `None` as long as it is empty.
    latency: Option<DDSketch>,
}

impl std::fmt::Debug for Tally {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tally").field("traces", &self.traces).field("failed", &self.failed).finish_non_exhaustive()
    }
}

const fn is_percentile(metric: Metric) -> bool {
    matches!(metric, Metric::LatencyP50 | Metric::LatencyP95 | Metric::LatencyP99)
}

impl Tally {
    /// Counts a span, as far as `metric` needs it.
    pub(super) fn count(&mut self, metric: Metric, span: &TailSpan) {
        self.tokens = self.tokens.saturating_add(span.tokens);
        self.cost += span.cost;
        let Some(root) = span.trace else { return };
        self.traces += 1;
        self.failed += u64::from(root.failed);
        let Some(duration) = root.duration_ms.filter(|ms| ms.is_finite()) else { return };
        let duration = duration.max(0.0);
        self.timed += 1;
        self.total_ms += duration;
        if is_percentile(metric) {
            let empty = || DDSketch::new(Config::new(RELATIVE_ERROR, BINS, LEAST_MS));
            self.latency.get_or_insert_with(empty).add(duration);
        }
    }

    /// Takes another part in.
    pub(super) fn merge(&mut self, other: &Self) {
        self.traces += other.traces;
        self.failed += other.failed;
        self.tokens = self.tokens.saturating_add(other.tokens);
        self.cost += other.cost;
        self.timed += other.timed;
        self.total_ms += other.total_ms;
        match (&mut self.latency, &other.latency) {
            (Some(own), Some(other)) => {
                if let Err(error) = own.merge(other) {
                    tracing::error!(?error, "latencies that were counted otherwise are left out");
                }
            }
            (own @ None, Some(other)) => *own = Some(other.clone()),
            (_, None) => {}
        }
    }

    /// Whether nothing was counted.
    pub(super) fn is_empty(&self) -> bool {
        self.traces == 0 && self.tokens == 0 && self.cost == Usd::default()
    }

    /// The metric; `None` if there is too little to judge by.
    #[expect(clippy::cast_precision_loss, reason = "a float is what thresholds are compared with")]
    pub(super) fn value(&self, rule: &MetricRule) -> Option<f64> {
        if self.traces < rule.min_traces {
            return None;
        }
        let percentile = |share| self.latency.as_ref().and_then(|latency| latency.quantile(share).ok().flatten());
        match rule.metric {
            Metric::LatencyAverage => (self.timed > 0).then(|| self.total_ms / self.timed as f64),
            Metric::LatencyP50 => percentile(0.5),
            Metric::LatencyP95 => percentile(0.95),
            Metric::LatencyP99 => percentile(0.99),
            Metric::ErrorRate => (self.traces > 0).then(|| self.failed as f64 / self.traces as f64),
            Metric::Tokens => Some(self.tokens as f64),
            Metric::Cost => Some(self.cost.dollars()),
            Metric::TracesPerMinute => Some(self.traces as f64 * 60.0 / f64::from(rule.window_seconds)),
        }
    }
}
