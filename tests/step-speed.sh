#!/usr/bin/env bash
# Training steps of blocks beside PyTorch's (the convolutional ones: Debian's has no fast product of matrices), in turn, one thread each; the least of all rounds counts, in processor time, since other work on the machine only adds.
# usage: tests/step-speed.sh [ROUNDS] [RUNS] [PART OF A NAME]        needs PyTorch (Debian: python3-torch); PYTHON names another python3
set -euo pipefail
cd "$(dirname "$0")/.."
rounds=${1:-5}
runs=${2:-15}
part=${3:-}
bench=artifacts/bin/Benchmarks/release/Orchestrator.Benchmarks.dll
[ -f "$bench" ] || dotnet build -c Release tests/Benchmarks -v q -nologo
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
for _ in $(seq "$rounds"); do
  dotnet "$bench" step-speed "$runs" "$part" >>"$work/ours"
  OMP_NUM_THREADS=1 "${PYTHON:-python3}" tests/pytorch_steps.py "$runs" "$part" >>"$work/theirs"
done
# name | ours | of the floor | PyTorch
awk -F ' +least +' '
  /least/ { split($2, ms, " "); name = $1; file = FILENAME }
  /least/ && FILENAME ~ /ours/ { match($0, /of the floor of [0-9.]+/); floor = substr($0, RSTART + 16, RLENGTH - 16); if (!(name in ours) || ms[1] < ours[name]) ours[name] = ms[1]; if (!(name in least) || floor < least[name]) least[name] = floor; if (!(name in order)) { order[name] = ++count; names[count] = name } }
  /least/ && FILENAME ~ /theirs/ { if (!(name in theirs) || ms[1] < theirs[name]) theirs[name] = ms[1] }
  END { print "| block | ours, ms | floor, ms | PyTorch, ms | ours / PyTorch |"; print "| --- | --- | --- | --- | --- |"
        for (i = 1; i <= count; i++) { n = names[i]; printf "| %s | %.1f | %.1f | %s | %s |\n", n, ours[n], least[n], n in theirs ? sprintf("%.1f", theirs[n]) : "", n in theirs ? sprintf("%.2f", ours[n] / theirs[n]) : "" } }
' "$work/ours" "$work/theirs"
