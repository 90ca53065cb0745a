//! Principals, API keys, sessions, and what they mean for jobs that run.

use std::collections::BTreeSet;

use jiff::SignedDuration;
use offtake_model::ErrorKind;
use offtake_model::api_key::{Lifetime, MOST_API_KEYS, sub_of};
use offtake_model::id::ApiKeyId;
use offtake_model::job::{JobStatus, Phase};
use offtake_model::permission::{Permission, Permissions};
use offtake_model::principal::{Barred, Principal, PrincipalChange};

use super::given::*;
use crate::{ArtifactState, JobLimits, NewApiKey, NewJob, Signal, Stand, Take, reader_at};

const MINUTE: SignedDuration = SignedDuration::from_secs(60);

fn disabled(disabled: bool) -> PrincipalChange {
    PrincipalChange { disabled: Some(disabled), withheld: None }
}

fn withheld(permissions: &[Permission]) -> PrincipalChange {
    PrincipalChange { disabled: None, withheld: Some(permissions.iter().cloned().collect()) }
}

fn key(b: &Backend, maker: &str, lifetime: Lifetime) -> NewApiKey {
    NewApiKey {
        id: ApiKeyId::new(b.now()),
        name: "nightly".to_owned(),
        hash: "cd".repeat(32),
        permissions: Permissions::from_words(["exports:read", "datasets:trades"]),
        lifetime,
        created_by: maker.to_owned(),
    }
}

async fn barred(b: &Backend, sub: &str) -> Option<Barred> {
    b.principals.standing(&org("acme"), sub).await.unwrap().standing.barred
}

pub(crate) async fn a_principal_is_noted_as_it_is_seen(b: &Backend) {
    let acme = org("acme");
    assert_eq!(b.principals.standing(&acme, "ada").await.unwrap(), Stand::default());
    assert_eq!(kind(b.principals.get(&acme, "ada").await), ErrorKind::NotFound);
    b.principals.note(&acme, "ada", Some("ada@acme.example")).await.unwrap();
    let ada = b.principals.get(&acme, "ada").await.unwrap();
    assert_eq!((ada.first_seen_at, ada.last_seen_at), (Some(b.now()), Some(b.now())));
    assert_eq!((ada.sub.as_str(), ada.email.as_deref()), ("ada", Some("ada@acme.example")));
    assert_eq!((ada.disabled_at, ada.withheld), (None, BTreeSet::new()));
    let stand = b.principals.standing(&acme, "ada").await.unwrap();
    assert_eq!((stand.noted, stand.email.as_deref()), (true, Some("ada@acme.example")));
}

pub(crate) async fn an_address_is_somebodys_of_the_organization(b: &Backend) {
    let (acme, globex) = (org("acme"), org("globex"));
    for (org, sub, email) in
        [(&acme, "ada", "Ada@acme.example"), (&acme, "bob", "ada@ACME.example"), (&globex, "eve", "eve@globex.example")]
    {
        b.principals.note(org, sub, Some(email)).await.unwrap();
    }
    b.principals.note(&acme, "nobody", None).await.unwrap();
    let subs = async |org, email| {
        let known = b.principals.of_address(org, email).await.unwrap();
        known.into_iter().map(|known| known.sub).collect::<Vec<_>>()
    };
    assert_eq!(subs(&acme, "ada@acme.EXAMPLE").await, ["ada", "bob"]);
    assert!(subs(&acme, "eve@globex.example").await.is_empty(), "another organization's");
    assert!(subs(&acme, "").await.is_empty() && subs(&acme, "%").await.is_empty());

    let needed = [Permission::ExportsDownload];
    let reader = async |email| {
        reader_at(&*b.principals, &acme, email, ("cleo", Some("Cleo@acme.example")), &needed).await.unwrap()
    };
    assert_eq!(reader("cleo@acme.example").await.as_deref(), Some("cleo"), "whoever asks needs no row");
    assert_eq!(reader("ada@acme.example").await.as_deref(), Some("ada"));
    b.principals.change(&act(), &acme, "ada", &disabled(true)).await.unwrap();
    assert_eq!(reader("ada@acme.example").await.as_deref(), Some("bob"));
    let change = withheld(&[Permission::ExportsReadAll]);
    b.principals.change(&act(), &acme, "bob", &change).await.unwrap();
    assert_eq!(reader("ada@acme.example").await, None, "the export is another's");
    assert_eq!(reader("eve@globex.example").await, None);
    b.principals.change(&act(), &acme, "cleo", &disabled(true)).await.unwrap();
    assert_eq!(reader("cleo@acme.example").await, None);
}

