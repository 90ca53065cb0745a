//! Webhook endpoints.

use jiff::SignedDuration;
use offtake_model::ErrorKind;
use offtake_model::event::{EventType, NewEvent};
use offtake_model::id::{OrgId, WebhookId};
use offtake_model::webhook::{MOST_WEBHOOKS, SigningScheme, Webhook};

use super::Backend;
use super::given::{act, kind, org};
use crate::sealed::{Holder, Sealer};
use crate::webhooks::{NewWebhook, SealedKey, SigningKey, TEST_ALERT, WebhookChange};
use crate::{Channel, Notification, NotificationFilter};

pub(super) const URL: &str = "https://hooks.example.org/in?token=s3cr3t";

fn sealer() -> Sealer {
    Sealer::new(&[3; 32], &[]).unwrap()
}

fn key(scheme: SigningScheme) -> SealedKey {
    let (org, row) = (&org("acme"), "whk_1");
    SigningKey::generate(scheme).unwrap().seal(&sealer(), Holder { org, row }).unwrap()
}

fn new(b: &Backend) -> NewWebhook {
    NewWebhook {
        id: WebhookId::new(b.now()),
        url: URL.to_owned(),
        events: vec![EventType::CostThreshold, EventType::ExportJobStatus],
        description: "Für Ada 🦀".to_owned(),
        enabled: true,
        key: key(SigningScheme::Hmac),
    }
}

async fn made(b: &Backend, org: &OrgId) -> Webhook {
    b.webhooks.create(&act(), org, new(b)).await.unwrap()
}

pub(crate) async fn an_endpoint_is_kept_without_its_secrets(b: &Backend) {
    let acme = org("acme");
    let asked = new(b);
    let made = b.webhooks.create(&act(), &acme, asked.clone()).await.unwrap();
    assert_eq!((made.id, &made.url, &made.events), (asked.id, &asked.url, &asked.events));
    assert_eq!((made.created_by.as_str(), made.created_at, made.changed_at), ("ada", b.now(), b.now()));
    assert!(made.enabled && made.given_up == 0 && made.disabled_reason.is_none() && made.previous_until.is_none());
    assert_eq!((made.scheme, &made.public_key), (SigningScheme::Hmac, &None));
    assert_eq!(b.webhooks.get(&acme, made.id).await.unwrap(), made);
    b.pass(SignedDuration::from_secs(1));
    let other = NewWebhook { key: key(SigningScheme::Ed25519), enabled: false, events: vec![], ..new(b) };
    let public = other.key.public_key.clone();
    let other = b.webhooks.create(&act(), &acme, other).await.unwrap();
    assert!(public.is_some() && other.public_key == public && !other.enabled);
    assert_eq!(b.webhooks.list(&acme).await.unwrap(), [other, made.clone()]);
    let endpoint = b.webhooks.endpoint(&acme, made.id).await.unwrap().unwrap();
    assert_eq!((endpoint.url.as_str(), endpoint.enabled, endpoint.keys.len()), (URL, true, 1));
    assert_eq!(endpoint.keys[0], (SigningScheme::Hmac, asked.key.sealed));
    b.webhooks.delete(&act(), &acme, made.id).await.unwrap();
    assert_eq!(kind(b.webhooks.get(&acme, made.id).await), ErrorKind::NotFound);
    assert_eq!(kind(b.webhooks.delete(&act(), &acme, made.id).await), ErrorKind::NotFound);
    assert!(b.webhooks.endpoint(&acme, made.id).await.unwrap().is_none());
}

pub(crate) async fn an_endpoint_is_changed_in_parts(b: &Backend) {
    let acme = org("acme");
    let made = made(b, &acme).await;
    b.pass(SignedDuration::from_secs(1));
    let change = WebhookChange { description: Some("new".into()), ..WebhookChange::default() };
    let changed = b.webhooks.change(&act(), &acme, made.id, change).await.unwrap();
    let wanted = Webhook { description: "new".into(), changed_at: b.now(), ..made.clone() };
    assert_eq!(changed, wanted);
    let change =
        WebhookChange { events: Some(vec![EventType::SystemAlert]), enabled: Some(false), ..Default::default() };
    let changed = b.webhooks.change(&act(), &acme, made.id, change).await.unwrap();
    assert_eq!(changed, Webhook { events: vec![EventType::SystemAlert], enabled: false, ..wanted });
    assert_eq!(b.webhooks.get(&acme, made.id).await.unwrap(), changed);
}

