"""The ClickHouse engine, in process: clickhouse.py HOST:PORT DATABASE USER COLUMNS WHERE csv|csvgz|parquet OUT

Prints the seconds of the query.
"""
import sys
import time

import chdb

EMPTY = "SETTINGS format_csv_null_representation = ''"
FORMATS = {
    "csv": f"FORMAT CSVWithNames {EMPTY}",
    "csvgz": f"COMPRESSION 'gzip' LEVEL 6 FORMAT CSVWithNames {EMPTY}",
    "parquet": "FORMAT Parquet SETTINGS output_format_parquet_compression_method = 'zstd'",
}


def main():
    address, database, user, columns, where, form, out = sys.argv[1:8]
    began = time.perf_counter()
    chdb.query(f"SELECT {columns} FROM postgresql('{address}', '{database}', 'spans', '{user}', 'any') {where} INTO OUTFILE '{out}' {FORMATS[form]}")
    print(time.perf_counter() - began)


main()