pub(crate) async fn noting_it_again_waits_a_minute(b: &Backend) {
    let acme = org("acme");
    let begin = b.now();
    b.principals.note(&acme, "ada", None).await.unwrap();
    b.pass(MINUTE - SignedDuration::from_millis(1));
    b.principals.note(&acme, "ada", None).await.unwrap();
    assert_eq!(b.principals.get(&acme, "ada").await.unwrap().last_seen_at, Some(begin));
    b.principals.note(&acme, "ada", Some("new@acme.example")).await.unwrap();
    let changed = b.principals.get(&acme, "ada").await.unwrap();
    assert_eq!((changed.email.as_deref(), changed.last_seen_at), (Some("new@acme.example"), Some(b.now())));
    b.pass(MINUTE);
    assert!(!b.principals.standing(&acme, "ada").await.unwrap().noted);
    b.principals.note(&acme, "ada", None).await.unwrap();
    let later = b.principals.get(&acme, "ada").await.unwrap();
    assert_eq!((later.first_seen_at, later.last_seen_at), (Some(begin), Some(b.now())));
    assert_eq!(later.email.as_deref(), Some("new@acme.example"), "a token without an address takes none away");
}

pub(crate) async fn what_is_decided_holds_at_once(b: &Backend) {
    let acme = org("acme");
    let unseen = b.principals.change(&act(), &acme, "mallory", &disabled(true)).await.unwrap();
    assert_eq!((unseen.first_seen_at, unseen.disabled_at), (None, Some(b.now())));
    assert_eq!(barred(b, "mallory").await, Some(Barred::Disabled));
    b.pass(MINUTE);
    let again = b.principals.change(&act(), &acme, "mallory", &disabled(true)).await.unwrap();
    assert_eq!(again.disabled_at, unseen.disabled_at, "since when it was disabled first");
    let some = [Permission::ExportsCreate, Permission::Dataset("trades".to_owned())];
    let less = b.principals.change(&act(), &acme, "mallory", &withheld(&some)).await.unwrap();
    assert_eq!((less.disabled_at, &less.withheld), (unseen.disabled_at, &BTreeSet::from(some.clone())));
    b.principals.change(&act(), &acme, "mallory", &disabled(false)).await.unwrap();
    let stand = b.principals.standing(&acme, "mallory").await.unwrap();
    assert_eq!((stand.standing.barred, &stand.standing.withheld), (None, &BTreeSet::from(some)));
    b.principals.note(&acme, "mallory", None).await.unwrap();
    let seen = b.principals.get(&acme, "mallory").await.unwrap();
    assert_eq!((seen.first_seen_at, seen.withheld.len()), (Some(b.now()), 2), "coming changes nothing of it");
    b.principals.change(&act(), &acme, "mallory", &withheld(&[])).await.unwrap();
    assert!(b.principals.standing(&acme, "mallory").await.unwrap().standing.withheld.is_empty());
}

pub(crate) async fn principals_are_listed_in_pages(b: &Backend) {
    let acme = org("acme");
    for sub in ["Zoë", "ada", "bob", "auth0|7", "x/y z"] {
        b.principals.note(&acme, sub, None).await.unwrap();
    }
    let mut seen = Vec::new();
    loop {
        let after = seen.last().cloned();
        let (page, more) = b.principals.list(&acme, after.as_deref(), 2).await.unwrap();
        seen.extend(page.into_iter().map(|one| one.sub));
        if !more {
            break;
        }
    }
    assert_eq!(seen, ["Zoë", "ada", "auth0|7", "bob", "x/y z"], "by their bytes, each once");
}

