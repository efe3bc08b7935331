#!/usr/bin/env bash
# Tests what the scripts share where it decides about success: runs that were INVALID are made again, a bounded number of
# times, and nothing else is.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. scripts/common.sh

# No waiting here.
await_idle() { :; }
counter=$(mktemp)
trap 'rm -f "$counter"' EXIT

# ending CODE...: ends with the next of these codes each time it is run, and then with the last one.
ending() {
  local run
  run=$(wc -l <"$counter")
  echo run >>"$counter"
  [ "$run" -lt $# ] || run=$(($# - 1))
  shift "$run"
  return "$1"
}

failed=0
# expect CODE RUNS CODES...: what while_invalid 3 makes of a command that ends so.
expect() {
  local wanted=$1 runs_wanted=$2 code=0 runs
  shift 2
  : >"$counter"
  while_invalid 3 ending "$@" 2>/dev/null || code=$?
  runs=$(wc -l <"$counter")
  if [ "$code" -ne "$wanted" ] || [ "$runs" -ne "$runs_wanted" ]; then
    echo "codes $*: ended with $code after $runs runs, not with $wanted after $runs_wanted"
    failed=$((failed + 1))
  fi
}

expect 0 1 0
expect 0 3 2 2 0
expect 2 3 2
expect 3 1 3
expect 3 2 2 3
expect 1 1 1 0
echo "while_invalid: $((6 - failed)) passed, $failed failed"
[ "$failed" -eq 0 ]
