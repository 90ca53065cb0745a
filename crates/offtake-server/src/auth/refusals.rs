//! Attempts that were refused, for the audit trail, behind the requests: none of them waits for it.
//!
//! At most one entry a minute for each principal and route, so that nobody floods the trail: the first at once, and
//! those that came in the minute after it, with their number, when it is over. Only attempts of principals that are known
//! are here. Whoever shows what nobody signed could name any organization.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{MatchedPath, Request};
use http::{Method, header};
use jiff::{SignedDuration, Timestamp};
use offtake_model::audit::{Act, Action, Deed, ObjectKind, Via};
use offtake_model::clock::SharedClock;
use offtake_model::id::OrgId;
use offtake_model::{Error, ErrorKind};
use offtake_store::{Audit, Store};
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::task::AbortOnDropHandle;

use crate::acting::client_address;
use crate::edge::RequestId;
use crate::state::App;

/// Attempts that wait to be written down; more are forgotten.
const WAITING: usize = 1024;
/// Of one principal at one route, one entry in so long.
const EVERY: SignedDuration = SignedDuration::from_mins(1);
/// Principals and routes that are remembered. Of more, nothing is written down until a minute is over.
const MOST: usize = 4096;
/// How often it is looked which minutes are over.
const LOOK: Duration = Duration::from_secs(1);

/// Somebody's attempt to change or to fetch something.
#[derive(Debug, Clone)]
pub(crate) struct Attempt {
    act: Act,
    route: String,
}

impl Attempt {
    /// The attempt that this request is, by nobody yet; `None` for one that only looks.
    pub(crate) fn of(app: &App, request: &Request) -> Option<Self> {
        let (extensions, headers) = (request.extensions(), request.headers());
        let path = extensions.get::<MatchedPath>()?.as_str();
        if request.method().is_safe() && !(request.method() == Method::GET && path.ends_with("/download")) {
            return None;
        }
        let agent = headers.get(header::USER_AGENT).map(|agent| String::from_utf8_lossy(agent.as_bytes()));
        let act =
            Act::by("", Via::Token).from_address(client_address(app, extensions, headers)).with_agent(agent.as_deref());
        let act = match extensions.get::<RequestId>() {
            Some(request) => act.with_request(request.id.as_str()),
            None => act,
        };
        Some(Self { act, route: format!("{} {path}", request.method()) })
    }

    /// An attempt at this route (method and path of the table).
    pub(crate) fn at(route: &str, act: Act) -> Self {
        Self { act, route: route.to_owned() }
    }

    /// The attempt, of this principal.
    pub(crate) fn by(mut self, actor: &str, via: Via) -> Self {
        self.act = self.act.named(actor, via);
        self
    }
}

/// An attempt that was refused.
#[derive(Debug, Clone)]
struct Refused {
    org: OrgId,
    attempt: Attempt,
    code: &'static str,
    detail: String,
}

impl Refused {
    fn deed(&self, times: u64) -> Deed {
        Deed::done(Action::Request, ObjectKind::Route, &self.attempt.route)
            .refused()
            .with("code", self.code)
            .with("detail", self.detail.as_str())
            .with("times", times)
    }
}

/// Where refused attempts are left. The writer ends with it.
#[derive(Debug)]
pub(crate) struct Refusals {
    queue: mpsc::Sender<Refused>,
    _writer: AbortOnDropHandle<()>,
}

impl Refusals {
    pub(crate) fn writing_to(store: &Store, clock: SharedClock) -> Self {
        let (queue, refused) = mpsc::channel(WAITING);
        let writer = tokio::spawn(write(refused, Arc::clone(&store.audit), clock));
        Self { queue, _writer: AbortOnDropHandle::new(writer) }
    }

    /// Notes that this principal's attempt was refused, if there is room; what failed for another reason is no refusal.
    pub(crate) fn note(&self, org: &OrgId, attempt: Attempt, error: &Error) {
        let kind = error.kind();
        if !matches!(kind, ErrorKind::Forbidden | ErrorKind::Unauthenticated | ErrorKind::Revoked) {
            return;
        }
        let (org, code, detail) = (org.clone(), kind.code(), error.detail().to_owned());
        if self.queue.try_send(Refused { org, attempt, code, detail }).is_err() {
            tracing::warn!("a refused attempt is not in the audit trail: too many are");
        }
    }
}

