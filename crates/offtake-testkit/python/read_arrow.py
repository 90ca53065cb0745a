"""Reads csv or parquet with pyarrow: read_arrow.py FILE COMPRESSION COLUMNS FORMAT"""
import sys

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

import canon


def csv_table(path, compression, columns):
    """Every cell as text, NULL told apart from the empty string by the quotes."""
    source = pa.input_stream(path, compression={"none": None, "gzip": "gzip", "zstd": "zstd"}[compression])
    return pyarrow.csv.read_csv(
        source,
        read_options=pyarrow.csv.ReadOptions(block_size=64 << 20, use_threads=False),
        parse_options=pyarrow.csv.ParseOptions(newlines_in_values=True),
        convert_options=pyarrow.csv.ConvertOptions(
            column_types={name: pa.string() for name, _ in columns},
            null_values=[""],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
            check_utf8=True,
        ),
    )


def parquet_table(path, columns):
    file = pyarrow.parquet.ParquetFile(path)
    table = file.read()
    for name, ty in columns:
        have = table.schema.field(name).type
        if ty == "timestamp" and have != pa.timestamp("us", tz="UTC") and str(getattr(have, "tz", "")) != "+00:00":
            sys.exit(f"{name} is {have}")
        if ty == "timestamp" and have.unit != "us":
            sys.exit(f"{name} is {have}, not in microseconds")
        if ty.startswith("decimal") and str(have).replace("decimal128", "decimal").replace(" ", "") != ty:
            sys.exit(f"{name} is {have}, not {ty}")
        if ty == "int64" and have != pa.int64():
            sys.exit(f"{name} is {have}, not int64")
        if ty == "date" and have != pa.date32():
            sys.exit(f"{name} is {have}, not a date")
    return table


def numbers(column, width):
    """The numbers behind timestamps and dates; Python's own have no years beyond 9999, and the ends are the infinities."""
    ends = {(1 << (width - 1)) - 1: "infinity", 1 - (1 << (width - 1)): "-infinity"}
    cells = column.cast(pa.int64() if width == 64 else pa.int32()).to_pylist()
    return [None if cell is None else ends.get(cell, str(cell)) for cell in cells]


def main():
    path, compression, described, form = sys.argv[1:5]
    columns = canon.columns(described)
    table = csv_table(path, compression, columns) if form == "csv" else parquet_table(path, columns)
    if table.column_names != [name for name, _ in columns]:
        sys.exit(f"columns are {table.column_names}")

    def rows():
        for batch in table.to_batches(max_chunksize=4096):
            values = []
            for (name, ty), column in zip(columns, batch.columns):
                if pa.types.is_timestamp(column.type):
                    values.append(numbers(column, 64))
                elif pa.types.is_date32(column.type):
                    values.append(numbers(column, 32))
                else:
                    values.append([canon.cell(ty, value) for value in column.to_pylist()])
            yield from (list(row) for row in zip(*values))

    canon.emit(rows())


main()
