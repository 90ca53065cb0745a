//! The contract on three stores that speak S3, and what only S3 can get wrong.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use bytes::Bytes;
use offtake_model::ErrorKind;
use offtake_testkit::{Fault, Proxy, S3Server};

use super::*;
use crate::contract::given::kind;

const MIB: usize = 1024 * 1024;

fn settings(server: &S3Server, endpoint: &str) -> S3Settings {
    let (id, secret) = server.key();
    S3Settings {
        bucket: server.bucket().to_owned(),
        prefix: server.prefix().to_owned(),
        region: "us-east-1".to_owned(),
        endpoint: Some(endpoint.to_owned()),
        public_endpoint: None,
        path_style: true,
        allow_http: true,
        credentials: S3Credentials::Key { id: id.to_owned(), secret: secret.to_owned(), session_token: None },
        part_bytes: 0,
        conditional_writes: server.has_conditional_writes(),
        timeout: Duration::from_secs(20),
        retry_for: Duration::from_secs(20),
    }
}

fn objects(server: &S3Server) -> S3Objects {
    S3Objects::new(settings(server, server.endpoint())).unwrap()
}

mod seaweed {
    use super::{S3Objects, S3Server, objects};

    async fn open() -> (S3Server, S3Objects) {
        let server = S3Server::seaweed().await;
        let objects = objects(&server);
        (server, objects)
    }
    crate::contract::object_tests!(open);
}

mod juice {
    use super::{S3Objects, S3Server, objects};

    async fn open() -> (S3Server, S3Objects) {
        let server = S3Server::juice().await;
        let objects = objects(&server);
        (server, objects)
    }
    crate::contract::object_tests!(without conditions open);
}

mod moto {
    use super::{S3Objects, S3Server, objects};

    async fn open() -> (S3Server, S3Objects) {
        let server = S3Server::moto().await;
        let objects = objects(&server);
        (server, objects)
    }
    crate::contract::object_tests!(open);
}

fn key(attempt: &str) -> ObjectKey {
    ObjectKey::from_parts(["acme", "job_1", attempt, "spans.csv"])
}

/// Bytes that differ from place to place.
fn bytes(seed: usize, length: usize) -> Bytes {
    (0..length).map(|at| ((at + seed) % 251) as u8).collect::<Vec<u8>>().into()
}

async fn all(objects: &S3Objects, key: &ObjectKey) -> Vec<u8> {
    let size = objects.size(key).await.unwrap().expect("the object is there");
    let pieces: Vec<Bytes> = objects.read(key, 0..size).await.unwrap().try_collect().await.unwrap();
    pieces.concat()
}

async fn behind_proxy(server: &S3Server) -> (Proxy, S3Objects) {
    let proxy = Proxy::before(server.endpoint()).await;
    let settings = S3Settings {
        timeout: Duration::from_secs(2),
        retry_for: Duration::from_secs(3),
        ..settings(server, &proxy.endpoint())
    };
    (proxy, S3Objects::new(settings).unwrap())
}

#[tokio::test]
async fn a_small_file_is_one_request() {
    let server = S3Server::seaweed().await;
    let (proxy, objects) = behind_proxy(&server).await;
    let mut upload = objects.begin(&key("1")).await.unwrap();
    for text in ["one,", "two,", "three"] {
        assert_eq!(
            upload.put_part(Bytes::from_static(text.as_bytes())).await.unwrap().bytes,
            0,
            "nothing is durable yet"
        );
    }
    upload.finish().await.unwrap();
    assert_eq!(proxy.requests(), 1);
    assert_eq!(all(&objects, &key("1")).await, b"one,two,three");
}

#[tokio::test]
async fn pieces_are_gathered_to_parts() {
    let server = S3Server::seaweed().await;
    let objects = objects(&server);
    let mut upload = objects.begin(&key("1")).await.unwrap();
    let mut parts = 0;
    for at in 0..12 {
        let uploaded = upload.put_part(bytes(at, MIB)).await.unwrap();
        assert_eq!(uploaded.bytes % (5 * MIB as u64), 0, "what is durable are whole parts");
        parts = uploaded.etags.len();
    }
    assert_eq!(parts, 2);
    upload.finish().await.unwrap();
    let expected: Vec<u8> = (0..12).flat_map(|at| bytes(at, MIB)).collect();
    assert!(all(&objects, &key("1")).await == expected);
}

