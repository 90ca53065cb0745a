"""Callers of the API: calls.py ADDRESS TOKEN DATASET CLIENTS SECONDS PAUSE JOBS READY

Each client has a connection, and again and again picks one of four things to do, then pauses about PAUSE seconds: the status of
one of the JOBS, a page of the list, the start of a download of one of the READY (the link, then the first bytes), or a new
export. JOBS and READY are files with an id a line. Prints counts and percentiles in milliseconds as JSON; an answer that is
neither 2xx nor 302 is counted as refused.
"""
import asyncio
import json
import random
import sys
import time
import urllib.parse

WEIGHTS = {"status": 60, "list": 20, "download": 10, "create": 10}


class Connection:
    """One kept-alive HTTP/1.1 connection."""

    def __init__(self, address, token):
        self.address, self.token = address, token
        self.reader = self.writer = None

    async def ask(self, method, path, body=b"", first_bytes=False):
        """Status, headers and body; with `first_bytes` the body is given up once it has begun."""
        if self.writer is None:
            host, port = self.address.rsplit(":", 1)
            self.reader, self.writer = await asyncio.open_connection(host, int(port))
        head = f"{method} {path} HTTP/1.1\r\nhost: {self.address}\r\nauthorization: Bearer {self.token}\r\n"
        if body:
            head += f"content-type: application/json\r\ncontent-length: {len(body)}\r\n"
        self.writer.write(head.encode() + b"\r\n" + body)
        lines = (await self.reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        status = int(lines[0].split()[1])
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines[1:] if line)}
        length = int(headers.get("content-length", 0))
        if first_bytes:
            await self.reader.read(1)
            self.close()
            return status, headers, b""
        if headers.get("transfer-encoding") == "chunked":
            data = b""
            while size := int(await self.reader.readline(), 16):
                data += await self.reader.readexactly(size)
                await self.reader.readline()
            await self.reader.readline()
            return status, headers, data
        return status, headers, await self.reader.readexactly(length)

    def close(self):
        if self.writer:
            self.writer.close()
        self.reader = self.writer = None


class Callers:
    def __init__(self, address, token, dataset, pause, jobs, ready):
        self.address, self.token, self.dataset, self.pause, self.jobs, self.ready = address, token, dataset, pause, jobs, ready
        self.took = {name: [] for name in WEIGHTS}
        self.refused = {}

    async def do(self, name, one, other):
        if name == "status":
            return (await one.ask("GET", f"/api/v1/export/jobs/{random.choice(self.jobs)}"))[0]
        if name == "list":
            return (await one.ask("GET", "/api/v1/export/jobs?limit=20"))[0]
        if name == "create":
            return (await one.ask("POST", f"/api/v1/export/{self.dataset}", json.dumps({"format": "csv", "limit": 100}).encode()))[0]
        status, headers, _ = await one.ask("GET", f"/api/v1/export/jobs/{random.choice(self.ready)}/download")
        if status != 302:
            return status
        place = urllib.parse.urlsplit(headers["location"])
        other.address = place.netloc or self.address
        return (await other.ask("GET", f"{place.path}?{place.query}", first_bytes=True))[0]

    async def client(self, until):
        one, other = Connection(self.address, self.token), Connection(self.address, "")
        names, weights = list(WEIGHTS), list(WEIGHTS.values())
        await asyncio.sleep(random.random() * self.pause)
        while time.perf_counter() < until:
            name = random.choices(names, weights)[0]
            began = time.perf_counter()
            try:
                status = await self.do(name, one, other)
            except (OSError, asyncio.IncompleteReadError) as error:
                status = type(error).__name__
                one.close()
                other.close()
            took = time.perf_counter() - began
            if status in (200, 202, 206, 302):
                self.took[name].append(took * 1000)
            else:
                self.refused[f"{name} {status}"] = self.refused.get(f"{name} {status}", 0) + 1
            await asyncio.sleep(random.uniform(0.5, 1.5) * self.pause)
        one.close()
        other.close()


def percentile(values, share):
    values = sorted(values)
    return values[min(len(values) - 1, int(len(values) * share))] if values else None


async def main():
    address, token, dataset, clients, seconds, pause = sys.argv[1:7]
    jobs, ready = (open(path).read().split() for path in sys.argv[7:9])
    random.seed(1)
    callers = Callers(address, token, dataset, float(pause), jobs, ready)
    until = time.perf_counter() + float(seconds)
    await asyncio.gather(*(callers.client(until) for _ in range(int(clients))))
    calls = {name: {"count": len(took), "p50": percentile(took, 0.5), "p99": percentile(took, 0.99), "max": max(took, default=None)}
             for name, took in callers.took.items()}
    print(json.dumps({"calls": calls, "refused": callers.refused}))


asyncio.run(main())
