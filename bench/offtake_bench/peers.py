"""What a user would otherwise take, as contestants. The programs themselves are in bench/peers."""
import os
import shlex

from .measure import Contestant, measure
from .postgres_server import COLUMNS, DATABASE

HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
KEY = "started_at, span_id"


class PostgresPeers:
    """Peers that read the table of a Postgres, some rows of it each: those of one organization, or all.

    DuckDB and ClickHouse take the rows as they come, without an order: their scanners sort by themselves, at a cost that
    would make the comparison too easy. Everybody else lets Postgres deliver them in the order of the key.
    """

    def __init__(self, postgres, folder, python, node_modules):
        self.postgres, self.folder, self.python, self.node_modules = postgres, folder, python, node_modules

    def out(self, name):
        return os.path.join(self.folder, name)

    def query(self, org, table="spans", ordered=True, limit=None, columns=COLUMNS):
        text = f"SELECT {', '.join(columns)} FROM {table}"
        text += f" WHERE org_id = '{org}'" if org else ""
        text += f" ORDER BY {KEY if org else 'org_id, ' + KEY}" if ordered else ""
        return text + (f" LIMIT {limit}" if limit else "")

    def contestant(self, command, name, **how):
        out = self.out(name)
        return Contestant(lambda: measure(command, out=out, backends=self.postgres, **how), (out,))

    # ------------------------------------------------------------------------------------------ psql

    def psql(self, org, ordered=True, options="FORMAT csv, HEADER"):
        copy = f"COPY ({self.query(org, ordered=ordered)}) TO STDOUT ({options})"
        return f"psql -X -q -h 127.0.0.1 -p {self.postgres.port} -U postgres -c {shlex.quote(copy)} {DATABASE}"

    def drain(self, org):
        """Binary COPY to nowhere, in the order of the key: the limit of one connection."""
        return Contestant(lambda: measure(self.psql(org, options="FORMAT binary") + " >/dev/null", backends=self.postgres))

    def psql_csv(self, org, ordered=True):
        name = "psql.csv" if ordered else "psql-unordered.csv"
        return self.contestant(f"{self.psql(org, ordered)} >{self.out(name)}", name)

    def psql_packed(self, org, tool, suffix):
        """CSV through a compressor: `gzip -6`, `pigz -6`, `zstd -3 -q`."""
        name = f"psql-{tool.split()[0]}.csv.{suffix}"
        return self.contestant(f"{self.psql(org)} | {tool} >{self.out(name)}", name)

    # ------------------------------------------------------------------------------------------ others

    def duckdb(self, org, form):
        query = self.query(org, table="db.public.spans", ordered=False)
        out = f"duckdb.{form}"
        return self.contestant([self.python, f"{HERE}/peers/duckdb_scanner.py", "postgres", self.postgres.url, query, form, self.out(out)], out, inner_wall=True)

    def arrow(self, library, org, form):
        """connectorx or adbc. To ADBC a UUID is sixteen bytes, which pyarrow cannot write as CSV."""
        out = f"{library}.{form}"
        columns = [f"{name}::text AS {name}" if name.endswith("_uuid") and library == "adbc" else name for name in COLUMNS]
        command = [self.python, f"{HERE}/peers/arrow_reader.py", library, self.postgres.url, self.query(org, columns=columns), form, self.out(out)]
        return self.contestant(command, out, inner_wall=True)

    def clickhouse(self, org, form):
        out = f"clickhouse.{form}"
        where = f"WHERE org_id = '{org}'" if org else ""
        command = [self.python, f"{HERE}/peers/clickhouse.py", f"127.0.0.1:{self.postgres.port}", DATABASE, "postgres", ", ".join(COLUMNS), where, form, self.out(out)]
        return self.contestant(command, out, inner_wall=True)

    def openpyxl(self, org, rows):
        command = [self.python, f"{HERE}/peers/openpyxl_writer.py", self.postgres.url, self.query(org, limit=rows), self.out("openpyxl.xlsx")]
        return self.contestant(command, "openpyxl.xlsx", inner_wall=True)

    def keyset(self, org, form):
        """The program lies beside its packages, because modules are looked for from there."""
        out = f"keyset.{form}"
        return self.contestant(["node", os.path.join(self.node_modules, "export.js"), self.postgres.url, org, form, self.out(out)], out)


class SqlitePeers:
    """Peers that read the database of the built-in store."""

    def __init__(self, database, folder, python, columns, where, key):
        self.database, self.folder, self.python, self.columns, self.where, self.key = database, folder, python, columns, where, key

    def out(self, name):
        return os.path.join(self.folder, name)

    def shell(self, raw=True):
        """The sqlite3 shell: what is stored, or the text that Offtake writes."""
        out = self.out("sqlite.csv" if raw else "sqlite-text.csv")
        columns = ", ".join(column if raw else self.as_text(column) for column in self.columns)
        query = f"SELECT {columns} FROM spans WHERE {self.where} ORDER BY {self.key}"
        return Contestant(lambda: measure(["sqlite3", "-readonly", "-csv", "-header", self.database, query], stdout=out), (out,))

    @staticmethod
    def as_text(column):
        if column in ("started_at", "ended_at"):
            return f"strftime('%Y-%m-%dT%H:%M:%S', {column} / 1000000, 'unixepoch') || printf('.%06dZ', {column} % 1000000) AS {column}"
        if column == "cost_usd":
            return "CASE WHEN cost_usd IS NOT NULL THEN printf('%d.%09d', cost_usd / 1000000000, cost_usd % 1000000000) END AS cost_usd"
        return column

    def duckdb(self, form):
        out = self.out(f"duckdb.{form}")
        query = f"SELECT {', '.join(self.columns)} FROM db.spans WHERE {self.where} ORDER BY {self.key}"
        command = [self.python, f"{HERE}/peers/duckdb_scanner.py", "sqlite", self.database, query, form, out]
        return Contestant(lambda: measure(command, out=out, inner_wall=True), (out,))
