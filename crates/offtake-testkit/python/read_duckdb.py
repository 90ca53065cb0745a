"""Reads any format with DuckDB: read_duckdb.py FILE COMPRESSION COLUMNS FORMAT"""
import sys

import duckdb

import canon


def duck_type(ty):
    if ty.startswith("decimal"):
        return ty
    return {
        "text": "VARCHAR", "int64": "BIGINT", "float64": "DOUBLE", "bool": "BOOLEAN",
        "timestamp": "TIMESTAMPTZ", "date": "DATE", "json": "JSON",
    }[ty]


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
    wanted = ", ".join(
        f"epoch_us({quoted(name, chr(34))})" if ty == "timestamp"
        else f"CAST({quoted(name, chr(34))} AS VARCHAR)" if ty == "json"
        else quoted(name, '"')
        for name, ty in columns
    )
    found = database.execute(f"SELECT {wanted} FROM {source(path, compression, columns, form)}")

    def rows():
        while batch := found.fetchmany(1024):
            for row in batch:
                yield [
                    (None if value is None else str(value)) if ty == "timestamp" else canon.cell(ty, value)
                    for (_, ty), value in zip(columns, row)
                ]

    canon.emit(rows())


main()
