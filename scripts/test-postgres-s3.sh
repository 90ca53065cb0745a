#!/usr/bin/env bash
# The black-box suite with jobs in Postgres and files in a bucket. All of it, at full size:
#   OFFTAKE_TEST_ALL=1 scripts/test-postgres-s3.sh
# Otherwise without what says nothing new there, so that it stays within minutes: memory and foreign readers (the same
# bytes), the tests that choose their Postgres and bucket themselves, and those that start no server at all.
set -euo pipefail
cd "$(dirname "$0")/.."
export OFFTAKE_TEST_HOUSE=postgres-s3

left_out='memory:: formats:: types:: human:: s3:: minio:: postgres:: packs:: pg_source:: parquet_source:: drift:: ties:: chaos:: doctor::'
left_out="$left_out live::nodes:: config:: image:: disk:: browsers:: private_files:: slow_clients:: spreadsheets:: walls::"
if [ -n "${OFFTAKE_TEST_ALL:-}" ]; then left_out=; fi

if command -v cargo-nextest >/dev/null; then
  chosen='package(offtake) and binary(it)'
  for module in $left_out; do chosen="$chosen and not test(/^$module/)"; done
  exec cargo nextest run --workspace --cargo-quiet --no-fail-fast --status-level fail --final-status-level fail -E "$chosen"
fi
skip=()
for module in $left_out; do skip+=(--skip "$module"); done
exec cargo test -p offtake --test it --quiet --no-fail-fast -- "${skip[@]}"
