#!/usr/bin/env bash
# Compiles every ABI header by itself, as C11 and as C++17, with each compiler that is installed.
set -euo pipefail
cd "$(dirname "$0")/../../.."

include=SDK/C/include
compilers=0
failed=0

compile() {  # <compiler> <standard> <language> <header>
  if ! printf '#include <gantry/%s>\n' "$4" |
    "$1" "-std=$2" -Wall -Wextra -pedantic -Werror "-I$include" -fsyntax-only -x "$3" -; then
    echo "error: gantry/$4 does not compile alone as $2 with $1" >&2
    failed=1
  fi
}

for pair in "clang c" "gcc c" "clang++ c++" "g++ c++"; do
  read -r compiler language <<<"$pair"
  if ! command -v "$compiler" >/dev/null; then
    echo "note: $compiler is not installed; skipped"
    continue
  fi
  compilers=$((compilers + 1))
  standard=$([[ $language == c ]] && echo c11 || echo c++17)
  while read -r header; do
    compile "$compiler" "$standard" "$language" "${header#"$include"/gantry/}"
  done < <(find "$include/gantry" -name "*.h" | sort)
done

[[ $compilers -gt 0 ]] || { echo "error: neither clang nor gcc is installed" >&2; exit 1; }
exit $failed
