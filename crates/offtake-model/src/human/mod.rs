//! Numbers, dates and times as people write them: what can be asked for, checked and compiled.
//!
//! Pure: time zones come from the database that is compiled in, so that a file depends on no machine's own. Writing
//! them is `offtake-pipeline`'s business.

mod locales;
mod pattern;

use jiff::tz::{TimeZone, TimeZoneDatabase};
use serde::{Deserialize, Serialize};

pub use locales::{LOCALES, Locale};
pub use pattern::{Pattern, Piece, Shows};

use crate::Violation;
use crate::format::Format;

/// An instant with the offset of its zone.
const INSTANT: &str = "%Y-%m-%dT%H:%M:%S.%f%:z";
/// What may stand between groups of digits, besides nothing.
const GROUPS: [char; 7] = [',', '.', ' ', '\'', '’', '\u{a0}', '\u{202f}'];

/// How numbers, dates and times shall be written, as asked. What is left out is exact, or as the locale has it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HumanFormats {
    /// A BCP 47 tag of [`LOCALES`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub locale: Option<String>,
    /// The IANA name of the zone in which moments are shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<String>,
    /// Before the fraction of a number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decimal_separator: Option<String>,
    /// Between groups of digits; empty: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group_separator: Option<String>,
    /// The pattern of dates.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub date: Option<String>,
    /// The pattern of timestamps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timestamp: Option<String>,
}

/// The same, compiled.
#[derive(Debug, Clone, PartialEq)]
pub struct Human {
    /// How numbers are written; `None`: exactly.
    pub numbers: Option<Separators>,
    /// How dates are written; `None`: exactly.
    pub date: Option<Pattern>,
    /// How timestamps are written; `None`: exactly.
    pub timestamp: Option<Pattern>,
    /// Where it is what time.
    pub zone: TimeZone,
}

/// How the digits of a number are parted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Separators {
    /// Before the fraction.
    pub decimal: char,
    /// Between groups of digits.
    pub group: Option<char>,
    /// The last group of the whole has three digits, those before have two.
    pub groups_by_two: bool,
}

impl HumanFormats {
    /// Checks it for files of `format` and compiles it.
    ///
    /// # Errors
    /// All that is wrong, with pointers from the body of the request on.
    pub fn compile(&self, format: Format) -> Result<Human, Vec<Violation>> {
        let mut wrong = Wrong(Vec::new());
        if !matches!(format, Format::Csv | Format::Xlsx) {
            let detail = format!("{} is for programs and exact; csv and xlsx can be written for people", format.name());
            wrong.at("", detail);
            return Err(wrong.0);
        }
        let locale = self.locale.as_deref().and_then(|tag| wrong.locale(tag));
        let zone = self.time_zone.as_deref().map_or(Some(TimeZone::UTC), |name| wrong.zone(name));
        let numbers = self.numbers(locale, &mut wrong);
        let mut pattern = |member: &str, given: Option<&str>, fallback: Option<Pattern>, shows| match given {
            None => fallback,
            Some(text) => match Pattern::parse(text, shows, locale) {
                Ok(pattern) => Some(pattern),
                Err(detail) => {
                    wrong.at(member, detail);
                    None
                }
            },
        };
        let of_locale = |locale: &Locale| Pattern::parse(locale.date, Shows::Dates, Some(locale)).ok();
        let date = pattern("/date", self.date.as_deref(), locale.and_then(of_locale), Shows::Dates);
        let fallback = self.moments(locale, format);
        let timestamp = pattern("/timestamp", self.timestamp.as_deref(), fallback, Shows::Moments);
        if format == Format::Xlsx {
            self.fits_spreadsheets(date.as_ref(), timestamp.as_ref(), &mut wrong);
        }
        match zone {
            Some(zone) if wrong.0.is_empty() => Ok(Human { numbers, date, timestamp, zone }),
            _ => Err(wrong.0),
        }
    }

    fn numbers(&self, locale: Option<&Locale>, wrong: &mut Wrong) -> Option<Separators> {
        let decimal = match self.decimal_separator.as_deref() {
            None => locale.map_or('.', |locale| locale.decimal),
            Some(".") => '.',
            Some(",") => ',',
            Some(_) => {
                wrong.at("/decimal_separator", "is a point or a comma");
                return None;
            }
        };
        let group = match self.group_separator.as_deref() {
            None => locale.map(|locale| locale.group).filter(|group| *group != decimal),
            Some("") => None,
            Some(text) => {
                let group = GROUPS.into_iter().find(|group| text.chars().eq([*group]));
                if group.is_none() || group == Some(decimal) {
                    wrong.at(
                        "/group_separator",
                        "is a comma, a point, a space (also U+00A0 or U+202F), an apostrophe (also ’) or nothing, and \
                         not the decimal separator",
                    );
                }
                group
            }
        };
        let groups_by_two = locale.is_some_and(Locale::groups_by_two);
        let is_asked = locale.is_some() || self.decimal_separator.is_some() || self.group_separator.is_some();
        is_asked.then_some(Separators { decimal, group, groups_by_two })
    }

