//! A server with everything real behind it, and a clock that stands still.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request};
use jiff::{SignedDuration, Timestamp};
use offtake_datasets::config::DatasetsConfig;
use offtake_datasets::spans::{Conventions, SpanStore};
use offtake_datasets::{Catalog, Dataset, Source};
use offtake_model::as_of::AsOf;
use offtake_model::clock::{Clock, ManualClock, SharedClock};
use offtake_model::export::ExportSpec;
use offtake_model::id::{ArtifactId, JobId, OrgId};
use offtake_model::permission::Permissions;
use offtake_model::plan::Plan;
use offtake_model::principal::Principal;
use offtake_model::receipt::Receipt;
use offtake_server::identity::{IssuerSettings, Issuers, Previous, Secret, Secrets, mint};
use offtake_server::{AppState, LimitSettings, ServerMetrics, ServerSettings, router};
use offtake_store::objects::FolderObjects;
use offtake_store::outbound::{Outbound, OutboundSettings};
use offtake_store::sealed::Sealer;
use offtake_store::{JobUsage, NewArtifact, ObjectKey, SqliteStore, Store, Take, WorkerName};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use prometheus_client::registry::Registry;
use prost::Message;
use serde_json::{Value as Json, json};
use sha2::{Digest, Sha256};
use tokio_util::sync::{CancellationToken, DropGuard};
use tower::ServiceExt;

pub(crate) struct House {
    pub(crate) router: Router,
    pub(crate) store: Store,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) secret: Secret,
    /// Ends what keeps the keys of issuers.
    _keys: DropGuard,
    folder: tempfile::TempDir,
}

/// What was answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    #[track_caller]
    pub(crate) fn json(&self) -> Json {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("ASCII"))
    }

    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{self:?}");
        self
    }

    /// The code of the problem this is.
    #[track_caller]
    pub(crate) fn problem(self, status: u16) -> (String, Vec<String>) {
        let answer = self.expect(status);
        assert_eq!(answer.header("content-type"), "application/problem+json");
        let body = answer.json();
        assert_eq!(body["status"], status);
        assert_eq!(body["request_id"], answer.header("x-request-id"));
        let pointers = body["errors"].as_array().expect("errors").iter();
        let pointers = pointers.map(|error| error["pointer"].as_str().expect("a pointer").to_owned()).collect();
        (body["code"].as_str().expect("a code").to_owned(), pointers)
    }
}

/// A request in the making.
pub(crate) struct Ask<'a> {
    house: &'a House,
    method: Method,
    path: String,
    headers: HeaderMap,
    body: Bytes,
    peer: Option<SocketAddr>,
}

impl Ask<'_> {
    pub(crate) fn header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.append(HeaderName::from_static(name), HeaderValue::from_str(value).expect("a header value"));
        self
    }

    pub(crate) fn by(self, org: &str, user: &str, permissions: &str) -> Self {
        let token = self.house.token(org, user, permissions);
        self.header("authorization", &format!("Bearer {token}"))
    }

    /// From this address.
    pub(crate) fn from(mut self, peer: &str) -> Self {
        self.peer = Some(SocketAddr::new(peer.parse().expect("an address"), 4711));
        self
    }

    pub(crate) fn json(self, body: &Json) -> Self {
        self.header("content-type", "application/json").body(body.to_string())
    }

    pub(crate) fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }

    pub(crate) async fn answer(self) -> Answer {
        let mut request =
            Request::builder().method(self.method).uri(self.path).body(Body::from(self.body)).expect("a request");
        *request.headers_mut() = self.headers;
        if let Some(peer) = self.peer {
            request.extensions_mut().insert(ConnectInfo(peer));
        }
        let response = self.house.router.clone().oneshot(request).await.expect("routers do not fail");
        let (parts, body) = response.into_parts();
        let body = axum::body::to_bytes(body, usize::MAX).await.expect("a body");
        Answer { status: parts.status.as_u16(), headers: parts.headers, body }
    }
}

