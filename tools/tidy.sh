#!/bin/bash
# `make tidy`: clang-tidy over every source file of ours, warnings are errors.
#
#   tools/tidy.sh [FILE...]    default: all; PRESET=dev names the build with the compile commands
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
cd "$root"
build=build/${PRESET:-dev}
[ -f "$build/compile_commands.json" ] || cmake --preset "${PRESET:-dev}" >/dev/null
if [ $# -gt 0 ]; then
  files=("$@")
else
  mapfile -t files < <(git ls-files 'agent/**.cc' 'decoders/**.cc')
fi
# g++-only warning switches would be unknown to clang.
printf '%s\0' "${files[@]}" | xargs -0 -n 4 -P "$(nproc)" \
  clang-tidy -p "$build" --quiet --warnings-as-errors='*' --extra-arg=-Wno-unknown-warning-option
