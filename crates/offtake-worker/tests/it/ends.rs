//! How jobs end that meet an error, a cancel or a shutdown.

use std::time::Duration;

use offtake_model::ErrorKind;
use offtake_model::error::Retry;
use offtake_model::format::{Compression, Format};
use offtake_model::job::JobStatus;
use offtake_model::permission::Permission;
use offtake_model::principal::PrincipalChange;
use offtake_store::Objects as _;

use crate::faults::At;
use crate::house::{House, act, csv, export, org, scope};
use crate::moody::{Mood, Moody};
use crate::rows::{Fault, Gate};
use offtake_store::JobLimits;

#[tokio::test]
async fn storage_that_fails_for_a_moment_costs_no_row() {
    let wanted = House::undisturbed(5000, csv()).await;
    let house = House::with_rows(5000);
    house.objects.fail(At::Part(7), ErrorKind::StorageUnavailable);
    let running = house.start(house.worker("one"));
    let id = house.enqueue(csv()).await;
    let job = house.at_rest(id).await;
    assert_eq!((job.status, job.attempt, job.failures), (JobStatus::Completed, 2, 0), "{:?}", job.error);
    assert_eq!(house.file(id).await.1, wanted);

    house.objects.fail(At::Finish, ErrorKind::StorageUnavailable);
    let id = house.enqueue(csv()).await;
    let job = house.at_rest(id).await;
    assert_eq!((job.status, job.attempt), (JobStatus::Completed, 2), "{:?}", job.error);
    assert_eq!(house.file(id).await.1, wanted);
    running.stop().await;
    house.worker("one").upkeep().everything().await;
    assert_eq!(house.staged().await, 0);
}

#[tokio::test]
async fn a_full_disk_fails_the_job_at_once_and_is_freed() {
    for part in [0, 7] {
        let house = House::with_rows(5000);
        house.objects.fail(At::Part(part), ErrorKind::StorageFull);
        let running = house.start(house.worker("one"));
        let id = house.enqueue(csv()).await;
        let job = house.at_rest(id).await;
        running.stop().await;
        assert_eq!((job.status, job.attempt), (JobStatus::Failed, 1));
        let error = job.error.unwrap();
        assert_eq!(error.code, ErrorKind::StorageFull);
        assert!(!error.message.contains("/var"), "{}", error.message);
        assert_eq!(house.store.artifacts.ready(&scope(), id).await.unwrap_err().kind(), ErrorKind::Conflict);
        assert_eq!(house.staged().await, 0);

        // Once there is room again, the user may ask for another try.
        house.store.jobs.retry(&act(), &scope(), id, JobLimits::NONE).await.unwrap();
        let running = house.start(house.worker("one"));
        assert_eq!(house.at_rest(id).await.status, JobStatus::Completed);
        running.stop().await;
    }
}

#[tokio::test]
async fn a_row_lost_between_count_and_read_fails_the_job() {
    for format in [Format::Csv, Format::Parquet] {
        let house = House::with_rows(3000);
        house.rows.fault(30, Fault::LoseRow, u32::MAX);
        let running = house.start(house.worker("one"));
        let id = house.enqueue(export("rows", format, Compression::None)).await;
        let job = house.at_rest(id).await;
        running.stop().await;
        assert_eq!((job.status, job.attempt), (JobStatus::Failed, 1), "{format:?}");
        assert_eq!(job.error.unwrap().code, ErrorKind::RowsChanged);
        assert!(house.store.artifacts.ready(&scope(), id).await.is_err());
        assert_eq!(house.staged().await, 0);
    }
}

#[tokio::test]
async fn a_source_that_stumbles_is_tried_again_from_the_checkpoint() {
    let wanted = House::undisturbed(5000, csv()).await;
    let house = House::with_rows(5000);
    for range in [10, 35, 60] {
        house.rows.fault(range, Fault::Fail(ErrorKind::SourceUnavailable), 2);
    }
    let running = house.start(house.worker("one"));
    let id = house.enqueue(csv()).await;
    let job = house.at_rest(id).await;
    running.stop().await;
    assert_eq!(job.status, JobStatus::Completed, "{:?}", job.error);
    assert_eq!(job.attempt, 7);
    assert_eq!(house.file(id).await.1, wanted);
}

