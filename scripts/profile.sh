#!/usr/bin/env bash
# Profiles one shard with perf while fanload drives it: the steady fan-out, the same with cold caches, and sessions that connect.
# Draws flame graphs (docs/bench/flame-*.svg) and prints where the time goes, in nanoseconds a delivery (docs/PROFILE.md).
#   scripts/profile.sh [--seconds N] [--out DIR]     needs root, or kernel.perf_event_paranoid at -1
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. scripts/common.sh

seconds=8
out=docs/bench
while [ $# -gt 0 ]; do
  case $1 in
    --seconds) seconds=${2:?--seconds wants a number} ;;
    --out) out=${2:?--out wants a folder} ;;
    *) echo "profile: unknown option $1; see the head of this script" >&2; exit 2 ;;
  esac
  shift 2
done

use_tools
command -v perf >/dev/null || install_packages linux-perf
tools=$CARGO_TARGET_DIR/tools
[ -x "$tools/bin/inferno-flamegraph" ] || cargo install -q --debug --locked --target-dir "$CARGO_TARGET_DIR/inferno" --root "$tools" inferno --version 0.12.8
cargo build --release --locked -q -p fanload
# With frame pointers, so that perf can walk the stack of the server's own code.
RUSTFLAGS="-C force-frame-pointers=yes" cargo build --release --locked -q -p fanring --target-dir "$CARGO_TARGET_DIR/profiled"

work=$(mktemp -d)
server=''
cleanup() {
  [ -z "$server" ] || kill "$server" 2>/dev/null || true
  rm -rf "$work"
}
trap cleanup EXIT
ulimit -S -n "$(ulimit -H -n)"
port=$((20000 + RANDOM % 9000))
taskset -c 0 "$CARGO_TARGET_DIR/profiled/release/fanring" --listen "127.0.0.1:$port" --shards 1 --pin >"$work/server.log" 2>&1 &
server=$!
for _ in $(seq 100); do
  (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null && break
  sleep 0.1
done

# profile NAME TITLE DELAY LENGTH FANLOAD-OPTIONS...: samples LENGTH seconds of a run, from DELAY on.
profile() {
  local name=$1 title=$2 delay=$3 length=$4 client
  shift 4
  timeout 120 taskset -c 1 "$CARGO_TARGET_DIR/release/fanload" --target "127.0.0.1:$port" --server-pid "$server" --quiet \
    --json "$work/$name.json" "$@" >"$work/$name.log" 2>&1 &
  client=$!
  sleep "$delay"
  perf record -q -g -F 4999 -p "$server" -o "$work/$name.perf" -- sleep "$length"
  wait "$client" || true
  perf script -i "$work/$name.perf" 2>/dev/null | "$tools/bin/inferno-collapse-perf" --kernel >"$work/$name.folded"
  mkdir -p "$out"
  grep '^shard-' "$work/$name.folded" | "$tools/bin/inferno-flamegraph" --minwidth 0.15 --hash --title "$title" >"$out/flame-$name.svg"
  printf '\n%s\n\n' "$title"
  local report=()
  [ "$name" = connect ] || report=(--report "$work/$name.json")
  python3 -m benches.compare.profile "$work/$name.folded" "${report[@]}"
}

profile fanout "Steady fan-out: 1,000 subscribers, 60 messages/s, 64 bytes" 2.5 "$((seconds - 1))" \
  --subscribers 1000 --rate 60 --duration "$seconds" --warmup 1
profile cold "Cold caches: 10,000 subscribers, 5 messages/s, 64 bytes" 3 "$((seconds - 1))" \
  --subscribers 10000 --rate 5 --duration "$seconds" --warmup 1
profile connect "Connecting: 15,000 handshakes" 0 3 --workload idle --subscribers 15000 --hold 3 --connect-rate 8000
