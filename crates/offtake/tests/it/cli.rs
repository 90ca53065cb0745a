//! What a command says, where it says it, and what it leaves behind.

use std::path::{Path, PathBuf};

use offtake_testkit::{AppBuilder, House, Ran, TestApp, genuine, run, scratch, sha256};
use serde_json::{Value as Json, json};
use tempfile::TempDir;

const OFFTAKE: &str = env!("CARGO_BIN_EXE_offtake");
const GENUINE: u64 = 413;

/// A folder with a data directory in it, and commands run in that folder.
struct Shell {
    folder: TempDir,
    house: House,
}

impl Shell {
    /// Jobs and files are where this run says; a file of the name that commands look for tells them.
    async fn new() -> Self {
        Self::in_house(House::of_this_run().await)
    }

    fn in_house(house: House) -> Self {
        let shell = Self { folder: scratch("cli"), house };
        shell.configure("offtake.toml", "");
        shell
    }

    /// Writes a configuration with these lines in it.
    fn configure(&self, name: &str, lines: &str) {
        let house: String = self.house.settings().iter().map(|(key, value)| format!("{key} = {value}\n")).collect();
        std::fs::write(self.path(name), house + lines).expect("the configuration can be written");
    }

    async fn with_spans() -> Self {
        let shell = Self::new().await;
        let files: Vec<String> = genuine("jsonl").iter().map(|path| path.to_string_lossy().into_owned()).collect();
        let mut arguments = vec!["import-spans", "--org", "acme"];
        arguments.extend(files.iter().map(String::as_str));
        let ran = shell.run(&arguments).await;
        assert_eq!(ran.code, Some(0), "{ran:?}");
        assert_eq!(ran.stdout, format!("{GENUINE} spans stored, 0 were there already, 0 refused\n"));
        shell
    }

