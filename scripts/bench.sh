#!/usr/bin/env bash
# The comparison: Fanring beside its peers, one processor for the server and one for fanload. docs/BENCHMARKS.md and the
# figure in README.md are written from it. Installs what is missing. `--quick` takes about 10 minutes; see --help.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. scripts/common.sh

use_tools

missing=()
for tool in taskset:util-linux python3:python3 git:git; do
  command -v "${tool%%:*}" >/dev/null || missing+=("${tool##*:}")
done
python3 -c 'import ensurepip' 2>/dev/null || missing+=(python3-venv)
install_packages "${missing[@]}"
python=$CARGO_TARGET_DIR/bench-venv/bin/python
if ! "$python" -c 'import matplotlib' 2>/dev/null; then
  python3 -m venv "$CARGO_TARGET_DIR/bench-venv"
  "$python" -m pip install -q 'matplotlib>=3.8,<4'
fi
case " $* " in
  *" --report "* | *" --list "* | *" --help "* | *" -h "*) ;;
  *) cargo build --release --locked -q -p fanload ;;
esac
ulimit -S -n "$(ulimit -H -n)"
# Output goes where it is run from: the project's root.
exec "$python" -m benches.compare "$@"
