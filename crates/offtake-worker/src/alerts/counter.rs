//! A rule that is counted for: what of it is new, and what is told.

use jiff::{SignedDuration, Timestamp};
use offtake_datasets::spans::tail::TailSpan;
use offtake_model::Error;
use offtake_model::alert::{Alert, AlertState, Rule, Unread, Usd};
use offtake_model::event::NewEvent;
use offtake_model::id::{AlertId, OrgId};
use offtake_store::{Counted, Tallied, Watched};

use super::event;
use super::past::Day;
use super::spending::Spent;
use super::window::Window;

/// After how long it is told that a past cannot be read.
const TOLD_AFTER: SignedDuration = SignedDuration::from_mins(5);
/// Values that merely move are written down no more often.
const WRITTEN_EVERY: SignedDuration = SignedDuration::from_secs(5);

/// A rule with its counts.
#[derive(Debug)]
pub(super) struct Counter {
    alert: Alert,
    /// How things stand, according to the store.
    written: AlertState,
    counts: Counts,
}

#[derive(Debug)]
enum Counts {
    Window(Window),
    Spent(Spent),
}

impl Counter {
    pub(super) const fn id(&self) -> AlertId {
        self.alert.id
    }

    pub(super) const fn org(&self) -> &OrgId {
        &self.alert.org
    }

    pub(super) fn new(watched: Watched) -> Self {
        let Watched { alert, tallies } = watched;
        let counts = match alert.content.rule.clone() {
            Rule::Metric(rule) => Counts::Window(Window::new(rule, tallies)),
            Rule::Budget(budget) => Counts::Spent(Spent::new(budget, tallies)),
        };
        Self { written: alert.state.clone(), alert, counts }
    }

    pub(super) fn begin(&mut self, now: Timestamp, upto: u64) {
        if let Counts::Spent(spent) = &mut self.counts {
            self.alert.state = spent.begin(&self.alert, now, upto);
        }
    }

    /// The next day of its past, if there is more to read.
    pub(super) fn day(&self) -> Option<Day> {
        match &self.counts {
            Counts::Window(_) => None,
            Counts::Spent(spent) => spent.day(&self.alert),
        }
    }

    /// Takes in what was spent on a day of its past, if it still asks for that.
    pub(super) fn hear(&mut self, day: &Day, read: Result<&Usd, &Error>, now: Timestamp) {
        if self.day().as_ref() != Some(day) {
            return;
        }
        let Alert { id, org, state, .. } = &mut self.alert;
        match (read, &mut self.counts) {
            (Ok(amount), Counts::Spent(spent)) => {
                state.unread.take_if(|unread| !unread.told);
                state.spending.iter_mut().for_each(|present| spent.add(present, day, *amount));
            }
            (Err(error), _) => {
                tracing::warn!(alert_id = %id, org_id = %org, %error, cause = ?error,
                    "the past of a budget cannot be read; nobody watches it until it can");
                state.unread.get_or_insert(Unread { since: now, told: false });
            }
            (Ok(_), Counts::Window(_)) => {}
        }
    }

    /// Tells, once, that nobody watches it, if its past cannot be read (`fails`) and could not for a while; and that somebody
    /// does again.
    pub(super) fn tell_of_past(&mut self, fails: bool, now: Timestamp, pass: &mut Counted) {
        let Some(unread) = self.alert.state.unread else { return };
        let is_over = self.day().is_none();
        let begins = fails && !is_over && !unread.told && now.duration_since(unread.since) >= TOLD_AFTER;
        self.alert.state.unread = (!is_over).then_some(Unread { told: unread.told || begins, ..unread });
        if is_over {
            tracing::info!(alert_id = %self.alert.id, org_id = %self.alert.org, "the past of a budget could be read after all");
        }
        if begins || is_over && unread.told {
            pass.events.push((self.alert.org.clone(), event::of_uncounted(&self.alert, begins)));
        }
    }

    pub(super) fn count(&mut self, span: &TailSpan, seen: Timestamp, now: Timestamp) {
        if span.org != self.alert.org {
            return;
        }
        match &mut self.counts {
            Counts::Window(window) => window.count(span, seen, now),
            Counts::Spent(spent) => {
                if let Some(present) = &self.alert.state.spending {
                    spent.count(span, present);
                }
            }
        }
    }

    /// Puts into `pass` what is new, and judges if everything there is was counted.
    pub(super) fn close(&mut self, now: Timestamp, complete: bool, pass: &mut Counted) {
        let mut told: Vec<NewEvent> = Vec::new();
        let over = match &mut self.counts {
            Counts::Window(window) => {
                let over = window.forget(now);
                if complete {
                    let (state, event) = window.judge(&self.alert, now);
                    self.alert.state = state;
                    told.extend(event);
                }
                over
            }
            Counts::Spent(spent) => {
                if complete {
                    (self.alert.state, told) = spent.judge(&self.alert, now);
                }
                self.alert.state.spending.as_ref().and_then(|present| spent.forget(present))
            }
        };
        let changed = match &mut self.counts {
            Counts::Window(window) => window.take_changed(),
            Counts::Spent(spent) => spent.take_changed(),
        };
        let (id, org) = (self.alert.id, &self.alert.org);
        let tallied = |(slot, tally)| Tallied { alert: id, org: org.clone(), slot, tally };
        pass.tallies.extend(changed.into_iter().map(tallied));
        pass.over.extend(over.map(|before| (id, before)));
        if self.is_worth_writing(now) {
            self.written = self.alert.state.clone();
            pass.states.push((id, self.alert.state.clone()));
        }
        pass.events.extend(told.into_iter().map(|event| (self.alert.org.clone(), event)));
    }

    /// Whether how things stand differs from what is in the store, by more than a value that moved a moment ago.
    fn is_worth_writing(&self, now: Timestamp) -> bool {
        let (is, was) = (&self.alert.state, &self.written);
        let still = AlertState { value: was.value, judged_at: was.judged_at, ..is.clone() };
        let moved = is.value != was.value || was.judged_at.is_none() && is.judged_at.is_some();
        let since = was.judged_at.map(|at| now.duration_since(at));
        still != *was || moved && since.is_none_or(|since| since >= WRITTEN_EVERY)
    }
}
