//! Mail: the password where the configuration says it is, and the mailer of a worker.

use std::sync::Arc;

use offtake_model::Result;
use offtake_server::identity::Secrets;
use offtake_store::OneTimeKeys;
use offtake_worker::notify::mail::{MailSettings, Mailer};

use super::House;
use super::secret::{private_text, secret};
use crate::config::Config;

/// How mail is sent; `None` if it is not.
///
/// # Errors
/// `invalid_request` if others may read the file of the password; `storage_unavailable`.
pub(crate) fn mail_settings(config: &Config) -> Result<Option<MailSettings>> {
    let Some(mail) = &config.mail else { return Ok(None) };
    let password = mail.password_file.as_deref().map(|path| private_text(path, "the mail password"));
    let password = password.transpose()?.map(|text| text.trim().to_owned());
    Ok(Some(mail.settings(password)))
}

/// Who sends the mails of a house; `None` if nobody does.
///
/// # Errors
/// `invalid_request` for templates, certificates and secrets that will not do.
pub(crate) fn mailer(house: &House, keys: impl FnOnce() -> Result<OneTimeKeys>) -> Result<Option<Arc<Mailer>>> {
    let Some(settings) = mail_settings(&house.config)? else { return Ok(None) };
    let keys = keys()?;
    let (store, catalog) = (house.store.clone(), Arc::clone(&house.catalog));
    Mailer::new(settings, store, catalog, Arc::clone(&house.clock), keys).map(Arc::new).map(Some)
}

/// What the one-time tokens in mails are signed with, where no server of this process has it already.
///
/// # Errors
/// As [`secret`].
pub(crate) fn one_time_keys(house: &House) -> Result<OneTimeKeys> {
    let config = &house.config;
    let found = secret(&config.token, config.database.postgres.as_ref(), &house.data)?;
    Ok(Secrets::from(found.secret).one_time_keys())
}

/// Checks what a mailer is made of, without a house.
///
/// # Errors
/// As [`mailer`].
pub(crate) fn check_mail(config: &Config) -> Result<()> {
    mail_settings(config)?.map_or(Ok(()), |settings| Mailer::check(&settings))
}
