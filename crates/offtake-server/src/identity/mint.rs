//! Tokens of our own: HS256 with the installation's secret, `iss` and `aud` "offtake".

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use hmac::Mac;
use jiff::{SignedDuration, Timestamp};
use offtake_model::principal::Principal;
use offtake_model::{Error, ErrorKind, Result};
use serde::Serialize;

use super::OFFTAKE;
use super::secret::{Secret, mac};
use super::shape;

#[derive(Serialize)]
struct Header {
    typ: &'static str,
    alg: &'static str,
    kid: String,
}

#[derive(Serialize)]
struct Claims<'a> {
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
/// `invalid_request` if `ttl` is not positive, or if a name is one that no token may carry.
pub fn mint(secret: &Secret, principal: &Principal, ttl: SignedDuration, now: Timestamp) -> Result<String> {
    let refuse = |detail: &str| Err(Error::new(ErrorKind::InvalidRequest, detail));
    if ttl.as_secs() < 1 {
        return refuse("a token lives for at least one second");
    }
    let names = [Some(principal.sub.as_str()), Some(principal.org.as_str()), principal.email.as_deref()];
    if !names.into_iter().flatten().all(shape::is_sound) {
        return refuse(
            "names in a token have 1 to 320 bytes, no control characters, no invisible ones and no white space around",
        );
    }
    let from = now.as_second();
    let claims = Claims {
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
    let header = Header { typ: "JWT", alg: "HS256", kid: secret.key_id().to_string() };
    let message = format!("{}.{}", part(&header)?, part(&claims)?);
    let signature = mac(secret.reveal().as_bytes(), &[message.as_bytes()]).finalize().into_bytes();
    Ok(format!("{message}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature)))
}

fn part(value: &impl Serialize) -> Result<String> {
    let json = serde_json::to_vec(value)
        .map_err(|error| Error::new(ErrorKind::Internal, "a token could not be written").caused_by(error))?;
    Ok(BASE64_URL_SAFE_NO_PAD.encode(json))
}
