//! Object stores that speak S3, as real servers on loopback.
//!
//! SeaweedFS checks signatures and does all that Offtake needs; the gateway of JuiceFS is MinIO's, so it checks them
//! by other code, but knows no conditional writes; moto imitates Amazon's answers closely (and its bounds: parts of
//! at least 5 MiB), but checks no signature. One server of a kind is shared by all tests of a run: whoever comes
//! first starts it with a keeper, which ends it some seconds after the last test has gone. Tests keep apart by
//! prefixes.

mod listing;

use std::fs::{self, File};
use std::net::TcpListener;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use crate::data::repository;
use crate::foreign::python;

/// How long a server may take to listen.
const START: Duration = Duration::from_secs(60);
const BUCKET: &str = "offtake-tests";
const ACCESS_KEY: &str = "offtake-test";
const SECRET_KEY: &str = "offtake-test-secret";
const READING_KEY: (&str, &str) = ("offtake-test-reader", "offtake-test-reader-secret");

/// Starts "$@", and ends it when nobody has held a shared lock on $1 for a few seconds.
const KEEPER: &str = r#"
users=$1; folder=$2; shift 2
exec 9<>"$users"
cd "$folder"
"$@" 9>&- >server.log 2>&1 &
pid=$!
idle=0
while kill -0 $pid 2>/dev/null; do
  sleep 1
  if flock -n -x 9; then
    idle=$((idle + 1))
    if [ $idle -ge 5 ]; then
      rm -f "$folder/endpoint"
      kill $pid; wait $pid
      rm -rf "$folder/data"
      exit
    fi
    flock -u 9
  else
    idle=0
  fi
done
rm -f "$folder/endpoint"
"#;

/// Which server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    SeaweedFs,
    JuiceFs,
    Moto,
}

/// A running store with an empty space in it.
#[derive(Debug)]
pub struct S3Server {
    kind: Kind,
    endpoint: String,
    prefix: String,
    /// The keeper lets the server live while this is held.
    _user: File,
}

impl S3Server {
    /// SeaweedFS.
    ///
    /// # Panics
    /// If it cannot be started; its log is in the message.
    pub async fn seaweed() -> Self {
        Self::open(Kind::SeaweedFs).await
    }

    /// The gateway of JuiceFS, which is MinIO's: it checks signatures, and ignores conditions on writes.
    ///
    /// # Panics
    /// As [`seaweed`](Self::seaweed).
    pub async fn juice() -> Self {
        Self::open(Kind::JuiceFs).await
    }

    /// moto, which checks no signatures, and keeps Amazon's bounds.
    ///
    /// # Panics
    /// As [`seaweed`](Self::seaweed).
    pub async fn moto() -> Self {
        Self::open(Kind::Moto).await
    }

