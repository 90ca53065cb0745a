//! Cells as people write them: digits in groups, dates by a pattern, moments in a time zone.
//!
//! What a pattern cannot show (infinite moments, years before 1 and after 9999) is written exactly, as without one.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use offtake_model::human::{Human, Pattern, Piece, Separators};

use super::moment::{Moments, civil};

const MICROS_PER_DAY: i64 = 86_400_000_000;
const MICROS_PER_SECOND: i64 = 1_000_000;
const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const WEEKDAYS: [&str; 7] = ["Thursday", "Friday", "Saturday", "Sunday", "Monday", "Tuesday", "Wednesday"];

/// Writes the cells of a frame.
#[derive(Debug)]
pub(super) struct People<'h> {
    human: &'h Human,
    clock: Clock,
    exact: Moments,
    digits: Vec<u8>,
}

impl<'h> People<'h> {
    pub(super) fn new(human: &'h Human) -> Self {
        Self { human, clock: Clock::default(), exact: Moments::new(), digits: Vec::new() }
    }

    /// Appends a number that `exactly` writes.
    pub(super) fn number(&mut self, exactly: impl FnOnce(&mut Vec<u8>), out: &mut Vec<u8>) {
        match self.human.numbers {
            Some(separators) => {
                self.digits.clear();
                exactly(&mut self.digits);
                number(separators, &self.digits, out);
            }
            None => exactly(out),
        }
    }

    /// Appends a moment, given as microseconds since 1970.
    pub(super) fn moment(&mut self, micros: i64, out: &mut Vec<u8>) {
        let local = self.human.timestamp.as_ref().zip(self.clock.local(&self.human.zone, micros));
        let is_shown = local.is_some_and(|(pattern, (local, offset))| by_pattern(pattern, local, offset, out));
        if !is_shown {
            self.exact.write(micros, out);
        }
    }

    /// Appends a day, counted from 1970.
    pub(super) fn day(&mut self, day: i32, out: &mut Vec<u8>) {
        let start = i64::from(day).checked_mul(MICROS_PER_DAY);
        let shown = self.human.date.as_ref().zip(start);
        if !shown.is_some_and(|(pattern, start)| by_pattern(pattern, start, 0, out)) {
            self.exact.write_day(day, out);
        }
    }
}

/// A number in plain digits (`-1234.5`), as these people write it.
pub fn number_for_people(human: &Human, digits: &str) -> String {
    let mut out = Vec::new();
    People::new(human).number(|exactly| exactly.extend_from_slice(digits.as_bytes()), &mut out);
    String::from_utf8_lossy(&out).into_owned()
}

/// A moment, to the second, as the clocks of these people show it.
pub fn moment_for_people(human: &Human, at: Timestamp) -> String {
    let mut out = Vec::new();
    People::new(human).moment(at.as_second().saturating_mul(MICROS_PER_SECOND), &mut out);
    String::from_utf8_lossy(&out).into_owned()
}

/// The offset of a zone from UTC, kept from one change to the next.
#[derive(Debug, Default)]
pub(super) struct Clock {
    from: i64,
    until: i64,
    offset: i32,
}

impl Clock {
    /// What the clocks of `zone` show at a moment, as if it were UTC, and their offset in seconds. `None` for moments that
    /// no calendar has.
    #[inline]
    pub(super) fn local(&mut self, zone: &TimeZone, micros: i64) -> Option<(i64, i32)> {
        if !(self.from..self.until).contains(&micros) {
            let at = Timestamp::from_microsecond(micros).ok()?;
            let after = at.checked_add(jiff::SignedDuration::from_micros(1)).unwrap_or(at);
            let change = |transition: jiff::tz::TimeZoneTransition<'_>| transition.timestamp().as_microsecond();
            self.offset = zone.to_offset(at).seconds();
            self.from = zone.preceding(after).next().map_or(i64::MIN + 1, change);
            self.until = zone.following(at).next().map_or(i64::MAX, change);
            // The kept span ends where no calendar goes on.
            self.from = self.from.max(Timestamp::MIN.as_microsecond());
            self.until = self.until.min(Timestamp::MAX.as_microsecond());
        }
        Some((micros.checked_add(i64::from(self.offset) * MICROS_PER_SECOND)?, self.offset))
    }
}

