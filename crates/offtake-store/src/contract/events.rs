//! Events.

use futures::future::join_all;
use jiff::SignedDuration;
use offtake_model::ErrorKind;
use offtake_model::event::{Event, EventType, NewEvent};
use offtake_model::job::JobStatus;
use serde_json::json;

use super::given::*;
use crate::events::{SIGHT, Sighting};
use crate::{Hint, JobLimits, NewJob};

const HOUR: SignedDuration = SignedDuration::from_hours(1);

async fn told(b: &Backend, name: &str) -> Vec<Event> {
    b.events.after(&org(name), 0, 1000).await.unwrap()
}

fn statuses(events: &[Event]) -> Vec<&str> {
    events.iter().filter_map(|event| event.data["status"].as_str()).collect()
}

fn alert(kind: EventType) -> NewEvent {
    let data = json!({"what": "the disk is full 🦀"}).as_object().cloned().unwrap();
    NewEvent { kind, job: None, owner: None, data }
}

pub(crate) async fn every_transition_is_told(b: &Backend) {
    let asked = b.enqueued().await;
    b.jobs.release(b.claimed("w").await.lease).await.unwrap();
    b.jobs
        .postpone(b.claimed("w").await.lease, &because(ErrorKind::SourceUnavailable), SignedDuration::ZERO)
        .await
        .unwrap();
    b.jobs.fail(b.claimed("w").await.lease, &because(ErrorKind::Internal), KEEP).await.unwrap();
    b.jobs.retry(&act(), &scope("acme"), asked.id, JobLimits::NONE).await.unwrap();
    let (_, artifact) = b.completed(b.claimed("w").await).await;
    b.artifacts.expire_now(&act(), &scope("acme"), asked.id).await.unwrap();
    b.artifacts.mark_deleted(artifact.id).await.unwrap();
    b.artifacts.mark_deleted(artifact.id).await.unwrap();
    let cancelled = b.enqueued().await.id;
    b.jobs.cancel(&act(), &scope("acme"), cancelled).await.unwrap();

    let events = told(b, "acme").await;
    let expected = [
        "pending",
        "processing",
        "pending",
        "processing",
        "pending",
        "processing",
        "failed",
        "pending",
        "processing",
        "completed",
        "expired",
        "pending",
        "cancelled",
    ];
    assert_eq!(statuses(&events), expected);
    assert_eq!(events.iter().map(|event| event.seq).collect::<Vec<_>>(), (1..=13).collect::<Vec<u64>>());
    assert!(
        events.iter().all(|event| event.kind == EventType::ExportJobStatus && event.owner.as_deref() == Some("ada"))
    );
    let completed = &events[9];
    assert_eq!(completed.job, Some(asked.id));
    let says = json!({"job_id": asked.id, "status": "completed", "progress_percent": 100.0, "row_count": 200, "trace_count": 200});
    assert_eq!(serde_json::Value::from(completed.data.clone()), says);
    assert_eq!(completed.id(), "export_job_status:acme:10");

    let of_job = b.events.of_job(&org("acme"), cancelled, 0, 10).await.unwrap();
    assert_eq!(of_job, events[11..]);
    assert_eq!(b.events.of_job(&org("acme"), cancelled, 12, 10).await.unwrap(), events[12..]);
    assert_eq!(b.events.of_job(&org("acme"), asked.id, 0, 2).await.unwrap(), events[..2]);
}

pub(crate) async fn what_lost_its_worker_is_told_of(b: &Backend) {
    for name in ["zeta", "acme", "bolt"] {
        b.jobs.enqueue(b.request(name, "ada")).await.unwrap();
    }
    for round in 1..=MAX_DEATHS {
        for _ in 0..3 {
            b.claimed("w").await;
        }
        if round == 2 {
            b.jobs.reclaim(&worker("w"), MAX_DEATHS, KEEP).await.unwrap();
        } else {
            b.pass(LEASE + SignedDuration::from_micros(1));
            b.jobs.rescue(MAX_DEATHS, KEEP).await.unwrap();
        }
    }
    for name in ["zeta", "acme", "bolt"] {
        let expected = ["pending", "processing", "pending", "processing", "pending", "processing", "failed"];
        assert_eq!(statuses(&told(b, name).await), expected, "{name}");
    }
}

pub(crate) async fn numbers_have_no_gaps_and_follow_the_commits(b: &Backend) {
    let (acme, bolt) = (org("acme"), org("bolt"));
    let append = |org| b.events.append(org, alert(EventType::SystemAlert));
    let appended = join_all((0..40).map(|n| append(if n % 4 == 0 { &bolt } else { &acme }))).await;
    let mut numbers: Vec<u64> =
        appended.into_iter().map(Result::unwrap).filter(|event| event.org == acme).map(|event| event.seq).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (1..=30).collect::<Vec<_>>());
    let first = told(b, "acme").await;
    assert_eq!(first.len(), 30);
    // A request that is refused leaves no number behind.
    let limits = JobLimits { active: 1, ..JobLimits::NONE };
    let asked = join_all((0..5).map(|_| b.jobs.enqueue(NewJob { limits, ..b.request("acme", "ada") }))).await;
    assert_eq!(asked.iter().filter(|asked| asked.is_ok()).count(), 1);
    let after = b.events.after(&acme, 30, 10).await.unwrap();
    assert_eq!(after.iter().map(|event| event.seq).collect::<Vec<_>>(), [31]);
    let newest = b.events.newest(&[bolt.clone(), org("nobody"), acme.clone()]).await.unwrap();
    assert_eq!(newest, [(bolt, 10), (org("nobody"), 0), (acme, 31)]);
}

