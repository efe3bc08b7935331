#!/usr/bin/env bash
# Plays some three hundred sequences of commands, right ones and wrong ones, to Fanring and compares its answers with those of
# Centrifugo, of which it speaks the client protocol. Fails on any difference that tests/reference/expected.toml does not name
# with a reason, and on any that it names and that is gone.
#   scripts/reference.sh [--bin-dir DIR] [OPTIONS...]   Fanring beside the answers recorded in tests/reference/answers.json
#   scripts/reference.sh --live [OPTIONS...]            Centrifugo itself beside them: are they still what it says?
#   scripts/reference.sh --record                       Centrifugo is asked, and they are written anew
# With --bin-dir nothing of Rust is built and fanring is taken from there. --only WORD, --kinds and --all are those of
# tests/reference/compare.py. The last two want Go, which builds Centrifugo below target/protocols, and are skipped, with a notice,
# without it. tests/reference/sequences.py tells how sequences are written.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. scripts/common.sh

fail() { echo "reference: $*" >&2; exit 1; }

action=check bin_dir='' options=()
while [ $# -gt 0 ]; do
  case $1 in
    --bin-dir) bin_dir=${2:?--bin-dir wants a folder}; shift 2 ;;
    --only) options+=(--only "${2:?--only wants a word}"); shift 2 ;;
    --kinds | --all) options+=("$1"); shift ;;
    --live) action=live; shift ;;
    --record) action=record; shift ;;
    *) fail "unknown option $1" ;;
  esac
done

command -v python3 >/dev/null || install_packages python3
if [ "$action" = check ]; then
  if [ -z "$bin_dir" ]; then
    timeout 900 cargo build --locked -q -p fanring
    bin_dir=${CARGO_TARGET_DIR:-target}/debug
  fi
  [ -x "$bin_dir/fanring" ] || fail "$bin_dir/fanring is missing"
else
  use_tools_folder
  if [ ! -x "$tools/bin/centrifugo" ]; then
    command -v go >/dev/null || skip "Centrifugo was not asked: there is no Go to build it"
  fi
  build_centrifugo
  # What it looks at twice a minute is to be seen in seconds.
  export CENTRIFUGO_CLIENT_PRESENCE_UPDATE_INTERVAL=1s
fi

logs=$(mktemp -d)
serve_below "$logs"
at=()
for file in tests/reference/*.toml; do
  name=$(basename "$file" .toml)
  [ "$name" != expected ] || continue
  if [ "$action" = check ]; then
    start timeout 900 "$bin_dir/fanring" serve --listen "127.0.0.1:$port" --config "$file"
  else
    start_centrifugo "$file"
  fi
  at+=(--server "$name=127.0.0.1:$port")
  port=$((port + 1))
done

case $action in
  check) timeout 600 python3 tests/reference/compare.py check "${at[@]}" "${options[@]}" ;;
  live) timeout 600 python3 tests/reference/compare.py check "${at[@]}" "${options[@]}" --exactly ;;
  record) timeout 900 python3 tests/reference/compare.py record "${at[@]}" --made-by "Centrifugo ${centrifugo_version#v}" ;;
esac
