#!/usr/bin/env bash
# Of the graph files that are named prints those that can be checked on this machine: a file with a
# line `# needs: MODULE ...` wants that Python module. What is left out is said on stderr.
set -euo pipefail
for file in "$@"; do
  module=$(sed -n 's/^# needs: \([A-Za-z0-9_]*\).*/\1/p;10q' "$file")
  if [[ -z $module ]] || python3 -c "import $module" 2>/dev/null; then
    echo "$file"
  else
    echo "note: $file needs the Python module $module; skipped" >&2
  fi
done
