#!/usr/bin/env bash
# A second witness for fanload's latencies: while it drives Fanring, tcpdump writes down when the kernel handed each packet
# to a subscriber's socket, and both are compared. Exit code 1 when a median or a 99th percentile is off by more than 10%.
#   scripts/witness.sh [SECONDS]     needs root to capture; a minute and a half
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. scripts/common.sh

use_tools
command -v tcpdump >/dev/null || install_packages tcpdump
cargo build --release --locked -q -p fanring -p fanload
ulimit -S -n "$(ulimit -H -n)"
exec python3 -m benches.compare.witness "$@"
