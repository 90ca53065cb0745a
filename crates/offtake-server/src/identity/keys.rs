//! Keys, each bound to the algorithms it may be used with, and what they say about a token.
//!
//! A key is parsed once, when it arrives. A secret can only ever be asked about HMAC and a public key only about its
//! own kind, so that a token cannot choose what a key is taken for.

use std::fmt;

use aws_lc_rs::signature::ParsedPublicKey;
use hmac::Mac;

use super::algorithm::Algorithm;
use super::jws::Jws;
use super::secret::mac;

/// A key that verifies.
#[derive(Clone)]
pub(super) struct Key {
    /// What it is called, where it has a name.
    pub(super) kid: Option<String>,
    material: Material,
}

#[derive(Clone)]
enum Material {
    /// What both sides know; for HS256.
    Secret(Vec<u8>),
    /// A public key, parsed for each algorithm it may be used with.
    Public(Vec<(Algorithm, ParsedPublicKey)>),
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key").field("kid", &self.kid).field("algorithms", &self.algorithms()).finish_non_exhaustive()
    }
}

impl Key {
    /// A secret.
    pub(super) fn secret(kid: Option<String>, bytes: &[u8]) -> Self {
        Self { kid, material: Material::Secret(bytes.to_vec()) }
    }

    /// A public key, parsed for each of its algorithms.
    pub(super) const fn public(kid: Option<String>, parsed: Vec<(Algorithm, ParsedPublicKey)>) -> Self {
        Self { kid, material: Material::Public(parsed) }
    }

    /// What it may be used with.
    pub(super) fn algorithms(&self) -> Vec<Algorithm> {
        match &self.material {
            Material::Secret(_) => vec![Algorithm::Hs256],
            Material::Public(parsed) => parsed.iter().map(|(algorithm, _)| *algorithm).collect(),
        }
    }

    /// Whether it signed `jws`; `None` if it is not for the token's algorithm.
    pub(super) fn signed(&self, jws: &Jws<'_>) -> Option<bool> {
        match &self.material {
            Material::Secret(bytes) => (jws.algorithm == Algorithm::Hs256)
                .then(|| mac(bytes, &[jws.message]).verify_slice(&jws.signature).is_ok()),
            Material::Public(parsed) => parsed
                .iter()
                .find(|(algorithm, _)| *algorithm == jws.algorithm)
                .map(|(_, key)| key.verify_sig(jws.message, &jws.signature).is_ok()),
        }
    }
}

/// What keys say about a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// One of them signed it.
    Signed,
    /// The key it names is here, and did not.
    Forged,
    /// The key it names is not here.
    Unknown,
}

/// What `keys` say about `jws`. A token that names a key is judged by that one; one that names none by every key its
/// algorithm goes with.
pub(super) fn judge<'a>(keys: impl IntoIterator<Item = &'a Key>, jws: &Jws<'_>) -> Verdict {
    let mut verdict = Verdict::Unknown;
    for key in keys {
        let named = jws.kid.is_some() && key.kid == jws.kid;
        if jws.kid.is_some() && !named {
            continue;
        }
        match key.signed(jws) {
            Some(true) => return Verdict::Signed,
            Some(false) => verdict = Verdict::Forged,
            // The key is known, only not for this: nothing will be gained by asking for newer keys.
            None if named => verdict = Verdict::Forged,
            None => {}
        }
    }
    verdict
}
