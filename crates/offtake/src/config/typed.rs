//! What was typed: default ← file ← environment ← flags, merged key by key, each with its origin.
//!
//! Responsible for unknown keys and wrong TOML types. What the values must be like is `validated`'s.

use std::collections::BTreeMap;
use std::fmt;

use offtake_model::{Error, ErrorKind, Violation};
use toml::{Table, Value};

use super::environment::Environment;
use super::validated::Redacted;

/// The default configuration, which is the reference page as well.
pub(crate) const DEFAULT: &str = include_str!("config.default.toml");

/// Tables whose keys are the user's own.
const FREE: [&str; 5] = ["sources", "datasets", "conventions.prices", "spans.sensitive", "issuers"];

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Origin {
    /// Nobody set it.
    Default,
    /// This file.
    File(String),
    /// This environment variable.
    Variable(String),
    /// This flag of the command line.
    Flag(&'static str),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(path) => f.write_str(path),
            Self::Variable(name) => f.write_str(name),
            Self::Flag(name) => f.write_str(name),
        }
    }
}

/// A setting given by a flag.
#[derive(Debug, Clone)]
pub(crate) struct FlagSetting {
    /// The key it sets.
    pub(crate) key: &'static str,
    /// The flag as typed, for messages.
    pub(crate) flag: &'static str,
    /// The value.
    pub(crate) value: String,
}

/// The merged configuration, not yet validated.
#[derive(Debug, Clone)]
pub(crate) struct Typed {
    table: Table,
    origins: BTreeMap<String, Origin>,
    aws: BTreeMap<String, Redacted>,
}

impl Typed {
    /// Merges all layers.
    ///
    /// # Errors
    /// `invalid_request` with every unknown key and every value of a wrong type.
    pub(crate) fn merge(
        file: Option<(&str, &str)>,
        environment: &Environment,
        flags: &[FlagSetting],
    ) -> Result<Self, Error> {
        let default = Self::default_table()?;
        let mut merge = Merge {
            known: keys_of(&default),
            typed: Self { table: default.clone(), origins: BTreeMap::new(), aws: environment.aws.clone() },
            default,
            problems: Vec::new(),
        };
        if let Some((name, text)) = file {
            let table: Table = text.parse().map_err(|error: toml::de::Error| {
                Error::new(ErrorKind::InvalidRequest, format!("{name} is not TOML: {}", error.to_string().trim_end()))
            })?;
            merge.table("", &table, &Origin::File(name.to_owned()));
        }
        for (variable, text) in &environment.settings {
            let origin = Origin::Variable(variable.clone());
            merge.text(&Environment::key_of(variable), text, &origin);
        }
        for flag in flags {
            merge.text(flag.key, &flag.value, &Origin::Flag(flag.flag));
        }
        if merge.problems.is_empty() { Ok(merge.typed) } else { Err(Error::invalid(merge.problems)) }
    }

    fn default_table() -> Result<Table, Error> {
        DEFAULT.parse().map_err(|error: toml::de::Error| {
            Error::new(ErrorKind::Internal, "the embedded default configuration is not TOML").caused_by(error)
        })
    }

    /// The value at a dotted key.
    pub(crate) fn get(&self, key: &str) -> Option<&Value> {
        lookup(&self.table, key)
    }

    /// A standard variable of Amazon's tools.
    pub(crate) fn aws(&self, name: &str) -> Option<&str> {
        self.aws.get(name).map(Redacted::expose)
    }

    /// All of these variables that are set.
    pub(crate) fn all_aws(&self) -> impl Iterator<Item = (&str, &str)> {
        self.aws.iter().map(|(name, value)| (name.as_str(), value.expose()))
    }

    /// Where the value at `key` (or the nearest table above it) comes from.
    pub(crate) fn origin(&self, key: &str) -> &Origin {
        let mut at = key;
        loop {
            if let Some(origin) = self.origins.get(at) {
                return origin;
            }
            match at.rsplit_once('.') {
                Some((above, _)) => at = above,
                None => return &Origin::Default,
            }
        }
    }

    /// The origins of everything set under `key`, `key` included, without doubles.
    pub(crate) fn origins_under(&self, key: &str) -> Vec<&Origin> {
        let mut found: Vec<&Origin> = Vec::new();
        for (at, origin) in &self.origins {
            let under = at == key || at.strip_prefix(key).is_some_and(|rest| rest.starts_with('.'));
            if under && !found.contains(&origin) {
                found.push(origin);
            }
        }
        found
    }

    /// The whole merged table.
    pub(crate) const fn table(&self) -> &Table {
        &self.table
    }
}

struct Merge {
    default: Table,
    known: Vec<String>,
    typed: Typed,
    problems: Vec<Violation>,
}

