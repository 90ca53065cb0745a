//! A mail as it is sent: headers and both parts.

use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{Mailbox, Message, MultiPart, SinglePart};
use lettre::{Address, address::Envelope};
use offtake_model::{Error, ErrorKind, Result};

/// What is said in a mail.
#[derive(Debug)]
pub(super) struct Said {
    pub(super) subject: String,
    pub(super) text: String,
    pub(super) html: String,
}

/// A mail that can be handed over.
#[derive(Debug)]
pub(super) struct Letter {
    pub(super) envelope: Envelope,
    pub(super) bytes: Vec<u8>,
}

/// Headers that tell machines not to answer.
const MACHINES: [(HeaderName, &str); 2] = [
    (HeaderName::new_from_ascii_str("Auto-Submitted"), "auto-generated"),
    (HeaderName::new_from_ascii_str("X-Auto-Response-Suppress"), "All"),
];
/// The longest subject, in characters.
const SUBJECT: usize = 150;

/// Puts a mail together. `id` is the same for each try, so that whoever gets it twice can tell.
///
/// # Errors
/// `internal`.
pub(super) fn letter(from: Mailbox, to: Address, id: &str, at: std::time::SystemTime, said: Said) -> Result<Letter> {
    let broken = |error: lettre::error::Error| {
        Error::new(ErrorKind::Internal, "a mail could not be put together").caused_by(error)
    };
    let message_id = format!("<{id}@{}>", from.email.domain());
    let mut builder = Message::builder()
        .from(from)
        .to(Mailbox::new(None, to))
        .subject(one_line(&said.subject))
        .date(at)
        .message_id(Some(message_id));
    for (name, value) in MACHINES {
        builder = builder.raw_header(HeaderValue::new(name, value.to_owned()));
    }
    let parts =
        MultiPart::alternative().singlepart(SinglePart::plain(said.text)).singlepart(SinglePart::html(said.html));
    let message = builder.multipart(parts).map_err(broken)?;
    Ok(Letter { envelope: message.envelope().clone(), bytes: message.formatted() })
}

/// Names are anything: what would end a line, or turn text around, is none of a subject's.
fn one_line(text: &str) -> String {
    let plain = |c: char| {
        let turns = matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        if c.is_control() || turns || matches!(c, '\u{2028}' | '\u{2029}') { ' ' } else { c }
    };
    let line: String = text.chars().map(plain).collect();
    let line = line.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().count() <= SUBJECT { line } else { line.chars().take(SUBJECT - 1).chain(['…']).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(subject: &str) -> String {
        let from: Mailbox = "Offtake <offtake@acme.test>".parse().expect("a mailbox");
        let said = Said { subject: subject.to_owned(), text: "té\n.\n".to_owned(), html: "<p>té</p>".to_owned() };
        let to = "ada@acme.test".parse().expect("an address");
        let letter = letter(from, to, "ntf_1", std::time::SystemTime::UNIX_EPOCH, said).expect("a letter");
        String::from_utf8(letter.bytes).expect("ASCII")
    }

    #[test]
    fn a_name_adds_no_header_and_ends_none() {
        let plain = sent("x");
        let names = |mail: &str| {
            let (head, _) = mail.split_once("\r\n\r\n").expect("a head");
            let lines = head.split("\r\n").filter(|line| !line.starts_with([' ', '\t']));
            lines.filter_map(|line| line.split_once(':')).map(|(name, _)| name.to_owned()).collect::<Vec<_>>()
        };
        for subject in ["a\r\nBcc: eve@evil.test", "a\nX: y\n\nbody", "a\u{2028}Bcc: b\u{85}c", "ä\r\nBcc: 🎉\u{202e}"]
        {
            let mail = sent(subject);
            assert_eq!(names(&mail), names(&plain), "{mail}");
            assert!(mail.is_ascii(), "{mail}");
        }
        let long = sent(&"ü".repeat(10_000));
        assert!(long.lines().all(|line| line.len() <= 998), "{long}");
    }

    #[test]
    fn machines_are_told_not_to_answer_and_a_try_looks_like_the_next() {
        let mail = sent("x");
        for header in [
            "Auto-Submitted: auto-generated\r\n",
            "X-Auto-Response-Suppress: All\r\n",
            "Message-ID: <ntf_1@acme.test>\r\n",
            "Date: Thu, 01 Jan 1970 00:00:00 +0000\r\n",
        ] {
            assert!(mail.contains(header), "{header} in {mail}");
        }
    }
}
