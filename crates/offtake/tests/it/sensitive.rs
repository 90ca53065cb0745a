//! Sensitive columns in files: what is in them with `pii:read` and without, in every format, and after a kill.

use std::time::Duration;

use offtake_testkit::{
    AppBuilder, Cable, Client, Flow, PgVersion, Postgres, Reader, Role, TestApp, job_id, run, scratch, sha256,
};
use serde_json::{Value as Json, json};

use crate::faults::{assert_digest, checkpoint_beyond};
use crate::support::{OFFTAKE, id_of, read, saved, send_genuine};

const LONG: Duration = Duration::from_secs(100);
const VEILED: &str = "role:analyst";
const CLEAR: &str = "role:analyst,pii:read";

/// One row about everything, and one of NULLs.
const PEOPLE: &str = "
    CREATE TABLE people (id bigint PRIMARY KEY, org text NOT NULL, country text, email text, notes text, iban text,
        born date, score numeric(8,2), height double precision, flag boolean, seen timestamptz, traits jsonb, tags text[],
        visits bigint, profile jsonb);
    INSERT INTO people
    SELECT n, 'acme', 'DE', 'ada' || n % 5 || '@private.example', 'secret note ' || n, 'IBAN' || 700000 + n,
           date '1985-06-07' + n::int, 1234.56 + n, 1.87654321 + n, true, timestamptz '2031-03-04 05:06:07Z' + n * interval '1 s',
           jsonb_build_object('pet', 'Rumpelstiltskin'), ARRAY['blood group'], 987654321 + n,
           jsonb_build_object('lang', 'tlh', 'user', jsonb_build_object('email', 'grace@hidden.example', 'level', 3.10),
                              'contacts', jsonb_build_array(jsonb_build_object('phone', '+49 30 555'), 7))
      FROM generate_series(1, 40) n;
    INSERT INTO people (id, org) VALUES (41, 'acme');";

/// Parts of the values above, each as formats and their readers write it.
const RAW: [&[&str]; 13] = [
    &["private.example"],
    &["secret note"],
    &["IBAN7"],
    &["1985-", "\"5637\""],
    &["1235.56"],
    &["2.87654321"],
    &["true", "TRUE"],
    &["2031-03-04", "\"1930367168000000\""],
    &["Rumpelstiltskin"],
    &["blood group"],
    &["98765432"],
    &["hidden.example"],
    &["+49 30 555"],
];

fn people(url: &str) -> String {
    format!(
        "[sources.pg]\nurl = '{url}'\n[datasets.people]\nsource = 'pg'\ntable = 'people'\ntenant = 'org'\nkey = ['id']\n\
         filters = {{ country = 'in', email = 'in', profile = 'contains' }}\n[datasets.people.columns]\n\
         email = {{ sensitive = 'hash' }}\nvisits = {{ sensitive = 'hash' }}\niban = {{ sensitive = 'drop' }}\n\
         notes = {{ sensitive = true }}\nborn = {{ sensitive = 'mask' }}\nscore = {{ sensitive = 'mask' }}\n\
         height = {{ sensitive = 'mask' }}\nflag = {{ sensitive = 'mask' }}\nseen = {{ sensitive = 'mask' }}\n\
         traits = {{ sensitive = 'mask' }}\ntags = {{ sensitive = 'mask' }}\n\
         profile = {{ sensitive = {{ redact = ['/user/email', '/contacts/*/phone'] }} }}\n"
    )
}

/// All cells of a file, as somebody else's software reads it, and as it lies there.
async fn everything(app: &TestApp, client: &Client, reader: Reader, job: &Json) -> String {
    let (columns, cells) = read(app, client, reader, job).await;
    let bytes = client.download(id_of(job)).await;
    format!("{columns:?}\n{cells:?}\n{}", String::from_utf8_lossy(&bytes))
}

