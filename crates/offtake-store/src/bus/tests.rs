//! Buses with real servers behind them, which are killed, frozen and started again.

use std::time::{Duration, Instant};

use offtake_model::id::OrgId;
use offtake_testkit::{BusServer, eventually, within};

use super::remote::Pace;
use super::{Bus, BusKind, BusSettings, Heard, Hearing, Hint, HintKind, LocalBus, RemoteBus, lines};

const LIMIT: Duration = Duration::from_secs(20);
const QUICK: Pace = Pace {
    longest_pause: Duration::from_millis(400),
    patience: Duration::from_secs(1),
    beat: Duration::from_millis(200),
    silence: Duration::from_millis(900),
};

fn node(server: &BusServer, subject: &str) -> RemoteBus {
    let settings = BusSettings::parse(&server.url(), subject).expect("a bus");
    RemoteBus::start(lines::line(&settings), settings.kind(), QUICK)
}

fn both() -> [BusServer; 2] {
    [BusServer::nats(), BusServer::redis()]
}

fn hint(number: u64) -> Hint {
    Hint::of(HintKind::Events).in_org(&OrgId::new("acme").expect("a name")).up_to(number)
}

async fn connected(bus: &impl Bus, is: bool) {
    eventually(&format!("connected: {is}"), LIMIT, || async { (bus.health().connected == is).then_some(()) }).await;
}

async fn next(hearing: &mut Hearing) -> Heard {
    within("something is heard", LIMIT, hearing.next()).await.expect("the bus is there")
}

/// Hears until `wanted`. Returns what came before it.
async fn until(hearing: &mut Hearing, wanted: &Heard) -> Vec<Heard> {
    let mut before = Vec::new();
    loop {
        match next(hearing).await {
            heard if heard == *wanted => return before,
            heard => before.push(heard),
        }
    }
}

#[tokio::test]
async fn within_a_process_hints_are_heard_once_and_in_order() {
    let bus = LocalBus::default();
    let mut hearing = bus.subscribe();
    assert_eq!(next(&mut hearing).await, Heard::Missed, "what was before it");
    for number in 0..10 {
        bus.publish(hint(number));
    }
    for number in 0..10 {
        assert_eq!(next(&mut hearing).await, Heard::Hint(hint(number)));
    }
    // Whoever is too far behind looks at everything.
    for number in 0..super::BEHIND as u64 + 10 {
        bus.publish(hint(number));
    }
    assert_eq!(next(&mut hearing).await, Heard::Missed);
    assert_eq!(next(&mut hearing).await, Heard::Hint(hint(10)));
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_hear_each_other_once_and_nobody_elses_nodes() {
    for server in both() {
        let (one, two, foreign) = (node(&server, "ours"), node(&server, "ours"), node(&server, "theirs"));
        for bus in [&one, &two, &foreign] {
            connected(bus, true).await;
        }
        let mut hearings = [one.subscribe(), two.subscribe(), foreign.subscribe()];
        for hearing in &mut hearings {
            assert_eq!(next(hearing).await, Heard::Missed);
        }
        for number in 0..500 {
            one.publish(hint(number));
        }
        foreign.publish(hint(9999));
        for hearing in &mut hearings[..2] {
            for number in 0..500 {
                assert_eq!(next(hearing).await, Heard::Hint(hint(number)));
            }
        }
        two.publish(hint(1000));
        for hearing in &mut hearings[..2] {
            assert_eq!(next(hearing).await, Heard::Hint(hint(1000)), "its own came once, and the foreign one not at all");
        }
        assert_eq!(next(&mut hearings[2]).await, Heard::Hint(hint(9999)));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_dies_and_comes_back_costs_a_look() {
    for mut server in both() {
        let (one, two) = (node(&server, "ours"), node(&server, "ours"));
        let mut hearing = two.subscribe();
        connected(&one, true).await;
        connected(&two, true).await;
        one.publish(hint(1));
        until(&mut hearing, &Heard::Hint(hint(1))).await;
        server.kill();
        connected(&one, false).await;
        connected(&two, false).await;
        let began = Instant::now();
        for number in 0..100_000 {
            one.publish(hint(number));
        }
        assert!(began.elapsed() < Duration::from_secs(5), "nobody waits for a bus: {:?}", began.elapsed());
        assert!(one.health().dropped > 90_000, "what cannot be sent takes bounded memory");
        server.restart();
        let before = until(&mut hearing, &Heard::Missed).await;
        assert!(before.is_empty(), "nothing was heard while it was away: {before:?}");
        connected(&one, true).await;
        connected(&two, true).await;
        one.publish(hint(200_000));
        until(&mut hearing, &Heard::Hint(hint(200_000))).await;
    }
}

/// A connection that stands, and over which nothing comes, is given up.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_stands_still_is_noticed() {
    for mut server in both() {
        let one = node(&server, "ours");
        connected(&one, true).await;
        server.freeze();
        connected(&one, false).await;
        server.thaw();
        connected(&one, true).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_not_there_at_first_is_found_later() {
    for mut server in both() {
        server.kill();
        let one = node(&server, "ours");
        let mut hearing = one.subscribe();
        assert_eq!(next(&mut hearing).await, Heard::Missed);
        // Within the process hints are heard all the same.
        one.publish(hint(1));
        assert_eq!(next(&mut hearing).await, Heard::Hint(hint(1)));
        assert!(!one.health().connected);
        server.restart();
        connected(&one, true).await;
        assert_eq!(next(&mut hearing).await, Heard::Missed);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_keeps_out_and_is_not_told() {
    for server in both() {
        let url = server.url().replace(server.secret(), "quite-another-word");
        let settings = BusSettings::parse(&url, "ours").expect("a bus");
        let line = lines::line(&settings);
        let error = line.open(["a".to_owned(), "b".to_owned()]).await.err().expect("refused");
        let said = format!("{error} {error:?} {line:?}");
        assert!(!said.contains("quite-another-word"), "{said}");
        assert_eq!(error.kind(), offtake_model::ErrorKind::Unavailable);
    }
}

/// What a hint takes from one process to the other, with a server on the same machine.
#[tokio::test(flavor = "multi_thread")]
async fn hints_take_milliseconds() {
    for server in both() {
        let (one, two) = (node(&server, "ours"), node(&server, "ours"));
        connected(&one, true).await;
        connected(&two, true).await;
        let mut hearing = two.subscribe();
        next(&mut hearing).await;
        let mut took = Vec::new();
        for number in 0..200 {
            let began = Instant::now();
            one.publish(hint(number));
            until(&mut hearing, &Heard::Hint(hint(number))).await;
            took.push(began.elapsed());
        }
        took.sort();
        println!("{}: half of hints within {:?}, 99 of 100 within {:?}", one.health().kind.name(), took[100], took[198]);
        assert!(took[100] < Duration::from_millis(100), "{took:?}");
        assert!(matches!(one.health().kind, BusKind::Nats | BusKind::Redis));
    }
}
