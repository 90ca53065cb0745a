"""Reads jsonl or json with Python's json module: read_json.py FILE COMPRESSION COLUMNS FORMAT"""
import sys

import canon
import opened


def objects(raw, form):
    if form == "json":
        everything = canon.parse(raw.read().decode("utf-8", "strict"))
        if not isinstance(everything, list):
            sys.exit("the file is not one array")
        yield from everything
        return
    for line in raw:
        if not line.endswith(b"\n"):
            sys.exit("the last line has no line end")
        yield canon.parse(line.decode("utf-8", "strict"))


def main():
    path, compression, described, form = sys.argv[1:5]
    columns = canon.columns(described)
    names = [name for name, _ in columns]

    def rows():
        with opened.binary(path, compression) as raw:
            for at, row in enumerate(objects(raw, form)):
                if [key for key, _ in row.pairs] != names:
                    sys.exit(f"row {at} has the keys {[key for key, _ in row.pairs]}, not {names}")
                # A JSON cell comes as a tree; canon takes trees and texts, and a text would be parsed: wrap it.
                yield [
                    (canon.canonical_tree(value) if value is not None else None) if ty == "json" else canon.cell(ty, value)
                    for (_, ty), (_, value) in zip(columns, row.pairs)
                ]

    canon.emit(rows())


main()
