"""Reads a workbook with openpyxl: read_xlsx.py FILE COMPRESSION COLUMNS

All its sheets, one after the other. NULL and the empty string are the same there.
"""
import datetime
import decimal
import sys

import openpyxl
from openpyxl.utils.escape import unescape

import canon

DAY = 86_400_000_000


def cell(ty, value):
    if value is None:
        return None
    if isinstance(value, str):
        return canon.cell(ty, unescape(value)) if not ty == "json" else document(unescape(value))
    if ty == "int64":
        if value != int(value):
            raise ValueError(f"not a whole number: {value!r}")
        return canon.cell(ty, int(value))
    if ty.startswith("decimal"):
        return canon.cell(ty, decimal.Decimal(repr(value)))
    if ty == "timestamp":
        day = int(value)
        return str((day - 25_569) * DAY + round((value - day) * DAY))
    return canon.cell(ty, value)


def document(text):
    """What was cut is no document any more: it stays text."""
    try:
        return canon.document(text)
    except ValueError:
        return text


def check_dates(path, columns):
    """A timestamp that is a number is a date to whoever opens the file."""
    sheet = openpyxl.load_workbook(open(path, "rb"), read_only=True).worksheets[0]
    for row in sheet.iter_rows(min_row=2, max_row=20):
        for (name, ty), value in zip(columns, row):
            if ty == "timestamp" and value.value is not None and not isinstance(value.value, (datetime.datetime, str)):
                sys.exit(f"{name} is shown as {value.value!r}")


def main():
    path, _, described = sys.argv[1:4]
    columns = canon.columns(described)
    check_dates(path, columns)
    book = openpyxl.load_workbook(open(path, "rb"), read_only=True)
    # Serial numbers as they are: openpyxl rounds dates to milliseconds.
    book._date_formats = set()
    book._timedelta_formats = set()

    def rows():
        for sheet in book.worksheets:
            for at, cells in enumerate(sheet.iter_rows(values_only=True)):
                cells = list(cells) + [None] * (len(columns) - len(cells))
                if at > 0:
                    yield [cell(ty, value) for (_, ty), value in zip(columns, cells)]
                elif [unescape(name) for name in cells] != [name for name, _ in columns]:
                    sys.exit(f"header {cells} is not {[name for name, _ in columns]}")

    canon.emit(rows())


main()
