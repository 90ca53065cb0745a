#!/usr/bin/env bash
# Everything that can be said about the code without running it.
set -euo pipefail
cd "$(dirname "$0")/.."

cargo fmt --all --check
python3 -B scripts/import-law.py
cargo clippy --workspace --all-targets --quiet -- -D warnings
RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --document-private-items --quiet
if command -v cargo-deny >/dev/null; then
  cargo deny --log-level error check licenses bans sources
fi
