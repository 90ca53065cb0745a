#!/usr/bin/env python3
"""Measures Offtake against what a user would otherwise take, in one run on one machine.

    bench/run.py                              everything; RESULTS.md and results.json beside this file
    bench/run.py --spans 100000 --rounds 5    smaller
    bench/run.py --only csv,jsonl --out DIR   some tasks, elsewhere

What it does: makes N spans out of the genuine ones (testdata/amplify.py, kept under target/bench), loads them with
`offtake import-spans`, and then, task by task, lets Offtake and its peers export the same columns of the same rows in
alternating rounds, the first of which does not count. Outputs go to memory (/dev/shm). Each contestant is a process of
its own; wall time is measured here, CPU and peak resident memory are the kernel's (wait4). DuckDB's wall time is that of
its COPY alone, without the start of Python; everybody else's is that of the process.

This process stays small on purpose: a child's peak memory as wait4 tells it is never below its parent's.
Needs: sqlite3 and zstd (Debian), and for `--python`: duckdb and duckdb-extension-sqlite-scanner
(crates/offtake-testkit/python/requirements.txt; scripts/test-setup.sh installs them).
"""
import argparse
import json
import os
import platform
import shutil
import signal
import statistics
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(HERE)
ORG = "bench"
KEY = "started_at, trace_id, span_id"
COLUMNS = (
    "trace_id span_id parent_span_id org_id project_id document_uuid commit_uuid experiment_uuid test_deployment_id type name"
    " service provider model environment user_id session_id status_code status_message started_at ended_at duration_ms"
    " prompt_tokens completion_tokens total_tokens cost_usd input output attributes resource events"
).split()


def say(text):
    print(text, file=sys.stderr, flush=True)


def stop(text):
    sys.exit(f"bench: {text}")


# ------------------------------------------------------------------------------------------------ measuring

class Measured:
    """One run of one contestant."""

    def __init__(self, wall, cpu, rss_kib, size):
        self.wall, self.cpu, self.rss_mib, self.size = wall, cpu, rss_kib / 1024, size


def measure(command, out=None, stdout=None, inner_wall=False, environment=None):
    """Runs a command to its end. `stdout`: a file its output goes to. `inner_wall`: it prints its own wall time."""
    for path in filter(None, (out, stdout)):
        if os.path.exists(path):
            os.remove(path)
    sink = open(stdout, "wb") if stdout else subprocess.PIPE if inner_wall else subprocess.DEVNULL
    began = time.perf_counter()
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=sink, stderr=subprocess.PIPE, env=environment)
    said = child.stdout.read() if inner_wall else b""
    errors = child.stderr.read()
    _, status, usage = os.wait4(child.pid, 0)
    wall = time.perf_counter() - began
    child.returncode = os.waitstatus_to_exitcode(status)
    if stdout:
        sink.close()
    if child.returncode != 0:
        stop(f"{' '.join(command)[:300]} failed with {child.returncode}:\n{errors.decode(errors='replace')[-2000:]}")
    if inner_wall:
        wall = float(said)
    path = out or stdout
    return Measured(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss, os.path.getsize(path) if path else 0)


def alternate(contestants, rounds):
    """Every contestant once per round, the order turned each time; the first round does not count."""
    found = {name: [] for name in contestants}
    for number in range(rounds + 1):
        order = list(contestants)
        if number % 2:
            order.reverse()
        for name in order:
            run = contestants[name]()
            if number:
                found[name].append(run)
    return found


# ------------------------------------------------------------------------------------------------ the data

def run_quietly(command, what):
    say(what)
    began = time.perf_counter()
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if done.returncode != 0:
        stop(f"{' '.join(command)[:300]} failed:\n{done.stdout.decode(errors='replace')[-2000:]}")
    return time.perf_counter() - began


def spans_file(work, spans, seed=1, compose="0.5"):
    path = os.path.join(work, f"spans-{spans}-{seed}-{compose}.otlp.pb")
    if not os.path.exists(path):
        amplify = os.path.join(ROOT, "testdata", "amplify.py")
        command = [sys.executable, amplify, "--spans", str(spans), "--seed", str(seed), "--compose", compose, "--format", "pb", "--out", path + ".tmp"]
        run_quietly(command, f"making {spans:,} spans")
        os.rename(path + ".tmp", path)
    return path


