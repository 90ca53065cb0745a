//! Where the bus is, from a URL.

use std::fmt;

use offtake_model::{Error, ErrorKind, Result};
use percent_encoding::percent_decode_str;
use reqwest::Url;

/// What carries hints.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BusKind {
    /// NATS.
    Nats,
    /// Redis Pub/Sub.
    Redis,
}

impl BusKind {
    /// Its name, for people.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Nats => "NATS",
            Self::Redis => "Redis",
        }
    }
}

/// Who we are to the bus.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Credentials {
    None,
    /// A secret alone.
    Token(String),
    /// A user and its password.
    User(String, String),
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

/// Where the bus is, and who we are to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BusSettings {
    kind: BusKind,
    host: String,
    port: u16,
    encrypted: bool,
    /// Its URL without secrets.
    place: String,
    credentials: Credentials,
    subject: String,
}

const HOW: &str = "must be nats://host:4222, tls://host:4222 (NATS with TLS), redis://host:6379 or rediss://host:6379 \
                   (Redis with TLS), with user:password@ before the host where it asks for that";

impl BusSettings {
    /// The bus at `url`, where nodes that listen to the same `subject` hear each other.
    ///
    /// # Errors
    /// `invalid_request` for what is no such URL or subject. The URL is not quoted: there may be a secret in it.
    pub fn parse(url: &str, subject: &str) -> Result<Self> {
        let wrong = || Error::new(ErrorKind::InvalidRequest, HOW);
        let url = Url::parse(url).map_err(|_| wrong())?;
        let (kind, port, encrypted) = match url.scheme() {
            "nats" => (BusKind::Nats, 4222, false),
            "tls" => (BusKind::Nats, 4222, true),
            "redis" => (BusKind::Redis, 6379, false),
            "rediss" => (BusKind::Redis, 6379, true),
            _ => return Err(wrong()),
        };
        let host = url.host_str().filter(|host| !host.is_empty()).ok_or_else(wrong)?.to_owned();
        if !matches!(url.path(), "" | "/") || url.query().is_some() || url.fragment().is_some() {
            return Err(wrong());
        }
        let sound = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        if subject.is_empty() || subject.len() > 64 || !subject.bytes().all(sound) {
            return Err(Error::new(ErrorKind::InvalidRequest, "must be a word of letters, digits, - and _"));
        }
        let port = url.port().unwrap_or(port);
        let place = format!("{}://{host}:{port}", url.scheme());
        let credentials = credentials(&url, kind)?;
        Ok(Self { kind, host, port, encrypted, place, credentials, subject: subject.to_owned() })
    }

    /// What carries the hints.
    pub const fn kind(&self) -> BusKind {
        self.kind
    }

    /// Where it is, without secrets.
    pub fn place(&self) -> &str {
        &self.place
    }

    pub(super) fn subject(&self) -> &str {
        &self.subject
    }

    pub(super) const fn credentials(&self) -> &Credentials {
        &self.credentials
    }

    /// Host, port, and whether there is TLS.
    pub(super) fn address(&self) -> (&str, u16, bool) {
        // Brackets are for URLs.
        (self.host.trim_start_matches('[').trim_end_matches(']'), self.port, self.encrypted)
    }
}

/// A user alone is NATS's token; a password alone is Redis's, of the user "default".
fn credentials(url: &Url, kind: BusKind) -> Result<Credentials> {
    let plain = |text: &str| {
        let text = percent_decode_str(text).decode_utf8().map(std::borrow::Cow::into_owned);
        text.map_err(|_| Error::new(ErrorKind::InvalidRequest, HOW))
    };
    let user = plain(url.username())?;
    let password = url.password().map(plain).transpose()?;
    match (user.is_empty(), password, kind) {
        (true, None, _) => Ok(Credentials::None),
        (true, Some(password), _) => Ok(Credentials::Token(password)),
        (false, None, BusKind::Nats) => Ok(Credentials::Token(user)),
        (false, Some(password), _) => Ok(Credentials::User(user, password)),
        (false, None, _) => Err(Error::new(ErrorKind::InvalidRequest, HOW)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(url: &str) -> Result<BusSettings> {
        BusSettings::parse(url, "offtake")
    }

    #[test]
    fn urls_say_what_and_where_and_who() {
        for (url, kind, place, address, credentials) in [
            ("nats://bus", BusKind::Nats, "nats://bus:4222", ("bus", 4222, false), Credentials::None),
            ("tls://s3cret@bus:1", BusKind::Nats, "tls://bus:1", ("bus", 1, true), Credentials::Token("s3cret".into())),
            ("redis://[::1]", BusKind::Redis, "redis://[::1]:6379", ("::1", 6379, false), Credentials::None),
            (
                "rediss://:p%40ss@bus/",
                BusKind::Redis,
                "rediss://bus:6379",
                ("bus", 6379, true),
                Credentials::Token("p@ss".into()),
            ),
            (
                "redis://u:p@bus",
                BusKind::Redis,
                "redis://bus:6379",
                ("bus", 6379, false),
                Credentials::User("u".into(), "p".into()),
            ),
        ] {
            let settings = parse(url).expect(url);
            assert_eq!((settings.kind(), settings.place(), settings.address()), (kind, place, address), "{url}");
            assert_eq!(settings.credentials, credentials, "{url}");
        }
    }

    #[test]
    fn what_is_no_bus_is_refused_and_not_quoted() {
        for url in [
            "",
            "bus",
            "amqp://secret@bus",
            "nats://",
            "redis://secret@bus",
            "redis://:secret@bus/0",
            "nats://secret@bus?x=secret",
        ] {
            let error = parse(url).expect_err(url);
            assert!(!error.detail().contains("secret"), "{url}");
        }
        for subject in ["", "a.b", "*", "a b", &"x".repeat(65)] {
            assert!(BusSettings::parse("nats://bus", subject).is_err(), "{subject}");
        }
    }

    #[test]
    fn secrets_are_not_shown() {
        let settings = parse("nats://me:hunter2@bus").expect("a bus");
        assert!(!format!("{settings:?} {}", settings.place()).contains("hunter2"));
    }
}
