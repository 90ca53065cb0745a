"""The tasks of the embedded store, SQLite and a folder, against `sqlite3` and DuckDB's sqlite scanner; and OTLP ingest."""
import json
import os
import shutil
import signal
import sqlite3
import statistics
import subprocess
import sys

from .data import ORG
from .measure import Failed, alternate, median
from .offtake import Exporter, Server
from .peers import SqlitePeers

KEY = "started_at, trace_id, span_id"
COLUMNS = (
    "trace_id span_id parent_span_id org_id project_id document_uuid commit_uuid experiment_uuid test_deployment_id type name"
    " service provider model environment user_id session_id status_code status_message started_at ended_at duration_ms"
    " prompt_tokens completion_tokens total_tokens cost_usd input output attributes resource events"
).split()


class Embedded:
    """One data dir, with Offtake and its peers on it."""

    def __init__(self, setting, report, spans=None):
        self.setting, self.report, self.spans = setting, report, spans or setting.args.spans
        self.data, seconds = setting.data_dir(self.spans)
        if seconds:
            report.note(f"loading by `import-spans`: {seconds:.0f} s, {self.spans / seconds:,.0f} spans/s")
        self.database = os.path.join(self.data, "spans.db")
        self.exporter = Exporter(setting.binary, self.data, setting.shm)
        self.peers = SqlitePeers(self.database, setting.shm, setting.python, COLUMNS, f"org_id = '{ORG}'", KEY)

    def offtake(self, name, *more):
        return self.exporter.contestant(name, "spans", ORG, COLUMNS, *more)

    def drop(self, name, why):
        self.report.failure(name, why)

    def identities(self, count, path):
        """`count` identities spread over the rows, as JSON lines; how many there are, and of how many rows."""
        connection = sqlite3.connect(f"file:{self.database}?mode=ro", uri=True)
        total = connection.execute("SELECT count(*) FROM spans WHERE org_id = ?", (ORG,)).fetchone()[0]
        found = connection.execute(
            f"SELECT trace_id, span_id FROM (SELECT trace_id, span_id, row_number() OVER (ORDER BY {KEY}) AS n FROM spans WHERE org_id = ?)"
            " WHERE n % ? = 0 LIMIT ?", (ORG, max(1, total // count), count)).fetchall()
        connection.close()
        with open(path, "w") as file:
            file.writelines(json.dumps({"trace_id": trace, "span_id": span}) + "\n" for trace, span in found)
        return len(found), total


def csv(setting, report):
    here = Embedded(setting, report)
    ours = here.exporter.out("csv")

    def inspect():
        setting.compare(report, ours, here.peers.out("sqlite.csv"), "--stored")
        setting.compare(report, ours, here.peers.out("duckdb.csv"), "--stored")
    found = alternate({
        "offtake csv": here.offtake("csv"), "sqlite3 -csv": here.peers.shell(), "sqlite3 -csv, same text": here.peers.shell(raw=False),
        "DuckDB sqlite scanner csv": here.peers.duckdb("csv"),
    }, setting.rounds, inspect)
    report.table("csv, embedded", found)
    faster = min(("sqlite3 -csv", "DuckDB sqlite scanner csv"), key=lambda name: median(found[name]))
    for name in found:
        if name != "offtake csv":
            report.record("csv, embedded", name, found["offtake csv"], found[name], 1.0 if name == faster else None)


def against_duckdb(form, task, target, flags=None):
    def run(setting, report):
        here = Embedded(setting, report)
        inspect = None if flags is None else lambda: setting.compare(report, here.exporter.out(form), here.peers.out(f"duckdb.{form}"), *flags)
        ours, theirs = f"offtake {form}", f"DuckDB sqlite scanner {form}"
        found = alternate({ours: here.offtake(form), theirs: here.peers.duckdb(form)}, setting.rounds, inspect)
        report.table(task, found)
        report.record(task, theirs, found[ours], found[theirs], target)
    return run


def compressed(setting, report):
    here = Embedded(setting, report)
    plain = here.exporter.out("csv")

    def inspect():
        setting.same_bytes(report, plain, here.exporter.out("csv.gz"), ["gzip", "-dc"])
        setting.same_bytes(report, plain, here.exporter.out("csv.zst"), ["zstd", "-dcq"])
    found = alternate({f"offtake {name}": here.offtake(name) for name in ("csv", "csv.gz", "csv.zst")}, setting.rounds, inspect)
    report.table("csv, compressed, embedded", found)
    for name in ("csv.gz", "csv.zst"):
        report.record(f"{name}, embedded", "offtake csv", found[f"offtake {name}"], found["offtake csv"])


def selections(setting, report):
    here = Embedded(setting, report)
    except_file, only_file = setting.path("except.jsonl"), setting.path("only.jsonl")
    excluded, total = here.identities(min(10_000, here.spans // 10), except_file)
    chosen, _ = here.identities(min(1_000, here.spans // 10), only_file)

    def inspect():
        for name, rows in (("except.csv", total - excluded), ("only.csv", chosen)):
            written = here.exporter.receipt(name)["rows_written"]
            if written != rows:
                raise Failed(f"{name} has {written} rows, not {rows}")
    names = ("offtake all", f"offtake all_except {excluded:,}", f"offtake partial {chosen:,}")
    found = alternate({
        names[0]: here.offtake("csv"), names[1]: here.offtake("except.csv", "--except", except_file),
        names[2]: here.offtake("only.csv", "--only", only_file),
    }, setting.rounds, inspect)
    report.table("selections, csv, embedded", found)
    report.record(f"all_except with {excluded:,} identities, embedded", "all", found[names[1]], found[names[0]], 1.1)
    report.record(f"partial with {chosen:,} of {total:,}, embedded", "all", found[names[2]], found[names[0]])


def memory(setting, report):
    """Peak RSS at several sizes: below the limit, and flat."""
    found, sizes, grid = {}, setting.args.sizes, []
    limits = {"csv": 96, "jsonl": 96, "csv.gz": 96, "csv.zst": 96, "parquet": 192}
    for spans in sizes:
        here = Embedded(setting, report, spans)
        for name, limit in limits.items():
            contestant = here.offtake(name)
            run = found[name, spans] = contestant.run()
            contestant.clean()
            report.absolute(f"peak RSS, {name}, {spans:,} spans, embedded", "MiB", run.rss_mib, limit, ours=[run])
            grid.append([f"{name}, {spans:,} spans", f"{run.rss_mib:.1f}", f"≤ {limit} MiB", f"{run.wall:.2f}", f"{run.cpu:.2f}", f"{run.size / 1e6:,.0f}"])
    report.grid("Peak memory of the exporting process, embedded", ["format and spans", "MiB", "limit", "wall s", "CPU s", "MB"], grid)
    small, large = min(sizes), max(sizes)
    for name in limits if large > small else ():
        slope = (found[name, large].rss_mib - found[name, small].rss_mib) / ((large - small) / 1e6)
        per_row = (found[name, large].wall / large) / (found[name, small].wall / small)
        report.note(f"{name}, {small:,} to {large:,} spans: peak RSS grows by {slope:+.1f} MiB per million rows; time per row {per_row:.2f} ×")


def ingest(setting, report):
    """Spans a second over OTLP/HTTP, from a file of ready requests, over several connections; nothing lost on kill -9."""
    spans = min(setting.args.spans, 200_000)
    source = setting.spans_file(spans, seed=7, compose="0.0")
    rates, cpus, peaks = [], [], []
    for number in range(setting.rounds + 1):
        folder = os.path.join(setting.shm if setting.args.ingest_in_memory else setting.work, "ingest")
        shutil.rmtree(folder, ignore_errors=True)
        os.makedirs(folder)
        server = Server(setting.binary, folder, setting.path("ingest.log"))
        try:
            done = subprocess.run([sys.executable, os.path.join(setting.bench, "tools/send.py"), source, server.address, server.token(ORG, "spans:write"), "4"],
                                  stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, check=True)
            sent = json.loads(done.stdout)
        finally:
            usage = server.stop(signal.SIGKILL)
        connection = sqlite3.connect(os.path.join(folder, "spans.db"))
        stored = connection.execute("SELECT count(*) FROM spans").fetchone()[0]
        connection.close()
        shutil.rmtree(folder, ignore_errors=True)
        if stored != sent["spans"]:
            raise Failed(f"{sent['spans']} spans were answered, {stored} are stored after kill -9")
        if number:
            rates.append(sent["spans"] / sent["seconds"])
            cpus.append(usage.ru_utime + usage.ru_stime)
            peaks.append(usage.ru_maxrss / 1024)
    rate = statistics.median(rates)
    report.absolute("OTLP ingest, batches of 500, embedded", "spans/s", rate, 20_000, at_most=False, spread=(min(rates), max(rates)), wall_s=round(spans / rate, 3),
                    cpu_s=round(statistics.median(cpus), 3), rss_mib=round(max(peaks), 1), bytes=os.path.getsize(source))
    report.note(f"{spans:,} spans over 4 connections, each answer durable; `kill -9` right after the last answer lost nothing in any round")


TASKS = {
    "embedded-csv": csv, "embedded-jsonl": against_duckdb("jsonl", "jsonl, embedded", 1.0, flags=("--stored",)),
    "embedded-parquet": against_duckdb("parquet", "parquet zstd, embedded", None), "embedded-compressed": compressed,
    "embedded-selections": selections, "embedded-memory": memory, "embedded-ingest": ingest,
}
