//! Judges bearer tokens.

use std::sync::Arc;

use jiff::Timestamp;
use offtake_model::principal::Principal;
use offtake_model::{Error, ErrorKind, Result};
use serde_json::{Map, Value as Json};

use super::OFFTAKE;
use super::claims::{ClaimNames, Refusal, Rules, is_now};
use super::issuers::Issuers;
use super::json;
use super::jws::Jws;
use super::keys::{Key, Verdict, judge};
use super::ring::Judgement;
use super::secret::Secrets;

/// Judges the tokens of all issuers, ours among them.
#[derive(Debug)]
pub struct Verifier {
    own: Vec<(Key, Option<Timestamp>)>,
    rules: Rules,
    issuers: Arc<Issuers>,
}

impl Verifier {
    /// Judges by these secrets, and by the keys of these issuers.
    pub fn new(secrets: &Secrets, issuers: Arc<Issuers>) -> Self {
        let key = |secret: &super::Secret| Key::secret(Some(secret.key_id().to_string()), secret.reveal().as_bytes());
        let previous = secrets.previous.iter().map(|old| (key(&old.secret), Some(old.until)));
        let own = std::iter::once((key(&secrets.current), None)).chain(previous).collect();
        let audiences = vec![OFFTAKE.to_owned()];
        let rules = Rules {
            audiences,
            names: ClaimNames { roles: Some("roles".to_owned()), ..ClaimNames::default() },
            org: None,
            sub_prefix: String::new(),
            may_grant: None,
        };
        Self { own, rules, issuers }
    }

    /// Who the bearer of `token` is, and when the token ends.
    ///
    /// # Errors
    /// `unauthenticated`: the detail says whether it is a matter of time, and nothing else about why; `unavailable` if
    /// the issuer's keys are not to be had and the token may be good.
    pub async fn verify(&self, token: &str, now: Timestamp) -> Result<(Principal, Timestamp)> {
        self.judged(token, now).await.map_err(|(error, _)| error)
    }

    /// The same, and of a token that is genuine and not of this time also who bore it.
    pub(crate) async fn judged(
        &self,
        token: &str,
        now: Timestamp,
    ) -> Result<(Principal, Timestamp), (Error, Option<Principal>)> {
        let (claims, rules) = self.signed(token, now).await.map_err(|error| (error, None))?;
        let principal = rules.read(&claims).map_err(|why| (invalid(why), None))?;
        match is_now(&claims, now) {
            Ok(ends_at) => Ok((principal, ends_at)),
            Err(Refusal::Expired) => Err((refuse("the bearer token has expired; get a new one"), Some(principal))),
            Err(Refusal::NotYet) => {
                Err((refuse("the bearer token is not valid yet; check the issuer's clock"), Some(principal)))
            }
            Err(Refusal::Invalid(why)) => Err((invalid(why), None)),
        }
    }

    /// The claims of a token that its issuer signed, and what they must be.
    async fn signed(&self, token: &str, now: Timestamp) -> Result<(Map<String, Json>, &Rules)> {
        let jws = Jws::parse(token).map_err(invalid)?;
        let claims = json::object(&jws.payload).ok_or("the claims are no JSON object, or one is there twice");
        let claims = claims.map_err(invalid)?;
        let (judgement, rules) = self.judge(&jws, &claims, now).await.map_err(invalid)?;
        match judgement {
            Judgement::Signed => {}
            Judgement::Forged => return Err(invalid("no key of the issuer signed it")),
            Judgement::Unavailable => return Err(unavailable()),
        }
        Ok((claims, rules))
    }

    /// What the keys of the issuer that the token names say, and what its tokens must say.
    async fn judge(
        &self,
        jws: &Jws<'_>,
        claims: &Map<String, Json>,
        now: Timestamp,
    ) -> Result<(Judgement, &Rules), &'static str> {
        let iss = claims.get("iss").and_then(Json::as_str).ok_or("no issuer")?;
        if iss == OFFTAKE {
            return Ok((self.judge_own(jws, now), &self.rules));
        }
        let issuer = self.issuers.of(iss).ok_or("an issuer that nobody set up")?;
        Ok((issuer.judge(jws, now).await, &issuer.rules))
    }

    /// What our own secrets say, those that were replaced among them for as long as they count.
    fn judge_own(&self, jws: &Jws<'_>, now: Timestamp) -> Judgement {
        let in_force = self.own.iter().filter(|(_, until)| until.is_none_or(|until| now < until));
        match judge(in_force.map(|(key, _)| key), jws) {
            Verdict::Signed => Judgement::Signed,
            Verdict::Forged | Verdict::Unknown => Judgement::Forged,
        }
    }
}

fn refuse(detail: &str) -> Error {
    Error::new(ErrorKind::Unauthenticated, detail)
}

/// Why it is not valid is for the log alone.
fn invalid(why: &'static str) -> Error {
    refuse("the bearer token is not valid here").caused_by(why)
}

fn unavailable() -> Error {
    let detail = "the keys of the token's issuer cannot be fetched at the moment; try again";
    Error::new(ErrorKind::Unavailable, detail).openly()
}
