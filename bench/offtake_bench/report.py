"""What was found: ratios against targets, tables, notes, failures; results.json and RESULTS.md."""
import json
import os
import platform
import subprocess
import time

from .measure import median, say

FIELDS = ("task", "reference", "ratio", "ratio_min", "ratio_max", "target", "met", "wall_s", "cpu_s", "rss_mib", "bytes")


def rounded(value, digits=3):
    return None if value is None else round(value, digits)


class Report:
    """The findings of one task, in plain lists and dictionaries, so that a file can hold them between runs."""

    def __init__(self, task):
        self.task, self.results, self.tables, self.notes, self.failures = task, [], [], [], []
        self.minutes, self.made_by = 0.0, ""

    def record(self, task, reference, ours, theirs, target=None, what="wall"):
        """A task by the ratio of wall times (or of `what`), ours to theirs, with the target as an upper bound."""
        if not theirs:
            return
        pairs = [getattr(mine, what) / getattr(other, what) for mine, other in zip(ours, theirs)]
        ratio = median(ours, what) / median(theirs, what)
        self.add(task, reference, ratio, min(pairs), max(pairs), None if target is None else f"≤ {target:.2f} ×",
                 None if target is None else ratio <= target, ours)
        say(f"  {task}: {ratio:.2f} × {reference}")

    def absolute(self, task, what, value, target, at_most=True, ours=(), spread=None, **more):
        """A task whose target is a number: the ratio is measured ÷ target."""
        bound = f"{'≤' if at_most else '≥'} {target:,} {what}"
        low, high = spread or (value, value)
        self.add(task, bound, value / target, low / target, high / target, bound, value <= target if at_most else value >= target, ours, **more)
        say(f"  {task}: {value:,.2f} {what} (target {bound})")

    def add(self, task, reference, ratio, low, high, target, met, ours, **more):
        entry = {"task": task, "reference": reference, "ratio": round(ratio, 3), "ratio_min": round(low, 3), "ratio_max": round(high, 3),
                 "target": target, "met": met, "wall_s": None, "cpu_s": None, "rss_mib": None, "bytes": None}
        if ours:
            entry.update(wall_s=rounded(median(ours)), cpu_s=rounded(median(ours, "cpu")), rss_mib=round(max(run.rss_mib for run in ours), 1),
                         bytes=ours[-1].size)
        entry.update(more)
        self.results.append(entry)

    def table(self, title, found):
        """One line per contestant, of its runs."""
        rows = []
        for name, runs in found.items():
            walls, middle = sorted(run.wall for run in runs), median(runs)
            rows.append([name, f"{middle:.2f} ({walls[0]:.2f}–{walls[-1]:.2f})", f"{(walls[-1] - walls[0]) / middle:.0%}", number(median(runs, "cpu")),
                         number(median(runs, "server_cpu")), number(max(run.rss_mib for run in runs), 0), number(runs[-1].size / 1e6, 1) if runs[-1].size else "–"])
        self.tables.append({"title": title, "head": ["who", "wall s, median (min–max)", "noise", "CPU s", "backend CPU s", "peak RSS MiB", "MB"], "rows": rows})

    def grid(self, title, head, rows):
        """Any other table."""
        self.tables.append({"title": title, "head": head, "rows": rows})

    def note(self, text):
        say(f"  {text}")
        self.notes.append(text)

    def failure(self, who, why):
        say(f"  FAILED: {who}: {why}")
        self.failures.append(f"{self.task}, {who}: {' '.join(why.split())[:700]}")

    def save(self, folder):
        os.makedirs(folder, exist_ok=True)
        with open(os.path.join(folder, f"{self.task}.json"), "w") as file:
            json.dump(vars(self), file)

    @classmethod
    def load(cls, folder, task):
        """What an earlier run found, or None."""
        path = os.path.join(folder, f"{task}.json")
        if not os.path.exists(path):
            return None
        report = cls(task)
        with open(path) as file:
            vars(report).update(json.load(file))
        return report


def number(value, digits=2):
    return "–" if value is None else f"{value:,.{digits}f}"


def said(command):
    try:
        return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT).stdout.decode(errors="replace").splitlines()[0].strip()
    except (OSError, IndexError):
        return "not there"


def machine():
    cpu = next((line.split(":", 1)[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), platform.machine())
    memory = int(next(line.split()[1] for line in open("/proc/meminfo") if line.startswith("MemTotal"))) / 1024 / 1024
    return f"{cpu}, {len(os.sched_getaffinity(0))} cores, {memory:.0f} GiB, Linux {platform.release()}"


def markdown_table(head, rows):
    return ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)] + ["| " + " | ".join(str(cell).replace("|", "\\|") for cell in row) + " |" for row in rows]


def write(reports, facts, out, findings):
    """results.json and RESULTS.md. `facts`: lines about what ran on what; `findings`: a page of prose that is put in as it is."""
    results = [one for report in reports for one in report.results]
    with open(os.path.join(out, "results.json"), "w") as file:
        json.dump([{name: one[name] for name in FIELDS} for one in results], file, indent=1)
        file.write("\n")
    versions = {report.made_by for report in reports}
    lines = ["# Results of the benchmark", "",
             f"Made by `bench/run.sh` on {time.strftime('%Y-%m-%d', time.gmtime())} in {sum(report.minutes for report in reports):.0f} minutes; bench/README.md says how.",
             "Ratios hold, absolute times are this machine's. Below a difference of 10 % there is no difference.",
             "Where the target is absolute, the ratio is what was measured ÷ the target.", ""]
    lines += [f"- {fact}" for fact in facts]
    if len(versions) > 1:
        lines += [f"- {report.task}: measured on {report.made_by}" for report in reports]
    else:
        lines += [f"- measured on {version}" for version in versions]
    failures = [text for report in reports for text in report.failures]
    if failures:
        lines += ["", "## What failed", ""] + [f"- {text}" for text in failures]
    lines += ["", "## Ratios", ""]
    met = {None: "–", True: "yes", False: "**no**"}
    lines += markdown_table(["task", "reference", "ratio", "min–max", "target", "met"],
                            [[one["task"], one["reference"], f"{one['ratio']:.2f}", f"{one['ratio_min']:.2f}–{one['ratio_max']:.2f}", one["target"] or "–", met[one["met"]]]
                             for one in results])
    if os.path.exists(findings):
        lines += ["", open(findings).read().strip()]
    for report in reports:
        for table in report.tables:
            lines += ["", f"## {table['title']}", ""] + markdown_table(table["head"], table["rows"])
    lines += ["", "## Notes", ""] + [f"- {report.task}: {note}" for report in reports for note in report.notes]
    with open(os.path.join(out, "RESULTS.md"), "w") as file:
        file.write("\n".join(lines) + "\n")
    say(f"written: {os.path.join(out, 'RESULTS.md')}")
