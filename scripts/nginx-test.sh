#!/usr/bin/env bash
# Runs the server behind a real nginx that keeps its upstream connections.
# FANRING_BINARY names the server; without it a debug build is made and used.
set -euo pipefail
cd "$(dirname "$0")/.."

missing=()
[[ -x /usr/sbin/nginx ]] || missing+=(nginx)
command -v python3 >/dev/null || missing+=(python3)
if ((${#missing[@]})); then
    apt-get update -qq
    # The test starts an nginx of its own; the packaged service must not take port 80 meanwhile.
    RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive \
        apt-get install -qq -y --no-install-recommends "${missing[@]}" >/dev/null
fi

if [[ -z ${FANRING_BINARY:-} ]]; then
    cargo build --locked --bin fanring
    FANRING_BINARY=${CARGO_TARGET_DIR:-target}/debug/fanring
fi
exec timeout 300 python3 tests/nginx/proxy.py "$FANRING_BINARY" --nginx /usr/sbin/nginx
