#!/usr/bin/env bash
# What a message costs fanload to receive, beside what it costs the server to send, and with TLS (docs/LOADGEN.md).
#   scripts/receiving.sh [--before FANLOAD] [--runs N]     another build of fanload beside this one; four minutes
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. scripts/common.sh

use_tools
command -v nginx >/dev/null || install_packages nginx
cargo build --release --locked -q -p fanring -p fanload
ulimit -S -n "$(ulimit -H -n)"
exec python3 -m benches.compare.receiving "$@"
