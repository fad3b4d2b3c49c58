#!/usr/bin/env bash
# What a cluster costs beyond the work: a sample by `orc run`, and by `orc submit`, `orc watch` and `orc fetch` to a server and a worker with as
# many slots that already run, in turn: tests/cluster-overhead.sh [ROUNDS [main|small [folder|azurite]]]. `main` is the README's first command,
# `small` the same model in 4 bits by OBQ on 128 images. Every round has stores of its own; the models have to be the same bytes. With Azurite
# (needs .ci/install) the worker has no key of the store, as it should be: it asks the server for every blob.
# Needs `dotnet build -c Release src/Cli` before, curl and bc.
set -u -o pipefail
cd "$(dirname "$0")/.."
orc=$PWD/artifacts/bin/Cli/release/orc
rounds=${1:-3} size=${2:-main} kind=${3:-folder} slots=2
port=7391 server="http://127.0.0.1:7391"
folder=$(mktemp -d)
pids=() azurite=""
stop() { [ "${#pids[@]}" -eq 0 ] || { kill -9 "${pids[@]}"; wait "${pids[@]}"; } 2>/dev/null; pids=(); }
trap 'stop; [ -z "$azurite" ] || { kill -9 "$azurite"; wait "$azurite"; } 2>/dev/null; rm -rf "$folder"' EXIT
cp -r src/Samples/fashion-resnet14/. "$folder"
if [ "$size" = small ]; then
  cat > "$folder/recipe.yaml" <<RECIPE
version: 1
model: fashion_resnet14.onnx
data: {calibration: {file: fashion-calibration.npz, samples: 128}}
compress: [{method: obq, bits: 4}]
RECIPE
fi
seconds() { echo "($(date +%s%N) - $1) / 1000000000" | bc -l; }
fail() { echo "$1"; cat "$folder"/*log; exit 1; }
await() { for _ in $(seq 600); do if "$@"; then return; fi; sleep 0.1; done; fail "waited a minute for: $*"; }
is_active() { curl -s -m 2 "$server/v1/server" | grep -q '"role":"active"'; }
is_registered() { grep -q registered "$folder/worker.log"; }

shared=()
if [ "$kind" = azurite ]; then
  key=$(head -c 64 /dev/urandom | base64 -w 0)
  (umask 077; echo "$key" > "$folder/store.key")
  AZURITE_ACCOUNTS="devstoreaccount1:$key" node tests/TestKit/Azurite/node_modules/azurite/dist/src/blob/main.js \
    --blobPort $((port + 1)) --location "$folder/azurite" --silent --disableTelemetry > "$folder/azurite.log" 2>&1 & azurite=$!
  await curl -s -m 2 -o "$folder/answer" "http://127.0.0.1:$((port + 1))/"
  shared=(--store-key-file "$folder/store.key")
fi
store_of() { if [ "$kind" = azurite ]; then echo "http://127.0.0.1:$((port + 1))/devstoreaccount1/$1"; else echo "$folder/$1"; fi; }

embedded=() cluster=()
for round in $(seq "$rounds"); do
  began=$(date +%s%N)
  "$orc" run "$folder/recipe.yaml" --store "$(store_of "run-store-$round")" "${shared[@]}" --out "$folder/run-$round" --slots $slots > "$folder/log" 2>&1 || fail "orc run failed"
  embedded+=("$(seconds "$began")")

  store=$(store_of "cluster-store-$round")
  began=$(date +%s%N)
  "$orc" serve --store "$store" "${shared[@]}" --listen "$server" > "$folder/server.log" 2>&1 & pids+=($!)
  await is_active
  from=(--store "$store"); [ "$kind" = folder ] || from=()
  "$orc" worker --server "$server" "${from[@]}" --slots $slots > "$folder/worker.log" 2>&1 & pids+=($!)
  await is_registered
  started=$(seconds "$began")
  began=$(date +%s%N)
  job=$("$orc" submit "$folder/recipe.yaml" --server "$server" --json 2> "$folder/log" | grep -o '"id": *"[0-9a-f]*"' | head -1 | grep -o '[0-9a-f]\{8,\}')
  submitted=$(seconds "$began")
  "$orc" watch "$job" --server "$server" > "$folder/log" 2>&1 || fail "the job failed"
  watched=$(seconds "$began")
  "$orc" fetch "$job" --server "$server" --out "$folder/cluster-$round" > "$folder/log" 2>&1 || fail "nothing was fetched"
  cluster+=("$(seconds "$began")")
  stop
  cmp "$folder/run-$round/model.onnx" "$folder/cluster-$round/model.onnx" || exit 1
  printf 'round %s: orc run %.1f s; cluster %.1f s (%+.1f %%), of which submit %.1f s and fetch %.1f s; server and worker had started in %.1f s; load %s\n' "$round" "${embedded[-1]}" "${cluster[-1]}" \
    "$(echo "(${cluster[-1]} / ${embedded[-1]} - 1) * 100" | bc -l)" "$submitted" "$(echo "${cluster[-1]} - $watched" | bc -l)" "$started" "$(cut -d' ' -f1 /proc/loadavg)"
done
sum() { printf '%s\n' "$@" | awk '{ total += $1 } END { print total }'; }
printf 'all rounds: %+.1f %%; every model had the same bytes\n' "$(echo "($(sum "${cluster[@]}") / $(sum "${embedded[@]}") - 1) * 100" | bc -l)"
began=$(date +%s%N)
for _ in 1 2 3 4 5; do "$orc" --version > "$folder/log"; done
printf 'a start of orc alone: %.2f s (once in orc run, three times in submit, watch and fetch)\n' "$(echo "$(seconds "$began") / 5" | bc -l)"
