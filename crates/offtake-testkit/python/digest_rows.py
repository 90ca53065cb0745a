"""Whether a large csv or jsonl has every span of the store exactly once: digest_rows.py FILE COMPRESSION FORMAT SPANS_DB ORG

Compares identities as a multiset, so that a lost and a doubled row cannot cancel out. Prints the number of rows.
"""
import collections
import csv
import io
import json
import sqlite3
import sys

import opened


def identities(path, compression, form):
    csv.field_size_limit(1 << 30)
    with opened.binary(path, compression) as raw:
        text = io.TextIOWrapper(raw, encoding="utf-8", newline="")
        rows = csv.DictReader(text, strict=True) if form == "csv" else map(json.loads, text)
        for row in rows:
            yield row["trace_id"], row["span_id"]


def main():
    path, compression, form, spans_db, org = sys.argv[1:6]
    have = collections.Counter(identities(path, compression, form))
    database = sqlite3.connect(f"file:{spans_db}?mode=ro", uri=True, timeout=30)
    want = collections.Counter(database.execute("SELECT trace_id, span_id FROM spans WHERE org_id = ?", (org,)))
    lost, extra = want - have, have - want
    if lost or extra:
        sys.exit(f"{sum(lost.values())} lost, {sum(extra.values())} doubled or foreign; for instance {(list(lost) + list(extra))[:3]}")
    print(sum(have.values()))


main()
