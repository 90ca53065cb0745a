//! What was validated: the configuration as the rest of the program may rely on it.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;
use jiff::{SignedDuration, Timestamp};
use offtake_datasets::config::DatasetsConfig;
use offtake_datasets::spans::Conventions;
use offtake_datasets::spans::conventions::ConventionsConfig;
use offtake_model::Error;
use offtake_server::{
    ConnectionSettings, Downloads, ForwardedHeader, LimitSettings, LiveSettings, ServerSettings, TrustedProxies,
};
use offtake_store::JobLimits;
use offtake_store::bus::BusSettings;
use offtake_store::outbound::OutboundSettings;
use offtake_worker::{WatchSettings, WorkerSettings};

use super::issuers::IssuerConfig;
use super::mail::MailConfig;
use super::reader::Reader;
use super::store::StoreConfig;
use super::typed::{Origin, Typed};

/// Text that is never shown.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Redacted(String);

impl Redacted {
    /// A secret.
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The secret itself.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Redacted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

/// The configuration, checked.
#[derive(Debug, Clone)]
pub(crate) struct Config {
    /// Where everything lies.
    pub(crate) data_dir: PathBuf,
    /// Where jobs and spans are kept.
    pub(crate) database: DatabaseConfig,
    /// Where files lie.
    pub(crate) store: StoreConfig,
    /// How nodes tell each other what is new, if not by the database.
    pub(crate) bus: Option<BusSettings>,
    /// Where the server listens.
    pub(crate) listen: SocketAddr,
    /// Where it takes OTLP over gRPC.
    pub(crate) otlp_grpc_listen: Option<SocketAddr>,
    /// Whether anybody said so.
    pub(crate) otlp_grpc_is_asked_for: bool,
    /// How the server behaves.
    pub(crate) server: ServerSettings,
    /// What connections may do.
    pub(crate) connections: ConnectionSettings,
    /// What tokens are signed with.
    pub(crate) token: TokenConfig,
    /// Whose tokens are taken besides our own.
    pub(crate) issuers: Vec<IssuerConfig>,
    /// How jobs are worked on.
    pub(crate) worker: WorkerSettings,
    /// Where a worker without a server answers about itself.
    pub(crate) metrics_listen: Option<SocketAddr>,
    /// Where webhooks may go.
    pub(crate) webhooks: OutboundSettings,
    /// How attributes of spans become columns.
    pub(crate) conventions: Conventions,
    /// Own sources and datasets.
    pub(crate) datasets: DatasetsConfig,
    /// How mail is sent, if it is.
    pub(crate) mail: Option<MailConfig>,
    /// How buckets of organizations' own are reached.
    pub(crate) destinations: OutboundSettings,
    /// What is logged, and how.
    pub(crate) log: LogConfig,
}

/// Section `database`.
#[derive(Debug, Clone)]
pub(crate) struct DatabaseConfig {
    /// The Postgres; `None`: a SQLite file.
    pub(crate) postgres: Option<offtake_postgres::Settings>,
    /// The most connections to it.
    pub(crate) connections: usize,
}

/// Section `token`.
#[derive(Debug, Clone)]
pub(crate) struct TokenConfig {
    /// The secret itself.
    pub(crate) secret: Option<Redacted>,
    /// The file it is in.
    pub(crate) secret_file: Option<PathBuf>,
    /// Those before it.
    pub(crate) previous: PreviousConfig,
}

/// Secrets that were replaced: they verify for a while, and sign nothing.
#[derive(Debug, Clone, Default)]
pub(crate) struct PreviousConfig {
    /// The secrets themselves.
    pub(crate) secrets: Vec<Redacted>,
    /// Files that others are in.
    pub(crate) files: Vec<PathBuf>,
    /// From when on they count for nothing; there is one if there are any.
    pub(crate) until: Timestamp,
}

/// Section `log`.
#[derive(Debug, Clone)]
pub(crate) struct LogConfig {
    /// How lines look.
    pub(crate) format: LogFormat,
    /// What is logged, as a filter directive.
    pub(crate) level: String,
    /// Whether somebody asked for this level; commands that are no services are quieter otherwise.
    pub(crate) level_is_set: bool,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LogFormat {
    /// For people.
    Text,
    /// One object per line.
    Json,
}

impl Config {
    /// Validates what was typed, all of it.
    ///
    /// # Errors
    /// `invalid_request` with everything that is wrong, each with its key and origin.
    pub(crate) fn validate(typed: &Typed) -> Result<Self, Error> {
        let mut reader = Reader::new(typed);
        let read = &mut reader;
        let mut config = Self {
            data_dir: data_dir(read),
            database: database(read),
            store: super::store::store(read),
            bus: bus(read),
            listen: listen(read),
            otlp_grpc_listen: optional_address(read, "server.otlp_grpc_listen"),
            otlp_grpc_is_asked_for: !matches!(typed.origin("server.otlp_grpc_listen"), Origin::Default),
            server: server(read),
            connections: connections(read),
            token: token(read),
            issuers: super::issuers::issuers(read),
            worker: worker(read),
            metrics_listen: optional_address(read, "worker.metrics_listen"),
            webhooks: webhooks(read),
            conventions: conventions(read),
            datasets: datasets(read),
            mail: None,
            destinations: destinations(read),
            log: log(read, typed),
        };
        if config.webhooks.timeout >= config.worker.notify_deadline {
            read.refuse("webhooks.timeout", "must be shorter than notifications.deadline, which a try has in all");
        }
        config.mail = super::mail::mail(read, config.server.public_url.clone());
        config.server.sends_mail = config.mail.is_some();
        config.server.keep = config.worker.keep;
        reader.finish()?;
        if let StoreConfig::S3(settings) = &mut config.store {
            settings.part_bytes = config.worker.part_bytes;
        }
        Ok(config)
    }
}

fn data_dir(read: &mut Reader<'_>) -> PathBuf {
    let text = read.text("data_dir");
    if text.is_empty() {
        read.refuse("data_dir", "must name a directory");
    }
    PathBuf::from(text)
}

/// The URL is quoted in no message: it may have a password in it.
fn database(read: &mut Reader<'_>) -> DatabaseConfig {
    let postgres = read.optional("database.url").and_then(|url| match offtake_postgres::Settings::parse(&url) {
        Ok(settings) => Some(settings.application_name("offtake")),
        Err(error) => {
            read.refuse("database.url", error.detail());
            None
        }
    });
    DatabaseConfig { postgres, connections: narrow(read.number("database.connections", 2..=1000)) }
}

fn address(text: &str) -> Result<SocketAddr, &'static str> {
    text.parse().map_err(|_| "write address and port: 127.0.0.1:8080, [::1]:8080")
}

fn listen(read: &mut Reader<'_>) -> SocketAddr {
    read.parsed("server.listen", address).unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], 0)))
}

