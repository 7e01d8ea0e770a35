#!/bin/bash
# `make demo`: sets up, builds, starts the simulated provider, and runs examples/agent.py under
# `sonde run`. No key, no account and no network beyond the package registries are needed.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
cd "$root"
preset=${PRESET:-dev}
sonde=$root/build/$preset/sonde

if [ "$(id -u)" -ne 0 ]; then
  echo "demo: loading BPF programs and installing packages needs root: sudo make demo" >&2
  exit 1
fi

tools/setup.sh packages.txt
tools/clients.sh python
echo "demo: building (the first time takes some minutes)"
log=$root/build/demo.log
if ! { cmake --preset "$preset" && cmake --build --preset "$preset" --target sonde; } >"$log" 2>&1; then
  tail -n 40 "$log" >&2
  exit 1
fi

work=$(mktemp -d)
chmod 755 "$work"
simulator=
finish() {
  [ -z "$simulator" ] || { kill "$simulator" 2>/dev/null && wait "$simulator"; } || true
  rm -rf "$work"
}
trap finish EXIT

tests/simulator/certs.sh "$work/certs"
mkfifo "$work/listening"
python3 tests/simulator/simulator.py --books "$work/books.jsonl" \
  --tls-cert "$work/certs/server.pem" --tls-key "$work/certs/server.key" --lively \
  >"$work/listening" &
simulator=$!
read -r listening <"$work/listening"
port=$(sed -n 's/.*"tls_port": \([0-9]*\).*/\1/p' <<<"$listening")

# The agent is an ordinary program: it is told where its providers are by its libraries' own
# variables, and Sonde is told whose prices these hosts have.
export OPENAI_BASE_URL=https://localhost:$port/v1 OPENAI_API_KEY=sk-test-demo
export ANTHROPIC_BASE_URL=https://127.0.0.1:$port ANTHROPIC_API_KEY=sk-ant-test-demo
export SSL_CERT_FILE=$work/certs/ca.pem PYTHONWARNINGS=ignore
printf '\n$ sonde run -- python examples/agent.py\n\n'
"$sonde" run --provider "localhost:$port=openai" --provider "127.0.0.1:$port=anthropic" -- \
  "$root/build/clients/venv/bin/python" examples/agent.py
printf '\ndemo: now your own program:  sudo %s run -- python your.py\n' "${sonde#"$PWD"/}"
