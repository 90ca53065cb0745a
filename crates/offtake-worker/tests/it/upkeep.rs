//! The upkeep: files and rows go when their time is over, strays go as well.

use bytes::Bytes;
use jiff::SignedDuration;
use offtake_model::ErrorKind;
use offtake_model::clock::ManualClock;
use offtake_model::job::{JobError, JobStatus};
use offtake_store::{JobLimits, ObjectKey, Objects as _, Take, WorkerName};
use prometheus_client::registry::Registry;

use crate::house::{House, act, csv, org, scope};
use crate::rows::{Fault, Gate};

#[tokio::test]
async fn a_file_expires_then_goes_and_later_its_row() {
    let house = House::with_rows(1000);
    let running = house.start(house.worker("one"));
    let id = house.enqueue(csv()).await;
    house.at_rest(id).await;
    running.stop().await;
    let (artifact, _) = house.file(id).await;
    let mut upkeep = house.worker("one").upkeep();

    house.pass(SignedDuration::from_hours(24 * 7) - SignedDuration::from_secs(1));
    upkeep.everything().await;
    assert_eq!(house.job(id).await.status, JobStatus::Completed);

    house.pass(SignedDuration::from_secs(2));
    upkeep.everything().await;
    assert_eq!(house.job(id).await.status, JobStatus::Expired);
    assert_eq!(house.store.artifacts.ready(&scope(), id).await.unwrap_err().kind(), ErrorKind::Gone);
    for key in [artifact.key.clone(), artifact.key.beside("receipt.json")] {
        assert_eq!(house.objects.size(&key).await.unwrap(), None);
    }

    house.pass(SignedDuration::from_hours(24 * 30));
    upkeep.everything().await;
    assert_eq!(house.store.jobs.get(&scope(), id).await.unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(house.store.jobs.recent_performance(&org(), 10).await.unwrap(), []);
}

#[tokio::test]
async fn a_worker_whose_clock_is_ahead_takes_nothing_away() {
    let house = House::with_rows(1000);
    let published = house.enqueue(csv()).await;
    let running = house.start(house.worker("one"));
    house.at_rest(published).await;
    running.stop().await;
    // A job that failed with a checkpoint, which its owner may go on from.
    let failed = house.enqueue(csv()).await;
    let claimed = house.store.jobs.claim(&WorkerName("two".to_owned()), Take::Any, SignedDuration::from_secs(30)).await;
    let lease = claimed.unwrap().expect("it is due").lease;
    let broken = JobError { code: ErrorKind::Internal, message: "broken".to_owned() };
    house.store.jobs.fail(lease, &broken, SignedDuration::from_hours(24 * 7)).await.unwrap();

    let ahead = ManualClock::starting_at(house.now() + SignedDuration::from_hours(24 * 100));
    let astray = house.worker_by("astray", ahead, house.settings.clone(), &mut Registry::default());
    astray.upkeep().everything().await;
    house.file(published).await;
    assert_eq!(house.store.jobs.recent_performance(&org(), 10).await.unwrap().len(), 1);
    house.store.jobs.retry(&act(), &scope(), failed, JobLimits::NONE).await.unwrap();
}

#[tokio::test]
async fn dead_workers_are_noticed_while_storage_does_not_answer() {
    let house = House::with_rows(1000);
    let running = house.start(house.worker("one"));
    let expired = house.enqueue(csv()).await;
    house.at_rest(expired).await;
    running.stop().await;
    house.pass(SignedDuration::from_hours(24 * 8));
    let storage = Gate::closed();
    house.objects.hold_delete(&storage);
    let gate = Gate::closed();
    house.rows.fault(0, Fault::Wait(gate.clone()), 1);
    let job = house.enqueue(csv()).await;
    let dead = house.start(house.worker("dead"));
    gate.reached().await;
    dead.kill().await;

    // Its lease has not run out when the other one begins to sweep.
    let storage = Gate::closed();
    house.objects.hold_delete(&storage);
    let other = house.start(house.worker("other"));
    storage.reached().await;
    house.pass(SignedDuration::from_secs(31));
    house.until(job, |job| job.deaths == 1).await;
    assert_eq!(house.at_rest(job).await.status, JobStatus::Completed);
    storage.open();
    other.stop().await;
}

#[tokio::test]
async fn staged_objects_without_a_row_go_after_one_pass() {
    let house = House::with_rows(10);
    let key = ObjectKey::from_parts(["acme", "job_from_a_lost_database", "1", "rows.csv"]);
    let mut upload = house.objects.begin(&key).await.unwrap();
    upload.put_part(Bytes::from_static(b"half a file")).await.unwrap();
    drop(upload);
    let mut upkeep = house.worker("one").upkeep();
    upkeep.everything().await;
    assert_eq!(house.staged().await, 1, "it may be somebody's who is just about to write its row");
    upkeep.everything().await;
    assert_eq!(house.staged().await, 0);
}
