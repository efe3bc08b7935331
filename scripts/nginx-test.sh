#!/usr/bin/env bash
# Runs the server behind a real nginx that keeps its upstream connections.
# FANRING_BINARY names the server; without it a debug build is made and used.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/common.sh

missing=()
[[ -x /usr/sbin/nginx ]] || missing+=(nginx)
command -v python3 >/dev/null || missing+=(python3)
install_packages "${missing[@]}"

if [[ -z ${FANRING_BINARY:-} ]]; then
    cargo build --locked --bin fanring
    FANRING_BINARY=${CARGO_TARGET_DIR:-target}/debug/fanring
fi
exec timeout 600 python3 tests/nginx/proxy.py "$FANRING_BINARY" --nginx /usr/sbin/nginx
