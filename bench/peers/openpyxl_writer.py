"""openpyxl's write-only workbook over a server-side cursor: openpyxl_writer.py URL QUERY OUT

Prints the seconds from the query to the saved file. What a cell cannot hold is turned into text, or cut.
"""
import datetime
import json
import sys
import time

import openpyxl
import psycopg
from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE

LARGEST_CELL = 32_767


def cell(value):
    if isinstance(value, datetime.datetime):
        return value.replace(tzinfo=None)
    if isinstance(value, (dict, list)):
        value = json.dumps(value, ensure_ascii=False)
    elif value is not None and not isinstance(value, (str, int, float)) and not hasattr(value, "as_tuple"):
        value = str(value)
    return ILLEGAL_CHARACTERS_RE.sub("", value)[:LARGEST_CELL] if isinstance(value, str) else value


def main():
    url, query, out = sys.argv[1:4]
    with psycopg.connect(url) as connection, connection.cursor(name="rows") as cursor:
        began = time.perf_counter()
        cursor.itersize = 2_000
        cursor.execute(query)
        book = openpyxl.Workbook(write_only=True)
        sheet = book.create_sheet()
        sheet.append([column.name for column in cursor.description] if cursor.description else [])
        for row in cursor:
            sheet.append([cell(value) for value in row])
        book.save(out)
        print(time.perf_counter() - began)


main()
