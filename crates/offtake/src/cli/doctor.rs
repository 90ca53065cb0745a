//! `offtake doctor`: what is wrong with this installation, and what to do about it.
//!
//! It looks, and changes nothing but what any command makes on its first run.

mod issuers;
mod mail;
mod postgres;

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use offtake_model::Error;
use offtake_model::clock::{Clock, SystemClock};
use offtake_store::objects::S3Objects;
use serde_json::{Value as Json, json};

use super::{Context, storage};
use crate::config::{Config, StoreConfig};
use crate::exit::{FAILED, Failure, Outcome};
use crate::output;
use crate::wire::{self, House};

/// Below this there is no room for what is under way.
const LITTLE_SPACE: u64 = 64 << 20;
/// Below this it is time to do something.
const SCARCE_SPACE: u64 = 1 << 30;
/// Signatures are refused from here on.
const CLOCK_FAILS: Duration = Duration::from_secs(5 * 60);
const CLOCK_WARNS: Duration = Duration::from_secs(5);
/// A source that does not answer for so long is as good as away.
const PATIENCE: Duration = Duration::from_secs(15);

/// Something looked at.
#[derive(Debug)]
struct Finding {
    about: String,
    verdict: &'static str,
    /// What is the case, and what to do.
    detail: String,
}

/// Everything looked at.
#[derive(Debug, Default)]
struct Findings(Vec<Finding>);

impl Findings {
    fn ok(&mut self, about: &str, detail: impl Into<String>) {
        self.add(about, "ok", detail.into());
    }

    fn warn(&mut self, about: &str, detail: impl Into<String>) {
        self.add(about, "warning", detail.into());
    }

    fn fail(&mut self, about: &str, detail: impl Into<String>) {
        self.add(about, "failed", detail.into());
    }

    fn error(&mut self, about: &str, error: &Error) {
        let cause = std::error::Error::source(error).map(|cause| format!(" ({cause})")).unwrap_or_default();
        self.fail(about, format!("{}{cause}", error.detail()));
    }

    fn add(&mut self, about: &str, verdict: &'static str, detail: String) {
        self.0.push(Finding { about: about.to_owned(), verdict, detail });
    }
}

pub(super) fn run(context: &Context) -> Outcome {
    let config = context.config(&[])?;
    wire::log_quietly(&config.log)?;
    wire::block_on(async {
        let mut found = Findings::default();
        found.ok("configuration", "sound");
        configuration_file(context, &config, &mut found);
        directory(&config.data_dir, &mut found);
        secret(&config, &mut found);
        issuers::examine(&config, &mut found).await;
        databases(&config, &mut found).await;
        objects(&config, &mut found).await;
        mail::examine(&config, &mut found).await;
        clock(&config, &mut found).await;
        report(context, &found)
    })
}

fn report(context: &Context, found: &Findings) -> Outcome {
    let failed = found.0.iter().any(|finding| finding.verdict == "failed");
    if context.global.json {
        let findings: Vec<Json> = found
            .0
            .iter()
            .map(|finding| json!({ "about": finding.about, "result": finding.verdict, "detail": finding.detail }))
            .collect();
        output::json(&json!({ "ok": !failed, "findings": findings }))?;
    } else {
        for Finding { about, verdict, detail } in &found.0 {
            output::line(&format!("{verdict:<8} {about:<22} {detail}"))?;
        }
    }
    if failed { Err(Failure::Told(FAILED)) } else { Ok(()) }
}

/// A file with secrets is its owner's alone.
fn configuration_file(context: &Context, config: &Config, found: &mut Findings) {
    let named = context.global.config.clone().or_else(|| context.environment.config.as_ref().map(PathBuf::from));
    let path = named.unwrap_or_else(|| PathBuf::from("offtake.toml"));
    let Ok(text) = fs::read_to_string(&path) else { return };
    let secrets = ["secret", "password", "access_key"].iter().any(|word| text.contains(word)) || has_password(&text);
    let shown = path.display();
    if secrets && others_may(&path, 0o044) {
        found.warn("configuration file", format!("others may read {shown}, which has secrets: chmod 600 {shown}"));
    } else {
        found.ok("configuration file", format!("{shown}"));
    }
    let local = config.listen.ip().is_loopback();
    if !local && config.server.public_url.as_deref().is_none_or(|url| url.starts_with("http://")) {
        found.warn(
            "public address",
            format!(
                "{} is open to the network; put TLS in front, and set server.public_url to its https address",
                config.listen
            ),
        );
    }
}

/// `scheme://user:password@`.
fn has_password(text: &str) -> bool {
    text.split("://").skip(1).any(|rest| {
        let authority = rest.split(['/', '?', '"', '\'']).next().unwrap_or_default();
        authority.rsplit_once('@').is_some_and(|(user, _)| user.contains(':'))
    })
}

fn others_may(path: &Path, bits: u32) -> bool {
    fs::metadata(path).is_ok_and(|meta| meta.permissions().mode() & bits != 0)
}

fn directory(path: &Path, found: &mut Findings) {
    let shown = path.display();
    if !path.exists() {
        return found.ok("data directory", format!("{shown} is not there yet; the first command makes it"));
    }
    if others_may(path, 0o022) {
        found.fail("data directory", format!("others may write to {shown}: chmod 700 {shown}"));
    } else if others_may(path, 0o055) {
        found.warn("data directory", format!("others may read {shown}: chmod 700 {shown}"));
    } else {
        found.ok("data directory", format!("{shown}"));
    }
    for name in ["offtake.db", "spans.db", "token.secret"] {
        let file = path.join(name);
        if others_may(&file, 0o077) && others_may(path, 0o011) {
            found.fail("file permissions", format!("others may use {0}: chmod 600 {0}", file.display()));
        }
    }
    match rustix::fs::statvfs(path) {
        Ok(space) => disk(space.f_bavail.saturating_mul(space.f_frsize), &shown.to_string(), found),
        Err(error) => found.warn("disk space", format!("cannot be told for {shown}: {error}")),
    }
}

