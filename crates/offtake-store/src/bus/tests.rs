//! Buses with real servers behind them, which are killed, frozen and started again.

use std::sync::Arc;
use std::time::{Duration, Instant};

use offtake_model::event::{EventType, NewEvent};
use offtake_model::id::OrgId;
use offtake_testkit::{BusServer, PgVersion, Postgres, eventually, within};
use serde_json::Map;
use tokio::sync::broadcast::{Receiver, error::RecvError};

use super::carry::Pace;
use super::{Bus, BusSettings, lines};
use crate::hints::{Hint, Hints};
use crate::{Events, PostgresStore};

const LIMIT: Duration = Duration::from_secs(20);
const QUICK: Pace = Pace {
    longest_pause: Duration::from_millis(400),
    patience: Duration::from_secs(1),
    beat: Duration::from_millis(200),
    silence: Duration::from_millis(900),
};

/// A process, as far as the bus knows it.
struct Node {
    bus: Bus,
    hints: Arc<Hints>,
    heard: Receiver<Hint>,
}

impl Node {
    fn at(server: &BusServer, subject: &str) -> Self {
        Self::with(server, subject, Arc::default())
    }

    fn with(server: &BusServer, subject: &str, hints: Arc<Hints>) -> Self {
        let settings = BusSettings::parse(&server.url(), subject).expect("a bus");
        let heard = hints.listen();
        let bus = Bus::over(lines::line(&settings), settings.kind(), Arc::clone(&hints), QUICK);
        Self { bus, hints, heard }
    }

    async fn connected(&self, is: bool) {
        let what = format!("{}: connected: {is}", self.bus.carrier().place());
        eventually(&what, LIMIT, || async { (self.bus.carrier().is_connected() == is).then_some(()) }).await;
    }

    async fn next(&mut self) -> Hint {
        match within("something is heard", LIMIT, self.heard.recv()).await {
            Ok(hint) => hint,
            Err(RecvError::Lagged(_)) => Hint::Missed,
            Err(RecvError::Closed) => panic!("the hints are gone"),
        }
    }

    /// Hears until `wanted`. Returns what came before it.
    async fn until(&mut self, wanted: &Hint) -> Vec<Hint> {
        let mut before = Vec::new();
        loop {
            match self.next().await {
                heard if heard == *wanted => return before,
                heard => before.push(heard),
            }
        }
    }
}

fn both() -> [BusServer; 2] {
    [BusServer::nats(), BusServer::redis()]
}

fn hint(seq: u64) -> Hint {
    Hint::Event { org: OrgId::new("acme / Zürich").expect("a name"), seq, job: None, owed: false }
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_hear_each_other_once_and_nobody_elses_nodes() {
    for server in both() {
        let mut nodes = [Node::at(&server, "ours"), Node::at(&server, "ours"), Node::at(&server, "theirs")];
        for node in &mut nodes {
            node.connected(true).await;
            assert_eq!(node.next().await, Hint::Missed, "whatever was before it");
        }
        for seq in 0..500 {
            nodes[0].hints.tell(hint(seq));
        }
        nodes[2].hints.tell(hint(9999));
        for node in &mut nodes[..2] {
            for seq in 0..500 {
                assert_eq!(node.next().await, hint(seq));
            }
        }
        nodes[1].hints.tell(hint(1000));
        for node in &mut nodes[..2] {
            assert_eq!(node.next().await, hint(1000), "its own came once, and the foreign one not at all");
        }
        assert_eq!(nodes[2].next().await, hint(9999));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_dies_and_comes_back_costs_a_look() {
    for mut server in both() {
        let (one, mut two) = (Node::at(&server, "ours"), Node::at(&server, "ours"));
        one.connected(true).await;
        two.connected(true).await;
        one.hints.tell(hint(1));
        two.until(&hint(1)).await;
        server.kill();
        one.connected(false).await;
        two.connected(false).await;
        let began = Instant::now();
        for seq in 0..100_000 {
            one.hints.tell(hint(seq));
        }
        assert!(began.elapsed() < Duration::from_secs(5), "nobody waits for a bus: {:?}", began.elapsed());
        server.restart();
        let before = two.until(&Hint::Missed).await;
        assert!(before.is_empty(), "nothing was heard while it was away: {before:?}");
        one.connected(true).await;
        two.connected(true).await;
        one.hints.tell(hint(200_000));
        two.until(&hint(200_000)).await;
    }
}

/// A connection that stands, and over which nothing comes, is given up.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_stands_still_is_noticed() {
    for mut server in both() {
        let node = Node::at(&server, "ours");
        node.connected(true).await;
        server.freeze();
        node.connected(false).await;
        server.thaw();
        node.connected(true).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_not_there_at_first_is_found_later() {
    for mut server in both() {
        server.kill();
        let mut node = Node::at(&server, "ours");
        // Within the process hints are heard all the same.
        node.hints.tell(hint(1));
        assert_eq!(node.next().await, hint(1));
        assert!(!node.bus.carrier().is_connected());
        server.restart();
        node.connected(true).await;
        assert_eq!(node.next().await, Hint::Missed);
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
        let (one, mut two) = (Node::at(&server, "ours"), Node::at(&server, "ours"));
        one.connected(true).await;
        two.connected(true).await;
        let mut took = Vec::new();
        for seq in 0..200 {
            let began = Instant::now();
            one.hints.tell(hint(seq));
            two.until(&hint(seq)).await;
            took.push(began.elapsed());
        }
        took.sort();
        let carrier = one.bus.carrier().name();
        println!("{carrier}: half of hints within {:?}, 99 of 100 within {:?}", took[100], took[198]);
        assert!(took[100] < Duration::from_millis(100), "{carrier}: {took:?}");
    }
}

/// Two nodes on one database: with a bus, while it is away, and after it came back, what is written at one is found at the
/// other, by number and without a gap.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_missing_at_the_other_node_whatever_becomes_of_the_bus() {
    let org = OrgId::new("acme").expect("a name");
    let event = || NewEvent { kind: EventType::SystemAlert, job: None, owner: None, data: Map::new() };
    for mut server in both() {
        let postgres = Postgres::shared(PgVersion::V15);
        let database = postgres.database();
        let open = || async {
            let settings = offtake_postgres::Settings::parse(&database.url()).expect("a URL");
            PostgresStore::open(settings, 4, None).await.expect("the database")
        };
        let (here, there) = (open().await, open().await);
        let one = Node::with(&server, "ours", here.hints());
        let mut two = Node::with(&server, "ours", there.hints());
        one.connected(true).await;
        two.connected(true).await;
        let mut seen = 0;
        for round in ["there", "away", "back"] {
            match round {
                "away" => server.kill(),
                "back" => server.restart(),
                _ => {}
            }
            one.connected(round != "away").await;
            two.connected(round != "away").await;
            for _ in 0..20 {
                here.append(&org, event()).await.expect("it is written");
            }
            let newest = here.newest(std::slice::from_ref(&org)).await.expect("a number")[0].1;
            // Told by the bus or, while that is away, by the database; either way it looks once it hears.
            while seen < newest {
                two.next().await;
                let events = there.after(&org, seen, 1000).await.expect("they are there");
                for event in events {
                    assert_eq!(event.seq, seen + 1, "{round}");
                    seen = event.seq;
                }
            }
        }
        assert_eq!(seen, 60);
    }
}
