//! What a rule says.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Period, Usd};

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident $word:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum $name { $($(#[$vdoc])* #[serde(rename = $word)] $variant,)+ }

        impl $name {
            /// All of them, in the order of the documentation.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// Its word in API and database.
            pub const fn word(self) -> &'static str {
                match self { $(Self::$variant => $word,)+ }
            }

            /// The one of this word.
            pub fn parse(word: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|one| one.word() == word)
            }
        }
    };
}
pub(super) use words;

words! {
    /// What is measured over the window.
    Metric {
        /// Milliseconds from begin to end of roots, on average.
        LatencyAverage "latency_avg",
        /// Half of them took no longer.
        LatencyP50 "latency_p50",
        /// 95 of 100 took no longer.
        LatencyP95 "latency_p95",
        /// 99 of 100 took no longer.
        LatencyP99 "latency_p99",
        /// The share of traces that failed, 0 to 1.
        ErrorRate "error_rate",
        /// Tokens that went in and came out.
        Tokens "tokens",
        /// Dollars.
        Cost "cost",
        /// Traces per minute of the window.
        TracesPerMinute "traces_per_minute",
    }
}

words! {
    /// On which side of the threshold it is told.
    Direction {
        /// When the metric is greater.
        Above "above",
        /// When it is less.
        Below "below",
    }
}

words! {
    /// What traces can be narrowed by.
    Dimension {
        /// Whose model was called.
        Provider "provider",
        /// The model.
        Model "model",
        /// Where the service runs.
        Environment "environment",
        /// On whose behalf.
        UserId "user_id",
        /// The service.
        Service "service",
        /// The project.
        ProjectId "project_id",
    }
}

/// What is counted, and when it is told.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Rule {
    /// A metric over a sliding window.
    Metric(MetricRule),
    /// Money in a period.
    Budget(Budget),
}

/// A metric over a sliding window.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MetricRule {
    /// What is measured.
    pub metric: Metric,
    /// Over how long, in seconds.
    pub window_seconds: u32,
    /// On which side it is told.
    pub direction: Direction,
    /// Beyond this it is told,
    pub threshold: f64,
    /// and at this, or on the good side of it, it is over.
    pub clear_threshold: f64,
    /// How long it is not told again, in seconds.
    pub cool_down_seconds: u32,
    /// With fewer traces in the window nothing is judged.
    pub min_traces: u64,
    /// Only traces with one of these values, in each dimension that is named.
    pub filters: BTreeMap<Dimension, Vec<String>>,
}

/// Money in a period.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Budget {
    /// Only what was spent with this provider.
    pub provider: Option<String>,
    /// How much may be spent.
    pub amount_usd: Usd,
    /// In which time.
    pub period: Period,
    /// Where days begin: a name of the IANA time zone database.
    pub time_zone: String,
    /// At which percentages of the amount it is told, ascending.
    pub percentages: Vec<u32>,
}

impl MetricRule {
    /// The least window, in seconds.
    pub const LEAST_WINDOW: u32 = 60;
    /// The greatest window and the greatest cool-down, in seconds.
    pub const GREATEST: u32 = 24 * 60 * 60;

    /// Whether this is beyond the threshold.
    pub fn is_beyond(&self, value: f64) -> bool {
        match self.direction {
            Direction::Above => value > self.threshold,
            Direction::Below => value < self.threshold,
        }
    }

    /// Whether this is good again.
    pub fn is_clear(&self, value: f64) -> bool {
        match self.direction {
            Direction::Above => value <= self.clear_threshold,
            Direction::Below => value >= self.clear_threshold,
        }
    }
}

impl Budget {
    /// Whether the other one's periods are the same.
    pub fn same_period(&self, other: &Self) -> bool {
        self.period == other.period && self.time_zone == other.time_zone
    }

    /// Which percentages are reached once so much is spent.
    pub fn reached(&self, spent: Usd) -> Vec<u32> {
        self.percentages.iter().copied().filter(|percent| spent.is_share_of(self.amount_usd, *percent)).collect()
    }
}

impl Rule {
    /// Its word in the API.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Metric(_) => "metric",
            Self::Budget(_) => "budget",
        }
    }
}
