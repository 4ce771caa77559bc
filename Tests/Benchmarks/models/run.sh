#!/usr/bin/env bash
# Measures the plugin trees beside XGBoost's and LightGBM's C APIs: 100 trees of depth 6, in one run.
# Prints a table and writes Tests/Benchmarks/MODELS.md.
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
load=$(cut -d' ' -f1 /proc/loadavg)
"$out/trees" "$out/libtrees.so" "$out" "$packages/xgboost/lib/libxgboost.so" "$packages/lightgbm/lib/lib_lightgbm.so" "$@" | tee "$out/table.md"
{
  echo "# What a prediction of boosted trees costs"
  echo
  echo "Measured by \`make bench-models\`: the plugin trees, called over the ABI as a lane calls it, beside the libraries' C APIs called directly. CPU time, everything in turn in each of ${1:-11} rounds, medians; the predictions are compared first."
  echo
  echo "Machine: $(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1), $(nproc) CPUs. Load average $load when this began. $("$python" -c 'import lightgbm, xgboost; print(f"XGBoost {xgboost.__version__}, LightGBM {lightgbm.__version__}.")')"
  echo
  cat "$out/table.md"
} >"$out/MODELS.md"
cp "$out/MODELS.md" Tests/Benchmarks/MODELS.md
echo "wrote Tests/Benchmarks/MODELS.md"