/// Whose tokens a house takes, besides those of its own secret.
#[derive(Default)]
struct Trust {
    issuers: Vec<IssuerSettings>,
    previous: Vec<Previous>,
}

pub(crate) const NOW: &str = "2026-11-20T12:00:00Z";

impl House {
    pub(crate) fn new() -> Self {
        let limits = LimitSettings::NONE;
        Self::with(ServerSettings { sync_wait: std::time::Duration::ZERO, limits, ..ServerSettings::default() })
    }

    pub(crate) fn with(settings: ServerSettings) -> Self {
        Self::with_dataset(settings, None)
    }

    /// With one more dataset: what its source does is up to the test.
    pub(crate) fn with_dataset(settings: ServerSettings, source: Option<Arc<dyn Source>>) -> Self {
        Self::built(settings, Trust::default(), |catalog, _, _| {
            if let Some(source) = source {
                let mut schema = catalog.get("spans").expect("it is there").schema.as_ref().clone();
                schema.name = "faulty".to_owned();
                catalog.insert(Dataset::new(schema, source));
            }
        })
    }

    /// With one more dataset: people, about whom not everybody may know everything.
    pub(crate) fn with_people() -> Self {
        let (sync_wait, limits) = (std::time::Duration::ZERO, LimitSettings::NONE);
        let settings = ServerSettings { sync_wait, limits, ..ServerSettings::default() };
        Self::built(settings, Trust::default(), |catalog, folder, clock| {
            people(folder, clock).into_iter().for_each(|dataset| catalog.insert(dataset));
        })
    }

    /// With tokens of these issuers, too.
    pub(crate) fn with_issuers(issuers: Vec<IssuerSettings>) -> Self {
        Self::trusting(Trust { issuers, ..Trust::default() })
    }

    /// With secrets that were replaced.
    pub(crate) fn with_previous(previous: Vec<Previous>) -> Self {
        Self::trusting(Trust { previous, ..Trust::default() })
    }

    fn trusting(trust: Trust) -> Self {
        let settings = ServerSettings { limits: LimitSettings::NONE, ..ServerSettings::default() };
        Self::built(settings, trust, |_, _, _| {})
    }

