//! Signed tokens in the compact form of RFC 7515, taken apart without believing anything they say.
//!
//! There is one way to write a token: three parts, base64url without padding, white space or bits to spare, a header
//! that is a JSON object with no member twice. Whatever else a header carries (`jku`, `jwk`, `x5u`, `x5c`) is the
//! word of whoever made the token and is not looked at.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::{Map, Value as Json};

use super::algorithm::Algorithm;
use super::json;

/// No honest token is longer.
pub(super) const MAX_TOKEN_BYTES: usize = 8 * 1024;
/// Nor is the name of a key.
const MAX_KID_BYTES: usize = 256;
/// What a token may say it is, in lower case and without `application/`: RFC 7519 §5.1, RFC 9068 §2.1.
const TYPES: [&str; 2] = ["jwt", "at+jwt"];
/// Members that change what the other members mean: extensions (RFC 7515 §4.1.11), payloads that are not encoded
/// (RFC 7797), encryption and compression (RFC 7516).
const NOT_UNDERSTOOD: [&str; 4] = ["crit", "b64", "enc", "zip"];

/// A token, taken apart.
#[derive(Debug)]
pub(super) struct Jws<'a> {
    /// What it says it is signed with.
    pub(super) algorithm: Algorithm,
    /// The key it names.
    pub(super) kid: Option<String>,
    /// What is signed: the first two parts as they were sent.
    pub(super) message: &'a [u8],
    /// The second part.
    pub(super) payload: Vec<u8>,
    /// The third part.
    pub(super) signature: Vec<u8>,
}

impl<'a> Jws<'a> {
    /// Takes `token` apart.
    ///
    /// # Errors
    /// What is wrong with it, for the log.
    pub(super) fn parse(token: &'a str) -> Result<Self, &'static str> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err("the token is too long");
        }
        let (message, signature) = token.rsplit_once('.').ok_or("the token has no three parts")?;
        let (header, payload) = message.split_once('.').ok_or("the token has no three parts")?;
        if payload.contains('.') {
            return Err("the token has more than three parts");
        }
        let header = decode(header)?;
        let header = json::object(&header).ok_or("the header is no JSON object, or has a member twice")?;
        if NOT_UNDERSTOOD.iter().any(|name| header.contains_key(*name)) {
            return Err("the header has a member that is not understood");
        }
        is_a_jwt(&header)?;
        Ok(Self {
            algorithm: algorithm(&header)?,
            kid: kid(&header)?,
            message: message.as_bytes(),
            payload: decode(payload)?,
            signature: decode(signature)?,
        })
    }
}

/// Base64url as RFC 7515 §2 has it; the engine refuses padding, other characters and spare bits that are not zero.
fn decode(part: &str) -> Result<Vec<u8>, &'static str> {
    BASE64_URL_SAFE_NO_PAD.decode(part).map_err(|_| "a part of the token is not base64url")
}

fn is_a_jwt(header: &Map<String, Json>) -> Result<(), &'static str> {
    let wrong = Err("the token is of another type");
    let Some(given) = header.get("typ") else { return Ok(()) };
    let Some(text) = given.as_str() else { return wrong };
    let lower = text.to_ascii_lowercase();
    let short = lower.strip_prefix("application/").unwrap_or(&lower);
    if TYPES.contains(&short) { Ok(()) } else { wrong }
}

fn algorithm(header: &Map<String, Json>) -> Result<Algorithm, &'static str> {
    let name = header.get("alg").and_then(Json::as_str).ok_or("the header names no algorithm")?;
    Algorithm::parse(name).ok_or("the header names an algorithm that is not supported")
}

fn kid(header: &Map<String, Json>) -> Result<Option<String>, &'static str> {
    match header.get("kid") {
        None => Ok(None),
        Some(Json::String(kid)) if is_name(kid) => Ok(Some(kid.clone())),
        Some(_) => Err("the header names a key in a way no key is named"),
    }
}

/// Whether a key may be called so.
pub(super) fn is_name(kid: &str) -> bool {
    !kid.is_empty() && kid.len() <= MAX_KID_BYTES && !kid.chars().any(char::is_control)
}
