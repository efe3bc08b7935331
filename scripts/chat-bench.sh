#!/usr/bin/env bash
# The chat backend beside Centrifugo, JSON and Protobuf beside plain rooms, and what idle sessions and rooms take; it writes the
# section of docs/BENCHMARKS.md about them. Wants Go, which builds Centrifugo below target/protocols; without it a notice says so.
# `--before FANRING` names a build from before a change, to compare plain rooms with; see --help.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. scripts/common.sh

fail() { echo "chat-bench: $*" >&2; exit 1; }

use_tools
command -v python3 >/dev/null || install_packages python3
case " $* " in
  *" --report "* | *" --list "* | *" --help "* | *" -h "*) ;;
  *)
    use_tools_folder
    if [ ! -x "$tools/bin/centrifugo" ] && ! command -v go >/dev/null; then
      skip "nothing was compared with Centrifugo: there is no Go to build it"
    fi
    build_centrifugo
    cargo build --release --locked -q -p fanring -p fanload -p relay
    CARGO_TARGET_DIR=$CARGO_TARGET_DIR/copied cargo build --release --locked -q -p fanring --features copied-recovery
    ;;
esac
ulimit -S -n "$(ulimit -H -n)"
exec python3 -m benches.compare.chat "$@"
