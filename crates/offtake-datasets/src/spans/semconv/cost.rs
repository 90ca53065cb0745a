//! What a call cost, in nano-dollars, by exact decimal arithmetic.
//!
//! A cost is computed as a whole and rounded once, to the nearest nano-dollar, ties to even. A stated cost that is a
//! double is taken as the shortest decimal that means it, which is what whoever sent it wrote.

use opentelemetry_proto::tonic::common::v1::KeyValue;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::{double, integer, text, value};

/// Nano-dollars in a dollar.
const NANO: i128 = 1_000_000_000;
/// Costs below this fit `decimal(18,9)`.
const LIMIT: i128 = NANO * NANO;

/// The cost that an attribute states, in dollars.
pub(crate) fn stated(attribute: &KeyValue) -> Option<i64> {
    let value = value(attribute)?;
    let whole = || integer(value).and_then(|dollars| nano(i128::from(dollars), 0));
    let double = || double(value).and_then(|dollars| parse(&format!("{dollars:e}")));
    text(value).and_then(parse).or_else(whole).or_else(double)
}

/// `12.5`, `1.25e-5`: dollars as text to nano-dollars. `None`: no number, negative, or too large.
fn parse(text: &str) -> Option<i64> {
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
        None => (text, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    let is_number = !digits.is_empty() && digits.len() <= 36 && digits.bytes().all(|digit| digit.is_ascii_digit());
    let digits: i128 = is_number.then(|| digits.parse().ok())??;
    nano(digits, exponent.checked_sub(i32::try_from(fraction.len()).ok()?)?)
}

/// `digits` × 10^`exponent` dollars.
fn nano(digits: i128, exponent: i32) -> Option<i64> {
    let exponent = exponent.checked_add(9)?;
    let nano = match u32::try_from(exponent) {
        Ok(up) if digits != 0 => digits.checked_mul(10_i128.checked_pow(up)?)?,
        Ok(_) => 0,
        // Below 10^-38 nothing that fits is left of it.
        Err(_) => 10_i128.checked_pow(exponent.unsigned_abs()).map_or(0, |down| divide(digits, down)),
    };
    (0..LIMIT).contains(&nano).then(|| i64::try_from(nano).ok())?
}

/// To the nearest, ties to even. Neither is negative.
fn divide(number: i128, by: i128) -> i128 {
    let (quotient, rest) = (number / by, number % by);
    let up = match (rest * 2).cmp(&by) {
        std::cmp::Ordering::Less => false,
        std::cmp::Ordering::Equal => quotient % 2 == 1,
        std::cmp::Ordering::Greater => true,
    };
    quotient + i128::from(up)
}

/// The tokens of a call. `cached` ones are among the `prompt` tokens.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Usage {
    pub(crate) prompt: Option<i64>,
    pub(crate) completion: Option<i64>,
    pub(crate) cached: Option<i64>,
}

/// Dollars per million tokens, kept as nano-dollars.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate(i64);

/// What a model costs, in dollars per million tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Price {
    /// Of what goes in.
    pub input: Rate,
    /// Of what comes out.
    pub output: Rate,
    /// Of what goes in and was cached before; as other input if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cached_input: Option<Rate>,
}

impl Price {
    /// The cost of a call; `None` if it counted no tokens.
    pub(crate) fn of(&self, usage: Usage) -> Option<i64> {
        if usage.prompt.is_none() && usage.completion.is_none() {
            return None;
        }
        let (prompt, completion) = (usage.prompt.unwrap_or(0), usage.completion.unwrap_or(0));
        let cached = usage.cached.unwrap_or(0).min(prompt);
        let parts = [
            (prompt - cached, self.input),
            (cached, self.cached_input.unwrap_or(self.input)),
            (completion, self.output),
        ];
        let sum: i128 = parts.iter().map(|(tokens, rate)| i128::from(*tokens) * i128::from(rate.0)).sum();
        i64::try_from(divide(sum, 1_000_000)).ok().filter(|cost| i128::from(*cost) < LIMIT)
    }
}

impl<'de> Deserialize<'de> for Rate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Written {
            Int(i64),
            Double(f64),
            Text(String),
        }
        let rate = match Written::deserialize(deserializer)? {
            Written::Int(dollars) => nano(i128::from(dollars), 0),
            Written::Double(dollars) => dollars.is_finite().then(|| parse(&format!("{dollars:e}"))).flatten(),
            Written::Text(text) => parse(&text),
        };
        rate.map(Self).ok_or_else(|| de::Error::custom("a price is a number of dollars per million tokens, like 2.5"))
    }
}

impl Serialize for Rate {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let text = format!("{}.{:09}", i128::from(self.0) / NANO, i128::from(self.0) % NANO);
        serializer.serialize_str(text.trim_end_matches('0').trim_end_matches('.'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dollars_are_read_exactly_and_rounded_half_even() {
        let cases = [
            ("0", Some(0)),
            ("1", Some(1_000_000_000)),
            ("0.1", Some(100_000_000)),
            ("1.25e-5", Some(12_500)),
            ("0.0000000005", Some(0)),
            ("0.0000000015", Some(2)),
            ("0.0000000025", Some(2)),
            ("0.00000000250000000001", Some(3)),
            ("1e-300", Some(0)),
            ("0e300", Some(0)),
            ("999999999.999999999", Some(999_999_999_999_999_999)),
            ("1e9", None),
            ("999999999.9999999996", None),
            ("1e300", None),
            ("1e-2147483648", Some(0)),
            ("-1", None),
            ("", None),
            (".", None),
            ("1_0", None),
            ("NaN", None),
        ];
        for (text, expected) in cases {
            assert_eq!(parse(text), expected, "{text}");
        }
    }

    #[test]
    fn a_call_is_summed_before_it_is_rounded() {
        let price: Price = toml::from_str("input = 0.0005\noutput = 0.0005\ncached_input = '0'").unwrap();
        let usage = |prompt, completion, cached| Usage { prompt, completion, cached };
        // Half a nano-dollar a token: two halves are a whole.
        assert_eq!(price.of(usage(Some(1), Some(1), None)), Some(1));
        assert_eq!(price.of(usage(Some(1), None, None)), Some(0));
        assert_eq!(price.of(usage(Some(3), None, None)), Some(2));
        assert_eq!(price.of(usage(Some(4), Some(2), Some(2))), Some(2));
        assert_eq!(price.of(usage(Some(4), Some(2), Some(9))), Some(1));
        assert_eq!(price.of(usage(None, None, Some(9))), None);
        let text = toml::to_string(&price).unwrap();
        assert_eq!(toml::from_str::<Price>(&text).unwrap(), price, "{text}");
    }
}
