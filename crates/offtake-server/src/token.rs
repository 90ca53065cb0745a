//! Bearer tokens, and the secret they and our links are signed with.
//!
//! Responsible for judging secrets, minting tokens and reading them: HS256 alone, `iss` and `aud` "offtake",
//! expiry by the injected clock. Not responsible for what a principal may do. Called by `auth`, and by the
//! command line to print a token.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use jiff::{SignedDuration, Timestamp};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use offtake_model::id::OrgId;
use offtake_model::permission::Permissions;
use offtake_model::principal::Principal;
use offtake_model::{Error, ErrorKind, Result};
use offtake_pipeline::HashKey;
use serde::{Deserialize, Serialize};
use sha2::Sha256;

/// What tokens say in `iss` and `aud`.
const OFFTAKE: &str = "offtake";
/// How far clocks of issuer and server may differ, in seconds.
const SKEW_SECONDS: f64 = 30.0;
/// No honest token is longer.
const MAX_TOKEN_BYTES: usize = 8 * 1024;
/// The longest `sub` and `email`, in bytes.
const MAX_CLAIM_BYTES: usize = 320;

/// The secret of an installation: signs tokens, and by a derived key links. Never printed.
#[derive(Clone)]
pub struct Secret(String);

impl Secret {
    /// The fewest bytes a secret has.
    pub const MIN_BYTES: usize = 32;

    /// Takes a configured secret; white space around it is not part of it.
    ///
    /// # Errors
    /// `invalid_request` if it is short, guessable or a placeholder; the detail says which and what to do.
    pub fn new(text: &str) -> Result<Self> {
        let text = text.trim();
        let refuse = |what: String| {
            let hint = "make one with: openssl rand -base64 48";
            Err(Error::new(ErrorKind::InvalidRequest, format!("the token secret {what}; {hint}")))
        };
        if text.len() < Self::MIN_BYTES {
            return refuse(format!("has {} bytes and needs {}", text.len(), Self::MIN_BYTES));
        }
        if let Some(word) = placeholder(text) {
            return refuse(format!("contains \"{word}\", so it looks like a placeholder"));
        }
        if is_guessable(text.as_bytes()) {
            return refuse("is not random enough (few different characters, repeated or in sequence)".to_owned());
        }
        Ok(Self(text.to_owned()))
    }

    /// A new random secret.
    pub fn generate() -> Self {
        let bytes: [u8; 48] = rand::random();
        Self(hex::encode(bytes))
    }

    /// The secret itself, to be written to its file and nowhere else.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// The key that sensitive columns are hashed by: another secret, other hashes.
    pub fn hash_key(&self) -> HashKey {
        HashKey::new(self.derive("offtake hash v1"))
    }

    /// A key for another purpose, so that nothing signed for one can be used for the other.
    pub(crate) fn derive(&self, purpose: &str) -> [u8; 32] {
        mac(self.0.as_bytes(), &[purpose.as_bytes()]).finalize().into_bytes().into()
    }
}

/// HMAC-SHA256 over `parts`, to be finished or verified.
pub(crate) fn mac(key: &[u8], parts: &[&[u8]]) -> Hmac<Sha256> {
    // HMAC takes keys of any length; the branch cannot be reached and would only weaken to an unused key.
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap_or_else(|_| Hmac::<Sha256>::new(&Default::default()));
    for part in parts {
        mac.update(part);
    }
    mac
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(redacted)")
    }
}

fn placeholder(text: &str) -> Option<&'static str> {
    const WORDS: [&str; 15] = [
        "changeme",
        "change-me",
        "change_me",
        "changethis",
        "change-this",
        "change_this",
        "password",
        "placeholder",
        "example",
        "secret",
        "insecure",
        "development",
        "keyboard",
        "default",
        "offtake",
    ];
    let lower = text.to_ascii_lowercase();
    WORDS.into_iter().find(|word| lower.contains(word))
}

fn is_guessable(bytes: &[u8]) -> bool {
    let mut counts = [0_u32; 256];
    for byte in bytes {
        counts[usize::from(*byte)] += 1;
    }
    let length = bytes.len() as f64;
    let entropy: f64 = counts
        .iter()
        .filter(|count| **count > 0)
        .map(|count| f64::from(*count) / length)
        .map(|share| -share * share.log2())
        .sum();
    let repeats = (1..=bytes.len() / 2).any(|period| bytes.iter().zip(&bytes[period..]).all(|(a, b)| a == b));
    let steps = bytes.windows(2).filter(|pair| pair[0].abs_diff(pair[1]) <= 1).count();
    entropy * length < 96.0 || repeats || steps * 2 > bytes.len()
}

