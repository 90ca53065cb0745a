#!/usr/bin/env bash
# The benchmark: installs what it needs by name, builds the binary as users get it, and measures.
# Arguments go to bench/run.py; with --binary FILE nothing is built.
set -euo pipefail
cd "$(dirname "$0")/.."

work=target/bench
mkdir -p "$work"
scripts/test-setup.sh

packages=()
for pair in psql:postgresql-client-15 pigz:pigz zstd:zstd sqlite3:sqlite3; do
  command -v "${pair%%:*}" >/dev/null || packages+=("${pair#*:}")
done
if [ ${#packages[@]} -gt 0 ]; then
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    DEBIAN_FRONTEND=noninteractive apt-get -qq -o Dpkg::Use-Pty=0 install -y --no-install-recommends "${packages[@]}" >/dev/null
  else
    echo "not installed: ${packages[*]}; apt-get install ${packages[*]}" >&2
  fi
fi

# Peers that cannot be installed are missing in the results, and said to be.
stamp() { sha256sum "$@" | sha256sum | cut -d' ' -f1; }
python_wanted=$(stamp bench/requirements.txt)
if [ "$(cat "$work/venv.stamp" 2>/dev/null)" != "$python_wanted" ]; then
  [ -x "$work/venv/bin/python" ] || python3 -m venv "$work/venv"
  pip=("$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-input)
  if "${pip[@]}" -r bench/requirements.txt; then
    echo "$python_wanted" >"$work/venv.stamp"
  else
    grep -v '^#' bench/requirements.txt | while read -r one; do "${pip[@]}" "$one" || echo "without $one" >&2; done
  fi
fi

keyset=bench/peers/keyset500
mkdir -p "$work/node"
node_wanted=$(stamp $keyset/package.json)
cp $keyset/package.json $keyset/export.js "$work/node/"
if [ "$(cat "$work/node.stamp" 2>/dev/null)" != "$node_wanted" ]; then
  npm install --prefix "$work/node" --silent --no-audit --no-fund --no-update-notifier --ignore-scripts --no-package-lock \
    && echo "$node_wanted" >"$work/node.stamp" || echo "without the packages of $keyset" >&2
fi

case " $* " in
  *" --binary"*) ;;
  *)
    cargo build --release --quiet --bin offtake
    # Apart: what tests need must not decide how the binary is built.
    cargo build --release --quiet -p offtake-testkit --example live_load
    ;;
esac
exec "$work/venv/bin/python" bench/run.py "$@"
