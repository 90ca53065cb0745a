//! Patterns of dates and times, in the notation of `strftime`.

use super::locales::Locale;

/// The longest pattern, in characters.
const LONGEST: usize = 64;
/// What is a formula to a spreadsheet begins so: cells made by a pattern have no other guard.
const FORMULAS: [char; 8] = ['=', '+', '-', '@', '＝', '＋', '－', '＠'];

/// A pattern, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    /// Its pieces, in order.
    pub pieces: Vec<Piece>,
}

/// A piece of a pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// Text as it stands.
    Literal(String),
    /// `%Y`: four digits.
    Year,
    /// `%y`: its last two digits.
    ShortYear,
    /// `%m`, `%-m`; whether it has two digits always.
    Month(bool),
    /// `%b` (short), `%B`: in English.
    MonthName(bool),
    /// `%d`, `%-d`.
    Day(bool),
    /// `%a` (short), `%A`: in English.
    Weekday(bool),
    /// `%H`, `%-H`: 0 to 23.
    Hour(bool),
    /// `%I`, `%-I`: 1 to 12.
    HalfDayHour(bool),
    /// `%p`: what is said before noon and after it.
    HalfDay([&'static str; 2]),
    /// `%M`.
    Minute,
    /// `%S`.
    Second,
    /// `%f` (six digits), `%3f` (three, the rest cut off).
    Fraction(u8),
    /// The fraction of a second with this character before it, without zeros at its end; nothing if there is none.
    FractionIfAny(char),
    /// `%z`, `%:z`: hours and minutes ahead of UTC; whether a colon stands between them.
    Offset(bool),
}

/// What a pattern is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shows {
    /// Dates.
    Dates,
    /// Moments.
    Moments,
}

const OF_DATES: &str = "%Y, %y, %m, %-m, %d, %-d, %b, %B, %a, %A, %%";
const OF_TIMES: &str = "%H, %-H, %I, %-I, %p, %M, %S, %f, %3f, %z, %:z";

