#!/usr/bin/env bash
# Measures the plugin trees beside XGBoost's and LightGBM's C APIs: 100 trees of depth 6, in one run.
#   run.sh [ROUNDS]     BENCH_PYTHON: a Python with xgboost, lightgbm and numpy; without it a private
#                       virtualenv is made in .build/bench-models (needs PyPI)
set -euo pipefail
cd "$(dirname "$0")/../../.."
here=Tests/Benchmarks/models
out=.build/bench-models
mkdir -p "$out"

python=${BENCH_PYTHON:-$out/venv/bin/python3}
if ! "$python" -c 'import lightgbm, numpy, xgboost' 2>/dev/null; then
  echo "==> installing xgboost-cpu and lightgbm into $out/venv"
  python3 -m venv "$out/venv"
  "$out/venv/bin/pip" install --quiet --disable-pip-version-check xgboost-cpu lightgbm numpy
  python=$out/venv/bin/python3
fi
packages=$("$python" -c 'import os, xgboost; print(os.path.dirname(os.path.dirname(xgboost.__file__)))')
[[ -s $out/rows.bin ]] || "$python" "$here/train.py" "$out"

echo "==> compiling the plugin and the benchmark"
swift=(swiftc -swift-version 6 -O -wmo -parse-as-library -enable-experimental-feature Embedded -enforce-exclusivity=unchecked
  -enable-upcoming-feature ExistentialAny -enable-upcoming-feature MemberImportVisibility -I SDK/C/include/gantry -I SDK/C/system/CPosix)
mkdir -p "$out/modules"
"${swift[@]}" -module-name GantrySDK -emit-module -emit-module-path "$out/modules/GantrySDK.swiftmodule" -emit-object \
  -o "$out/GantrySDK.o" SDK/Swift/GantrySDK/*.swift
"${swift[@]}" -I "$out/modules" -module-name TreesPlugin Plugins/Models/trees/Sources/*.swift "$out/GantrySDK.o" -emit-library \
  -o "$out/libtrees.so" -Xlinker --version-script=SDK/C/plugin.map -Xlinker --gc-sections -Xlinker --as-needed
cc -std=gnu11 -O2 -Wall -Wextra -Werror -I SDK/C/include -o "$out/trees" "$here/trees.c" -ldl -lm

echo "==> measuring"
"$out/trees" "$out/libtrees.so" "$out" "$packages/xgboost/lib/libxgboost.so" "$packages/lightgbm/lib/lib_lightgbm.so" "$@"