pub(crate) async fn another_url_has_another_key(b: &Backend) {
    let acme = org("acme");
    let made = made(b, &acme).await;
    b.webhooks.rotate(&act(), &acme, made.id, key(SigningScheme::Hmac), SignedDuration::from_hours(1)).await.unwrap();
    let fresh = key(SigningScheme::Ed25519);
    let url = Some(("https://elsewhere.example.org/".to_owned(), fresh.clone()));
    let changed = b.webhooks.change(&act(), &acme, made.id, WebhookChange { url, ..Default::default() }).await.unwrap();
    assert_eq!((changed.scheme, &changed.public_key), (SigningScheme::Ed25519, &fresh.public_key));
    assert_eq!(changed.previous_until, None);
    let endpoint = b.webhooks.endpoint(&acme, made.id).await.unwrap().unwrap();
    assert_eq!(endpoint.url, "https://elsewhere.example.org/");
    assert_eq!(endpoint.keys, [(SigningScheme::Ed25519, fresh.sealed)], "no key of before signs for the new address");
}

pub(crate) async fn two_keys_sign_while_one_replaces_the_other(b: &Backend) {
    let acme = org("acme");
    let made = b.webhooks.create(&act(), &acme, new(b)).await.unwrap();
    let keys = async || b.webhooks.endpoint(&acme, made.id).await.unwrap().unwrap().keys;
    let first = keys().await.remove(0);
    let (second, third) = (key(SigningScheme::Ed25519), key(SigningScheme::Hmac));
    let hour = SignedDuration::from_hours(1);
    let rotated = b.webhooks.rotate(&act(), &acme, made.id, second.clone(), hour).await.unwrap();
    assert_eq!(rotated.previous_until, Some(b.now() + hour));
    let second = (SigningScheme::Ed25519, second.sealed);
    assert_eq!(keys().await, [second.clone(), first.clone()]);
    b.webhooks.rotate(&act(), &acme, made.id, third.clone(), hour).await.unwrap();
    let third = (SigningScheme::Hmac, third.sealed);
    assert_eq!(keys().await, [third.clone(), second], "one before the last is over");
    b.pass(hour);
    assert_eq!(keys().await, [third]);
    assert_eq!(b.webhooks.get(&acme, made.id).await.unwrap().previous_until, None);
    let none = WebhookId::new(b.now());
    let absent = b.webhooks.rotate(&act(), &acme, none, key(SigningScheme::Hmac), hour).await;
    assert_eq!(kind(absent), ErrorKind::NotFound);
}

pub(crate) async fn organizations_do_not_see_each_others_endpoints(b: &Backend) {
    let (acme, other) = (org("acme"), org("other"));
    let ours = made(b, &acme).await;
    let id = ours.id;
    assert_eq!(kind(b.webhooks.get(&other, id).await), ErrorKind::NotFound);
    assert!(b.webhooks.list(&other).await.unwrap().is_empty());
    let change = WebhookChange { enabled: Some(false), ..Default::default() };
    assert_eq!(kind(b.webhooks.change(&act(), &other, id, change).await), ErrorKind::NotFound);
    let rotated = b.webhooks.rotate(&act(), &other, id, key(SigningScheme::Hmac), SignedDuration::ZERO).await;
    assert_eq!(kind(rotated), ErrorKind::NotFound);
    assert_eq!(kind(b.webhooks.delete(&act(), &other, id).await), ErrorKind::NotFound);
    assert!(b.webhooks.endpoint(&other, id).await.unwrap().is_none());
    assert!(!b.webhooks.disable(&other, id, "no").await.unwrap());
    assert!(!b.webhooks.gave_up(&other, id, 1, "no").await.unwrap());
    assert_eq!(b.webhooks.get(&acme, id).await.unwrap(), ours);
}

