//! Section `mail`: how mail is sent, if it is.

use std::path::PathBuf;

use offtake_model::format::Format;
use offtake_model::human::HumanFormats;
use offtake_worker::notify::mail::{MailSettings, MailTls, Password, is_mailbox};

use super::reader::Reader;
use super::validated::{Redacted, signed};

/// Section `mail`, where a server is named.
#[derive(Debug, Clone)]
pub(crate) struct MailConfig {
    /// All but the login.
    settings: MailSettings,
    username: Option<String>,
    password: Option<Redacted>,
    /// Where the password is, if it is in a file.
    pub(crate) password_file: Option<PathBuf>,
}

impl MailConfig {
    /// The settings, with the password of the file where it is in one.
    pub(crate) fn settings(&self, of_file: Option<String>) -> MailSettings {
        let password = self.password.as_ref().map(|password| password.expose().to_owned()).or(of_file);
        let login = self.username.clone().zip(password.map(Password::new));
        MailSettings { login, ..self.settings.clone() }
    }
}

/// `None` without a host.
pub(super) fn mail(read: &mut Reader<'_>, public_url: Option<String>) -> Option<MailConfig> {
    let tls = read.choice(
        "mail.tls",
        &[
            ("starttls", MailTls::Starttls),
            ("implicit", MailTls::Implicit),
            ("opportunistic", MailTls::Opportunistic),
            ("none", MailTls::None),
        ],
    );
    let port = u16::try_from(read.number("mail.port", 0..=65_535)).unwrap_or_default();
    let (username, password, password_file) = login(read, tls);
    let settings = MailSettings {
        port: if port == 0 { usual_port(tls) } else { port },
        tls,
        ca_file: read.optional("mail.ca_file").map(PathBuf::from),
        login: None,
        hello: read.optional("mail.hello"),
        timeout: read.duration("mail.timeout", "100ms", "10m"),
        retry_after: signed(read.duration("mail.retry_after", "10ms", "4h")),
        templates: read.optional("mail.templates").map(PathBuf::from),
        locale: read.text("mail.locale"),
        time_zone: read.text("mail.time_zone"),
        public_url,
        link_ttl: signed(read.duration("token.one_time_ttl", "1s", "7d")),
        from: read.text("mail.from"),
        host: read.text("mail.host"),
    };
    for (key, formats) in [
        ("mail.locale", HumanFormats { locale: Some(settings.locale.clone()), ..HumanFormats::default() }),
        ("mail.time_zone", HumanFormats { time_zone: Some(settings.time_zone.clone()), ..HumanFormats::default() }),
    ] {
        for wrong in formats.compile(Format::Csv).err().unwrap_or_default() {
            read.refuse(key, &wrong.detail);
        }
    }
    if settings.host.is_empty() {
        return None;
    }
    if !is_mailbox(&settings.from) {
        read.refuse("mail.from", "must be an address, where mail.host is set: Offtake <offtake@example.org>");
    }
    if settings.hello.as_ref().is_some_and(|hello| !hello.chars().all(|c| c.is_ascii_graphic())) {
        read.refuse("mail.hello", "must be the name of a host");
    }
    Some(MailConfig { settings, username, password, password_file })
}

fn login(read: &mut Reader<'_>, tls: MailTls) -> (Option<String>, Option<Redacted>, Option<PathBuf>) {
    let username = read.optional("mail.username");
    let password = read.optional("mail.password").map(Redacted::new);
    let file = read.optional("mail.password_file").map(PathBuf::from);
    if password.is_some() && file.is_some() {
        read.refuse("mail.password", "mail.password_file is set as well; keep one of the two");
    }
    if username.is_some() != (password.is_some() || file.is_some()) {
        read.refuse("mail.username", "a login needs mail.username and mail.password or mail.password_file, or neither");
    }
    if username.is_some() && tls == MailTls::None {
        read.refuse("mail.tls", "must not be none with mail.username: a password is never sent readable by all");
    }
    (username, password, file)
}

const fn usual_port(tls: MailTls) -> u16 {
    match tls {
        MailTls::Implicit => 465,
        MailTls::Starttls | MailTls::Opportunistic => 587,
        MailTls::None => 25,
    }
}
