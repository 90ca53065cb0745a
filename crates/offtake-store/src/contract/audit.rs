//! The audit trail.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures::future::join_all;
use jiff::SignedDuration;
use offtake_model::ErrorKind;
use offtake_model::audit::{Act, Action, Deed, KeptHead, ObjectKind, Via};
use offtake_model::preset::PresetContent;

use super::given::*;
use crate::audit::{SLACK, verify};
use crate::{Audit, AuditFilter, Idempotency, JobLimits, NewJob};

const RETENTION: SignedDuration = SignedDuration::from_hours(24 * 400);

fn all() -> AuditFilter {
    AuditFilter { limit: 1000, ..AuditFilter::default() }
}

fn download(job: &str) -> Deed {
    Deed::done(Action::ExportDownload, ObjectKind::Job, job)
}

/// The actions of an organization's entries that pass a filter, oldest first, with their numbers.
async fn told(b: &Backend, name: &str, filter: AuditFilter) -> Vec<(u64, String)> {
    let page = b.audit.list(&org(name), &filter).await.unwrap();
    page.entries.into_iter().rev().map(|entry| (entry.number, entry.action)).collect()
}

async fn actions(b: &Backend, name: &str) -> Vec<String> {
    told(b, name, all()).await.into_iter().map(|(_, action)| action).collect()
}

/// How many entries the chain of `name` has; it must be whole.
async fn whole(audit: &dyn Audit, name: &str) -> u64 {
    verify(audit, &org(name), &[]).await.unwrap().outcome.unwrap()
}

async fn kept(b: &Backend, name: &str) -> KeptHead {
    b.audit.head(&org(name)).await.unwrap().to_string().parse().unwrap()
}

pub(crate) async fn a_change_and_its_entry_are_one(b: &Backend) {
    let own = scope("acme");
    let asked = b.enqueued().await;
    b.jobs.cancel(&by("bob"), &own, asked.id).await.unwrap();
    let failing = b.enqueued().await;
    b.jobs.fail(b.claimed("w").await.lease, &because(ErrorKind::Internal), KEEP).await.unwrap();
    b.jobs.retry(&act(), &own, failing.id, JobLimits::NONE).await.unwrap();
    let (done, artifact) = b.completed(b.claimed("w").await).await;
    b.artifacts.expire_now(&by("eve"), &own, done.id).await.unwrap();
    let says = serde_json::Map::new();
    let content = |name: &str| PresetContent { name: name.into(), dataset: "spans".into(), says: says.clone() };
    b.presets.create(&act(), &org("acme"), content("a")).await.unwrap();
    b.presets.replace(&act(), &org("acme"), "a", 1, content("b")).await.unwrap();
    b.presets.delete(&act(), &org("acme"), "b", None).await.unwrap();

    let expected = [
        ("export.create", "ada", asked.id.to_string()),
        ("export.cancel", "bob", asked.id.to_string()),
        ("export.create", "ada", failing.id.to_string()),
        ("export.retry", "ada", failing.id.to_string()),
        ("export.delete", "eve", done.id.to_string()),
        ("preset.create", "ada", "a".to_owned()),
        ("preset.change", "ada", "b".to_owned()),
        ("preset.delete", "ada", "b".to_owned()),
    ];
    let entries = b.audit.walk(&org("acme"), 1, 100).await.unwrap();
    let found: Vec<_> =
        entries.iter().map(|entry| (entry.action.as_str(), entry.actor.as_str(), entry.object_id.clone())).collect();
    assert_eq!(found, expected);
    for (entry, number) in entries.iter().zip(1..) {
        assert_eq!((entry.number, entry.via.as_str(), entry.outcome.as_str()), (number, "token", "done"));
        assert_eq!(entry.address.as_deref(), Some("192.0.2.7"));
        assert_eq!((entry.user_agent.as_deref(), entry.request_id.as_deref()), (Some("curl/8"), Some("req-1")));
    }
    let detail = |at: usize| serde_json::from_str::<serde_json::Value>(&entries[at].detail).unwrap();
    assert_eq!((&detail(0)["dataset"], &detail(0)["spec_sha256"]), (&"spans".into(), &asked.spec.sha256().into()));
    assert_eq!(detail(4)["sha256"], artifact.sha256.unwrap());
    assert_eq!((&detail(6)["was"], &detail(6)["version"]), (&"a".into(), &2.into()));
    assert_eq!(entries[0].moment(), Some(asked.created_at), "by the store's clock");
    assert_eq!(whole(b.audit.as_ref(), "acme").await, 8);
}

