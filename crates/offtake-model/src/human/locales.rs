//! How numbers, dates and times are written where: the conventions of CLDR, with every year in full.

/// The conventions of a language in a region.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Locale {
    /// Its BCP 47 tag.
    pub tag: &'static str,
    /// Before the fraction.
    pub decimal: char,
    /// Between groups of digits.
    pub group: char,
    /// A date, as a pattern.
    pub date: &'static str,
    /// A time of day, as a pattern.
    pub time: &'static str,
    /// What `%p` says before noon and after it.
    pub halves: [&'static str; 2],
}

const NONE: [&str; 2] = ["AM", "PM"];

const fn locale(
    tag: &'static str,
    decimal: char,
    group: char,
    date: &'static str,
    time: &'static str,
    halves: [&'static str; 2],
) -> Locale {
    Locale { tag, decimal, group, date, time, halves }
}

/// Those that are known. Where several have one language, [`MAIN`] says which is meant by the language alone.
pub const LOCALES: &[Locale] = &[
    locale("cs-CZ", ',', '\u{a0}', "%d.%m.%Y", "%-H:%M:%S", NONE),
    locale("da-DK", ',', '.', "%d.%m.%Y", "%H.%M.%S", NONE),
    locale("de-AT", ',', '.', "%d.%m.%Y", "%H:%M:%S", NONE),
    locale("de-CH", '.', '’', "%d.%m.%Y", "%H:%M:%S", NONE),
    locale("de-DE", ',', '.', "%d.%m.%Y", "%H:%M:%S", NONE),
    locale("el-GR", ',', '.', "%-d/%-m/%Y", "%H:%M:%S", NONE),
    locale("en-AU", '.', ',', "%-d/%-m/%Y", "%-I:%M:%S %p", ["am", "pm"]),
    locale("en-CA", '.', ',', "%Y-%m-%d", "%-I:%M:%S %p", ["a.m.", "p.m."]),
    locale("en-GB", '.', ',', "%d/%m/%Y", "%H:%M:%S", NONE),
    locale("en-IE", '.', ',', "%d/%m/%Y", "%H:%M:%S", NONE),
    locale("en-IN", '.', ',', "%d/%m/%Y", "%-I:%M:%S %p", ["am", "pm"]),
    locale("en-NZ", '.', ',', "%d/%m/%Y", "%-I:%M:%S %p", ["am", "pm"]),
    locale("en-US", '.', ',', "%-m/%-d/%Y", "%-I:%M:%S %p", ["AM", "PM"]),
    locale("en-ZA", ',', '\u{a0}', "%Y/%m/%d", "%H:%M:%S", NONE),
    locale("es-AR", ',', '.', "%-d/%-m/%Y", "%H:%M:%S", NONE),
    locale("es-ES", ',', '.', "%-d/%-m/%Y", "%-H:%M:%S", NONE),
    locale("es-MX", '.', ',', "%d/%m/%Y", "%H:%M:%S", NONE),
    locale("et-EE", ',', '\u{a0}', "%d.%m.%Y", "%H:%M:%S", NONE),
    locale("fi-FI", ',', '\u{a0}', "%-d.%-m.%Y", "%-H.%M.%S", NONE),
    locale("fr-BE", ',', '\u{202f}', "%-d/%m/%Y", "%H:%M:%S", NONE),
    locale("fr-CA", ',', '\u{a0}', "%Y-%m-%d", "%H:%M:%S", NONE),
    locale("fr-CH", ',', '\u{202f}', "%d.%m.%Y", "%H:%M:%S", NONE),
    locale("fr-FR", ',', '\u{202f}', "%d/%m/%Y", "%H:%M:%S", NONE),
    locale("he-IL", '.', ',', "%-d.%-m.%Y", "%-H:%M:%S", NONE),
    locale("hr-HR", ',', '.', "%d. %m. %Y.", "%H:%M:%S", NONE),
    locale("hu-HU", ',', '\u{a0}', "%Y. %m. %d.", "%-H:%M:%S", NONE),
    locale("id-ID", ',', '.', "%d/%m/%Y", "%H.%M.%S", NONE),
    locale("it-CH", '.', '’', "%d.%m.%Y", "%H:%M:%S", NONE),
    locale("it-IT", ',', '.', "%d/%m/%Y", "%H:%M:%S", NONE),
    locale("ja-JP", '.', ',', "%Y/%m/%d", "%-H:%M:%S", NONE),
    locale("ko-KR", '.', ',', "%Y. %-m. %-d.", "%H:%M:%S", NONE),
    locale("lt-LT", ',', '\u{a0}', "%Y-%m-%d", "%H:%M:%S", NONE),
    locale("lv-LV", ',', '\u{a0}', "%d.%m.%Y", "%H:%M:%S", NONE),
    locale("nb-NO", ',', '\u{a0}', "%d.%m.%Y", "%H:%M:%S", NONE),
    locale("nl-BE", ',', '.', "%-d/%m/%Y", "%H:%M:%S", NONE),
    locale("nl-NL", ',', '.', "%d-%m-%Y", "%H:%M:%S", NONE),
    locale("pl-PL", ',', '\u{a0}', "%-d.%m.%Y", "%H:%M:%S", NONE),
    locale("pt-BR", ',', '.', "%d/%m/%Y", "%H:%M:%S", NONE),
    locale("pt-PT", ',', '\u{a0}', "%d/%m/%Y", "%H:%M:%S", NONE),
    locale("ro-RO", ',', '.', "%d.%m.%Y", "%H:%M:%S", NONE),
    locale("ru-RU", ',', '\u{a0}', "%d.%m.%Y", "%H:%M:%S", NONE),
    locale("sk-SK", ',', '\u{a0}', "%-d. %-m. %Y", "%-H:%M:%S", NONE),
    locale("sl-SI", ',', '.', "%-d. %-m. %Y", "%H:%M:%S", NONE),
    locale("sv-SE", ',', '\u{a0}', "%Y-%m-%d", "%H:%M:%S", NONE),
    locale("tr-TR", ',', '.', "%-d.%m.%Y", "%H:%M:%S", NONE),
    locale("uk-UA", ',', '\u{a0}', "%d.%m.%Y", "%H:%M:%S", NONE),
    locale("vi-VN", ',', '.', "%-d/%-m/%Y", "%H:%M:%S", NONE),
    locale("zh-CN", '.', ',', "%Y/%-m/%-d", "%H:%M:%S", NONE),
    locale("zh-TW", '.', ',', "%Y/%-m/%-d", "%H:%M:%S", NONE),
];

/// Languages of several regions, and the region of the language alone.
const MAIN: [(&str, &str); 8] = [
    ("de", "de-DE"),
    ("en", "en-US"),
    ("es", "es-ES"),
    ("fr", "fr-FR"),
    ("it", "it-IT"),
    ("nl", "nl-NL"),
    ("pt", "pt-BR"),
    ("zh", "zh-CN"),
];

impl Locale {
    /// The locale of a tag, whatever its case; a language alone is that of its largest region.
    pub fn named(tag: &str) -> Option<&'static Self> {
        let tag = MAIN.iter().find(|(language, _)| tag.eq_ignore_ascii_case(language)).map_or(tag, |(_, main)| main);
        let is_meant = |locale: &&Self| {
            let language = locale.tag.split('-').next().unwrap_or_default();
            locale.tag.eq_ignore_ascii_case(tag) || language.eq_ignore_ascii_case(tag)
        };
        LOCALES.iter().find(is_meant)
    }

    /// Whether English names of months and days are its own.
    pub fn is_english(&self) -> bool {
        self.tag.starts_with("en-")
    }

    /// Whether only the last three digits of the whole are a group of three, and those before are groups of two.
    pub fn groups_by_two(&self) -> bool {
        self.tag == "en-IN"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_found_as_people_write_them() {
        let tag = |text| Locale::named(text).map(|locale| locale.tag);
        assert_eq!((tag("de-DE"), tag("DE-de"), tag("de")), (Some("de-DE"), Some("de-DE"), Some("de-DE")));
        assert_eq!(
            (tag("en"), tag("ja"), tag("pt"), tag("sv")),
            (Some("en-US"), Some("ja-JP"), Some("pt-BR"), Some("sv-SE"))
        );
        assert_eq!((tag("de-LU"), tag("xx"), tag(""), tag("de_DE")), (None, None, None, None));
        assert!(LOCALES.is_sorted_by_key(|locale| locale.tag));
    }
}