impl Pattern {
    /// Takes a pattern apart.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str, shows: Shows, locale: Option<&Locale>) -> Result<Self, String> {
        if !(1..=LONGEST).contains(&text.chars().count()) || text.chars().any(char::is_control) {
            return Err(format!("is a text of 1 to {LONGEST} characters without control characters"));
        }
        if text.starts_with(FORMULAS) {
            return Err("begins as a formula would in a spreadsheet".to_owned());
        }
        let mut pieces: Vec<Piece> = Vec::new();
        let mut characters = text.chars();
        while let Some(character) = characters.next() {
            if character != '%' {
                push_literal(&mut pieces, character);
                continue;
            }
            let mut directive: String = characters.next().into_iter().collect();
            if matches!(&*directive, "-" | ":" | "3") {
                directive.extend(characters.next());
            }
            match piece(&directive, locale) {
                None if directive == "%" => push_literal(&mut pieces, '%'),
                None => return Err(format!("%{directive} is not known; there are: {}", known(shows))),
                Some(piece) if shows == Shows::Dates && piece.is_of_time() => {
                    return Err(format!("%{directive} is none of a date; there are: {OF_DATES}"));
                }
                Some(piece) => pieces.push(piece),
            }
        }
        if pieces.iter().all(|piece| matches!(piece, Piece::Literal(_))) {
            return Err(format!("shows nothing: there are {}", known(shows)));
        }
        let names = |piece: &Piece| matches!(piece, Piece::MonthName(_) | Piece::Weekday(_));
        if pieces.iter().any(names) && locale.is_some_and(|locale| !locale.is_english()) {
            return Err("the names of months and days are English: take numbers, or no locale".to_owned());
        }
        Ok(Self { pieces })
    }

    /// Bytes that it writes at most.
    pub fn longest(&self) -> usize {
        // No piece but a literal is longer than the name of a month, or an offset with its seconds.
        let longest = |piece: &Piece| if let Piece::Literal(text) = piece { text.len() } else { 10 };
        self.pieces.iter().map(longest).sum()
    }

    /// The pattern as a number format of spreadsheets. A fraction that is shown only where there is one has milliseconds
    /// if `with_fraction` says so.
    ///
    /// # Errors
    /// What spreadsheets cannot show.
    pub fn for_spreadsheets(&self, with_fraction: bool) -> Result<String, String> {
        let mut code = String::new();
        for (at, piece) in self.pieces.iter().enumerate() {
            let part = match piece {
                Piece::Literal(text) => {
                    let before_fraction = matches!(self.pieces.get(at + 1), Some(Piece::Fraction(_)));
                    let text = if before_fraction { text.strip_suffix(['.', ',']).unwrap_or(text) } else { text };
                    text.chars().for_each(|character| code.extend(['\\', character]));
                    continue;
                }
                Piece::Year => "yyyy",
                Piece::ShortYear => "yy",
                Piece::Month(_) if self.is_beside_time(at) => return Err("a month beside hours or seconds".to_owned()),
                Piece::Minute if !self.is_beside_time(at) => return Err("minutes without hours or seconds".to_owned()),
                Piece::Month(true) => "mm",
                Piece::Month(false) => "m",
                Piece::MonthName(true) => "mmm",
                Piece::MonthName(false) => "mmmm",
                Piece::Day(true) => "dd",
                Piece::Day(false) => "d",
                Piece::Weekday(true) => "ddd",
                Piece::Weekday(false) => "dddd",
                Piece::HalfDayHour(_) | Piece::HalfDay(_) if !self.has_both_halves() => {
                    return Err("%I without %p, or %p without %I".to_owned());
                }
                Piece::Hour(true) | Piece::HalfDayHour(true) => "hh",
                Piece::Hour(false) | Piece::HalfDayHour(false) => "h",
                Piece::HalfDay(_) => "AM/PM",
                Piece::Minute => "mm",
                Piece::Second => "ss",
                Piece::FractionIfAny(_) => {
                    if with_fraction {
                        ".000"
                    } else {
                        ""
                    }
                }
                Piece::Fraction(_) if self.is_after_point(at) => ".000",
                Piece::Fraction(_) => return Err("a fraction that does not follow %S and a point".to_owned()),
                Piece::Offset(_) => return Err("%z".to_owned()),
            };
            code.push_str(part);
        }
        Ok(code)
    }

    /// Spreadsheets take `m` for minutes after hours and before seconds, and for months elsewhere.
    fn is_beside_time(&self, at: usize) -> bool {
        let shown = |piece: &&Piece| !matches!(piece, Piece::Literal(_));
        let before = self.pieces[..at].iter().rev().find(shown);
        let after = self.pieces[at + 1..].iter().find(shown);
        matches!(before, Some(Piece::Hour(_) | Piece::HalfDayHour(_))) || matches!(after, Some(Piece::Second))
    }

    fn has_both_halves(&self) -> bool {
        let is_half_day_hour = |piece: &Piece| matches!(piece, Piece::HalfDayHour(_));
        let is_half_day = |piece: &Piece| matches!(piece, Piece::HalfDay(_));
        let is_hour = |piece: &Piece| matches!(piece, Piece::Hour(_));
        let has = |is: &dyn Fn(&Piece) -> bool| self.pieces.iter().any(is);
        has(&is_half_day_hour) && has(&is_half_day) && !has(&is_hour)
    }

    fn is_after_point(&self, at: usize) -> bool {
        let Some([second, Piece::Literal(point)]) = at.checked_sub(2).and_then(|from| self.pieces.get(from..at)) else {
            return false;
        };
        *second == Piece::Second && matches!(point.as_str(), "." | ",")
    }
}

