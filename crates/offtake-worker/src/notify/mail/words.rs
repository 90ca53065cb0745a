//! What mails say, in each language: one file of texts for each.

use std::collections::BTreeMap;

/// The texts of one language, by name. `{name}` in a text stands for something to be filled in.
pub(super) type Words = BTreeMap<String, String>;

/// Those that come with us. The first is complete by definition, and everybody's who reads none of the others.
pub(super) const BUILT_IN: [(&str, &str); 2] =
    [("en", include_str!("words/en.toml")), ("de", include_str!("words/de.toml"))];

/// The language that is always there.
pub(super) const FALLBACK: &str = "en";

/// Puts values in the places of their names. What is put in is not looked at again.
pub(super) fn fill<'a>(text: &str, value_of: impl Fn(&str) -> Option<&'a str>) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        out.push_str(before);
        match after.split_once('}').and_then(|(name, after)| Some((value_of(name)?, after))) {
            Some((value, after)) => {
                out.push_str(value);
                rest = after;
            }
            None => {
                out.push('{');
                rest = after;
            }
        }
    }
    out.push_str(rest);
    out
}

/// The languages of a tag, the most special first: `de-AT` is `de-at`, then `de`.
pub(super) fn languages(tag: &str) -> impl Iterator<Item = String> {
    let tag = tag.to_ascii_lowercase();
    let main = tag.split('-').next().unwrap_or_default().to_owned();
    [tag, main].into_iter()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_filled_in_once() {
        let value = |name: &str| match name {
            "a" => Some("{b}"),
            "b" => Some("no"),
            _ => None,
        };
        assert_eq!(fill("x {a} {c} { {b", value), "x {b} {c} { {b");
    }
}
