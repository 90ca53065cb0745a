//! What was spent before budgets began to count: read beside the passes, one day after the other, so that no rule waits
//! for a database that takes long.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use offtake_datasets::spans::SpanTail;
use offtake_datasets::spans::tail::SpentIn;
use offtake_model::alert::Usd;
use offtake_model::id::{AlertId, OrgId};
use offtake_model::{Error, ErrorKind, Result};
use tokio::time::{Instant, timeout_at};
use tokio_util::task::AbortOnDropHandle;

/// So long a pass waits for days that are read at once; the others are asked for by later ones.
const MOMENT: Duration = Duration::from_millis(500);
/// How long a day may take to be read.
const READ_WITHIN: SignedDuration = SignedDuration::from_secs(5);
/// When a past that could not be read is looked at again.
const READ_AGAIN: SignedDuration = SignedDuration::from_secs(30);

/// A day of a budget's past.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Day {
    pub(super) alert: AlertId,
    pub(super) org: OrgId,
    pub(super) provider: Option<String>,
    /// Where it begins,
    pub(super) from: Timestamp,
    /// and where the next one does.
    pub(super) to: Timestamp,
    /// The last span that counts.
    pub(super) upto: u64,
}

/// Reads the past of all budgets.
#[derive(Debug)]
pub(super) struct Past {
    tail: Arc<dyn SpanTail>,
    under_way: Option<UnderWay>,
    read: Vec<(Day, Result<Usd>)>,
    /// Of those that are not read to their end.
    turns: BTreeMap<AlertId, Turn>,
}

#[derive(Debug)]
struct UnderWay {
    day: Day,
    since: Timestamp,
    task: AbortOnDropHandle<Result<Usd>>,
}

/// When a rule had its turn last, and what came of it. Those that failed come behind all others, and whoever waits longest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Turn {
    failed: bool,
    at: Timestamp,
}

impl Past {
    pub(super) const fn new(tail: Arc<dyn SpanTail>) -> Self {
        Self { tail, under_way: None, read: Vec::new(), turns: BTreeMap::new() }
    }

    /// Whether nothing came of the last turn of this rule.
    pub(super) fn fails(&self, alert: AlertId) -> bool {
        self.turns.get(&alert).is_some_and(|turn| turn.failed)
    }

    /// What became of days, of each once.
    pub(super) async fn take(&mut self, now: Timestamp) -> Vec<(Day, Result<Usd>)> {
        let is_late = |under_way: &UnderWay| now.duration_since(under_way.since) >= READ_WITHIN;
        let ended = self.under_way.take_if(|under_way| under_way.task.is_finished() || is_late(under_way));
        if let Some(UnderWay { day, task, .. }) = ended {
            let late = || Error::new(ErrorKind::StoreUnavailable, format!("a day was not read within {READ_WITHIN:#}"));
            let spent = if task.is_finished() { answer(task.await) } else { Err(late()) };
            self.ended(day, spent, now);
        }
        std::mem::take(&mut self.read)
    }

    /// Reads what it can of these in a moment. Whether there is something to take.
    pub(super) async fn go_on(&mut self, mut days: Vec<Day>, now: Timestamp) -> bool {
        self.under_way.take_if(|under_way| !days.contains(&under_way.day));
        self.turns.retain(|alert, _| days.iter().any(|day| day.alert == *alert));
        days.retain(|day| self.turns.get(&day.alert).is_none_or(|turn| turn.is_due(now)));
        days.sort_by_key(|day| self.turns.get(&day.alert).copied());
        let until = Instant::now() + MOMENT;
        for day in days {
            if self.under_way.is_some() {
                break;
            }
            let mut task = self.ask(day.clone());
            match timeout_at(until, &mut task).await {
                Ok(done) => self.ended(day, answer(done), now),
                Err(_) => self.under_way = Some(UnderWay { day, since: now, task }),
            }
        }
        !self.read.is_empty()
    }

    /// Gives up what is under way.
    pub(super) fn leave(&mut self) {
        self.under_way = None;
        self.read.clear();
    }

    /// In a task of its own, so that it goes on between passes.
    fn ask(&self, day: Day) -> AbortOnDropHandle<Result<Usd>> {
        let tail = Arc::clone(&self.tail);
        AbortOnDropHandle::new(tokio::spawn(async move {
            let (from, to) = (day.from.as_microsecond(), day.to.as_microsecond());
            tail.spent(&SpentIn { org: &day.org, provider: day.provider.as_deref(), from, to, upto: day.upto }).await
        }))
    }

    fn ended(&mut self, day: Day, spent: Result<Usd>, now: Timestamp) {
        self.turns.insert(day.alert, Turn { failed: spent.is_err(), at: now });
        self.read.push((day, spent));
    }
}

impl Turn {
    fn is_due(self, now: Timestamp) -> bool {
        !self.failed || now.duration_since(self.at) >= READ_AGAIN
    }
}

fn answer(done: Result<Result<Usd>, tokio::task::JoinError>) -> Result<Usd> {
    done.unwrap_or_else(|cause| Err(Error::new(ErrorKind::Internal, "a task ended").caused_by(cause)))
}
