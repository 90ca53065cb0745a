//! Alert rules and budgets: counted from the spans as they come in, and judged every few seconds.
//!
//! Responsible for counting each span once, for the value of a metric over its window and of a budget in its period, and
//! for what is told of them. Not responsible for what a rule may say (`offtake_model::alert`) or for keeping it
//! (`offtake_store::Alerts`). One worker of all counts at a time; what it counted lies in the store, so the next one goes
//! on where it was. Each rule is counted for itself: one whose past cannot be read keeps no other from being judged.

mod event;
mod spending;
mod tally;
mod window;

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use offtake_datasets::spans::SpanTail;
use offtake_datasets::spans::tail::TailSpan;
use offtake_model::alert::{Alert, AlertState, Dimension, Rule};
use offtake_model::event::NewEvent;
use offtake_model::id::OrgId;
use offtake_model::{Error, ErrorKind, Result};
use offtake_store::{Counted, Store, Tallied, Watch, Watched, WorkerName};
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;

use spending::Spent;
use window::Window;

/// For so long nobody else counts after the one who does was heard of last, at most; every half of it that is written down.
const HOLD: SignedDuration = SignedDuration::from_secs(30);
/// How long a day of the past may take to be read: the others wait meanwhile.
const READ_WITHIN: std::time::Duration = std::time::Duration::from_secs(5);
/// When a past that could not be read is looked at again, and after how long that is told.
const READ_AGAIN: SignedDuration = SignedDuration::from_secs(30);
const TOLD_AFTER: SignedDuration = SignedDuration::from_mins(5);
/// Numbers of spans that are looked at in one go.
const PIECE: u64 = 5_000;
/// Values that merely move are written down no more often.
const WRITTEN_EVERY: SignedDuration = SignedDuration::from_secs(5);

/// Counts and judges, as long as nobody else does.
#[derive(Debug)]
pub struct AlertWatch {
    store: Store,
    tail: Arc<dyn SpanTail>,
    worker: WorkerName,
    /// What events do not tell.
    hidden: Vec<Dimension>,
    /// What was counted, as it is in the store, and the right under which it was.
    counted: Option<(Watch, Vec<Counter>)>,
}

/// A rule that is counted for.
#[derive(Debug)]
struct Counter {
    alert: Alert,
    /// How things stand, according to the store.
    written: AlertState,
    counts: Counts,
    /// Why nobody can count for it at the moment.
    trouble: Option<Trouble>,
}

/// A past that cannot be read.
#[derive(Debug, Clone, Copy)]
struct Trouble {
    since: Timestamp,
    again_at: Timestamp,
    told: bool,
}

#[derive(Debug)]
enum Counts {
    Window(Window),
    Spent(Spent),
}

/// What a pass came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Passed {
    /// Everything there is was counted and judged.
    All,
    /// There is more.
    More,
    /// Somebody else counts.
    Elsewhere,
}

impl AlertWatch {
    /// Who counts for the rules of `store` from the spans of `tail`, as `worker`.
    pub const fn new(store: Store, tail: Arc<dyn SpanTail>, worker: WorkerName) -> Self {
        Self { store, tail, worker, hidden: Vec::new(), counted: None }
    }

    /// The same, which tells no values of these.
    #[must_use]
    pub fn hiding(self, hidden: Vec<Dimension>) -> Self {
        Self { hidden, ..self }
    }

