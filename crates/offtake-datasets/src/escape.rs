//! Texts with U+0000 in a database whose texts cannot hold it.
//!
//! U+0000 to U+0005 are written as two characters each, of U+0001 to U+0005; every other character as itself. No
//! character begins, ends or lies between two others' by accident: the first of a pair is 1 or 2, the second 3, 4 or 5.
//! So escaped texts are equal, contain one another, and sort by their bytes just as the texts themselves do, and what is
//! compared with them needs only be escaped too.

use std::borrow::Cow;

const PAIRS: [&str; 6] = ["\u{1}\u{3}", "\u{1}\u{4}", "\u{1}\u{5}", "\u{2}\u{3}", "\u{2}\u{4}", "\u{2}\u{5}"];

/// The text as it is stored.
pub(crate) fn escaped(text: &str) -> Cow<'_, str> {
    if !text.bytes().any(|byte| byte < 6) {
        return Cow::Borrowed(text);
    }
    let mut stored = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        match PAIRS.get(character as usize) {
            Some(pair) => stored.push_str(pair),
            None => stored.push(character),
        }
    }
    Cow::Owned(stored)
}

/// The text that was stored so; `None` if none was. `room` is what it is put together in, where it has to be.
pub(crate) fn unescaped<'t>(stored: &'t str, room: &'t mut String) -> Option<&'t str> {
    if !stored.bytes().any(|byte| byte < 6) {
        return Some(stored);
    }
    room.clear();
    let mut characters = stored.chars();
    while let Some(character) = characters.next() {
        let own = match (character, character as u8) {
            ('\u{1}' | '\u{2}', first) => match characters.next() {
                Some(second @ '\u{3}'..='\u{5}') => char::from((first - 1) * 3 + (second as u8 - 3)),
                _ => return None,
            },
            ('\0' | '\u{3}'..='\u{5}', _) => return None,
            _ => character,
        };
        room.push(own);
    }
    Some(room)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_not_stored_so_is_told() {
        for broken in ["\u{1}", "\u{1}a", "\u{3}", "a\u{2}\u{2}\u{3}", "\0"] {
            assert_eq!(unescaped(broken, &mut String::new()), None, "{broken:?}");
        }
        assert!(matches!(escaped("plain \u{6} 🦀"), Cow::Borrowed(_)));
        assert_eq!(escaped("a\0\u{5}"), "a\u{1}\u{3}\u{2}\u{5}");
    }

    proptest! {
        #[test]
        fn escaped_texts_compare_as_the_texts_do(left in "[\u{0}-\u{7}aé]{0,8}", right in "[\u{0}-\u{7}aé]{0,4}") {
            let (stored, other) = (escaped(&left), escaped(&right));
            let mut room = String::new();
            prop_assert_eq!(unescaped(&stored, &mut room), Some(left.as_str()));
            prop_assert!(!stored.contains('\0'));
            prop_assert_eq!(stored.as_bytes().cmp(other.as_bytes()), left.as_bytes().cmp(right.as_bytes()));
            prop_assert_eq!(stored.contains(&*other), left.contains(&right));
        }
    }
}
