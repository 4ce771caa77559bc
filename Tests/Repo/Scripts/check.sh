#!/usr/bin/env bash
# Everything a change must pass besides the tests. Runs all checks, then says which failed.
#
#   check.sh            all checks
#   check.sh NAME...    some of them: format headers abi-lock build exports graphs schema paths
set -euo pipefail
cd "$(dirname "$0")/../../.."
scripts=Tests/Repo/Scripts

# Files of the repository that match the patterns.
tracked() {
  if git rev-parse --is-inside-work-tree >/dev/null 2>&1; then
    git ls-files -- "$@"
  else
    local pattern
    for pattern in "$@"; do find . -path ./.build -prune -o -path "./$pattern" -type f -print | sed 's|^\./||'; done
  fi
}

format() {
  if ! swift format --version >/dev/null 2>&1; then
    echo "note: swift-format is not installed; skipped"
    return 0
  fi
  tracked '*.swift' | xargs swift format lint --strict --parallel
}

headers() { "$scripts/headers.sh"; }

abi-lock() { "$scripts/abi-lock.sh"; }

# Warnings as errors, and no import that Package.swift does not name.
build() {
  GANTRY_BUILD=strict swift build --build-tests --explicit-target-dependency-import-check error ${SWIFT_FLAGS:-}
}

exports() { "$scripts/exports.sh" .build/debug; }

# Every graph of the repository, as `gantry check` sees it.
graphs() {
  local files
  mapfile -t files < <(tracked 'manifests/*.yaml' 'Plugins/*/example.yaml')
  [[ ${#files[@]} -gt 0 ]] || { echo "error: no graph file is tracked" >&2; return 1; }
  mapfile -t files < <("$scripts/graphs.sh" "${files[@]}")
  .build/debug/gantry check "${files[@]}"
}

# The editors' schema says what the plugins say.
schema() {
  .build/debug/gantry schema | diff manifests/schema/graph.schema.json - || {
    echo "error: manifests/schema/graph.schema.json is not what \`gantry schema\` prints; run \`make schema\`" >&2
    return 1
  }
}

# Nothing in the repository speaks of one machine's folders.
paths() {
  local found
  found=$(tracked '*' | grep -v '^Tests/Repo/Scripts/check.sh$' | xargs grep -nIsE '(^|[^A-Za-z0-9_./-])/(home|root|work|Users)/[A-Za-z0-9_.-]+' || true)
  [[ -z $found ]] || { echo "error: these lines name folders of one machine:" >&2; echo "$found" >&2; return 1; }
}

names=("$@")
[[ ${#names[@]} -gt 0 ]] || names=(format headers abi-lock paths build exports graphs schema)
failed=()
for name in "${names[@]}"; do
  echo "==> $name"
  # A subshell with errexit of its own: `if name` would switch it off inside.
  set +e
  (set -e; "$name")
  status=$?
  set -e
  [[ $status == 0 ]] || failed+=("$name")
done

if [[ ${#failed[@]} -gt 0 ]]; then
  echo "check failed: ${failed[*]}" >&2
  exit 1
fi
echo "check passed: ${names[*]}"
