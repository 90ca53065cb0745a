//! One running server.

use std::fmt::Write as _;
use std::fs::{self, OpenOptions};
use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use super::database::{Database, answers, execute};
use super::install::{PgVersion, as_server_user, base, copy_template, folder_for_server, run};
use super::shared::Hold;

/// How long a server may take to start or stop.
const PATIENCE: Duration = Duration::from_secs(60);

/// Runs the server ($1 and on) until it ends or nobody holds the other end of our input.
const KEEP: &str = r#"
exec 3<&0
"$@" </dev/null &
server=$!
( cat <&3 >/dev/null; kill -QUIT $server ) 2>/dev/null &
watch=$!
wait $server
ended=$?
kill $watch 2>/dev/null
exit $ended
"#;

/// A Postgres server.
#[derive(Debug)]
pub struct Postgres {
    version: PgVersion,
    port: u16,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    /// Held with others.
    Shared(#[expect(dead_code, reason = "held, not used")] Hold),
    /// Ours alone.
    Own { folder: TempDir, keeper: Option<Child> },
}

impl Postgres {
    /// The server that all tests of a run share. Make a [`Database`] in it; leave its settings alone.
    ///
    /// # Panics
    /// If Postgres is not installed or does not start.
    pub fn shared(version: PgVersion) -> Self {
        let hold = Hold::take(version);
        Self { version, port: hold.port(), kind: Kind::Shared(hold) }
    }

    /// A server of this test's own.
    ///
    /// # Panics
    /// If Postgres is not installed or does not start.
    pub fn own(version: PgVersion) -> Self {
        Self::own_with(version, "")
    }

    /// A server of this test's own, with these lines at the end of its `postgresql.conf`.
    ///
    /// # Panics
    /// If Postgres is not installed or does not start.
    pub fn own_with(version: PgVersion, settings: &str) -> Self {
        let folder = own_folder(version);
        copy_template(version, &folder.path().join("data"));
        let server = Self { version, port: 0, kind: Kind::Own { folder, keeper: None } };
        server.configure(settings);
        server.begun()
    }

    /// A hot standby of this server, which streams from it.
    ///
    /// # Panics
    /// If the copy cannot be made or the standby does not start.
    pub fn standby(&self, settings: &str) -> Self {
        let folder = own_folder(self.version);
        run(as_server_user(&self.version.binaries().join("pg_basebackup"))
            .args(["-h", "127.0.0.1", "-U", "postgres", "-R", "-X", "stream", "--no-sync", "--checkpoint=fast", "-p"])
            .arg(self.port.to_string())
            .arg("-D")
            .arg(folder.path().join("data"))
            .current_dir("/"));
        let server = Self { version: self.version, port: 0, kind: Kind::Own { folder, keeper: None } };
        server.configure(settings);
        server.begun()
    }

    /// Its version.
    pub const fn version(&self) -> PgVersion {
        self.version
    }

    /// Its port on 127.0.0.1; the same after a restart.
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// The URL of one of its databases, as its superuser.
    pub fn url(&self, database: &str) -> String {
        format!("postgres://postgres@127.0.0.1:{}/{database}", self.port)
    }

    /// A database of this test's own, empty, and dropped with the value.
    ///
    /// # Panics
    /// If it cannot be made.
    pub fn database(&self) -> Database {
        Database::create(self.port)
    }

    /// The same, with what is in the database `template`, which nobody may be connected to.
    ///
    /// # Panics
    /// If it cannot be made.
    pub fn copy_of(&self, template: &str) -> Database {
        Database::copy_of(self.port, template)
    }

    /// Runs statements in database `postgres`.
    ///
    /// # Panics
    /// If one fails.
    pub fn execute(&self, sql: &str) {
        execute(&self.url("postgres"), sql);
    }

    /// The folder of its data, log beside it. Only of an own server.
    ///
    /// # Panics
    /// If it is shared.
    pub fn folder(&self) -> &Path {
        match &self.kind {
            Kind::Own { folder, .. } => folder.path(),
            Kind::Shared(_) => panic!("this server is shared; take Postgres::own"),
        }
    }

    /// What it logged. Only of an own server.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(self.folder().join("log")).unwrap_or_default()).into_owned()
    }

    /// Adds lines to its `postgresql.conf`; they hold from the next start.
    ///
    /// # Panics
    /// If it is shared.
    pub fn configure(&self, settings: &str) {
        let path = self.folder().join("data/postgresql.conf");
        let mut text = fs::read_to_string(&path).expect("there is a configuration");
        writeln!(text, "{settings}").expect("text can be written to");
        fs::write(&path, text).expect("the configuration can be written");
    }

    /// Replaces its `pg_hba.conf`; it holds from the next start.
    ///
    /// # Panics
    /// If it is shared.
    pub fn allow(&self, lines: &str) {
        fs::write(self.folder().join("data/pg_hba.conf"), lines).expect("pg_hba.conf can be written");
    }

    /// Stops it as `pg_ctl stop -m fast` does: sessions are told, and ended.
    pub fn stop_fast(&mut self) {
        self.end(Signal::INT);
    }

    /// Stops it as `pg_ctl stop -m immediate` does: nothing is written out, the next start recovers.
    pub fn stop_immediate(&mut self) {
        self.end(Signal::QUIT);
    }

    /// `kill -9` of the postmaster; the next start recovers.
    pub fn kill9(&mut self) {
        self.end(Signal::KILL);
    }

