//! The outbox.

use futures::future::join_all;
use jiff::SignedDuration;
use offtake_model::ErrorKind;
use offtake_model::audit::Action;
use offtake_model::export::{ExportSpec, Notify};
use offtake_model::job::Job;

use super::given::*;
use crate::{
    AuditFilter, Channel, Hint, NewJob, Notification, NotificationFilter, NotificationState, OutboxDepth, Owed, Try,
    Verdict,
};

const MINUTE: SignedDuration = SignedDuration::from_mins(1);

fn a_try(answer: &str, verdict: Verdict) -> Try {
    Try { answer: answer.to_owned(), took: SignedDuration::from_millis(7), verdict }
}

/// A job whose owner wants to be told by e-mail.
async fn watched(b: &Backend, name: &str) -> Job {
    let notify = Some(Notify { email: true });
    let spec = ExportSpec { notify, ..spec() };
    let job = b.jobs.enqueue(NewJob { spec, ..b.request(name, "ada") }).await.unwrap().job;
    b.pass(SignedDuration::from_millis(5));
    job
}

/// A job of `name` that failed, about which ada is owed word.
async fn owing(b: &Backend, name: &str) -> Job {
    watched(b, name).await;
    let failed = b.jobs.fail(b.claimed("w").await.lease, &because(ErrorKind::Internal), KEEP).await.unwrap();
    b.pass(SignedDuration::from_millis(5));
    failed
}

async fn take(b: &Backend, most: u32) -> Vec<Owed> {
    b.outbox.take_owed(&worker("w"), most, MINUTE).await.unwrap()
}

async fn all(b: &Backend, name: &str) -> Vec<Notification> {
    let filter = NotificationFilter { limit: 100, ..NotificationFilter::default() };
    b.outbox.notifications(&org(name), &filter).await.unwrap()
}

pub(crate) async fn whoever_asked_is_owed_word(b: &Backend) {
    let mut own = b.events.hints().own();
    let done = watched(b, "acme").await;
    let (job, _) = b.completed(b.claimed("w").await).await;
    let owed = all(b, "acme").await;
    assert_eq!(owed.len(), 1, "at the end and not before");
    let one = &owed[0];
    assert_eq!((one.channel, one.address.as_str()), (Channel::Email, "ada@acme.example"));
    assert_eq!((one.state, one.tries, one.due_at, one.created_at), (NotificationState::Pending, 0, b.now(), b.now()));
    assert_eq!((one.event.job, &one.event.data["status"]), (Some(job.id), &"completed".into()));
    assert_eq!(one.event, b.events.of_job(&org("acme"), done.id, 0, 10).await.unwrap()[2]);
    let owes = |hint: &Hint| matches!(hint, Hint::Event { owed: true, .. });
    let told: Vec<bool> =
        [own.recv().await, own.recv().await, own.recv().await].iter().map(|h| owes(h.as_ref().unwrap())).collect();
    assert_eq!(told, [false, false, true]);

    // Who did not ask for it, whose address is not known, or what was called off: nobody.
    b.enqueued().await;
    b.completed(b.claimed("w").await).await;
    let spec = ExportSpec { notify: Some(Notify { email: true }), ..spec() };
    b.jobs.enqueue(NewJob { spec, owner_email: None, ..b.request("acme", "eve") }).await.unwrap();
    b.completed(b.claimed("w").await).await;
    let cancelled = watched(b, "acme").await.id;
    b.jobs.cancel(&act(), &scope("acme"), cancelled).await.unwrap();
    assert_eq!(all(b, "acme").await.len(), 1);
    owing(b, "acme").await;
    assert_eq!(all(b, "acme").await.len(), 2, "of a failure, yes");
    assert_eq!(all(b, "bolt").await, []);
}

