#!/bin/bash
# `make test`: sets up, builds, runs every test. As root all of them; without root the unit tests.
# Ends with ctest's summary. Safe to run again: everything is incremental.
#
#   PRESET=asan tools/test.sh      another preset of CMakePresets.json
#   FUZZ_SECONDS=60 tools/test.sh  longer than the brief default of each fuzzer
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
cd "$root"
preset=${PRESET:-dev}
export FUZZ_SECONDS=${FUZZ_SECONDS:-10}

step() { printf '\n== %s\n' "$*"; }

# Configuring and building say something only when they fail.
quietly() {
  local log
  log=$(mktemp)
  if ! "$@" >"$log" 2>&1; then
    cat "$log" >&2
    rm -f "$log"
    return 1
  fi
  rm -f "$log"
}

step "setup"
if [ "$(id -u)" -eq 0 ]; then
  tools/setup.sh packages.txt packages-test.txt
  tools/clients.sh
  # A real collector for one test; its first build takes minutes, so it starts now.
  nice tools/build_collector.sh >"$root/build/collector.log" 2>&1 &
  collector=$!
else
  tools/setup.sh
  collector=
fi

step "build ($preset)"
quietly cmake --preset "$preset"
cmake --build --preset "$preset"

step "build (fuzz)"
tools/fuzz.sh --build-only

if [ -n "$collector" ] && ! wait "$collector"; then
  echo "test: the collector could not be built, its test will say so: build/collector.log"
fi

step "test"
jobs=$(nproc)
if [ "$(id -u)" -eq 0 ]; then
  exec ctest --preset "$preset" -j "$jobs"
fi
echo "test: without root only unit tests run; BPF and end-to-end tests need: sudo make test"
exec ctest --preset "$preset" -j "$jobs" -L 'unit|fuzz'
