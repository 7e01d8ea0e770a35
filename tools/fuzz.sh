#!/bin/bash
# `make fuzz`: builds the fuzzers with the fuzz preset and runs each for FUZZ_SECONDS (600).
#
#   tools/fuzz.sh [--build-only] [NAME...]
#
# Seeds are tests/fuzz/corpus/NAME; what a run finds new stays in build/fuzz/corpus/NAME, a crash in
# build/fuzz/artifacts.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
cd "$root"
build=$root/build/fuzz
seconds=${FUZZ_SECONDS:-600}

build_only=
if [ "${1:-}" = --build-only ]; then
  build_only=1
  shift
fi

log=$(mktemp)
trap 'rm -f "$log"' EXIT
if ! { cmake --preset fuzz && cmake --build --preset fuzz --target fuzzers; } >"$log" 2>&1; then
  cat "$log" >&2
  exit 1
fi
[ -z "$build_only" ] || exit 0

mapfile -t fuzzers < "$build/fuzzers.txt"
[ ${#fuzzers[@]} -gt 0 ] || { echo "fuzz: no fuzzers are registered" >&2; exit 1; }

run_one() {  # run_one BINARY: quiet unless it fails
  local binary=$1 name seeds=() log
  name=$(basename "$binary")
  log=$build/$name.log
  mkdir -p "$build/corpus/$name" "$build/artifacts"
  [ ! -d "tests/fuzz/corpus/$name" ] || seeds=("tests/fuzz/corpus/$name")
  if ! "$binary" -max_total_time="$seconds" -timeout=20 -rss_limit_mb=1024 -print_final_stats=1 \
      -artifact_prefix="$build/artifacts/$name-" "$build/corpus/$name" "${seeds[@]}" \
      >"$log" 2>&1; then
    echo "fuzz: $name failed:" >&2
    tail -n 60 "$log" >&2
    return 1
  fi
  echo "fuzz: $name: $(sed -n 's/^stat::number_of_executed_units: *//p' "$log") runs in $seconds s"
}
export -f run_one
export build seconds

chosen=()
for binary in "${fuzzers[@]}"; do
  if [ $# -eq 0 ] || printf '%s\n' "$@" | grep -qxF -- "$(basename "$binary")"; then
    chosen+=("$binary")
  fi
done
[ ${#chosen[@]} -gt 0 ] || { echo "fuzz: no fuzzer of that name; there are: $(basename -a "${fuzzers[@]}" | xargs)" >&2; exit 1; }
printf '%s\0' "${chosen[@]}" | xargs -0 -n 1 -P "$(nproc)" bash -c 'run_one "$1"' run_one