/// Server and worker are two processes here, which hash alike.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_file_shows_depends_on_the_permission() {
    let server = Postgres::shared(PgVersion::V15);
    let database = server.database();
    database.execute(PEOPLE);
    let app = AppBuilder::new(OFFTAKE).with_tables(&people(&database.url())).apart().start().await;
    let veiled = app.client_of("acme", "bob", VEILED).await;
    let clear = app.client_of("acme", "carol", CLEAR).await;
    let page = veiled.post("/api/v1/datasets/people/rows", &json!({"limit": 1})).await.expect(200).json();
    let hash = page["rows"][0]["email"].as_str().expect("a hash").to_owned();
    for (format, reader) in [
        ("csv", Reader::PythonCsv),
        ("jsonl", Reader::PythonJson),
        ("json", Reader::PythonJson),
        ("parquet", Reader::Arrow),
        ("xlsx", Reader::OpenPyxl),
    ] {
        let body = json!({ "format": format });
        let job = veiled.export("people", &body).await;
        let file = everything(&app, &veiled, reader, &job).await;
        for raw in RAW.into_iter().flatten() {
            assert!(!file.contains(raw), "{format}: {raw} is in the file:\n{file:.3000}");
        }
        assert!(file.contains(&hash) && file.contains("***") && !file.contains("iban"), "{format}:\n{file:.3000}");
        let receipt = veiled.receipt(id_of(&job)).await;
        let masked = json!({"email": 40, "visits": 40, "iban": 41, "notes": 40, "born": 40, "score": 40, "height": 40,
            "flag": 40, "seen": 40, "traits": 40, "tags": 40, "profile": 40});
        assert_eq!(receipt["masked"], masked, "{format}: {receipt}");
        // Of a document the rest stays.
        let rest = ["lang", "tlh", "3.1", "level", "contacts", "7"].into_iter().filter(|rest| !file.contains(rest));
        assert_eq!(rest.collect::<Vec<_>>(), [""; 0], "{format}:\n{file:.3000}");
        assert_eq!((&receipt["spec"]["disclosure"]["iban"], &receipt["rows_written"]), (&json!("drop"), &json!(41)));
        let again = veiled.export("people", &body).await;
        assert_eq!(veiled.receipt(id_of(&again)).await["sha256"], receipt["sha256"], "{format}: the same bytes");

        let job = clear.export("people", &body).await;
        let file = everything(&app, &clear, reader, &job).await;
        let missing: Vec<_> = RAW.into_iter().filter(|raw| !raw.iter().any(|raw| file.contains(raw))).collect();
        assert!(missing.is_empty() && !file.contains(&hash), "{format}: {missing:?} should be there:\n{file:.3000}");
        let seen = clear.receipt(id_of(&job)).await;
        assert_eq!(seen["masked"], json!({}), "{format}: {seen}");
        assert_ne!(seen["spec_sha256"], receipt["spec_sha256"], "{format}: other bytes, another fingerprint");
        let path = format!("/api/v1/export/jobs/{}/download", id_of(&job));
        app.client_of("acme", "carol", VEILED).await.get(&path).await.expect(403);
    }
    assert_eq!(page["rows"][0]["profile"]["user"], json!({"email": "***", "level": 3.1}));
    assert_eq!(page["rows"][0]["profile"]["contacts"], json!([{"phone": "***"}, 7]));
    for (filter, value) in [("email", "ada1@private.example"), ("profile", "hidden")] {
        let refused = veiled.create("people", &json!({"format": "csv", filter: value})).await;
        assert_eq!((refused.status, refused.problem().1), (422, vec![format!("/{filter}")]));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn kill_9_costs_no_byte_and_no_count_of_a_veiled_file() {
    let server = Postgres::shared(PgVersion::V15);
    let database = server.database();
    database.execute(
        "CREATE TABLE items (id bigint PRIMARY KEY, org text NOT NULL, email text, secret text, note text NOT NULL);
         INSERT INTO items SELECT n, 'acme', CASE WHEN n % 3 > 0 THEN 'ada' || n % 7 || '@private.example' END,
                CASE WHEN n % 5 > 0 THEN 'secret ' || n END, repeat(md5(n::text), 8)
         FROM generate_series(1, 24000) n;",
    );
    let cable = Cable::to(server.port()).await;
    let url = database.url().replacen(&format!(":{}/", server.port()), &format!(":{}/", cable.port()), 1);
    let tables = format!(
        "[sources.pg]\nurl = '{url}'\n[datasets.items]\nsource = 'pg'\ntable = 'items'\ntenant = 'org'\nkey = ['id']\n\
         rows = 'append_only'\ncolumns = {{ email = {{ sensitive = 'hash' }}, secret = {{ sensitive = true }} }}\n"
    );
    let builder = AppBuilder::new(OFFTAKE).set("worker.max_frame_rows", "512").with_tables(&tables);
    let mut app = builder.start().await;
    let client = app.client_of("acme", "bob", VEILED).await;
    let body = json!({"format": "csv"});
    let job = client.export("items", &body).await;
    let undisturbed = client.receipt(id_of(&job)).await;
    assert_eq!(undisturbed["masked"], json!({"email": 16_000, "secret": 19_200}), "{undisturbed}");
    let file = saved(&app, &client, &job).await;
    let text = std::fs::read_to_string(&file).expect("a text");
    assert!(!text.contains("private.example") && !text.contains("secret 1"), "{text:.500}");
    let digest = sha256(&file).await;

    cable.set(Flow::Late(Duration::from_millis(80)));
    let job = client.begin("items", &body).await;
    // A bucket takes larger parts, and there are fewer checkpoints.
    let (mut seen, mut kills) = (0, 0);
    while kills < 2 && checkpoint_beyond(&app, &client, &job, seen).await {
        app.kill9(Role::Serve);
        seen = app.checkpointed_rows(&job);
        app.start_role(Role::Serve).await;
        kills += 1;
    }
    assert!(kills > 0, "the job was too quick");
    cable.set(Flow::Passes);
    let rested = client.rested(&job, LONG).await;
    assert!(rested["attempt"].as_u64() >= Some(2), "nothing happened to it: {rested}");
    assert_digest(&app, &client, &rested, &digest).await;
    let resumed = client.receipt(&job).await;
    for same in ["masked", "spec_sha256", "columns", "rows_written"] {
        assert_eq!(resumed[same], undisturbed[same], "{same}");
    }
}

const SPANS: &str = "[spans.sensitive]\ninput = 'mask'\noutput = 'mask'\ncompletion = 'mask'\nuser_id = 'hash'\n\
                     attributes = 'drop'\ncompletion_attributes = 'drop'\nevents = 'drop'\n";

/// The text of an export of everything, and its receipt.
async fn file_of(client: &Client, dataset: &str) -> (String, Json) {
    let job = client.export(dataset, &json!({"format": "jsonl"})).await;
    let text = String::from_utf8(client.download(id_of(&job)).await).expect("UTF-8");
    (text, client.receipt(id_of(&job)).await)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_content_of_spans_can_be_sensitive_in_all_three_datasets() {
    let app = AppBuilder::new(OFFTAKE).with_tables(SPANS).start().await;
    send_genuine(&app.client("acme").await).await;
    let veiled = app.client_of("acme", "bob", VEILED).await;
    let clear = app.client_of("acme", "carol", CLEAR).await;
    for dataset in ["spans", "traces", "prompts"] {
        let (hidden, receipt) = file_of(&veiled, dataset).await;
        let (shown, _) = file_of(&clear, dataset).await;
        for content in ["sky is blue", "usr_4VN8QK", "gen_ai."] {
            assert!(!hidden.contains(content), "{dataset} tells {content}");
        }
        assert!(shown.contains("sky is blue") && shown.contains("usr_4VN8QK"), "{dataset}");
        assert!(hidden.contains("***") && receipt["masked"]["input"].as_u64() > Some(0), "{dataset}: {receipt}");
        let asked = json!({"format": "csv", "text": "sky"});
        let refused = veiled.create(dataset, &asked).await;
        assert_eq!((refused.status, refused.problem().1), (422, vec!["/text".to_owned()]), "{dataset}");
        assert_eq!(clear.create(dataset, &asked).await.status, 202, "{dataset}");
        let refused = veiled.create(dataset, &json!({"format": "csv", "user_ids": ["usr_4VN8QK"]})).await;
        assert_eq!((refused.status, refused.problem().1), (422, vec!["/user_ids".to_owned()]), "{dataset}");
    }
    // The operator at the machine has everything, unless it is not wanted.
    for (more, is_there) in [(&[][..], true), (&["--without-pii"], false)] {
        let path = app.folder().join(format!("local-{is_there}.csv"));
        let file = path.to_str().expect("UTF-8");
        let ran = app.cli(&[&["export", "traces", "--org", "acme", "-o", file], more].concat()).await;
        assert_eq!(ran.code, Some(0), "{ran:?}");
        let text = std::fs::read_to_string(&path).expect("the file");
        assert_eq!(text.contains("sky is blue"), is_there);
        assert_eq!(text.contains("***"), !is_there);
    }
}

#[tokio::test]
async fn what_would_be_told_all_the_same_is_found_by_config_check() {
    let folder = scratch("check");
    let database = folder.path().join("people.db");
    rusqlite::Connection::open(&database)
        .expect("a database")
        .execute_batch("CREATE TABLE people (email TEXT NOT NULL PRIMARY KEY, org TEXT NOT NULL, n INTEGER NOT NULL)")
        .expect("a table");
    let dataset = |more: &str| {
        format!(
            "[sources.s]\nurl = 'sqlite:people.db'\n[datasets.people]\nsource = 's'\ntable = 'people'\ntenant = 'org'\n\
             key = ['email']\n{more}"
        )
    };
    for (text, code, named) in [
        (dataset(""), 0, ""),
        (dataset("columns = { email = { sensitive = 'hash' } }"), 2, "datasets.people.key"),
        (dataset("identity = ['email']\ncolumns = { email = { sensitive = true } }"), 2, "datasets.people.identity"),
        (dataset("columns = { n = { sensitive = 'burn' } }"), 2, "burn"),
        (dataset("columns = { n = { sensitive = false } }"), 0, ""),
        (SPANS.to_owned(), 0, ""),
        ("[spans.sensitive]\ninput = true\n".to_owned(), 2, "attributes"),
        ("[spans.sensitive]\nspan_id = 'hash'\n".to_owned(), 2, "span_id"),
        ("[spans.sensitive]\ncolour = 'hash'\n".to_owned(), 2, "spans.sensitive.colour"),
    ] {
        std::fs::write(folder.path().join("offtake.toml"), &text).expect("the configuration can be written");
        let ran = run(std::path::Path::new(OFFTAKE), &["config", "check"], folder.path()).await;
        assert_eq!(ran.code, Some(code), "{text}\n{ran:?}");
        assert!(ran.stderr.contains(named), "{text}\n{ran:?}");
    }
}

/// A token by role can do what its role lists, and nothing else.
#[tokio::test(flavor = "multi_thread")]
async fn tokens_are_made_by_role() {
    let app = TestApp::start(OFFTAKE).await;
    let by = async |arguments: &[&str]| {
        let ran = app.cli(&[&["token", "--org", "acme", "--sub", "ada"], arguments].concat()).await;
        assert_eq!(ran.code, Some(0), "{ran:?}");
        app.client_with_token(ran.stdout.trim())
    };
    let ingest = by(&["--role", "ingest"]).await;
    send_genuine(&ingest).await;
    ingest.get("/api/v1/export/jobs").await.expect(403);
    let viewer = by(&["--role", "viewer"]).await;
    viewer.post("/api/v1/datasets/spans/count", &json!({})).await.expect(200);
    viewer.create("spans", &json!({"format": "csv"})).await.expect(403);
    let analyst = by(&["--role", "viewer,analyst", "--permissions", "exports:delete"]).await;
    let answer = analyst.create("spans", &json!({"format": "csv"})).await.expect(202);
    let job = analyst.rested(&job_id(&answer), LONG).await;
    analyst.download(id_of(&job)).await;
    analyst.delete(&format!("/api/v1/export/jobs/{}/file", id_of(&job))).await.expect(204);
    let unknown = app.cli(&["token", "--org", "acme", "--sub", "ada", "--role", "king"]).await;
    assert_eq!(unknown.code, Some(2), "{unknown:?}");
    assert!(unknown.stderr.contains("viewer, analyst, ingest, admin"), "{unknown:?}");
}
