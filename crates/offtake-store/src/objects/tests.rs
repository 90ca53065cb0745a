//! The contract on a folder, and what only files can get wrong.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use futures::TryStreamExt;
use offtake_model::ErrorKind;
use rustix::fs::{CWD, FileType, Mode, OFlags, mknodat, openat};
use tempfile::TempDir;

use super::*;
use crate::contract::given::kind;

fn open() -> (TempDir, FolderObjects) {
    let folder = tempfile::tempdir().unwrap();
    let objects = FolderObjects::open(&folder.path().join("objects")).unwrap();
    (folder, objects)
}

mod folder {
    async fn open() -> (super::TempDir, super::FolderObjects) {
        super::open()
    }
    crate::contract::object_tests!(open);
}

fn key(attempt: &str) -> ObjectKey {
    ObjectKey::from_parts(["acme", "job_1", attempt, "spans.csv"])
}

/// Everything below a folder, relative, folders with a `/` at the end.
fn tree(root: &Path) -> Vec<String> {
    fn walk(root: &Path, folder: &Path, out: &mut Vec<String>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
            if path.is_dir() {
                out.push(name + "/");
                walk(root, &path, out);
            } else {
                out.push(name);
            }
        }
    }
    let mut out = Vec::new();
    walk(root, root, &mut out);
    out.sort();
    out
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[tokio::test]
async fn everything_is_private_to_its_user() {
    let (folder, objects) = open();
    let mut upload = objects.begin(&key("1")).await.unwrap();
    upload.put_part(Bytes::from_static(b"rows")).await.unwrap();
    objects.put(&key("2").beside("receipt.json"), Bytes::from_static(b"{}")).await.unwrap();
    let root = folder.path().join("objects");
    assert_eq!(mode(&root), 0o700);
    for name in tree(&root) {
        let expected = if name.ends_with('/') { 0o700 } else { 0o600 };
        assert_eq!(mode(&root.join(&name)), expected, "{name}");
    }
    upload.finish().await.unwrap();
    assert_eq!(mode(&root.join("ready/acme/job_1/1/spans.csv")), 0o600);
}

#[tokio::test]
async fn empty_folders_go() {
    let (folder, objects) = open();
    let mut upload = objects.begin(&key("1")).await.unwrap();
    upload.put_part(Bytes::from_static(b"rows")).await.unwrap();
    upload.finish().await.unwrap();
    objects.put(&key("1").beside("receipt.json"), Bytes::from_static(b"{}")).await.unwrap();
    let root = folder.path().join("objects");
    let job = ["ready/acme/", "ready/acme/job_1/", "ready/acme/job_1/1/"];
    let files = ["ready/acme/job_1/1/spans.csv", "ready/acme/job_1/1/spans.csv.receipt.json"];
    let roots = ["part/", "ready/", "staged/"];
    let mut expected: Vec<&str> = roots.into_iter().chain(job).chain(files).collect();
    expected.sort_unstable();
    assert_eq!(tree(&root), expected);
    objects.delete(&key("1")).await.unwrap();
    assert_eq!(tree(&root), roots);
    objects.begin(&key("2")).await.unwrap().abort().await.unwrap();
    assert_eq!(tree(&root), roots);
}

#[tokio::test]
async fn a_key_from_elsewhere_cannot_leave_the_folder() {
    let (folder, objects) = open();
    let outside = folder.path().join("secret");
    std::fs::write(&outside, b"secret").unwrap();
    for text in ["../../secret", "/etc/passwd", "a/../../../secret", ""] {
        let evil: ObjectKey = serde_json::from_value(serde_json::json!(text)).unwrap();
        assert_eq!(kind(objects.begin(&evil).await), ErrorKind::Internal, "{text}");
        assert_eq!(kind(objects.read(&evil, 0..1).await.map(|_| "a stream")), ErrorKind::Internal, "{text}");
        assert_eq!(kind(objects.delete(&evil).await), ErrorKind::Internal, "{text}");
        assert_eq!(kind(objects.put(&evil, Bytes::new()).await), ErrorKind::Internal, "{text}");
    }
    assert_eq!(std::fs::read(&outside).unwrap(), b"secret");
}

#[tokio::test]
async fn uploads_and_prunes_at_once_do_not_hurt_each_other() {
    let (_folder, objects) = open();
    let work = (0..8).map(|worker| {
        let objects = objects.clone();
        tokio::spawn(async move {
            for round in 0..25 {
                let key = key(&format!("{worker}-{round}"));
                let mut upload = objects.begin(&key).await.unwrap();
                upload.put_part(Bytes::from_static(b"rows")).await.unwrap();
                if round % 3 == 0 {
                    upload.abort().await.unwrap();
                } else {
                    upload.finish().await.unwrap();
                }
                objects.delete(&key).await.unwrap();
            }
        })
    });
    futures::future::try_join_all(work).await.unwrap();
    assert_eq!(objects.staged().await.unwrap(), []);
}

#[tokio::test]
async fn the_first_failure_is_final() {
    let mut upload = disk::Growing::on("/dev/full".into()).unwrap();
    let error = upload.put(Bytes::from_static(b"rows")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::StorageFull);
    assert!(std::error::Error::source(&error).is_some(), "the cause is kept");
    assert_eq!(kind(upload.put(Bytes::new()).await), ErrorKind::StorageFull);
    assert_eq!(kind(upload.seal()), ErrorKind::StorageFull);
}

