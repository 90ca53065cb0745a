//! Section `issuers`: whose tokens are taken besides our own.

use std::collections::BTreeMap;
use std::path::PathBuf;

use offtake_model::id::OrgId;
use offtake_model::permission::Permissions;
use offtake_server::identity::{Algorithm, ClaimNames, Freshness, OFFTAKE};
use reqwest::Url;
use serde::Deserialize;

use super::reader::Reader;
use super::units;

/// An issuer, checked. What it reads from files is not read yet.
#[derive(Debug, Clone)]
pub(crate) struct IssuerConfig {
    pub(crate) name: String,
    pub(crate) issuer: String,
    pub(crate) audiences: Vec<String>,
    pub(crate) algorithms: Vec<Algorithm>,
    pub(crate) keys: KeyConfig,
    pub(crate) names: ClaimNames,
    pub(crate) sub_prefix: String,
    pub(crate) org: Option<OrgId>,
    pub(crate) may_grant: Permissions,
    pub(crate) freshness: Freshness,
}

/// Where its keys are.
#[derive(Debug, Clone)]
pub(crate) enum KeyConfig {
    SecretFile(PathBuf),
    JwksFile(PathBuf),
    JwksUrl(String),
}

/// Issuers whose people are taken for each other: an organization and a subject are one person, whichever issuer says so.
pub(crate) fn taken_for_each_other(issuers: &[IssuerConfig]) -> Vec<String> {
    let mut found = Vec::new();
    for (index, one) in issuers.iter().enumerate() {
        for other in &issuers[index + 1..] {
            let apart = matches!((&one.org, &other.org), (Some(one), Some(other)) if one != other);
            if one.sub_prefix == other.sub_prefix && !apart {
                found.push(format!(
                    "issuers.{} and issuers.{}: a subject of one is taken for the same subject of the other; give one of \
                     them a sub_prefix, or each an org of its own",
                    one.name, other.name
                ));
            }
        }
    }
    found
}

/// As it was typed.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    issuer: String,
    audience: OneOrSeveral,
    algorithms: Vec<String>,
    jwks_url: Option<String>,
    jwks_file: Option<PathBuf>,
    secret_file: Option<PathBuf>,
    org: Option<String>,
    org_claim: Option<String>,
    sub_claim: Option<String>,
    #[serde(default)]
    sub_prefix: String,
    email_claim: Option<String>,
    permissions_claim: Option<String>,
    roles_claim: Option<String>,
    may_grant: Option<Vec<String>>,
    #[serde(default)]
    allow_http: bool,
    refetch_after: Option<String>,
    max_age: Option<String>,
    keep_keys: Option<String>,
    timeout: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum OneOrSeveral {
    One(String),
    Several(Vec<String>),
}

