#!/bin/bash
# Fails when clang-format would change a source file.
set -euo pipefail
cd "$(dirname "$0")/.."
if git rev-parse --is-inside-work-tree >/dev/null 2>&1; then
  mapfile -t files < <(git ls-files '*.cc' '*.h' '*.c' | while read -r f; do [ ! -f "$f" ] || echo "$f"; done)
else
  mapfile -t files < <(find agent bpf decoders tests \( -name '*.cc' -o -name '*.h' -o -name '*.c' \))
fi
[ ${#files[@]} -gt 0 ] || { echo "check_format: no source files found" >&2; exit 1; }
clang-format --dry-run -Werror "${files[@]}"
echo "check_format: ${#files[@]} files are formatted"
