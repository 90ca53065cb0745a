//! What `offtake doctor` says about the Postgres that jobs are kept in.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use offtake_testkit::{AppBuilder, Database, PgVersion, Postgres, Process, Ran, TestApp, eventually, run};
use serde_json::Value as Json;

use crate::support::OFFTAKE;

/// The result and the words of a finding.
fn finding(ran: &Ran, about: &str) -> (String, String) {
    let told: Json = serde_json::from_str(&ran.stdout).unwrap_or_else(|error| panic!("{error}: {ran:?}"));
    let all = told["findings"].as_array().expect("findings");
    let one = all.iter().find(|one| one["about"] == about).unwrap_or_else(|| panic!("nothing about {about}: {told}"));
    let text = |key: &str| one[key].as_str().expect("a text").to_owned();
    (text("result"), text("detail"))
}

/// What it finds with another database than that of the app.
async fn doctor(app: &TestApp, url: &str) -> Ran {
    app.cli(&["doctor", "--json", "--database", url]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_postgres_in_order_is_told_with_its_version() {
    for version in PgVersion::ALL {
        let server = Postgres::shared(version);
        let database = server.database();
        let app = AppBuilder::new(OFFTAKE).on_postgres(&database.url()).start().await;
        let ran = app.cli(&["doctor", "--json"]).await;
        assert_eq!(ran.code, Some(0), "{}", ran.stdout);
        let number = version.name().rsplit('-').next().expect("a number");
        let (result, detail) = finding(&ran, "job database: version");
        assert!(result == "ok" && detail.starts_with(&format!("PostgreSQL {number}")), "{detail}");
        for about in ["job database: rights", "job database: clock", "job database"] {
            assert_eq!(finding(&ran, about).0, "ok", "{}", ran.stdout);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_right_that_is_missing_is_named_with_what_gives_it() {
    let server = Postgres::shared(PgVersion::V15);
    let database = server.database();
    let app = AppBuilder::new(OFFTAKE).on_postgres(&database.url()).start().await;
    let empty = server.database();
    let weak = format!("weak_{}", database.name());
    empty.execute(&format!("CREATE ROLE {weak} LOGIN"));
    let as_weak = |database: &Database| database.url().replace("postgres@", &format!("{weak}@"));

    let ran = doctor(&app, &as_weak(&empty)).await;
    assert_eq!(ran.code, Some(1), "{}", ran.stdout);
    let (result, detail) = finding(&ran, "job database: rights");
    let grant = format!("GRANT CREATE ON DATABASE {} TO {weak}", empty.name());
    assert!(result == "failed" && detail.ends_with(&grant), "{detail}");
    empty.execute(&grant);
    let ran = doctor(&app, &as_weak(&empty)).await;
    assert_eq!(ran.code, Some(0), "what it advised helps: {}", ran.stdout);

    let ran = doctor(&app, &as_weak(&database)).await;
    let (result, detail) = finding(&ran, "job database: rights");
    assert!(result == "failed" && detail.contains("may not read and write every table"), "{detail}");
    empty.execute(&format!("DROP OWNED BY {weak}; DROP ROLE {weak}"));

    let ran = doctor(&app, "postgres://nobody-of-this-name@127.0.0.1:1/none").await;
    let (result, detail) = finding(&ran, "job database");
    assert!(result == "failed" && detail.contains("cannot be reached"), "{detail}");
}

/// PgBouncer before a server, on a port of its own, with so many connections to each database.
pub(crate) async fn bouncer(folder: &Path, server: &Postgres, mode: &str, connections: u32) -> (Process, u16) {
    let port = std::net::TcpListener::bind("127.0.0.1:0").and_then(|door| door.local_addr()).expect("a port").port();
    let file = folder.join(format!("{mode}.ini"));
    let text = format!(
        "[databases]\n* = host=127.0.0.1 port={} user=postgres\n\
         [pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\nauth_type = any\n\
         pool_mode = {mode}\ndefault_pool_size = {connections}\n",
        server.port()
    );
    std::fs::write(&file, text).expect("a file");
    let program = Path::new("/usr/sbin/pgbouncer");
    assert!(program.exists(), "PgBouncer is missing: run scripts/test-setup.sh as root, or apt-get install pgbouncer");
    let mut command = Command::new(program);
    command.arg(&file);
    // It does not run as root.
    if run(Path::new("id"), &["-u"], folder).await.stdout.trim() == "0" {
        command = Command::new("setpriv");
        command.args(["--reuid=postgres", "--regid=postgres", "--init-groups", "--"]).arg(program).arg(&file);
    }
    let process = Process::start(command, folder.join(format!("{mode}.log")));
    eventually("PgBouncer listens", Duration::from_secs(20), || async {
        tokio::net::TcpStream::connect(("127.0.0.1", port)).await.ok()
    })
    .await;
    (process, port)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pooler_in_transaction_mode_is_found_out() {
    let server = Postgres::shared(PgVersion::V15);
    let database = server.database();
    let app = AppBuilder::new(OFFTAKE).on_postgres(&database.url()).start().await;
    // Where the user who may run it can read.
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::set_permissions(folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755))
        .expect("an own folder");
    for (mode, code) in [("session", 0), ("transaction", 1)] {
        let (_process, port) = bouncer(folder.path(), &server, mode, 20).await;
        let url = format!("postgres://postgres@127.0.0.1:{port}/{}?sslmode=disable", database.name());
        let ran = doctor(&app, &url).await;
        assert_eq!(ran.code, Some(code), "{mode}: {}", ran.stdout);
        if code == 1 {
            let (result, detail) = finding(&ran, "job database: pooler");
            assert!(result == "failed" && detail.contains("session mode"), "{detail}");
        }
    }
}
