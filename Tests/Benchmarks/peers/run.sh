#!/usr/bin/env bash
# Measures Gantry's chain beside the engines one would take instead, in one run.
#   run.sh [--rounds N] [--events N] [--only NAME]... [--output FILE]
# Builds the host in release and the C baselines, writes the tape, and hands over to run.py, which gives
# each peer a private virtualenv under .build/peers. With all peers and all events it writes
# Tests/Benchmarks/PEERS.md. Takes a quarter of an hour the first time, some five minutes after.
set -euo pipefail
cd "$(dirname "$0")/../../.."
bench=.build/bench
data=${GANTRY_DATA:-../shared/data}

if [[ ! -d $data/lean/forex/oanda/tick/eurusd ]]; then
  echo "error: the benchmark runs on real quotes, which are not in $data; set GANTRY_DATA to a LEAN data folder's parent" >&2
  exit 65
fi

swift build -c release --explicit-target-dependency-import-check error
Tests/Benchmarks/Baselines/build.sh "$bench"
exec python3 -B Tests/Benchmarks/peers/run.py --data "$data" "$@"
