//! Issuers other than ourselves: how each is set up, and who is asked about a token.

use std::path::PathBuf;
use std::time::Duration;

use futures::future::join_all;
use jiff::Timestamp;
use offtake_model::clock::SharedClock;
use offtake_model::id::OrgId;
use offtake_model::permission::Permissions;
use offtake_model::{Error, ErrorKind, Result};
use tokio_util::sync::CancellationToken;

use super::algorithm::Algorithm;
use super::claims::{ClaimNames, Rules};
use super::fetch::Origin;
use super::jws::Jws;
use super::keys::Key;
use super::ring::{Judgement, Ring};
use super::secret::Secret;

/// How an issuer is set up.
#[derive(Debug, Clone)]
pub struct IssuerSettings {
    /// Its name in the configuration, for people.
    pub name: String,
    /// What its tokens say in `iss`, exactly.
    pub issuer: String,
    /// One of these must be in their `aud`.
    pub audiences: Vec<String>,
    /// What they may be signed with.
    pub algorithms: Vec<Algorithm>,
    /// Where its keys are.
    pub keys: KeySource,
    /// How its claims are called.
    pub names: ClaimNames,
    /// What its subjects begin with here.
    pub sub_prefix: String,
    /// The organization of all its tokens; `None`: a claim says it.
    pub org: Option<OrgId>,
    /// What it may grant at most.
    pub may_grant: Permissions,
    /// How its keys are kept.
    pub freshness: Freshness,
}

/// Where an issuer's keys are. Public keys or a secret, never both: no token can have a public key taken for a secret.
#[derive(Debug, Clone)]
pub enum KeySource {
    /// A secret it shares with us.
    Secret(Secret),
    /// A set of public keys in a file.
    File(PathBuf),
    /// A set of public keys at a URL.
    Url(String),
}

/// How long an issuer's public keys are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Freshness {
    /// The least time between two fetches, whatever is asked for.
    pub refetch_after: Duration,
    /// The longest time keys are used without asking whether they still are, whatever the issuer says.
    pub max_age: Duration,
    /// How long they are used beyond that while there are no newer ones to be had.
    pub keep: Duration,
    /// How long a fetch may take.
    pub timeout: Duration,
}

/// How long keys are taken to be fresh where their issuer does not say.
const USUAL_AGE: Duration = Duration::from_secs(300);

impl Freshness {
    /// For how long keys are fresh whose issuer says `said`.
    pub(super) fn of(&self, said: Option<Duration>) -> Duration {
        said.unwrap_or(USUAL_AGE).min(self.max_age).max(self.refetch_after)
    }
}

impl Default for Freshness {
    fn default() -> Self {
        Self {
            refetch_after: Duration::from_secs(30),
            max_age: Duration::from_secs(3600),
            keep: Duration::from_secs(4 * 3600),
            timeout: Duration::from_secs(5),
        }
    }
}

/// The state of an issuer's keys, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IssuerState {
    /// Its name in the configuration.
    pub name: String,
    /// Whether its keys are fetched from somewhere that may be away.
    pub is_remote: bool,
    /// Each key that is in use, with its algorithms.
    pub keys: Vec<String>,
    /// Each that is not, and why.
    pub left_out: Vec<String>,
    /// Why there are no keys, or no newer ones.
    pub failure: Option<String>,
}

/// All issuers.
#[derive(Debug, Default)]
pub struct Issuers(Vec<Issuer>);

/// One of them.
#[derive(Debug)]
pub(super) struct Issuer {
    name: String,
    issuer: String,
    algorithms: Vec<Algorithm>,
    /// What its tokens must say.
    pub(super) rules: Rules,
    keys: Keys,
}

#[derive(Debug)]
enum Keys {
    Secret(Key),
    Ring { ring: Box<Ring>, is_remote: bool },
}