    /// Starts it again, on its old port.
    ///
    /// # Panics
    /// If it does not start.
    pub fn start(&mut self) {
        let began = Instant::now();
        loop {
            match self.try_start() {
                Ok(()) => return,
                // The children of a killed postmaster take a moment to notice.
                Err(log) => assert!(began.elapsed() < PATIENCE, "Postgres does not start:\n{log}"),
            }
        }
    }

    /// SIGSTOP to the postmaster and its children: connections stand, nothing answers.
    pub fn freeze(&self) {
        self.signal_all(Signal::STOP);
    }

    /// SIGCONT.
    pub fn thaw(&self) {
        self.signal_all(Signal::CONT);
    }

    /// Makes a standby a primary.
    ///
    /// # Panics
    /// If it is none.
    pub fn promote(&self) {
        self.execute("SELECT pg_promote(true, 30)");
    }

    /// On a new port, until it answers.
    fn begun(mut self) -> Self {
        for _ in 0..5 {
            self.port = free_port();
            if self.try_start().is_ok() {
                return self;
            }
        }
        panic!("Postgres does not start:\n{}", self.log());
    }

    fn try_start(&mut self) -> Result<(), String> {
        let (version, port) = (self.version, self.port);
        let Kind::Own { folder, keeper } = &mut self.kind else { panic!("a shared server is not restarted") };
        let data = folder.path().join("data");
        let log = OpenOptions::new().create(true).append(true).open(folder.path().join("log")).expect("a log file");
        let mut child = Command::new("sh");
        child.args(["-c", KEEP, "keeper"]).args(server_command(version, &data, port)).current_dir("/");
        child.stdin(Stdio::piped()).stdout(log.try_clone().expect("a handle")).stderr(log).process_group(0);
        let child = keeper.insert(child.spawn().expect("sh can be started"));
        let began = Instant::now();
        while began.elapsed() < PATIENCE {
            if child.try_wait().expect("a child can be waited for").is_some() {
                *keeper = None;
                return Err(self.log());
            }
            if answers(port) {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Err(self.log())
    }

    fn postmaster(&self) -> Option<Pid> {
        let text = fs::read_to_string(self.folder().join("data/postmaster.pid")).ok()?;
        Pid::from_raw(text.lines().next()?.trim().parse().ok()?)
    }

    fn signal_all(&self, signal: Signal) {
        let postmaster = self.postmaster().expect("the server runs");
        kill_process(postmaster, signal).expect("the server can be signalled");
        for child in children(postmaster) {
            // A child that ended just now needs no signal.
            let _gone = kill_process(child, signal);
        }
    }

    fn end(&mut self, signal: Signal) {
        if let Some(postmaster) = self.postmaster() {
            let _gone = kill_process(postmaster, signal);
        }
        assert!(self.ended_within(PATIENCE), "Postgres does not stop:\n{}", self.log());
    }

    /// Ends a server whose data goes with it. Its own way out has hung after a process of it did not hear of the end.
    fn throw_away(&mut self) {
        let Some(postmaster) = self.postmaster() else { return self.end(Signal::QUIT) };
        let _gone = kill_process(postmaster, Signal::QUIT);
        if !self.ended_within(Duration::from_secs(15)) {
            for process in children(postmaster).into_iter().chain([postmaster]) {
                let _gone = kill_process(process, Signal::KILL);
            }
            self.end(Signal::QUIT);
        }
    }

    fn ended_within(&mut self, patience: Duration) -> bool {
        let Kind::Own { keeper, .. } = &mut self.kind else { panic!("a shared server is not stopped") };
        let Some(running) = keeper else { return true };
        let began = Instant::now();
        while running.try_wait().expect("a child can be waited for").is_none() {
            if began.elapsed() >= patience {
                return false;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        *keeper = None;
        true
    }
}

/// The processes that a process has begun and that are there.
fn children(of: Pid) -> Vec<Pid> {
    let raw = of.as_raw_nonzero();
    let children = fs::read_to_string(format!("/proc/{raw}/task/{raw}/children")).unwrap_or_default();
    children.split_whitespace().filter_map(|pid| Pid::from_raw(pid.parse().ok()?)).collect()
}

impl Drop for Postgres {
    fn drop(&mut self) {
        if let Kind::Own { keeper: Some(_), .. } = &self.kind {
            if let Some(postmaster) = self.postmaster() {
                // It may be frozen.
                let _gone = kill_process(postmaster, Signal::CONT);
            }
            if !std::thread::panicking() {
                self.throw_away();
            }
            // When the test failed, closing the keeper's input does the same without a second panic.
        }
    }
}

fn own_folder(version: PgVersion) -> TempDir {
    let folder = tempfile::Builder::new().prefix(&format!("{}-own-", version.name())).tempdir_in(base());
    let folder = folder.expect("a temporary folder can be made");
    folder_for_server(folder.path());
    folder
}

pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("loopback has a free port");
    listener.local_addr().expect("a bound socket has an address").port()
}

/// The program and arguments that become the server.
pub(super) fn server_command(version: PgVersion, data: &Path, port: u16) -> Vec<PathBuf> {
    let mut command = as_server_user(&version.binaries().join("postgres"));
    command.arg("-D").arg(data).arg("-p").arg(port.to_string());
    std::iter::once(command.get_program()).chain(command.get_args()).map(PathBuf::from).collect()
}
