"""DuckDB with one of its scanners: duckdb_scanner.py sqlite|postgres DATABASE QUERY csv|csvgz|jsonl|parquet OUT

The tables are `db.…`. Prints the seconds of the COPY alone.
"""
import glob
import os
import sys
import time

import duckdb

OPTIONS = {"csv": "FORMAT csv, HEADER", "csvgz": "FORMAT csv, HEADER, COMPRESSION gzip", "jsonl": "FORMAT json", "parquet": "FORMAT parquet, COMPRESSION zstd"}


def main():
    kind, database, query, form, out = sys.argv[1:6]
    package = __import__(f"duckdb_extension_{kind}_scanner")
    extension = glob.glob(os.path.join(os.path.dirname(package.__file__), "**", f"{kind}_scanner.duckdb_extension"), recursive=True)[0]
    connection = duckdb.connect()
    connection.execute(f"LOAD '{extension}'")
    connection.execute(f"ATTACH '{database}' AS db (TYPE {kind}, READ_ONLY)")
    began = time.perf_counter()
    connection.execute(f"COPY ({query}) TO '{out}' ({OPTIONS[form]})")
    print(time.perf_counter() - began)


main()
