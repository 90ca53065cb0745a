"""A Postgres 15 of the harness's own, with genuine spans, multiplied, in one table of several organizations.

It lies under the work folder and is kept between runs; the rows are made again only if what makes them has changed.
"""
import hashlib
import os
import pwd
import shutil
import socket
import subprocess
import sys

from .measure import Failed, output, prepare, say, until
from .offtake import stat_cpu

BIN = "/usr/lib/postgresql/15/bin"
DATABASE = "bench"
ORGANIZATIONS = 8
COLUMNS = (
    "span_id trace_id parent_span_id org_id project_id document_uuid commit_uuid experiment_uuid test_deployment_id type name provider"
    " model environment user_id status_code started_at duration_ms prompt_tokens completion_tokens cost_usd input output attributes"
).split()

# What a small production server has, and nothing that favours anybody.
SETTINGS = {
    "shared_buffers": "512MB", "work_mem": "64MB", "maintenance_work_mem": "512MB", "effective_cache_size": "8GB", "max_connections": "100",
    # On solid-state disks and from memory, a page by index costs about what the next page costs.
    "random_page_cost": "1.1",
    # Compiling costs each backend some tenths of a second in a query without anything to compute: noise, the same for all.
    "jit": "off",
    # The rows are frozen after loading; a vacuum in the middle of a round would be noise.
    "autovacuum": "off", "checkpoint_timeout": "30min", "max_wal_size": "2GB", "wal_level": "minimal", "max_wal_senders": "0",
}

# Staged rows go in by time, as spans arrive: organizations are interleaved on the pages, which no index order undoes.
# One transaction: with wal_level = minimal, a table that is made in it needs no WAL for its rows.
TABLE = f"""
BEGIN;
CREATE TABLE spans (LIKE bench_spans);
ALTER TABLE spans ALTER org_id TYPE text;
INSERT INTO spans ({', '.join(COLUMNS)}) SELECT {', '.join(COLUMNS).replace('org_id', "'org_' || org_id")} FROM bench_spans ORDER BY started_at;
DROP TABLE bench_spans;
CREATE UNIQUE INDEX spans_key ON spans (org_id, started_at, span_id);
CREATE INDEX spans_identity ON spans (trace_id, span_id);
COMMIT;
"""


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def serves_somebody(pid):
    """Whether a child of the postmaster works for a client, by its title."""
    try:
        with open(f"/proc/{pid}/cmdline") as file:
            title = file.read()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return "127.0.0.1(" in title or "parallel worker" in title


