"""Spans out of the genuine ones, and data dirs of the built-in store; kept under the work folder."""
import os
import shutil
import sys

from .measure import prepare

ORG = "bench"


def spans_file(root, work, spans, seed=1, compose="0.5"):
    """OTLP requests, each after its length."""
    path = os.path.join(work, f"spans-{spans}-{seed}-{compose}.otlp.pb")
    if not os.path.exists(path):
        amplify = os.path.join(root, "testdata", "amplify.py")
        prepare([sys.executable, amplify, "--spans", str(spans), "--seed", str(seed), "--compose", compose, "--format", "pb", "--out", path + ".tmp"],
                f"making {spans:,} spans")
        os.rename(path + ".tmp", path)
    return path


def data_dir(root, work, binary, spans):
    """A data dir with the spans, loaded by this very binary; and how long that took, if it was done now."""
    stamp = str(os.stat(binary).st_mtime_ns)
    path = os.path.join(work, f"data-{spans}")
    mark = os.path.join(path, "bench-binary")
    if os.path.exists(mark) and open(mark).read() == stamp:
        return path, None
    shutil.rmtree(path, ignore_errors=True)
    source = spans_file(root, work, spans)
    seconds = prepare([binary, "import-spans", source, "--org", ORG, "--data-dir", path], f"loading {spans:,} spans")
    with open(mark, "w") as file:
        file.write(stamp)
    return path, seconds