#[derive(Serialize)]
struct NewClaims<'a> {
    iss: &'a str,
    aud: &'a str,
    sub: &'a str,
    org_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<&'a str>,
    permissions: Vec<String>,
    iat: i64,
    nbf: i64,
    exp: i64,
}

/// Makes a token for `principal` that holds from `now` for `ttl`.
///
/// # Errors
/// `invalid_request` if `ttl` is not positive; `internal` if signing fails.
pub fn mint(secret: &Secret, principal: &Principal, ttl: SignedDuration, now: Timestamp) -> Result<String> {
    if ttl.as_secs() < 1 {
        return Err(Error::new(ErrorKind::InvalidRequest, "a token lives for at least one second"));
    }
    let from = now.as_second();
    let claims = NewClaims {
        iss: OFFTAKE,
        aud: OFFTAKE,
        sub: &principal.sub,
        org_id: principal.org.as_str(),
        email: principal.email.as_deref(),
        permissions: principal.permissions.to_words(),
        iat: from,
        nbf: from,
        exp: from.saturating_add(ttl.as_secs()),
    };
    let key = EncodingKey::from_secret(secret.0.as_bytes());
    jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &key)
        .map_err(|error| Error::new(ErrorKind::Internal, "a token could not be signed").caused_by(error))
}

#[derive(Deserialize)]
struct Claims {
    sub: String,
    org_id: String,
    #[serde(default)]
    email: Option<String>,
    #[serde(default)]
    permissions: Words,
    #[serde(default)]
    roles: Words,
    exp: f64,
    #[serde(default)]
    nbf: Option<f64>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Words {
    List(Vec<String>),
    Spaced(String),
}

impl Words {
    fn iter(&self) -> impl Iterator<Item = &str> {
        let (list, text) = match self {
            Self::List(list) => (list.as_slice(), ""),
            Self::Spaced(text) => (&[][..], text.as_str()),
        };
        list.iter().map(String::as_str).chain(text.split_ascii_whitespace())
    }
}

impl Default for Words {
    fn default() -> Self {
        Self::List(Vec::new())
    }
}

/// Reads tokens.
pub(crate) struct Verifier {
    key: DecodingKey,
    validation: Validation,
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Verifier(redacted)")
    }
}

impl Verifier {
    pub(crate) fn new(secret: &Secret) -> Self {
        let mut validation = Validation::new(Algorithm::HS256);
        validation.set_issuer(&[OFFTAKE]);
        validation.set_audience(&[OFFTAKE]);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        // Judged below, by the injected clock.
        validation.validate_exp = false;
        validation.validate_nbf = false;
        Self { key: DecodingKey::from_secret(secret.0.as_bytes()), validation }
    }

    /// Who the bearer of `token` is.
    ///
    /// # Errors
    /// `unauthenticated`. The detail says whether it is a matter of time, and nothing else about why.
    pub(crate) fn verify(&self, token: &str, now: Timestamp) -> Result<Principal> {
        let refuse = |detail: &str| Error::new(ErrorKind::Unauthenticated, detail);
        let invalid = || refuse("the bearer token is not valid here");
        if token.len() > MAX_TOKEN_BYTES {
            return Err(invalid());
        }
        let data = jsonwebtoken::decode::<Claims>(token, &self.key, &self.validation)
            .map_err(|error| invalid().caused_by(error))?;
        // An extension the issuer calls critical, and that nobody here understands (RFC 7515 §4.1.11).
        if data.header.crit.is_some() {
            return Err(invalid());
        }
        let claims = data.claims;
        let seconds = now.as_second() as f64;
        if seconds >= claims.exp + SKEW_SECONDS {
            return Err(refuse("the bearer token has expired; get a new one"));
        }
        if claims.nbf.is_some_and(|nbf| nbf > seconds + SKEW_SECONDS) {
            return Err(refuse("the bearer token is not valid yet; check the issuer's clock"));
        }
        let permissions = Permissions::from_words(claims.permissions.iter()).with_roles(claims.roles.iter());
        let bad = |text: &str| text.is_empty() || text.len() > MAX_CLAIM_BYTES || text.chars().any(char::is_control);
        let org = OrgId::new(claims.org_id).map_err(|_| invalid())?;
        if bad(&claims.sub) || claims.email.as_deref().is_some_and(bad) {
            return Err(invalid());
        }
        Ok(Principal { org, sub: claims.sub, email: claims.email, permissions })
    }
}