class Postgres:
    """Started on entering, stopped on leaving. `rows`: all rows, an equal share for each organization."""

    def __init__(self, root, work, rows):
        self.root, self.rows, self.work = root, rows, work
        self.share = rows // ORGANIZATIONS
        self.folder = os.path.join(work, f"postgres15-{rows}")
        self.port = None

    # ------------------------------------------------------------------------------------------ running

    def __enter__(self):
        if not os.path.exists(f"{BIN}/postgres"):
            raise Failed("PostgreSQL 15 is not installed: apt-get install postgresql-15")
        fresh = self.stamp() != self.wanted()
        if fresh:
            shutil.rmtree(self.folder, ignore_errors=True)
            self.initialize()
        self.start()
        try:
            if fresh:
                self.load()
            self.sql("ALTER DATABASE bench RESET ALL")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        subprocess.run(self.as_owner([f"{BIN}/pg_ctl", "-D", self.data, "-m", "fast", "-w", "stop"]), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    @property
    def data(self):
        return os.path.join(self.folder, "data")

    @property
    def log(self):
        return os.path.join(self.folder, "log")

    @property
    def url(self):
        return f"postgres://postgres@127.0.0.1:{self.port}/{DATABASE}"

    @staticmethod
    def as_owner(command):
        """Postgres does not run as root."""
        return ["runuser", "-u", "postgres", "--", *command] if os.geteuid() == 0 else command

    def initialize(self):
        os.makedirs(self.folder)
        if os.geteuid() == 0:
            owner = pwd.getpwnam("postgres")
            os.chown(self.folder, owner.pw_uid, owner.pw_gid)
        user = self.as_owner([f"{BIN}/initdb", "-D", self.data, "-A", "trust", "-U", "postgres", "--locale=C.UTF-8", "-E", "UTF8"])
        prepare(user, "making a Postgres")
        with open(os.path.join(self.data, "postgresql.conf"), "a") as file:
            file.writelines(f"{name} = '{value}'\n" for name, value in SETTINGS.items())

    def start(self):
        pid_file = os.path.join(self.data, "postmaster.pid")
        if os.path.exists(pid_file):
            # Left over by a run that was killed.
            self.__exit__()
        self.port = free_port()
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={self.folder}"
        done = subprocess.run(self.as_owner([f"{BIN}/pg_ctl", "-D", self.data, "-o", options, "-l", self.log, "-w", "-t", "120", "start"]),
                              stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        if done.returncode != 0:
            raise Failed(f"Postgres does not start, see {self.log}; may the user postgres read {self.folder}?")
        self.pid = int(open(pid_file).readline())

    def sql(self, text, database=DATABASE):
        return output(["psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-h", "127.0.0.1", "-p", str(self.port), "-U", "postgres", database],
                      text_in=text).strip()

    # ------------------------------------------------------------------------------------------ rows

    def wanted(self):
        """Says all that decides what lies in the folder."""
        amplify = open(os.path.join(self.root, "testdata/amplify.py"), "rb").read()
        return hashlib.sha256(f"{self.rows} {ORGANIZATIONS} {SETTINGS} {TABLE}".encode() + amplify).hexdigest()

    def stamp(self):
        path = os.path.join(self.folder, "stamp")
        return open(path).read() if os.path.exists(path) else None

    def load(self):
        say(f"  loading {self.rows:,} spans into Postgres (once)")
        self.sql("CREATE DATABASE bench", "postgres")
        self.sql(open(os.path.join(self.root, "testdata/schema.sql")).read() + "\nALTER TABLE bench_spans SET UNLOGGED;")
        # As many parts are made at once as there are cores; each organization has a seed of its own.
        waiting, running = list(range(1, ORGANIZATIONS + 1)), {}
        while waiting or running:
            while waiting and len(running) < len(os.sched_getaffinity(0)):
                org = waiting.pop(0)
                running[org] = self.make_part(org)
            org = next(iter(running))
            if running.pop(org).wait() != 0:
                raise Failed(f"testdata/amplify.py failed for organization {org}")
            self.load_part(org)
        self.sql(TABLE)
        self.sql("VACUUM (FREEZE, ANALYZE) spans; CHECKPOINT;")
        with open(os.path.join(self.folder, "stamp"), "w") as file:
            file.write(self.wanted())

    def part(self, org):
        return os.path.join(self.work, f"part-{org}.copy")

    def make_part(self, org):
        command = [sys.executable, os.path.join(self.root, "testdata/amplify.py"), "--spans", str(self.share), "--seed", str(1000 + org),
                   "--pg-copy", self.part(org)]
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def load_part(self, org):
        """The organization of each row is that of its part."""
        place = COLUMNS.index("org_id") + 1
        program = f"awk -F'\\t' -v OFS='\\t' '{{ ${place} = {org}; print }}' '{self.part(org)}'".replace("'", "''")
        self.sql(f"\\copy bench_spans ({', '.join(COLUMNS)}) from program '{program}'")
        os.remove(self.part(org))
        found = int(self.sql(f"SELECT count(*) FROM bench_spans WHERE org_id = {org}"))
        if found != self.share:
            raise Failed(f"organization {org} has {found} rows, not {self.share}")
        say(f"    organization {org} of {ORGANIZATIONS}")

    # ------------------------------------------------------------------------------------------ measuring

    def children(self):
        with open(f"/proc/{self.pid}/task/{self.pid}/children") as file:
            return [int(pid) for pid in file.read().split()]

    def cpu(self):
        """Seconds of CPU of all backends so far: the living ones, and those the postmaster has waited for."""
        total = stat_cpu(self.pid)[1]
        for pid in self.children():
            try:
                total += stat_cpu(pid)[0]
            except (FileNotFoundError, ProcessLookupError):
                # Ended between the two looks; `settled` looks once more.
                pass
        return total

    def settled(self):
        """The same, once the backends of clients have ended."""
        until("backends end", lambda: not any(map(serves_somebody, self.children())), 30, pause=0.005)
        return self.cpu()

    def entries_read(self):
        """Rows and index entries of the table that were looked at so far, and sequential scans begun."""
        found = self.sql("SELECT (SELECT coalesce(sum(idx_tup_read), 0) FROM pg_stat_user_indexes WHERE relname = 'spans'), seq_tup_read, seq_scan"
                         " FROM pg_stat_user_tables WHERE relname = 'spans'").split("|")
        return int(found[0]), int(found[1]), int(found[2])
