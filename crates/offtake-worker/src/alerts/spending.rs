//! A budget: what was spent, by period.

use std::collections::{BTreeMap, BTreeSet};

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use offtake_datasets::spans::tail::TailSpan;
use offtake_model::alert::{Alert, AlertState, Budget, Reading, Spending, Usd};
use offtake_model::event::NewEvent;

use super::event;
use super::past::Day;

/// So much of the past is read in one go.
const DAY: SignedDuration = SignedDuration::from_hours(24);

/// A budget with its counts.
#[derive(Debug)]
pub(super) struct Spent {
    budget: Budget,
    zone: TimeZone,
    /// By the beginning of the period, in microseconds since the epoch.
    periods: BTreeMap<i64, Usd>,
    changed: BTreeSet<i64>,
}

impl Spent {
    pub(super) fn new(budget: Budget, tallies: Vec<(i64, String)>) -> Self {
        let zone = TimeZone::get(&budget.time_zone).unwrap_or(TimeZone::UTC);
        let periods = tallies.into_iter().filter_map(|(from, spent)| Some((from, spent.parse().ok()?))).collect();
        Self { budget, zone, periods, changed: BTreeSet::new() }
    }

    /// How things stand, in the period that `now` is in. Where the rule is new to it, what was spent before is still to be read, up
    /// to the span `upto`; later ones are counted as they come in.
    pub(super) fn begin(&mut self, alert: &Alert, now: Timestamp, upto: u64) -> AlertState {
        let mut state = alert.state.clone();
        let Some((from, to)) = self.budget.period.around(now, &self.zone) else { return state };
        let before = state.spending.take();
        let complete = before.as_ref().is_some_and(|before| before.complete);
        let before = before.filter(|before| before.from == from);
        let (told, reading) = before.map(|before| (before.told, before.reading)).unwrap_or_default();
        // A store that lost its newest spans gives their numbers again.
        let reading = reading.filter(|reading| reading.upto <= upto);
        let reading = (!complete).then(|| reading.unwrap_or_else(|| self.read_from(from, upto)));
        let spent = self.periods.get(&from.as_microsecond()).copied().unwrap_or_default();
        state.spending = Some(Spending { from, to, spent, told, complete, reading });
        state
    }

    /// Begins to read a period. What was counted of it is among that.
    fn read_from(&mut self, from: Timestamp, upto: u64) -> Reading {
        self.periods.insert(from.as_microsecond(), Usd::default());
        self.changed.insert(from.as_microsecond());
        Reading { upto, next: from, spent: Usd::default() }
    }

    /// The next day of the past, if there is more to read.
    pub(super) fn day(&self, alert: &Alert) -> Option<Day> {
        let present = alert.state.spending.as_ref()?;
        let Reading { upto, next: from, .. } = *present.reading.as_ref()?;
        let to = from.checked_add(DAY).map_or(present.to, |next| next.min(present.to));
        Some(Day { alert: alert.id, org: alert.org.clone(), provider: self.budget.provider.clone(), from, to, upto })
    }

    /// Adds what was spent on that day.
    pub(super) fn add(&mut self, present: &mut Spending, day: &Day, amount: Usd) {
        let Some(mut reading) = present.reading.take() else { return };
        (reading.next, reading.spent) = (day.to, reading.spent + amount);
        if reading.next < present.to {
            present.reading = Some(reading);
            return;
        }
        let from = present.from.as_microsecond();
        let counted = self.periods.entry(from).or_default();
        *counted += reading.spent;
        self.changed.insert(from);
        (present.spent, present.complete) = (*counted, true);
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
