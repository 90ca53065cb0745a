"""The tasks on Postgres: a dataset of a mutable table, ordered by its key, with receipt, checkpoints, hashing and fsync on."""
import os

from .measure import Contestant, Failed, alternate, median
from .offtake import Client, Server, jobs_at_once, write_config
from .postgres_server import COLUMNS
from .s3_server import Seaweed
from .setting import DATASET, DATASET_OF_ALL

ORG = "org_1"
LIMITS = {"csv": 96, "jsonl": 96, "csv.gz": 96, "csv.zst": 96, "parquet": 192}


class OnPostgres:
    """Offtake and its peers on the rows of one organization, or on all."""

    def __init__(self, setting, report, everything=False):
        self.setting, self.report = setting, report
        self.exporter, self.peers, self.postgres = setting.postgres_exporter(), setting.postgres_peers(), setting.postgres()
        self.dataset, self.org = (DATASET_OF_ALL, None) if everything else (DATASET, ORG)
        self.rows = self.postgres.rows if everything else self.postgres.share

    def offtake(self, name, *more):
        return self.exporter.contestant(name, self.dataset, ORG, COLUMNS, *more)

    def run(self, title, contestants, *same, also=None, rows=None):
        """Lets them alternate. `same`: (name of ours, name of the peer, whether it loses nothing), whose contents are compared.
        `also()` looks at files after the warm-up as well.

        A peer that fails is named and left out; Offtake failing is the end of the task.
        """
        def inspect():
            for ours, theirs, faithful in same:
                if theirs in contestants and theirs not in gone:
                    self.setting.compare(self.report, contestants[ours].files[0], contestants[theirs].files[0], faithful=faithful)
            if also:
                also()

        def drop(name, why):
            if name.startswith("offtake"):
                raise Failed(why)
            gone.add(name)
            self.report.failure(name, why)
        gone = set()
        keep = None if also else {name for pair in same for name in pair[:2]}
        found = alternate(contestants, self.setting.rounds, inspect, drop, keep)
        self.report.table(f"{title}: {self.rows if rows is None else rows:,} of {self.postgres.rows:,} rows", found)
        for name in gone:
            found[name] = []
        return found

    def identities(self, count, name):
        """`count` identities spread over the rows, as JSON lines; the path, and how many there are."""
        where = f"WHERE org_id = '{self.org}'" if self.org else ""
        key = "started_at, span_id" if self.org else "org_id, started_at, span_id"
        lines = self.postgres.sql(
            "SELECT json_build_object('trace_id', trace_id, 'span_id', span_id) FROM (SELECT trace_id, span_id, row_number() OVER"
            f" (ORDER BY {key}) AS n FROM spans {where}) numbered WHERE n % {max(1, self.rows // count)} = 0 LIMIT {count}")
        path = self.setting.path(name)
        with open(path, "w") as file:
            file.write(lines + "\n")
        return path, lines.count("\n") + 1


DRAIN, PSQL, PSQL_AS_IT_COMES = "COPY BINARY drain", "psql csv, ordered", "psql csv, as it comes"


def csv(setting, report):
    here = OnPostgres(setting, report)
    peers = here.peers
    found = here.run("csv from Postgres", {
        "offtake csv": here.offtake("csv"), DRAIN: peers.drain(ORG), PSQL: peers.psql_csv(ORG), PSQL_AS_IT_COMES: peers.psql_csv(ORG, ordered=False),
        "DuckDB csv": peers.duckdb(ORG, "csv"), "connectorx csv": peers.arrow("connectorx", ORG, "csv"), "ADBC csv": peers.arrow("adbc", ORG, "csv"),
        "ClickHouse csv": peers.clickhouse(ORG, "csv"),
    }, ("offtake csv", PSQL, True), ("offtake csv", "DuckDB csv", False), ("offtake csv", "connectorx csv", False), ("offtake csv", "ADBC csv", False),
        ("offtake csv", "ClickHouse csv", False))
    targets = {DRAIN: 1.10, PSQL: 0.80}
    for name in found:
        if name != "offtake csv":
            report.record("csv, Postgres", name, found["offtake csv"], found[name], targets.get(name))


