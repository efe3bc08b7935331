#!/usr/bin/env bash
# Drives every peer for some seconds and says whether it fans out correctly: 20 subscribers in one room, then in 3.
#   benches/peers/check.sh [NAME...]      sets them up first
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

. scripts/common.sh
fanload=${CARGO_TARGET_DIR:-target}/release/fanload
[ -x "$fanload" ] || cargo build --release --locked -q -p fanload
names=("$@")
[ $# -gt 0 ] || mapfile -t names < <(benches/peers/peer list)
benches/peers/peer setup "${names[@]}"

server=
trap '[ -z "$server" ] || kill "$server" 2>/dev/null || true' EXIT

failed=0
for name in "${names[@]}"; do
  port=$((20000 + RANDOM % 9000))
  timeout 250 benches/peers/peer run "$name" "$port" >/dev/null 2>&1 &
  server=$!
  for _ in $(seq 600); do
    (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null && break
    kill -0 "$server" 2>/dev/null || break
    sleep 0.1
  done
  if ! (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
    echo "$name: FAILED: it does not listen"
    failed=1
    kill "$server" 2>/dev/null || true
    continue
  fi
  read -ra flags < <(benches/peers/peer flags "$name")
  for rooms in 1 3; do
    # Without rooms there is nothing to check there.
    [ "$name" = floor ] && [ "$rooms" -gt 1 ] && continue
    if said=$(while_invalid 4 timeout 60 "$fanload" --target "127.0.0.1:$port" --subscribers 20 --rooms "$rooms" --rate 50 \
      --duration 2 --warmup 0.5 --lag-max 1000 --quiet "${flags[@]}" 2>&1); then
      echo "$name, $rooms rooms: $(grep '^judged' <<<"$said" | tr -s ' ')"
    else
      echo "$name, $rooms rooms: FAILED: $(tail -2 <<<"$said" | paste -sd' ')"
      failed=1
    fi
  done
  kill "$server" 2>/dev/null || true
  wait "$server" 2>/dev/null || true
  server=
done
exit "$failed"