impl Piece {
    const fn is_of_time(&self) -> bool {
        match self {
            Self::Hour(_)
            | Self::HalfDayHour(_)
            | Self::HalfDay(_)
            | Self::Minute
            | Self::Second
            | Self::Fraction(_)
            | Self::FractionIfAny(_)
            | Self::Offset(_) => true,
            Self::Literal(_)
            | Self::Year
            | Self::ShortYear
            | Self::Month(_)
            | Self::MonthName(_)
            | Self::Day(_)
            | Self::Weekday(_) => false,
        }
    }
}

fn piece(directive: &str, locale: Option<&Locale>) -> Option<Piece> {
    Some(match directive {
        "Y" => Piece::Year,
        "y" => Piece::ShortYear,
        "m" => Piece::Month(true),
        "-m" => Piece::Month(false),
        "b" => Piece::MonthName(true),
        "B" => Piece::MonthName(false),
        "d" => Piece::Day(true),
        "-d" => Piece::Day(false),
        "a" => Piece::Weekday(true),
        "A" => Piece::Weekday(false),
        "H" => Piece::Hour(true),
        "-H" => Piece::Hour(false),
        "I" => Piece::HalfDayHour(true),
        "-I" => Piece::HalfDayHour(false),
        "p" => Piece::HalfDay(locale.map_or(["AM", "PM"], |locale| locale.halves)),
        "M" => Piece::Minute,
        "S" => Piece::Second,
        "f" => Piece::Fraction(6),
        "3f" => Piece::Fraction(3),
        "z" => Piece::Offset(false),
        ":z" => Piece::Offset(true),
        _ => return None,
    })
}

fn push_literal(pieces: &mut Vec<Piece>, character: char) {
    match pieces.last_mut() {
        Some(Piece::Literal(text)) => text.push(character),
        _ => pieces.push(Piece::Literal(character.into())),
    }
}

fn known(shows: Shows) -> String {
    match shows {
        Shows::Dates => OF_DATES.to_owned(),
        Shows::Moments => format!("{OF_DATES}, {OF_TIMES}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<Pattern, String> {
        Pattern::parse(text, Shows::Moments, None)
    }

    #[test]
    fn what_is_wrong_is_said() {
        let wrong = |text: &str, shows, locale| Pattern::parse(text, shows, Locale::named(locale)).unwrap_err();
        assert!(wrong("%Q", Shows::Moments, "").starts_with("%Q is not known; there are: %Y,"));
        assert!(wrong("%d.%m.%", Shows::Dates, "").starts_with("% is not known"));
        assert!(wrong("%H", Shows::Dates, "").starts_with("%H is none of a date"));
        assert!(wrong("today 100 %%", Shows::Dates, "").starts_with("shows nothing"));
        assert!(wrong("%d %B", Shows::Dates, "de").contains("English"));
        assert!(wrong("=1+%d", Shows::Dates, "").contains("formula"));
        assert!(wrong("", Shows::Dates, "").contains("1 to 64"));
        assert!(wrong("%d\n", Shows::Dates, "").contains("control"));
        assert!(Pattern::parse("%d %B", Shows::Dates, Locale::named("en-GB")).is_ok());
    }

    #[test]
    fn spreadsheets_show_what_they_can() {
        let code = |text: &str| parsed(text).unwrap().for_spreadsheets(true);
        assert_eq!(code("%d.%m.%Y %H:%M:%S.%f").unwrap(), r"dd\.mm\.yyyy\ hh\:mm\:ss.000");
        assert_eq!(code("%-m/%-d/%y, %-I:%M %p").unwrap(), r"m\/d\/yy\,\ h\:mm\ AM/PM");
        assert_eq!(code("%A, %B %-d\"").unwrap(), "dddd\\,\\ mmmm\\ d\\\"");
        for text in ["%H %m", "%M", "%d %:z", "%f", "%I:%M", "%H %p"] {
            assert!(code(text).is_err(), "{text}");
        }
    }
}
