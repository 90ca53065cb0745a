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
# Serial numbers of 1970-01-01, 1900-03-01, 9999-12-31.
EPOCH, FIRST, LAST = 25_569, 61, 2_958_465


def cell(ty, value):
    if value is None:
        return None
    if isinstance(value, str):
        value = unescape(value)
        if not may_be_text(ty, value):
            raise ValueError(f"a {ty} is a text though a spreadsheet can hold it: {value!r}")
        return document(value) if ty == "json" else canon.cell(ty, value)
    if ty in ("text", "json"):
        raise TypeError(f"{ty} came as {type(value).__name__}: {value!r}")
    if ty == "int64":
        if value != int(value):
            raise ValueError(f"not a whole number: {value!r}")
        return canon.cell(ty, int(value))
    if ty.startswith("decimal"):
        return canon.cell(ty, decimal.Decimal(repr(value)))
    if ty == "timestamp":
        day = int(value)
        return str((day - EPOCH) * DAY + round((value - day) * DAY))
    if ty == "date":
        if value != int(value):
            raise ValueError(f"a date with a time: {value!r}")
        return str(int(value) - EPOCH)
    return canon.cell(ty, value)


def may_be_text(ty, text):
    """Whether the documentation says that this value is a text: what spreadsheets cannot hold exactly."""
    if ty == "int64":
        return abs(int(text)) >= 10**15
    if ty.startswith("decimal"):
        return len(canon.number(text).replace(".", "").strip("-0")) > 15
    if ty == "float64":
        size = abs(float(text))
        return not 2.2250738585072014e-308 <= size < 1e308
    if ty in ("timestamp", "date"):
        number = canon.cell(ty, text)
        if number in canon.INFINITE:
            return True
        day, of_day = divmod(int(number), DAY) if ty == "timestamp" else (int(number), 0)
        return not FIRST <= day + EPOCH <= LAST or of_day % 1000 != 0
    return ty != "bool"


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
