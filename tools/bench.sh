#!/bin/bash
# `make bench`: every figure that the documents name, measured on this machine: n, median, spread.
#
#   tools/bench.sh [NAME...]     only benchmarks whose name contains NAME; "e2e" is the whole of Sonde
#
# Uses the release preset. The parts that load BPF need root.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
cd "$root"
preset=${PRESET:-release}

if [ "$(id -u)" -eq 0 ]; then
  tools/setup.sh packages.txt packages-test.txt packages-bench.txt
  tools/clients.sh
else
  tools/setup.sh
fi
log=$(mktemp)
trap 'rm -f "$log"' EXIT
if ! { cmake --preset "$preset" && cmake --build --preset "$preset"; } >"$log" 2>&1; then
  tail -n 60 "$log" >&2
  exit 1
fi

chosen() {  # chosen NAME ARGUMENTS-OF-THE-SCRIPT...
  local name=$1 part
  shift
  [ $# -gt 0 ] || return 0
  for part in "$@"; do [[ $name == *"$part"* ]] && return 0; done
  return 1
}

printf 'machine: %s, %s processors, kernel %s\n' "$(uname -m)" "$(nproc)" "$(uname -r)"
mapfile -t benches < <(find "build/$preset" -name '*_bench' -type f -executable | sort)
for bench in "${benches[@]}"; do
  name=$(basename "$bench")
  chosen "$name" "$@" || continue
  if [[ $name == *bpf* ]] && [ "$(id -u)" -ne 0 ]; then
    echo "== $name: skipped, it needs root"
    continue
  fi
  printf '\n== %s\n' "$name"
  "$bench" --benchmark_repetitions=5 --benchmark_report_aggregates_only=true 2>/dev/null
done

if chosen e2e "$@"; then
  if [ "$(id -u)" -ne 0 ]; then
    echo "== e2e: skipped, it needs root"
  else
    printf '\n== e2e\n'
    SONDE_BINARY=$root/build/$preset/sonde SONDE_BINARY_DIR=$root/build/$preset \
      build/clients/venv/bin/python tests/bench/e2e_bench.py
  fi
fi
