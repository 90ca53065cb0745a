//! Destinations, and what is delivered to them.

use jiff::SignedDuration;
use offtake_model::destination::{DeliverTo, DeliveryState, Destination, DestinationContent, MOST_DESTINATIONS};
use offtake_model::error::ErrorKind;
use offtake_model::event::{Event, EventType};
use offtake_model::export::ExportSpec;
use offtake_model::id::{DestinationId, JobId};
use offtake_model::job::Job;
use offtake_model::schedule::{ERRORS_UNTIL_PAUSE, RunKind, ScheduleState};
use serde_json::json;

use super::given::*;
use crate::objects::BegunUpload;
use crate::sealed::Sealed;
use crate::{DeliveryOutcome, DestinationChange, JobScope, NewDestination, NewJob, OwedDelivery};

fn content(name: &str) -> DestinationContent {
    DestinationContent {
        name: name.to_owned(),
        endpoint: Some("https://s3.example.org".to_owned()),
        region: "eu-central-1".to_owned(),
        bucket: "lake".to_owned(),
        prefix: "a/b".to_owned(),
        access_key: "AKIA".to_owned(),
        path_style: true,
    }
}

fn refused(why: &str) -> DeliveryOutcome {
    DeliveryOutcome::GivenUp { why: why.to_owned() }
}

impl Backend {
    async fn destination(&self, org_name: &str, name: &str) -> Destination {
        let new = NewDestination {
            id: DestinationId::new(self.now()),
            content: content(name),
            secret: Sealed::from_row(format!("s1.sealed for {name}")),
        };
        let made = self.destinations.create_destination(&by("ada"), &org(org_name), new).await.unwrap();
        self.pass(SignedDuration::from_millis(5));
        made
    }

    fn bound_for(&self, to: &Destination) -> NewJob {
        let deliver = DeliverTo { id: to.id, key: Some("{dataset}/{job}.{extension}".to_owned()) };
        NewJob { spec: ExportSpec { destination: Some(deliver), ..spec() }, ..self.request("acme", "ada") }
    }

    /// A job whose file is to be delivered, and is there.
    async fn owed_file(&self, to: &Destination) -> Job {
        self.jobs.enqueue(self.bound_for(to)).await.unwrap();
        let claimed = self.claimed("maker").await;
        let (job, _) = self.completed(claimed).await;
        self.pass(SignedDuration::from_millis(5));
        job
    }

    async fn owed_to(&self, name: &str) -> Vec<OwedDelivery> {
        self.destinations.claim_deliveries(&worker(name), 10, LEASE).await.unwrap()
    }

    async fn one_owed_to(&self, name: &str) -> OwedDelivery {
        self.owed_to(name).await.pop().expect("a delivery is owed")
    }

    async fn state(&self, job: JobId) -> (DeliveryState, Option<String>) {
        let found = self.destinations.deliveries(&org("acme"), &[job]).await.unwrap().pop().unwrap();
        (found.state, found.error)
    }

    async fn told(&self, code: &str) -> Vec<Event> {
        let events = self.events.after(&org("acme"), 0, 1000).await.unwrap();
        let alerts = events.into_iter().filter(|event| event.kind == EventType::SystemAlert);
        alerts.filter(|event| event.data["code"] == code).collect()
    }
}

pub(crate) async fn a_destination_is_kept_as_it_is(b: &Backend) {
    let acme = org("acme");
    let second = b.destination("acme", "zebra").await;
    let first = b.destination("acme", "äpfel").await;
    assert_eq!((&second.content, second.version, second.created_by.as_str()), (&content("zebra"), 1, "ada"));
    assert_eq!(b.destinations.destination(&acme, second.id).await.unwrap(), second);
    assert_eq!(b.destinations.destinations(&acme).await.unwrap(), [second.clone(), first.clone()], "by name");
    let (_, secret) = b.destinations.sealed_destination(&acme, first.id).await.unwrap();
    assert_eq!(secret.as_str(), "s1.sealed for äpfel");
    let again = NewDestination { id: DestinationId::new(b.now()), content: content("zebra"), secret };
    assert_eq!(kind(b.destinations.create_destination(&by("bob"), &acme, again).await), ErrorKind::Conflict);
    let probed = b.destinations.note_probe(&acme, first.id).await.unwrap();
    assert_eq!((probed.probed_at, probed.version), (b.now(), 1));
    b.destinations.delete_destination(&by("ada"), &acme, first.id).await.unwrap();
    assert_eq!(kind(b.destinations.delete_destination(&by("ada"), &acme, first.id).await), ErrorKind::NotFound);
    assert_eq!(kind(b.destinations.note_probe(&acme, first.id).await), ErrorKind::NotFound);
    for number in 1..MOST_DESTINATIONS {
        b.destination("acme", &number.to_string()).await;
    }
    let more = NewDestination {
        id: DestinationId::new(b.now()),
        content: content("one more"),
        secret: Sealed::from_row("s1.x"),
    };
    assert_eq!(kind(b.destinations.create_destination(&by("ada"), &acme, more).await), ErrorKind::Conflict);
}

