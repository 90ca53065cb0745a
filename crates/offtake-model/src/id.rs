//! Typed ids with readable prefixes: `job_0199…`, `art_0199…`.
//!
//! The body is a UUIDv7 in 32 hex digits, so ids sort by creation.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::{NoContext, Uuid};

use crate::error::{Error, ErrorKind};

macro_rules! typed_id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(Uuid);

        impl $name {
            /// What every such id begins with.
            pub const PREFIX: &'static str = $prefix;

            /// A new id, stamped with `now`.
            pub fn new(now: Timestamp) -> Self {
                let seconds = u64::try_from(now.as_second()).unwrap_or(0);
                let nanos = u32::try_from(now.subsec_nanosecond()).unwrap_or(0);
                Self(Uuid::new_v7(uuid::Timestamp::from_unix(NoContext, seconds, nanos)))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($prefix, "{}"), self.0.simple())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = Error;

            fn from_str(text: &str) -> Result<Self, Error> {
                let body = text.strip_prefix($prefix).filter(|body| body.len() == 32);
                // One spelling per id: upper case or dashes would be a second name for the same row.
                let canonical = body.filter(|body| {
                    body.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
                });
                canonical
                    .and_then(|body| Uuid::try_parse(body).ok())
                    .map(Self)
                    .ok_or_else(|| Error::new(ErrorKind::NotFound, concat!("no such id; ids begin with ", $prefix)))
            }
        }

        impl Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

typed_id!(
    /// A job, and the export it is the work for.
    JobId,
    "job_"
);
typed_id!(
    /// A stored file.
    ArtifactId,
    "art_"
);
typed_id!(
    /// An API key.
    ApiKeyId,
    "key_"
);
typed_id!(
    /// A notification that is owed to somebody.
    NotificationId,
    "ntf_"
);
typed_id!(
    /// An endpoint that is told by webhook.
    WebhookId,
    "whk_"
);
typed_id!(
    /// An alert rule.
    AlertId,
    "alr_"
);
typed_id!(
    /// A schedule.
    ScheduleId,
    "sch_"
);
typed_id!(
    /// A bucket of the organization's own.
    DestinationId,
    "dst_"
);

/// The tenant: every row, job, file and event belongs to exactly one.
///
/// The name is the identity provider's; it is compared byte for byte and never parsed.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct OrgId(String);

impl OrgId {
    /// The longest name of an organization, in bytes.
    pub const MAX_BYTES: usize = 200;

    /// # Errors
    /// `invalid_request` if the name is empty, longer than [`Self::MAX_BYTES`] or contains a control character.
    pub fn new(name: impl Into<String>) -> Result<Self, Error> {
        let name = name.into();
        if name.is_empty() || name.len() > Self::MAX_BYTES || name.chars().any(char::is_control) {
            return Err(Error::new(
                ErrorKind::InvalidRequest,
                "an organization's name has 1 to 200 bytes and no control characters",
            ));
        }
        Ok(Self(name))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for OrgId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_has_one_spelling() {
        let id = JobId::new(Timestamp::UNIX_EPOCH);
        let text = id.to_string();
        assert_eq!(text.parse::<JobId>().unwrap(), id);
        for other in [text.to_uppercase(), text.replace("job_", "art_"), format!("{text}0"), text.replace("job_", "")] {
            let refused = other.parse::<JobId>().unwrap_err();
            assert_eq!(refused.kind(), ErrorKind::NotFound, "{other}");
        }
    }

    #[test]
    fn ids_sort_by_creation() {
        let early = JobId::new(Timestamp::from_second(1_700_000_000).unwrap());
        let late = JobId::new(Timestamp::from_second(1_700_000_001).unwrap());
        assert!(early.to_string() < late.to_string());
    }

    #[test]
    fn an_organization_has_a_printable_name() {
        assert!(OrgId::new("acme / Zürich").is_ok());
        for name in [String::new(), "a\nb".to_owned(), "a\0".to_owned(), "x".repeat(201)] {
            assert!(OrgId::new(name).is_err());
        }
    }
}
