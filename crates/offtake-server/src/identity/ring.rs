//! The public keys of one issuer, kept.
//!
//! One task per issuer fetches ([`Ring::keep`]); requests only look, and ask it to. So a client that goes away takes no
//! fetch with it, any number of requests share one, and an endpoint that is slow or away is felt by nobody whose key is
//! known. How often it fetches is bounded whatever is asked.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use offtake_model::clock::SharedClock;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use super::algorithm::Algorithm;
use super::fetch::Origin;
use super::issuers::Freshness;
use super::jwk::KeySet;
use super::jws::Jws;
use super::keys::{Verdict, judge};

/// What an issuer's keys say about a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Judgement {
    /// One of them signed it.
    Signed,
    /// None of them did.
    Forged,
    /// The keys that might have are not to be had at the moment.
    Unavailable,
}

/// The keys of an issuer, and when they came.
#[derive(Debug)]
pub(super) struct Ring {
    name: String,
    origin: Origin,
    algorithms: Vec<Algorithm>,
    freshness: Freshness,
    clock: SharedClock,
    state: Mutex<State>,
    /// Somebody wants newer keys.
    asked: Notify,
    /// How many fetches have ended.
    ended: watch::Sender<u64>,
}

/// What is known.
#[derive(Debug, Default)]
struct State {
    keys: Arc<KeySet>,
    /// When they came; `None`: there were none yet.
    fetched_at: Option<Timestamp>,
    /// Until when they need not be asked for again.
    fresh_until: Option<Timestamp>,
    /// When they were last asked for.
    tried_at: Option<Timestamp>,
    /// Whether they are being asked for.
    trying: bool,
    /// Why the last fetch brought none.
    failure: Option<String>,
}

/// The state of an issuer's keys, for people.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Told {
    /// Each key in use.
    pub(super) keys: Vec<String>,
    /// Why others are not.
    pub(super) left_out: Vec<String>,
    /// Why there are no newer ones.
    pub(super) failure: Option<String>,
}

impl Ring {
    pub(super) fn new(
        name: &str,
        origin: Origin,
        algorithms: Vec<Algorithm>,
        freshness: Freshness,
        clock: SharedClock,
    ) -> Self {
        let (ended, _) = watch::channel(0);
        let (state, asked) = (Mutex::default(), Notify::new());
        Self { name: name.to_owned(), origin, algorithms, freshness, clock, state, asked, ended }
    }

    /// What the keys say about `jws`. Waits for a fetch only if none of those known could have signed it.
    pub(super) async fn judge(&self, jws: &Jws<'_>, now: Timestamp) -> Judgement {
        if let Some(judgement) = self.look(jws, now) {
            return judgement;
        }
        if let Some(mut ended) = self.ask(now) {
            // The fetch itself is bounded; the bound here is for a keeper that was stopped meanwhile.
            let patience = self.freshness.timeout * 2;
            let waited = tokio::time::timeout(patience, ended.changed()).await;
            tracing::trace!(issuer = self.name, in_time = waited.is_ok(), "waited for keys");
        }
        self.look(jws, now).unwrap_or_else(|| self.without_its_key(now))
    }

    /// What those keys say that are known; `None` if the token's is not among them.
    fn look(&self, jws: &Jws<'_>, now: Timestamp) -> Option<Judgement> {
        let (is_stale, keys) = {
            let state = self.state();
            (state.fresh_until.is_none_or(|until| until <= now), self.in_force(&state, now))
        };
        if is_stale {
            // Others go on with what there is.
            drop(self.ask(now));
        }
        let keys = keys?;
        match judge(&keys.keys, jws) {
            Verdict::Signed => Some(Judgement::Signed),
            Verdict::Forged => Some(Judgement::Forged),
            Verdict::Unknown => None,
        }
    }

    /// Keys that newer ones could not replace hold for a while, not for ever.
    fn in_force(&self, state: &State, now: Timestamp) -> Option<Arc<KeySet>> {
        let until = later(state.fresh_until?, self.freshness.keep);
        (now < until).then(|| Arc::clone(&state.keys))
    }

    fn without_its_key(&self, now: Timestamp) -> Judgement {
        let state = self.state();
        let complete = state.failure.is_none() && !state.trying && self.in_force(&state, now).is_some();
        if complete { Judgement::Forged } else { Judgement::Unavailable }
    }

