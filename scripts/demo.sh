#!/usr/bin/env bash
# The main road, end to end: starts Offtake on SQLite and a folder, sends it genuine LLM spans over OTLP, exports a
# selection of them, checks the file against its receipt. Repeating it is harmless: no span is stored twice.
# KEEP=1 leaves the server running until Ctrl-C.
set -euo pipefail
cd "$(dirname "$0")/.."

data=offtake-data
out=target/demo
file=$out/openai-spans.csv.gz
log=$out/serve.log
offtake=target/release/offtake
mkdir -p "$out"

command -v python3 >/dev/null || { echo "python3 is needed: apt-get install python3" >&2; exit 1; }
scripts/web.sh
cargo build --release --quiet -p offtake --bin offtake

# The demo is the binary and the data directory, nothing of this shell's environment.
for name in "${!OFFTAKE_@}"; do unset "$name"; done

serve() { "$offtake" serve --data-dir "$data" --config /dev/null --listen "127.0.0.1:$1" --otlp-grpc "127.0.0.1:$2" >/dev/null 2>"$log" & server=$!; }
address() { sed -n 's/^listening on \(http:.*\)$/\1/p' "$log" | head -n 1; }
stop() { if [ -n "${server:-}" ]; then kill -TERM "$server" 2>/dev/null || true; wait "$server" 2>/dev/null || true; fi; }
trap stop EXIT

await() {
  for _ in $(seq 300); do
    url=$(address)
    if [ -n "$url" ] && python3 -c 'import sys, urllib.request as u; u.urlopen(sys.argv[1] + "/readyz", timeout=2)' "$url" 2>/dev/null; then return 0; fi
    kill -0 "$server" 2>/dev/null || return 1
    sleep 0.1
  done
  return 1
}

serve 8080 4317
if ! await; then
  # Somebody has one of the ports; any others do as well.
  stop
  serve 0 0
  await || { cat "$log" >&2; exit 1; }
fi

token=$("$offtake" token --data-dir "$data" --config /dev/null --org demo --sub demo --ttl 24h)
requests=$(python3 -B scripts/send-otlp.py "$url/v1/traces" "$token" testdata/otlp/*.otlp.pb)

"$offtake" --config /dev/null export spans --server "$url" --token "$token" --provider openai --force -o "$file" \
  >"$out/export.log" 2>&1 || { cat "$out/export.log" >&2; exit 1; }
link=$("$offtake" sign-in --data-dir "$data" --config /dev/null --org demo --sub demo --server "$url" 2>/dev/null)
verified=$("$offtake" --config /dev/null verify "$file")

cat <<TEXT
$requests OTLP requests with genuine LLM spans are in; all spans of the provider "openai" are out.

file      $PWD/$file
receipt   $PWD/$file.receipt.json
verified  ${verified#*: }
sign in   $link
token     $token
API page  $url/docs
TEXT

if [ -n "${KEEP:-}" ]; then
  echo; echo "The server runs until Ctrl-C."
  wait "$server" || true
else
  echo; echo "The server has stopped. Start it again with:  $offtake serve --data-dir $data --listen ${url#http://}"
fi
