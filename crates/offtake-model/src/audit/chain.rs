//! The law of the chain, and the check of one in flat memory.

use std::fmt;
use std::str::FromStr;

use serde_json::Value as Json;

use super::{Action, AuditEntry, Deed, ObjectKind};
use crate::error::{Error, ErrorKind};
use crate::id::OrgId;

/// Where a chain ends at the moment, and where it begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// Whose chain.
    pub org: OrgId,
    /// The number of the last entry; 0 if there is none.
    pub number: u64,
    /// Its hash; zeros if there is none.
    pub hash: String,
    /// When it was written, in microseconds since the epoch.
    pub at: i64,
    /// The number of the first entry that is kept.
    pub first: u64,
}

impl Head {
    /// The chain of an organization that has none yet.
    pub fn none(org: OrgId) -> Self {
        Self { org, number: 0, hash: zeros(), at: 0, first: 1 }
    }

    /// What an entry says that lets the chain begin at `first`, whose entry before has the hash `previous`.
    pub fn anchor(first: u64, previous: &str, removed: u64) -> Deed {
        Deed::done(Action::AuditPrune, ObjectKind::Entry, first)
            .with("first", first)
            .with("previous", previous)
            .with("removed", removed)
    }
}

impl fmt::Display for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{} {}", self.number, self.hash, self.org)
    }
}

/// What stands before the first entry.
fn zeros() -> String {
    "0".repeat(64)
}

/// A head that somebody kept elsewhere: `NUMBER:HASH`, or with the organization after a blank.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptHead {
    /// Whose chain, if it says so.
    pub org: Option<OrgId>,
    /// The number of the entry.
    pub number: u64,
    /// Its hash.
    pub hash: String,
}

impl FromStr for KeptHead {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let wrong = || {
            let detail = "a head is NUMBER:HASH, or NUMBER:HASH ORG as `offtake audit head` prints it";
            Error::new(ErrorKind::InvalidRequest, detail)
        };
        let (place, org) = match text.split_once(' ') {
            Some((place, org)) => (place, Some(OrgId::new(org)?)),
            None => (text, None),
        };
        let (number, hash) = place.split_once(':').ok_or_else(wrong)?;
        let number = number.parse().map_err(|_| wrong())?;
        let sound = hash.len() == 64 && hash.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        if sound { Ok(Self { org, number, hash: hash.to_owned() }) } else { Err(wrong()) }
    }
}

/// Where a chain is broken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    /// The number of the first entry that is not right.
    pub number: u64,
    /// What is wrong there.
    pub what: String,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "entry {}: {}", self.number, self.what)
    }
}

/// Walks a chain from its oldest entry to its head, and says where it is broken.
#[derive(Debug)]
pub struct Checker {
    head: Head,
    kept: Vec<KeptHead>,
    next: u64,
    /// The hash of the entry before; `None` where the chain begins behind entries that were removed.
    previous: Option<String>,
    /// What the first kept entry says of the one before it; an anchor has to say the same.
    begins_after: Option<String>,
    anchored: bool,
}

impl Checker {
    /// A check of the chain that ends with `head`, and must contain every one of `kept`.
    pub fn new(head: Head, kept: Vec<KeptHead>) -> Self {
        let whole = head.first <= 1;
        Self { kept, next: head.first.max(1), previous: whole.then(zeros), begins_after: None, anchored: whole, head }
    }

    /// The number of the entry that must come next.
    pub const fn next(&self) -> u64 {
        self.next
    }

    /// Looks at the next entry. Those that came after the head was read are looked at as well.
    ///
    /// # Errors
    /// Where it is broken.
    pub fn see(&mut self, entry: &AuditEntry) -> Result<(), Broken> {
        let here = |what: &str| Err(Broken { number: self.next, what: what.to_owned() });
        if entry.number != self.next {
            return here("it is missing");
        }
        if entry.hash != entry.digest() {
            return here("it is not what was written");
        }
        if self.previous.as_ref().is_some_and(|previous| *previous != entry.previous) {
            return here("it does not follow the one before");
        }
        if entry.number == self.head.number && entry.hash != self.head.hash {
            return here("it is not the one that the head of the chain names");
        }
        if self.kept.iter().any(|kept| kept.number == entry.number && kept.hash != entry.hash) {
            return here("it is not the one that was kept elsewhere");
        }
        let begins_after = self.begins_after.get_or_insert_with(|| entry.previous.clone());
        self.anchored |= anchors(entry, self.head.first, begins_after);
        self.previous = Some(entry.hash.clone());
        self.next += 1;
        Ok(())
    }

    /// There are no more. How many there were.
    ///
    /// # Errors
    /// Where it is broken.
    pub fn finish(self) -> Result<u64, Broken> {
        let broken = |number, what: &str| Err(Broken { number, what: what.to_owned() });
        if self.next <= self.head.number {
            return broken(self.next, "it is missing, with all that came after it");
        }
        if let Some(kept) = self.kept.iter().find(|kept| kept.number >= self.next) {
            return broken(self.next, &format!("it is missing: entry {} was kept elsewhere", kept.number));
        }
        if !self.anchored {
            return broken(
                self.head.first,
                "the chain begins here, and no entry says that what came before was removed",
            );
        }
        if let Some(kept) = self.kept.iter().find(|kept| kept.number < self.head.first) {
            let what = "it was removed for its age, so the head that was kept of it proves nothing; keep a newer one";
            return broken(kept.number, what);
        }
        Ok(self.next - self.head.first.max(1))
    }
}

