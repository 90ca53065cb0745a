//! Alert rules: what an organization wants to be told about its own traces and their cost.
//!
//! Responsible for what a rule says ([`rule`]), for reading it from a request ([`request`]), for amounts of money
//! ([`usd`]) and for where a period begins ([`period`]). Not responsible for counting or judging: the worker does that.

pub mod period;
pub mod request;
pub mod rule;
pub mod usd;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use period::Period;
pub use rule::{Budget, Dimension, Direction, Metric, MetricRule, Rule};
pub use usd::Usd;

use crate::id::{AlertId, OrgId};

/// Alert rules that an organization may have.
pub const MOST_ALERTS: u32 = 100;

/// A rule as it is kept.
#[derive(Debug, Clone, PartialEq)]
pub struct Alert {
    /// Its id.
    pub id: AlertId,
    /// Whose it is.
    pub org: OrgId,
    /// What it says.
    pub content: AlertContent,
    /// Grows by one with every change.
    pub version: u64,
    /// Who made it.
    pub created_by: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
    /// How things stand.
    pub state: AlertState,
}

/// What of a rule may be decided anew.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AlertContent {
    /// What people call it.
    pub name: String,
    /// Whether it is counted and judged at all.
    pub enabled: bool,
    /// What is counted, and when it is told.
    pub rule: Rule,
}

/// How things stand with a rule.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct AlertState {
    /// A metric is beyond its threshold and has not come back; a budget is spent.
    pub firing: bool,
    /// Since when that is so.
    pub since: Option<Timestamp>,
    /// The metric when it was last judged; `None` if there was nothing to judge.
    pub value: Option<f64>,
    /// When it was last judged.
    pub judged_at: Option<Timestamp>,
    /// When it was last told that the threshold was passed.
    pub last_fired_at: Option<Timestamp>,
    /// Until when it is not told again.
    pub cool_down_until: Option<Timestamp>,
    /// Of a budget: the present period.
    pub spending: Option<Spending>,
    /// Of a budget whose past cannot be read.
    pub unread: Option<Unread>,
}

/// Nobody watches a budget, as its past cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unread {
    /// Since when that is so.
    pub since: Timestamp,
    /// Whether it was told, and is to be told when it is over.
    pub told: bool,
}

/// What was spent in a period.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spending {
    /// Where the period begins,
    pub from: Timestamp,
    /// and where the next one does.
    pub to: Timestamp,
    /// What was spent.
    pub spent: Usd,
    /// The percentages that were told.
    pub told: Vec<u32>,
    /// Whether what was spent before the rule began to count is in.
    pub complete: bool,
    /// How far that is read, until it is in.
    #[serde(default)]
    pub reading: Option<Reading>,
}

/// What was spent in a period before a rule began to count, as far as that is read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reading {
    /// The last span that is read: later ones are counted as they come in.
    pub upto: u64,
    /// Up to where the period is read.
    pub next: Timestamp,
    /// What was spent up to there.
    pub spent: Usd,
}

impl AlertContent {
    /// Whether what was counted for `other` is what this would have counted.
    pub fn counts_like(&self, other: &Self) -> bool {
        if !(self.enabled && other.enabled) {
            return false;
        }
        match (&self.rule, &other.rule) {
            (Rule::Metric(a), Rule::Metric(b)) => {
                a.metric == b.metric && a.window_seconds == b.window_seconds && a.filters == b.filters
            }
            (Rule::Budget(a), Rule::Budget(b)) => a.same_period(b) && a.provider == b.provider,
            (Rule::Metric(_), Rule::Budget(_)) | (Rule::Budget(_), Rule::Metric(_)) => false,
        }
    }
}

impl AlertState {
    /// How things stand after the rule was changed. Where something else is counted now, it begins anew; what was told
    /// of a budget in this period stays told as long as the same money is meant; and that nobody watches it, until somebody does.
    #[must_use]
    pub fn after(&self, was: &AlertContent, is: &AlertContent) -> Self {
        if is.counts_like(was) {
            return self.clone();
        }
        let same_money = match (&was.rule, &is.rule) {
            (Rule::Budget(a), Rule::Budget(b)) => a.same_period(b) && a.provider == b.provider,
            _ => false,
        };
        let spending = self.spending.clone().filter(|_| same_money);
        let spending = spending.map(|spending| Spending { complete: false, reading: None, ..spending });
        Self { spending, unread: self.unread.filter(|unread| unread.told), ..Self::default() }
    }
}
