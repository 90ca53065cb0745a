//! Servers that carry hints between nodes: NATS and Redis, on loopback, each test's own, to be killed, frozen and started
//! again.

use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::data::{repository, scratch};
use crate::process::Process;

const START: Duration = Duration::from_secs(20);
const SECRET: &str = "words-of-the-bus";

/// Which server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Nats,
    Redis,
}

/// A server that passes words on to those who know its password.
#[derive(Debug)]
pub struct BusServer {
    kind: Kind,
    port: u16,
    folder: TempDir,
    process: Option<Process>,
}

impl BusServer {
    /// NATS.
    ///
    /// # Panics
    /// If it is not installed or does not start.
    pub fn nats() -> Self {
        Self::start(Kind::Nats)
    }

    /// Redis.
    ///
    /// # Panics
    /// If it is not installed or does not start.
    pub fn redis() -> Self {
        Self::start(Kind::Redis)
    }

    fn start(kind: Kind) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("loopback has a free port");
        let port = listener.local_addr().expect("a bound socket has an address").port();
        drop(listener);
        let mut server = Self { kind, port, folder: scratch("bus"), process: None };
        server.restart();
        server
    }

    /// Its URL, with a password in it.
    pub fn url(&self) -> String {
        match self.kind {
            Kind::Nats => format!("nats://offtake:{SECRET}@127.0.0.1:{}", self.port),
            Kind::Redis => format!("redis://:{SECRET}@127.0.0.1:{}", self.port),
        }
    }

    /// The password in it.
    pub const fn secret(&self) -> &'static str {
        SECRET
    }

    /// Kills it.
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill9();
        }
    }

    /// Starts it again at the same port, if it does not run.
    ///
    /// # Panics
    /// If it does not listen in time.
    pub fn restart(&mut self) {
        self.kill();
        let folder = self.folder.path();
        let mut process = Process::start(self.command(), folder.join("log"));
        let began = Instant::now();
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            assert!(process.ended().is_none() && began.elapsed() < START, "{:?}: {}", self.kind, process.log());
            std::thread::sleep(Duration::from_millis(10));
        }
        self.process = Some(process);
    }

    /// It stands still, connections open.
    pub fn freeze(&mut self) {
        self.process.iter_mut().for_each(Process::freeze);
    }

    /// It goes on.
    pub fn thaw(&mut self) {
        self.process.iter_mut().for_each(Process::thaw);
    }

    fn command(&self) -> Command {
        let folder = self.folder.path();
        let port = self.port.to_string();
        match self.kind {
            Kind::Nats => {
                let mut command = Command::new(installed(repository().join("target/testenv/bin/nats-server")));
                command.args(["-a", "127.0.0.1", "-p", &port, "--user", "offtake", "--pass", SECRET]);
                command
            }
            Kind::Redis => {
                let mut command = Command::new(installed(PathBuf::from("/usr/bin/redis-server")));
                command.args(["--bind", "127.0.0.1", "--port", &port, "--save", "", "--requirepass", SECRET]);
                command.arg("--dir").arg(folder);
                command
            }
        }
    }
}

fn installed(program: PathBuf) -> PathBuf {
    assert!(program.exists(), "{} is missing: run scripts/test-setup.sh", program.display());
    program
}