/// Whether `entry` says that the chain begins at `first`, after an entry with the hash `previous`.
fn anchors(entry: &AuditEntry, first: u64, previous: &str) -> bool {
    if entry.action != Action::AuditPrune.name() {
        return false;
    }
    let detail: Json = serde_json::from_str(&entry.detail).unwrap_or_default();
    detail["first"] == first && detail["previous"] == previous
}

#[cfg(test)]
mod tests {
    use super::super::{Act, Via};
    use super::*;

    /// A chain of so many entries.
    fn chain(entries: u64) -> (Head, Vec<AuditEntry>) {
        let mut head = Head::none(OrgId::new("acme / Zürich").unwrap());
        let mut all = Vec::new();
        for number in 0..entries {
            let deed = Deed::done(Action::ExportCreate, ObjectKind::Job, number);
            push(&mut head, &mut all, &deed);
        }
        (head, all)
    }

    fn push(head: &mut Head, all: &mut Vec<AuditEntry>, deed: &Deed) {
        let entry = AuditEntry::after(head, 1_000, &Act::by("ada", Via::Token), deed);
        (head.number, head.hash) = (entry.number, entry.hash.clone());
        all.push(entry);
    }

    fn check(head: &Head, kept: &[KeptHead], entries: &[AuditEntry]) -> Result<u64, Broken> {
        let mut checker = Checker::new(head.clone(), kept.to_vec());
        for entry in entries {
            checker.see(entry)?;
        }
        checker.finish()
    }

    fn kept(entry: &AuditEntry) -> KeptHead {
        KeptHead { org: None, number: entry.number, hash: entry.hash.clone() }
    }

    #[test]
    fn a_chain_is_whole_until_somebody_touches_it() {
        let (head, all) = chain(5);
        assert_eq!(check(&head, &[kept(&all[2]), kept(&all[4])], &all), Ok(5));
        assert_eq!(check(&Head::none(head.org.clone()), &[], &[]), Ok(0));

        let at = |entries: &[AuditEntry]| check(&head, &[], entries).unwrap_err().number;
        let without = |number: usize| [&all[..number], &all[number + 1..]].concat();
        assert_eq!((at(&without(0)), at(&without(2)), at(&without(4)), at(&[])), (1, 3, 5, 1));
        let mut swapped = all.clone();
        swapped.swap(1, 2);
        assert_eq!(at(&swapped), 2);
        let mut forged = all.clone();
        forged[3].actor = "eve".to_owned();
        assert_eq!(at(&forged), 4);
        forged[3].hash = forged[3].digest();
        assert_eq!(at(&forged), 5, "its own hash is right, but the next one remembers");
    }

    #[test]
    fn a_chain_that_was_written_anew_does_not_have_the_kept_head() {
        let (_, all) = chain(5);
        let (mut anew, mut forged) = chain(2);
        push(&mut anew, &mut forged, &Deed::done(Action::ExportDelete, ObjectKind::Job, 7));
        assert_eq!(check(&anew, &[], &forged), Ok(3), "by itself it is a chain like any");
        assert_eq!(check(&anew, &[kept(&all[2])], &forged).unwrap_err().number, 3);
        assert_eq!(check(&anew, &[kept(&all[4])], &forged).unwrap_err().number, 4);
        assert_eq!(check(&anew, &[kept(&all[1])], &forged), Ok(3));
    }

    #[test]
    fn a_chain_may_begin_where_it_says_so_itself() {
        let (mut head, mut all) = chain(5);
        let cut = Head { first: 4, ..head.clone() };
        assert_eq!(check(&cut, &[], &all[3..]).unwrap_err().number, 4, "nobody said so");
        let previous = all[2].hash.clone();
        push(&mut head, &mut all, &Head::anchor(4, &previous, 3));
        head.first = 4;
        assert_eq!(check(&head, &[kept(&all[3])], &all[3..]), Ok(3));
        assert_eq!(check(&head, &[kept(&all[1])], &all[3..]).unwrap_err().number, 2);
        head.first = 5;
        assert_eq!(check(&head, &[], &all[4..]).unwrap_err().number, 5, "it says another place");
    }

    #[test]
    fn a_head_reads_as_it_is_written() {
        let (head, all) = chain(3);
        let line: KeptHead = head.to_string().parse().unwrap();
        assert_eq!(line, KeptHead { org: Some(head.org), ..kept(&all[2]) });
        let alone: KeptHead = format!("3:{}", head.hash).parse().unwrap();
        assert_eq!(alone, kept(&all[2]));
        for wrong in ["", "3", "3:", "x:00", &format!("3:{}", head.hash.to_uppercase()), &format!("-1:{}", head.hash)] {
            assert!(wrong.parse::<KeptHead>().is_err(), "{wrong}");
        }
    }
}
