//! Leases that run out: rescue, stale workers, poison.

use std::time::Duration;

use jiff::SignedDuration;
use offtake_model::ErrorKind;
use offtake_model::job::JobStatus;
use offtake_store::{ObjectKey, Objects as _};
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;

use crate::house::{House, csv};
use crate::moody::{Mood, Moody};
use crate::rows::{Fault, Gate};

#[tokio::test]
async fn a_stale_worker_publishes_nothing_and_deletes_nothing() {
    let wanted = House::undisturbed(3000, csv()).await;
    let house = House::with_rows(3000);
    let gate = Gate::closed();
    house.rows.fault(40, Fault::Wait(gate.clone()), 1);
    let id = house.enqueue(csv()).await;
    // It hears of nothing: only what it writes can tell it.
    let deaf = offtake_worker::WorkerSettings { signal: Duration::from_secs(3600), ..house.settings.clone() };
    let mut registry = Registry::default();
    let stale = house.start(house.worker_with("stale", deaf, &mut registry));
    gate.reached().await;

    house.pass(SignedDuration::from_secs(31));
    let fresh = house.start(house.worker("fresh"));
    let job = house.at_rest(id).await;
    assert_eq!((job.status, job.attempt, job.deaths), (JobStatus::Completed, 2, 0), "{:?}", job.error);

    gate.open();
    // It goes on until something it writes is refused; stopped before, it would never know.
    let refused = || {
        let mut exposed = String::new();
        encode(&mut exposed, &registry).unwrap();
        exposed.contains("offtake_lease_losses_total 1")
    };
    let told = async {
        while !refused() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), told).await.expect("it is told that its lease is void");
    stale.stop().await;
    fresh.stop().await;
    house.worker("fresh").upkeep().everything().await;
    let (artifact, bytes) = house.file(id).await;
    assert_eq!((artifact.attempt, bytes), (2, wanted));
    assert_eq!(house.staged().await, 0);
}

#[tokio::test]
async fn a_stale_worker_leaves_no_receipt_behind_the_sweep() {
    let house = House::with_rows(1000);
    let gate = Gate::closed();
    house.objects.hold_put(&gate);
    let id = house.enqueue(csv()).await;
    let deaf = offtake_worker::WorkerSettings { signal: Duration::from_secs(3600), ..house.settings.clone() };
    let stale = house.start(house.worker_with("stale", deaf, &mut Registry::default()));
    gate.reached().await;
    // Its file is finished, and published by nobody.
    house.pass(SignedDuration::from_secs(31));
    let fresh = house.start(house.worker("fresh"));
    let job = house.at_rest(id).await;
    assert_eq!((job.status, job.attempt), (JobStatus::Completed, 2), "{:?}", job.error);
    let published = house.file(id).await.0;
    house.worker("fresh").upkeep().everything().await;
    gate.open();
    stale.stop().await;
    fresh.stop().await;
    let (job, name) = (id.to_string(), published.file_name);
    let first = ObjectKey::from_parts(["acme", job.as_str(), "1", name.as_str()]);
    for key in [first.beside("receipt.json"), first] {
        assert_eq!(house.objects.size(&key).await.unwrap(), None, "{key}");
    }
    assert!(house.objects.size(&published.key.beside("receipt.json")).await.unwrap().is_some());
}

#[tokio::test]
async fn a_rescued_job_is_dropped_by_its_former_worker() {
    let house = House::with_rows(3000);
    let gate = Gate::closed();
    house.rows.fault(40, Fault::Wait(gate.clone()), 2);
    let id = house.enqueue(csv()).await;
    let stale = house.start(house.worker("stale"));
    gate.reached().await;
    // The job is called off between two lives; the former worker, still at the gate, hears that its lease is void.
    house.pass(SignedDuration::from_secs(31));
    house.worker("other").upkeep().everything().await;
    let job = house.until(id, |job| job.deaths == 1).await;
    assert!(job.status.is_active());
    gate.open();
    assert_eq!(house.at_rest(id).await.status, JobStatus::Completed);
    stale.stop().await;
}

