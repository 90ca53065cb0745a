"""Live events: 1,000 subscribers with filters, 1,000 events a second, one server with its worker, SQLite."""
import json
import os
import shutil
import statistics

from .data import ORG
from .measure import Failed, output
from .offtake import Client, Server, write_config

P99_MS = 50
FILTER_US = 10
# What one who never reads may cost the others.
BESIDE = 1.2
FEW = 10


class Load:
    """Runs of `live_load`, each against a server of its own."""

    def __init__(self, setting):
        self.setting = setting
        self.program = os.path.join(os.path.dirname(setting.binary), "examples/live_load")
        if not os.path.exists(self.program):
            raise Failed(f"{self.program} is not there: cargo build --release -p offtake-testkit --example live_load")
        self.folder = os.path.join(setting.work, "live")
        self.subscribers, self.rate, self.seconds = (100, 500, 3) if setting.quick else (1_000, 1_000, 20)
        self.config = write_config(setting.path("live.toml"), {
            # Those that do not read are kept to the end.
            "live": {"connections_per_principal": 2 * self.subscribers, "reader_timeout": "5m"},
            "limits": {"requests_per_second": 0},
            "metrics": {"open": True},
        })

    def run(self, listening, searching=0, asleep=0):
        shutil.rmtree(self.folder, ignore_errors=True)
        os.makedirs(self.folder)
        with Server(self.setting.binary, self.folder, self.setting.path("live.log"), self.config) as server:
            client = Client(server.address, server.token(ORG))
            before, line = server.cpu(), [self.program, server.address, client.token]
            found = json.loads(output(line + [str(one) for one in (listening, self.rate, self.seconds, searching, asleep)]))
            found["cpu"] = server.cpu() - before
            found["peak"] = server.peak_mib()
            found["metrics"] = metrics(client.call("GET", "/metrics", raw=True))
        shutil.rmtree(self.folder, ignore_errors=True)
        if found["delivered"] != found["expected"] or found["lagged"]:
            raise Failed(f"{found['delivered']:,} of {found['expected']:,} events arrived, {found['lagged']} times somebody lagged")
        return found


def metrics(text):
    lines = (line.rsplit(" ", 1) for line in text.decode().splitlines() if line and not line.startswith("#"))
    return {name: float(value) for name, value in lines}


def each(run, alone, what, subscriptions):
    """Microseconds for each event and subscription, over what it takes with few."""
    return (what(run) - what(alone)) / run["sent"] / subscriptions * 1e6


def matching(run):
    return run["metrics"]["offtake_live_matching_seconds_total"]


def dropped(run):
    return run["metrics"]['offtake_live_events_total{result="dropped"}']


def cpu(run):
    return run["cpu"]


def delivery(setting, report):
    load = Load(setting)
    many, rounds = load.subscribers, 1 if setting.quick else 3
    alone, searching = load.run(FEW), load.run(FEW, searching=many)
    without, beside = [], []
    for _ in range(rounds):
        without.append(load.run(many))
        beside.append(load.run(many, asleep=1))
    # A short run fits into buffers.
    if not setting.quick and not all(dropped(run) for run in beside):
        raise Failed("whoever was to read nothing missed nothing")

    def middle(runs, name):
        return statistics.median(run[name] for run in runs)

    name = f"live events, {many:,} subscribers with filters, {load.rate:,} events/s"
    p99 = [run["p99_ms"] for run in without]
    report.absolute(f"{name}: delivery p99", "ms", middle(without, "p99_ms"), P99_MS, spread=(min(p99), max(p99)), rss_mib=round(middle(without, "peak"), 1))
    report.absolute("live events: a filter by number, for each event and subscription", "µs",
                    each(searching, alone, matching, many), FILTER_US)
    # All that subscribers cost, delivery included.
    report.absolute(f"{name}: CPU for each event and subscription", "µs", each(without[0], alone, cpu, many), FILTER_US)
    report.absolute(f"{name}: delivery p99 beside one that never reads, over without it", "×", middle(beside, "p99_ms") / middle(without, "p99_ms"), BESIDE)
    found = [(f"{FEW} subscribers", [alone], FEW), (f"{FEW}, and {many:,} subscriptions that compare numbers and take nothing", [searching], FEW + many),
            (f"{many:,} subscribers", without, many), (f"{many:,}, and one that never reads", beside, many + 1)]
    rows = []
    for who, runs, count in found:
        cost = statistics.median(matching(run) / run["sent"] / count * 1e6 for run in runs)
        rows.append([who] + [f"{middle(runs, column):.1f}" for column in ("p50_ms", "p99_ms", "max_ms")] + [f"{cost:.3f}", f"{max(map(dropped, runs)):,.0f}", f"{middle(runs, 'peak'):.0f}"])
    report.grid("Live events: from the beginning of a span to its reader",
                ["who listens", "p50 ms", "p99 ms", "longest ms", "matching µs, each event and subscription", "dropped", "peak RSS MiB"], rows)
    report.note(f"live events: of {without[0]['sent']:,} events each was for ten subscribers, and all {without[0]['delivered']:,} arrived; sender and readers share the cores with the server")


TASKS = {"live": delivery}