pub(crate) async fn a_destination_is_changed_as_it_was_seen(b: &Backend) {
    let acme = org("acme");
    let (made, other) = (b.destination("acme", "lake").await, b.destination("acme", "pond").await);
    let change = |content: DestinationContent| DestinationChange { content, secret: None, probed: false };
    let asked = |version: u64, change: DestinationChange| {
        let (destinations, acme) = (b.destinations.clone(), acme.clone());
        async move { destinations.change_destination(&by("eve"), &acme, made.id, version, change).await }
    };
    let renamed = asked(1, change(content("sea"))).await.unwrap();
    assert_eq!((renamed.version, renamed.content.name.as_str(), renamed.probed_at), (2, "sea", made.probed_at));
    let (_, secret) = b.destinations.sealed_destination(&acme, made.id).await.unwrap();
    assert_eq!(secret.as_str(), "s1.sealed for lake", "it has the secret it had");
    let elsewhere = DestinationContent { bucket: "other".to_owned(), ..content("sea") };
    let fresh = Some(Sealed::from_row("s1.fresh"));
    let moved = DestinationChange { content: elsewhere.clone(), secret: fresh, probed: true };
    assert_eq!(kind(asked(1, moved.clone()).await), ErrorKind::PreconditionFailed, "it was changed since");
    let moved = asked(2, moved).await.unwrap();
    assert_eq!((moved.version, &moved.content, moved.probed_at), (3, &elsewhere, b.now()));
    let (_, secret) = b.destinations.sealed_destination(&acme, made.id).await.unwrap();
    assert_eq!(secret.as_str(), "s1.fresh");
    assert_eq!(kind(asked(3, change(content("pond"))).await), ErrorKind::Conflict, "another one is called so");
    assert_eq!(b.destinations.destination(&acme, other.id).await.unwrap(), other);
    let entries = b.audit.walk(&acme, 1, 10).await.unwrap();
    let told: Vec<_> = entries.iter().map(|entry| (entry.action.as_str(), entry.detail.as_str())).collect();
    assert_eq!(told.len(), 4, "what was refused was not done: {told:?}");
    assert!(told[2].0 == "destination.change" && told[2].1.contains("\"another_secret\":false"), "{told:?}");
    assert!(told[3].1.contains("\"another_secret\":true") && told[3].1.contains("\"other\""), "{told:?}");
    assert!(told.iter().all(|(_, detail)| !detail.contains("s1.")), "{told:?}");
}

pub(crate) async fn secrets_of_destinations_are_sealed_anew(b: &Backend) {
    let (ours, theirs) = (b.destination("acme", "ours").await, b.destination("other", "theirs").await);
    let kept = b.destinations.kept_secrets().await.unwrap();
    let found: Vec<_> = kept.iter().map(|kept| (&kept.org, kept.id, kept.sealed.as_str())).collect();
    let (acme, other) = (org("acme"), org("other"));
    assert_eq!(found, [(&acme, ours.id, "s1.sealed for ours"), (&other, theirs.id, "s1.sealed for theirs")]);
    b.destinations.reseal_destination(&kept[1], &Sealed::from_row("s1.anew")).await.unwrap();
    b.destinations.reseal_destination(&kept[1], &Sealed::from_row("s1.late")).await.unwrap();
    let (after, secret) = b.destinations.sealed_destination(&other, theirs.id).await.unwrap();
    assert_eq!((secret.as_str(), &after), ("s1.anew", &theirs), "what was replaced meanwhile stays");
    let (_, secret) = b.destinations.sealed_destination(&acme, ours.id).await.unwrap();
    assert_eq!(secret.as_str(), "s1.sealed for ours");
}

