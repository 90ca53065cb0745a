//! The product as processes on a data dir of their own.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::client::{Client, Door};
use crate::disk::SmallDisk;
use crate::postgres::rows_at;
use crate::process::{Process, Ran, run};
use crate::settings::products_variables;
use crate::wait::eventually;
use crate::{copy_dir, scratch};

/// Signs nothing but the tokens of tests.
const SECRET: &str = "kV3r9ZtQ2mXw7LpB5nHc8DfJ1sYg4AuEoTi6RbNz0KxMvWqC";
const START: Duration = Duration::from_secs(60);

/// Which of the product's processes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// `offtake serve`: both in one.
    Serve,
    /// `offtake server`.
    Server,
    /// `offtake worker`.
    Worker,
    /// Another `offtake worker` on the same data.
    SecondWorker,
}

impl Role {
    const fn verb(self) -> &'static str {
        match self {
            Self::Serve => "serve",
            Self::Server => "server",
            Self::Worker | Self::SecondWorker => "worker",
        }
    }

    const fn listens(self) -> bool {
        matches!(self, Self::Serve | Self::Server)
    }
}

/// How a [`TestApp`] is set up before it starts.
#[derive(Debug)]
pub struct AppBuilder {
    binary: PathBuf,
    template: Option<PathBuf>,
    settings: BTreeMap<String, String>,
    tables: String,
    small_disk: Option<u32>,
    database: Option<String>,
    roles: Vec<Role>,
}

impl AppBuilder {
    /// An app of the binary at `binary` (`env!("CARGO_BIN_EXE_offtake")`), with times short enough for a test.
    pub fn new(binary: &str) -> Self {
        let settings = [
            ("worker.poll", "\"100ms\""),
            ("worker.lease", "\"4s\""),
            ("worker.heartbeat", "\"500ms\""),
            ("worker.rescue", "\"500ms\""),
            ("worker.sweep", "\"500ms\""),
            ("worker.frame", "\"256KiB\""),
            ("worker.part", "\"1MiB\""),
            ("log.format", "\"json\""),
            ("log.level", "\"info\""),
        ];
        let settings = settings.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
        Self {
            binary: binary.into(),
            template: None,
            settings,
            tables: String::new(),
            small_disk: None,
            database: None,
            roles: vec![Role::Serve],
        }
    }

    /// Sets a key of the configuration (`worker.lease`) to a TOML value (`"2s"` with its quotes).
    #[must_use]
    pub fn set(mut self, key: &str, value: &str) -> Self {
        self.settings.insert(key.to_owned(), value.to_owned());
        self
    }

    /// Adds a piece of TOML with tables of its own: sources and datasets.
    #[must_use]
    pub fn with_tables(mut self, toml: &str) -> Self {
        self.tables.push_str(toml);
        self
    }

    /// Begins with a copy of this data dir.
    #[must_use]
    pub fn on(mut self, data_dir: &Path) -> Self {
        self.template = Some(data_dir.to_owned());
        self
    }

    /// Jobs and spans are kept in this Postgres database.
    #[must_use]
    pub fn on_postgres(mut self, url: &str) -> Self {
        self.database = Some(url.to_owned());
        self.set("database.url", &format!("\"{url}\"")).set("token.secret", &format!("\"{SECRET}\""))
    }

    /// Server and worker are processes of their own.
    #[must_use]
    pub fn apart(mut self) -> Self {
        self.roles = vec![Role::Server, Role::Worker];
        self
    }

    /// Files lie on a disk of so many mebibytes.
    #[must_use]
    pub fn with_small_disk(mut self, mebibytes: u32) -> Self {
        self.small_disk = Some(mebibytes);
        self
    }

