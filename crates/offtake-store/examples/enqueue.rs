//! How fast jobs are created: `enqueue SQLITE_FILE|POSTGRES_URL CLIENTS JOBS ORGANIZATIONS`.
//!
//! So many clients ask at once, spread over so many organizations; acts in one organization wait for each other at the head
//! of its audit trail.

use std::sync::Arc;
use std::time::Instant;

use jiff::Timestamp;
use offtake_model::audit::{Act, Via};
use offtake_model::clock::{Clock, SystemClock};
use offtake_model::export::{ExportSpec, RowsSpec};
use offtake_model::format::{Compression, Dialect, Format};
use offtake_model::id::{JobId, OrgId};
use offtake_model::{Error, ErrorKind, Result};
use offtake_postgres::Settings;
use offtake_store::{JobLimits, Jobs, NewJob, PostgresStore, SqliteStore};

fn request(org: &OrgId, now: Timestamp) -> NewJob {
    let spec = ExportSpec {
        dataset: "spans".to_owned(),
        format: Format::Csv,
        compression: Compression::Gzip,
        dialect: Dialect::Rfc4180,
        delimiter: ',',
        formats: None,
        fields: None,
        limit: None,
        name: None,
        notify: None,
        destination: None,
        rows: RowsSpec::default(),
        disclosure: offtake_model::sensitive::Disclosure::default(),
    };
    NewJob {
        id: JobId::new(now),
        org: org.clone(),
        owner: "ada".to_owned(),
        owner_email: None,
        spec,
        name: "Spans".to_owned(),
        file_name: "spans.csv.gz".to_owned(),
        request_id: Some("req_1".to_owned()),
        traceparent: None,
        idempotency: None,
        pinned_to: None,
        needs: Vec::new(),
        limits: JobLimits::NONE,
        now,
        by: Act::by("ada", Via::Token),
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    let usage = || Error::new(ErrorKind::InvalidRequest, "SQLITE_FILE|POSTGRES_URL CLIENTS JOBS ORGANIZATIONS");
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [place, numbers @ ..] = arguments.as_slice() else { return Err(usage()) };
    let numbers: Vec<usize> = numbers.iter().filter_map(|text| text.parse().ok()).collect();
    let [clients, jobs, orgs] = numbers[..] else { return Err(usage()) };
    let store: Arc<dyn Jobs> = if place.starts_with("postgres") {
        PostgresStore::open(Settings::parse(place)?, 10, None).await?
    } else {
        SqliteStore::open(place.as_ref(), None)?
    };
    let began = Instant::now();
    let asking = (0..clients).map(|client| {
        let store = Arc::clone(&store);
        tokio::spawn(async move {
            let org = OrgId::new(format!("org{}", client % orgs))?;
            let mut took = Vec::new();
            for _ in 0..jobs / clients {
                let asked = Instant::now();
                store.enqueue(request(&org, SystemClock.now())).await?;
                took.push(asked.elapsed().as_secs_f64() * 1000.0);
            }
            Ok::<_, Error>(took)
        })
    });
    let mut took = Vec::new();
    for done in futures::future::join_all(asking).await {
        took.extend(done.map_err(|cause| Error::new(ErrorKind::Internal, "a client died").caused_by(cause))??);
    }
    took.sort_by(f64::total_cmp);
    let at = |share: f64| took[((took.len() - 1) as f64 * share) as usize];
    let each = took.len() as f64 / began.elapsed().as_secs_f64();
    println!("{clients} clients, {orgs} organizations: {each:.0}/s, p50 {:.1} ms, p99 {:.1} ms", at(0.5), at(0.99));
    Ok(())
}
