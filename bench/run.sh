#!/usr/bin/env bash
# The benchmark: builds the binary as users get it, and measures. Arguments go to bench/run.py.
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/test-setup.sh
cargo build --release --quiet --bin offtake
exec target/testenv/bin/python bench/run.py "$@"