pub(crate) async fn organizations_do_not_see_each_others_destinations(b: &Backend) {
    let (made, other) = (b.destination("acme", "lake").await, org("other"));
    b.destination("other", "lake").await;
    let change = DestinationChange { content: content("mine"), secret: None, probed: true };
    let changed = b.destinations.change_destination(&by("eve"), &other, made.id, 1, change).await;
    assert_eq!(kind(changed), ErrorKind::NotFound);
    assert_eq!(kind(b.destinations.destination(&other, made.id).await), ErrorKind::NotFound);
    assert_eq!(kind(b.destinations.sealed_destination(&other, made.id).await), ErrorKind::NotFound);
    assert_eq!(kind(b.destinations.note_probe(&other, made.id).await), ErrorKind::NotFound);
    assert_eq!(kind(b.destinations.delete_destination(&by("eve"), &other, made.id).await), ErrorKind::NotFound);
    assert_eq!(b.destinations.destination(&org("acme"), made.id).await.unwrap(), made);
    let theirs = NewJob { org: other.clone(), ..b.bound_for(&made) };
    assert_eq!(kind(b.jobs.enqueue(theirs).await), ErrorKind::InvalidRequest, "nobody delivers to another's bucket");
    let job = b.owed_file(&made).await;
    assert!(b.destinations.deliveries(&other, &[job.id]).await.unwrap().is_empty());
    let foreign = JobScope { org: other, owner: None };
    assert_eq!(kind(b.destinations.deliver_again(&by("eve"), &foreign, job.id).await), ErrorKind::NotFound);
}

pub(crate) async fn a_delivery_is_owed_once_there_is_a_file(b: &Backend) {
    let to = b.destination("acme", "lake").await;
    let plain = b.enqueued().await;
    let job = b.jobs.enqueue(b.bound_for(&to)).await.unwrap().job;
    assert_eq!(b.state(job.id).await, (DeliveryState::Pending, None));
    assert!(b.owed_to("w").await.is_empty(), "there is no file yet");
    for _ in 0..2 {
        let claimed = b.claimed("maker").await;
        b.completed(claimed).await;
    }
    let owed = b.owed_to("w").await;
    assert_eq!(owed.len(), 1, "{owed:?}");
    assert_eq!((owed[0].delivery.job, owed[0].delivery.destination, owed[0].delivery.tries), (job.id, to.id, 1));
    assert_eq!(owed[0].delivery.key, format!("spans/{}.csv.gz", job.id));
    assert!(b.destinations.deliveries(&org("acme"), &[plain.id]).await.unwrap().is_empty());
    // Where it was to go is gone: what is owed stays owed until somebody finds that out.
    let next = b.owed_file(&to).await;
    b.destinations.delete_destination(&by("ada"), &org("acme"), to.id).await.unwrap();
    assert_eq!(b.one_owed_to("w2").await.delivery.job, next.id);
    assert_eq!(kind(b.jobs.enqueue(b.bound_for(&to)).await), ErrorKind::InvalidRequest);
}

pub(crate) async fn a_delivery_is_tried_by_one(b: &Backend) {
    let to = b.destination("acme", "lake").await;
    let jobs = [b.owed_file(&to).await.id, b.owed_file(&to).await.id];
    let (one, two) = futures::future::join(b.owed_to("one"), b.owed_to("two")).await;
    let mut taken: Vec<JobId> = one.iter().chain(&two).map(|owed| owed.delivery.job).collect();
    taken.sort();
    assert_eq!(taken, jobs, "each of them once");
    let held = one.into_iter().chain(two).next().unwrap();
    b.pass(LEASE / 2);
    b.destinations.extend_delivery(&held, LEASE).await.unwrap();
    b.pass(LEASE / 2);
    let late = b.owed_to("three").await;
    assert_eq!(late.len(), 1, "one is held, the other one ran out");
    b.pass(LEASE / 2);
    let taken = b.one_owed_to("four").await;
    assert_eq!((taken.delivery.job, taken.delivery.tries), (held.delivery.job, 2));
    assert_eq!(kind(b.destinations.extend_delivery(&held, LEASE).await), ErrorKind::LeaseLost);
    assert_eq!(kind(b.destinations.note_upload(&held, None).await), ErrorKind::LeaseLost);
    assert_eq!(kind(b.destinations.settle_delivery(held, refused("late")).await), ErrorKind::LeaseLost);
    b.destinations.settle_delivery(taken, DeliveryOutcome::Delivered).await.unwrap();
}

