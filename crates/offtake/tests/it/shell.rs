//! The whole job from a shell: the same road, the same bytes, and exit codes a script can rely on.

use std::path::{Path, PathBuf};
use std::time::Duration;

use offtake_testkit::{
    AppBuilder, SpanSketch, TestApp, eventually, genuine, length_prefixed, request_of, run, sha256, small_spans,
};
use serde_json::{Value as Json, json};

use crate::support::{GENUINE, OFFTAKE, id_of, identities, send_genuine};

fn at(app: &TestApp, name: &str) -> (PathBuf, String) {
    let path = app.folder().join(name);
    let text = path.to_string_lossy().into_owned();
    (path, text)
}

#[tokio::test(flavor = "multi_thread")]
async fn here_and_through_a_server_come_the_same_bytes() {
    let app = TestApp::start(OFFTAKE).await;
    let client = app.client("acme").await;
    send_genuine(&client).await;
    let job =
        client.export("spans", &json!({"format": "csv", "compression": "gzip", "environment": "production"})).await;
    let digest = client.receipt(id_of(&job)).await["sha256"].as_str().expect("a digest").to_owned();
    let (here, here_text) = at(&app, "here.csv.gz");
    let (there, there_text) = at(&app, "there.csv.gz");
    let ran = app.cli(&["export", "spans", "--org", "acme", "--environment", "production", "-o", &here_text]).await;
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert_eq!(ran.stdout.trim(), here_text, "the file on stdout, the rest on stderr");
    let token = app.token("acme", "tester", "all").await;
    let url = app.url();
    let ran = app
        .bare_cli(&[
            "export",
            "spans",
            "--environment",
            "production",
            "-o",
            &there_text,
            "--server",
            &url,
            "--token",
            &token,
        ])
        .await;
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert_eq!((sha256(&here).await, sha256(&there).await), (digest.clone(), digest));

    for file in [&here_text, &there_text] {
        let ran = app.bare_cli(&["verify", file]).await;
        assert_eq!(ran.code, Some(0), "{ran:?}");
    }
    let mut bytes = std::fs::read(&here).expect("the file");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&here, &bytes).expect("the file can be changed");
    assert_eq!(app.bare_cli(&["verify", &here_text]).await.code, Some(1), "one bit is another file");
    std::fs::write(&here, &bytes[..middle]).expect("the file can be cut");
    assert_eq!(app.bare_cli(&["verify", &here_text]).await.code, Some(1), "half a file");
    std::fs::remove_file(&here).expect("the file can be removed");
    assert_eq!(app.bare_cli(&["verify", &here_text]).await.code, Some(4), "no file");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_export_leaves_no_file_and_continues() {
    let app = AppBuilder::new(OFFTAKE).with_spans(small_spans()).start().await;
    let (target, text) = at(&app, "local.csv");
    let (whole, whole_text) = at(&app, "whole.csv");
    let ran = app.cli(&["export", "spans", "--org", "acme", "-o", &whole_text]).await;
    assert_eq!(ran.code, Some(0), "{ran:?}");

    let mut command = app.cli_begin(&["export", "spans", "--org", "acme", "-o", &text, "--json"]);
    let job = eventually("a checkpoint", Duration::from_secs(120), || async {
        app.checkpointed_jobs().into_iter().find(|(_, rows)| *rows > 0).map(|(job, _)| job)
    })
    .await;
    command.interrupt();
    let status = command.finished(Duration::from_secs(30)).await;
    assert_eq!(status.code(), Some(130), "{}", command.log());
    assert!(command.log().contains(&job), "it says how to go on: {}", command.log());
    assert!(!target.exists(), "nothing has the name of the file before it is whole");
    let ran = app.cli(&["export", "--resume", &job]).await;
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert_eq!(sha256(&target).await, sha256(&whole).await);
    let left = run(Path::new("ls"), &["-A"], app.folder()).await.stdout;
    assert!(!left.contains(".part"), "{left}");
}