    async fn run(&self, arguments: &[&str]) -> Ran {
        run(Path::new(OFFTAKE), arguments, self.folder.path()).await
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn bytes(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// Names in the folder and in the data directory, `objects` left out.
    fn names(&self) -> Vec<String> {
        let mut names = Vec::new();
        for folder in [self.folder.path().to_owned(), self.path("offtake-data")] {
            for entry in std::fs::read_dir(folder).expect("the folder can be read").flatten() {
                names.push(entry.file_name().to_string_lossy().into_owned());
            }
        }
        names
    }
}

fn json_of(text: &str) -> Json {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[tokio::test]
async fn stdout_is_the_file_and_nothing_is_left() {
    let shell = Shell::with_spans().await;
    let ran = shell.run(&["export", "spans", "--org", "acme", "-o", "spans.csv", "--json"]).await;
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let told = json_of(&ran.stdout);
    assert_eq!(told["receipt"]["rows_written"], json!(GENUINE));
    assert_eq!(told["receipt"], json_of(&String::from_utf8(shell.bytes("spans.csv.receipt.json")).expect("UTF-8")));

    let ran = shell.run(&["export", "spans", "--org", "acme", "-o", "-", "--format", "csv"]).await;
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert_eq!(ran.stdout.into_bytes(), shell.bytes("spans.csv"));
    let left: Vec<String> =
        shell.names().into_iter().filter(|name| name.ends_with(".part") || name.starts_with("export-")).collect();
    assert!(left.is_empty(), "{left:?}");
}

#[tokio::test]
async fn a_file_is_only_overwritten_on_request() {
    let shell = Shell::with_spans().await;
    std::fs::write(shell.path("old.csv"), "mine").expect("a file");
    let export = ["export", "spans", "--org", "acme", "-o", "old.csv"];
    let ran = shell.run(&export).await;
    assert_eq!(ran.code, Some(5), "{ran:?}");
    assert!(ran.stderr.contains("--force"), "{ran:?}");
    assert_eq!(shell.bytes("old.csv"), b"mine");
    let ran = shell.run(&[&export[..], &["--force"]].concat()).await;
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert_eq!(shell.run(&["verify", "old.csv"]).await.code, Some(0));
}

#[tokio::test]
async fn what_is_typed_selects() {
    let shell = Shell::with_spans().await;
    let rows = async |more: &[&str]| {
        let fixed = ["export", "spans", "--org", "acme", "-o", "-", "--format", "jsonl"];
        let ran = shell.run(&[&fixed[..], more].concat()).await;
        assert_eq!(ran.code, Some(0), "{more:?}: {ran:?}");
        ran.stdout.lines().map(json_of).collect::<Vec<_>>()
    };
    let all = rows(&[]).await;
    assert_eq!(all.len() as u64, GENUINE);
    let of = |test: &dyn Fn(&Json) -> bool| all.iter().filter(|row| test(row)).cloned().collect::<Vec<_>>();

    let expected = of(&|row| row["model"] == "gpt-4o" || row["model"] == "gpt-4o-mini");
    assert!(!expected.is_empty());
    assert_eq!(rows(&["--model", "gpt-4o", "--model=gpt-4o-mini"]).await, expected);

    let from = all[100]["started_at"].as_str().expect("a moment");
    let to = all[200]["started_at"].as_str().expect("a moment");
    let expected = of(&|row| row["started_at"].as_str().is_some_and(|at| from <= at && at < to));
    assert_eq!(rows(&["--created-at", &format!("{from}..{to}")]).await, expected);
    assert_eq!(rows(&["--start-time", from, "--end-time", to]).await, expected);

    let expected = of(&|row| row["total_tokens"].as_i64().is_some_and(|tokens| tokens >= 100));
    assert_eq!(rows(&["--min-tokens", "100"]).await, expected);

    let identity = |row: &Json| json!({"trace_id": row["trace_id"], "span_id": row["span_id"]}).to_string();
    let lines: Vec<String> = all[..3].iter().map(identity).collect();
    std::fs::write(shell.path("ids.jsonl"), lines.join("\n")).expect("a file");
    assert_eq!(rows(&["--only", "ids.jsonl"]).await, all[..3]);
    assert_eq!(rows(&["--except", "ids.jsonl"]).await, all[3..]);

    let ran = shell
        .run(&[
            "export",
            "spans",
            "--org",
            "acme",
            "-o",
            "two.csv",
            "--fields",
            "span_id,cost_usd=Cost",
            "--limit",
            "2",
            "--delimiter",
            "tab",
        ])
        .await;
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(ran.stderr.contains("2 of 413"), "a limit that cuts is told: {ran:?}");
    let text = String::from_utf8(shell.bytes("two.csv")).expect("UTF-8");
    assert_eq!((text.lines().next(), text.lines().count()), (Some("span_id\tCost"), 3));
}

#[tokio::test]
async fn jobs_can_be_looked_at_and_fetched_without_asking_the_server() {
    let app = TestApp::start(OFFTAKE).await;
    let files: Vec<String> = genuine("pb").iter().map(|path| path.to_string_lossy().into_owned()).collect();
    let mut import = vec!["import-spans", "--org", "acme"];
    import.extend(files.iter().map(String::as_str));
    assert_eq!(app.cli(&import).await.code, Some(0));
    let client = app.client("acme").await;
    let done = client.export("spans", &json!({"format": "csv", "compression": "gzip"})).await;
    let id = done["job_id"].as_str().expect("an id");

    let listed = json_of(&app.cli(&["jobs", "list", "--org", "acme", "--json"]).await.stdout);
    assert_eq!(listed["jobs"][0]["job_id"], *id);
    assert_eq!(listed["pagination"]["total"], 1);
    assert_eq!(json_of(&app.cli(&["jobs", "list", "--org", "other", "--json"]).await.stdout)["jobs"], json!([]));
    let shown = json_of(&app.cli(&["jobs", "show", id, "--org", "acme", "--json"]).await.stdout);
    for name in ["job_id", "status", "phase", "row_count", "file_size_bytes", "spec", "created_at", "expires_at"] {
        assert_eq!(shown[name], done[name], "{name} is what the API says");
    }
    assert_eq!(app.cli(&["jobs", "show", id, "--org", "other"]).await.code, Some(4), "somebody else's is not there");
    assert_eq!(app.cli(&["jobs", "cancel", id, "--org", "acme"]).await.code, Some(5), "it is over");
    assert_eq!(app.cli(&["jobs", "retry", id, "--org", "acme"]).await.code, Some(5), "it did not fail");
    let file = app.folder().join("here.csv.gz");
    let ran = app.cli(&["jobs", "download", id, "--org", "acme", "--verify", "-o", &file.to_string_lossy()]).await;
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert_eq!(client.receipt(id).await["sha256"], sha256(&file).await);
}

#[tokio::test]
async fn a_download_goes_on_where_it_broke_off() {
    let app = TestApp::start(OFFTAKE).await;
    let files: Vec<String> = genuine("pb").iter().map(|path| path.to_string_lossy().into_owned()).collect();
    let mut import = vec!["import-spans", "--org", "acme"];
    import.extend(files.iter().map(String::as_str));
    assert_eq!(app.cli(&import).await.code, Some(0));
    let client = app.client("acme").await;
    let done = client.export("spans", &json!({"format": "csv"})).await;
    let id = done["job_id"].as_str().expect("an id");
    let (url, token) = (app.url(), app.token("acme", "tester", "all").await);
    let whole = app.folder().join("whole.csv");
    let download = async |file: &Path, more: &[&str]| {
        let file = file.to_string_lossy();
        let fixed = ["jobs", "download", id, "--server", &url, "--token", &token, "--verify", "-o", &*file];
        let ran = app.bare_cli(&[&fixed[..], more].concat()).await;
        assert_eq!(ran.code, Some(0), "{ran:?}");
    };
    download(&whole, &[]).await;
    let bytes = std::fs::read(&whole).expect("the file");

    // A beginning of this file is continued, one of another file is fetched anew: either way it is the file.
    for (name, beginning) in [("half.csv", bytes[..bytes.len() / 2].to_vec()), ("other.csv", vec![b'x'; 1000])] {
        let file = app.folder().join(name);
        let part = app.folder().join(format!("{name}.{id}.part"));
        std::fs::write(&part, beginning).expect("a file");
        download(&file, &["--resume"]).await;
        assert_eq!(std::fs::read(&file).expect("the file"), bytes, "{name}");
        assert!(!part.exists());
    }
}

#[tokio::test]
async fn errors_are_json_where_that_is_asked_for() {
    let shell = Shell::with_spans().await;
    let ran = shell.run(&["export", "spans", "--org", "acme", "-o", "x.csv", "--limit", "0", "--json"]).await;
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""));
    let told = json_of(ran.stderr.trim());
    assert_eq!(told["code"], "invalid_request");
    assert_eq!(told["violations"][0]["pointer"], "/limit");

    std::fs::write(shell.path("x.csv"), "a\n").expect("a file");
    shell.run(&["export", "spans", "--org", "acme", "-o", "x.csv", "--force"]).await;
    std::fs::write(shell.path("x.csv"), "a\n").expect("a file");
    let ran = shell.run(&["verify", "x.csv", "--json"]).await;
    assert_eq!(ran.code, Some(1), "{ran:?}");
    let told = json_of(&ran.stdout);
    assert_eq!(told["ok"], false);
    assert_eq!(told["differences"].as_array().map(Vec::len), Some(2), "size and digest: {told}");
}

#[tokio::test]
async fn the_first_run_tells_how_to_go_on() {
    // Where the secret is configured, nobody is greeted with a token.
    let mut app = AppBuilder::new(OFFTAKE).embedded().start().await;
    let url = app.url();
    // It listens first and tells more then.
    let log = offtake_testkit::eventually("the whole greeting", std::time::Duration::from_secs(10), || {
        let log = app.log();
        async move { log.contains("Another one:").then_some(log) }
    })
    .await;
    assert!(log.lines().any(|line| line == format!("listening on {url}")), "{log}");
    assert!(log.contains(&format!("{url}/docs")), "{log}");
    let line = log.lines().find(|line| line.trim_start().starts_with("token ")).expect("a line with a token");
    let token = line.split_whitespace().next_back().expect("a token");
    app.client_with_token(token).get("/api/v1/datasets").await.expect(200);

    app.terminate(offtake_testkit::Role::Serve, std::time::Duration::from_secs(30)).await;
    app.start_role(offtake_testkit::Role::Serve).await;
    let log = app.log();
    assert!(!log.contains("First run") && !log.contains("eyJ"), "only once: {log}");
}

#[tokio::test]
async fn a_weak_or_open_secret_is_refused() {
    use std::os::unix::fs::PermissionsExt;
    // In a data dir a secret is made; elsewhere it must be configured.
    let shell = Shell::in_house(House::default());
    shell.configure("weak.toml", "token.secret = \"changeme-changeme-changeme-changeme\"\n");
    let token = ["token", "--org", "acme", "--sub", "me"];
    let ran = shell.run(&[&token[..], &["--config", "weak.toml"]].concat()).await;
    assert_eq!(ran.code, Some(2), "{ran:?}");
    assert!(!ran.stderr.contains("changeme-changeme"), "a secret is never printed: {ran:?}");

    assert_eq!(shell.run(&token).await.code, Some(0), "one is made");
    let secret = shell.path("offtake-data/token.secret");
    assert_eq!(std::fs::metadata(&secret).expect("it is there").permissions().mode() & 0o777, 0o600);
    std::fs::set_permissions(&secret, std::fs::Permissions::from_mode(0o640)).expect("own file");
    let ran = shell.run(&token).await;
    assert_eq!(ran.code, Some(2), "{ran:?}");
    assert!(ran.stderr.contains("chmod 600"), "{ran:?}");
}

#[tokio::test]
async fn a_token_allows_what_was_asked_for_and_typing_errors_are_told() {
    let shell = Shell::new().await;
    let fixed = ["token", "--org", "acme", "--sub", "me"];
    for wrong in [["--permissions", "exports:creat"], ["--ttl", "soon"], ["--org", ""]] {
        let ran = shell.run(&[&fixed[..], &wrong].concat()).await;
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""), "{wrong:?}: {ran:?}");
    }
    let ran = shell.run(&[&fixed[..], &["--ttl", "2h", "--json"]].concat()).await;
    let told = json_of(&ran.stdout);
    assert_eq!(told["token"].as_str().map(|token| token.split('.').count()), Some(3));
    assert!(told["expires_at"].is_string());
}

