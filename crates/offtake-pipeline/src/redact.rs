//! A JSON document with what is at some places of it masked, and every other byte as it was.
//!
//! The text is copied piece by piece and never made anew: numbers keep their digits, members their order, and one that is
//! there twice is masked twice. Called by [`crate::veil`].

use offtake_model::json_path::Step;
use offtake_model::sensitive::MASKED;
use serde::de::IgnoredAny;

/// How many times as long as it was a document can become: `[1,1]` and `["***","***"]`.
pub(crate) const GROWTH: usize = 3;
/// How deep the ways of paths are followed, through lists in lists as well.
const DEEPEST: usize = 128;

/// Appends the document to `out` with every value at one of `paths` masked, whatever its type; NULLs stay. How many
/// values that were; `None` if it cannot be read, and then `out` is of no use.
pub(crate) fn redact(document: &str, paths: &[&[Step]], out: &mut String) -> Option<usize> {
    // A reader that is less strict than this one could see more in a text that is no JSON.
    serde_json::from_str::<IgnoredAny>(document).ok()?;
    let mut copy = Copy { text: document, at: 0, copied: 0, out, values: 0 };
    copy.value(paths, 0)?;
    copy.out.push_str(document.get(copy.copied..)?);
    Some(copy.values)
}

/// A text that is JSON, and how much of it was read and written.
struct Copy<'a> {
    text: &'a str,
    at: usize,
    copied: usize,
    out: &'a mut String,
    values: usize,
}

impl Copy<'_> {
    /// Reads a value at which `paths` have these steps still before them.
    fn value(&mut self, paths: &[&[Step]], depth: usize) -> Option<()> {
        self.blank();
        if paths.iter().any(|steps| steps.is_empty()) {
            return self.masked();
        }
        match self.peek()? {
            b'{' | b'[' if depth >= DEEPEST && !paths.is_empty() => None,
            b'{' if !paths.is_empty() => self.members(paths, depth + 1),
            b'[' if !paths.is_empty() => self.elements(paths, depth + 1),
            _ => self.skip(),
        }
    }

    fn masked(&mut self) -> Option<()> {
        let from = self.at;
        self.skip()?;
        if self.text.get(from..self.at)? == "null" {
            return Some(());
        }
        self.out.push_str(self.text.get(self.copied..from)?);
        self.out.push('"');
        self.out.push_str(MASKED);
        self.out.push('"');
        self.copied = self.at;
        self.values += 1;
        Some(())
    }

    fn members(&mut self, paths: &[&[Step]], depth: usize) -> Option<()> {
        self.at += 1;
        loop {
            self.blank();
            match self.peek()? {
                b'}' => break,
                b',' => self.at += 1,
                _ => {
                    let from = self.at;
                    self.string()?;
                    // A name may be spelled with escapes, and is the same name.
                    let name: String = serde_json::from_str(self.text.get(from..self.at)?).ok()?;
                    self.blank();
                    self.at += 1;
                    let there = paths.iter().filter(|steps| steps.first().is_some_and(|step| step.leads_to(&name)));
                    let there: Vec<&[Step]> = there.filter_map(|steps| steps.get(1..)).collect();
                    self.value(&there, depth)?;
                }
            }
        }
        self.at += 1;
        Some(())
    }

    /// A list is looked through: each element as if it stood in its place, and as what `*` leads to.
    fn elements(&mut self, paths: &[&[Step]], depth: usize) -> Option<()> {
        let every = paths.iter().filter(|steps| steps.first() == Some(&Step::Every));
        let mut there: Vec<&[Step]> = every.filter_map(|steps| steps.get(1..)).chain(paths.iter().copied()).collect();
        // Lists in lists would have the same ways again and again.
        there.sort_unstable();
        there.dedup();
        self.at += 1;
        loop {
            self.blank();
            match self.peek()? {
                b']' => break,
                b',' => self.at += 1,
                _ => self.value(&there, depth)?,
            }
        }
        self.at += 1;
        Some(())
    }

    /// Passes over a whole value.
    fn skip(&mut self) -> Option<()> {
        let mut open = 0_usize;
        loop {
            match self.peek()? {
                b'"' => self.string()?,
                b'{' | b'[' => {
                    open += 1;
                    self.at += 1;
                }
                b'}' | b']' => {
                    open = open.checked_sub(1)?;
                    self.at += 1;
                }
                b',' | b':' | b' ' | b'\t' | b'\n' | b'\r' => self.at += 1,
                _ => self.word(),
            }
            if open == 0 {
                return Some(());
            }
        }
    }

    /// A number, `true`, `false` or `null`.
    fn word(&mut self) {
        let ends = |byte: &u8| matches!(byte, b',' | b':' | b'{' | b'}' | b'[' | b']' | b' ' | b'\t' | b'\n' | b'\r');
        let rest = self.text.as_bytes().get(self.at..).unwrap_or_default();
        self.at += rest.iter().position(ends).unwrap_or(rest.len());
    }

    fn string(&mut self) -> Option<()> {
        self.at += 1;
        loop {
            match self.peek()? {
                b'"' => break,
                b'\\' => self.at += 2,
                _ => self.at += 1,
            }
        }
        self.at += 1;
        Some(())
    }

    fn blank(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek() {
            self.at += 1;
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }
}

