#!/bin/bash
# A throwaway certificate authority and a server certificate for the simulator.
#
#   tests/simulator/certs.sh DIR    writes DIR/{ca.pem,server.pem,server.key}; keeps what is there
#
# Nothing signed by this authority is trusted by anybody who did not name ca.pem.
set -euo pipefail
dir=${1:?usage: certs.sh DIR}
mkdir -p "$dir"
if [ -s "$dir/server.pem" ] && openssl x509 -checkend 86400 -noout -in "$dir/server.pem" >/dev/null; then
  exit 0
fi
work=$(mktemp -d "$dir/new.XXXXXX")
trap 'rm -rf "$work"' EXIT
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 \
  -subj "/CN=Simulator throwaway CA" -addext "basicConstraints=critical,CA:TRUE" \
  -addext "keyUsage=critical,keyCertSign" \
  -keyout "$work/ca.key" -out "$work/ca.pem" 2>/dev/null
openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=localhost" \
  -keyout "$work/server.key" -out "$work/server.csr" 2>/dev/null
cat >"$work/ext" <<'EXT'
basicConstraints=CA:FALSE
keyUsage=digitalSignature
extendedKeyUsage=serverAuth
subjectAltName=DNS:localhost,IP:127.0.0.1,IP:::1,DNS:api.openai.com,DNS:api.anthropic.com
EXT
openssl x509 -req -days 30 -in "$work/server.csr" -CA "$work/ca.pem" -CAkey "$work/ca.key" \
  -CAcreateserial -extfile "$work/ext" -out "$work/server.pem" 2>/dev/null
rm -f "$work/ca.key" "$work/server.csr" "$work/ext" "$work/ca.srl"
chmod 644 "$work"/*
mv "$work"/* "$dir/"
