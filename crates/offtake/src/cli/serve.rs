//! `offtake serve`, `server` and `worker`: the processes that stay.

use std::net::SocketAddr;
use std::sync::Arc;

use clap::Args;
use jiff::SignedDuration;
use offtake_model::id::OrgId;
use offtake_model::permission::Permissions;
use offtake_model::principal::Principal;
use offtake_model::{Error, ErrorKind, Result};
use offtake_server::identity::{Issuers, Secret, mint};
use offtake_server::sign_in::link;
use offtake_server::{AppState, ConnectionSettings, Operations, QueueMetrics, Routers, ServerMetrics};
use offtake_store::Channel;
use offtake_store::audit::minted;
use offtake_store::outbound::Outbound;
use offtake_worker::notify::WebhookDeliverer;
use offtake_worker::notify::mail::Mailer;
use offtake_worker::outcome::Chance;
use offtake_worker::{Deliveries, HashKey, Worker, WorkerMetrics};
use prometheus_client::registry::Registry;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::Context;
use crate::config::{Config, FlagSetting};
use crate::exit::Outcome;
use crate::output;
use crate::wire::{self, DataDir, House};

#[derive(Debug, Args)]
pub(crate) struct ServeArgs {
    /// Address and port; port 0 takes a free one [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDR")]
    listen: Option<String>,
    /// Where OTLP over gRPC is taken; "" is nowhere [default: 127.0.0.1:4317]
    #[arg(long, value_name = "ADDR")]
    otlp_grpc: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct WorkerArgs {
    /// Answer /metrics, /livez and /readyz here, to everybody; port 0 takes a free one [default: nowhere]
    #[arg(long, value_name = "ADDR")]
    metrics_listen: Option<String>,
}

/// What runs in this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// Server and worker.
    Both,
    /// The server alone.
    Server,
}

/// Where the port of gRPC is set: another collector on the same machine may have the usual one.
const GRPC_SETTING: &str = "--otlp-grpc or server.otlp_grpc_listen (\"\" for none)";

/// How long the token of the first run holds.
const FIRST_TOKEN: SignedDuration = SignedDuration::from_hours(24);

pub(super) fn serve(context: &Context, args: &ServeArgs, role: Role) -> Outcome {
    let flag = |key, flag, value: &Option<String>| value.clone().map(|value| FlagSetting { key, flag, value });
    let flags = [
        flag("server.listen", "--listen", &args.listen),
        flag("server.otlp_grpc_listen", "--otlp-grpc", &args.otlp_grpc),
    ];
    let config = context.config(&flags.into_iter().flatten().collect::<Vec<_>>())?;
    wire::log(&config.log)?;
    wire::block_on(async { Ok(Box::pin(stay(config, role)).await?) })
}

pub(super) fn worker(context: &Context, args: &WorkerArgs) -> Outcome {
    let flag =
        |value: &String| FlagSetting { key: "worker.metrics_listen", flag: "--metrics-listen", value: value.clone() };
    let config = context.config(&args.metrics_listen.iter().map(flag).collect::<Vec<_>>())?;
    wire::log(&config.log)?;
    wire::block_on(async {
        let stop = wire::on_signal()?;
        let house = House::open(config).await?;
        let listener = match house.config.metrics_listen {
            Some(address) => Some(listen(address, "--metrics-listen or worker.metrics_listen").await?),
            None => None,
        };
        let sources = wire::wait_for_sources(&house, stop.clone());
        let mut registry = Registry::default();
        let mailer = wire::mailer(&house, || wire::one_time_keys(&house))?;
        let worker = spawn_worker(&house, &mut registry, wire::hash_key(&house)?, mailer, stop.clone())?;
        let operations = listener.map(|listener| spawn_operations(&house, registry, listener, stop.clone()));
        output::say("working");
        let worked = joined(worker).await;
        stop.cancel();
        for task in sources.into_iter().chain(operations.transpose()?) {
            joined(task).await?;
        }
        worked?;
        Ok(())
    })
}

