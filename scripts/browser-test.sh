#!/usr/bin/env bash
# Runs the chat page in a real Chromium against a built server.
#   scripts/browser-test.sh [--screenshot docs/chat.png]
# FANRING_BINARY names the server; without it a debug build is made and used.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/common.sh

missing=()
command -v chromium >/dev/null || missing+=(chromium)
command -v python3 >/dev/null || missing+=(python3)
fc-list 2>/dev/null | grep -q . || missing+=(fonts-dejavu-core)
install_packages "${missing[@]}"

if [[ -z ${FANRING_BINARY:-} ]]; then
    cargo build --locked --bin fanring
    FANRING_BINARY=${CARGO_TARGET_DIR:-target}/debug/fanring
fi
exec timeout 900 python3 tests/browser/chat.py "$FANRING_BINARY" --chromium "$(command -v chromium)" "$@"
