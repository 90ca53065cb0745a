//! A process the test started: its log, its signals, its end. Only ever ended by its own pid.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::wait::eventually;

/// A running (or ended) child with both of its outputs in one file.
#[derive(Debug)]
pub struct Process {
    child: Child,
    log: PathBuf,
    ended: Option<ExitStatus>,
}

impl Process {
    /// Starts `program`; what it writes goes to `log`, which is begun anew.
    ///
    /// # Panics
    /// If it cannot be started.
    pub fn start(mut command: Command, log: PathBuf) -> Self {
        let out = File::create(&log).expect("the log file can be created");
        let err = out.try_clone().expect("a file handle can be cloned");
        let child = command
            .stdin(Stdio::null())
            .stdout(out)
            .stderr(err)
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?} cannot be started: {error}"));
        Self { child, log, ended: None }
    }

    /// Its pid.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Everything it wrote so far.
    pub fn log(&self) -> String {
        fs::read(&self.log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
    }

    /// Its exit status, if it has ended.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        if self.ended.is_none() {
            self.ended = self.child.try_wait().expect("a child can be waited for");
        }
        self.ended
    }

    fn signal(&mut self, signal: Signal) {
        if self.ended().is_none() {
            let pid = Pid::from_child(&self.child);
            kill_process(pid, signal).unwrap_or_else(|error| panic!("{signal:?} to {pid:?}: {error}"));
        }
    }

    /// `kill -9`, and waits until it is gone.
    pub fn kill9(&mut self) {
        self.signal(Signal::KILL);
        if self.ended.is_none() {
            self.ended = Some(self.child.wait().expect("a child can be waited for"));
        }
    }

    /// SIGSTOP, and waits until all its threads have heard it: it stands still, sockets open, locks held. Where others
    /// have to go on with the databases, `TestApp::freeze` picks the moment.
    pub fn freeze(&mut self) {
        self.signal(Signal::STOP);
        let tasks = format!("/proc/{}/task", self.child.id());
        let began = Instant::now();
        while began.elapsed() < Duration::from_secs(5) && self.ended().is_none() && !all_stopped(&tasks) {
            std::thread::yield_now();
        }
    }

    /// SIGCONT.
    pub fn thaw(&mut self) {
        self.signal(Signal::CONT);
    }

    /// SIGINT, as Ctrl-C sends it.
    pub fn interrupt(&mut self) {
        self.signal(Signal::INT);
    }

    /// SIGTERM, and waits. Returns how it ended and how long that took.
    ///
    /// # Panics
    /// If it is not gone after `limit`; it is killed then.
    pub async fn terminate(&mut self, limit: Duration) -> (ExitStatus, Duration) {
        let began = Instant::now();
        self.signal(Signal::TERM);
        while began.elapsed() < limit {
            if let Some(status) = self.ended() {
                return (status, began.elapsed());
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let log = self.log();
        self.kill9();
        panic!("still there {limit:?} after SIGTERM; it wrote:\n{log}");
    }

    /// Waits for it to end by itself.
    ///
    /// # Panics
    /// After `limit`.
    pub async fn finished(&mut self, limit: Duration) -> ExitStatus {
        let pid = self.pid();
        eventually(&format!("process {pid} ends"), limit, || {
            let ended = self.ended();
            async move { ended }
        })
        .await
    }

    /// Peak resident memory in KiB (`VmHWM`).
    ///
    /// # Panics
    /// If it has ended.
    pub fn peak_rss_kib(&self) -> u64 {
        status_field(self.pid(), "VmHWM:")
    }

    /// How much of its own code is in memory, in KiB. Of a build for tests that is several times what it is of a release.
    ///
    /// # Panics
    /// If it is gone.
    pub fn code_rss_kib(&self) -> u64 {
        let binary = fs::read_link(format!("/proc/{}/exe", self.pid())).expect("it runs");
        let maps = fs::read_to_string(format!("/proc/{}/smaps", self.pid())).expect("its mappings can be read");
        let mut is_code = false;
        let mut total = 0;
        for line in maps.lines() {
            if let Some(resident) = line.strip_prefix("Rss:") {
                let kib = resident.trim().trim_end_matches(" kB").parse::<u64>().expect("a number of kB");
                total += if is_code { kib } else { 0 };
            } else if line.split_whitespace().next().is_some_and(|range| range.contains('-')) {
                is_code = line.ends_with(&*binary.to_string_lossy());
            }
        }
        total
    }

    /// Begins the measurement of peak memory anew (`clear_refs`).
    ///
    /// # Panics
    /// If the kernel does not allow it.
    pub fn reset_peak_rss(&self) {
        fs::write(format!("/proc/{}/clear_refs", self.pid()), "5").expect("the peak of an own process can be reset");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            // A stopped process dies of SIGKILL as well; a failure means that it is gone already.
            let _gone = self.child.kill();
            let _reaped = self.child.wait();
        }
    }
}

