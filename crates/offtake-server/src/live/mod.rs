//! Live events: who opened a socket, what each subscribed to, and how everybody gets it who should.
//!
//! Responsible for the sockets ([`upgrade`], [`socket`], [`message`]), for finding those an event is for without asking
//! all ([`hub`], [`filter`]), for readers that are slow ([`queue`]), and for reading what happens while somebody listens
//! ([`traces`], [`organization`]). Not responsible for events coming to be: those of an organization are rows that the
//! store writes, and those of traces follow from the spans. Nothing is kept here: after a restart clients subscribe anew
//! and name the numbers up to which they know everything.

mod event;
mod filter;
mod hub;
mod message;
mod metrics;
mod organization;
pub mod protocol;
mod queue;
mod replay;
mod right;
mod socket;
mod subscribing;
mod traces;
pub(crate) mod upgrade;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::{HeaderMap, Method, Uri, header};
use offtake_datasets::spans::TraceEvents;
use offtake_model::id::OrgId;
use offtake_model::principal::Principal;
use offtake_model::{Error, ErrorKind, Result};
use offtake_pipeline::HashKey;
use prometheus_client::metrics::gauge::Gauge;
use tokio_util::task::AbortOnDropHandle;

use crate::auth::{self, Via, origin};
use crate::state::{App, AppState};
use event::Veil;
use hub::Hub;
pub(crate) use metrics::LiveMetrics;

/// What live sockets may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LiveSettings {
    /// Sockets of one principal at once, in this process.
    pub connections_per_principal: u32,
    /// How often each is asked for a sign of life.
    pub heartbeat: Duration,
    /// How long a reader may take nothing of what is there for it.
    pub reader_timeout: Duration,
}

impl Default for LiveSettings {
    fn default() -> Self {
        Self {
            connections_per_principal: 32,
            heartbeat: Duration::from_secs(20),
            reader_timeout: Duration::from_secs(30),
        }
    }
}

/// Everything live in this process. What reads for it ends with it.
#[derive(Debug)]
pub(crate) struct Live {
    hub: Arc<Hub>,
    seats: Arc<Seats>,
    traces: Option<Arc<dyn TraceEvents>>,
    _tails: Vec<AbortOnDropHandle<()>>,
}

impl Live {
    pub(crate) fn start(state: &AppState, hash_key: &HashKey) -> Self {
        let veil = Veil::of(&state.catalog, hash_key.clone());
        let hub = Arc::new(Hub::new(veil, Arc::clone(&state.clock), state.metrics.live.clone()));
        let hints = state.store.events.hints();
        let mut tails = vec![spawn(organization::run(Arc::clone(&hub), state.store.clone()))];
        if let Some(spans) = &state.spans {
            tails.push(spawn(traces::run(Arc::clone(&hub), spans.events(), hints.listen())));
            tails.push(spawn(traces::hint(spans.appends(), hints)));
        }
        let (most, open) = (state.settings.live.connections_per_principal, state.metrics.live.sockets.clone());
        let seats = Arc::new(Seats { most, open, taken: Mutex::default() });
        Self { hub, seats, traces: state.spans.as_ref().map(|spans| spans.events()), _tails: tails }
    }
}

fn spawn(tail: impl Future<Output = ()> + Send + 'static) -> AbortOnDropHandle<()> {
    AbortOnDropHandle::new(tokio::spawn(tail))
}

/// How many sockets each principal has.
#[derive(Debug)]
struct Seats {
    most: u32,
    /// All that are open, as operators see it.
    open: Gauge,
    taken: Mutex<HashMap<(OrgId, String), u32>>,
}

impl Seats {
    fn taken(&self) -> MutexGuard<'_, HashMap<(OrgId, String), u32>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// # Errors
    /// `too_many_requests`.
    fn take(self: &Arc<Self>, principal: &Principal) -> Result<Seat> {
        let whose = (principal.org.clone(), principal.sub.clone());
        let mut taken = self.taken();
        let mine = taken.entry(whose.clone()).or_default();
        if *mine >= self.most {
            let detail = format!("this caller has {mine} live sockets open, as many as one may; close one first");
            return Err(Error::new(ErrorKind::TooManyRequests, detail));
        }
        *mine += 1;
        self.open.inc();
        Ok(Seat { seats: Arc::clone(self), whose })
    }
}

/// A principal's right to one socket.
#[derive(Debug)]
struct Seat {
    seats: Arc<Seats>,
    whose: (OrgId, String),
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.seats.open.dec();
        let mut taken = self.seats.taken();
        if let Some(mine) = taken.get_mut(&self.whose) {
            *mine -= 1;
            if *mine == 0 {
                taken.remove(&self.whose);
            }
        }
    }
}

/// The ticket in a query, as it stands there: tickets are letters and digits.
pub(crate) fn ticket(uri: &Uri) -> Option<&str> {
    uri.query()?.split('&').find_map(|pair| pair.strip_prefix("ticket="))
}

/// Who wants to open a socket: by a token, by a ticket, or by the cookie of a session.
///
/// # Errors
/// `unauthenticated`; `forbidden` if it is a page that may not, or whoever it is may do nothing.
pub(crate) async fn admit(app: &App, uri: &Uri, headers: &HeaderMap) -> Result<(Principal, Via)> {
    let by_token = headers.contains_key(header::AUTHORIZATION);
    let ticket = ticket(uri).filter(|_| !by_token);
    // Before a ticket is spent: another page must not be able to spend it.
    let by_cookie = !by_token && ticket.is_none() && auth::session_of(&app.settings, headers).is_some();
    origin::require_known(&app.settings, headers, by_cookie)?;
    let known = match ticket {
        Some(ticket) => auth::by_ticket(app, ticket).await,
        None => auth::authenticate(app, &Method::GET, headers, None).await,
    };
    Ok(known?)
}
