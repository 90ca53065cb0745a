//! Alert rules and budgets: counted from the spans as they come in, and judged every few seconds.
//!
//! Responsible for counting each span once, for the value of a metric over its window and of a budget in its period, and
//! for what is told of them. Not responsible for what a rule may say (`offtake_model::alert`) or for keeping it
//! (`offtake_store::Alerts`). One worker of all counts at a time; what it counted lies in the store, so the next one goes
//! on where it was. Each rule is counted for itself: one whose past is slow or cannot be read keeps no other from being judged.

mod counter;
mod event;
mod past;
mod spending;
mod tally;
mod window;

use std::sync::Arc;

use jiff::SignedDuration;
use offtake_datasets::spans::SpanTail;
use offtake_datasets::spans::tail::TailSpan;
use offtake_model::Result;
use offtake_model::alert::Dimension;
use offtake_model::id::OrgId;
use offtake_store::{Counted, Store, Watch, WorkerName};
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use counter::Counter;
use past::Past;

/// For so long nobody else counts after the one who does was heard of last, at most; every half of it that is written down.
const HOLD: SignedDuration = SignedDuration::from_secs(30);
/// Numbers of spans that are looked at in one go.
const PIECE: u64 = 5_000;

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
    past: Past,
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
    pub fn new(store: Store, tail: Arc<dyn SpanTail>, worker: WorkerName) -> Self {
        let past = Past::new(Arc::clone(&tail));
        Self { store, tail, worker, hidden: Vec::new(), counted: None, past }
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
        let Some(watch) = self.store.alerts.watch(&self.worker, HOLD, had).await? else {
            self.past.leave();
            return Ok(Passed::Elsewhere);
        };
        let (watch, mut counters) = self.counters(watch, before).await?;
        let newest = self.tail.last().await?;
        // What was there before anybody counted is history. A store that lost its newest spans gives their numbers again.
        let position = watch.position.unwrap_or(newest).min(newest);
        let (upto, spans) = self.piece(&counters, position, newest).await?;
        let seen = watch.seen_at.unwrap_or(watch.now);
        let complete = upto == newest;
        let seen_at = if complete { watch.now } else { seen };
        let mut pass = Counted { rules: watch.rules, position: upto, seen_at, ..Counted::default() };
        let read = self.past.take(watch.now).await;
        for counter in &mut counters {
            counter.begin(watch.now, position);
            read.iter().for_each(|(day, spent)| counter.hear(day, spent.as_ref(), watch.now));
            spans.iter().for_each(|span| counter.count(span, seen, watch.now));
            counter.tell_of_past(self.past.fails(counter.id()), watch.now, &mut pass);
            counter.close(watch.now, complete, &mut pass);
        }
        if !self.note(&watch, pass).await? {
            return Ok(Passed::More);
        }
        let days = counters.iter().filter_map(Counter::day).collect();
        let read = self.past.go_on(days, watch.now).await;
        self.counted = Some((watch, counters));
        Ok(if complete && !read { Passed::All } else { Passed::More })
    }

    /// The rules that are counted for: as they were, if neither they nor who counts changed, and as the store has them otherwise.
    async fn counters(&self, mut watch: Watch, before: Option<(Watch, Vec<Counter>)>) -> Result<(Watch, Vec<Counter>)> {
        let known = before.filter(|(before, _)| watch.follows(before) && watch.rules == before.rules);
        if let Some((_, counters)) = known {
            return Ok((watch, counters));
        }
        let (rules, watched) = self.store.alerts.watched().await?;
        watch.rules = rules;
        Ok((watch, watched.into_iter().map(Counter::new).collect()))
    }

    /// Writes down what is new, if anything is. `false`: a rule was changed meanwhile.
    async fn note(&self, watch: &Watch, mut pass: Counted) -> Result<bool> {
        pass.events.iter_mut().for_each(|(_, event)| event::cover(event, &self.hidden));
        let nothing =
            pass.tallies.is_empty() && pass.over.is_empty() && pass.states.is_empty() && pass.events.is_empty();
        if nothing && watch.position == Some(pass.position) {
            return Ok(true);
        }
        self.store.alerts.note(watch, pass).await
    }

    /// The next spans of organizations that have rules, and up to where that is.
    async fn piece(&self, counters: &[Counter], position: u64, newest: u64) -> Result<(u64, Vec<TailSpan>)> {
        let mut orgs: Vec<OrgId> = counters.iter().map(|counter| counter.org().clone()).collect();
        orgs.sort();
        orgs.dedup();
        if orgs.is_empty() || position == newest {
            return Ok((newest, Vec::new()));
        }
        let upto = newest.min(position + PIECE);
        Ok((upto, self.tail.between(&orgs, position, upto).await?))
    }
}
