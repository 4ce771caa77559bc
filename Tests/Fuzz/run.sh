#!/usr/bin/env bash
# Fuzzes the readers of foreign bytes with libFuzzer and AddressSanitizer, for a bounded time.
#
#   run.sh [manifest|journal|csv|control|trees ...]     FUZZ_SECONDS: for each of them (60)
#
# Starts from Tests/Fuzz/corpus and from what earlier runs found (.build/fuzz/corpus). A crash leaves
# its input in .build/fuzz/crashes and ends the script with an error.
set -euo pipefail
cd "$(dirname "$0")/../.."
root=$PWD
out=.build/fuzz
seconds=${FUZZ_SECONDS:-60}
targets=("$@")
[[ ${#targets[@]} -gt 0 ]] || targets=(manifest journal csv control trees)

mkdir -p "$out/modules/CLinux" "$out/objects" "$out/crashes"
cat >"$out/modules/CLinux/module.modulemap" <<MAP
module CLinux { header "$root/Host/System/CLinux/include/CLinux.h" export * }
MAP

maps=(SDK/C/include/gantry SDK/C/system/CLZ4 SDK/C/system/CPosix SDK/C/system/CZlib Host/System/CYaml)
imports=(-I "$out/modules" -I "$out/modules/CLinux" -Xcc -I"$root/Host/System/CLinux/include")
for map in "${maps[@]}"; do imports+=(-I "$map"); done
flags=(-O -wmo -parse-as-library -swift-version 6 -enable-upcoming-feature ExistentialAny
  -enable-upcoming-feature MemberImportVisibility -sanitize=fuzzer,address -suppress-warnings "${imports[@]}")

# module NAME FILES...
module() {
  local name=$1
  shift
  echo "==> compiling $name"
  swiftc "${flags[@]}" -module-name "$name" -emit-module -emit-module-path "$out/modules/$name.swiftmodule" \
    -emit-object -o "$out/objects/$name.o" "$@"
}

# target NAME OBJECTS AND LIBRARIES...
target() {
  local name=$1
  shift
  echo "==> linking fuzz-$name"
  swiftc "${flags[@]}" -module-name "Fuzz_$name" -o "$out/fuzz-$name" "$@" 2>&1 | grep -v 'Cannot export local symbol' || true
  [[ -x $out/fuzz-$name ]]
}

rm -f "$out"/fuzz-*
for source in Host/System/CLinux/*.c; do
  clang -O2 -g -IHost/System/CLinux/include -c "$source" -o "$out/objects/clinux_$(basename "$source" .c).o"
done
module GantryBase Host/Base/*.swift
for name in "${targets[@]}"; do
  case $name in
    manifest)
      module GantryManifest Host/Manifest/*.swift
      module GantryGraph Host/Graph/*.swift
      target manifest Tests/Fuzz/manifest.swift "$out"/objects/{GantryBase,GantryManifest,GantryGraph}.o "$out"/objects/clinux_*.o -lyaml
      ;;
    journal)
      module Crypto Tests/Fuzz/Support/Crypto.swift
      module GantryJournal Host/Journal/*.swift
      target journal Tests/Fuzz/journal.swift "$out"/objects/{Crypto,GantryBase,GantryJournal}.o "$out"/objects/clinux_*.o -llz4
      ;;
    csv)
      module GantrySDK SDK/Swift/GantrySDK/*.swift
      mapfile -t sources < <(find Plugins/Sources/replay/Sources -name '*.swift' ! -name plugin.swift | sort)
      target csv Tests/Fuzz/csv.swift "${sources[@]}" "$out/objects/GantrySDK.o" -lz -llz4
      ;;
    control)
      module GantryAdmin Host/Admin/{JSONValue,ControlVerb,ControlRequest,ControlStream}.swift
      target control Tests/Fuzz/control.swift "$out"/objects/{GantryBase,GantryAdmin}.o "$out"/objects/clinux_*.o
      ;;
    trees)
      module GantrySDK SDK/Swift/GantrySDK/*.swift
      mapfile -t sources < <(find Plugins/Models/trees/Sources -name '*.swift' ! -name plugin.swift | sort)
      target trees Tests/Fuzz/trees.swift "${sources[@]}" "$out/objects/GantrySDK.o"
      ;;
    *)
      echo "error: there is no fuzz target $name; there are manifest, journal, csv, control, trees" >&2
      exit 2
      ;;
  esac
done

export SWIFT_BACKTRACE=enable=no ASAN_OPTIONS=symbolize=0:detect_leaks=0
failed=()
for name in "${targets[@]}"; do
  mkdir -p "$out/corpus/$name"
  echo "==> fuzzing $name for $seconds s"
  if ! timeout --kill-after=10 $((seconds + 60)) "$out/fuzz-$name" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -max_len=65536 \
    -print_final_stats=1 -verbosity=0 -artifact_prefix="$out/crashes/$name-" "$out/corpus/$name" "Tests/Fuzz/corpus/$name" </dev/null; then
    failed+=("$name")
  fi
done
if [[ ${#failed[@]} -gt 0 ]]; then
  echo "error: the fuzzer found something in: ${failed[*]}; the inputs are in $out/crashes" >&2
  exit 1
fi
echo "nothing found in: ${targets[*]}"
