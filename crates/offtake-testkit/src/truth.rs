//! What is true of an app beside what it says of itself: what it stored, what its databases hold.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use rusqlite::types::Value;
use rusqlite::{Connection, OpenFlags};
use serde_json::Value as Json;

use crate::app::{Role, TestApp};
use crate::diff::Cells;
use crate::foreign::{checked, python, store_rows};
use crate::wait::eventually;

impl TestApp {
    /// Everything stored, by its name, with its size: files, and what is under way.
    pub fn stored(&self) -> Vec<(String, u64)> {
        match self.house().bucket() {
            Some(bucket) => bucket.stored(),
            None => files_in(&self.objects()),
        }
    }

    /// Stored files that no job accounts for: of a job that is over and has no file, of an attempt that another one
    /// replaced, or half-written beside a finished one.
    ///
    /// # Panics
    /// If the job database cannot be read.
    pub fn orphans(&self) -> Vec<String> {
        let stored = self.stored();
        // What lies on a disk that only the process sees cannot be opened from here.
        let is_seen = self.data_dir_within() == self.data_dir();
        let readable = self.house().is_elsewhere() || (is_seen && self.data_dir().join("offtake.db").exists());
        if stored.is_empty() || !readable {
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
        let found = self.jobs_query("SELECT job, checkpoint FROM job_checkpoints").into_iter().map(two);
        found
            .map(|(job, checkpoint)| {
                let checkpoint: Json = serde_json::from_str(&checkpoint).expect("a checkpoint is JSON");
                (job, checkpoint["written"]["rows"].as_u64().expect("a number of rows"))
            })
            .collect()
    }

    /// The jobs that the process of this role works on, and in which attempt.
    ///
    /// # Panics
    /// If it never ran.
    pub fn jobs_of(&self, role: Role) -> Vec<(String, u64)> {
        let id = fs::read_to_string(self.data_of(role).join("data-dir.id")).expect("its data dir has a name");
        let sql = format!("SELECT id, attempt FROM jobs WHERE status = 'processing' AND worker LIKE '{}/%'", id.trim());
        let found = self.jobs_query(&sql).into_iter().map(two);
        found.map(|(job, attempt)| (job, attempt.parse().expect("a number"))).collect()
    }

    /// The cells of the rows of a query on the job store, as text.
    pub fn jobs_query(&self, sql: &str) -> Vec<Vec<String>> {
        self.house().jobs(sql).unwrap_or_else(|| rows_of(&self.data_dir().join("offtake.db"), sql))
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

    pub(crate) fn settled(&self, limit: Duration) -> Vec<String> {
        let began = Instant::now();
        loop {
            let orphans = self.orphans();
            if orphans.is_empty() || began.elapsed() > limit {
                return orphans;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Stops a process at a moment when it keeps nobody from writing to the job store or the spans: one that stands
    /// still in the middle of a transaction holds its locks.
    ///
    /// # Panics
    /// If there is no such moment.
    pub async fn freeze(&mut self, role: Role) {
        for _ in 0..200 {
            self.process(role).freeze();
            if self.nothing_is_locked() {
                return;
            }
            self.process(role).thaw();
            tokio::time::sleep(Duration::from_millis(7)).await;
        }
        panic!("{role:?} always holds a lock of a database");
    }

    fn nothing_is_locked(&self) -> bool {
        // Those that have written or locked a row have a number; what only reads spans keeps nobody from anything.
        let open = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND backend_xid IS NOT NULL
                    AND pid <> pg_backend_pid() AND backend_type = 'client backend'";
        match self.house().jobs(open) {
            Some(transactions) => transactions.is_empty(),
            None => ["offtake.db", "spans.db"].into_iter().all(|file| {
                let database = Connection::open(self.data_dir().join(file)).expect("a database");
                database.busy_timeout(Duration::from_millis(50)).expect("a timeout can be set");
                database.execute_batch("BEGIN IMMEDIATE; ROLLBACK").is_ok()
            }),
        }
    }

    /// The rows of the built-in dataset `spans`, in key order, as its database has them: the columns of `receipt`.
    ///
    /// # Panics
    /// If they cannot be read.
    pub async fn span_rows(&self, org: &str, receipt: &Json) -> Cells {
        store_rows(&self.spans_db(), org, receipt).await
    }

    /// Checks that a csv or jsonl has every span of the organization exactly once. How many there are.
    ///
    /// # Panics
    /// If it has not.
    pub async fn every_span_once(&self, file: &Path, format: &str, compression: &str, org: &str) -> u64 {
        let (file, database) = (file.to_string_lossy(), self.spans_db());
        let ran = python("digest_rows.py", &[&*file, compression, format, &*database.to_string_lossy(), org]).await;
        checked("digest_rows.py", ran).trim().parse().expect("a number of rows")
    }

    /// Changes the spans behind the product's back. How many rows that changed.
    ///
    /// # Panics
    /// If it cannot be done.
    pub fn change_spans(&self, sql: &str) -> usize {
        let counted = format!("WITH changed AS ({sql} RETURNING 1) SELECT count(*) FROM changed");
        if let Some(rows) = self.house().jobs(&counted) {
            return rows[0][0].parse().expect("a number");
        }
        let database = Connection::open(self.spans_db()).expect("the spans");
        database.busy_timeout(Duration::from_secs(5)).expect("a timeout can be set");
        database.execute(sql, []).unwrap_or_else(|error| panic!("{sql}: {error}"))
    }

    /// The spans as SQLite has them; what lies in Postgres is copied.
    fn spans_db(&self) -> PathBuf {
        match self.house().spans() {
            Some(rows) => mirrored(&self.folder().join("mirrored-spans.db"), rows),
            None => self.data_dir().join("spans.db"),
        }
    }
}

/// A SQLite file with these spans, its columns as the product's own.
fn mirrored(path: &Path, rows: Vec<Vec<Option<String>>>) -> PathBuf {
    let write = || -> rusqlite::Result<()> {
        let database = Connection::open(path)?;
        let columns = SPAN_COLUMNS.map(|(name, _, affinity)| format!("\"{name}\" {affinity}")).join(", ");
        database.execute_batch(&format!("BEGIN; DROP TABLE IF EXISTS spans; CREATE TABLE spans ({columns})"))?;
        let places = vec!["?"; SPAN_COLUMNS.len()].join(", ");
        let mut insert = database.prepare(&format!("INSERT INTO spans VALUES ({places})"))?;
        for row in rows {
            insert.execute(rusqlite::params_from_iter(row.iter().map(|cell| cell.as_deref().map(unescaped))))?;
        }
        database.execute_batch("COMMIT")
    };
    write().unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    path.to_owned()
}

/// A text as it was before U+0000 to U+0005 were written as pairs.
fn unescaped(stored: &str) -> String {
    if !stored.bytes().any(|byte| byte < 6) {
        return stored.to_owned();
    }
    let pairs = ["\u{1}\u{3}", "\u{1}\u{4}", "\u{1}\u{5}", "\u{2}\u{3}", "\u{2}\u{4}", "\u{2}\u{5}"];
    // Whatever begins with 1 or 2 is a pair, so no text in between is taken for one.
    let mut text = String::with_capacity(stored.len());
    let mut characters = stored.chars();
    while let Some(character) = characters.next() {
        match character {
            '\u{1}' | '\u{2}' => {
                let pair: String = std::iter::once(character).chain(characters.next()).collect();
                let own = pairs.iter().zip('\0'..).find(|(known, _)| **known == pair).expect("a pair").1;
                text.push(own);
            }
            other => text.push(other),
        }
    }
    text
}

/// Columns of the spans: name, how Postgres says what SQLite stores, affinity in SQLite.
pub(crate) const SPAN_COLUMNS: [(&str, &str, &str); 32] = [
    ("ingest_seq", "ingest_seq", "INTEGER"),
    ("org_id", "org_id", "TEXT"),
    ("trace_id", "trace_id", "TEXT"),
    ("span_id", "span_id", "TEXT"),
    ("parent_span_id", "parent_span_id", "TEXT"),
    ("project_id", "project_id", "TEXT"),
    ("document_uuid", "document_uuid", "TEXT"),
    ("commit_uuid", "commit_uuid", "TEXT"),
    ("experiment_uuid", "experiment_uuid", "TEXT"),
    ("test_deployment_id", "test_deployment_id", "TEXT"),
    ("type", "type", "TEXT"),
    ("name", "name", "TEXT"),
    ("service", "service", "TEXT"),
    ("provider", "provider", "TEXT"),
    ("model", "model", "TEXT"),
    ("environment", "environment", "TEXT"),
    ("user_id", "user_id", "TEXT"),
    ("session_id", "session_id", "TEXT"),
    ("status_code", "status_code", "TEXT"),
    ("status_message", "status_message", "TEXT"),
    ("started_at", "(extract(epoch FROM started_at) * 1000000)::bigint", "INTEGER"),
    ("ended_at", "(extract(epoch FROM ended_at) * 1000000)::bigint", "INTEGER"),
    ("duration_ms", "duration_ms", "REAL"),
    ("prompt_tokens", "prompt_tokens", "INTEGER"),
    ("completion_tokens", "completion_tokens", "INTEGER"),
    ("total_tokens", "total_tokens", "INTEGER"),
    ("cost_usd", "(cost_usd * 1000000000)::bigint", "INTEGER"),
    ("input", "input", "TEXT"),
    ("output", "output", "TEXT"),
    ("attributes", "attributes", "TEXT"),
    ("resource", "resource", "TEXT"),
    ("events", "events", "TEXT"),
];

/// Every file under `root`, relative to it, with its size.
fn files_in(root: &Path) -> Vec<(String, u64)> {
    let mut found = Vec::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = fs::read_dir(&folder) else { continue };
        for entry in entries.flatten() {
            let path = entry.path();
            match entry.metadata() {
                Ok(meta) if meta.is_dir() => folders.push(path),
                Ok(meta) => {
                    let name = path.strip_prefix(root).expect("below the root").to_string_lossy().into_owned();
                    found.push((name, meta.len()));
                }
                Err(_) => {}
            }
        }
    }
    found.sort();
    found
}

/// The cells of the rows of a query on a SQLite file, as text.
fn rows_of(path: &Path, sql: &str) -> Vec<Vec<String>> {
    let rows = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY).and_then(|database| {
        database.busy_timeout(Duration::from_secs(10))?;
        let mut statement = database.prepare(sql)?;
        let columns = statement.column_count();
        let text = |value: Value| match value {
            Value::Text(text) => text,
            Value::Integer(number) => number.to_string(),
            Value::Null | Value::Real(_) | Value::Blob(_) => panic!("{sql}: {value:?}"),
        };
        let cells = |row: &rusqlite::Row<'_>| (0..columns).map(|column| row.get(column).map(text)).collect();
        statement.query_map([], cells)?.collect::<rusqlite::Result<Vec<Vec<String>>>>()
    });
    rows.unwrap_or_else(|error| panic!("{}: {error}: {sql}", path.display()))
}

fn two(row: Vec<String>) -> (String, String) {
    let mut cells = row.into_iter();
    (cells.next().expect("a first cell"), cells.next().expect("a second cell"))
}