    fn built(settings: ServerSettings, trust: Trust, add: impl FnOnce(&mut Catalog, &Path, &SharedClock)) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let clock = ManualClock::starting_at(NOW.parse().expect("a moment"));
        let shared: SharedClock = clock.clone();
        let jobs = SqliteStore::open(&folder.path().join("offtake.db"), Some(shared.clone())).expect("a job store");
        let objects = FolderObjects::open(&folder.path().join("objects")).expect("a folder of objects");
        let store = Store {
            jobs: jobs.clone(),
            artifacts: jobs.clone(),
            alerts: jobs.clone(),
            presets: jobs.clone(),
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
            objects: Arc::new(objects),
        };
        let spans = SpanStore::open(&folder.path().join("spans.db"), shared.clone()).expect("a span store");
        let mut catalog = catalog(folder.path(), &spans, &shared);
        add(&mut catalog, folder.path(), &shared);
        let mut registry = Registry::default();
        let metrics = ServerMetrics::register(&mut registry);
        let secret = Secret::generate();
        let issuers = Arc::new(Issuers::new(trust.issuers, &shared).expect("sound issuers"));
        let stop = CancellationToken::new();
        if !issuers.is_empty() {
            let (issuers, stop) = (Arc::clone(&issuers), stop.clone());
            tokio::spawn(async move { issuers.keep(stop).await });
        }
        let state = AppState {
            store: store.clone(),
            catalog: Arc::new(catalog),
            spans: Some(spans),
            conventions: Arc::new(Conventions::default()),
            destinations: offtake_server::Destinations {
                sealer: Arc::new(Sealer::new(&[7; 32], &[]).expect("a cipher")),
                outbound: Outbound::new(OutboundSettings::default()).expect("a client"),
            },
            clock: shared,
            secrets: Secrets { current: secret.clone(), previous: trust.previous },
            issuers,
            sealer: Arc::new(Sealer::new(&[7; 32], &[]).expect("a cipher")),
            outbound: Outbound::new(OutboundSettings::default()).expect("a client"),
            settings,
            registry: Arc::new(registry),
            metrics,
        };
        Self { router: router(state), store, clock, secret, _keys: stop.drop_guard(), folder }
    }

    /// Another hand on the job store.
    pub(crate) fn database(&self) -> rusqlite::Connection {
        rusqlite::Connection::open(self.folder.path().join("offtake.db")).expect("the job store")
    }

    pub(crate) fn ask(&self, method: Method, path: impl Into<String>) -> Ask<'_> {
        Ask { house: self, method, path: path.into(), headers: HeaderMap::new(), body: Bytes::new(), peer: None }
    }

    /// Changes the job store behind its back.
    pub(crate) fn damage(&self, sql: &str) {
        let database = rusqlite::Connection::open(self.folder.path().join("offtake.db")).expect("the job store");
        database.execute_batch(sql).expect("it is damaged");
    }

    /// By alice of acme, who may do everything.
    pub(crate) fn get(&self, path: impl Into<String>) -> Ask<'_> {
        self.ask(Method::GET, path).by("acme", "alice", "all")
    }

    /// By alice of acme, who may do everything.
    pub(crate) fn post(&self, path: impl Into<String>, body: &Json) -> Ask<'_> {
        self.ask(Method::POST, path).by("acme", "alice", "all").json(body)
    }

    /// By alice of acme, who may do everything.
    pub(crate) fn delete(&self, path: impl Into<String>) -> Ask<'_> {
        self.ask(Method::DELETE, path).by("acme", "alice", "all")
    }

    pub(crate) fn token(&self, org: &str, user: &str, permissions: &str) -> String {
        let principal = Principal {
            org: OrgId::new(org).expect("an organization"),
            sub: user.to_owned(),
            email: None,
            permissions: Permissions::from_words(permissions.split(',')),
        };
        mint(&self.secret, &principal, SignedDuration::from_hours(1), self.clock.now()).expect("a token")
    }

    /// Stores spans 1 to `last` for `org`.
    pub(crate) async fn send_spans(&self, org: &str, last: u8) {
        let spans = (1..=last).map(span).collect();
        let ask = self.ask(Method::POST, "/v1/traces").by(org, "sdk", "spans:write");
        ask.header("content-type", "application/x-protobuf").body(request_of(spans)).answer().await.expect(200);
    }

    /// Asks for an export of acme's spans; its id.
    pub(crate) async fn create(&self, body: &Json) -> JobId {
        let answer = self.post("/api/v1/export/spans", body).answer().await.expect(202);
        answer.json()["job_id"].as_str().expect("an id").parse().expect("an id")
    }

    /// Does what a worker does: takes the oldest job and publishes `content` for it.
    pub(crate) async fn complete_next(&self, content: &'static [u8]) -> (JobId, ArtifactId) {
        self.complete_next_as(content, |_| ()).await
    }

    /// The same of a file that was made of a spec which `narrow` changed.
    pub(crate) async fn complete_next_as(
        &self,
        content: &'static [u8],
        narrow: impl FnOnce(&mut ExportSpec),
    ) -> (JobId, ArtifactId) {
        let worker = WorkerName("tests".to_owned());
        let claimed = self.store.jobs.claim(&worker, Take::Any, SignedDuration::from_secs(30)).await.expect("a claim");
        let claimed = claimed.expect("a job is due");
        let (job, lease, now) = (claimed.job, claimed.lease, self.clock.now());
        let id = ArtifactId::new(now);
        let key = ObjectKey::from_parts([job.org.as_str(), &job.id.to_string(), "1", &job.file_name]);
        let new = NewArtifact {
            id,
            key: key.clone(),
            format: job.spec.format,
            compression: job.spec.compression,
            media_type: "text/csv; charset=utf-8".to_owned(),
            file_name: job.file_name.clone(),
            now,
        };
        let rows = lines(content);
        let as_of = AsOf::Cutoff { sequence: 1, at: now };
        let plan = Plan {
            as_of,
            rows_matching: rows,
            rows_expected: rows,
            frame_rows: 64,
            range_rows: 64,
            cuts: Vec::new(),
            frame_bytes: u64::MAX,
            row_bytes: 2,
        };
        self.store.jobs.save_plan(&lease, &plan).await.expect("planned");
        self.store.artifacts.stage(&lease, new).await.expect("staged");
        let mut upload = self.store.objects.begin(&key).await.expect("an upload");
        upload.put_part(Bytes::from_static(content)).await.expect("a part");
        upload.finish().await.expect("an object");
        let mut receipt = receipt(&job, content, now);
        narrow(&mut receipt.spec);
        let usage = JobUsage { duration_ms: 2000, ..JobUsage::default() };
        let keep = SignedDuration::from_hours(1);
        self.store.jobs.complete(lease, id, &receipt, &usage, keep).await.expect("completed");
        (job.id, id)
    }

    /// A completed export of alice's with this content; its path.
    pub(crate) async fn a_file(&self, content: &'static [u8]) -> String {
        let job = self.create(&json!({"format": "csv"})).await;
        assert_eq!(self.complete_next(content).await.0, job);
        format!("/api/v1/export/jobs/{job}")
    }

    /// A fresh link to the file of the job at this path.
    pub(crate) async fn link(&self, job: &str) -> String {
        self.get(format!("{job}/download")).answer().await.expect(302).header("location").to_owned()
    }
}