impl Merge {
    fn table(&mut self, prefix: &str, table: &Table, origin: &Origin) {
        for (name, value) in table {
            let key = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
            match (value, lookup(&self.default, &key)) {
                _ if is_free(&key) => self.set(&key, value.clone(), origin),
                (Value::Table(inner), Some(Value::Table(_))) => self.table(&key, inner, origin),
                (_, Some(known)) if known.same_type(value) => self.set(&key, value.clone(), origin),
                (_, Some(known)) => self.wrong_type(&key, known.type_str(), value.type_str(), origin),
                (_, None) => self.unknown(&key, origin),
            }
        }
    }

    /// A value that came as text takes the type of the default.
    fn text(&mut self, key: &str, text: &str, origin: &Origin) {
        let value = match lookup(&self.default, key) {
            Some(Value::String(_)) => Value::String(text.to_owned()),
            Some(_) => literal(text),
            None if is_free(key) => literal(text),
            None => return self.unknown(key, origin),
        };
        match lookup(&self.default, key) {
            Some(known) if !known.same_type(&value) => self.wrong_type(key, known.type_str(), value.type_str(), origin),
            _ => self.set(key, value, origin),
        }
    }

    /// Sets a value; tables of the user's own are merged entry by entry.
    fn set(&mut self, key: &str, value: Value, origin: &Origin) {
        if let Value::Table(inner) = &value
            && is_free(key)
        {
            for (name, value) in inner {
                self.put(key, name, value.clone());
                self.typed.origins.insert(format!("{key}.{name}"), origin.clone());
            }
            return;
        }
        let (path, leaf) = key.rsplit_once('.').unwrap_or(("", key));
        self.put(path, leaf, value);
        self.typed.origins.insert(key.to_owned(), origin.clone());
    }

    /// `leaf` stands apart from `path` because a user's own name may have dots: `gpt-4.1`.
    fn put(&mut self, path: &str, leaf: &str, value: Value) {
        let mut at = &mut self.typed.table;
        for step in path.split('.').filter(|step| !step.is_empty()) {
            let next = at.entry(step).or_insert_with(|| Value::Table(Table::new()));
            if !next.is_table() {
                *next = Value::Table(Table::new());
            }
            let Value::Table(inner) = next else { return };
            at = inner;
        }
        at.insert(leaf.to_owned(), value);
    }

    fn unknown(&mut self, key: &str, origin: &Origin) {
        let near = nearest(key, &self.known);
        let advice =
            near.map_or_else(|| "see `offtake config show`".to_owned(), |near| format!("did you mean {near}?"));
        self.problems.push(Violation::at(key, format!("unknown key {key} ({origin}); {advice}")));
    }

    fn wrong_type(&mut self, key: &str, wanted: &str, found: &str, origin: &Origin) {
        self.problems.push(Violation::at(key, format!("{key} ({origin}) must be of type {wanted}, not {found}")));
    }
}

/// Text as a TOML value where it is one, else as a string.
fn literal(text: &str) -> Value {
    format!("v = {text}")
        .parse::<Table>()
        .ok()
        .and_then(|mut table| table.remove("v").filter(|_| table.is_empty()))
        .unwrap_or_else(|| Value::String(text.to_owned()))
}

fn is_free(key: &str) -> bool {
    FREE.iter().any(|free| key == *free || key.strip_prefix(free).is_some_and(|rest| rest.starts_with('.')))
}

fn lookup<'a>(table: &'a Table, key: &str) -> Option<&'a Value> {
    let mut steps = key.split('.');
    let first = table.get(steps.next()?)?;
    steps.try_fold(first, |at, step| at.as_table()?.get(step))
}

fn keys_of(table: &Table) -> Vec<String> {
    let mut keys = Vec::new();
    collect("", table, &mut keys);
    keys
}

fn collect(prefix: &str, table: &Table, keys: &mut Vec<String>) {
    for (name, value) in table {
        let key = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
        match value.as_table().filter(|_| !is_free(&key)) {
            Some(inner) => collect(&key, inner, keys),
            None => keys.push(key),
        }
    }
}

/// The known key that resembles `key` most: by its whole path, or by its last word in another section.
fn nearest<'a>(key: &str, known: &'a [String]) -> Option<&'a str> {
    let last = |path: &str| path.rsplit('.').next().map(ToOwned::to_owned).unwrap_or_default();
    let whole = |candidate: &str| strsim::normalized_levenshtein(key, candidate);
    let word = |candidate: &str| strsim::normalized_levenshtein(&last(key), &last(candidate)) * 0.95;
    known
        .iter()
        .map(|candidate| (whole(candidate).max(word(candidate)), candidate))
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .filter(|(likeness, _)| *likeness > 0.6)
        .map(|(_, candidate)| candidate.as_str())
}
