//! What object storage must do.

use bytes::Bytes;
use futures::TryStreamExt;
use offtake_model::ErrorKind;
use offtake_model::checkpoint::Uploaded;

use super::given::kind;
use crate::{ObjectKey, Objects, Upload};

fn key(attempt: &str) -> ObjectKey {
    ObjectKey::from_parts(["acme", "job_1", attempt, "spans.csv.gz"])
}

async fn bytes(objects: &dyn Objects, key: &ObjectKey) -> Vec<u8> {
    let size = objects.size(key).await.unwrap().expect("the object is there");
    read(objects, key, 0..size).await.concat()
}

async fn read(objects: &dyn Objects, key: &ObjectKey, range: std::ops::Range<u64>) -> Vec<Bytes> {
    objects.read(key, range).await.unwrap().try_collect().await.unwrap()
}

/// The text again and again, until it is large enough for the store to take it as a part: once, for most.
fn part(objects: &dyn Objects, text: &str) -> Bytes {
    let enough = usize::try_from(objects.held_back()).unwrap();
    Bytes::from(text.repeat(enough.div_ceil(text.len()).max(1)))
}

fn parts(objects: &dyn Objects, texts: &[&str]) -> Vec<u8> {
    texts.iter().flat_map(|text| part(objects, text)).collect()
}

async fn put(objects: &dyn Objects, upload: &mut Box<dyn Upload>, text: &str) -> Uploaded {
    upload.put_part(part(objects, text)).await.unwrap()
}

async fn finished(objects: &dyn Objects, key: &ObjectKey, text: &'static str) {
    let mut upload = objects.begin(key).await.unwrap();
    upload.put_part(Bytes::from_static(text.as_bytes())).await.unwrap();
    upload.finish().await.unwrap();
}

/// Equal, without a page of bytes where they are not.
#[track_caller]
fn assert_bytes(found: &[u8], expected: &[u8]) {
    assert_eq!(found.len(), expected.len(), "bytes");
    assert_eq!(found.iter().zip(expected).position(|(one, other)| one != other), None, "the first that differs");
}

/// The kind of the error when `key` is read.
async fn unread(objects: &dyn Objects, key: &ObjectKey) -> ErrorKind {
    kind(objects.read(key, 0..1).await.map(|_| "a stream"))
}

pub(crate) async fn an_object_is_seen_whole_or_not_at_all(objects: &dyn Objects) {
    let key = key("1");
    let mut upload = objects.begin(&key).await.unwrap();
    let one = part(objects, "one,").len() as u64;
    let both = one + part(objects, "two").len() as u64;
    assert_eq!(put(objects, &mut upload, "one,").await.bytes, one);
    assert_eq!(put(objects, &mut upload, "two").await.bytes, both);
    assert_eq!(objects.size(&key).await.unwrap(), None);
    assert_eq!(unread(objects, &key).await, ErrorKind::Gone);
    assert_eq!(objects.staged().await.unwrap(), std::slice::from_ref(&key));

    upload.finish().await.unwrap();
    assert_bytes(&bytes(objects, &key).await, &parts(objects, &["one,", "two"]));
    assert_eq!(objects.staged().await.unwrap(), []);
}

pub(crate) async fn an_upload_without_parts_is_an_empty_object(objects: &dyn Objects) {
    objects.begin(&key("1")).await.unwrap().finish().await.unwrap();
    assert_eq!(bytes(objects, &key("1")).await, b"");
}

pub(crate) async fn a_key_is_taken_once(objects: &dyn Objects) {
    let key = key("1");
    finished(objects, &key, "first").await;
    let mut second = objects.begin(&key).await.unwrap();
    put(objects, &mut second, "second").await;
    assert_eq!(kind(second.finish().await), ErrorKind::Conflict);
    let third = objects.begin(&key).await.unwrap();
    assert_eq!(kind(third.finish().await), ErrorKind::Conflict, "one without parts");
    assert_eq!(bytes(objects, &key).await, b"first");
}

pub(crate) async fn a_worker_that_lost_its_lease_publishes_nothing(objects: &dyn Objects) {
    let mut stale = objects.begin(&key("1")).await.unwrap();
    let listed = put(objects, &mut stale, "one,").await;
    drop(put(objects, &mut stale, "of the stale one").await);
    let mut upload = objects.resume(&key("2"), &key("1"), &listed).await.unwrap();
    // It may get its own file, which no row speaks for, or be refused; the other's file is the other's.
    drop(stale.finish().await);
    put(objects, &mut upload, "two").await;
    upload.finish().await.unwrap();
    assert_bytes(&bytes(objects, &key("2")).await, &parts(objects, &["one,", "two"]));
    objects.delete(&key("1")).await.unwrap();
    assert_bytes(&bytes(objects, &key("2")).await, &parts(objects, &["one,", "two"]));
    assert_eq!(objects.staged().await.unwrap(), []);
}

pub(crate) async fn an_aborted_upload_leaves_nothing(objects: &dyn Objects) {
    let key = key("1");
    let mut upload = objects.begin(&key).await.unwrap();
    put(objects, &mut upload, "one").await;
    upload.abort().await.unwrap();
    assert_eq!(objects.staged().await.unwrap(), []);
    assert_eq!(objects.size(&key).await.unwrap(), None);
    finished(objects, &key, "again").await;
    assert_eq!(bytes(objects, &key).await, b"again");
}

pub(crate) async fn resuming_takes_the_listed_parts_and_only_these(objects: &dyn Objects) {
    let mut earlier = objects.begin(&key("1")).await.unwrap();
    let listed = put(objects, &mut earlier, "one,").await;
    put(objects, &mut earlier, "not in the checkpoint").await;
    drop(earlier);
    let mut upload = objects.resume(&key("2"), &key("1"), &listed).await.unwrap();
    let both = parts(objects, &["one,", "two"]);
    assert_eq!(put(objects, &mut upload, "two").await.bytes, both.len() as u64);
    upload.finish().await.unwrap();
    assert_bytes(&bytes(objects, &key("2")).await, &parts(objects, &["one,", "two"]));
}

