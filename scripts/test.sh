#!/usr/bin/env bash
# Runs every test, then the black-box suite once more with jobs in Postgres and files in a bucket. With arguments it
# runs what they choose, once: OFFTAKE_TEST_HOUSE=postgres-s3 scripts/test.sh -E 'test(road::)'.
# nextest runs each test in a process of its own and shows only what fails; cargo test does as well.
set -euo pipefail
cd "$(dirname "$0")/.."

run() {
  if command -v cargo-nextest >/dev/null; then
    cargo nextest run --workspace --cargo-quiet --no-fail-fast --status-level fail --final-status-level fail "$@"
  else
    cargo test --workspace --quiet --no-fail-fast "$@"
  fi
}

scripts/web.sh
run "$@"
[ $# -gt 0 ] || { scripts/test-web.sh; scripts/test-postgres-s3.sh; }