    /// Timestamps where no pattern is asked for: as the locale has them, else exactly, with the offset of the zone.
    fn moments(&self, locale: Option<&'static Locale>, format: Format) -> Option<Pattern> {
        let Some(locale) = locale else {
            let is_shown = self.time_zone.is_some() && format == Format::Csv;
            return is_shown.then(|| Pattern::parse(INSTANT, Shows::Moments, None).ok()).flatten();
        };
        let date = self.date.as_deref().unwrap_or(locale.date);
        let date = Pattern::parse(date, Shows::Dates, Some(locale)).ok()?;
        let time = Pattern::parse(locale.time, Shows::Moments, Some(locale)).ok()?;
        let mut pieces = date.pieces;
        pieces.push(Piece::Literal(" ".to_owned()));
        for piece in time.pieces {
            let is_second = piece == Piece::Second;
            pieces.push(piece);
            if is_second {
                let decimal = self.decimal_separator.as_deref().and_then(|text| text.chars().next());
                pieces.push(Piece::FractionIfAny(decimal.unwrap_or(locale.decimal)));
            }
        }
        Some(Pattern { pieces })
    }

    /// Spreadsheets write numbers as their reader has it, and cannot show every pattern.
    fn fits_spreadsheets(&self, date: Option<&Pattern>, timestamp: Option<&Pattern>, wrong: &mut Wrong) {
        let readers = "xlsx has numbers, which every spreadsheet writes as its reader is used to; leave it out";
        if self.decimal_separator.is_some() {
            wrong.at("/decimal_separator", readers);
        }
        if self.group_separator.as_deref().is_some_and(|group| !group.is_empty()) {
            wrong.at("/group_separator", format!("{readers}, or empty for digits in one"));
        }
        for (member, pattern) in [("/date", date), ("/timestamp", timestamp)] {
            if let Some(Err(what)) = pattern.map(|pattern| pattern.for_spreadsheets(true)) {
                wrong.at(member, format!("spreadsheets cannot show {what}"));
            }
        }
    }
}

/// What was found wrong.
struct Wrong(Vec<Violation>);

impl Wrong {
    fn at(&mut self, member: &str, detail: impl Into<String>) {
        self.0.push(Violation::at(format!("/formats{member}"), detail));
    }

    fn locale(&mut self, tag: &str) -> Option<&'static Locale> {
        let locale = Locale::named(tag);
        if locale.is_none() {
            let known: Vec<&str> = LOCALES.iter().map(|locale| locale.tag).collect();
            self.at("/locale", format!("is none of the known locales: {}", known.join(", ")));
        }
        locale
    }

    fn zone(&mut self, name: &str) -> Option<TimeZone> {
        let zone = TimeZoneDatabase::bundled().get(name).ok();
        if zone.is_none() {
            self.at("/time_zone", "is no time zone: give its IANA name, Europe/Berlin or UTC for example");
        }
        zone
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn compiled(asked: serde_json::Value, format: Format) -> Result<Human, Vec<String>> {
        let asked: HumanFormats = serde_json::from_value(asked).unwrap();
        asked.compile(format).map_err(|wrong| wrong.into_iter().map(|violation| violation.pointer).collect())
    }

    #[test]
    fn every_locale_compiles() {
        for locale in LOCALES {
            for format in [Format::Csv, Format::Xlsx] {
                let human = compiled(json!({"locale": locale.tag}), format).unwrap();
                assert!(human.date.is_some() && human.timestamp.is_some() && human.numbers.is_some(), "{}", locale.tag);
                assert!(locale.group != locale.decimal && (locale.decimal == '.' || locale.decimal == ','));
                assert!(GROUPS.contains(&locale.group), "{}", locale.tag);
            }
        }
    }

    #[test]
    fn everything_wrong_is_found() {
        let all = json!({"locale": "tlh", "time_zone": "Mars/Olympus", "decimal_separator": ";", "group_separator": "--",
            "date": "%H", "timestamp": "%Q"});
        let found = compiled(all, Format::Csv).unwrap_err();
        let members = ["locale", "time_zone", "decimal_separator", "date", "timestamp"];
        assert_eq!(found, members.map(|member| format!("/formats/{member}")));
        let alike = json!({"decimal_separator": ",", "group_separator": ","});
        assert_eq!(compiled(alike, Format::Csv).unwrap_err(), ["/formats/group_separator"]);
        assert_eq!(compiled(json!({"locale": "de"}), Format::Jsonl).unwrap_err(), ["/formats"]);
        let of_readers = json!({"decimal_separator": ",", "group_separator": ".", "timestamp": "%H:%M%z"});
        let members = ["decimal_separator", "group_separator", "timestamp"];
        assert_eq!(compiled(of_readers, Format::Xlsx).unwrap_err(), members.map(|member| format!("/formats/{member}")));
    }

    #[test]
    fn what_is_left_out_is_exact() {
        let zone_alone = compiled(json!({"time_zone": "europe/berlin"}), Format::Csv).unwrap();
        assert_eq!((zone_alone.numbers, zone_alone.date), (None, None));
        assert_eq!(zone_alone.zone.iana_name(), Some("Europe/Berlin"));
        assert!(zone_alone.timestamp.is_some());
        let date_alone = compiled(json!({"date": "%d.%m.%Y"}), Format::Csv).unwrap();
        assert_eq!((date_alone.numbers, date_alone.timestamp), (None, None));
        let ungrouped = compiled(json!({"locale": "de-DE", "group_separator": ""}), Format::Csv).unwrap();
        assert_eq!(ungrouped.numbers, Some(Separators { decimal: ',', group: None, groups_by_two: false }));
    }
}
