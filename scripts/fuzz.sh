#!/usr/bin/env bash
# Fuzzes whatever reads the words of strangers: each target for so many seconds (120), two at a time, beginning with its
# corpus in fuzz/corpus. On stable Rust, without cargo-fuzz: its flags for coverage are stable ones, and there is no
# unsafe code for a sanitizer to watch.
#
#   scripts/fuzz.sh [SECONDS [TARGET…]]
#   OFFTAKE_FUZZ_KEEP=1 scripts/fuzz.sh 600     keeps in fuzz/corpus what reached something new, made small
set -euo pipefail
cd "$(dirname "$0")/.."

seconds=${1:-120}
shift $(($# ? 1 : 0))
targets=("$@")
[ ${#targets[@]} -gt 0 ] || targets=(filters ids otlp range tokens)

command -v c++ >/dev/null || { echo "a C++ compiler is needed for libFuzzer: apt-get install g++" >&2; exit 1; }

out=$PWD/target/fuzz
host=$(rustc -vV | sed -n 's/^host: //p')
# With a target, flags are for what is fuzzed and not for build scripts.
export CARGO_TARGET_DIR=$out CARGO_TERM_COLOR=${CARGO_TERM_COLOR:-auto}
export RUSTFLAGS="--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
-Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
-Cllvm-args=-sanitizer-coverage-trace-compares"
# The versions of everything else are those that are tested.
cp Cargo.lock fuzz/Cargo.lock
cargo build --quiet --release --manifest-path fuzz/Cargo.toml --target "$host"
bin=$out/$host/release

# One target. What it finds lies under target/fuzz, so that a run leaves the tree as it was.
fuzz() {
  local target=$1 found=$out/corpus/$1 broken=$out/broken/$1/ log=$out/$1.log
  rm -rf "$found" "$broken" && mkdir -p "$found" "$broken"
  local dictionary=()
  [ ! -f "fuzz/dictionaries/$target.dict" ] || dictionary=(-dict="fuzz/dictionaries/$target.dict")
  local most=4096
  [ "$target" = range ] || [ "$target" = ids ] && most=512
  if ! "$bin/$target" "$found" "fuzz/corpus/$target" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=512 \
    -max_len=$most -reload=0 -print_final_stats=1 -artifact_prefix="$broken" "${dictionary[@]}" >"$log" 2>&1; then
    { tail -n 40 "$log"
      for input in "$broken"*; do
        echo "fuzz $target: again with: $bin/$target $input"
        echo "fuzz $target: keep it once it is mended: cp $input fuzz/corpus/$target/"
      done; } >&2
    return 1
  fi
  local runs coverage kept
  runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
  coverage=$(sed -n 's/.* cov: \([0-9]*\) .*/\1/p' "$log" | tail -n 1)
  kept=$(find "fuzz/corpus/$target" "$found" -type f | wc -l)
  echo "fuzz $target: $runs runs, coverage $coverage, corpus $kept"
}

# The fewest files that reach everything, besides those that have a name: they were put there by hand.
keep() {
  local target=$1 small=$out/small/$1
  rm -rf "$small" && mkdir -p "$small"
  find "fuzz/corpus/$target" -type f -regextype posix-extended ! -regex '.*/[0-9a-f]{40}' -exec cp {} "$small" \;
  "$bin/$target" -set_cover_merge=1 -use_counters=0 -max_len=4096 \
    "$small" "fuzz/corpus/$target" "$out/corpus/$target" >"$out/$target.merge.log" 2>&1
  rm -rf "fuzz/corpus/$target" && cp -r "$small" "fuzz/corpus/$target"
}

failed=0 running=()
for target in "${targets[@]}"; do
  if [ ${#running[@]} -eq 2 ]; then
    wait "${running[0]}" || failed=1
    running=("${running[1]}")
  fi
  fuzz "$target" &
  running+=($!)
done
for pid in "${running[@]}"; do wait "$pid" || failed=1; done
if [ $failed = 0 ] && [ -n "${OFFTAKE_FUZZ_KEEP:-}" ]; then
  for target in "${targets[@]}"; do keep "$target"; done
fi
exit $failed