pub(crate) async fn resuming_finds_what_was_finished_but_not_published(objects: &dyn Objects) {
    let mut earlier = objects.begin(&key("1")).await.unwrap();
    let listed = put(objects, &mut earlier, "one,").await;
    put(objects, &mut earlier, "two").await;
    earlier.finish().await.unwrap();
    let mut upload = objects.resume(&key("2"), &key("1"), &listed).await.unwrap();
    put(objects, &mut upload, "two").await;
    upload.finish().await.unwrap();
    assert_bytes(&bytes(objects, &key("2")).await, &parts(objects, &["one,", "two"]));
}

pub(crate) async fn resuming_without_the_earlier_parts_is_refused(objects: &dyn Objects) {
    let mut earlier = objects.begin(&key("1")).await.unwrap();
    let listed = put(objects, &mut earlier, "one,").await;
    let lie = Uploaded { bytes: listed.bytes + 1, ..listed.clone() };
    assert_eq!(kind(objects.resume(&key("2"), &key("1"), &lie).await), ErrorKind::Gone);
    earlier.abort().await.unwrap();
    assert_eq!(kind(objects.resume(&key("2"), &key("1"), &listed).await), ErrorKind::Gone);
    assert_eq!(objects.staged().await.unwrap(), [], "what was refused left nothing");
    finished(objects, &key("2"), "anew").await;
}

pub(crate) async fn a_worker_that_lost_its_lease_harms_nothing(objects: &dyn Objects) {
    let mut stale = objects.begin(&key("1")).await.unwrap();
    let listed = put(objects, &mut stale, "one,").await;
    let mut upload = objects.resume(&key("2"), &key("1"), &listed).await.unwrap();
    // Taken into what nobody will look at, or refused.
    drop(stale.put_part(part(objects, "late")).await);
    put(objects, &mut upload, "two").await;
    stale.abort().await.unwrap();
    upload.finish().await.unwrap();
    assert_bytes(&bytes(objects, &key("2")).await, &parts(objects, &["one,", "two"]));
}

pub(crate) async fn small_objects_are_replaced(objects: &dyn Objects) {
    finished(objects, &key("1"), "file").await;
    let receipt = key("1").beside("receipt.json");
    objects.put(&receipt, Bytes::from_static(b"first version")).await.unwrap();
    objects.put(&receipt, Bytes::from_static(b"second")).await.unwrap();
    assert_eq!(bytes(objects, &receipt).await, b"second");
    assert_eq!(bytes(objects, &key("1")).await, b"file");
    assert_eq!(objects.staged().await.unwrap(), []);
}

pub(crate) async fn reading_gives_exactly_the_range_in_small_pieces(objects: &dyn Objects) {
    let whole: Vec<u8> = (0..700_001_u32).map(|at| (at % 251) as u8).collect();
    let mut upload = objects.begin(&key("1")).await.unwrap();
    upload.put_part(Bytes::from(whole.clone())).await.unwrap();
    upload.finish().await.unwrap();
    for range in [0..700_001, 0..0, 5..6, 262_143..262_145, 700_000..700_001, 1..524_289] {
        let pieces = read(objects, &key("1"), range.clone()).await;
        assert!(pieces.iter().all(|piece| !piece.is_empty() && piece.len() <= 256 * 1024));
        assert_eq!(pieces.concat(), whole[range.start as usize..range.end as usize], "{range:?}");
    }
    // Fewer bytes than asked for would be a silent cut.
    let beyond = objects.read(&key("1"), 0..700_002).await.map(|_| "a stream");
    assert_eq!(kind(beyond), ErrorKind::StorageUnavailable);
}

pub(crate) async fn deleting_takes_what_lies_beside(objects: &dyn Objects) {
    finished(objects, &key("1"), "file").await;
    objects.put(&key("1").beside("receipt.json"), Bytes::from_static(b"{}")).await.unwrap();
    let neighbour = ObjectKey::from_parts(["acme", "job_1", "1", "spans.csv-other"]);
    finished(objects, &neighbour, "neighbour").await;
    finished(objects, &key("12"), "other attempt").await;
    drop(objects.begin(&key("2")).await.unwrap());
    for attempt in ["1", "2", "3"] {
        objects.delete(&key(attempt)).await.unwrap();
        objects.delete(&key(attempt)).await.unwrap();
    }
    for gone in [key("1"), key("1").beside("receipt.json"), key("2")] {
        assert_eq!(objects.size(&gone).await.unwrap(), None, "{gone}");
    }
    assert_eq!(objects.staged().await.unwrap(), []);
    assert_eq!(bytes(objects, &neighbour).await, b"neighbour");
    assert_eq!(bytes(objects, &key("12")).await, b"other attempt");
}

pub(crate) async fn dropped_uploads_are_found(objects: &dyn Objects) {
    assert_eq!(objects.staged().await.unwrap(), []);
    let odd = ObjectKey::from_parts(["Ä & Co. ../", &"ж".repeat(200), "..", "%.csv"]);
    for key in [&odd, &key("1")] {
        put(objects, &mut objects.begin(key).await.unwrap(), "one").await;
    }
    let mut expected = [odd, key("1")];
    expected.sort();
    assert_eq!(objects.staged().await.unwrap(), expected);
}

pub(crate) async fn it_answers(objects: &dyn Objects) {
    objects.ping().await.unwrap();
    assert_eq!(objects.staged().await.unwrap(), []);
}
