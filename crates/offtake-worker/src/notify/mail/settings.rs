//! How mail is sent, as configured.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use jiff::SignedDuration;

/// A password, never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(String);

impl Password {
    /// A password.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The password itself.
    pub(super) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(redacted)")
    }
}

/// How a connection is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MailTls {
    /// From the first byte.
    Implicit,
    /// By STARTTLS, or not at all.
    Starttls,
    /// By STARTTLS where the server offers it.
    Opportunistic,
    /// Never.
    None,
}

/// How mail is sent.
#[derive(Debug, Clone)]
pub struct MailSettings {
    /// The SMTP server.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How the connection is encrypted.
    pub tls: MailTls,
    /// Certificates (PEM) that are believed instead of the system's.
    pub ca_file: Option<PathBuf>,
    /// Who logs in, if anybody does. Never over a connection that is not encrypted.
    pub login: Option<(String, Password)>,
    /// From whom mail is: `Offtake <offtake@example.org>`.
    pub from: String,
    /// What we call ourselves in EHLO; `None`: the host of `from`.
    pub hello: Option<String>,
    /// How long the server may take for each step.
    pub timeout: Duration,
    /// The first pause after a try that failed; each further one is twice as long.
    pub retry_after: SignedDuration,
    /// A folder with templates and words that go before ours.
    pub templates: Option<PathBuf>,
    /// For whom an export says nothing about it: how things are written, and in which language.
    pub locale: String,
    /// For whom an export says nothing about it: the zone of moments.
    pub time_zone: String,
    /// What links begin with; `None`: mails have none, and say where to look.
    pub public_url: Option<String>,
    /// How long the link in a mail may be used.
    pub link_ttl: SignedDuration,
}
