//! When something behind the server breaks: nothing internal gets out, and the log has it.

use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use http::Method;
use offtake_datasets::{Count, FacetRequest, Facets, Page, PageRequest, PlanSettings, RangeReader, Source};
use offtake_model::dataset::DatasetSchema;
use offtake_model::plan::Plan;
use offtake_model::query::RowQuery;
use offtake_model::{Error, ErrorKind, Result};
use offtake_server::ServerSettings;
use serde_json::json;
use tracing_subscriber::fmt::MakeWriter;

use crate::house::House;

/// What must never be seen outside.
const INTERNAL: &str = "postgres://reader:hunter2@db/journal";

#[derive(Debug, Clone, Copy)]
enum Fault {
    Fails(ErrorKind),
    Panics,
    Hangs,
}

#[derive(Debug)]
struct Faulty(Fault);

impl Faulty {
    async fn meet<T>(&self) -> Result<T> {
        match self.0 {
            Fault::Fails(kind) => Err(Error::new(kind, INTERNAL).caused_by(io::Error::other(INTERNAL))),
            Fault::Panics => panic!("{INTERNAL}"),
            Fault::Hangs => std::future::pending().await,
        }
    }
}

#[async_trait]
impl Source for Faulty {
    async fn count(&self, _dataset: &Arc<DatasetSchema>, _query: &RowQuery) -> Result<Count> {
        self.meet().await
    }

    async fn facets(&self, _: &Arc<DatasetSchema>, _: &RowQuery, _: &FacetRequest) -> Result<Facets> {
        self.meet().await
    }

    async fn page(&self, _dataset: &Arc<DatasetSchema>, _query: &RowQuery, _page: &PageRequest) -> Result<Page> {
        self.meet().await
    }

    async fn plan(
        &self,
        _dataset: &Arc<DatasetSchema>,
        _query: &RowQuery,
        _settings: PlanSettings,
        _progress: Arc<dyn Fn(u64) + Send + Sync>,
    ) -> Result<Plan> {
        self.meet().await
    }

    async fn open(
        &self,
        _dataset: &Arc<DatasetSchema>,
        _query: &RowQuery,
        _plan: &Arc<Plan>,
        _columns: &[String],
        _readers: usize,
    ) -> Result<Arc<dyn RangeReader>> {
        self.meet().await
    }

    async fn ping(&self) -> Result<()> {
        self.meet().await
    }
}

fn house(fault: Fault) -> House {
    let settings = ServerSettings { request_timeout: Duration::from_millis(200), ..ServerSettings::default() };
    House::with_dataset(settings, Some(Arc::new(Faulty(fault))))
}

/// What a thread logs while this lives.
#[derive(Debug, Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().expect("no panic while locked").clone()).expect("UTF-8")
    }

    fn listen(&self) -> tracing::subscriber::DefaultGuard {
        let subscriber =
            tracing_subscriber::fmt().json().with_max_level(tracing::Level::DEBUG).with_writer(self.clone());
        tracing::subscriber::set_default(subscriber.finish())
    }
}

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("no panic while locked").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

#[tokio::test]
async fn faults_are_told_by_code_and_request_id_alone() {
    for (fault, status, code) in [
        (Fault::Fails(ErrorKind::SourceUnavailable), 503, "source_unavailable"),
        (Fault::Fails(ErrorKind::StoreUnavailable), 503, "store_unavailable"),
        (Fault::Fails(ErrorKind::SchemaDrift), 500, "schema_drift"),
        (Fault::Fails(ErrorKind::Internal), 500, "internal"),
        (Fault::Panics, 500, "internal"),
        (Fault::Hangs, 504, "timeout"),
    ] {
        let house = house(fault);
        let log = Log::default();
        let guard = log.listen();
        let answer =
            house.post("/api/v1/datasets/faulty/count", &json!({})).header("x-request-id", "req-9").answer().await;
        drop(guard);
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        assert!(!text.contains("hunter2"), "{fault:?}: {text}");
        assert_eq!(answer.header("retry-after").is_empty(), status != 503, "{fault:?}");
        assert_eq!(answer.problem(status).0, code, "{fault:?}");
        let log = log.text();
        assert!(matches!(fault, Fault::Hangs) || log.contains(INTERNAL), "the log has it: {log}");
        assert!(log.lines().any(|line| line.contains("ERROR") && line.contains("req-9")), "under the id: {log}");
        house.get("/api/v1/export/jobs").answer().await.expect(200);
    }
}

#[tokio::test]
async fn who_is_not_ready_says_what_is_missing_and_no_more() {
    let house = house(Fault::Fails(ErrorKind::SourceUnavailable));
    let answer = house.ask(Method::GET, "/readyz").answer().await.expect(503).json();
    assert_eq!(answer["status"], "not_ready");
    assert_eq!(answer["checks"]["store"]["status"], "ok");
    assert_eq!(answer["checks"]["dataset faulty"]["code"], "source_unavailable");
    assert!(!answer.to_string().contains("hunter2"));
    house.ask(Method::GET, "/livez").answer().await.expect(200);
}

#[tokio::test]
async fn a_request_is_one_line_without_secrets() {
    let house = House::new();
    let job = house.a_file(b"a\n").await;
    let token = house.token("acme", "alice", "all");
    let log = Log::default();
    let guard = log.listen();
    let link = house.link(&job).await;
    house.ask(Method::GET, &link).answer().await.expect(200);
    let listed = house.ask(Method::GET, "/api/v1/export/jobs?request_id=private-thing");
    listed
        .header("authorization", &format!("Bearer {token}"))
        .header("x-request-id", "req-1")
        .answer()
        .await
        .expect(200);
    drop(guard);
    let text = log.text();
    let (_, signature) = link.rsplit_once('=').expect("a signature");
    for secret in [signature, token.as_str(), "private-thing"] {
        assert!(!text.contains(secret), "{text}");
    }
    let lines: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let requests: Vec<_> =
        lines.iter().map(|line| &line["fields"]).filter(|fields| fields["message"] == "request").collect();
    assert_eq!(requests.len(), 3, "{text}");
    assert_eq!(requests[0]["route"], "/api/v1/export/jobs/{id}/download");
    assert_eq!((&requests[0]["status"], &requests[0]["org_id"]), (&json!(302), &json!("acme")));
    assert_eq!((&requests[1]["route"], &requests[1]["method"]), (&json!("/files/{artifact}"), &json!("GET")));
    assert_eq!(requests[2]["request_id"], "req-1");
    assert!(requests[2]["ms"].is_number());
}

/// Files whose bytes went missing are gone, not a fault.
#[tokio::test]
async fn a_file_without_bytes_is_gone() {
    let house = House::new();
    house.create(&json!({"format": "csv"})).await;
    let (job, artifact) = house.complete_next(b"a\n").await;
    let link = house.link(&format!("/api/v1/export/jobs/{job}")).await;
    let key = house.store.artifacts.by_id(artifact).await.expect("an artifact").key;
    house.store.objects.delete(&key).await.expect("deleted");
    assert_eq!(house.ask(Method::GET, &link).answer().await.problem(410).0, "gone");
}
