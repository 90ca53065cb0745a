//! The main road: a job becomes a file with a receipt, undisturbed or continued.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use offtake_datasets::Catalog;
use offtake_model::ErrorKind;
use offtake_model::dataset::DatasetSchema;
use offtake_model::format::{Compression, Format};
use offtake_model::job::JobStatus;
use offtake_model::receipt::Receipt;
use offtake_store::Objects as _;
use offtake_store::objects::{Existing, FileObjects};
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;
use tokio_util::sync::CancellationToken;

use crate::faults::At;
use crate::house::{House, csv, export, scope};
use crate::rows::{Fault, Gate, RANGE};

#[tokio::test]
async fn a_job_becomes_a_file_with_its_receipt() {
    let house = House::with_rows(1000);
    let mut registry = Registry::default();
    let running = house.start(house.worker_with("one", house.settings.clone(), &mut registry));
    let id = house.enqueue(csv()).await;

    let job = house.at_rest(id).await;
    running.stop().await;
    assert_eq!((job.status, job.attempt, job.failures), (JobStatus::Completed, 1, 0), "{:?}", job.error);
    assert_eq!((job.rows_matching, job.rows_expected, job.progress.rows), (Some(1000), Some(1000), 1000));

    let (artifact, bytes) = house.file(id).await;
    let text = String::from_utf8(bytes.to_vec()).unwrap();
    assert_eq!(text.lines().count(), 1001);
    assert_eq!(text.lines().nth(1).unwrap(), "0,\"row 0, \"\"quoted\"\", 0\"");

    let receipt = artifact.receipt.clone().unwrap();
    assert_eq!((receipt.rows_matching, receipt.rows_expected, receipt.rows_written), (1000, 1000, 1000));
    assert_eq!((receipt.bytes, receipt.attempts, receipt.limited), (bytes.len() as u64, 1, false));
    assert_eq!((receipt.frames, receipt.mode.as_str()), (1000u64.div_ceil(RANGE), "cutoff"));
    let beside = artifact.key.beside("receipt.json");
    let size = house.objects.size(&beside).await.unwrap().expect("the receipt lies beside the file");
    let mut stored = house.objects.read(&beside, 0..size).await.unwrap();
    let mut json = Vec::new();
    while let Some(piece) = futures::StreamExt::next(&mut stored).await {
        json.extend_from_slice(&piece.unwrap());
    }
    assert_eq!(serde_json::from_slice::<Receipt>(&json).unwrap(), receipt);

    let performance = house.store.jobs.recent_performance(&crate::house::org(), 10).await.unwrap();
    assert_eq!((performance[0].rows, performance[0].usage.peak_memory > 0), (1000, true));
    let mut exposed = String::new();
    encode(&mut exposed, &registry).unwrap();
    assert!(exposed.contains("offtake_attempts_total{outcome=\"completed\",dataset=\"rows\"} 1"), "{exposed}");
    assert!(exposed.contains("offtake_exported_rows_total 1000"), "{exposed}");
    assert!(exposed.contains("offtake_active_slots 0"), "{exposed}");
    assert_eq!(house.staged().await, 0);
}

#[tokio::test]
async fn every_format_is_made_and_a_limit_is_told() {
    let house = House::with_rows(500);
    let running = house.start(house.worker("one"));
    for format in Format::ALL {
        let id = house.enqueue(offtake_model::export::ExportSpec {
            limit: Some(100),
            ..export("rows", format, Compression::None)
        });
        let id = id.await;
        let job = house.at_rest(id).await;
        assert_eq!(job.status, JobStatus::Completed, "{format:?}: {:?}", job.error);
        let receipt = house.file(id).await.0.receipt.unwrap();
        assert_eq!((receipt.rows_matching, receipt.rows_written, receipt.limited), (500, 100, true));
    }
    running.stop().await;
}

#[tokio::test]
async fn no_rows_are_a_file_too() {
    let house = House::with_rows(0);
    let running = house.start(house.worker("one"));
    for (format, bytes) in [(Format::Csv, "id,text\n"), (Format::Jsonl, ""), (Format::Json, "[]")] {
        let id = house.enqueue(export("rows", format, Compression::None)).await;
        let job = house.at_rest(id).await;
        assert_eq!(job.status, JobStatus::Completed, "{format:?}: {:?}", job.error);
        let file = house.file(id).await.1;
        assert_eq!(String::from_utf8_lossy(&file).trim_end(), bytes.trim_end());
    }
    running.stop().await;
}

