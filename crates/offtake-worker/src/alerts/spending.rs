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
}

impl Spent {
    pub(super) fn new(budget: Budget, tallies: Vec<(i64, String)>) -> Self {
        let zone = TimeZone::get(&budget.time_zone).unwrap_or(TimeZone::UTC);
        let periods = tallies.into_iter().filter_map(|(from, spent)| Some((from, spent.parse().ok()?))).collect();
        Self { budget, zone, periods, changed: BTreeSet::new() }
    }

    /// Sees to it that `state` speaks of the period that `now` is in; and, where the rule is new to it, that what was spent
    /// before is in. That is read once, day by day, up to the span `upto`.
    pub(super) async fn begin(
        &mut self,
        alert: &Alert,
        now: Timestamp,
        tail: &dyn SpanTail,
        upto: u64,
    ) -> Result<AlertState> {
        let mut state = alert.state.clone();
        let Some((from, to)) = self.budget.period.around(now, &self.zone) else { return Ok(state) };
        let before = state.spending.take();
        let complete = before.as_ref().is_some_and(|before| before.complete);
        let told = before.filter(|before| before.from == from).map(|before| before.told).unwrap_or_default();
        let begin = from.as_microsecond();
        if !complete {
            let spent = self.read(alert, (begin, to.as_microsecond()), tail, upto).await?;
            self.periods.insert(begin, spent);
            self.changed.insert(begin);
        }
        let spent = self.periods.get(&begin).copied().unwrap_or_default();
        state.spending = Some(Spending { from, to, spent, told, complete: true });
        Ok(state)
    }

    async fn read(&self, alert: &Alert, (from, to): (i64, i64), tail: &dyn SpanTail, upto: u64) -> Result<Usd> {
        let mut spent = Usd::default();
        let mut begin = from;
        while begin < to {
            let end = to.min(begin + DAY);
            let provider = self.budget.provider.as_deref();
            spent += tail.spent(&SpentIn { org: &alert.org, provider, from: begin, to: end, upto }).await?;
            begin = end;
        }
        Ok(spent)
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
        let Some(present) = &mut state.spending else { return (state, Vec::new()) };
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
