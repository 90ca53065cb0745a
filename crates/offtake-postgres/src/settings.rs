//! Where a server is and how to reach it, from a `postgres://` URL.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use offtake_model::{Error, ErrorKind, Result};
use percent_encoding::percent_decode_str;
use tokio_postgres::Config;
use tokio_postgres::config::{Host, TargetSessionAttrs};

use crate::tls::Verify;

/// How long one address may take to answer, unless the URL says otherwise.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// When a silent connection is probed, how often, and how many probes may be lost.
const KEEPALIVE: (Duration, Duration, u32) = (Duration::from_secs(15), Duration::from_secs(5), 3);
/// How long sent bytes may stay unacknowledged.
const UNACKNOWLEDGED: Duration = Duration::from_secs(20);

/// How to reach a server. Its `Debug` and `Display` show no secret.
#[derive(Clone)]
pub struct Settings {
    config: Config,
    verify: Verify,
    root: Option<PathBuf>,
}

impl Settings {
    /// Reads `postgres://user:password@host[:port][,host[:port]…]/database?option=value&…`.
    ///
    /// Options are those of libpq as far as they mean something here: `sslmode` (`disable`, `prefer`, `require`,
    /// `verify-ca`, `verify-full`; by default `prefer`), `sslrootcert` (a file of PEM certificates, or `system`),
    /// `application_name`, `connect_timeout`, `target_session_attrs`, `load_balance_hosts`, `options`, `hostaddr`,
    /// `channel_binding`, `keepalives…`, `tcp_user_timeout`.
    ///
    /// # Errors
    /// `invalid_request` with what is wrong with it, never with a part of it that may be secret.
    pub fn parse(url: &str) -> Result<Self> {
        if !["postgres://", "postgresql://"].iter().any(|scheme| url.starts_with(scheme)) {
            return Err(refuse("it must begin with postgres://"));
        }
        let options = Options::of(url)?;
        let mut config: Config = options.url.parse().map_err(|cause: tokio_postgres::Error| {
            // The causes name keys and say what is malformed; none of them quotes a value.
            let why = std::error::Error::source(&cause).map(ToString::to_string).unwrap_or_default();
            refuse(&format!("{why}; write postgres://user:password@host:5432/database?option=value"))
        })?;
        check_hosts(&config)?;
        be_impatient(&mut config, &options);
        Ok(Self { config, verify: options.verify, root: options.root })
    }

    /// Names the application in `pg_stat_activity`, unless the URL does.
    #[must_use]
    pub fn application_name(mut self, name: &str) -> Self {
        if self.config.get_application_name().is_none() {
            self.config.application_name(name);
        }
        self
    }

    /// The password, where the URL has none: one that comes from a file or a variable of its own.
    #[must_use]
    pub fn password(mut self, password: &str) -> Self {
        if self.config.get_password().is_none() {
            self.config.password(password);
        }
        self
    }

    /// Of several hosts, takes the one that takes writes, unless the URL says otherwise.
    #[must_use]
    pub fn for_writing(mut self) -> Self {
        if self.config.get_target_session_attrs() == TargetSessionAttrs::Any && self.config.get_hosts().len() > 1 {
            self.config.target_session_attrs(TargetSessionAttrs::ReadWrite);
        }
        self
    }

    /// Whether two settings lead to the same database: hosts, ports and database name.
    pub fn same_database(&self, other: &Self) -> bool {
        self.to_string() == other.to_string()
    }

    /// The same settings for each of the hosts alone.
    pub(crate) fn each_host(&self) -> Vec<Config> {
        let all = &self.config;
        let count = all.get_hosts().len().max(all.get_hostaddrs().len());
        if count < 2 {
            return vec![all.clone()];
        }
        (0..count).map(|at| alone(all, at)).collect()
    }

    pub(crate) const fn config(&self) -> &Config {
        &self.config
    }

    pub(crate) const fn verify(&self) -> Verify {
        self.verify
    }

    pub(crate) fn root(&self) -> Option<&Path> {
        self.root.as_deref()
    }
}