async fn write(mut refused: mpsc::Receiver<Refused>, audit: Arc<dyn Audit>, clock: SharedClock) {
    let mut windows = Windows::default();
    let mut looks = interval(LOOK);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let due = tokio::select! {
            next = refused.recv() => match next {
                Some(refused) => windows.taken(refused, clock.now()).into_iter().collect(),
                None => return,
            },
            _ = looks.tick() => windows.over(clock.now()),
        };
        for (refused, times) in due {
            if let Err(error) = audit.append(&refused.org, &refused.attempt.act, &refused.deed(times)).await {
                tracing::warn!(%error, "a refused attempt could not be written down");
            }
        }
    }
}

/// The minutes that go by, of each principal at each route.
#[derive(Debug, Default)]
struct Windows(HashMap<(OrgId, String, String), Window>);

#[derive(Debug)]
struct Window {
    until: Timestamp,
    /// The last attempt since the entry, and how many there were.
    more: Option<(Refused, u64)>,
}

impl Windows {
    /// What is to be written down now, and for how many attempts it stands.
    fn taken(&mut self, refused: Refused, now: Timestamp) -> Option<(Refused, u64)> {
        let Attempt { act, route } = &refused.attempt;
        let key = (refused.org.clone(), act.actor().to_owned(), route.clone());
        if let Some(window) = self.0.get_mut(&key) {
            let times = window.more.take().map_or(0, |(_, times)| times);
            window.more = Some((refused, times + 1));
            return None;
        }
        if self.0.len() >= MOST {
            tracing::warn!(org_id = %refused.org, "a refused attempt is not in the audit trail: too many are");
            return None;
        }
        self.0.insert(key, Window { until: after(now), more: None });
        Some((refused, 1))
    }

    /// What came since, of the minutes that are over.
    fn over(&mut self, now: Timestamp) -> Vec<(Refused, u64)> {
        let mut due = Vec::new();
        self.0.retain(|_, window| {
            if now < window.until {
                return true;
            }
            window.until = after(now);
            let more = window.more.take();
            let goes_on = more.is_some();
            due.extend(more);
            goes_on
        });
        due
    }
}

fn after(now: Timestamp) -> Timestamp {
    now.checked_add(EVERY).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(org: &str, actor: &str, route: &str) -> Refused {
        let attempt = Attempt::at(route, Act::by(actor, Via::Token));
        let org = OrgId::new(org).expect("a name");
        Refused { org, attempt, code: "forbidden", detail: "the permission x is needed".to_owned() }
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_794_000_000 + second).expect("a moment")
    }

    #[test]
    fn one_entry_a_minute_stands_for_all() {
        let mut windows = Windows::default();
        let times = |due: Vec<(Refused, u64)>| due.into_iter().map(|(_, times)| times).collect::<Vec<_>>();
        assert_eq!(windows.taken(refused("acme", "bob", "POST /a"), at(0)).map(|(_, times)| times), Some(1));
        for second in 1..50 {
            assert!(windows.taken(refused("acme", "bob", "POST /a"), at(second)).is_none());
        }
        for other in [("acme", "ada", "POST /a"), ("acme", "bob", "POST /b"), ("other", "bob", "POST /a")] {
            assert!(windows.taken(refused(other.0, other.1, other.2), at(50)).is_some(), "{other:?}");
        }
        assert_eq!(times(windows.over(at(59))), [0; 0]);
        assert_eq!(times(windows.over(at(60))), [49]);
        assert!(windows.taken(refused("acme", "bob", "POST /a"), at(70)).is_none(), "a minute after the last entry");
        assert_eq!(times(windows.over(at(119))), [0; 0]);
        assert_eq!(times(windows.over(at(120))), [1]);
        assert_eq!(times(windows.over(at(180))), [0; 0]);
        assert!(windows.0.is_empty(), "nothing is remembered for nothing");
    }

    #[test]
    fn not_more_are_remembered_than_fit() {
        let mut windows = Windows::default();
        for actor in 0..2 * MOST {
            windows.taken(refused("acme", &actor.to_string(), "POST /a"), at(0));
        }
        assert_eq!(windows.0.len(), MOST);
        windows.over(at(60));
        assert!(windows.taken(refused("acme", "late", "POST /a"), at(61)).is_some());
    }
}
