//! Mail by its schedule, on a clock that stands still: a server that never takes any costs a day of tries, is in the log as
//! that, and costs the job nothing.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use offtake_model::job::JobStatus;
use offtake_store::one_time::OneTimeKey;
use offtake_store::{Channel, Hint, Notification, NotificationFilter, NotificationState, OneTimeKeys};
use offtake_worker::notify::mail::{MailSettings, MailTls, Mailer};
use offtake_worker::{Worker, WorkerSettings};
use prometheus_client::registry::Registry;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpSocket, TcpStream};

use crate::house::{House, csv, org};

/// Seconds between tries: twice as long each time, at most four hours, until a day is over.
fn pauses() -> Vec<i64> {
    let mut pauses = Vec::new();
    while pauses.iter().sum::<i64>() < 24 * 3600 {
        pauses.push((15 << pauses.len()).min(4 * 3600));
    }
    pauses
}

fn telling(house: &House, at: SocketAddr, timeout: Duration) -> Worker {
    let settings = MailSettings {
        host: at.ip().to_string(),
        port: at.port(),
        tls: MailTls::None,
        ca_file: None,
        login: None,
        from: "offtake@acme.example".to_owned(),
        hello: None,
        timeout,
        retry_after: SignedDuration::from_secs(15),
        templates: None,
        locale: "en-GB".to_owned(),
        time_zone: "UTC".to_owned(),
        public_url: None,
        link_ttl: SignedDuration::from_hours(72),
    };
    let keys = OneTimeKeys::new(OneTimeKey::new([1; 32], [2; 32], None), Vec::new());
    let mailer = Mailer::new(settings, house.store.clone(), house.catalog.clone(), house.clock.clone(), keys).unwrap();
    // While it is tried, it is due after twice this: no pause is as long.
    let settings = WorkerSettings { notify_deadline: Duration::from_secs(7), ..house.settings.clone() };
    let worker = house.worker_with("one", settings, &mut Registry::default());
    worker.with_deliverer(Channel::Email, Arc::new(mailer))
}

/// The one notification, once it is as it should be.
async fn until(house: &House, wanted: impl Fn(&Notification) -> bool) -> Notification {
    let filter = NotificationFilter { channel: Some(Channel::Email), limit: 100, ..NotificationFilter::default() };
    let all = async || house.store.outbox.notifications(&org(), &filter).await.unwrap();
    let looking = async {
        loop {
            let mut found = all().await;
            if found.len() == 1 && wanted(&found[0]) {
                return found.remove(0);
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    match tokio::time::timeout(Duration::from_secs(60), looking).await {
        Ok(found) => found,
        Err(_) => panic!("it never came to that: {:?}", all().await),
    }
}

/// Somebody at a port who says this to everybody, or nothing at all; how many came.
async fn somebody(says: &'static str) -> (SocketAddr, tokio::sync::watch::Receiver<u32>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    let (count, came) = tokio::sync::watch::channel(0);
    tokio::spawn(async move {
        let mut silent: Vec<TcpStream> = Vec::new();
        while let Ok((mut stream, _)) = listener.accept().await {
            count.send_modify(|count| *count += 1);
            // Whoever has gone hears nothing.
            let _gone = stream.write_all(says.as_bytes()).await;
            if says.is_empty() {
                silent.push(stream);
            }
        }
    });
    (at, came)
}

#[tokio::test]
async fn a_server_that_never_takes_mail_is_in_the_log_and_costs_the_job_nothing() {
    // Held, so that nobody else listens there.
    let nobody = TcpSocket::new_v4().unwrap();
    nobody.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let (busy, shut, silent) = (somebody("421 later\r\n").await, somebody("554 no\r\n").await, somebody("").await);
    for (at, came, answer) in [
        (nobody.local_addr().unwrap(), None, "connecting: "),
        (busy.0, Some(busy.1), "connecting: transient error (421)"),
        (shut.0, Some(shut.1), "connecting: permanent error (554)"),
        (silent.0, Some(silent.1), "connecting: no answer within 200ms"),
    ] {
        let house = House::with_rows(10);
        let patience = if answer.ends_with("200ms") { Duration::from_millis(200) } else { Duration::from_secs(5) };
        let worker = house.start(telling(&house, at, patience));
        let job = house.enqueue_watched(csv()).await;
        house.until(job, |job| job.status == JobStatus::Completed).await;
        let pauses = pauses();
        for (tries, pause) in (1..).zip(&pauses) {
            let pause = SignedDuration::from_secs(*pause);
            let due = house.now() + pause;
            let one = until(&house, |one| one.tries == tries && one.due_at == due).await;
            assert_eq!(one.state, NotificationState::Pending);
            assert!(one.last_answer.as_ref().is_some_and(|said| said.starts_with(answer)), "{one:?}");
            house.pass(pause);
            house.store.events.hints().hear(Hint::Owed);
        }
        let one = until(&house, |one| one.state != NotificationState::Pending).await;
        worker.stop().await;
        let tries = u32::try_from(pauses.len()).unwrap() + 1;
        assert_eq!((one.state, one.tries), (NotificationState::Failed, tries), "{one:?}");
        let (_, log) = house.store.outbox.notification(&org(), one.id).await.unwrap();
        assert_eq!(log.len(), tries as usize, "each try is in the log");
        assert!(log.iter().all(|line| line.answer.starts_with(answer)), "{log:?}");
        assert!(came.is_none_or(|came| *came.borrow() == tries), "it was asked once for each try");
        let job = house.job(job).await;
        assert_eq!((job.status, job.attempt), (JobStatus::Completed, 1), "{job:?}");
    }
}
