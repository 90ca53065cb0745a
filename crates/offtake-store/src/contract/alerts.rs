//! Alert rules, what was counted for them, and who counts.

use jiff::SignedDuration;
use offtake_model::ErrorKind;
use offtake_model::alert::{AlertContent, AlertState, MOST_ALERTS, Reading, Spending, Unread, Usd};
use offtake_model::event::{EventType, NewEvent};
use offtake_model::id::AlertId;
use serde_json::{Map, json};

use super::given::*;
use crate::{AuditFilter, Counted, Tallied, Watch};

const HOLD: SignedDuration = SignedDuration::from_secs(15);

fn slow(name: &str) -> AlertContent {
    let body = json!({"kind": "metric", "name": name, "metric": "latency_p95", "window_seconds": 300,
        "direction": "above", "threshold": 2500.5, "filters": {"model": ["m", "n"]}});
    AlertContent::parse(body.as_object().unwrap()).unwrap()
}

fn month(amount: &str) -> AlertContent {
    let body = json!({"kind": "budget", "name": "Für Ada 🦀", "amount_usd": amount, "period": "month",
        "time_zone": "Europe/Vienna"});
    AlertContent::parse(body.as_object().unwrap()).unwrap()
}

async fn watch(b: &Backend, name: &str) -> Option<Watch> {
    b.alerts.watch(&worker(name), HOLD, None).await.unwrap()
}

async fn created(b: &Backend, content: AlertContent) -> AlertId {
    b.alerts.create(&by("ada"), &org("acme"), content).await.unwrap().id
}

fn tallied(alert: AlertId, slot: i64, tally: &str) -> Tallied {
    Tallied { alert, org: org("acme"), slot, tally: tally.to_owned() }
}

pub(crate) async fn a_rule_is_kept_as_it_is(b: &Backend) {
    let acme = org("acme");
    let first = b.alerts.create(&by("ada"), &acme, slow("slow")).await.unwrap();
    assert_eq!((first.version, first.created_by.as_str(), &first.state), (1, "ada", &AlertState::default()));
    b.pass(SignedDuration::from_secs(1));
    let second = b.alerts.create(&by("bob"), &acme, month("125.5")).await.unwrap();
    assert_eq!(b.alerts.get(&acme, first.id).await.unwrap(), first);
    assert_eq!(b.alerts.list(&acme).await.unwrap(), [first.clone(), second.clone()]);
    let changed = b.alerts.replace(&by("eve"), &acme, second.id, 1, month("200")).await.unwrap();
    assert_eq!((changed.version, changed.created_by.as_str()), (2, "bob"));
    assert_eq!(changed.content, month("200"));
    let late = b.alerts.replace(&by("eve"), &acme, second.id, 1, month("300")).await;
    assert_eq!(kind(late), ErrorKind::PreconditionFailed);
    assert_eq!(kind(b.alerts.delete(&by("eve"), &acme, second.id, Some(1)).await), ErrorKind::PreconditionFailed);
    b.alerts.delete(&by("eve"), &acme, second.id, Some(2)).await.unwrap();
    assert_eq!(kind(b.alerts.get(&acme, second.id).await), ErrorKind::NotFound);
    let trail = b.audit.list(&acme, &AuditFilter { limit: 10, ..AuditFilter::default() }).await.unwrap();
    let actions: Vec<&str> = trail.entries.iter().map(|entry| entry.action.as_str()).collect();
    assert_eq!(actions, ["alert.delete", "alert.change", "alert.create", "alert.create"]);
}

