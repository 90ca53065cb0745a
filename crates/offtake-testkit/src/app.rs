//! The product as processes.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::builder::AppBuilder;
use crate::client::{Client, Door};
use crate::disk::SmallDisk;
use crate::house::House;
use crate::process::{Process, Ran, run};
use crate::settings::products_variables;

const START: Duration = Duration::from_secs(60);

/// Which of the product's processes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// `offtake serve`: both in one.
    Serve,
    /// `offtake server`.
    Server,
    /// Another `offtake server`.
    SecondServer,
    /// `offtake worker`.
    Worker,
    /// Another `offtake worker`.
    SecondWorker,
    /// One more `offtake worker`.
    ThirdWorker,
}

impl Role {
    const fn verb(self) -> &'static str {
        match self {
            Self::Serve => "serve",
            Self::Server | Self::SecondServer => "server",
            Self::Worker | Self::SecondWorker | Self::ThirdWorker => "worker",
        }
    }

    const fn listens(self) -> bool {
        matches!(self, Self::Serve | Self::Server | Self::SecondServer)
    }
}

/// The running product. Dropping it ends the processes, and fails the test if files were left that no job owns.
#[derive(Debug)]
pub struct TestApp {
    binary: PathBuf,
    folder: TempDir,
    data: PathBuf,
    config: PathBuf,
    disk: Option<SmallDisk>,
    roles: Vec<Role>,
    data_dirs_apart: bool,
    processes: BTreeMap<Role, Process>,
    starts: usize,
    door: Arc<Door>,
    second_door: Arc<Door>,
    grpc: BTreeMap<Role, String>,
    tokens: Mutex<BTreeMap<(String, String, String), String>>,
    /// Outlives the processes.
    house: House,
}

/// What an app is made of.
#[derive(Debug)]
pub(crate) struct Setup {
    pub(crate) binary: PathBuf,
    pub(crate) folder: TempDir,
    pub(crate) data: PathBuf,
    pub(crate) config: PathBuf,
    pub(crate) disk: Option<SmallDisk>,
    pub(crate) roles: Vec<Role>,
    pub(crate) data_dirs_apart: bool,
    pub(crate) house: House,
}

impl TestApp {
    /// `offtake serve` with an empty data dir.
    pub async fn start(binary: &str) -> Self {
        AppBuilder::new(binary).start().await
    }

    /// What is set up, with nothing running yet.
    pub(crate) fn new(setup: Setup) -> Self {
        let Setup { binary, folder, data, config, disk, roles, data_dirs_apart, house } = setup;
        Self {
            binary,
            folder,
            data,
            config,
            disk,
            roles,
            data_dirs_apart,
            processes: BTreeMap::new(),
            starts: 0,
            door: Arc::default(),
            second_door: Arc::default(),
            grpc: BTreeMap::new(),
            tokens: Mutex::default(),
            house,
        }
    }

    pub(crate) const fn house(&self) -> &House {
        &self.house
    }

    /// Where its data lies.
    pub fn data_dir(&self) -> &Path {
        &self.data
    }

    /// The same folder, as the process that writes it sees it.
    pub fn data_dir_within(&self) -> PathBuf {
        let writer = self.processes.get(&Role::Worker).or_else(|| self.processes.get(&Role::Serve));
        match (&self.disk, writer) {
            (Some(_), Some(process)) => SmallDisk::seen_by(process.pid(), &self.data),
            _ => self.data.clone(),
        }
    }

    /// A folder beside the data, for the test's own files.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The configuration file in use.
    pub fn config(&self) -> &Path {
        &self.config
    }

    /// The process of this role.
    ///
    /// # Panics
    /// If it was never started.
    pub fn process(&mut self, role: Role) -> &mut Process {
        self.processes.get_mut(&role).unwrap_or_else(|| panic!("no {role:?} runs here"))
    }

    /// The process that works on jobs.
    pub fn worker(&mut self) -> &mut Process {
        let role = if self.roles.contains(&Role::Worker) { Role::Worker } else { Role::Serve };
        self.process(role)
    }

