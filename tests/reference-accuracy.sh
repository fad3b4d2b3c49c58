#!/usr/bin/env bash
# Top-1 of the main sample under the settings that the original OBC code was measured with, beside its figures.
# usage: tests/reference-accuracy.sh [keep|fold|retune|spread] [SLOTS]
# Fails with keep, as the reference was measured, where we are more than 0.3 points below it; with retune, where 90 % unstructured is less than
# 20 points above it; and in each mode where 2:4 + 4 bit is more than 0.5 points below 2:4 alone.
# One line has a bound of its own: at 90 % by sorting, changes of the calibration images far below what a file of bytes can hold move the accuracy by
# more than 0.3 points (infra/docs/results.md). "spread" measures that: the line again and again, each time with the pixels' mean moved by a millionth.
set -euo pipefail
cd "$(dirname "$0")/.."
batch_norm=${1:-keep}
slots=${2:-2}
orc=${ORC:-artifacts/bin/Cli/release/orc}
sample=src/Samples/fashion-resnet14
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp "$sample"/*.onnx "$sample"/*.npz "$work"

# name | reference top-1 of the original code, which chose masks by sorting | compress
settings='
OBQ 4 bit|93.26|{method: obq, bits: 4, damping: 0}
OBQ 3 bit|93.20|{method: obq, bits: 3, damping: 0}
OBQ 2 bit|91.84|{method: obq, bits: 2, damping: 0}
2:4|93.23|{method: nm, pattern: "2:4", damping: 0}
2:4 + OBQ 4 bit|joint|{method: nm, pattern: "2:4", damping: 0}, {method: obq, bits: 4, damping: 0}
50 % unstructured, sort|93.17|{method: exact-obs, sparsity: 0.5, select: sort, damping: 0}
70 % unstructured, sort|92.60|{method: exact-obs, sparsity: 0.7, select: sort, damping: 0}
80 % unstructured, sort|91.72|{method: exact-obs, sparsity: 0.8, select: sort, damping: 0}
90 % unstructured, sort|66.27|{method: exact-obs, sparsity: 0.9, select: sort, damping: 0}
50 % unstructured, heap|93.17|{method: exact-obs, sparsity: 0.5, damping: 0}
70 % unstructured, heap|92.60|{method: exact-obs, sparsity: 0.7, damping: 0}
80 % unstructured, heap|91.72|{method: exact-obs, sparsity: 0.8, damping: 0}
90 % unstructured, heap|66.27|{method: exact-obs, sparsity: 0.9, damping: 0}
50 % unstructured, exact|93.17|{method: exact-obs, sparsity: 0.5, select: exact, damping: 0}
70 % unstructured, exact|92.60|{method: exact-obs, sparsity: 0.7, select: exact, damping: 0}
80 % unstructured, exact|91.72|{method: exact-obs, sparsity: 0.8, select: exact, damping: 0}
90 % unstructured, exact|66.27|{method: exact-obs, sparsity: 0.9, select: exact, damping: 0}
RTN 4 bit|93.17|{method: rtn, bits: 4}
RTN 3 bit|70.05|{method: rtn, bits: 3}
RTN 2 bit|58.76|{method: rtn, bits: 2}
'

# usage: job COMPRESS BATCH_NORM MEAN; leaves $work/report
job() {
  cat > "$work/recipe.yaml" <<R
model: fashion_resnet14.onnx
data:
  calibration: {file: fashion-calibration.npz, samples: 1024}
  evaluation: {file: fashion-test.npz, metric: top1}
  preprocess: {scale: 0.00392156862745098, mean: [$3], std: [0.3530]}
compress: [$1]
batch_norm: $2
R
  "$orc" run "$work/recipe.yaml" --slots "$slots" --json > "$work/report" 2> "$work/errors" || { cat "$work/errors" >&2; exit 1; }
}

if [ "$batch_norm" = spread ]; then
  echo "| mean of the pixels | here % |"
  echo "| --- | --- |"
  for mean in 0.285997 0.285998 0.285999 0.286 0.286001 0.286002 0.286003; do
    job '{method: exact-obs, sparsity: 0.9, select: sort, damping: 0}' keep "$mean"
    node -p '`| ${process.argv[2]} | ${JSON.parse(require("fs").readFileSync(process.argv[1])).compressed.metric.toFixed(2)} |`' "$work/report" "$mean"
  done
  exit 0
fi

worst=0
last=
echo "| setting (batch_norm: $batch_norm) | reference % | here % | seconds |"
echo "| --- | --- | --- | --- |"
while IFS='|' read -r name reference compress; do
  [ -n "$name" ] || continue
  # The bound is for batch norms as the reference had them; the other modes are reported.
  [ "$batch_norm" = keep ] && bound=0.3 || bound=free
  case "$batch_norm $name" in
    "retune 90 %"*) bound=-20;;
    # What perturbed calibration was seen to do to this line.
    "keep 90 % unstructured, sort") bound=0.9;;
  esac
  # The joint line is held to the line before it, which is 2:4 alone.
  if [ "$reference" = joint ]; then reference=$last bound=0.5; fi
  job "$compress" "$batch_norm" 0.2860
  node -e '
    const [file, name, reference, bound] = process.argv.slice(1);
    const r = JSON.parse(require("fs").readFileSync(file));
    require("fs").writeFileSync(file + ".last", r.compressed.metric.toFixed(2));
    console.log(`| ${name} | ${reference} | ${r.compressed.metric.toFixed(2)} | ${r.seconds.toFixed(1)} |`);
    process.exit(bound !== "free" && r.compressed.metric < reference - bound ? 3 : 0);
  ' "$work/report" "$name" "$reference" "$bound" || worst=1
  last=$(cat "$work/report.last")
done <<< "$settings"
exit "$worst"
