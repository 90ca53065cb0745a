"""Canonical cells: one form in which every reader and the store say the same thing.

A row becomes a JSON array of its cells in column order. A cell is null, or a string:
text as it is; int64 in decimal digits; float64 as Python's shortest repr; decimal without trailing zeros;
timestamp as microseconds since the epoch; date as ISO 8601 writes it; bool as true/false; json as the compact text of a tree in which
objects are lists of pairs (so order and doubled keys count) and numbers are exact.

Nothing here knows Offtake's code: types come as the names in a receipt.
"""
import decimal
import datetime
import json
import math
import sys

EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
EXACT = decimal.Context(prec=60)


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


def micros(value):
    """Microseconds of a datetime or an RFC 3339 text; a text without a zone or with more digits is an error."""
    if isinstance(value, str):
        text = value
        if not (text.endswith("Z") or text.endswith("+00:00")):
            raise ValueError(f"a timestamp without UTC: {text!r}")
        body = text[:-1] if text.endswith("Z") else text[:-6]
        fraction = body.partition(".")[2]
        if len(fraction) > 6:
            raise ValueError(f"more than microseconds: {text!r}")
        value = datetime.datetime.fromisoformat(body + "+00:00")
    if value.tzinfo is None:
        raise ValueError(f"a naive timestamp: {value!r}")
    delta = value - EPOCH
    return str((delta.days * 86400 + delta.seconds) * 1_000_000 + delta.microseconds)


def day(value):
    """ISO 8601, of a date or of a text that is one."""
    if isinstance(value, str):
        value = datetime.date.fromisoformat(value)
    if isinstance(value, datetime.datetime) or not isinstance(value, datetime.date):
        raise TypeError(f"a date came as {type(value).__name__}: {value!r}")
    return value.isoformat()


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
    if value is None:
        return None
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