fn status_field(pid: u32, name: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_else(|error| panic!("pid {pid}: {error}"));
    let line = status.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("{name} of pid {pid}"));
    line.split_whitespace().nth(1).and_then(|kib| kib.parse().ok()).expect("a number of KiB")
}

/// What a finished command left.
#[derive(Debug)]
pub struct Ran {
    /// Its exit code; `None` if a signal ended it.
    pub code: Option<i32>,
    /// Its standard output.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
}

/// Runs `program` to its end in `folder`.
///
/// # Panics
/// If it cannot be started, or lasts longer than ten minutes.
pub async fn run(program: &Path, arguments: &[&str], folder: &Path) -> Ran {
    run_for(Duration::from_secs(600), program, arguments, folder).await
}

/// The same, for what may last longer.
///
/// # Panics
/// If it cannot be started, or lasts longer than `limit`.
pub(crate) async fn run_for(limit: Duration, program: &Path, arguments: &[&str], folder: &Path) -> Ran {
    let mut command = tokio::process::Command::new(program);
    command.args(arguments).current_dir(folder).stdin(Stdio::null()).kill_on_drop(true);
    for name in crate::settings::products_variables() {
        command.env_remove(name);
    }
    let output = crate::within(&format!("{command:?}"), limit, command.output())
        .await
        .unwrap_or_else(|error| panic!("{command:?} cannot be started: {error}"));
    Ran {
        code: output.status.code(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// Chance that can be repeated (SplitMix64): a test prints its seed and takes it from `OFFTAKE_TEST_SEED`.
#[derive(Debug, Clone)]
pub struct Rng(u64);

impl Rng {
    /// Chance from the seed in `OFFTAKE_TEST_SEED`, or from the pid and the time; printed with `what`.
    pub fn seeded(what: &str) -> Self {
        let uptime = fs::read_to_string("/proc/uptime").unwrap_or_default();
        let fresh = uptime
            .bytes()
            .fold(u64::from(std::process::id()), |sum, byte| sum.wrapping_mul(0x0100_0000_01b3) ^ u64::from(byte));
        let seed = crate::switch("OFFTAKE_TEST_SEED", fresh % 1_000_000);
        println!("{what}: OFFTAKE_TEST_SEED={seed}");
        Self(seed)
    }

    /// A number below `bound`.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % bound.max(1)
    }
}

/// Whether every thread in a folder of `/proc` is stopped: what follows its name in brackets is `T` then.
fn all_stopped(tasks: &str) -> bool {
    let stopped = |task: std::fs::DirEntry| {
        let stat = std::fs::read_to_string(task.path().join("stat")).unwrap_or_default();
        stat.rsplit_once(") ").is_none_or(|(_, state)| state.starts_with('T'))
    };
    std::fs::read_dir(tasks).is_ok_and(|tasks| tasks.flatten().all(stopped))
}
