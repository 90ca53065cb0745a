//! Where in a JSON document something is that not everybody may see: `/user/email`, `/contacts/*/phone`.
//!
//! Responsible for how such a place is written. What is done there is `offtake-pipeline`'s.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The way from the top of a document to a place in it, written as a JSON pointer (RFC 6901) with `*` for every member and
/// every element.
///
/// Steps name members alone: a list is looked through, so that `/user/email` is also in `{"user": [{"email": …}]}`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct JsonPath(Vec<Step>);

/// A step of the way.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Step {
    /// To the member of this name.
    Key(String),
    /// To every member, and every element of a list.
    Every,
}

impl Step {
    /// Whether it leads to the member of this name.
    pub fn leads_to(&self, key: &str) -> bool {
        match self {
            Self::Key(name) => name == key,
            Self::Every => true,
        }
    }
}

impl JsonPath {
    /// The most steps of a path.
    pub const MOST_STEPS: usize = 32;

    /// The steps, from the top. There is at least one.
    pub fn steps(&self) -> &[Step] {
        &self.0
    }
}

impl FromStr for JsonPath {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let rest = text.strip_prefix('/').ok_or("begins with /, as in /user/email or /contacts/*/phone")?;
        let steps: Result<Vec<Step>, &str> = rest.split('/').map(step).collect();
        let steps = steps?;
        if steps.len() > Self::MOST_STEPS {
            return Err(format!("has {} steps; at most {} are possible", steps.len(), Self::MOST_STEPS));
        }
        Ok(Self(steps))
    }
}

fn step(text: &str) -> Result<Step, &'static str> {
    if text == "*" {
        return Ok(Step::Every);
    }
    if text.replace("~0", "").replace("~1", "").contains('~') {
        return Err("~ is written ~0, and / within a name ~1");
    }
    Ok(Step::Key(text.replace("~1", "/").replace("~0", "~")))
}

impl fmt::Display for JsonPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for step in &self.0 {
            match step {
                Step::Key(name) => write!(f, "/{}", name.replace('~', "~0").replace('/', "~1"))?,
                Step::Every => f.write_str("/*")?,
            }
        }
        Ok(())
    }
}

impl TryFrom<String> for JsonPath {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<JsonPath> for String {
    fn from(path: JsonPath) -> Self {
        path.to_string()
    }
}

/// Some places, each once.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct JsonPaths(BTreeSet<JsonPath>);

impl JsonPaths {
    /// The paths.
    pub fn iter(&self) -> impl Iterator<Item = &JsonPath> {
        self.0.iter()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// These and those.
    #[must_use]
    pub fn with(&self, others: &Self) -> Self {
        Self(self.0.union(&others.0).cloned().collect())
    }

    /// Whether all of those are among these.
    pub fn contain(&self, others: &Self) -> bool {
        self.0.is_superset(&others.0)
    }
}

impl FromIterator<JsonPath> for JsonPaths {
    fn from_iter<I: IntoIterator<Item = JsonPath>>(paths: I) -> Self {
        Self(paths.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_printed_as_it_was_written() {
        for text in ["/user/email", "/contacts/*/phone", "/gen_ai.input.messages", "/a~1b/c~0d", "/", "/*", "/a//b"] {
            assert_eq!(text.parse::<JsonPath>().unwrap().to_string(), text);
        }
        assert_eq!("/a~1b/*".parse::<JsonPath>().unwrap().steps(), [Step::Key("a/b".to_owned()), Step::Every]);
        assert_eq!("/~01".parse::<JsonPath>().unwrap().steps(), [Step::Key("~1".to_owned())]);
        for wrong in ["", "user", "$.user", "/a~b", "/a~", "/a~2", &"/a".repeat(33)] {
            assert!(wrong.parse::<JsonPath>().is_err(), "{wrong}");
        }
    }
}