pub(crate) async fn there_are_only_so_many_endpoints(b: &Backend) {
    let acme = org("acme");
    for _ in 1..MOST_WEBHOOKS {
        made(b, &acme).await;
    }
    let act = act();
    let all = futures::future::join_all((0..4).map(|_| b.webhooks.create(&act, &acme, new(b)))).await;
    assert_eq!(all.iter().filter(|one| one.is_ok()).count(), 1, "the last place is taken once");
    assert_eq!(kind(b.webhooks.create(&act, &acme, new(b)).await), ErrorKind::Conflict);
    made(b, &org("other")).await;
}

pub(crate) async fn who_gives_up_again_and_again_disables(b: &Backend) {
    let acme = org("acme");
    let made = made(b, &acme).await;
    let gave_up = async || b.webhooks.gave_up(&acme, made.id, 3, "nobody answers").await.unwrap();
    assert!(!gave_up().await && !gave_up().await);
    assert_eq!(b.webhooks.get(&acme, made.id).await.unwrap().given_up, 2);
    b.webhooks.arrived(&acme, made.id).await.unwrap();
    assert!(!gave_up().await && !gave_up().await, "what arrived begins the count anew");
    assert!(gave_up().await && !gave_up().await, "it is disabled once");
    let disabled = b.webhooks.get(&acme, made.id).await.unwrap();
    assert_eq!((disabled.enabled, disabled.disabled_reason.as_deref()), (false, Some("nobody answers")));
    assert!(!b.webhooks.endpoint(&acme, made.id).await.unwrap().unwrap().enabled);
    let change = WebhookChange { enabled: Some(true), ..Default::default() };
    let enabled = b.webhooks.change(&act(), &acme, made.id, change).await.unwrap();
    assert_eq!((enabled.enabled, enabled.disabled_reason, enabled.given_up), (true, None, 0));
}

pub(crate) async fn who_is_gone_is_disabled_once(b: &Backend) {
    let acme = org("acme");
    let made = made(b, &acme).await;
    assert!(b.webhooks.disable(&acme, made.id, "it answered 410").await.unwrap());
    assert!(!b.webhooks.disable(&acme, made.id, "again").await.unwrap());
    let disabled = b.webhooks.get(&acme, made.id).await.unwrap();
    assert_eq!(disabled.disabled_reason.as_deref(), Some("it answered 410"));
    assert!(!b.webhooks.disable(&acme, WebhookId::new(b.now()), "none").await.unwrap());
}

pub(crate) async fn keys_are_sealed_anew(b: &Backend) {
    let acme = org("acme");
    let made = made(b, &acme).await;
    b.webhooks.rotate(&act(), &acme, made.id, key(SigningScheme::Hmac), SignedDuration::from_hours(1)).await.unwrap();
    let kept = b.webhooks.sealed_keys().await.unwrap();
    assert_eq!(kept.len(), 2);
    let fresh = key(SigningScheme::Hmac).sealed;
    for one in &kept {
        assert_eq!((&one.org, one.id), (&acme, made.id));
    }
    b.webhooks.reseal(&kept[1], &fresh).await.unwrap();
    let keys = b.webhooks.endpoint(&acme, made.id).await.unwrap().unwrap().keys;
    assert_eq!((&keys[0].1, &keys[1].1), (&kept[0].sealed, &fresh));
    b.webhooks.reseal(&kept[1], &kept[0].sealed).await.unwrap();
    let again = b.webhooks.endpoint(&acme, made.id).await.unwrap().unwrap().keys;
    assert_eq!(again, keys, "what was replaced meanwhile stays");
}

pub(crate) async fn what_is_done_to_endpoints_is_told(b: &Backend) {
    let acme = org("acme");
    let made = made(b, &acme).await;
    let change = WebhookChange { enabled: Some(false), ..Default::default() };
    b.webhooks.change(&act(), &acme, made.id, change).await.unwrap();
    b.webhooks.rotate(&act(), &acme, made.id, key(SigningScheme::Hmac), SignedDuration::ZERO).await.unwrap();
    b.webhooks.delete(&act(), &acme, made.id).await.unwrap();
    let entries = b.audit.walk(&acme, 1, 10).await.unwrap();
    let told: Vec<_> = entries.iter().map(|entry| entry.action.as_str()).collect();
    assert_eq!(told, ["webhook.create", "webhook.change", "webhook.rotate", "webhook.delete"]);
    for entry in &entries {
        assert_eq!((entry.object_kind.as_str(), &entry.object_id), ("webhook", &made.id.to_string()));
        assert!(entry.detail.contains("hooks.example.org"), "{}", entry.detail);
        assert!(!entry.detail.contains("s3cr3t") && !entry.detail.contains("s1."), "{}", entry.detail);
    }
}

