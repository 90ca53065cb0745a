//! The moment an answer is true for.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind};

/// The moment a count, a page, a preview or an export speaks of.
///
/// Clients get it as an opaque string and may hand it back, so that the file is what the screen counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AsOf {
    /// Append-only rows: everything with a sequence up to and including this one, taken at this moment.
    Cutoff {
        /// The last sequence number included.
        sequence: i64,
        /// When it was taken.
        at: Timestamp,
    },
    /// Mutable rows: one database snapshot, taken at this moment. It cannot be asked for again.
    Snapshot {
        /// When it was taken.
        at: Timestamp,
    },
}

impl AsOf {
    /// When it was taken.
    pub const fn at(&self) -> Timestamp {
        match self {
            Self::Cutoff { at, .. } | Self::Snapshot { at } => *at,
        }
    }

    /// The word the receipt uses: `cutoff` or `snapshot`.
    pub const fn mode(&self) -> &'static str {
        match self {
            Self::Cutoff { .. } => "cutoff",
            Self::Snapshot { .. } => "snapshot",
        }
    }
}

impl fmt::Display for AsOf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cutoff { sequence, at } => write!(f, "c{sequence}.{}", at.as_microsecond()),
            Self::Snapshot { at } => write!(f, "s.{}", at.as_microsecond()),
        }
    }
}

impl FromStr for AsOf {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let parsed = || {
            let (head, micros) = text.split_once('.')?;
            let at = Timestamp::from_microsecond(micros.parse().ok()?).ok()?;
            match head.strip_prefix('c') {
                Some(sequence) => {
                    let sequence = sequence.parse().ok().filter(|sequence: &i64| *sequence >= 0)?;
                    Some(Self::Cutoff { sequence, at })
                }
                None => (head == "s").then_some(Self::Snapshot { at }),
            }
        };
        parsed().ok_or_else(|| {
            Error::new(
                ErrorKind::InvalidRequest,
                "as_of is handed out by count, page and preview; pass it back unchanged",
            )
        })
    }
}

impl Serialize for AsOf {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for AsOf {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comes_back_as_it_was() {
        let at = Timestamp::from_microsecond(1_794_607_391_787_767).unwrap();
        for as_of in [AsOf::Cutoff { sequence: 42, at }, AsOf::Snapshot { at }] {
            assert_eq!(as_of.to_string().parse::<AsOf>().unwrap(), as_of);
        }
        for text in ["", "c.1", "c-1.1", "c1", "s1.1", "c1.x", "c1.99999999999999999999"] {
            assert!(text.parse::<AsOf>().is_err(), "{text}");
        }
    }
}
