//! Tokens as somebody makes them who knows the secret.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::Value as Json;
use sha2::Sha256;

/// `token` with its claims changed, signed again with `secret` (HS256).
///
/// # Panics
/// If it is no token.
pub fn resigned(token: &str, secret: &str, change: impl FnOnce(&mut Json)) -> String {
    let mut parts = token.split('.');
    let (Some(header), Some(claims)) = (parts.next(), parts.next()) else { panic!("this is no token") };
    let mut claims: Json =
        serde_json::from_slice(&BASE64.decode(claims).expect("claims are base64")).expect("claims are JSON");
    change(&mut claims);
    let signed = format!("{header}.{}", BASE64.encode(claims.to_string()));
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("a key of any length");
    mac.update(signed.as_bytes());
    format!("{signed}.{}", BASE64.encode(mac.finalize().into_bytes()))
}