    /// Starts it.
    ///
    /// # Panics
    /// If it does not listen within a minute; its log is in the message.
    pub async fn start(self) -> TestApp {
        let folder = scratch("app");
        let data = folder.path().join("data");
        match &self.template {
            Some(template) => copy_dir(template, &data),
            None => fs::create_dir_all(&data).expect("the data dir can be made"),
        }
        let config = folder.path().join("test.toml");
        let text: String = self.settings.iter().map(|(key, value)| format!("{key} = {value}\n")).collect();
        fs::write(&config, text + &self.tables).expect("the configuration can be written");
        let disk = self.small_disk.map(|mebibytes| {
            let objects = data.join("objects");
            fs::create_dir_all(&objects).expect("the objects folder can be made");
            SmallDisk::at(&objects, mebibytes)
        });
        let mut app = TestApp {
            binary: self.binary,
            folder,
            data,
            config,
            disk,
            database: self.database,
            roles: self.roles.clone(),
            processes: BTreeMap::new(),
            starts: 0,
            door: Arc::new(Door::default()),
            tokens: Mutex::default(),
        };
        for role in self.roles {
            app.start_role(role).await;
        }
        app
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
    database: Option<String>,
    roles: Vec<Role>,
    processes: BTreeMap<Role, Process>,
    starts: usize,
    door: Arc<Door>,
    tokens: Mutex<BTreeMap<(String, String, String), String>>,
}

impl TestApp {
    /// `offtake serve` with an empty data dir.
    pub async fn start(binary: &str) -> Self {
        AppBuilder::new(binary).start().await
    }

    /// Where its data lies.
    pub fn data_dir(&self) -> &Path {
        &self.data
    }

    /// A folder beside the data, for the test's own files.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The database of the spans.
    pub fn spans_db(&self) -> PathBuf {
        self.data.join("spans.db")
    }

