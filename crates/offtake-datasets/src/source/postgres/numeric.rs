//! The binary form of `numeric`: digits to base 10,000, where the first stands, a sign, and digits after the point.

/// What a numeric is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Numeric<'a> {
    Finite(Finite<'a>),
    /// `NaN`, `Infinity` or `-Infinity`.
    Special(&'static str),
}

/// A finite one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Finite<'a> {
    digits: &'a [u8],
    weight: i32,
    negative: bool,
    /// Digits that are written after the point.
    shown: usize,
}

const BASE: i128 = 10_000;

/// Takes it apart; `None` for what is no numeric.
pub(super) fn parse(bytes: &[u8]) -> Option<Numeric<'_>> {
    let (head, digits) = bytes.split_first_chunk::<8>()?;
    let word = |at: usize| u16::from_be_bytes([head[at], head[at + 1]]);
    let negative = match word(4) {
        0x0000 => false,
        0x4000 => true,
        0xc000 => return Some(Numeric::Special("NaN")),
        0xd000 => return Some(Numeric::Special("Infinity")),
        0xf000 => return Some(Numeric::Special("-Infinity")),
        _ => return None,
    };
    let sound = digits.len() == 2 * usize::from(word(0))
        && digits.chunks_exact(2).all(|digit| u16::from_be_bytes([digit[0], digit[1]]) < 10_000)
        && word(6) <= 16_383;
    let weight = i32::from(word(2).cast_signed());
    sound.then_some(Numeric::Finite(Finite { digits, weight, negative, shown: usize::from(word(6)) }))
}

impl Finite<'_> {
    fn digit(&self, index: i32) -> u16 {
        let at = usize::try_from(index).ok().map(|index| 2 * index);
        at.and_then(|at| self.digits.get(at..at + 2)).map_or(0, |digit| u16::from_be_bytes([digit[0], digit[1]]))
    }

    /// The number × 10^`scale`, if that is whole and has at most `precision` digits.
    pub(super) fn unscaled(&self, precision: u8, scale: i8) -> Option<i128> {
        let count = i32::try_from(self.digits.len() / 2).ok()?;
        let mut unscaled: i128 = 0;
        for index in 0..count {
            let digit = i128::from(self.digit(index));
            // What a one in this place is worth, as a power of ten.
            let power = 4 * (self.weight - index) + i32::from(scale);
            let part = if power >= 0 {
                let power = u32::try_from(power).ok().and_then(|power| 10_i128.checked_pow(power));
                if digit == 0 { 0 } else { digit.checked_mul(power?)? }
            } else {
                let power = 10_i128.checked_pow(power.unsigned_abs().min(4))?;
                if digit % power != 0 {
                    return None;
                }
                if power == BASE { 0 } else { digit / power }
            };
            unscaled = unscaled.checked_add(part)?;
        }
        let fits = unscaled.unsigned_abs() < 10_u128.pow(u32::from(precision.min(38)));
        fits.then_some(if self.negative { -unscaled } else { unscaled })
    }

    /// Appends the number as Postgres writes it.
    pub(super) fn write(&self, out: &mut String) {
        if self.negative {
            out.push('-');
        }
        if self.weight < 0 {
            out.push('0');
        }
        for index in 0..=self.weight {
            let digit = self.digit(index);
            if index == 0 { out.push_str(&digit.to_string()) } else { out.push_str(&format!("{digit:04}")) }
        }
        if self.shown > 0 {
            out.push('.');
            let whole = out.len() + self.shown;
            let mut index = self.weight + 1;
            while out.len() < whole {
                out.push_str(&format!("{:04}", self.digit(index)));
                index += 1;
            }
            out.truncate(whole);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// As the server would send it.
    fn binary(unscaled: i128, scale: u16) -> Vec<u8> {
        let pad = (4 - scale % 4) % 4;
        let mut rest = unscaled.unsigned_abs();
        let mut digits = Vec::new();
        // The lowest digit is filled up so that the point is between two.
        let low = 10_u128.pow(u32::from(4 - pad));
        digits.push((rest % low) * 10_u128.pow(u32::from(pad)));
        rest /= low;
        while rest > 0 {
            digits.push(rest % 10_000);
            rest /= 10_000;
        }
        let after_point = i32::from((scale + pad) / 4);
        let mut weight = i32::try_from(digits.len()).unwrap() - 1 - after_point;
        digits.reverse();
        while digits.first() == Some(&0) {
            digits.remove(0);
            weight -= 1;
        }
        while digits.last() == Some(&0) {
            digits.pop();
        }
        let mut bytes = Vec::new();
        bytes.extend(u16::try_from(digits.len()).unwrap().to_be_bytes());
        bytes.extend(i16::try_from(if digits.is_empty() { 0 } else { weight }).unwrap().to_be_bytes());
        bytes.extend((if unscaled < 0 { 0x4000_u16 } else { 0 }).to_be_bytes());
        bytes.extend(scale.to_be_bytes());
        digits.iter().for_each(|digit| bytes.extend(u16::try_from(*digit).unwrap().to_be_bytes()));
        bytes
    }

    fn finite(bytes: &[u8]) -> Finite<'_> {
        match parse(bytes) {
            Some(Numeric::Finite(finite)) => finite,
            other => panic!("{other:?}"),
        }
    }

    proptest! {
        #[test]
        fn numbers_come_back(unscaled in -10_i128.pow(38) + 1..10_i128.pow(38), scale in 0..38_u16) {
            let bytes = binary(unscaled, scale);
            let number = finite(&bytes);
            prop_assert_eq!(number.unscaled(38, i8::try_from(scale).unwrap()), Some(unscaled));
            let mut text = String::new();
            number.write(&mut text);
            let digits = unscaled.unsigned_abs().to_string();
            let digits = format!("{digits:0>width$}", width = usize::from(scale) + 1);
            let (whole, fraction) = digits.split_at(digits.len() - usize::from(scale));
            let point = if scale > 0 { "." } else { "" };
            let sign = if unscaled < 0 { "-" } else { "" };
            prop_assert_eq!(text, format!("{sign}{whole}{point}{fraction}"));
        }

        #[test]
        fn nothing_panics(bytes in prop::collection::vec(any::<u8>(), 0..40), precision in 0..=38_u8, scale in 0..=38_i8) {
            if let Some(Numeric::Finite(number)) = parse(&bytes) {
                number.unscaled(precision, scale);
                number.write(&mut String::new());
            }
        }
    }

    #[test]
    fn what_does_not_fit_is_not_cut() {
        let bytes = binary(12_345, 3);
        assert_eq!((finite(&bytes).unscaled(5, 3), finite(&bytes).unscaled(5, 2)), (Some(12_345), None));
        assert_eq!((finite(&bytes).unscaled(4, 3), finite(&bytes).unscaled(6, 4)), (None, Some(123_450)));
        assert_eq!(parse(&[0, 0, 0, 0, 0xc0, 0, 0, 0]), Some(Numeric::Special("NaN")));
        assert_eq!(parse(&[0, 0, 0, 0, 0xf0, 0, 0, 32]), Some(Numeric::Special("-Infinity")));
        assert_eq!((parse(&[0, 1, 0, 0, 0, 0, 0, 0, 0x27, 0x10]), parse(&[0; 7])), (None, None));
    }
}