pub(crate) async fn events_are_the_organizations_own(b: &Backend) {
    let job = b.enqueued().await.id;
    assert_eq!(b.events.of_job(&org("bolt"), job, 0, 10).await.unwrap(), []);
    assert_eq!(told(b, "bolt").await, []);
    assert_eq!(b.events.oldest(&org("bolt")).await.unwrap(), 1);
}

pub(crate) async fn somebody_may_tell_something_else(b: &Backend) {
    let made = b.events.append(&org("acme"), alert(EventType::CostThreshold)).await.unwrap();
    assert_eq!((made.seq, made.at, made.kind), (1, b.now(), EventType::CostThreshold));
    assert_eq!(told(b, "acme").await, [made]);
    assert!(b.outbox.take_owed(&worker("w"), 10, LEASE).await.unwrap().is_empty());
}

pub(crate) async fn old_events_go_from_the_oldest_on(b: &Backend) {
    let acme = org("acme");
    for _ in 0..1200 {
        b.events.append(&acme, alert(EventType::SystemAlert)).await.unwrap();
    }
    b.pass(HOUR);
    let kept = b.enqueued().await;
    b.events.append(&org("bolt"), alert(EventType::SystemAlert)).await.unwrap();
    assert_eq!(b.events.oldest(&acme).await.unwrap(), 1);
    assert_eq!(b.events.prune_events(HOUR + HOUR).await.unwrap(), 0);
    assert_eq!(b.events.prune_events(SignedDuration::from_mins(30)).await.unwrap(), 1200);
    assert_eq!(b.events.oldest(&acme).await.unwrap(), 1201);
    assert_eq!(told(b, "acme").await.len(), 1);
    assert_eq!(b.job(kept.id).await.status, JobStatus::Pending);

    b.pass(HOUR);
    assert_eq!(b.events.prune_events(SignedDuration::ZERO).await.unwrap(), 2);
    assert_eq!(b.events.oldest(&acme).await.unwrap(), 1202, "the next one's");
    b.jobs.cancel(&act(), &scope("acme"), kept.id).await.unwrap();
    assert_eq!(told(b, "acme").await[0].seq, 1202, "numbers are not given again");
}

pub(crate) async fn whoever_listens_is_woken(b: &Backend) {
    let (mut all, mut own) = (b.events.hints().listen(), b.events.hints().own());
    let job = b.enqueued().await.id;
    let hint = Hint::Event { org: org("acme"), seq: 1, job: Some(job), owed: false };
    assert_eq!(own.recv().await.unwrap(), hint);
    // Whoever listens to a database is told once that something may have been missed.
    let heard = all.recv().await.unwrap();
    assert!(heard == hint || heard == Hint::Missed && all.recv().await.unwrap() == hint);
    let unwilling = b.jobs.cancel(&act(), &scope("bolt"), job).await;
    assert_eq!(kind(unwilling), ErrorKind::NotFound);
    assert!(own.try_recv().is_err(), "nothing happened");
}

fn sighting(is_on: bool, name: &str) -> Sighting {
    Sighting { code: "storage", is_on, message: "no space is left".to_owned(), by: worker(name) }
}

pub(crate) async fn an_alarm_is_raised_once_and_ends_once(b: &Backend) {
    let see = async |is_on, name: &str| {
        let told = b.events.sighted(&sighting(is_on, name), HOUR).await.unwrap();
        told.iter().map(|event| format!("{} {}", event.org, event.data["state"].as_str().unwrap())).collect::<Vec<_>>()
    };
    assert!(see(true, "w1").await.is_empty(), "nobody is concerned");
    b.jobs.enqueue(b.request("bolt", "bob")).await.unwrap();
    b.enqueued().await;
    let raised = join_all(["w1", "w2", "w1", "w2"].map(|name| see(true, name))).await.concat();
    assert_eq!(raised, ["acme begun", "bolt begun"], "by one of them");
    let (first, second) = {
        let alerts = told(b, "acme").await;
        let alert = alerts.last().unwrap();
        let says = json!({"code": "storage", "state": "begun", "severity": "error", "message": "no space is left"});
        assert_eq!((alert.kind, &serde_json::Value::from(alert.data.clone())), (EventType::SystemAlert, &says));
        // Whoever raised it is the one whose word counts.
        if see(false, "w2").await.is_empty() { ("w1", "w2") } else { ("w2", "w1") }
    };
    if first == "w1" {
        assert_eq!(see(false, first).await, ["acme over", "bolt over"]);
    }
    assert!(see(false, first).await.is_empty() && see(false, second).await.is_empty(), "once");
    assert!(see(true, first).await.is_empty(), "it may not begin again so soon");
    b.pass(HOUR);
    assert_eq!(see(true, second).await, ["acme begun", "bolt begun"]);
    // Who raised it died: somebody else says that it is over, after a while.
    assert!(see(false, first).await.is_empty());
    b.pass(SIGHT + SignedDuration::from_micros(1));
    assert_eq!(see(false, first).await, ["acme over", "bolt over"]);
}
