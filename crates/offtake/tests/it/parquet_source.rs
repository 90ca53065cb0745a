//! Parquet files as a source: written by pyarrow, DuckDB and Offtake itself, read back by foreign readers.

use std::fs;
use std::path::Path;
use std::time::Duration;

use offtake_testkit::{
    AppBuilder, Client, Reader, Role, TestApp, assert_same_rows, lake, lake_rows, nulls_as_empty, run, scratch, sha256,
};
use serde_json::{Value as Json, json};

use crate::faults::{assert_digest, checkpoint_beyond};
use crate::support::{OFFTAKE, id_of, json_rows, read, saved};

const LONG: Duration = Duration::from_secs(300);

fn tables(folder: &Path, datasets: &[&str]) -> String {
    let mut toml = format!("[sources.lake]\nurl = \"parquet:{}\"\n", folder.display());
    for dataset in datasets {
        toml.push_str(&format!(
            "[datasets.{dataset}]\nsource = \"lake\"\ntable = \"{dataset}\"\ntenant = \"org\"\nkey = [\"id\"]\n"
        ));
    }
    toml
}

async fn ids(client: &Client, dataset: &str, body: Json) -> Vec<u64> {
    let mut body = body;
    body["format"] = json!("jsonl");
    body["fields"] = json!(["id"]);
    let job = client.export(dataset, &body).await;
    json_rows(client, &job).await.iter().map(|row| row["id"].as_u64().expect("an id")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn files_of_other_writers_come_out_cell_by_cell() {
    let folder = scratch("lake");
    lake("arrow", &folder.path().join("arrow"), &[]).await;
    lake("duck", &folder.path().join("duck"), &[]).await;
    let toml = tables(folder.path(), &["duck", "arrow"])
        + "time = \"micros\"\nfilters = { tags = \"overlaps\", flag = \"eq\", min_wide = { column = \"wide\", op = \"min\" }, \
           larger = \"in\", noted = { column = \"note\", op = \"contains\" }, huge = \"eq\" }\n";
    let app = AppBuilder::new(OFFTAKE).with_tables(&toml).start().await;
    let client = app.client("acme").await;
    for dataset in ["arrow", "duck"] {
        for (format, readers) in [
            ("parquet", &[Reader::Arrow, Reader::DuckDb][..]),
            ("csv", &[Reader::PythonCsv]),
            ("jsonl", &[Reader::PythonJson]),
        ] {
            let job = client.export(dataset, &json!({"format": format})).await;
            let receipt = client.receipt(id_of(&job)).await;
            let expected = lake_rows(&folder.path().join(dataset), "acme", &receipt).await;
            assert_eq!(job["row_count"], json!(expected.len()), "{job}");
            for reader in readers {
                let (columns, found) = read(&app, &client, *reader, &job).await;
                let what = format!("{dataset} as {format} by {reader:?}");
                if reader.knows_null() {
                    assert_same_rows(&what, &columns, &expected, &found);
                } else {
                    assert_same_rows(&what, &columns, &nulls_as_empty(&expected), &nulls_as_empty(&found));
                }
            }
        }
    }

    let huge = format!("1{}.00007", "0".repeat(44));
    for (body, expected) in [
        (
            json!({"tags": ["b\"c"], "flag": false}),
            (0..=200).filter(|n| n % 4 == 3 && n % 5 != 0 && n % 11 != 10).collect(),
        ),
        (
            json!({"min_wide": "9999999999999999999999999999.9999999900"}),
            (1..=99).filter(|n| n % 2 == 0 && n % 5 != 0 && n % 11 != 10).collect(),
        ),
        (json!({"larger": ["18446744073709551613", "18446744073709551612"]}), vec![2, 3]),
        (json!({"huge": huge}), vec![7]),
        (
            json!({"noted": "🦀", "selection": {"mode": "all_except", "ids": [1, 6]}}),
            (7..=200).filter(|n| n % 5 == 1 && n % 11 != 10).collect(),
        ),
        (json!({"selection": {"mode": "partial", "ids": [9, 4, 5, 999]}}), vec![4, 9]),
        (
            json!({"start_time": "2026-10-03T00:00:00Z", "end_time": "2026-10-03T00:00:00.100Z"}),
            (1..=200_u64).filter(|n| n % 40 == 2 && n % 5 != 0 && n % 11 != 10 && n * 1_001 < 100_000).collect(),
        ),
    ] {
        let expected: Vec<u64> = expected;
        assert_eq!(ids(&client, "arrow", body.clone()).await, expected, "{body}");
        let count = client.post("/api/v1/datasets/arrow/count", &body).await.json();
        assert_eq!(count["count"], json!(expected.len()), "{body}");
    }
    let foreign = app.client("nobody").await;
    assert_eq!(ids(&foreign, "arrow", json!({})).await, Vec::<u64>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_read_back_has_equal_rows() {
    let folder = scratch("lake");
    lake("arrow", &folder.path().join("first/arrow"), &[]).await;
    let config = folder.path().join("first.toml");
    fs::write(&config, tables(&folder.path().join("first"), &["arrow"])).expect("a file can be written");
    let export = async |config: &str, format: &str, to: &str| {
        let arguments = ["export", "arrow", "--org", "acme", "--format", format, "-o", to, "--config", config];
        let ran = run(Path::new(OFFTAKE), &arguments, folder.path()).await;
        assert_eq!(ran.code, Some(0), "{ran:?}");
    };
    export("first.toml", "csv", "first.csv").await;
    fs::create_dir(folder.path().join("second")).expect("a folder can be made");
    export("first.toml", "parquet", "second/arrow.parquet").await;
    // JSON travels as text in Parquet.
    let json = ["attrs", "nested", "numbers", "tags"].map(|name| format!("{name} = {{ type = \"json\" }}"));
    let second = tables(&folder.path().join("second"), &["arrow"]) + &format!("columns = {{ {} }}\n", json.join(", "));
    fs::write(folder.path().join("second.toml"), second).expect("a file can be written");
    export("second.toml", "csv", "second.csv").await;
    let text = |name: &str| fs::read_to_string(folder.path().join(name)).expect("a file");
    assert_eq!(text("first.csv"), text("second.csv"));
    assert!(text("first.csv").len() > 10_000);
}

async fn preview_count(client: &Client) -> Json {
    client.post("/api/v1/export/long/preview", &json!({"format": "csv"})).await.json()
}

#[tokio::test(flavor = "multi_thread")]
async fn files_may_change_between_exports_and_during_one() {
    let folder = scratch("lake");
    let files = folder.path().join("long");
    lake("long", &files, &["60000"]).await;
    let mut app: TestApp =
        AppBuilder::new(OFFTAKE).with_tables(&tables(folder.path(), &["long"])).apart().start().await;
    let client = app.client("acme").await;
    let body = json!({"format": "csv"});
    let first = client.export("long", &body).await;
    assert_eq!(first["row_count"], json!(60_000), "{first}");
    let digest = sha256(&saved(&app, &client, &first).await).await;
    let seen = preview_count(&client).await;
    assert_eq!(seen["count"], json!(60_000), "{seen}");

    let job = client.begin("long", &body).await;
    let running = checkpoint_beyond(&app, &client, &job, 0).await;
    assert!(running, "the job was too quick");
    app.kill9(Role::Worker);
    lake("long", &files, &["60001", "5"]).await;
    let then = client.post("/api/v1/export/long", &json!({"format": "csv", "as_of": seen["as_of"]})).await;
    assert_eq!(then.status, 202, "{then}");
    app.start_role(Role::Worker).await;
    let rested = client.rested(&job, LONG).await;
    assert_eq!(rested["attempt"], json!(2), "{rested}");
    assert_digest(&app, &client, &rested, &digest).await;
    let then = client.rested(&offtake_testkit::job_id(&then), LONG).await;
    assert_digest(&app, &client, &then, &digest).await;

    let now = client.export("long", &body).await;
    assert_eq!(now["row_count"], json!(60_001), "{now}");
    assert_eq!(preview_count(&client).await["count"], json!(60_001));
    assert_eq!(client.receipt(id_of(&rested)).await["rows_expected"], json!(60_000));

    // A file that is cut off fails the job, and says which it was; whole again, the next one is sound.
    let last = files.join("1.parquet");
    let whole = fs::read(&last).expect("a file");
    fs::write(&last, &whole[..whole.len() / 2]).expect("a file can be written");
    let ran = app.cli(&["config", "check"]).await;
    assert_eq!(ran.code, Some(2), "{ran:?}");
    assert!(ran.stderr.contains("datasets.long.table") && ran.stderr.contains("1.parquet"), "{ran:?}");
    let job = client.begin("long", &body).await;
    fs::write(&last, &whole).expect("a file can be written");
    let rested = client.rested(&job, LONG).await;
    assert_eq!((&rested["status"], &rested["row_count"]), (&json!("completed"), &json!(60_001)), "{rested}");

    // Another column of another type: drift, found by both, with its name.
    lake("arrow", &files.join("more"), &[]).await;
    let ran = app.cli(&["config", "check"]).await;
    assert_eq!(ran.code, Some(2), "{ran:?}");
    assert!(ran.stderr.contains("a.parquet"), "{ran:?}");
    let job = client.begin("long", &body).await;
    let rested = client.rested(&job, LONG).await;
    assert_eq!((&rested["status"], &rested["error"]["code"]), (&json!("failed"), &json!("schema_drift")), "{rested}");
    let told = rested["error"]["message"].as_str().unwrap_or_default();
    assert!(told.contains("a.parquet") && told.contains("attrs"), "{rested}");
}
