"""Whether two files hold the same rows: compare.py OURS THEIRS [--stored]

The form of each is what its name says: csv, csv.gz (or csvgz), jsonl, parquet, xlsx. Rows are found by trace_id and span_id, so that
another order is no difference, and compared cell by cell, by what a cell means: a moment, a number, a JSON value, a text.
NULL and the empty text are one, as CSV readers have it. Says what differs, and in how many cells; exits 1 if anything does.

--stored: THEIRS has what Offtake's SQLite stores, microseconds and nano-dollars as integers.
"""
import array
import csv
import datetime
import decimal
import gzip
import json
import sys

MOMENTS = {"started_at", "ended_at"}
DECIMALS = {"cost_usd"}
FLOATS = {"duration_ms"}
JSON = {"attributes", "resource", "events"}
EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)


# ------------------------------------------------------------------------------------------------ reading

def rows(path):
    """The names of the columns, and then rows as lists."""
    packed = path.endswith("gz")
    form = "csv" if packed else path.rsplit(".", 1)[1]
    if form == "csv":
        csv.field_size_limit(1 << 30)
        with (gzip.open(path, "rt", encoding="utf-8", newline="") if packed else open(path, encoding="utf-8", newline="")) as file:
            yield from csv.reader(file)
    elif form == "jsonl":
        with open(path, encoding="utf-8") as file:
            names = None
            for line in file:
                found = json.loads(line)
                if names is None:
                    names = list(found)
                    yield names
                yield [found.get(name) for name in names]
    elif form == "parquet":
        import pyarrow.parquet
        source = pyarrow.parquet.ParquetFile(path)
        yield source.schema_arrow.names
        for batch in source.iter_batches(8_192):
            yield from zip(*(column.to_pylist() for column in batch.columns))
    elif form == "xlsx":
        import openpyxl
        for sheet in openpyxl.load_workbook(path, read_only=True):
            for row in sheet.iter_rows(values_only=True):
                yield list(row)
    else:
        raise SystemExit(f"{path}: what form is that?")


# ------------------------------------------------------------------------------------------------ meaning

def moment(value):
    """Microseconds since the epoch."""
    if isinstance(value, int):
        return value
    if isinstance(value, str):
        value = datetime.datetime.fromisoformat(value)
    if value.tzinfo is None:
        value = value.replace(tzinfo=datetime.timezone.utc)
    delta = value - EPOCH
    return (delta.days * 86400 + delta.seconds) * 1_000_000 + delta.microseconds


def document(value):
    """JSON text with its keys in order."""
    if isinstance(value, (str, bytes)):
        value = json.loads(value)
    return json.dumps(value, sort_keys=True)


def text(value):
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value).lower() if hasattr(value, "hex") and not isinstance(value, float) else str(value)


def meaning(column, stored):
    """What turns a cell of a column into something comparable."""
    if column in MOMENTS:
        return (lambda value: int(value)) if stored else moment
    if column in DECIMALS:
        if stored:
            return lambda value: decimal.Decimal(int(value)).scaleb(-9).normalize()
        return lambda value: decimal.Decimal(repr(value) if isinstance(value, float) else str(value)).normalize()
    if column in FLOATS:
        return float
    return document if column in JSON else text


def meant(read, value):
    if value is None or value == "":
        return None
    try:
        return read(value)
    except (ValueError, ArithmeticError):
        return f"unreadable: {value}"


# ------------------------------------------------------------------------------------------------ comparing

class File:
    """The hashes of all cells of a file, and where each row is."""

    def __init__(self, path, stored=False, columns=None):
        self.path, self.stored = path, stored
        self.places, self.hashes, self.doubled = {}, array.array("q"), 0
        source = rows(path)
        self.names = [name.lower() for name in next(source, [])]
        self.columns = columns or self.names
        missing = [name for name in self.columns if name not in self.names]
        if missing:
            raise SystemExit(f"{path} lacks the columns {', '.join(missing)}")
        self.picked = [(self.names.index(name), meaning(name, stored)) for name in self.columns]
        for row in source:
            if list(row) == self.names:
                continue
            key = self.key(row)
            self.doubled += key in self.places
            self.places[key] = len(self.places)
            self.hashes.extend(hash(meant(read, row[at])) for at, read in self.picked)

    def key(self, row):
        return hash((row[self.names.index("trace_id")], row[self.names.index("span_id")]))

    def cell(self, wanted, number):
        """What one cell means, found by reading again."""
        source = rows(self.path)
        next(source)
        at, read = self.picked[number]
        return next(meant(read, row[at]) for row in source if list(row) != self.names and self.key(row) == wanted)


def differences(ours, theirs):
    width = len(ours.columns)
    found = {}
    for key, here in ours.places.items():
        there = theirs.places[key]
        mine, other = ours.hashes[here * width:(here + 1) * width], theirs.hashes[there * width:(there + 1) * width]
        if mine != other:
            for number in range(width):
                if mine[number] != other[number]:
                    count, first = found.get(number, (0, key))
                    found[number] = (count + 1, first)
    return found


def main():
    ours = File(sys.argv[1])
    theirs = File(sys.argv[2], "--stored" in sys.argv, ours.columns)
    if ours.doubled or theirs.doubled:
        sys.exit(f"rows that are there twice: {ours.doubled} of ours, {theirs.doubled} of theirs")
    missing, extra = len(ours.places.keys() - theirs.places.keys()), len(theirs.places.keys() - ours.places.keys())
    if missing or extra:
        sys.exit(f"of our {len(ours.places):,} rows they lack {missing:,}; of their {len(theirs.places):,} rows we lack {extra:,}")
    found = differences(ours, theirs)
    if found:
        told = [f"{ours.columns[number]} in {count:,} rows (ours {str(ours.cell(key, number))[:60]!r}, theirs {str(theirs.cell(key, number))[:60]!r})"
                for number, (count, key) in found.items()]
        sys.exit(f"{len(ours.places):,} rows, but other cells: " + "; ".join(told))
    order = "in the same order" if all(a == b for a, b in zip(ours.places, theirs.places)) else "in another order"
    print(f"{len(ours.places):,} rows, the same cell by cell, {order}")


main()
