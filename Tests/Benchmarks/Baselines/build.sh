#!/usr/bin/env bash
# Builds the C side of the benchmarks: build.sh FOLDER
set -euo pipefail
here=$(dirname "$0")
out=$1
compile="cc -std=gnu11 -O3 -Wall -Wextra -Werror -fPIC -shared -fvisibility=hidden"
mkdir -p "$out/runs"
for step in source features model decide risk broker; do
  $compile -o "$out/hop_$step.so" "$here/hop_$step.c" -lm
done
$compile -o "$out/pass.so" "$here/pass.c"
$compile -o "$out/baselines.so" "$here"/{fused,hops,calls}.c -lm -ldl
