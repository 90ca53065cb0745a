//! The token secret: configured, or made on first run.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use offtake_model::{Error, ErrorKind, Result};
use offtake_postgres::Settings;
use offtake_server::identity::{Previous, Secret, Secrets};
use offtake_store::sealed::{Holder, Sealer};
use offtake_worker::HashKey;

use super::{DataDir, House};
use crate::config::{Config, TokenConfig};

/// The secret, and whether it was made just now.
#[derive(Debug)]
pub(crate) struct Found {
    /// The secret.
    pub(crate) secret: Secret,
    /// Whether this is the first run.
    pub(crate) is_new: bool,
}

/// The configured secret, or the one of the data directory, which is made if it is not there. A database that other
/// data directories may share must be served with one secret, so there it is not made up.
///
/// # Errors
/// `invalid_request` if it is weak, if its file can be read by others, or if it must be configured and is not;
/// `storage_unavailable`.
pub(crate) fn secret(config: &TokenConfig, shared: Option<&Settings>, data: &DataDir) -> Result<Found> {
    if let Some(secret) = &config.secret {
        return Ok(Found { secret: Secret::new(secret.expose())?, is_new: false });
    }
    if let Some(path) = &config.secret_file {
        return Ok(Found { secret: read(path)?, is_new: false });
    }
    if let Some(error) = unshared_secret(config, shared) {
        return Err(error);
    }
    let path = data.join("token.secret");
    let is_new = make(&path)?;
    Ok(Found { secret: read(&path)?, is_new })
}

/// The secret with those before it.
///
/// # Errors
/// As [`secret`] and [`previous`].
pub(crate) fn secrets(current: &Secret, config: &TokenConfig) -> Result<Secrets> {
    let previous = previous(config)?;
    if previous.iter().any(|old| old.secret.reveal() == current.reveal()) {
        let detail = "token.previous_secrets: one of them is the secret in force; take it out";
        return Err(Error::new(ErrorKind::InvalidRequest, detail));
    }
    Ok(Secrets { current: current.clone(), previous })
}

/// The secrets that were replaced.
///
/// # Errors
/// `invalid_request` if one is weak, or if its file can be read by others; `storage_unavailable`.
pub(crate) fn previous(config: &TokenConfig) -> Result<Vec<Previous>> {
    let previous = &config.previous;
    let given = previous.secrets.iter().map(|secret| Secret::new(secret.expose()));
    let read = previous.files.iter().map(|path| read(path));
    let until = previous.until;
    given.chain(read).map(|secret| Ok(Previous { secret: secret?, until })).collect()
}

/// What columns are hashed by, where the configuration says that any is: made of the same secret in every process.
///
/// # Errors
/// As [`secret`].
pub(crate) fn hash_key(house: &House) -> Result<Option<HashKey>> {
    let House { config, data, .. } = house;
    if !config.datasets.hashes() {
        return Ok(None);
    }
    Ok(Some(secret(&config.token, config.database.postgres.as_ref(), data)?.secret.hash_key()))
}

/// What seals and opens secrets in the database, under the token secret and those before it, whatever their time.
///
/// # Errors
/// As [`secret`] and [`previous`].
pub(crate) fn sealer(config: &Config, data: &DataDir) -> Result<Arc<Sealer>> {
    let current = secret(&config.token, config.database.postgres.as_ref(), data)?.secret.seal_key();
    let previous: Vec<_> = previous(&config.token)?.iter().map(|old| old.secret.seal_key()).collect();
    Ok(Arc::new(Sealer::new(&current, &previous)?))
}

/// Seals secrets in the database anew that were sealed under a token secret of before, so that it can be destroyed one day.
///
/// # Errors
/// `store_unavailable`. A secret that cannot be opened is left as it is, and told.
pub(crate) async fn seal_anew(house: &House, sealer: &Sealer) -> Result<()> {
    let webhooks = &house.store.webhooks;
    let destinations = &house.store.destinations;
    for kept in destinations.kept_secrets().await?.into_iter().filter(|kept| !sealer.is_current(&kept.sealed)) {
        let row = kept.id.to_string();
        let holder = Holder { org: &kept.org, row: &row };
        match sealer.open(holder, &kept.sealed) {
            Ok(opened) => destinations.reseal_destination(&kept, &sealer.seal(holder, opened.expose())?).await?,
            Err(error) => tracing::error!(destination_id = row, org_id = %kept.org, %error, "give it its secret again"),
        }
    }
    for kept in webhooks.sealed_keys().await?.into_iter().filter(|kept| !sealer.is_current(&kept.sealed)) {
        let row = kept.id.to_string();
        let holder = Holder { org: &kept.org, row: &row };
        match sealer.open(holder, &kept.sealed) {
            Ok(opened) => webhooks.reseal(&kept, &sealer.seal(holder, opened.expose())?).await?,
            Err(error) => tracing::error!(webhook_id = row, org_id = %kept.org, %error, "rotate the endpoint's secret"),
        }
    }
    Ok(())
}

