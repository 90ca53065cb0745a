"""The cells of a workbook's first sheet as openpyxl shows them: shown_cells.py FILE

An array a row, without the header: [value, number format] a cell. Dates and times are datetimes to openpyxl.
"""
import json
import sys

import openpyxl

sheet = openpyxl.load_workbook(open(sys.argv[1], "rb")).worksheets[0]
for row in sheet.iter_rows(min_row=2):
    print(json.dumps([[None if cell.value is None else str(cell.value), cell.number_format] for cell in row]))
