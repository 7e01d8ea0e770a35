#!/bin/bash
# Builds a small OpenTelemetry Collector (OTLP in, JSON lines out) into build/backends/otelcol-test,
# once. One end-to-end test sends to it. Takes minutes the first time; exits 3 when Go is too old to
# fetch the one that the collector needs.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
backends=$root/build/backends
version=0.155.0
providers=1.61.0
core=go.opentelemetry.io/collector
contrib=github.com/open-telemetry/opentelemetry-collector-contrib
binary=$backends/otelcol-test
stamp="otelcol-test $version $providers env file"

mkdir -p "$backends"
exec 9>"$backends/.lock"
flock 9
if [ -x "$binary" ] && [ "$(cat "$binary.stamp" 2>/dev/null)" = "$stamp" ]; then
  exit 0
fi
command -v go >/dev/null || { echo "build_collector: Go is not installed" >&2; exit 1; }
have=$(go env GOVERSION)
if [ "$(printf '%s\n' go1.21 "$have" | sort -V | head -1)" != go1.21 ]; then
  echo "build_collector: the collector needs Go 1.21 or newer, not $have" >&2
  exit 3
fi

export CGO_ENABLED=0 GOWORK=off GOFLAGS=-trimpath
work=$backends/collector
rm -rf "$work"
mkdir -p "$work"
cd "$work"
cat >builder.yaml <<YAML
dist: {name: otelcol-test, output_path: ./source, version: $version}
receivers:
  - gomod: $core/receiver/otlpreceiver v$version
exporters:
  - gomod: $contrib/exporter/fileexporter v$version
providers:
  - gomod: $core/confmap/provider/envprovider v$providers
  - gomod: $core/confmap/provider/fileprovider v$providers
YAML
GOBIN=$work go install -ldflags='-s -w' "$core/cmd/builder@v$version"
# Sources only: the builder's own `go mod tidy` wants modules that only tests use.
./builder --config builder.yaml --skip-get-modules --skip-compilation
cd source
go mod init otelcol-test
mapfile -t modules < <(sed -n 's/^ *- gomod: *\(\S*\) \(\S*\)/\1@\2/p' ../builder.yaml)
go get "$core/otelcol@v$version" "${modules[@]}"
go build -mod=mod -ldflags='-s -w' -o "$binary.new" .
mv "$binary.new" "$binary"
echo "$stamp" >"$binary.stamp"
cd "$backends"
rm -rf "$work"