#[tokio::test]
async fn a_source_that_stays_away_fails_the_job_in_the_end() {
    let house = House::with_rows(5000);
    house.rows.fault(35, Fault::Fail(ErrorKind::SourceUnavailable), u32::MAX);
    let running = house.start(house.worker("one"));
    let id = house.enqueue(csv()).await;
    let job = house.at_rest(id).await;
    let Retry::UpTo(most) = ErrorKind::SourceUnavailable.retry() else { panic!("it is retried") };
    assert_eq!(job.status, JobStatus::Failed);
    // The attempt that got as far as the trouble made checkpoints; the failures counted are those after it.
    assert_eq!((job.attempt, job.failures), (most + 1, most + 1), "{:?}", job.error);
    let error = job.error.unwrap();
    assert!(error.message.contains("given up after 11 tries") && !error.message.contains("5432"), "{}", error.message);

    // What it got to is kept for another try.
    house.rows.fault(35, Fault::LoseRow, 0);
    house.rows.take_read();
    house.store.jobs.retry(&act(), &scope(), id, JobLimits::NONE).await.unwrap();
    assert_eq!(house.at_rest(id).await.status, JobStatus::Completed);
    assert!(!house.rows.take_read().contains(&0));
    running.stop().await;
}

#[tokio::test]
async fn a_panic_is_an_internal_error_and_not_the_end_of_the_worker() {
    let house = House::with_rows(2000);
    house.rows.fault(20, Fault::Panic, u32::MAX);
    let running = house.start(house.worker("one"));
    let id = house.enqueue(csv()).await;
    let job = house.at_rest(id).await;
    let error = job.error.unwrap();
    assert_eq!((job.status, error.code), (JobStatus::Failed, ErrorKind::Internal));
    assert_eq!(job.attempt, 4);
    assert!(error.message.starts_with(ErrorKind::Internal.title()), "{}", error.message);

    house.rows.fault(20, Fault::Panic, 0);
    let id = house.enqueue(csv()).await;
    assert_eq!(house.at_rest(id).await.status, JobStatus::Completed);
    running.stop().await;
}

#[tokio::test]
async fn a_job_that_needs_too_much_memory_fails_at_once() {
    let mut house = House::with_rows(2000);
    house.settings.memory_budget = 1024;
    let running = house.start(house.worker("one"));
    let id = house.enqueue(csv()).await;
    let job = house.at_rest(id).await;
    running.stop().await;
    let error = job.error.unwrap();
    assert_eq!((job.status, job.attempt, error.code), (JobStatus::Failed, 1, ErrorKind::MemoryLimit));
    assert!(error.message.contains("memory_budget"), "{}", error.message);
    assert_eq!(house.staged().await, 0);
}

#[tokio::test]
async fn a_cancelled_job_stops_in_the_middle_and_leaves_nothing() {
    for stuck in [false, true] {
        let mut house = House::with_rows(3000);
        (house.settings.slots, house.settings.sweep_every) = (1, Duration::from_secs(3600));
        let gate = Gate::closed();
        if stuck {
            house.objects.hold(3, &gate);
        } else {
            house.rows.fault(40, Fault::Wait(gate.clone()), 1);
        }
        let running = house.start(house.worker("one"));
        let id = house.enqueue(csv()).await;
        gate.reached().await;
        assert!(house.staged().await > 0);
        let job = house.store.jobs.cancel(&act(), &scope(), id).await.unwrap();
        assert_eq!(job.status, JobStatus::Cancelled);

        // Neither the gate nor the part that takes for ever holds the only slot.
        let next = house.enqueue(csv()).await;
        assert_eq!(house.at_rest(next).await.status, JobStatus::Completed);
        assert_eq!(house.staged().await, 0, "the attempt cleaned up by itself");
        running.stop().await;
        assert_eq!(house.job(id).await.status, JobStatus::Cancelled);
        assert!(house.store.artifacts.ready(&scope(), id).await.is_err());
    }
}

fn withheld() -> PrincipalChange {
    PrincipalChange { disabled: None, withheld: Some([Permission::TracesRead].into()) }
}

fn allowed() -> PrincipalChange {
    PrincipalChange { disabled: None, withheld: Some([].into()) }
}

