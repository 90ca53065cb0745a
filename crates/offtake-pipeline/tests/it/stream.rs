//! Order, resuming, errors, cancelling, memory: what the loop promises.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures::channel::oneshot;
use futures::stream::{self, StreamExt, TryStreamExt};
use offtake_model::budget::MemoryBudget;
use offtake_model::checkpoint::Written;
use offtake_model::{Error, ErrorKind};
use offtake_pipeline::{Meter, ReadRange, Start, export, sha256_hex};
use serde_json::json;
use sha2::{Digest, Sha256};
use tokio::sync::Semaphore;

use crate::rows::{Row, batch, numbered};
use crate::run::{How, joined, parts, parts_of, plan, reader, recipe, slice};

/// Nothing is held any more; what was still being encoded gets time to end.
async fn given_back(budget: &MemoryBudget) {
    let everything = || budget.take(budget.limit()).is_ok();
    tokio::time::timeout(std::time::Duration::from_secs(10), async {
        while !everything() {
            tokio::task::yield_now().await;
        }
    })
    .await
    .expect("all memory is given back");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_but_rows_plan_and_recipe_decides_the_bytes() {
    let rows = numbered(1000);
    for decisions in [
        json!({"format": "csv"}),
        json!({"format": "csv", "compression": "gzip"}),
        json!({"format": "jsonl", "compression": "zstd"}),
        json!({"format": "json"}),
        json!({"format": "parquet"}),
    ] {
        let recipe = recipe(decisions.clone());
        let plan = plan(rows.len(), 64, 128);
        let expected = joined(&parts(&recipe, &plan, &rows, How::default()).await);
        let digest = hex::encode(Sha256::digest(&expected));
        for in_flight in 1..=4 {
            for part_bytes in [1, 5_000, 1 << 20] {
                let how = How { in_flight, part_bytes, ..How::default() };
                let parts = parts(&recipe, &plan, &rows, how).await;
                assert!(joined(&parts) == expected, "{decisions} {how:?}");
                assert!(parts.iter().all(|part| !part.bytes.is_empty()));
                let last = &parts.last().unwrap().written;
                assert_eq!(sha256_hex(last).unwrap(), digest);
                assert_eq!((last.rows, last.bytes), (1000, expected.len() as u64));
                if recipe.resumes() {
                    assert_eq!(last.frames, 16);
                }
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn resuming_anywhere_gives_the_same_file() {
    let rows = numbered(1000);
    for decisions in [
        json!({"format": "csv", "dialect": "excel"}),
        json!({"format": "csv", "compression": "gzip"}),
        json!({"format": "jsonl", "compression": "zstd"}),
        json!({"format": "json", "compression": "gzip"}),
    ] {
        let recipe = recipe(decisions);
        let plan = plan(rows.len(), 32, 64);
        let each = How { part_bytes: 1, ..How::default() };
        let whole = parts(&recipe, &plan, &rows, each).await;
        // Two frames a range: after the first of them nothing can be continued.
        assert_eq!(whole.len(), 2 * plan.cuts.len());
        let ends = whole.iter().enumerate().filter_map(|(index, part)| Some((index, part, part.ranges?)));
        assert_eq!(ends.clone().map(|(.., ranges)| ranges).collect::<Vec<_>>(), (1..=16).collect::<Vec<_>>());
        for (index, part, ranges) in ends {
            let stored = serde_json::to_string(&part.written).unwrap();
            let written: Written = serde_json::from_str(&stored).unwrap();
            let budget = MemoryBudget::new(256 << 20);
            let read = reader(&rows, &plan, &budget);
            let from = Start { ranges, written };
            let rest: Vec<_> =
                parts_of(&recipe, &plan, from, read, &budget, How::default()).boxed().try_collect().await.unwrap();
            let resumed = [joined(&whole[..=index]), joined(&rest)].concat();
            assert!(resumed == joined(&whole));
            let last = rest.last().map_or(&part.written, |last| &last.written);
            assert_eq!(last, &whole.last().unwrap().written);
        }
    }
}

#[tokio::test]
async fn a_finished_empty_file_has_no_more_parts() {
    let recipe = recipe(json!({"format": "csv"}));
    let plan = plan(0, 64, 64);
    let whole = parts(&recipe, &plan, &[], How::default()).await;
    assert_eq!(whole.len(), 1);
    assert_eq!(whole[0].ranges, Some(0));
    assert_eq!((whole[0].written.rows, whole[0].written.frames), (0, 1));
    let budget = MemoryBudget::new(1 << 20);
    let from = Start { ranges: 0, written: whole[0].written.clone() };
    let read = reader(&[], &plan, &budget);
    let rest: Vec<_> = parts_of(&recipe, &plan, from, read, &budget, How::default()).boxed().collect().await;
    assert!(rest.is_empty());
    assert_eq!(
        sha256_hex(&Written::default()).unwrap(),
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    );
}

/// Ranges that are handed over only when they are let: each waits for its own permit.
fn gated(rows: usize, gates: &Arc<Vec<Semaphore>>, budget: &MemoryBudget) -> ReadRange {
    let whole = batch(&numbered(rows));
    let (gates, budget) = (Arc::clone(gates), budget.clone());
    Arc::new(move |range| {
        let (whole, gates, budget) = (whole.clone(), Arc::clone(&gates), budget.clone());
        let piece = async move {
            gates[range].acquire().await.unwrap().forget();
            if let Some(next) = range.checked_sub(1) {
                gates[next].add_permits(1);
            }
            Ok((slice(&whole, range, 64), budget.take(1)?))
        };
        stream::once(piece).boxed()
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ranges_that_arrive_backwards_are_put_in_order() {
    let rows = numbered(256);
    let recipe = recipe(json!({"format": "csv"}));
    let plan = plan(256, 64, 64);
    let gates: Arc<Vec<Semaphore>> = Arc::new((0..4).map(|_| Semaphore::new(0)).collect());
    gates[3].add_permits(1);
    let budget = MemoryBudget::new(64 << 20);
    let how = How { in_flight: 4, ..How::default() };
    let read = gated(256, &gates, &budget);
    let backwards: Vec<_> =
        parts_of(&recipe, &plan, Start::default(), read, &budget, how).boxed().try_collect().await.unwrap();
    assert!(joined(&backwards) == joined(&parts(&recipe, &plan, &rows, How::default()).await));
    given_back(&budget).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_more_than_in_flight_ranges_are_read_ahead() {
    let recipe = recipe(json!({"format": "csv"}));
    let plan = plan(64 * 20, 64, 64);
    let budget = MemoryBudget::new(64 << 20);
    let begun = Arc::new(AtomicUsize::new(0));
    let whole = batch(&numbered(64 * 20));
    let (count, shared) = (Arc::clone(&begun), budget.clone());
    let read: ReadRange = Arc::new(move |range| {
        count.fetch_add(1, Ordering::SeqCst);
        let read = shared.take(1).map(|held| (slice(&whole, range, 64), held));
        stream::once(async move { read }).boxed()
    });
    let how = How { in_flight: 3, part_bytes: 1, ..How::default() };
    let mut stream = parts_of(&recipe, &plan, Start::default(), read, &budget, how).boxed();
    for taken in 1..=20 {
        stream.next().await.unwrap().unwrap();
        let begun = begun.load(Ordering::SeqCst);
        assert!(begun <= taken + 3, "{begun} begun after {taken}");
    }
    assert!(stream.next().await.is_none());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_error_ends_the_stream_and_everything_under_way() {
    for format in ["csv", "parquet"] {
        let recipe = recipe(json!({"format": format}));
        let plan = plan(64 * 10, 64, 64);
        let budget = MemoryBudget::new(64 << 20);
        let whole = batch(&numbered(64 * 10));
        let shared = budget.clone();
        let (dropped, mut all_dropped) = futures::channel::mpsc::channel::<()>(1);
        let read: ReadRange = Arc::new(move |range| {
            let (whole, budget, dropped) = (whole.clone(), shared.clone(), dropped.clone());
            let piece = async move {
                let held = budget.take(1000)?;
                match range {
                    0..4 => Ok((slice(&whole, range, 64), held)),
                    4 => Err(Error::new(ErrorKind::SourceUnavailable, "the source is gone")),
                    _ => {
                        let _never_ends = dropped;
                        std::future::pending().await
                    }
                }
            };
            stream::once(piece).boxed()
        });
        let how = How { in_flight: 3, part_bytes: 1, ..How::default() };
        let mut stream = parts_of(&recipe, &plan, Start::default(), read, &budget, how).boxed();
        let mut good = 0;
        let error = loop {
            match stream.next().await.expect("an error comes") {
                Ok(_) => good += 1,
                Err(error) => break error,
            }
        };
        assert_eq!(error.kind(), ErrorKind::SourceUnavailable);
        // Parquet's magic bytes are a part of their own here; its first row group never becomes complete.
        assert_eq!(good, if format == "csv" { 4 } else { 1 });
        // Not after the next poll: everything has stopped by the time the error is seen.
        assert!(budget.take(budget.limit()).is_ok());
        assert!(stream.next().await.is_none());
        drop(stream);
        assert!(all_dropped.next().await.is_none());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dropping_the_stream_drops_the_reads_and_gives_everything_back() {
    for format in ["csv", "parquet"] {
        let recipe = recipe(json!({"format": format}));
        let plan = plan(64 * 10, 64, 64);
        let budget = MemoryBudget::new(64 << 20);
        let whole = batch(&numbered(64 * 10));
        let shared = budget.clone();
        let (begun, mut has_begun) = futures::channel::mpsc::channel::<oneshot::Receiver<()>>(10);
        let read: ReadRange = Arc::new(move |range| {
            let (whole, budget, mut begun) = (whole.clone(), shared.clone(), begun.clone());
            let piece = async move {
                let held = budget.take(1000)?;
                if range < 2 {
                    return Ok((slice(&whole, range, 64), held));
                }
                let (alive, gone) = oneshot::channel();
                begun.try_send(gone).unwrap();
                std::future::pending::<()>().await;
                drop(alive);
                Ok((slice(&whole, range, 64), held))
            };
            stream::once(piece).boxed()
        });
        let how = How { in_flight: 3, part_bytes: 1, ..How::default() };
        let mut stream = parts_of(&recipe, &plan, Start::default(), read, &budget, how).boxed();
        let stuck = tokio::select! {
            stuck = has_begun.next() => stuck.unwrap(),
            () = async { while stream.next().await.is_some() {} } => unreachable!("it never ends"),
        };
        drop(stream);
        assert!(stuck.await.is_err(), "the reading future is dropped");
        given_back(&budget).await;
    }
}

#[tokio::test]
async fn a_budget_too_small_is_said_at_once() {
    for format in ["csv", "jsonl", "json", "parquet"] {
        let rows = numbered(256);
        let recipe = recipe(json!({"format": format}));
        let plan = plan(256, 64, 64);
        let budget = MemoryBudget::new(6_000);
        let read = reader(&rows, &plan, &budget);
        let results: Vec<_> =
            parts_of(&recipe, &plan, Start::default(), read, &budget, How::default()).boxed().collect().await;
        let [Err(error)] = results.as_slice() else { panic!("{results:?}") };
        assert_eq!(error.kind(), ErrorKind::MemoryLimit);
        drop(results);
        assert!(budget.take(budget.limit()).is_ok());
    }
}

/// Range 3 finds the budget taken by its neighbours once; then it must have it to itself.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_range_that_does_not_fit_beside_others_is_done_alone() {
    let rows = numbered(64 * 8);
    let recipe = recipe(json!({"format": "csv", "compression": "gzip"}));
    let plan = plan(rows.len(), 64, 64);
    let expected = joined(&parts(&recipe, &plan, &rows, How::default()).await);
    let budget = MemoryBudget::new(1 << 20);
    let (whole, shared, tries) = (batch(&rows), budget.clone(), Arc::new(AtomicUsize::new(0)));
    let counted = Arc::clone(&tries);
    let read: ReadRange = Arc::new(move |range| {
        let (whole, budget, tries) = (whole.clone(), shared.clone(), Arc::clone(&counted));
        let piece = async move {
            let crowded = range == 3 && tries.fetch_add(1, Ordering::SeqCst) == 0;
            // The second time nobody holds anything: the whole budget can be had.
            let bytes = if crowded {
                budget.limit() + 1
            } else if range == 3 {
                budget.limit()
            } else {
                1
            };
            let mut held = budget.take(bytes)?;
            held.grow_to(1)?;
            Ok((slice(&whole, range, 64), held))
        };
        stream::once(piece).boxed()
    });
    let how = How { in_flight: 3, part_bytes: 1, ..How::default() };
    let mut stream = parts_of(&recipe, &plan, Start::default(), read, &budget, how).boxed();
    let mut made = Vec::new();
    while let Some(part) = stream.next().await {
        made.extend_from_slice(&part.unwrap().bytes);
    }
    assert!(made == expected);
    assert_eq!(tries.load(Ordering::SeqCst), 2);
}

/// A piece in the middle of a range: those before it are in the file already and must not come twice.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_piece_that_does_not_fit_beside_others_is_done_alone() {
    let rows = numbered(256 * 4);
    let recipe = recipe(json!({"format": "csv", "compression": "gzip"}));
    let plan = plan(rows.len(), 64, 256);
    let expected = joined(&parts(&recipe, &plan, &rows, How::default()).await);
    let budget = MemoryBudget::new(1 << 20);
    let (easy, shared, tries) = (reader(&rows, &plan, &budget), budget.clone(), Arc::new(AtomicUsize::new(0)));
    let counted = Arc::clone(&tries);
    let read: ReadRange = Arc::new(move |range| {
        let (budget, tries) = (shared.clone(), Arc::clone(&counted));
        let mut piece = 0;
        let crowd = move |read| {
            piece += 1;
            let crowded = range == 1 && piece == 3 && tries.fetch_add(1, Ordering::SeqCst) == 0;
            if crowded { budget.take(budget.limit() + 1).and(read) } else { read }
        };
        easy(range).map(crowd).boxed()
    });
    let how = How { in_flight: 3, part_bytes: 1, ..How::default() };
    let stream = parts_of(&recipe, &plan, Start::default(), read, &budget, how);
    let made: Vec<_> = stream.boxed().try_collect().await.unwrap();
    assert!(joined(&made) == expected);
    assert_eq!(tries.load(Ordering::SeqCst), 2);
    given_back(&budget).await;
}

/// There is one connection; a range keeps it while it has pieces that nobody takes yet.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_range_never_waits_for_what_a_later_one_holds() {
    let rows = numbered(512 * 20);
    let recipe = recipe(json!({"format": "csv"}));
    let (plan, pieces) = (plan(rows.len(), 512, 512), plan(rows.len(), 64, 512));
    let budget = MemoryBudget::new(64 << 20);
    for _ in 0..50 {
        let connection = Arc::new(Semaphore::new(1));
        let easy = reader(&rows, &pieces, &budget);
        let read: ReadRange = Arc::new(move |range| {
            let (connection, easy) = (Arc::clone(&connection), Arc::clone(&easy));
            let holding = async move {
                let held = connection.acquire_owned().await.unwrap();
                easy(range).inspect(move |_| assert_eq!(held.num_permits(), 1))
            };
            stream::once(holding).flatten().boxed()
        });
        let how = How { in_flight: 3, ..How::default() };
        let made = parts_of(&recipe, &plan, Start::default(), read, &budget, how).boxed().try_collect::<Vec<_>>();
        let made = tokio::time::timeout(std::time::Duration::from_secs(60), made).await.expect("an end");
        assert_eq!(made.unwrap().last().unwrap().written.rows, 512 * 20);
    }
}

/// A part that ends in the middle of a range is no place to continue.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_range_larger_than_a_part_is_many_parts() {
    let rows = numbered(64 * 40);
    let recipe = recipe(json!({"format": "csv"}));
    let plan = plan(rows.len(), 64, 64 * 20);
    let how = How { part_bytes: 10_000, in_flight: 2, budget: 256 << 20, ..How::default() };
    let parts = parts(&recipe, &plan, &rows, how).await;
    let ends: Vec<_> = parts.iter().filter_map(|part| part.ranges).collect();
    assert_eq!(ends, [1, 2]);
    assert!(parts.len() > 6);
    assert_eq!(parts.last().unwrap().written.frames, 40);
    let frame = joined(&parts).len() / 40;
    assert!(parts.iter().all(|part| part.bytes.len() < 10_000 + 2 * frame));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory_follows_the_ranges_in_flight_not_the_rows() {
    for compression in ["none", "gzip", "zstd"] {
        let recipe = recipe(json!({"format": "jsonl", "compression": compression}));
        let rows = numbered(64 * 200);
        let how = How { in_flight: 2, part_bytes: 10_000, ..How::default() };
        let run = async |rows: &[Row], budget: &MemoryBudget| {
            let plan = plan(rows.len(), 64, 64);
            let read = reader(rows, &plan, budget);
            let parts = parts_of(&recipe, &plan, Start::default(), read, budget, how);
            parts.boxed().try_collect::<Vec<_>>().await
        };
        let one = MemoryBudget::new(64 << 20);
        run(&rows[rows.len() - 64..], &one).await.unwrap();
        // Two ranges under way, one in the part that is gathered, and the part.
        let budget = MemoryBudget::new(3 * one.peak() + how.part_bytes as u64);
        let parts = run(&rows, &budget).await.unwrap();
        assert_eq!(parts.last().unwrap().written.rows, 64 * 200);
        assert!(compression != "none" || joined(&parts).len() as u64 > 10 * budget.limit());
    }
}

#[tokio::test]
async fn a_range_with_other_rows_than_counted_fails() {
    let recipe = recipe(json!({"format": "csv"}));
    let counted = plan(300, 64, 64);
    let budget = MemoryBudget::new(64 << 20);
    let whole = batch(&numbered(299));
    let shared = budget.clone();
    let read: ReadRange = Arc::new(move |range| {
        let read = shared.take(1).map(|held| (slice(&whole, range, 64), held));
        stream::once(async move { read }).boxed()
    });
    let results: Vec<_> =
        parts_of(&recipe, &counted, Start::default(), read, &budget, How::default()).boxed().collect().await;
    assert_eq!(results.last().unwrap().as_ref().unwrap_err().kind(), ErrorKind::RowsChanged);
}

#[tokio::test]
async fn a_start_that_cannot_be_started_from_is_an_error() {
    let rows = numbered(128);
    let plan = plan(128, 64, 64);
    let garbled = Written { sha256_state: "00".to_owned(), ..Written::default() };
    for (format, from) in [
        ("csv", Start { ranges: 3, written: Written::default() }),
        ("parquet", Start { ranges: 1, written: Written::default() }),
        ("csv", Start { ranges: 1, written: garbled }),
    ] {
        let budget = MemoryBudget::new(64 << 20);
        let read = reader(&rows, &plan, &budget);
        let results: Vec<_> = parts_of(&recipe(json!({"format": format})), &plan, from, read, &budget, How::default())
            .boxed()
            .collect()
            .await;
        let [Err(error)] = results.as_slice() else { panic!("{results:?}") };
        assert_eq!(error.kind(), ErrorKind::Internal);
    }
}

#[tokio::test]
async fn a_reader_that_panics_fails_the_export() {
    let recipe = recipe(json!({"format": "csv"}));
    let budget = MemoryBudget::new(64 << 20);
    let read: ReadRange = Arc::new(|range| stream::once(async move { panic!("range {range}") }).boxed());
    let results: Vec<_> =
        parts_of(&recipe, &plan(64, 64, 64), Start::default(), read, &budget, How::default()).boxed().collect().await;
    let [Err(error)] = results.as_slice() else { panic!("{results:?}") };
    assert_eq!(error.kind(), ErrorKind::Internal);
}

#[tokio::test]
async fn the_meter_counts_on_from_the_start() {
    let rows = numbered(256);
    let recipe = recipe(json!({"format": "csv"}));
    let plan = plan(256, 64, 64);
    let each = How { part_bytes: 1, ..How::default() };
    let whole = parts(&recipe, &plan, &rows, each).await;
    let budget = MemoryBudget::new(64 << 20);
    let meter = Arc::new(Meter::new());
    let from = Start { ranges: 2, written: whole[1].written.clone() };
    let read = reader(&rows, &plan, &budget);
    let mut stream =
        export(Arc::clone(&recipe), Arc::clone(&plan), from, read, budget, each.settings(), Arc::clone(&meter)).boxed();
    assert_eq!((meter.rows(), meter.bytes()), (128, whole[1].written.bytes));
    while let Some(part) = stream.next().await {
        let written = part.unwrap().written;
        assert_eq!((meter.rows(), meter.bytes()), (written.rows, written.bytes));
    }
    assert_eq!(meter.frames(), 2);
    assert_eq!(meter.frame_bytes()[2], whole[3].bytes.len().max(whole[2].bytes.len()) as u64);
}
