"""connectorx or ADBC with pyarrow's writers: arrow_reader.py connectorx|adbc URL QUERY csv|parquet OUT

Prints the seconds from the query to the closed file.
"""
import sys
import time

import pyarrow
import pyarrow.csv
import pyarrow.parquet


def connectorx_batches(url, query):
    import connectorx
    yield from connectorx.read_sql(url, query, return_type="arrow").to_batches()


def adbc_batches(url, query):
    from adbc_driver_postgresql import dbapi
    with dbapi.connect(url) as connection, connection.cursor() as cursor:
        cursor.execute(query)
        for batch in cursor.fetch_record_batch():
            # Types that pyarrow's writers do not know are written as what they are stored as.
            columns = [column.storage if isinstance(column, pyarrow.ExtensionArray) else column for column in batch.columns]
            yield pyarrow.RecordBatch.from_arrays(columns, names=batch.schema.names)


def writer(form, out, schema):
    if form == "csv":
        return pyarrow.csv.CSVWriter(out, schema)
    return pyarrow.parquet.ParquetWriter(out, schema, compression="zstd")


def main():
    library, url, query, form, out = sys.argv[1:6]
    batches = {"connectorx": connectorx_batches, "adbc": adbc_batches}[library]
    __import__({"connectorx": "connectorx", "adbc": "adbc_driver_postgresql.dbapi"}[library])
    began = time.perf_counter()
    sink = None
    for batch in batches(url, query):
        sink = sink or writer(form, out, batch.schema)
        sink.write_batch(batch)
    sink.close()
    print(time.perf_counter() - began)


main()