fn optional_address(read: &mut Reader<'_>, key: &str) -> Option<SocketAddr> {
    read.optional(key)?;
    read.parsed(key, address)
}

/// The URL is quoted in no message: it may have a password in it.
fn bus(read: &mut Reader<'_>) -> Option<BusSettings> {
    let subject = read.text("bus.subject");
    let url = read.optional("bus.url")?;
    match BusSettings::parse(&url, &subject) {
        Ok(settings) => Some(settings),
        Err(error) => {
            read.refuse("bus", error.detail());
            None
        }
    }
}

fn server(read: &mut Reader<'_>) -> ServerSettings {
    let otlp_body_bytes = narrow(read.size("server.max_otlp_body", "1KiB", "1GiB"));
    let otlp_in_flight_bytes = narrow(read.size("server.max_otlp_in_flight", "1KiB", "64GiB"));
    if otlp_in_flight_bytes < otlp_body_bytes {
        read.refuse(
            "server.max_otlp_in_flight",
            "must be at least server.max_otlp_body, or the largest never finds room",
        );
    }
    ServerSettings {
        public_url: public_url(read),
        sync_rows: narrow(read.number("server.sync_rows", 0..=10_000)),
        sync_wait: read.duration("server.sync_wait", "0s", "60s"),
        downloads: read.choice("server.downloads", &[("redirect", Downloads::Redirect), ("proxy", Downloads::Proxy)]),
        link_ttl: signed(read.duration("server.link_ttl", "1s", "10m")),
        one_time_ttl: signed(read.duration("token.one_time_ttl", "1s", "7d")),
        json_body_bytes: narrow(read.size("server.max_body", "1KiB", "1GiB")),
        otlp_body_bytes,
        otlp_decompressed_bytes: narrow(read.size("server.max_otlp_decompressed", "1KiB", "1GiB")),
        otlp_in_flight_bytes,
        otlp_concurrency: narrow(read.number("server.otlp_concurrency", 1..=1024)),
        open_metrics: read.flag("metrics.open"),
        request_timeout: read.duration("server.request_timeout", "1s", "1h"),
        trusted_proxies: trusted_proxies(read),
        limits: limits(read),
        allowed_origins: allowed_origins(read),
        live: live(read),
        keep: Duration::ZERO,
        sends_mail: false,
    }
}

fn live(read: &mut Reader<'_>) -> LiveSettings {
    let most = u32::try_from(read.number("live.connections_per_principal", 1..=1_000_000)).unwrap_or(u32::MAX);
    LiveSettings {
        connections_per_principal: most,
        heartbeat: read.duration("live.heartbeat", "100ms", "10m"),
        reader_timeout: read.duration("live.reader_timeout", "100ms", "1h"),
    }
}

