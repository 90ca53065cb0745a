#!/usr/bin/env bash
# Tests the console: its own logic, and the binary with it in a real browser. Arguments choose tests, as vitest takes them.
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/test-setup.sh
scripts/web.sh
# As the other tests are built, so that nothing is compiled twice.
cargo test --quiet --workspace --no-run --test it
cd web
npx --no-install vitest run --silent --reporter=dot "$@" >../target/web-tests.log 2>&1 || { cat ../target/web-tests.log >&2; exit 1; }