/// Appends a local moment; `false`, and nothing, where the pattern cannot show its year.
fn by_pattern(pattern: &Pattern, local: i64, offset: i32, out: &mut Vec<u8>) -> bool {
    let day = local.div_euclid(MICROS_PER_DAY);
    let (year, month, dom) = civil(day);
    if !(1..=9_999).contains(&year) {
        return false;
    }
    let year = year as u32;
    let of_day = local.rem_euclid(MICROS_PER_DAY);
    let (second, fraction) = ((of_day / MICROS_PER_SECOND) as u32, (of_day % MICROS_PER_SECOND) as u32);
    let hour = second / 3600;
    for piece in &pattern.pieces {
        match piece {
            Piece::Literal(text) => out.extend_from_slice(text.as_bytes()),
            Piece::Year => {
                two(year / 100, out);
                two(year % 100, out);
            }
            Piece::ShortYear => two(year % 100, out),
            Piece::Month(padded) => digits(month, *padded, out),
            Piece::MonthName(short) => name(MONTHS[month as usize - 1], *short, out),
            Piece::Day(padded) => digits(dom, *padded, out),
            Piece::Weekday(short) => name(WEEKDAYS[day.rem_euclid(7) as usize], *short, out),
            Piece::Hour(padded) => digits(hour, *padded, out),
            Piece::HalfDayHour(padded) => digits((hour + 11) % 12 + 1, *padded, out),
            Piece::HalfDay(words) => out.extend_from_slice(words[usize::from(hour >= 12)].as_bytes()),
            Piece::Minute => two(second / 60 % 60, out),
            Piece::Second => two(second % 60, out),
            Piece::Fraction(length) => fractional(fraction, usize::from(*length), out),
            Piece::FractionIfAny(point) => {
                if fraction > 0 {
                    out.push(*point as u8);
                    fractional(fraction, 6, out);
                    out.truncate(out.len() - out.iter().rev().take_while(|digit| **digit == b'0').count());
                }
            }
            Piece::Offset(colon) => ahead(offset, *colon, out),
        }
    }
    true
}

fn two(value: u32, out: &mut Vec<u8>) {
    out.extend_from_slice(&[b'0' + (value / 10) as u8, b'0' + (value % 10) as u8]);
}

fn digits(value: u32, padded: bool, out: &mut Vec<u8>) {
    if padded || value > 9 { two(value, out) } else { out.push(b'0' + value as u8) }
}

fn name(name: &str, short: bool, out: &mut Vec<u8>) {
    out.extend_from_slice(if short { &name.as_bytes()[..3] } else { name.as_bytes() });
}