def everything(setting, report):
    here = OnPostgres(setting, report, everything=True)
    peers = here.peers
    found = here.run("csv of all rows from Postgres", {
        "offtake csv": here.offtake("all.csv"), DRAIN: peers.drain(None), PSQL_AS_IT_COMES: peers.psql_csv(None, ordered=False), PSQL: peers.psql_csv(None),
        "DuckDB csv": peers.duckdb(None, "csv"),
    }, ("offtake csv", PSQL, True))
    targets = {PSQL_AS_IT_COMES: 0.60, "DuckDB csv": 0.80}
    for name in found:
        if name != "offtake csv":
            report.record(f"csv, all {here.rows:,} rows, Postgres", name, found["offtake csv"], found[name], targets.get(name))


def gzip(setting, report):
    here = OnPostgres(setting, report)
    peers, ours = here.peers, "offtake csv.gz"
    found = here.run("csv.gz from Postgres", {
        ours: here.offtake("csv.gz"), "psql | pigz -6": peers.psql_packed(ORG, "pigz -6", "gz"), "psql | gzip -6": peers.psql_packed(ORG, "gzip -6", "gz"),
        "ClickHouse csv.gz": peers.clickhouse(ORG, "csvgz"),
    }, (ours, "psql | gzip -6", True))
    for name, target in (("psql | pigz -6", 0.50), ("psql | gzip -6", None), ("ClickHouse csv.gz", None)):
        report.record("csv.gz, Postgres", name, found[ours], found[name], target)
    report.record("csv.gz, Postgres, size", "psql | gzip -6", found[ours], found["psql | gzip -6"], 1.05, what="size")


def zstd(setting, report):
    here = OnPostgres(setting, report)
    ours, plain = here.offtake("csv.zst"), here.offtake("csv")
    found = here.run("csv.zst from Postgres", {
        "offtake csv.zst": ours, "offtake csv": plain, DRAIN: here.peers.drain(ORG), "psql | zstd -3": here.peers.psql_packed(ORG, "zstd -3 -q", "zst"),
    }, also=lambda: setting.same_bytes(report, plain.files[0], ours.files[0], ["zstd", "-dcq"]))
    for name, target in ((DRAIN, 1.25), ("psql | zstd -3", None)):
        report.record("csv.zst, Postgres", name, found["offtake csv.zst"], found[name], target)


def jsonl(setting, report):
    here = OnPostgres(setting, report)
    found = here.run("jsonl from Postgres", {"offtake jsonl": here.offtake("jsonl"), "DuckDB jsonl": here.peers.duckdb(ORG, "jsonl"), DRAIN: here.peers.drain(ORG)},
                     ("offtake jsonl", "DuckDB jsonl", False))
    for name, target in (("DuckDB jsonl", 1.0), (DRAIN, None)):
        report.record("jsonl, Postgres", name, found["offtake jsonl"], found[name], target)


def parquet(setting, report):
    here = OnPostgres(setting, report)
    peers, ours = here.peers, "offtake parquet"
    found = here.run("parquet zstd from Postgres", {
        ours: here.offtake("parquet"), "DuckDB parquet": peers.duckdb(ORG, "parquet"), "connectorx parquet": peers.arrow("connectorx", ORG, "parquet"),
        "ADBC parquet": peers.arrow("adbc", ORG, "parquet"), "ClickHouse parquet": peers.clickhouse(ORG, "parquet"),
    }, (ours, "DuckDB parquet", False))
    for name in found:
        if name != ours:
            report.record("parquet zstd, Postgres", name, found[ours], found[name], 1.0 if name == "DuckDB parquet" else None)
    report.record("parquet zstd, Postgres, size", "DuckDB parquet", found[ours], found["DuckDB parquet"], 1.05, what="size")


def keyset(setting, report):
    here = OnPostgres(setting, report)
    for ours, theirs, form, target in (("offtake csv", "Node keyset of 500, csv", "csv", 0.25), ("offtake csv.gz", "Node keyset of 500, csv.gz", "csvgz", 0.08)):
        found = here.run(f"against the keyset of 500, {form}", {ours: here.offtake(ours.split()[1]), theirs: here.peers.keyset(ORG, form)}, (ours, theirs, False))
        report.record(f"{ours.split()[1]}, Postgres", theirs, found[ours], found[theirs], target)


