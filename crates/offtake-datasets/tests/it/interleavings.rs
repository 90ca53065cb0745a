//! Writers and readers in each other's way, in as many random orders as are asked for (`OFFTAKE_TEST_INTERLEAVINGS`).

use std::collections::BTreeSet;

use offtake_datasets::PageRequest;
use offtake_model::dataset::RowsMode;
use offtake_model::query::{Chosen, RowQuery};
use offtake_testkit::switch;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use tokio_postgres::Client;

use crate::fixture::{Bench, everything, numbers, org, settle};

/// Takes numbers early, commits late, nests and gives up.
struct Writer {
    client: Client,
    open: bool,
    pending: Vec<i64>,
}

/// Leafs through the rows of one moment, page by page, while others write.
struct Reader {
    query: RowQuery,
    rows: u64,
    limit: u32,
    cursor: Option<String>,
    seen: Vec<i64>,
}

impl Reader {
    async fn begin(bench: &Bench, query: &RowQuery, limit: u32) -> Self {
        let count = bench.source.count(&bench.schema, query).await.unwrap();
        let query = RowQuery { as_of: Some(count.as_of), ..query.clone() };
        Self { query, rows: count.rows, limit, cursor: None, seen: Vec::new() }
    }

    /// Turns a page; whether it was the last.
    async fn turn(&mut self, bench: &Bench) -> bool {
        let cursor = self.cursor.take();
        let page = PageRequest { columns: vec!["seq".to_owned()], sort: None, limit: self.limit, cursor };
        let page = bench.source.page(&bench.schema, &self.query, &page).await.unwrap();
        self.seen.extend(numbers(&page.rows, "seq"));
        self.cursor = page.next_cursor;
        self.cursor.is_none()
    }
}

impl Writer {
    async fn write(&mut self, org: &str, seq: i64, random: &mut StdRng) {
        if !self.open {
            self.client.batch_execute("BEGIN").await.unwrap();
            self.open = true;
        }
        // Few moments, so that rows have much the same key, and come before what was read already.
        let at = random.random_range(0..4);
        let insert = format!(
            "INSERT INTO items (seq, org, at, trace_id, span) VALUES \
             ({seq}, '{org}', timestamptz 'epoch' + interval '{at} s', 't{}', 's{seq}')",
            random.random_range(0..3)
        );
        let sql = match random.random_range(0..4) {
            0 => format!("SAVEPOINT s; {insert}; RELEASE s"),
            1 => format!("SAVEPOINT s; {insert}; ROLLBACK TO s"),
            _ => insert,
        };
        self.client.batch_execute(&sql).await.unwrap();
        if !sql.ends_with("ROLLBACK TO s") {
            self.pending.push(seq);
        }
    }

    async fn end(&mut self, committed: &mut BTreeSet<i64>, commit: bool) {
        if std::mem::take(&mut self.open) {
            self.client.batch_execute(if commit { "COMMIT" } else { "ROLLBACK" }).await.unwrap();
            let pending = std::mem::take(&mut self.pending);
            committed.extend(pending.into_iter().filter(|_| commit));
        }
    }
}

/// Whoever reads a moment, however slowly, reads all of it once and nothing else; later moments hold earlier ones; and
/// the last holds everything.
#[tokio::test(flavor = "multi_thread")]
async fn random_interleavings_lose_and_double_nothing() {
    let bench = Bench::postgres(&[], RowsMode::AppendOnly);
    let mut writers = Vec::new();
    let mut drivers = Vec::new();
    for _ in 0..3 {
        let url = bench.database().url();
        let (client, connection) = tokio_postgres::connect(&url, tokio_postgres::NoTls).await.unwrap();
        drivers.push(tokio::spawn(connection));
        writers.push(Writer { client, open: false, pending: Vec::new() });
    }
    let (mut seq, mut readings) = (0, 0);
    for seed in 0..switch("OFFTAKE_TEST_INTERLEAVINGS", 40) {
        let mut random = StdRng::seed_from_u64(seed);
        let tenant = format!("o{seed}");
        let query = RowQuery { org: org(&tenant), ..everything(Chosen::All) };
        let mut committed = BTreeSet::new();
        let mut earlier = BTreeSet::new();
        let mut reader = Reader::begin(&bench, &query, random.random_range(1..4)).await;
        for _ in 0..40 {
            let writer = random.random_range(0..writers.len());
            match random.random_range(0..6) {
                0..3 => {
                    seq += 1;
                    writers[writer].write(&tenant, seq, &mut random).await;
                }
                3 => writers[writer].end(&mut committed, random.random_range(0..5) > 0).await,
                _ => {
                    if reader.turn(&bench).await {
                        let seen: BTreeSet<i64> = reader.seen.iter().copied().collect();
                        assert_eq!(seen.len(), reader.seen.len(), "seed {seed}: a row was read twice");
                        assert_eq!(seen.len() as u64, reader.rows, "seed {seed}: not the rows that were counted");
                        assert!(seen.is_superset(&earlier), "seed {seed}: a row of an earlier moment is gone");
                        assert!(seen.is_subset(&committed), "seed {seed}: a row that was not committed");
                        earlier = seen;
                        readings += 1;
                        reader = Reader::begin(&bench, &query, random.random_range(1..4)).await;
                    }
                }
            }
        }
        for writer in &mut writers {
            writer.end(&mut committed, true).await;
        }
        settle(bench.database());
        let mut last: Vec<i64> = bench.leaf(&query, None, 7).await;
        last.sort_unstable();
        assert_eq!(last, committed.into_iter().collect::<Vec<_>>(), "seed {seed}");
    }
    println!("{readings} readings");
    drop(writers);
    for driver in drivers {
        driver.await.unwrap().unwrap();
    }
}