#[tokio::test]
async fn a_reader_that_goes_away_is_no_panic() {
    let shell = Shell::with_spans().await;
    let line = format!("{OFFTAKE} export spans --org acme -o - --format csv | head -c 10; echo \"${{PIPESTATUS[0]}}\"");
    let Ran { stdout: out, stderr: err, .. } = run(Path::new("bash"), &["-c", &line], shell.folder.path()).await;
    assert!(!err.contains("panicked"), "{err}");
    assert!(out.starts_with("trace_id,s"), "{out}");
    // Whether the pipe broke depends on who was faster; nothing else may have happened.
    assert!(out.ends_with("141\n") || out.ends_with("0\n"), "{out} {err}");
}

#[tokio::test]
async fn a_failed_export_says_why_and_goes_on_once_that_is_mended() {
    let shell = Shell::with_spans().await;
    shell.configure("tiny.toml", "worker.memory_budget = \"64KiB\"\n");
    let ran = shell.run(&["export", "spans", "--org", "acme", "-o", "x.csv", "--config", "tiny.toml"]).await;
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.stderr.contains("worker.memory_budget"), "it says what to change: {ran:?}");
    assert!(!shell.path("x.csv").exists());
    let line = ran.stderr.lines().find(|line| line.contains("--resume")).expect("how to go on");
    let job = line.split_whitespace().find(|word| word.starts_with("job_")).expect("a job");
    let retried = shell.run(&["jobs", "retry", job, "--org", "acme"]).await;
    assert_eq!(retried.code, Some(5), "no worker would take it: {retried:?}");
    assert!(retried.stderr.contains(&format!("offtake export --resume {job}")), "{retried:?}");
    let ran = shell.run(&["export", "--resume", job]).await;
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert_eq!(shell.run(&["verify", "x.csv"]).await.code, Some(0));
    let fetched = shell.run(&["jobs", "download", job, "--org", "acme", "-o", "y.csv"]).await;
    assert_eq!(fetched.code, Some(5), "it is not stored: {fetched:?}");
}
