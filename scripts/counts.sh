#!/usr/bin/env bash
# Counts what a message costs in echo and small rooms, for Fanring and the bare relay's forms: instructions of user space
# (Callgrind), system calls, entries and completions of the ring, switches, and where the time goes (perf). Where times of
# whole runs can't be told apart, these can.
#   scripts/counts.sh [--servers A,B] [--cells A,B]     needs root for perf; some 25 minutes for all
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. scripts/common.sh

use_tools
need_valgrind
command -v perf >/dev/null || install_packages linux-perf
case " $* " in
  *" --help "* | *" -h "*) ;;
  *)
    cargo build --release --locked -q -p fanload
    benches/peers/peer setup fanring fanring-epoll relay uwebsockets >&2
    ;;
esac
ulimit -S -n "$(ulimit -H -n)"
exec python3 -m benches.compare.counts "$@"
