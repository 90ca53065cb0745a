//! Telling people: each once, whoever dies, hangs or shuts down.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use jiff::SignedDuration;
use offtake_store::{Channel, Hint, Notification, NotificationFilter, NotificationState, Try, Verdict};
use offtake_worker::notify::Deliver;
use offtake_worker::{Worker, WorkerSettings};
use prometheus_client::registry::Registry;

use crate::house::{House, csv, org};
use crate::rows::Gate;

/// What a deliverer does at its first try, its second, …
#[derive(Debug, Clone)]
enum Does {
    Panic,
    Hang,
    Answer(Verdict),
    Wait(Arc<Gate>),
}

/// A deliverer that remembers.
#[derive(Debug, Default)]
struct Recorder {
    plan: Vec<Does>,
    told: Mutex<Vec<(String, u32)>>,
}

impl Recorder {
    fn doing(plan: Vec<Does>) -> Arc<Self> {
        Arc::new(Self { plan, ..Self::default() })
    }

    fn told(&self) -> Vec<(String, u32)> {
        self.told.lock().unwrap().clone()
    }
}

#[async_trait]
impl Deliver for Recorder {
    async fn deliver(&self, notification: &Notification) -> Try {
        let count = {
            let mut told = self.told.lock().unwrap();
            told.push((notification.id.to_string(), notification.tries));
            told.len()
        };
        let verdict = match self.plan.get(count - 1) {
            Some(Does::Panic) => panic!("on purpose"),
            Some(Does::Hang) => std::future::pending().await,
            Some(Does::Answer(verdict)) => *verdict,
            Some(Does::Wait(gate)) => {
                gate.pass().await;
                Verdict::Delivered
            }
            None => Verdict::Delivered,
        };
        Try { answer: "250 taken".to_owned(), took: SignedDuration::from_millis(1), verdict }
    }
}

fn telling(house: &House, name: &str, recorder: &Arc<Recorder>) -> Worker {
    let settings = WorkerSettings { notify_deadline: Duration::from_millis(200), ..house.settings.clone() };
    house.worker_with(name, settings, &mut Registry::default()).with_deliverer(Channel::Email, recorder.clone())
}

async fn all(house: &House) -> Vec<Notification> {
    let filter = NotificationFilter { limit: 100, ..NotificationFilter::default() };
    house.store.outbox.notifications(&org(), &filter).await.unwrap()
}