#[tokio::test]
async fn a_killed_worker_is_continued_at_its_checkpoint_with_the_same_bytes() {
    for compression in [Compression::None, Compression::Gzip, Compression::Zstd] {
        let spec = export("rows", Format::Jsonl, compression);
        let wanted = House::undisturbed(5000, spec.clone()).await;

        let mut house = House::with_rows(5000);
        house.settings.part_bytes = 1024;
        let gate = Gate::closed();
        house.rows.fault(50, Fault::Wait(gate.clone()), 1);
        let id = house.enqueue(spec).await;
        let first = house.start(house.worker("one"));
        gate.reached().await;
        first.kill().await;
        assert_eq!(house.job(id).await.status, JobStatus::Processing);
        house.rows.take_read();

        // The same name: it takes its own job back at once, without waiting for the lease.
        let second = house.start(house.worker("one"));
        let job = house.at_rest(id).await;
        second.stop().await;
        assert_eq!((job.status, job.attempt, job.deaths), (JobStatus::Completed, 2, 0), "{:?}", job.error);
        let read = house.rows.take_read();
        assert!(read.iter().all(|range| *range > 20), "{compression:?} began again at {:?}", read.iter().min());
        assert_eq!(house.file(id).await.1, wanted, "{compression:?}");
        assert_eq!(house.rows.planned.load(Ordering::SeqCst), 1);
        house.worker("one").upkeep().everything().await;
        assert_eq!(house.staged().await, 0);
    }
}

#[tokio::test]
async fn a_shutdown_hands_the_job_over_and_counts_as_nothing() {
    let wanted = House::undisturbed(3000, csv()).await;
    let house = House::with_rows(3000);
    let gate = Gate::closed();
    house.rows.fault(40, Fault::Wait(gate.clone()), 1);
    let id = house.enqueue(csv()).await;
    let first = house.start(house.worker("one"));
    gate.reached().await;
    first.stop().await;

    let job = house.job(id).await;
    assert_eq!((job.status, job.failures, job.deaths, job.error), (JobStatus::Pending, 0, 0, None));
    house.rows.take_read();
    let second = house.start(house.worker("two"));
    let job = house.at_rest(id).await;
    second.stop().await;
    assert_eq!((job.status, job.attempt), (JobStatus::Completed, 2), "{:?}", job.error);
    assert!(house.rows.take_read().iter().all(|range| *range > 10));
    assert_eq!(house.file(id).await.1, wanted);
}

#[tokio::test]
async fn what_the_checkpoint_names_may_be_gone() {
    let wanted = House::undisturbed(3000, csv()).await;
    let house = House::with_rows(3000);
    let gate = Gate::closed();
    house.rows.fault(40, Fault::Wait(gate.clone()), 1);
    let id = house.enqueue(csv()).await;
    let first = house.start(house.worker("one"));
    gate.reached().await;
    first.stop().await;
    for key in house.objects.staged().await.unwrap() {
        house.objects.delete(&key).await.unwrap();
    }
    house.rows.take_read();

    let second = house.start(house.worker("two"));
    let job = house.at_rest(id).await;
    second.stop().await;
    assert_eq!(job.status, JobStatus::Completed, "{:?}", job.error);
    assert!(house.rows.take_read().contains(&0), "it starts anew");
    assert_eq!(house.rows.planned.load(Ordering::SeqCst), 1, "from the stored plan");
    assert_eq!(house.file(id).await.1, wanted);
}

#[tokio::test]
async fn rows_of_an_earlier_attempt_are_no_speed() {
    let house = House::with_rows(3000);
    let gate = Gate::closed();
    house.rows.fault(40, Fault::Wait(gate.clone()), 1);
    let id = house.enqueue(csv()).await;
    let first = house.start(house.worker("one"));
    gate.reached().await;
    first.stop().await;
    let found = house.job(id).await.progress.rows;
    assert!(found > 0);

    let gate = Gate::closed();
    (0..47).for_each(|range| house.rows.fault(range, Fault::Wait(gate.clone()), 1));
    let mut changes = house.store.jobs.changes();
    let second = house.start(house.worker("two"));
    gate.reached().await;
    changes.mark_unchanged();
    // Nothing but a heartbeat changes the job now.
    changes.changed().await.unwrap();
    let progress = house.job(id).await.progress;
    assert_eq!((progress.rows, progress.rows_per_second), (found, 0.0));
    gate.open();
    house.at_rest(id).await;
    second.stop().await;
}

