//! Keys of objects: text that is safe as a path and as a name in a bucket.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// The longest a part of a key gets. File systems end at 255 bytes, and a suffix must still fit.
const MAX_PART: usize = 160;

/// Where an object lies, relative to the store: `org/job/attempt/file`, `/`-separated, without `.`/`..` parts.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ObjectKey(String);

impl ObjectKey {
    /// A key from parts. Bytes other than ASCII letters, digits, `-`, `_` and `.` become `%XX`, as does a
    /// leading dot, so no part can leave its folder. What would be too long for a file system is shortened and
    /// told apart by a digest.
    pub fn from_parts<'a>(parts: impl IntoIterator<Item = &'a str>) -> Self {
        let escaped: Vec<String> = parts.into_iter().map(|part| shorten(part, escape(part))).collect();
        Self(escaped.join("/"))
    }

    /// The key with this text, if it is one: what a database or a folder says is not taken on trust.
    pub fn parse(text: &str) -> Option<Self> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'%');
        let sound = |part: &str| !part.is_empty() && !part.starts_with('.') && part.bytes().all(plain);
        text.split('/').all(sound).then(|| Self(text.to_owned()))
    }

    /// The key as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The key of an object that belongs to this one: `key` + `.` + `suffix`.
    #[must_use]
    pub fn beside(&self, suffix: &str) -> Self {
        Self(format!("{}.{}", self.0, escape(suffix)))
    }
}

impl fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn escape(part: &str) -> String {
    let mut out = String::with_capacity(part.len());
    for (at, byte) in part.bytes().enumerate() {
        let plain = byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_') || (byte == b'.' && at > 0);
        if plain { out.push(char::from(byte)) } else { out.push_str(&format!("%{byte:02X}")) }
    }
    // No other part gives this: `%` is always followed by two digits.
    if out.is_empty() { "%".to_owned() } else { out }
}

fn shorten(part: &str, escaped: String) -> String {
    if escaped.len() <= MAX_PART {
        return escaped;
    }
    let digest = hex::encode(Sha256::digest(part));
    let room = MAX_PART - 33;
    // Escaped text is ASCII, and the extension is worth keeping.
    let (head, tail) = (&escaped[..room - 16], &escaped[escaped.len() - 16..]);
    format!("{head}-{}-{tail}", &digest[..31])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn parts_cannot_leave_their_folder() {
        let key = ObjectKey::from_parts(["..", ".hidden", "a/b", "", "Füße.csv"]);
        assert_eq!(key.as_str(), "%2E./%2Ehidden/a%2Fb/%/F%C3%BC%C3%9Fe.csv");
        assert_eq!(key.beside("receipt.json").as_str(), format!("{key}.receipt.json"));
    }

    #[test]
    fn long_parts_stay_apart_and_keep_their_extension() {
        let long = |last: &str| format!("{}{last}.csv.gz", "出".repeat(80));
        let (one, other) = (ObjectKey::from_parts([long("一").as_str()]), ObjectKey::from_parts([long("二").as_str()]));
        assert_ne!(one, other);
        assert!(one.as_str().len() <= MAX_PART, "{one}");
        assert!(one.as_str().ends_with(".csv.gz"), "{one}");
    }

    #[test]
    fn text_that_is_no_key_is_refused() {
        for text in ["", "/", "a//b", "/etc/passwd", "a/../b", "a/.b", "a b", "a\\b", "a/\0", "ü"] {
            assert_eq!(ObjectKey::parse(text), None, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn every_key_made_is_a_key_read(parts in proptest::collection::vec(".{0,300}", 1..5)) {
            let key = ObjectKey::from_parts(parts.iter().map(String::as_str));
            prop_assert_eq!(ObjectKey::parse(key.as_str()), Some(key));
        }

        #[test]
        fn different_parts_make_different_keys(a in ".{0,200}", b in ".{0,200}") {
            prop_assume!(a != b);
            prop_assert_ne!(ObjectKey::from_parts([a.as_str()]), ObjectKey::from_parts([b.as_str()]));
        }
    }
}