fn fractional(micros: u32, length: usize, out: &mut Vec<u8>) {
    let mut all = [0; 6];
    let mut rest = micros;
    for digit in all.iter_mut().rev() {
        *digit = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    out.extend_from_slice(&all[..length.min(6)]);
}

/// The offset as ISO 8601 has it. Clocks of old went by the sun: their seconds are shown, where there are any.
fn ahead(offset: i32, colon: bool, out: &mut Vec<u8>) {
    out.push(if offset < 0 { b'-' } else { b'+' });
    let seconds = offset.unsigned_abs();
    let mut part = |value: u32, first: bool| {
        if colon && !first {
            out.push(b':');
        }
        two(value, out);
    };
    part(seconds / 3600, true);
    part(seconds / 60 % 60, false);
    if !seconds.is_multiple_of(60) {
        part(seconds % 60, false);
    }
}

/// Appends a number with its separators. Words (NaN) stay as they are, and exponents are not grouped.
fn number(separators: Separators, exact: &[u8], out: &mut Vec<u8>) {
    let (sign, digits) = exact.split_at(usize::from(exact.starts_with(b"-")));
    out.extend_from_slice(sign);
    let whole = digits.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (whole, rest) = digits.split_at(whole);
    match separators.group {
        Some(group) if !rest.contains(&b'e') => grouped(whole, group, separators.groups_by_two, out),
        Some(_) | None => out.extend_from_slice(whole),
    }
    match rest.split_first() {
        Some((b'.', fraction)) => {
            out.push(separators.decimal as u8);
            out.extend_from_slice(fraction);
        }
        Some(_) | None => out.extend_from_slice(rest),
    }
}

fn grouped(whole: &[u8], group: char, by_two: bool, out: &mut Vec<u8>) {
    let mut utf8 = [0; 4];
    let group = group.encode_utf8(&mut utf8).as_bytes();
    for (at, digit) in whole.iter().enumerate() {
        let left = whole.len() - at;
        let begins_group = if by_two { left == 3 || (left > 3 && left % 2 == 1) } else { left.is_multiple_of(3) };
        if at > 0 && begins_group {
            out.extend_from_slice(group);
        }
        out.push(*digit);
    }
}

#[cfg(test)]
mod tests {
    use offtake_model::format::Format;
    use offtake_model::human::HumanFormats;
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn human(asked: serde_json::Value) -> Human {
        let asked: HumanFormats = serde_json::from_value(asked).unwrap();
        asked.compile(Format::Csv).unwrap()
    }

    fn written(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).unwrap()
    }

    fn moment(asked: serde_json::Value, at: &str) -> String {
        let human = human(asked);
        let micros = at.parse::<Timestamp>().unwrap().as_microsecond();
        written(|out| People::new(&human).moment(micros, out))
    }

    #[test]
    fn numbers_have_their_separators() {
        let shown = |locale: &str, exact: &str| {
            let human = human(json!({"locale": locale}));
            written(|out| People::new(&human).number(|out| out.extend_from_slice(exact.as_bytes()), out))
        };
        assert_eq!(shown("de-DE", "-1234567.5"), "-1.234.567,5");
        assert_eq!(shown("en-IN", "12345678.9"), "1,23,45,678.9");
        assert_eq!(shown("fr-FR", "1000"), "1\u{202f}000");
        assert_eq!((shown("de", "999"), shown("de", "-0")), ("999".into(), "-0".into()));
        assert_eq!((shown("de", "1.5e300"), shown("de", "1e-7")), ("1,5e300".into(), "1e-7".into()));
        assert_eq!((shown("de", "NaN"), shown("de", "-Infinity")), ("NaN".into(), "-Infinity".into()));
    }

    #[test]
    fn clocks_are_put_forward_and_back() {
        let berlin = json!({"locale": "de-DE", "time_zone": "Europe/Berlin"});
        assert_eq!(moment(berlin.clone(), "2026-03-29T00:59:59.999999Z"), "29.03.2026 01:59:59,999999");
        assert_eq!(moment(berlin.clone(), "2026-03-29T01:00:00Z"), "29.03.2026 03:00:00");
        assert_eq!(moment(berlin.clone(), "2026-10-25T00:30:00Z"), "25.10.2026 02:30:00");
        assert_eq!(moment(berlin, "2026-10-25T01:30:00.120Z"), "25.10.2026 02:30:00,12");
        let zone_alone = |name: &str| json!({"time_zone": name});
        assert_eq!(moment(zone_alone("Europe/Berlin"), "2026-10-25T01:30:00Z"), "2026-10-25T02:30:00.000000+01:00");
        assert_eq!(moment(zone_alone("Asia/Kathmandu"), "2026-10-25T01:30:00Z"), "2026-10-25T07:15:00.000000+05:45");
        assert_eq!(moment(zone_alone("Europe/Berlin"), "1880-01-01T00:00:00Z"), "1880-01-01T00:53:28.000000+00:53:28");
        let american = json!({"locale": "en-US", "time_zone": "America/New_York"});
        assert_eq!(moment(american.clone(), "2026-11-01T05:00:00Z"), "11/1/2026 1:00:00 AM");
        assert_eq!(moment(american, "2026-11-01T17:05:06Z"), "11/1/2026 12:05:06 PM");
    }

    #[test]
    fn what_no_pattern_shows_is_exact() {
        let human = human(json!({"locale": "de-DE", "time_zone": "Pacific/Auckland"}));
        let moment = |micros| written(|out| People::new(&human).moment(micros, out));
        assert_eq!((moment(i64::MAX), moment(-i64::MAX)), ("infinity".into(), "-infinity".into()));
        assert_eq!(moment(-62_135_596_800_000_000 - 86_400_000_000), "0000-12-31T00:00:00.000000Z");
        assert_eq!(moment(253_402_300_800_000_000), "+010000-01-01T00:00:00.000000Z");
        // In Auckland it is the year 10000 already.
        assert_eq!(moment(253_402_300_799_000_000), "9999-12-31T23:59:59.000000Z");
        let day = |day| written(|out| People::new(&human).day(day, out));
        assert_eq!(
            (day(i32::MAX), day(2_932_897), day(0)),
            ("infinity".into(), "+010000-01-01".into(), "01.01.1970".into())
        );
    }

    #[test]
    fn names_are_english() {
        let asked = json!({"timestamp": "%A %a, %-d %B (%b) %y, %I:%M %p, %3f%% %z"});
        assert_eq!(
            moment(asked, "2026-11-05T00:04:05.6789Z"),
            "Thursday Thu, 5 November (Nov) 26, 12:04 AM, 678% +0000"
        );
    }

    proptest! {
        #[test]
        fn a_kept_offset_changes_nothing(moments in prop::collection::vec(-6_000_000_000..6_000_000_000_i64, 1..20)) {
            let human = human(json!({"time_zone": "Europe/Berlin"}));
            let mut one = People::new(&human);
            for second in moments {
                let micros = second * MICROS_PER_SECOND;
                let at = Timestamp::from_microsecond(micros).unwrap().to_zoned(human.zone.clone());
                let found = written(|out| one.moment(micros, out));
                prop_assert!(found.starts_with(&at.strftime("%Y-%m-%dT%H:%M:%S.000000").to_string()), "{found} {at}");
                prop_assert_eq!(&found, &written(|out| People::new(&human).moment(micros, out)));
            }
        }
    }
}
