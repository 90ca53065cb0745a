//! A budget: what was spent, by period.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use jiff::tz::TimeZone;
use offtake_datasets::spans::SpanTail;
use offtake_datasets::spans::tail::{SpentIn, TailSpan};
use offtake_model::Result;
use offtake_model::alert::{Alert, AlertState, Budget, Spending, Usd};
use offtake_model::event::NewEvent;

use super::event;

/// Microseconds in a day.
const DAY: i64 = 24 * 60 * 60 * 1_000_000;

/// A budget with its counts.
#[derive(Debug)]
pub(super) struct Spent {
    budget: Budget,
    zone: TimeZone,
    /// By the beginning of the period, in microseconds since the epoch.
    periods: BTreeMap<i64, Usd>,
    changed: BTreeSet<i64>,
    /// What is still to be read of the present period.
    reading: Option<Reading>,
}

/// What was spent in a period before the rule began to count, as far as that is read.
#[derive(Debug)]
struct Reading {
    from: i64,
    to: i64,
    /// The last span that is not counted as it comes in.
    upto: u64,
    /// Up to where it is read.
    next: i64,
    spent: Usd,
}

impl Spent {
    pub(super) fn new(budget: Budget, tallies: Vec<(i64, String)>) -> Self {
        let zone = TimeZone::get(&budget.time_zone).unwrap_or(TimeZone::UTC);
        let periods = tallies.into_iter().filter_map(|(from, spent)| Some((from, spent.parse().ok()?))).collect();
        Self { budget, zone, periods, changed: BTreeSet::new(), reading: None }
    }

    /// How things stand, in the period that `now` is in. Where the rule is new to it, what was spent before is still to be read, up
    /// to the span `upto`; later ones are counted as they come in.
    pub(super) fn begin(&mut self, alert: &Alert, now: Timestamp, upto: u64) -> AlertState {
        let mut state = alert.state.clone();
        let Some((from, to)) = self.budget.period.around(now, &self.zone) else { return state };
        let before = state.spending.take();
        let complete = before.as_ref().is_some_and(|before| before.complete);
        let told = before.filter(|before| before.from == from).map(|before| before.told).unwrap_or_default();
        let (begin, end) = (from.as_microsecond(), to.as_microsecond());
        if !complete && self.reading.as_ref().is_none_or(|reading| reading.from != begin) {
            self.reading = Some(Reading { from: begin, to: end, upto, next: begin, spent: Usd::default() });
            self.periods.remove(&begin);
        }
        let spent = self.periods.get(&begin).copied().unwrap_or_default();
        state.spending = Some(Spending { from, to, spent, told, complete });
        state
    }

    /// Whether there is more of the past to read.
    pub(super) const fn is_reading(&self) -> bool {
        self.reading.is_some()
    }

    /// Reads a day more of the past.
    ///
    /// # Errors
    /// As [`SpanTail::spent`]. What was read stays.
    pub(super) async fn read_on(&mut self, alert: &mut Alert, tail: &dyn SpanTail) -> Result<()> {
        let Some(reading) = &mut self.reading else { return Ok(()) };
        let end = reading.to.min(reading.next + DAY);
        let provider = self.budget.provider.as_deref();
        let asked = SpentIn { org: &alert.org, provider, from: reading.next, to: end, upto: reading.upto };
        reading.spent += tail.spent(&asked).await?;
        reading.next = end;
        if reading.next < reading.to {
            return Ok(());
        }
        let counted = self.periods.entry(reading.from).or_default();
        *counted += reading.spent;
        self.changed.insert(reading.from);
        if let Some(present) = &mut alert.state.spending {
            (present.spent, present.complete) = (*counted, true);
        }
        self.reading = None;
        Ok(())
    }

    /// Counts a span in the period it began in, unless that is over.
    pub(super) fn count(&mut self, span: &TailSpan, present: &Spending) {
        let is_meant = self.budget.provider.as_ref().is_none_or(|wanted| span.texts[0].as_ref() == Some(wanted));
        if span.cost == Usd::default() || !is_meant {
            return;
        }
        let Ok(started) = Timestamp::from_microsecond(span.started_at) else { return };
        let from = if (present.from..present.to).contains(&started) {
            Some(present.from)
        } else {
            let period = self.budget.period.around(started, &self.zone);
            period.map(|(from, _)| from).filter(|from| *from > present.from)
        };
        if let Some(from) = from.map(Timestamp::as_microsecond) {
            *self.periods.entry(from).or_default() += span.cost;
            self.changed.insert(from);
        }
    }

    /// What was counted since the last time, by period.
    pub(super) fn take_changed(&mut self) -> Vec<(i64, String)> {
        let changed = std::mem::take(&mut self.changed);
        changed.into_iter().filter_map(|from| Some((from, self.periods.get(&from)?.to_string()))).collect()
    }

    /// Forgets periods that are over; the beginning of the present one, if there were any.
    pub(super) fn forget(&mut self, present: &Spending) -> Option<i64> {
        let first = present.from.as_microsecond();
        let kept = self.periods.split_off(&first);
        let gone = std::mem::replace(&mut self.periods, kept);
        (!gone.is_empty()).then_some(first)
    }

    /// How things stand, and what is told of it: each percentage once. What is no longer reached, because the amount was
    /// raised, can be reached again.
    pub(super) fn judge(&self, alert: &Alert, now: Timestamp) -> (AlertState, Vec<NewEvent>) {
        let mut state = alert.state.clone();
        let Some(present) = state.spending.as_mut().filter(|present| present.complete) else {
            return (state, Vec::new());
        };
        present.spent = self.periods.get(&present.from.as_microsecond()).copied().unwrap_or_default();
        let reached = self.budget.reached(present.spent);
        let news = reached.iter().filter(|percent| !present.told.contains(percent));
        let told: Vec<NewEvent> =
            news.map(|percent| event::of_budget(alert, &self.budget, present, *percent)).collect();
        present.told = reached;
        let is_spent = present.spent >= self.budget.amount_usd;
        state.value = Some(present.spent.dollars());
        if state.firing != is_spent {
            (state.firing, state.since) = (is_spent, Some(now));
        }
        state.judged_at = Some(now);
        if !told.is_empty() {
            state.last_fired_at = Some(now);
        }
        (state, told)
    }
}
