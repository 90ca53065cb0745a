//! Where a day, a week, a month begins in a time zone.

use jiff::civil::{Date, Weekday};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};
use serde::{Deserialize, Serialize};

use super::rule::words;

words! {
    /// How long a budget is for.
    Period {
        /// From midnight to midnight: 23 hours, 24 or 25.
        Day "day",
        /// From Monday to Monday.
        Week "week",
        /// From the first of a month to the first of the next.
        Month "month",
    }
}

impl Period {
    /// Where the period that `moment` lies in begins, and where the next one does. `None` at the end of time.
    pub fn around(self, moment: Timestamp, zone: &TimeZone) -> Option<(Timestamp, Timestamp)> {
        let day = moment.to_zoned(zone.clone()).date();
        let first = match self {
            Self::Day => day,
            Self::Week => day.checked_sub(i64::from(day.weekday().since(Weekday::Monday)).days()).ok()?,
            Self::Month => day.first_of_month(),
        };
        let next = match self {
            Self::Day => first.checked_add(1.day()),
            Self::Week => first.checked_add(1.week()),
            Self::Month => first.checked_add(1.month()),
        };
        Some((begin(first, zone)?, begin(next.ok()?, zone)?))
    }
}

/// The first moment of a day. Where midnight is left out, the day begins when the clocks are put forward.
fn begin(day: Date, zone: &TimeZone) -> Option<Timestamp> {
    let begin = day.to_zoned(zone.clone()).ok()?.start_of_day().ok()?;
    Some(begin.timestamp())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn zone(name: &str) -> TimeZone {
        TimeZone::get(name).unwrap()
    }

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn a_day_of_the_change_has_23_or_25_hours() {
        let vienna = zone("Europe/Vienna");
        let (from, to) = Period::Day.around(at("2026-03-29T10:00:00Z"), &vienna).unwrap();
        assert_eq!((from, to), (at("2026-03-28T23:00:00Z"), at("2026-03-29T22:00:00Z")));
        let (from, to) = Period::Day.around(at("2026-10-25T10:00:00Z"), &vienna).unwrap();
        assert_eq!((from, to), (at("2026-10-24T22:00:00Z"), at("2026-10-25T23:00:00Z")));
        // Midnight itself is left out in Cairo.
        let (from, to) = Period::Day.around(at("2026-04-24T10:00:00Z"), &zone("Africa/Cairo")).unwrap();
        assert_eq!((from, to), (at("2026-04-23T22:00:00Z"), at("2026-04-24T21:00:00Z")));
    }

    #[test]
    fn months_and_weeks_begin_where_people_say() {
        let tokyo = zone("Asia/Tokyo");
        let (from, to) = Period::Month.around(at("2028-02-29T14:59:59Z"), &tokyo).unwrap();
        assert_eq!((from, to), (at("2028-01-31T15:00:00Z"), at("2028-02-29T15:00:00Z")));
        let (from, to) = Period::Week.around(at("2026-11-22T14:59:59Z"), &tokyo).unwrap();
        assert_eq!((from, to), (at("2026-11-15T15:00:00Z"), at("2026-11-22T15:00:00Z")));
    }

    /// The first of these days, said without arithmetic on dates: step back until the calendar says so.
    fn first_by_steps(period: Period, mut day: Date) -> Date {
        loop {
            let is_first = match period {
                Period::Day => true,
                Period::Week => day.weekday() == Weekday::Monday,
                Period::Month => day.day() == 1,
            };
            if is_first {
                return day;
            }
            day = day.yesterday().unwrap();
        }
    }

    const ZONES: [&str; 9] = [
        "UTC",
        "Europe/Vienna",
        "America/New_York",
        "America/Sao_Paulo",
        "Africa/Cairo",
        "Australia/Lord_Howe",
        "Asia/Kathmandu",
        "Pacific/Apia",
        "America/Havana",
    ];

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]
        #[test]
        fn a_period_is_all_moments_of_its_days_and_no_other(
            second in 1_262_304_000_i64..2_524_608_000,
            zone_name in proptest::sample::select(&ZONES[..]),
            period in proptest::sample::select(Period::ALL),
        ) {
            let (zone, moment) = (zone(zone_name), Timestamp::from_second(second).unwrap());
            let (from, to) = period.around(moment, &zone).unwrap();
            prop_assert!(from <= moment && moment < to);
            let first_of = |moment: Timestamp| first_by_steps(period, moment.to_zoned(zone.clone()).date());
            let first = first_of(moment);
            let just_before = |moment: Timestamp| moment.checked_sub(1.microsecond()).unwrap();
            // All within have the same first day, and both neighbours another.
            prop_assert_eq!(first_of(from), first);
            prop_assert_eq!(first_of(just_before(to)), first);
            prop_assert!(first_of(just_before(from)) < first);
            prop_assert!(first_of(to) > first);
            // They abut.
            prop_assert_eq!(period.around(to, &zone).unwrap().0, to);
            prop_assert_eq!(period.around(just_before(from), &zone).unwrap().1, from);
        }
    }
}
