//! The one place of Offtake that reads the environment.

use std::collections::BTreeMap;
use std::ffi::OsString;

use super::validated::Redacted;

/// What the environment says, taken once at start.
#[derive(Debug, Clone, Default)]
pub(crate) struct Environment {
    /// `OFFTAKE_SECTION__KEY` and its value, sorted by name.
    pub(crate) settings: Vec<(String, String)>,
    /// `OFFTAKE_CONFIG`: the configuration file.
    pub(crate) config: Option<String>,
    /// `OFFTAKE_SERVER`: the server that `export` and `jobs` talk to.
    pub(crate) server: Option<String>,
    /// `OFFTAKE_TOKEN`: the bearer token for it.
    pub(crate) token: Option<String>,
    /// The standard variables of Amazon's tools, as far as object storage may need them.
    pub(crate) aws: BTreeMap<String, Redacted>,
}

const PREFIX: &str = "OFFTAKE_";
/// Those of Amazon's tools that are looked at.
const AWS: [&str; 15] = [
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_REGION",
    "AWS_DEFAULT_REGION",
    "AWS_ENDPOINT_URL",
    "AWS_ENDPOINT_URL_S3",
    "AWS_ENDPOINT_URL_STS",
    "AWS_ROLE_ARN",
    "AWS_ROLE_SESSION_NAME",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
    "AWS_METADATA_ENDPOINT",
];

impl Environment {
    /// Reads the process's environment. Names and values that are not UTF-8 are taken as they can be read.
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
    pub(crate) fn of_this_process() -> Self {
        Self::from_pairs(std::env::vars_os())
    }

    fn from_pairs(pairs: impl IntoIterator<Item = (OsString, OsString)>) -> Self {
        let mut found = Self::default();
        for (name, value) in pairs {
            let name = name.to_string_lossy().into_owned();
            let value = value.to_string_lossy().into_owned();
            if AWS.contains(&name.as_str()) && !value.is_empty() {
                found.aws.insert(name, Redacted::new(value));
                continue;
            }
            let Some(rest) = name.strip_prefix(PREFIX) else { continue };
            let slot = match rest {
                "CONFIG" => &mut found.config,
                "SERVER" => &mut found.server,
                "TOKEN" => &mut found.token,
                _ => {
                    found.settings.push((name, value));
                    continue;
                }
            };
            *slot = Some(value).filter(|value| !value.is_empty());
        }
        found.settings.sort();
        found
    }

    /// The key that a variable sets: `OFFTAKE_SERVER__LISTEN` → `server.listen`.
    pub(crate) fn key_of(variable: &str) -> String {
        variable.strip_prefix(PREFIX).unwrap_or(variable).to_ascii_lowercase().replace("__", ".")
    }

    #[cfg(test)]
    pub(crate) fn of(pairs: &[(&str, &str)]) -> Self {
        Self::from_pairs(pairs.iter().map(|(name, value)| ((*name).into(), (*value).into())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_and_the_clients_variables_are_told_apart() {
        let found = Environment::of(&[
            ("HOME", "/nowhere"),
            ("OFFTAKE_SERVER", "http://localhost:1"),
            ("OFFTAKE_SERVER__LISTEN", "127.0.0.1:0"),
            ("OFFTAKE_TOKEN", ""),
        ]);
        assert_eq!(found.server.as_deref(), Some("http://localhost:1"));
        assert_eq!(found.token, None);
        assert_eq!(found.settings, vec![("OFFTAKE_SERVER__LISTEN".to_owned(), "127.0.0.1:0".to_owned())]);
        assert_eq!(Environment::key_of("OFFTAKE_SERVER__LISTEN"), "server.listen");
    }
}
