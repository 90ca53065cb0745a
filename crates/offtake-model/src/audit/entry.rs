//! An entry as it is kept, and its hash.

use jiff::Timestamp;
use sha2::{Digest, Sha256};

use super::{Act, Deed, Head};
use crate::id::OrgId;

/// What every hash begins with, so that no other text of ours has one that could be taken for it.
const DOMAIN: &[u8] = b"offtake audit entry 1";

/// An entry as it is kept.
///
/// Words are kept as words and not as the types they were made of: an entry that a newer Offtake wrote can be read and
/// checked, and one that somebody tampered with can be named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditEntry {
    /// Whose chain it is in.
    pub org: OrgId,
    /// Its place there, from 1.
    pub number: u64,
    /// When, by the database's clock, in microseconds since the epoch.
    pub at: i64,
    /// Who: a `sub`, or the name of a user of the machine.
    pub actor: String,
    /// How the actor came: [`Via`](super::Via).
    pub via: String,
    /// What was done: [`Action`](super::Action).
    pub action: String,
    /// What to: [`ObjectKind`](super::ObjectKind).
    pub object_kind: String,
    /// Which one.
    pub object_id: String,
    /// How it went: [`Outcome`](super::Outcome).
    pub outcome: String,
    /// From which address.
    pub address: Option<String>,
    /// With which program, as that called itself.
    pub user_agent: Option<String>,
    /// In which request.
    pub request_id: Option<String>,
    /// More about it: a JSON object, as text, because the hash is of the text.
    pub detail: String,
    /// The hash of the entry before; zeros before the first.
    pub previous: String,
    /// The hash of this entry, in lower-case hex.
    pub hash: String,
}

impl AuditEntry {
    /// The entry that follows `head`.
    pub fn after(head: &Head, at: i64, act: &Act, deed: &Deed) -> Self {
        let mut entry = Self {
            org: head.org.clone(),
            number: head.number + 1,
            at,
            actor: act.actor.clone(),
            via: act.via.name().to_owned(),
            action: deed.action.name().to_owned(),
            object_kind: deed.kind.name().to_owned(),
            object_id: deed.id.clone(),
            outcome: deed.outcome.name().to_owned(),
            address: act.address.map(|address| address.to_string()),
            user_agent: act.agent.clone(),
            request_id: act.request_id.clone(),
            detail: serde_json::Value::Object(deed.detail.clone()).to_string(),
            previous: head.hash.clone(),
            hash: String::new(),
        };
        entry.hash = entry.digest();
        entry
    }

    /// When, if that is a moment at all.
    pub fn moment(&self) -> Option<Timestamp> {
        Timestamp::from_microsecond(self.at).ok()
    }

    /// What the hash must be: SHA-256 of the domain and every field before it.
    ///
    /// A field is a byte that says whether it is there, then its length as eight bytes, then its bytes; numbers are
    /// eight bytes. All lengths and numbers begin with the highest byte. No two entries have one serialisation.
    pub fn digest(&self) -> String {
        let mut hash = Sha256::new();
        let mut put = |field: Option<&[u8]>| {
            hash.update([u8::from(field.is_some())]);
            if let Some(bytes) = field {
                hash.update((bytes.len() as u64).to_be_bytes());
                hash.update(bytes);
            }
        };
        put(Some(DOMAIN));
        put(Some(self.org.as_str().as_bytes()));
        put(Some(&self.number.to_be_bytes()));
        put(Some(&self.at.to_be_bytes()));
        for text in [&self.actor, &self.via, &self.action, &self.object_kind, &self.object_id, &self.outcome] {
            put(Some(text.as_bytes()));
        }
        for text in [&self.address, &self.user_agent, &self.request_id] {
            put(text.as_deref().map(str::as_bytes));
        }
        put(Some(self.detail.as_bytes()));
        put(Some(self.previous.as_bytes()));
        hex::encode(hash.finalize())
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Action, ObjectKind, Via};
    use super::*;

    fn entry() -> AuditEntry {
        let head = Head::none(OrgId::new("acme").unwrap());
        let act = Act::by("ada", Via::Token).from_address("192.0.2.1".parse().ok()).with_request("req-1");
        let deed = Deed::done(Action::ExportCreate, ObjectKind::Job, "job_1").with("dataset", "spans");
        AuditEntry::after(&head, 1_795_000_000_000_000, &act, &deed)
    }

    /// Whoever checks a chain with a program of his own needs this to stay as it is.
    #[test]
    fn the_hash_is_of_the_documented_bytes() {
        let entry = entry();
        let mut bytes = Vec::new();
        let mut put = |field: &[u8]| {
            bytes.push(1);
            bytes.extend((field.len() as u64).to_be_bytes());
            bytes.extend(field);
        };
        put(b"offtake audit entry 1");
        put(b"acme");
        put(&[0, 0, 0, 0, 0, 0, 0, 1]);
        put(&1_795_000_000_000_000_i64.to_be_bytes());
        for text in ["ada", "token", "export.create", "job", "job_1", "done", "192.0.2.1"] {
            put(text.as_bytes());
        }
        bytes.push(0);
        let mut put = |field: &[u8]| {
            bytes.push(1);
            bytes.extend((field.len() as u64).to_be_bytes());
            bytes.extend(field);
        };
        put(b"req-1");
        put(br#"{"dataset":"spans"}"#);
        put("0".repeat(64).as_bytes());
        assert_eq!(entry.hash, hex::encode(Sha256::digest(&bytes)));
        assert_eq!(entry.hash, entry.digest());
    }

    #[test]
    fn no_field_can_lend_bytes_to_its_neighbour() {
        let first = AuditEntry { actor: "ab".to_owned(), via: "c".to_owned(), ..entry() };
        let second = AuditEntry { actor: "a".to_owned(), via: "bc".to_owned(), ..entry() };
        assert_ne!(first.digest(), second.digest());
        let absent = AuditEntry { user_agent: None, ..entry() };
        let empty = AuditEntry { user_agent: Some(String::new()), ..entry() };
        assert_ne!(absent.digest(), empty.digest());
    }
}
