#!/usr/bin/env bash
# What a cluster costs beyond the work: the main sample by `orc run`, and by `orc submit` and `orc watch` to a server and a worker with as many
# slots that already run, in turn: tests/cluster-overhead.sh [ROUNDS]. Every round has a store of its own; the models have to be the same bytes.
# Needs `dotnet build -c Release src/Cli` before, and bc.
set -u -o pipefail
cd "$(dirname "$0")/.."
orc=$PWD/artifacts/bin/Cli/release/orc
rounds=${1:-3} slots=2
folder=$(mktemp -d)
pids=()
stop() { [ "${#pids[@]}" -eq 0 ] || { kill -9 "${pids[@]}"; wait "${pids[@]}"; } 2>/dev/null; pids=(); }
trap 'stop; rm -rf "$folder"' EXIT
cp -r src/Samples/fashion-resnet14/. "$folder"
seconds() { echo "($(date +%s%N) - $1) / 1000000000" | bc -l; }

embedded=() cluster=()
for round in $(seq "$rounds"); do
  began=$(date +%s%N)
  "$orc" run "$folder/recipe.yaml" --store "$folder/store-run-$round" --out "$folder/run-$round" --slots $slots > "$folder/log" 2>&1 || { cat "$folder/log"; exit 1; }
  embedded+=("$(seconds "$began")")

  store="$folder/store-cluster-$round" server="http://127.0.0.1:7391"
  "$orc" serve --store "$store" --listen "$server" > "$folder/server.log" 2>&1 & pids+=($!)
  until curl -s -m 2 "$server/v1/server" | grep -q '"role":"active"'; do sleep 0.1; done
  "$orc" worker --server "$server" --store "$store" --slots $slots --cache "$folder/cache-$round" > "$folder/worker.log" 2>&1 & pids+=($!)
  until grep -q registered "$folder/worker.log"; do sleep 0.1; done
  began=$(date +%s%N)
  job=$("$orc" submit "$folder/recipe.yaml" --server "$server" --json 2> "$folder/log" | grep -o '"id": *"[0-9a-f]*"' | head -1 | grep -o '[0-9a-f]\{8,\}')
  "$orc" watch "$job" --server "$server" > "$folder/log" 2>&1 || { cat "$folder/log"; exit 1; }
  "$orc" fetch "$job" --server "$server" --out "$folder/cluster-$round" > "$folder/log" 2>&1 || { cat "$folder/log"; exit 1; }
  cluster+=("$(seconds "$began")")
  stop
  cmp "$folder/run-$round/model.onnx" "$folder/cluster-$round/model.onnx" || exit 1
  printf 'round %s: orc run %.1f s, submit to fetch %.1f s (%+.1f %%)\n' "$round" "${embedded[-1]}" "${cluster[-1]}" "$(echo "(${cluster[-1]} / ${embedded[-1]} - 1) * 100" | bc -l)"
done
sum() { printf '%s\n' "$@" | awk '{ total += $1 } END { print total }'; }
printf 'all rounds: %+.1f %%; every model had the same bytes\n' "$(echo "($(sum "${cluster[@]}") / $(sum "${embedded[@]}") - 1) * 100" | bc -l)"
