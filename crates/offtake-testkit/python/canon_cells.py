"""Makes cells canonical that a database told as texts: canon_cells.py COLUMNS FILE

FILE has a JSON array of texts and nulls a line: numbers and truth values as their texts, timestamps in RFC 3339 with Z,
JSON as its text. A column of type "canonical" is left as it is.
"""
import json
import sys

import canon


def main():
    described, path = sys.argv[1:3]
    columns = canon.columns(described)
    with open(path, encoding="utf-8") as lines:
        canon.emit(
            [canon.cell(ty, value) for (_, ty), value in zip(columns, json.loads(line), strict=True)] for line in lines
        )


main()
