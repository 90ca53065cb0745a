"""The console in Chromium, at the size of the embedded store: how long until there is something to be seen."""
import json
import os

from .data import ORG
from .measure import Failed, output

FIRST_VIEW_MS = 500
TOGGLE_MS = 50


def first_view(setting, report):
    packages = os.path.join(setting.root, "web", "node_modules")
    if not os.path.isdir(packages):
        raise Failed("web/node_modules is not there: scripts/web.sh")
    data, _ = setting.data_dir(setting.args.spans)
    script = os.path.join(setting.root, "web", "scripts", "first-view.mjs")
    found = json.loads(output(["node", script, setting.binary, data, ORG, str(setting.rounds)]))
    toggle = found.pop("toggle")
    for page, times in found.items():
        # Pages in their own order are what somebody meets first; the others are asked for by a click.
        if page in ("traces", "spans", "prompts"):
            report.absolute(f"console, {page}: from navigation to 50 rows", "ms", times["rows"], FIRST_VIEW_MS)
        else:
            report.note(f"console, {page}: 50 rows are there after {times['rows']} ms")
        facets = f"the facets after {times['facets']} ms" if times["facets"] else "no facets"
        report.note(f"console, {page}: the count is there after {times['count']} ms, {facets}")
    report.absolute(f"console: a row toggled among {toggle['named']:,} exceptions, to the next paint", "ms", toggle["middle"], TOGGLE_MS)


TASKS = {"console": first_view}
