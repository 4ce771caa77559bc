#!/usr/bin/env bash
# Pins the ABI: sizes, alignments, offsets and declarations of every struct, and the value of every
# constant, in the headers of SDK/C/include/gantry.
#
#   abi-lock.sh            compares abi.lock with the headers and names each line that differs
#   abi-lock.sh --write    rewrites abi.lock
#   abi-lock.sh --print    prints what the lock would be; INCLUDE_DIR chooses another header folder
#
# The list of structs and constants is read from the headers themselves, so nothing can be left out;
# the numbers come from the C compiler.
set -euo pipefail
cd "$(dirname "$0")/../../.."

include=${INCLUDE_DIR:-SDK/C/include}
lock=SDK/C/include/gantry/abi.lock
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# From header text to a C program that prints one line a fact.
cat >"$work/list.awk" <<'AWK'
function squeeze(text) {
  gsub(/[ \t\n]+/, " ", text); gsub(/^ | $/, "", text)
  gsub(/ ?\( ?/, "(", text); gsub(/ ?\) ?/, ")", text); gsub(/ ?\* ?/, " *", text); gsub(/ ,/, ",", text)
  gsub(/ ?\( \*/, " (*", text); gsub(/\* \*/, "**", text)
  return text
}
function quoted(text) { gsub(/"/, "\\\"", text); return text }
function field(text,    name) {
  text = squeeze(text)
  if (text == "") return
  name = text
  if (match(name, /\(\*[a-z0-9_]+\)/)) {
    name = substr(name, RSTART, RLENGTH); gsub(/[^a-z0-9_]/, "", name)
  } else {
    sub(/\[[^]]*\]$/, "", name); sub(/.*[ *]/, "", name)
  }
  printf "  FIELD(%s, %s, \"%s\")\n", type, name, quoted(text)
}
{ sub(/\/\/.*/, "") }
/^#define GANTRY_[A-Z0-9_]+ / && $2 !~ /\(/ && $2 !~ /^GANTRY_(EXPORT|INLINE)$/ { printf "  CONSTANT(%s)\n", $2; next }
/^#/ { next }
/^typedef struct [a-z0-9_]+ \{/ { type = $3; printf "  STRUCT(%s)\n", type; text = ""; next }
type != "" && /^\}/ { type = ""; next }
type != "" {
  text = text " " $0
  while ((at = index(text, ";")) > 0) { field(substr(text, 1, at - 1)); text = substr(text, at + 1) }
  next
}
/^typedef / { function_type = "" }
/^typedef [^;]*\(\*[a-z0-9_]+\)/ || function_type != "" {
  function_type = function_type " " $0
  if ($0 ~ /;/) { printf "  DECLARATION(\"%s\")\n", quoted(squeeze(function_type)); function_type = "" }
}
AWK

{
  cat <<'C'
#include <gantry/gantry.h>
#include <stdalign.h>
#include <stdio.h>
static void text(const char *name, const char *value) { printf("constant %s \"%s\"\n", name, value); }
static void number(const char *name, long long value) { printf("constant %s %lld\n", name, value); }
#define CONSTANT(name) _Generic((name), char *: text, default: number)(#name, name);
#define STRUCT(type) printf("struct %s size %zu align %zu\n", #type, sizeof(type), alignof(type));
#define FIELD(type, name, declaration) \
  printf("  %s.%s offset %zu size %zu: %s\n", #type, #name, offsetof(type, name), sizeof(((type *)0)->name), declaration);
#define DECLARATION(declaration) printf("%s\n", declaration);
int main(void) {
C
  for header in abi event batch config host plugin ext/chain ext/feed ext/library ext/model ext/params_live ext/pull ext/query ext/state ext/state_convert; do
    [[ -f $include/gantry/$header.h ]] || continue
    echo "  puts(\"# gantry/$header.h\");"
    awk -f "$work/list.awk" "$include/gantry/$header.h"
  done
  echo '  return 0; }'
} >"$work/lock.c"

# Every header must be in the list above.
listed=$(grep -c 'puts("# gantry/' "$work/lock.c")
present=$(find "$include/gantry" -name '*.h' ! -name gantry.h ! -name math.h ! -path '*/draft/*' | wc -l)
if [[ $listed != "$present" ]]; then
  echo "error: $present headers in $include/gantry, but abi-lock.sh lists $listed of them" >&2
  exit 1
fi

${CC:-cc} -std=c11 -w "-I$include" -o "$work/lock" "$work/lock.c"
{
  echo "# Sizes, offsets and values of the ABI on 64-bit machines. Made by \`make abi-lock\`, compared by \`make check\`."
  "$work/lock"
} >"$work/abi.lock"

case ${1:-} in
  --print) cat "$work/abi.lock" ;;
  --write)
    cp "$work/abi.lock" "$lock"
    echo "wrote $lock ($(wc -l <"$lock") lines)"
    ;;
  *)
    if ! diff "$lock" "$work/abi.lock" >"$work/diff"; then
      echo "error: the headers no longer say what $lock pins ('<' is pinned, '>' is what the headers say now):" >&2
      grep '^[<>]' "$work/diff" >&2
      echo "help: what has shipped never changes meaning (see the policy in gantry/abi.h); if the change is meant, run \`make abi-lock\`" >&2
      exit 1
    fi
    ;;
esac
