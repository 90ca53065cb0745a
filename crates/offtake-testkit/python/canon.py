"""Canonical cells: one form in which every reader and the store say the same thing.

A row becomes a JSON array of its cells in column order. A cell is null, or a string:
text as it is; int64 in decimal digits; float64 as Python's shortest repr; decimal without trailing zeros;
timestamp as microseconds since the epoch and date as days since it, or infinity and -infinity; bool as true/false; json as the compact text of a tree in which
objects are lists of pairs (so order and doubled keys count) and numbers are exact.

Nothing here knows Offtake's code: types come as the names in a receipt.
"""
import decimal
import datetime
import json
import math
import re
import sys

EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
EXACT = decimal.Context(prec=20_000)
DATE = re.compile(r"([0-9]{4}|[+-][0-9]{6,7})-([0-9]{2})-([0-9]{2})", re.ASCII)
TIME = re.compile(r"T([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.([0-9]{1,6}))?(?:Z|\+00:00)", re.ASCII)
INFINITE = ("infinity", "-infinity")


def number(value):
    """An exact decimal, without exponent and trailing zeros."""
    value = decimal.Decimal(value)
    if not value.is_finite():
        raise ValueError(f"not a finite number: {value}")
    if value == 0:
        return "0"
    return format(value.normalize(EXACT), "f")


def real(value):
    value = float(value)
    return "NaN" if math.isnan(value) else repr(value)


def _days(text):
    """Days since the epoch of a date in ISO 8601; years beyond four digits have a sign and six digits or more."""
    found = DATE.fullmatch(text)
    if not found:
        raise ValueError(f"not a date: {text!r}")
    year, month, of_month = (int(part) for part in found.groups())
    # datetime knows the years from 1 to 9999; 400 years are always as many days.
    eras, year = divmod(year - 1, 400)
    return datetime.date(year + 1, month, of_month).toordinal() + eras * 146_097 - EPOCH.toordinal()


def micros(value):
    """Microseconds of a datetime or an RFC 3339 text; a text without a zone or with more digits is an error."""
    if isinstance(value, str):
        if value in INFINITE:
            return value
        date, _, time = value.partition("T")
        found = TIME.fullmatch("T" + time)
        if not found:
            raise ValueError(f"no timestamp in UTC: {value!r}")
        hours, minutes, seconds, fraction = found.groups()
        of_day = int(hours) * 3600 + int(minutes) * 60 + int(seconds)
        return str((_days(date) * 86400 + of_day) * 1_000_000 + int((fraction or "").ljust(6, "0")))
    if value.tzinfo is None:
        raise ValueError(f"a naive timestamp: {value!r}")
    delta = value - EPOCH
    return str((delta.days * 86400 + delta.seconds) * 1_000_000 + delta.microseconds)


def day(value):
    """Days since the epoch, of a date or of a text that is one."""
    if isinstance(value, str):
        return value if value in INFINITE else str(_days(value))
    if isinstance(value, datetime.datetime) or not isinstance(value, datetime.date):
        raise TypeError(f"a date came as {type(value).__name__}: {value!r}")
    return str(value.toordinal() - EPOCH.toordinal())


def _no_constant(name):
    raise ValueError(f"{name} is not JSON")


def _tree(value):
    if isinstance(value, Pairs):
        return {"object": [[key, _tree(item)] for key, item in value.pairs]}
    if isinstance(value, list):
        return [_tree(item) for item in value]
    if isinstance(value, bool) or value is None or isinstance(value, str):
        return value
    return {"number": number(value)}


class Pairs:
    """An object of JSON with its order and its doubled keys."""

    def __init__(self, pairs):
        self.pairs = pairs


def parse(text):
    return json.loads(text, object_pairs_hook=Pairs, parse_float=decimal.Decimal, parse_constant=_no_constant)


def document(text):
    """The canonical form of a JSON document given as text."""
    return canonical_tree(parse(text))


def canonical_tree(value):
    return json.dumps(_tree(value), ensure_ascii=True, separators=(",", ":"))


def cell(ty, value):
    """A cell given as text (CSV) or as the reader's own type."""
    if value is None or ty == "canonical":
        return value
    if ty == "text":
        if not isinstance(value, str):
            raise TypeError(f"text came as {type(value).__name__}: {value!r}")
        return value
    if ty == "int64":
        if isinstance(value, (bool, float)):
            raise TypeError(f"int64 came as {type(value).__name__}: {value!r}")
        return str(int(value))
    if ty == "float64":
        return real(value)
    if ty == "bool":
        if isinstance(value, str):
            if value not in ("true", "false"):
                raise ValueError(f"not a bool: {value!r}")
            return value
        return "true" if value else "false"
    if ty.startswith("decimal"):
        if isinstance(value, float):
            raise TypeError(f"a decimal came as a double: {value!r}")
        return number(value)
    if ty == "timestamp":
        return micros(value)
    if ty == "date":
        return day(value)
    if ty == "json":
        return document(value) if isinstance(value, str) else canonical_tree(value)
    raise ValueError(f"unknown type {ty}")


def columns(argument):
    """[(name, type)] from the JSON of a receipt's columns."""
    return [(column["name"], column["type"]) for column in json.loads(argument)]


def emit(rows):
    """Prints canonical rows and ends."""
    write = sys.stdout.write
    for row in rows:
        write(json.dumps(row, ensure_ascii=True, separators=(",", ":")))
        write("\n")
    sys.stdout.flush()
