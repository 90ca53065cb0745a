//! Organizations take turns.

use std::collections::BTreeMap;

use jiff::SignedDuration;

use super::given::*;
use crate::{Claimed, Share, Take};

async fn ask(b: &Backend, org: &str) {
    b.jobs.enqueue(b.request(org, "ada")).await.unwrap();
    b.pass(SignedDuration::from_millis(1));
}

async fn take(b: &Backend, name: &str, take: Take) -> Option<Claimed> {
    b.pass(SignedDuration::from_millis(1));
    b.jobs.claim(&worker(name), take, LEASE).await.unwrap()
}

async fn next(b: &Backend) -> Claimed {
    take(b, "w1", Take::Any).await.expect("a job is due")
}

pub(crate) async fn the_first_job_of_an_organization_is_next(b: &Backend) {
    for _ in 0..200 {
        ask(b, "acme").await;
    }
    // One slot: what runs is over before the next is claimed.
    for _ in 0..3 {
        b.completed(next(b).await).await;
    }
    ask(b, "globex").await;
    let claimed = next(b).await;
    assert_eq!(claimed.job.org, org("globex"), "200 others wait longer");
    b.completed(claimed).await;
    assert_eq!(next(b).await.job.org, org("acme"));
}

pub(crate) async fn with_one_slot_they_alternate(b: &Backend) {
    for (org, jobs) in [("acme", 9), ("globex", 3), ("initech", 2)] {
        for _ in 0..jobs {
            ask(b, org).await;
        }
    }
    let mut order = String::new();
    for _ in 0..14 {
        let claimed = next(b).await;
        order.push_str(&claimed.job.org.as_str()[..1]);
        b.completed(claimed).await;
    }
    assert_eq!(order, "agiagiagaaaaaa");
    b.nothing_due().await;
}

pub(crate) async fn who_has_fewest_running_is_next(b: &Backend) {
    for _ in 0..10 {
        ask(b, "acme").await;
    }
    let mut held = vec![next(b).await, next(b).await, next(b).await];
    for _ in 0..5 {
        ask(b, "globex").await;
    }
    // Three of acme's run, on another worker at that: globex catches up,
    for expected in ["globex", "globex", "globex", "acme", "globex", "acme", "globex"] {
        let claimed = take(b, "w2", Take::Any).await.unwrap();
        assert_eq!(claimed.job.org, org(expected));
        held.push(claimed);
    }
    // and whose job ends is behind again.
    let position = held.iter().position(|held| held.job.org == org("acme")).unwrap();
    b.completed(held.remove(position)).await;
    assert_eq!(next(b).await.job.org, org("acme"));
}

pub(crate) async fn an_organization_leaves_a_slot_to_others(b: &Backend) {
    let shared = Take::Shared(Share { most: 1, even_alone: false });
    for _ in 0..6 {
        ask(b, "acme").await;
    }
    // Nobody else is known: it may have all.
    let first = take(b, "w1", shared).await.unwrap();
    let second = take(b, "w1", shared).await.unwrap();
    assert!(take(b, "w3", Take::Shared(Share { most: 1, even_alone: true })).await.is_some());
    assert!(take(b, "w3", Take::Shared(Share { most: 1, even_alone: true })).await.is_none(), "a strict worker");
    ask(b, "globex").await;
    let guest = take(b, "w1", shared).await.unwrap();
    assert_eq!(guest.job.org, org("globex"));
    b.completed(guest).await;
    // From here on a slot is kept free, by each worker of its own.
    b.completed(first).await;
    assert!(take(b, "w1", shared).await.is_none(), "one of acme's runs here");
    let elsewhere = take(b, "w2", shared).await.unwrap();
    assert_eq!(elsewhere.job.org, org("acme"));
    b.completed(second).await;
    assert!(take(b, "w1", shared).await.is_some());
}

pub(crate) async fn many_organizations_are_served_alike(b: &Backend) {
    for round in 0..3 {
        for number in 0..20 {
            // The first ones ask for more, and sooner.
            for _ in 0..if round == 0 { 20 - number } else { 1 } {
                ask(b, &format!("org-{number:02}")).await;
            }
        }
    }
    let mut served = BTreeMap::<String, u32>::new();
    for _ in 0..60 {
        let claimed = next(b).await;
        *served.entry(claimed.job.org.to_string()).or_default() += 1;
        b.completed(claimed).await;
    }
    assert_eq!(served.len(), 20);
    assert!(served.values().all(|jobs| *jobs == 3), "{served:?}");
}

pub(crate) async fn what_lost_its_worker_goes_on_first(b: &Backend) {
    ask(b, "acme").await;
    let lost = next(b).await;
    for number in 0..5 {
        ask(b, &format!("org-{number}")).await;
    }
    ask(b, "acme").await;
    b.pass(LEASE + SignedDuration::from_secs(1));
    b.jobs.rescue(MAX_DEATHS, KEEP).await.unwrap();
    assert_eq!(next(b).await.job.id, lost.job.id, "though acme was served last");
    assert_eq!(next(b).await.job.org, org("org-0"));
}

pub(crate) async fn an_organization_whose_jobs_are_not_due_is_passed_over(b: &Backend) {
    ask(b, "acme").await;
    let claimed = next(b).await;
    let delay = SignedDuration::from_mins(1);
    b.jobs.postpone(claimed.lease, &because(offtake_model::ErrorKind::SourceUnavailable), delay).await.unwrap();
    b.nothing_due().await;
    ask(b, "globex").await;
    assert_eq!(next(b).await.job.org, org("globex"));
    b.nothing_due().await;
    b.pass(delay);
    assert_eq!(next(b).await.job.org, org("acme"));
}