/// Until all notifications are as they should be.
async fn until(house: &House, count: usize, wanted: impl Fn(&Notification) -> bool) -> Vec<Notification> {
    let looking = async {
        loop {
            let found = all(house).await;
            if found.len() == count && found.iter().all(&wanted) {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    match tokio::time::timeout(Duration::from_secs(60), looking).await {
        Ok(found) => found,
        Err(_) => panic!("it never came to that: {:?}", all(house).await),
    }
}

fn is(state: NotificationState) -> impl Fn(&Notification) -> bool {
    move |notification| notification.state == state
}

#[tokio::test]
async fn two_workers_tell_each_once() {
    let house = House::with_rows(10);
    let recorder = Recorder::doing(Vec::new());
    let workers = ["one", "two"].map(|name| house.start(telling(&house, name, &recorder)));
    for _ in 0..20 {
        house.enqueue_watched(csv()).await;
    }
    let found = until(&house, 20, is(NotificationState::Delivered)).await;
    for worker in workers {
        worker.stop().await;
    }
    let mut counted = BTreeMap::new();
    for (id, tries) in recorder.told() {
        assert_eq!(tries, 1);
        *counted.entry(id).or_insert(0) += 1;
    }
    assert_eq!(counted.len(), 20);
    assert!(counted.values().all(|count| *count == 1), "{counted:?}");
    assert!(found.iter().all(|one| one.last_answer.as_deref() == Some("250 taken") && one.tries == 1));
}

#[tokio::test]
async fn who_panics_or_hangs_costs_a_try() {
    let house = House::with_rows(10);
    let minute = SignedDuration::from_mins(1);
    let recorder = Recorder::doing(vec![Does::Panic, Does::Hang, Does::Answer(Verdict::Again(minute))]);
    let worker = house.start(telling(&house, "one", &recorder));
    house.enqueue_watched(csv()).await;
    for (tries, answer) in [(1, "the try ended by an error"), (2, "there was no answer in time"), (3, "250 taken")] {
        let found =
            until(&house, 1, |one| one.tries == tries && one.last_answer.as_ref().is_some_and(|a| a.contains(answer)));
        let due = found.await[0].due_at;
        assert!(due > house.now(), "not at once");
        house.pass(due.duration_since(house.now()));
    }
    let found = until(&house, 1, is(NotificationState::Delivered)).await;
    let (_, log) = house.store.outbox.notification(&org(), found[0].id).await.unwrap();
    assert_eq!(log.iter().map(|line| line.number).collect::<Vec<_>>(), [1, 2, 3, 4]);
    assert_eq!(recorder.told().iter().map(|(_, tries)| *tries).collect::<Vec<_>>(), [1, 2, 3, 4]);
    worker.stop().await;
}

#[tokio::test]
async fn a_way_that_is_not_there_is_in_the_log_as_failed() {
    let house = House::with_rows(10);
    let worker = house.start(house.worker("one"));
    let job = house.enqueue_watched(csv()).await;
    let found = until(&house, 1, is(NotificationState::Failed)).await;
    assert!(found[0].last_answer.as_ref().is_some_and(|answer| answer.contains("not configured")), "{found:?}");
    assert_eq!(house.job(job).await.status, offtake_model::job::JobStatus::Completed);
    worker.stop().await;
}

#[tokio::test]
async fn what_has_begun_is_ended_before_a_shutdown() {
    let house = House::with_rows(10);
    let gate = Gate::closed();
    let recorder = Recorder::doing(vec![Does::Wait(gate.clone())]);
    let settings = WorkerSettings { notify_deadline: Duration::from_secs(30), ..house.settings.clone() };
    let worker = house.worker_with("one", settings, &mut Registry::default());
    let worker = house.start(worker.with_deliverer(Channel::Email, recorder.clone()));
    house.enqueue_watched(csv()).await;
    gate.reached().await;
    worker.shutdown.cancel();
    gate.open();
    worker.task.await.unwrap();
    assert_eq!(all(&house).await[0].state, NotificationState::Delivered);
}

#[tokio::test]
async fn who_dies_in_the_middle_is_taken_from() {
    let house = House::with_rows(10);
    let gate = Gate::closed();
    let dying = Recorder::doing(vec![Does::Wait(gate.clone())]);
    let worker = house.start(telling(&house, "one", &dying));
    house.enqueue_watched(csv()).await;
    gate.reached().await;
    worker.kill().await;
    let recorder = Recorder::doing(Vec::new());
    let other = house.start(telling(&house, "two", &recorder));
    house.pass(SignedDuration::from_secs(1));
    until(&house, 1, is(NotificationState::Delivered)).await;
    assert_eq!(recorder.told().iter().map(|(_, tries)| *tries).collect::<Vec<_>>(), [2], "it counts as a try");
    other.stop().await;
}

#[tokio::test]
async fn a_replay_is_heard_at_once() {
    let house = House::with_rows(10);
    let recorder = Recorder::doing(vec![Does::Answer(Verdict::GiveUp)]);
    let worker = house.start(telling(&house, "one", &recorder));
    house.enqueue_watched(csv()).await;
    let id = until(&house, 1, is(NotificationState::Failed)).await[0].id;
    let mut heard = house.store.events.hints().listen();
    house.store.outbox.owe_again(&crate::house::act(), &org(), id).await.unwrap();
    assert_eq!(heard.recv().await.unwrap(), Hint::Owed);
    until(&house, 1, is(NotificationState::Delivered)).await;
    worker.stop().await;
}

#[tokio::test]
async fn an_old_queue_is_told_once_and_that_it_is_over() {
    let house = House::with_rows(10);
    let job = house.enqueue(csv()).await;
    let told = async || {
        let events = house.store.events.after(&org(), 0, 100).await.unwrap();
        let alerts = events.iter().filter(|event| event.data.get("code").is_some_and(|code| code == "queue"));
        alerts.map(|event| event.data["state"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let mut upkeep = ["one", "two"].map(|name| house.worker(name).upkeep());
    upkeep[0].everything().await;
    assert!(told().await.is_empty());
    house.pass(SignedDuration::from_mins(20));
    for one in &mut upkeep {
        one.everything().await;
        one.everything().await;
    }
    assert_eq!(told().await, ["begun"], "the queue is old, and that is told once");
    let worker = house.start(house.worker("three"));
    house.at_rest(job).await;
    worker.stop().await;
    upkeep[0].everything().await;
    upkeep[1].everything().await;
    assert_eq!(told().await, ["begun", "over"]);
}
