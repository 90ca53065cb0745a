//! What messages to an endpoint are signed with, as Standard Webhooks 1.0 has it.

use std::fmt;

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use offtake_model::Result;
use offtake_model::webhook::SigningScheme;
use sha2::Sha256;

use crate::refusals::internal;
use crate::sealed::{Holder, Opened, Sealed, Sealer};

/// Bytes of a secret; of Ed25519 it is the seed.
const BYTES: usize = 32;

/// A key. Never printed.
pub struct SigningKey {
    bytes: Vec<u8>,
    pair: Option<Ed25519KeyPair>,
}

/// A new key as a row keeps it.
#[derive(Debug, Clone)]
pub struct SealedKey {
    /// Which scheme.
    pub scheme: SigningScheme,
    /// The key.
    pub sealed: Sealed,
    /// What those verify with who need no secret.
    pub public_key: Option<String>,
}

impl SigningKey {
    /// A new random key.
    ///
    /// # Errors
    /// `internal` if none can be made.
    pub fn generate(scheme: SigningScheme) -> Result<Self> {
        Self::of(scheme, rand::random::<[u8; BYTES]>().to_vec())
    }

    /// A key that was kept.
    ///
    /// # Errors
    /// `internal` if it is none of this scheme.
    pub fn open(scheme: SigningScheme, kept: &Opened) -> Result<Self> {
        Self::of(scheme, kept.expose().to_vec())
    }

    fn of(scheme: SigningScheme, bytes: Vec<u8>) -> Result<Self> {
        let pair = match scheme {
            SigningScheme::Hmac => None,
            SigningScheme::Ed25519 => {
                let pair = Ed25519KeyPair::from_seed_unchecked(&bytes);
                Some(pair.map_err(|_| internal("a signing key of a webhook is no Ed25519 key"))?)
            }
        };
        Ok(Self { bytes, pair })
    }

    /// As a row is to keep it.
    ///
    /// # Errors
    /// `internal` if it cannot be sealed.
    pub fn seal(&self, sealer: &Sealer, holder: Holder<'_>) -> Result<SealedKey> {
        let scheme = if self.pair.is_some() { SigningScheme::Ed25519 } else { SigningScheme::Hmac };
        Ok(SealedKey { scheme, sealed: sealer.seal(holder, &self.bytes)?, public_key: self.public_key() })
    }

    /// The secret whoever verifies needs, `whsec_…`, to be shown once; `None` if it needs none.
    pub fn secret(&self) -> Option<String> {
        self.pair.is_none().then(|| format!("whsec_{}", STANDARD.encode(&self.bytes)))
    }

    /// The key by which anybody verifies: `whpk_…`.
    pub fn public_key(&self) -> Option<String> {
        let pair = self.pair.as_ref()?;
        Some(format!("whpk_{}", STANDARD.encode(pair.public_key().as_ref())))
    }

    /// The signature of a message, with its version.
    pub fn sign(&self, id: &str, timestamp: i64, body: &[u8]) -> String {
        let mut message = format!("{id}.{timestamp}.").into_bytes();
        message.extend_from_slice(body);
        match &self.pair {
            Some(pair) => format!("v1a,{}", STANDARD.encode(pair.sign(&message))),
            None => format!("v1,{}", STANDARD.encode(hmac(&self.bytes, &message))),
        }
    }
}

fn hmac(key: &[u8], message: &[u8]) -> [u8; 32] {
    // HMAC takes keys of any length; the branch cannot be reached and would only weaken to an unused key.
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap_or_else(|_| Hmac::<Sha256>::new(&Default::default()));
    mac.update(message);
    mac.finalize().into_bytes().into()
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningKey(redacted)")
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;
    use offtake_model::id::OrgId;

    use offtake_model::clock::Clock as _;

    use super::*;

    fn key(scheme: SigningScheme, text: &str) -> SigningKey {
        SigningKey::of(scheme, STANDARD.decode(text).unwrap()).unwrap()
    }

    const ID: &str = "msg_p5jXN8AQM9LWM0D4loKWxJek";
    const AT: i64 = 1_614_265_330;
    const BODY: &[u8] = br#"{"test": 2432232314}"#;

    /// The vectors of the specification's own libraries.
    #[test]
    fn the_published_vectors_come_out() {
        let hmac = key(SigningScheme::Hmac, "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
        assert_eq!(hmac.sign(ID, AT, BODY), "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
        let pair = key(SigningScheme::Ed25519, "VEVTVFNJR05JTkdLRVlET05PVFVTRVRISVNGT1JBTlk=");
        assert_eq!(
            pair.sign(ID, AT, BODY),
            "v1a,tQ9V2XOqn7jL/DQenEFpqIugdBVtiMmER5mhSkXBNwM0mkATuDe6KYYUuxqtaiHeYGb7KaaBRdM5WqyeFiL8Ag=="
        );
    }

    #[test]
    fn the_published_crate_takes_our_secrets_and_signatures() {
        let key = SigningKey::generate(SigningScheme::Hmac).unwrap();
        let verifier = standardwebhooks::Webhook::new(&key.secret().unwrap()).unwrap();
        let verify = |at: i64, body: &[u8]| {
            let mut headers = HeaderMap::new();
            headers.insert("webhook-id", ID.parse().unwrap());
            headers.insert("webhook-timestamp", at.to_string().parse().unwrap());
            headers.insert("webhook-signature", key.sign(ID, at, BODY).parse().unwrap());
            verifier.verify(body, &headers)
        };
        let now = offtake_model::clock::SystemClock.now().as_second();
        verify(now, BODY).unwrap();
        verify(now - 290, BODY).unwrap();
        assert!(verify(now, b"{}").is_err(), "another body");
        assert!(verify(now - 310, BODY).is_err() && verify(now + 310, BODY).is_err(), "five minutes are tolerated");
    }

    #[test]
    fn a_public_key_verifies() {
        use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
        let key = SigningKey::generate(SigningScheme::Ed25519).unwrap();
        assert_eq!(key.secret(), None);
        let public = STANDARD.decode(key.public_key().unwrap().strip_prefix("whpk_").unwrap()).unwrap();
        let signature = STANDARD.decode(key.sign("ntf_1", AT, BODY).strip_prefix("v1a,").unwrap()).unwrap();
        let message = [b"ntf_1.1614265330.", BODY].concat();
        UnparsedPublicKey::new(&ED25519, public).verify(&message, &signature).unwrap();
    }

    #[test]
    fn a_kept_key_signs_as_before() {
        let org = OrgId::new("acme").unwrap();
        let holder = Holder { org: &org, row: "whk_1" };
        let sealer = Sealer::new(&[1; 32], &[]).unwrap();
        for scheme in SigningScheme::ALL {
            let key = SigningKey::generate(scheme).unwrap();
            let kept = key.seal(&sealer, holder).unwrap();
            let again = SigningKey::open(kept.scheme, &sealer.open(holder, &kept.sealed).unwrap()).unwrap();
            assert_eq!(again.sign(ID, AT, BODY), key.sign(ID, AT, BODY));
            assert_eq!((again.public_key(), kept.public_key), (key.public_key(), key.public_key()));
            assert_eq!(format!("{key:?}"), "SigningKey(redacted)");
        }
    }
}
