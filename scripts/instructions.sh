#!/usr/bin/env bash
# Counts the instructions of the hot paths with Callgrind and compares them with benches/micro/instructions.json: more than
# 5% more in any of them is a failure. --save records the counts of this tree instead.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. scripts/common.sh

use_tools
need_valgrind
# The runner has to be of the library's version.
version=$(cargo tree --locked -q -p micro -e dev --depth 1 --prefix none | sed -n 's/^gungraun v\([^ ]*\).*/\1/p')
runner=$CARGO_TARGET_DIR/tools/bin/gungraun-runner
if [ "$("$runner" --version 2>/dev/null)" != "gungraun-runner $version" ]; then
  cargo install -q --debug --locked --target-dir "$CARGO_TARGET_DIR/gungraun" --root "$CARGO_TARGET_DIR/tools" \
    gungraun-runner --version "$version"
fi
found=$(mktemp)
trap 'rm -f "$found"' EXIT
ulimit -S -n "$(ulimit -H -n)"
GUNGRAUN_RUNNER=$runner cargo bench -q --locked -p micro --bench instructions -- --output-format=json >"$found"
python3 benches/micro/judge.py "$found" "$@"
