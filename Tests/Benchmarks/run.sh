#!/usr/bin/env bash
# Builds what is measured in release, the C baselines and the benchmark's own plugins, and measures.
#   run.sh [--rounds N] [--events N] [--swaps N] [hops|chain|journal|process|swaps|cells|orders ...]
# With all parts and a million events it writes Tests/Benchmarks/RESULTS.md.
set -euo pipefail
cd "$(dirname "$0")/../.."
here=Tests/Benchmarks
out=.build/bench
data=${GANTRY_DATA:-../shared/data}

if [[ ! -d $data/lean/forex/oanda/tick/eurusd ]]; then
  echo "error: the benchmark runs on real quotes, which are not in $data; set GANTRY_DATA to a LEAN data folder's parent" >&2
  exit 65
fi

swift build -c release --explicit-target-dependency-import-check error

"$here/Baselines/build.sh" "$out"
compile="cc -std=gnu11 -O3 -Wall -Wextra -Werror -fPIC -shared -fvisibility=hidden"
$compile -o "$out/liballocations.so" "$here/allocations.c"

exported=(-Wl,--version-script=SDK/C/plugin.map)
$compile -I SDK/C/include "${exported[@]}" -o "$out/libbench-tape.so" "$here/Plugins/tape.c"
$compile -I SDK/C/include "${exported[@]}" -o "$out/libbench-pass-c.so" "$here/Plugins/pass.c"
$compile -I SDK/C/include "${exported[@]}" -DSINGLE -o "$out/libbench-pass-c-single.so" "$here/Plugins/pass.c"
for id in clock risk broker broker-here; do
  $compile -I SDK/C/include "${exported[@]}" -o "$out/libbench-$id.so" "$here/Plugins/orders.c"
done
for version in 1 2; do
  for id in state tail; do
    with=$([[ $id == state ]] && echo "-DSTATE" || true)
    $compile -I SDK/C/include "${exported[@]}" $with -DVERSION="\"0.$version.0\"" -o "$out/libbench-$id-$version.so" "$here/Plugins/state.c"
  done
done
for id in bench-pass-swift bench-pass-swift-2 bench-pass-swift-single; do
  single=$([[ $id == *-single ]] && echo "-DSINGLE" || [[ $id == *-2 ]] && echo "-DSECOND" || true)
  swiftc -swift-version 6 -O -wmo -parse-as-library -module-name BenchPass -enable-experimental-feature Embedded \
    -enforce-exclusivity=unchecked -enable-upcoming-feature ExistentialAny -enable-upcoming-feature MemberImportVisibility \
    $single -I SDK/C/include/gantry -I SDK/C/system/CPosix "$here/Plugins/pass.swift" SDK/Swift/GantrySDK/*.swift \
    -emit-library -o "$out/lib$id.so" -Xlinker --version-script=SDK/C/plugin.map -Xlinker --gc-sections -Xlinker --as-needed
done

output=(--output "$here/RESULTS.md")
[[ $# == 0 ]] || output=()
.build/release/gantry-bench --data "$data" "${output[@]}" "$@"