fn limits(read: &mut Reader<'_>) -> LimitSettings {
    let mut number = |key| u32::try_from(read.number(key, 0..=1_000_000)).unwrap_or(u32::MAX);
    LimitSettings {
        jobs: JobLimits {
            active: number("limits.active_jobs"),
            per_hour: number("limits.exports_per_hour"),
            org_per_hour: number("limits.exports_per_hour_per_organization"),
        },
        requests_per_second: number("limits.requests_per_second"),
        ingest_per_second: number("limits.ingest_requests_per_second"),
        failed_per_minute: number("limits.failed_authentications_per_minute"),
    }
}

fn allowed_origins(read: &mut Reader<'_>) -> Vec<String> {
    let origins: Vec<String> = read.table("server.allowed_origins").unwrap_or_default();
    for origin in &origins {
        // Compared byte for byte: what is not written as browsers write it would match nothing.
        let sound = !origin.contains('*')
            && reqwest::Url::parse(origin).is_ok_and(|url| {
                matches!(url.scheme(), "http" | "https") && url.origin().ascii_serialization() == *origin
            });
        if !sound {
            let problem = format!("\"{origin}\" is no origin as browsers send it, such as https://app.example.org");
            read.refuse("server.allowed_origins", &problem);
        }
    }
    origins
}

fn connections(read: &mut Reader<'_>) -> ConnectionSettings {
    ConnectionSettings {
        most: narrow(read.number("server.max_connections", 8..=1_000_000)),
        head_timeout: read.duration("server.head_timeout", "100ms", "10m"),
        idle_timeout: read.duration("server.idle_timeout", "100ms", "1h"),
        write_timeout: read.duration("server.write_timeout", "1s", "1h"),
    }
}

fn trusted_proxies(read: &mut Reader<'_>) -> TrustedProxies {
    let networks = networks(read, "server.trusted_proxies");
    let headers = [("x-forwarded-for", ForwardedHeader::XForwardedFor), ("forwarded", ForwardedHeader::Forwarded)];
    TrustedProxies { networks, header: read.choice("server.forwarded_header", &headers) }
}

fn destinations(read: &mut Reader<'_>) -> OutboundSettings {
    let allow = networks(read, "destinations.allow");
    OutboundSettings { allow, allow_http: read.flag("destinations.allow_http"), ..OutboundSettings::default() }
}

fn networks(read: &mut Reader<'_>, key: &str) -> Vec<IpNet> {
    let words: Vec<String> = read.table(key).unwrap_or_default();
    let mut networks = Vec::new();
    for word in words {
        let network = word.parse().or_else(|_| word.parse::<IpAddr>().map(IpNet::from));
        match network {
            Ok(network) => networks.push(network),
            Err(_) => read.refuse(key, &format!("{word:?} is no network: 10.0.0.0/8, fd00::/8")),
        }
    }
    networks
}

fn webhooks(read: &mut Reader<'_>) -> OutboundSettings {
    OutboundSettings {
        allow: networks(read, "webhooks.allow"),
        allow_http: read.flag("webhooks.allow_http"),
        resolver: read.optional("webhooks.resolver").and_then(|_| read.parsed("webhooks.resolver", address)),
        timeout: read.duration("webhooks.timeout", "1s", "60s"),
    }
}

pub(super) fn signed(duration: Duration) -> SignedDuration {
    SignedDuration::try_from(duration).unwrap_or(SignedDuration::MAX)
}

fn public_url(read: &mut Reader<'_>) -> Option<String> {
    let url = read.optional("server.public_url")?;
    let sound = reqwest::Url::parse(&url)
        .is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.query().is_none() && url.fragment().is_none());
    if !sound {
        read.refuse("server.public_url", "must be an http or https URL without query: https://offtake.example.org");
    }
    Some(url.trim_end_matches('/').to_owned())
}

fn token(read: &mut Reader<'_>) -> TokenConfig {
    let secret = read.optional("token.secret").map(Redacted::new);
    let secret_file = read.optional("token.secret_file").map(PathBuf::from);
    if secret.is_some() && secret_file.is_some() {
        read.refuse("token.secret", "token.secret_file is set as well; keep one of the two");
    }
    TokenConfig { secret, secret_file, previous: previous(read) }
}

fn previous(read: &mut Reader<'_>) -> PreviousConfig {
    let secrets: Vec<Redacted> = read.texts("token.previous_secrets").into_iter().map(Redacted::new).collect();
    let files: Vec<PathBuf> = read.texts("token.previous_secret_files").into_iter().map(PathBuf::from).collect();
    let until = read.optional("token.previous_until").and_then(|_| read.parsed("token.previous_until", str::parse));
    if until.is_none() && !(secrets.is_empty() && files.is_empty()) {
        read.refuse("token.previous_until", "must say until when previous secrets count: 2026-12-01T00:00:00Z");
    }
    PreviousConfig { secrets, files, until: until.unwrap_or_default() }
}

