//! Webhooks by the schedule, on a clock that stands still.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::SignedDuration;
use offtake_model::event::EventType;
use offtake_model::id::WebhookId;
use offtake_model::job::JobStatus;
use offtake_model::webhook::{MOST_GIVEN_UP, SigningScheme, Webhook};
use offtake_store::outbound::{Outbound, OutboundSettings};
use offtake_store::sealed::{Holder, Sealer};
use offtake_store::webhooks::{NewWebhook, SigningKey};
use offtake_store::{Channel, Notification, NotificationFilter, NotificationState};
use offtake_worker::Worker;
use offtake_worker::notify::WebhookDeliverer;
use offtake_worker::outcome::Chance;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket};

use crate::house::{House, act, csv, org};

const SECONDS: [i64; 9] = [5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400];

fn sealer() -> Arc<Sealer> {
    Arc::new(Sealer::new(&[9; 32], &[]).unwrap())
}

/// An endpoint at this address.
async fn endpoint(house: &House, at: SocketAddr) -> Webhook {
    let id = WebhookId::new(house.now());
    let row = id.to_string();
    let holder = Holder { org: &org(), row: &row };
    let new = NewWebhook {
        id,
        url: format!("http://{at}/hook"),
        events: vec![EventType::ExportJobStatus],
        description: String::new(),
        enabled: true,
        key: SigningKey::generate(SigningScheme::Hmac).unwrap().seal(&sealer(), holder).unwrap(),
    };
    house.store.webhooks.create(&act(), &org(), new).await.unwrap()
}

fn telling(house: &House, name: &str) -> Worker {
    let allow = vec!["127.0.0.0/8".parse().unwrap()];
    let timeout = Duration::from_secs(5);
    let outbound = Outbound::new(OutboundSettings { allow, allow_http: true, resolver: None, timeout }).unwrap();
    let (webhooks, clock) = (Arc::clone(&house.store.webhooks), house.clock.clone());
    let deliverer = WebhookDeliverer::new(webhooks, sealer(), outbound, clock, Chance::fixed(0.0));
    house.worker(name).with_deliverer(Channel::Webhook, Arc::new(deliverer))
}

/// Takes messages, and answers each in the same way; the ids that arrived.
fn answer(listener: TcpListener, answer: &'static str) -> Arc<Mutex<Vec<String>>> {
    let ids = Arc::new(Mutex::new(Vec::new()));
    let told = Arc::clone(&ids);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut bytes = Vec::new();
            // The body is the last of it, and ends so.
            while !bytes.ends_with(b"}}") && stream.read_buf(&mut bytes).await.is_ok_and(|read| read > 0) {}
            let text = String::from_utf8_lossy(&bytes);
            let id = text.lines().find_map(|line| line.strip_prefix("webhook-id: ")).unwrap_or_default();
            told.lock().unwrap().push(id.to_owned());
            let answer = format!("HTTP/1.1 {answer}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    });
    ids
}

async fn all(house: &House) -> Vec<Notification> {
    let filter = NotificationFilter { channel: Some(Channel::Webhook), limit: 100, ..NotificationFilter::default() };
    house.store.outbox.notifications(&org(), &filter).await.unwrap()
}

async fn until(house: &House, count: usize, wanted: impl Fn(&Notification) -> bool) -> Vec<Notification> {
    let looking = async {
        loop {
            let found = all(house).await;
            if found.len() == count && found.iter().all(&wanted) {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    match tokio::time::timeout(Duration::from_secs(60), looking).await {
        Ok(found) => found,
        Err(_) => panic!("it never came to that: {:?}", all(house).await),
    }
}

/// It was tried so often, and waits so many seconds for its next try. While it is tried, it is due elsewhen.
fn waits_after(tries: u32, now: jiff::Timestamp, seconds: i64) -> impl Fn(&Notification) -> bool {
    let due = now + SignedDuration::from_secs(seconds);
    move |one| one.tries == tries && one.due_at == due && one.last_answer.is_some()
}

/// A port where nobody listens, as long as it is held.
fn nobody() -> TcpSocket {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    socket
}

#[tokio::test]
async fn an_endpoint_that_is_down_for_five_steps_is_told_once() {
    let house = House::with_rows(10);
    let nobody = nobody();
    endpoint(&house, nobody.local_addr().unwrap()).await;
    let workers = ["one", "two"].map(|name| house.start(telling(&house, name)));
    let job = house.enqueue(csv()).await;
    house.until(job, |job| job.status == JobStatus::Completed).await;
    for (tries, seconds) in (1..).zip(&SECONDS[..5]) {
        let found = until(&house, 3, waits_after(tries, house.now(), *seconds)).await;
        for one in &found {
            assert!(one.last_answer.as_ref().unwrap().contains("cannot be reached"), "{one:?}");
        }
        if tries == 5 {
            break;
        }
        house.pass(SignedDuration::from_secs(*seconds));
    }
    let arrived = answer(nobody.listen(8).unwrap(), "200 OK");
    house.pass(SignedDuration::from_secs(SECONDS[4]));
    let found = until(&house, 3, |one| one.state == NotificationState::Delivered).await;
    for worker in workers {
        worker.stop().await;
    }
    let mut owed: Vec<String> = found.iter().map(|one| one.id.to_string()).collect();
    let mut arrived = arrived.lock().unwrap().clone();
    owed.sort();
    arrived.sort();
    assert_eq!(arrived, owed, "each of them once");
    assert!(found.iter().all(|one| one.tries == 6));
}

#[tokio::test]
async fn an_endpoint_that_never_answers_is_disabled_in_the_end() {
    let house = House::with_rows(10);
    let nobody = nobody();
    let webhook = endpoint(&house, nobody.local_addr().unwrap()).await;
    let worker = house.start(telling(&house, "one"));
    // Three events each.
    for _ in 0..2 {
        let job = house.enqueue(csv()).await;
        house.until(job, |job| job.status == JobStatus::Completed).await;
    }
    for (tries, seconds) in (1..).zip(SECONDS) {
        until(&house, 6, waits_after(tries, house.now(), seconds)).await;
        house.pass(SignedDuration::from_secs(seconds));
    }
    let found = until(&house, 6, |one| one.state == NotificationState::Failed).await;
    worker.stop().await;
    // Once it is disabled, what is left is not even tried.
    assert!(found.iter().filter(|one| one.tries == 10).count() >= MOST_GIVEN_UP as usize, "{found:?}");
    let webhook = house.store.webhooks.get(&org(), webhook.id).await.unwrap();
    assert!(!webhook.enabled && webhook.disabled_reason.unwrap().contains("5 messages in a row"));
    let events = house.store.events.after(&org(), 0, 100).await.unwrap();
    let alerts: Vec<_> = events.iter().filter(|event| event.kind == EventType::SystemAlert).collect();
    assert_eq!(alerts.len(), 1, "{alerts:?}");
    assert_eq!(alerts[0].data["code"], "webhook_disabled");
    let (_, log) = house.store.outbox.notification(&org(), found[0].id).await.unwrap();
    assert_eq!(log.len(), 10);
}

#[tokio::test]
async fn who_asks_for_time_is_given_it() {
    let house = House::with_rows(10);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    endpoint(&house, listener.local_addr().unwrap()).await;
    answer(listener, "503 Service Unavailable\r\nretry-after: 120");
    let worker = house.start(telling(&house, "one"));
    house.enqueue(csv()).await;
    let found = until(&house, 3, waits_after(1, house.now(), 120)).await;
    worker.stop().await;
    assert!(found.iter().all(|one| one.last_answer.as_deref() == Some("503")), "{found:?}");
}