def data_dir(work, binary, spans):
    """A data dir with the spans, loaded by this very binary."""
    stamp = str(os.stat(binary).st_mtime_ns)
    path = os.path.join(work, f"data-{spans}")
    mark = os.path.join(path, "bench-binary")
    if os.path.exists(mark) and open(mark).read() == stamp:
        return path, None
    shutil.rmtree(path, ignore_errors=True)
    source = spans_file(work, spans)
    seconds = run_quietly([binary, "import-spans", source, "--org", ORG, "--data-dir", path], f"loading {spans:,} spans")
    with open(mark, "w") as file:
        file.write(stamp)
    return path, seconds


def some_identities(database, count, path):
    """`count` identities spread over the rows, as JSON lines."""
    import sqlite3
    connection = sqlite3.connect(f"file:{database}?mode=ro", uri=True)
    total = connection.execute("SELECT count(*) FROM spans WHERE org_id = ?", (ORG,)).fetchone()[0]
    step = max(1, total // count)
    found = connection.execute(
        f"SELECT trace_id, span_id FROM (SELECT trace_id, span_id, row_number() OVER (ORDER BY {KEY}) AS n FROM spans WHERE org_id = ?)"
        " WHERE n % ? = 0 LIMIT ?", (ORG, step, count))
    with open(path, "w") as file:
        made = 0
        for trace, span in found:
            file.write(json.dumps({"trace_id": trace, "span_id": span}) + "\n")
            made += 1
    connection.close()
    return made, total


# ------------------------------------------------------------------------------------------------ contestants

class Bench:
    def __init__(self, args):
        self.args = args
        self.work, self.binary = args.work, args.binary
        self.shm = os.path.join("/dev/shm", f"offtake-bench-{os.getpid()}")
        os.makedirs(self.shm)
        self.data, self.load_seconds = data_dir(self.work, self.binary, args.spans)
        self.database = os.path.join(self.data, "spans.db")
        self.results, self.tables, self.notes = [], [], []

    def path(self, name):
        return os.path.join(self.shm, name)

    def offtake(self, name, *more, data=None):
        out = self.path(f"offtake.{name}")
        command = [self.binary, "export", "spans", "--org", ORG, "--data-dir", data or self.data, "--fields", ",".join(COLUMNS),
                   "-o", out, "--force", *more]
        # The receipt lies beside the file: it goes, so that every run is the first.
        return lambda: measure(command, out=out)

    def sqlite(self, raw=True):
        out = self.path("sqlite.csv" if raw else "sqlite-text.csv")
        query = f"SELECT {', '.join(self.expression(column, raw) for column in COLUMNS)} FROM spans WHERE org_id = '{ORG}' ORDER BY {KEY}"
        return lambda: measure(["sqlite3", "-readonly", "-csv", "-header", self.database, query], stdout=out)

    @staticmethod
    def expression(column, raw):
        """The column as it is stored, or as the text that Offtake writes."""
        if raw:
            return column
        if column in ("started_at", "ended_at"):
            return (f"strftime('%Y-%m-%dT%H:%M:%S', {column} / 1000000, 'unixepoch') || printf('.%06dZ', {column} % 1000000) AS {column}")
        if column == "cost_usd":
            return "CASE WHEN cost_usd IS NOT NULL THEN printf('%d.%09d', cost_usd / 1000000000, cost_usd % 1000000000) END AS cost_usd"
        return column

    def duckdb(self, form):
        out = self.path(f"duckdb.{form}")
        query = f"SELECT {', '.join(COLUMNS)} FROM spans_db.spans WHERE org_id = '{ORG}' ORDER BY {KEY}"
        command = [self.args.python, os.path.join(HERE, "peer_duckdb.py"), self.database, query, form, out]
        return lambda: measure(command, out=out, inner_wall=True)

    # -------------------------------------------------------------------------------------------- tasks

    def record(self, task, reference, ours, theirs, target):
        """A task by its ratio of wall times."""
        pairs = [mine.wall / other.wall for mine, other in zip(ours, theirs)]
        ratio = statistics.median(mine.wall for mine in ours) / statistics.median(other.wall for other in theirs)
        self.results.append({
            "task": task, "reference": reference, "ratio": round(ratio, 3), "ratio_min": round(min(pairs), 3),
            "ratio_max": round(max(pairs), 3), "target": None if target is None else f"≤ {target:.2f} ×", "met": None if target is None else ratio <= target,
            "wall_s": round(statistics.median(mine.wall for mine in ours), 3),
            "cpu_s": round(statistics.median(mine.cpu for mine in ours), 3),
            "rss_mib": round(max(mine.rss_mib for mine in ours), 1), "bytes": ours[-1].size,
        })
        say(f"  {task}: {ratio:.2f} × {reference}")

    def absolute(self, task, what, value, target, at_most=True, **more):
        """A task whose target is a number: ratio is measured ÷ target."""
        ratio = value / target
        bound = f"{'≤' if at_most else '≥'} {target:,} {what}"
        entry = {"task": task, "reference": bound, "ratio": round(ratio, 3), "ratio_min": round(ratio, 3), "ratio_max": round(ratio, 3),
                 "target": bound, "met": value <= target if at_most else value >= target,
                 "wall_s": None, "cpu_s": None, "rss_mib": None, "bytes": None}
        entry.update(more)
        self.results.append(entry)
        say(f"  {task}: {value:,.1f} (target {bound})")

    def table(self, title, found):
        self.tables.append((title, found))

    def compare(self, ours, theirs, form):
        """Contents, row by row, in a process of its own."""
        if self.args.no_verify:
            return "not compared"
        command = [self.args.python, os.path.join(HERE, "compare.py"), ours, theirs, form]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        said = (done.stdout if done.returncode == 0 else done.stderr).decode(errors="replace").strip()
        say(f"  contents: {said}")
        return said if done.returncode == 0 else f"DIFFERENT: {said}"

    def csv(self):
        found = alternate({
            "offtake csv": self.offtake("csv"), "sqlite3 -csv": self.sqlite(), "sqlite3 -csv, same text": self.sqlite(raw=False),
            "DuckDB sqlite scanner csv": self.duckdb("csv"),
        }, self.args.rounds)
        self.table("csv", found)
        ours = found["offtake csv"]
        walls = {name: statistics.median(run.wall for run in found[name]) for name in ("sqlite3 -csv", "DuckDB sqlite scanner csv")}
        faster = min(walls, key=walls.get)
        for name in found:
            if name != "offtake csv":
                self.record("csv, embedded", name, ours, found[name], 1.0 if name == faster else None)
        self.notes.append(f"csv against `sqlite3 -csv`: {self.compare(self.path('offtake.csv'), self.path('sqlite.csv'), 'csv')}")
        self.notes.append(f"csv against DuckDB: {self.compare(self.path('offtake.csv'), self.path('duckdb.csv'), 'csv')}")

    def jsonl(self):
        found = alternate({"offtake jsonl": self.offtake("jsonl"), "DuckDB sqlite scanner json": self.duckdb("jsonl")}, self.args.rounds)
        self.table("jsonl", found)
        self.record("jsonl, embedded", "DuckDB sqlite scanner json", found["offtake jsonl"], found["DuckDB sqlite scanner json"], 1.0)
        self.notes.append(f"jsonl against DuckDB: {self.compare(self.path('offtake.jsonl'), self.path('duckdb.jsonl'), 'jsonl')}")

    def parquet(self):
        found = alternate({"offtake parquet": self.offtake("parquet"), "DuckDB sqlite scanner parquet zstd": self.duckdb("parquet")}, self.args.rounds)
        self.table("parquet", found)
        self.record("parquet zstd, embedded", "DuckDB sqlite scanner parquet zstd", found["offtake parquet"],
                    found["DuckDB sqlite scanner parquet zstd"], None)

    def compressed(self):
        rounds = self.args.rounds
        found = alternate({"offtake csv": self.offtake("csv"), "offtake csv.gz": self.offtake("csv.gz"), "offtake csv.zst": self.offtake("csv.zst")}, rounds)
        self.table("csv, compressed", found)
        for name in ("csv.gz", "csv.zst"):
            self.record(f"{name}, embedded", "offtake csv", found[f"offtake {name}"], found["offtake csv"], None)
        self.notes.append(f"csv.gz: {self.same_bytes('csv', 'csv.gz', ['gzip', '-dc'])}; csv.zst: {self.same_bytes('csv', 'csv.zst', ['zstd', '-dcq'])}")

    def same_bytes(self, plain, packed, tool):
        if shutil.which(tool[0]) is None:
            return f"{tool[0]} is not installed"
        unpack = subprocess.Popen([*tool, self.path(f"offtake.{packed}")], stdout=subprocess.PIPE)
        cmp = subprocess.run(["cmp", "-", self.path(f"offtake.{plain}")], stdin=unpack.stdout, stdout=subprocess.PIPE)
        unpack.stdout.close()
        unpack.wait()
        return "unpacked, the bytes of the plain file" if cmp.returncode == 0 else "DIFFERENT from the plain file"

    def selections(self):
        except_file, only_file = self.path("except.jsonl"), self.path("only.jsonl")
        excluded, total = some_identities(self.database, min(10_000, self.args.spans // 10), except_file)
        chosen, _ = some_identities(self.database, min(1_000, self.args.spans // 10), only_file)
        found = alternate({
            "offtake all": self.offtake("csv"), f"offtake all_except {excluded:,}": self.offtake("except.csv", "--except", except_file),
            f"offtake partial {chosen:,}": self.offtake("only.csv", "--only", only_file),
        }, self.args.rounds)
        self.table("selections, csv", found)
        self.record(f"all_except with {excluded:,} identities", "all", found[f"offtake all_except {excluded:,}"], found["offtake all"], 1.1)
        self.record(f"partial with {chosen:,} of {total:,}", "all", found[f"offtake partial {chosen:,}"], found["offtake all"], None)
        for name, rows in (("except.csv", total - excluded), ("only.csv", chosen)):
            receipt = json.load(open(self.path(f"offtake.{name}") + ".receipt.json"))
            if receipt["rows_written"] != rows:
                stop(f"{name} has {receipt['rows_written']} rows, not {rows}")

    def memory(self):
        """Peak RSS at several sizes: below the limit, and flat."""
        found = {}
        for spans in self.args.sizes:
            data, _ = data_dir(self.work, self.binary, spans)
            for name, limit in (("csv", 96), ("jsonl", 96), ("csv.gz", 96), ("csv.zst", 96), ("parquet", 192)):
                run = self.offtake(name, data=data)()
                found[(name, spans)] = run
                self.absolute(f"peak RSS, {name}, {spans:,} spans", "MiB", run.rss_mib, limit,
                              wall_s=round(run.wall, 3), cpu_s=round(run.cpu, 3), rss_mib=round(run.rss_mib, 1), bytes=run.size)
                os.remove(self.path(f"offtake.{name}"))
        small, large = min(self.args.sizes), max(self.args.sizes)
        if large > small:
            for name in ("csv", "jsonl", "csv.gz", "csv.zst", "parquet"):
                slope = (found[(name, large)].rss_mib - found[(name, small)].rss_mib) / ((large - small) / 1e6)
                self.notes.append(f"peak RSS of {name} grows by {slope:+.1f} MiB per million rows between {small:,} and {large:,}")
                per_row = [found[(name, spans)].wall / spans for spans in self.args.sizes if spans >= 1_000_000 or spans == large]
                if len(per_row) > 1:
                    self.notes.append(f"time per row of {name}, largest to smallest of the sizes from a million on: {per_row[-1] / per_row[0]:.2f} ×")

    def ingest(self):
        """Spans a second over OTLP/HTTP, from a file of ready requests, over several connections; nothing lost on kill -9."""
        spans = min(self.args.spans, 200_000)
        source = spans_file(self.work, spans, seed=7, compose="0.0")
        rates, cpus = [], []
        for number in range(self.args.rounds + 1):
            folder = os.path.join(self.shm if self.args.ingest_in_memory else self.work, "ingest")
            shutil.rmtree(folder, ignore_errors=True)
            os.makedirs(folder)
            log = open(self.path("ingest.log"), "wb")
            server = subprocess.Popen([self.binary, "serve", "--data-dir", folder, "--listen", "127.0.0.1:0"], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
            try:
                address = self.listening(server)
                token = subprocess.run([self.binary, "token", "--org", ORG, "--sub", "bench", "--permissions", "spans:write", "--data-dir", folder],
                                       stdout=subprocess.PIPE, check=True).stdout.decode().strip()
                done = subprocess.run([sys.executable, os.path.join(HERE, "send.py"), source, address, token, "4"], stdout=subprocess.PIPE, check=True)
                sent = json.loads(done.stdout)
            finally:
                server.send_signal(signal.SIGKILL)
                _, _, usage = os.wait4(server.pid, 0)
                server.returncode = -9
                log.close()
            import sqlite3
            connection = sqlite3.connect(os.path.join(folder, "spans.db"))
            stored = connection.execute("SELECT count(*) FROM spans").fetchone()[0]
            connection.close()
            if stored != sent["spans"]:
                stop(f"{sent['spans']} spans were answered, {stored} are stored after kill -9")
            if number:
                rates.append(sent["spans"] / sent["seconds"])
                cpus.append(usage.ru_utime + usage.ru_stime)
            rss = usage.ru_maxrss / 1024
        rate = statistics.median(rates)
        self.absolute("OTLP ingest, batches of 500", "spans/s", rate, 20_000, at_most=False, ratio_min=round(min(rates) / 20_000, 3),
                      ratio_max=round(max(rates) / 20_000, 3), wall_s=round(spans / rate, 3), cpu_s=round(statistics.median(cpus), 3),
                      rss_mib=round(rss, 1), bytes=os.path.getsize(source))
        self.notes.append(f"ingest: {spans:,} spans over 4 connections, each answer durable; `kill -9` right after the last answer lost nothing in any round")

    def listening(self, server):
        began = time.monotonic()
        while time.monotonic() - began < 30:
            text = open(self.path("ingest.log"), errors="replace").read()
            for line in text.splitlines():
                if "listening on" in line and "127.0.0.1:" in line:
                    digits = line.split("127.0.0.1:", 1)[1]
                    return "127.0.0.1:" + "".join(c for c in digits[:5] if c.isdigit())
            if server.poll() is not None:
                stop(f"the server ended at once:\n{text[-2000:]}")
            time.sleep(0.02)
        stop("the server does not listen")

    TASKS = ("csv", "jsonl", "parquet", "compressed", "selections", "memory", "ingest")

    def run(self):
        began = time.time()
        for task in self.TASKS:
            if task in self.args.only:
                say(f"{task}:")
                getattr(self, task)()
        write(self, began)

    def close(self):
        shutil.rmtree(self.shm, ignore_errors=True)


# ------------------------------------------------------------------------------------------------ results

def said(command):
    try:
        return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT).stdout.decode(errors="replace").splitlines()[0].strip()
    except (OSError, IndexError):
        return "?"


def machine():
    cpu = next((line.split(":", 1)[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), platform.machine())
    memory = int(next(line.split()[1] for line in open("/proc/meminfo") if line.startswith("MemTotal"))) / 1024 / 1024
    return f"{cpu}, {len(os.sched_getaffinity(0))} cores, {memory:.0f} GiB, Linux {platform.release()}"


def number(value, digits=2):
    return "–" if value is None else f"{value:,.{digits}f}"


def write(bench, began):
    args = bench.args
    with open(os.path.join(args.out, "results.json"), "w") as file:
        json.dump(bench.results, file, indent=1)
        file.write("\n")
    lines = ["# Results of the benchmark", "",
             f"Made by `bench/run.py` on {time.strftime('%Y-%m-%d', time.gmtime(began))} in {(time.time() - began) / 60:.0f} minutes; how is said at the top of that file.",
             "Ratios hold, absolute times are this machine's. Below a difference of 10 % there is no difference.",
             "Where the target is absolute, the ratio is what was measured ÷ the target.", "",
             f"- machine: {machine()}; outputs in memory (/dev/shm), the database on disk and in the page cache",
             f"- {said([bench.binary, '--version'])} · sqlite3 {said(['sqlite3', '--version']).split(' ')[0]} · "
             f"DuckDB {said([args.python, '-c', 'import duckdb; print(duckdb.__version__)'])}",
             f"- rows: {args.spans:,} spans made from the genuine ones, {len(COLUMNS)} columns, in the order of the key; {args.rounds} rounds after a warm-up",
             "- Offtake: receipt, checkpoints, hashing and fsync on, as always"]
    if bench.load_seconds:
        lines.append(f"- loading by `import-spans`: {bench.load_seconds:.0f} s, {args.spans / bench.load_seconds:,.0f} spans/s")
    lines += ["", "## Ratios", "", "| task | reference | ratio | min–max | target | met |", "|---|---|---|---|---|---|"]
    for one in bench.results:
        target = one["target"] or "–"
        met = {None: "–", True: "yes", False: "**no**"}[one["met"]]
        lines.append(f"| {one['task']} | {one['reference']} | {one['ratio']:.2f} | {one['ratio_min']:.2f}–{one['ratio_max']:.2f} | {target} | {met} |")
    for title, found in bench.tables:
        lines += ["", f"## {title}", "", "| who | wall s, median (min–max) | noise | CPU s | peak RSS MiB | MB |", "|---|---|---|---|---|---|"]
        for name, runs in found.items():
            walls = sorted(run.wall for run in runs)
            middle = statistics.median(walls)
            lines.append(f"| {name} | {middle:.2f} ({walls[0]:.2f}–{walls[-1]:.2f}) | {(walls[-1] - walls[0]) / middle:.0%} | "
                         f"{statistics.median(run.cpu for run in runs):.2f} | {max(run.rss_mib for run in runs):.0f} | {runs[-1].size / 1e6:,.0f} |")
    rss = [one for one in bench.results if one["task"].startswith("peak RSS")]
    if rss:
        lines += ["", "## Peak memory of the exporting process", "", "| format and spans | MiB | limit | wall s | CPU s | MB |", "|---|---|---|---|---|---|"]
        lines += [f"| {one['task'].removeprefix('peak RSS, ')} | {number(one['rss_mib'], 1)} | {one['target']} | {number(one['wall_s'])} | {number(one['cpu_s'])} | "
                  f"{number(one['bytes'] / 1e6, 0)} |" for one in rss]
    lines += ["", "## Notes", ""] + [f"- {note}" for note in bench.notes]
    with open(os.path.join(args.out, "RESULTS.md"), "w") as file:
        file.write("\n".join(lines) + "\n")
    say(f"written: {os.path.join(args.out, 'RESULTS.md')}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--spans", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=5, help="rounds that count, after one that does not")
    parser.add_argument("--sizes", default="100000,1000000,3000000", help="spans at which peak memory is measured")
    parser.add_argument("--only", default=",".join(Bench.TASKS), help="some of the tasks: " + ", ".join(Bench.TASKS))
    parser.add_argument("--binary", default=os.path.join(ROOT, "target/release/offtake"))
    parser.add_argument("--python", default=os.path.join(ROOT, "target/testenv/bin/python"), help="an interpreter with duckdb")
    parser.add_argument("--work", default=os.path.join(ROOT, "target/bench"), help="where spans and data dirs are kept")
    parser.add_argument("--out", default=HERE)
    parser.add_argument("--no-verify", action="store_true", help="do not compare contents")
    parser.add_argument("--ingest-in-memory", action="store_true", help="the ingest's data dir in /dev/shm instead of on disk")
    args = parser.parse_args()
    args.sizes = [int(size) for size in args.sizes.split(",") if size]
    args.only = args.only.split(",")
    unknown = [task for task in args.only if task not in Bench.TASKS]
    if unknown:
        stop(f"unknown tasks {unknown}; there are {', '.join(Bench.TASKS)}")
    if not os.access(args.binary, os.X_OK):
        stop(f"{args.binary} is not there: cargo build --release")
    if shutil.which("sqlite3") is None:
        stop("sqlite3 is not installed: apt-get install sqlite3")
    if not os.access(args.python, os.X_OK) or subprocess.run([args.python, "-c", "import duckdb, duckdb_extension_sqlite_scanner"]).returncode != 0:
        stop(f"{args.python} lacks duckdb or duckdb-extension-sqlite-scanner: scripts/test-setup.sh installs them")
    os.makedirs(args.work, exist_ok=True)
    os.makedirs(args.out, exist_ok=True)
    bench = Bench(args)
    try:
        bench.run()
    finally:
        bench.close()


if __name__ == "__main__":
    main()
