"""DuckDB's sqlite scanner as a contestant: peer_duckdb.py DATABASE QUERY csv|jsonl|parquet OUT. Prints the seconds of the COPY."""
import glob
import os
import sys
import time

import duckdb
import duckdb_extension_sqlite_scanner

OPTIONS = {"csv": "FORMAT csv, HEADER", "jsonl": "FORMAT json", "parquet": "FORMAT parquet, COMPRESSION zstd"}


def main():
    database, query, form, out = sys.argv[1:5]
    folder = os.path.dirname(duckdb_extension_sqlite_scanner.__file__)
    extension = glob.glob(os.path.join(folder, "**", "sqlite_scanner.duckdb_extension"), recursive=True)[0]
    connection = duckdb.connect()
    connection.execute(f"LOAD '{extension}'")
    connection.execute(f"ATTACH '{database}' AS spans_db (TYPE sqlite, READ_ONLY)")
    began = time.perf_counter()
    connection.execute(f"COPY ({query}) TO '{out}' ({OPTIONS[form]})")
    print(time.perf_counter() - began)


main()
