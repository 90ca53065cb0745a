//! When a schedule is due: a cron expression of five fields in a time zone.

use croner::Cron;
use croner::parser::{CronParser, Seconds, Year};
use jiff::tz::{TimeZone, TimeZoneDatabase};
use jiff::{Timestamp, Zoned};

use crate::error::{Error, Violation};

/// More ticks than this are not counted one by one.
const MOST_COUNTED: u32 = 10_000;
/// The longest cron expression, in bytes.
const LONGEST: usize = 200;

/// A cron expression in a time zone.
///
/// When clocks go forward, a time of day that does not exist is made up for at the first moment after the gap; intervals
/// (`*/15`) skip it. When they go back, a time of day that comes twice counts once, the first time; intervals count both.
#[derive(Debug, Clone)]
pub struct Timetable {
    cron: Cron,
    zone: TimeZone,
}

/// The ticks that passed up to a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Passed {
    /// The last of them.
    pub newest: Timestamp,
    /// How many there were, up to ten thousand.
    pub count: u32,
}

impl Timetable {
    /// Reads a cron expression of five fields (minute, hour, day, month, weekday) and the name of a time zone.
    ///
    /// # Errors
    /// `invalid_request`, at `/cron` and `/time_zone`.
    pub fn parse(cron: &str, zone: &str) -> Result<Self, Error> {
        let parser = CronParser::builder().seconds(Seconds::Disallowed).year(Year::Disallowed).build();
        let mut wrong = Vec::new();
        let parsed = if cron.len() > LONGEST { None } else { parser.parse(cron).ok() };
        let cron = parsed.filter(|_| !cron.trim_start().starts_with('@'));
        if cron.is_none() {
            let detail = "is five fields: minute, hour, day of the month, month, day of the week, as in \"30 2 * * *\"";
            wrong.push(Violation::at("/cron", detail));
        }
        let zone = TimeZoneDatabase::bundled().get(zone).ok();
        if zone.is_none() {
            wrong.push(Violation::at("/time_zone", "is the name of a time zone, as in \"Europe/Berlin\" or \"UTC\""));
        }
        let (Some(cron), Some(zone)) = (cron, zone) else { return Err(Error::invalid(wrong)) };
        let table = Self { cron, zone };
        match table.next_after(Timestamp::UNIX_EPOCH) {
            Some(_) => Ok(table),
            None => Err(Error::invalid_at("/cron", "names a day that never comes")),
        }
    }

    /// The first tick after this moment.
    pub fn next_after(&self, moment: Timestamp) -> Option<Timestamp> {
        let found = self.cron.find_next_occurrence(&self.local(moment), false).ok()?.timestamp();
        (found > moment).then_some(found)
    }

    /// The first `count` ticks after this moment.
    pub fn upcoming(&self, moment: Timestamp, count: usize) -> Vec<Timestamp> {
        std::iter::successors(self.next_after(moment), |tick| self.next_after(*tick)).take(count).collect()
    }

    /// The ticks from `first`, which is one, up to and including `now`.
    pub fn passed(&self, first: Timestamp, now: Timestamp) -> Passed {
        let mut passed = Passed { newest: first, count: 1 };
        while passed.count < MOST_COUNTED
            && let Some(next) = self.next_after(passed.newest).filter(|next| *next <= now)
        {
            passed = Passed { newest: next, count: passed.count + 1 };
        }
        if passed.count < MOST_COUNTED {
            return passed;
        }
        let newest = self.cron.find_previous_occurrence(&self.local(now), true).map(|tick| tick.timestamp());
        Passed { newest: newest.unwrap_or(passed.newest).max(passed.newest), ..passed }
    }

    fn local(&self, moment: Timestamp) -> Zoned {
        moment.to_zoned(self.zone.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn berlin(cron: &str) -> Timetable {
        Timetable::parse(cron, "Europe/Berlin").unwrap()
    }

    fn upcoming(cron: &str, after: &str, count: usize) -> Vec<String> {
        berlin(cron).upcoming(at(after), count).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn what_is_wrong_is_said_where() {
        let pointers = |cron: &str, zone: &str| -> Vec<String> {
            let error = Timetable::parse(cron, zone).unwrap_err();
            error.violations().iter().map(|violation| violation.pointer.clone()).collect()
        };
        for wrong in ["", "* * * *", "* * * * * *", "60 * * * *", "@hourly", "0 0 30 2 *", "x * * * *"] {
            assert_eq!(pointers(wrong, "UTC"), ["/cron"], "{wrong}");
        }
        assert_eq!(pointers("* * * * *", "Europe/Atlantis"), ["/time_zone"]);
        assert_eq!(pointers("no", "no"), ["/cron", "/time_zone"]);
    }

    #[test]
    fn an_hour_that_is_skipped_is_made_up_for_at_its_end() {
        // On 2027-03-28 clocks in Berlin go from 02:00 to 03:00, which is 01:00 UTC.
        let nights = upcoming("30 2 * * *", "2027-03-27T00:00:00Z", 3);
        assert_eq!(nights, ["2027-03-27T01:30:00Z", "2027-03-28T01:00:00Z", "2027-03-29T00:30:00Z"]);
        let quarters = upcoming("*/15 * * * *", "2027-03-28T00:40:00Z", 3);
        assert_eq!(quarters, ["2027-03-28T00:45:00Z", "2027-03-28T01:00:00Z", "2027-03-28T01:15:00Z"]);
    }

    #[test]
    fn an_hour_that_comes_twice_counts_once_for_a_time_of_day_and_twice_for_intervals() {
        // On 2026-10-25 clocks in Berlin go from 03:00 back to 02:00, which is 01:00 UTC.
        let nights = upcoming("30 2 * * *", "2026-10-24T12:00:00Z", 2);
        assert_eq!(nights, ["2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"]);
        let halves = upcoming("*/30 * * * *", "2026-10-24T23:45:00Z", 5);
        let whole = ["00:00", "00:30", "01:00", "01:30", "02:00"].map(|time| format!("2026-10-25T{time}:00Z"));
        assert_eq!(halves, whole);
    }

    #[test]
    fn ticks_that_passed_are_counted() {
        let table = berlin("*/15 * * * *");
        let first = at("2026-10-25T00:00:00Z");
        assert_eq!(table.passed(first, at("2026-10-25T00:14:59Z")), Passed { newest: first, count: 1 });
        let outage = table.passed(first, at("2026-10-25T02:05:00Z"));
        assert_eq!(outage, Passed { newest: at("2026-10-25T02:00:00Z"), count: 9 });
        let minutes = Timetable::parse("* * * * *", "UTC").unwrap();
        let year = minutes.passed(first, at("2027-10-25T00:00:30Z"));
        assert_eq!(year, Passed { newest: at("2027-10-25T00:00:00Z"), count: MOST_COUNTED });
    }
}
