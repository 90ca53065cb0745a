//! Moments as spreadsheets have them: days since 1899-12-30, a double.

const MICROS_PER_DAY: i64 = 86_400_000_000;
/// 1970-01-01.
const EPOCH: i64 = 25_569;
/// 1900-03-01: before it, spreadsheets disagree, because Excel has a 29th of February in 1900.
const FIRST: i64 = 61;
/// 9999-12-31.
const LAST: i64 = 2_958_465;

/// The serial number of a moment (microseconds since 1970, UTC), and whether it has a fraction of a second.
///
/// `None` for what a serial number cannot be: too early, too late, or a microsecond that a double of that size does
/// not tell from its neighbours. Rounded to the microsecond (to the millisecond, if it is a whole one), the number is
/// the moment again.
pub(super) fn serial(micros: i64) -> Option<(f64, bool)> {
    let day = micros.div_euclid(MICROS_PER_DAY) + EPOCH;
    if !(FIRST..=LAST).contains(&day) {
        return None;
    }
    let of_day = micros.rem_euclid(MICROS_PER_DAY);
    let serial = day as f64 + of_day as f64 / MICROS_PER_DAY as f64;
    let off = ((serial - day as f64) * MICROS_PER_DAY as f64 - of_day as f64).abs();
    let unit = if of_day % 1000 == 0 { 1000.0 } else { 1.0 };
    (off < unit / 2.0).then_some((serial, of_day % 1_000_000 != 0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn micros(text: &str) -> i64 {
        text.parse::<jiff::Timestamp>().unwrap().as_microsecond()
    }

    #[test]
    fn known_moments() {
        assert_eq!(serial(micros("2026-11-01T00:00:00Z")), Some((46_327.0, false)));
        assert_eq!(serial(micros("2026-11-01T12:00:00Z")), Some((46_327.5, false)));
        assert_eq!(serial(micros("1900-03-01T00:00:00Z")), Some((61.0, false)));
        assert_eq!(serial(micros("1900-02-28T23:59:59.999999Z")), None);
        assert_eq!(serial(253_402_300_799_999_000).map(|(_, fraction)| fraction), Some(true));
        assert_eq!(serial(253_402_300_800_000_000), None);
        assert_eq!(serial(micros("2500-01-01T00:00:00.000001Z")), None);
        assert_eq!((serial(i64::MIN), serial(i64::MAX)), (None, None));
    }

    proptest! {
        #[test]
        fn microseconds_of_our_time_come_back(micros in 0..3_400_000_000_000_000_i64) {
            let (serial, fraction) = serial(micros).unwrap();
            let day = serial.trunc();
            let of_day = ((serial - day) * MICROS_PER_DAY as f64).round() as i64;
            prop_assert_eq!((day as i64 - EPOCH) * MICROS_PER_DAY + of_day, micros);
            prop_assert_eq!(fraction, micros % 1_000_000 != 0);
        }
    }
}
