//! What travels: ids and numbers.

use bytes::Bytes;
use offtake_model::id::{JobId, OrgId};
use serde::{Deserialize, Serialize};

/// What there is to look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HintKind {
    /// A job may be due.
    JobDue,
    /// A job changed.
    JobChanged,
    /// An organization has events up to a number.
    Events,
    /// An organization has spans up to a number.
    Spans,
    /// Something is owed to somebody outside.
    Outbox,
}

/// That there is something to look at.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Hint {
    /// What it is.
    pub kind: HintKind,
    /// Whose it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub org: Option<OrgId>,
    /// Up to which number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<u64>,
    /// The job it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<JobId>,
}

impl Hint {
    /// The most bytes of one, as it travels: what Postgres carries.
    pub const MAX_BYTES: usize = 8000;

    /// A hint about nothing in particular.
    pub const fn of(kind: HintKind) -> Self {
        Self { kind, org: None, number: None, job: None }
    }

    /// The same, about this organization.
    #[must_use]
    pub fn in_org(self, org: &OrgId) -> Self {
        Self { org: Some(org.clone()), ..self }
    }

    /// The same, up to this number.
    #[must_use]
    pub fn up_to(self, number: u64) -> Self {
        Self { number: Some(number), ..self }
    }

    /// The same, about this job.
    #[must_use]
    pub fn about(self, job: JobId) -> Self {
        Self { job: Some(job), ..self }
    }
}

/// A hint with the name of the process that gave it.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Letter<'a> {
    from: std::borrow::Cow<'a, str>,
    #[serde(flatten)]
    hint: Hint,
}

/// A hint as it travels; `None` for one that does not fit.
pub(super) fn write(from: &str, hint: &Hint) -> Option<Bytes> {
    let letter = Letter { from: from.into(), hint: hint.clone() };
    let text = serde_json::to_vec(&letter).ok()?;
    (text.len() <= Hint::MAX_BYTES).then(|| text.into())
}

/// What a letter says and who wrote it; `None` for what is none: the bus may carry others' words.
pub(super) fn read(bytes: &[u8]) -> Option<(String, Hint)> {
    if bytes.len() > Hint::MAX_BYTES {
        return None;
    }
    let letter: Letter<'_> = serde_json::from_slice(bytes).ok()?;
    Some((letter.from.into_owned(), letter.hint))
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let org = OrgId::new("Zürich \"AG\"").expect("a name");
        let job = JobId::new(Timestamp::UNIX_EPOCH);
        for hint in [
            Hint::of(HintKind::JobDue),
            Hint::of(HintKind::Events).in_org(&org).up_to(u64::MAX),
            Hint::of(HintKind::JobChanged).in_org(&org).about(job),
        ] {
            let bytes = write("me", &hint).expect("it fits");
            assert_eq!(read(&bytes), Some(("me".to_owned(), hint)));
        }
    }

    #[test]
    fn the_largest_hint_fits() {
        let org = OrgId::new("\u{10ffff}".repeat(OrgId::MAX_BYTES / 4)).expect("a name");
        let hint = Hint::of(HintKind::JobChanged).in_org(&org).up_to(u64::MAX).about(JobId::new(Timestamp::UNIX_EPOCH));
        assert!(write(&"x".repeat(64), &hint).expect("it fits").len() < 1000);
    }

    #[test]
    fn others_words_are_no_hints() {
        for words in ["", "hello", "{}", "[]", r#"{"from":"x"}"#, r#"{"from":"x","kind":"nonsense"}"#, "{\"from\":\"\u{0}"] {
            assert_eq!(read(words.as_bytes()), None, "{words}");
        }
        let long = format!(r#"{{"from":"{}","kind":"events"}}"#, "x".repeat(Hint::MAX_BYTES));
        assert_eq!(read(long.as_bytes()), None);
        // What a later version adds is passed over.
        assert!(read(br#"{"from":"x","kind":"events","colour":"red"}"#).is_some());
    }
}