#[cfg(test)]
mod tests {
    use offtake_model::json_path::JsonPath;

    use super::*;

    fn redacted(document: &str, paths: &[&str]) -> Option<(String, usize)> {
        let paths: Vec<JsonPath> = paths.iter().map(|path| path.parse().expect("a path")).collect();
        let paths: Vec<&[Step]> = paths.iter().map(JsonPath::steps).collect();
        let mut out = String::new();
        let values = redact(document, &paths, &mut out)?;
        assert!(out.len() <= GROWTH * document.len(), "{document} became {out}");
        Some((out, values))
    }

    #[test]
    fn what_is_at_a_path_is_masked_and_the_rest_is_as_it_was() {
        for (paths, document, expected, values) in [
            (&["/email"][..], r#"{"email": "a@b", "n": 1.50e2 }"#, r#"{"email": "***", "n": 1.50e2 }"#, 1),
            (&["/email"], r#"{"user": {"email": "a@b"}}"#, r#"{"user": {"email": "a@b"}}"#, 0),
            (&["/user/email"], r#"{"user": {"email": "a@b"}}"#, r#"{"user": {"email": "***"}}"#, 1),
            (&["/u"], r#"{"u":{"a":[1,{"b":"}"}]},"v":[]}"#, r#"{"u":"***","v":[]}"#, 1),
            (&["/u"], r#"{"u":null,"v":"\u00e4"}"#, r#"{"u":null,"v":"\u00e4"}"#, 0),
            // Numbers, truth, lists and texts of any length look alike.
            (&["/*"], r#"{"a":1,"b":true,"c":[2],"d":"x"}"#, r#"{"a":"***","b":"***","c":"***","d":"***"}"#, 4),
            (
                &["/*/phone"],
                r#"{"x":{"phone":1},"y":[{"phone":2}]}"#,
                r#"{"x":{"phone":"***"},"y":[{"phone":"***"}]}"#,
                2,
            ),
            // A list in the place of one is looked through.
            (&["/u/e"], r#"{"u":[{"e":1},[{"e":2}],3]}"#, r#"{"u":[{"e":"***"},[{"e":"***"}],3]}"#, 2),
            (&["/e"], r#"[{"e":1},{"f":2}]"#, r#"[{"e":"***"},{"f":2}]"#, 1),
            (&["/*"], r#"[1,"x"]"#, r#"["***","***"]"#, 2),
            (&["/*/p"], r#"[{"home":{"p":1}}]"#, r#"[{"home":{"p":"***"}}]"#, 1),
            // One name in two spellings, and twice.
            (
                &["/email"],
                r#"{"\u0065mail":1,"email":2,"emai\"l":3}"#,
                r#"{"\u0065mail":"***","email":"***","emai\"l":3}"#,
                2,
            ),
            (&["/a.b", "/c~1d"], r#"{"a.b":1,"c/d":2,"a":{"b":3}}"#, r#"{"a.b":"***","c/d":"***","a":{"b":3}}"#, 2),
            (&["/a", "/a/b"], r#"{"a":{"b":1}}"#, r#"{"a":"***"}"#, 1),
            (&["/a"], " 17 ", " 17 ", 0),
            (&["/a"], r#" { "a" : "x\\" , "b" : "\"a\":1" } "#, r#" { "a" : "***" , "b" : "\"a\":1" } "#, 1),
            (&[], r#"{"a":1}"#, r#"{"a":1}"#, 0),
        ] {
            assert_eq!(redacted(document, paths), Some((expected.to_owned(), values)), "{document} {paths:?}");
        }
    }

    #[test]
    fn lists_in_lists_cost_what_they_are_long() {
        let deep = format!("{}{{\"x\":1}}{}", "[".repeat(120), "]".repeat(120));
        let (text, values) = redacted(&deep, &["/*/*/*/*/*/*/*/*/*/x"]).expect("a document");
        assert!(values == 1 && text.contains("***"));
    }

    #[test]
    fn what_is_no_document_is_not_shown_at_all() {
        let deep = format!("{}1{}", "[".repeat(200), "]".repeat(200));
        for text in ["", "{", "{'email': 1}", r#"{"a":1} {"email":2}"#, r#"{"a":1,}"#, "nul", r#"{"\ud800":1}"#, &deep]
        {
            assert_eq!(redacted(text, &["/email"]), None, "{text}");
        }
        // Where no path leads, nobody has to follow.
        let beside = format!("{{\"a\":{deep},\"email\":1}}");
        assert_eq!(redacted(&beside, &["/email"]), Some((beside.replace("\"email\":1", "\"email\":\"***\""), 1)));
    }
}