#[tokio::test]
async fn parts_never_run_out() {
    for server in [S3Server::seaweed().await, S3Server::moto().await] {
        let objects = S3Objects::rolling(settings(&server, server.endpoint()), 2).unwrap();
        let part = |at: usize| bytes(at, 5 * MIB + at);
        let mut upload = objects.begin(&key("1")).await.unwrap();
        for at in 0..5 {
            let uploaded = upload.put_part(part(at)).await.unwrap();
            assert!(uploaded.etags.len() <= 3, "{}", uploaded.etags.len());
        }
        // Another attempt goes on with what has been made one object in between.
        let listed = upload.put_part(part(5)).await.unwrap();
        drop(upload);
        let mut upload = objects.resume(&key("2"), &key("1"), &listed).await.unwrap();
        upload.put_part(part(6)).await.unwrap();
        upload.put_part(part(7)).await.unwrap();
        upload.finish().await.unwrap();
        let expected: Vec<u8> = (0..8).flat_map(part).collect();
        assert!(all(&objects, &key("2")).await == expected);
        objects.delete(&key("1")).await.unwrap();
        assert_eq!(server.uploads().await, Vec::<String>::new());
        assert_eq!(server.objects().await.len(), 1);
    }
}

#[tokio::test]
async fn an_upload_that_rolled_and_is_thrown_away_leaves_nothing() {
    let server = S3Server::seaweed().await;
    let objects = S3Objects::rolling(settings(&server, server.endpoint()), 1).unwrap();
    let mut upload = objects.begin(&key("1")).await.unwrap();
    for at in 0..3 {
        upload.put_part(bytes(at, 5 * MIB)).await.unwrap();
    }
    upload.abort().await.unwrap();
    assert_eq!((server.objects().await, server.uploads().await), (vec![], vec![]));
}

#[tokio::test]
async fn a_lost_answer_to_the_end_is_no_failure() {
    for server in [S3Server::seaweed().await, S3Server::moto().await] {
        let (proxy, objects) = behind_proxy(&server).await;
        for (attempt, size) in [("1", 12 * MIB), ("2", 1000)] {
            let mut upload = objects.begin(&key(attempt)).await.unwrap();
            upload.put_part(bytes(1, size)).await.unwrap();
            let lost = AtomicU32::new(0);
            // The end of a multipart upload, or the one request of a small file.
            proxy.script(move |asked| {
                let ends = asked.method == "POST" && asked.target.contains("uploadId=");
                let first = ends && lost.fetch_add(1, Ordering::Relaxed) == 0;
                if first { Fault::LoseAnswer } else { Fault::None }
            });
            upload.finish().await.unwrap();
            assert!(all(&objects, &key(attempt)).await == bytes(1, size));
        }
        assert_eq!(proxy.met().len(), 1);
    }
}

/// The library asks again, and the store has begun two uploads.
#[tokio::test]
async fn a_lost_answer_to_the_beginning_leaves_no_upload() {
    let server = S3Server::seaweed().await;
    let (proxy, objects) = behind_proxy(&server).await;
    let lost = AtomicU32::new(0);
    proxy.script(move |asked| {
        let begins = asked.method == "POST" && asked.target.contains("uploads");
        if begins && lost.fetch_add(1, Ordering::Relaxed) == 0 { Fault::LoseAnswer } else { Fault::None }
    });
    let mut upload = objects.begin(&key("1")).await.unwrap();
    upload.put_part(bytes(1, 6 * MIB)).await.unwrap();
    assert_eq!((proxy.met().len(), server.uploads().await.len()), (1, 2), "begun twice");
    upload.finish().await.unwrap();
    assert_eq!(server.uploads().await, [""; 0]);
    assert!(all(&objects, &key("1")).await == bytes(1, 6 * MIB));
}

#[tokio::test]
async fn a_success_that_is_none_is_tried_again_and_then_told() {
    let server = S3Server::seaweed().await;
    let (proxy, objects) = behind_proxy(&server).await;
    let ends = |asked: &offtake_testkit::Asked| asked.method == "POST" && asked.target.contains("uploadId=");
    let mut upload = objects.begin(&key("1")).await.unwrap();
    upload.put_part(bytes(1, 6 * MIB)).await.unwrap();
    let met = AtomicU32::new(0);
    proxy.script(move |asked| {
        if ends(asked) && met.fetch_add(1, Ordering::Relaxed) < 2 { Fault::ERROR_IN_200 } else { Fault::None }
    });
    upload.finish().await.unwrap();
    assert!(all(&objects, &key("1")).await == bytes(1, 6 * MIB));

    let mut upload = objects.begin(&key("2")).await.unwrap();
    upload.put_part(bytes(1, 6 * MIB)).await.unwrap();
    proxy.script(move |asked| if ends(asked) { Fault::ERROR_IN_200 } else { Fault::None });
    assert_eq!(kind(upload.finish().await), ErrorKind::StorageUnavailable);
    assert_eq!(objects.size(&key("2")).await.unwrap(), None);
}