    /// Starts (again) the process of this role. A listening one keeps its port.
    ///
    /// # Panics
    /// If it does not come up; its log is in the message.
    pub async fn start_role(&mut self, role: Role) {
        self.starts += 1;
        let log = self.folder.path().join(format!("{}-{}.log", role.verb(), self.starts));
        let mut command = match &self.disk {
            Some(disk) if role != Role::Server => disk.command(&self.binary),
            _ => Command::new(&self.binary),
        };
        command.arg(role.verb()).current_dir(self.folder.path());
        command.arg("--data-dir").arg(self.data_of(role)).arg("--config").arg(&self.config);
        let door = if role == Role::SecondServer { &self.second_door } else { &self.door };
        if role.listens() {
            command.arg("--listen").arg(door.address().unwrap_or_else(|| "127.0.0.1:0".to_owned()));
            if let Some(address) = self.grpc.get(&role) {
                command.arg("--otlp-grpc").arg(address);
            }
        }
        for name in products_variables() {
            command.env_remove(name);
        }
        let process = Process::start(command, log);
        let process = self.processes.entry(role).insert_entry(process).into_mut();
        if role.listens() {
            let address = listening(process).await;
            door.open(&address);
            // Said before the other address, if at all.
            let grpc = process.log().lines().find_map(|line| Some(line.split_once("OTLP over gRPC at ")?.1.to_owned()));
            self.grpc.extend(grpc.map(|address| (role, address)));
        }
    }

    pub(crate) fn data_of(&self, role: Role) -> PathBuf {
        if self.data_dirs_apart { self.folder.path().join(format!("data-{role:?}")) } else { self.data.clone() }
    }

    /// Ends the process of this role by SIGTERM. Returns how it ended and how long it took.
    pub async fn terminate(&mut self, role: Role, limit: Duration) -> (ExitStatus, Duration) {
        self.process(role).terminate(limit).await
    }

    /// `kill -9` of the process of this role.
    pub fn kill9(&mut self, role: Role) {
        self.process(role).kill9();
    }

    /// A client with everything but `operator` in this organization.
    pub async fn client(&self, org: &str) -> Client {
        self.client_of(org, "tester", "all").await
    }

    /// A client with these permissions (comma-separated, or `all`).
    pub async fn client_of(&self, org: &str, subject: &str, permissions: &str) -> Client {
        let token = self.token(org, subject, permissions).await;
        Client::new(Arc::clone(&self.door), Some(token))
    }

    /// A client with everything but `operator` in this organization, of the second server.
    pub async fn second_client(&self, org: &str) -> Client {
        self.second_client_of(org, "tester", "all").await
    }

    /// A client with these permissions, of the second server.
    pub async fn second_client_of(&self, org: &str, subject: &str, permissions: &str) -> Client {
        let token = self.token(org, subject, permissions).await;
        Client::new(Arc::clone(&self.second_door), Some(token))
    }

    /// A client that shows no token.
    pub fn anonymous(&self) -> Client {
        Client::new(Arc::clone(&self.door), None)
    }

    /// A client with this token, whatever it is worth.
    pub fn client_with_token(&self, token: &str) -> Client {
        Client::new(Arc::clone(&self.door), Some(token.to_owned()))
    }

    /// A token from `offtake token`.
    ///
    /// # Panics
    /// If there is none.
    pub async fn token(&self, org: &str, subject: &str, permissions: &str) -> String {
        let key = (org.to_owned(), subject.to_owned(), permissions.to_owned());
        if let Some(token) = self.tokens.lock().expect("no panic while locked").get(&key) {
            return token.clone();
        }
        let ran =
            self.cli(&["token", "--org", org, "--sub", subject, "--permissions", permissions, "--ttl", "12h"]).await;
        assert_eq!(ran.code, Some(0), "offtake token: {ran:?}");
        let token = ran.stdout.trim().to_owned();
        self.tokens.lock().expect("no panic while locked").insert(key, token.clone());
        token
    }