async fn stay(config: Config, role: Role) -> Result<()> {
    let stop = wire::on_signal()?;
    // Said before anything else, because nothing works without.
    let data = DataDir::open(&config.data_dir)?;
    let found = wire::secret(&config.token, config.database.postgres.as_ref(), &data)?;
    let secrets = wire::secrets(&found.secret, &config.token)?;
    let issuers = wire::issuers(&config).await?;
    let house = House::open(config).await?;
    let sealer = wire::sealer(&house.config, &house.data)?;
    wire::seal_anew(&house, &sealer).await?;
    let listener = listen(house.config.listen, "--listen or server.listen").await?;
    let address = address_of(&listener)?;
    let grpc = match house.config.otlp_grpc_listen {
        Some(address) => grpc_listener(address, house.config.otlp_grpc_is_asked_for).await?,
        None => None,
    };

    let mut registry = Registry::default();
    let worker = match role {
        Role::Both => {
            let mailer = wire::mailer(&house, || Ok(secrets.one_time_keys()))?;
            Some(spawn_worker(&house, &mut registry, Some(found.secret.hash_key()), mailer, stop.clone())?)
        }
        Role::Server => None,
    };
    let sources = wire::wait_for_sources(&house, stop.clone());
    let keys = spawn_keys(&issuers, stop.clone());
    let state = AppState {
        store: house.store.clone(),
        catalog: Arc::clone(&house.catalog),
        spans: Some(Arc::clone(&house.spans)),
        conventions: Arc::new(house.config.conventions.clone()),
        destinations: offtake_server::Destinations {
            sealer: wire::sealer(&house.config, &house.data)?,
            outbound: Outbound::new(house.config.destinations.clone())?,
        },
        clock: Arc::clone(&house.clock),
        secrets,
        issuers: Arc::clone(&issuers),
        sealer,
        outbound: Outbound::new(house.config.webhooks.clone())?,
        settings: house.config.server.clone(),
        metrics: ServerMetrics::register(&mut registry),
        registry: Arc::new(registry),
    };
    let url = format!("http://{address}");
    let routers = offtake_server::routers(state);
    let connections = house.config.connections;
    let grpc = match grpc {
        Some(listener) => {
            output::say(&format!("OTLP over gRPC at {}", address_of(&listener)?));
            Some(spawn_grpc(listener, routers.clone(), connections, stop.clone()))
        }
        None => None,
    };
    output::say(&format!("listening on {url}"));
    if found.is_new {
        greet(&house, &found.secret, &url).await?;
    }
    let served = offtake_server::serve(listener, routers.http, connections, stop.clone()).await;
    // Whatever ended the server ends the worker too.
    stop.cancel();
    for task in worker.into_iter().chain(sources).chain(keys).chain(grpc) {
        joined(task).await?;
    }
    served.map_err(|error| unavailable("the server ended", error))
}

/// Where OTLP over gRPC is taken. A collector has the usual port on many machines: who did not ask for it is told, and the
/// rest goes on.
async fn grpc_listener(address: SocketAddr, is_asked_for: bool) -> Result<Option<TcpListener>> {
    match listen(address, GRPC_SETTING).await {
        Err(error) if !is_asked_for => {
            tracing::warn!("OTLP over gRPC is not taken: {}", error.detail());
            Ok(None)
        }
        listening => listening.map(Some),
    }
}

/// Takes OTLP over gRPC, beside HTTP.
fn spawn_grpc(
    listener: TcpListener,
    routers: Routers,
    settings: ConnectionSettings,
    stop: CancellationToken,
) -> JoinHandle<()> {
    tokio::spawn(async move {
        if let Err(error) = offtake_server::serve_grpc(listener, routers.otlp_grpc, settings, stop).await {
            tracing::error!(%error, "OTLP over gRPC is no longer taken");
        }
    })
}

/// Keeps the keys of issuers at hand. `None` if there are no issuers.
fn spawn_keys(issuers: &Arc<Issuers>, stop: CancellationToken) -> Option<JoinHandle<()>> {
    let issuers = Arc::clone(issuers);
    (!issuers.is_empty()).then(|| tokio::spawn(async move { issuers.keep(stop).await }))
}

async fn listen(address: SocketAddr, setting: &str) -> Result<TcpListener> {
    TcpListener::bind(address).await.map_err(|error| {
        let detail = format!("cannot listen on {address}: {error}; set another with {setting}");
        Error::new(ErrorKind::Unavailable, detail).caused_by(error)
    })
}

fn address_of(listener: &TcpListener) -> Result<SocketAddr> {
    listener.local_addr().map_err(|error| unavailable("the listener has no address", error))
}

