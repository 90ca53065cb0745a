//! What of a file a request asks for by `Range` (RFC 9110 §14).
//!
//! Responsible for reading the header. Whether the range is meant for the file there is now (`If-Range`) is
//! the business of whoever sends it.

use std::ops::Range;

use http::{HeaderMap, header};

/// What of the file is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    /// All of it.
    Whole,
    /// These bytes: some, and all of them there.
    Part(Range<u64>),
    /// A range that has none of its bytes.
    Nothing,
}

/// What a request with these headers asks for of a file of `size` bytes: one range of them. What cannot be read, and
/// several ranges, are the whole file.
pub fn wanted(headers: &HeaderMap, size: u64) -> Wanted {
    let mut given = headers.get_all(header::RANGE).iter();
    let (Some(value), None) = (given.next(), given.next()) else { return Wanted::Whole };
    let parsed = || {
        let (unit, range) = value.to_str().ok()?.split_once('=')?;
        let (first, last) = range.trim().split_once('-')?;
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        let sound = unit.trim().eq_ignore_ascii_case("bytes") && digits(first) && digits(last);
        sound.then_some((first, last))
    };
    let Some((first, last)) = parsed() else { return Wanted::Whole };
    // Numbers too large for 64 bits lie behind the end of every file.
    let number = |text: &str| text.parse::<u64>().unwrap_or(u64::MAX);
    let range = match (first, last) {
        ("", "") => return Wanted::Whole,
        ("", last) => size.saturating_sub(number(last))..size,
        (first, "") => number(first)..size,
        (first, last) if is_less(last, first) => return Wanted::Whole,
        (first, last) => number(first)..number(last).saturating_add(1).min(size),
    };
    if range.start >= range.end { Wanted::Nothing } else { Wanted::Part(range) }
}

/// Whether a number in digits is less than another, however long they are.
fn is_less(one: &str, other: &str) -> bool {
    let (one, other) = (one.trim_start_matches('0'), other.trim_start_matches('0'));
    (one.len(), one) < (other.len(), other)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(range: &str, size: u64) -> Wanted {
        let mut headers = HeaderMap::new();
        headers.insert(header::RANGE, range.parse().expect("a header value"));
        wanted(&headers, size)
    }

    #[test]
    fn ranges_are_read_as_the_rfc_says() {
        assert_eq!(asked("bytes=0-0", 10), Wanted::Part(0..1));
        assert_eq!(asked("bytes=2-4", 10), Wanted::Part(2..5));
        assert_eq!(asked("bytes=2-", 10), Wanted::Part(2..10));
        assert_eq!(asked("bytes=2-99", 10), Wanted::Part(2..10));
        assert_eq!(asked("bytes=-3", 10), Wanted::Part(7..10));
        assert_eq!(asked("bytes=-30", 10), Wanted::Part(0..10));
        assert_eq!(asked("Bytes=9-18446744073709551615", 10), Wanted::Part(9..10));
        for nothing in ["bytes=10-", "bytes=10-12", "bytes=-0", "bytes=99999999999999999999-"] {
            assert_eq!(asked(nothing, 10), Wanted::Nothing, "{nothing}");
        }
        assert_eq!(asked("bytes=0-", 0), Wanted::Nothing);
        assert_eq!(asked("bytes=007-0008", 10), Wanted::Part(7..9));
        // Both are behind the end, and still one is less than the other.
        assert_eq!(asked("bytes=99999999999999999999-99999999999999999998", 10), Wanted::Whole);
        assert_eq!(asked("bytes=99999999999999999998-099999999999999999999", 10), Wanted::Nothing);
        for whole in ["bytes=0-1,3-4", "bytes=4-2", "bytes=-", "bytes=a-b", "rows=0-1", "bytes=+1-2", "bytes 0-1"] {
            assert_eq!(asked(whole, 10), Wanted::Whole, "{whole}");
        }
    }
}
