//! Secrets at rest: what a row keeps so that only an installation with the right key reads it.
//!
//! Responsible for sealing and opening. Not responsible for where keys come from (the binary derives them from the token
//! secret), nor for what is sealed: webhooks keep what they sign with, destinations their credentials.

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use offtake_model::id::OrgId;
use offtake_model::{Error, ErrorKind, Result};
use sha2::{Digest, Sha256};

use crate::refusals::internal;

/// What sealed texts of this form begin with.
const FORM: &str = "s1";

/// Whose secret it is. A sealed text that is put into another row, or another organization's, cannot be opened there.
#[derive(Debug, Clone, Copy)]
pub struct Holder<'a> {
    /// The organization.
    pub org: &'a OrgId,
    /// The kind and id of the row: `whk_…`, `dst_…`.
    pub row: &'a str,
}

impl Holder<'_> {
    fn bytes(&self) -> Vec<u8> {
        // The length first, so that no two holders are written alike.
        let mut bytes = (self.org.as_str().len() as u64).to_be_bytes().to_vec();
        bytes.extend_from_slice(self.org.as_str().as_bytes());
        bytes.extend_from_slice(self.row.as_bytes());
        bytes
    }
}

/// A secret as a row keeps it: text that tells nothing without the key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sealed(String);

impl Sealed {
    /// What a row has kept.
    pub fn from_row(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// What a row is to keep.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A secret that was opened. Never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Opened(Vec<u8>);

impl Opened {
    /// The secret.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Opened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Opened(redacted)")
    }
}

/// Seals and opens: AES-256 in Galois/Counter mode, a random nonce for each secret. Seals with the current key, and opens
/// with that and those before it.
pub struct Sealer {
    current: Key,
    previous: Vec<Key>,
}

struct Key {
    name: String,
    cipher: RandomizedNonceKey,
}

impl Key {
    fn new(bytes: &[u8; 32]) -> Result<Self> {
        let cipher = RandomizedNonceKey::new(&AES_256_GCM, bytes).map_err(|_| internal("no cipher can be made"))?;
        let name = Sha256::new().chain_update(b"offtake name of a sealing key").chain_update(bytes).finalize();
        Ok(Self { name: hex::encode(&name[..6]), cipher })
    }
}

impl Sealer {
    /// Seals with `current`; what was sealed with one of `previous` can still be opened.
    ///
    /// # Errors
    /// `internal` if there is no cipher.
    pub fn new(current: &[u8; 32], previous: &[[u8; 32]]) -> Result<Self> {
        let previous = previous.iter().map(Key::new).collect::<Result<_>>()?;
        Ok(Self { current: Key::new(current)?, previous })
    }

    /// Seals a secret for the row that will hold it.
    ///
    /// # Errors
    /// `internal` if the cipher fails.
    pub fn seal(&self, holder: Holder<'_>, secret: &[u8]) -> Result<Sealed> {
        let mut text = secret.to_vec();
        let nonce = self
            .current
            .cipher
            .seal_in_place_append_tag(Aad::from(holder.bytes()), &mut text)
            .map_err(|_| internal("a secret cannot be sealed"))?;
        let mut bytes = nonce.as_ref().to_vec();
        bytes.append(&mut text);
        Ok(Sealed(format!("{FORM}.{}.{}", self.current.name, URL_SAFE_NO_PAD.encode(bytes))))
    }

    /// Opens what a row holds.
    ///
    /// # Errors
    /// `internal`, openly, if it was sealed with a key that is not here, for another row, or was changed.
    pub fn open(&self, holder: Holder<'_>, sealed: &Sealed) -> Result<Opened> {
        let unreadable = |why: &str| {
            let detail = format!("a secret of {} cannot be opened: {why}", holder.row);
            Error::new(ErrorKind::Internal, detail).openly()
        };
        let (key, bytes) = parts(sealed).ok_or_else(|| unreadable("it is of no form that is known"))?;
        let mut keys = std::iter::once(&self.current).chain(&self.previous);
        let key = keys.find(|known| known.name == key).ok_or_else(|| {
            unreadable("it was sealed under another token secret; put that into token.previous_secrets, or renew it")
        })?;
        let mut bytes = bytes;
        let damaged = || unreadable("it is not as it was sealed, or was sealed for something else");
        let (nonce, text) = bytes.split_at_mut_checked(NONCE_LEN).ok_or_else(damaged)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| damaged())?;
        let opened = key.cipher.open_in_place(nonce, Aad::from(holder.bytes()), text).map_err(|_| damaged())?;
        Ok(Opened(opened.to_vec()))
    }