#[tokio::test]
async fn a_job_that_kills_its_workers_is_parked() {
    let house = House::with_rows(3000);
    let gate = Gate::closed();
    // Before the first checkpoint.
    house.rows.fault(0, Fault::Wait(gate.clone()), u32::MAX);
    let id = house.enqueue(csv()).await;
    for death in 1..=3 {
        let gate = Gate::closed();
        house.rows.fault(0, Fault::Wait(gate.clone()), 1);
        let worker = house.start(house.worker(&format!("worker {death}")));
        gate.reached().await;
        worker.kill().await;
        house.pass(SignedDuration::from_secs(31));
        house.worker("other").upkeep().everything().await;
        assert_eq!(house.job(id).await.deaths, death);
    }
    let job = house.job(id).await;
    assert_eq!((job.status, job.error.unwrap().code), (JobStatus::Failed, ErrorKind::Poison));
    house.worker("other").upkeep().everything().await;
    assert_eq!(house.staged().await, 0);
}

#[tokio::test]
async fn a_worker_that_hears_nothing_gives_up_before_its_lease_ends() {
    let mut house = House::with_rows(3000);
    let moody = Moody::around(house.store.jobs.clone());
    house.store.jobs = moody.clone();
    house.settings.slots = 1;
    house.settings.sweep_every = Duration::from_secs(3600);
    let gate = Gate::closed();
    house.rows.fault(40, Fault::Wait(gate.clone()), 1);
    let id = house.enqueue(csv()).await;
    let mut registry = Registry::default();
    let running = house.start(house.worker_with("deaf", house.settings.clone(), &mut registry));
    gate.reached().await;
    moody.feel(Mood::Silent);
    // The worker's clock jumps: a lease short enough to wait for is lost at the wrong moment on a loaded machine, and
    // nobody rescues the job, because the database's clock stands still.
    tokio::time::pause();
    tokio::time::advance(house.settings.lease).await;
    tokio::time::resume();

    // Its only slot is free again although nobody told it anything and its source still waits.
    let next = house.enqueue(csv()).await;
    house.until(next, |job| job.status != JobStatus::Pending).await;
    moody.feel(Mood::Fine);
    assert_eq!(house.at_rest(next).await.status, JobStatus::Completed);
    running.stop().await;
    assert_eq!(house.job(id).await.status, JobStatus::Processing, "by the database's clock the lease still holds");
    assert_eq!(house.staged().await, 1, "what it staged is not its own to delete any more");
    let mut exposed = String::new();
    encode(&mut exposed, &registry).unwrap();
    assert!(exposed.contains("offtake_lease_losses_total 1"), "{exposed}");
}

#[tokio::test]
async fn a_store_that_is_down_is_asked_again_later() {
    let wanted = House::undisturbed(3000, csv()).await;
    let mut house = House::with_rows(3000);
    let moody = Moody::around(house.store.jobs.clone());
    house.store.jobs = moody.clone();
    moody.feel(Mood::Down);
    let id = house.enqueue(csv()).await;
    let running = house.start(house.worker("patient"));
    moody.refused.subscribe().wait_for(|refused| *refused >= 2).await.unwrap();
    moody.feel(Mood::Fine);
    let job = house.at_rest(id).await;
    assert_eq!((job.status, job.attempt), (JobStatus::Completed, 1), "{:?}", job.error);
    assert_eq!(house.file(id).await.1, wanted);

    // In the middle of a job: it is kept, and goes on.
    let gate = Gate::closed();
    house.rows.fault(40, Fault::Wait(gate.clone()), 1);
    let id = house.enqueue(csv()).await;
    gate.reached().await;
    moody.feel(Mood::Down);
    let before = *moody.refused.borrow();
    gate.open();
    moody.refused.subscribe().wait_for(|refused| *refused >= before + 3).await.unwrap();
    moody.feel(Mood::Fine);
    let job = house.at_rest(id).await;
    assert_eq!((job.status, job.attempt, job.failures), (JobStatus::Completed, 1, 0), "{:?}", job.error);
    assert_eq!(house.file(id).await.1, wanted);
    running.stop().await;
}

#[tokio::test]
async fn a_last_word_whose_answer_gets_lost_is_not_said_twice() {
    let mut house = House::with_rows(3000);
    let moody = Moody::around(house.store.jobs.clone());
    house.store.jobs = moody.clone();
    let running = house.start(house.worker("patient"));
    moody.feel(Mood::Mumbling);
    let completed = house.enqueue(csv()).await;
    assert_eq!(house.at_rest(completed).await.status, JobStatus::Completed);
    house.file(completed).await;

    house.rows.fault(40, Fault::Fail(ErrorKind::SchemaDrift), 1);
    moody.feel(Mood::Mumbling);
    let failed = house.enqueue(csv()).await;
    let job = house.at_rest(failed).await;
    assert_eq!((job.status, job.attempt), (JobStatus::Failed, 1));
    running.stop().await;
}