#[tokio::test]
async fn what_the_network_does_is_tried_again_for_a_bounded_time() {
    let server = S3Server::seaweed().await;
    let (proxy, objects) = behind_proxy(&server).await;
    for fault in
        [Fault::SLOW_DOWN, Fault::CutRequest(70_000), Fault::CutAnswer(20), Fault::Delay(Duration::from_millis(300))]
    {
        let attempt = format!("{fault:?}");
        let (met, given) = (AtomicU32::new(0), fault.clone());
        proxy.script(move |_| if met.fetch_add(1, Ordering::Relaxed) % 2 == 0 { given.clone() } else { Fault::None });
        let mut upload = objects.begin(&key(&attempt)).await.unwrap();
        upload.put_part(bytes(3, 5 * MIB)).await.unwrap();
        upload.put_part(bytes(4, 5 * MIB)).await.unwrap();
        upload.finish().await.unwrap_or_else(|error| panic!("{fault:?}: {error} {error:?}"));
        proxy.heal();
        let expected: Vec<u8> = [bytes(3, 5 * MIB), bytes(4, 5 * MIB)].concat();
        assert!(all(&objects, &key(&attempt)).await == expected, "{fault:?}");
    }
    for fault in [Fault::SLOW_DOWN, Fault::Hang, Fault::CutRequest(0)] {
        let given = fault.clone();
        proxy.script(move |_| given.clone());
        let began = std::time::Instant::now();
        let mut upload = objects.begin(&key("never")).await.unwrap();
        assert_eq!(kind(upload.put_part(bytes(3, 5 * MIB)).await), ErrorKind::StorageUnavailable, "{fault:?}");
        assert_eq!(kind(upload.put_part(bytes(3, 5 * MIB)).await), ErrorKind::StorageUnavailable, "the first is final");
        assert_eq!(kind(objects.staged().await), ErrorKind::StorageUnavailable, "{fault:?}");
        assert!(began.elapsed() < Duration::from_secs(25), "{fault:?}: {:?}", began.elapsed());
    }
}

#[tokio::test]
async fn a_download_that_breaks_off_is_an_error_or_whole() {
    let server = S3Server::seaweed().await;
    let (proxy, objects) = behind_proxy(&server).await;
    let mut upload = objects.begin(&key("1")).await.unwrap();
    upload.put_part(bytes(9, 2 * MIB)).await.unwrap();
    upload.finish().await.unwrap();
    for fault in [Fault::CutAnswer(700_000), Fault::EndAnswer(700_000)] {
        let given = fault.clone();
        proxy.script(move |_| given.clone());
        let read = objects.read(&key("1"), 0..2 * MIB as u64).await;
        let bytes: Result<Vec<Bytes>> = match read {
            Ok(stream) => stream.try_collect().await,
            Err(error) => Err(error),
        };
        match bytes {
            Ok(bytes) => assert!(bytes.concat() == self::bytes(9, 2 * MIB), "{fault:?}: other bytes"),
            Err(error) => assert_eq!(error.kind(), ErrorKind::StorageUnavailable, "{fault:?}"),
        }
    }
    // Never any further than this.
    proxy.script(|_| Fault::CutAnswer(100));
    let read = objects.read(&key("1"), 0..2 * MIB as u64).await;
    assert_eq!(kind(read.map(drop)), ErrorKind::StorageUnavailable);
}

#[tokio::test]
async fn a_link_gives_its_file_under_its_name_and_nothing_else() {
    for server in [S3Server::seaweed().await, S3Server::juice().await] {
        a_link_gives_its_file_and_nothing_else(&server).await;
    }
}

