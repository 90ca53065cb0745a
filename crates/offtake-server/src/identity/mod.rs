//! Who bears a token: secrets, tokens of our own, tokens of other issuers, and the keys they are verified with.
//!
//! A token is judged in this order, and nothing it says counts before the step that makes it count:
//!
//! 1. [`jws`] takes it apart; there is one way to write it.
//! 2. Its `iss` chooses the issuer, exactly. The issuer decides which algorithms there are, not the token.
//! 3. One of that issuer's keys, bound to that algorithm, verifies the signature ([`keys`]). Keys that are fetched are
//!    fetched by a task of their own ([`ring`]); a request waits for it only if it needs a key nobody has seen.
//! 4. The [`claims`] are of their shape, for us, and for now.
//!
//! Not responsible for what a principal may do (that is `auth`), nor for where secrets lie. See RFC 8725.

mod algorithm;
mod cache_control;
mod claims;
mod fetch;
mod issuers;
mod json;
mod jwk;
mod jws;
mod keys;
mod mint;
mod ring;
mod secret;
mod shape;
#[cfg(test)]
mod tests;
mod verifier;
mod weak;

pub use algorithm::Algorithm;
pub use claims::ClaimNames;
pub use issuers::{Freshness, IssuerSettings, IssuerState, Issuers, KeySource};
pub use mint::mint;
pub use secret::{KeyId, Previous, Secret, Secrets};
pub use verifier::Verifier;

pub(crate) use secret::{DerivedKeys, mac};

/// What our own tokens say in `iss` and `aud`. No other issuer may be called so.
pub const OFFTAKE: &str = "offtake";