/// The span store's datasets, and a configured one that needs a permission of its own.
fn catalog(folder: &Path, spans: &Arc<SpanStore>, clock: &SharedClock) -> Catalog {
    let journal = folder.join("journal.db");
    rusqlite::Connection::open(&journal)
        .expect("a database")
        .execute_batch(
            "CREATE TABLE trades (id INTEGER PRIMARY KEY, account TEXT NOT NULL, opened_at DATETIME NOT NULL, pnl DECIMAL(12,2));
             INSERT INTO trades VALUES (1, 'acme', '2026-10-01 00:00:00', '0.10'), (2, 'acme', '2026-10-02 00:00:00', NULL),
                                       (3, 'other', '2026-10-03 00:00:00', '1.00');",
        )
        .expect("rows");
    let config = json!({
        "sources": {"journal": {"url": format!("sqlite:{}", journal.display())}},
        "datasets": {"journal": {"title": "Journal", "source": "journal", "table": "trades", "tenant": "account",
            "key": ["id"], "identity": ["id"], "time": "opened_at", "rows": "mutable",
            "filters": {"min_pnl": {"column": "pnl", "op": "min"}}}},
    });
    let config: DatasetsConfig = serde_json::from_value(config).expect("a configuration");
    let mut catalog = Catalog::default();
    spans
        .datasets()
        .into_iter()
        .chain(config.compile(clock).expect("it compiles"))
        .for_each(|dataset| catalog.insert(dataset));
    catalog
}

/// What must not be told of people: every value of a sensitive column.
pub(crate) const PRIVATE: [&str; 8] =
    ["ada@example.org", "bob@example.org", "likes tea", "owes money", "DE02", "FR76", "12.50", "1985-06-0"];