fn worker(read: &mut Reader<'_>) -> WorkerSettings {
    let lease = read.duration("worker.lease", "1s", "1h");
    let heartbeat = read.duration("worker.heartbeat", "100ms", "20m");
    if heartbeat * 2 > lease {
        read.refuse("worker.heartbeat", "must be at most half of worker.lease, or one late heartbeat loses the job");
    }
    let in_flight = match read.number("worker.in_flight", 0..=256) {
        0 => WorkerSettings::default().in_flight,
        number => narrow(number),
    };
    WorkerSettings {
        slots: narrow(read.number("worker.slots", 1..=256)),
        slots_per_organization: Some(narrow(read.number("worker.slots_per_organization", 0..=256))).filter(|n| *n > 0),
        lease,
        heartbeat,
        signal: read.duration("worker.signal", "10ms", "1m"),
        rescue_every: read.duration("worker.rescue", "100ms", "10m"),
        sweep_every: read.duration("worker.sweep", "100ms", "1d"),
        schedules_every: read.duration("worker.schedules", "100ms", "1h"),
        prune_every: read.duration("worker.prune", "100ms", "7d"),
        alerts_every: read.duration("worker.alerts", "100ms", "10s"),
        poll: read.duration("worker.poll", "10ms", "1m"),
        max_deaths: u32::try_from(read.number("worker.max_deaths", 1..=100)).unwrap_or(u32::MAX),
        keep: read.duration("jobs.keep", "1s", "3650d"),
        retention: read.duration("jobs.retention", "1s", "3650d"),
        perf_retention: read.duration("jobs.perf_retention", "1s", "3650d"),
        audit_retention: read.duration("audit.retention", "1d", "36500d"),
        watch: WatchSettings {
            every: read.duration("system_alerts.every", "100ms", "1h"),
            queue_age: read.duration("system_alerts.queue_age", "1s", "30d"),
            least_free: read.size("system_alerts.free_space", "0B", "1024TiB"),
            memory_percent: read.number("system_alerts.memory_percent", 1..=1000),
            cool_down: read.duration("system_alerts.cool_down", "0s", "30d"),
        },
        event_retention: read.duration("events.retention", "1m", "3650d"),
        notification_retention: read.duration("notifications.retention", "1m", "3650d"),
        notify_at_once: narrow(read.number("notifications.at_once", 1..=256)),
        notify_deadline: read.duration("notifications.deadline", "1s", "10m"),
        memory_budget: read.size("worker.memory_budget", "64KiB", "64GiB"),
        memory_budget_parquet: read.size("worker.memory_budget_parquet", "64KiB", "64GiB"),
        part_bytes: narrow(read.size("worker.part", "64KiB", "1GiB")),
        in_flight,
        readers: in_flight,
        frame_bytes: read.size("worker.frame", "64KiB", "64MiB"),
        max_frame_rows: u32::try_from(read.number("worker.max_frame_rows", 64..=65_536)).unwrap_or(u32::MAX),
        drain: read.duration("worker.drain", "1s", "1h"),
        spool_dir: read
            .optional("worker.spool")
            .map_or_else(|| PathBuf::from(read.text("data_dir")).join("spool"), PathBuf::from),
        spool_limit: read.size("worker.spool_limit", "1MiB", "16TiB"),
    }
}

fn conventions(read: &mut Reader<'_>) -> Conventions {
    let config: ConventionsConfig = read.table("conventions").unwrap_or_default();
    Conventions::new(&config).unwrap_or_else(|error| {
        read.refuse("conventions", error.detail());
        Conventions::default()
    })
}

/// Sources and datasets, as far as they can be read without asking the sources.
fn datasets(read: &mut Reader<'_>) -> DatasetsConfig {
    DatasetsConfig {
        sources: read.table("sources").unwrap_or_default(),
        datasets: read.table("datasets").unwrap_or_default(),
        folder: PathBuf::from(read.text("data_dir")).join("sources"),
        spans: read.table("spans").unwrap_or_default(),
    }
}

fn narrow(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

fn log(read: &mut Reader<'_>, typed: &Typed) -> LogConfig {
    let format = read.choice("log.format", &[("text", LogFormat::Text), ("json", LogFormat::Json)]);
    let level = read
        .parsed("log.level", |text| tracing_subscriber::EnvFilter::builder().parse(text).map(|_| text.to_owned()))
        .unwrap_or_default();
    LogConfig { format, level, level_is_set: *typed.origin("log.level") != Origin::Default }
}
