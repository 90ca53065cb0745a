//! Secrets: what our own tokens and links are signed with, and what an issuer without public keys signs with.
//!
//! Responsible for judging their strength, for keys derived from them, and for which of several still count while one
//! is replaced by another. Where they lie is the binary's business.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use offtake_model::{Error, ErrorKind, Result};
use offtake_pipeline::HashKey;
use offtake_store::{OneTimeKey, OneTimeKeys};
use sha2::Sha256;

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

    /// Names the secret without telling anything about it: what was signed says by this which secret to ask.
    pub fn key_id(&self) -> KeyId {
        let [a, b, c, d, e, f, g, h, ..] = self.derive("offtake key id v1");
        KeyId([a, b, c, d, e, f, g, h])
    }

    /// The key that sensitive columns are hashed by: another secret, other hashes.
    pub fn hash_key(&self) -> HashKey {
        HashKey::new(self.derive("offtake hash v1"))
    }

    /// The key that secrets in the database are sealed with.
    pub fn seal_key(&self) -> [u8; 32] {
        self.derive("offtake sealed v1")
    }

    /// A key for another purpose, so that nothing signed for one can be used for the other.
    pub(crate) fn derive(&self, purpose: &str) -> [u8; 32] {
        mac(self.0.as_bytes(), &[purpose.as_bytes()]).finalize().into_bytes().into()
    }
}

/// The name of a secret: the first bytes of a key derived from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct KeyId([u8; 8]);

impl KeyId {
    /// The bytes.
    pub const fn bytes(self) -> [u8; 8] {
        self.0
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

/// A secret that was replaced.
#[derive(Debug, Clone)]
pub struct Previous {
    /// The secret.
    pub secret: Secret,
    /// From when on nothing signed with it counts.
    pub until: Timestamp,
}

/// The secrets of an installation: one signs, all verify.
#[derive(Debug, Clone)]
pub struct Secrets {
    /// What is signed with.
    pub current: Secret,
    /// Those before it, whose tokens and links still count for a while.
    pub previous: Vec<Previous>,
}

impl From<Secret> for Secrets {
    fn from(current: Secret) -> Self {
        Self { current, previous: Vec::new() }
    }
}

impl Secrets {
    /// The keys that one-time tokens are signed with.
    pub fn one_time_keys(&self) -> OneTimeKeys {
        let key = |secret: &Secret, until| {
            let id = secret.derive("offtake one-time token key id v1");
            OneTimeKey::new(secret.derive("offtake one-time token v1"), id, until)
        };
        let previous = self.previous.iter().map(|old| key(&old.secret, Some(old.until))).collect();
        OneTimeKeys::new(key(&self.current, None), previous)
    }

    /// The keys for another purpose, one of each secret.
    pub(crate) fn derive(&self, purpose: &str) -> DerivedKeys {
        let key = |secret: &Secret, until| DerivedKey { id: secret.key_id(), bytes: secret.derive(purpose), until };
        let previous = self.previous.iter().map(|old| key(&old.secret, Some(old.until))).collect();
        DerivedKeys { current: key(&self.current, None), previous }
    }
}

/// A key derived from a secret for one purpose.
#[derive(Clone)]
pub(crate) struct DerivedKey {
    /// Which secret it comes from.
    pub(crate) id: KeyId,
    /// The key.
    pub(crate) bytes: [u8; 32],
    until: Option<Timestamp>,
}

impl fmt::Debug for DerivedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DerivedKey").field("id", &self.id).field("until", &self.until).finish_non_exhaustive()
    }
}

/// The keys of all secrets for one purpose.
#[derive(Debug, Clone)]
pub(crate) struct DerivedKeys {
    current: DerivedKey,
    previous: Vec<DerivedKey>,
}

impl DerivedKeys {
    /// The one to sign with.
    pub(crate) const fn current(&self) -> &DerivedKey {
        &self.current
    }

    /// Those that what was signed may be checked with, the current one first.
    pub(crate) fn in_force(&self, now: Timestamp) -> impl Iterator<Item = &DerivedKey> {
        let in_force = move |key: &&DerivedKey| key.until.is_none_or(|until| now < until);
        std::iter::once(&self.current).chain(self.previous.iter().filter(in_force))
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
