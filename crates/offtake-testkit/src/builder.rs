//! How an app is set up before it starts.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use crate::app::{Role, Setup, TestApp};
use crate::disk::SmallDisk;
use crate::house::House;
use crate::{copy_dir, prepared, scratch};

/// How a [`TestApp`] is set up before it starts.
#[derive(Debug)]
pub struct AppBuilder {
    binary: PathBuf,
    spans: Option<u64>,
    settings: BTreeMap<String, String>,
    tables: String,
    small_disk: Option<(&'static str, u32)>,
    embedded: bool,
    database: Option<String>,
    roles: Vec<Role>,
    data_dirs_apart: bool,
}

impl AppBuilder {
    /// An app of the binary at `binary` (`env!("CARGO_BIN_EXE_offtake")`), with times short enough for a test. It
    /// keeps jobs and files where this run says: `OFFTAKE_TEST_HOUSE`.
    pub fn new(binary: &str) -> Self {
        let settings = [
            ("worker.poll", "\"100ms\""),
            ("worker.lease", "\"4s\""),
            ("worker.heartbeat", "\"500ms\""),
            ("worker.rescue", "\"500ms\""),
            ("worker.sweep", "\"500ms\""),
            ("worker.frame", "\"256KiB\""),
            ("worker.part", "\"1MiB\""),
            // Tests ask for more than users do; those that are about limits set them.
            ("limits.active_jobs", "0"),
            ("limits.exports_per_hour", "0"),
            ("limits.exports_per_hour_per_organization", "0"),
            ("limits.requests_per_second", "0"),
            ("limits.failed_authentications_per_minute", "0"),
            // Tests run side by side on one machine.
            ("server.otlp_grpc_listen", "\"127.0.0.1:0\""),
            ("log.format", "\"json\""),
            ("log.level", "\"info\""),
        ];
        let settings = settings.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
        Self {
            binary: binary.into(),
            spans: None,
            settings,
            tables: String::new(),
            small_disk: None,
            embedded: false,
            database: None,
            roles: vec![Role::Serve],
            data_dirs_apart: false,
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

    /// Begins with so many amplified spans of the organization `acme`.
    #[must_use]
    pub const fn with_spans(mut self, spans: u64) -> Self {
        self.spans = Some(spans);
        self
    }

    /// Jobs and files are in the data dir whatever this run says, for a test that is about that.
    #[must_use]
    pub const fn embedded(mut self) -> Self {
        self.embedded = true;
        self
    }

    /// Jobs and spans are kept in this Postgres database, with the spans that are in it.
    #[must_use]
    pub fn on_postgres(mut self, url: &str) -> Self {
        self.database = Some(url.to_owned());
        self
    }

    /// Server and worker are processes of their own.
    #[must_use]
    pub fn apart(mut self) -> Self {
        self.roles = vec![Role::Server, Role::Worker];
        self
    }

    /// These processes, each on a data dir of its own, with jobs and files in Postgres and a bucket.
    #[must_use]
    pub fn spread(mut self, roles: &[Role]) -> Self {
        self.roles = roles.to_vec();
        self.data_dirs_apart = true;
        self
    }

    /// Files lie on a disk of so many mebibytes.
    #[must_use]
    pub fn with_small_disk(mut self, mebibytes: u32) -> Self {
        self.small_disk = Some(("objects", mebibytes));
        self
    }

    /// All data lies on a disk of so many mebibytes: databases and files. Only the process sees it, and it goes with
    /// the process.
    #[must_use]
    pub fn with_all_on_small_disk(mut self, mebibytes: u32) -> Self {
        self.small_disk = Some(("", mebibytes));
        // Commands that run beside it make tokens with the same secret.
        self.embedded().set("token.secret", "\"what everybody beside the small disk knows\"")
    }

    /// Starts it.
    ///
    /// # Panics
    /// If it does not listen within a minute; its log is in the message.
    pub async fn start(mut self) -> TestApp {
        let folder = scratch("app");
        let data = folder.path().join("data");
        let binary = self.binary.to_string_lossy().into_owned();
        let spans = self.spans.map(|spans| (binary.as_str(), spans));
        let house = match (self.data_dirs_apart, self.embedded) {
            (true, _) => House::apart(spans).await,
            (false, true) => House::default(),
            (false, false) => House::of_app(self.database, self.settings.contains_key("store.url"), spans).await,
        };
        match spans {
            Some((binary, spans)) if !house.is_elsewhere() => copy_dir(&prepared(binary, spans).await, &data),
            Some(_) | None => fs::create_dir_all(&data).expect("the data dir can be made"),
        }
        for (key, value) in house.settings() {
            self.settings.entry(key.to_owned()).or_insert(value);
        }
        let config = folder.path().join("test.toml");
        let text: String = self.settings.iter().map(|(key, value)| format!("{key} = {value}\n")).collect();
        fs::write(&config, text + &self.tables).expect("the configuration can be written");
        let disk = self.small_disk.map(|(folder, mebibytes)| {
            let folder = data.join(folder);
            fs::create_dir_all(&folder).expect("the folder can be made");
            SmallDisk::at(&folder, mebibytes)
        });
        let mut app = TestApp::new(Setup {
            binary: self.binary,
            folder,
            data,
            config,
            disk,
            roles: self.roles.clone(),
            data_dirs_apart: self.data_dirs_apart,
            house,
        });
        for role in self.roles {
            app.start_role(role).await;
        }
        app
    }
}
