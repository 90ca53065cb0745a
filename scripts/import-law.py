"""Imports point down only (ARCHITECTURE.md): no crate uses one above it, and each keeps out of its neighbours' trade."""

import json
import subprocess
import sys

# What each crate may use of the house.
MAY_USE = {
    "offtake-model": set(),
    "offtake-postgres": {"offtake-model"},
    "offtake-store": {"offtake-model", "offtake-postgres"},
    "offtake-datasets": {"offtake-model", "offtake-postgres"},
    "offtake-pipeline": {"offtake-model"},
    "offtake-worker": {"offtake-model", "offtake-store", "offtake-datasets", "offtake-pipeline"},
    "offtake-server": {"offtake-model", "offtake-store", "offtake-datasets", "offtake-pipeline"},
    "offtake": {
        "offtake-model", "offtake-postgres", "offtake-store", "offtake-datasets", "offtake-pipeline", "offtake-worker",
        "offtake-server",
    },
    "offtake-testkit": {"offtake-model"},
    # For tests only: whatever reads the words of strangers.
    "offtake-fuzz": {"offtake-model", "offtake-store", "offtake-datasets", "offtake-server"},
}

# What some must not use of the world: the model and the pipeline are pure, the worker has no web framework.
MUST_NOT_USE = {
    "offtake-model": {"tokio", "rusqlite", "tokio-postgres", "axum", "reqwest"},
    "offtake-postgres": {"rusqlite", "axum", "reqwest"},
    "offtake-pipeline": {"rusqlite", "tokio-postgres", "axum", "reqwest", "hyper"},
    "offtake-worker": {"axum", "hyper", "tower", "tower-http", "reqwest", "rusqlite", "tokio-postgres"},
    "offtake-server": {"rusqlite", "tokio-postgres"},
}


def main() -> int:
    command = ["cargo", "metadata", "--format-version", "1", "--no-deps", "--locked"]
    packages = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)["packages"]
    problems = []
    for package in packages:
        name = package["name"]
        if name not in MAY_USE:
            problems.append(f"{name} is not in the law: add it to scripts/import-law.py and ARCHITECTURE.md")
            continue
        for dependency in package["dependencies"]:
            used, is_dev = dependency["name"], dependency["kind"] == "dev"
            of_the_house = used == "offtake" or used.startswith("offtake-")
            # Tests open stores by hand.
            is_for_tests = is_dev and used in {"offtake-testkit", "offtake-postgres"}
            if of_the_house and used not in MAY_USE[name] and not is_for_tests:
                problems.append(f"{name} must not use {used}")
            if used in MUST_NOT_USE.get(name, set()) and not is_dev:
                problems.append(f"{name} must not use {used}")
    for problem in problems:
        print(f"import law: {problem}", file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
