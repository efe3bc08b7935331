#!/usr/bin/env bash
# Runs of fanload over several processes and machines, as the tests can't make them: two network namespaces are two machines
# with an agent each, of which one is killed in the second run; and 60,000 sessions against four servers in one command.
#   scripts/agents.sh [machines|sessions]     `machines` needs root for the namespaces, and is skipped without; half a minute
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. scripts/common.sh

use_tools
command -v ip >/dev/null || install_packages iproute2
cargo build --release --locked -q -p fanring -p fanload
bin="$CARGO_TARGET_DIR/release"
work=$(mktemp -d)
spaces=()
serve_below "$work"
trap clean_up EXIT

# shellcheck disable=SC2317,SC2329 # The trap calls it.
clean_up() {
  local each
  stop_servers
  wait
  for each in "${spaces[@]}"; do ip netns delete "$each" || true; done
}

fail() {
  echo "agents: $*" >&2
  exit 1
}

# in_space NAME COMMAND...: a server there, for as long as this script runs; its number is in $!.
in_space() {
  local space=$1
  shift
  ip netns exec "$space" "$@" 2>>"$work/log" &
  servers+=($!)
}

# await_port SPACE ADDRESS PORT: until somebody listens there.
await_port() {
  local try
  for try in $(seq 100); do
    ip netns exec "$1" bash -c ": >/dev/tcp/$2/$3" 2>/dev/null && return 0
    sleep 0.1
  done
  fail "nobody listens on $2:$3 after $try tries: $(cat "$work/log")"
}

# figure EXPRESSION: of the report of the last run, in Python.
figure() {
  python3 -c 'import json, sys; r = json.load(open(sys.argv[1])); print(eval(sys.argv[2]))' "$work/run.json" "$1"
}

# lead SECONDS FLAGS...: a run over both agents, led from the first machine; its exit code is in $code.
lead() {
  local seconds=$1
  shift
  code=0
  timeout 60 ip netns exec fan-one "$bin/fanload" --target 10.99.0.1:9001 --agents 10.99.0.1:9500,10.99.0.2:9500 \
    --token-file "$work/token" --subscribers 200 --rate 50 --duration "$seconds" --warmup 1 --lag-max 1s --quiet \
    --json "$work/run.json" "$@" >"$work/table" 2>>"$work/log" || code=$?
}

machines() {
  if [ "$(id -u)" -ne 0 ] || ! ip netns add fan-one 2>/dev/null; then
    notice "fanload was not tried over two machines: network namespaces can't be made here"
    return 0
  fi
  spaces+=(fan-one)
  ip netns add fan-two
  spaces+=(fan-two)
  ip link add fan-veth netns fan-one type veth peer name fan-veth netns fan-two
  ip -n fan-one address add 10.99.0.1/24 dev fan-veth
  ip -n fan-two address add 10.99.0.2/24 dev fan-veth
  local space
  for space in fan-one fan-two; do
    ip -n "$space" link set lo up
    ip -n "$space" link set fan-veth up
  done
  head -c 32 /dev/urandom | base64 >"$work/token"
  in_space fan-one "$bin/fanring" --listen 10.99.0.1:9001 --shards 1
  local agent=("$bin/fanload" agent --token-file "$work/token" --allow-target 10.99.0.1:9001 --listen)
  in_space fan-one "${agent[@]}" 10.99.0.1:9500
  in_space fan-two "${agent[@]}" 10.99.0.2:9500
  local second=$!
  await_port fan-one 10.99.0.1 9001
  await_port fan-one 10.99.0.1 9500
  await_port fan-one 10.99.0.2 9500

  lead 3
  [ "$code" -eq 0 ] || fail "exit code $code: $(cat "$work/table" "$work/log")"
  [ "$(figure 'r["counts"]["delivered"]')" -eq 40000 ] || fail "not all was delivered: $(cat "$work/table")"
  [ "$(figure 'r["window"]["completed"]')" -eq 150 ] || fail "not all was complete: $(cat "$work/table")"
  [ "$(figure '0 < r["machines"]["clock_uncertainty_ns"] < 5e6')" = True ] || fail "clocks: $(cat "$work/table")"
  grep '^\(agents\|clocks\) ' "$work/table"

  (sleep 3 && kill -9 "$second") &
  lead 5
  [ "$code" -eq 2 ] || fail "exit code $code with a lost agent: $(cat "$work/table" "$work/log")"
  grep -q 'INVALID: agent 10.99.0.2:9500 was lost' "$work/table" || fail "not told: $(cat "$work/table")"
  [ "$(figure 'r["counts"]["delivered"]')" -gt 20000 ] || fail "the rest was not written: $(cat "$work/table")"
  grep '^INVALID' "$work/table"
}

sessions() {
  local targets=()
  for _ in 1 2 3 4; do
    start "$bin/fanring" --listen "127.0.0.1:$port" --shards 1
    targets+=(--target "127.0.0.1:$port")
    port=$((port + 1))
  done
  # 60,000 with the four publishers; each message is for 14,999.
  local begun=$SECONDS
  timeout 120 "$bin/fanload" "${targets[@]}" --workload rooms --rooms 4 --subscribers 59996 --rate 1 --duration 6 --warmup 2 \
    --drain 20 --connect-timeout 60s --lag-max 10s --quiet --json "$work/run.json" >"$work/table" 2>>"$work/log" ||
    fail "exit code $?: $(cat "$work/table" "$work/log")"
  [ "$(figure 'r["sessions"]["opened"]')" -eq 60000 ] || fail "not all were open: $(cat "$work/table")"
  [ "$(figure 'r["counts"]["delivered"]')" -eq $((8 * 14999)) ] || fail "not all was delivered: $(cat "$work/table")"
  [ "$(figure 'r["window"]["completed"]')" -eq 6 ] || fail "not all was complete: $(cat "$work/table")"
  echo "agents: 60,000 sessions in $(figure 'len(r["machines"]["agents"])') processes, $((SECONDS - begun)) s"
}

case "${1:-all}" in
  machines | sessions) "$1" ;;
  all)
    machines
    sessions
    ;;
  *) fail "want machines or sessions" ;;
esac
echo "agents: all well"