pub(crate) async fn nobody_sees_another_organizations_principals(b: &Backend) {
    let (acme, other) = (org("acme"), org("other"));
    b.principals.note(&acme, "ada", None).await.unwrap();
    b.principals.change(&act(), &acme, "ada", &disabled(true)).await.unwrap();
    assert_eq!(kind(b.principals.get(&other, "ada").await), ErrorKind::NotFound);
    assert!(b.principals.list(&other, None, 9).await.unwrap().0.is_empty());
    assert_eq!(b.principals.standing(&other, "ada").await.unwrap(), Stand::default());
    b.principals.change(&act(), &other, "ada", &withheld(&[Permission::Admin])).await.unwrap();
    assert!(b.principals.get(&acme, "ada").await.unwrap().withheld.is_empty());
}

pub(crate) async fn a_key_is_kept_without_the_key(b: &Backend) {
    let acme = org("acme");
    let new = key(b, "ada", Lifetime::Unlimited);
    let made = b.api_keys.create(&act(), &acme, new.clone()).await.unwrap();
    assert_eq!((made.id, &made.name, &made.permissions), (new.id, &new.name, &new.permissions));
    assert_eq!((made.created_by.as_str(), made.created_at, made.expires_at), ("ada", b.now(), None));
    assert_eq!((made.revoked_at, made.last_used_at), (None, None));
    assert_eq!(b.api_keys.get(&acme, new.id).await.unwrap(), made);
    let shown = b.api_keys.shown(new.id).await.unwrap().expect("it is there");
    assert_eq!((shown.org, shown.hash, shown.permissions), (acme.clone(), new.hash, new.permissions));
    assert_eq!((shown.created_by.as_str(), shown.expired, shown.stand), ("ada", false, Stand::default()));
    assert_eq!(b.api_keys.shown(ApiKeyId::new(b.now())).await.unwrap(), None);
    b.principals.note(&acme, &sub_of(new.id), None).await.unwrap();
    assert_eq!(b.api_keys.get(&acme, new.id).await.unwrap().last_used_at, Some(b.now()));
}

pub(crate) async fn a_key_ends_by_the_databases_clock(b: &Backend) {
    let acme = org("acme");
    let short = b.api_keys.create(&act(), &acme, key(b, "ada", Lifetime::For(MINUTE))).await.unwrap();
    assert_eq!(short.expires_at, Some(b.now() + MINUTE));
    let until = b.api_keys.create(&act(), &acme, key(b, "ada", Lifetime::Until(b.now() + MINUTE))).await.unwrap();
    for late in [Lifetime::Until(b.now()), Lifetime::For(SignedDuration::ZERO), Lifetime::For(-MINUTE)] {
        assert_eq!(kind(b.api_keys.create(&act(), &acme, key(b, "ada", late)).await), ErrorKind::InvalidRequest);
    }
    for id in [short.id, until.id] {
        assert!(!b.api_keys.shown(id).await.unwrap().expect("it is there").expired);
    }
    b.pass(MINUTE);
    for id in [short.id, until.id] {
        assert!(b.api_keys.shown(id).await.unwrap().expect("it is there").expired);
    }
    assert_eq!(barred(b, &sub_of(short.id)).await, None, "what it asked for in time may go on, as with a token");
}