fn people(folder: &Path, clock: &SharedClock) -> Vec<Dataset> {
    let file = folder.join("people.db");
    rusqlite::Connection::open(&file)
        .expect("a database")
        .execute_batch(
            "CREATE TABLE people (id INTEGER PRIMARY KEY, account TEXT NOT NULL, country TEXT, email TEXT, notes TEXT,
                                  iban TEXT, score DECIMAL(8,2), born DATETIME NOT NULL);
             INSERT INTO people VALUES
               (1, 'acme', 'DE', 'ada@example.org', 'likes tea', 'DE02', '12.50', '1985-06-01 00:00:00'),
               (2, 'acme', 'FR', 'bob@example.org', 'owes money', 'FR76', '12.50', '1985-06-02 00:00:00'),
               (3, 'acme', 'FR', 'ada@example.org', NULL, NULL, NULL, '1985-06-03 00:00:00');",
        )
        .expect("rows");
    let config = json!({
        "sources": {"people": {"url": format!("sqlite:{}", file.display())}},
        "datasets": {"people": {"title": "People", "source": "people", "table": "people", "tenant": "account",
            "key": ["id"], "time": "born",
            "columns": {"email": {"sensitive": "hash"}, "notes": {"sensitive": true}, "iban": {"sensitive": "drop"},
                "score": {"sensitive": "mask"}, "born": {"sensitive": "mask"}},
            "filters": {"country": "in", "email": "in", "iban": "eq", "min_score": {"column": "score", "op": "min"},
                "max_score": {"column": "score", "op": "max"}, "birthday": {"column": "born", "op": "range"},
                "text": {"columns": ["country", "notes"], "op": "contains"}}}},
    });
    let config: DatasetsConfig = serde_json::from_value(config).expect("a configuration");
    config.compile(clock).expect("it compiles")
}

fn lines(content: &[u8]) -> u64 {
    content.iter().filter(|byte| **byte == b'\n').count() as u64
}

fn receipt(job: &offtake_model::job::Job, content: &[u8], now: Timestamp) -> Receipt {
    let rows = lines(content);
    Receipt {
        job_id: job.id,
        dataset: job.spec.dataset.clone(),
        organization: job.org.clone(),
        spec: job.spec.clone(),
        spec_sha256: job.spec.sha256(),
        mode: "cutoff".to_owned(),
        as_of: now,
        rows_matching: rows,
        rows_expected: rows,
        rows_written: rows,
        limited: false,
        truncated_cells: Vec::new(),
        truncated_cells_count: 0,
        guarded_cells: 0,
        masked: std::collections::BTreeMap::default(),
        bytes: content.len() as u64,
        sha256: hex::encode(Sha256::digest(content)),
        format: job.spec.format,
        compression: job.spec.compression,
        media_type: "text/csv; charset=utf-8".to_owned(),
        file_name: job.file_name.clone(),
        columns: Vec::new(),
        frames: 1,
        attempts: 1,
        started_at: now,
        finished_at: now,
        offtake_version: "0".to_owned(),
    }
}

/// A span whose ids and time follow from `number`, in the hour before [`NOW`].
pub(crate) fn span(number: u8) -> Span {
    let noon: Timestamp = NOW.parse().expect("a moment");
    let start = u64::try_from(noon.as_nanosecond()).expect("after 1970") - 3_600_000_000_000
        + u64::from(number) * 1_000_000_000;
    Span {
        trace_id: vec![number; 16],
        span_id: vec![number; 8],
        name: format!("span {number}"),
        start_time_unix_nano: start,
        end_time_unix_nano: start + 1_000_000,
        ..Span::default()
    }
}

pub(crate) fn request_of(spans: Vec<Span>) -> Vec<u8> {
    let scope_spans = vec![ScopeSpans { spans, ..ScopeSpans::default() }];
    let resource_spans = vec![ResourceSpans { scope_spans, ..ResourceSpans::default() }];
    ExportTraceServiceRequest { resource_spans }.encode_to_vec()
}

/// How a selection names span `number`.
pub(crate) fn identity(number: u8) -> Json {
    json!({"trace_id": hex::encode([number; 16]), "span_id": hex::encode([number; 8])})
}
