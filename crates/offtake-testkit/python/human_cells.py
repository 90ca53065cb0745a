"""How people write cells, as Babel has it from CLDR: human_cells.py LOCALES ZONE FILE

FILE has a JSON array a line: the types int, decimal, float, date or timestamp of cells in the first, the cells as exact
texts in the others (timestamps in RFC 3339 with Z). Prints an array a locale: its rows.

Where Offtake's documentation differs from CLDR, so does this: years have four digits; digits after the second are shown where
there are any; spaces in times are plain; the minus is ASCII's; and outside of English a day has 24 hours.
"""
import datetime
import decimal
import json
import sys
import zoneinfo

import babel
import babel.dates
import babel.numbers

# Locales whose medium time in CLDR is in words or in half days, without being English.
PLAIN_CLOCK = {"el-GR", "es-AR", "es-MX", "fr-CA", "ko-KR", "zh-TW"}


def number(locale, text):
    value = babel.numbers.format_decimal(decimal.Decimal(text), locale=locale, decimal_quantization=False)
    return value.replace("\u2212", "-")


def date_pattern(locale):
    return locale.date_formats["short"].pattern.replace("yy", "y").replace("y", "yyyy")


def date(locale, value):
    return babel.dates.format_date(value, date_pattern(locale), locale)


def moment(locale, tag, zone, text):
    at = datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).astimezone(zone)
    pattern = "HH:mm:ss" if tag in PLAIN_CLOCK else locale.time_formats["medium"].pattern
    time = babel.dates.format_time(at, pattern, tzinfo=zone, locale=locale).replace("\u202f", " ").replace("\xa0", " ")
    if at.microsecond:
        seconds = f"{at.second:02}"
        before, found, after = time.rpartition(seconds)
        assert found, time
        time = before + seconds + locale.number_symbols["latn"]["decimal"] + f"{at.microsecond:06}".rstrip("0") + after
    return f"{date(locale, at.date())} {time}"


def cell(locale, tag, zone, ty, text):
    if text is None:
        return None
    if ty == "date":
        return date(locale, datetime.date.fromisoformat(text))
    if ty == "timestamp":
        return moment(locale, tag, zone, text)
    return number(locale, text)


def main():
    tags, zone, path = sys.argv[1:4]
    zone = zoneinfo.ZoneInfo(zone)
    with open(path, encoding="utf-8") as lines:
        types, *rows = (json.loads(line) for line in lines)
    for tag in tags.split(","):
        locale = babel.Locale.parse(tag, sep="-")
        written = [[cell(locale, tag, zone, ty, text) for ty, text in zip(types, row, strict=True)] for row in rows]
        print(json.dumps(written))


main()
