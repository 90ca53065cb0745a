//! Sets of public keys as issuers publish them (RFC 7517): which of them are of use here.
//!
//! A key for something else, for an algorithm nobody allowed, or too weak is left out, and the rest of the set counts.
//! A set in which a name stands for two keys, or a secret or a private key lies open, is refused whole: whoever
//! publishes such a thing does not know what their keys are.

use aws_lc_rs::signature::{ParsedPublicKey, RsaPublicKeyComponents};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::{Map, Value as Json};

use super::algorithm::Algorithm;
use super::json;
use super::jws::is_name;
use super::keys::Key;
use super::weak;

/// More keys than this are published by nobody, and a token without the name of a key is tried with all.
const MAX_KEYS: usize = 32;
/// Members that no public key has.
const PRIVATE: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];

/// The keys of a set that are of use.
#[derive(Debug, Default)]
pub(super) struct KeySet {
    /// They.
    pub(super) keys: Vec<Key>,
    /// Why each of the others is not.
    pub(super) left_out: Vec<String>,
}

impl KeySet {
    /// Reads a set for an issuer that may use these algorithms.
    ///
    /// # Errors
    /// What is wrong with the set as a whole.
    pub(super) fn read(text: &[u8], allowed: &[Algorithm]) -> Result<Self, String> {
        let set = json::object(text).ok_or("it is no JSON object, or has a member twice")?;
        let Some(Json::Array(entries)) = set.get("keys") else { return Err("it has no list of keys".to_owned()) };
        if entries.len() > MAX_KEYS {
            return Err(format!("it has more than {MAX_KEYS} keys"));
        }
        let mut read = Self::default();
        for (position, entry) in entries.iter().enumerate() {
            let Json::Object(jwk) = entry else { return Err(format!("key {position} is no object")) };
            if jwk.get("kty").and_then(Json::as_str) == Some("oct")
                || PRIVATE.iter().any(|name| jwk.contains_key(*name))
            {
                return Err(format!("key {position} is secret or has private parts, and everybody can read it"));
            }
            match key(jwk, allowed) {
                Ok(key) => read.keys.push(key),
                Err(reason) => read.left_out.push(format!("{}: {reason}", called(jwk, position))),
            }
        }
        let named = || read.keys.iter().filter_map(|key| key.kid.as_deref());
        if let Some(twice) = named().find(|kid| named().filter(|other| other == kid).count() > 1) {
            return Err(format!("two of its keys have the name {twice:?}"));
        }
        Ok(read)
    }
}

fn called(jwk: &Map<String, Json>, position: usize) -> String {
    match jwk.get("kid").and_then(Json::as_str).filter(|kid| is_name(kid)) {
        Some(kid) => format!("{kid:?}"),
        None => format!("key {position}"),
    }
}

fn key(jwk: &Map<String, Json>, allowed: &[Algorithm]) -> Result<Key, String> {
    let kid = match jwk.get("kid") {
        None => None,
        Some(Json::String(kid)) if is_name(kid) => Some(kid.clone()),
        Some(_) => return Err("has no usable name".to_owned()),
    };
    if jwk.get("use").is_some_and(|usage| usage != "sig") {
        return Err("is not for signatures (use)".to_owned());
    }
    if let Some(operations) = jwk.get("key_ops")
        && !operations.as_array().is_some_and(|list| list.iter().any(|operation| operation == "verify"))
    {
        return Err("is not for verifying (key_ops)".to_owned());
    }
    let of_key = jwk.get("alg");
    let candidates = allowed.iter().copied().filter(|algorithm| of_key.is_none_or(|alg| alg == algorithm.name()));
    let parsed = parse(jwk, candidates)?;
    if parsed.is_empty() {
        return Err("is for no algorithm that this issuer may use".to_owned());
    }
    Ok(Key::public(kid, parsed))
}

type Parsed = Vec<(Algorithm, ParsedPublicKey)>;

fn parse(jwk: &Map<String, Json>, candidates: impl Iterator<Item = Algorithm>) -> Result<Parsed, String> {
    match jwk.get("kty").and_then(Json::as_str) {
        Some("RSA") => rsa(jwk, candidates),
        Some("EC") => curve(jwk, candidates, true),
        Some("OKP") => curve(jwk, candidates, false),
        _ => Err("is of a kind that is not known here (kty)".to_owned()),
    }
}

fn rsa(jwk: &Map<String, Json>, candidates: impl Iterator<Item = Algorithm>) -> Result<Parsed, String> {
    let (n, e) = (number(jwk, "n")?, number(jwk, "e")?);
    weak::refuse(&n, &e)?;
    let components = RsaPublicKeyComponents { n, e };
    let parse = |algorithm: Algorithm| {
        let parameters = algorithm.rsa()?;
        Some(components.to_parsed_public_key(parameters).map(|key| (algorithm, key)))
    };
    candidates.filter_map(parse).collect::<Result<_, _>>().map_err(|_| "is no RSA key".to_owned())
}

/// A point on a curve: two coordinates, or one for Edwards' curves.
fn curve(jwk: &Map<String, Json>, candidates: impl Iterator<Item = Algorithm>, has_y: bool) -> Result<Parsed, String> {
    let crv = jwk.get("crv").and_then(Json::as_str).unwrap_or_default();
    let mut parsed = Parsed::new();
    for algorithm in candidates {
        let Some((verification, size)) = algorithm.on_curve(crv) else { continue };
        if has_y == (algorithm == Algorithm::EdDsa) {
            continue;
        }
        let mut point = Vec::with_capacity(1 + 2 * size);
        if has_y {
            point.push(0x04);
            point.extend(coordinate(jwk, "x", size)?);
            point.extend(coordinate(jwk, "y", size)?);
        } else {
            point.extend(coordinate(jwk, "x", size)?);
        }
        let key = ParsedPublicKey::new(verification, &point).map_err(|_| "is no point on its curve".to_owned())?;
        parsed.push((algorithm, key));
    }
    Ok(parsed)
}

fn bytes(jwk: &Map<String, Json>, name: &str) -> Result<Vec<u8>, String> {
    let text = jwk.get(name).and_then(Json::as_str).ok_or_else(|| format!("has no {name}"))?;
    BASE64_URL_SAFE_NO_PAD.decode(text).map_err(|_| format!("has an {name} that is not base64url"))
}

/// A number without zeros before it; some issuers write one where the first bit is set.
fn number(jwk: &Map<String, Json>, name: &str) -> Result<Vec<u8>, String> {
    let bytes = bytes(jwk, name)?;
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    Ok(bytes[zeros..].to_vec())
}

fn coordinate(jwk: &Map<String, Json>, name: &str, size: usize) -> Result<Vec<u8>, String> {
    let bytes = bytes(jwk, name)?;
    if bytes.len() == size { Ok(bytes) } else { Err(format!("has an {name} of {} bytes, not {size}", bytes.len())) }
}
