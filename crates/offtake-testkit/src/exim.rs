//! Exim, a mail server that many use, as one that mail is handed to: encrypted both ways, with a password, for `ada@acme.test`.
//! Each test's own, on loopback, by nobody's rights.

use std::fs;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use rustix::process::{getegid, geteuid};
use tempfile::TempDir;

use crate::data::repository;
use crate::foreign::python;
use crate::postgres::free_port;
use crate::process::Process;
use crate::wait::eventually;

const START: Duration = Duration::from_secs(20);
/// Another program may take a port that was free a moment ago.
const TRIES: usize = 5;
const PROGRAM: &str = "/usr/sbin/exim4";
/// Exim will not be the superuser, so it is this one then.
const NOBODY: u32 = 65_534;

/// A running Exim and its mailbox.
#[derive(Debug)]
pub struct Exim {
    folder: TempDir,
    starttls: u16,
    implicit: u16,
    _process: Process,
}

impl Exim {
    /// Who may send, and by which password.
    pub const LOGIN: (&'static str, &'static str) = ("offtake", "pa:ss w\u{f6}rd");

    /// Starts it with a certificate for 127.0.0.1 of an authority of its own.
    ///
    /// # Panics
    /// If it is not installed or does not start.
    pub async fn start() -> Self {
        assert!(Path::new(PROGRAM).exists(), "{PROGRAM} is missing: run scripts/test-setup.sh");
        // Where others may look as well, unlike `target` of a superuser.
        let folder = TempDir::new().expect("a folder");
        let at = folder.path();
        let ran = python("certificates.py", &[&at.to_string_lossy()]).await;
        assert_eq!(ran.code, Some(0), "{ran:?}");
        let (login, password) = Self::LOGIN;
        fs::write(at.join("passwords"), format!("{login}: {password}\n")).expect("passwords");
        for name in ["spool", "box"] {
            fs::create_dir(at.join(name)).expect("a folder");
        }
        for _ in 0..TRIES {
            let ports = (free_port(), free_port());
            let mut process = begin(at, ports);
            let listens = eventually("Exim listens", START, || {
                let log = fs::read_to_string(at.join("mainlog")).unwrap_or_default();
                let listens = log.contains("daemon started").then_some(true);
                std::future::ready(listens.or_else(|| process.ended().map(|_| false)))
            });
            if listens.await {
                return Self { folder, starttls: ports.0, implicit: ports.1, _process: process };
            }
            println!("Exim ended, perhaps for a port: {}", process.log());
        }
        panic!("Exim ended {TRIES} times");
    }

    /// Where a conversation begins in the clear and goes on encrypted.
    pub const fn starttls(&self) -> u16 {
        self.starttls
    }

    /// Where it is encrypted from the first byte.
    pub const fn implicit(&self) -> u16 {
        self.implicit
    }

    /// The certificate of its authority.
    pub fn authority(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// What it did, as it says.
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("mainlog")).unwrap_or_default()
    }

    /// The mails that lie in the mailbox.
    pub fn mails(&self) -> Vec<PathBuf> {
        // The folder comes with the first mail.
        let Ok(entries) = fs::read_dir(self.folder.path().join("box/new")) else { return Vec::new() };
        entries.map(|entry| entry.expect("an entry").path()).collect()
    }
}

/// Begins it at these ports. If somebody has taken one of them meanwhile, it ends.
fn begin(at: &Path, (starttls, implicit): (u16, u16)) -> Process {
    let is_root = geteuid().is_root();
    let user = if is_root { (NOBODY, NOBODY) } else { (geteuid().as_raw(), getegid().as_raw()) };
    let template = repository().join("crates/offtake-testkit/exim/exim.conf");
    let mut config = fs::read_to_string(template).expect("a configuration");
    for (name, value) in [
        ("FOLDER", at.display().to_string()),
        ("STARTTLS", starttls.to_string()),
        ("IMPLICIT", implicit.to_string()),
        ("USER", user.0.to_string()),
        ("GROUP", user.1.to_string()),
    ] {
        config = config.replace(name, &value);
    }
    fs::write(at.join("exim.conf"), config).expect("a configuration");
    let mut command = Command::new(PROGRAM);
    command.args(["-bdf", "-C"]).arg(at.join("exim.conf"));
    if is_root {
        let within = fs::read_dir(at).expect("the folder").map(|entry| entry.expect("an entry").path());
        for path in within.chain([at.to_owned()]) {
            chown(path, Some(user.0), Some(user.1)).expect("a superuser may");
        }
        command.uid(user.0).gid(user.1);
    }
    Process::start(command, at.join("output"))
}
