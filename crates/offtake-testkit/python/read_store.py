"""Rows of the built-in spans straight from their database, in key order: read_store.py SPANS_DB ORG COLUMNS

Microseconds and nano-dollars are integers there; everything else is as it is.
"""
import decimal
import re
import sqlite3
import sys

import canon


def stored(ty, value):
    if value is None:
        return None
    if ty == "timestamp":
        if not isinstance(value, int):
            raise TypeError(f"a timestamp is stored as {value!r}")
        return str(value)
    if ty.startswith("decimal"):
        if not isinstance(value, int):
            raise TypeError(f"a decimal is stored as {value!r}")
        scale = int(re.fullmatch(r"decimal\(\d+,(\d+)\)", ty)[1])
        return canon.number(decimal.Decimal(value).scaleb(-scale, canon.EXACT))
    return canon.cell(ty, value)


def main():
    path, org, described = sys.argv[1:4]
    columns = canon.columns(described)
    database = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=30)
    names = ", ".join('"' + name.replace('"', '""') + '"' for name, _ in columns)
    found = database.execute(
        f"SELECT {names} FROM spans WHERE org_id = ? ORDER BY started_at, trace_id, span_id", (org,)
    )
    canon.emit([stored(ty, value) for (_, ty), value in zip(columns, row)] for row in found)


main()