    /// Runs a local command of the binary on this data dir and configuration.
    pub async fn cli(&self, arguments: &[&str]) -> Ran {
        let (data, config) = (self.data.to_string_lossy(), self.config.to_string_lossy());
        let mut all = arguments.to_vec();
        all.extend(["--data-dir", &data, "--config", &config]);
        self.bare_cli(&all).await
    }

    /// Runs the binary with just these arguments.
    pub async fn bare_cli(&self, arguments: &[&str]) -> Ran {
        run(&self.binary, arguments, self.folder.path()).await
    }

    /// Starts a local command of the binary on this data dir and configuration, without waiting for its end.
    pub fn cli_begin(&self, arguments: &[&str]) -> Process {
        let mut command = Command::new(&self.binary);
        command.args(arguments).arg("--data-dir").arg(&self.data).arg("--config").arg(&self.config);
        command.current_dir(self.folder.path());
        for name in products_variables() {
            command.env_remove(name);
        }
        Process::start(command, self.folder.path().join("command.log"))
    }

    /// `http://127.0.0.1:PORT` of whoever listens.
    pub fn url(&self) -> String {
        self.door.url()
    }

    /// `127.0.0.1:PORT` where the process of this role takes OTLP over gRPC.
    ///
    /// # Panics
    /// If it takes none.
    pub fn grpc_address(&self, role: Role) -> String {
        self.grpc.get(&role).unwrap_or_else(|| panic!("{role:?} takes no gRPC")).clone()
    }

    /// What the listening process has logged.
    pub fn log(&mut self) -> String {
        let role = if self.roles.contains(&Role::Server) { Role::Server } else { Role::Serve };
        self.process(role).log()
    }

    /// The folder of the files, as the process that writes them sees it.
    pub(crate) fn objects(&self) -> PathBuf {
        self.data_dir_within().join("objects")
    }
}

impl Drop for TestApp {
    fn drop(&mut self) {
        if std::thread::panicking() {
            for (role, process) in &self.processes {
                println!("--- log of {role:?} (pid {}):\n{}", process.pid(), last_lines(&process.log(), 60));
            }
            return;
        }
        let running = self.processes.values_mut().all(|process| process.ended().is_none());
        let orphans = if running { self.settled(Duration::from_secs(10)) } else { Vec::new() };
        let panics: Vec<String> = self
            .processes
            .values()
            .flat_map(|process| {
                process.log().lines().filter(|line| line.contains("panicked at")).map(str::to_owned).collect::<Vec<_>>()
            })
            .collect();
        let jobs = if orphans.is_empty() { Vec::new() } else { self.jobs_query("SELECT id, status FROM jobs") };
        self.processes.clear();
        assert!(orphans.is_empty(), "left in storage without a job that owns them: {orphans:?}; jobs: {jobs:?}");
        assert!(panics.is_empty(), "the product panicked: {panics:?}");
    }
}

fn last_lines(log: &str, count: usize) -> String {
    let lines: Vec<&str> = log.lines().collect();
    lines[lines.len().saturating_sub(count)..].join("\n")
}

async fn listening(process: &mut Process) -> String {
    let began = Instant::now();
    loop {
        if let Some(address) = process.log().lines().find_map(address_in) {
            return address;
        }
        if let Some(status) = process.ended() {
            panic!("it ended at once ({status}):\n{}", process.log());
        }
        assert!(began.elapsed() < START, "it does not listen within {START:?}:\n{}", process.log());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// `127.0.0.1:PORT` out of a line that says `listening on`.
fn address_in(line: &str) -> Option<String> {
    let after = line.split_once("listening on")?.1;
    let from = after.find("127.0.0.1:")?;
    let address: String = after[from..].chars().take_while(|c| c.is_ascii_digit() || matches!(c, '.' | ':')).collect();
    Some(address.trim_end_matches(['.', ':']).to_owned())
}
