//! How an API key is spelled: `otk_`, the 32 digits of its id, 43 characters of chance (256 bits), and a checksum of 6
//! over all of it.
//!
//! The prefix lets scanners find keys that were published by mistake, and the checksum spares them, and us, those that
//! only look like one.

use std::fmt;

use offtake_model::id::ApiKeyId;
use rand::distr::{Alphanumeric, SampleString};
use sha2::{Digest, Sha256};

const PREFIX: &str = "otk_";
const ID: usize = 32;
const SECRET: usize = 43;
const CHECKSUM: usize = 6;
const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// A secret that is shown once.
pub struct Once(pub String);

impl fmt::Debug for Once {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Once(redacted)")
    }
}

/// A new key with this id.
pub fn new(id: ApiKeyId) -> Once {
    let id = id.to_string();
    let digits = id.strip_prefix(ApiKeyId::PREFIX).unwrap_or_default();
    let body = format!("{PREFIX}{digits}{}", random());
    let checksum = checksum(&body);
    Once(body + &checksum)
}

/// 256 bits of chance, in letters and digits.
pub(crate) fn random() -> String {
    Alphanumeric.sample_string(&mut rand::rng(), SECRET)
}

/// Whether this claims to be a key. A JWT never does.
pub fn is_one(text: &str) -> bool {
    text.starts_with(PREFIX)
}

/// The id in a key; `None` for what is none.
pub fn id_in(text: &str) -> Option<ApiKeyId> {
    let sound = text.len() == PREFIX.len() + ID + SECRET + CHECKSUM && text.is_ascii();
    let (body, given) = sound.then(|| text.split_at(text.len() - CHECKSUM))?;
    let digits = body.strip_prefix(PREFIX)?.get(..ID)?;
    let id = format!("{}{digits}", ApiKeyId::PREFIX).parse().ok()?;
    (checksum(body) == given).then_some(id)
}

/// The first 32 bits of the SHA-256, in base 62.
fn checksum(body: &str) -> String {
    let hash: [u8; 32] = Sha256::digest(body.as_bytes()).into();
    let mut number = u32::from_be_bytes([hash[0], hash[1], hash[2], hash[3]]);
    let mut digits = [b'0'; CHECKSUM];
    for digit in digits.iter_mut().rev() {
        *digit = DIGITS[(number % 62) as usize];
        number /= 62;
    }
    digits.iter().copied().map(char::from).collect()
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    #[test]
    fn a_key_says_its_id_and_no_damaged_one_does() {
        let id = ApiKeyId::new(Timestamp::UNIX_EPOCH);
        let Once(key) = new(id);
        assert_eq!(id_in(&key), Some(id));
        assert_ne!(new(id).0, key);
        assert!(is_one(&key) && key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_'));
        for at in 0..key.len() {
            let mut damaged = key.clone().into_bytes();
            damaged[at] = if damaged[at] == b'a' { b'b' } else { b'a' };
            assert_eq!(id_in(&String::from_utf8(damaged).unwrap()), None, "character {at}");
        }
        for other in
            ["", "otk_", &key[..key.len() - 1], &format!("{key}0"), &key.replace("otk_", "xyz_"), &"é".repeat(42)]
        {
            assert_eq!(id_in(other), None, "{other}");
        }
        assert!(!format!("{:?}", new(id)).contains("otk_"));
    }

    #[test]
    fn a_checksum_has_one_width() {
        let widths: std::collections::BTreeSet<usize> = (0..500).map(|n| checksum(&n.to_string()).len()).collect();
        assert_eq!(widths.into_iter().collect::<Vec<_>>(), [CHECKSUM]);
    }
}