    /// `http://127.0.0.1:PORT`.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// The bucket all tests share.
    pub const fn bucket(&self) -> &'static str {
        BUCKET
    }

    /// What the keys of this test begin with.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// Id and secret of the key that may do everything.
    pub const fn key(&self) -> (&'static str, &'static str) {
        (ACCESS_KEY, SECRET_KEY)
    }

    /// Id and secret of a key that may read and list, and nothing else. SeaweedFS alone has it.
    pub const fn reading_key(&self) -> (&'static str, &'static str) {
        READING_KEY
    }

    /// Whether it honours `If-None-Match` on writes.
    pub const fn has_conditional_writes(&self) -> bool {
        !matches!(self.kind, Kind::JuiceFs)
    }

    /// The settings of the product for this space, reached at `endpoint`.
    pub fn settings(&self, endpoint: &str) -> Vec<(&'static str, String)> {
        let text = |text: &str| format!("\"{text}\"");
        vec![
            ("store.url", text(&format!("s3://{BUCKET}/{}", self.prefix))),
            ("store.endpoint", text(endpoint)),
            ("store.allow_http", "true".to_owned()),
            ("store.access_key_id", text(ACCESS_KEY)),
            ("store.secret_access_key", text(SECRET_KEY)),
            ("store.conditional_writes", self.has_conditional_writes().to_string()),
        ]
    }

    /// The keys in this space with their sizes.
    pub async fn objects(&self) -> Vec<(String, u64)> {
        listing::objects(&self.endpoint, &self.prefix)
    }

    /// The bytes of the object under this key.
    pub async fn object(&self, key: &str) -> Vec<u8> {
        listing::object(&self.endpoint, key)
    }

    /// The keys of uploads that have not ended.
    pub async fn uploads(&self) -> Vec<String> {
        listing::uploads(&self.endpoint, &self.prefix)
    }

    /// Everything in this space by its name below the prefix, with its size: objects, and after them uploads that
    /// have not ended, marked as such.
    pub(crate) fn stored(&self) -> Vec<(String, u64)> {
        let below = |key: &str| key.strip_prefix(&format!("{}/", self.prefix)).unwrap_or(key).to_owned();
        let objects = listing::objects(&self.endpoint, &self.prefix).into_iter();
        let uploads = listing::uploads(&self.endpoint, &self.prefix).into_iter();
        let objects = objects.map(|(key, size)| (below(&key), size));
        objects.chain(uploads.map(|key| (format!("{} (upload)", below(&key)), 0))).collect()
    }

    async fn open(kind: Kind) -> Self {
        static SPACES: AtomicU32 = AtomicU32::new(0);
        let folder = repository().join("target/offtake-tests").join(kind.name());
        fs::create_dir_all(&folder).expect("target can be written to");
        let (user, starter) = tokio::task::spawn_blocking({
            let folder = folder.clone();
            move || {
                let user = lock_file(&folder.join("users.lock"));
                user.lock_shared().expect("a file can be locked");
                let starter = lock_file(&folder.join("start.lock"));
                starter.lock().expect("a file can be locked");
                (user, starter)
            }
        })
        .await
        .expect("no panic while waiting for a lock");
        let note = folder.join("endpoint");
        let endpoint = match fs::read_to_string(&note) {
            Ok(endpoint) if answers(&endpoint) => endpoint,
            _ => {
                let endpoint = with_bucket(kind, &folder).await;
                fs::write(&note, &endpoint).expect("target can be written to");
                endpoint
            }
        };
        drop(starter);
        let space = SPACES.fetch_add(1, Ordering::Relaxed);
        let uptime = fs::read_to_string("/proc/uptime").unwrap_or_default().replace(['.', ' ', '\n'], "");
        Self { kind, endpoint, prefix: format!("t{}-{space}-{uptime}", std::process::id()), _user: user }
    }
}

impl Kind {
    const fn name(self) -> &'static str {
        match self {
            Self::SeaweedFs => "seaweedfs",
            Self::JuiceFs => "juicefs",
            Self::Moto => "moto",
        }
    }
}

fn lock_file(path: &Path) -> File {
    File::options().create(true).truncate(false).read(true).write(true).open(path).expect("target can be written to")
}

fn answers(endpoint: &str) -> bool {
    endpoint.strip_prefix("http://").is_some_and(|address| std::net::TcpStream::connect(address).is_ok())
}

/// Starts the server and makes the bucket; with other ports if somebody took one of these in between, who may even have
/// answered instead.
async fn with_bucket(kind: Kind, folder: &Path) -> String {
    for _ in 0..3 {
        let of = folder.to_owned();
        let started = tokio::task::spawn_blocking(move || started(kind, &of)).await;
        let Some((mut keeper, endpoint)) = started.expect("no panic while starting") else { continue };
        let ran = python("make_bucket.py", &[&endpoint, BUCKET, ACCESS_KEY, SECRET_KEY]).await;
        if ran.code == Some(0) {
            return endpoint;
        }
        let ended = keeper.try_wait().expect("a child can be waited for");
        assert!(ended.is_some(), "make_bucket.py: {}", ran.stderr);
    }
    let log = fs::read_to_string(folder.join("server.log")).unwrap_or_default();
    panic!("{kind:?} ends at once:\n{log}");
}

/// Starts the server and waits until it listens; nothing if it ends instead.
fn started(kind: Kind, folder: &Path) -> Option<(Child, String)> {
    let (mut keeper, endpoint) = start(kind, folder);
    let began = Instant::now();
    while keeper.try_wait().expect("a child can be waited for").is_none() {
        if answers(&endpoint) {
            return Some((keeper, endpoint));
        }
        assert!(began.elapsed() < START, "{kind:?} does not listen within {START:?}; see {}", folder.display());
        std::thread::sleep(Duration::from_millis(50));
    }
    None
}

