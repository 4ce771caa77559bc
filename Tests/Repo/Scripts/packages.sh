#!/usr/bin/env bash
# Makes sure that the system libraries Gantry links are there: installs what is missing when run
# by root or with sudo, otherwise prints the one line to run and fails.
set -euo pipefail

packages=(libffi-dev libyaml-dev libsqlite3-dev liblz4-dev zlib1g-dev pkg-config)

if ! command -v swift >/dev/null; then
  echo "error: swift is not on the PATH; install Swift 6.3 from https://www.swift.org/install" >&2
  exit 1
fi

if ! command -v dpkg-query >/dev/null; then
  echo "note: not a Debian or Ubuntu machine; libffi, libyaml, sqlite3, lz4, zlib (with headers) and pkg-config are taken to be there" >&2
  exit 0
fi

missing=()
for package in "${packages[@]}"; do
  status=$(dpkg-query --show --showformat='${db:Status-Status}' "$package" 2>/dev/null || true)
  [[ $status == installed ]] || missing+=("$package")
done
[[ ${#missing[@]} -gt 0 ]] || exit 0

line="apt-get update && apt-get install --yes --no-install-recommends ${missing[*]}"
if [[ $(id -u) == 0 ]]; then
  runner=(env)
elif command -v sudo >/dev/null && { [[ -t 0 ]] || sudo --non-interactive true 2>/dev/null; }; then
  runner=(sudo env)
else
  echo "error: system packages are missing; run this line, then try again:" >&2
  echo "  sudo sh -c '$line'" >&2
  exit 1
fi

echo "==> installing ${missing[*]}"
"${runner[@]}" DEBIAN_FRONTEND=noninteractive sh -c "$line"
