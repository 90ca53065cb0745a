"""Reads one organization's rows of a folder of Parquet files with pyarrow, in the order of `id`, as canonical cells:
read_lake.py FOLDER ORG COLUMNS

COLUMNS are those of a receipt; the types there decide how a cell of Parquet is to look.
"""
import datetime
import decimal
import json
import math
import pathlib
import sys
import uuid

import pyarrow as pa
import pyarrow.parquet as pq

import canon


def moment(value):
    if value.tzinfo is None:
        value = value.replace(tzinfo=datetime.timezone.utc)
    return value.astimezone(datetime.timezone.utc)


def clock(value):
    text = value.strftime("%H:%M:%S")
    return text if value.microsecond == 0 else f"{text}.{value.microsecond:06}".rstrip("0")


def document(value):
    """The JSON text of a value of a list, struct or map."""
    if value is None or isinstance(value, (bool, int, str)):
        return json.dumps(value)
    if isinstance(value, float):
        return repr(value) if math.isfinite(value) else json.dumps(str(value))
    if isinstance(value, datetime.datetime):
        text = moment(value).strftime("%Y-%m-%dT%H:%M:%S")
        fraction = f".{value.microsecond:06}".rstrip("0") if value.microsecond else ""
        return json.dumps(f"{text}{fraction}Z")
    if isinstance(value, dict):
        return "{" + ",".join(f"{json.dumps(key)}:{document(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list) and value and isinstance(value[0], tuple):
        return document(dict(value))
    if isinstance(value, list):
        return "[" + ",".join(document(item) for item in value) + "]"
    raise TypeError(f"{type(value).__name__} in a nested value")


def text(value):
    if isinstance(value, bytes):
        return "\\x" + value.hex()
    if isinstance(value, datetime.time):
        return clock(value)
    if isinstance(value, uuid.UUID):
        return str(value)
    if isinstance(value, decimal.Decimal):
        return format(value, "f")
    return value


def cell(ty, single, value):
    if value is None:
        return None
    if ty == "timestamp":
        return canon.micros(moment(value))
    if ty == "json":
        return canon.document(value if isinstance(value, str) else document(value))
    if ty == "text":
        return canon.cell(ty, text(value))
    if ty == "float64" and single:
        # A single is the number its shortest spelling says.
        return canon.cell(ty, float(str(pa.scalar(value, pa.float32()).cast(pa.string()).as_py())))
    return canon.cell(ty, value)


def main():
    folder, org, described = sys.argv[1:4]
    columns = canon.columns(described)
    rows = []
    for path in sorted(pathlib.Path(folder).rglob("*.parquet")):
        table = pq.ParquetFile(path).read()
        # Python's datetime has no nanoseconds; what they are is whole microseconds here.
        for index, field in enumerate(table.schema):
            if pa.types.is_timestamp(field.type) and field.type.unit == "ns":
                micros = table.column(index).cast(pa.timestamp("us", tz=field.type.tz))
                table = table.set_column(index, field.name, micros)
        singles = {field.name for field in table.schema if pa.types.is_float32(field.type)}
        for row in table.to_pylist():
            if row["org"] == org:
                rows.append((row["id"], [cell(ty, name in singles, row[name]) for name, ty in columns]))
    rows.sort(key=lambda row: row[0])
    canon.emit(cells for _, cells in rows)


main()