/// `script` gives the command a terminal, and writes down what it shows there.
#[tokio::test(flavor = "multi_thread")]
async fn a_terminal_gets_a_bar_and_a_pipe_plain_lines() {
    let app = AppBuilder::new(OFFTAKE).with_spans(small_spans()).start().await;
    let (target, text) = at(&app, "bar.csv");
    let (data, config) = (app.data_dir().display(), app.config().display());
    let command = format!("'{OFFTAKE}' export spans --org acme -o '{text}' --data-dir '{data}' --config '{config}'");
    let on = async |terminal: &str| {
        let ran = run(Path::new("env"), &[terminal, "script", "-qec", &command, "/dev/null"], app.folder()).await;
        assert_eq!(ran.code, Some(0), "{ran:?}");
        ran
    };
    let ran = on("TERM=xterm").await;
    assert!(ran.stdout.contains("exporting: ") && ran.stdout.contains("[="), "no bar: {ran:?}");
    assert!(ran.stdout.contains(&format!(" of {} rows", small_spans())), "no rows: {ran:?}");
    assert!(target.exists());
    std::fs::remove_file(&target).expect("the file can be removed");
    let ran = on("TERM=dumb").await;
    assert!(ran.stdout.contains("\nexporting: ") && !ran.stdout.contains("[="), "it takes nothing back: {ran:?}");
    std::fs::remove_file(&target).expect("the file can be removed");
    let plain = app.cli(&["export", "spans", "--org", "acme", "-o", &text]).await;
    assert_eq!(plain.code, Some(0), "{plain:?}");
    assert!(plain.stderr.contains("exporting: ") && !plain.stderr.contains('\u{1b}'), "not plain: {plain:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_local_export_continues() {
    let app = AppBuilder::new(OFFTAKE).with_spans(small_spans()).start().await;
    let (target, text) = at(&app, "local.jsonl.zst");
    let (whole, whole_text) = at(&app, "whole.jsonl.zst");
    let ran = app.cli(&["export", "spans", "--org", "acme", "-o", &whole_text]).await;
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let mut command = app.cli_begin(&["export", "spans", "--org", "acme", "-o", &text]);
    let job = eventually("a checkpoint", Duration::from_secs(120), || async {
        app.checkpointed_jobs().into_iter().find(|(_, rows)| *rows > 0).map(|(job, _)| job)
    })
    .await;
    command.kill9();
    assert!(!target.exists(), "nothing has the name of the file before it is whole");
    let ran = app.cli(&["export", "--resume", &job]).await;
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert_eq!(sha256(&target).await, sha256(&whole).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn spans_come_from_files_of_either_kind() {
    let app = TestApp::start(OFFTAKE).await;
    for kind in ["pb", "jsonl"] {
        let files: Vec<String> = genuine(kind).iter().map(|path| path.to_string_lossy().into_owned()).collect();
        let mut arguments = vec!["import-spans", "--org", kind];
        arguments.extend(files.iter().map(String::as_str));
        for _ in 0..2 {
            let ran = app.cli(&arguments).await;
            assert_eq!(ran.code, Some(0), "{ran:?}");
        }
        let client = app.client(kind).await;
        assert_eq!(identities(&client, json!({})).await.len() as u64, GENUINE, "{kind}");
    }
    let mut bad = SpanSketch::new(1);
    bad.0.trace_id = vec![1, 2, 3];
    let (path, text) = at(&app, "bad.pb");
    std::fs::write(&path, length_prefixed(&[request_of(&[bad, SpanSketch::new(2)])])).expect("a file");
    let ran = app.cli(&["import-spans", "--org", "bad", &text]).await;
    assert_eq!(ran.code, Some(1), "a span was refused: {ran:?}");
    assert_eq!(identities(&app.client("bad").await, json!({})).await.len(), 1, "the other one is there");
    std::fs::write(&path, b"no spans at all").expect("a file");
    assert_ne!(app.cli(&["import-spans", "--org", "bad", &text]).await.code, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn exit_codes_mean_what_the_documentation_says() {
    let app = TestApp::start(OFFTAKE).await;
    let client = app.client("acme").await;
    send_genuine(&client).await;
    let (_, file) = at(&app, "x.csv");
    let (url, nobody) = (app.url(), app.token("acme", "tester", "metrics:read").await);
    let token = app.token("acme", "tester", "all").await;
    let job = client.export("spans", &json!({"format": "csv"})).await;
    let done = id_of(&job).to_owned();
    let cases: Vec<(i32, Vec<&str>)> = vec![
        (2, vec!["export"]),
        (2, vec!["export", "spans", "--org", "acme", "-o", &file, "--colour", "red"]),
        (2, vec!["export", "spans", "--org", "acme", "-o", &file, "--format", "docx"]),
        (4, vec!["export", "nothing", "--org", "acme", "-o", &file]),
        (3, vec!["export", "spans", "-o", &file, "--server", &url, "--token", &nobody]),
        (3, vec!["jobs", "list", "--server", &url, "--token", "nonsense"]),
        (4, vec!["jobs", "show", "019a0000-0000-7000-8000-000000000000", "--server", &url, "--token", &token]),
        (5, vec!["jobs", "cancel", &done, "--server", &url, "--token", &token]),
        (0, vec!["jobs", "show", &done, "--server", &url, "--token", &token]),
    ];
    for (code, arguments) in cases {
        let ran =
            if arguments.contains(&"--server") { app.bare_cli(&arguments).await } else { app.cli(&arguments).await };
        assert_eq!(ran.code, Some(code), "{arguments:?}: {ran:?}");
        assert!(code == 0 || ran.stdout.is_empty(), "errors are on stderr: {ran:?}");
    }
    assert!(!Path::new(&file).exists());
    let (got, text) = at(&app, "got.csv");
    let ran =
        app.bare_cli(&["jobs", "download", &done, "-o", &text, "--server", &url, "--token", &token, "--json"]).await;
    assert_eq!(ran.code, Some(0), "{ran:?}");
    serde_json::from_str::<Json>(&ran.stdout).unwrap_or_else(|error| panic!("{error}: {ran:?}"));
    assert_eq!(sha256(&got).await, client.receipt(&done).await["sha256"].as_str().expect("a digest"));
}
