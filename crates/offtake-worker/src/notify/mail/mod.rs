//! E-mail: tells people that their file is ready, or will never be.
//!
//! Responsible for who still may be told, for what a mail says and how it looks ([`compose`], [`templates`]), for handing it
//! to one SMTP server ([`smtp`]), and for when a mail that was not taken is tried again. Not responsible for what is owed
//! to whom (`offtake-store`). A mail has a link to a page and never a row of the file.

mod compose;
mod letter;
mod settings;
mod smtp;
mod templates;
mod words;

use std::sync::Arc;

use async_trait::async_trait;
use jiff::SignedDuration;
use offtake_datasets::Catalog;
use offtake_model::clock::SharedClock;
use offtake_model::{Error, ErrorKind, Result};
use offtake_store::{Notification, OneTimeKeys, Store, Try, Verdict};

pub use settings::{MailSettings, MailTls, Password};

use crate::notify::Deliver;
use compose::{Composed, Composer};
use smtp::{Refused, Smtp, Stage};
use templates::Templates;

/// The longest pause between two tries.
const LONGEST_PAUSE: SignedDuration = SignedDuration::from_hours(4);
/// A mail that was not taken for so long is given up.
const PATIENCE: SignedDuration = SignedDuration::from_hours(24);

/// Whether mail can be from this: `offtake@example.org`, `Offtake <offtake@example.org>`.
pub fn is_mailbox(text: &str) -> bool {
    text.parse::<lettre::message::Mailbox>().is_ok()
}

/// Sends mail by the configured server.
#[derive(Debug)]
pub struct Mailer {
    composer: Composer,
    smtp: Smtp,
    first_pause: SignedDuration,
}

impl Mailer {
    /// A mailer. Reads the templates and the certificates; asks no server.
    ///
    /// # Errors
    /// `invalid_request` for templates or settings that will not do, with everything that is wrong.
    pub fn new(
        settings: MailSettings,
        store: Store,
        catalog: Arc<Catalog>,
        clock: SharedClock,
        keys: OneTimeKeys,
    ) -> Result<Self> {
        let smtp = Smtp::new(&settings)?;
        let first_pause = settings.retry_after;
        let templates = Templates::load(settings.templates.as_deref())?;
        let composer = Composer { store, catalog, clock, keys, templates, settings };
        Ok(Self { composer, smtp, first_pause })
    }

    /// Checks templates and settings.
    ///
    /// # Errors
    /// As [`Mailer::new`].
    pub fn check(settings: &MailSettings) -> Result<()> {
        Smtp::new(settings)?;
        Templates::load(settings.templates.as_deref()).map(drop)
    }

    /// Goes to the server as far as one can without sending anything: connects, encrypts, logs in. Returns how it went, in
    /// words.
    ///
    /// # Errors
    /// `unavailable` with what the server said, and at which step.
    pub async fn greet(settings: &MailSettings) -> Result<String> {
        let smtp = Smtp::new(settings)?;
        smtp.greet().await.map_err(|refused| Error::new(ErrorKind::Unavailable, refused.to_string()))
    }

    /// Composes and sends; what the server said, and what follows.
    async fn tried(&self, notification: &Notification) -> (String, Verdict) {
        let letter = match self.composer.compose(notification).await {
            Ok(Composed::Letter(letter)) => letter,
            Ok(Composed::Never(why)) => return (why, Verdict::GiveUp),
            // Ours, and not the mail's fault: the store is away, say.
            Err(error) => {
                tracing::warn!(notification_id = %notification.id, %error, "a mail could not be composed");
                return ("the mail could not be composed".to_owned(), self.again(notification.tries));
            }
        };
        match self.smtp.send(&letter).await {
            Ok(answer) => (answer, Verdict::Delivered),
            Err(refused) => {
                let verdict = self.verdict(&refused, notification);
                (refused.to_string(), verdict)
            }
        }
    }

    /// What follows from a refusal. One for good is about the mail only where recipient or content are judged; before
    /// that, it is about us and our configuration, which somebody may put right.
    fn verdict(&self, refused: &Refused, notification: &Notification) -> Verdict {
        let id = notification.id;
        match (refused.stage, refused.for_good) {
            (Stage::Recipient | Stage::Content, true) => Verdict::GiveUp,
            (_, true) => {
                tracing::error!(notification_id = %id, org_id = %notification.org, answer = %refused,
                    "the mail server refuses what is configured under mail");
                self.again(notification.tries)
            }
            (_, false) => self.again(notification.tries),
        }
    }

    fn again(&self, tries: u32) -> Verdict {
        again(self.first_pause, tries)
    }
}

/// What follows from a try (from 1) that failed: each pause is twice as long as the one before, a day in all.
fn again(first: SignedDuration, tries: u32) -> Verdict {
    let pause = |number: u32| {
        let factor = 1_i32 << number.saturating_sub(1).min(30);
        first.checked_mul(factor).unwrap_or(LONGEST_PAUSE).min(LONGEST_PAUSE)
    };
    // Far less than so many take a day.
    let passed = (1..tries.min(1000)).map(pause).fold(SignedDuration::ZERO, SignedDuration::saturating_add);
    if passed >= PATIENCE { Verdict::GiveUp } else { Verdict::Again(pause(tries.max(1))) }
}

#[async_trait]
impl Deliver for Mailer {
    async fn deliver(&self, notification: &Notification) -> Try {
        let began = std::time::Instant::now();
        let (answer, verdict) = self.tried(notification).await;
        let took = SignedDuration::try_from(began.elapsed()).unwrap_or(SignedDuration::MAX);
        tracing::info!(notification_id = %notification.id, org_id = %notification.org, tries = notification.tries,
            ?verdict, "a mail was tried");
        Try { answer, took, verdict }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mail_is_tried_for_a_day() {
        let mut passed = SignedDuration::ZERO;
        let mut pauses = Vec::new();
        for tries in 1.. {
            let Verdict::Again(pause) = again(SignedDuration::from_secs(15), tries) else { break };
            pauses.push(pause.as_secs());
            passed += pause;
        }
        assert_eq!(pauses[..3], [15, 30, 60]);
        assert!(pauses.iter().all(|pause| *pause <= 4 * 3600) && pauses.is_sorted(), "{pauses:?}");
        assert!((24..=28).contains(&passed.as_hours()), "{passed}");
        assert_eq!(again(SignedDuration::from_millis(10), u32::MAX), Verdict::GiveUp);
    }
}
