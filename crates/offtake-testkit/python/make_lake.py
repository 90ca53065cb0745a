"""Writes folders of Parquet files: make_lake.py KIND FOLDER [ROWS [SHIFT]]

KIND is `arrow` (every type of Arrow's that has a place in Parquet, a file for each codec, in several encodings, by
pyarrow), `duck` (one file by DuckDB, with its own types) or `long` (ROWS rows of a few columns in two files; SHIFT is
added to what they count).
"""
import datetime
import decimal
import pathlib
import sys

import pyarrow as pa
import pyarrow.parquet as pq

UTC = datetime.timezone.utc
START = datetime.datetime(2026, 10, 1, tzinfo=UTC)
PLAIN = {"use_dictionary": False}
FILES = [
    ("a.parquet", {"compression": "snappy", "row_group_size": 7}),
    ("b.parquet", {"compression": "zstd", "data_page_version": "2.0", **PLAIN}),
    ("c.parquet", {"compression": "gzip", "version": "2.4"}),
    ("deep/d.parquet", {"compression": "lz4", "data_page_size": 64}),
    ("deep/er/e.parquet", {
        "compression": "none",
        "column_encoding": {"id": "DELTA_BINARY_PACKED", "double": "BYTE_STREAM_SPLIT", "note": "DELTA_BYTE_ARRAY"},
        **PLAIN,
    }),
]


def arrow_table(first, count):
    ids = range(first, first + count)

    def column(ty, cell):
        return pa.array([None if n % 11 == 10 else cell(n) for n in ids], type=ty)

    def at(n):
        return START + datetime.timedelta(days=n % 40, microseconds=n * 1_001)

    exact = decimal.Context(prec=60)
    columns = {
        "id": pa.array(list(ids), type=pa.int32()),
        "org": pa.array(["acme" if n % 5 else "other" for n in ids]).dictionary_encode(),
        "seconds": column(pa.timestamp("s", tz="UTC"), lambda n: at(n).replace(microsecond=0)),
        "millis": column(pa.timestamp("ms", tz="Europe/Berlin"), lambda n: at(n).replace(microsecond=n % 1000 * 1000)),
        "micros": column(pa.timestamp("us", tz="UTC"), at),
        "nanos": column(pa.timestamp("ns", tz="UTC"), at),
        "naive": column(pa.timestamp("us"), lambda n: at(n).replace(tzinfo=None)),
        "day": column(pa.date32(), lambda n: datetime.date(1900, 1, 1) + datetime.timedelta(days=n * 977)),
        "noon": column(pa.time64("us"), lambda n: datetime.time(n % 24, n % 60, 59, n * 7 % 1_000_000)),
        "early": column(pa.time32("s"), lambda n: datetime.time(n % 24, 0, 1)),
        "flag": column(pa.bool_(), lambda n: n % 2 == 0),
        "byte": column(pa.int8(), lambda n: n % 255 - 127),
        "word": column(pa.uint32(), lambda n: 4_294_967_295 - n),
        "large": column(pa.int64(), lambda n: (-1) ** n * (9_223_372_036_854_775_807 - n)),
        "larger": column(pa.uint64(), lambda n: 18_446_744_073_709_551_615 - n),
        "single": column(pa.float32(), lambda n: [0.1, -1.5, 3.4028234663852886e38][n % 3]),
        "double": column(pa.float64(), lambda n: [0.1, -0.0, float("nan"), float("inf"), 1e300, 5e-324][n % 6]),
        "price": column(pa.decimal128(12, 2), lambda n: decimal.Decimal(n * 7 - 100).scaleb(-2)),
        "wide": column(pa.decimal128(38, 10), lambda n: decimal.Decimal((-1) ** n * (10**38 - 1 - n)).scaleb(-10, exact)),
        "huge": column(pa.decimal256(50, 5), lambda n: decimal.Decimal(10**49 + n).scaleb(-5, exact)),
        "note": column(pa.large_string(), lambda n: ["", "ü🦀", "a\nb,\"c\"", "NULL", "x" * 3000][n % 5]),
        "view": column(pa.string_view(), lambda n: f"view {n}"),
        "blob": column(pa.binary(), lambda n: bytes([n % 256, 0, 255])),
        "fixed": column(pa.binary(4), lambda n: n.to_bytes(4, "big")),
        "tags": column(pa.list_(pa.string()), lambda n: [None, "a", "b\"c"][: n % 4]),
        "numbers": column(pa.list_(pa.int64()), lambda n: [n % 3, None]),
        "nested": column(
            pa.struct([("n", pa.int64()), ("list", pa.list_(pa.struct([("d", pa.float64()), ("at", pa.timestamp("us", tz="UTC"))])))]),
            lambda n: {"n": None if n % 2 else n, "list": [{"d": n / 8, "at": at(n)}, None]},
        ),
        "attrs": column(pa.map_(pa.string(), pa.int64()), lambda n: [("k", n), ("l", None)]),
        "nothing": pa.nulls(count),
    }
    return pa.table(columns)