#[tokio::test]
async fn a_job_whose_owner_may_no_longer_have_it_stops_and_leaves_nothing() {
    let mut house = House::with_rows(3000);
    house.settings.sweep_every = Duration::from_secs(3600);
    let gate = Gate::closed();
    house.rows.fault(40, Fault::Wait(gate.clone()), 1);
    let running = house.start(house.worker("one"));
    let id = house.enqueue(csv()).await;
    gate.reached().await;
    assert!(house.staged().await > 0);
    house.store.principals.change(&org(), "ada", &withheld()).await.unwrap();
    let job = house.at_rest(id).await;
    assert_eq!((job.status, job.attempt, job.error.unwrap().code), (JobStatus::Failed, 1, ErrorKind::Revoked));
    assert_eq!(house.staged().await, 0, "the attempt cleaned up by itself");
    assert!(house.store.artifacts.ready(&scope(), id).await.is_err());

    // Of the next one not a row is read.
    house.rows.take_read();
    let next = house.enqueue(csv()).await;
    assert_eq!(house.at_rest(next).await.error.unwrap().code, ErrorKind::Revoked);
    assert_eq!(house.rows.take_read(), [0; 0]);

    house.store.principals.change(&org(), "ada", &allowed()).await.unwrap();
    house.store.jobs.retry(&act(), &scope(), id, JobLimits::NONE).await.unwrap();
    assert_eq!(house.at_rest(id).await.status, JobStatus::Completed);
    running.stop().await;
}

#[tokio::test]
async fn what_is_withdrawn_at_the_last_moment_is_not_published() {
    let mut house = House::with_rows(3000);
    house.settings.sweep_every = Duration::from_secs(3600);
    let moody = Moody::around(house.store.jobs.clone());
    house.store.jobs = moody.clone();
    let gate = Gate::closed();
    house.rows.fault(40, Fault::Wait(gate.clone()), 1);
    let running = house.start(house.worker("one"));
    let id = house.enqueue(csv()).await;
    gate.reached().await;
    // Nobody tells the attempt, until it wants to publish.
    moody.feel(Mood::Silent);
    house.store.principals.change(&org(), "ada", &withheld()).await.unwrap();
    gate.open();
    let job = house.at_rest(id).await;
    let error = job.error.unwrap();
    assert_eq!((job.status, job.attempt, error.code), (JobStatus::Failed, 1, ErrorKind::Revoked));
    assert!(error.message.contains("traces:read"), "{}", error.message);
    moody.feel(Mood::Fine);
    running.stop().await;
    assert!(house.store.artifacts.ready(&scope(), id).await.is_err());
    let unused = house.store.artifacts.disposable(10).await.unwrap();
    assert_eq!(unused.len(), 1);
    assert_eq!(house.objects.size(&unused[0].key).await.unwrap(), None, "the attempt cleaned up by itself");
}

#[tokio::test]
async fn a_part_that_takes_for_ever_does_not_hold_up_a_shutdown() {
    let mut house = House::with_rows(3000);
    house.settings.drain = Duration::from_millis(500);
    let gate = Gate::closed();
    house.objects.hold(3, &gate);
    let running = house.start(house.worker("one"));
    let id = house.enqueue(csv()).await;
    gate.reached().await;
    running.stop().await;
    let job = house.job(id).await;
    assert_eq!((job.status, job.failures, job.deaths), (JobStatus::Pending, 0, 0));

    let running = house.start(house.worker("two"));
    assert_eq!(house.at_rest(id).await.status, JobStatus::Completed);
    running.stop().await;
}

#[tokio::test]
async fn an_unknown_dataset_fails_the_job_and_says_so() {
    let house = House::with_rows(10);
    let running = house.start(house.worker("one"));
    let id = house.enqueue(export("gone", Format::Csv, Compression::None)).await;
    let job = house.at_rest(id).await;
    running.stop().await;
    assert_eq!((job.status, job.attempt, job.error.unwrap().code), (JobStatus::Failed, 1, ErrorKind::NotFound));
}

#[tokio::test]
async fn a_job_of_a_dataset_that_is_gone_names_no_other() {
    let house = House::with_rows(10);
    let id = house.enqueue(export("nowhere", Format::Csv, Compression::None)).await;
    let running = house.start(house.worker("one"));
    let job = house.at_rest(id).await;
    running.stop().await;
    let error = job.error.unwrap();
    assert_eq!(
        (error.code, error.message.as_str()),
        (ErrorKind::NotFound, "the dataset nowhere is no longer configured")
    );
}
