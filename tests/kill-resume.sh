#!/usr/bin/env bash
# Kills `orc run` (SIGKILL) at random moments and starts it again, until KILLS have hit a running job.
# Afterwards: the model has the bytes of an undisturbed run, no committed unit ran again, every commit was reused.
# usage: tests/kill-resume.sh [KILLS] [RECIPE] [SLOTS]      (defaults: 30, the main sample, 2)
set -euo pipefail
cd "$(dirname "$0")/.."
kills=${1:-30}
recipe=${2:-src/Samples/fashion-resnet14/recipe.yaml}
slots=${3:-2}
orc=${ORC:-artifacts/bin/Cli/release/orc}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

fail() { echo "FAILED: $*" >&2; exit 1; }
digest() { sha256sum "$1" | cut -d' ' -f1; }
field() { node -e 'const r = JSON.parse(require("fs").readFileSync(process.argv[1])); console.log(process.argv[2].split(".").reduce((o, k) => o[k], r))' "$1" "$2"; }
commits() { [ ! -d "$1/local/commits" ] || find "$1/local/commits" -name '*.json' | sort; }

# A unit that ran again would have left an attempt younger than its commit.
check_no_rework() {
  local commit key
  while read -r commit; do
    [ -n "$commit" ] || continue
    key=$(basename "$commit" .json)
    [ ! -d "$1/local/attempts/${key:0:2}/$key" ] || [ -z "$(find "$1/local/attempts/${key:0:2}/$key" -type f -newer "$commit")" ] || fail "unit $key ran again after its commit"
  done < <(commits "$1")
}

started=$(date +%s%N)
"$orc" run "$recipe" --slots "$slots" --store "$work/undisturbed" --out "$work/expected" >/dev/null 2>&1 || fail "the undisturbed run"
milliseconds=$(( ($(date +%s%N) - started) / 1000000 ))
expected=$(digest "$work/expected/model.onnx")
total=$(field "$work/expected/report.json" units.total)
echo "undisturbed: $milliseconds ms, $total units, $expected"

hit=0
round=0
while [ "$hit" -lt "$kills" ]; do
  round=$((round + 1))
  store=$work/store-$round
  out=$work/out-$round
  while [ "$hit" -lt "$kills" ]; do
    commits "$store" | xargs -r sha256sum > "$work/before"
    "$orc" run "$recipe" --slots "$slots" --store "$store" --out "$out" >/dev/null 2>&1 &
    pid=$!
    delay=$(( (RANDOM * 32768 + RANDOM) % milliseconds ))
    sleep "$(printf '%d.%03d' $((delay / 1000)) $((delay % 1000)))"
    if kill -9 "$pid" 2>/dev/null; then
      wait "$pid" 2>/dev/null || true
      hit=$((hit + 1))
      [ ! -s "$work/before" ] || sha256sum --quiet -c "$work/before" || fail "a commit record changed"
      echo "kill $hit after $delay ms: $(commits "$store" | wc -l) of $total units committed"
    else
      wait "$pid" || fail "a resumed run ended with $?"
      break
    fi
  done
  before=$(commits "$store" | wc -l)
  "$orc" run "$recipe" --slots "$slots" --store "$store" --out "$out" >/dev/null 2>&1 || fail "the last resume of round $round"
  check_no_rework "$store"
  [ "$(digest "$out/model.onnx")" = "$expected" ] || fail "round $round: the model differs"
  [ "$(field "$out/report.json" units.reused)" -eq "$before" ] || fail "round $round: $before units were committed, $(field "$out/report.json" units.reused) reused"
  [ "$(commits "$store" | wc -l)" -eq "$total" ] || fail "round $round: $(commits "$store" | wc -l) commits for $total units"
done
echo "ok: $hit kills in $round rounds, same model every time"
