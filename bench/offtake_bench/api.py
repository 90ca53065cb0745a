"""How fast the API answers: 100,000 jobs in the table, 50 callers, a server with its worker, SQLite and a folder on disk."""
import json
import os
import shutil
import sqlite3
import sys

from .data import ORG
from .measure import Failed, output, prepare
from .offtake import Client, Server

SPANS = 1_000
GENUINE = 40
LIMITS = {"create": 20, "status": 10, "list": 30, "download": 20}


def clone_jobs(database, count):
    """Copies a completed job with what belongs to it until there are `count`: jobs whose files have expired, half of them other organizations'.

    They come out of a genuine row, whatever its columns are; what must be unique is changed, the rest is kept.
    """
    connection = sqlite3.connect(database)
    columns = {table: [row[1] for row in connection.execute(f"PRAGMA table_info({table})")] for table in ("jobs", "job_specs", "performance")}
    source, created = connection.execute("SELECT id, created_at FROM jobs WHERE status = 'completed' ORDER BY id LIMIT 1").fetchone()
    have = connection.execute("SELECT count(*) FROM jobs").fetchone()[0]
    # The time is in front of the id, its last twelve digits are as good as any: clones lie where a real job of that time would.
    new_id = "substr(:source, 1, length(:source) - 12) || printf('%012x', n)"
    org = "CASE n % 2 WHEN 0 THEN org ELSE 'other_' || (n % 50) END"
    changed = {
        "jobs": {"id": new_id, "org": org, "status": "'expired'", "idempotency_key": "NULL", "idempotency_fingerprint": "NULL", "pinned_to": "NULL"},
        "job_specs": {"job": new_id}, "performance": {"job": new_id, "org": org},
    }
    numbers = "WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < :count)"
    with connection:
        for table, names in columns.items():
            key = "id" if table == "jobs" else "job"
            picked = ", ".join(changed[table].get(name, f"{table}.{name}") for name in names)
            connection.execute(f"{numbers} INSERT INTO {table} ({', '.join(names)}) SELECT {picked} FROM {table}, numbers WHERE {table}.{key} = :source",
                               {"source": source, "count": count - have})
    connection.execute("ANALYZE")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    found = [row[0] for row in connection.execute("SELECT id FROM jobs WHERE org = ? ORDER BY random() LIMIT 5000", (ORG,))]
    connection.close()
    return found


def latencies(setting, report):
    folder = os.path.join(setting.work, "api")
    shutil.rmtree(folder, ignore_errors=True)
    jobs = 2_000 if setting.quick else 100_000
    seconds = 3 if setting.quick else 30
    prepare([setting.binary, "import-spans", setting.spans_file(SPANS), "--org", ORG, "--data-dir", folder], f"loading {SPANS:,} spans")
    log = setting.path("api.log")
    with Server(setting.binary, folder, log) as server:
        client = Client(server.address, server.token(ORG))
        ready = [client.create("spans", format="csv") for _ in range(GENUINE)]
        for job in ready:
            client.finished(job)
    some = clone_jobs(os.path.join(folder, "offtake.db"), jobs)
    paths = {"jobs": some, "ready": ready}
    for name, ids in paths.items():
        with open(setting.path(name), "w") as file:
            file.write("\n".join(ids))
    with Server(setting.binary, folder, log) as server:
        def calls(pause, how_long):
            command = [sys.executable, os.path.join(setting.bench, "tools/calls.py"), server.address, server.token(ORG), "spans", "50", str(how_long), str(pause),
                       setting.path("jobs"), setting.path("ready")]
            found = json.loads(output(command))
            if found["refused"]:
                report.failure("calls", f"refused: {found['refused']}")
            return found["calls"]
        calls(0.1, 2)
        paced = calls(0.1, seconds)
        busy = calls(0, seconds / 3)
        peak = server.peak_mib()
    shutil.rmtree(folder, ignore_errors=True)
    rows = []
    for name, limit in LIMITS.items():
        found = paced[name]
        if not found["count"]:
            raise Failed(f"nobody came to {name}")
        report.absolute(f"API, {name}, {jobs:,} jobs in the table, 50 clients: p99", "ms", found["p99"], limit, rss_mib=round(peak, 1))
        rows.append([name, f"{found['count']:,}", f"{found['p50']:.1f}", f"{found['p99']:.1f}", f"{found['max']:.1f}", f"{limit}",
                     f"{busy[name]['p50']:.1f}", f"{busy[name]['p99']:.1f}"])
    report.grid(f"API, 50 clients that pause 100 ms between calls, {jobs:,} jobs in the table", ["call", "count", "p50 ms", "p99 ms", "longest ms", "target p99", "without pauses: p50", "p99"], rows)
    total = sum(one["count"] for one in busy.values())
    report.note(f"without pauses, 50 clients made {total / (seconds / 3):,.0f} calls a second, of which one in ten created a job that was run; "
                "callers and worker share the cores with the server")


TASKS = {"api-latencies": latencies}
