//! Numbers as text, exactly.

/// Appends an integer.
#[inline]
pub(super) fn int(value: i64, out: &mut Vec<u8>) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

/// Appends the shortest text that reads back as the same finite double: `2517.0`, `0.1`, `1e300`.
#[inline]
pub(super) fn finite(value: f64, out: &mut Vec<u8>) {
    out.extend_from_slice(ryu::Buffer::new().format_finite(value).as_bytes());
}

/// Appends a double as CSV has it: whole numbers without a point, and words for what is no number.
#[inline]
pub(super) fn plain_float(value: f64, out: &mut Vec<u8>) {
    if !value.is_finite() {
        out.extend_from_slice(word(value).as_bytes());
        return;
    }
    let mut buffer = ryu::Buffer::new();
    let text = buffer.format_finite(value);
    out.extend_from_slice(text.strip_suffix(".0").unwrap_or(text).as_bytes());
}

/// The word for a double that is no number.
pub(super) const fn word(value: f64) -> &'static str {
    if value.is_nan() {
        "NaN"
    } else if value > 0.0 {
        "Infinity"
    } else {
        "-Infinity"
    }
}

/// Appends `unscaled` × 10^-`scale` without trailing zeros after the point and with at least one digit before
/// it, and tells how many significant digits it has.
pub(super) fn decimal(unscaled: i128, scale: i8, out: &mut Vec<u8>) -> usize {
    if unscaled == 0 {
        out.push(b'0');
        return 1;
    }
    if unscaled < 0 {
        out.push(b'-');
    }
    match u64::try_from(unscaled.unsigned_abs()) {
        Ok(small) => place(itoa::Buffer::new().format(small).as_bytes(), scale, out),
        Err(_) => place(itoa::Buffer::new().format(unscaled.unsigned_abs()).as_bytes(), scale, out),
    }
}

fn place(digits: &[u8], scale: i8, out: &mut Vec<u8>) -> usize {
    let zeros = digits.iter().rev().take_while(|digit| **digit == b'0').count();
    let significant = &digits[..digits.len() - zeros];
    // The number is `significant` × 10^`exponent`.
    let exponent = zeros as isize - isize::from(scale);
    if exponent >= 0 {
        out.extend_from_slice(significant);
        out.resize(out.len() + exponent.unsigned_abs(), b'0');
        return significant.len();
    }
    let after = exponent.unsigned_abs();
    if after < significant.len() {
        let (whole, fraction) = significant.split_at(significant.len() - after);
        out.extend_from_slice(whole);
        out.push(b'.');
        out.extend_from_slice(fraction);
    } else {
        out.extend_from_slice(b"0.");
        out.resize(out.len() + (after - significant.len()), b'0');
        out.extend_from_slice(significant);
    }
    significant.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn decimals_are_exact_and_short() {
        let cases = [
            (1_200_000, 9, "0.0012", 2),
            (0, 9, "0", 1),
            (-5, 1, "-0.5", 1),
            (123_456, 3, "123.456", 6),
            (123_000, 3, "123", 3),
            (7, -3, "7000", 1),
            (10, 1, "1", 1),
            (1, 38, "0.00000000000000000000000000000000000001", 1),
            (i128::MIN, 0, "-170141183460469231731687303715884105728", 39),
            (99_999_999_999_999_999_999_999_999_999_999_999_999, 0, "99999999999999999999999999999999999999", 38),
        ];
        for (unscaled, scale, expected, digits) in cases {
            let mut significant = 0;
            assert_eq!(text(|out| significant = decimal(unscaled, scale, out)), expected);
            assert_eq!(significant, digits, "{expected}");
        }
    }

    #[test]
    fn doubles_are_short() {
        let cases = [
            (2517.0, "2517"),
            (1e300, "1e300"),
            (-0.0, "-0"),
            (0.1, "0.1"),
            (f64::MIN_POSITIVE, "2.2250738585072014e-308"),
            (f64::NAN, "NaN"),
            (f64::INFINITY, "Infinity"),
            (f64::NEG_INFINITY, "-Infinity"),
        ];
        for (value, expected) in cases {
            assert_eq!(text(|out| plain_float(value, out)), expected);
        }
    }
}
