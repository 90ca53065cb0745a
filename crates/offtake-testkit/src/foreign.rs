//! Other people's software: it reads what Offtake wrote, and sends what Offtake shall take.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::Value as Json;

use crate::data::repository;
use crate::diff::{Cells, parse_cells};
use crate::process::{Process, Ran, run, run_for};
use crate::wait::eventually;

const SETUP: &str = "run scripts/test-setup.sh (make test does)";

/// Who reads a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reader {
    /// Python's `csv`.
    PythonCsv,
    /// Python's `json`.
    PythonJson,
    /// pyarrow.
    Arrow,
    /// DuckDB.
    DuckDb,
    /// openpyxl.
    OpenPyxl,
}

impl Reader {
    const fn script(self) -> &'static str {
        match self {
            Self::PythonCsv => "read_csv.py",
            Self::PythonJson => "read_json.py",
            Self::Arrow => "read_arrow.py",
            Self::DuckDb => "read_duckdb.py",
            Self::OpenPyxl => "read_xlsx.py",
        }
    }

    /// Whether it can tell NULL from the empty string in this format.
    pub const fn knows_null(self) -> bool {
        !matches!(self, Self::PythonCsv | Self::OpenPyxl)
    }
}

/// The interpreter with the foreign readers.
///
/// # Panics
/// If it is not installed.
pub(crate) fn python_at() -> PathBuf {
    let interpreter = repository().join("target/testenv/bin/python");
    assert!(interpreter.exists(), "{} is missing: {SETUP}", interpreter.display());
    interpreter
}

/// Runs a script of the kit's `python` folder.
///
/// # Panics
/// If Python or one of its packages is missing.
pub async fn python(script: &str, arguments: &[&str]) -> Ran {
    let script = repository().join("crates/offtake-testkit/python").join(script);
    let script = script.to_string_lossy();
    let mut all = vec!["-B", &*script];
    all.extend(arguments);
    let ran = run(&python_at(), &all, &repository()).await;
    assert!(!ran.stderr.contains("ModuleNotFoundError"), "a Python package is missing: {SETUP}\n{}", ran.stderr);
    ran
}

/// Runs a script of the kit's `node` folder with the packages under `target/testenv/node`.
///
/// # Panics
/// If Node or one of its packages is missing.
pub async fn node(script: &str, arguments: &[&str]) -> Ran {
    let packages = repository().join("target/testenv/node");
    assert!(
        packages.join("node_modules/@opentelemetry").exists(),
        "{}/node_modules is missing: {SETUP}",
        packages.display()
    );
    // Node looks for packages beside the script: it is run from a copy beside them.
    let source = repository().join("crates/offtake-testkit/node").join(script);
    let copy = packages.join(format!("{}-{script}", std::process::id()));
    std::fs::copy(&source, &copy).unwrap_or_else(|error| panic!("{}: {error}", source.display()));
    let path = copy.to_string_lossy();
    let mut all = vec![&*path];
    all.extend(arguments);
    let ran = run(Path::new("node"), &all, &packages).await;
    std::fs::remove_file(&copy).expect("the copy can be removed");
    ran
}

/// A name server whose names change their meaning, as `name_server.py` describes it, and its port. Writes to `folder`.
///
/// # Panics
/// If it does not start.
pub async fn name_server(folder: &Path) -> (Process, u16) {
    let mut command = Command::new(python_at());
    command.arg("-B").arg(repository().join("crates/offtake-testkit/python/name_server.py"));
    let server = Process::start(command, folder.join("name_server.log"));
    let port: u16 = eventually("the name server says its port", Duration::from_secs(20), || async {
        let log = server.log();
        assert!(!log.contains("ModuleNotFoundError"), "a Python package is missing: {SETUP}\n{log}");
        log.lines().next().and_then(|line| line.trim().parse().ok())
    })
    .await;
    (server, port)
}

