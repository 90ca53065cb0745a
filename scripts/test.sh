#!/usr/bin/env bash
# Runs every test. nextest runs each in a process of its own and shows only what fails; cargo test does as well.
set -euo pipefail
cd "$(dirname "$0")/.."

if command -v cargo-nextest >/dev/null; then
  cargo nextest run --workspace --cargo-quiet --no-fail-fast --status-level fail --final-status-level fail "$@"
else
  cargo test --workspace --quiet --no-fail-fast "$@"
fi
