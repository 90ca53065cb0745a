//! What bodies about endpoints say, with everything wrong told at once.

use jiff::SignedDuration;
use offtake_model::event::EventType;
use offtake_model::webhook::{LONGEST_OVERLAP, OVERLAP, SigningScheme, may_be_told};
use offtake_model::{Error, Result, Violation};
use offtake_store::outbound::Outbound;
use serde_json::{Map, Value as Json};

use crate::principals::pointer;

/// The longest description, in characters.
const LONGEST_DESCRIPTION: usize = 500;

/// An endpoint to be made.
pub(super) struct New {
    pub(super) url: String,
    pub(super) events: Vec<EventType>,
    pub(super) description: String,
    pub(super) enabled: bool,
    pub(super) scheme: SigningScheme,
}

/// What is to be different.
pub(super) struct Change {
    pub(super) url: Option<String>,
    pub(super) events: Option<Vec<EventType>>,
    pub(super) description: Option<String>,
    pub(super) enabled: Option<bool>,
}

/// How the next key is to be.
pub(super) struct Rotation {
    pub(super) scheme: Option<SigningScheme>,
    pub(super) overlap: SignedDuration,
}

pub(super) fn for_new(outbound: &Outbound, body: &Map<String, Json>) -> Result<New> {
    let mut read = Reader { body, violations: Vec::new() };
    read.only(&["url", "events", "description", "enabled", "signing"]);
    for needed in ["url", "events"] {
        if read.given(needed).is_none() {
            read.refuse(needed, "is needed");
        }
    }
    let new = New {
        url: read.url(outbound).unwrap_or_default(),
        events: read.events().unwrap_or_default(),
        description: read.description().unwrap_or_default(),
        enabled: read.enabled().unwrap_or(true),
        scheme: read.scheme().unwrap_or(SigningScheme::Hmac),
    };
    read.finish(new)
}

pub(super) fn for_change(outbound: &Outbound, body: &Map<String, Json>) -> Result<Change> {
    let mut read = Reader { body, violations: Vec::new() };
    read.only(&["url", "events", "description", "enabled"]);
    let change = Change {
        url: read.url(outbound),
        events: read.events(),
        description: read.description(),
        enabled: read.enabled(),
    };
    read.finish(change)
}

pub(super) fn for_rotation(body: &Map<String, Json>) -> Result<Rotation> {
    let mut read = Reader { body, violations: Vec::new() };
    read.only(&["signing", "overlap"]);
    let rotation = Rotation { scheme: read.scheme(), overlap: read.overlap() };
    read.finish(rotation)
}

struct Reader<'a> {
    body: &'a Map<String, Json>,
    violations: Vec<Violation>,
}

impl<'a> Reader<'a> {
    fn only(&mut self, known: &[&str]) {
        for member in self.body.keys().filter(|name| !known.contains(&name.as_str())) {
            self.violations.push(Violation::at(format!("/{}", pointer(member)), "is nothing that belongs here"));
        }
    }

    fn given(&self, name: &str) -> Option<&'a Json> {
        self.body.get(name).filter(|value| !value.is_null())
    }

    fn refuse(&mut self, name: &str, detail: impl Into<String>) {
        self.violations.push(Violation::at(format!("/{name}"), detail));
    }

    fn finish<T>(self, read: T) -> Result<T> {
        if self.violations.is_empty() { Ok(read) } else { Err(Error::invalid(self.violations)) }
    }

    fn text(&mut self, name: &str) -> Option<&'a str> {
        let text = self.given(name)?.as_str();
        if text.is_none() {
            self.refuse(name, "is a text");
        }
        text
    }

    /// Where it leads is judged when something is sent; here, what can be told by looking at it.
    fn url(&mut self, outbound: &Outbound) -> Option<String> {
        let text = self.text("url")?;
        if let Err(why) = outbound.judge(text) {
            self.refuse("url", why);
        }
        Some(text.to_owned())
    }

    fn events(&mut self) -> Option<Vec<EventType>> {
        let Some(words) = self.given("events")?.as_array().filter(|words| !words.is_empty()) else {
            self.refuse("events", format!("is a list of at least one of {}", known()));
            return None;
        };
        let mut found = Vec::new();
        for (at, word) in words.iter().enumerate() {
            match word.as_str().and_then(EventType::parse) {
                Some(kind) if may_be_told(kind) => found.push(kind),
                Some(_) => {
                    let detail = "is told by WebSocket and not by webhook";
                    self.violations.push(Violation::at(format!("/events/{at}"), detail));
                }
                None => {
                    let detail = format!("is no event; there are {}", known());
                    self.violations.push(Violation::at(format!("/events/{at}"), detail));
                }
            }
        }
        found.sort();
        found.dedup();
        Some(found)
    }

    fn description(&mut self) -> Option<String> {
        let text = self.text("description")?;
        if text.chars().count() > LONGEST_DESCRIPTION || text.chars().any(char::is_control) {
            self.refuse(
                "description",
                format!("has at most {LONGEST_DESCRIPTION} characters, and no control characters"),
            );
        }
        Some(text.to_owned())
    }

    fn enabled(&mut self) -> Option<bool> {
        let enabled = self.given("enabled")?.as_bool();
        if enabled.is_none() {
            self.refuse("enabled", "is true or false");
        }
        enabled
    }

    fn scheme(&mut self) -> Option<SigningScheme> {
        let scheme = SigningScheme::parse(self.text("signing")?);
        if scheme.is_none() {
            self.refuse("signing", "is hmac or ed25519");
        }
        scheme
    }

    fn overlap(&mut self) -> SignedDuration {
        let Some(given) = self.given("overlap") else { return OVERLAP };
        match given.as_i64().filter(|seconds| (0..=LONGEST_OVERLAP.as_secs()).contains(seconds)) {
            Some(seconds) => SignedDuration::from_secs(seconds),
            None => {
                self.refuse(
                    "overlap",
                    format!("is a whole number of seconds, from 0 to {}", LONGEST_OVERLAP.as_secs()),
                );
                OVERLAP
            }
        }
    }
}

/// The events an endpoint may be told of.
fn known() -> String {
    let names = EventType::ALL.into_iter().filter(|kind| may_be_told(*kind)).map(EventType::name);
    names.collect::<Vec<_>>().join(", ")
}
