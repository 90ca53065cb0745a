//! The configuration, as a user meets it.

use std::path::Path;
use std::process::Command;

use offtake_testkit::{Ran, run, scratch};
use serde_json::{Value as Json, json};
use tempfile::TempDir;

const OFFTAKE: &str = env!("CARGO_BIN_EXE_offtake");

async fn offtake(folder: &TempDir, arguments: &[&str]) -> Ran {
    run(Path::new(OFFTAKE), arguments, folder.path()).await
}

fn write(folder: &TempDir, name: &str, text: &str) {
    std::fs::write(folder.path().join(name), text).expect("a file can be written");
}

/// `config show --json` with variables set.
fn shown(folder: &TempDir, variables: &[(&str, &str)]) -> Json {
    let output = Command::new(OFFTAKE)
        .args(["config", "show", "--json", "--data-dir", "elsewhere"])
        .current_dir(folder.path())
        .env_clear()
        .envs(variables.iter().copied())
        .output()
        .expect("the binary runs");
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
}

#[tokio::test]
async fn a_wrong_key_is_named_with_its_file_and_the_nearest_one() {
    let folder = scratch("config");
    write(&folder, "offtake.toml", "[worker]\nslot = 3\n");
    for command in [&["config", "check"][..], &["serve"], &["export", "spans", "--org", "a", "-o", "x.csv"]] {
        let ran = offtake(&folder, command).await;
        assert_eq!(ran.code, Some(2), "{ran:?}");
        for word in ["worker.slot", "offtake.toml", "worker.slots"] {
            assert!(ran.stderr.contains(word), "{word}: {ran:?}");
        }
    }
    assert!(!folder.path().join("offtake-data").exists(), "nothing is opened before the configuration is sound");
}

#[tokio::test]
async fn a_file_that_was_named_has_to_be_there() {
    let folder = scratch("config");
    let ran = offtake(&folder, &["config", "check", "--config", "no.toml"]).await;
    assert_eq!(ran.code, Some(2), "{ran:?}");
    assert!(ran.stderr.contains("no.toml"), "{ran:?}");
    assert_eq!(offtake(&folder, &["config", "check"]).await.code, Some(0), "none is needed");
}

#[tokio::test]
async fn each_value_is_shown_with_its_origin_and_no_secret_is() {
    let folder = scratch("config");
    let file = "[server]\nlisten = \"127.0.0.1:1\"\nsync_rows = 7\n[token]\nsecret = \"xq9-do-not-show-this-to-anybody-7731\"\n";
    write(&folder, "offtake.toml", file);
    let shown = shown(&folder, &[("OFFTAKE_SERVER__LISTEN", "127.0.0.1:2")]);
    let value = |key: &str| (shown[key]["value"].clone(), shown[key]["origin"].clone());
    assert_eq!(value("server.listen"), (json!("127.0.0.1:2"), json!("OFFTAKE_SERVER__LISTEN")));
    assert_eq!(value("server.sync_rows"), (json!(7), json!("offtake.toml")));
    assert_eq!(value("data_dir"), (json!("elsewhere"), json!("--data-dir")));
    assert_eq!(value("worker.lease"), (json!("30s"), json!("default")));
    assert!(!shown.to_string().contains("do-not-show"), "{shown}");
}

#[tokio::test]
async fn datasets_are_checked_against_their_source() {
    let folder = scratch("config");
    let make = "import sqlite3; d = sqlite3.connect('ledger.db'); \
                d.execute('create table invoices (id integer primary key, account text not null, total text)'); \
                d.execute(\"insert into invoices values (1, 'acme', '1.50'), (2, 'other', '2.50')\"); d.commit()";
    let ran = run(Path::new("python3"), &["-c", make], folder.path()).await;
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let config = |key: &str| {
        format!(
            "[sources.ledger]\nurl = \"sqlite:ledger.db\"\n[datasets.invoices]\ntitle = \"Invoices\"\nsource = \"ledger\"\n\
             table = \"invoices\"\ntenant = \"account\"\nkey = [\"{key}\"]\n"
        )
    };
    write(&folder, "offtake.toml", &config("number"));
    let ran = offtake(&folder, &["config", "check"]).await;
    assert_eq!(ran.code, Some(2), "{ran:?}");
    assert!(ran.stderr.contains("datasets.invoices.key") && ran.stderr.contains("number"), "{ran:?}");

    write(&folder, "offtake.toml", &config("id"));
    let ran = offtake(&folder, &["config", "check"]).await;
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(ran.stdout.contains("invoices"), "{ran:?}");
    let ran = offtake(&folder, &["export", "invoices", "--org", "acme", "-o", "-", "--format", "csv"]).await;
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(0), "id,account,total\n1,acme,1.50\n"), "{ran:?}");
}