    /// Asks for newer keys, unless somebody did a moment ago. What to wait on, if there is anything to wait for.
    fn ask(&self, now: Timestamp) -> Option<watch::Receiver<u64>> {
        let mut state = self.state();
        if !state.trying {
            let next = state.tried_at.map(|at| later(at, self.freshness.refetch_after));
            // A clock that was set back must not keep keys away.
            let set_back = state.tried_at.is_some_and(|at| at > now);
            if !set_back && next.is_some_and(|next| now < next) {
                return None;
            }
            state.trying = true;
            state.tried_at = Some(now);
            self.asked.notify_one();
        }
        // Subscribed under the lock, so the end of this fetch is not missed.
        Some(self.ended.subscribe())
    }

    /// Fetches whenever somebody asks, and before the keys are too old, until `stop`.
    pub(super) async fn keep(&self, stop: CancellationToken) {
        drop(self.ask(self.clock.now()));
        loop {
            let pause = self.pause();
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.asked.notified() => {}
                () = tokio::time::sleep(pause) => {
                    drop(self.ask(self.clock.now()));
                    continue;
                }
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.fetch() => {}
            }
        }
    }

    /// How long until the keys should be fetched without anybody asking.
    fn pause(&self) -> Duration {
        let state = self.state();
        let retry = state.tried_at.map(|at| later(at, self.freshness.refetch_after));
        let due = state.fresh_until.max(retry);
        let wait = due.map(|due| due.duration_since(self.clock.now()));
        // Not more often than the interval says, whatever the clock does.
        wait.and_then(|wait| Duration::try_from(wait).ok()).unwrap_or_default().max(self.freshness.refetch_after)
    }

    /// Fetches the keys, and keeps what came.
    pub(super) async fn fetch(&self) {
        let read = match self.origin.fetch(self.freshness.timeout).await {
            Ok(fetched) => KeySet::read(&fetched.text, &self.algorithms).map(|keys| (keys, fetched.fresh_for)),
            Err(failure) => Err(failure),
        };
        let now = self.clock.now();
        let mut state = self.state();
        state.trying = false;
        state.tried_at.get_or_insert(now);
        match read {
            Ok((keys, fresh_for)) => {
                self.log(&keys, &state);
                state.keys = Arc::new(keys);
                state.fetched_at = Some(now);
                state.fresh_until = Some(later(now, self.freshness.of(fresh_for)));
                state.failure = None;
            }
            Err(failure) => {
                tracing::warn!(issuer = self.name, failure, "the keys of an issuer could not be fetched");
                state.failure = Some(failure);
            }
        }
        // Under the lock: who asks for another fetch from now on does not take the end of this one for its end.
        self.ended.send_modify(|ended| *ended += 1);
    }

    /// Says what changed, once.
    fn log(&self, keys: &KeySet, before: &State) {
        let (new, old) = (names(keys), names(&before.keys));
        if before.fetched_at.is_none() || new != old || keys.left_out != before.keys.left_out {
            let (keys, left_out) = (new.join(", "), keys.left_out.join("; "));
            tracing::info!(issuer = self.name, keys, left_out, "the keys of an issuer");
        }
        if keys.keys.is_empty() {
            tracing::warn!(issuer = self.name, "no key of an issuer is of use: none of its tokens is taken");
        }
    }

    /// What is known, for people.
    pub(super) fn told(&self) -> Told {
        let state = self.state();
        Told { keys: names(&state.keys), left_out: state.keys.left_out.clone(), failure: state.failure.clone() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn names(keys: &KeySet) -> Vec<String> {
    let name = |key: &super::keys::Key| {
        let algorithms: Vec<&str> = key.algorithms().into_iter().map(Algorithm::name).collect();
        format!("{} ({})", key.kid.as_deref().unwrap_or("without a name"), algorithms.join(", "))
    };
    keys.keys.iter().map(name).collect()
}

fn later(moment: Timestamp, by: Duration) -> Timestamp {
    let by = SignedDuration::try_from(by).unwrap_or(SignedDuration::MAX);
    moment.checked_add(by).unwrap_or(Timestamp::MAX)
}
