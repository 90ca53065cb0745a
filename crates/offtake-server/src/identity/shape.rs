//! What names of people, organizations and tokens look like: readable, of bounded length, and not made to look like
//! others.

/// The longest name, in bytes.
const MAX_BYTES: usize = 320;

/// Whether `text` may be a name in a token: not empty, not too long, without control characters, without characters
/// that nobody sees or that turn the direction of writing (two organizations would look like one in a log or a list),
/// and without white space around it.
pub(super) fn is_sound(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= MAX_BYTES
        && text.trim().len() == text.len()
        && !text.chars().any(|c| c.is_control() || is_invisible(c))
}

const fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}'
        | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}
