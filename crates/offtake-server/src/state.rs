//! What handlers share.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use jiff::SignedDuration;
use offtake_datasets::Catalog;
use offtake_datasets::spans::{Conventions, SpanStore};
use offtake_model::clock::SharedClock;
use offtake_pipeline::HashKey;
use offtake_store::outbound::Outbound;
use offtake_store::sealed::Sealer;
use offtake_store::{OneTimeKeys, Store};
use prometheus_client::registry::Registry;
use tokio::sync::Semaphore;

use crate::acting::TrustedProxies;
use crate::audit::Uses;
use crate::auth::noting::Notes;
use crate::auth::refusals::Refusals;
use crate::destinations::Destinations;
use crate::extract::Room;
use crate::identity::{Issuers, Secrets, Verifier};
use crate::limits::{LimitSettings, Throttles};
use crate::links::Links;
use crate::live::{Live, LiveSettings};
use crate::metrics::ServerMetrics;
use crate::openapi::Documents;
use crate::sse::Places;

/// JSON bodies of the largest size that are in memory at once; most are a thousandth of it.
const JSON_BODIES: usize = 16;

/// How the server behaves.
#[derive(Debug, Clone)]
pub struct ServerSettings {
    /// What links begin with, such as `https://offtake.example.com`; `None`: links are paths.
    pub public_url: Option<String>,
    /// A partial selection of at most so many rows is waited for.
    pub sync_rows: usize,
    /// How long it is waited for.
    pub sync_wait: Duration,
    /// Who sends files.
    pub downloads: Downloads,
    /// How long a link lives; never longer than ten minutes.
    pub link_ttl: SignedDuration,
    /// How long a one-time token lives; never longer than seven days.
    pub one_time_ttl: SignedDuration,
    /// The largest JSON body, in bytes.
    pub json_body_bytes: usize,
    /// The largest OTLP body as sent, in bytes.
    pub otlp_body_bytes: usize,
    /// The largest OTLP body once decompressed, in bytes.
    pub otlp_decompressed_bytes: usize,
    /// The bytes of OTLP bodies that are in memory at once, as sent, of all requests under way, over HTTP and gRPC.
    pub otlp_in_flight_bytes: usize,
    /// OTLP requests that are decoded and stored at once; more wait, and are sent away if it takes too long.
    pub otlp_concurrency: usize,
    /// Whether `/metrics` is open to everybody who reaches the port.
    pub open_metrics: bool,
    /// How long a request may take until its response begins.
    pub request_timeout: Duration,
    /// Proxies that are believed about where a request comes from.
    pub trusted_proxies: TrustedProxies,
    /// How much may be asked for.
    pub limits: LimitSettings,
    /// Pages of these origins may read what the API answers.
    pub allowed_origins: Vec<String>,
    /// Live sockets.
    pub live: LiveSettings,
    /// How long the workers keep a file.
    pub keep: Duration,
    /// Whether the workers send mail.
    pub sends_mail: bool,
}

impl Default for ServerSettings {
    fn default() -> Self {
        Self {
            public_url: None,
            sync_rows: 25,
            sync_wait: Duration::from_secs(5),
            downloads: Downloads::Redirect,
            link_ttl: SignedDuration::from_mins(10),
            one_time_ttl: SignedDuration::from_hours(24),
            json_body_bytes: 2 << 20,
            otlp_body_bytes: 16 << 20,
            otlp_decompressed_bytes: 64 << 20,
            otlp_in_flight_bytes: 128 << 20,
            otlp_concurrency: 4,
            open_metrics: false,
            request_timeout: Duration::from_secs(75),
            trusted_proxies: TrustedProxies::default(),
            limits: LimitSettings::default(),
            allowed_origins: Vec::new(),
            live: LiveSettings::default(),
            keep: Duration::from_hours(7 * 24),
            sends_mail: false,
        }
    }
}

impl ServerSettings {
    /// Whether browsers reach us by TLS alone.
    pub(crate) fn by_tls(&self) -> bool {
        self.public_url.as_deref().is_some_and(|url| url.starts_with("https://"))
    }
}

