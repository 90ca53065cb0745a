//! One-time tokens.

use futures::future::join_all;
use jiff::SignedDuration;
use offtake_model::ErrorKind;
use offtake_model::id::JobId;
use offtake_model::job::Job;

use super::given::*;
use crate::tokens::{NewToken, TokenClaims, TokenPurpose, TokenState};

const HOUR: SignedDuration = SignedDuration::from_hours(1);
const TICK: SignedDuration = SignedDuration::from_micros(1);

fn digest(number: u8) -> [u8; 32] {
    [number; 32]
}

fn token(number: u8, job: JobId, subject: &str) -> NewToken {
    let claims = TokenClaims { org: org("acme"), subject: subject.into(), job, purpose: TokenPurpose::Download };
    NewToken { sha256: digest(number), claims, key_id: "0a1b2c3d".to_owned(), ttl: HOUR, by: by(subject) }
}

async fn a_file(b: &Backend) -> Job {
    b.enqueued().await;
    b.completed(b.claimed("w").await).await.0
}

pub(crate) async fn a_token_is_known_by_its_digest(b: &Backend) {
    let job = a_file(b).await.id;
    let new = token(1, job, "Ada \u{1F980}");
    let expires_at = b.tokens.issue(new.clone()).await.unwrap();
    assert_eq!(expires_at, b.now() + HOUR);
    let known = b.tokens.look(digest(1)).await.unwrap().expect("it is there");
    assert_eq!((known.claims, known.expires_at, known.state), (new.claims, expires_at, TokenState::Live));
    assert_eq!(b.tokens.look(digest(2)).await.unwrap(), None);
    assert_eq!(kind(b.tokens.spend(act(), digest(2)).await), ErrorKind::Gone);
}

pub(crate) async fn a_token_is_spent_once(b: &Backend) {
    let job = a_file(b).await.id;
    b.tokens.issue(token(1, job, "ada")).await.unwrap();
    b.tokens.issue(token(2, job, "bob")).await.unwrap();
    b.tokens.spend(act(), digest(1)).await.unwrap();
    let again = b.tokens.spend(act(), digest(1)).await.unwrap_err();
    assert_eq!(again.kind(), ErrorKind::Gone);
    assert!(again.detail().contains("used already"), "{again}");
    assert_eq!(b.tokens.look(digest(1)).await.unwrap().unwrap().state, TokenState::Spent);
    assert_eq!(b.tokens.look(digest(2)).await.unwrap().unwrap().state, TokenState::Live, "bob's is another one");
    // Once spent it stays so, also when its time is over.
    b.pass(HOUR);
    assert_eq!(b.tokens.look(digest(1)).await.unwrap().unwrap().state, TokenState::Spent);
}

pub(crate) async fn a_token_ends_by_the_clock_of_the_database(b: &Backend) {
    let job = a_file(b).await;
    b.tokens.issue(token(1, job.id, "ada")).await.unwrap();
    b.tokens.issue(token(2, job.id, "bob")).await.unwrap();
    b.pass(HOUR - TICK);
    b.tokens.spend(act(), digest(1)).await.unwrap();
    b.pass(TICK);
    let late = b.tokens.spend(act(), digest(2)).await.unwrap_err();
    assert!(late.kind() == ErrorKind::Gone && late.detail().contains("expired"), "{late}");
    assert_eq!(b.tokens.look(digest(2)).await.unwrap().unwrap().state, TokenState::Expired);
    // No token outlives the file.
    let new = NewToken { ttl: KEEP, ..token(3, job.id, "eve") };
    assert_eq!(Some(b.tokens.issue(new).await.unwrap()), job.expires_at);
}

pub(crate) async fn a_fresh_token_takes_the_place_of_the_one_before(b: &Backend) {
    let job = a_file(b).await.id;
    b.tokens.issue(token(1, job, "ada")).await.unwrap();
    b.tokens.issue(token(2, job, "bob")).await.unwrap();
    b.pass(TICK);
    assert_eq!(b.tokens.issue(token(3, job, "ada")).await.unwrap(), b.now() + HOUR, "its time begins anew");
    assert_eq!(b.tokens.look(digest(1)).await.unwrap(), None);
    assert_eq!(kind(b.tokens.spend(act(), digest(1)).await), ErrorKind::Gone);
    b.tokens.spend(act(), digest(2)).await.unwrap();
    b.tokens.spend(act(), digest(3)).await.unwrap();
    b.tokens.issue(token(4, job, "ada")).await.unwrap();
    b.tokens.spend(act(), digest(4)).await.unwrap();
    // Asked for at once, one of them is left.
    join_all((10..18).map(|number| b.tokens.issue(token(number, job, "ada")))).await.into_iter().for_each(|issued| {
        issued.unwrap();
    });
    let spent = join_all((10..18).map(|number| b.tokens.spend(act(), digest(number)))).await;
    assert_eq!(spent.iter().filter(|spent| spent.is_ok()).count(), 1);
}

