//! A server in this process whose job store forgets to ask for rows of one organization alone.
//!
//! The one place of this suite that knows the product's crates: the binary can do no such thing.

use std::path::Path;
use std::sync::Arc;

use offtake_datasets::Catalog;
use offtake_datasets::spans::{Conventions, SpanStore};
use offtake_model::clock::{SharedClock, SystemClock};
use offtake_postgres::Settings;
use offtake_server::identity::{Issuers, Secret, Secrets};
use offtake_server::{AppState, ConnectionSettings, LimitSettings, ServerMetrics, ServerSettings, router, serve};
use offtake_store::objects::FolderObjects;
use offtake_store::outbound::{Outbound, OutboundSettings};
use offtake_store::sealed::Sealer;
use offtake_store::{PostgresStore, Store};
use prometheus_client::registry::Registry;
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::estate::SECRET;

/// A running server. Dropping it stops it.
#[derive(Debug)]
pub(super) struct Forgetful {
    pub(super) address: String,
    _running: DropGuard,
}

impl Forgetful {
    /// On the database at `url` and the files in `objects`.
    pub(super) async fn start(url: &str, objects: &Path) -> Self {
        let clock: SharedClock = Arc::new(SystemClock);
        let settings = || Settings::parse(url).expect("a URL");
        let jobs = PostgresStore::open_unscoped(settings(), 6).await.expect("a store");
        let spans = SpanStore::open_postgres(settings(), 6, clock.clone()).await.expect("a span store");
        let mut catalog = Catalog::default();
        spans.datasets().into_iter().for_each(|dataset| catalog.insert(dataset));
        let mut registry = Registry::default();
        let objects = Arc::new(FolderObjects::open(objects).expect("a folder"));
        let state = AppState {
            store: Store {
                jobs: jobs.clone(),
                artifacts: jobs.clone(),
                presets: jobs.clone(),
                alerts: jobs.clone(),
                webhooks: jobs.clone(),
                schedules: jobs.clone(),
                destinations: jobs.clone(),
                principals: jobs.clone(),
                api_keys: jobs.clone(),
                sessions: jobs.clone(),
                tickets: jobs.clone(),
                tokens: jobs.clone(),
                events: jobs.clone(),
                outbox: jobs.clone(),
                audit: jobs,
                objects,
            },
            catalog: Arc::new(catalog),
            spans: Some(spans),
            conventions: Arc::new(Conventions::default()),
            issuers: Arc::new(Issuers::new(Vec::new(), &clock).expect("no issuers")),
            destinations: offtake_server::Destinations {
                sealer: Arc::new(Sealer::new(&[7; 32], &[]).expect("a cipher")),
                outbound: Outbound::new(OutboundSettings::default()).expect("a client"),
            },
            clock,
            secrets: Secrets { current: Secret::new(SECRET).expect("a secret"), previous: Vec::new() },
            sealer: Arc::new(Sealer::new(&[7; 32], &[]).expect("a cipher")),
            outbound: Outbound::new(OutboundSettings::default()).expect("a client"),
            settings: ServerSettings {
                sync_wait: std::time::Duration::ZERO,
                limits: LimitSettings::NONE,
                sends_mail: true,
                ..ServerSettings::default()
            },
            metrics: ServerMetrics::register(&mut registry),
            registry: Arc::new(registry),
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let address = listener.local_addr().expect("a listener has an address").to_string();
        let stop = CancellationToken::new();
        tokio::spawn(serve(listener, router(state), ConnectionSettings::default(), stop.clone()));
        Self { address, _running: stop.drop_guard() }
    }
}
