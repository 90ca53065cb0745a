"""Running a contestant to its end and measuring it; letting contestants alternate.

Wall time is measured here (or told by the contestant, see `inner_wall`), CPU and peak resident memory are the kernel's:
wait4 adds up a process and all it waited for, and gives the largest of their peaks. A child's peak as wait4 tells it is
never below its parent's, so this process stays small.
"""
import os
import signal
import statistics
import subprocess
import sys
import threading
import time

TIME_LIMIT = 3600


class Failed(Exception):
    """A task, or one contestant of it, could not be measured. The others go on."""


def say(text):
    print(text, file=sys.stderr, flush=True)


class Measured:
    """One run of one contestant. `server_cpu`: seconds that database backends spent on it, None without a database."""

    def __init__(self, wall, cpu, rss_mib, size, server_cpu=None):
        self.wall, self.cpu, self.rss_mib, self.size, self.server_cpu = wall, cpu, rss_mib, size, server_cpu


class Contestant:
    """A way to get a file: `run()` gives a Measured, `files` are what it leaves behind, the first of them the export itself."""

    def __init__(self, run, files=()):
        self.run, self.files = run, tuple(files)

    def clean(self):
        for path in self.files:
            if os.path.exists(path):
                os.remove(path)


def median(runs, what="wall"):
    found = [getattr(run, what) for run in runs]
    return None if None in found else statistics.median(found)


def measure(command, out=None, stdout=None, inner_wall=False, environment=None, backends=None, where=None):
    """Runs a command, or a shell line with pipes, to its end.

    `out`: the file it makes; `stdout`: the file its output goes to. `inner_wall`: it prints its own wall time, which counts.
    `environment`: variables it gets besides ours. `backends`: something whose `cpu()` is the CPU time of the database so far.
    """
    if isinstance(command, str):
        command = ["bash", "-o", "pipefail", "-c", command]
    for path in filter(None, (out, stdout)):
        if os.path.exists(path):
            os.remove(path)
    sink = open(stdout, "wb") if stdout else subprocess.PIPE if inner_wall else subprocess.DEVNULL
    spent = backends.cpu() if backends else None
    began = time.perf_counter()
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=sink, stderr=subprocess.PIPE, cwd=where,
                             env={**os.environ, **(environment or {})}, start_new_session=True)
    # Its own group, so that whatever becomes of us or of it, the whole pipe ends.
    watchdog = threading.Timer(TIME_LIMIT, lambda: os.killpg(child.pid, signal.SIGKILL))
    watchdog.start()
    try:
        said, errors = drain(child)
        _, status, usage = os.wait4(child.pid, 0)
    except BaseException:
        os.killpg(child.pid, signal.SIGKILL)
        child.wait()
        raise
    finally:
        watchdog.cancel()
        if stdout:
            sink.close()
    wall = time.perf_counter() - began
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode != 0:
        raise Failed(f"`{' '.join(command)[:200]}…` ended with {child.returncode}: {errors.decode(errors='replace').strip()[-1500:]}")
    if inner_wall:
        wall = float(said.split()[-1])
    spent = backends.settled() - spent if backends else None
    path = out or stdout
    return Measured(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, os.path.getsize(path) if path else 0, spent)


def drain(child):
    """What it says on stdout and stderr, read at once so that neither fills up."""
    errors = []
    reader = threading.Thread(target=lambda: errors.append(child.stderr.read()))
    reader.start()
    said = child.stdout.read() if child.stdout else b""
    reader.join()
    return said, errors[0]


def alternate(contestants, rounds, inspect=None, on_failure=None, keep=None):
    """Every contestant once per round, the order turned each time; the first round does not count.

    After the first round `inspect()` looks at the files, of which those of the contestants named in `keep` are still there
    (all, unless given). `on_failure(name, why)` lets the others go on without one; unless given, one failure is the end.
    """
    contestants = dict(contestants)
    found = {name: [] for name in contestants}
    for number in range(rounds + 1):
        order = list(contestants)
        if number % 2:
            order.reverse()
        for name in order:
            one = contestants[name]
            try:
                run = one.run()
            except Failed as failure:
                if on_failure is None:
                    raise
                on_failure(name, str(failure))
                one.clean()
                del contestants[name], found[name]
                continue
            if number:
                found[name].append(run)
            if number or (keep is not None and name not in keep):
                one.clean()
        if number == 0:
            try:
                if inspect:
                    inspect()
            finally:
                for one in contestants.values():
                    one.clean()
    return found


def prepare(command, what, environment=None):
    """Runs something that is not measured; gives the seconds it took."""
    say(f"  {what}")
    began = time.perf_counter()
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          env={**os.environ, **(environment or {})})
    if done.returncode != 0:
        raise Failed(f"{what}: `{' '.join(command)[:200]}…` failed: {done.stdout.decode(errors='replace').strip()[-1500:]}")
    return time.perf_counter() - began


def output(command, environment=None, text_in=None):
    """What a command that is not measured says."""
    done = subprocess.run(command, input=text_in, stdin=subprocess.DEVNULL if text_in is None else None, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, env={**os.environ, **(environment or {})})
    if done.returncode != 0:
        raise Failed(f"`{' '.join(command)[:200]}…` failed: {(done.stderr or done.stdout).strip()[-1500:]}")
    return done.stdout


def until(what, ready, seconds=60, pause=0.02):
    """Polls for something that a server becomes."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = ready()
        if found:
            return found
        time.sleep(pause)
    raise Failed(f"{what}: not within {seconds} s")
