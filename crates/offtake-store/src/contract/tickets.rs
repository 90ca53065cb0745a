//! Tickets for live sockets.

use futures::future::join_all;
use jiff::SignedDuration;
use offtake_model::ErrorKind;
use offtake_model::permission::Permissions;
use offtake_model::principal::Principal;

use super::given::*;
use crate::tickets::Pass;

const TTL: SignedDuration = SignedDuration::from_secs(30);
const TICK: SignedDuration = SignedDuration::from_micros(1);

fn pass(name: &str, sub: &str) -> Pass {
    let permissions = Permissions::from_words(["traces:read", "role:viewer"]);
    let principal = Principal { org: org(name), sub: sub.to_owned(), email: None, permissions };
    Pass { principal, until: None, session: None }
}

pub(crate) async fn a_ticket_comes_back_as_it_was_made(b: &Backend) {
    let plain = pass("acme", "ada");
    let email = Some("eve@example.org".to_owned());
    let principal = Principal { email, ..pass("other", "eve \u{1F980}").principal };
    let full = Pass { principal, until: Some(b.now() + TICK), session: Some("fingerprint".to_owned()) };
    assert_eq!(b.tickets.issue("one", &plain, TTL).await.unwrap(), b.now() + TTL);
    b.tickets.issue("two", &full, TTL).await.unwrap();
    assert_eq!(b.tickets.spend("two").await.unwrap(), full);
    assert_eq!(b.tickets.spend("one").await.unwrap(), plain);
    assert_eq!(kind(b.tickets.spend("one").await), ErrorKind::Gone);
    assert_eq!(kind(b.tickets.spend("three").await), ErrorKind::Gone);
}

pub(crate) async fn of_fifty_who_spend_a_ticket_one_succeeds(b: &Backend) {
    b.tickets.issue("one", &pass("acme", "ada"), TTL).await.unwrap();
    let spending = (0..50).map(|_| {
        let tickets = b.tickets.clone();
        tokio::spawn(async move { tickets.spend("one").await })
    });
    let spent: Vec<_> = join_all(spending).await.into_iter().map(Result::unwrap).collect();
    assert_eq!(spent.iter().filter(|spent| spent.is_ok()).count(), 1);
    assert!(spent.into_iter().filter_map(Result::err).all(|error| error.kind() == ErrorKind::Gone));
}

pub(crate) async fn a_ticket_ends_by_the_clock_of_the_database(b: &Backend) {
    b.tickets.issue("one", &pass("acme", "ada"), TTL).await.unwrap();
    b.tickets.issue("two", &pass("other", "bob"), TTL).await.unwrap();
    b.pass(TTL - TICK);
    b.tickets.spend("one").await.unwrap();
    b.pass(TICK);
    assert_eq!(kind(b.tickets.spend("two").await), ErrorKind::Gone);
}
