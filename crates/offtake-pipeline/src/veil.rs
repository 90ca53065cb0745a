//! Cells that are not shown as they are: masked, hashed or redacted.
//!
//! Pure: equal cells become equal ones, in every batch, file and answer of an organization. Called by [`crate::shape`].

use std::fmt;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, StringBuilder, new_null_array};
use arrow::datatypes::DataType;
use hmac::{Hmac, KeyInit, Mac};
use offtake_model::Result;
use offtake_model::dataset::ColumnType;
use offtake_model::id::OrgId;
use offtake_model::json_path::{JsonPaths, Step};
use offtake_model::sensitive::MASKED;
use sha2::Sha256;

use crate::encode::plain;
use crate::redact;

/// Hex digits of a hash.
const DIGITS: usize = 64;

/// What an installation hashes by. Never printed.
#[derive(Clone)]
pub struct HashKey([u8; 32]);

impl HashKey {
    /// The key of an installation.
    pub const fn new(key: [u8; 32]) -> Self {
        Self(key)
    }

    /// What hashes the values of one organization. Another organization's hashes cannot be compared with these.
    pub fn hasher(&self, org: &OrgId) -> Hasher {
        let mut mac = keyed(&self.0);
        mac.update(org.as_str().as_bytes());
        Hasher(keyed(&mac.finalize().into_bytes()))
    }
}

impl fmt::Debug for HashKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HashKey(redacted)")
    }
}

fn keyed(key: &[u8]) -> Hmac<Sha256> {
    // HMAC takes keys of any length; the branch cannot be reached and would only weaken to an unused key.
    Hmac::<Sha256>::new_from_slice(key).unwrap_or_else(|_| Hmac::<Sha256>::new(&Default::default()))
}

/// Hashes the values of one organization: HMAC-SHA-256 of their exact text, in hex.
#[derive(Clone)]
pub struct Hasher(Hmac<Sha256>);

impl fmt::Debug for Hasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hasher(redacted)")
    }
}

impl Hasher {
    /// The hash of a value.
    pub fn hash(&self, text: &[u8]) -> String {
        let mut mac = self.0.clone();
        mac.update(text);
        hex::encode(mac.finalize().into_bytes())
    }

    /// Tells hashers apart, and nothing about their key.
    pub(crate) fn fingerprint(&self) -> String {
        let mut mac = self.0.clone();
        mac.update(b"\0offtake fingerprint");
        hex::encode(&mac.finalize().into_bytes()[..8])
    }
}

/// Every text that is there becomes the same one. What is of another type becomes NULL: any other value of the type
/// could be taken for a genuine one.
pub(crate) fn mask(array: &ArrayRef, ty: ColumnType) -> ArrayRef {
    let Some(texts) = array.as_string_opt::<i32>().filter(|_| ty == ColumnType::Text) else {
        return new_null_array(array.data_type(), array.len());
    };
    let mut masked = StringBuilder::with_capacity(texts.len(), texts.len() * MASKED.len());
    for text in texts {
        masked.append_option(text.map(|_| MASKED));
    }
    Arc::new(masked.finish())
}

/// Every value that is there becomes its hash, which is a text.
pub(crate) fn hash(array: &ArrayRef, ty: ColumnType, hasher: &Hasher) -> Result<ArrayRef> {
    let mut hashed = StringBuilder::with_capacity(array.len(), array.len() * DIGITS);
    plain::texts(array.as_ref(), ty, |text| hashed.append_option(text.map(|text| hasher.hash(text))))?;
    Ok(Arc::new(hashed.finish()))
}

/// What is at these places of the documents is masked; with it, in how many documents there was something. What is no
/// document is masked whole.
pub(crate) fn redact(array: &ArrayRef, ty: ColumnType, paths: &JsonPaths) -> (ArrayRef, u64) {
    let paths: Vec<&[Step]> = paths.iter().map(|path| path.steps()).collect();
    let Some(documents) = array.as_string_opt::<i32>().filter(|_| ty == ColumnType::Json) else {
        return (mask(array, ty), (array.len() - array.null_count()) as u64);
    };
    let mut redacted = StringBuilder::with_capacity(documents.len(), redact::GROWTH * bytes_of(array));
    let (mut text, mut cells) = (String::new(), 0);
    for document in documents {
        text.clear();
        match document.map(|document| redact::redact(document, &paths, &mut text)) {
            None => redacted.append_null(),
            Some(Some(values)) => {
                cells += u64::from(values > 0);
                redacted.append_value(&text);
            }
            Some(None) => {
                cells += 1;
                redacted.append_null();
            }
        }
    }
    (Arc::new(redacted.finish()), cells)
}

/// The bytes that redacting these documents takes at most.
pub(crate) fn room_to_redact(array: &ArrayRef) -> u64 {
    // The new ones, and the longest once more while it is written.
    (2 * redact::GROWTH * bytes_of(array) + array.len() * size_of::<i64>()) as u64
}

/// The bytes of the texts of an array, which may be a part of a larger one.
fn bytes_of(array: &ArrayRef) -> usize {
    array.as_string_opt::<i32>().map_or(0, |texts| {
        let offsets = texts.value_offsets();
        let ends = offsets.first().zip(offsets.last());
        ends.map_or(0, |(first, last)| usize::try_from(last - first).unwrap_or(0))
    })
}

/// The bytes that so many masked or hashed cells take at most.
pub(crate) fn room(ty: &DataType, rows: usize) -> u64 {
    let cell = if *ty == DataType::Utf8 { DIGITS + size_of::<i32>() } else { size_of::<i128>() };
    (rows * (cell + 1)) as u64
}

#[cfg(test)]
mod tests {
    use arrow::array::{Int64Array, StringArray};

    use super::*;

    fn hasher(org: &str) -> Hasher {
        HashKey::new([7; 32]).hasher(&OrgId::new(org).unwrap())
    }

    /// Stays so for ever: files of today and of next year are joined by it.
    #[test]
    fn a_hash_is_what_it_was() {
        let known = hasher("acme").hash(b"ada@example.org");
        assert_eq!(known, "fcbad69668a29980af01c99f85a4ccff9fbf708023763d068225d7871216ef51");
        assert_ne!(hasher("other").hash(b"ada@example.org"), known);
        assert_ne!(HashKey::new([8; 32]).hasher(&OrgId::new("acme").unwrap()).hash(b"ada@example.org"), known);
        assert_eq!(format!("{:?} {:?}", HashKey::new([7; 32]), hasher("acme")), "HashKey(redacted) Hasher(redacted)");
    }

    #[test]
    fn equal_values_have_equal_hashes_whatever_their_type() {
        let ints: ArrayRef = Arc::new(Int64Array::from(vec![Some(42), None, Some(42)]));
        let texts: ArrayRef = Arc::new(StringArray::from(vec![Some("42"), Some(""), Some("43")]));
        let ints = hash(&ints, ColumnType::Int64, &hasher("acme")).unwrap();
        let texts = hash(&texts, ColumnType::Text, &hasher("acme")).unwrap();
        let (ints, texts) = (ints.as_string::<i32>(), texts.as_string::<i32>());
        assert!(ints.is_null(1) && ints.value(0) == ints.value(2) && ints.value(0) == texts.value(0));
        assert!(texts.value(1).len() == DIGITS && texts.value(2) != texts.value(0), "an empty text is a value");
        assert!(ints.get_array_memory_size() as u64 <= room(&DataType::Utf8, 3) + 200);
    }
}