/// What is wrong, at which key of the issuer.
type Wrong = (&'static str, String);

pub(super) fn issuers(read: &mut Reader<'_>) -> Vec<IssuerConfig> {
    let entries: BTreeMap<String, toml::Value> = read.table("issuers").unwrap_or_default();
    let mut issuers: Vec<IssuerConfig> = Vec::new();
    for (name, value) in entries {
        let at = format!("issuers.{name}");
        let entry: Entry = match value.try_into() {
            Ok(entry) => entry,
            Err(problem) => {
                read.refuse(&at, problem.to_string().trim_end());
                continue;
            }
        };
        match checked(&name, entry) {
            Ok(issuer) if issuers.iter().any(|other| other.issuer == issuer.issuer) => {
                read.refuse(&format!("{at}.issuer"), "another issuer is called so");
            }
            Ok(issuer) => issuers.push(issuer),
            Err((key, problem)) => read.refuse(&format!("{at}.{key}"), &problem),
        }
    }
    issuers
}

fn checked(name: &str, entry: Entry) -> Result<IssuerConfig, Wrong> {
    if entry.issuer.is_empty() || entry.issuer == OFFTAKE {
        return Err(("issuer", format!("must be what its tokens say in iss, and \"{OFFTAKE}\" says Offtake itself")));
    }
    let keys = keys(&entry)?;
    Ok(IssuerConfig {
        name: name.to_owned(),
        audiences: audiences(&entry)?,
        algorithms: algorithms(&entry.algorithms, &keys)?,
        keys,
        names: names(&entry)?,
        org: entry.org.as_deref().map(OrgId::new).transpose().map_err(|error| ("org", error.detail().to_owned()))?,
        may_grant: may_grant(entry.may_grant.as_deref())?,
        freshness: freshness(&entry)?,
        sub_prefix: entry.sub_prefix,
        issuer: entry.issuer,
    })
}

fn audiences(entry: &Entry) -> Result<Vec<String>, Wrong> {
    let audiences = match &entry.audience {
        OneOrSeveral::One(one) => vec![one.clone()],
        OneOrSeveral::Several(several) => several.clone(),
    };
    if audiences.is_empty() || audiences.iter().any(String::is_empty) {
        return Err(("audience", "must name what this issuer's tokens for Offtake say in aud".to_owned()));
    }
    Ok(audiences)
}

fn algorithms(names: &[String], keys: &KeyConfig) -> Result<Vec<Algorithm>, Wrong> {
    let is_secret = matches!(keys, KeyConfig::SecretFile(_));
    let possible: Vec<Algorithm> =
        Algorithm::ALL.into_iter().filter(|algorithm| algorithm.is_secret() == is_secret).collect();
    let parse = |name: &String| possible.iter().copied().find(|algorithm| algorithm.name() == name);
    let found: Option<Vec<Algorithm>> = names.iter().map(parse).collect();
    found.filter(|found| !found.is_empty()).ok_or_else(|| {
        let words: Vec<&str> = possible.iter().map(|algorithm| algorithm.name()).collect();
        let keys = if is_secret { "a secret" } else { "public keys" };
        ("algorithms", format!("must list those its tokens are signed with; with {keys}: {}", words.join(", ")))
    })
}

fn keys(entry: &Entry) -> Result<KeyConfig, Wrong> {
    match (&entry.jwks_url, &entry.jwks_file, &entry.secret_file) {
        (Some(url), None, None) => checked_url(url, entry.allow_http).map(KeyConfig::JwksUrl),
        (None, Some(file), None) => Ok(KeyConfig::JwksFile(file.clone())),
        (None, None, Some(file)) => Ok(KeyConfig::SecretFile(file.clone())),
        _ => Err(("jwks_url", "must be set, or jwks_file, or secret_file, and only one of them".to_owned())),
    }
}

/// The URL is one, and nobody on the way to it can put in a key of theirs.
fn checked_url(text: &str, allow_http: bool) -> Result<String, Wrong> {
    let wrong = |problem: &str| Err(("jwks_url", problem.to_owned()));
    let Ok(url) = Url::parse(text) else { return wrong("must be a URL: https://login.example.org/keys") };
    if !url.username().is_empty() || url.password().is_some() || url.fragment().is_some() {
        return wrong("must have neither user nor password nor fragment");
    }
    match url.scheme() {
        "https" => Ok(url.into()),
        "http" if allow_http || is_loopback(&url) => Ok(url.into()),
        _ => {
            wrong("must begin with https://, or allow_http must say aloud that whoever is on the way may replace keys")
        }
    }
}

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || bare.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn names(entry: &Entry) -> Result<ClaimNames, Wrong> {
    let usual = ClaimNames::default();
    let name = |key: &'static str, given: &Option<String>, usual: String| match given {
        None => Ok(usual),
        Some(name) if !name.is_empty() => Ok(name.clone()),
        Some(_) => Err((key, "must name a claim".to_owned())),
    };
    if entry.org.is_some() && entry.org_claim.is_some() {
        return Err(("org", "is set beside org_claim; keep one of the two".to_owned()));
    }
    Ok(ClaimNames {
        org: name("org_claim", &entry.org_claim, usual.org)?,
        sub: name("sub_claim", &entry.sub_claim, usual.sub)?,
        email: name("email_claim", &entry.email_claim, usual.email)?,
        permissions: name("permissions_claim", &entry.permissions_claim, usual.permissions)?,
        roles: entry.roles_claim.clone().filter(|name| !name.is_empty()),
    })
}

/// Everything but what runs the installation, unless it is said.
fn may_grant(words: Option<&[String]>) -> Result<Permissions, Wrong> {
    let Some(words) = words else { return Ok(Permissions::from_words(["all"])) };
    match words.iter().find(|word| !Permissions::knows(word)) {
        Some(unknown) => Err(("may_grant", format!("\"{unknown}\" is no permission"))),
        None => Ok(Permissions::from_words(words.iter().map(String::as_str))),
    }
}

fn freshness(entry: &Entry) -> Result<Freshness, Wrong> {
    let usual = Freshness::default();
    let duration = |key, given: &Option<String>, usual, from: &str, to: &str| {
        let Some(text) = given else { return Ok(usual) };
        let value = units::duration(text).map_err(|problem| (key, problem))?;
        match (units::duration(from), units::duration(to)) {
            (Ok(from), Ok(to)) if (from..=to).contains(&value) => Ok(value),
            _ => Err((key, format!("must be from {from} to {to}, not {text}"))),
        }
    };
    Ok(Freshness {
        refetch_after: duration("refetch_after", &entry.refetch_after, usual.refetch_after, "1s", "1h")?,
        max_age: duration("max_age", &entry.max_age, usual.max_age, "1s", "1d")?,
        keep: duration("keep_keys", &entry.keep_keys, usual.keep, "0s", "7d")?,
        timeout: duration("timeout", &entry.timeout, usual.timeout, "100ms", "30s")?,
    })
}
