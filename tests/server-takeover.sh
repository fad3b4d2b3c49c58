#!/usr/bin/env bash
# How long two servers over one store are without an active one: after kill -9 (three times) and after SIGTERM.
# Needs `dotnet build -c Release src/Cli` before, curl and bc.
set -u -o pipefail
cd "$(dirname "$0")/.."
orc=artifacts/bin/Cli/release/orc
folder=$(mktemp -d)
ports=(7181 7182)
pids=(0 0)
trap 'kill -9 "${pids[@]}" 2>/dev/null; rm -rf "$folder"' EXIT

start() {
  "$orc" serve --store "$folder/store" --listen "http://127.0.0.1:${ports[$1]}" --name "server-$1" >> "$folder/$1.log" 2>&1 &
  pids[$1]=$!
}

await_active() {
  for _ in $(seq 1 1200); do
    curl -s -m 2 "http://127.0.0.1:${ports[$1]}/v1/server" | grep -q '"role":"active"' && return
    sleep 0.1
  done
  echo "server-$1 did not take over within two minutes"
  exit 1
}

start 0; await_active 0
start 1; sleep 10
active=0
for round in 1 2 3; do
  other=$((1 - active))
  began=$(date +%s.%N)
  kill -9 "${pids[$active]}"
  await_active "$other"
  echo "kill -9: $(echo "$(date +%s.%N) - $began" | bc) s"
  start "$active"; sleep 10
  active=$other
done
began=$(date +%s.%N)
kill -TERM "${pids[$active]}"
await_active $((1 - active))
echo "SIGTERM: $(echo "$(date +%s.%N) - $began" | bc) s"