def arrow(folder):
    for index, (name, options) in enumerate(FILES):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        table = arrow_table(1 + 40 * index, 40)
        # Columns in another order are the same columns.
        table = table.select(sorted(table.column_names, reverse=index % 2 == 1))
        pq.write_table(table, path, **options)
    (folder / "_SUCCESS").touch()


def duck(folder):
    import duckdb

    duckdb.sql("SET TimeZone = 'UTC'")
    folder.mkdir(parents=True, exist_ok=True)
    duckdb.sql(f"""
        COPY (SELECT n::INTEGER AS id, CASE WHEN n % 5 = 0 THEN 'other' ELSE 'acme' END AS org,
                     TIMESTAMPTZ '2026-10-01 00:00:00+00' + to_microseconds(n * 1001) AS at,
                     DATE '2026-10-01' + n::INTEGER AS day, TIME '12:34:56.5' AS noon,
                     (n / 100)::DECIMAL(15, 2) AS price, n::UBIGINT AS larger, (n % 256)::UTINYINT AS tiny, n % 2 = 0 AS flag,
                     (n / 8)::FLOAT AS single, uuid_of(n) AS uuid, ('\\x00\\xFF')::BLOB AS blob,
                     CASE WHEN n % 7 = 0 THEN NULL ELSE 'note ' || n END AS note, [n, NULL] AS numbers,
                     {{'a': n, 'b': 'text'}} AS nested, MAP {{'k': n}} AS attrs,
                     ('{{"n": ' || n || ', "x": [1.50, null]}}')::JSON AS doc,
                     (CASE WHEN n % 2 = 0 THEN 'EVEN' ELSE 'ODD' END)::ENUM('EVEN', 'ODD') AS parity
              FROM (SELECT * FROM range(1, 3001) AS t(n)))
        TO '{folder / "duck.parquet"}' (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 2048)
    """.replace("uuid_of(n)", "('00000000-0000-4000-8000-' || lpad(n::VARCHAR, 12, '0'))::UUID"))


def long(folder, rows, shift):
    folder.mkdir(parents=True, exist_ok=True)
    for index, ids in enumerate((range(1, rows // 2 + 1), range(rows // 2 + 1, rows + 1))):
        table = pa.table({
            "id": pa.array(list(ids), type=pa.int64()),
            "org": pa.array(["acme"] * len(ids)),
            "n": pa.array([n * 7919 % 1_000_003 + shift for n in ids], type=pa.int64()),
            "note": pa.array([f"note {n} {n * 48271 % 2147483647:x} " * 16 for n in ids]),
        })
        part = folder / f".{index}.tmp"
        pq.write_table(table, part, compression="snappy", row_group_size=10_000)
        part.rename(folder / f"{index}.parquet")


def main():
    kind, folder = sys.argv[1], pathlib.Path(sys.argv[2])
    folder.mkdir(parents=True, exist_ok=True)
    if kind == "arrow":
        arrow(folder)
    elif kind == "duck":
        duck(folder)
    else:
        long(folder, int(sys.argv[3]), int(sys.argv[4]) if len(sys.argv) > 4 else 0)


main()
