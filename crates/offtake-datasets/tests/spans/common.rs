//! Genuine spans, and spans made up.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use arrow::array::{
    Array as _, ArrayRef, Decimal128Array, Float64Array, Int64Array, StringArray, TimestampMicrosecondArray,
};
use arrow::record_batch::RecordBatch;
use offtake_datasets::PageRequest;
use offtake_datasets::spans::otlp::{ExportTraceServiceRequest, Incoming, decode_protobuf, to_spans};
use offtake_datasets::spans::{Conventions, Span, SpanStore, SpanType, StatusCode};
use offtake_model::as_of::AsOf;
use offtake_model::clock::{Clock as _, SystemClock};
use offtake_model::id::OrgId;
use offtake_model::query::{Chosen, RowQuery};
use offtake_model::selection::Scope;
use offtake_postgres::Settings;
use offtake_testkit::{Database, PgVersion, Postgres};
use serde_json::Value;
use tempfile::TempDir;

/// The suites of genuine spans; clients first.
pub(crate) const SUITES: [&str; 4] = ["openai-traceloop", "openai-v2", "anthropic", "langchain-openinference"];

/// The requests of a suite, in both encodings.
pub(crate) struct Suite {
    pub(crate) json: Vec<Vec<u8>>,
    pub(crate) protobuf: Vec<Vec<u8>>,
}

impl Suite {
    pub(crate) fn read(name: &str) -> Self {
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../testdata/otlp");
        let lines = fs::read(folder.join(format!("{name}.otlp.jsonl"))).expect("testdata");
        let json = lines.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()).map(<[u8]>::to_vec).collect();
        let mut records = &fs::read(folder.join(format!("{name}.otlp.pb"))).expect("testdata")[..];
        let mut protobuf = Vec::new();
        while let Some((length, rest)) = records.split_first_chunk::<4>() {
            let (record, rest) = rest.split_at(u32::from_be_bytes(*length) as usize);
            protobuf.push(record.to_vec());
            records = rest;
        }
        Self { json, protobuf }
    }
}

/// The largest body that is taken, unless configured otherwise.
pub(crate) const LARGEST: usize = 64 << 20;

/// What becomes of a request that is not too large.
pub(crate) fn mapped(request: ExportTraceServiceRequest) -> Incoming {
    to_spans(request, &Conventions::default(), LARGEST).expect("it is not too large")
}

/// The rows of a suite.
pub(crate) fn spans_of(name: &str) -> Vec<Span> {
    let rows = |body: &Vec<u8>| mapped(decode_protobuf(body).expect("genuine")).spans;
    Suite::read(name).protobuf.iter().flat_map(rows).collect()
}

/// Compares an OTLP/JSON value with what was kept of it.
pub(crate) fn same_value(sent: &Value, kept: &Value) {
    let (ty, value) = sent.as_object().unwrap().iter().next().expect("a value");
    match ty.as_str() {
        "intValue" => assert_eq!(value.as_str().unwrap(), kept.to_string()),
        "arrayValue" => {
            let (sent, kept) = (value["values"].as_array().unwrap(), kept.as_array().unwrap());
            assert_eq!(sent.len(), kept.len());
            sent.iter().zip(kept).for_each(|(sent, kept)| same_value(sent, kept));
        }
        _ => assert_eq!(value, kept),
    }
}

/// A span made up: the rest is as empty as it can be.
pub(crate) fn span(trace: u8, span: u16, started_at: i64) -> Span {
    Span {
        trace_id: format!("{:032x}", u128::from(trace) + 0xa0),
        span_id: format!("{:016x}", u64::from(span) + 0xb000),
        parent_span_id: None,
        project_id: None,
        document_uuid: None,
        commit_uuid: None,
        experiment_uuid: None,
        test_deployment_id: None,
        span_type: SpanType::Prompt,
        name: format!("span {span}"),
        service: None,
        provider: None,
        model: None,
        environment: None,
        user_id: None,
        session_id: None,
        status_code: StatusCode::Unset,
        status_message: None,
        started_at,
        started_ns: 0,
        ended_at: None,
        ended_ns: None,
        duration_ms: None,
        prompt_tokens: None,
        completion_tokens: None,
        total_tokens: None,
        cost_usd: None,
        input: None,
        output: None,
        attributes: "{}".to_owned(),
        resource: "{}".into(),
        events: "[]".to_owned(),
    }
}

/// An organization.
pub(crate) fn org(name: &str) -> OrgId {
    OrgId::new(name).expect("a name")
}

