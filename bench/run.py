#!/usr/bin/env python3
"""Measures Offtake against what a user would otherwise take, in one run on one machine. bench/README.md says how to read it.

    bench/run.py                                everything; RESULTS.md and results.json beside this file
    bench/run.py --only postgres-csv,embedded   some tasks, or all whose names begin so
    bench/run.py --quick                        few rows, one round: whether the harness works
"""
import argparse
import hashlib
import os
import shutil
import signal
import sys
import time
import traceback

from offtake_bench import api, console, embedded, live, postgres, report as reports
from offtake_bench.measure import Failed, say
from offtake_bench.postgres_server import BIN
from offtake_bench.setting import Setting

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(HERE)
OWN_BINARY = os.path.join(ROOT, "target/release/offtake")
TASKS = {**postgres.TASKS, **embedded.TASKS, **api.TASKS, **live.TASKS, **console.TASKS}


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="some of the tasks, or what their names begin with: " + ", ".join(TASKS))
    parser.add_argument("--quick", action="store_true", help="20,000 rows, one round: checks the harness, measures nothing")
    parser.add_argument("--keep", action="store_true", help="keep what earlier runs found for the other tasks")
    parser.add_argument("--rounds", type=int, help="rounds that count, after one that does not (5)")
    parser.add_argument("--rows", type=int, help="rows in Postgres, of 8 organizations (2,000,000)")
    parser.add_argument("--spans", type=int, help="spans in the embedded store (1,000,000)")
    parser.add_argument("--sizes", help="spans at which the embedded store's peak memory is measured (100000,1000000,3000000)")
    parser.add_argument("--binary", default=OWN_BINARY)
    parser.add_argument("--python", default=os.path.join(ROOT, "target/bench/venv/bin/python"), help="an interpreter with bench/requirements.txt")
    parser.add_argument("--work", default=os.path.join(ROOT, "target/bench"), help="where rows, data dirs and packages are kept")
    parser.add_argument("--out", help="where RESULTS.md and results.json go (here; with --quick under target/bench)")
    parser.add_argument("--no-verify", action="store_true", help="do not compare contents")
    parser.add_argument("--ingest-in-memory", action="store_true", help="the ingest's data dir in /dev/shm instead of on disk")
    args = parser.parse_args()
    usual = {"rounds": 1, "rows": 20_000, "spans": 20_000, "sizes": "5000,20000"} if args.quick else \
        {"rounds": 5, "rows": 2_000_000, "spans": 1_000_000, "sizes": "100000,1000000,3000000"}
    for name, value in usual.items():
        if getattr(args, name) is None:
            setattr(args, name, value)
    args.out = args.out or (os.path.join(args.work, "quick") if args.quick else HERE)
    args.sizes = [int(size) for size in args.sizes.split(",") if size]
    wanted = [one for one in args.only.split(",") if one] or [""]
    unknown = [one for one in wanted if not any(task.startswith(one) for task in TASKS)]
    if unknown:
        parser.error(f"unknown tasks {', '.join(unknown)}; there are {', '.join(TASKS)}")
    args.tasks = [task for task in TASKS if any(task.startswith(one) for one in wanted)]
    if not os.access(args.binary, os.X_OK):
        parser.error(f"{args.binary} is not there: cargo build --release")
    missing = [tool for tool in ("sqlite3", "zstd", "psql", "pigz", "node") if shutil.which(tool) is None]
    if missing:
        say(f"not installed: {', '.join(missing)}; what needs them will fail. apt-get install sqlite3 zstd postgresql-15 pigz nodejs")
    return args


def run_task(name, setting, made_by):
    """One task to its end, whatever that is."""
    say(f"{name}:")
    report, began = reports.Report(name), time.monotonic()
    try:
        TASKS[name](setting, report)
    except Failed as failure:
        report.failure("the task ended", str(failure))
    except Exception as error:
        traceback.print_exc()
        report.failure("the task ended", f"{type(error).__name__}: {error}")
    report.minutes, report.made_by = (time.monotonic() - began) / 60, made_by
    return report


def facts(args):
    """What ran on what."""
    said, python = reports.said, args.python
    packages = "import importlib.metadata as m; print(' · '.join(f'{n} {m.version(n)}' for n in " \
        "('duckdb', 'connectorx', 'adbc-driver-postgresql', 'pyarrow', 'chdb-core', 'openpyxl')))"
    return [
        f"machine: {reports.machine()}; outputs in memory (/dev/shm), databases on disk and in the page cache",
        f"sqlite3 {said(['sqlite3', '--version']).split(' ')[0]} · {said([f'{BIN}/postgres', '--version'])} · Node {said(['node', '--version'])} · "
        f"{said(['pigz', '--version'])} · {said([python, '-c', packages])}",
        f"rows: genuine spans, multiplied; {args.rows:,} in Postgres, an eighth of them each organization's, {len(postgres.COLUMNS)} columns; "
        f"{args.spans:,} in the embedded store, {len(embedded.COLUMNS)} columns; {args.rounds} rounds after a warm-up",
        "Offtake: in the order of the key; receipt, checkpoints, hashing and fsync on, as always",
    ] + (["**--quick: these numbers mean nothing**"] if args.quick else [])


def which(binary):
    """The binary by its version and its bytes; a commit is claimed only for the one that bench/run.sh builds."""
    with open(binary, "rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()[:12]
    text = f"{reports.said([binary, '--version'])} (SHA-256 {digest}…"
    if os.path.realpath(binary) == os.path.realpath(OWN_BINARY):
        text += f", work tree at {reports.said(['git', '-C', ROOT, 'describe', '--always', '--dirty'])}"
    return text + ")"


def main():
    args = arguments()
    # Ended from outside, it still stops what it started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    os.makedirs(args.work, exist_ok=True)
    os.makedirs(args.out, exist_ok=True)
    kept = os.path.join(args.work, "findings-quick" if args.quick else "findings")
    made_by = f"{which(args.binary)}, {args.rounds} rounds, {time.strftime('%Y-%m-%d', time.gmtime())}"
    setting, found = Setting(args, ROOT), {}
    try:
        for name in args.tasks:
            found[name] = run_task(name, setting, made_by)
            found[name].save(kept)
    finally:
        setting.close()
    # Not after an interruption: the page of an earlier run is worth more than half a page.
    if args.keep:
        earlier = {name: reports.Report.load(kept, name) for name in TASKS if name not in found}
        found.update((name, one) for name, one in earlier.items() if one)
    reports.write([found[name] for name in TASKS if name in found], facts(args), args.out, os.path.join(HERE, "FINDINGS.md"))
    return 1 if any(report.failures for report in found.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