impl Issuers {
    /// Sets the issuers up. Nothing is fetched before [`Self::keep`].
    ///
    /// # Errors
    /// `invalid_request` if two have the same `iss`, one has ours, or keys and algorithms of one do not go together.
    pub fn new(settings: Vec<IssuerSettings>, clock: &SharedClock) -> Result<Self> {
        let mut issuers: Vec<Issuer> = Vec::new();
        for settings in settings {
            let wrong =
                |what: &str| Err(Error::new(ErrorKind::InvalidRequest, format!("issuer {}: {what}", settings.name)));
            if settings.issuer == super::OFFTAKE || issuers.iter().any(|other| other.issuer == settings.issuer) {
                return wrong("another issuer has this `iss`");
            }
            let is_secret = matches!(settings.keys, KeySource::Secret(_));
            if settings.algorithms.is_empty() || settings.audiences.is_empty() {
                return wrong("there must be an algorithm and an audience");
            }
            if settings.algorithms.iter().any(|algorithm| algorithm.is_secret() != is_secret) {
                return wrong("a secret goes with HS256 alone, public keys go with any other algorithm");
            }
            issuers.push(Issuer::new(settings, clock)?);
        }
        Ok(Self(issuers))
    }

    /// The one whose tokens say `iss`.
    pub(super) fn of(&self, iss: &str) -> Option<&Issuer> {
        self.0.iter().find(|issuer| issuer.issuer == iss)
    }

    /// Keeps the keys of all, until `stop`. Somebody must run this, or no key is ever fetched.
    pub async fn keep(&self, stop: CancellationToken) {
        let rings = self.0.iter().filter_map(|issuer| match &issuer.keys {
            Keys::Ring { ring, .. } => Some(ring.keep(stop.clone())),
            Keys::Secret(_) => None,
        });
        join_all(rings).await;
    }

    /// Whether there is none.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Fetches the keys of all once, and tells what came of it.
    pub async fn examine(&self) -> Vec<IssuerState> {
        join_all(self.0.iter().map(Issuer::examine)).await
    }
}

impl Issuer {
    fn new(settings: IssuerSettings, clock: &SharedClock) -> Result<Self> {
        let IssuerSettings { name, issuer, audiences, algorithms, keys, names, sub_prefix, org, may_grant, freshness } =
            settings;
        let ring = |origin, is_remote| {
            let ring = Ring::new(&name, origin, algorithms.clone(), freshness, SharedClock::clone(clock));
            Keys::Ring { ring: Box::new(ring), is_remote }
        };
        let keys = match keys {
            KeySource::Secret(secret) => Keys::Secret(Key::secret(None, secret.reveal().as_bytes())),
            KeySource::File(path) => ring(Origin::File(path), false),
            KeySource::Url(url) => ring(Origin::url(&url)?, true),
        };
        let rules = Rules { audiences, names, org, sub_prefix, may_grant: Some(may_grant) };
        Ok(Self { name, issuer, algorithms, rules, keys })
    }

    /// What its keys say about `jws`.
    pub(super) async fn judge(&self, jws: &Jws<'_>, now: Timestamp) -> Judgement {
        if !self.algorithms.contains(&jws.algorithm) {
            return Judgement::Forged;
        }
        match &self.keys {
            Keys::Ring { ring, .. } => ring.judge(jws, now).await,
            // There is one secret, whatever its issuer calls it.
            Keys::Secret(key) if key.signed(jws) == Some(true) => Judgement::Signed,
            Keys::Secret(_) => Judgement::Forged,
        }
    }

    async fn examine(&self) -> IssuerState {
        let name = self.name.clone();
        match &self.keys {
            Keys::Secret(_) => {
                let keys = vec!["a secret (HS256)".to_owned()];
                IssuerState { name, is_remote: false, keys, left_out: Vec::new(), failure: None }
            }
            Keys::Ring { ring, is_remote } => {
                ring.fetch().await;
                let told = ring.told();
                let (keys, left_out, failure) = (told.keys, told.left_out, told.failure);
                IssuerState { name, is_remote: *is_remote, keys, left_out, failure }
            }
        }
    }
}
