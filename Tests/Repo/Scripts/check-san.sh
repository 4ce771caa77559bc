#!/usr/bin/env bash
# The runtime's tests under ThreadSanitizer and AddressSanitizer, plugins included: their sanitizer
# functions come from the test process, which exports its symbols.
#
#   SAN_FILTER  which tests; by default those of lanes, swaps, applies, feeds and replays
#   SAN_KINDS   "thread address" by default
set -euo pipefail
cd "$(dirname "$0")/../../.."
filter=${SAN_FILTER:-"RuntimeTests\.(LaneTests|SwapTests|SwapProtocolTests|ApplyTests|FeedTests|FallbackTests|ReplayTests|QueueTests|TimerTests|GateTests|SwapMachineTests|ChangeStormTests)"}
# Few seeds: a sanitized run takes ten times as long.
export GANTRY_BUILD=sanitize GANTRY_TEST_SEEDS=${GANTRY_TEST_SEEDS:-2} GANTRY_STORM_OPERATIONS=${GANTRY_STORM_OPERATIONS:-60}

for kind in ${SAN_KINDS:-thread address}; do
  echo "==> $kind sanitizer"
  flags=(--sanitize="$kind" --scratch-path ".build/san-$kind" -Xlinker --export-dynamic)
  swift build --build-tests "${flags[@]}"
  supp="$PWD/Tests/Repo/Scripts/$kind.supp"
  export TSAN_OPTIONS="suppressions=$supp halt_on_error=0 exitcode=66 second_deadlock_stack=1"
  # Leaks are the memory tests' matter; what a plugin maps is unmapped before the leak check looks.
  export ASAN_OPTIONS="detect_leaks=0 halt_on_error=1"
  swift test --skip-build --disable-xctest "${flags[@]}" --filter "$filter"
done
