//! Spans to test with: the genuine ones, and as many more as a test wants, made once and kept under `target`.

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::foreign::python_at;
use crate::postgres::{Database, Postgres, rows_at};
use crate::process::run;

/// The repository.
pub(crate) fn repository() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).expect("crates/offtake-testkit lies in the repository").to_owned()
}

fn kept() -> PathBuf {
    let folder = repository().join("target/offtake-tests");
    fs::create_dir_all(&folder).expect("target can be written to");
    folder
}

/// A folder that is gone after the test.
///
/// # Panics
/// If it cannot be made.
pub fn scratch(name: &str) -> TempDir {
    let run = kept().join("run");
    fs::create_dir_all(&run).expect("target can be written to");
    tempfile::Builder::new().prefix(name).tempdir_in(run).expect("a temporary folder can be made")
}

/// The genuine spans: the files `NAME.otlp.pb` (or `.jsonl`), sorted.
///
/// # Panics
/// If they are not there.
pub fn genuine(extension: &str) -> Vec<PathBuf> {
    let folder = repository().join("testdata/otlp");
    let suffix = format!(".otlp.{extension}");
    let mut files: Vec<PathBuf> = fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.to_string_lossy().ends_with(&suffix))
        .collect();
    files.sort();
    assert!(!files.is_empty(), "no genuine spans in {}", folder.display());
    files
}

/// Makes `target` once, whoever asks first; others wait. `make` gets a path to write to, which then becomes `target`.
async fn once<F>(target: &Path, make: impl FnOnce(PathBuf) -> F)
where
    F: Future<Output = ()>,
{
    locked(target, async || {
        if !target.exists() {
            let unfinished = target.with_extension("unfinished");
            remove(&unfinished);
            make(unfinished.clone()).await;
            fs::rename(&unfinished, target).expect("a finished file can be renamed");
        }
    })
    .await;
}

/// Does something while nobody else does what is named by `target`.
async fn locked(target: &Path, work: impl AsyncFnOnce()) {
    let lock = File::create(target.with_extension("lock")).expect("target can be written to");
    let lock = tokio::task::spawn_blocking(move || {
        lock.lock().expect("a file can be locked");
        lock
    })
    .await
    .expect("no panic while waiting for the lock");
    work().await;
    drop(lock);
}

fn remove(path: &Path) {
    let gone = if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
    assert!(gone.is_ok() || !path.exists(), "{} cannot be removed", path.display());
}

/// `spans` spans made from the genuine ones, as a file of length-prefixed protobuf requests.
///
/// # Panics
/// If they cannot be made.
pub async fn amplified(spans: u64, seed: u64) -> PathBuf {
    let target = kept().join(format!("spans-{spans}-seed-{seed}.otlp.pb"));
    once(&target, |unfinished| async move {
        let script = repository().join("testdata/amplify.py");
        let (spans, seed) = (spans.to_string(), seed.to_string());
        let (script, out) = (script.to_string_lossy(), unfinished.to_string_lossy());
        let arguments =
            [&*script, "--spans", &spans, "--seed", &seed, "--compose", "0.3", "--format", "pb", "--out", &*out];
        let ran = run(&python_at(), &arguments, &kept()).await;
        assert_eq!(ran.code, Some(0), "amplify.py: {ran:?}");
    })
    .await;
    target
}

/// A data dir with `spans` amplified spans of the organization `acme`, to be copied. Made anew for every new binary.
///
/// # Panics
/// If it cannot be made.
pub async fn prepared(binary: &str, spans: u64) -> PathBuf {
    let made = fs::metadata(binary).and_then(|meta| meta.modified()).expect("the binary is there");
    let stamp = made.duration_since(std::time::UNIX_EPOCH).map(|since| since.as_millis()).unwrap_or_default();
    let target = kept().join(format!("data-{spans}-{stamp}"));
    if !target.exists() {
        forget_older(&format!("data-{spans}-"), &target);
    }
    let file = amplified(spans, 1).await;
    once(&target, |unfinished| async move {
        let (file, data) = (file.to_string_lossy(), unfinished.to_string_lossy());
        let arguments = ["import-spans", &*file, "--org", "acme", "--data-dir", &*data];
        let ran = run(Path::new(binary), &arguments, &kept()).await;
        assert_eq!(ran.code, Some(0), "import-spans: {ran:?}");
    })
    .await;
    target
}

/// A database of this test's own with the spans of [`prepared`]. They are imported once per server.
///
/// # Panics
/// If it cannot be made.
pub async fn prepared_database(server: &Postgres, binary: &str, spans: u64) -> Database {
    let file = amplified(spans, 1).await;
    let (template, half) = (format!("spans_{spans}"), format!("spans_{spans}_half"));
    let lock = kept().join(format!("postgres-{}-{template}", server.port()));
    locked(&lock, async || {
        let there =
            rows_at(&server.url("postgres"), &format!("SELECT 1 FROM pg_database WHERE datname = '{template}'"));
        if there.is_empty() {
            server.execute(&format!("DROP DATABASE IF EXISTS {half} WITH (FORCE)"));
            server.execute(&format!("CREATE DATABASE {half} TEMPLATE template0"));
            let (data, url) = (scratch("import"), server.url(&half));
            let (file, data) = (file.to_string_lossy(), data.path().to_string_lossy().into_owned());
            let arguments = ["import-spans", &*file, "--org", "acme", "--data-dir", &data, "--database", &url];
            let ran = run(Path::new(binary), &arguments, &kept()).await;
            assert_eq!(ran.code, Some(0), "import-spans: {ran:?}");
            server.execute(&format!("ALTER DATABASE {half} RENAME TO {template}"));
        }
    })
    .await;
    server.copy_of(&template)
}

/// Data dirs of earlier binaries are of no more use.
fn forget_older(prefix: &str, but: &Path) {
    for entry in fs::read_dir(kept()).expect("target can be read").flatten() {
        let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
        if name.starts_with(prefix) && path.is_dir() && path != but && path.extension().is_none() {
            remove(&path);
        }
    }
}

/// Copies a folder with what is in it.
///
/// # Panics
/// If it cannot be copied.
pub fn copy_dir(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap_or_else(|error| panic!("{}: {error}", to.display()));
    let mode = fs::metadata(from).expect("the template is there").permissions().mode();
    fs::set_permissions(to, fs::Permissions::from_mode(mode)).expect("an own folder's mode can be set");
    for entry in fs::read_dir(from).unwrap_or_else(|error| panic!("{}: {error}", from.display())).flatten() {
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        if source.is_dir() {
            copy_dir(&source, &target);
        } else {
            fs::copy(&source, &target).unwrap_or_else(|error| panic!("{}: {error}", source.display()));
        }
    }
}