fn cost() -> NewEvent {
    NewEvent { kind: EventType::CostThreshold, job: None, owner: None, data: Default::default() }
}

async fn owed(b: &Backend, org: &OrgId) -> Vec<Notification> {
    let filter = NotificationFilter { channel: Some(Channel::Webhook), limit: 100, ..NotificationFilter::default() };
    b.outbox.notifications(org, &filter).await.unwrap()
}

pub(crate) async fn who_wants_an_event_is_owed_it(b: &Backend) {
    let (acme, other) = (org("acme"), org("other"));
    let wanting = made(b, &acme).await;
    b.webhooks.create(&act(), &acme, NewWebhook { enabled: false, ..new(b) }).await.unwrap();
    b.webhooks.create(&act(), &acme, NewWebhook { events: vec![EventType::SystemAlert], ..new(b) }).await.unwrap();
    made(b, &other).await;
    let event = b.events.append(&acme, cost()).await.unwrap();
    let told = owed(b, &acme).await;
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!((&told[0].address, &told[0].event), (&wanting.id.to_string(), &event));
    assert!(owed(b, &other).await.is_empty());
    let job = b.enqueued().await;
    let told = owed(b, &acme).await;
    assert_eq!(told.len(), 2, "a job that was asked for is an event");
    assert!(told.iter().any(|one| one.event.job == Some(job.id) && one.address == wanting.id.to_string()));
}

pub(crate) async fn what_is_disabled_is_told(b: &Backend) {
    let acme = org("acme");
    let alerted = NewWebhook { events: vec![EventType::SystemAlert], ..new(b) };
    let alerted = b.webhooks.create(&act(), &acme, alerted).await.unwrap();
    let (first, second) = (made(b, &acme).await, made(b, &acme).await);
    b.webhooks.disable(&acme, first.id, "it answered 410").await.unwrap();
    b.webhooks.disable(&acme, first.id, "again").await.unwrap();
    b.pass(SignedDuration::from_secs(1));
    b.webhooks.gave_up(&acme, second.id, 1, "nobody answers").await.unwrap();
    let told = owed(b, &acme).await;
    assert_eq!(told.len(), 2, "{told:?}");
    for (one, (webhook, why)) in told.iter().rev().zip([(&first, "410"), (&second, "nobody")]) {
        assert_eq!((one.event.kind, &one.address), (EventType::SystemAlert, &alerted.id.to_string()));
        assert_eq!(one.event.data["webhook_id"], webhook.id.to_string());
        let text = serde_json::to_string(&one.event.data).unwrap();
        assert!(text.contains(why) && text.contains("hooks.example.org") && !text.contains("s3cr3t"), "{text}");
    }
}

pub(crate) async fn a_test_is_owed_to_one(b: &Backend) {
    let acme = org("acme");
    let all = || NewWebhook { events: vec![EventType::SystemAlert], ..new(b) };
    let (tested, other) = (NewWebhook { enabled: false, ..all() }, all());
    let tested = b.webhooks.create(&act(), &acme, tested).await.unwrap();
    b.webhooks.create(&act(), &acme, other).await.unwrap();
    let id = b.webhooks.test(&act(), &acme, tested.id).await.unwrap();
    let told = owed(b, &acme).await;
    assert_eq!(told.len(), 1);
    assert_eq!((told[0].id, &told[0].address), (id, &tested.id.to_string()));
    assert_eq!(told[0].event.data["code"], TEST_ALERT);
    assert_eq!(kind(b.webhooks.test(&act(), &org("other"), tested.id).await), ErrorKind::NotFound);
}