pub(crate) async fn a_revoked_key_stays_known(b: &Backend) {
    let acme = org("acme");
    let made = b.api_keys.create(&act(), &acme, key(b, "ada", Lifetime::Unlimited)).await.unwrap();
    b.api_keys.revoke(&act(), &acme, made.id).await.unwrap();
    let (when, standing) = (b.now(), b.api_keys.shown(made.id).await.unwrap().expect("it is there").stand.standing);
    assert_eq!(standing.barred, Some(Barred::KeyRevoked));
    assert_eq!(barred(b, &sub_of(made.id)).await, Some(Barred::KeyRevoked));
    b.pass(MINUTE);
    b.api_keys.revoke(&act(), &acme, made.id).await.unwrap();
    assert_eq!(b.api_keys.get(&acme, made.id).await.unwrap().revoked_at, Some(when));
    assert_eq!(barred(b, &sub_of(ApiKeyId::new(b.now()))).await, Some(Barred::KeyRevoked), "a key that never was");
    assert_eq!(kind(b.api_keys.revoke(&act(), &acme, ApiKeyId::new(b.now())).await), ErrorKind::NotFound);
}

pub(crate) async fn a_key_stands_with_its_maker(b: &Backend) {
    let acme = org("acme");
    let made = b.api_keys.create(&act(), &acme, key(b, "ada", Lifetime::Unlimited)).await.unwrap();
    let sub = sub_of(made.id);
    b.principals.change(&act(), &acme, "ada", &withheld(&[Permission::ExportsRead])).await.unwrap();
    b.principals.change(&act(), &acme, &sub, &withheld(&[Permission::TracesRead])).await.unwrap();
    let expected = BTreeSet::from([Permission::ExportsRead, Permission::TracesRead]);
    assert_eq!(b.principals.standing(&acme, &sub).await.unwrap().standing.withheld, expected);
    assert_eq!(b.api_keys.shown(made.id).await.unwrap().expect("it is there").stand.standing.withheld, expected);
    b.principals.change(&act(), &acme, "ada", &disabled(true)).await.unwrap();
    assert_eq!(barred(b, &sub).await, Some(Barred::MakerDisabled));
    b.principals.change(&act(), &acme, "ada", &disabled(false)).await.unwrap();
    assert_eq!(barred(b, &sub).await, None);
    b.principals.change(&act(), &acme, &sub, &disabled(true)).await.unwrap();
    assert_eq!(barred(b, &sub).await, Some(Barred::Disabled));
}

pub(crate) async fn keys_are_the_organizations_own(b: &Backend) {
    let (acme, other) = (org("acme"), org("other"));
    let mut made = Vec::new();
    for _ in 0..3 {
        made.push(b.api_keys.create(&act(), &acme, key(b, "ada", Lifetime::Unlimited)).await.unwrap().id);
        b.pass(SignedDuration::from_millis(5));
    }
    let (page, more) = b.api_keys.list(&acme, None, 2).await.unwrap();
    assert_eq!((page.iter().map(|key| key.id).collect::<Vec<_>>(), more), (vec![made[2], made[1]], true));
    let (page, more) = b.api_keys.list(&acme, Some(made[1]), 2).await.unwrap();
    assert_eq!((page.iter().map(|key| key.id).collect::<Vec<_>>(), more), (vec![made[0]], false));
    assert!(b.api_keys.list(&other, None, 9).await.unwrap().0.is_empty());
    assert_eq!(kind(b.api_keys.get(&other, made[0]).await), ErrorKind::NotFound);
    assert_eq!(kind(b.api_keys.revoke(&act(), &other, made[0]).await), ErrorKind::NotFound);
    assert_eq!(b.api_keys.get(&acme, made[0]).await.unwrap().revoked_at, None);
}

pub(crate) async fn there_are_only_so_many_keys(b: &Backend) {
    let acme = org("acme");
    for _ in 0..MOST_API_KEYS {
        b.api_keys.create(&act(), &acme, key(b, "ada", Lifetime::Unlimited)).await.unwrap();
    }
    assert_eq!(kind(b.api_keys.create(&act(), &acme, key(b, "ada", Lifetime::Unlimited)).await), ErrorKind::Conflict);
    let one = b.api_keys.list(&acme, None, 1).await.unwrap().0[0].id;
    b.api_keys.revoke(&act(), &acme, one).await.unwrap();
    b.api_keys.create(&act(), &acme, key(b, "ada", Lifetime::Unlimited)).await.unwrap();
}