/// Where spans are kept.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Backend {
    Sqlite,
    Postgres(PgVersion),
}

/// What lies under a store. A database goes before its server.
pub(crate) enum Place {
    Folder(TempDir),
    Database(Database, #[expect(dead_code, reason = "held, not used")] Postgres),
}

/// A store in a place of its own.
pub(crate) struct Kept {
    // Before what it lies on.
    pub(crate) store: Arc<SpanStore>,
    pub(crate) place: Place,
}

impl Kept {
    pub(crate) async fn new(backend: Backend) -> Self {
        let place = match backend {
            Backend::Sqlite => Place::Folder(tempfile::tempdir().expect("a folder")),
            Backend::Postgres(version) => {
                let server = Postgres::shared(version);
                Place::Database(server.database(), server)
            }
        };
        Self { store: open(&place).await, place }
    }

    /// What another process would open: the same spans, another connection and another writer.
    pub(crate) async fn another(&self) -> Arc<SpanStore> {
        open(&self.place).await
    }

    /// The same place, opened again after the store was closed.
    pub(crate) async fn again(self) -> Self {
        drop(self.store);
        Self { store: open(&self.place).await, place: self.place }
    }

    /// What all of an organization's rows of a dataset say, as text, by key; and the moment.
    pub(crate) async fn rows(&self, dataset: &str, columns: &[&str], query: &RowQuery) -> (Vec<Vec<String>>, AsOf) {
        let dataset = self.store.datasets().into_iter().find(|found| found.schema.name == dataset).expect("a dataset");
        let mut rows = Vec::new();
        let mut request = PageRequest {
            columns: columns.iter().map(|&column| column.to_owned()).collect(),
            sort: None,
            limit: 100,
            cursor: None,
        };
        loop {
            let page = dataset.source.page(&dataset.schema, query, &request).await.expect("a page");
            rows.extend(rows_of(&page.rows));
            request.cursor = page.next_cursor;
            if request.cursor.is_none() {
                return (rows, page.as_of);
            }
        }
    }

    /// The exact number of rows.
    pub(crate) async fn count(&self, dataset: &str, query: &RowQuery) -> u64 {
        let dataset = self.store.datasets().into_iter().find(|found| found.schema.name == dataset).expect("a dataset");
        dataset.source.count(&dataset.schema, query).await.expect("a count").rows
    }
}

/// Opens the store that lies in this place.
pub(crate) async fn open(place: &Place) -> Arc<SpanStore> {
    let clock = Arc::new(SystemClock);
    match place {
        Place::Folder(folder) => SpanStore::open(&folder.path().join("spans.db"), clock).expect("a store"),
        Place::Database(database, _) => {
            let settings = Settings::parse(&database.url()).expect("a URL");
            SpanStore::open_postgres(settings, 4, clock).await.expect("a store")
        }
    }
}

/// The rows of a batch, as text.
pub(crate) fn rows_of(batch: &RecordBatch) -> Vec<Vec<String>> {
    let row = |row| batch.columns().iter().map(|column| cell(column, row)).collect();
    (0..batch.num_rows()).map(row).collect()
}

/// All rows of an organization.
pub(crate) fn all(org: &OrgId) -> RowQuery {
    RowQuery {
        org: org.clone(),
        predicates: Vec::new(),
        chosen: Chosen::All,
        scope: Scope::Row,
        as_of: None,
        newer_than: None,
    }
}

/// All rows of an organization, up to a sequence.
pub(crate) fn up_to(org: &OrgId, sequence: i64) -> RowQuery {
    RowQuery { as_of: Some(AsOf::Cutoff { sequence, at: SystemClock.now() }), ..all(org) }
}

fn cell(column: &ArrayRef, row: usize) -> String {
    if column.is_null(row) {
        return "NULL".to_owned();
    }
    let any = column.as_any();
    let text = any.downcast_ref::<StringArray>().map(|column| column.value(row).to_owned());
    let int = || any.downcast_ref::<Int64Array>().map(|column| column.value(row).to_string());
    let float = || any.downcast_ref::<Float64Array>().map(|column| column.value(row).to_string());
    let decimal = || any.downcast_ref::<Decimal128Array>().map(|column| column.value(row).to_string());
    let time = || any.downcast_ref::<TimestampMicrosecondArray>().map(|column| column.value(row).to_string());
    text.or_else(int).or_else(float).or_else(decimal).or_else(time).expect("a known type")
}
