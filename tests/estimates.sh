#!/usr/bin/env bash
# Runs the samples with several methods, reconstructions and slots, each from an empty store, and prints planned over actual: wall time, processor time, memory, disk.
# Load is the number of processes that ran or waited in the minute before each run. Fails where any of the four is off by more than 2; wall time
# can be off where the load changes while a sample runs.
# usage: tests/estimates.sh [SLOTS...]      (default: 1 2)
set -euo pipefail
cd "$(dirname "$0")/.."
orc=${ORC:-artifacts/bin/Cli/release/orc}
[ $# -gt 0 ] || set -- 1 2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

declare -A steps=(
  [rtn]='[{method: rtn, bits: 4}]'
  [obq]='[{method: obq, bits: 4}]'
  [exact-obs]='[{method: exact-obs, sparsity: 0.7}]'
  [nm+obq]='[{method: nm, pattern: "2:4"}, {method: obq, bits: 4}]'
)

# Reconstructions: recipe of the sample, granularity, iterations of a group (weights, and step sizes where there are any).
reconstructions=("w4a32 block 100" "w2a32 stage 100" "w4a4 layer 100" "w2a4 block 100" "w2a4 block 1000")

failed=0
printf '%-20s %-16s %5s %6s %9s %9s %9s %9s %9s\n' sample methods slots load seconds time cpu memory disk
# usage: measure SAMPLE NAME SLOTS, with the recipe in place
measure() {
  local load
  rm -rf "$work/store" "$work/out"
  load=$(cut -d" " -f1 /proc/loadavg)
  "$orc" run "$work/$1/recipe.yaml" --slots "$3" --store "$work/store" --out "$work/out" >"$work/log" 2>&1 || { cat "$work/log" >&2; exit 1; }
  node -e '
    const [file, ...names] = process.argv.slice(1);
    const { seconds, estimate: { ratio } } = JSON.parse(require("fs").readFileSync(file));
    const figures = [ratio.seconds, ratio.cpuSeconds, ratio.memoryBytes, ratio.diskBytes];
    const off = figures.some(r => r < 0.5 || r > 2);
    console.log(names[0].padEnd(20), names[1].padEnd(16), names[2].padStart(5), names[3].padStart(6), seconds.toFixed(1).padStart(9), ...figures.map(r => r.toFixed(2).padStart(9)), off ? "OFF" : "");
    process.exit(off ? 1 : 0);' "$work/out/report.json" "$1" "$2" "$3" "$load" || failed=1
}

for sample in fashion-resnet14 fashion-mobilenetv2 kjv-gpt; do
  cp -r "src/Samples/$sample" "$work/"
  for methods in rtn obq exact-obs nm+obq; do
    # The sample's recipe with other steps.
    sed -e '/^compress:/,/^[a-z_]*:/{/^compress:/d;/^  - /d}' "src/Samples/$sample/recipe.yaml" > "$work/$sample/recipe.yaml"
    echo "compress: ${steps[$methods]}" >> "$work/$sample/recipe.yaml"
    for slots in "$@"; do
      measure "$sample" "$methods" "$slots"
    done
  done
  for reconstruction in "${reconstructions[@]}"; do
    read -r recipe granularity iterations <<< "$reconstruction"
    [ -f "src/Samples/$sample/$recipe.yaml" ] || continue
    sed -E "s/granularity: [a-z]+/granularity: $granularity/; s/iterations: [0-9]+/iterations: $iterations/g" "src/Samples/$sample/$recipe.yaml" > "$work/$sample/recipe.yaml"
    for slots in "$@"; do
      measure "$sample" "$recipe-$granularity-$iterations" "$slots"
    done
  done
done
exit $failed
