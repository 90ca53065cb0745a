//! The mail server: reached, encrypted, logged in. Nothing is sent.

use offtake_worker::notify::mail::Mailer;

use super::Findings;
use crate::config::Config;
use crate::wire;

pub(super) async fn examine(config: &Config, found: &mut Findings) {
    let settings = match wire::mail_settings(config) {
        Ok(Some(settings)) => settings,
        Ok(None) => return,
        Err(error) => return found.error("mail", &error),
    };
    if let Err(error) = Mailer::check(&settings) {
        return found.error("mail", &error);
    }
    match Mailer::greet(&settings).await {
        Ok(answer) => found.ok("mail", answer),
        Err(error) => found.error("mail", &error),
    }
    if settings.public_url.is_none() {
        found.warn("mail links", "server.public_url is not set: mails have no link, and say where to look");
    }
}
