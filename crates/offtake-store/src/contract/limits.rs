//! How many exports may be asked for, however many ask at once.

use jiff::SignedDuration;
use offtake_model::limit::{Allowance, Policy};
use offtake_model::{Error, ErrorKind};

use super::given::*;
use crate::{Enqueued, Idempotency, JobLimits, NewJob};

const ACTIVE: JobLimits = JobLimits { active: 5, per_hour: 0, org_per_hour: 0 };

fn limited(b: &Backend, org: &str, owner: &str, limits: JobLimits) -> NewJob {
    NewJob { limits, ..b.request(org, owner) }
}

#[track_caller]
fn refused(outcome: offtake_model::Result<Enqueued>) -> Error {
    let error = outcome.expect_err("it must be refused");
    assert_eq!(error.kind(), ErrorKind::TooManyRequests, "{error}");
    error
}

fn left(allowances: &[Allowance], policy: Policy) -> u64 {
    allowances.iter().find(|one| one.policy == policy).expect("the limit is told").left
}

pub(crate) async fn fifty_at_once_do_not_pass_the_limit(b: &Backend) {
    let asking: Vec<_> = (0..50)
        .map(|number| {
            let (jobs, new) = (std::sync::Arc::clone(&b.jobs), limited(b, "acme", "ada", ACTIVE));
            // Some at the same time for somebody else, who has a limit of his own.
            let new = if number % 5 == 4 { NewJob { owner: "bob".to_owned(), ..new } } else { new };
            tokio::spawn(async move { (new.owner.clone(), jobs.enqueue(new).await) })
        })
        .collect();
    let mut made = std::collections::BTreeMap::<String, u32>::new();
    for asked in asking {
        match asked.await.unwrap() {
            (owner, Ok(enqueued)) => {
                assert!(enqueued.created);
                *made.entry(owner).or_default() += 1;
            }
            (_, error) => drop(refused(error)),
        }
    }
    assert_eq!(made, [("ada".to_owned(), 5), ("bob".to_owned(), 5)].into());
    assert_eq!(b.jobs.depth().await.unwrap().pending, 10);
}

pub(crate) async fn what_is_over_makes_room(b: &Backend) {
    let ask = || b.jobs.enqueue(limited(b, "acme", "ada", ACTIVE));
    let mut asked = Vec::new();
    for expected in (0..5).rev() {
        let enqueued = ask().await.unwrap();
        assert_eq!(left(&enqueued.allowances, Policy::ActiveExports), expected);
        asked.push(enqueued.job);
        b.pass(SignedDuration::from_millis(5));
    }
    let error = refused(ask().await);
    assert!(error.detail().starts_with("5 exports of this user"), "{error}");
    // It can be known without asking, by whom it concerns.
    let may_ask = async |owner| b.jobs.may_ask(&org("acme"), owner, ACTIVE).await;
    assert_eq!(may_ask("ada").await.unwrap_err().detail(), error.detail());
    assert!(may_ask("bob").await.is_ok());
    assert_eq!(left(&error.refused().unwrap().allowances, Policy::ActiveExports), 0);
    // One that runs is as active as one that waits,
    let running = b.claimed("w1").await;
    refused(ask().await);
    // nobody else is concerned,
    b.jobs.enqueue(limited(b, "acme", "bob", ACTIVE)).await.unwrap();
    b.jobs.enqueue(limited(b, "globex", "ada", ACTIVE)).await.unwrap();
    // and what is pinned takes nobody's slot.
    b.jobs.enqueue(NewJob { pinned_to: Some(worker("mine")), ..limited(b, "acme", "ada", ACTIVE) }).await.unwrap();
    b.completed(running).await;
    ask().await.unwrap();
    refused(ask().await);
    b.jobs.cancel(&act(), &scope("acme"), asked[4].id).await.unwrap();
    may_ask("ada").await.unwrap();
    ask().await.unwrap();
}

pub(crate) async fn a_known_key_is_answered_at_the_limit(b: &Backend) {
    let limits = JobLimits { active: 1, per_hour: 1, org_per_hour: 1 };
    let key = |key: &str| Some(Idempotency { key: key.to_owned(), fingerprint: "same".to_owned() });
    let ask = |name: &str| b.jobs.enqueue(NewJob { idempotency: key(name), ..limited(b, "acme", "ada", limits) });
    let first = ask("one").await.unwrap();
    let again = ask("one").await.unwrap();
    assert_eq!((again.job.id, again.created), (first.job.id, false));
    refused(ask("two").await);
}

pub(crate) async fn a_retry_becomes_active(b: &Backend) {
    let limits = JobLimits { active: 1, per_hour: 1, org_per_hour: 1 };
    let failed = b.enqueued().await;
    b.jobs.fail(b.claimed("w1").await.lease, &because(ErrorKind::Internal), KEEP).await.unwrap();
    let other = b.enqueued().await;
    let before = b.job(failed.id).await;
    let error = b.jobs.retry(&act(), &scope("acme"), failed.id, limits).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooManyRequests, "{error}");
    assert_eq!(b.job(failed.id).await, before);
    b.jobs.cancel(&act(), &scope("acme"), other.id).await.unwrap();
    // It asks for nothing new: the hour's limits are not for it.
    let (retried, allowances) = b.jobs.retry(&act(), &scope("acme"), failed.id, limits).await.unwrap();
    assert!(retried.status.is_active());
    assert_eq!(left(&allowances, Policy::ActiveExports), 0);
}

pub(crate) async fn an_hour_is_the_last_hour(b: &Backend) {
    let limits = JobLimits { active: 0, per_hour: 3, org_per_hour: 0 };
    let ask = |org: &str, owner: &str, limits| b.jobs.enqueue(limited(b, org, owner, limits));
    let began = b.now();
    for expected in (0..3).rev() {
        let enqueued = ask("acme", "ada", limits).await.unwrap();
        assert_eq!(left(&enqueued.allowances, Policy::ExportsOfUser), expected);
        // What was called off was asked for all the same.
        b.jobs.cancel(&act(), &scope("acme"), enqueued.job.id).await.unwrap();
        b.pass(SignedDuration::from_mins(10));
    }
    let error = refused(ask("acme", "ada", limits).await);
    let next = began + SignedDuration::from_hours(1);
    assert_eq!(SignedDuration::try_from(error.refused().unwrap().wait).unwrap(), next.duration_since(b.now()));
    assert!(error.detail().ends_with(&next.to_string()), "{error}");
    ask("acme", "bob", limits).await.unwrap();
    ask("globex", "ada", limits).await.unwrap();

    let whole = JobLimits { org_per_hour: 4, ..JobLimits::NONE };
    let error = refused(ask("acme", "eve", whole).await);
    assert!(error.detail().starts_with("this organization asked for 4"), "{error}");
    ask("globex", "eve", whole).await.unwrap();

    b.pass(SignedDuration::from_mins(30) - SignedDuration::from_millis(1));
    refused(ask("acme", "ada", limits).await);
    b.pass(SignedDuration::from_millis(1));
    ask("acme", "ada", limits).await.unwrap();
    refused(ask("acme", "ada", limits).await);
}
