//! One conversation with the SMTP server for each mail, step by step, so that it is known at which step it said no.
//!
//! The client library puts no limit on how long a server may take to answer: each step has its own here.

use std::fmt;
use std::io;
use std::time::Duration;

use lettre::address::Envelope;
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::{AsyncSmtpConnection, Certificate, CertificateStore, TlsParameters};
use lettre::transport::smtp::commands::{Data, Mail, Rcpt};
use lettre::transport::smtp::extension::{ClientId, Extension, MailParameter};
use lettre::transport::smtp::response::Response;
use offtake_model::{Error, ErrorKind, Result};

use super::letter::Letter;
use super::settings::{MailSettings, MailTls};

/// How long a server may take to say good-bye, which nobody waits for.
const FAREWELL: Duration = Duration::from_secs(1);

/// How far a conversation came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    Connection,
    Encryption,
    Login,
    Sender,
    Recipient,
    Content,
}

/// A mail that was not taken.
#[derive(Debug, Clone)]
pub(super) struct Refused {
    pub(super) stage: Stage,
    /// Whether the server says that trying again is of no use.
    pub(super) for_good: bool,
    /// What it said, or what happened instead.
    pub(super) answer: String,
    /// The settings that may be wrong, where it is a matter of settings.
    look_at: Option<&'static str>,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stage = match self.stage {
            Stage::Connection => "connecting",
            Stage::Encryption => "encryption",
            Stage::Login => "login",
            Stage::Sender => "sender",
            Stage::Recipient => "recipient",
            Stage::Content => "content",
        };
        write!(f, "{stage}: {}", self.answer)?;
        self.look_at.map_or(Ok(()), |settings| write!(f, " (look at {settings})"))
    }
}

/// The server that mail is handed to.
pub(super) struct Smtp {
    host: String,
    port: u16,
    kind: MailTls,
    tls: TlsParameters,
    login: Option<Credentials>,
    hello: ClientId,
    timeout: Duration,
}

impl fmt::Debug for Smtp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Smtp").field("host", &self.host).field("port", &self.port).finish_non_exhaustive()
    }
}

impl Smtp {
    /// # Errors
    /// `invalid_request` for certificates that cannot be read and names that are none.
    pub(super) fn new(settings: &MailSettings) -> Result<Self> {
        let login = settings.login.as_ref();
        Ok(Self {
            host: settings.host.clone(),
            port: settings.port,
            kind: settings.tls,
            tls: encryption(settings)?,
            login: login.map(|(user, password)| Credentials::new(user.clone(), password.reveal().to_owned())),
            hello: ClientId::Domain(hello(settings)),
            timeout: settings.timeout,
        })
    }

    /// Hands a mail over; what the server said to it.
    pub(super) async fn send(&self, letter: &Letter) -> Result<String, Refused> {
        let mut connection = self.ready().await?;
        let handed = self.hand(&mut connection, letter).await;
        // Whatever was said, it is said: how the connection ends changes nothing.
        let _ended = tokio::time::timeout(FAREWELL, connection.quit()).await;
        handed
    }

    /// Connects, encrypts, logs in, and says good-bye.
    pub(super) async fn greet(&self) -> Result<String, Refused> {
        let mut connection = self.ready().await?;
        let encrypted = if connection.is_encrypted() { "encrypted" } else { "not encrypted" };
        let _ended = tokio::time::timeout(FAREWELL, connection.quit()).await;
        let login = if self.login.is_some() { ", logged in" } else { "" };
        Ok(format!("{}:{} answers, {encrypted}{login}", self.host, self.port))
    }

    async fn ready(&self) -> Result<AsyncSmtpConnection, Refused> {
        let implicit = (self.kind == MailTls::Implicit).then(|| self.tls.clone());
        let server = (self.host.as_str(), self.port);
        let connecting = AsyncSmtpConnection::connect_tokio1(server, Some(self.timeout), &self.hello, implicit, None);
        let mut connection = self.step(Stage::Connection, connecting).await?;
        let wanted = match self.kind {
            MailTls::Starttls => true,
            MailTls::Opportunistic => connection.can_starttls(),
            MailTls::Implicit | MailTls::None => false,
        };
        if wanted {
            self.step(Stage::Encryption, connection.starttls(self.tls.clone(), &self.hello)).await?;
        }
        if let Some(login) = &self.login {
            if !connection.is_encrypted() {
                let answer = "the password is not sent: the connection is not encrypted".to_owned();
                return Err(Refused { stage: Stage::Login, for_good: true, answer, look_at: Some("mail.tls") });
            }
            let mechanisms = [Mechanism::Plain, Mechanism::Login];
            self.step(Stage::Login, connection.auth(&mechanisms, login)).await?;
        }
        Ok(connection)
    }

