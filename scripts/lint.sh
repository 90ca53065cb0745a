#!/usr/bin/env bash
# Everything that can be said about the code without running it.
set -euo pipefail
cd "$(dirname "$0")/.."

cargo fmt --all --check
python3 -B scripts/import-law.py
python3 -B scripts/licences.py
cargo clippy --workspace --all-targets --quiet -- -D warnings
# The pages are for those who read the code, so they may link to what is private.
RUSTDOCFLAGS="-D warnings -A rustdoc::private-intra-doc-links" cargo doc --workspace --no-deps --document-private-items --quiet
if command -v cargo-deny >/dev/null; then
  cargo deny --log-level error check licenses bans sources
fi
