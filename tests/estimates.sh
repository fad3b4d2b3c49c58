#!/usr/bin/env bash
# Runs the samples with several methods and slots, each from an empty store, and prints planned over actual: wall time, processor time, memory, disk.
# Wall time is disturbed by whatever else the machine does; processor time hardly. Fails where memory, disk or processor time is off by more than 2.
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

failed=0
printf '%-20s %-10s %5s %9s %9s %9s %9s %9s\n' sample methods slots seconds time cpu memory disk
for sample in fashion-resnet14 fashion-mobilenetv2 kjv-gpt; do
  cp -r "src/Samples/$sample" "$work/"
  for methods in rtn obq exact-obs nm+obq; do
    # The sample's recipe with other steps.
    sed -e '/^compress:/,/^[a-z_]*:/{/^compress:/d;/^  - /d}' "src/Samples/$sample/recipe.yaml" > "$work/$sample/recipe.yaml"
    echo "compress: ${steps[$methods]}" >> "$work/$sample/recipe.yaml"
    for slots in "$@"; do
      rm -rf "$work/store" "$work/out"
      "$orc" run "$work/$sample/recipe.yaml" --slots "$slots" --store "$work/store" --out "$work/out" >"$work/log" 2>&1 || { cat "$work/log" >&2; exit 1; }
      node -e '
        const [file, ...names] = process.argv.slice(1);
        const { seconds, estimate: { ratio } } = JSON.parse(require("fs").readFileSync(file));
        const figures = [ratio.seconds, ratio.cpuSeconds, ratio.memoryBytes, ratio.diskBytes];
        const off = figures.slice(1).some(r => r < 0.5 || r > 2);
        console.log(names[0].padEnd(20), names[1].padEnd(10), names[2].padStart(5), seconds.toFixed(1).padStart(9), ...figures.map(r => r.toFixed(2).padStart(9)), off ? "OFF" : "");
        process.exit(off ? 1 : 0);' "$work/out/report.json" "$sample" "$methods" "$slots" || failed=1
    done
  done
done
exit $failed
