#!/usr/bin/env bash
# Runs one of the training scripts of manifests/models: train.sh SCRIPT FILE
# Modules that python3 has are used as they are. Others go into .build/training, a virtualenv that is kept,
# where PyPI can be reached; torch is a gigabyte, and is never installed. Ends with 77, and a line that says
# why, where the script cannot be run here.
set -euo pipefail
cd "$(dirname "$0")/../../.."
script=$1
file=$2
environment=.build/training

# Prints the modules that the script and its neighbours import and this Python does not have.
missing() {
  "$1" -B - "$script" <<'PYTHON'
import ast, importlib.util, pathlib, sys

def imports(path):
    for node in ast.walk(ast.parse(path.read_text())):
        names = [one.name for one in node.names] if isinstance(node, ast.Import) else []
        names += [node.module] if isinstance(node, ast.ImportFrom) and node.level == 0 else []
        for name in {name.split(".")[0] for name in names}:
            beside = path.with_name(name + ".py")
            if beside.exists():
                yield from imports(beside)
            else:
                yield name

print(*sorted({name for name in imports(pathlib.Path(sys.argv[1])) if importlib.util.find_spec(name) is None}))
PYTHON
}

# What the script's own first lines say: `pip install PACKAGE ...`
packages() { sed -n 's/^ *pip install \(.*\)/\1/p' "$script" | head -n 1; }

skip() {
  echo "skipped $script: $1"
  exit 77
}

command -v python3 >/dev/null || skip "there is no python3"
python=python3
absent=$(missing python3)
if [[ -n $absent ]]; then
  # More of its modules than are asked for may be missing; torch decides alone.
  [[ " $absent " != *" torch "* ]] || skip "python3 has no torch"
  [[ -n $(packages) ]] || { echo "error: $script does not say what to \`pip install\`" >&2; exit 1; }
  python=$environment/bin/python
  if [[ ! -x $python || -n $(missing "$python") ]]; then
    python3 - <<'PYTHON' || skip "python3 has no ${absent// /, }, and PyPI cannot be reached"
import socket, sys
try:
    socket.create_connection(("pypi.org", 443), timeout=5).close()
except OSError:
    sys.exit(1)
PYTHON
    [[ -x $python ]] || python3 -m venv "$environment" || skip "python3 cannot make a virtualenv"
    # shellcheck disable=SC2046 # the packages are words
    "$python" -m pip install --quiet --disable-pip-version-check $(packages) || skip "pip could not install $(packages)"
  fi
fi
exec "$python" -B "$script" "$file"