fn visitor() -> Principal {
    Principal {
        org: org("acme"),
        sub: "visitor".to_owned(),
        email: Some("v@acme.example".to_owned()),
        permissions: Permissions::from_words(["all", "operator"]),
    }
}

pub(crate) async fn a_ticket_opens_one_session(b: &Backend) {
    let hours = SignedDuration::from_hours(12);
    let ends = b.sessions.offer(&act(), "ticket", &visitor(), MINUTE).await.unwrap();
    assert_eq!(ends, b.now() + MINUTE);
    let names: Vec<String> = (0..8).map(|number| format!("session {number}")).collect();
    let visit = act();
    let all = names.iter().map(|session| b.sessions.open(&visit, "ticket", session, hours));
    let all = futures::future::join_all(all).await;
    let opened: Vec<_> = all.iter().flatten().collect();
    assert_eq!(opened.len(), 1, "at once, one of them gets it");
    assert_eq!((&opened[0].principal, opened[0].expires_at), (&visitor(), b.now() + hours));
    assert!(all.into_iter().filter_map(Result::err).all(|error| error.kind() == ErrorKind::Gone));
    assert_eq!(kind(b.sessions.open(&act(), "no ticket", "s", hours).await), ErrorKind::Gone);
    b.sessions.offer(&act(), "late", &visitor(), MINUTE).await.unwrap();
    b.pass(MINUTE);
    assert_eq!(kind(b.sessions.open(&act(), "late", "s", hours).await), ErrorKind::Gone);
}

pub(crate) async fn a_session_ends_by_itself_and_by_hand(b: &Backend) {
    let (hours, idle) = (SignedDuration::from_hours(12), SignedDuration::from_hours(2));
    let open = async |name: &str| {
        b.sessions.offer(&act(), "ticket", &visitor(), MINUTE).await.unwrap();
        b.sessions.open(&act(), "ticket", name, hours).await.unwrap()
    };
    let opened = open("a").await;
    let (found, stand) = b.sessions.get("a", idle).await.unwrap().expect("it is open");
    assert_eq!((found, stand), (opened, Stand::default()));
    b.principals.change(&act(), &org("acme"), "visitor", &disabled(true)).await.unwrap();
    let (_, stand) = b.sessions.get("a", idle).await.unwrap().expect("it is open");
    assert_eq!(stand.standing.barred, Some(Barred::Disabled));
    b.pass(idle);
    assert_eq!(b.sessions.get("a", idle).await.unwrap(), None, "nobody used it");
    open("b").await;
    for _ in 0..7 {
        b.pass(idle - MINUTE);
        if b.sessions.get("b", idle).await.unwrap().is_some() {
            b.sessions.note("b").await.unwrap();
        }
    }
    assert_eq!(b.sessions.get("b", idle).await.unwrap(), None, "its time is over, however much it is used");
    open("c").await;
    b.sessions.close(&act(), "c").await.unwrap();
    b.sessions.close(&act(), "c").await.unwrap();
    assert_eq!(b.sessions.get("c", idle).await.unwrap(), None);
}

