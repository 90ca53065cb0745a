//! Moments and days as text: RFC 3339, UTC, always six digits after the second.

const MICROS_PER_DAY: i64 = 86_400_000_000;

/// Writes moments. Rows are ordered by time more often than not, so the last day is kept.
#[derive(Debug)]
pub(super) struct Moments {
    day: i64,
    date: [u8; 14],
    start: usize,
}

impl Moments {
    pub(super) fn new() -> Self {
        let mut moments = Self { day: 0, date: [0; 14], start: 0 };
        moments.turn(0);
        moments
    }

    /// Appends a moment, given as microseconds since 1970: `2026-11-01T00:00:00.123456Z`.
    ///
    /// Years outside of 0..=9999 have a sign and six digits, as ECMAScript and ISO 8601 extend the form:
    /// `+010000-01-01T…`, `-000044-03-15T…`. The two infinities are `infinity` and `-infinity`.
    #[inline]
    pub(super) fn write(&mut self, micros: i64, out: &mut Vec<u8>) {
        if micros.unsigned_abs() == i64::MAX.unsigned_abs() {
            return infinity(micros < 0, out);
        }
        let day = micros.div_euclid(MICROS_PER_DAY);
        self.turn_to(day);
        let of_day = micros.rem_euclid(MICROS_PER_DAY) as u64;
        let (seconds, fraction) = ((of_day / 1_000_000) as u32, (of_day % 1_000_000) as u32);
        let mut time = *b"T00:00:00.000000Z";
        pair(&mut time, 1, seconds / 3600);
        pair(&mut time, 4, seconds / 60 % 60);
        pair(&mut time, 7, seconds % 60);
        pair(&mut time, 10, fraction / 10_000);
        pair(&mut time, 12, fraction / 100 % 100);
        pair(&mut time, 14, fraction % 100);
        out.extend_from_slice(&self.date[self.start..]);
        out.extend_from_slice(&time);
    }

    /// Appends a day, counted from 1970: the date of a moment in it.
    pub(super) fn write_day(&mut self, day: i32, out: &mut Vec<u8>) {
        if day.unsigned_abs() == i32::MAX.unsigned_abs() {
            return infinity(day < 0, out);
        }
        self.turn_to(day.into());
        out.extend_from_slice(&self.date[self.start..]);
    }

    #[inline]
    fn turn_to(&mut self, day: i64) {
        if day != self.day {
            self.turn(day);
        }
    }

    fn turn(&mut self, day: i64) {
        let (year, month, dom) = civil(day);
        let mut date = *b"+0000000-00-00";
        let mut rest = year.unsigned_abs() as u32;
        for at in (1..8).rev() {
            date[at] = b'0' + (rest % 10) as u8;
            rest /= 10;
        }
        pair(&mut date, 9, month);
        pair(&mut date, 12, dom);
        // Moments end before year 300,000; days go on into the millions.
        self.start = match year {
            0..=9_999 => 4,
            -999_999..=999_999 => 1,
            _ => 0,
        };
        if self.start < 4 {
            date[self.start] = if year < 0 { b'-' } else { b'+' };
        }
        self.day = day;
        self.date = date;
    }
}

fn infinity(negative: bool, out: &mut Vec<u8>) {
    out.extend_from_slice(if negative { b"-infinity" } else { b"infinity" });
}

#[inline]
fn pair(text: &mut [u8], at: usize, value: u32) {
    text[at] = b'0' + (value / 10) as u8;
    text[at + 1] = b'0' + (value % 10) as u8;
}

/// The proleptic Gregorian date of a day counted from 1970-01-01: years begin in March here, so that the leap
/// day is the last of its year, and 400 years have always the same 146,097 days.
pub(super) const fn civil(day: i64) -> (i64, u32, u32) {
    let from_year_zero = day + 719_468;
    let era = from_year_zero.div_euclid(146_097);
    let of_era = from_year_zero.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * of_year + 2) / 153;
    let dom = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    let year = year_of_era + era * 400 + (month <= 2) as i64;
    (year, month as u32, dom as u32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text(micros: i64) -> String {
        let mut out = Vec::new();
        Moments::new().write(micros, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn known_moments() {
        assert_eq!(text(0), "1970-01-01T00:00:00.000000Z");
        assert_eq!(text(-1), "1969-12-31T23:59:59.999999Z");
        assert_eq!(text(1_793_491_200_123_456), "2026-11-01T00:00:00.123456Z");
        assert_eq!(text(253_402_300_799_999_999), "9999-12-31T23:59:59.999999Z");
        assert_eq!(text(253_402_300_800_000_000), "+010000-01-01T00:00:00.000000Z");
        assert_eq!(text(-62_167_219_200_000_000), "0000-01-01T00:00:00.000000Z");
        assert_eq!(text(-62_167_219_200_000_001), "-000001-12-31T23:59:59.999999Z");
        assert_eq!(text(i64::MAX - 1), "+294247-01-10T04:00:54.775806Z");
        assert_eq!((&*text(i64::MAX), &*text(-i64::MAX)), ("infinity", "-infinity"));
        assert_eq!(text(i64::MIN), "-290308-12-21T19:59:05.224192Z");
    }

    #[test]
    fn known_days() {
        let day = |day: i32| {
            let mut out = Vec::new();
            Moments::new().write_day(day, &mut out);
            String::from_utf8(out).unwrap()
        };
        assert_eq!((&*day(0), &*day(-1), &*day(20_758)), ("1970-01-01", "1969-12-31", "2026-11-01"));
        assert_eq!((&*day(2_932_897), &*day(-719_529)), ("+010000-01-01", "-000001-12-31"));
        assert_eq!((&*day(i32::MAX), &*day(-i32::MAX)), ("infinity", "-infinity"));
        assert_eq!(day(i32::MAX - 1), "+5881580-07-10");
    }

    proptest! {
        #[test]
        fn agrees_with_jiff(micros in -377_705_023_201_000_000_i64..=253_402_207_200_000_000) {
            let expected = jiff::Timestamp::from_microsecond(micros).unwrap();
            prop_assert_eq!(text(micros).parse::<jiff::Timestamp>().unwrap(), expected);
        }

        #[test]
        fn a_kept_day_changes_nothing(moments in prop::collection::vec(any::<i64>(), 1..20)) {
            let mut writer = Moments::new();
            for micros in moments {
                let mut out = Vec::new();
                writer.write(micros, &mut out);
                prop_assert_eq!(String::from_utf8(out).unwrap(), text(micros));
            }
        }
    }
}