/// Who sends files to those who follow a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Downloads {
    /// Object storage, where it can sign links.
    Redirect,
    /// This server, so that a download ends with the right to it.
    Proxy,
}

/// What the server is made of. The binary fills it in; [`crate::router()`] takes it.
#[derive(Debug)]
pub struct AppState {
    /// Jobs, artifacts and their bytes.
    pub store: Store,
    /// What can be read.
    pub catalog: Arc<Catalog>,
    /// Where spans go; `None`: this installation takes in none.
    pub spans: Option<Arc<SpanStore>>,
    /// How spans are read.
    pub conventions: Arc<Conventions>,
    /// What keeps the secrets of destinations and reaches them.
    pub destinations: Destinations,
    /// The time.
    pub clock: SharedClock,
    /// What tokens and links are signed with.
    pub secrets: Secrets,
    /// Whose tokens are taken besides our own.
    pub issuers: Arc<Issuers>,
    /// What seals secrets in the store.
    pub sealer: Arc<Sealer>,
    /// What judges where others want requests to go.
    pub outbound: Outbound,
    /// How the server behaves.
    pub settings: ServerSettings,
    /// What `/metrics` shows.
    pub registry: Arc<Registry>,
    /// The server's own numbers, registered there.
    pub metrics: ServerMetrics,
}

/// The state with what is derived from it, as handlers hold it.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) state: AppState,
    pub(crate) verifier: Verifier,
    pub(crate) links: Links,
    /// What sensitive columns are hashed by.
    pub(crate) hash_key: HashKey,
    /// Who was here.
    pub(crate) notes: Notes,
    /// Who was refused.
    pub(crate) refusals: Refusals,
    pub(crate) one_time: OneTimeKeys,
    /// Uses of links that are in the audit trail.
    pub(crate) uses: Uses,
    /// Room for OTLP bodies.
    pub(crate) otlp_room: Room,
    /// Room for JSON bodies.
    pub(crate) json_room: Room,
    /// Turns at decoding and storing spans.
    pub(crate) ingest: Arc<Semaphore>,
    /// What this process counts.
    pub(crate) throttles: Throttles,
    /// Who is told of events as they happen.
    pub(crate) live: Live,
    /// Open streams of events.
    pub(crate) streams: Places,
    /// Made with the router, once the routes are known.
    pub(crate) documents: OnceLock<Documents>,
}

impl std::ops::Deref for Shared {
    type Target = AppState;

    fn deref(&self) -> &AppState {
        &self.state
    }
}

pub(crate) type App = Arc<Shared>;

impl Shared {
    pub(crate) fn new(state: AppState) -> App {
        let verifier = Verifier::new(&state.secrets, Arc::clone(&state.issuers));
        let links = Links::new(&state.secrets, &state.settings);
        let hash_key = state.secrets.current.hash_key();
        let notes = Notes::writing_to(&state.store);
        let refusals = Refusals::writing_to(&state.store, Arc::clone(&state.clock));
        let one_time = state.secrets.one_time_keys();
        let settings = &state.settings;
        let turns = settings.otlp_concurrency.max(1);
        let ingest = Arc::new(Semaphore::new(turns));
        // The largest that is allowed finds room when it is alone, with what gRPC puts before it.
        let largest = settings.otlp_body_bytes.saturating_add(1 << 10);
        let otlp_room = Room::of(settings.otlp_in_flight_bytes.max(largest));
        let json_room = Room::of(settings.json_body_bytes.saturating_mul(JSON_BODIES));
        let throttles = Throttles::new(&settings.limits);
        let live = Live::start(&state, &hash_key);
        Arc::new(Self {
            state,
            verifier,
            links,
            hash_key,
            notes,
            refusals,
            one_time,
            uses: Uses::default(),
            otlp_room,
            json_room,
            ingest,
            throttles,
            live,
            streams: Places::default(),
            documents: OnceLock::new(),
        })
    }
}