pub(crate) async fn what_was_not_done_has_no_entry(b: &Backend) {
    let idempotency = Idempotency { key: "k".to_owned(), fingerprint: "f".to_owned() };
    let keyed = || NewJob { idempotency: Some(idempotency.clone()), ..b.request("acme", "ada") };
    let first = b.jobs.enqueue(keyed()).await.unwrap().job;
    assert!(!b.jobs.enqueue(keyed()).await.unwrap().created);
    assert_eq!(kind(b.jobs.cancel(&act(), &scope("other"), first.id).await), ErrorKind::NotFound);
    assert_eq!(kind(b.jobs.retry(&act(), &scope("acme"), first.id, JobLimits::NONE).await), ErrorKind::Conflict);
    assert_eq!(kind(b.artifacts.expire_now(&act(), &scope("acme"), first.id).await), ErrorKind::NotReady);
    assert_eq!(kind(b.presets.delete(&act(), &org("acme"), "none", None).await), ErrorKind::NotFound);
    assert_eq!(actions(b, "acme").await, ["export.create"]);
    assert_eq!(actions(b, "other").await, [""; 0]);
}

pub(crate) async fn each_organization_has_a_chain_of_its_own(b: &Backend) {
    for name in ["acme", "bolt", "acme"] {
        b.audit.append(&org(name), &act(), &download(name)).await.unwrap();
    }
    assert_eq!(told(b, "acme", all()).await.iter().map(|(number, _)| *number).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(told(b, "bolt", all()).await.iter().map(|(number, _)| *number).collect::<Vec<_>>(), [1]);
    let entries = b.audit.walk(&org("bolt"), 0, 10).await.unwrap();
    assert!(entries.iter().all(|entry| entry.object_id == "bolt"), "{entries:?}");
    assert_eq!(whole(b.audit.as_ref(), "nobody").await, 0);
    assert_eq!(b.audit.head(&org("nobody")).await.unwrap().number, 0);

    let names = |heads: Vec<offtake_model::audit::Head>| {
        heads.into_iter().map(|head| (head.org.to_string(), head.number)).collect::<Vec<_>>()
    };
    let everybody = names(b.audit.heads(None, None, 10).await.unwrap());
    assert_eq!(everybody, [("acme".to_owned(), 2), ("bolt".to_owned(), 1)]);
    assert_eq!(names(b.audit.heads(Some(&org("acme")), None, 10).await.unwrap()), everybody[1..]);
    assert_eq!(names(b.audit.heads(None, None, 1).await.unwrap()), everybody[..1]);
    b.pass(SignedDuration::from_secs(1));
    b.audit.append(&org("bolt"), &act(), &download("x")).await.unwrap();
    let later = names(b.audit.heads(None, Some(b.now()), 10).await.unwrap());
    assert_eq!(later, [("bolt".to_owned(), 2)], "those that moved since");
}

pub(crate) async fn entries_are_narrowed_and_paged(b: &Backend) {
    for number in 0..7 {
        let (who, what) = if number % 2 == 0 { ("ada", Action::ExportDownload) } else { ("bob", Action::ExportFetch) };
        let deed = Deed::done(what, ObjectKind::Job, format!("job_{}", number % 3));
        b.audit.append(&org("acme"), &by(who), &deed).await.unwrap();
        b.pass(SignedDuration::from_secs(10));
    }
    let numbers = async |filter: AuditFilter| -> Vec<u64> {
        told(b, "acme", AuditFilter { limit: 100, ..filter }).await.into_iter().map(|(number, _)| number).collect()
    };
    let none = AuditFilter::default;
    assert_eq!(numbers(none()).await, [1, 2, 3, 4, 5, 6, 7]);
    assert_eq!(numbers(AuditFilter { actor: Some("bob".into()), ..none() }).await, [2, 4, 6]);
    assert_eq!(numbers(AuditFilter { actions: vec!["export.fetch".into()], ..none() }).await, [2, 4, 6]);
    let both = vec!["export.fetch".into(), "export.download".into()];
    assert_eq!(numbers(AuditFilter { actions: both, ..none() }).await.len(), 7);
    assert_eq!(numbers(AuditFilter { object: Some("job_0".into()), ..none() }).await, [1, 4, 7]);
    let (from, to) = (Some(noon() + SignedDuration::from_secs(20)), Some(noon() + SignedDuration::from_secs(40)));
    assert_eq!(numbers(AuditFilter { from, to, ..none() }).await, [3, 4], "half-open");
    let ada = Some("ada".to_owned());
    assert_eq!(numbers(AuditFilter { from, actor: ada, object: Some("job_0".into()), ..none() }).await, [7]);

    let mut seen = Vec::new();
    let mut before = None;
    loop {
        let page = b.audit.list(&org("acme"), &AuditFilter { limit: 3, before, ..none() }).await.unwrap();
        seen.extend(page.entries.iter().map(|entry| entry.number));
        before = seen.last().copied();
        if !page.has_more {
            break;
        }
    }
    assert_eq!(seen, [7, 6, 5, 4, 3, 2, 1]);
}

pub(crate) async fn many_at_once_make_one_chain(b: &Backend) {
    at_once(&[Arc::clone(&b.audit)]).await;
}

/// Acts of eight at once through each of `stores`, which share a database: a chain without gaps or forks.
pub(crate) async fn at_once(stores: &[Arc<dyn Audit>]) {
    let acting = (0..8).map(|who| {
        let store = Arc::clone(&stores[who % stores.len()]);
        tokio::spawn(async move {
            for number in 0..12 {
                let deed = download(&format!("{who}-{number}"));
                store.append(&org("acme"), &Act::by(&who.to_string(), Via::Token), &deed).await.unwrap();
            }
        })
    });
    for done in join_all(acting).await {
        done.unwrap();
    }
    assert_eq!(whole(stores[0].as_ref(), "acme").await, 96);
    let entries = stores[0].walk(&org("acme"), 1, 1000).await.unwrap();
    let objects: BTreeSet<&str> = entries.iter().map(|entry| entry.object_id.as_str()).collect();
    assert_eq!(objects.len(), 96, "each is there once");
    for who in 0..8 {
        let own: Vec<&str> =
            entries.iter().filter(|e| e.actor == who.to_string()).map(|e| e.object_id.as_str()).collect();
        let expected: Vec<String> = (0..12).map(|number| format!("{who}-{number}")).collect();
        assert_eq!(own, expected, "in the order they were done");
    }
}

pub(crate) async fn old_entries_leave_a_chain_that_can_be_checked(b: &Backend) {
    for number in 0..5 {
        b.audit.append(&org("acme"), &act(), &download(&number.to_string())).await.unwrap();
    }
    b.audit.append(&org("idle"), &act(), &download("x")).await.unwrap();
    let early = kept(b, "acme").await;
    b.pass(SignedDuration::from_hours(24 * 10));
    b.audit.append(&org("acme"), &act(), &download("later")).await.unwrap();
    let late = kept(b, "acme").await;
    assert_eq!(b.audit.prune(RETENTION).await.unwrap(), 0, "nothing is old enough");
    b.pass(RETENTION - SignedDuration::from_hours(24 * 10) + SLACK);
    assert_eq!(b.audit.prune(RETENTION).await.unwrap(), 0, "not by a moment");
    b.pass(SignedDuration::from_secs(1));
    assert_eq!(b.audit.prune(RETENTION).await.unwrap(), 6);
    assert_eq!(b.audit.prune(RETENTION).await.unwrap(), 0, "once is enough");

    let entries = b.audit.walk(&org("acme"), 1, 100).await.unwrap();
    let found: Vec<_> = entries.iter().map(|entry| (entry.number, entry.action.as_str())).collect();
    assert_eq!(found, [(6, "export.download"), (7, "audit.prune")]);
    assert_eq!((entries[1].actor.as_str(), entries[1].via.as_str()), ("offtake", "system"));
    assert_eq!(whole(b.audit.as_ref(), "acme").await, 2);
    assert_eq!(whole(b.audit.as_ref(), "idle").await, 1, "of which only the anchor is left");

    let check = async |head| verify(b.audit.as_ref(), &org("acme"), &[head]).await.unwrap().outcome;
    assert_eq!(check(late).await, Ok(2));
    assert_eq!(check(early).await.unwrap_err().number, 5, "a head of what was pruned proves nothing any more");
    b.audit.append(&org("idle"), &act(), &download("y")).await.unwrap();
    assert_eq!(kept(b, "idle").await.number, 3, "numbers go on");
    b.pass(RETENTION + SLACK + SLACK);
    assert_eq!(b.audit.prune(RETENTION).await.unwrap(), 4);
    assert_eq!(whole(b.audit.as_ref(), "acme").await + whole(b.audit.as_ref(), "idle").await, 2);
}

/// Six entries in acme, all columns filled, and one in bolt.
pub(crate) async fn a_trail(b: &Backend) {
    for number in 1..=6 {
        b.audit.append(&org("acme"), &act(), &download(&number.to_string()).with("n", number)).await.unwrap();
        b.pass(SignedDuration::from_secs(1));
    }
    b.audit.append(&org("bolt"), &act(), &download("b")).await.unwrap();
}

/// What the database refuses, whoever asks; `{}` is the schema.
pub(crate) const REFUSED: &[&str] = &[
    "UPDATE {}audit_entries SET actor = 'eve' WHERE number = 2",
    "UPDATE {}audit_entries SET hash = hash",
    "DELETE FROM {}audit_entries WHERE number = 1",
    "DELETE FROM {}audit_entries WHERE number = 6",
    "DELETE FROM {}audit_entries",
    "DELETE FROM {}audit_heads",
    "UPDATE {}audit_heads SET first = 3",
    "UPDATE {}audit_heads SET number = 5, hash = (SELECT hash FROM {}audit_entries WHERE org = 'acme' AND number = 5)",
    "UPDATE {}audit_heads SET org = 'eve'",
    "INSERT INTO {}audit_entries SELECT * FROM {}audit_entries WHERE number = 2",
    "INSERT INTO {}audit_entries SELECT org, number + 2, at, actor, via, action, object_kind, object_id, outcome, address,
         user_agent, request_id, detail, previous, hash FROM {}audit_entries WHERE org = 'acme' AND number = 6",
    "INSERT INTO {}audit_heads SELECT 'eve', number, hash, at, first FROM {}audit_heads WHERE org = 'acme'",
];

/// What somebody does to the trail who can drop the triggers, and the first entry that is not right then.
pub(crate) const TAMPERED: &[(&str, u64)] = &[
    ("UPDATE {}audit_entries SET at = at + 1 WHERE org = 'acme' AND number = 3", 3),
    ("UPDATE {}audit_entries SET actor = 'eve' WHERE org = 'acme' AND number = 3", 3),
    ("UPDATE {}audit_entries SET via = 'system' WHERE org = 'acme' AND number = 3", 3),
    ("UPDATE {}audit_entries SET action = 'export.fetch' WHERE org = 'acme' AND number = 3", 3),
    ("UPDATE {}audit_entries SET action = 'unheard.of' WHERE org = 'acme' AND number = 3", 3),
    ("UPDATE {}audit_entries SET object_kind = 'preset' WHERE org = 'acme' AND number = 3", 3),
    ("UPDATE {}audit_entries SET object_id = 'x' WHERE org = 'acme' AND number = 3", 3),
    ("UPDATE {}audit_entries SET outcome = 'refused' WHERE org = 'acme' AND number = 3", 3),
    ("UPDATE {}audit_entries SET address = '192.0.2.8' WHERE org = 'acme' AND number = 3", 3),
    ("UPDATE {}audit_entries SET address = NULL WHERE org = 'acme' AND number = 3", 3),
    ("UPDATE {}audit_entries SET user_agent = '' WHERE org = 'acme' AND number = 3", 3),
    ("UPDATE {}audit_entries SET request_id = NULL WHERE org = 'acme' AND number = 3", 3),
    ("UPDATE {}audit_entries SET detail = '{\"n\": 3}' WHERE org = 'acme' AND number = 3", 3),
    ("UPDATE {}audit_entries SET detail = 'no JSON' WHERE org = 'acme' AND number = 3", 3),
    ("UPDATE {}audit_entries SET previous = hash WHERE org = 'acme' AND number = 3", 3),
    ("UPDATE {}audit_entries SET hash = previous WHERE org = 'acme' AND number = 3", 3),
    ("UPDATE {}audit_entries SET at = 9223372036854775807 WHERE org = 'acme' AND number = 3", 3),
    // Removed, at the beginning, in the middle, at the end, and all.
    ("DELETE FROM {}audit_entries WHERE org = 'acme' AND number = 1", 1),
    ("DELETE FROM {}audit_entries WHERE org = 'acme' AND number = 3", 3),
    ("DELETE FROM {}audit_entries WHERE org = 'acme' AND number = 6", 6),
    ("DELETE FROM {}audit_entries WHERE org = 'acme'", 1),
    // Another organization's, moved here in the place of one.
    ("UPDATE {}audit_entries SET number = -1 WHERE org = 'acme' AND number = 3", 3),
    ("UPDATE {}audit_entries SET org = 'bolt' WHERE org = 'acme' AND number = 3", 3),
    // Forged: one more at the end, of which the head knows nothing, and one that the head names.
    (
        "INSERT INTO {}audit_entries SELECT org, number + 1, at, 'eve', via, action, object_kind, object_id, outcome,
          address, user_agent, request_id, detail, hash, hash FROM {}audit_entries WHERE org = 'acme' AND number = 6",
        7,
    ),
    ("UPDATE {}audit_heads SET number = 7 WHERE org = 'acme'", 7),
    (
        "UPDATE {}audit_heads SET hash = (SELECT hash FROM {}audit_entries WHERE org = 'acme' AND number = 5)
      WHERE org = 'acme'",
        6,
    ),
    // The beginning moved without an anchor.
    ("UPDATE {}audit_heads SET first = 3 WHERE org = 'acme'", 3),
];

/// Two neighbours in each other's place: three statements, because their numbers are unique.
pub(crate) const SWAPPED: &[&str] = &[
    "UPDATE {}audit_entries SET number = 100 WHERE org = 'acme' AND number = 3",
    "UPDATE {}audit_entries SET number = 3 WHERE org = 'acme' AND number = 4",
    "UPDATE {}audit_entries SET number = 4 WHERE org = 'acme' AND number = 100",
];

/// The tail cut off with the head set back, which only a head that was kept elsewhere shows.
pub(crate) const TRUNCATED: &[&str] = &[
    "DELETE FROM {}audit_entries WHERE org = 'acme' AND number > 4",
    "UPDATE {}audit_heads SET number = 4, hash = (SELECT hash FROM {}audit_entries WHERE org = 'acme' AND number = 4)
     WHERE org = 'acme'",
];

/// What the check says of acme and of bolt.
pub(crate) async fn first_broken(b: &Backend, kept: &[KeptHead]) -> (Option<u64>, Option<u64>) {
    let of = async |name: &str, kept: &[KeptHead]| {
        verify(b.audit.as_ref(), &org(name), kept).await.unwrap().outcome.err().map(|broken| broken.number)
    };
    (of("acme", kept).await, of("bolt", &[]).await)
}

/// Everything of [`TAMPERED`] and the like is found. `trail` gives a store with [`a_trail`] whose triggers are gone, and a way
/// to execute statements on its database; the first thing done to it must be found.
pub(crate) async fn tampering_is_found<K>(trail: impl AsyncFn() -> (K, Backend), execute: impl Fn(&K, &str)) {
    for (sql, number) in TAMPERED {
        let (keep, b) = trail().await;
        assert_eq!(first_broken(&b, &[]).await, (None, None));
        execute(&keep, sql);
        assert_eq!(first_broken(&b, &[]).await.0, Some(*number), "{sql}");
    }
    let (keep, b) = trail().await;
    SWAPPED.iter().for_each(|sql| execute(&keep, sql));
    assert_eq!(first_broken(&b, &[]).await, (Some(3), None), "the other chain is what it was");

    let (keep, b) = trail().await;
    let head = kept(&b, "acme").await;
    TRUNCATED.iter().for_each(|sql| execute(&keep, sql));
    assert_eq!(first_broken(&b, &[]).await, (None, None), "by itself it is a chain like any");
    assert_eq!(first_broken(&b, &[head]).await, (Some(5), None));
}

/// `sabotage` makes it impossible to write entries: then nothing that needs one happens.
pub(crate) async fn nothing_happens_unaudited(b: &Backend, sabotage: impl FnOnce()) {
    let own = scope("acme");
    let asked = b.enqueued().await;
    let failing = b.enqueued().await;
    let (done, _) = b.completed(b.claimed("w").await).await;
    assert_eq!(done.id, asked.id);
    b.jobs.fail(b.claimed("w").await.lease, &because(ErrorKind::Internal), KEEP).await.unwrap();
    let waiting = b.enqueued().await;
    let content = |name: &str| PresetContent { name: name.into(), dataset: "spans".into(), says: Default::default() };
    let preset = b.presets.create(&act(), &org("acme"), content("a")).await.unwrap();
    sabotage();
    b.jobs.enqueue(b.request("acme", "ada")).await.unwrap_err();
    b.jobs.cancel(&act(), &own, waiting.id).await.unwrap_err();
    b.jobs.retry(&act(), &own, failing.id, JobLimits::NONE).await.unwrap_err();
    b.artifacts.expire_now(&act(), &own, done.id).await.unwrap_err();
    b.presets.create(&act(), &org("acme"), content("b")).await.unwrap_err();
    b.presets.replace(&act(), &org("acme"), "a", 1, content("c")).await.unwrap_err();
    b.presets.delete(&act(), &org("acme"), "a", None).await.unwrap_err();
    b.audit.append(&org("acme"), &act(), &download("x")).await.unwrap_err();

    let jobs = b.jobs.list(&own, &crate::JobFilter { limit: 10, ..Default::default() }).await.unwrap();
    assert_eq!(jobs.total, 3);
    assert_eq!(b.job(waiting.id).await, waiting);
    assert!(b.job(failing.id).await.status == offtake_model::job::JobStatus::Failed);
    b.artifacts.ready(&own, done.id).await.unwrap();
    assert_eq!(b.presets.list(&org("acme")).await.unwrap(), [preset]);
    assert_eq!(whole(b.audit.as_ref(), "acme").await, 4);
}