/// Schemathesis against the server at `url`: every call of its document, for so many seconds, by somebody with `token`.
/// Works in `folder`.
///
/// # Panics
/// If it is not installed.
pub async fn schemathesis(url: &str, token: &str, seconds: u64, seed: u64, folder: &Path) -> Ran {
    let program = repository().join("target/testenv/schemathesis/bin/schemathesis");
    assert!(program.exists(), "{} is missing: {SETUP}", program.display());
    let config = repository().join("crates/offtake-testkit/python/schemathesis.toml");
    let (config, document) = (config.to_string_lossy(), format!("{url}/openapi.json"));
    // What it has begun it ends.
    let limit = Duration::from_secs(seconds + 300);
    let (header, seconds, seed) = (format!("Authorization: Bearer {token}"), seconds.to_string(), seed.to_string());
    let arguments = ["--config-file", &*config, "run", &*document, "--header", &header, "--checks", "all"];
    let more = ["--max-time", &*seconds, "--seed", &seed, "--workers", "1", "--no-color"];
    run_for(limit, &program, &[&arguments[..], &more].concat(), folder).await
}

pub(crate) fn checked(what: &str, ran: Ran) -> String {
    assert_eq!(ran.code, Some(0), "{what} failed:\n{}\n{:.500}", ran.stderr, ran.stdout);
    ran.stdout
}

/// The rows of a file as a foreign reader sees them. `receipt` says what columns there must be.
///
/// # Panics
/// If the reader does not accept the file.
pub async fn exported_rows(reader: Reader, file: &Path, receipt: &Json) -> Cells {
    let path = file.to_string_lossy();
    let (columns, compression) =
        (receipt["columns"].to_string(), receipt["compression"].as_str().expect("a compression"));
    let format = receipt["format"].as_str().expect("a format");
    let ran = python(reader.script(), &[&*path, compression, &*columns, format]).await;
    parse_cells(&checked(&format!("{reader:?} on {path}"), ran))
}

/// The rows of the built-in dataset `spans` straight from its database, in key order, by Python's sqlite3.
///
/// # Panics
/// If they cannot be read.
pub(crate) async fn store_rows(spans_db: &Path, org: &str, receipt: &Json) -> Cells {
    let (path, columns) = (spans_db.to_string_lossy(), receipt["columns"].to_string());
    let ran = python("read_store.py", &[&*path, org, &*columns]).await;
    parse_cells(&checked("read_store.py", ran))
}

/// Makes Parquet files as `make_lake.py` describes them.
///
/// # Panics
/// If they cannot be made.
pub async fn lake(kind: &str, folder: &Path, more: &[&str]) {
    let folder = folder.to_string_lossy();
    let mut all = vec![kind, &*folder];
    all.extend(more);
    checked("make_lake.py", python("make_lake.py", &all).await);
}

/// The rows of Parquet files in a folder, by pyarrow, in the order of their `id`.
///
/// # Panics
/// If they cannot be read.
pub async fn lake_rows(folder: &Path, org: &str, receipt: &Json) -> Cells {
    let (path, columns) = (folder.to_string_lossy(), receipt["columns"].to_string());
    parse_cells(&checked("read_lake.py", python("read_lake.py", &[&*path, org, &*columns]).await))
}

/// Rows that a database told as texts, made canonical by [`canon_cells.py`](../python/canon_cells.py). `columns` is as a
/// receipt has it; `file` is written to.
///
/// # Panics
/// If a cell is not of its column's type.
pub async fn canonical_rows(columns: &Json, rows: &Cells, file: &Path) -> Cells {
    let lines: Vec<String> = rows.iter().map(|row| Json::from(row.clone()).to_string()).collect();
    std::fs::write(file, lines.join("\n")).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let ran = python("canon_cells.py", &[&*columns.to_string(), &*file.to_string_lossy()]).await;
    parse_cells(&checked("canon_cells.py", ran))
}

/// SHA-256 of bytes, by `sha256sum`.
///
/// # Panics
/// If it is not installed.
pub async fn sha256(file: &Path) -> String {
    let path = file.to_string_lossy();
    let ran = run(Path::new("sha256sum"), &["--binary", &*path], &repository()).await;
    assert_eq!(ran.code, Some(0), "{ran:?}");
    ran.stdout.split_whitespace().next().expect("a digest").to_owned()
}