impl fmt::Display for Settings {
    /// `host:port,host:port/database`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ports = self.config.get_ports();
        let port = |at: usize| ports.get(at).or_else(|| ports.first()).copied().unwrap_or(5432);
        let mut names: Vec<String> = self.config.get_hosts().iter().map(shown).collect();
        if names.is_empty() {
            names = self.config.get_hostaddrs().iter().map(ToString::to_string).collect();
        }
        for (at, name) in names.iter().enumerate() {
            let comma = if at == 0 { "" } else { "," };
            write!(f, "{comma}{name}:{}", port(at))?;
        }
        write!(f, "/{}", self.config.get_dbname().or_else(|| self.config.get_user()).unwrap_or_default())
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Settings({self}, user {:?}, tls {:?})", self.config.get_user(), self.verify)
    }
}

/// The settings of the host at this place in the list. (A list cannot be shortened.)
fn alone(all: &Config, at: usize) -> Config {
    let mut one = Config::new();
    match all.get_hosts().get(at) {
        Some(Host::Tcp(name)) => drop(one.host(name)),
        #[cfg(unix)]
        Some(Host::Unix(path)) => drop(one.host_path(path)),
        None => {}
    }
    if let Some(address) = all.get_hostaddrs().get(at) {
        one.hostaddr(*address);
    }
    if let Some(port) = all.get_ports().get(at).or_else(|| all.get_ports().first()) {
        one.port(*port);
    }
    if let Some(user) = all.get_user() {
        one.user(user);
    }
    if let Some(password) = all.get_password() {
        one.password(password);
    }
    if let Some(database) = all.get_dbname() {
        one.dbname(database);
    }
    if let Some(options) = all.get_options() {
        one.options(options);
    }
    if let Some(limit) = all.get_connect_timeout() {
        one.connect_timeout(*limit);
    }
    one.ssl_mode(all.get_ssl_mode()).ssl_negotiation(all.get_ssl_negotiation());
    one.channel_binding(all.get_channel_binding());
    one
}

fn shown(host: &Host) -> String {
    match host {
        Host::Tcp(name) => name.clone(),
        #[cfg(unix)]
        Host::Unix(path) => path.display().to_string(),
    }
}

fn refuse(why: &str) -> Error {
    Error::new(ErrorKind::InvalidRequest, format!("the Postgres URL cannot be used: {why}"))
}

/// The URL without the options that are read here.
struct Options {
    url: String,
    keys: Vec<String>,
    verify: Verify,
    root: Option<PathBuf>,
}

impl Options {
    fn of(url: &str) -> Result<Self> {
        let after_credentials = url.find('@').unwrap_or(0);
        let (head, query) = match url[after_credentials..].find('?') {
            Some(at) => (&url[..after_credentials + at], &url[after_credentials + at + 1..]),
            None => (url, ""),
        };
        let mut options = Self { url: head.to_owned(), keys: Vec::new(), verify: Verify::Nothing, root: None };
        let mut mode = None;
        let mut rest = Vec::new();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let Some((key, value)) = pair.split_once('=') else {
                return Err(refuse("an option has no value; write option=value"));
            };
            match key {
                "sslmode" => mode = Some(value),
                // Whoever shows URLs without their passwords looks for them before the host.
                "password" => return Err(refuse("the password stands before the host: postgres://user:password@host")),
                "sslrootcert" => options.root = Some(PathBuf::from(decoded(value)?)),
                _ => rest.push(pair),
            }
            options.keys.push(key.to_owned());
        }
        let (plain, verify) = match mode.unwrap_or("prefer") {
            "disable" => ("disable", Verify::Nothing),
            "prefer" | "allow" => ("prefer", Verify::Nothing),
            // As in libpq, a root certificate turns `require` into `verify-ca`.
            "require" if options.root.is_some() => ("require", Verify::Chain),
            "require" => ("require", Verify::Nothing),
            "verify-ca" => ("require", Verify::Chain),
            "verify-full" => ("require", Verify::ChainAndName),
            _ => return Err(refuse("sslmode is one of disable, prefer, require, verify-ca, verify-full")),
        };
        options.verify = verify;
        let mode = format!("sslmode={plain}");
        rest.push(&mode);
        options.url = format!("{head}?{}", rest.join("&"));
        Ok(options)
    }

    fn has(&self, prefix: &str) -> bool {
        self.keys.iter().any(|key| key.starts_with(prefix))
    }
}

fn decoded(value: &str) -> Result<String> {
    let text = percent_decode_str(value).decode_utf8();
    text.map(std::borrow::Cow::into_owned).map_err(|_| refuse("the path in sslrootcert is not UTF-8"))
}

