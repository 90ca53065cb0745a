"""What the tasks share: folders, sizes, the Postgres once it is needed, peers, the comparison of contents."""
import contextlib
import os
import shutil
import subprocess

from . import data, measure, offtake, peers, postgres_server

DATASET, DATASET_OF_ALL = "bench_spans", "bench_all"


class Setting:
    """Made once per run; closing it stops what was started and frees the memory."""

    def __init__(self, args, root):
        self.args, self.root, self.work, self.binary, self.python = args, root, args.work, args.binary, args.python
        self.bench = os.path.join(root, "bench")
        self.rounds, self.quick = args.rounds, args.quick
        self.shm = os.path.join("/dev/shm", f"offtake-bench-{os.getpid()}")
        self.node = os.path.join(self.work, "node")
        self.stack = contextlib.ExitStack()
        self.running = self.broken = None
        os.makedirs(self.shm)
        self.stack.callback(shutil.rmtree, self.shm, ignore_errors=True)

    def close(self):
        self.stack.close()

    def path(self, name):
        return os.path.join(self.shm, name)

    def spans_file(self, spans, **how):
        return data.spans_file(self.root, self.work, spans, **how)

    def data_dir(self, spans):
        return data.data_dir(self.root, self.work, self.binary, spans)

    # ------------------------------------------------------------------------------------------ Postgres

    def postgres(self):
        """The Postgres with its rows, started by the first task that needs it."""
        if self.broken:
            raise measure.Failed(f"no Postgres: {self.broken}")
        if self.running is None:
            try:
                self.running = self.stack.enter_context(postgres_server.Postgres(self.root, self.work, self.args.rows))
            except measure.Failed as failure:
                self.broken = str(failure)
                raise
        return self.running

    def postgres_peers(self):
        return peers.PostgresPeers(self.postgres(), self.shm, self.python, self.node)

    def postgres_tables(self):
        """The part of a configuration that names the Postgres and its datasets.

        Rows are `mutable`, the harder kind: all connections of an export read in one exported snapshot.
        """
        dataset = {"source": "bench", "table": "spans", "identity": ["trace_id", "span_id"], "time": "started_at", "rows": "mutable",
                   "limits": {"identities": 10_000}}
        return {
            "sources.bench": {"url": self.postgres().url},
            f"datasets.{DATASET}": {"title": "Spans of one organization", "tenant": "org_id", "key": ["started_at", "span_id"], **dataset},
            f"datasets.{DATASET_OF_ALL}": {"title": "All spans", "tenant": "none", "key": ["org_id", "started_at", "span_id"], **dataset},
        }

    def postgres_exporter(self):
        config = offtake.write_config(self.path("offtake.toml"), self.postgres_tables())
        return offtake.Exporter(self.binary, self.path("offtake-data"), self.shm, config, self.postgres())

    # ------------------------------------------------------------------------------------------ contents

    def compare(self, report, ours, theirs, *flags, faithful=True):
        """Notes whether two files hold the same, in a process of its own. From a `faithful` peer, a difference is a failure."""
        if self.args.no_verify:
            return
        who = f"{os.path.basename(ours)} against {os.path.basename(theirs)}"
        command = [self.python, os.path.join(self.bench, "tools/compare.py"), ours, theirs, *flags]
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        said = (done.stdout if done.returncode == 0 else done.stderr).decode(errors="replace").strip()[-1500:]
        if done.returncode and faithful:
            report.failure(f"contents of {who}", said)
        report.note(f"contents of {who}: {said}")

    def same_bytes(self, report, plain, packed, tool):
        """Notes whether a compressed file unpacks to the bytes of another."""
        if shutil.which(tool[0]) is None:
            report.failure(packed, f"{tool[0]} is not installed")
            return
        unpack = subprocess.Popen([*tool, packed], stdout=subprocess.PIPE)
        same = subprocess.run(["cmp", "-", plain], stdin=unpack.stdout, stdout=subprocess.PIPE, stderr=subprocess.PIPE).returncode == 0
        unpack.stdout.close()
        unpack.wait()
        if not same:
            report.failure(packed, f"unpacked, it differs from {plain}")
        report.note(f"{os.path.basename(packed)}: {'unpacked, the bytes of the plain file' if same else 'DIFFERENT from the plain file'}")