pub(crate) async fn a_running_job_hears_that_it_is_revoked(b: &Backend) {
    let acme = org("acme");
    b.enqueued().await;
    let claimed = b.claimed("w1").await;
    let lease = &claimed.lease;
    assert_eq!(b.jobs.signal(lease).await.unwrap(), Signal::Continue);
    // What the job does not need is nothing to it, nor is anybody else.
    b.principals.change(&act(), &acme, "ada", &withheld(&[Permission::SpansWrite])).await.unwrap();
    b.principals.change(&act(), &acme, "bob", &disabled(true)).await.unwrap();
    b.principals.change(&act(), &org("other"), "ada", &disabled(true)).await.unwrap();
    assert_eq!(b.jobs.signal(lease).await.unwrap(), Signal::Continue);
    for change in [withheld(&[Permission::TracesRead]), withheld(&[Permission::ExportsCreate]), disabled(true)] {
        b.principals.change(&act(), &acme, "ada", &change).await.unwrap();
        assert_eq!(b.jobs.signal(lease).await.unwrap(), Signal::Revoked, "{change:?}");
        let beat = b.jobs.heartbeat(lease, Phase::Exporting, &progress(1), LEASE).await.unwrap();
        assert_eq!(beat, Signal::Revoked, "{change:?}");
    }
    b.principals
        .change(&act(), &acme, "ada", &PrincipalChange { disabled: Some(false), ..withheld(&[]) })
        .await
        .unwrap();
    assert_eq!(b.jobs.signal(lease).await.unwrap(), Signal::Continue);
    let pinned = NewJob { pinned_to: Some(worker("mine")), ..b.request("acme", "bob") };
    b.jobs.enqueue(pinned).await.unwrap();
    let local = b.jobs.claim(&worker("mine"), Take::Pinned, LEASE).await.unwrap().expect("it is due");
    assert_eq!(b.jobs.signal(&local.lease).await.unwrap(), Signal::Continue, "whoever runs it here may");
}

pub(crate) async fn nothing_is_published_for_who_may_not_have_it(b: &Backend) {
    b.enqueued().await;
    let claimed = b.claimed("w1").await;
    let artifact = b.staged(&claimed.lease).await;
    b.jobs.save_plan(&claimed.lease, &plan(200)).await.unwrap();
    b.jobs.save_checkpoint(&claimed.lease, &checkpoint(artifact.id, 2), &progress(128)).await.unwrap();
    b.principals.change(&act(), &org("acme"), "ada", &withheld(&[Permission::TracesRead])).await.unwrap();
    let receipt = b.receipt(&claimed.job, 200);
    let job = b.jobs.complete(claimed.lease, artifact.id, &receipt, &usage(), KEEP).await.unwrap();
    assert_eq!((job.status, job.error.as_ref().map(|error| error.code)), (JobStatus::Failed, Some(ErrorKind::Revoked)));
    assert!(job.error.is_some_and(|error| error.message.contains("traces:read")));
    assert_eq!(b.artifacts.by_id(artifact.id).await.unwrap().state, ArtifactState::Staged);
    assert_eq!(kind(b.artifacts.ready(&scope("acme"), job.id).await), ErrorKind::Conflict);
    assert_eq!(b.disposable().await, [artifact.id], "nothing keeps its bytes");
    // Once it is allowed again, it begins anew.
    b.principals.change(&act(), &org("acme"), "ada", &withheld(&[])).await.unwrap();
    b.jobs.retry(&act(), &scope("acme"), job.id, JobLimits::NONE).await.unwrap();
    let again = b.claimed("w1").await;
    assert_eq!((again.plan, again.checkpoint), (None, None));
}

pub(crate) async fn what_a_revoked_key_asked_for_ends(b: &Backend) {
    let acme = org("acme");
    let key = b.api_keys.create(&act(), &acme, key(b, "ada", Lifetime::For(MINUTE))).await.unwrap();
    b.jobs.enqueue(b.request("acme", &sub_of(key.id))).await.unwrap();
    let claimed = b.jobs.claim(&worker("w1"), Take::Any, LEASE).await.unwrap().expect("it is due");
    b.pass(MINUTE);
    assert_eq!(b.jobs.signal(&claimed.lease).await.unwrap(), Signal::Continue, "it asked in time");
    b.principals.change(&act(), &acme, "ada", &disabled(true)).await.unwrap();
    assert_eq!(b.jobs.signal(&claimed.lease).await.unwrap(), Signal::Revoked);
    b.principals.change(&act(), &acme, "ada", &disabled(false)).await.unwrap();
    assert_eq!(b.jobs.signal(&claimed.lease).await.unwrap(), Signal::Continue);
    b.api_keys.revoke(&act(), &acme, key.id).await.unwrap();
    assert_eq!(b.jobs.signal(&claimed.lease).await.unwrap(), Signal::Revoked);
}
