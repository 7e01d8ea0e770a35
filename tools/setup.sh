#!/bin/bash
# Installs what is missing from the distribution's packages and fetches the OTLP message files.
# Quick when nothing is missing: one dpkg-query and one stamp.
#
#   tools/setup.sh [LIST...]    lists of packages beside this file; default: packages.txt
#
# The .proto files end up under build/deps/opentelemetry-proto/usr/include (so that
# `-I build/deps/opentelemetry-proto/usr/include` finds opentelemetry/proto/...).
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)

lists=("$@")
[ ${#lists[@]} -gt 0 ] || lists=(packages.txt)
mapfile -t wanted < <(cd "$here" && sed -e 's/#.*//' -e 's/[[:space:]]*$//' -e '/^$/d' "${lists[@]}")

# What the lists name and dpkg does not hold as installed. A line "package|command" is content with
# the command, wherever it came from (node from another source, say).
missing() {
  local installed line package
  installed=$(dpkg-query -W -f '${db:Status-Abbrev} ${binary:Package}\n' 2>/dev/null |
    sed -n 's/^ii  *\([^: ]*\).*/\1/p')
  for line in "${wanted[@]}"; do
    package=${line%%|*}
    grep -qxF -- "$package" <<<"$installed" && continue
    [[ $line == *"|"* ]] && command -v "${line#*|}" >/dev/null && continue
    echo "$package"
  done
}

mapfile -t lacking < <(missing)
if [ ${#lacking[@]} -gt 0 ]; then
  if [ "$(id -u)" -ne 0 ]; then
    echo "setup: installing packages needs root; run as root: apt-get install ${lacking[*]}" >&2
    exit 1
  fi
  echo "setup: installing ${#lacking[@]} missing packages: ${lacking[*]}"
  export DEBIAN_FRONTEND=noninteractive
  install_lacking() {
    apt-get install -y -qq --no-install-recommends "${lacking[@]}" </dev/null >"$log" 2>&1
  }
  log=$(mktemp)
  # The lists may be absent (a fresh image) or old (a version that the mirror no longer has).
  if ! install_lacking; then
    if ! { apt-get update -qq </dev/null >>"$log" 2>&1 && install_lacking; }; then
      cat "$log" >&2
      rm -f "$log"
      echo "setup: the packages above could not be installed" >&2
      exit 1
    fi
  fi
  rm -f "$log"
  mapfile -t lacking < <(missing)
  if [ ${#lacking[@]} -gt 0 ]; then
    echo "setup: still missing after installing: ${lacking[*]}" >&2
    exit 1
  fi
fi

"$here/fetch_opentelemetry_proto.sh"