pub(crate) async fn organizations_do_not_see_each_others_rules(b: &Backend) {
    let (acme, other) = (org("acme"), org("other"));
    let ours = b.alerts.create(&by("ada"), &acme, slow("ours")).await.unwrap();
    assert_eq!(kind(b.alerts.get(&other, ours.id).await), ErrorKind::NotFound);
    assert_eq!(kind(b.alerts.replace(&by("eve"), &other, ours.id, 1, slow("theirs")).await), ErrorKind::NotFound);
    assert_eq!(kind(b.alerts.delete(&by("eve"), &other, ours.id, None).await), ErrorKind::NotFound);
    assert!(b.alerts.list(&other).await.unwrap().is_empty());
    for number in 1..MOST_ALERTS {
        b.alerts.create(&by("ada"), &acme, slow(&number.to_string())).await.unwrap();
    }
    assert_eq!(kind(b.alerts.create(&by("ada"), &acme, slow("more")).await), ErrorKind::Conflict);
    b.alerts.create(&by("eve"), &other, slow("theirs")).await.unwrap();
    let (_, watched) = b.alerts.watched().await.unwrap();
    assert_eq!(watched.len(), MOST_ALERTS as usize + 1, "who counts sees everybody's");
}

pub(crate) async fn one_counts_at_a_time(b: &Backend) {
    let first = watch(b, "one").await.expect("nobody counts");
    assert_eq!((first.position, first.seen_at, first.now), (None, None, b.now()));
    assert!(watch(b, "two").await.is_none());
    let again = watch(b, "one").await.expect("it is its own");
    assert!(again.follows(&first));
    assert_eq!(kind(b.alerts.note(&first, Counted::default()).await), ErrorKind::LeaseLost, "the right was renewed");
    b.pass(HOLD);
    let other = watch(b, "two").await.expect("it ran out");
    assert!(!other.follows(&first));
    assert_eq!(kind(b.alerts.note(&again, Counted::default()).await), ErrorKind::LeaseLost);
    b.alerts.unwatch(again).await.unwrap();
    assert!(watch(b, "one").await.is_none(), "who lost it cannot give it back");
    b.alerts.unwatch(other).await.unwrap();
    assert!(watch(b, "one").await.is_some());
}

pub(crate) async fn who_counts_writes_that_down_rarely(b: &Backend) {
    let again = async |name: &str, before: &Watch| b.alerts.watch(&worker(name), HOLD, Some(before)).await.unwrap();
    let first = watch(b, "one").await.unwrap();
    b.pass(HOLD / 3);
    let same = again("one", &first).await.unwrap();
    assert_eq!((same.fence, same.now), (first.fence, b.now()), "it still may");
    assert!(same.follows(&first) && again("two", &first).await.is_none());
    let (rules, _) = b.alerts.watched().await.unwrap();
    assert!(b.alerts.note(&same, Counted { rules, ..Counted::default() }).await.unwrap());
    b.pass(HOLD / 3);
    let renewed = again("one", &same).await.unwrap();
    assert!(renewed.fence == same.fence + 1 && renewed.follows(&same), "half of it is over");
    b.pass(HOLD / 3);
    assert!(again("two", &first).await.is_none(), "it was extended");
    // Another life of the same worker does not count on what this one knows.
    let other = watch(b, "one").await.unwrap();
    assert!(other.fence > renewed.fence);
    assert_eq!(kind(b.alerts.note(&renewed, Counted::default()).await), ErrorKind::LeaseLost);
}

