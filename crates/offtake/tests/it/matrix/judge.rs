//! What an answer gives away.

use std::fmt;

use offtake_testkit::Answer;

use super::document::Access;

/// An answer without what differs between any two: its request id, and the names that were sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) status: u16,
    media_type: String,
    location: String,
    challenge: String,
    body: String,
}

/// What somebody got that is not theirs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Leak {
    /// They were let in, or told something else than that they are not.
    NotRefused { expected: &'static [u16], seen: Seen },
    /// What is there is answered differently from what is not.
    Told { present: Seen, absent: Seen },
    /// A word of somebody else's stands in the answer.
    Word { word: String, seen: Seen },
    /// The server broke.
    Fault(Seen),
}

impl fmt::Display for Leak {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotRefused { expected, seen } => write!(f, "expected {expected:?}, got {seen:?}"),
            Self::Told { present, absent } => write!(f, "there is {present:?}\n  there is not {absent:?}"),
            Self::Word { word, seen } => write!(f, "{word:?} in {seen:?}"),
            Self::Fault(seen) => write!(f, "{seen:?}"),
        }
    }
}

/// Who asks, as far as it decides what they may get.
#[derive(Debug, Clone, Copy)]
pub(super) enum Standing {
    /// Nobody that is known.
    Stranger,
    /// Somebody who was shut out.
    Disabled,
    /// Somebody without a permission that any call asks for.
    Powerless,
    /// Somebody with every permission but `operator`.
    Trusted,
}

impl Standing {
    /// The statuses of a refusal, if they are refused; a dataset that may not be read is absent.
    pub(super) fn refusal(self, access: &Access) -> Option<&'static [u16]> {
        if access.public {
            return None;
        }
        match self {
            Self::Stranger => Some(&[401]),
            Self::Disabled => Some(&[403]),
            Self::Powerless if access.permission.is_some() => Some(&[403]),
            Self::Powerless if access.dataset.is_some() => Some(&[404]),
            Self::Trusted if access.permission.as_deref() == Some("operator") => Some(&[403]),
            Self::Powerless | Self::Trusted => None,
        }
    }
}

impl Seen {
    /// What is left of `answer` to a request with these names in it.
    pub(super) fn of(answer: &Answer, names: &[String]) -> Self {
        let without = |text: &str| {
            let text = text.replace(&format!("\"{}\"", answer.header("x-request-id")), "\"§\"");
            names.iter().fold(text, |text, name| text.replace(name.as_str(), "§"))
        };
        Self {
            status: answer.status,
            media_type: answer.header("content-type").to_owned(),
            location: without(answer.header("location")),
            challenge: answer.header("www-authenticate").to_owned(),
            body: without(&String::from_utf8_lossy(&answer.body)),
        }
    }

    /// Without what is new in every answer: ids and moments made for it, and seconds that pass.
    fn timeless(mut self) -> Self {
        self.body = timeless(&self.body);
        self.location = timeless(&self.location);
        self
    }
}

/// The leak in the answer to a request that names something, seen by somebody who shall get nothing of it.
pub(super) fn judge(
    refusal: Option<&'static [u16]>,
    present: &Seen,
    absent: Option<&Seen>,
    words: &[String],
) -> Option<Leak> {
    if present.status >= 500 {
        return Some(Leak::Fault(present.clone()));
    }
    let said = |word: &&String| present.body.contains(word.as_str()) || present.location.contains(word.as_str());
    if let Some(word) = words.iter().find(said) {
        return Some(Leak::Word { word: word.clone(), seen: present.clone() });
    }
    if let Some(expected) = refusal.filter(|expected| !expected.contains(&present.status)) {
        return Some(Leak::NotRefused { expected, seen: present.clone() });
    }
    let (present, absent) = (present.clone().timeless(), absent?.clone().timeless());
    (present != absent).then_some(Leak::Told { present, absent })
}

/// A text without ids (a short prefix and 32 hex digits), moments and the seconds until a file goes.
pub(super) fn timeless(text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut rest = text;
    while !rest.is_empty() {
        let skipped =
            id_at(rest).or_else(|| moment_at(rest)).or_else(|| micros_at(rest)).or_else(|| countdown_at(rest));
        let length = match skipped {
            Some(length) => {
                kept.push('¤');
                length
            }
            None => {
                let next = rest.chars().next().expect("not empty");
                kept.push(next);
                next.len_utf8()
            }
        };
        rest = &rest[length..];
    }
    kept
}

