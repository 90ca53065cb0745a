//! How numbers, sizes and moments are written in a mail.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use offtake_model::human::Locale;

/// In whose way, and where.
#[derive(Debug, Clone)]
pub(super) struct Writing {
    pub(super) locale: &'static Locale,
    pub(super) zone: TimeZone,
}

impl Writing {
    pub(super) fn number(&self, number: u64) -> String {
        let digits = number.to_string();
        let mut out = Vec::with_capacity(digits.len() * 2);
        for (place, digit) in digits.chars().rev().enumerate() {
            let is_border = match self.locale.groups_by_two() {
                true => place == 3 || (place > 3 && place % 2 == 1),
                false => place > 0 && place % 3 == 0,
            };
            if is_border {
                out.push(self.locale.group);
            }
            out.push(digit);
        }
        out.into_iter().rev().collect()
    }

    /// A size in units of a thousand, with one digit behind the decimal sign.
    pub(super) fn size(&self, bytes: u64) -> String {
        const UNITS: [(u64, &str); 4] =
            [(1_000_000_000_000, "TB"), (1_000_000_000, "GB"), (1_000_000, "MB"), (1_000, "kB")];
        let Some((unit, name)) = UNITS.into_iter().find(|(unit, _)| bytes >= *unit) else {
            return format!("{} bytes", self.number(bytes));
        };
        let tenths = u64::try_from((u128::from(bytes) * 10 + u128::from(unit) / 2) / u128::from(unit)).unwrap_or(u64::MAX);
        format!("{}{}{} {name}", self.number(tenths / 10), self.locale.decimal, tenths % 10)
    }

    /// A moment to the minute, with the zone it is told in.
    pub(super) fn moment(&self, moment: Timestamp) -> String {
        let zoned = moment.to_zoned(self.zone.clone());
        let half = self.locale.halves[usize::from(zoned.hour() >= 12)];
        // Seconds are of no use here.
        let time = self.locale.time.replace(":%S", "").replace(".%S", "").replace("%p", half);
        zoned.strftime(&format!("{} {time} (%Z)", self.locale.date)).to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn writing(tag: &str, zone: &str) -> Writing {
        let zone = jiff::tz::TimeZoneDatabase::bundled().get(zone).expect("a zone");
        Writing { locale: Locale::named(tag).expect("a locale"), zone }
    }

    #[test]
    fn numbers_and_sizes_are_written_as_the_locale_has_them() {
        let (us, de, india) = (writing("en-US", "UTC"), writing("de-DE", "UTC"), writing("en-IN", "UTC"));
        assert_eq!(us.number(1_284_512), "1,284,512");
        assert_eq!(de.number(1_284_512), "1.284.512");
        assert_eq!(india.number(1_284_512), "12,84,512");
        assert_eq!(us.number(0), "0");
        assert_eq!([7, 999, 1_000, 65_693, 1_950_000_000].map(|size| us.size(size)), ["7 bytes", "999 bytes", "1.0 kB", "65.7 kB", "2.0 GB"]);
        assert_eq!(de.size(1_234_567), "1,2 MB");
        assert_eq!(us.size(u64::MAX), "18,446,744.1 TB");
    }

    #[test]
    fn moments_are_told_with_their_zone() {
        let moment: Timestamp = "2026-10-25T13:30:00Z".parse().expect("a moment");
        assert_eq!(writing("de-DE", "Europe/Berlin").moment(moment), "25.10.2026 14:30 (CET)");
        assert_eq!(writing("en-US", "America/New_York").moment(moment), "10/25/2026 9:30 AM (EDT)");
        assert_eq!(writing("en-GB", "UTC").moment(moment), "25/10/2026 13:30 (UTC)");
    }
}