#[tokio::test]
async fn an_upload_somebody_stopped_waiting_for_is_broken() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe");
    mknodat(CWD, &pipe, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    let reader = openat(CWD, &pipe, OFlags::RDONLY | OFlags::NONBLOCK, Mode::empty()).unwrap();
    let mut upload = disk::Growing::on(pipe).unwrap();
    // More than a pipe holds, and nobody reads: the write cannot be over when it is given up.
    let part = upload.put(Bytes::from(vec![7; 1 << 20]));
    assert!(futures::FutureExt::now_or_never(part).is_none());
    assert_eq!(kind(upload.put(Bytes::from_static(b"more")).await), ErrorKind::StorageUnavailable);
    assert_eq!(kind(upload.seal()), ErrorKind::StorageUnavailable);
    // Ends the write, and with it the thread it is on.
    drop(reader);
}

#[tokio::test]
async fn what_was_swept_cannot_be_finished() {
    let (_folder, objects) = open();
    let mut upload = objects.begin(&key("1")).await.unwrap();
    upload.put_part(Bytes::from_static(b"rows")).await.unwrap();
    objects.delete(&key("1")).await.unwrap();
    assert_eq!(kind(upload.finish().await), ErrorKind::StorageUnavailable);
    assert_eq!(objects.size(&key("1")).await.unwrap(), None);
}

#[test]
fn a_root_that_is_no_folder_is_named() {
    let error = FolderObjects::open(Path::new("/dev/null/objects")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::StorageUnavailable);
    assert!(error.detail().contains("/dev/null"), "{}", error.detail());
}

// --- one file ---

fn target() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rows.csv");
    (folder, path)
}

#[tokio::test]
async fn a_file_grows_beside_its_target_and_replaces_it_at_once() {
    let (folder, path) = target();
    std::fs::write(&path, b"of last week").unwrap();
    let objects = FileObjects::new(path.clone(), Existing::Replace);
    let mut upload = objects.begin(&key("1")).await.unwrap();
    upload.put_part(Bytes::from_static(b"one,")).await.unwrap();
    assert_eq!(tree(folder.path()), ["rows.csv", "rows.csv.job_1.1.part"]);
    assert_eq!(std::fs::read(&path).unwrap(), b"of last week");
    assert_eq!(objects.size(&key("1")).await.unwrap(), None, "what is there is not the object");
    assert_eq!(kind(objects.read(&key("1"), 0..1).await.map(|_| "a stream")), ErrorKind::Gone);
    assert_eq!(kind(objects.put(&key("1").beside("json"), Bytes::new()).await), ErrorKind::Conflict);
    upload.put_part(Bytes::from_static(b"two")).await.unwrap();
    upload.finish().await.unwrap();
    assert_eq!(tree(folder.path()), ["rows.csv"]);
    assert_eq!((std::fs::read(&path).unwrap(), mode(&path)), (b"one,two".to_vec(), 0o600));
    let pieces: Vec<Bytes> = objects.read(&key("1"), 2..7).await.unwrap().try_collect().await.unwrap();
    assert_eq!(pieces.concat(), b"e,two");
    objects.ping().await.unwrap();
    objects.put(&key("1").beside("receipt.json"), Bytes::from_static(b"{}")).await.unwrap();
    assert_eq!(tree(folder.path()), ["rows.csv", "rows.csv.receipt.json"]);
}

#[tokio::test]
async fn a_file_that_came_meanwhile_is_kept_unless_it_may_be_replaced() {
    let (folder, path) = target();
    let objects = FileObjects::new(path.clone(), Existing::Keep);
    let mut upload = objects.begin(&key("1")).await.unwrap();
    upload.put_part(Bytes::from_static(b"rows")).await.unwrap();
    std::fs::write(&path, b"of somebody else").unwrap();
    assert_eq!(kind(upload.finish().await), ErrorKind::Conflict);
    objects.delete(&key("1")).await.unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), b"of somebody else");
    assert_eq!(tree(folder.path()), ["rows.csv"]);
    std::fs::remove_file(&path).unwrap();
    objects.begin(&key("2")).await.unwrap().finish().await.unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), b"");
}

#[tokio::test]
async fn a_file_is_resumed_by_another_process() {
    let (folder, path) = target();
    let mut upload = FileObjects::new(path.clone(), Existing::Replace).begin(&key("1")).await.unwrap();
    let listed = upload.put_part(Bytes::from_static(b"one,")).await.unwrap();
    upload.put_part(Bytes::from_static(b"not listed")).await.unwrap();
    drop(upload);
    let objects = FileObjects::new(path.clone(), Existing::Replace);
    // Another job to the same target has bytes of its own.
    let other = ObjectKey::from_parts(["acme", "job_2", "1", "spans.csv"]);
    objects.begin(&other).await.unwrap().abort().await.unwrap();
    let mut upload = objects.resume(&key("2"), &key("1"), &listed).await.unwrap();
    upload.put_part(Bytes::from_static(b"two")).await.unwrap();
    upload.finish().await.unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), b"one,two");
    objects.delete(&key("1")).await.unwrap();
    assert_eq!(tree(folder.path()), ["rows.csv"]);
}

#[tokio::test]
async fn deleting_spares_a_file_that_is_not_ours() {
    let (folder, path) = target();
    std::fs::write(&path, b"of last week").unwrap();
    let objects = FileObjects::new(path.clone(), Existing::Replace);
    drop(objects.begin(&key("1")).await.unwrap());
    objects.delete(&key("1")).await.unwrap();
    assert_eq!(tree(folder.path()), ["rows.csv"]);
    objects.begin(&key("2")).await.unwrap().finish().await.unwrap();
    objects.put(&key("2").beside("receipt.json"), Bytes::from_static(b"{}")).await.unwrap();
    objects.delete(&key("1")).await.unwrap();
    assert_eq!(tree(folder.path()), ["rows.csv", "rows.csv.receipt.json"], "another key");
    objects.delete(&key("2")).await.unwrap();
    assert_eq!(tree(folder.path()), [""; 0], "cancelled before it was published");
}
