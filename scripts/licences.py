"""What is built in is under a licence that deny.toml allows, comes from a registry, and is none of the crates it bans.

Reads what is on this machine already: the tree of crates, and the lock file of the console. `cargo deny` looks more
closely, where it is installed; this says the same of licences in a second, everywhere."""

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
OWN = "offtake"


def holds(expression, allowed):
    """Whether an SPDX expression can be met with the allowed licences alone. AND binds closer than OR."""
    # Before SPDX had expressions, crates wrote "MIT/Apache-2.0".
    words = re.findall(r"[()]|[^\s()]+", expression.replace("/", " OR "))
    if not words:
        return False

    def either():
        met = both()
        while words and words[0] == "OR":
            words.pop(0)
            met = both() or met
        return met

    def both():
        met = one()
        while words and words[0] == "AND":
            words.pop(0)
            met = one() and met
        return met

    def one():
        word = words.pop(0)
        if word == "(":
            met = either()
            words.pop(0)
            return met
        if words and words[0] == "WITH":
            words.pop(0)
            word = f"{word} WITH {words.pop(0)}"
        return word in allowed

    met = either()
    return met and not words


def crates(target):
    """Name, where from and licence of every crate that is built or tested with for a target."""
    command = ["cargo", "tree", "--workspace", "--locked", f"--target={target}", "--edges=all", "--prefix=none"]
    tree = subprocess.run([*command, "--format={p}|{l}|"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    for line in {line for line in tree.splitlines() if "|" in line}:
        crate, licence, _ = line.split("|", 2)
        name, version, *notes = crate.split(" ", 2)
        # Of what comes from a registry nothing is said but that it is a macro.
        yield name, version, " ".join(notes).replace("(proc-macro)", "").strip(), licence


def wrong_crates(deny, allowed):
    banned = {ban["crate"] for ban in deny["bans"]["deny"]}
    for target in deny["graph"]["targets"]:
        for name, version, source, licence in crates(target):
            if name in banned:
                yield f"{name} {version}: deny.toml bans it"
            if source and not (name.startswith(OWN) and source.startswith(f"({ROOT}")):
                yield f"{name} {version}: comes from {source}, which is no registry"
            if not holds(licence, allowed):
                yield f"{name} {version}: {licence or 'no licence'} is not allowed by deny.toml"


def wrong_packages(allowed):
    """Of the console what browsers are sent; its tools are on nobody's machine but a developer's."""
    lock = json.loads((ROOT / "web/package-lock.json").read_text())
    for path, package in lock["packages"].items():
        if path and not package.get("dev") and not holds(package.get("license", ""), allowed):
            yield f"{path.removeprefix('node_modules/')}: {package.get('license', 'no licence')} is not allowed by deny.toml"


def check_itself():
    allowed = {"MIT", "Apache-2.0", "Apache-2.0 WITH LLVM-exception"}
    for good in ["MIT", "GPL-3.0 OR MIT", "MIT/GPL-2.0", "MIT AND (GPL-2.0 OR Apache-2.0)", "Apache-2.0 WITH LLVM-exception"]:
        assert holds(good, allowed), good
    for bad in ["GPL-3.0", "MIT AND GPL-3.0", "GPL-2.0 OR MIT AND BSD", "Apache-2.0 WITH GCC-exception", "MIT MIT"]:
        assert not holds(bad, allowed), bad


def main():
    check_itself()
    deny = tomllib.loads((ROOT / "deny.toml").read_text())
    allowed = set(deny["licenses"]["allow"])
    wrong = sorted({*wrong_crates(deny, allowed), *wrong_packages(allowed)})
    for line in wrong:
        print(line, file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