    /// The database of the jobs.
    pub fn jobs_db(&self) -> PathBuf {
        self.data.join("offtake.db")
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
        command.arg("--data-dir").arg(&self.data).arg("--config").arg(&self.config);
        if role.listens() {
            command.arg("--listen").arg(self.door.address().unwrap_or_else(|| "127.0.0.1:0".to_owned()));
        }
        for name in products_variables() {
            command.env_remove(name);
        }
        let process = Process::start(command, log);
        let process = self.processes.entry(role).insert_entry(process).into_mut();
        if role.listens() {
            let address = listening(process).await;
            self.door.open(&address);
        }
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

    /// What the listening process has logged.
    pub fn log(&mut self) -> String {
        let role = if self.roles.contains(&Role::Server) { Role::Server } else { Role::Serve };
        self.process(role).log()
    }

    /// The folder of the files, as the process that writes them sees it.
    pub fn objects(&self) -> PathBuf {
        let objects = self.data.join("objects");
        let writer = self.processes.get(&Role::Worker).or_else(|| self.processes.get(&Role::Serve));
        match (&self.disk, writer) {
            (Some(disk), Some(process)) => disk.seen_by(process.pid()),
            _ => objects,
        }
    }

    /// Every file under the objects folder, relative to it, with its size.
    pub fn stored(&self) -> Vec<(String, u64)> {
        let root = self.objects();
        let mut found = Vec::new();
        let mut folders = vec![root.clone()];
        while let Some(folder) = folders.pop() {
            let Ok(entries) = fs::read_dir(&folder) else { continue };
            for entry in entries.flatten() {
                let path = entry.path();
                match entry.metadata() {
                    Ok(meta) if meta.is_dir() => folders.push(path),
                    Ok(meta) => {
                        let name = path.strip_prefix(&root).expect("below the root").to_string_lossy().into_owned();
                        found.push((name, meta.len()));
                    }
                    Err(_) => {}
                }
            }
        }
        found.sort();
        found
    }

    /// Stored files that no job accounts for: of a job that is over and has no file, of an attempt that another one
    /// replaced, or half-written beside a finished one.
    ///
    /// # Panics
    /// If the job database cannot be read.
    pub fn orphans(&self) -> Vec<String> {
        let stored = self.stored();
        if stored.is_empty() {
            return Vec::new();
        }
        let jobs = self.job_states();
        let (artifacts, checkpoints) = (self.artifact_keys(), self.checkpointed_keys());
        let owned = |path: &str| {
            let job = jobs.iter().find(|(id, _)| path.contains(id.as_str()));
            match job.map(|(_, status)| status.as_str()) {
                Some("pending" | "processing") => true,
                Some("completed") => {
                    artifacts.iter().any(|key| path.ends_with(key.as_str()) || path.contains(&format!("{key}.")))
                }
                Some("failed") => checkpoints.iter().any(|key| path.contains(key.as_str())),
                _ => false,
            }
        };
        stored.into_iter().map(|(path, _)| path).filter(|path| !owned(path)).collect()
    }

    fn job_states(&self) -> Vec<(String, String)> {
        self.jobs_query("SELECT id, status FROM jobs").into_iter().map(two).collect()
    }

    fn artifact_keys(&self) -> Vec<String> {
        self.jobs_query("SELECT object_key FROM artifacts WHERE state = 'ready'").into_iter().flatten().collect()
    }

    fn checkpointed_keys(&self) -> Vec<String> {
        let sql = "SELECT object_key FROM artifacts JOIN job_checkpoints ON job_checkpoints.artifact = artifacts.id";
        self.jobs_query(sql).into_iter().flatten().collect()
    }

    /// Every job with a checkpoint, and the rows that are durable according to it.
    pub fn checkpointed_jobs(&self) -> Vec<(String, u64)> {
        let rows = match self.database {
            Some(_) => "(checkpoint::json #>> '{written,rows}')",
            None => "(checkpoint ->> '$.written.rows')",
        };
        let found = self.jobs_query(&format!("SELECT job, {rows} FROM job_checkpoints")).into_iter().map(two);
        found.map(|(job, rows)| (job, rows.parse().expect("a number of rows"))).collect()
    }

    /// The cells of the rows of a query on the job store, as text.
    fn jobs_query(&self, sql: &str) -> Vec<Vec<String>> {
        if let Some(url) = &self.database {
            let rows = rows_at(url, &format!("SET search_path = offtake; {sql}"));
            return rows.into_iter().map(|row| row.into_iter().flatten().collect()).collect();
        }
        let path = self.jobs_db();
        let flags = rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY;
        let rows = rusqlite::Connection::open_with_flags(&path, flags).and_then(|database| {
            database.busy_timeout(Duration::from_secs(10))?;
            let mut statement = database.prepare(sql)?;
            let columns = statement.column_count();
            let text = |value: rusqlite::types::Value| {
                use rusqlite::types::Value;
                match value {
                    Value::Text(text) => text,
                    Value::Integer(number) => number.to_string(),
                    Value::Null | Value::Real(_) | Value::Blob(_) => panic!("{sql}: {value:?}"),
                }
            };
            let cells = |row: &rusqlite::Row<'_>| (0..columns).map(|column| row.get(column).map(text)).collect();
            statement.query_map([], cells)?.collect::<rusqlite::Result<Vec<Vec<String>>>>()
        });
        rows.unwrap_or_else(|error| panic!("{}: {error}: {sql}", path.display()))
    }

    /// Rows that are durable according to the job's checkpoint; 0 before the first.
    pub fn checkpointed_rows(&self, job: &str) -> u64 {
        self.checkpointed_jobs().into_iter().find(|(id, _)| id == job).map_or(0, |(_, rows)| rows)
    }

    /// Waits until nothing is stored that no job accounts for.
    ///
    /// # Panics
    /// If something still is after some upkeep passes.
    pub async fn no_orphans(&self) {
        let found = Mutex::new(Vec::new());
        eventually("no orphan is left in storage", Duration::from_secs(15), || {
            let orphans = self.orphans();
            let clean = orphans.is_empty().then_some(());
            *found.lock().expect("no panic while locked") = orphans;
            async move { clean }
        })
        .await;
    }

    fn settled(&self, limit: Duration) -> Vec<String> {
        let began = Instant::now();
        loop {
            let orphans = self.orphans();
            if orphans.is_empty() || began.elapsed() > limit {
                return orphans;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
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
        self.processes.clear();
        assert!(orphans.is_empty(), "left in storage without a job that owns them: {orphans:?}");
        assert!(panics.is_empty(), "the product panicked: {panics:?}");
    }
}

fn two(row: Vec<String>) -> (String, String) {
    let mut cells = row.into_iter();
    (cells.next().expect("a first cell"), cells.next().expect("a second cell"))
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