pub(crate) async fn tokens_are_of_jobs_of_their_organization(b: &Backend) {
    let job = a_file(b).await.id;
    let mut foreign = token(1, job, "ada");
    foreign.claims.org = org("other");
    assert_eq!(kind(b.tokens.issue(foreign).await), ErrorKind::NotFound);
    assert_eq!(kind(b.tokens.issue(token(1, JobId::new(b.now()), "ada")).await), ErrorKind::NotFound);
    assert_eq!(b.tokens.look(digest(1)).await.unwrap(), None);
}

pub(crate) async fn of_many_who_spend_a_token_one_succeeds(b: &Backend) {
    let job = a_file(b).await.id;
    for number in 0..10 {
        b.tokens.issue(token(number, job, "ada")).await.unwrap();
        let spending: Vec<_> = (0..20)
            .map(|_| {
                let tokens = b.tokens.clone();
                tokio::spawn(async move { tokens.spend(act(), digest(number)).await })
            })
            .collect();
        let mut successes = 0;
        for spent in join_all(spending).await {
            match spent.unwrap() {
                Ok(()) => successes += 1,
                Err(error) => assert!(error.detail().contains("used already"), "{error}"),
            }
        }
        assert_eq!(successes, 1);
    }
}

pub(crate) async fn old_tokens_are_pruned(b: &Backend) {
    let job = a_file(b).await.id;
    b.tokens.issue(token(1, job, "ada")).await.unwrap();
    b.tokens.issue(NewToken { ttl: HOUR * 2, ..token(2, job, "bob") }).await.unwrap();
    b.pass(HOUR * 2);
    assert_eq!(b.tokens.prune_tokens(HOUR).await.unwrap(), 0, "not yet");
    b.pass(TICK);
    assert_eq!(b.tokens.prune_tokens(HOUR).await.unwrap(), 1);
    assert_eq!(b.tokens.look(digest(1)).await.unwrap(), None);
    assert_eq!(b.tokens.look(digest(2)).await.unwrap().unwrap().state, TokenState::Expired);
}

pub(crate) async fn a_token_goes_with_its_job(b: &Backend) {
    let (job, artifact) = {
        b.enqueued().await;
        b.completed(b.claimed("w").await).await
    };
    b.tokens.issue(token(1, job.id, "ada")).await.unwrap();
    b.artifacts.expire_now(&act(), &scope("acme"), job.id).await.unwrap();
    b.artifacts.mark_deleted(artifact.id).await.unwrap();
    b.pass(TICK);
    assert_eq!(b.jobs.prune(SignedDuration::ZERO).await.unwrap(), 1);
    assert_eq!(b.tokens.look(digest(1)).await.unwrap(), None);
}

pub(crate) async fn tokens_are_listed_and_taken_back(b: &Backend) {
    let job = a_file(b).await.id;
    for (number, subject) in [(1, "ada"), (2, "bob")] {
        b.tokens.issue(token(number, job, subject)).await.unwrap();
        b.pass(TICK);
    }
    b.tokens.spend(act(), digest(1)).await.unwrap();
    let listed = b.tokens.of_job(&org("acme"), job).await.unwrap();
    let seen: Vec<_> =
        listed.iter().map(|one| (one.claims.subject.as_str(), one.state, one.spent_at.is_some())).collect();
    assert_eq!(seen, [("bob", TokenState::Live, false), ("ada", TokenState::Spent, true)], "newest first");
    assert_eq!(listed[0].id, hex::encode(digest(2))[..16]);
    assert!(b.tokens.of_job(&org("bolt"), job).await.unwrap().is_empty());
    let revoke = async |whose: &str, id: &str| b.tokens.revoke(&by("ada"), &org(whose), job, id).await;
    assert_eq!(kind(revoke("bolt", &listed[0].id).await), ErrorKind::NotFound);
    assert_eq!(kind(revoke("acme", "0000000000000000").await), ErrorKind::NotFound);
    revoke("acme", &listed[0].id).await.unwrap();
    assert_eq!(kind(b.tokens.spend(act(), digest(2)).await), ErrorKind::Gone);
    assert_eq!(b.tokens.of_job(&org("acme"), job).await.unwrap(), listed[1..]);
}