/// Answers those who operate a worker.
fn spawn_operations(
    house: &House,
    mut registry: Registry,
    listener: TcpListener,
    stop: CancellationToken,
) -> Result<JoinHandle<()>> {
    output::say(&format!("metrics at http://{}/metrics", address_of(&listener)?));
    let state = Operations {
        store: house.store.clone(),
        catalog: Arc::clone(&house.catalog),
        queue: QueueMetrics::register(&mut registry),
        registry: Arc::new(registry),
    };
    let connections = house.config.connections;
    Ok(tokio::spawn(async move {
        if let Err(error) = offtake_server::serve(listener, offtake_server::operations(state), connections, stop).await
        {
            tracing::error!(%error, "the metrics are no longer answered");
        }
    }))
}

fn spawn_worker(
    house: &House,
    registry: &mut Registry,
    hash_key: Option<HashKey>,
    mailer: Option<Arc<Mailer>>,
    stop: CancellationToken,
) -> Result<JoinHandle<()>> {
    let lock = house.data.worker_name()?;
    let worker = Worker::new(
        house.store.clone(),
        Arc::clone(&house.catalog),
        Arc::clone(&house.clock),
        lock.name.clone(),
        house.config.worker.clone(),
        WorkerMetrics::register(registry),
    );
    let worker = worker.with_tail(house.spans.tail());
    let worker = match hash_key {
        Some(key) => worker.with_hash_key(key),
        None => worker,
    };
    let worker = worker.with_deliverer(Channel::Webhook, Arc::new(webhooks(house)?));
    let worker = match mailer {
        Some(mailer) => worker.with_deliverer(Channel::Email, mailer),
        None => worker,
    };
    let worker = worker.with_deliveries(Deliveries {
        sealer: wire::sealer(&house.config, &house.data)?,
        outbound: Outbound::new(house.config.destinations.clone())?,
    });
    Ok(tokio::spawn(async move {
        worker.run(stop).await;
        // The name is free again only when its work has ended.
        drop(lock);
    }))
}

fn webhooks(house: &House) -> Result<WebhookDeliverer> {
    let sealer = wire::sealer(&house.config, &house.data)?;
    let outbound = Outbound::new(house.config.webhooks.clone())?;
    let (webhooks, clock) = (Arc::clone(&house.store.webhooks), Arc::clone(&house.clock));
    Ok(WebhookDeliverer::new(webhooks, sealer, outbound, clock, Chance::system()))
}

async fn joined(worker: JoinHandle<()>) -> Result<()> {
    worker.await.map_err(|error| Error::new(ErrorKind::Internal, "a task ended unexpectedly").caused_by(error))
}

fn unavailable(detail: &str, error: std::io::Error) -> Error {
    Error::new(ErrorKind::Unavailable, detail).caused_by(error)
}

/// The first run on a data directory: what a newcomer needs to go on.
async fn greet(house: &House, secret: &Secret, url: &str) -> Result<()> {
    let principal = Principal {
        org: OrgId::new("demo")?,
        sub: "first-run".to_owned(),
        email: None,
        permissions: Permissions::from_words(["all"]),
    };
    let now = house.clock.now();
    let token = mint(secret, &principal, FIRST_TOKEN, now)?;
    let minted = minted(&principal, now.checked_add(FIRST_TOKEN).ok());
    house.store.audit.append(&principal.org, &wire::act(), &minted).await?;
    let public = house.config.server.public_url.as_deref().unwrap_or(url);
    let sign_in = link(house.store.sessions.as_ref(), &wire::act(), &principal, public).await?;
    let data = house.data.path().display();
    output::say(&format!(
        "\n\
         First run: {data} is ready.\n\n  \
         API page   {url}/docs\n  \
         sign in    {sign_in}\n  \
         token      {token}\n\n\
         The link opens the page in a browser; it works once, within 15 minutes.\n\
         The token is for the organization \"demo\" and holds for 24 hours. With it:\n\n  \
         export OFFTAKE_SERVER={url} OFFTAKE_TOKEN={token}\n  \
         curl -H \"Authorization: Bearer $OFFTAKE_TOKEN\" {url}/api/v1/datasets\n  \
         OTEL_EXPORTER_OTLP_ENDPOINT={url} OTEL_EXPORTER_OTLP_HEADERS=\"Authorization=Bearer%20$OFFTAKE_TOKEN\" …\n  \
         offtake export spans -o spans.csv\n\n\
         Another one: offtake token --org ORG --sub USER --data-dir {data}\n\
         Another link: offtake sign-in --org ORG --sub USER --server {public} --data-dir {data}\n"
    ));
    Ok(())
}