pub(crate) async fn what_was_counted_is_written_down_whole(b: &Backend) {
    let (metric, budget) = (created(b, slow("slow")).await, created(b, month("10")).await);
    let held = watch(b, "one").await.unwrap();
    let (rules, _) = b.alerts.watched().await.unwrap();
    let state = AlertState { firing: true, since: Some(b.now()), value: Some(0.1 + 0.2), ..AlertState::default() };
    let event = NewEvent { kind: EventType::MetricThreshold, job: None, owner: None, data: Map::new() };
    let counted = Counted {
        rules,
        position: 77,
        seen_at: b.now(),
        tallies: vec![tallied(metric, -1, "a"), tallied(metric, 5, "b"), tallied(budget, 5, "c")],
        states: vec![(metric, state.clone())],
        events: vec![(org("acme"), event)],
        ..Counted::default()
    };
    let stale = Counted { rules: rules - 1, ..counted.clone() };
    assert!(!b.alerts.note(&held, stale).await.unwrap(), "a rule was changed since");
    assert_eq!(b.events.newest(&[org("acme")]).await.unwrap(), [(org("acme"), 0)]);
    assert!(b.alerts.note(&held, counted).await.unwrap());
    let again = Counted {
        rules,
        position: 78,
        seen_at: b.now(),
        tallies: vec![tallied(metric, 5, "bb")],
        over: vec![(metric, 5)],
        ..Counted::default()
    };
    assert!(b.alerts.note(&held, again).await.unwrap());
    let events = b.events.after(&org("acme"), 0, 10).await.unwrap();
    assert_eq!(events.iter().map(|event| event.kind).collect::<Vec<_>>(), [EventType::MetricThreshold]);
    assert_eq!(b.alerts.get(&org("acme"), metric).await.unwrap().state, state);
    let (_, watched) = b.alerts.watched().await.unwrap();
    let tallies = |id: AlertId| watched.iter().find(|one| one.alert.id == id).unwrap().tallies.clone();
    assert_eq!(tallies(metric), [(5, "bb".to_owned())]);
    assert_eq!(tallies(budget), [(5, "c".to_owned())]);
    let held = watch(b, "one").await.unwrap();
    assert_eq!((held.position, held.seen_at), (Some(78), Some(b.now())));
}

pub(crate) async fn what_is_counted_otherwise_begins_anew(b: &Backend) {
    let acme = org("acme");
    let (metric, budget) = (created(b, slow("slow")).await, created(b, month("10")).await);
    let held = watch(b, "one").await.unwrap();
    let (rules, _) = b.alerts.watched().await.unwrap();
    let reading = Some(Reading { upto: 7, next: noon(), spent: Usd::from_nanos(3) });
    let spending =
        Spending { from: noon(), to: noon(), spent: Usd::from_nanos(5), told: vec![50], complete: false, reading };
    let unread = Some(Unread { since: noon(), told: true });
    let of_budget = AlertState { spending: Some(spending.clone()), unread, ..AlertState::default() };
    let counted = Counted {
        rules,
        tallies: vec![tallied(metric, 1, "a"), tallied(budget, 1, "b")],
        states: vec![(metric, AlertState { firing: true, ..AlertState::default() }), (budget, of_budget.clone())],
        ..Counted::default()
    };
    assert!(b.alerts.note(&held, counted).await.unwrap());
    // Another threshold, another amount: what was counted is the same.
    let mut louder = slow("slow");
    if let offtake_model::alert::Rule::Metric(rule) = &mut louder.rule {
        rule.threshold = 9000.0;
    }
    assert!(b.alerts.replace(&by("ada"), &acme, metric, 1, louder).await.unwrap().state.firing);
    assert_eq!(b.alerts.replace(&by("ada"), &acme, budget, 1, month("20")).await.unwrap().state, of_budget);
    let (rules_now, watched) = b.alerts.watched().await.unwrap();
    assert_eq!((rules_now, watched.iter().map(|one| one.tallies.len()).sum::<usize>()), (rules + 2, 2));
    // Disabled: nobody counts, so nothing that was counted or read is of use; what was told stays told.
    let off = |content: AlertContent| AlertContent { enabled: false, ..content };
    assert!(!b.alerts.replace(&by("ada"), &acme, metric, 2, off(slow("slow"))).await.unwrap().state.firing);
    let paused = b.alerts.replace(&by("ada"), &acme, budget, 2, off(month("20"))).await.unwrap();
    assert_eq!(paused.state.spending, Some(Spending { reading: None, ..spending }));
    assert_eq!(paused.state.unread, unread);
    assert!(b.alerts.watched().await.unwrap().1.is_empty());
    let on = b.alerts.replace(&by("ada"), &acme, metric, 3, slow("slow")).await.unwrap();
    assert_eq!((on.version, b.alerts.watched().await.unwrap().1[0].tallies.len()), (4, 0));
}
