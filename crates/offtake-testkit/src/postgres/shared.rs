//! The server that all tests of a run share.
//!
//! Whoever uses it holds a shared lock on one file, which the kernel takes back however the process ends. The
//! keeper waits for the exclusive lock: once it has it, nobody uses the server any more, and it is stopped.

use std::fs::{self, File, OpenOptions};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::cluster::{free_port, server_command};
use super::database::answers;
use super::install::{PgVersion, base, copy_template, folder_for_server, locked};

/// $1 is the folder; what follows becomes the server. The pause spares a run in sequence a start per test.
///
/// The keeper outlives whoever starts it, so it is nobody's child: the shell leaves it behind.
const KEEP: &str = r#"
folder=$1
shift
(
  "$@" >"$folder/log" 2>&1 &
  server=$!
  exec 9>>"$folder/users.lock"
  while :; do
    flock -x 9
    flock -u 9
    sleep 3
    if flock -x -n 9; then
      rm -f "$folder/port"
      kill -QUIT $server 2>/dev/null
      wait $server
      rm -rf "$folder/data"
      exit
    fi
  done
) &
"#;

/// As long as it lives, the server does.
#[derive(Debug)]
pub(super) struct Hold {
    port: u16,
    _users: File,
}

impl Hold {
    pub(super) fn take(version: PgVersion) -> Self {
        let folder = base().join(format!("{}-shared", version.name()));
        folder_for_server(&folder);
        let users = OpenOptions::new().create(true).append(true).open(folder.join("users.lock")).expect("a lock file");
        users.lock_shared().expect("a file can be locked");
        let port = locked(&folder.join("start.lock"), || running(&folder).unwrap_or_else(|| start(version, &folder)));
        Self { port, _users: users }
    }

    pub(super) const fn port(&self) -> u16 {
        self.port
    }
}

fn running(folder: &std::path::Path) -> Option<u16> {
    let port = fs::read_to_string(folder.join("port")).ok()?.trim().parse().ok()?;
    answers(port).then_some(port)
}

fn start(version: PgVersion, folder: &std::path::Path) -> u16 {
    let data: PathBuf = folder.join("data");
    if data.exists() {
        fs::remove_dir_all(&data).expect("what a killed keeper left can be removed");
    }
    copy_template(version, &data);
    let port = free_port();
    let left = Command::new("sh")
        .args(["-c", KEEP, "keeper"])
        .arg(folder)
        .args(server_command(version, &data, port))
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .status();
    assert!(left.is_ok_and(|status| status.success()), "sh can be started");
    let began = Instant::now();
    while !answers(port) {
        let log = fs::read_to_string(folder.join("log")).unwrap_or_default();
        assert!(began.elapsed() < Duration::from_secs(60), "Postgres does not start:\n{log}");
        std::thread::sleep(Duration::from_millis(10));
    }
    fs::write(folder.join("port"), port.to_string()).expect("the port can be written down");
    port
}
