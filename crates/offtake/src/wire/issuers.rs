//! Issuers, as they are configured.

use std::sync::Arc;

use offtake_model::clock::{SharedClock, SystemClock};
use offtake_model::{Error, ErrorKind, Result};
use offtake_server::identity::{IssuerSettings, IssuerState, Issuers, KeySource};

use super::blocking;
use super::secret;
use crate::config::{Config, IssuerConfig, KeyConfig, taken_for_each_other};

/// The issuers of the configuration. Their public keys are not fetched yet.
///
/// # Errors
/// `invalid_request` for a secret that is weak or that others can read, or for a file of keys that is none;
/// `storage_unavailable` for one that cannot be read.
pub(crate) async fn issuers(config: &Config) -> Result<Arc<Issuers>> {
    for warning in taken_for_each_other(&config.issuers) {
        tracing::warn!("{warning}");
    }
    let configured = config.issuers.clone();
    let settings = blocking(move || configured.into_iter().map(settings).collect::<Result<Vec<_>>>()).await?;
    let clock: SharedClock = Arc::new(SystemClock);
    Ok(Arc::new(Issuers::new(settings, &clock)?))
}

fn settings(config: IssuerConfig) -> Result<IssuerSettings> {
    let IssuerConfig { name, issuer, audiences, algorithms, keys, names, sub_prefix, org, may_grant, freshness } =
        config;
    let keys = match keys {
        KeyConfig::SecretFile(path) => KeySource::Secret(secret::read(&path).map_err(|error| {
            Error::new(error.kind(), format!("issuers.{name}.secret_file: {}", error.detail())).caused_by(error)
        })?),
        KeyConfig::JwksFile(path) => KeySource::File(path),
        KeyConfig::JwksUrl(url) => KeySource::Url(url),
    };
    Ok(IssuerSettings { name, issuer, audiences, algorithms, keys, names, sub_prefix, org, may_grant, freshness })
}

/// The issuers of the configuration, with the state of the keys of each.
///
/// # Errors
/// As [`issuers`], and `invalid_request` for a file without a key that is of use.
pub(crate) async fn check_issuers(config: &Config) -> Result<Vec<IssuerState>> {
    let states = issuers(config).await?.examine().await;
    for state in states.iter().filter(|state| !state.is_remote) {
        if let Some(problem) = problem(state) {
            return Err(Error::new(ErrorKind::InvalidRequest, format!("issuers.{}: {problem}", state.name)));
        }
    }
    Ok(states)
}

/// What is wrong with an issuer's keys, if anything is.
pub(crate) fn problem(state: &IssuerState) -> Option<String> {
    match (&state.failure, state.keys.is_empty()) {
        (Some(failure), _) => Some(format!("its keys cannot be had: {failure}")),
        (None, true) if state.left_out.is_empty() => Some("it has no keys".to_owned()),
        (None, true) => Some(format!("none of its keys is of use: {}", state.left_out.join("; "))),
        (None, false) => None,
    }
}
