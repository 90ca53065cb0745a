//! What is written is for the user who runs the product, whatever the umask says.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use offtake_testkit::{AppBuilder, Ran, TestApp, run};
use serde_json::json;

use crate::support::{OFFTAKE, id_of, send_genuine};

/// Everything below a folder, with its mode.
fn modes(folder: &Path) -> Vec<(PathBuf, bool, u32)> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())).flatten() {
            // What the product tidies away meanwhile is no matter.
            let Ok(meta) = entry.metadata() else { continue };
            if meta.is_dir() {
                folders.push(entry.path());
            }
            found.push((entry.path(), meta.is_dir(), meta.permissions().mode() & 0o777));
        }
    }
    found
}

#[track_caller]
fn assert_private(folder: &Path) -> usize {
    let found = modes(folder);
    for (path, is_folder, mode) in &found {
        let wanted = if *is_folder { 0o700 } else { 0o600 };
        assert_eq!(*mode, wanted, "{} is {mode:o}", path.display());
    }
    found.len()
}

/// A command of the binary under a umask that forbids nothing.
async fn careless(app: &TestApp, arguments: &[&str]) -> Ran {
    let (data, config) = (app.data_dir().to_string_lossy(), app.config().to_string_lossy());
    let script = "umask 000; exec \"$0\" \"$@\"";
    let mut all = vec!["-c", script, OFFTAKE];
    all.extend(arguments);
    all.extend(["--data-dir", &data, "--config", &config]);
    run(Path::new("/bin/sh"), &all, app.folder()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn files_are_private_and_so_are_their_folders() {
    let app = AppBuilder::new(OFFTAKE).embedded().set("worker.spool", "\"\"").start().await;
    let client = app.client("acme").await;
    send_genuine(&client).await;
    for format in ["csv", "xlsx", "parquet"] {
        let job = client.export("spans", &json!({"format": format})).await;
        client.receipt(id_of(&job)).await;
    }
    let seen = assert_private(app.data_dir());
    assert!(seen > 20, "databases with their logs, the secret, locks, files, receipts: {seen}");
    for name in ["offtake.db", "offtake.db-wal", "offtake.db-shm", "spans.db", "spans.db-wal", "token.secret"] {
        assert!(app.data_dir().join(name).exists(), "{name}");
    }

    // A data directory of its own, made by a command whose umask forbids nothing.
    let fresh = app.folder().join("fresh");
    let script = "umask 000; exec \"$0\" \"$@\"";
    let shown = fresh.to_string_lossy();
    let arguments = ["-c", script, OFFTAKE, "token", "--org", "acme", "--sub", "ada", "--data-dir", &shown];
    let ran = run(Path::new("/bin/sh"), &arguments, app.folder()).await;
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert_eq!(fs::metadata(&fresh).expect("it was made").permissions().mode() & 0o777, 0o700);
    assert_private(&fresh);
}

#[tokio::test(flavor = "multi_thread")]
async fn exported_files_are_never_wider_than_the_umask() {
    let app = AppBuilder::new(OFFTAKE).embedded().start().await;
    let client = app.client("acme").await;
    send_genuine(&client).await;
    let folder = app.folder().join("out");
    fs::create_dir(&folder).expect("a folder");
    fs::set_permissions(&folder, Permissions::from_mode(0o755)).expect("its mode");
    let token = app.token("acme", "tester", "all").await;
    let url = app.url();
    for (umask, allowed) in [("000", 0o666), ("022", 0o644), ("077", 0o600)] {
        for (name, place) in
            [("here.csv", vec!["--org", "acme"]), ("there.csv", vec!["--server", &url, "--token", &token])]
        {
            let file = folder.join(format!("{umask}-{name}"));
            let shown = file.to_string_lossy().into_owned();
            let script = format!("umask {umask}; exec \"$0\" \"$@\"");
            let mut arguments = vec!["-c", &script, OFFTAKE, "export", "spans", "-o", &shown];
            arguments.extend(&place);
            let (data, config) = (app.data_dir().to_string_lossy(), app.config().to_string_lossy());
            if name == "here.csv" {
                arguments.extend(["--data-dir", &data, "--config", &config]);
            }
            let ran = run(Path::new("/bin/sh"), &arguments, app.folder()).await;
            assert_eq!(ran.code, Some(0), "{ran:?}");
            let mode = fs::metadata(&file).expect("the file").permissions().mode() & 0o777;
            assert_eq!(mode & !allowed, 0, "{shown}: {mode:o} is wider than {allowed:o}");
            assert_eq!(mode & 0o600, 0o600, "{shown}: {mode:o}");
        }
    }
    for (path, is_folder, mode) in modes(&folder) {
        assert!(!is_folder && mode & 0o111 == 0, "{}: {mode:o}", path.display());
    }
    let listed = careless(&app, &["jobs", "list", "--org", "acme"]).await;
    assert_eq!(listed.code, Some(0), "{listed:?}");
    assert_private(app.data_dir());
}
