"""Reads any format with DuckDB: read_duckdb.py FILE COMPRESSION COLUMNS FORMAT

In texts DuckDB does not read years after 9999, which ISO 8601 writes with a sign: these come as texts and are read here.
"""
import sys

import duckdb

import canon


def duck_type(ty):
    if ty.startswith("decimal"):
        return ty
    return {
        "text": "VARCHAR", "int64": "BIGINT", "float64": "DOUBLE", "bool": "BOOLEAN",
        "timestamp": "VARCHAR", "date": "VARCHAR", "json": "JSON",
    }[ty]


def wanted(name, ty, form):
    """What is asked of a column: the numbers behind timestamps and dates, and else the column."""
    column = quoted(name, '"')
    if ty == "json":
        return f"CAST({column} AS VARCHAR)"
    if ty not in ("timestamp", "date"):
        return column
    native = column if form == "parquet" else f"CAST({column} AS {'TIMESTAMPTZ' if ty == 'timestamp' else 'DATE'})"
    number = f"epoch_us({native})" if ty == "timestamp" else f"{native} - DATE '1970-01-01'"
    read = f"CASE WHEN isfinite({native}) THEN CAST({number} AS VARCHAR) ELSE CAST({native} AS VARCHAR) END"
    return read if form == "parquet" else f"CASE WHEN {column} LIKE '+%' THEN {column} ELSE {read} END"


def quoted(text, mark):
    return mark + text.replace(mark, mark + mark) + mark


def source(path, compression, columns, form):
    described = "{" + ", ".join(f"{quoted(name, chr(39))}: '{duck_type(ty)}'" for name, ty in columns) + "}"
    file = quoted(path, "'")
    if form == "csv":
        return (
            f"read_csv({file}, columns = {described}, header = true, auto_detect = false, delim = ',', quote = '\"', escape = '\"',"
            f" nullstr = '', allow_quoted_nulls = false, compression = '{compression}', parallel = false,"
            f" max_line_size = 33554432, buffer_size = 134217728)"
        )
    if form == "parquet":
        return f"read_parquet({file})"
    packed = "uncompressed" if compression == "none" else compression
    shape = "array" if form == "json" else "newline_delimited"
    return (
        f"read_json({file}, columns = {described}, format = '{shape}', compression = '{packed}',"
        f" maximum_object_size = 33554432)"
    )


def main():
    path, compression, described, form = sys.argv[1:5]
    columns = canon.columns(described)
    database = duckdb.connect()
    database.execute("SET TimeZone = 'UTC'; SET threads = 1; SET preserve_insertion_order = true")
    asked = ", ".join(wanted(name, ty, form) for name, ty in columns)
    found = database.execute(f"SELECT {asked} FROM {source(path, compression, columns, form)}")

    def rows():
        while batch := found.fetchmany(1024):
            for row in batch:
                yield [
                    value if ty in ("timestamp", "date") and value is not None and not value.startswith("+")
                    else canon.cell(ty, value)
                    for (_, ty), value in zip(columns, row)
                ]

    canon.emit(rows())


main()
