//! Deliveries to a real store, on a clock that stands still.

use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use offtake_model::destination::{DeliverTo, Delivery, DeliveryState, DestinationContent};
use offtake_model::event::{Event, EventType};
use offtake_model::export::ExportSpec;
use offtake_model::id::{DestinationId, JobId};
use offtake_model::job::JobStatus;
use offtake_store::NewDestination;
use offtake_store::outbound::{Outbound, OutboundSettings};
use offtake_store::sealed::{Holder, Sealer};
use offtake_testkit::{Fault, Proxy, S3Server};
use offtake_worker::{Deliveries, Worker, WorkerSettings};
use prometheus_client::registry::Registry;

use crate::house::{House, act, csv, org, scope};

const REVOKED: Fault = Fault::Answer(403, "<Error><Code>InvalidAccessKeyId</Code><Message>hunter2</Message></Error>");

fn sealer() -> Arc<Sealer> {
    Arc::new(Sealer::new(&[9; 32], &[]).unwrap())
}

fn delivering(house: &House, name: &str) -> Worker {
    let allow = vec!["127.0.0.0/8".parse().unwrap()];
    let outbound = Outbound::new(OutboundSettings { allow, allow_http: true, ..OutboundSettings::default() }).unwrap();
    let settings = WorkerSettings { schedules_every: Duration::from_millis(5), ..house.settings.clone() };
    let worker = house.worker_with(name, settings, &mut Registry::default());
    worker.with_deliveries(Deliveries { sealer: sealer(), outbound })
}

/// A bucket behind `proxy`, which nobody probes.
async fn destination(house: &House, server: &S3Server, proxy: &Proxy) -> DestinationId {
    let id = DestinationId::new(house.now());
    let row = id.to_string();
    let content = DestinationContent {
        name: "lake".to_owned(),
        endpoint: Some(proxy.endpoint()),
        region: "us-east-1".to_owned(),
        bucket: server.bucket().to_owned(),
        prefix: server.prefix().to_owned(),
        access_key: server.key().0.to_owned(),
        path_style: true,
    };
    let holder = Holder { org: &org(), row: &row };
    let secret = sealer().seal(holder, server.key().1.as_bytes()).unwrap();
    house.store.destinations.create_destination(&act(), &org(), NewDestination { id, content, secret }).await.unwrap();
    id
}

async fn delivery(house: &House, job: JobId) -> Delivery {
    house.store.destinations.deliveries(&org(), &[job]).await.unwrap().pop().unwrap()
}

/// Waits until the delivery is as it should be.
async fn until(house: &House, job: JobId, wanted: impl Fn(&Delivery) -> bool) -> Delivery {
    let waiting = async {
        loop {
            let found = delivery(house, job).await;
            if wanted(&found) {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), waiting).await.expect("it never came to be")
}

async fn alerts(house: &House) -> Vec<Event> {
    let events = house.store.events.after(&org(), 0, 1000).await.unwrap();
    events.into_iter().filter(|event| event.kind == EventType::SystemAlert).collect()
}

#[tokio::test]
async fn what_is_refused_is_given_up_told_and_delivered_once_it_is_asked_for_again() {
    let server = S3Server::seaweed().await;
    let proxy = Proxy::before(server.endpoint()).await;
    let house = House::with_rows(500);
    let to = destination(&house, &server, &proxy).await;
    proxy.script(|_| REVOKED);
    let deliver = DeliverTo { id: to, key: None };
    let job = house.enqueue(ExportSpec { destination: Some(deliver), ..csv() }).await;
    let worker = house.start(delivering(&house, "one"));
    assert_eq!(house.at_rest(job).await.status, JobStatus::Completed);
    let refused = until(&house, job, |delivery| delivery.error.is_some()).await;
    assert_eq!((refused.state, refused.tries), (DeliveryState::Pending, 1));
    assert!(alerts(&house).await.is_empty(), "rights are granted late, too");
    let failed = until(&house, job, |delivery| {
        house.pass(SignedDuration::from_secs(5));
        delivery.state == DeliveryState::Failed
    })
    .await;
    assert_eq!(failed.tries, 3);
    let why = failed.error.unwrap();
    assert!(why.contains("refuses") && why.contains("access key") && !why.contains("hunter2"), "{why}");
    let told = alerts(&house).await;
    assert_eq!((told.len(), told[0].job, told[0].data["message"].as_str()), (1, Some(job), Some(why.as_str())));
    assert_eq!(told[0].data["code"], "delivery_failed");
    let (_, bytes) = house.file(job).await;
    assert!(server.objects().await.is_empty());

    proxy.heal();
    house.store.destinations.deliver_again(&act(), &scope(), job).await.unwrap();
    let done = until(&house, job, |delivery| delivery.state != DeliveryState::Pending).await;
    assert_eq!((done.state, done.error), (DeliveryState::Delivered, None));
    assert_eq!(server.object(&format!("{}/{}", server.prefix(), done.key)).await, bytes);
    worker.stop().await;
}

/// A store that is away is tried for a day, and what it did not answer was done all the same.
#[tokio::test]
async fn an_answer_that_is_lost_delivers_nothing_twice() {
    let server = S3Server::seaweed().await;
    let proxy = Proxy::before(server.endpoint()).await;
    let house = House::with_rows(500);
    let to = destination(&house, &server, &proxy).await;
    proxy.script(|asked| match asked.method.as_str() {
        "PUT" if !asked.target.contains("receipt") => Fault::LoseAnswer,
        _ => Fault::None,
    });
    let deliver = DeliverTo { id: to, key: None };
    let job = house.enqueue(ExportSpec { destination: Some(deliver), ..csv() }).await;
    let worker = house.start(delivering(&house, "one"));
    house.at_rest(job).await;
    let first = until(&house, job, |delivery| delivery.error.is_some() || delivery.delivered_at.is_some()).await;
    proxy.heal();
    house.pass(SignedDuration::from_secs(10));
    let done = until(&house, job, |delivery| delivery.state != DeliveryState::Pending).await;
    assert_eq!(done.state, DeliveryState::Delivered, "{first:?}");
    let (_, bytes) = house.file(job).await;
    assert_eq!(server.object(&format!("{}/{}", server.prefix(), done.key)).await, bytes);
    assert_eq!(server.objects().await.len(), 2);
    worker.stop().await;
}
