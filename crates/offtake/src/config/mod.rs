//! The configuration: default ← file ← environment ← flags, in two stages.
//!
//! [`Typed`] is what was typed, with the origin of every value; [`Config`] is what was validated. Called by the
//! command line before anything is opened. The only place of Offtake that reads the environment.

mod environment;
mod issuers;
mod mail;
mod reader;
mod show;
mod store;
mod typed;
mod units;
mod validated;

use std::path::{Path, PathBuf};

use offtake_model::{Error, ErrorKind};

pub(crate) use environment::Environment;
pub(crate) use issuers::{IssuerConfig, KeyConfig, taken_for_each_other};
pub(crate) use show::{show_json, show_toml};
pub(crate) use store::StoreConfig;
pub(crate) use typed::{FlagSetting, Typed};
pub(crate) use units::duration;
pub(crate) use validated::{Config, LogConfig, LogFormat, Redacted, TokenConfig};

/// The file that is read where nobody names one.
const FILE: &str = "offtake.toml";

/// Merges the layers: the file named (or `offtake.toml` where there is one), the environment, the flags.
///
/// # Errors
/// `invalid_request` for what is wrong; `not_found` if the file named is not there.
pub(crate) fn load(file: Option<&Path>, environment: &Environment, flags: &[FlagSetting]) -> Result<Typed, Error> {
    let named = file.map(Path::to_path_buf).or_else(|| environment.config.as_ref().map(PathBuf::from));
    let path = named.clone().unwrap_or_else(|| PathBuf::from(FILE));
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => Some(text),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && named.is_none() => None,
        Err(error) => {
            let detail = format!("the configuration {} cannot be read: {error}", path.display());
            return Err(Error::new(ErrorKind::InvalidRequest, detail).caused_by(error));
        }
    };
    let name = path.display().to_string();
    Typed::merge(text.as_deref().map(|text| (name.as_str(), text)), environment, flags)
}

#[cfg(test)]
mod tests;