#[tokio::test]
async fn a_file_is_not_continued_with_other_columns() {
    let mut house = House::with_rows(3000);
    let gate = Gate::closed();
    house.rows.fault(40, Fault::Wait(gate.clone()), 1);
    let id = house.enqueue(csv()).await;
    let first = house.start(house.worker("one"));
    gate.reached().await;
    first.stop().await;

    // The next version of the configuration shows one column less.
    let mut dataset = house.catalog.get("rows").unwrap().clone();
    let fewer = DatasetSchema { default_columns: vec!["id".to_owned()], ..(*dataset.schema).clone() };
    dataset.schema = Arc::new(fewer);
    let mut catalog = Catalog::default();
    catalog.insert(dataset);
    house.catalog = Arc::new(catalog);
    let second = house.start(house.worker("two"));
    let job = house.at_rest(id).await;
    second.stop().await;
    assert_eq!(job.status, JobStatus::Completed, "{:?}", job.error);
    let (artifact, bytes) = house.file(id).await;
    assert!(String::from_utf8_lossy(&bytes).lines().all(|line| !line.contains(',')), "every line has one column");
    assert_eq!(artifact.receipt.unwrap().columns.len(), 1);
}

#[tokio::test]
async fn a_lost_snapshot_is_planned_anew() {
    let house = House::with_rows(1000);
    house.rows.lost_snapshots.store(2, Ordering::SeqCst);
    let running = house.start(house.worker("one"));
    let id = house.enqueue(export("changing", Format::Csv, Compression::None)).await;
    let job = house.at_rest(id).await;
    assert_eq!((job.status, job.attempt), (JobStatus::Completed, 1), "{:?}", job.error);
    assert_eq!(house.rows.planned.load(Ordering::SeqCst), 3);

    // Not for ever, and not where rows are only added.
    for (dataset, plans, code) in
        [("changing", 4 + 10 * 3, ErrorKind::SourceUnavailable), ("rows", 1, ErrorKind::RowsChanged)]
    {
        house.rows.planned.store(0, Ordering::SeqCst);
        house.rows.lost_snapshots.store(100, Ordering::SeqCst);
        let id = house.enqueue(export(dataset, Format::Csv, Compression::None)).await;
        let job = house.at_rest(id).await;
        assert_eq!(job.error.unwrap().code, code);
        assert_eq!(house.rows.planned.load(Ordering::SeqCst), plans, "{dataset}");
    }
    running.stop().await;
}

#[tokio::test]
async fn a_pinned_job_is_worked_on_until_it_rests() {
    let wanted = House::undisturbed(3000, csv()).await;
    let house = House::with_rows(3000);
    let id = house.enqueue_pinned(csv(), Some("shell")).await;
    house.objects.fail(At::Part(5), ErrorKind::StorageUnavailable);
    let go_on = CancellationToken::new();
    let job = house.worker("shell").run_one(&scope(), id, &go_on).await.unwrap();
    assert_eq!((job.status, job.attempt), (JobStatus::Completed, 2), "{:?}", job.error);
    assert_eq!(house.file(id).await.1, wanted);
    assert_eq!(house.staged().await, 0, "nothing of the first attempt is left");

    // A shutdown hands it over; the next call goes on.
    let id = house.enqueue_pinned(csv(), Some("shell")).await;
    let gate = Gate::closed();
    house.rows.fault(30, Fault::Wait(gate.clone()), 1);
    let (worker, stop) = (house.worker("shell"), CancellationToken::new());
    let interrupted = async {
        gate.reached().await;
        stop.cancel();
    };
    let scope = scope();
    let (job, ()) = tokio::join!(worker.run_one(&scope, id, &stop), interrupted);
    assert_eq!(job.unwrap().status, JobStatus::Pending);
    let job = house.worker("shell").run_one(&scope, id, &go_on).await.unwrap();
    assert_eq!((job.status, job.attempt), (JobStatus::Completed, 2), "{:?}", job.error);
    assert_eq!(house.file(id).await.1, wanted);
}

#[tokio::test]
async fn a_local_export_leaves_its_file_and_the_receipt_alone() {
    let wanted = House::undisturbed(3000, csv()).await;
    let mut house = House::with_rows(3000);
    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().join("rows.csv");
    house.store.objects = Arc::new(FileObjects::new(target.clone(), Existing::Keep));
    let id = house.enqueue_pinned(csv(), Some("shell")).await;
    let gate = Gate::closed();
    house.rows.fault(40, Fault::Wait(gate.clone()), 1);
    let worker = house.worker("shell");
    let first = tokio::spawn(async move { worker.run_one(&scope(), id, &CancellationToken::new()).await });
    gate.reached().await;
    first.abort();
    assert!(first.await.unwrap_err().is_cancelled());
    assert!(!target.exists());

    house.rows.take_read();
    let job = house.worker("shell").run_one(&scope(), id, &CancellationToken::new()).await.unwrap();
    assert_eq!((job.status, job.attempt), (JobStatus::Completed, 2), "{:?}", job.error);
    assert!(!house.rows.take_read().contains(&0), "it goes on where it was stopped");
    assert_eq!(std::fs::read(&target).unwrap(), wanted);
    let mut left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    left.sort();
    assert_eq!(left, ["rows.csv", "rows.csv.receipt.json"]);
}
