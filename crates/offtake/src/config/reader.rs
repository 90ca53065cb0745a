//! Reads typed values out of the merged table and collects everything wrong with them.

use std::ops::RangeInclusive;
use std::time::Duration;

use offtake_model::{Error, Violation};

use super::typed::Typed;
use super::units;

/// Reads keys; a bad value is noted, and something harmless returned in its place, so that all problems come
/// out at once. [`Reader::finish`] refuses if there was any.
#[derive(Debug)]
pub(crate) struct Reader<'a> {
    typed: &'a Typed,
    problems: Vec<Violation>,
}

impl<'a> Reader<'a> {
    /// A reader of `typed`.
    pub(crate) const fn new(typed: &'a Typed) -> Self {
        Self { typed, problems: Vec::new() }
    }

    /// What was typed, for what is in none of its keys.
    pub(crate) const fn typed(&self) -> &'a Typed {
        self.typed
    }

    /// The text at `key`; empty if nobody set it.
    pub(crate) fn text(&mut self, key: &str) -> String {
        match self.typed.get(key).and_then(toml::Value::as_str) {
            Some(text) => text.to_owned(),
            None => {
                self.refuse(key, "must be text");
                String::new()
            }
        }
    }

    /// The text at `key`, `None` if it is empty.
    pub(crate) fn optional(&mut self, key: &str) -> Option<String> {
        Some(self.text(key)).filter(|text| !text.is_empty())
    }

    /// The list of texts at `key`.
    pub(crate) fn texts(&mut self, key: &str) -> Vec<String> {
        let list = self.typed.get(key).and_then(toml::Value::as_array);
        let texts = list.and_then(|list| list.iter().map(|one| one.as_str().map(str::to_owned)).collect());
        texts.unwrap_or_else(|| {
            self.refuse(key, "must be a list of texts");
            Vec::new()
        })
    }

    /// True or false.
    pub(crate) fn flag(&mut self, key: &str) -> bool {
        let value = self.typed.get(key).and_then(toml::Value::as_bool);
        value.unwrap_or_else(|| {
            self.refuse(key, "must be true or false");
            false
        })
    }

    /// A whole number within `range`.
    pub(crate) fn number(&mut self, key: &str, range: RangeInclusive<u64>) -> u64 {
        let value = self.typed.get(key).and_then(toml::Value::as_integer).and_then(|n| u64::try_from(n).ok());
        match value.filter(|n| range.contains(n)) {
            Some(number) => number,
            None => {
                self.refuse(key, &format!("must be a whole number from {} to {}", range.start(), range.end()));
                *range.start()
            }
        }
    }

    /// A duration within `range`, which is given as people write it.
    pub(crate) fn duration(&mut self, key: &str, from: &str, to: &str) -> Duration {
        let text = self.text(key);
        let within = match (units::duration(from), units::duration(to)) {
            (Ok(from), Ok(to)) => from..=to,
            _ => Duration::ZERO..=Duration::MAX,
        };
        match units::duration(&text) {
            Ok(value) if within.contains(&value) => return value,
            Ok(_) => self.refuse(key, &format!("must be from {from} to {to}, not {text}")),
            Err(problem) => self.refuse(key, &problem),
        }
        *within.start()
    }

    /// A size in bytes within `range`, which is given as people write it.
    pub(crate) fn size(&mut self, key: &str, from: &str, to: &str) -> u64 {
        let text = self.text(key);
        let within = match (units::size(from), units::size(to)) {
            (Ok(from), Ok(to)) => from..=to,
            _ => 0..=u64::MAX,
        };
        match units::size(&text) {
            Ok(value) if within.contains(&value) => return value,
            Ok(_) => self.refuse(key, &format!("must be from {from} to {to}, not {text}")),
            Err(problem) => self.refuse(key, &problem),
        }
        *within.start()
    }

    /// One of a few words.
    pub(crate) fn choice<T: Copy>(&mut self, key: &str, choices: &[(&str, T)]) -> T {
        let text = self.text(key);
        if let Some((_, value)) = choices.iter().find(|(word, _)| *word == text) {
            return *value;
        }
        let words: Vec<&str> = choices.iter().map(|(word, _)| *word).collect();
        self.refuse(key, &format!("must be one of {}, not \"{text}\"", words.join(", ")));
        choices[0].1
    }

    /// What `parse` makes of the text at `key`.
    pub(crate) fn parsed<T, E: std::fmt::Display>(
        &mut self,
        key: &str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        let text = self.text(key);
        match parse(&text) {
            Ok(value) => Some(value),
            Err(problem) => {
                self.refuse(key, &format!("\"{text}\" will not do: {problem}"));
                None
            }
        }
    }

    /// The table at `key` as a type that knows how to be read.
    pub(crate) fn table<T: serde::de::DeserializeOwned>(&mut self, key: &str) -> Option<T> {
        let value = self.typed.get(key)?.clone();
        match value.try_into() {
            Ok(value) => Some(value),
            Err(problem) => {
                self.refuse(key, problem.to_string().trim_end());
                None
            }
        }
    }

    /// Notes that the value at `key` will not do.
    pub(crate) fn refuse(&mut self, key: &str, problem: &str) {
        let origins: Vec<String> = match self.typed.origins_under(key).as_slice() {
            [] => vec![self.typed.origin(key).to_string()],
            several => several.iter().map(ToString::to_string).collect(),
        };
        self.problems.push(Violation::at(key, format!("{key} ({}): {problem}", origins.join(", "))));
    }

    /// # Errors
    /// `invalid_request` with everything that was refused.
    pub(crate) fn finish(self) -> Result<(), Error> {
        if self.problems.is_empty() { Ok(()) } else { Err(Error::invalid(self.problems)) }
    }
}