pub(crate) async fn a_worker_that_comes_back_goes_on_with_its_deliveries(b: &Backend) {
    let to = b.destination("acme", "lake").await;
    let job = b.owed_file(&to).await;
    let before = b.one_owed_to("w").await;
    assert!(b.owed_to("other").await.is_empty(), "somebody has it");
    let after = b.one_owed_to("w").await;
    assert_eq!((after.delivery.job, after.delivery.tries), (job.id, 2), "that was this one");
    assert_eq!(kind(b.destinations.settle_delivery(before, refused("late")).await), ErrorKind::LeaseLost);
    let again = DeliveryOutcome::Again { why: "away".to_owned(), wait: SignedDuration::from_secs(10) };
    b.destinations.settle_delivery(after, again).await.unwrap();
    assert!(b.owed_to("w").await.is_empty(), "it is held by nobody, and not due");
}

pub(crate) async fn how_far_an_upload_has_come_is_kept(b: &Backend) {
    let to = b.destination("acme", "lake").await;
    b.owed_file(&to).await;
    let owed = b.one_owed_to("w").await;
    assert_eq!(owed.upload, None);
    for parts in [0, 7] {
        b.destinations.note_upload(&owed, Some(&BegunUpload::of_parts(parts))).await.unwrap();
    }
    let owed = b.one_owed_to("w").await;
    assert_eq!(owed.upload, Some(BegunUpload::of_parts(7)), "whoever dies leaves it");
    let again = DeliveryOutcome::Again { why: "away".to_owned(), wait: SignedDuration::from_secs(10) };
    b.destinations.settle_delivery(owed, again).await.unwrap();
    b.pass(SignedDuration::from_secs(10));
    let owed = b.one_owed_to("other").await;
    assert_eq!(owed.upload, Some(BegunUpload::of_parts(7)), "and whoever puts it off");
    b.destinations.note_upload(&owed, None).await.unwrap();
    b.pass(LEASE);
    let owed = b.one_owed_to("w").await;
    assert_eq!(owed.upload, None);
    b.destinations.note_upload(&owed, Some(&BegunUpload::of_parts(1))).await.unwrap();
    let job = owed.delivery.job;
    b.destinations.settle_delivery(owed, refused("full")).await.unwrap();
    b.destinations.deliver_again(&by("ada"), &scope("acme"), job).await.unwrap();
    assert_eq!(b.one_owed_to("w").await.upload, None, "what was given up begins anew");
}

pub(crate) async fn a_try_decides_what_follows_for_a_delivery(b: &Backend) {
    let to = b.destination("acme", "lake").await;
    let job = b.owed_file(&to).await;
    let wait = SignedDuration::from_secs(30);
    let again = DeliveryOutcome::Again { why: "the store is away".to_owned(), wait };
    b.destinations.settle_delivery(b.one_owed_to("w").await, again).await.unwrap();
    assert_eq!(b.state(job.id).await, (DeliveryState::Pending, Some("the store is away".to_owned())));
    assert!(b.owed_to("w").await.is_empty());
    assert_eq!(kind(b.destinations.deliver_again(&by("ada"), &scope("acme"), job.id).await), ErrorKind::Conflict);
    b.pass(wait);
    let newest = b.events.newest(&[org("acme")]).await.unwrap()[0].1;
    b.destinations.settle_delivery(b.one_owed_to("w").await, DeliveryOutcome::Delivered).await.unwrap();
    let found = b.destinations.deliveries(&org("acme"), &[job.id]).await.unwrap().pop().unwrap();
    assert_eq!((found.state, found.tries, found.error), (DeliveryState::Delivered, 2, None));
    assert_eq!(found.delivered_at, Some(b.now()));
    b.pass(LEASE);
    assert!(b.owed_to("w").await.is_empty());
    let told = b.events.after(&org("acme"), newest, 10).await.unwrap();
    assert_eq!((told.len(), told[0].kind, told[0].job), (1, EventType::ExportJobStatus, Some(job.id)), "{told:?}");
    assert_eq!(told[0].data["delivery"], json!("delivered"));
}