pub(crate) async fn what_is_owed_is_taken_by_one(b: &Backend) {
    assert_eq!(b.outbox.next_due().await.unwrap(), None);
    for _ in 0..20 {
        owing(b, "acme").await;
    }
    let first = all(b, "acme").await.pop().unwrap();
    assert_eq!(b.outbox.next_due().await.unwrap(), Some(first.due_at));
    assert_eq!(b.outbox.outbox_depth().await.unwrap().owed, 20);
    let one = take(b, 1).await;
    assert_eq!(one[0].notification.id, first.id, "the oldest first");
    assert_eq!(one[0].notification.tries, 1);
    let taken = join_all((0..6).map(|_| take(b, 4))).await;
    let mut ids: Vec<_> = taken.iter().flatten().chain(&one).map(|owed| owed.notification.id).collect();
    ids.sort_unstable();
    ids.dedup();
    let count: usize = taken.iter().map(Vec::len).sum();
    assert_eq!((ids.len(), count), (20, 19));
    assert!(take(b, 10).await.is_empty());
}

pub(crate) async fn who_dies_of_it_is_taken_from(b: &Backend) {
    owing(b, "acme").await;
    let dead = take(b, 1).await.remove(0);
    assert_eq!(b.outbox.next_due().await.unwrap(), Some(b.now() + MINUTE));
    b.pass(MINUTE - SignedDuration::from_micros(1));
    assert!(take(b, 1).await.is_empty());
    b.pass(SignedDuration::from_micros(1));
    let again = take(b, 1).await.remove(0);
    assert_eq!((again.notification.id, again.notification.tries), (dead.notification.id, 2));
}

pub(crate) async fn a_try_decides_what_follows(b: &Backend) {
    owing(b, "acme").await;
    let owed = take(b, 1).await.remove(0);
    let id = owed.notification.id;
    b.pass(SignedDuration::from_secs(1));
    b.outbox.tried(&owed, &a_try("450 later\r\nplease\u{0}", Verdict::Again(MINUTE))).await.unwrap();
    let (known, log) = b.outbox.notification(&org("acme"), id).await.unwrap();
    assert_eq!((known.state, known.tries, known.due_at), (NotificationState::Pending, 1, b.now() + MINUTE));
    assert_eq!(known.last_answer.as_deref(), Some("450 later  please "));
    assert_eq!((log.len(), log[0].number, log[0].at, log[0].took), (1, 1, b.now(), SignedDuration::from_millis(7)));
    assert!(take(b, 1).await.is_empty());
    b.pass(MINUTE);
    b.outbox.tried(&take(b, 1).await[0], &a_try(&"x".repeat(5000), Verdict::Delivered)).await.unwrap();
    let (known, log) = b.outbox.notification(&org("acme"), id).await.unwrap();
    assert_eq!((known.state, known.tries, log.len(), log[1].answer.len()), (NotificationState::Delivered, 2, 2, 1000));
    owing(b, "acme").await;
    b.outbox.tried(&take(b, 1).await[0], &a_try("550 nobody", Verdict::GiveUp)).await.unwrap();
    assert_eq!(all(b, "acme").await[0].state, NotificationState::Failed);
    b.pass(SignedDuration::from_hours(1000));
    assert!(take(b, 1).await.is_empty(), "both are over");
    assert_eq!(b.outbox.outbox_depth().await.unwrap(), OutboxDepth::default());
    assert_eq!(kind(b.outbox.notification(&org("bolt"), id).await), ErrorKind::NotFound);
}

pub(crate) async fn a_late_word_is_in_the_log_alone(b: &Backend) {
    owing(b, "acme").await;
    let late = take(b, 1).await.remove(0);
    let id = late.notification.id;
    b.pass(MINUTE);
    let held = take(b, 1).await.remove(0);
    let refused = b.outbox.tried(&late, &a_try("250 ok", Verdict::Delivered)).await;
    assert_eq!(kind(refused), ErrorKind::LeaseLost);
    b.outbox.tried(&held, &a_try("550", Verdict::GiveUp)).await.unwrap();
    let (known, log) = b.outbox.notification(&org("acme"), id).await.unwrap();
    assert_eq!((known.state, log.len(), log[0].answer.as_str()), (NotificationState::Failed, 2, "250 ok"));
}

