"""Reads a CSV with Python's csv module: read_csv.py FILE COMPRESSION COLUMNS

That module cannot tell NULL from the empty string: both are printed as null, and the comparison knows.
"""
import csv
import io
import sys

import canon
import opened


def main():
    path, compression, described = sys.argv[1:4]
    columns = canon.columns(described)
    csv.field_size_limit(1 << 30)
    with opened.binary(path, compression) as raw:
        text = io.TextIOWrapper(raw, encoding="utf-8", errors="strict", newline="")
        reader = csv.reader(text, strict=True)
        header = next(reader)
        if header != [name for name, _ in columns]:
            sys.exit(f"header {header} is not {[name for name, _ in columns]}")

        def rows():
            for cells in reader:
                if len(cells) != len(columns):
                    sys.exit(f"line {reader.line_num}: {len(cells)} cells, {len(columns)} columns")
                yield [canon.cell(ty, value) if value != "" else None for (_, ty), value in zip(columns, cells)]

        canon.emit(rows())


main()