    /// Counts until `shutdown`, and then leaves it to others.
    pub(crate) async fn run(mut self, every: std::time::Duration, shutdown: CancellationToken) {
        let mut ticks = interval(every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                () = shutdown.cancelled() => break,
                _ = ticks.tick() => {}
            }
            while !shutdown.is_cancelled() {
                match self.pass().await {
                    Ok(Passed::More) => {}
                    Ok(Passed::All | Passed::Elsewhere) => break,
                    Err(error) => {
                        tracing::warn!(%error, cause = ?error, "alert rules could not be judged; it is tried again");
                        break;
                    }
                }
            }
        }
        if let Some((watch, _)) = self.counted.take()
            && let Err(error) = self.store.alerts.unwatch(watch).await
        {
            tracing::debug!(%error, "others wait until the watch over alert rules runs out");
        }
    }

    /// Looks at the next piece of spans and, when there are no more, judges.
    ///
    /// # Errors
    /// `store_unavailable`. Nothing was counted then, and the next pass looks again.
    pub async fn pass(&mut self) -> Result<Passed> {
        let before = self.counted.take();
        let had = before.as_ref().map(|(watch, _)| watch);
        let Some(watch) = self.store.alerts.watch(&self.worker, HOLD, had).await? else { return Ok(Passed::Elsewhere) };
        let known = before.filter(|(before, _)| watch.follows(before) && watch.rules == before.rules);
        let mut watch = watch;
        let mut counters = match known {
            Some((_, counters)) => counters,
            None => {
                let (rules, watched) = self.store.alerts.watched().await?;
                watch.rules = rules;
                watched.into_iter().map(Counter::new).collect()
            }
        };
        let newest = self.tail.last().await?;
        // What was there before anybody counted is history. A store that lost its newest spans gives their numbers again.
        let position = watch.position.unwrap_or(newest).min(newest);
        let (upto, spans) = self.piece(&counters, position, newest).await?;
        let seen = watch.seen_at.unwrap_or(watch.now);
        let complete = upto == newest;
        let seen_at = if complete { watch.now } else { seen };
        let mut pass = Counted { rules: watch.rules, position: upto, seen_at, ..Counted::default() };
        for counter in &mut counters {
            counter.begin(watch.now, position);
            counter.read_on(watch.now, self.tail.as_ref(), &mut pass).await;
            spans.iter().for_each(|span| counter.count(span, seen, watch.now));
            counter.close(watch.now, complete, &mut pass);
        }
        pass.events.iter_mut().for_each(|(_, event)| event::cover(event, &self.hidden));
        let nothing =
            pass.tallies.is_empty() && pass.over.is_empty() && pass.states.is_empty() && pass.events.is_empty();
        let stayed = watch.position == Some(upto);
        let is_news = !nothing || !stayed;
        if is_news && !self.store.alerts.note(&watch, pass).await? {
            return Ok(Passed::More);
        }
        let read = counters.iter().all(|counter| !counter.reads_on());
        self.counted = Some((watch, counters));
        Ok(if complete && read { Passed::All } else { Passed::More })
    }

    /// The next spans of organizations that have rules, and up to where that is.
    async fn piece(&self, counters: &[Counter], position: u64, newest: u64) -> Result<(u64, Vec<TailSpan>)> {
        let mut orgs: Vec<OrgId> = counters.iter().map(|counter| counter.alert.org.clone()).collect();
        orgs.sort();
        orgs.dedup();
        if orgs.is_empty() || position == newest {
            return Ok((newest, Vec::new()));
        }
        let upto = newest.min(position + PIECE);
        Ok((upto, self.tail.between(&orgs, position, upto).await?))
    }
}

impl Counter {
    fn new(watched: Watched) -> Self {
        let Watched { alert, tallies } = watched;
        let counts = match alert.content.rule.clone() {
            Rule::Metric(rule) => Counts::Window(Window::new(rule, tallies)),
            Rule::Budget(budget) => Counts::Spent(Spent::new(budget, tallies)),
        };
        Self { written: alert.state.clone(), alert, counts, trouble: None }
    }

    fn begin(&mut self, now: Timestamp, upto: u64) {
        if let Counts::Spent(spent) = &mut self.counts {
            self.alert.state = spent.begin(&self.alert, now, upto);
        }
    }

    /// Whether there is more of its past to read, and nothing in the way.
    fn reads_on(&self) -> bool {
        self.trouble.is_none() && matches!(&self.counts, Counts::Spent(spent) if spent.is_reading())
    }

    /// Reads a day more of its past, if there is one. What fails is its own trouble: it is tried again, and told if that lasts.
    async fn read_on(&mut self, now: Timestamp, tail: &dyn SpanTail, pass: &mut Counted) {
        let Counts::Spent(spent) = &mut self.counts else { return };
        if !spent.is_reading() || self.trouble.is_some_and(|trouble| now < trouble.again_at) {
            return;
        }
        let late =
            |_| Err(Error::new(ErrorKind::StoreUnavailable, format!("a day was not read within {READ_WITHIN:?}")));
        let read = timeout(READ_WITHIN, spent.read_on(&mut self.alert, tail)).await.unwrap_or_else(late);
        let (alert, org) = (&self.alert, &self.alert.org);
        match (read, self.trouble.take()) {
            (Ok(()), None) => {}
            (Ok(()), Some(trouble)) => {
                tracing::info!(alert_id = %alert.id, org_id = %org, "the past of a budget can be read again");
                pass.events.extend(trouble.told.then(|| (org.clone(), event::of_uncounted(alert, false))));
            }
            (Err(error), before) => {
                tracing::warn!(alert_id = %alert.id, org_id = %org, %error, cause = ?error,
                    "the past of a budget cannot be read; nobody watches it until it can");
                let since = before.map_or(now, |before| before.since);
                let told = before.is_some_and(|before| before.told);
                let tells = !told && now.duration_since(since) >= TOLD_AFTER;
                pass.events.extend(tells.then(|| (org.clone(), event::of_uncounted(alert, true))));
                let again_at = now.saturating_add(READ_AGAIN).unwrap_or(Timestamp::MAX);
                self.trouble = Some(Trouble { since, again_at, told: told || tells });
            }
        }
    }

    fn count(&mut self, span: &TailSpan, seen: Timestamp, now: Timestamp) {
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
    fn close(&mut self, now: Timestamp, complete: bool, pass: &mut Counted) {
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
