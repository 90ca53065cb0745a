//! How fast spans are taken in: decode, map, append, from several senders at once.
//!
//! `cargo run --release -p offtake-datasets --example append -- [SPANS] [SENDERS] [postgres://…]`; genuine spans with new
//! ids, 500 a request; into a SQLite file unless a database is named.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use offtake_datasets::spans::otlp::{ExportTraceServiceRequest, decode_protobuf, to_spans};
use offtake_datasets::spans::{Conventions, SpanStore};
use offtake_model::clock::SystemClock;
use offtake_model::id::OrgId;
use offtake_postgres::Settings;
use prost::Message as _;

type Failure = Box<dyn std::error::Error + Send + Sync>;

const PER_REQUEST: usize = 500;

fn main() -> Result<(), Failure> {
    let mut arguments = std::env::args().skip(1);
    let spans = arguments.next().map(|spans| spans.parse()).transpose()?.unwrap_or(200_000_usize);
    let senders = arguments.next().map(|senders| senders.parse()).transpose()?.unwrap_or(4_usize);
    let database = arguments.next();
    let genuine = genuine()?;
    let bodies: Vec<Vec<u8>> = (0..spans.div_ceil(PER_REQUEST)).map(|at| body(&genuine, at)).collect();
    let bytes: usize = bodies.iter().map(Vec::len).sum();
    println!("{spans} spans in {} requests, {} MB of protobuf", bodies.len(), bytes / 1_000_000);

    let folder = tempfile::tempdir()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let store = match &database {
        Some(url) => runtime.block_on(SpanStore::open_postgres(Settings::parse(url)?, 2, Arc::new(SystemClock)))?,
        None => SpanStore::open(&folder.path().join("spans.db"), Arc::new(SystemClock))?,
    };
    let bodies = Arc::new(bodies);
    let started = Instant::now();
    let mapping = runtime.block_on(async {
        let tasks: Vec<_> = (0..senders)
            .map(|sender| tokio::spawn(send(Arc::clone(&store), Arc::clone(&bodies), sender, senders)))
            .collect();
        let mut mapping = Duration::ZERO;
        for task in tasks {
            mapping += task.await??;
        }
        Ok::<_, Failure>(mapping)
    })?;
    let took = started.elapsed();
    let stored = bodies.len() * PER_REQUEST;
    println!("{stored} spans stored in {took:.2?}: {:.0} spans/s", stored as f64 / took.as_secs_f64());
    println!("decoding and mapping alone: {:.1} µs a span", mapping.as_secs_f64() * 1e6 / stored as f64);
    if database.is_none() {
        println!("the store: {} MB", std::fs::metadata(folder.path().join("spans.db"))?.len() / 1_000_000);
    }
    // Its connections are closed within the runtime that they are of.
    runtime.block_on(async { drop(store) });
    Ok(())
}

async fn send(
    store: Arc<SpanStore>,
    bodies: Arc<Vec<Vec<u8>>>,
    sender: usize,
    senders: usize,
) -> Result<Duration, Failure> {
    let (conventions, org) = (Conventions::default(), OrgId::new("bench")?);
    let mut mapping = Duration::ZERO;
    for body in bodies.iter().skip(sender).step_by(senders) {
        let begun = Instant::now();
        let incoming = to_spans(decode_protobuf(body)?, &conventions, body.len())?;
        mapping += begun.elapsed();
        store.append(&org, incoming.spans).await?;
    }
    Ok(mapping)
}

fn genuine() -> Result<Vec<ExportTraceServiceRequest>, Failure> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/otlp");
    let mut requests = Vec::new();
    for suite in ["openai-traceloop", "openai-v2", "anthropic", "langchain-openinference"] {
        let records = std::fs::read(folder.join(format!("{suite}.otlp.pb")))?;
        let mut records = records.as_slice();
        while let Some((length, rest)) = records.split_first_chunk::<4>() {
            let (record, rest) = rest.split_at(u32::from_be_bytes(*length) as usize);
            requests.push(decode_protobuf(record)?);
            records = rest;
        }
    }
    Ok(requests)
}

/// Genuine requests one after the other until there are 500 spans, with ids of their own.
fn body(genuine: &[ExportTraceServiceRequest], at: usize) -> Vec<u8> {
    let mut request = ExportTraceServiceRequest::default();
    let mut spans = 0;
    for (turn, group) in genuine.iter().cycle().flat_map(|request| &request.resource_spans).enumerate() {
        let mut group = group.clone();
        for span in group.scope_spans.iter_mut().flat_map(|scope| &mut scope.spans) {
            let salt = ((at as u64) << 20 | turn as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes();
            span.trace_id.iter_mut().zip(salt).for_each(|(byte, salt)| *byte ^= salt);
            span.start_time_unix_nano += at as u64 * 1_000_000_000;
            span.end_time_unix_nano += at as u64 * 1_000_000_000;
            spans += 1;
        }
        request.resource_spans.push(group);
        if spans >= PER_REQUEST {
            break;
        }
    }
    request.encode_to_vec()
}