async fn a_link_gives_its_file_and_nothing_else(server: &S3Server) {
    let proxy = Proxy::before(server.endpoint()).await;
    let settings = S3Settings { public_endpoint: Some(proxy.endpoint()), ..settings(server, server.endpoint()) };
    let objects = S3Objects::new(settings).unwrap();
    let odd = ObjectKey::from_parts(["Ä & Co. ../", "job_1", "1", "%.csv"]);
    for key in [&odd, &key("2")] {
        let mut upload = objects.begin(key).await.unwrap();
        upload.put_part(Bytes::from_static(b"one,two")).await.unwrap();
        upload.finish().await.unwrap();
    }
    let ask = LinkRequest {
        head: false,
        ttl: Duration::from_secs(60),
        media_type: "text/csv; charset=utf-8".to_owned(),
        disposition: "attachment; filename=\"_.csv\"; filename*=UTF-8''%E6%97%A5.csv".to_owned(),
    };
    let link = objects.link(&odd, &ask).await.unwrap().expect("a bucket gives links");
    assert!(link.starts_with(&proxy.endpoint()), "not the public endpoint");
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let answer = http.get(&link).header("range", "bytes=4-").send().await.unwrap();
    assert_eq!(answer.status(), 206);
    assert_eq!(answer.headers()["content-type"], ask.media_type.as_str());
    assert_eq!(answer.headers()["content-disposition"], ask.disposition.as_str());
    assert_eq!(answer.bytes().await.unwrap(), "two");
    let head = objects.link(&odd, &LinkRequest { head: true, ..ask.clone() }).await.unwrap().unwrap();
    assert_eq!(http.head(&head).send().await.unwrap().status(), 200);
    for tampered in [
        link.replace("job_1/1", "job_1/2"),
        link.replace("X-Amz-Expires=60", "X-Amz-Expires=61"),
        link.replace("text%2Fcsv", "text%2Fhtml"),
        link.split("&X-Amz-Signature").next().unwrap().to_owned(),
    ] {
        assert_ne!(tampered, link);
        let status = http.get(&tampered).send().await.unwrap().status();
        assert!(matches!(status.as_u16(), 400 | 403), "{status}: {tampered}");
    }
    assert_eq!(http.put(&link).body("mine").send().await.unwrap().status(), 403, "a link to read does not write");
}

#[tokio::test]
async fn a_key_from_elsewhere_cannot_leave_the_prefix() {
    let server = S3Server::moto().await;
    let objects = objects(&server);
    for text in ["../../secret", "/etc/passwd", "a/../../../secret", ""] {
        let evil: ObjectKey = serde_json::from_value(serde_json::json!(text)).unwrap();
        assert_eq!(kind(objects.begin(&evil).await), ErrorKind::Internal, "{text}");
        assert_eq!(kind(objects.read(&evil, 0..1).await.map(|_| "a stream")), ErrorKind::Internal, "{text}");
        assert_eq!(kind(objects.delete(&evil).await), ErrorKind::Internal, "{text}");
    }
}

#[tokio::test]
async fn wrong_keys_are_told_and_never_shown() {
    for server in [S3Server::seaweed().await, S3Server::juice().await] {
        let credentials = S3Credentials::Key {
            id: "offtake-test".to_owned(),
            secret: "guessed-wrongly".to_owned(),
            session_token: None,
        };
        let settings = S3Settings { credentials, ..settings(&server, server.endpoint()) };
        assert!(!format!("{settings:?}").contains("guessed"));
        let objects = S3Objects::new(settings).unwrap();
        let error = objects.ping().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::StorageDenied);
        assert!(error.detail().contains("check the keys"), "{error}");
        assert!(!format!("{objects:?} {error:?}").contains("guessed"));
    }
}

#[tokio::test]
async fn a_bucket_that_does_everything_passes_the_check_and_keeps_nothing() {
    let server = S3Server::seaweed().await;
    let objects = objects(&server);
    objects.apply_lifecycle(LifecycleRules { abort_uploads_days: 3, expire_days: Some(40) }).await.unwrap();
    assert_eq!(objects.aborts_uploads_after().await.unwrap(), Some(3));
    for probe in objects.probe().await {
        assert!(matches!(probe.outcome, ProbeOutcome::Works(_)), "{probe:?}");
    }
    assert_eq!((server.objects().await, server.uploads().await), (vec![], vec![]));
    assert!(objects.time().await.unwrap().is_some());
}

#[tokio::test]
async fn a_store_without_conditions_and_rules_passes_the_check_with_two_remarks() {
    let server = S3Server::juice().await;
    let probes = objects(&server).probe().await;
    let wanting: Vec<&str> = probes
        .iter()
        .filter(|probe| !matches!(probe.outcome, ProbeOutcome::Works(_)))
        .map(|probe| probe.name)
        .collect();
    assert_eq!(wanting, ["conditional write", "abort rule"], "{probes:#?}");
    assert!(!probes.iter().any(|probe| matches!(probe.outcome, ProbeOutcome::Fails(_))), "{probes:#?}");
    assert_eq!((server.objects().await, server.uploads().await), (vec![], vec![]));
}

#[tokio::test]
async fn a_store_that_checks_no_signatures_fails_the_check() {
    let server = S3Server::moto().await;
    let probes = objects(&server).probe().await;
    let failed: Vec<&str> =
        probes.iter().filter(|probe| matches!(probe.outcome, ProbeOutcome::Fails(_))).map(|probe| probe.name).collect();
    assert_eq!(failed, ["tampered link"], "{probes:#?}");
}
