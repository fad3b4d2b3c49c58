#!/usr/bin/env bash
# Takes the store of a cluster away while a job runs: tests/outage.sh [SECONDS].
# It has to be told, and the job has to go on by itself to the bytes of a run in one process.
set -euo pipefail
cd "$(dirname "$0")/.."
export ORC_OUTAGE_SECONDS=${1:-60}
.ci/install
exec dotnet test -c Release tests/EndToEnd.Tests --filter "FullyQualifiedName~A_store_that_is_away_is_told" --logger "console;verbosity=detailed"
