//! Amounts of money: US dollars, exact to the nano-dollar.

use std::fmt;
use std::ops::{Add, AddAssign};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Nano-dollars in a dollar.
const NANOS: i128 = 1_000_000_000;

/// An amount of money.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Hash)]
pub struct Usd(i128);

impl Usd {
    /// So many nano-dollars.
    pub const fn from_nanos(nanos: i128) -> Self {
        Self(nanos)
    }

    /// So many nano-dollars it is.
    pub const fn nanos(self) -> i128 {
        self.0
    }

    /// In dollars, to the precision of a float.
    #[expect(clippy::cast_precision_loss, reason = "a float is what is asked for")]
    pub fn dollars(self) -> f64 {
        self.0 as f64 / NANOS as f64
    }

    /// Whether it is `percent` of `whole`, or more.
    pub const fn is_share_of(self, whole: Self, percent: u32) -> bool {
        self.0.saturating_mul(100) >= whole.0.saturating_mul(percent as i128)
    }
}

impl Add for Usd {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl AddAssign for Usd {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl fmt::Display for Usd {
    /// As a plain decimal without zeros at the end.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (sign, nanos) = (if self.0 < 0 { "-" } else { "" }, self.0.unsigned_abs());
        let (whole, rest) = (nanos / NANOS.unsigned_abs(), nanos % NANOS.unsigned_abs());
        let rest = format!("{rest:09}");
        let rest = rest.trim_end_matches('0');
        let point = if rest.is_empty() { "" } else { "." };
        write!(f, "{sign}{whole}{point}{rest}")
    }
}

/// It is no plain decimal of up to nine places.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotAnAmount;

impl FromStr for Usd {
    type Err = NotAnAmount;

    fn from_str(text: &str) -> Result<Self, NotAnAmount> {
        let (sign, digits) = text.strip_prefix('-').map_or((1, text), |digits| (-1, digits));
        let (whole, rest) = digits.split_once('.').unwrap_or((digits, "0"));
        let plain = |part: &str, most: usize| {
            (1..=most).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit())
        };
        if !plain(whole, 27) || !plain(rest, 9) {
            return Err(NotAnAmount);
        }
        let number = |text: &str| text.parse::<i128>().map_err(|_| NotAnAmount);
        Ok(Self(sign * (number(whole)? * NANOS + number(&format!("{rest:0<9}"))?)))
    }
}

impl Serialize for Usd {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Usd {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(|NotAnAmount| serde::de::Error::custom("no amount of money"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_come_back_exactly() {
        for text in ["0", "1", "0.1", "125.5", "0.000000001", "-3.25", "999999999999.999999999"] {
            assert_eq!(text.parse::<Usd>().unwrap().to_string(), text);
        }
        assert_eq!("007.500".parse::<Usd>().unwrap().to_string(), "7.5");
        for text in ["", ".", "1.", ".5", "1e3", "+1", "0.0000000001", "1,5", "--1", "NaN"] {
            assert_eq!(text.parse::<Usd>(), Err(NotAnAmount), "{text:?}");
        }
    }

    #[test]
    fn shares_are_exact() {
        let whole: Usd = "0.1".parse().unwrap();
        let just_under: Usd = "0.079999999".parse().unwrap();
        assert!(!just_under.is_share_of(whole, 80));
        assert!((just_under + Usd::from_nanos(1)).is_share_of(whole, 80));
    }
}
