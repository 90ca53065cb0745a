"""Live events: 1,000 subscribers with filters, 1,000 events a second, one server with its worker, SQLite."""
import json
import os
import shutil

from .data import ORG
from .measure import Failed, output
from .offtake import Server, write_config

P99_MS = 50
FILTER_US = 10


def delivery(setting, report):
    folder = os.path.join(setting.work, "live")
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    subscribers, rate, seconds = (100, 500, 3) if setting.quick else (1_000, 1_000, 20)
    load = os.path.join(os.path.dirname(setting.binary), "examples/live_load")
    if not os.path.exists(load):
        raise Failed(f"{load} is not there: cargo build --release -p offtake-testkit --example live_load")
    config = write_config(setting.path("live.toml"), {
        "live": {"connections_per_principal": subscribers + 1},
        "limits": {"requests_per_second": 0},
    })

    def run(listening):
        with Server(setting.binary, os.path.join(folder, str(listening)), setting.path("live.log"), config) as server:
            token = server.token(ORG)
            before = server.cpu()
            found = json.loads(output([load, server.address, token, str(listening), str(rate), str(seconds)]))
            return found, server.cpu() - before, server.peak_mib()

    _, alone, _ = run(10)
    found, busy, peak = run(subscribers)
    shutil.rmtree(folder, ignore_errors=True)
    if found["delivered"] != found["expected"] or found["lagged"]:
        report.failure("live", f"{found['delivered']:,} of {found['expected']:,} events arrived, {found['lagged']} times somebody lagged")
    # All that subscribers cost, delivery included: the filters cost less.
    each = (busy - alone) / found["sent"] / subscribers * 1e6
    name = f"live events, {subscribers:,} subscribers with filters, {rate:,} events/s"
    report.absolute(f"{name}: delivery p99", "ms", found["p99_ms"], P99_MS, rss_mib=round(peak, 1))
    report.absolute(f"{name}: CPU for each event and subscription", "µs", each, FILTER_US)
    report.note(f"live events: {found['delivered']:,} arrived, each of {found['sent']:,} events at ten subscribers, from the beginning of its span to its reader: "
                f"p50 {found['p50_ms']:.1f} ms, longest {found['max_ms']:.1f} ms; sender and readers share the cores with the server")


TASKS = {"live": delivery}