/// Starts the server with its keeper, and says where it will listen.
fn start(kind: Kind, folder: &Path) -> (Child, String) {
    let port = free_port();
    let data = folder.join("data");
    // Of a run that was ended before its keeper could.
    if data.exists() {
        fs::remove_dir_all(&data).expect("old data can be removed");
    }
    fs::create_dir_all(&data).expect("target can be written to");
    let server = match kind {
        Kind::SeaweedFs => seaweed(folder, &data, port),
        Kind::JuiceFs => juice(&data, port),
        Kind::Moto => {
            let program = installed("moto_server");
            vec![program.to_string_lossy().into_owned(), "-H".into(), "127.0.0.1".into(), "-p".into(), port.to_string()]
        }
    };
    let mut command = Command::new("sh");
    command.args(["-c", KEEPER, "keeper"]).arg(folder.join("users.lock")).arg(folder).args(server);
    // Its own group: a test that is ended with its group must not take the server from the others.
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
    let keeper = command.spawn().unwrap_or_else(|error| panic!("sh: {error}"));
    (keeper, format!("http://127.0.0.1:{port}"))
}

fn seaweed(folder: &Path, data: &Path, port: u16) -> Vec<String> {
    let keys = folder.join("s3.json");
    let identity = |name: &str, (id, secret): (&str, &str), actions: &str| {
        format!(
            r#"{{"name":"{name}","credentials":[{{"accessKey":"{id}","secretKey":"{secret}"}}],"actions":[{actions}]}}"#
        )
    };
    let admin = identity("admin", (ACCESS_KEY, SECRET_KEY), r#""Admin","Read","Write","List","Tagging""#);
    let reader = identity("reader", READING_KEY, r#""Read","List""#);
    let text = format!(r#"{{"identities":[{admin},{reader}]}}"#);
    fs::write(&keys, text).expect("target can be written to");
    let mut all = vec![installed("weed").to_string_lossy().into_owned(), "server".to_owned()];
    all.push(format!("-dir={}", data.display()));
    all.push(format!("-s3.config={}", keys.display()));
    all.push(format!("-s3.port={port}"));
    for name in [
        "master.port",
        "volume.port",
        "filer.port",
        "s3.port.grpc",
        "master.port.grpc",
        "volume.port.grpc",
        "filer.port.grpc",
    ] {
        all.push(format!("-{name}={}", free_port()));
    }
    let fixed = [
        "-ip=127.0.0.1",
        "-ip.bind=127.0.0.1",
        "-master.telemetry=false",
        "-master.volumeSizeLimitMB=1024",
        "-volume.max=20",
        "-filer",
        "-s3",
        "-s3.port.iceberg=0",
        "-s3.port.lance=0",
    ];
    all.extend(fixed.map(str::to_owned));
    all
}

/// A new volume in `data`, and the command of a gateway to it.
fn juice(data: &Path, port: u16) -> Vec<String> {
    let program = installed("juicefs").to_string_lossy().into_owned();
    let names = format!("sqlite3://{}", data.join("names.db").display());
    let blobs = format!("{}/", data.join("blobs").display());
    let made = Command::new(&program)
        .args(["format", "--storage", "file", "--bucket", &blobs, "--trash-days", "0", &names, "tests"])
        .output()
        .unwrap_or_else(|error| panic!("{program}: {error}"));
    assert!(made.status.success(), "juicefs format: {}", String::from_utf8_lossy(&made.stderr));
    let (user, secret) = (format!("MINIO_ROOT_USER={ACCESS_KEY}"), format!("MINIO_ROOT_PASSWORD={SECRET_KEY}"));
    let log = data.join("gateway.log").display().to_string();
    let address = format!("127.0.0.1:{port}");
    let switches =
        ["--multi-buckets", "--keep-etag", "--object-meta", "--no-banner", "--no-usage-report", "--backup-meta", "0"];
    // With a region of its own it refuses signatures for any other.
    let region = ["MINIO_REGION=us-east-1", "MINIO_REGION_NAME=us-east-1"];
    let mut all = vec!["env", &user, &secret, region[0], region[1], &program, "gateway"];
    all.extend(switches);
    all.extend(["--log", &log, &names, &address]);
    all.into_iter().map(str::to_owned).collect()
}

fn installed(program: &str) -> PathBuf {
    let path = repository().join("target/testenv/bin").join(program);
    assert!(path.exists(), "{program} is needed: run scripts/test-setup.sh");
    path
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    listener.local_addr().expect("a listener has an address").port()
}
