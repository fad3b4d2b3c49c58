#!/usr/bin/env bash
# Two jobs on two servers that are Orleans silos over PostgreSQL, and two workers: the active server is killed (-9) in the middle, comes back, then
# the other one is killed. The models have to have the bytes of `orc run`.
# Needs `dotnet build -c Release src/Cli` before (with Orleans), PostgreSQL's programs, curl.
set -u -o pipefail
cd "$(dirname "$0")/.."
orc=$PWD/artifacts/bin/Cli/release/orc
folder=$(mktemp -d); chmod 755 "$folder"
ports=(7281 7282)
server_pids=(0 0); worker_pids=()
programs=$(ls -d /usr/lib/postgresql/*/bin | sort -V | tail -1)
# PostgreSQL refuses to run as root; its package makes a user for it.
as_postgres() { if [ "$(id -u)" -eq 0 ]; then setpriv --reuid postgres --regid postgres --clear-groups "$@"; else "$@"; fi; }
cleanup() {
  kill -9 "${server_pids[@]}" ${worker_pids[@]+"${worker_pids[@]}"} 2>/dev/null; wait 2>/dev/null
  as_postgres "$programs/pg_ctl" -D "$folder/pg/data" -s -m immediate stop
  rm -rf "$folder"
}
trap cleanup EXIT

mkdir "$folder/pg"; [ "$(id -u)" -ne 0 ] || chown postgres "$folder/pg"
as_postgres "$programs/initdb" -D "$folder/pg/data" -U postgres -A trust -E UTF8 --no-sync --no-instructions > /dev/null || exit 1
as_postgres "$programs/pg_ctl" -D "$folder/pg/data" -w -s -l "$folder/pg/log" -o "-c listen_addresses='' -c fsync=off -k $folder/pg" start || exit 1
echo "Host=$folder/pg;Username=postgres;Database=postgres" > "$folder/database.txt"; chmod 600 "$folder/database.txt"

start() {
  "$orc" serve --store "$folder/store" --cluster postgres --database-file "$folder/database.txt" --silo "127.0.0.1:$((11181 + $1))" \
    --listen "http://127.0.0.1:${ports[$1]}" --name "server-$1" >> "$folder/server-$1.log" 2>&1 &
  server_pids[$1]=$!
}

await() {
  for _ in $(seq 1 1200); do
    if curl -s -m 2 "http://127.0.0.1:${ports[$1]}/v1/server" | grep -q "\"role\":\"$2\""; then return; fi
    sleep 0.1
  done
  echo "server-$1 was not $2 within two minutes"; tail -5 "$folder/server-$1.log"; exit 1
}

units() { "$orc" dump --store "$folder/store" --json 2>/dev/null | grep -o '^      "committed": *[0-9]*' | tr -dc '0-9\n' | awk '{ total += $1 } END { print total + 0 }'; }

servers="http://127.0.0.1:${ports[0]},http://127.0.0.1:${ports[1]}"
start 0; await 0 active
start 1; await 1 standby
for worker in 0 1; do
  "$orc" worker --store "$folder/store" --server "$servers" --name "worker-$worker" --slots 1 --cache "$folder/cache-$worker" >> "$folder/worker-$worker.log" 2>&1 &
  worker_pids+=($!)
done
cp src/Samples/fashion-resnet14/*.onnx src/Samples/fashion-resnet14/*.npz "$folder"
jobs=()
for job in 0 1; do
  cat > "$folder/recipe-$job.yaml" <<RECIPE
version: 1
model: fashion_resnet14.onnx
data: {calibration: {file: fashion-calibration.npz, samples: $((512 + 256 * job))}}
compress: [{method: exact-obs, sparsity: 0.6}, {method: obq, bits: 4}]
RECIPE
  "$orc" run "$folder/recipe-$job.yaml" --store "$folder/embedded" --out "$folder/expected-$job" > "$folder/run.log" 2>&1 || { cat "$folder/run.log"; exit 1; }
done
for job in 0 1; do
  jobs+=("$("$orc" submit "$folder/recipe-$job.yaml" --server "$servers" --json 2> "$folder/submit.log" | grep -o '"id": *"[0-9a-f]*"' | head -1 | grep -o '[0-9a-f]\{8,\}')")
done
active=0
for round in 1 2; do
  before=$(units)
  for _ in $(seq 1 600); do [ "$(units)" -ge $((before + 10)) ] && break; sleep 0.2; done
  other=$((1 - active))
  began=$(date +%s%N)
  kill -9 "${server_pids[$active]}"; wait "${server_pids[$active]}" 2>/dev/null
  killed_at=$(units)
  await "$other" active
  echo "silo $active killed with $killed_at units committed; server-$other active after $((($(date +%s%N) - began) / 1000000)) ms"
  for _ in $(seq 1 1200); do [ "$(units)" -gt "$killed_at" ] && break; sleep 0.1; done
  echo "  next unit committed after $((($(date +%s%N) - began) / 1000000)) ms"
  start "$active"; await "$active" standby
  active=$other
done
for job in 0 1; do
  "$orc" watch "${jobs[$job]}" --server "$servers" > "$folder/watch.log" 2>&1 || { tail -5 "$folder/watch.log"; exit 1; }
  "$orc" fetch "${jobs[$job]}" --server "$servers" --out "$folder/delivered-$job" > "$folder/fetch.log" 2>&1 || { cat "$folder/fetch.log"; exit 1; }
  cmp "$folder/expected-$job/model.onnx" "$folder/delivered-$job/model.onnx" || exit 1
done
echo "$(units) units; both models have the bytes of orc run"
