#!/usr/bin/env bash
# A decoder-shaped model of 5 GB with its weights beside it, on a machine that gives the process far less: `orc inspect` reads its
# structure; `orc run` solves the first ROWS rows of one block's seven matrices (2:4 and 4 bits, 2,048 calibration tokens), is killed
# (SIGKILL) KILLS times, resumes, and ends with the bytes of an undisturbed run. Prints seconds and the peak of resident memory (VmHWM).
# Needs 20 GB of disk, and 26 GB with KILLS above 0. Not part of the default tests: tests/EndToEnd.Tests runs the same path in small.
# usage: tests/huge-model.sh [ROWS] [KILLS] [BLOCK] [FOLDER]     (defaults: 64, 2, 0, a temporary folder)
set -euo pipefail
cd "$(dirname "$0")/.."
rows=${1:-64}
kills=${2:-2}
block=${3:-0}
work=${4:-$(mktemp -d)}
orc=${ORC:-artifacts/bin/Cli/release/orc}
maker=${MAKER:-artifacts/bin/MakeDecoder/release/Orchestrator.MakeDecoder.dll}
# blocks, hidden, heads, intermediate, vocabulary, tokens of a sequence, sequences
shape=${SHAPE:-27 2048 16 4096 32000 128 16}
most_inspect=$((1 << 10)) most_run=$((4 << 10)) # MiB
[ $# -ge 4 ] || trap 'rm -rf "$work"' EXIT

fail() { echo "FAILED: $*" >&2; exit 1; }
field() { node -e 'const r = JSON.parse(require("fs").readFileSync(process.argv[1])); console.log(process.argv[2].split(".").reduce((o, k) => o[k], r))' "$1" "$2"; }
commits() { [ -d "$1/local/commits" ] && find "$1/local/commits" -type f | wc -l || echo 0; }
digests() { (cd "$1" && sha256sum model.onnx model.onnx.data); }

# Runs a command, then prints "seconds MiB": the wall time and the peak of resident memory, mapped files included.
measured() {
  python3 -c '
import os, subprocess, sys, time
started = time.time()
process = subprocess.Popen(sys.argv[2:], stdout=open(sys.argv[1], "w"), stderr=subprocess.STDOUT)
_, status, used = os.wait4(process.pid, 0)
print(f"{time.time() - started:.1f} {used.ru_maxrss // 1024}")
sys.exit(os.waitstatus_to_exitcode(status))' "$@"
}

[ -f "$work/model/model.onnx" ] || dotnet "$maker" "$work/model" $shape
# The builder names a block's seven matrices MatMul, _1, _2, _5, _6, _7, _8 and counts on by nine.
names=$(for i in 0 1 2 5 6 7 8; do n=$((block * 9 + i)); [ "$n" -eq 0 ] && echo -n '|MatMul' || echo -n "|MatMul_$n"; done)
cat > "$work/model/recipe.yaml" <<YAML
model: model.onnx
data:
  calibration: {file: tokens.npy}
compress:
  - {method: nm, pattern: "2:4"}
  - {method: obq, bits: 4}
layers:
  - {match: "/^(${names#|})\$/", rows: $rows}
  - {match: "*", skip: true}
YAML

read -r seconds peak < <(measured "$work/inspect.txt" "$orc" inspect "$work/model/model.onnx" || fail "inspect")
echo "inspect: $seconds s, $peak MiB"
[ "$peak" -lt "$most_inspect" ] || fail "inspect took more than $most_inspect MiB"

read -r seconds peak < <(measured "$work/run.txt" "$orc" run "$work/model/recipe.yaml" --store "$work/store" --out "$work/expected" || fail "run: $(tail -3 "$work/run.txt")")
echo "run: $seconds s, $peak MiB, $(field "$work/expected/report.json" units.total) units"
[ "$peak" -lt "$most_run" ] || fail "the run took more than $most_run MiB"
expected=$(digests "$work/expected")
total=$(field "$work/expected/report.json" units.total)
echo "$expected"
[ "$kills" -gt 0 ] || exit 0

rm -rf "$work/store"
for ((kill = 1; kill <= kills; kill++)); do
  # At a moment that depends on the work done, not on the clock: some units further on than the last time.
  "$orc" run "$work/model/recipe.yaml" --store "$work/store" --out "$work/out" > "$work/killed.txt" 2>&1 &
  pid=$!
  while kill -0 "$pid" 2>/dev/null && [ "$(commits "$work/store")" -lt $((total * kill / (kills + 1))) ]; do sleep 0.2; done
  kill -9 "$pid" 2>/dev/null || fail "the run ended before kill $kill: $(tail -3 "$work/killed.txt")"
  wait "$pid" 2>/dev/null || true
  echo "kill $kill: $(commits "$work/store") records of $total units"
done
read -r seconds peak < <(measured "$work/resumed.txt" "$orc" run "$work/model/recipe.yaml" --store "$work/store" --out "$work/out" || fail "resume: $(tail -3 "$work/resumed.txt")")
[ "$(digests "$work/out")" = "$expected" ] || fail "the model differs after resuming"
[ "$(field "$work/out/report.json" units.reused)" -gt 0 ] || fail "no unit was reused"
echo "resumed: $seconds s, $peak MiB, $(field "$work/out/report.json" units.reused) of $total units reused, same bytes"