fn disk(free: u64, shown: &str, found: &mut Findings) {
    let told = format!("{} MiB free under {shown}", free >> 20);
    if free < LITTLE_SPACE {
        found.fail("disk space", format!("{told}; free some, or move the data directory"));
    } else if free < SCARCE_SPACE {
        found.warn("disk space", format!("{told}; free some before exports fail with storage_full"));
    } else {
        found.ok("disk space", told);
    }
}

fn secret(config: &Config, found: &mut Findings) {
    if let Some(error) = wire::unshared_secret(&config.token, config.database.postgres.as_ref()) {
        return found.error("token secret", &error);
    }
    let file = config.token.secret_file.clone().unwrap_or_else(|| config.data_dir.join("token.secret"));
    let text = match (&config.token.secret, fs::read_to_string(&file)) {
        (Some(secret), _) => secret.expose().to_owned(),
        (None, Ok(text)) => text.trim().to_owned(),
        (None, Err(error)) if error.kind() == std::io::ErrorKind::NotFound && config.token.secret_file.is_none() => {
            return found.ok("token secret", "not there yet; the first server makes it");
        }
        (None, Err(error)) => {
            return found.fail("token secret", format!("{} cannot be read: {error}", file.display()));
        }
    };
    let own_file = config.token.secret.is_none();
    if own_file && others_may(&file, 0o077) {
        found.fail("token secret", format!("others may read {0}: chmod 600 {0}, and make a new one", file.display()));
    } else if let Err(error) = offtake_server::identity::Secret::new(&text) {
        found.error("token secret", &error);
    } else if text.bytes().collect::<BTreeSet<u8>>().len() < 12 {
        found.warn("token secret", "long, but of few different characters; make one with: openssl rand -hex 32");
    } else {
        found.ok("token secret", "strong enough");
    }
}

/// Jobs, spans, and every source that a dataset is read from.
async fn databases(config: &Config, found: &mut Findings) {
    if let Some(settings) = &config.database.postgres
        && !postgres::examine(settings, found).await
    {
        return;
    }
    let house = match House::open(config.clone()).await {
        Ok(house) => house,
        Err(error) => return found.error("databases", &error),
    };
    if config.database.postgres.is_some() {
        left_over(&config.data_dir, found);
    }
    match in_time(house.store.jobs.ping()).await {
        Ok(()) => found.ok("job database", "answers"),
        Err(error) => found.error("job database", &error),
    }
    bus(&house, found).await;
    let mut answering = 0;
    for dataset in house.catalog.iter() {
        match in_time(Arc::clone(&dataset.source).ping()).await {
            Ok(()) => answering += 1,
            Err(error) => found.error(&format!("dataset {}", dataset.schema.name), &error),
        }
    }
    found.ok("sources", format!("of {answering} datasets answer"));
}

/// Looks for the bus for a while: it connects in the background.
async fn bus(house: &House, found: &mut Findings) {
    let hints = house.store.events.hints();
    let Some(carrier) = hints.carrier() else { return };
    let began = std::time::Instant::now();
    while !carrier.is_connected() && began.elapsed() < PATIENCE {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let told = format!("{} at {}", carrier.name(), carrier.place());
    if carrier.is_connected() {
        found.ok("bus", format!("{told} answers"));
    } else {
        found.warn("bus", format!("{told} does not answer, so nodes hear of each other later; see bus.url"));
    }
}

/// What was kept before Postgres was configured is not moved there by itself.
fn left_over(data_dir: &Path, found: &mut Findings) {
    for name in ["offtake.db", "spans.db"] {
        let file = data_dir.join(name);
        if file.exists() {
            let shown = file.display();
            found.warn("data directory", format!("{shown} is not used: jobs and spans are kept in database.url"));
        }
    }
}

async fn in_time<T>(ping: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    let late = |_| Error::new(offtake_model::ErrorKind::Timeout, "no answer in 15 seconds; check that it runs");
    tokio::time::timeout(PATIENCE, ping).await.map_err(late)?
}

async fn objects(config: &Config, found: &mut Findings) {
    match storage::probes(config).await {
        Ok(probes) => {
            for probe in probes {
                let (verdict, detail) = storage::told(&probe.outcome);
                found.add(&format!("storage: {}", probe.name), verdict, detail.to_owned());
            }
        }
        Err(error) => found.error("storage", &error),
    }
}

/// Signatures and leases are about time.
async fn clock(config: &Config, found: &mut Findings) {
    let StoreConfig::S3(settings) = &config.store else {
        return found.ok("clock", "nothing else to compare it with");
    };
    let theirs = match S3Objects::new((**settings).clone()) {
        Ok(objects) => objects.time().await,
        Err(error) => Err(error),
    };
    let Ok(Some(theirs)) = theirs else { return found.warn("clock", "the object store does not tell the time") };
    let apart = SystemClock.now().duration_since(theirs).unsigned_abs();
    let told = format!("{} s apart from the object store", apart.as_secs());
    if apart > CLOCK_FAILS {
        found.fail("clock", format!("{told}; it refuses signatures: set this machine's clock (NTP)"));
    } else if apart > CLOCK_WARNS {
        found.warn("clock", format!("{told}; let NTP set this machine's clock"));
    } else {
        found.ok("clock", told);
    }
}