fn check_hosts(config: &Config) -> Result<()> {
    if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
        return Err(refuse("it names no host"));
    }
    // A password with a bare @ would be cut there, and its rest taken for a host and shown.
    let damaged = |host: &Host| shown(host).contains(['@', ' ']);
    if config.get_hosts().iter().any(damaged) {
        return Err(refuse("user or password has a character that must be percent-encoded (@ is %40, / is %2F)"));
    }
    Ok(())
}

/// A server that is gone must be noticed within seconds; tokio-postgres by itself waits for ever.
fn be_impatient(config: &mut Config, options: &Options) {
    if !options.has("connect_timeout") {
        config.connect_timeout(CONNECT_TIMEOUT);
    }
    if !options.has("keepalives") {
        config.keepalives_idle(KEEPALIVE.0).keepalives_interval(KEEPALIVE.1).keepalives_retries(KEEPALIVE.2);
    }
    if !options.has("tcp_user_timeout") {
        config.tcp_user_timeout(UNACKNOWLEDGED);
    }
}

#[cfg(test)]
mod tests {
    use tokio_postgres::config::SslMode;

    use super::*;

    #[test]
    fn several_hosts_and_options_are_read() {
        let url = "postgres://me:s%40crt@a:5433,b,[::1]:6000/jobs?target_session_attrs=read-write&application_name=x\
                   &connect_timeout=7&sslmode=verify-full&sslrootcert=/etc/my%20ca.pem";
        let settings = Settings::parse(url).unwrap().application_name("offtake");
        assert_eq!(settings.to_string(), "a:5433,b:5432,::1:6000/jobs");
        assert_eq!(settings.config.get_application_name(), Some("x"));
        assert_eq!(settings.config.get_password(), Some(b"s@crt".as_slice()));
        assert_eq!(settings.config.get_connect_timeout(), Some(&Duration::from_secs(7)));
        assert_eq!((settings.verify, settings.root()), (Verify::ChainAndName, Some(Path::new("/etc/my ca.pem"))));
        let shown = format!("{settings:?} {settings}");
        assert!(!shown.contains("crt"), "{shown}");
    }

    #[test]
    fn each_host_is_reached_alone() {
        let settings = Settings::parse("postgres://me:s@a:5433,b/jobs?options=-cx%3D1&sslmode=require").unwrap();
        let hosts = settings.each_host();
        assert_eq!(hosts.len(), 2);
        for (host, name, port) in [(&hosts[0], "a", 5433), (&hosts[1], "b", 5432)] {
            assert_eq!((host.get_hosts(), host.get_ports()), (&[Host::Tcp(name.to_owned())][..], &[port][..]));
            assert_eq!((host.get_user(), host.get_password()), (Some("me"), Some(b"s".as_slice())));
            assert_eq!((host.get_dbname(), host.get_options()), (Some("jobs"), Some("-cx=1")));
            assert_eq!((host.get_ssl_mode(), host.get_connect_timeout()), (SslMode::Require, Some(&CONNECT_TIMEOUT)));
        }
        assert_eq!(Settings::parse("postgres://h/d").unwrap().each_host().len(), 1);
    }

    #[test]
    fn modes_mean_what_they_mean_elsewhere() {
        let verify = |options: &str| Settings::parse(&format!("postgres://h/d{options}")).unwrap().verify;
        assert_eq!(verify(""), Verify::Nothing);
        assert_eq!(verify("?sslmode=require"), Verify::Nothing);
        assert_eq!(verify("?sslmode=require&sslrootcert=/ca.pem"), Verify::Chain);
        assert_eq!(verify("?sslmode=verify-ca"), Verify::Chain);
    }

    #[test]
    fn what_is_wrong_is_said_and_no_secret_is() {
        for (url, said) in [
            ("mysql://me:hunter2@h/d", "postgres://"),
            ("postgres://me:hunter2@/d", "host"),
            ("postgres://me:hunter2@h:x/d", "port"),
            ("postgres://me:x@hunter2@h/d", "%40"),
            ("postgres://me:hunter2@h/d?sslmode=hunter2", "verify-full"),
            ("postgres://me:hunter2@h/d?colour=hunter2", "colour"),
            ("postgres://me:hunter2@h/d?password", "option=value"),
            ("postgres://me@h/d?password=hunter2", "before the host"),
        ] {
            let error = Settings::parse(url).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidRequest);
            assert!(error.detail().contains(said), "{url}: {error}");
            assert!(!format!("{error:?}").contains("hunter2"), "{url}: {error:?}");
        }
    }
}
