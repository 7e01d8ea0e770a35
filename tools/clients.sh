#!/bin/bash
# Installs the real clients of the end-to-end tests under build/clients: a Python environment
# (venv/) and a Node one (node/), each pinned by a file in tests/e2e/clients. Quick when done.
# Needs the package registries that pip and npm are configured for; no root.
#
#   tools/clients.sh [python]    python: only that environment
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
pins=$root/tests/e2e/clients
clients=$root/build/clients
mkdir -p "$clients"
exec 9>"$clients/.lock"
flock 9

stamped() {  # stamped STAMP FILE...: the stamp was made from these very files
  [ -f "$1" ] && cat "${@:2}" | cmp -s - "$1"
}

if ! stamped "$clients/venv/.stamp" "$pins/requirements.txt"; then
  rm -rf "$clients/venv"
  python3 -m venv "$clients/venv"
  "$clients/venv/bin/pip" install -q --disable-pip-version-check -r "$pins/requirements.txt"
  cat "$pins/requirements.txt" >"$clients/venv/.stamp"
  echo "clients: Python libraries are in build/clients/venv"
fi

[ "${1:-}" != python ] || exit 0

if ! stamped "$clients/node/.stamp" "$pins/package.json" "$pins/package-lock.json"; then
  rm -rf "$clients/node"
  mkdir -p "$clients/node"
  cp "$pins/package.json" "$pins/package-lock.json" "$clients/node/"
  (cd "$clients/node" && npm ci --silent --no-audit --no-fund)
  cat "$pins/package.json" "$pins/package-lock.json" >"$clients/node/.stamp"
  echo "clients: Node libraries are in build/clients/node"
fi
