#!/usr/bin/env bash
# Kills, pauses and restarts servers and workers at random while jobs run: tests/chaos.sh [MINUTES [SEED]].
# Every model has to have the bytes of a run in one process.
set -euo pipefail
cd "$(dirname "$0")/.."
export ORC_CHAOS_MINUTES=${1:-10} ORC_CHAOS_SEED=${2:-$RANDOM}
echo "$ORC_CHAOS_MINUTES minutes, seed $ORC_CHAOS_SEED"
.ci/install
exec dotnet test -c Release tests/EndToEnd.Tests --filter "FullyQualifiedName~ChaosTests" --logger "console;verbosity=detailed"