pub(crate) async fn it_can_be_owed_again(b: &Backend) {
    owing(b, "acme").await;
    let owed = take(b, 1).await.remove(0);
    let id = owed.notification.id;
    assert_eq!(kind(b.outbox.owe_again(&act(), &org("acme"), id).await), ErrorKind::Conflict);
    b.outbox.tried(&owed, &a_try("550", Verdict::GiveUp)).await.unwrap();
    assert_eq!(kind(b.outbox.owe_again(&act(), &org("bolt"), id).await), ErrorKind::NotFound);
    let again = b.outbox.owe_again(&by("root"), &org("acme"), id).await.unwrap();
    assert_eq!((again.id, again.state, again.tries, again.due_at), (id, NotificationState::Pending, 0, b.now()));
    b.outbox.tried(&take(b, 1).await[0], &a_try("250", Verdict::Delivered)).await.unwrap();
    let (known, log) = b.outbox.notification(&org("acme"), id).await.unwrap();
    assert_eq!((known.tries, log.len(), log[1].number), (1, 2, 2), "the log goes on");
    let filter =
        AuditFilter { actions: vec![Action::NotificationReplay.name().into()], limit: 5, ..AuditFilter::default() };
    let entries = b.audit.list(&org("acme"), &filter).await.unwrap().entries;
    assert_eq!((entries.len(), entries[0].actor.as_str(), &entries[0].object_id), (1, "root", &id.to_string()));
    assert!(!entries[0].detail.contains("@"), "an address is nobody's business here: {}", entries[0].detail);
}

pub(crate) async fn notifications_are_narrowed_and_paged(b: &Backend) {
    for _ in 0..5 {
        owing(b, "acme").await;
    }
    owing(b, "bolt").await;
    b.outbox.tried(&take(b, 1).await[0], &a_try("250", Verdict::Delivered)).await.unwrap();
    let list = async |filter: NotificationFilter| b.outbox.notifications(&org("acme"), &filter).await.unwrap();
    let limit = |limit| NotificationFilter { limit, ..NotificationFilter::default() };
    let page = list(limit(2)).await;
    let rest = list(NotificationFilter { after: Some(page[1].id), ..limit(10) }).await;
    let ids: Vec<_> = page.iter().chain(&rest).map(|n| n.id).collect();
    assert_eq!(ids, all(b, "acme").await.iter().map(|n| n.id).collect::<Vec<_>>());
    assert!(ids.len() == 5 && ids.is_sorted_by(|one, next| one > next), "newest first");
    let delivered = list(NotificationFilter { state: Some(NotificationState::Delivered), ..limit(10) }).await;
    assert_eq!(delivered.iter().map(|n| n.id).collect::<Vec<_>>(), ids[4..]);
    assert_eq!(list(NotificationFilter { channel: Some(Channel::Webhook), ..limit(10) }).await, []);
    assert_eq!(list(NotificationFilter { channel: Some(Channel::Email), ..limit(10) }).await.len(), 5);
    assert_eq!(list(NotificationFilter { address: Some("ada@acme.example".into()), ..limit(10) }).await.len(), 5);
    assert_eq!(list(NotificationFilter { address: Some("ada@bolt.example".into()), ..limit(10) }).await, []);
}

pub(crate) async fn what_is_over_is_forgotten(b: &Backend) {
    owing(b, "acme").await;
    owing(b, "acme").await;
    b.outbox.tried(&take(b, 1).await[0], &a_try("250", Verdict::Delivered)).await.unwrap();
    let oldest = b.events.oldest(&org("acme")).await.unwrap();
    assert_eq!(oldest, 1);
    b.pass(MINUTE);
    b.events.prune_events(SignedDuration::ZERO).await.unwrap();
    assert_eq!(b.events.oldest(&org("acme")).await.unwrap(), 3, "a notification speaks of it");
    assert_eq!(b.outbox.prune_notifications(MINUTE + MINUTE).await.unwrap(), 0);
    assert_eq!(b.outbox.prune_notifications(MINUTE - SignedDuration::from_secs(1)).await.unwrap(), 1);
    let left = all(b, "acme").await;
    assert_eq!((left.len(), left[0].state), (1, NotificationState::Pending), "what is owed stays");
    b.events.prune_events(SignedDuration::ZERO).await.unwrap();
    assert_eq!(b.events.oldest(&org("acme")).await.unwrap(), 6);
    assert_eq!(take(b, 5).await.len(), 1);
}
