#!/usr/bin/env bash
# Every plugin in a build folder exports `gantry_plugin_entry` and nothing else.
set -euo pipefail

folder=${1:?usage: exports.sh BUILD_FOLDER}
shopt -s nullglob
libraries=("$folder"/lib*.so)
[[ ${#libraries[@]} -gt 0 ]] || { echo "error: there is no lib*.so in $folder; build first" >&2; exit 1; }

failed=0
for library in "${libraries[@]}"; do
  symbols=$(nm --dynamic --defined-only --extern-only "$library" | awk '{ print $NF }' | sort)
  if [[ $symbols != gantry_plugin_entry ]]; then
    echo "error: $library exports: ${symbols//$'\n'/ }" >&2
    echo "help: link it with -Wl,--version-script=SDK/C/plugin.map" >&2
    failed=1
  fi
done
[[ $failed != 0 ]] || echo "${#libraries[@]} plugins export gantry_plugin_entry and nothing else"
exit $failed
