//! A metric over its sliding window: counted in slots of a sixtieth of the window, judged over the last sixty.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use offtake_datasets::spans::tail::TailSpan;
use offtake_model::alert::{Alert, AlertState, Dimension, Direction, MetricRule};
use offtake_model::event::NewEvent;

use super::event;
use super::tally::Tally;

/// Slots in a window.
const SLOTS: i64 = 60;
/// What ended so long before everything up to it was counted is history that was sent later.
const HISTORY: SignedDuration = SignedDuration::from_hours(1);

/// A rule with its counts.
#[derive(Debug)]
pub(super) struct Window {
    rule: MetricRule,
    slots: BTreeMap<i64, Tally>,
    changed: BTreeSet<i64>,
}

impl Window {
    pub(super) fn new(rule: MetricRule, tallies: Vec<(i64, String)>) -> Self {
        // One that cannot be read is one of sixty, and soon over.
        let read = |(slot, text): (i64, String)| Some((slot, serde_json::from_str(&text).ok()?));
        Self { rule, slots: tallies.into_iter().filter_map(read).collect(), changed: BTreeSet::new() }
    }

    /// Microseconds in a slot.
    const fn slot_length(&self) -> i64 {
        self.rule.window_seconds as i64 * 1_000_000 / SLOTS
    }

    fn slot_of(&self, moment: Timestamp) -> i64 {
        moment.as_microsecond().div_euclid(self.slot_length())
    }

    /// Counts a span that arrived between `seen` and `now`, where its own end says it did within these bounds.
    pub(super) fn count(&mut self, span: &TailSpan, seen: Timestamp, now: Timestamp) {
        let ended = span.ended_at.unwrap_or(span.started_at);
        let ended = Timestamp::from_microsecond(ended).unwrap_or(Timestamp::MAX);
        if seen.duration_since(ended) > HISTORY || !self.is_meant(span) {
            return;
        }
        let slot = self.slot_of(ended.max(seen).min(now));
        self.slots.entry(slot).or_default().count(self.rule.metric, span);
        self.changed.insert(slot);
    }

    fn is_meant(&self, span: &TailSpan) -> bool {
        let has = |dimension: &Dimension| span.texts[place(*dimension)].as_ref();
        self.rule.filters.iter().all(|(dimension, values)| has(dimension).is_some_and(|own| values.contains(own)))
    }

    /// What was counted since the last time, by slot.
    pub(super) fn take_changed(&mut self) -> Vec<(i64, String)> {
        let changed = std::mem::take(&mut self.changed);
        let text = |slot: i64| Some((slot, serde_json::to_string(self.slots.get(&slot)?).ok()?));
        changed.into_iter().filter_map(text).collect()
    }

    /// Forgets slots that have left the window; the first one that has not, if there were any.
    pub(super) fn forget(&mut self, now: Timestamp) -> Option<i64> {
        let first = self.slot_of(now) - SLOTS + 1;
        let kept = self.slots.split_off(&first);
        let gone = std::mem::replace(&mut self.slots, kept);
        self.changed = self.changed.split_off(&first);
        (!gone.is_empty()).then_some(first)
    }

    /// How things stand at `now`, and what is told of it.
    pub(super) fn judge(&self, alert: &Alert, now: Timestamp) -> (AlertState, Option<NewEvent>) {
        let mut state = alert.state.clone();
        let mut whole = Tally::default();
        let last = self.slot_of(now);
        self.slots.range(last - SLOTS + 1..=last).for_each(|(_, part)| whole.merge(part));
        let value = whole.value(&self.rule).filter(|_| self.is_full(alert, now));
        (state.value, state.judged_at) = (value, Some(now));
        let cool = state.cool_down_until.is_none_or(|until| until <= now);
        let fires = !state.firing && cool && value.is_some_and(|value| self.rule.is_beyond(value));
        // With nothing left in the window there is nothing left to complain about.
        let ends = state.firing && value.map_or_else(|| whole.is_empty(), |value| self.rule.is_clear(value));
        if !fires && !ends {
            return (state, None);
        }
        (state.firing, state.since) = (fires, Some(now));
        if fires {
            state.last_fired_at = Some(now);
            state.cool_down_until = now.checked_add(self.cool_down()).ok();
        }
        let told = event::of_metric(alert, &self.rule, value, fires);
        (state, Some(told))
    }

    /// Whether there was time for a whole window to be counted: before, everything looks like little.
    fn is_full(&self, alert: &Alert, now: Timestamp) -> bool {
        let window = SignedDuration::from_secs(self.rule.window_seconds.into());
        self.rule.direction == Direction::Above || now.duration_since(alert.updated_at) >= window
    }

    fn cool_down(&self) -> SignedDuration {
        SignedDuration::from_secs(self.rule.cool_down_seconds.into())
    }
}

/// Where a span holds what it is narrowed by.
const fn place(dimension: Dimension) -> usize {
    match dimension {
        Dimension::Provider => 0,
        Dimension::Model => 1,
        Dimension::Environment => 2,
        Dimension::UserId => 3,
        Dimension::Service => 4,
        Dimension::ProjectId => 5,
    }
}
