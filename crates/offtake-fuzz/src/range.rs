//! The header `Range`: a part that is sent lies in the file, and is the part that was asked for.

use arbitrary::{Arbitrary, Unstructured};
use http::{HeaderMap, HeaderValue, header};
use offtake_server::range::{Wanted, wanted};

/// A file and what is said of it.
#[derive(Debug, Arbitrary)]
struct Asked<'a> {
    size: Size,
    values: Vec<&'a [u8]>,
}

/// Files are mostly small, and sometimes as large as can be said.
#[derive(Debug, Arbitrary)]
enum Size {
    Small(u16),
    Any(u64),
}

/// Asks for a part of a file in any words.
pub fn range(data: &[u8]) {
    // Most of the time the bytes are the header; what is structured has several.
    let (size, values) = match data.split_first() {
        Some((size, value)) if size % 4 != 0 => (u64::from(*size), vec![value]),
        Some((_, rest)) => match Asked::arbitrary_take_rest(Unstructured::new(rest)) {
            Ok(Asked { size: Size::Small(size), values }) => (u64::from(size), values),
            Ok(Asked { size: Size::Any(size), values }) => (size, values),
            Err(_) => return,
        },
        None => (0, Vec::new()),
    };
    let mut headers = HeaderMap::new();
    for value in values.iter().take(4).filter_map(|value| HeaderValue::from_bytes(value).ok()) {
        headers.append(header::RANGE, value);
    }
    let answer = wanted(&headers, size);
    if let Wanted::Part(part) = &answer {
        assert!(part.start < part.end && part.end <= size, "{part:?} of {size}");
    }
    if headers.len() != 1 {
        assert_eq!(answer, Wanted::Whole, "no range, or several headers");
        return;
    }
    if let Some(expected) = plainly(&headers[header::RANGE], size) {
        assert_eq!(answer, expected, "{:?} of {size}", headers[header::RANGE]);
    }
}

/// The answer to what is written as the RFC writes it, in arithmetic that has no ends; `None` for anything else.
fn plainly(value: &HeaderValue, size: u64) -> Option<Wanted> {
    let (first, last) = value.to_str().ok()?.strip_prefix("bytes=")?.split_once('-')?;
    let is_number = |text: &str| text.len() <= 30 && text.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number(first) || !is_number(last) {
        return None;
    }
    let size = i128::from(size);
    let (from, to) = match (first.parse::<i128>(), last.parse::<i128>()) {
        (Ok(first), Ok(last)) if last < first => return Some(Wanted::Whole),
        (Ok(first), Ok(last)) => (first, (last + 1).min(size)),
        (Ok(first), Err(_)) => (first, size),
        (Err(_), Ok(last)) => ((size - last).max(0), size),
        (Err(_), Err(_)) => return Some(Wanted::Whole),
    };
    if from >= to {
        return Some(Wanted::Nothing);
    }
    Some(Wanted::Part(u64::try_from(from).ok()?..u64::try_from(to).ok()?))
}