def xlsx(setting, report):
    here = OnPostgres(setting, report)
    rows = min(100_000, here.rows)
    found = here.run("xlsx from Postgres", {"offtake xlsx": here.offtake("xlsx", "--limit", str(rows)), "openpyxl, write-only": here.peers.openpyxl(ORG, rows)},
                     ("offtake xlsx", "openpyxl, write-only", False), rows=rows)
    report.record(f"xlsx, {rows:,} rows, Postgres", "openpyxl, write-only", found["offtake xlsx"], found["openpyxl, write-only"], 0.10)


# ------------------------------------------------------------------------------------------------ selections

def selections(setting, report):
    here = OnPostgres(setting, report)
    path, excluded = here.identities(min(10_000, here.rows // 10), "except.jsonl")
    name = f"offtake all_except {excluded:,}"

    def whole(contestant, receipt, rows):
        """A contestant that is checked to have written so many rows."""
        def run():
            measured = contestant.run()
            written = here.exporter.receipt(receipt)["rows_written"]
            if written != rows:
                raise Failed(f"{receipt} has {written} rows, not {rows}")
            return measured
        return Contestant(run, contestant.files)
    found = here.run("all_except from Postgres, csv", {
        "offtake all": whole(here.offtake("csv"), "csv", here.rows), name: whole(here.offtake("except.csv", "--except", path), "except.csv", here.rows - excluded)})
    report.record(f"all_except with {excluded:,} identities, Postgres", "all", found[name], found["offtake all"], 1.10)
    partial(setting, report, whole)


def partial(setting, report, whole):
    """Some identities out of all rows: by how much was read, and by the plans the server logged."""
    here = OnPostgres(setting, report, everything=True)
    path, chosen = here.identities(min(1_000, here.rows // 10), "only.jsonl")
    postgres = here.postgres
    postgres.sql("ALTER DATABASE bench SET session_preload_libraries = 'auto_explain'; ALTER DATABASE bench SET auto_explain.log_min_duration = 0;")
    try:
        at = os.path.getsize(postgres.log)
        before = postgres.entries_read()
        contestant = whole(here.offtake("only.csv", "--only", path), "only.csv", chosen)
        contestant.run()
        contestant.clean()
        after = postgres.entries_read()
        with open(postgres.log, errors="replace") as log:
            log.seek(at)
            plans = sorted({line.split("(cost")[0].strip(" \t->") for line in log if " on spans" in line and "Scan" in line})
    finally:
        postgres.sql("ALTER DATABASE bench RESET ALL")
    index, sequential, scans = (b - a for a, b in zip(before, after))
    report.note(f"partial with {chosen:,} of {here.rows:,}: {index:,} entries of indexes were read, {sequential:,} rows by {scans} sequential scans; "
                f"scans in its plans: {'; '.join(plans) or 'none was logged'}")
    # It may look each row up for the count, for the ranges, for the content, and once more; not scan.
    report.absolute(f"partial with {chosen:,} of {here.rows:,}, Postgres: entries and rows read", "entries", index + sequential, 4 * chosen)
    found = here.run("partial from Postgres, csv", {f"offtake partial {chosen:,}": whole(here.offtake("only.csv", "--only", path), "only.csv", chosen)}, rows=chosen)
    runs = found[f"offtake partial {chosen:,}"]
    report.note(f"partial with {chosen:,} of {here.rows:,}: {median(runs):.2f} s")


# ------------------------------------------------------------------------------------------------ sizes, many jobs, S3

def scaling(setting, report):
    """From one organization to all rows: time per row, peak memory, and its slope."""
    small, large = OnPostgres(setting, report), OnPostgres(setting, report, everything=True)
    more = (large.rows - small.rows) / 1e6
    for name, limit in LIMITS.items():
        found = alternate({"small": small.offtake(name), "large": large.offtake(f"all.{name}")}, min(3, setting.rounds))
        report.table(f"{name} from Postgres, {small.rows:,} and {large.rows:,} rows", found)
        ours = found["large"]
        ratios = [(b.wall / large.rows) / (a.wall / small.rows) for a, b in zip(found["small"], ours)]
        ratio = (median(ours) / large.rows) / (median(found["small"]) / small.rows)
        task = f"{name}, Postgres, {small.rows:,} to {large.rows:,} rows"
        report.add(f"time per row, {task}", "itself, the smaller", ratio, min(ratios), max(ratios), "≤ 1.10 ×", ratio <= 1.1, ours)
        peak = max(run.rss_mib for run in ours)
        report.absolute(f"peak RSS, {name}, Postgres, {large.rows:,} rows", "MiB", peak, limit, ours=ours)
        slope = (median(ours, "rss_mib") - median(found["small"], "rss_mib")) / more
        report.absolute(f"peak RSS a million rows more, {task}", "MiB", slope, 1, ours=ours)


def many_jobs(setting, report):
    """Eight jobs at once in one server, against one alone in the same."""
    here, count = OnPostgres(setting, report), 8
    config = write_config(setting.path("jobs.toml"), {**setting.postgres_tables(), "worker": {"slots": count}, "limits": {"active_jobs": count}})
    body = {"format": "csv", "fields": COLUMNS}
    with Server(setting.binary, setting.path("jobs-data"), setting.path("jobs.log"), config) as server:
        client = Client(server.address, server.token(ORG))
        found = {"1 job": [], f"{count} jobs": []}
        for number in range(setting.rounds + 1):
            for name, jobs in (("1 job", 1), (f"{count} jobs", count))[::-1 if number % 2 else 1]:
                run = jobs_at_once(server, client, here.postgres, jobs, DATASET, **body)
                if number:
                    found[name].append(run)
    report.table(f"jobs at once, csv from Postgres, {here.rows:,} rows each", found)
    many, one = found[f"{count} jobs"], found["1 job"]
    rates = [count * alone.wall / together.wall for together, alone in zip(many, one)]
    report.absolute(f"{count} jobs at once, Postgres: throughput", "× that of 1 job", count * median(one) / median(many), 1.0, at_most=False, ours=many,
                    spread=(min(rates), max(rates)))
    report.absolute(f"{count} jobs at once, Postgres: peak RSS", "MiB", max(run.rss_mib for run in many), 96 + 48 * count, ours=many)


def to_s3(setting, report):
    """The same job to a bucket and to a folder, through two servers that run side by side."""
    here = OnPostgres(setting, report)
    body = {"format": "csv", "fields": COLUMNS}
    with Seaweed(os.path.join(os.path.dirname(setting.python), "weed"), setting.path("seaweed")) as seaweed:
        tables = setting.postgres_tables()
        to_bucket = write_config(setting.path("s3.toml"), {**tables, **seaweed.tables("exports")})
        to_folder = write_config(setting.path("folder.toml"), tables)
        with Server(setting.binary, setting.path("s3-data"), setting.path("s3.log"), to_bucket) as one, \
                Server(setting.binary, setting.path("folder-data"), setting.path("folder.log"), to_folder) as other:
            callers = {"to S3": (one, Client(one.address, one.token(ORG))), "to a folder": (other, Client(other.address, other.token(ORG)))}
            same_contents(setting, report, callers, body)
            found = {name: [] for name in callers}
            for number in range(setting.rounds + 1):
                for name in list(callers)[::-1 if number % 2 else 1]:
                    run = jobs_at_once(*callers[name], here.postgres, 1, DATASET, **body)
                    if number:
                        found[name].append(run)
    report.table(f"csv from Postgres to S3 (SeaweedFS on loopback), {here.rows:,} rows", found)
    report.record("csv, Postgres, to S3", "to a folder", found["to S3"], found["to a folder"], 1.3)


def same_contents(setting, report, callers, body):
    """Downloads a file from either side and compares them, byte by byte."""
    paths = []
    for number, (_, client) in enumerate(callers.values()):
        job = client.create(DATASET, **body)
        client.finished(job)
        paths.append(setting.path(f"downloaded-{number}.csv"))
        client.download(job, paths[-1])
        client.call("DELETE", f"/api/v1/export/jobs/{job}/file")
    setting.same_bytes(report, paths[0], paths[1], ["cat"])
    for path in paths:
        os.remove(path)


TASKS = {
    "postgres-csv": csv, "postgres-all": everything, "postgres-gz": gzip, "postgres-zst": zstd, "postgres-jsonl": jsonl, "postgres-parquet": parquet,
    "postgres-keyset": keyset, "postgres-xlsx": xlsx, "postgres-selections": selections, "postgres-scaling": scaling, "postgres-jobs": many_jobs,
    "postgres-s3": to_s3,
}
