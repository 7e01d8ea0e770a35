#!/bin/bash
# Puts the OTLP .proto files into build/deps/opentelemetry-proto/usr/include.
#
# Debian ships them from trixie on as the package `opentelemetry-proto` (all architectures, no
# dependencies), so the package unpacks on an older release too. Three ways, first that works:
#   1. the package is installed: link to it;
#   2. download the package alone, with a source list and a lists folder of its own in the build
#      folder, mirror and key taken from this machine's own source, the suite changed. The system's
#      lists are not touched and nothing is installed;
#   3. the Maven artifact, which carries the same files.
# Needs no root.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
deps=$root/build/deps
target=$deps/opentelemetry-proto
include=$target/usr/include
package=opentelemetry-proto

# Every file the exporter compiles, by its path below the include folder.
needed=(
  opentelemetry/proto/common/v1/common.proto
  opentelemetry/proto/resource/v1/resource.proto
  opentelemetry/proto/trace/v1/trace.proto
  opentelemetry/proto/metrics/v1/metrics.proto
  opentelemetry/proto/logs/v1/logs.proto
  opentelemetry/proto/collector/trace/v1/trace_service.proto
  opentelemetry/proto/collector/metrics/v1/metrics_service.proto
  opentelemetry/proto/collector/logs/v1/logs_service.proto
)

complete() {  # complete DIR: all needed files are below DIR
  local file
  for file in "${needed[@]}"; do [ -s "$1/$file" ] || return 1; done
}

complete "$include" && exit 0
mkdir -p "$deps"
work=$(mktemp -d "$deps/fetch.XXXXXX")
trap 'rm -rf "$work"' EXIT

publish() {  # publish DIR: DIR (with usr/include below it) becomes the target, in one step
  complete "$1/usr/include" || return 1
  rm -rf "$target"
  mv "$1" "$target"
}

from_installed() {
  complete /usr/include || return 1
  mkdir -p "$work/installed/usr/include"
  ln -s /usr/include/opentelemetry "$work/installed/usr/include/opentelemetry"
  publish "$work/installed"
}

# Prints "URI<tab>OPTIONS" of the machine's main source for its own release.
own_source() {
  local codename entry uri file options="" key
  codename=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
  entry=$(apt-get indextargets --format '$(CREATED_BY)|$(RELEASE)|$(COMPONENT)|$(REPO_URI)|$(SOURCESENTRY)' |
    grep "^Packages|$codename|main|" | sed -n 1p) || return 1
  [ -n "$entry" ] || return 1
  uri=$(cut -d'|' -f4 <<<"$entry")
  file=$(cut -d'|' -f5 <<<"$entry")
  file=${file%:*}
  # The key that signs this mirror: "Signed-By: F" in .sources, "[signed-by=F]" in .list. A key
  # written inline in a .sources file is not a path; then the trusted keys of the system decide.
  key=$(sed -n -e 's/^[Ss]igned-[Bb]y:[[:space:]]*\(\/[^[:space:]]*\).*/\1/p' \
    -e 's/^deb .*\[.*signed-by=\([^] ]*\).*\].*/\1/p' "$file" | sed -n 1p)
  [ -n "$key" ] && options="signed-by=$key"
  printf '%s\t%s\n' "$uri" "$options"
}

# The first release of this family that carries the package.
suite_with_package() {
  case $(. /etc/os-release && echo "${ID:-}") in
    ubuntu) echo resolute ;;
    *) echo trixie ;;
  esac
}

from_package() {
  command -v apt-get >/dev/null && command -v dpkg >/dev/null || return 1
  local source uri options apt=(apt-get -qq)
  mkdir -p "$work/download" "$work/unpacked"
  if ! apt-cache show "$package" >/dev/null 2>&1; then
    source=$(own_source) || return 1
    IFS=$'\t' read -r uri options <<<"$source"
    mkdir -p "$work/lists/partial" "$work/cache/archives/partial" "$work/preferences"
    echo "deb ${options:+[$options] }$uri $(suite_with_package) main" >"$work/sources.list"
    apt+=(-o Dir::Etc::sourcelist="$work/sources.list" -o Dir::Etc::sourceparts=-
          -o Dir::Etc::preferencesparts="$work/preferences" -o Dir::State::lists="$work/lists"
          -o Dir::Cache="$work/cache" -o Acquire::Languages=none -o Acquire::Retries=3)
    [ "$(id -u)" -ne 0 ] || apt+=(-o APT::Sandbox::User=root)
    "${apt[@]}" update || return 1
  elif [ "$(id -u)" -eq 0 ]; then
    apt+=(-o APT::Sandbox::User=root)
  fi
  (cd "$work/download" && "${apt[@]}" download "$package" >/dev/null) || return 1
  dpkg -x "$work"/download/"$package"_*.deb "$work/unpacked" || return 1
  publish "$work/unpacked"
}

from_maven() {
  command -v mvn >/dev/null && command -v unzip >/dev/null || return 1
  local coordinates=io.opentelemetry.proto:opentelemetry-proto:1.5.0-alpha jar
  mvn -q -B org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy \
    -Dartifact="$coordinates" -DoutputDirectory="$work/jar" || return 1
  jar=$(ls "$work"/jar/*.jar) || return 1
  mkdir -p "$work/maven/usr/include"
  unzip -q "$jar" 'opentelemetry/proto/*.proto' -d "$work/maven/usr/include" || return 1
  publish "$work/maven"
}

for way in from_installed from_package from_maven; do
  if "$way"; then
    echo "setup: OTLP message files are in ${include#"$root"/} (${way#from_})"
    exit 0
  fi
done
echo "setup: the OTLP message files could not be fetched: install the package $package" \
  "(Debian 13 and newer), or Maven and unzip, and run this again" >&2
exit 1