pub(crate) async fn what_was_given_up_is_told_and_can_be_owed_again(b: &Backend) {
    let to = b.destination("acme", "lake").await;
    let job = b.owed_file(&to).await;
    b.destinations.settle_delivery(b.one_owed_to("w").await, refused("the key is not allowed to")).await.unwrap();
    assert_eq!(b.state(job.id).await, (DeliveryState::Failed, Some("the key is not allowed to".to_owned())));
    b.pass(LEASE);
    assert!(b.owed_to("w").await.is_empty());
    let told = b.told("delivery_failed").await;
    assert_eq!((told.len(), told[0].job, told[0].owner.as_deref()), (1, Some(job.id), Some("ada")), "{told:?}");
    assert_eq!(told[0].data["message"], json!("the key is not allowed to"));
    assert_eq!(told[0].data["destination_id"], json!(to.id));
    let bobs = JobScope { org: org("acme"), owner: Some("bob".to_owned()) };
    assert_eq!(kind(b.destinations.deliver_again(&by("bob"), &bobs, job.id).await), ErrorKind::NotFound);
    let again = b.destinations.deliver_again(&by("ada"), &scope("acme"), job.id).await.unwrap();
    assert_eq!((again.state, again.tries), (DeliveryState::Pending, 0));
    let owed = b.one_owed_to("w").await;
    assert_eq!((owed.delivery.job, owed.delivery.tries), (job.id, 1));
    let plain = b.enqueued().await;
    assert_eq!(kind(b.destinations.deliver_again(&by("ada"), &scope("acme"), plain.id).await), ErrorKind::NotFound);
}

pub(crate) async fn what_is_given_up_again_and_again_pauses_its_schedule(b: &Backend) {
    let to = b.destination("acme", "lake").await;
    let schedule = b.scheduled("acme", "ada").await;
    let state = async || b.schedules.schedule(&scope("acme"), schedule.id).await.unwrap();
    let delivered = async |outcome: DeliveryOutcome| {
        let (mut run, _) = b.window_run(&state().await, RunKind::Backfill, 1);
        run.window.from = None;
        run.window.to = Some(offtake_model::schedule::Position::Time(b.now()));
        run.job.spec = b.bound_for(&to).spec;
        b.schedules.run_now(&schedule, run, None).await.unwrap();
        let claimed = b.claimed("maker").await;
        b.completed(claimed).await;
        b.destinations.settle_delivery(b.one_owed_to("w").await, outcome).await.unwrap();
        b.pass(SignedDuration::from_millis(5));
    };
    delivered(refused("no such bucket")).await;
    assert_eq!((state().await.errors, state().await.last_error.as_deref()), (1, Some("no such bucket")));
    delivered(DeliveryOutcome::Delivered).await;
    assert_eq!(state().await.errors, 0, "in a row");
    for error in 1..=ERRORS_UNTIL_PAUSE {
        assert_eq!(state().await.state, ScheduleState::Active);
        delivered(refused("no such bucket")).await;
        assert_eq!(state().await.errors, error);
    }
    let paused = state().await;
    assert!(matches!(&paused.state, ScheduleState::Paused { reason, .. } if reason == "configuration"), "{paused:?}");
    assert_eq!(b.told("schedule_paused").await.len(), 1);
}

pub(crate) async fn what_was_mended_is_tried_at_once(b: &Backend) {
    let (to, other) = (b.destination("acme", "lake").await, b.destination("acme", "pond").await);
    let (mended, waiting) = (b.owed_file(&to).await, b.owed_file(&other).await);
    for owed in b.owed_to("w").await {
        let again = DeliveryOutcome::Again { why: "refused".to_owned(), wait: SignedDuration::from_hours(2) };
        b.destinations.settle_delivery(owed, again).await.unwrap();
    }
    let change = |probed| DestinationChange { content: content("lake"), secret: None, probed };
    let acme = org("acme");
    b.destinations.change_destination(&by("ada"), &acme, to.id, 1, change(false)).await.unwrap();
    assert!(b.owed_to("w").await.is_empty(), "nobody knows whether it works");
    b.destinations.change_destination(&by("ada"), &acme, to.id, 2, change(true)).await.unwrap();
    let owed = b.owed_to("w").await;
    assert_eq!(owed.iter().map(|owed| owed.delivery.job).collect::<Vec<_>>(), [mended.id], "not {}", waiting.id);
}