/// What is wrong if servers of a shared database would each make up a secret.
pub(crate) fn unshared_secret(config: &TokenConfig, shared: Option<&Settings>) -> Option<Error> {
    let database = shared.filter(|_| config.secret.is_none() && config.secret_file.is_none())?;
    let detail = format!(
        "every server and worker of the database {database} needs the same token secret, and none is configured; make \
         one (openssl rand -base64 48), and give it to all of them: token.secret_file, or OFFTAKE_TOKEN__SECRET"
    );
    Some(Error::new(ErrorKind::InvalidRequest, detail))
}

/// Reads a secret from a file that is its owner's alone.
///
/// # Errors
/// `invalid_request` if it is weak or others may read it; `storage_unavailable`.
pub(super) fn read(path: &Path) -> Result<Secret> {
    let text = private_text(path, "the token secret")?;
    Secret::new(&text).map_err(|error| Error::new(error.kind(), format!("{}: {}", path.display(), error.detail())))
}

/// The text of a file that is its owner's alone; `what` is in it.
///
/// # Errors
/// `invalid_request` if others may read it; `storage_unavailable`.
pub(super) fn private_text(path: &Path, what: &str) -> Result<String> {
    let shown = path.display();
    let failed = |error: io::Error| {
        Error::new(ErrorKind::StorageUnavailable, format!("{what} {shown} cannot be read: {error}")).caused_by(error)
    };
    let mode = fs::metadata(path).map_err(failed)?.permissions().mode();
    if mode & 0o077 != 0 {
        let detail = format!("others may read {what} {shown}; take that away: chmod 600 {shown}");
        return Err(Error::new(ErrorKind::InvalidRequest, detail));
    }
    fs::read_to_string(path).map_err(failed)
}

/// Makes the file if it is not there; of several processes that start at once, one wins. True if it was this.
fn make(path: &Path) -> Result<bool> {
    if path.exists() {
        return Ok(false);
    }
    let mut own: PathBuf = path.to_owned();
    own.set_extension(format!("{}.new", std::process::id()));
    let write = || -> io::Result<bool> {
        let mut file = fs::OpenOptions::new().create(true).write(true).truncate(true).mode(0o600).open(&own)?;
        file.write_all(Secret::generate().reveal().as_bytes())?;
        file.write_all(b"\n")?;
        file.sync_all()?;
        let linked = fs::hard_link(&own, path);
        fs::remove_file(&own)?;
        match linked {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
            Err(error) => Err(error),
        }
    };
    write().map_err(|error| {
        let detail = format!("the token secret {} cannot be written: {error}", path.display());
        Error::new(ErrorKind::StorageUnavailable, detail).caused_by(error)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Redacted;

    fn data() -> (tempfile::TempDir, DataDir) {
        let dir = tempfile::tempdir().unwrap();
        let data = DataDir::open(&dir.path().join("data")).unwrap();
        (dir, data)
    }

    fn token(secret: Option<&str>) -> TokenConfig {
        TokenConfig { secret: secret.map(Redacted::new), secret_file: None, previous: Default::default() }
    }

    #[test]
    fn it_is_made_once_and_kept() {
        let (_dir, data) = data();
        let first = secret(&token(None), None, &data).unwrap();
        let again = secret(&token(None), None, &data).unwrap();
        assert!(first.is_new && !again.is_new);
        assert_eq!(first.secret.reveal(), again.secret.reveal());
        assert_eq!(fs::metadata(data.join("token.secret")).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_weak_one_and_one_that_others_may_read_are_refused() {
        let (_dir, data) = data();
        let weak = token(Some("short"));
        assert_eq!(secret(&weak, None, &data).unwrap_err().kind(), ErrorKind::InvalidRequest);
        secret(&token(None), None, &data).unwrap();
        fs::set_permissions(data.join("token.secret"), fs::Permissions::from_mode(0o644)).unwrap();
        assert!(secret(&token(None), None, &data).unwrap_err().detail().contains("chmod 600"));
    }

    #[test]
    fn it_is_not_made_up_where_others_may_need_it() {
        let (_dir, data) = data();
        let database = Settings::parse("postgres://me:hunter2@db/jobs").unwrap();
        let error = secret(&token(None), Some(&database), &data).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidRequest);
        assert!(error.detail().contains("token.secret_file") && !error.detail().contains("hunter2"), "{error}");
        let given = token(Some("kV3r9ZtQ2mXw7LpB5nHc8DfJ1sYg4AuEoTi6RbNz"));
        assert!(!secret(&given, Some(&database), &data).unwrap().is_new);
    }
}
