"""Offtake as a contestant: `offtake export` as a process of its own, and `offtake serve` with jobs over its API."""
import http.client
import json
import os
import signal
import subprocess
import time
import urllib.parse

from .measure import Contestant, Failed, Measured, measure, output, until

TICK = os.sysconf("SC_CLK_TCK")


class Exporter:
    """Exports with one binary, one data dir, and perhaps a configuration file, into one folder."""

    def __init__(self, binary, data_dir, folder, config=None, backends=None):
        self.binary, self.data_dir, self.folder, self.config, self.backends = binary, data_dir, folder, config, backends

    def out(self, name):
        return os.path.join(self.folder, f"offtake.{name}")

    def contestant(self, name, dataset, org, columns, *more):
        """`name` is also the end of the file's name, which says the format."""
        out = self.out(name)
        command = [self.binary, "export", dataset, "--org", org, "--data-dir", self.data_dir, "-o", out, "--force", *more]
        command += ["--fields", ",".join(columns)] + (["--config", self.config] if self.config else [])
        return Contestant(lambda: measure(command, out=out, backends=self.backends), (out, out + ".receipt.json"))

    def receipt(self, name):
        with open(self.out(name) + ".receipt.json") as file:
            return json.load(file)


def stat_cpu(pid):
    """User and system seconds of a living process, and those of children it has waited for."""
    with open(f"/proc/{pid}/stat") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICK, (int(fields[13]) + int(fields[14])) / TICK


def toml(value):
    """A value of a configuration; what JSON writes is TOML, but for tables."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {toml(one)}" for key, one in value.items()) + " }"
    return json.dumps(value, ensure_ascii=False)


def write_config(path, tables):
    """A configuration file of tables, each a dictionary: `{"worker": {"slots": 8}}`."""
    with open(path, "w") as file:
        for name, keys in tables.items():
            file.write(f"[{name}]\n" + "".join(f"{key} = {toml(value)}\n" for key, value in keys.items()))
    return path


class Server:
    """`offtake serve`, by its own configuration."""

    def __init__(self, binary, data_dir, log, config=None):
        self.binary, self.data_dir, self.config, self.log = binary, data_dir, config, log
        line = [binary, "serve", "--data-dir", data_dir] + (["--config", config] if config else []) + ["--listen", "127.0.0.1:0", "--otlp-grpc", ""]
        with open(log, "wb") as file:
            self.process = subprocess.Popen(line, stdin=subprocess.DEVNULL, stdout=file, stderr=file)
        try:
            self.address = until("offtake listens", self.listening, 60)
        except BaseException:
            self.stop(signal.SIGKILL)
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def listening(self):
        text = open(self.log, errors="replace").read()
        if self.process.poll() is not None:
            raise Failed(f"offtake ended at once: {text[-1500:]}")
        for line in text.splitlines():
            if "listening on" in line and "127.0.0.1:" in line:
                digits = line.split("127.0.0.1:", 1)[1]
                return "127.0.0.1:" + "".join(c for c in digits[:5] if c.isdigit())
        return None

    def stop(self, how=signal.SIGTERM):
        """Ends it; gives what the kernel says of it."""
        if self.process.returncode is not None:
            return None
        self.process.send_signal(how)
        _, status, usage = os.wait4(self.process.pid, 0)
        self.process.returncode = os.waitstatus_to_exitcode(status)
        return usage

    def token(self, org, permissions="all"):
        command = [self.binary, "token", "--org", org, "--sub", "bench", "--permissions", permissions, "--data-dir", self.data_dir]
        return output(command + (["--config", self.config] if self.config else [])).strip()

    def cpu(self):
        return stat_cpu(self.process.pid)[0]

    def forget_peak(self):
        """The peak of resident memory is counted from here."""
        with open(f"/proc/{self.process.pid}/clear_refs", "w") as file:
            file.write("5")

    def peak_mib(self):
        with open(f"/proc/{self.process.pid}/status") as file:
            return next(int(line.split()[1]) for line in file if line.startswith("VmHWM")) / 1024


class Client:
    """A caller of the API on one connection."""

    def __init__(self, address, token):
        self.address, self.token = address, token
        self.connection = http.client.HTTPConnection(address, timeout=120)

    def call(self, method, path, body=None, raw=False):
        head = {"authorization": f"Bearer {self.token}"}
        data = None
        if body is not None:
            data, head["content-type"] = json.dumps(body), "application/json"
        self.connection.request(method, path, data, head)
        answer = self.connection.getresponse()
        text = answer.read()
        if answer.status >= 400:
            raise Failed(f"{method} {path}: {answer.status} {text.decode(errors='replace')[:600]}")
        return text if raw else json.loads(text) if text and answer.status != 302 else answer.getheader("location")

    def create(self, dataset, **body):
        return self.call("POST", f"/api/v1/export/{dataset}", body)["job_id"]

    def finished(self, job):
        """Waits for the end of a job and gives it."""
        deadline = time.monotonic() + 1800
        while time.monotonic() < deadline:
            state = self.call("GET", f"/api/v1/export/jobs/{job}?wait=30")
            if state["status"] == "completed":
                return state
            if state["status"] not in ("pending", "processing"):
                raise Failed(f"job {job} is {state['status']}: {state.get('error')}")
        raise Failed(f"job {job} does not end")

    def download(self, job, path):
        place = urllib.parse.urlsplit(self.call("GET", f"/api/v1/export/jobs/{job}/download"))
        connection = http.client.HTTPConnection(place.netloc or self.address, timeout=120)
        connection.request("GET", f"{place.path}?{place.query}" if place.query else place.path)
        answer = connection.getresponse()
        if answer.status != 200:
            raise Failed(f"download: {answer.status} {answer.read()[:300]}")
        with open(path, "wb") as file:
            while piece := answer.read(1 << 20):
                file.write(piece)
        connection.close()


def jobs_at_once(server, client, backends, count, dataset, **body):
    """Some equal jobs, all at once, until the last is completed, as one Measured. Their files are deleted afterwards."""
    server.forget_peak()
    behind = backends.cpu()
    spent, began = server.cpu(), time.perf_counter()
    jobs = [client.create(dataset, **body) for _ in range(count)]
    states = [client.finished(job) for job in jobs]
    wall = time.perf_counter() - began
    run = Measured(wall, server.cpu() - spent, server.peak_mib(), sum(state["file_size_bytes"] for state in states),
                   backends.cpu() - behind)
    for job in jobs:
        client.call("DELETE", f"/api/v1/export/jobs/{job}/file")
    return run