    /// Whether it was sealed with the current key. What was not wants to be sealed anew while the old key is still here.
    pub fn is_current(&self, sealed: &Sealed) -> bool {
        parts(sealed).is_some_and(|(key, _)| key == self.current.name)
    }
}

/// The name of the key and the bytes: nonce, text, tag.
fn parts(sealed: &Sealed) -> Option<(&str, Vec<u8>)> {
    let (key, bytes) = sealed.0.strip_prefix(FORM)?.strip_prefix('.')?.split_once('.')?;
    Some((key, URL_SAFE_NO_PAD.decode(bytes).ok()?))
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sealer").field("current", &self.current.name).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: [u8; 32] = [7; 32];
    const OLD: [u8; 32] = [8; 32];

    fn acme() -> OrgId {
        OrgId::new("acme").unwrap()
    }

    #[test]
    fn a_secret_comes_back_for_its_row_alone() {
        let (acme, other) = (acme(), OrgId::new("acm").unwrap());
        let sealer = Sealer::new(&KEY, &[]).unwrap();
        let holder = Holder { org: &acme, row: "whk_1" };
        let sealed = sealer.seal(holder, b"hunter2").unwrap();
        assert_eq!(sealer.open(holder, &sealed).unwrap().expose(), b"hunter2");
        assert!(!sealed.as_str().contains("hunter2"));
        assert_ne!(sealer.seal(holder, b"hunter2").unwrap(), sealed, "the nonce is new each time");
        for elsewhere in [Holder { org: &acme, row: "whk_2" }, Holder { org: &other, row: "ewhk_1" }] {
            assert!(sealer.open(elsewhere, &sealed).is_err(), "{elsewhere:?}");
        }
    }

    #[test]
    fn what_was_changed_is_not_opened() {
        let acme = acme();
        let sealer = Sealer::new(&KEY, &[]).unwrap();
        let holder = Holder { org: &acme, row: "whk_1" };
        let sealed = sealer.seal(holder, b"hunter2").unwrap();
        let mut damaged = vec![String::new(), "s1".into(), "s1.x".into(), sealed.as_str()[..20].to_owned()];
        let start = sealed.as_str().rfind('.').unwrap() + 1;
        for at in start..sealed.as_str().len() - 1 {
            let mut text = sealed.as_str().as_bytes().to_vec();
            text[at] = if text[at] == b'A' { b'B' } else { b'A' };
            damaged.push(String::from_utf8(text).unwrap());
        }
        for text in damaged {
            assert!(sealer.open(holder, &Sealed::from_row(text.clone())).is_err(), "{text}");
        }
    }

    #[test]
    fn a_key_that_was_replaced_still_opens() {
        let acme = acme();
        let holder = Holder { org: &acme, row: "dst_1" };
        let before = Sealer::new(&OLD, &[]).unwrap();
        let sealed = before.seal(holder, b"hunter2").unwrap();
        let after = Sealer::new(&KEY, &[OLD]).unwrap();
        assert_eq!(after.open(holder, &sealed).unwrap().expose(), b"hunter2");
        assert!(before.is_current(&sealed) && !after.is_current(&sealed));
        let error = Sealer::new(&KEY, &[]).unwrap().open(holder, &sealed).unwrap_err();
        assert!(error.detail().contains("token.previous_secrets"), "{error}");
        assert!(!format!("{after:?} {:?}", after.open(holder, &sealed).unwrap()).contains("hunter2"));
    }
}