/// `_` and 32 hex digits; what stands before stays.
fn id_at(text: &str) -> Option<usize> {
    let digits = text.strip_prefix('_')?.get(..32)?;
    digits.bytes().all(|byte| byte.is_ascii_hexdigit()).then_some(33)
}

/// `2026-11-25T21:00:00` and what belongs to it.
fn moment_at(text: &str) -> Option<usize> {
    let shape = |place: usize, byte: u8| match place {
        4 | 7 => byte == b'-',
        10 => byte == b'T',
        13 | 16 => byte == b':',
        _ => byte.is_ascii_digit(),
    };
    let head = text.as_bytes().get(..19)?;
    let fits = head.iter().enumerate().all(|(place, byte)| shape(place, *byte));
    let tail = text.bytes().skip(19).take_while(|byte| byte.is_ascii_digit() || b".Z".contains(byte)).count();
    fits.then_some(19 + tail)
}

/// The moment of an `as_of`: a point and the microseconds since 1970.
fn micros_at(text: &str) -> Option<usize> {
    let digits = text.strip_prefix('.')?.get(..16)?;
    digits.bytes().all(|byte| byte.is_ascii_digit()).then_some(17)
}

fn countdown_at(text: &str) -> Option<usize> {
    const NAME: &str = "\"seconds_until_expiration\":";
    let digits = text.strip_prefix(NAME)?.bytes().take_while(u8::is_ascii_digit).count();
    Some(NAME.len() + digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(status: u16, body: &str) -> Seen {
        let media_type = "application/problem+json".to_owned();
        Seen { status, media_type, location: String::new(), challenge: String::new(), body: body.to_owned() }
    }

    fn words() -> Vec<String> {
        vec!["zqalpha".to_owned()]
    }

    #[test]
    fn what_is_absent_for_both_is_no_leak() {
        let (one, other) = (seen(404, "{\"detail\":\"none\"}"), seen(404, "{\"detail\":\"none\"}"));
        assert_eq!(judge(None, &one, Some(&other), &words()), None);
        let made = |id: char| seen(202, &format!("job_{} at 2026-11-25T21:00:0{id}.5Z", String::from(id).repeat(32)));
        assert_eq!(judge(None, &made('1'), Some(&made('2')), &words()), None, "ids and moments are new each time");
    }

    #[test]
    fn planted_leaks_are_found() {
        let absent = seen(404, "none");
        let told = judge(None, &seen(403, "none"), Some(&absent), &words());
        assert!(matches!(told, Some(Leak::Told { .. })), "another status: {told:?}");
        let told = judge(None, &seen(404, "none of yours"), Some(&absent), &words());
        assert!(matches!(told, Some(Leak::Told { .. })), "another body: {told:?}");
        let word = judge(None, &seen(200, "zqalpha-user"), Some(&seen(200, "zqalpha-user")), &words());
        assert!(matches!(word, Some(Leak::Word { .. })), "a word of theirs: {word:?}");
        let open = judge(Some(&[403]), &seen(200, "[]"), Some(&seen(200, "[]")), &words());
        assert!(matches!(open, Some(Leak::NotRefused { .. })), "a success without permission: {open:?}");
        let fault = judge(None, &seen(500, "oops"), Some(&seen(500, "oops")), &words());
        assert!(matches!(fault, Some(Leak::Fault(_))), "{fault:?}");
    }

    #[test]
    fn only_what_is_new_in_every_answer_is_left_out() {
        let id = format!("job_{}", "0123456789abcdef".repeat(2));
        assert_eq!(timeless(&format!("{id}/x 2026-11-25T21:00:00Z \"seconds_until_expiration\":12,1")), "job¤/x ¤ ¤,1");
        assert_eq!(timeless("c12.1795642912748456"), "c12¤");
        assert_eq!(timeless("job_1 2026-11-25 12.5"), "job_1 2026-11-25 12.5");
    }
}
