"""Whether two files hold the same rows in the same order: compare.py OURS THEIRS csv|jsonl

Peers write what the database stores: microseconds and nano-dollars as integers, JSON as text. Ours are turned into that.
"""
import csv
import datetime
import decimal
import itertools
import json
import sys

TIMES = ("started_at", "ended_at")
EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)


def rows(path, form):
    file = open(path, encoding="utf-8", newline="")
    if form == "csv":
        csv.field_size_limit(1 << 30)
        return csv.DictReader(file)
    return map(json.loads, file)


def stored(column, value):
    """A cell of ours as the database stores it."""
    if value is None or value == "":
        return None
    if column in TIMES:
        delta = datetime.datetime.fromisoformat(value.replace("Z", "+00:00")) - EPOCH
        return (delta.days * 86400 + delta.seconds) * 1_000_000 + delta.microseconds
    if column == "cost_usd":
        return int(decimal.Decimal(str(value)).scaleb(9))
    return value


def cell(column, value):
    """Either side's cell, comparable."""
    if value is None or value == "":
        return None
    if column in TIMES or column == "cost_usd":
        return int(value)
    if column == "duration_ms":
        return float(value)
    if column in ("attributes", "resource", "events"):
        return json.loads(value) if isinstance(value, str) else value
    return str(value)


def main():
    ours, theirs, form = sys.argv[1:4]
    count = 0
    for mine, other in itertools.zip_longest(rows(ours, form), rows(theirs, form)):
        if mine is None or other is None:
            sys.exit(f"one file ends after {count} rows")
        for column in mine:
            have, want = cell(column, stored(column, mine[column])), cell(column, other.get(column))
            if have != want:
                sys.exit(f"row {count}, {column}: {str(have)[:200]!r} and {str(want)[:200]!r}")
        count += 1
    print(f"{count:,} rows, the same cell by cell, in the same order")


main()