    async fn hand(&self, connection: &mut AsyncSmtpConnection, letter: &Letter) -> Result<String, Refused> {
        let sender = Mail::new(letter.envelope.from().cloned(), self.options(connection, &letter.envelope)?);
        self.step(Stage::Sender, connection.command(sender)).await?;
        for to in letter.envelope.to() {
            self.step(Stage::Recipient, connection.command(Rcpt::new(to.clone(), Vec::new()))).await?;
        }
        self.step(Stage::Content, connection.command(Data)).await?;
        let response = self.step(Stage::Content, connection.message(&letter.bytes)).await?;
        Ok(said(&response))
    }

    /// Addresses beyond ASCII are an extension that a server may not have.
    fn options(&self, connection: &AsyncSmtpConnection, envelope: &Envelope) -> Result<Vec<MailParameter>, Refused> {
        if envelope.from().into_iter().chain(envelope.to()).all(|address| address.to_string().is_ascii()) {
            return Ok(Vec::new());
        }
        if !connection.server_info().supports_feature(Extension::SmtpUtfEight) {
            let answer = "the server takes no addresses beyond ASCII".to_owned();
            return Err(Refused { stage: Stage::Recipient, for_good: true, answer, look_at: None });
        }
        Ok(vec![MailParameter::SmtpUtfEight])
    }

    async fn step<T>(
        &self,
        stage: Stage,
        work: impl Future<Output = Result<T, lettre::transport::smtp::Error>>,
    ) -> Result<T, Refused> {
        match tokio::time::timeout(self.timeout, work).await {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(error)) => Err(Refused {
                stage,
                for_good: is_for_good(stage, &error),
                answer: told(&error),
                look_at: settings_of(stage, &error),
            }),
            Err(_) => {
                let answer = format!("no answer within {:?}", self.timeout);
                Err(Refused { stage, for_good: false, answer, look_at: None })
            }
        }
    }
}

/// Certificates that do not hold, and a server without STARTTLS, are for somebody to look at, like a 5xx.
fn is_for_good(stage: Stage, error: &lettre::transport::smtp::Error) -> bool {
    error.is_permanent()
        || (matches!(stage, Stage::Encryption | Stage::Login) && error.is_client())
        || is_about_tls(error)
}

/// The library tells of some certificates that do not hold as of connections that failed; below that lies what the system
/// calls bad data.
fn is_about_tls(error: &lettre::transport::smtp::Error) -> bool {
    let causes = std::iter::successors(std::error::Error::source(error), |error| error.source());
    let mut of_system = causes.filter_map(|cause| cause.downcast_ref::<io::Error>());
    error.is_tls() || of_system.any(|error| error.kind() == io::ErrorKind::InvalidData)
}

/// The settings that a refusal for good is about.
fn settings_of(stage: Stage, error: &lettre::transport::smtp::Error) -> Option<&'static str> {
    match stage {
        _ if !is_for_good(stage, error) => None,
        Stage::Connection | Stage::Encryption if is_about_tls(error) => Some("mail.host, mail.tls and mail.ca_file"),
        Stage::Connection => None,
        Stage::Encryption => Some("mail.port and mail.tls"),
        Stage::Login => Some("mail.username and mail.password"),
        Stage::Sender => Some("mail.from"),
        Stage::Recipient | Stage::Content => None,
    }
}

/// What a server said, in one line.
fn said(response: &Response) -> String {
    let lines: Vec<&str> = response.message().collect();
    format!("{} {}", response.code(), lines.join(" "))
}

/// An error with its causes, in one line.
fn told(error: &lettre::transport::smtp::Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = error.source();
    }
    text
}

fn hello(settings: &MailSettings) -> String {
    let of_sender = || settings.from.rsplit('@').next().map(|host| host.trim_end_matches('>').trim().to_owned());
    settings.hello.clone().or_else(of_sender).unwrap_or_else(|| "localhost".to_owned())
}

fn encryption(settings: &MailSettings) -> Result<TlsParameters> {
    let refuse = |what: String| Error::new(ErrorKind::InvalidRequest, what);
    let mut builder = TlsParameters::builder(settings.host.clone());
    if let Some(path) = &settings.ca_file {
        let shown = path.display();
        let pem =
            std::fs::read(path).map_err(|error| refuse(format!("mail.ca_file: {shown} cannot be read: {error}")))?;
        // A certificate file of nothing would be found out by the first mail only.
        let has_any = pem.windows(b"BEGIN CERTIFICATE".len()).any(|window| window == b"BEGIN CERTIFICATE");
        let certificate = Certificate::from_pem(&pem).ok().filter(|_| has_any);
        let certificate = certificate.ok_or_else(|| refuse(format!("mail.ca_file: {shown} has no certificates")))?;
        builder = builder.certificate_store(CertificateStore::None).add_root_certificate(certificate);
    }
    builder.build().map_err(|error| refuse(format!("mail.host: {error}")))
}
