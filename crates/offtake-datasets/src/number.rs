//! Exact numbers: decimals from text and from doubles, moments in microseconds. Nothing is rounded here.

use jiff::Timestamp;

/// A double written with so few digits is the only double of that text, so the text is what was meant.
const SURE_DIGITS: usize = 15;
/// What a `Decimal128` can hold.
const MOST_DIGITS: u32 = 38;

/// `unscaled` and `scale` of a number as JSON or SQL writes it: `-12.50`, `1e-9`. Trailing zeros of the fraction are
/// dropped. `None` for anything else, and beyond 38 digits.
pub(crate) fn parse_decimal(text: &str) -> Option<(i128, i8)> {
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
        None => (text, 0),
    };
    let (negative, digits) = match mantissa.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, mantissa.strip_prefix('+').unwrap_or(mantissa)),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let all_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if (whole.is_empty() && fraction.is_empty()) || !all_digits(whole) || !all_digits(fraction) {
        return None;
    }
    let fraction = fraction.trim_end_matches('0');
    let mut unscaled: i128 = 0;
    for digit in whole.bytes().chain(fraction.bytes()) {
        unscaled = unscaled.checked_mul(10)?.checked_add(i128::from(digit - b'0'))?;
    }
    let scale = i32::try_from(fraction.len()).ok()?.checked_sub(exponent)?;
    let (unscaled, scale) = normal(unscaled, scale)?;
    Some((if negative { -unscaled } else { unscaled }, scale))
}

/// Brings the scale into `0..=38` without changing the number.
fn normal(mut unscaled: i128, mut scale: i32) -> Option<(i128, i8)> {
    if unscaled == 0 {
        return Some((0, 0));
    }
    while scale > 0 && unscaled % 10 == 0 {
        unscaled /= 10;
        scale -= 1;
    }
    if scale < 0 {
        unscaled = unscaled.checked_mul(10_i128.checked_pow(scale.unsigned_abs())?)?;
        scale = 0;
    }
    (scale <= 38 && unscaled.unsigned_abs() < 10_u128.pow(MOST_DIGITS)).then_some((unscaled, i8::try_from(scale).ok()?))
}

/// The number a double was written as, if that can be told: up to 15 digits.
pub(crate) fn decimal_of_double(double: f64) -> Option<(i128, i8)> {
    let text = double.is_finite().then(|| format!("{double:e}"))?;
    let digits = text.split('e').next()?.bytes().filter(u8::is_ascii_digit).count();
    if digits > SURE_DIGITS { None } else { parse_decimal(&text) }
}

/// The same number with another scale, if it has no more digits than that.
pub(crate) fn rescale(unscaled: i128, from: i8, to: i8) -> Option<i128> {
    let shift = i32::from(to) - i32::from(from);
    let power = 10_i128.checked_pow(shift.unsigned_abs())?;
    if shift >= 0 { unscaled.checked_mul(power) } else { (unscaled % power == 0).then_some(unscaled / power) }
}

/// Microseconds since the epoch, rounded down.
pub(crate) fn floor_micros(moment: Timestamp) -> i64 {
    i64::try_from(moment.as_nanosecond().div_euclid(1_000)).unwrap_or(i64::MAX)
}

/// Microseconds since the epoch, if the moment has no finer digits.
pub(crate) fn whole_micros(moment: Timestamp) -> Option<i64> {
    (moment.as_nanosecond().rem_euclid(1_000) == 0).then(|| floor_micros(moment))
}
